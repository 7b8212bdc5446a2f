"""Random changes to training pictures that leave a cat a cat and a dog a dog.

A network that sees the same 2,000 photographs over and over learns them by heart.
Turned, mirrored, moved and lit a little differently each time, no picture comes
back, and what stays the same is what makes the class.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import tensorflow as tf

# How far a picture is changed at most, each amount drawn evenly from -most to most.
TURN = math.radians(15)
ZOOM = 0.2  # to between exp(-0.2) = 0.82 and exp(0.2) = 1.22 times its size
SHIFT = 0.1  # of its height and width
LIGHT = 0.3  # brightness, contrast and saturation, as shares


def augment(images: npt.ArrayLike, *, seed: int) -> npt.NDArray[np.float32]:
    """Change each picture at random: mirror, turn, zoom, move and light it.

    What comes in from beyond the edges is the picture's own mirror image.

    Parameters
    ----------
    images : ndarray of shape (N, H, W, 3), float, in [0, 1]
    seed : int
        The same seed changes the same pictures in the same way.

    Returns
    -------
    changed : ndarray of shape (N, H, W, 3), float32, in [0, 1]

    Raises
    ------
    ValueError
        If the images are of another shape or range.

    Examples
    --------
    >>> images = np.random.default_rng(0).random((2, 8, 8, 3))
    >>> changed = augment(images, seed=1)
    >>> changed.shape, bool(np.allclose(changed, images))
    ((2, 8, 8, 3), False)
    >>> bool(np.array_equal(changed, augment(images, seed=1)))
    True
    """
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[-1] != 3:
        raise ValueError(
            f"images must be of shape (N, H, W, 3); got {images.shape}"
            + ("; for one image, pass images[None]" if images.ndim == 3 else "")
        )
    if not np.issubdtype(images.dtype, np.floating):
        raise ValueError(
            f"images must be floating-point numbers in [0, 1]; got {images.dtype}: "
            "divide 8-bit images by 255"
        )
    # Written so that not-a-number fails as well.
    if images.size and not (images.min() >= 0 and images.max() <= 1):
        raise ValueError(
            f"images must lie in [0, 1]; got numbers from {images.min():g} to "
            f"{images.max():g}"
        )
    return random_changes(images.astype("float32"), (seed, 0)).numpy()


def random_changes(images: tf.Tensor, seed: tuple[int, int] | tf.Tensor) -> tf.Tensor:
    """Do the work of `augment` in TensorFlow, as a step of a ``tf.data`` pipeline.

    Parameters
    ----------
    images : tensor of shape (N, H, W, 3), float32, in [0, 1]
    seed : pair of int, or tensor of shape (2,)
        All randomness comes from it, so pictures can be changed in any order, on any
        thread, and again after an interruption, to the same result.

    Returns
    -------
    changed : tensor of shape (N, H, W, 3), float32, in [0, 1]
    """
    import tensorflow as tf

    images = tf.convert_to_tensor(images)
    amounts = tf.random.stateless_uniform((8, tf.shape(images)[0]), seed, -1, 1)
    turn, zoom, mirror, down, right, brightness, contrast, saturation = tf.unstack(
        amounts
    )
    moved = _move(images, turn, zoom, mirror, down, right)
    return _relight(moved, brightness, contrast, saturation)


def _move(images, turn, zoom, mirror, down, right):
    """Look up every pixel at its place in the original: one pass for all changes."""
    import keras
    import tensorflow as tf

    height, width = images.shape[1:3]
    scale = tf.exp(ZOOM * zoom)
    cosine, sine = scale * tf.cos(TURN * turn), scale * tf.sin(TURN * turn)
    flip = tf.where(mirror < 0, -1.0, 1.0)
    # (x, y) looks at (a x + b y + c, d x + e y + f); the centre is the fixed point.
    a, b, d, e = flip * cosine, -sine, flip * sine, cosine
    x, y = (width - 1) / 2, (height - 1) / 2
    c = x - a * x - b * y + SHIFT * width * right
    f = y - d * x - e * y + SHIFT * height * down
    none = tf.zeros_like(a)  # of perspective
    return keras.ops.image.affine_transform(
        images,
        tf.stack([a, b, c, d, e, f, none, none], axis=1),
        interpolation="bilinear",
        fill_mode="reflect",
    )


def _relight(images, brightness, contrast, saturation):
    """Pull colours from or to grey, then tones from or to the mean, then scale both.

    With factors s, c and b the three steps are

        x -> grey + s (x - grey),    x -> mean + c (x - mean),    mean -> b mean;

    multiplied out, each picture is passed through once.  Grey has the same mean.
    """
    import tensorflow as tf

    def factor(amount):
        return 1 + LIGHT * amount[:, None, None, None]

    brightness, contrast = factor(brightness), factor(contrast)
    colourful = contrast * factor(saturation)
    grey = tf.reduce_mean(images, axis=3, keepdims=True)
    mean = tf.reduce_mean(grey, axis=(1, 2), keepdims=True)
    base = (contrast - colourful) * grey + (brightness - contrast) * mean
    return tf.clip_by_value(colourful * images + base, 0, 1)
