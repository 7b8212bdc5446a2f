"""Does 90 % mean nine in ten?  How far a classifier's probabilities can be believed."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cnnbook.checks import check_whole
from cnnbook.training.metrics import check_labels


@dataclass(frozen=True)
class Reliability:
    """How often answers were right, by how sure the classifier was.

    Attributes
    ----------
    edges : ndarray of shape (B + 1,)
        Of the bins, as probabilities of the answer: from 1 / K to 1.
    confidence : ndarray of shape (B,)
        Mean probability of the answers in each bin; not a number where there are none.
    accuracy : ndarray of shape (B,)
        Share of them that were right.
    counts : ndarray of shape (B,), int
        Answers in each bin.
    """

    edges: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray
    counts: np.ndarray

    @property
    def error(self) -> float:
        """The expected calibration error: how far sureness is from truth, on average.

        The distance of confidence and accuracy, averaged over all answers [1]_; 0 is
        best, and 0.1 means that answers given with 90 % are right, say, in 80 %.

        References
        ----------
        .. [1] C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On calibration of modern
           neural networks", ICML 2017.  https://arxiv.org/abs/1706.04599
        """
        distance = np.abs(self.confidence - self.accuracy)
        return float(np.nansum(distance * self.counts) / self.counts.sum())

    @property
    def error_by_chance(self) -> float:
        """The error that a perfectly calibrated classifier would show, on average.

        With few answers, the share of right ones differs from the stated probability
        by chance alone: by the square root of 2 c (1 - c) / (pi n) on average, for n
        answers of probability c (the mean distance of a normal distribution).
        """
        used = self.counts > 0
        sure, counts = self.confidence[used], self.counts[used]
        miss = np.sqrt(2 * sure * (1 - sure) / (np.pi * counts))
        return float((miss * counts).sum() / counts.sum())


def reliability(
    probabilities: npt.ArrayLike, labels: npt.ArrayLike, *, bins: int = 10
) -> Reliability:
    """Sort answers by their probability, and count how many of each were right.

    Parameters
    ----------
    probabilities : ndarray of shape (N, K)
        From `training.predict`; each row sums to 1.
    labels : ndarray of shape (N,), int
        The right classes.
    bins : int
        Bins of equal width, from 1 / K, below which no answer can be, to 1.

    Returns
    -------
    reliability : Reliability

    Raises
    ------
    ValueError
        If there is not one row for each label, or rows are no probabilities.

    Examples
    --------
    Four answers, all given with 90 %, of which three are right:

    >>> sure = np.array([[0.9, 0.1]] * 4)
    >>> found = reliability(sure, np.array([0, 0, 0, 1]))
    >>> found.counts.tolist()
    [0, 0, 0, 0, 0, 0, 0, 4, 0, 0]
    >>> round(found.error, 2)
    0.15
    """
    check_whole(bins, "bins")
    probabilities, labels = _checked(probabilities, labels)
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    edges = np.linspace(1 / probabilities.shape[1], 1, bins + 1)
    # A sureness on an edge belongs to the bin below, but for the lowest.
    number = np.clip(np.searchsorted(edges, confidence - 1e-6) - 1, 0, bins - 1)
    counts = np.bincount(number, minlength=bins)
    with np.errstate(invalid="ignore"):  # 0 / 0 where a bin is empty
        return Reliability(
            edges=edges,
            confidence=np.bincount(number, confidence, minlength=bins) / counts,
            accuracy=np.bincount(number, right, minlength=bins) / counts,
            counts=counts,
        )


@dataclass(frozen=True)
class Thresholds:
    """What happens if a class is called as soon as its probability reaches a threshold.

    Attributes
    ----------
    thresholds : ndarray of shape (T,)
    found : ndarray of shape (T,)
        Share of the pictures of that class that are called so (recall).
    false_alarms : ndarray of shape (T,)
        Share of all others that are called so too.
    accuracy : ndarray of shape (T,)
        Share of all pictures that are rightly called so, or rightly not.
    """

    thresholds: np.ndarray
    found: np.ndarray
    false_alarms: np.ndarray
    accuracy: np.ndarray


def at_thresholds(
    probabilities: npt.ArrayLike,
    labels: npt.ArrayLike,
    target: int,
    thresholds: npt.ArrayLike,
) -> Thresholds:
    """Measure what each threshold on the probability of one class would do.

    Parameters
    ----------
    probabilities : ndarray of shape (N, K)
        From `training.predict`.
    labels : ndarray of shape (N,), int
        The right classes.
    target : int
        The class in question.
    thresholds : sequence of float

    Returns
    -------
    measured : Thresholds

    Raises
    ------
    ValueError
        As `reliability`, or if the target is not a class, or if all pictures or none
        are of that class.

    Examples
    --------
    Two dogs (class 1), one of them doubtful, and a cat that looks like one:

    >>> probabilities = np.array([[0.1, 0.9], [0.6, 0.4], [0.4, 0.6]])
    >>> measured = at_thresholds(probabilities, np.array([1, 1, 0]), 1, [0.3, 0.5, 0.7])
    >>> measured.found.tolist(), measured.false_alarms.tolist()
    ([1.0, 0.5, 0.5], [1.0, 1.0, 0.0])
    """
    probabilities, labels = _checked(probabilities, labels)
    if target not in range(probabilities.shape[1]):
        raise ValueError(
            f"target must be a class from 0 to {probabilities.shape[1] - 1}; got "
            f"{target!r}"
        )
    of_class = labels == target
    if of_class.all() or not of_class.any():
        raise ValueError(
            f"some pictures must be of class {target} and some of others; got "
            f"{of_class.sum()} of {len(labels)}"
        )
    thresholds = np.asarray(thresholds, float)
    called = probabilities[:, target] >= thresholds[:, None]  # (T, N)
    return Thresholds(
        thresholds=thresholds,
        found=called[:, of_class].mean(axis=1),
        false_alarms=called[:, ~of_class].mean(axis=1),
        accuracy=(called == of_class).mean(axis=1),
    )


def _checked(
    probabilities: npt.ArrayLike, labels: npt.ArrayLike
) -> tuple[np.ndarray, npt.NDArray[np.int64]]:
    """Return both as arrays; ValueError unless they fit one another."""
    probabilities = np.asarray(probabilities)
    if probabilities.ndim != 2 or probabilities.shape[1] < 2 or not len(probabilities):
        raise ValueError(
            "probabilities must have a row for each picture and a column for each of "
            f"two or more classes; got shape {probabilities.shape}"
        )
    labels = check_labels(labels, probabilities.shape[1])
    if len(labels) != len(probabilities):
        raise ValueError(
            "every picture needs one label; got "
            f"{len(probabilities)} rows and {len(labels)} labels"
        )
    if not np.allclose(probabilities.sum(axis=1), 1, atol=1e-3):
        raise ValueError(
            "each row of probabilities must sum to 1; were these logits, or of classes "
            "each answered for itself?"
        )
    return probabilities, labels
