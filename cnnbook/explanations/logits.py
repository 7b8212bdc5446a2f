"""Which number of a classifier stands for a class, and how it is computed.

Explanations need one number for each image and class: the *logit*, what the last layer
computes before softmax or sigmoid turns it into a probability.  A probability near 1
hardly moves whatever the pixels do; its logit does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cnnbook.checks import check_whole
from cnnbook.networks.compiled import compiled_once
from cnnbook.networks.graph import (
    Connections,
    before_activation,
    connections,
    name_of_output,
    run,
)
from cnnbook.networks.heads import (
    NEAR,
    Head,
    head,
    no_probabilities,
    own_answers,
    remedy,
)
from cnnbook.networks.inputs import fitting_images, one_image_input
from cnnbook.networks.traits import PROBABILITIES

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


def class_probabilities(
    model: keras.Model, images: npt.ArrayLike, *, batch_size: int = 32
) -> npt.NDArray[np.float32]:
    """Compute the probability of each class, whatever the model answers with.

    Parameters
    ----------
    model : keras.Model
        As for `head`.
    images : array of shape (N, H, W, C)
        In the range that the model was made for.
    batch_size : int
        Images at a time.

    Returns
    -------
    probabilities : ndarray of shape (N, K), float32
        Also of a model with a single output: those of both classes.  Several sigmoids
        are independent, and need not add up to 1.

    Raises
    ------
    ValueError
        If the model or the images are of another kind.
    """
    check_whole(batch_size, "batch_size")
    end = head(model)
    if end.kind not in PROBABILITIES:
        return end.probabilities(all_logits(model, images, batch_size=batch_size))
    images = explainable_images(model, images)
    # Nothing is cut off, so that these are what `model.predict` gives.
    whole = replace(end, kind="logits", layer=name_of_output(connections(model)))
    function = compiled_once(
        model, "answers", lambda network: _logits_function(model, network, whole)
    )
    answers = _in_batches(function, images, batch_size)
    problem = no_probabilities(answers, end.kind)
    if problem:
        raise ValueError(
            f"model {model.name!r} ends in {end.kind}, but its answers are no "
            f"probabilities: {problem}"
        )
    return end.of_all_classes(answers)


def all_logits(
    model: keras.Model, images: npt.ArrayLike, *, batch_size: int = 32
) -> npt.NDArray[np.float32]:
    """Compute the output of the last layer before softmax or sigmoid.

    Parameters
    ----------
    model, images, batch_size
        As for `class_probabilities`.

    Returns
    -------
    logits : ndarray of shape (N, K), float32
        (N, 1) for a model with a single output.
    """
    check_whole(batch_size, "batch_size")
    images = explainable_images(model, images)
    return _in_batches(compiled_logits(model, images), images, batch_size)


def compiled_logits(
    model: keras.Model, images: np.ndarray
) -> Callable[[np.ndarray], tf.Tensor]:
    """Return the function that computes logits, once it has been tried.

    Parameters
    ----------
    model : keras.Model
    images : ndarray of shape (N, H, W, C)
        From `explainable_images`; what the function is tried on.

    Returns
    -------
    function : callable
        Images to logits, (N, H, W, C) to (N, K).

    Raises
    ------
    ValueError
        If what it computes are no logits of this model, as far as its answers tell, or
        depend on which images are beside an image.
    """

    def make(network):
        end = head(model)
        function = _logits_function(model, network, end)
        _try(model, end, function, images[:8])
        _try_alone(model, function, images[:1])
        return function

    return compiled_once(model, "logits", make)


def _in_batches(function, images, batch_size):
    """Compute something of a few images at a time."""
    parts = [
        function(images[start : start + batch_size])
        for start in range(0, len(images), batch_size)
    ]
    return np.concatenate([np.asarray(part) for part in parts])


def _try(model, end, function, images):
    """Raise ValueError if logits do not lead to a model's answers, or are none."""
    shown = end.kind in PROBABILITIES
    if shown:  # upside down they are other images in the same range
        several = images[:2], images[:2, ::-1]
    else:
        rng, shape = np.random.default_rng(0), (8, *images.shape[1:])
        whole = images.dtype.kind in "iu"
        wild = rng.integers(0, 256, shape) if whole else rng.normal(0, 1000, shape)
        several = images, wild.astype(images.dtype)
    logits = np.concatenate([np.asarray(function(batch), float) for batch in several])
    answers = np.concatenate([own_answers(model, batch) for batch in several])
    finite = np.isfinite(logits).all(axis=1) & np.isfinite(answers).all(axis=1)
    logits, answers = logits[finite], answers[finite]
    expected = end.probabilities(logits)[:, -answers.shape[1] :] if shown else logits
    # The larger logits are, the coarser they are rounded.
    doubt = NEAR + 1e-4 * np.abs(logits).max(axis=1, keepdims=True)
    if (np.abs(expected - answers) > doubt).any():
        raise ValueError(
            f"model {model.name!r} answers otherwise than its layer {end.layer!r} "
            f"tells; {remedy(end.kind if shown else 'softmax')}"
        )
    if not shown and answers.any():
        _refuse_probabilities(model.name, answers)


def _try_alone(model, function, image):
    """Raise ValueError if what a model says of an image depends on those beside it.

    Methods show it many images at a time, hidden here and there.
    """
    pair = np.concatenate([image, (image / 2).astype(image.dtype)])
    together = np.asarray(function(pair))
    alone = np.concatenate([np.asarray(function(pair[:1])), function(pair[1:])])
    if (np.abs(together - alone) > NEAR * np.abs(alone).max(initial=0)).any():
        raise ValueError(
            f"model {model.name!r} answers otherwise to an image alone than to one "
            "among others, so that its answers explain no single image; build it of "
            "layers that take each image for itself, without sums or maxima along "
            "axis 0, the batch"
        )


def _refuse_probabilities(name, answers):
    """Raise ValueError if answers to several images, (N, K), cannot be logits.

    Where images are wild enough, logits leave the range from 0 to 1, and those to one
    image do not add up to what those to another do.
    """
    single = answers.shape[1] == 1
    changing = (np.ptp(answers, axis=0) > 0).any()
    inside = ((answers > -1e-6) & (answers < 1 + 1e-6)).all()
    sums, slight = answers.sum(axis=1), 1e-3 * np.abs(answers).max()
    adding_up = not single and np.ptp(sums) < slight < abs(sums[0])
    to_one = adding_up and abs(sums[0] - 1) < slight
    if inside and (single or changing or to_one):
        fact = "lie from 0 to 1" + " and add up to 1" * bool(adding_up)
    elif adding_up and changing:
        fact = f"of an image add up to {sums[0]:.3g}"
    else:
        return
    raise ValueError(
        f"model {name!r} seems to answer with probabilities, since all {fact}, but it "
        "ends in no softmax or sigmoid that can be seen; "
        + remedy("softmax" if adding_up else "sigmoid")
    )


def logits_of(outputs: npt.ArrayLike, selectors: np.ndarray) -> np.ndarray:
    """Pick the logits of the classes asked for.

    Parameters
    ----------
    outputs : array of shape (..., K)
        Logits of all classes; (..., 1) of a model with a single output.
    selectors : ndarray that broadcasts to that shape
        From ``Head.selectors``.

    Returns
    -------
    logits : ndarray of shape (...)

    Examples
    --------
    >>> logits_of(np.array([[3.0, 5.0], [7.0, 2.0]]), np.array([[0, 1], [1, 0]]))
    array([5., 7.])
    """
    return (np.asarray(outputs) * selectors).sum(axis=-1)


def explainable_images(model: keras.Model, images: npt.ArrayLike) -> np.ndarray:
    """Return images that a model takes; ValueError if not, or not all are finite."""
    one_image_input(model)
    images = fitting_images(model, images)
    if not np.isfinite(images).all():
        raise ValueError(
            "images must be finite numbers; got not-a-number or infinity in "
            f"{np.count_nonzero(~np.isfinite(images))} places"
        )
    return images


def baseline_of(baseline: npt.ArrayLike, images: np.ndarray) -> np.ndarray:
    """Return a baseline in the shape of one image; ValueError if it does not fit."""
    shape = images.shape[1:]
    try:
        given = np.asarray(baseline)
        with np.errstate(invalid="ignore"):  # what is cut off is refused below
            array = np.broadcast_to(given.astype(images.dtype), shape)
    except (ValueError, TypeError):
        raise ValueError(
            f"baseline must be a number, one for each of {shape[-1]} channels, or an "
            f"image of shape {shape}; got shape {np.shape(baseline)}"
        ) from None
    if not np.isfinite(array).all():
        raise ValueError("baseline must hold finite numbers; got not-a-number")
    if images.dtype.kind in "iu" and (array != given).any():
        raise ValueError(
            "baseline must hold whole numbers that the images can hold, which are of "
            f"type {images.dtype}; got {baseline!r}"
        )
    return array


def image_spec(model: keras.Model) -> tf.TensorSpec:
    """Return the TensorSpec of any number of a model's images."""
    import tensorflow as tf

    (image,) = model.inputs
    return tf.TensorSpec((None, *image.shape[1:]), image.dtype)


def logits_by_layer(
    network: Connections,
    end: Head,
    images: tf.Tensor,
    names: Iterable[str] = (),
    given: Mapping[str, tf.Tensor] | None = None,
    instead: Mapping[str, Callable[..., Any]] | None = None,
    watch: Callable[[tf.Tensor], Any] | None = None,
) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """Compute logits, and what some layers answer, in TensorFlow.

    Parameters
    ----------
    network : Connections
    end : Head
    images : tensor of shape (N, H, W, C)
    names : iterable of str
        Layers whose answers are wanted as well.
    given : dict of str to tensor, optional
        What layers answer, instead of what they would.
    instead : dict of str to callable, optional
        What takes the place of layers.
    watch : callable, optional
        Called with what each of ``names`` answers, as in `graph.run`.

    Returns
    -------
    logits : tensor of shape (N, K), float32
    found : dict of str to tensor
    """
    import tensorflow as tf

    instead = dict(instead or {})
    if end.kind in PROBABILITIES:
        instead[end.layer] = before_activation
    found = run(network, images, {*names, end.layer}, given, instead, watch)
    rows = tf.reshape(found[end.layer], (-1, found[end.layer].shape[-1]))
    return tf.cast(rows, tf.float32), found


def _logits_function(model, network, end):
    """Compile logits of any number of images."""
    import tensorflow as tf

    def compute(images):
        return logits_by_layer(network, end, images)[0]

    function = tf.function(compute, autograph=False)
    return function.get_concrete_function(image_spec(model))
