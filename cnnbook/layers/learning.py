"""How a kernel learns: a loss, its slope for each weight, and steps against it."""

import math

import numpy as np
import numpy.typing as npt

from cnnbook.checks import check_whole
from cnnbook.layers.activation_functions import as_floats
from cnnbook.layers.operations import conv2d, patches
from cnnbook.layers.windows import Padding, Pair, as_pair


def mean_squared_error(maps: npt.ArrayLike, wanted: npt.ArrayLike) -> float:
    """Measure how far maps are from those that are wanted.

    Parameters
    ----------
    maps, wanted : ndarray
        Of one shape.

    Returns
    -------
    loss : float
        The mean of the squared differences: 0 if they are equal.

    Raises
    ------
    ValueError
        If the shapes differ, or there is no number to compare.

    Examples
    --------
    >>> mean_squared_error(np.array([0., 0., 0.]), np.array([3., 3., 0.]))
    6.0
    """
    return float(np.mean(_differences(maps, wanted) ** 2))


def conv2d_gradient(
    images: npt.ArrayLike,
    map_gradients: npt.ArrayLike,
    window: Pair,
    *,
    stride: Pair = 1,
    padding: Padding = "valid",
    dilation: Pair = 1,
) -> npt.NDArray[np.floating]:
    """Work out the slope of a loss for each weight of a convolution's kernels.

    A weight meets one pixel of each window.  So its slope is the sum, over all
    windows, of that pixel times the slope for what the window answered [1]_.

    Parameters
    ----------
    images : ndarray of shape (N, H, W, C)
    map_gradients : ndarray of shape (N, H', W', F)
        By how much the loss grows per unit that a value of the maps grows.
    window : int or (int, int)
        Rows K_h and columns K_w of the kernels.
    stride, padding, dilation
        As in `conv2d`.

    Returns
    -------
    gradient : ndarray of shape (K_h, K_w, C, F)
        By how much the loss grows per unit that a weight grows.

    Raises
    ------
    ValueError
        If the shapes do not fit together.

    References
    ----------
    .. [1] D. E. Rumelhart, G. E. Hinton and R. J. Williams, "Learning representations
       by back-propagating errors", Nature 323, 1986.
       https://doi.org/10.1038/323533a0

    Examples
    --------
    The left weight of two meets the pixels 1 and 2, the right one 2 and 3:

    >>> image = np.array([1., 2., 3.]).reshape(1, 1, 3, 1)
    >>> conv2d_gradient(image, np.array([[[[10.], [1.]]]]), window=(1, 2)).ravel()
    array([12., 23.])
    """
    columns = patches(images, window, stride=stride, padding=padding, dilation=dilation)
    map_gradients = as_floats(map_gradients)
    if map_gradients.ndim != 4 or map_gradients.shape[:3] != columns.shape[:3]:
        expected = ", ".join(map(str, columns.shape[:3]))
        raise ValueError(
            f"map_gradients must have shape ({expected}, F), a number for each value "
            f"of the maps; got shape {map_gradients.shape}"
        )
    filters, values = map_gradients.shape[-1], columns.shape[-1]
    slopes = columns.reshape(-1, values).T @ map_gradients.reshape(-1, filters)
    return slopes.reshape(*as_pair(window, "window"), -1, filters)


def squared_error_gradient(
    images: npt.ArrayLike, kernels: npt.ArrayLike, wanted: npt.ArrayLike
) -> npt.NDArray[np.floating]:
    """Work out the slope of `mean_squared_error` for each weight of some kernels.

    Parameters
    ----------
    images : ndarray of shape (N, H, W, C)
    kernels : ndarray of shape (K_h, K_w, C, F)
        Slid over the images as by `conv2d`, without bias or padding.
    wanted : ndarray of shape (N, H', W', F)
        The maps that the kernels are to give.

    Returns
    -------
    gradient : ndarray of shape (K_h, K_w, C, F)

    Raises
    ------
    ValueError
        If the shapes do not fit together.

    Examples
    --------
    The answer is 0 where 3 is wanted, and the pixel is 2: 2 · (0 − 3) · 2.

    >>> one = np.ones((1, 1, 1, 1))
    >>> squared_error_gradient(2 * one, 0 * one, 3 * one).item()
    -12.0
    """
    kernels = as_floats(kernels)
    differences = _differences(conv2d(images, kernels), wanted)
    window = kernels.shape[0], kernels.shape[1]
    return conv2d_gradient(images, 2 * differences / differences.size, window)


def gradient_descent(
    images: npt.ArrayLike,
    kernels: npt.ArrayLike,
    wanted: npt.ArrayLike,
    *,
    learning_rate: float,
    steps: int,
) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]:
    """Let kernels learn to give the maps that are wanted, step by step.

    Each step takes from every weight its slope times the learning rate.

    Parameters
    ----------
    images, kernels, wanted
        As in `squared_error_gradient`; ``kernels`` are those at the start.
    learning_rate : float
        Above 0.  Where it is too large for the images, the loss grows at each step.
    steps : int
        At least 1.

    Returns
    -------
    kernels : ndarray of shape (steps + 1, K_h, K_w, C, F)
        At the start, and after each step.
    losses : ndarray of shape (steps + 1,)
        The `mean_squared_error` of each.

    Raises
    ------
    ValueError
        If the shapes do not fit together, the learning rate is not a finite number
        above 0, or the loss grows beyond what a number can hold.

    Examples
    --------
    >>> one = np.ones((1, 1, 1, 1))
    >>> kernels, losses = gradient_descent(
    ...     2 * one, 0 * one, 3 * one, learning_rate=0.1, steps=2
    ... )
    >>> kernels.ravel().round(3), losses.round(3)
    (array([0.  , 1.2 , 1.44]), array([9.   , 0.36 , 0.014]))
    """
    check_whole(steps, "steps")
    if not 0 < learning_rate < math.inf:
        raise ValueError(
            f"learning_rate must be a finite number above 0; got {learning_rate!r}"
        )
    path = [as_floats(kernels)]
    losses = [mean_squared_error(conv2d(images, path[0]), wanted)]
    for step in range(1, steps + 1):
        with np.errstate(over="ignore", invalid="ignore"):
            slope = squared_error_gradient(images, path[-1], wanted)
            path.append(path[-1] - learning_rate * slope)
            losses.append(mean_squared_error(conv2d(images, path[-1]), wanted))
        if not math.isfinite(losses[-1]):
            raise ValueError(
                f"learning has diverged: the loss is {losses[-1]} at step {step}. The "
                f"learning_rate (now {learning_rate:g}) is too large; try a tenth"
            )
    return np.array(path), np.array(losses)


def _differences(maps, wanted):
    """Return maps less those that are wanted; ValueError if they cannot be compared."""
    maps, wanted = as_floats(maps), as_floats(wanted)
    if maps.shape != wanted.shape or not maps.size:
        raise ValueError(
            "the maps and those that are wanted must have one shape, with at least one "
            f"number; got shapes {maps.shape} and {wanted.shape}"
        )
    return maps - wanted
