"""Draw arrays already computed: photos, feature maps and kernels.

Every function returns a closed Matplotlib figure, which a notebook shows once.  Save
it with ``figure.savefig("maps.png")``.  No function runs a model.
"""

import math
from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from cnnbook.checks import check_whole
from cnnbook.figures import scales
from cnnbook.figures.drawable import (
    Window,
    check_count,
    check_shape,
    check_some,
    check_window,
)
from cnnbook.figures.heat import say_if_empty
from cnnbook.figures.panels import panels
from cnnbook.figures.style import AMOUNTS, INK, SIGNED, WIDTH, styled

GAP = 70  # between maps on a signed sheet: dark, as no colour of theirs is


@styled
def photo_grid(
    images: npt.ArrayLike,
    titles: Sequence[str] | None = None,
    *,
    columns: int = 4,
    colours: Sequence[str] | None = None,
) -> Figure:
    """Show pictures side by side, larger the fewer they are.

    Parameters
    ----------
    images : ndarray of shape (N, H, W, 3)
        uint8, or floats in [0, 1].
    titles : sequence of str, optional
        One for each picture.
    columns : int
        Pictures in a row.
    colours : sequence of str, optional
        Colour of each title.

    Returns
    -------
    figure : matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If the shape is another, or titles or colours are not one for each picture.

    Examples
    --------
    >>> figure = photo_grid(np.zeros((2, 8, 8, 3)), ["dark", "darker"])
    >>> [axes.get_title() for axes in figure.axes]
    ['dark', 'darker']
    """
    images = check_shape(images, "(N, H, W, 3)", "images")
    check_count(titles, len(images), "titles")
    check_count(colours, len(images), "colours")
    aspect = images.shape[1] / images.shape[2]
    figure, axes = panels(len(images), columns, aspect, 0.05 if titles is None else 0.3)
    for i, (axis, image) in enumerate(zip(axes, images, strict=True)):
        axis.imshow(image)
        if titles is not None:
            axis.set_title(titles[i], color=colours[i] if colours else INK, fontsize=14)
    return figure


@styled
def photo_with_windows(
    image: npt.ArrayLike, windows: Sequence[Window], labels: Sequence[str] | None = None
) -> Figure:
    """Outline parts of a picture, each in its own shade, with labels beside it.

    Parameters
    ----------
    image : ndarray of shape (H, W, 3)
    windows : sequence of (slice, slice)
        Rows and columns of each part, in pixels.
    labels : sequence of str, optional
        One for each part.

    Returns
    -------
    figure : matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If the picture has another shape, a window is not inside it, or labels are
        not one for each window.

    Examples
    --------
    >>> windows = [(slice(2, 6), slice(1, 5))]
    >>> figure = photo_with_windows(np.zeros((8, 8, 3)), windows, ["an eye"])
    """
    image = check_shape(image, "(H, W, 3)", "image", "of a batch, pass images[0]")
    check_count(labels, len(windows), "labels")
    for window in windows:
        check_window(window, image.shape)
    rows, columns = image.shape[:2]
    width = min(WIDTH, 4.2 * columns / rows)
    figure, axis = plt.subplots(figsize=(width, width * rows / columns))
    axis.imshow(image)
    axis.axis("off")
    shades = plt.get_cmap(AMOUNTS)(np.linspace(1, 0.35, len(windows)))
    for i, (row, column) in enumerate(windows):
        low, left = row.start - 0.5, column.start - 0.5
        height, width = row.stop - row.start, column.stop - column.start
        for line, shade in ((4.5, "black"), (2.5, shades[i])):
            look: dict[str, Any] = {"fill": False, "lw": line, "ec": shade}
            axis.add_patch(Rectangle((left, low), width, height, **look))
    for i, label in enumerate(labels or []):
        row, column = windows[i]
        axis.annotate(
            label,
            (column.stop - 0.5, row.start - 0.5),
            xytext=(1.03, 0.95 - 0.12 * i),
            textcoords="axes fraction",
            va="center",
            arrowprops={"arrowstyle": "-", "color": shades[i], "lw": 1.5},
        )
    return figure


@styled
def photo_beside_map(image: npt.ArrayLike, values: npt.ArrayLike) -> Figure:
    """Show a picture, and beside it a signed map laid over its grey version.

    Parameters
    ----------
    image : ndarray of shape (H, W, 3)
        Intensities in [0, 1].
    values : ndarray of shape (H', W')
        Often coarser than the picture.  Blue below zero, orange above; the stronger,
        the less of the picture shines through.

    Returns
    -------
    figure : matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If the picture or the map has another shape.

    Examples
    --------
    >>> figure = photo_beside_map(np.zeros((8, 8, 3)), np.array([[-1., 1.]]))
    """
    image = check_shape(image, "(H, W, 3)", "image", "of a batch, pass images[0]")
    values = check_shape(values, "(H', W')", "values", "pass a single map")
    figure, (left, right) = panels(2, 2, image.shape[0] / image.shape[1])
    left.imshow(image)
    right.imshow(image.mean(axis=-1), cmap="grey", vmin=0, vmax=1)
    low, high = scales.limits(values, signed=True)
    alpha = (np.abs(values) / high).clip(0, 1) ** 0.5 * 0.9
    extent = -0.5, image.shape[1] - 0.5, image.shape[0] - 0.5, -0.5
    right.imshow(values, cmap=SIGNED, vmin=low, vmax=high, alpha=alpha, extent=extent)
    say_if_empty(right, values)
    return figure


@styled
def feature_map_grid(
    maps: np.ndarray | Sequence[np.ndarray],
    titles: Sequence[str] | None = None,
    *,
    columns: int = 3,
    signed: bool = False,
    limits: tuple[float, float] | None = None,
) -> Figure:
    """Show a few feature maps large, each with its title.

    Black is zero, and brighter is more.  If some values are below zero, all maps are
    drawn with signs: blue below, white at zero, orange above.

    Parameters
    ----------
    maps : ndarray of shape (H, W, F) or sequence of F ndarrays of shape (H, W)
    titles : sequence of str, optional
        One for each map.
    columns : int
        Maps in a row.
    signed : bool
        Whether to draw maps with signs even if no value is below zero.
    limits : (float, float), optional
        Values of the darkest and the brightest colour, for all maps alike; what lies
        beyond is cut off.  By default each map uses its own range, from zero.

    Returns
    -------
    figure : matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If the shape is another, or titles are not one for each map.

    Examples
    --------
    >>> figure = feature_map_grid(np.ones((8, 8, 3)), ["a", "b", "c"])
    >>> len(figure.axes)
    3
    """
    if hasattr(maps, "shape"):  # one array, and not a list of them
        maps = check_shape(maps, "(H, W, F)", "maps", "of a batch, pass maps[0]")
        maps = np.moveaxis(maps, -1, 0)
    check_some(maps, "maps", "map")
    maps = [check_shape(values, "(H, W)", "each of the maps") for values in maps]
    check_count(titles, len(maps), "titles")
    signed = signed or (limits is None and any((each < 0).any() for each in maps))
    aspect = maps[0].shape[0] / maps[0].shape[1]
    figure, axes = panels(len(maps), columns, aspect, 0.3 if titles is not None else 0)
    for i, (axis, values) in enumerate(zip(axes, maps, strict=True)):
        low, high = limits or scales.limits(values, signed)
        axis.imshow(values, cmap=SIGNED if signed else AMOUNTS, vmin=low, vmax=high)
        say_if_empty(axis, values)
        axis.set_title("" if titles is None else titles[i])
    return figure


@styled
def feature_map_sheet(
    maps: npt.ArrayLike,
    *,
    columns: int | None = None,
    silent: Sequence[bool] | np.ndarray | None = None,
) -> Figure:
    """Show all maps of a layer on one sheet, the strongest first.

    Each map uses its own range, from zero (dark) to its largest value (bright), and
    brightness grows with the square root of the value, so that weak answers can be
    read too.  If some values of the layer are below zero, all maps are drawn with
    signs: blue below, white at zero, orange above, the colour of the farthest value
    full.  Silent maps come last, crossed out.

    Parameters
    ----------
    maps : ndarray of shape (H, W, F)
        At most some hundreds of maps.  The strongest is the one with the largest
        mean, of amounts without their signs.
    columns : int, optional
        Maps in a row.  By default about as many as make a sheet of 3 : 2.
    silent : ndarray of shape (F,), bool, optional
        Maps to cross out.  By default those that are zero everywhere.

    Returns
    -------
    figure : matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If the shape is another, or ``silent`` is not one value for each map.

    Examples
    --------
    >>> figure = feature_map_sheet(np.ones((8, 8, 12)))
    """
    maps = check_shape(maps, "(H, W, F)", "maps", "of a batch, pass maps[0]")
    height, width, count = maps.shape
    check_count(silent, count, "silent")
    crossed = np.asarray(~maps.any(axis=(0, 1)) if silent is None else silent, bool)
    # Stable, so that equally strong maps keep their order.
    order = np.argsort(
        np.where(crossed, np.inf, -np.abs(maps).mean(axis=(0, 1))), kind="stable"
    )
    columns = _columns_of_sheet(count) if columns is None else columns
    check_whole(columns, "columns")
    rows = math.ceil(count / columns)

    # One picture, not F axes: several hundred axes would take a minute to draw.
    enlarge = max(1, round(1100 / (columns * width)))
    step_y, step_x = height * enlarge + 2, width * enlarge + 2
    signed = bool((maps < 0).any())
    gap = GAP if signed else 255  # white is zero there, and would have no end
    sheet = np.full((rows * step_y - 2, columns * step_x - 2, 3), gap, np.uint8)
    for place, channel in enumerate(order):
        y, x = (place // columns) * step_y, (place % columns) * step_x
        tile = _coloured(maps[..., channel], signed).repeat(enlarge, axis=0)
        sheet[y : y + step_y - 2, x : x + step_x - 2] = tile.repeat(enlarge, axis=1)
    if rest := count % columns:  # no map stands there
        sheet[(rows - 1) * step_y :, rest * step_x - 2 :] = 255

    # As much paper whatever the proportions: a tall sheet is a narrower one.
    proportions = sheet.shape[0] / sheet.shape[1]
    across = WIDTH * 1.2 * min(1, math.sqrt(2 / 3 / proportions))
    figure, axis = plt.subplots(figsize=(across, across * proportions))
    axis.imshow(sheet, interpolation="antialiased")
    axis.axis("off")
    for place in np.flatnonzero(crossed[order]).tolist():
        y, x = (place // columns) * step_y, (place % columns) * step_x
        right, low = x + step_x - 3, y + step_y - 3
        cross = [x, right, np.nan, x, right], [y, low, np.nan, low, y]
        axis.plot(*cross, color=INK if signed else "white", lw=0.8)
    return figure


@styled
def kernel_grid(kernels: npt.ArrayLike, *, columns: int = 8) -> Figure:
    """Show first-layer kernels as small colour pictures.

    Grey is zero.  All kernels share one scale, so pale ones are weak.

    Parameters
    ----------
    kernels : ndarray of shape (K_h, K_w, 3, F)
    columns : int
        Kernels in a row.

    Returns
    -------
    figure : matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If the kernels have not three channels.

    Examples
    --------
    >>> figure = kernel_grid(np.zeros((3, 3, 3, 4)), columns=2)
    """
    advice = "three channels are needed, to be shown as colours"
    kernels = check_shape(kernels, "(K_h, K_w, 3, F)", "kernels", advice)
    pictures = np.moveaxis(scales.kernel_colours(kernels), -1, 0)
    figure, axes = panels(len(pictures), columns, kernels.shape[0] / kernels.shape[1])
    for axis, picture in zip(axes, pictures, strict=True):
        axis.imshow(picture)
    return figure


def _coloured(values, signed):
    """Return a map in colours, (H, W, 3) uint8, by square roots on its own scale."""
    amounts = np.abs(values)
    shares = np.sqrt((amounts / (amounts.max() or 1)).clip(0, 1))
    if signed:  # from [-1, 1] to [0, 1]
        shares = (1 + np.sign(values) * shares) / 2
    return plt.get_cmap(SIGNED if signed else AMOUNTS)(shares, bytes=True)[..., :3]


def _columns_of_sheet(count):
    """Choose about 3 : 2, and as few empty places in the last row as may be."""
    ideal = math.sqrt(1.5 * count)
    choices = range(math.ceil(0.8 * ideal), math.floor(1.3 * ideal) + 1)
    return min(choices or [1], key=lambda n: (-count % n, abs(n - ideal)))
