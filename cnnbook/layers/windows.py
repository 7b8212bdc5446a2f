"""Where a window goes: output sizes, padding, and the windows of an image.

The geometry that convolution and pooling share; `cnnbook.layers` explains the words.
"""

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from cnnbook.checks import check_whole, is_whole

Pair = int | tuple[int, int]  # for rows and columns
SidePadding = Literal["valid", "same"] | Pair  # of one side: both ends, or each
Padding = Literal["valid", "same"] | int | tuple[tuple[int, int], tuple[int, int]]


def output_size(
    size: int,
    window: int,
    stride: int = 1,
    padding: SidePadding = "valid",
    dilation: int = 1,
) -> int:
    """Count the outputs along one side of an image.

    The window, dilated, covers ``dilation * (window - 1) + 1`` pixels.  It fits
    ``(size + padding - covered) // stride + 1`` times; with "same" padding,
    ``ceil(size / stride)`` times.

    Parameters
    ----------
    size : int
        Pixels along this side of the image.
    window, stride, dilation : int
        Along the same side.
    padding : {"valid", "same"}, int or (int, int)
        An int is added on both ends.

    Returns
    -------
    count : int

    Raises
    ------
    ValueError
        If the window does not fit even once, or a number is not a whole one.

    Examples
    --------
    >>> output_size(96, window=3)
    94
    >>> output_size(96, window=3, padding="same")
    96
    >>> output_size(7, window=3, stride=2, padding=1)
    4
    """
    check_whole(size, "size")
    before, after = _side_padding(size, window, stride, padding, dilation)
    covered = _covered(window, dilation)
    if covered > size + before + after:
        raise ValueError(
            f"a window of {covered} pixels does not fit into {size} pixels with "
            f"{before} + {after} of padding; make it smaller or pad more"
        )
    return (size + before + after - covered) // stride + 1


def as_pair(value: Pair, name: str) -> tuple[int, int]:
    """Return (rows, columns) of positive whole numbers."""
    pair = tuple(value) if np.iterable(value) else (value, value)
    if len(pair) != 2:
        raise ValueError(
            f"{name} must be an int or a pair (rows, columns); got {value}"
        )
    for side in pair:
        check_whole(side, name)
    return pair


def _covered(window, dilation):
    """Count the pixels from the first to the last value of a dilated window."""
    return dilation * (window - 1) + 1


def _side_padding(size, window, stride, padding, dilation):
    """Work out the padding (before, after) along one side of an image."""
    for value, name in ((window, "window"), (stride, "stride"), (dilation, "dilation")):
        check_whole(value, name)
    if not _is_one_padding(padding) and not _is_pair_of_pixels(padding):
        raise ValueError(
            'padding along one side must be "valid", "same", a number of pixels, or '
            f"(before, after); got {padding!r}"
        )
    if isinstance(padding, str):
        if padding == "valid":
            return 0, 0
        outputs = math.ceil(size / stride)
        reach = (outputs - 1) * stride + _covered(window, dilation)
        total = max(reach - size, 0)
        return total // 2, total - total // 2  # the odd one goes to the end
    return (padding, padding) if is_whole(padding) else tuple(padding)


def _is_one_padding(value):
    """Tell whether this is padding that is the same on every side."""
    named = isinstance(value, str) and value in ("valid", "same")
    return named or is_whole(value)


def _is_pair_of_pixels(value):
    """Tell whether this is padding (before, after)."""
    ends = _items(value)
    return len(ends) == 2 and all(is_whole(end) for end in ends)


def _items(value):
    """List what a value holds; NumPy would stumble over pairs of unequal length."""
    return tuple(value) if np.iterable(value) else ()


def padding_of(
    shape: Sequence[int],
    window: tuple[int, int],
    stride: tuple[int, int],
    padding: Padding,
    dilation: tuple[int, int] = (1, 1),
) -> tuple[tuple[int, int], ...]:
    """Work out ((top, bottom), (left, right)), and check that the window fits."""
    each: tuple[Any, ...] = (
        (padding, padding) if _is_one_padding(padding) else _items(padding)
    )
    pairs = len(each) == 2 and all(_is_pair_of_pixels(ends) for ends in each)
    if not _is_one_padding(padding) and not pairs:
        raise ValueError(
            'padding must be "valid", "same", a number of pixels, or '
            f"((top, bottom), (left, right)); got {padding!r}"
        )
    sides = []
    for axis in (0, 1):
        geometry = (shape[axis + 1], window[axis], stride[axis], each[axis])
        output_size(*geometry, dilation[axis])  # raises if the window does not fit
        sides.append(_side_padding(*geometry, dilation[axis]))
    return tuple(sides)


def pad(
    images: np.ndarray, sides: Sequence[tuple[int, int]], value: float = 0
) -> np.ndarray:
    """Surround the images with a constant: (N, H + top + bottom, ...)."""
    if not np.any(sides):
        return images
    return np.pad(images, ((0, 0), *sides, (0, 0)), constant_values=value)


def sliding_windows(
    images: np.ndarray, window: Pair, stride: Pair, padding: Padding, dilation: Pair
) -> np.ndarray:
    """View every window of the padded images: (N, H', W', K_h, K_w, C)."""
    window, stride = as_pair(window, "window"), as_pair(stride, "stride")
    dilation = as_pair(dilation, "dilation")
    images = pad(images, padding_of(images.shape, window, stride, padding, dilation))
    covered = [_covered(w, d) for w, d in zip(window, dilation, strict=True)]
    windows = np.lib.stride_tricks.sliding_window_view(images, covered, axis=(1, 2))
    windows = windows[:, :: stride[0], :: stride[1], :, :: dilation[0], :: dilation[1]]
    return np.moveaxis(windows, 3, -1)


def pool_geometry(
    shape: Sequence[int], window: Pair, stride: Pair | None, padding: Padding
) -> tuple[tuple[int, int], tuple[int, int], tuple[tuple[int, int], ...]]:
    """Fill in what a pool leaves out: window, stride and padding, each a pair."""
    window = as_pair(window, "window")
    stride = window if stride is None else as_pair(stride, "stride")
    sides = padding_of(shape, window, stride, padding)
    for side, length in zip(sides, window, strict=True):
        if max(side) >= length:
            raise ValueError(
                f"padding of {max(side)} pixels would leave a pooling window of "
                f"{length} with nothing but padding; pad less than the window"
            )
    return window, stride, sides


def reduce_windows(
    combine: np.ufunc,
    images: np.ndarray,
    window: tuple[int, int],
    stride: tuple[int, int],
) -> np.ndarray:
    """Combine the values of every window: first its rows, then its columns."""
    # Two passes along one axis each visit K_h + K_w values where one visits K_h·K_w.
    for axis, (length, step) in enumerate(zip(window, stride, strict=True), start=1):
        outputs = output_size(images.shape[axis], length, step)
        shifted = [
            images.take(range(start, start + step * outputs, step), axis)
            for start in range(length)
        ]
        images = shifted[0]
        for values in shifted[1:]:
            combine(images, values, out=images)
    return images
