"""The layers of a CNN written out in NumPy, to read.

Images and feature maps are arrays of shape (N, H, W, C): images, rows, columns,
channels.  A window, stride or dilation is an int or a pair (rows, columns).  Padding
is "valid" (none), "same" (the output is as large as the input divided by the stride,
rounded up), a number of pixels for all four sides, or ((top, bottom), (left, right)).
"""

import math

import numpy as np
import numpy.typing as npt

from cnnbook.layers.activation_functions import as_floats
from cnnbook.layers.windows import (
    Padding,
    Pair,
    pad,
    pool_geometry,
    reduce_windows,
    sliding_windows,
)


def conv2d(
    images: npt.ArrayLike,
    kernels: npt.ArrayLike,
    bias: npt.ArrayLike | None = None,
    *,
    stride: Pair = 1,
    padding: Padding = "valid",
    dilation: Pair = 1,
) -> npt.NDArray[np.floating]:
    """Slide each kernel over each image and record how well they match.

    Each output value is the sum of the products of one kernel and the image window
    under it, plus the filter's bias.  The kernel is not flipped: this is the
    cross-correlation that deep-learning libraries call convolution [1]_.  Outside
    the image, padding adds zeros.

    Parameters
    ----------
    images : ndarray of shape (N, H, W, C)
    kernels : ndarray of shape (K_h, K_w, C, F)
        One K_h by K_w by C kernel for each of the F filters.
    bias : ndarray of shape (F,), optional
        Added to each filter's map.  Zero if omitted.
    stride : int or (int, int)
        Pixels that the window moves between neighbouring outputs.
    padding : {"valid", "same"}, int or ((int, int), (int, int))
    dilation : int or (int, int)
        Pixels between neighbouring kernel values: 1 leaves no holes.

    Returns
    -------
    feature_maps : ndarray of shape (N, H', W', F)
        H' is ``output_size(H, K_h, stride, padding, dilation)``; W' likewise.

    Raises
    ------
    ValueError
        If the shapes do not fit together, or the kernel does not fit into the image.

    References
    ----------
    .. [1] V. Dumoulin and F. Visin, "A guide to convolution arithmetic for deep
       learning", 2016.  https://arxiv.org/abs/1603.07285

    Examples
    --------
    A difference kernel is zero on flat ground and one at the step:

    >>> step = np.array([0., 0., 1., 1.]).reshape(1, 1, 4, 1)
    >>> difference = np.array([-1., 1.]).reshape(1, 2, 1, 1)
    >>> conv2d(step, difference).ravel()
    array([0., 1., 0.])
    """
    images, kernels = _as_maps(images, "images"), as_floats(kernels)
    if kernels.ndim != 4:
        raise ValueError(
            f"kernels must have shape (K_h, K_w, C, F); got shape {kernels.shape}"
        )
    if images.shape[-1] != kernels.shape[2]:
        raise ValueError(
            "images and kernels must have the same number of channels; got images of "
            f"shape {images.shape} and kernels of shape {kernels.shape}"
        )
    window, filters = kernels.shape[:2], kernels.shape[-1]
    columns = patches(images, window, stride=stride, padding=padding, dilation=dilation)
    feature_maps = columns @ kernels.reshape(-1, filters)  # one matrix product
    return _plus_bias(feature_maps, bias)


def patches(
    images: npt.ArrayLike,
    window: Pair,
    *,
    stride: Pair = 1,
    padding: Padding = "valid",
    dilation: Pair = 1,
) -> npt.NDArray[np.floating]:
    """Lay out every window of an image as one row of a matrix.

    Multiplied by a matrix of kernels, these rows are the convolution: the "series
    of matrix multiplications" that it is often said to be.

    Parameters
    ----------
    images : ndarray of shape (N, H, W, C)
    window : int or (int, int)
        Rows K_h and columns K_w of a window.
    stride, padding, dilation
        As in `conv2d`.

    Returns
    -------
    patches : ndarray of shape (N, H', W', K_h·K_w·C)
        The values of a window in the order of ``kernels.reshape(-1, F)``.

    Examples
    --------
    >>> image = np.arange(9.).reshape(1, 3, 3, 1)
    >>> patches(image, window=2)[0, 0, 0]
    array([0., 1., 3., 4.])
    """
    windows = sliding_windows(
        _as_maps(images, "images"), window, stride, padding, dilation
    )
    count, rows, columns, *inner = windows.shape
    return windows.reshape(count, rows, columns, math.prod(inner))


def max_pool2d(
    images: npt.ArrayLike,
    window: Pair = 2,
    *,
    stride: Pair | None = None,
    padding: Padding = "valid",
) -> npt.NDArray[np.floating]:
    """Keep the largest value of every window, channel by channel.

    Parameters
    ----------
    images : ndarray of shape (N, H, W, C)
    window : int or (int, int)
    stride : int or (int, int), optional
        By default the window's own size: windows touch and do not overlap.
    padding : {"valid", "same"}, int or ((int, int), (int, int))
        Padding is never the largest value.

    Returns
    -------
    maps : ndarray of shape (N, H', W', C)

    Examples
    --------
    >>> max_pool2d(np.array([[1., 5.], [3., 2.]]).reshape(1, 2, 2, 1)).item()
    5.0
    """
    images = _as_maps(images, "images")
    window, stride, sides = pool_geometry(images.shape, window, stride, padding)
    return reduce_windows(np.maximum, pad(images, sides, -np.inf), window, stride)


def avg_pool2d(
    images: npt.ArrayLike,
    window: Pair = 2,
    *,
    stride: Pair | None = None,
    padding: Padding = "valid",
) -> npt.NDArray[np.floating]:
    """Average every window, channel by channel; padding never counts.

    Parameters
    ----------
    images : ndarray of shape (N, H, W, C)
    window : int or (int, int)
    stride : int or (int, int), optional
        By default the window's own size.
    padding : {"valid", "same"}, int or ((int, int), (int, int))

    Returns
    -------
    maps : ndarray of shape (N, H', W', C)

    Examples
    --------
    >>> avg_pool2d(np.array([[1., 5.], [3., 2.]]).reshape(1, 2, 2, 1)).item()
    2.75
    """
    images = _as_maps(images, "images")
    window, stride, sides = pool_geometry(images.shape, window, stride, padding)
    inside = np.ones((1, *images.shape[1:3], 1), images.dtype)
    totals = reduce_windows(np.add, pad(images, sides), window, stride)
    counts = reduce_windows(np.add, pad(inside, sides), window, stride)
    return totals / counts


def global_average_pool2d(maps: npt.ArrayLike) -> npt.NDArray[np.floating]:
    """Average each feature map into one number.

    Parameters
    ----------
    maps : ndarray of shape (N, H, W, F)

    Returns
    -------
    averages : ndarray of shape (N, F)

    Examples
    --------
    >>> global_average_pool2d(np.array([1., 2., 3., 6.]).reshape(1, 2, 2, 1))
    array([[3.]])
    """
    return _as_maps(maps, "maps").mean(axis=(1, 2))


def flatten(maps: npt.ArrayLike) -> np.ndarray:
    """Write the maps of each image in one row: row by row, channels innermost.

    Parameters
    ----------
    maps : ndarray of shape (N, ...)

    Returns
    -------
    features : ndarray of shape (N, D)
        D is the number of values per image.

    Examples
    --------
    >>> flatten(np.zeros((5, 2, 3, 4))).shape
    (5, 24)
    """
    maps = np.asarray(maps)
    if maps.ndim < 2:
        raise ValueError(f"maps must have shape (N, ...); got shape {maps.shape}")
    return maps.reshape(len(maps), math.prod(maps.shape[1:]))


def dense(
    x: npt.ArrayLike, weights: npt.ArrayLike, bias: npt.ArrayLike | None = None
) -> npt.NDArray[np.floating]:
    """Let every feature vote on every output: the fully connected layer.

    Parameters
    ----------
    x : ndarray of shape (N, D)
    weights : ndarray of shape (D, K)
    bias : ndarray of shape (K,), optional

    Returns
    -------
    outputs : ndarray of shape (N, K)

    Examples
    --------
    >>> dense(np.array([[1., 2.]]), np.array([[3.], [4.]]), np.array([5.]))
    array([[16.]])
    """
    x, weights = as_floats(x), as_floats(weights)
    if x.ndim != 2 or weights.ndim != 2 or x.shape[1] != weights.shape[0]:
        raise ValueError(
            "x must have shape (N, D) and weights (D, K); got shapes "
            f"{x.shape} and {weights.shape}"
        )
    return _plus_bias(x @ weights, bias)


def _as_maps(maps: npt.ArrayLike, name: str) -> npt.NDArray[np.floating]:
    """Return floats of shape (N, H, W, C), or say what came instead."""
    maps = as_floats(maps)
    if maps.ndim != 4:
        raise ValueError(f"{name} must have shape (N, H, W, C); got shape {maps.shape}")
    return maps


def _plus_bias(outputs, bias):
    """Add one bias to each output channel."""
    if bias is None:
        return outputs
    bias = as_floats(bias)
    if bias.shape != outputs.shape[-1:]:
        raise ValueError(
            f"bias must have shape ({outputs.shape[-1]},), one value for each output; "
            f"got shape {bias.shape}"
        )
    outputs += bias  # the array is ours, and may be large
    return outputs
