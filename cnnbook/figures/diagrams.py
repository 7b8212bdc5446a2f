"""Draw how a layer works: numbers in grids, windows, the stack of layers."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

from cnnbook.checks import check_whole
from cnnbook.figures.drawable import (
    Window,
    check_count,
    check_shape,
    check_some,
    check_window,
)
from cnnbook.figures.style import ACCENT, DOG, QUIET, SIGNED, WIDTH, styled


@styled
def image_as_numbers(image: npt.ArrayLike, window: Window) -> Figure:
    """Show a picture, and the numbers that a small part of it is made of.

    Parameters
    ----------
    image : ndarray of shape (H, W, 3)
        Intensities in [0, 1].
    window : (slice, slice)
        Rows and columns of the part; up to about 8 by 8 pixels can be read.

    Returns
    -------
    figure : matplotlib.figure.Figure
        The part's brightness, the mean of its three channels, is written from 0
        (black) to 255 (white).

    Raises
    ------
    ValueError
        If the picture has another shape, or the window is not inside it.

    Examples
    --------
    >>> figure = image_as_numbers(np.zeros((8, 8, 3)), (slice(0, 2), slice(3, 5)))
    """
    image = check_shape(image, "(H, W, 3)", "image", "of a batch, pass images[0]")
    check_window(window, image.shape)
    rows, columns = window
    part = image[window].mean(axis=-1)
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(WIDTH, 3.1), width_ratios=[1, 1.1]
    )
    left.imshow(image)
    left.axis("off")
    corner = columns.start - 0.5, rows.start - 0.5
    size = columns.stop - columns.start, rows.stop - rows.start
    left.add_patch(Rectangle(corner, *size, fill=False, ec="white", lw=4))
    left.add_patch(Rectangle(corner, *size, fill=False, ec=ACCENT, lw=2))
    _numbers(right, np.round(part * 255), cmap="grey", limits=(0, 255))
    return figure


@styled
def window_products(
    image: npt.ArrayLike, kernel: npt.ArrayLike, position: tuple[int, int]
) -> Figure:
    """Show how one value of a feature map comes about.

    Parameters
    ----------
    image : ndarray of shape (H, W)
    kernel : ndarray of shape (K_h, K_w)
    position : (int, int)
        Row and column of the window's top left value.

    Returns
    -------
    figure : matplotlib.figure.Figure
        The image with its window, the kernel, and their products with the sum.

    Raises
    ------
    ValueError
        If the image or the kernel has another shape, or the window is not inside
        the image.

    Examples
    --------
    >>> figure = window_products(np.eye(3), np.array([[-1., 1.]]), position=(0, 0))
    >>> figure.axes[2].get_xlabel()
    'sum: −1'
    """
    image = check_shape(image, "(H, W)", "image", "pass one channel of one image")
    kernel = check_shape(kernel, "(K_h, K_w)", "kernel", "pass one channel of one")
    rows = slice(position[0], position[0] + kernel.shape[0])
    columns = slice(position[1], position[1] + kernel.shape[1])
    check_window((rows, columns), image.shape)
    products = image[rows, columns] * kernel
    ratios = [image.shape[1], kernel.shape[1], kernel.shape[1]]
    figure, axes = plt.subplots(1, 3, figsize=(WIDTH * 1.1, 2.9), width_ratios=ratios)
    _numbers(axes[0], image, title="image", cmap="grey", limits=_range_of(image))
    _numbers(axes[1], kernel, title="kernel", cmap=SIGNED)
    _numbers(axes[2], products, title="products", cmap=SIGNED)
    corner = columns.start - 0.5, rows.start - 0.5
    axes[0].add_patch(
        Rectangle(corner, *kernel.shape[::-1], fill=False, ec=ACCENT, lw=3, zorder=3)
    )
    for axis, sign in ((axes[1], "×"), (axes[2], "=")):
        axis.text(-0.09, 0.5, sign, transform=axis.transAxes, ha="right", va="center")
    axes[2].set_xlabel(f"sum: {_written(products.sum())}", fontweight="bold")
    return figure


@styled
def number_grids(grids: Mapping[str, npt.ArrayLike], *, columns: int = 4) -> Figure:
    """Write small arrays out, side by side, each with its name above it.

    Blue below zero, orange above, white at zero: each array on its own scale.

    Parameters
    ----------
    grids : dict of str to ndarray of shape (H, W)
        Rounded to two digits behind the point; up to about 5 by 5 numbers can be read.
    columns : int
        Arrays in a row.

    Returns
    -------
    figure : matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If there is no array, or one has another shape.

    Examples
    --------
    >>> figure = number_grids({"kernel": np.eye(3), "slope": -np.eye(3)}, columns=2)
    >>> [axes.get_title() for axes in figure.axes]
    ['kernel', 'slope']
    """
    check_whole(columns, "columns")
    check_some(grids, "grids", "array")
    rows = math.ceil(len(grids) / columns)
    side = WIDTH * 1.1 / columns
    figure, axes = plt.subplots(
        rows, columns, figsize=(side * columns, (side + 0.2) * rows), squeeze=False
    )
    for axis in axes.flat[len(grids) :]:
        axis.axis("off")
    for axis, (name, values) in zip(axes.flat, grids.items(), strict=False):
        _numbers(axis, check_shape(values, "(H, W)", name), title=name, cmap=SIGNED)
    return figure


@styled
def window_places(
    size: int, window: int, *, stride: int = 1, padding: int = 0
) -> Figure:
    """Show every place that a window visits along one row of pixels.

    Parameters
    ----------
    size : int
        Pixels in the row.
    window, stride : int
    padding : int
        Zeros on both ends, drawn hollow.

    Returns
    -------
    figure : matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If the window does not fit, or a number is not a whole one.

    Examples
    --------
    >>> figure = window_places(7, window=3, stride=2)
    """
    for value, name in ((size, "size"), (window, "window"), (stride, "stride")):
        check_whole(value, name)
    check_whole(padding, "padding", least=0)
    if window > size + 2 * padding:
        raise ValueError(
            f"a window of {window} does not fit into {size} pixels with {padding} of "
            "padding at both ends; make it smaller or pad more"
        )
    starts = range(-padding, size + padding - window + 1, stride)
    figure, axis = plt.subplots(figsize=(WIDTH, 0.34 * (len(starts) + 2.2)))
    for x in range(-padding, size + padding):
        inside = 0 <= x < size
        axis.add_patch(
            Rectangle(
                (x, 0),
                0.92,
                0.8,
                facecolor="#cfcfcf" if inside else "none",
                edgecolor="#cfcfcf" if inside else QUIET,
                linestyle="-" if inside else (0, (2, 2)),
            )
        )
        if not inside:
            axis.text(x + 0.46, 0.4, "0", ha="center", va="center", color=QUIET)
    for i, start in enumerate(starts):
        y = -1.1 * (i + 1)
        axis.add_patch(
            FancyBboxPatch(
                (start + 0.08, y + 0.1),
                window - 0.24,
                0.6,
                boxstyle="round,pad=0.05",
                facecolor=DOG,
                edgecolor="none",
                alpha=0.85,
            )
        )
        axis.text(
            start + window / 2 - 0.04,
            y + 0.38,
            f"output {i + 1}",
            ha="center",
            va="center",
            color="white",
            fontsize=10,
        )
    axis.set_xlim(-padding - 0.2, size + padding + 0.2)
    axis.set_ylim(-1.1 * len(starts) - 0.2, 1)
    axis.axis("off")
    return figure


@styled
def pooling_blocks(
    values: npt.ArrayLike,
    pooled: Sequence[np.ndarray],
    *,
    window: int = 2,
    titles: Sequence[str] = ("before", "max", "average"),
) -> Figure:
    """Show a small map, its windows in different shades, and what pooling keeps.

    Parameters
    ----------
    values : ndarray of shape (H, W)
    pooled : sequence of ndarrays of shape (H', W')
        One result for each way of pooling, with windows that touch.
    window : int
    titles : sequence of str
        One for the map, and one for each result.

    Returns
    -------
    figure : matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If a result has not one value for each window, or titles are too few or many.

    Examples
    --------
    >>> figure = pooling_blocks(np.eye(2), [np.ones((1, 1))], titles=("before", "max"))
    """
    values = check_shape(values, "(H, W)", "values", "pass one channel of one image")
    check_whole(window, "window")
    check_count(titles, 1 + len(pooled), "titles")
    expected = tuple(math.ceil(side / window) for side in values.shape)
    for result in pooled:
        if result.shape != expected:
            raise ValueError(
                f"windows of {window} that touch make shape {expected} of "
                f"{values.shape}; got a result of shape {result.shape}"
            )
    blocks = np.arange(math.prod(expected)).reshape(expected) % len(_BLOCKS)
    whole = blocks.repeat(window, axis=0).repeat(window, axis=1)
    ratios = [values.shape[1], *(result.shape[1] * 1.35 for result in pooled)]
    figure, axes = plt.subplots(
        1, len(ratios), figsize=(WIDTH, 2.7), width_ratios=ratios
    )
    shown = [(values, whole), *((result, blocks) for result in pooled)]
    for axis, (numbers, shades), title in zip(axes, shown, titles, strict=True):
        _numbers(axis, numbers, title=title, colours=_BLOCKS[shades])
    return figure


@styled
def layer_stack(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw a network as a stack of boxes, as tall as their maps and labelled.

    Parameters
    ----------
    rows : sequence of dict
        One for each layer, from input to output, with the keys ``name``, ``kind``
        ("input", "convolution", "activation", "pooling", "fully connected" or
        "other"), ``shape`` (without the images' axis) and ``note``, a few words.

    Returns
    -------
    figure : matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If a kind is unknown, or no layer has maps.

    Examples
    --------
    >>> row = {"name": "in", "kind": "input", "shape": (8, 8, 3), "note": "the photo"}
    >>> figure = layer_stack([row])
    """
    for row in rows:
        if row["kind"] not in _KINDS:
            raise ValueError(
                f"the kind of layer {row['name']!r} must be one of "
                f"{', '.join(_KINDS)}; got {row['kind']!r}"
            )
    if not any(len(row["shape"]) == 3 for row in rows):
        raise ValueError(
            "rows must hold at least one layer of shape (H, W, F), which sets the "
            f"scale; got shapes {[tuple(row['shape']) for row in rows]}"
        )
    step = 0.62
    figure, axis = plt.subplots(figsize=(WIDTH, step * len(rows) + 0.2))
    largest = max(row["shape"][0] for row in rows if len(row["shape"]) == 3)
    for i, row in enumerate(rows):
        y = -i
        spatial = len(row["shape"]) == 3
        # Width tells how many rows and columns a map still has.
        width = 1.5 + 1.9 * (row["shape"][0] / largest if spatial else 0)
        axis.add_patch(
            FancyBboxPatch(
                (-width / 2, y - 0.32),
                width,
                0.64,
                boxstyle="round,pad=0,rounding_size=0.12",
                facecolor=_KINDS[row["kind"]],
                edgecolor="none",
            )
        )
        shape = " × ".join(str(side) for side in row["shape"])
        axis.text(0, y, shape, ha="center", va="center", fontsize=10.5)
        axis.text(-1.95, y, row["name"], ha="right", va="center", fontsize=10.5)
        axis.text(1.95, y, row["note"], va="center", fontsize=10.5, color="#555555")
        if i:
            axis.plot([0, 0], [y + 0.32, y + 0.68], color=QUIET, lw=1.2)
    axis.set_xlim(-4.2, 4.6)
    axis.set_ylim(-len(rows) + 0.45, 0.55)
    axis.axis("off")
    return figure


_BLOCKS = np.array(["#cfe3f3", "#fbe3b5", "#e6d3ea", "#d3ecd9", "#f6d5cf", "#e2e2e2"])

_KINDS = {
    "input": "#e2e2e2",
    "convolution": "#bcd9ee",
    "activation": "#f3c9d5",
    "pooling": "#fbdf9f",
    "fully connected": "#c9e6cf",
    "other": "#eeeeee",
}


def _numbers(
    axis, values, *, title=None, cmap=None, limits=None, colours=None, fontsize=11
):
    """Write numbers into the cells of a grid, on a ground that shows them too."""
    values = np.asarray(values)
    if colours is None and cmap is not None:
        largest = np.abs(values).max() or 1
        low, high = limits or (-largest, largest)
        colours = plt.get_cmap(cmap)((values - low) / (high - low))
    for (row, column), value in np.ndenumerate(values):
        ground = "#f2f2f2" if colours is None else colours[row, column]
        axis.add_patch(
            Rectangle((column - 0.5, row - 0.5), 1, 1, fc=ground, ec="white", lw=1)
        )
        red, green, blue = to_rgb(ground)
        dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
        axis.text(
            column,
            row,
            _written(value),
            ha="center",
            va="center",
            fontsize=fontsize,
            color="white" if dark else "black",
        )
    axis.set_xlim(-0.55, values.shape[1] - 0.45)
    axis.set_ylim(values.shape[0] - 0.45, -0.55)
    axis.set_aspect("equal")
    axis.set_xticks([])
    axis.set_yticks([])
    axis.spines[:].set_visible(False)
    if title is not None:
        axis.set_title(title)


def _range_of(values):
    """Return the darkest and the brightest value, apart even if all are alike."""
    low, high = np.min(values), np.max(values)
    return low, high if high > low else low + 1


def _written(value):
    """Write a number as short as it can be read, with a true minus sign."""
    return f"{round(float(value), 2) + 0.0:g}".replace("-", "−")
