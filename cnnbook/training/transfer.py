"""A fully connected end, trained on the features of a network that has learned already.

What a network has learned from a million photographs helps to tell cats from dogs, too.
So its convolutions stay as they are, each picture passes them once, and only a dense
layer on top is trained [1]_.

References
----------
.. [1] A. S. Razavian, H. Azizpour, J. Sullivan and S. Carlsson, "CNN features
   off-the-shelf: an astounding baseline for recognition", CVPR Workshops 2014.
   https://doi.org/10.1109/CVPRW.2014.131
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import log_softmax

from cnnbook.training.metrics import check_labels

# How strongly weights are held back; the best of these is chosen on pictures held out.
PENALTIES = (0.01, 0.03, 0.1, 0.3, 1.0)
FOLDS = 4


@dataclass(frozen=True, eq=False)
class End:
    """A dense layer that turns features into the logits of classes.

    Attributes
    ----------
    weights : ndarray of shape (D, K)
    bias : ndarray of shape (K,)
    penalty : float
        How strongly the weights were held back.
    """

    weights: np.ndarray
    bias: np.ndarray
    penalty: float

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return the probabilities of all classes, (N, K), for features (N, D)."""
        return np.exp(log_softmax(features @ self.weights + self.bias, axis=1))


def fit_end(
    features: npt.ArrayLike,
    labels: npt.ArrayLike,
    num_classes: int,
    *,
    penalty: float | None = None,
) -> End:
    """Train a dense layer with softmax on features: a convex task, solved exactly.

    Parameters
    ----------
    features : ndarray of shape (N, D)
    labels : ndarray of shape (N,), int
    num_classes : int
    penalty : float, optional
        How strongly weights are held back.  By default the one out of `PENALTIES` that
        does best on parts of these pictures, each held out once.

    Returns
    -------
    end : End

    Raises
    ------
    ValueError
        If there is not one label for each row, or a class has no example.

    Examples
    --------
    >>> features = np.array([[0.0], [1.0], [9.0], [10.0]])
    >>> end = fit_end(features, np.array([0, 0, 1, 1]), 2, penalty=0.1)
    >>> end.predict(features).argmax(axis=1).tolist()
    [0, 0, 1, 1]
    """
    features, labels = _checked(features, labels, num_classes)
    if penalty is None:
        accuracies = held_out_accuracies(features, labels, num_classes)
        penalty = max(accuracies, key=accuracies.__getitem__)
    middle, spread = features.mean(axis=0), features.std(axis=0) + 1e-6
    weights, bias = _solve((features - middle) / spread, labels, num_classes, penalty)
    # Standardising the features is itself linear, so it goes into the layer.
    weights = weights / spread[:, None]
    return End(weights, bias - middle @ weights, penalty)


def held_out_accuracies(
    features: npt.ArrayLike, labels: npt.ArrayLike, num_classes: int
) -> dict[float, float]:
    """Measure how well each penalty does on pictures that were held out.

    Parameters
    ----------
    features, labels, num_classes
        As for `fit_end`.

    Returns
    -------
    accuracies : dict of float to float
        For each of `PENALTIES`.
    """
    features, labels = _checked(features, labels, num_classes)
    # Each class is dealt out to all folds, so that none lacks it.
    fold = np.empty(len(labels), int)
    for label in range(num_classes):
        members = np.flatnonzero(labels == label)
        shuffled = np.random.default_rng(label).permutation(len(members))
        fold[members] = shuffled % FOLDS
    right = dict.fromkeys(PENALTIES, 0)
    for number in range(FOLDS):
        out = fold == number
        if len(np.unique(labels[~out])) < num_classes:
            continue  # too few pictures to hold any of that class out
        for penalty in PENALTIES:
            end = fit_end(features[~out], labels[~out], num_classes, penalty=penalty)
            answers = end.predict(features[out]).argmax(axis=1)
            right[penalty] += int((answers == labels[out]).sum())
    return {penalty: count / len(labels) for penalty, count in right.items()}


def best_layer(
    features: Mapping[str, npt.ArrayLike], labels: npt.ArrayLike, num_classes: int
) -> tuple[str, float]:
    """Choose the layer whose features tell the classes apart best.

    Parameters
    ----------
    features : dict of str to ndarray of shape (N, D)
        From `features`.
    labels, num_classes
        As for `fit_end`.

    Returns
    -------
    layer : str
    accuracy : float
        On pictures held out of these, with the best penalty.
    """
    best = {
        layer: max(held_out_accuracies(several, labels, num_classes).values())
        for layer, several in features.items()
    }
    layer = max(best, key=best.__getitem__)
    return layer, best[layer]


def _solve(features, labels, num_classes, penalty):
    """Minimise mean cross-entropy plus penalty / 2 times the squared weights."""
    count, size = features.shape
    truth = np.eye(num_classes)[labels]

    def cost(flat):
        weights, bias = np.split(flat.reshape(size + 1, num_classes), [size])
        logs = log_softmax(features @ weights + bias, axis=1)
        slope = (np.exp(logs) - truth) / count
        loss = -(logs * truth).sum() / count + penalty / 2 * (weights**2).sum()
        gradient = np.vstack(
            [features.T @ slope + penalty * weights, slope.sum(axis=0)]
        )
        return loss, gradient.ravel()

    start = np.zeros((size + 1) * num_classes)
    found = minimize(cost, start, jac=True, method="L-BFGS-B", options={"maxiter": 500})
    if found.nit >= 500:  # else it is as good as its arithmetic allows
        raise RuntimeError(
            "the dense layer has not settled after 500 steps with penalty "
            f"{penalty:g}; a larger penalty settles sooner"
        )
    weights, bias = np.split(found.x.reshape(size + 1, num_classes), [size])
    return weights, bias[0]


def _checked(
    features: npt.ArrayLike, labels: npt.ArrayLike, num_classes: int
) -> tuple[np.ndarray, npt.NDArray[np.int64]]:
    """Return both as arrays; ValueError unless they can be learned from."""
    features = np.asarray(features, float)
    labels = check_labels(labels, num_classes)
    if features.ndim != 2 or len(features) != len(labels):
        raise ValueError(
            "features must have a row for each label, shape (N, D); got "
            f"{features.shape} and {len(labels)} labels"
        )
    if missing := sorted(set(range(num_classes)) - set(labels.tolist())):
        raise ValueError(f"every class needs an example; there is none of {missing}")
    return features, labels
