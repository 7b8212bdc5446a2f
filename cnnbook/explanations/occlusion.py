"""How much a class score drops when a part of the image is hidden."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cnnbook.checks import check_whole
from cnnbook.explanations import partial_runs
from cnnbook.explanations.explanation import Explanation, one_by_one
from cnnbook.explanations.logits import baseline_of, logits_by_layer, logits_of
from cnnbook.explanations.question import ask
from cnnbook.layers.windows import Pair, as_pair
from cnnbook.networks.compiled import compiled_once
from cnnbook.networks.heads import Targets

if TYPE_CHECKING:
    import keras

PER_SIDE = 8  # windows side by side along the shorter side, unless asked otherwise


def occlusion_map(
    model: keras.Model,
    images: npt.ArrayLike,
    target: Targets,
    *,
    window: Pair | None = None,
    stride: Pair | None = None,
    baseline: npt.ArrayLike = 0.0,
    batch_size: int = 32,
    progress: bool = False,
) -> Explanation:
    """Hide a window of the image at every place, and see how far the logit drops [1]_.

    Layers near the image are computed again only where the window changes them [2]_;
    the results are those of one full pass for each place, to rounding.

    Parameters
    ----------
    model : keras.Model
        An image classifier, functional or Sequential; see `networks.head`.
    images : array of shape (N, H, W, C)
        In the range that the model was made for; passed on unchanged.
    target : int or str, or a sequence of N of them
        Number or name of the class to explain, or one for each image.
    window : int or (int, int), optional
        Rows and columns to hide; by default an eighth of the image's shorter side, in
        steps of half of that.
    stride : int or (int, int), optional
        From one place to the next; by default the window that is given, side by side.
        The window never leaves the image, so rows at the far end stay unhidden if they
        make no full step.
    baseline : float or array that broadcasts to (H, W, C)
        What stands in the hidden window, in the images' range.
    batch_size : int
        Places at a time; bounds the memory.
    progress : bool
        Whether to show a bar on stderr.

    Returns
    -------
    explanation : Explanation
        ``values`` of shape (N, H', W'), in logits: the logit less what is left of it.
        Below zero where the logit rises.  H' and W' are as `layers.output_size` counts.
        ``baseline_score``: what is left if one window hides the whole image.

    Raises
    ------
    ValueError
        If the model is no such classifier or has no such class, the images do not fit
        it, or the window is larger than they are.

    References
    ----------
    .. [1] M. D. Zeiler and R. Fergus, "Visualizing and understanding convolutional
       networks", ECCV 2014.  https://doi.org/10.1007/978-3-319-10590-1_53
    .. [2] S. Nakandala, A. Kumar and Y. Papakonstantinou, "Incremental and approximate
       inference for faster occlusion-based deep CNN explanations", SIGMOD 2019.
       https://doi.org/10.1145/3299869.3319874

    Examples
    --------
    A logit that is the sum of all pixels drops by the sum of those hidden:

    >>> import keras
    >>> model = keras.Sequential([keras.Input((2, 4, 1)), keras.layers.Flatten(),
    ...     keras.layers.Dense(1, kernel_initializer="ones")])
    >>> image = np.arange(8.0).reshape(1, 2, 4, 1)
    >>> occlusion_map(model, image, 1, window=2).values
    array([[[10., 18.]]], dtype=float32)
    """
    check_whole(batch_size, "batch_size")
    question = ask(model, images, target)
    images = question.images
    size = images.shape[1:3]
    if window is None:
        window = side = max(1, min(size) // PER_SIDE)
        stride = max(1, side // 2) if stride is None else stride
    window = as_pair(window, "window")
    stride = window if stride is None else as_pair(stride, "stride")
    if any(length > side for length, side in zip(window, size, strict=True)):
        raise ValueError(
            f"a window of {window[0]} × {window[1]} pixels is larger than the images, "
            f"{size[0]} × {size[1]}; hide less"
        )
    filling = baseline_of(baseline, images)
    shape = _places(size, window, stride)
    hide = compiled_once(
        model,
        ("occlusion", size, window, stride, batch_size),
        lambda network: _hider(
            network,
            question.head,
            images.shape[1:],
            images.dtype,
            window,
            stride,
            batch_size,
        ),
    )
    outputs = np.stack(
        [
            hide(image[None], filling)
            for image in one_by_one(images, "occlusion", progress)
        ]
    )
    logits = logits_of(outputs, question.selectors[:, None])
    as_they_are, hidden = logits[:, 0], logits[:, 1:]
    return question.answer(
        (as_they_are[:, None] - hidden).reshape(len(images), *shape),
        as_they_are,
        method="occlusion",
        units="logits",
        signed=True,
        window=window,
        stride=stride,
        baseline_score=question.logits_at(filling[None], batch_size=batch_size),
    )


def _places(size, window, stride):
    """Count the places of a window, down and across."""
    return tuple(
        (side - length) // step + 1
        for side, length, step in zip(size, window, stride, strict=True)
    )


def _hider(network, end, shape, dtype, window, stride, batch_size):
    """Compile, for images of one shape, a function (image, filling) -> logits.

    Its answer, (1 + P, K): of the image as it is, and with each place hidden.
    """
    import tensorflow as tf

    image = tf.TensorSpec((1, *shape), dtype)
    grid = np.indices(_places(shape[:2], window, stride), "int32").reshape(2, -1)
    starts = tuple(grid * np.array(stride, "int32")[:, None])
    # All batches are of one size, so that one function serves them all.
    count = len(starts[0])
    chunk = math.ceil(count / math.ceil(count / batch_size))
    chain = partial_runs.chain(network)
    plans = []

    def as_it_is(image):
        logits, found = logits_by_layer(
            network, end, image, [name for name, _ in chain]
        )
        shapes = {name: tuple(maps.shape[1:3]) for name, maps in found.items()}
        plans.append(partial_runs.plan(chain, shapes, starts, window))
        return logits, {name: found[name] for name in partial_runs.needed(plans[0])}

    look = tf.function(as_it_is, autograph=False).get_concrete_function(image)
    (plan,) = plans

    def with_windows_hidden(maps, image, filling, starts):
        return partial_runs.rescore(network, end, plan, maps, image, filling, starts)

    hide = tf.function(with_windows_hidden, autograph=False).get_concrete_function(
        {
            name: tf.TensorSpec(maps.shape, maps.dtype)
            for name, maps in look.structured_outputs[1].items()
        },
        image,
        tf.TensorSpec(shape, dtype),
        [(tf.TensorSpec(chunk, tf.int32),) * 2] * len(plan.starts),
    )

    def logits(image, filling):
        image = tf.constant(image)
        (whole, maps), filling = look(image), tf.constant(filling)
        found = []
        for start in range(0, count, chunk):
            # The last batch is filled up with the last place.
            numbers = np.arange(start, start + chunk).clip(max=count - 1)
            some = [tuple(s[numbers] for s in pair) for pair in plan.starts]
            found.append(np.asarray(hide(maps, image, filling, some)))
        return np.concatenate([np.asarray(whole), *found])[: 1 + count]

    return logits
