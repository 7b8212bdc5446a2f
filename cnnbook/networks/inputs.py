"""Whether images are what a network takes, and what to do if they are not."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cnnbook.networks.graph import (
    CHANNELS_LAST,
    axes_in,
    connections,
    layer_calls,
)
from cnnbook.networks.traits import CONVOLUTIONS, channels_taken, traits_of
from cnnbook.pictures.images import INTENSITIES

if TYPE_CHECKING:
    import keras


def one_image_input(model: keras.Model) -> tuple[int | None, ...]:
    """Return the shape of a model's only input, which has to be images.

    Parameters
    ----------
    model : keras.Model

    Returns
    -------
    shape : (int or None, int or None, int or None, int or None)
        (N, H, W, C), as Keras has it; None for what may be of any size.

    Raises
    ------
    ValueError
        If the model cannot be taken apart, has several inputs, or its input is of
        another shape or has its channels first; if its layers have, and TensorFlow
        cannot compute that here.
    """
    shape = shape_of_input(model)
    _check_channels_last(model, shape)
    return shape


def shape_of_input(model: keras.Model) -> tuple[int | None, ...]:
    """Return the shape of a model's only input; ValueError if that is no image."""
    if getattr(model, "inputs", None) is None:
        connections(model)  # says why a subclass of keras.Model has none
    shapes = [tuple(tensor.shape) for tensor in model.inputs]
    if len(shapes) != 1 or len(shapes[0]) != 4:
        raise ValueError(
            f"model {model.name!r} must have one input of shape (N, H, W, C); it has "
            f"{len(shapes)}: {', '.join(map(str, shapes))}. Pass the part that sees an "
            "image: keras.Model(image_input, output)"
        )
    return shapes[0]


def _check_channels_last(model, shape):
    """Refuse channels first: in images, and in layers that cannot be run."""
    every = axes_in(model)
    if set(every.values()) <= {CHANNELS_LAST, None}:
        return
    axes = next(iter(every.values()))  # those of the input
    if axes not in (CHANNELS_LAST, None):
        sides = ", ".join(str(shape[axis]) for axis in axes)
        moved = ", ".join(str(axes.index(axis) + 1) for axis in (1, 2, 3))
        raise ValueError(
            f"model {model.name!r} takes images of shape {shape}, which its layers "
            f"read as {_letters(axes)}; images have shape (N, H, W, C) here: pass "
            f"keras.Sequential([keras.Input(({sides})), "
            f"keras.layers.Permute(({moved})), model])"
        )
    first = [
        name
        for name, node in layer_calls(model).items()
        if channels_taken(node.operation) == 1
        and traits_of(node.operation).role in _CONVOLVING
    ]
    if first and not _computes_channels_first():
        raise ValueError(
            f"layer {first[0]!r} of model {model.name!r} has its channels first, which "
            "TensorFlow computes on this machine with oneDNN alone: set "
            "TF_ENABLE_ONEDNN_OPTS=1 in the environment before Python starts"
        )


# Which hold a convolution, or may.
_CONVOLVING = CONVOLUTIONS | {"transposed convolution", "unknown"}


def _letters(axes):
    """Return the letters of a shape whose rows, columns and channels are there."""
    letters = dict(zip(axes, "HWC", strict=True))
    return f"(N, {', '.join(letters[axis] for axis in (1, 2, 3))})"


@functools.cache
def _computes_channels_first():
    """Tell whether TensorFlow runs a convolution with channels first."""
    import tensorflow as tf

    try:
        tf.nn.conv2d(tf.ones((1, 1, 1, 1)), tf.ones((1, 1, 1, 1)), 1, "VALID", "NCHW")
    except tf.errors.OpError:
        return False
    return True


def fitting_images(model: keras.Model, images: npt.ArrayLike) -> np.ndarray:
    """Return images as an array that a model takes, or say why it does not.

    Nothing is rescaled.  Models of this package, whose input is named
    ``pictures.INTENSITIES``, take numbers in [0, 1] and no others.

    Parameters
    ----------
    model : keras.Model
        With one image as its input.
    images : array of shape (N, H, W, C)

    Returns
    -------
    images : ndarray of shape (N, H, W, C)
        In the model's own data type.

    Raises
    ------
    ValueError
        If there are none, or they differ from what the model takes in shape, type
        or, for this package's own models, range.
    """
    import keras

    shape_of_input(model)
    (expected,) = model.inputs
    shape = tuple(expected.shape[1:])
    sides = [size or letter for size, letter in zip(shape, "HWC", strict=True)]
    wanted = f"images of shape (N, {', '.join(map(str, sides))})"
    kind = type(images).__name__
    try:
        images = np.asarray(images)
    except ValueError:
        raise ValueError(
            f"model {model.name!r} takes {wanted} in one array; got a {kind} of images "
            "that differ in size: cut each to one, pictures.load_image(image, size)"
        ) from None
    if not images.ndim:
        raise ValueError(
            f"model {model.name!r} takes {wanted} in one array; got {kind}: read a "
            "picture by pictures.load_image(path, size)[None], and np.stack several"
        )
    if not _fits(images.shape, shape):
        raise ValueError(
            f"model {model.name!r} takes {wanted}; got shape {images.shape}"
            + _remedy(images.shape, shape)
        )
    if not len(images):
        raise ValueError(f"expected at least one image; got shape {images.shape}")
    dtype = keras.backend.standardize_dtype(expected.dtype)
    if dtype == "bfloat16":  # which NumPy does not know
        dtype = "float32"
    if not np.can_cast(images.dtype, dtype, "same_kind"):
        raise ValueError(
            f"model {model.name!r} takes images of type {expected.dtype}; got "
            f"{images.dtype}: pass numbers, images.astype({dtype!r})"
        )
    if expected.name == INTENSITIES:
        low, high = images.min(), images.max()
        if not (low >= 0 and high <= 1):  # so that not-a-number fails as well
            raise ValueError(
                f"model {model.name!r} takes intensities in [0, 1]; got numbers from "
                f"{low:g} to {high:g}"
                + (": divide by 255" if 1 < high <= 255 and low >= 0 else "")
            )
    return images.astype(dtype, copy=False)


_GREY = "repeat grey for red, green and blue, "
# What to do with images that lack an axis or have it elsewhere: their shape thereafter.
_REMEDIES = {
    "put a single image in a batch of one, image[None]": lambda n: (1, *n),
    "give them an axis of one channel, images[..., None]": lambda n: (*n, 1),
    "put channels last, np.moveaxis(images, 1, -1)": lambda n: (n[0], *n[2:], n[1]),
    "keep red, green and blue alone, images[..., :3]": lambda n: (
        *n[:-1],
        min(n[-1], 3),
    ),
    f"{_GREY}np.repeat(images, 3, axis=-1)": lambda n: (*n[:-1], max(n[-1], 3)),
    f"{_GREY}np.repeat(images[..., None], 3, axis=-1)": lambda n: (*n, 3),
}


def _remedy(given, shape):
    """Return what to do with images of a shape that a model does not take, or ""."""
    if len(given) not in (3, 4):
        return ""
    for words, change in _REMEDIES.items():
        if _fits(change(given), shape):
            return f": {words}"
    if len(given) == 4 and given[-1] == shape[-1] == 3:
        return ": cut each to that size, pictures.load_image(image, size)"
    return ": put a single image in a batch of one, image[None]" * (len(given) == 3)


def _fits(given, shape):
    """Tell whether images of one shape, N included, are what a model takes."""
    return len(given) == 4 and all(
        own in (None, size) for own, size in zip(shape, given[1:], strict=True)
    )
