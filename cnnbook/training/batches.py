"""Streams of training pictures, each batch a function of the seed and its number."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cnnbook.training import augmentation, metrics

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from cnnbook.pictures.pets import Split

# Mixed pictures: the shape of the beta distribution that the shares come from.
MIXING = 0.2

# Batches that are made at the same time; each takes memory until it is used.
MOST_AT_ONCE = 16


def checked(
    split: Split, network: keras.Model
) -> tuple[np.ndarray, npt.NDArray[np.int64]]:
    """Check pictures and labels for a network.

    Parameters
    ----------
    split : pictures.Split
    network : keras.Model

    Returns
    -------
    images : ndarray of shape (N, H, W, C)
        Those of the split, if they are 8-bit integers, so that they take up no more
        memory than before; else float32, in [0, 1].
    labels : ndarray of shape (N,), int64

    Raises
    ------
    ValueError
        If they do not fit the network or one another.
    """
    images = metrics.check_images(split.images, network.input_shape[1:])
    labels = metrics.check_labels(
        split.labels, network.output_shape[-1], images=len(images)
    )
    if images.dtype != np.uint8:
        images = metrics.as_intensities(images, images.shape[1:])
    return images, labels


def training_batches(
    images: np.ndarray,
    labels: np.ndarray,
    *,
    num_classes: int,
    batch_size: int,
    steps: int,
    seed: int,
    augment: bool,
    mix: bool = False,
    start: int = 0,
) -> tf.data.Dataset:
    """Make a stream of batches for training; it could start anywhere.

    Parameters
    ----------
    images, labels : ndarray
        From `checked`.  The images may lie in a file (``numpy.memmap``): a batch reads
        its own alone.
    num_classes : int
    batch_size : int
        Of every batch; the pictures left over at an epoch's end are not used in it.
    steps : int
        Where the stream ends.
    seed : int
        Decides the order and the changes.
    augment : bool
        Whether to change pictures; see `training.augment`.
    mix : bool
        Whether to blend pairs of pictures, and their labels alike [1]_.
    start : int
        Steps done before.

    Returns
    -------
    batches : tf.data.Dataset
        Of pictures, shape (N, H, W, C) in [0, 1], and what they show, shape (N, K):
        a share of 1 for the right class, or what mixing makes of that.

    References
    ----------
    .. [1] H. Zhang, M. Cisse, Y. N. Dauphin and D. Lopez-Paz, "mixup: beyond empirical
       risk minimization", ICLR 2018.  https://arxiv.org/abs/1710.09412
    """
    import tensorflow as tf

    count, scale = len(images), _largest(images)
    steps_per_epoch = count // batch_size
    kept_labels = tf.constant(labels)

    def batch(step):
        epoch, first = step // steps_per_epoch, step % steps_per_epoch * batch_size
        order = tf.random.experimental.stateless_shuffle(
            tf.range(count),
            (seed, -1 - epoch),  # a negative number: no step has it
        )
        chosen = order[first : first + batch_size]
        # NumPy looks the pictures up, in memory or on the disk; nothing is copied.
        pictures = tf.numpy_function(lambda i: images[i], [chosen], images.dtype)
        pictures = tf.ensure_shape(pictures, (batch_size, *images.shape[1:]))
        pictures = tf.cast(pictures, tf.float32) / scale
        shown = tf.one_hot(tf.gather(kept_labels, chosen), num_classes)
        shown = tf.ensure_shape(shown, (batch_size, num_classes))
        if augment:
            pictures = augmentation.random_changes(pictures, (seed, step))
        if mix:
            pictures, shown = _mixed(pictures, shown, (seed, step))
        return pictures, shown

    numbers = tf.data.Dataset.range(start, steps)
    at_once = min(os.cpu_count() or 1, MOST_AT_ONCE)
    return _untuned(numbers.map(batch, num_parallel_calls=at_once).prefetch(2))


def validation_batches(
    images: np.ndarray, labels: np.ndarray, num_classes: int
) -> tf.data.Dataset:
    """Make a stream of the pictures as they are, in order.

    Parameters
    ----------
    images, labels : ndarray
        From `checked`.
    num_classes : int

    Returns
    -------
    batches : tf.data.Dataset
        As those of `training_batches`.
    """
    import tensorflow as tf

    count, scale = len(images), _largest(images)
    kept_labels = tf.constant(labels)

    def batch(first):
        chosen = tf.range(first, tf.minimum(first + metrics.BATCH_SIZE, count))
        pictures = tf.numpy_function(lambda i: images[i], [chosen], images.dtype)
        pictures = tf.ensure_shape(pictures, (None, *images.shape[1:]))
        shown = tf.one_hot(tf.gather(kept_labels, chosen), num_classes)
        return tf.cast(pictures, tf.float32) / scale, shown

    numbers = tf.data.Dataset.range(0, count, metrics.BATCH_SIZE)
    return _untuned(numbers.map(batch))


def _untuned(batches):
    """Keep TensorFlow from tuning a stream while it runs.

    The thread that does so sleeps longer and longer, up to a minute, and whoever is
    done with the stream waits until it wakes: ten idle seconds, or thirty, after each
    training.
    """
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.with_options(options)


def _mixed(pictures, shown, seed):
    """Blend every picture with its neighbour's, by a share from a beta distribution."""
    import tensorflow as tf

    count = tf.shape(pictures)[0]
    parts = tf.random.stateless_gamma((2, count, 1), seed, alpha=MIXING) + 1e-8
    share = parts[0] / (parts[0] + parts[1])
    of_pictures = share[:, :, None, None]
    return (
        of_pictures * pictures + (1 - of_pictures) * tf.roll(pictures, 1, axis=0),
        share * shown + (1 - share) * tf.roll(shown, 1, axis=0),
    )


def _largest(images):
    """Return the number that stands for full intensity."""
    return 255.0 if images.dtype == np.uint8 else 1.0
