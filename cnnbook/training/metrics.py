"""What a classifier answers, and how good its answers are."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cnnbook.explanations.logits import (
    all_logits,
    class_probabilities,
    compiled_logits,
    explainable_images,
)
from cnnbook.networks.compiled import refresh_predict
from cnnbook.networks.heads import head
from cnnbook.networks.ranges import scaling_for
from cnnbook.networks.traits import PROBABILITIES

if TYPE_CHECKING:
    import keras

    from cnnbook.pictures.drawing.pets import DrawnPets
    from cnnbook.pictures.pets import Split

BATCH_SIZE = 100
PART = 20 * BATCH_SIZE  # pictures turned into intensities at once


@dataclass(frozen=True)
class Metrics:
    """How well a classifier does on labelled pictures.

    Attributes
    ----------
    accuracy : float
        Share of pictures whose most probable class is the right one.
    loss : float
        Mean cross-entropy: minus the natural logarithm of the probability given to
        the right class.  Guessing among K classes costs log(K).
    count : int
        Pictures judged.
    """

    accuracy: float
    loss: float
    count: int


def predict(model: keras.Model, images: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Ask a classifier how probable each class is for each picture.

    Parameters
    ----------
    model : keras.Model
        What it answers with is read from its end (`networks.head`), and images are
        given to it in its own range (`networks.picture_range`), which must be known.
    images : ndarray of shape (N, H, W, C)
        8-bit integers, or floating-point numbers in [0, 1].

    Returns
    -------
    probabilities : ndarray of shape (N, K), float32
        Each row sums to 1, unless each class is answered for itself, by a sigmoid of
        its own.  Of a network that ends in probabilities, its own; a single output
        becomes two classes.

    Raises
    ------
    ValueError
        If the images do not fit the network, or are not in one of the two ranges, or
        if it is open what white is to the network, or what it answers with.

    Examples
    --------
    >>> from cnnbook import networks
    >>> classifier = networks.build_classifier((16, 16, 3), filters=(4,))
    >>> images = np.zeros((5, 16, 16, 3), np.uint8)
    >>> predict(classifier, images)[0]
    array([0.5, 0.5], dtype=float32)
    """
    if head(model).kind not in PROBABILITIES:
        return np.exp(_log_probabilities(model, images))
    return _in_parts(class_probabilities, model, images)


def evaluate(model: keras.Model, split: Split | DrawnPets) -> Metrics:
    """Measure a classifier on labelled pictures.

    Parameters
    ----------
    model : keras.Model
        As in `predict`.
    split : pictures.Split
        Or anything else with ``images`` as in `predict` and ``labels``, shape (N,).

    Returns
    -------
    metrics : Metrics

    Raises
    ------
    ValueError
        As `predict`, or if the labels are not one class of the model for each image;
        if the model answers each class for itself, as no class is its answer then.
    """
    end = head(model)
    if end.independent:
        raise ValueError(
            f"model {model.name!r} answers each of its {end.num_classes} classes for "
            "itself, so that its answer is not one class and has no accuracy; compare "
            "training.predict(model, images)[:, k] with what is true of class k"
        )
    labels = check_labels(split.labels, end.num_classes, images=len(split.images))
    logs = _log_probabilities(model, split.images)
    return Metrics(
        accuracy=float(np.mean(logs.argmax(axis=1) == labels)),
        loss=float(-np.mean(logs[np.arange(len(labels)), labels], dtype=float)),
        count=len(labels),
    )


def confusion_matrix(
    labels: npt.ArrayLike, predicted: npt.ArrayLike, num_classes: int
) -> npt.NDArray[np.intp]:
    """Count how often each class was taken for each.

    Parameters
    ----------
    labels : ndarray of shape (N,), int
        The right classes.
    predicted : ndarray of shape (N,), int
        The classes answered.
    num_classes : int

    Returns
    -------
    counts : ndarray of shape (K, K), int
        A row for each right class, a column for each answer.

    Raises
    ------
    ValueError
        If there are not as many answers as labels, or one is not a class.

    Examples
    --------
    Two cats, one of them taken for a dog, and three dogs:

    >>> confusion_matrix(np.array([0, 0, 1, 1, 1]), np.array([0, 1, 1, 1, 1]), 2)
    array([[1, 1],
           [0, 3]])
    """
    labels = check_labels(labels, num_classes)
    predicted = check_labels(predicted, num_classes, name="predicted")
    if len(labels) != len(predicted):
        raise ValueError(
            "labels and predicted must have the same length; got "
            f"{len(labels)} and {len(predicted)}"
        )
    counts = np.bincount(labels * num_classes + predicted, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def binomial_interval(successes: int, count: int) -> tuple[float, float]:
    """Bound a rate that was measured on so many cases, at 95 % confidence.

    Measured on all pictures of the same kind, the rate would be somewhat different.
    Wilson's interval [1]_ says within which bounds, and stays honest near 0 and 1.

    Parameters
    ----------
    successes, count : int
        Right answers, and answers in all.

    Returns
    -------
    low, high : float
        Shares in [0, 1].

    References
    ----------
    .. [1] E. B. Wilson, "Probable inference, the law of succession, and statistical
       inference", JASA 22, 1927.  https://doi.org/10.1080/01621459.1927.10502953

    Examples
    --------
    >>> low, high = binomial_interval(800, 1000)
    >>> round(low, 3), round(high, 3)
    (0.774, 0.824)
    """
    if not 0 <= successes <= count or count < 1:
        raise ValueError(
            "successes must lie between 0 and count, and count be at least 1; got "
            f"{successes} of {count}"
        )
    from scipy.stats import binomtest  # takes half a second to import

    low, high = binomtest(successes, count).proportion_ci(0.95, "wilson")
    return float(low), float(high)


def paired_difference(gained: int, lost: int, count: int) -> tuple[float, float, float]:
    """Compare the accuracies of two networks that judged the same pictures.

    Only pictures on which the two differ count [1]_.  The interval covers the chance of
    the pictures; the luck of a training is not in it.

    Parameters
    ----------
    gained, lost : int
        Pictures that the second network alone gets right, and the first alone.
    count : int
        Pictures judged.

    Returns
    -------
    difference, low, high : float
        The second's accuracy less the first's, and the ends of its 95 % interval.

    References
    ----------
    .. [1] A. Agresti, "Categorical data analysis", 3rd ed., Wiley 2013, section 11.1:
       the difference of dependent proportions.

    Examples
    --------
    >>> [round(end, 3) for end in paired_difference(gained=15, lost=5, count=100)]
    [0.1, 0.015, 0.185]
    """
    difference = (gained - lost) / count
    spread = (gained + lost) / count - difference**2
    reach = 1.96 * math.sqrt(max(spread, 0) / count)
    return difference, difference - reach, difference + reach


def as_intensities(
    images: npt.ArrayLike, shape: Sequence[int | None]
) -> npt.NDArray[np.float32]:
    """Check images for a network, and turn 8-bit ones into numbers in [0, 1].

    Parameters
    ----------
    images : ndarray of shape (N, H, W, C)
        8-bit integers, or floating-point numbers in [0, 1].
    shape : (int, int, int)
        What the network takes: (H, W, C).

    Returns
    -------
    intensities : ndarray of shape (N, H, W, C), float32, in [0, 1]

    Raises
    ------
    ValueError
        If there are none, or they are of another shape, type or range.
    """
    images = check_images(images, shape)
    if images.dtype == np.uint8:
        return images / np.float32(255)  # type: ignore[return-value]
    low, high = images.min(), images.max()
    if not (low >= 0 and high <= 1):  # so that not-a-number fails as well
        raise ValueError(
            "images must lie in [0, 1] or be 8-bit integers (uint8); got "
            f"{images.dtype} from {low:g} to {high:g}"
            + (": divide by 255" if 1 < high <= 255 and low >= 0 else "")
        )
    return images.astype("float32")


def check_images(images: npt.ArrayLike, shape: Sequence[int | None]) -> np.ndarray:
    """Return images as an array of shape (N, H, W, C); ValueError if they cannot be."""
    images, shape = np.asarray(images), tuple(shape)
    if not _fits(images.shape[1:], shape):
        hint = "; for one image, pass image[None]" if _fits(images.shape, shape) else ""
        sides = ", ".join("any" if side is None else str(side) for side in shape)
        raise ValueError(
            f"this network takes images of shape (N, {sides}); got {images.shape}{hint}"
        )
    if not len(images):
        raise ValueError("expected at least one image; got none")
    if images.dtype != np.uint8 and not np.issubdtype(images.dtype, np.floating):
        raise ValueError(
            "images must be 8-bit integers (uint8) or floating-point numbers in "
            f"[0, 1]; got {images.dtype}"
        )
    return images


def _fits(shape, expected):
    """Tell whether a shape is the one expected, where None stands for any length."""
    return len(shape) == len(expected) and all(
        side in (None, length) for length, side in zip(shape, expected, strict=True)
    )


def check_labels(
    labels: npt.ArrayLike,
    num_classes: int,
    *,
    name: str = "labels",
    images: int | None = None,
) -> npt.NDArray[np.int64]:
    """Return labels as an array of shape (N,); ValueError if one is not a class.

    Nor if there are not as many as images, where that number is given.
    """
    labels = np.asarray(labels)
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"{name} must be whole numbers, one per image: shape (N,); got "
            f"{labels.dtype} of shape {labels.shape}"
        )
    if len(labels) and not (labels.min() >= 0 and labels.max() < num_classes):
        raise ValueError(
            f"{name} must be classes from 0 to {num_classes - 1}; got numbers from "
            f"{labels.min()} to {labels.max()}"
        )
    if images is not None and len(labels) != images:
        raise ValueError(
            f"every image needs one label; got {images} images and {len(labels)} labels"
        )
    return labels.astype(np.int64)


def as_taken(model: keras.Model) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function that puts bytes or intensities into a model's own range."""
    scaled = scaling_for(model)
    return lambda images: scaled(as_intensities(images, images.shape[1:]))


def _log_probabilities(model, images):
    """Return the logarithm of each class's probability, shape (N, K)."""
    shown = head(model).kind in PROBABILITIES
    logits = _in_parts(all_logits if shown else _answers, model, images)
    if logits.shape[1] == 1:  # the second class's lead over the first
        logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
    # The largest logit becomes 0, so that no exponential overflows.
    logits = logits - logits.max(axis=1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def _answers(model, images, *, batch_size):
    """Compute what a model answers with, once it is known that these are logits."""
    import keras

    compiled_logits(model, explainable_images(model, images[:8]))
    refresh_predict(model)
    outputs = model.predict(images, batch_size=batch_size, verbose=0)
    (logits,) = keras.tree.flatten(outputs)  # may come by name
    return logits


def _in_parts(function, model, images):
    """Compute something of a model and images as it takes them.

    In parts, as the pictures may lie on the disk, for want of memory.
    """
    images, taken = check_images(images, model.input_shape[1:]), as_taken(model)
    return np.concatenate(
        [
            function(model, taken(images[start : start + PART]), batch_size=BATCH_SIZE)
            for start in range(0, len(images), PART)
        ]
    )
