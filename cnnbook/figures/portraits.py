"""Draw what the channels of a layer answer to, from what `maps` found.

Every function returns a closed Matplotlib figure, which a notebook shows once.  No
function runs a model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import PercentFormatter
from PIL import Image

from cnnbook.figures.drawable import check_count, check_shape
from cnnbook.figures.style import ACCENT, AMOUNTS, INK, WIDTH, styled

if TYPE_CHECKING:
    from cnnbook.maps.channels import Channel

_DOTS = 200  # per inch, as the style has it
_OUTSIDE = 0.86  # light grey
_PATTERN = 1.15  # places that a made pattern takes, with the air behind it
_SQUARES = 32  # in a row
_MOST_SQUARES = 4096  # that still fit on a screen or two
_SIDE = 0.88  # of a square; the rest is air
_TITLE = 1.6  # height of a layer's title, in squares

_KINDS = {
    "silent": "silent",
    "near_duplicate": "near-duplicate",
    "always_on": "always on",
}
_LOOKS: dict[str, dict[str, Any]] = {
    "silent": {"marker": "x", "mec": INK, "ms": 7},
    "near_duplicate": {"marker": "o", "mec": INK, "mfc": "white", "ms": 4.5},
    "always_on": {"marker": "s", "mec": ACCENT, "mfc": "none", "ms": 8, "mew": 1.8},
}


@styled
def patch_rows(
    patches: npt.ArrayLike,
    names: Sequence[str],
    values: npt.ArrayLike | None = None,
    patterns: npt.ArrayLike | None = None,
) -> Figure:
    """Show what excites each filter, a row for each: its patches, strongest first.

    Parameters
    ----------
    patches : ndarray of shape (F, n, h, w, C)
        In [0, 1], with one channel or three; NaN, drawn in light grey, where a patch
        sticks out of its image.  As in ``maps.TopPatches``.
    names : sequence of str
        One for each row.
    values : ndarray of shape (F, n), optional
        The filters' answers.  The line below a patch is as long as its answer, the
        longest of its row across all of the patch.  A patch whose answer is not
        above zero excites nothing: it is pale and crossed out.
    patterns : ndarray of shape (F, H, W, C), optional
        A picture for each filter to put in front, such as one made to excite it.

    Returns
    -------
    figure : matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If a shape is another, names are not one for each row, or a number lies
        outside [0, 1].

    Examples
    --------
    >>> figure = patch_rows(np.zeros((2, 3, 8, 8, 3)), ["filter 0", "filter 5"])
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['filter 0', 'filter 5']
    """
    patches = _pictures(check_shape(patches, "(F, n, h, w, C)", "patches"), "patches")
    rows, count = patches.shape[:2]
    check_count(names, rows, "names")
    dim = np.zeros((rows, count), bool)
    if values is not None:
        values = np.asarray(values)
        if values.shape != (rows, count):
            raise ValueError(
                f"values must have shape {rows, count}, one for each patch; got shape "
                f"{values.shape}"
            )
        dim = ~(values > 0)
    columns = count
    if patterns is not None:
        patterns = _pictures(
            check_shape(patterns, "(F, H, W, C)", "patterns"), "patterns"
        )
        check_count(patterns, rows, "patterns")
        columns += _PATTERN

    # One picture, not F × n axes: several hundred axes would take a minute to draw.
    beside = 0.15 + 0.09 * max(map(len, names))  # inches for the names
    step = int(np.clip(_DOTS * (WIDTH - beside) / columns, 20, 240))
    gap = max(2, step // 20)
    wide = step - gap
    tall = max(3, round(wide * patches.shape[2] / patches.shape[3]))
    line = 0 if values is None else 3 * gap // 2  # the patch's answer, and air
    first = 0 if patterns is None else round(step * _PATTERN)
    down, across = tall + gap + line, first + count * step - gap
    sheet = np.full((rows * down - gap, across, 3), 255, np.uint8)
    for row, place in np.ndindex(rows, count):
        y, x = row * down, first + place * step
        tile = sheet[y : y + tall, x : x + wide]
        tile[:] = 190  # a frame, since a white patch would be lost on the page
        _paste(tile[1:-1, 1:-1], patches[row, place])
        if dim[row, place]:
            tile[:] = 190 + tile // 4
        elif values is not None:
            long = math.ceil(wide * values[row, place] / np.nanmax(values[row]))
            sheet[y + tall + gap // 2 : y + tall + line, x : x + long] = 90
    if patterns is not None:
        for row in range(rows):
            _paste(sheet[row * down : row * down + tall, :wide], patterns[row])

    width, height = beside + across / _DOTS, sheet.shape[0] / _DOTS
    figure = plt.figure(figsize=(width, height), layout="none")
    # Placed by hand: a dot of the sheet is a dot of the figure, so that none blurs.
    axis = figure.add_axes((beside / width, 0, across / _DOTS / width, 1))
    # Opaque by name: Matplotlib takes three times as long to find that out.
    opaque = np.dstack([sheet, np.full(sheet.shape[:2], 255, np.uint8)])
    axis.imshow(opaque, aspect="auto", extent=(0, across, len(sheet), 0))
    axis.autoscale(False)
    axis.spines[:].set_visible(False)
    axis.set_xticks([])
    axis.set_yticks(np.arange(rows) * down + tall / 2, names)
    axis.tick_params(length=0, labelcolor=INK)
    _cross(axis, np.argwhere(dim)[:, ::-1] * (step, down) + (first, 0), (wide, tall))
    return figure


@styled
def audit_squares(audits: Mapping[str, Sequence[Channel]]) -> Figure:
    """Show every channel of some layers as a square, the brighter the more active.

    The channels of a layer stand in the order of their numbers, 32 in a row, and
    the colour is the share of the images on which a channel is active anywhere.

    Parameters
    ----------
    audits : dict of str to list of Channel
        As `maps.channel_audit` gives them.

    Returns
    -------
    figure : matplotlib.figure.Figure
        Silent channels are crossed out, near-duplicates have a dot, and channels
        that are always on a frame.

    Raises
    ------
    ValueError
        If there is no layer, one has no channels, or all have more than 4,096.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> channel = SimpleNamespace(
    ...     images_active=0.5, silent=False, near_duplicate=False, always_on=False)
    >>> figure = audit_squares({"conv": [channel] * 40})
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['conv: 40 channels']
    """
    if not isinstance(audits, dict):
        raise ValueError(
            "audits must hold a list of channels for each layer, by its name; of one "
            "layer, pass {name: audits[name]}"
        )
    if sum(map(len, audits.values())) > _MOST_SQUARES:
        raise ValueError(
            f"audits hold {sum(map(len, audits.values())):,} channels, more than the "
            f"{_MOST_SQUARES:,} that one figure can show; choose some of the layers"
        )
    if not audits or not all(audits.values()):
        raise ValueError(
            "audits must hold at least one layer, and each layer at least one channel; "
            f"got { ({layer: len(own) for layer, own in audits.items()}) }"
        )
    columns = min(_SQUARES, max(map(len, audits.values())))
    corners, shares = [], []
    marked: dict[str, list[tuple[int, float]]] = {kind: [] for kind in _KINDS}
    titles, top = {}, 0.0
    for layer, channels in audits.items():
        titles[top] = _title(layer, channels)
        top += _TITLE
        for number, channel in enumerate(channels):
            corner = number % columns, top + number // columns
            corners.append(corner)
            shares.append(channel.images_active)
            for kind, own in marked.items():
                if getattr(channel, kind):
                    own.append(corner)
        top += math.ceil(len(channels) / columns)

    unit = min(WIDTH / columns, 0.3)  # inches
    height = top * unit + 1.1
    figure = plt.figure(figsize=(WIDTH, height), layout="none")
    axis = figure.add_axes((0, 1.1 / height, 1, top * unit / height))
    axis.set(xlim=(0, WIDTH / unit), ylim=(top, 0))
    axis.axis("off")
    places = [Rectangle(corner, _SIDE, _SIDE) for corner in corners]
    squares = PatchCollection(places, array=shares, cmap=AMOUNTS, lw=0)
    squares.set_clim(0, 1)
    axis.add_collection(squares)
    for y, title in titles.items():
        axis.text(0, y + _TITLE - 0.25, title, va="bottom")
    _cross(axis, marked["silent"], (_SIDE, _SIDE), "white")
    dots = np.reshape(marked["near_duplicate"], (-1, 2)) + _SIDE / 2
    axis.plot(*dots.T, ls="", **_LOOKS["near_duplicate"])
    frames = [Rectangle(corner, _SIDE, _SIDE) for corner in marked["always_on"]]
    axis.add_collection(PatchCollection(frames, fc="none", ec=ACCENT, lw=1.8))

    axis = figure.add_axes((0.02, 0.85 / height, 0.94, 0.13 / height))
    bar = figure.colorbar(squares, axis, orientation="horizontal")
    bar.set_label("share of images on which a channel is active")
    bar.ax.xaxis.set_major_formatter(PercentFormatter(1))
    bar.outline.set_visible(False)
    keys = [
        Line2D([], [], ls="", label=name, **_LOOKS[kind])
        for kind, name in _KINDS.items()
        if marked[kind]
    ]
    if keys:
        figure.legend(handles=keys, loc="lower center", ncols=3, handletextpad=0)
    return figure


def _pictures(array: np.ndarray, name: str) -> npt.NDArray[np.uint8]:
    """Return pictures in [0, 1], NaN allowed, as uint8 with three channels."""
    if array.shape[-1] not in (1, 3):
        raise ValueError(
            f"{name} must have one channel or three, to be shown as grey or colours; "
            f"got shape {array.shape}"
        )
    if array.dtype != np.uint8:
        if ((array < 0) | (array > 1)).any():
            raise ValueError(
                f"{name} must be uint8, or lie in [0, 1]; got numbers from "
                f"{np.nanmin(array):g} to {np.nanmax(array):g}"
            )
        array = np.where(np.isnan(array), _OUTSIDE, array)
        array = (array * 255).round().astype(np.uint8)
    return np.broadcast_to(array, (*array.shape[:-1], 3))


def _paste(tile, picture):
    """Fit a picture into the middle of a tile of a sheet."""
    scale = min(tile.shape[0] / len(picture), tile.shape[1] / picture.shape[1])
    height, width = (max(1, round(scale * side)) for side in picture.shape[:2])
    # Enlarged, pixels stay squares; made smaller, they are averaged.
    picture = Image.fromarray(np.ascontiguousarray(picture))
    picture = picture.resize((width, height), Image.Resampling.BOX)
    y, x = (tile.shape[0] - height) // 2, (tile.shape[1] - width) // 2
    tile[y : y + height, x : x + width] = picture


def _cross(axis, corners, size, colour=INK):
    """Cross out rectangles of one size, given the upper left corner of each."""
    x, y = np.reshape(corners, (-1, 2)).T[..., None]
    wide, tall = size
    across, down = (
        [0, wide, np.nan, 0, wide, np.nan],
        [0, tall, np.nan, tall, 0, np.nan],
    )
    axis.plot((x + across).ravel(), (y + down).ravel(), color=colour, lw=0.8)


def _title(layer, channels):
    """Name a layer and count its channels, and those of each kind."""
    parts = [f"{len(channels)} channels"]
    for kind, name in _KINDS.items():
        if count := sum(getattr(channel, kind) for channel in channels):
            parts.append(f"{count} {name}")
    return f"{layer}: {', '.join(parts)}"
