"""Which number of a classifier stands for a class, and how it is computed.

Explanations need one number for each image and class: the *logit*, what the last layer
computes before softmax or sigmoid turns it into a probability.  A probability near 1
hardly moves whatever the pixels do; its logit does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cnnbook.checks import check_whole
from cnnbook.networks.compiled import compiled_once
from cnnbook.networks.graph import Connections, before_activation, connections, run
from cnnbook.networks.heads import Head, head
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
    outputs = all_logits(model, images, batch_size=batch_size)
    return head(model).probabilities(outputs)


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
    function = compiled_once(
        model,
        "logits",
        lambda network: _logits_function(model, network, head(model)),
    )
    check_answers(model, images)
    parts = [
        function(images[start : start + batch_size])
        for start in range(0, len(images), batch_size)
    ]
    return np.concatenate([np.asarray(part) for part in parts])


def check_answers(model: keras.Model, images: np.ndarray) -> None:
    """Refuse a model whose answers seem to be logits and can only be probabilities.

    Logits leave the range from 0 to 1 where inputs are wild enough.

    Parameters
    ----------
    model : keras.Model
    images : ndarray of shape (N, H, W, C)
        From `explainable_images`.

    Raises
    ------
    ValueError
        If all answers lie in [0, 1], and those to one image add up to 1.
    """
    compiled_once(model, "answers", lambda _: _refuse_probabilities(model, images))


def _refuse_probabilities(model, images):
    end = head(model)
    if end.kind in PROBABILITIES:
        return
    rng = np.random.default_rng(0)
    shape = (8, *images.shape[1:])
    whole = images.dtype.kind in "iu"
    wild = rng.integers(0, 256, shape) if whole else rng.normal(0, 1000, shape)
    several = (images[:8], wild.astype(images.dtype))
    answers = np.concatenate(
        [np.asarray(model(batch, training=False), float) for batch in several]
    )
    answers = answers[np.isfinite(answers).all(axis=1)]
    if not ((answers >= 0) & (answers <= 1)).all() or not answers.any():
        return
    single = answers.shape[1] == 1
    if single or np.allclose(answers.sum(axis=1), 1, atol=1e-3):
        raise ValueError(
            f"model {model.name!r} seems to answer with probabilities, since all lie "
            f"from 0 to 1{'' if single else ' and add up to 1'}, but it ends in no "
            "softmax or sigmoid that can be seen. Pass the part that gives logits: "
            "keras.Model(model.inputs, model.get_layer(name).output)"
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
    connections(model)
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
        array = np.broadcast_to(np.asarray(baseline, images.dtype), shape)
    except (ValueError, TypeError):
        raise ValueError(
            f"baseline must be a number, one for each of {shape[-1]} channels, or an "
            f"image of shape {shape}; got shape {np.shape(baseline)}"
        ) from None
    if not np.isfinite(array).all():
        raise ValueError("baseline must hold finite numbers; got not-a-number")
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

    Returns
    -------
    logits : tensor of shape (N, K), float32
    found : dict of str to tensor
    """
    import tensorflow as tf

    instead = dict(instead or {})
    if end.kind in PROBABILITIES:
        instead[end.layer] = before_activation
    found = run(network, images, {*names, end.layer}, given, instead)
    rows = tf.reshape(found[end.layer], (-1, found[end.layer].shape[-1]))
    return tf.cast(rows, tf.float32), found


def _logits_function(model, network, end):
    """Compile logits of any number of images."""
    import tensorflow as tf

    def compute(images):
        return logits_by_layer(network, end, images)[0]

    function = tf.function(compute, autograph=False)
    return function.get_concrete_function(image_spec(model))
