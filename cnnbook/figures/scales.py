"""Which number gets which colour: the ends of a scale, and kernels as colours."""

import numpy as np
import numpy.typing as npt


def limits(values: np.ndarray, signed: bool) -> tuple[float, float]:
    """Choose the values of the darkest and the brightest colour.

    Parameters
    ----------
    values : ndarray
    signed : bool
        Whether zero is to be in the middle; otherwise it is the darkest.

    Returns
    -------
    low, high : float
        Different, even where all values are zero.

    Examples
    --------
    >>> limits(np.array([0.0, 2.0]), signed=False)
    (0.0, 2.0)
    """
    if signed:
        largest = float(_largest(values))
        return -largest, largest
    return 0.0, float(np.max(values)) or 1.0


def kernel_colours(kernels: np.ndarray) -> npt.NDArray[np.floating]:
    """Show weights as red, green and blue, all on one scale.

    Parameters
    ----------
    kernels : ndarray of shape (K_h, K_w, 3, ...)

    Returns
    -------
    colours : ndarray of the same shape
        In [0, 1]; zero is grey.

    Examples
    --------
    >>> kernel_colours(np.array([[[-2.0, 0.0, 2.0]]]))
    array([[[0. , 0.5, 1. ]]])
    """
    return (0.5 + kernels / (2 * _largest(kernels))).clip(0, 1)


def _largest(values):
    """Return an amount that few values exceed: one extreme would pale all others."""
    return np.quantile(np.abs(values), 0.995) or 1
