"""What the positions of a map see along its rows, or along its columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

_NEVER = np.iinfo(np.int64).max  # the first pixel seen by what sees only padding


@dataclass(frozen=True, eq=False)
class Axis:
    """What a layer's positions see along the rows, or along the columns."""

    size: int
    stride: int
    offset: int
    # For each position the first pixel seen and the one after the last, (n, 2).
    windows: np.ndarray | None

    @classmethod
    def of_image(cls, length: int | None) -> Self:
        """Return the axis of the image itself: every pixel sees itself."""
        if length is None:
            return cls(1, 1, 0, None)
        return cls(1, 1, 0, np.arange(length)[:, None] + [0, 1])


class NoWindowError(Exception):
    """A layer has no rectangular, regularly moving window.

    Travels on in place of a field, so that only the layers behind are affected.
    """


class NoRoomError(NoWindowError):
    """The images are smaller than a layer's window."""


def united(side: int, axes: Sequence[Axis]) -> Axis:
    """Return the axis that sees what any of these sees at the same position."""
    if len(axes) > 1 and not all(axis.stride for axis in axes):
        axes = [whole(axis) for axis in axes]
    strides = {axis.stride for axis in axes}
    lengths = {axis.windows is not None and len(axis.windows) for axis in axes}
    if len(strides) > 1 or len(lengths) > 1:
        raise NoWindowError("joins branches whose windows move by different strides")
    offset = min(axis.offset for axis in axes)
    stop = max(axis.offset + axis.size for axis in axes)
    windows = None
    if axes[0].windows is not None:
        every = np.stack([axis.windows for axis in axes if axis.windows is not None])
        windows = np.stack([every[..., 0].min(axis=0), every[..., 1].max(axis=0)], 1)
    return Axis(stop - offset, strides.pop(), offset, windows)


def slide(
    axis: Axis,
    window: int,
    *,
    stride: int = 1,
    dilation: int = 1,
    padding: Sequence[int] = (0, 0),
) -> Axis:
    """Return the axis after a sliding window; negative padding crops."""
    windows = None
    before, after = padding
    if axis.windows is not None:
        length = len(axis.windows)
        room = length + before + after - (window - 1) * dilation
        count = -(-room // stride)
        if count < 1:
            raise NoRoomError("has no room for its window in images so small")
        taps = np.arange(count)[:, None] * stride - before
        taps = taps + np.arange(window) * dilation
        inside = (taps >= 0) & (taps < length)
        seen = axis.windows[taps.clip(0, length - 1)]
        first = np.where(inside, seen[..., 0], _NEVER).min(axis=1)
        windows = np.stack([first, np.where(inside, seen[..., 1], 0).max(axis=1)], 1)
    return Axis(
        size=axis.size + (window - 1) * dilation * axis.stride,
        stride=axis.stride * stride,
        offset=axis.offset - before * axis.stride,
        windows=windows,
    )


def whole(axis: Axis) -> Axis:
    """Return the axis of a layer each of whose values depends on all positions."""
    if axis.windows is None:
        raise NoWindowError(
            "sees the whole image, whose size is open; give input_size=(rows, columns)"
        )
    first, stop = int(axis.windows[:, 0].min()), int(axis.windows[:, 1].max())
    return Axis(stop - first, 0, first, np.array([[first, stop]]))


def same_padding(
    axis: Axis, window: int, *, stride: int, dilation: int
) -> tuple[int, int]:
    """Return how many positions Keras adds before and after the axis."""
    surplus = (window - 1) * dilation
    if stride > 1:  # then the padding depends on what the last window lacks
        if axis.windows is None:
            raise NoWindowError(
                'has strides and "same" padding, which depends on the size of the '
                "image; give input_size=(rows, columns)"
            )
        length = len(axis.windows)
        surplus = max((-(-length // stride) - 1) * stride + surplus + 1 - length, 0)
    return surplus // 2, surplus - surplus // 2
