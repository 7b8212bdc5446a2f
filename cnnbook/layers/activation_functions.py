"""The functions that stand between layers, written out in NumPy, to read.

All but `softmax` treat every number by itself.  `cnnbook.layers` offers them too.
"""

import numpy as np
import numpy.typing as npt


def relu(x: npt.ArrayLike) -> np.ndarray:
    """Keep what is positive; the rest becomes zero.

    Parameters
    ----------
    x : ndarray

    Returns
    -------
    y : ndarray of the same shape

    References
    ----------
    .. [1] V. Nair and G. E. Hinton, "Rectified linear units improve restricted
       Boltzmann machines", ICML 2010.

    Examples
    --------
    >>> relu(np.array([-2., 3.]))
    array([0., 3.])
    """
    return np.maximum(x, 0)


def leaky_relu(x: npt.ArrayLike, slope: float = 0.01) -> npt.NDArray[np.floating]:
    """Keep what is positive; let a little of the rest through.

    Parameters
    ----------
    x : ndarray
    slope : float
        The share of a negative value that passes.

    Returns
    -------
    y : ndarray of the same shape

    References
    ----------
    .. [1] A. L. Maas, A. Y. Hannun and A. Y. Ng, "Rectifier nonlinearities improve
       neural network acoustic models", ICML 2013.

    Examples
    --------
    >>> leaky_relu(np.array([-2., 3.]))
    array([-0.02,  3.  ])
    """
    x = as_floats(x)
    return np.where(x > 0, x, x * x.dtype.type(slope))


def sigmoid(x: npt.ArrayLike) -> npt.NDArray[np.floating]:
    """Squeeze any number into (0, 1): 1 / (1 + exp(-x)).

    Parameters
    ----------
    x : ndarray

    Returns
    -------
    y : ndarray of the same shape

    Examples
    --------
    >>> sigmoid(np.array([-1000., 0., 1000.]))
    array([0. , 0.5, 1. ])
    """
    # The same function, in a form that cannot overflow.
    x = as_floats(x)
    return (1 + np.tanh(x / 2)) / 2


def tanh(x: npt.ArrayLike) -> np.ndarray:
    """Squeeze any number into (-1, 1), keeping its sign.

    Parameters
    ----------
    x : ndarray

    Returns
    -------
    y : ndarray of the same shape

    Examples
    --------
    >>> tanh(np.array([-1000., 0., 1000.]))
    array([-1.,  0.,  1.])
    """
    return np.tanh(x)


def gelu(x: npt.ArrayLike) -> npt.NDArray[np.floating]:
    """Weigh each number by the chance that a normal variable is below it.

    Parameters
    ----------
    x : ndarray

    Returns
    -------
    y : ndarray of the same shape
        ``x * Φ(x)`` with the exact Φ, not its tanh approximation.

    References
    ----------
    .. [1] D. Hendrycks and K. Gimpel, "Gaussian error linear units (GELUs)", 2016.
       https://arxiv.org/abs/1606.08415

    Examples
    --------
    >>> gelu(np.array([-10., 0., 10.])).round(6)
    array([-0.,  0., 10.])
    """
    from scipy.special import ndtr  # the normal distribution; NumPy has none

    x = as_floats(x)
    return x * ndtr(x)


def softmax(logits: npt.ArrayLike) -> npt.NDArray[np.floating]:
    """Turn each row of scores into probabilities that add up to one.

    Parameters
    ----------
    logits : ndarray of shape (..., K)

    Returns
    -------
    probabilities : ndarray of the same shape

    Examples
    --------
    >>> softmax(np.array([0., 0.]))
    array([0.5, 0.5])
    """
    logits = as_floats(logits)
    # Subtracting the largest changes nothing on paper and prevents overflow.
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def as_floats(x: npt.ArrayLike) -> npt.NDArray[np.floating]:
    """Return an array of floats: integers would overflow or lose their fractions."""
    x = np.asarray(x)
    return x if np.issubdtype(x.dtype, np.floating) else x.astype(np.float64)
