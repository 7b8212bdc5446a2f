"""Draw what belongs to places of a photo on the photo: heat, windows, products.

Every function returns a closed Matplotlib figure, which a notebook shows once.  No
function runs a model.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from cnnbook.figures.drawable import (
    Window,
    check_count,
    check_intensities,
    check_shape,
    check_some,
    check_window,
)
from cnnbook.figures.heat import glow, say_if_empty
from cnnbook.figures.panels import panels
from cnnbook.figures.scales import kernel_colours, limits
from cnnbook.figures.style import QUIET, SIGNED, styled

LINE = 0.25  # of a title: its height in inches

if TYPE_CHECKING:
    from cnnbook.explanations.explanation import Explanation
    from cnnbook.maps.tracing import Step


@styled
def heat_over_photos(
    images: npt.ArrayLike,
    maps: Sequence[npt.ArrayLike] | np.ndarray,
    titles: Sequence[str] | None = None,
    *,
    windows: Sequence[Sequence[Window]] | None = None,
    columns: int = 2,
    signed: bool = False,
) -> Figure:
    """Lay maps of amounts over grey photos: the more there is, the brighter.

    Parameters
    ----------
    images : ndarray of shape (N, H, W, 3)
        Intensities in [0, 1].
    maps : sequence of N ndarrays of shape (H', W')
        None below zero, unless signed; may be coarser than the photos.  Each has its
        own scale, from zero, where the photo shines through, to its largest value;
        brightness grows with the square root.  One that is zero everywhere says so.
    titles : sequence of str, optional
        One for each photo.
    windows : sequence of sequences of (slice, slice), optional
        For each photo the rows and columns, in pixels, of parts to outline.
    columns : int
        Photos in a row.
    signed : bool
        Whether amounts may be below zero: blue below, orange above.

    Returns
    -------
    figure : matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If a shape or the photos' range is another, a map holds amounts below zero, a
        window is not inside its photo, or there is not one map, title and list of
        windows for each photo.

    Examples
    --------
    >>> photos = np.full((2, 8, 8, 3), 0.5)
    >>> figure = heat_over_photos(photos, [np.eye(8), np.eye(4)], ["fine", "coarse"])
    """
    images = check_shape(images, "(N, H, W, 3)", "images", "of one photo, image[None]")
    check_intensities(images, "images")
    for given, name in ((maps, "maps"), (titles, "titles"), (windows, "windows")):
        check_count(given, len(images), name)
    heats = [check_shape(heat, "(H', W')", "each of the maps") for heat in maps]
    lowest = min(heat.min() for heat in heats)
    if lowest < 0 and not signed:
        raise ValueError(
            f"maps must hold amounts, none below zero, unless signed; got {lowest:g}"
        )
    height, width = images.shape[1:3]
    room = 0 if titles is None else LINE
    figure, axes = panels(len(images), columns, height / width, room)
    for i, axis in enumerate(axes):
        glow(axis, images[i], heats[i], signed)
        for window in windows[i] if windows is not None else ():
            _outline(axis, window, (height, width))
        axis.set_title(titles[i] if titles is not None else "")
    return figure


@styled
def explanations_over_photo(
    image: npt.ArrayLike,
    explanations: Iterable[Explanation],
    titles: Sequence[str] | None = None,
    *,
    number: int = 0,
    columns: int = 3,
) -> Figure:
    r"""Lay explanations of one photo over it, by default titled with method and class.

    Parameters
    ----------
    image : ndarray of shape (H, W, 3)
        Intensities in [0, 1].
    explanations : sequence of explanations.Explanation
        Each has its own scale.  Amounts: the brighter, the more.  Where parts may
        speak against the class: orange for it, blue against it.  Below stand, unless
        there are titles, the scores of image and baseline and what
        `Explanation.remarks` says.
    titles : sequence of str, optional
        One for each explanation.
    number : int
        Of the photo among those that were explained.
    columns : int
        Pictures in a row.

    Returns
    -------
    figure : matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If the photo has another shape or range, explanations are of images of another
        size, or there is none.

    Examples
    --------
    >>> from cnnbook import explanations, networks
    >>> photo = np.full((96, 96, 3), 0.5)
    >>> found = explanations.grad_cam(networks.load_classifier(), photo[None], "dog")
    >>> explanations_over_photo(photo, [found]).axes[0].get_title()
    'Grad-CAM\nfor dog'
    """
    image = check_shape(image, "(H, W, 3)", "image", "of a batch, pass images[0]")
    check_intensities(image, "image")
    explanations = list(explanations)
    check_some(explanations, "explanations", "explanation")
    for found in explanations:
        _check_size(found, image)
    check_count(titles, len(explanations), "titles")
    aspect = image.shape[0] / image.shape[1]
    room = 2 * LINE if titles else _room(explanations)
    figure, axes = panels(len(explanations), columns, aspect, room)
    for i, (axis, found) in enumerate(zip(axes, explanations, strict=True)):
        if titles is None:
            _explained(axis, image, found, number)
        else:
            glow(axis, image, found.on_pixels()[number], found.signed)
            axis.set_title(titles[i], fontsize="medium")
    return figure


@styled
def photos_beside_explanations(
    photos: npt.ArrayLike, explanations: Sequence[Explanation], *, columns: int = 4
) -> Figure:
    """Show each photo, and beside it the explanation that lies over it.

    Parameters
    ----------
    photos : sequence of ndarrays of shape (H, W, 3)
        Intensities in [0, 1], all of one shape.
    explanations : sequence of explanations.Explanation
        One for each photo, of one image.
    columns : int
        Pictures in a row.

    Returns
    -------
    figure : matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If photos have another shape or range, or there is not one explanation, of an
        image of that size, for each.

    Examples
    --------
    >>> from cnnbook import explanations, networks
    >>> photo = np.full((96, 96, 3), 0.5)
    >>> found = explanations.grad_cam(networks.load_classifier(), photo[None], "dog")
    >>> len(photos_beside_explanations([photo], [found]).axes)
    2
    """
    photos = check_shape(photos, "(N, H, W, 3)", "photos", "of one photo, [photo]")
    check_intensities(photos, "photos")
    check_count(explanations, len(photos), "explanations")
    aspect = photos.shape[1] / photos.shape[2]
    figure, axes = panels(2 * len(photos), columns, aspect, _room(explanations))
    for number, (photo, found) in enumerate(zip(photos, explanations, strict=True)):
        _check_size(found, photo)
        beside, over = axes[2 * number : 2 * number + 2]
        beside.imshow(photo)
        _explained(over, photo, found, 0)
    return figure


@styled
def trace_strip(
    steps: Sequence[Step], maps: Mapping[str, npt.ArrayLike], *, columns: int = 3
) -> Figure:
    r"""Show what a number was made of: photo and maps, with the windows it sees.

    Of each layer, the channel that contributes most, in either direction.

    Parameters
    ----------
    steps : sequence of maps.Step
        As `maps.trace` returns them, the number first and the image last.
    maps : dict of str to ndarray of shape (H', W', F)
        Those to show, by layer.  Three channels of the image are shown as a photo,
        in intensities from 0 to 1.
    columns : int
        Pictures in a row.

    Returns
    -------
    figure : matplotlib.figure.Figure
        In the order of computation, each titled with its layer, or "image", and the
        rows and columns of the window.  What `Step.remark` says stands below: that a
        ReLU is closed.  Maps with values below zero are blue there, white at zero and
        orange above.

    Raises
    ------
    ValueError
        If a map has another shape or belongs to none of the steps, there is none, or
        the photo has another range.

    Examples
    --------
    >>> import keras
    >>> from cnnbook import maps
    >>> conv = keras.layers.Conv2D(4, 3, name="conv")
    >>> model = keras.Sequential([keras.Input((8, 8, 3), name="photo"), conv])
    >>> photo = np.full((8, 8, 3), 0.5)
    >>> steps = maps.trace(model, photo, "conv", (2, 5, 1))
    >>> found = maps.feature_maps(model, photo[None], ["photo", "conv"])
    >>> figure = trace_strip(steps, {name: m[0] for name, m in found.items()})
    >>> [axes.get_title() for axes in figure.axes]
    ['image\n3 × 3', 'conv\n1 × 1']
    """
    shown = [step for step in reversed(steps) if step.layer in maps]
    if not shown or len(shown) < len(maps):
        raise ValueError(
            "maps must hold maps of layers that were traced and of no others: some of "
            f"{', '.join(step.layer for step in steps)}; got "
            f"{', '.join(maps) or 'none'}"
        )
    arrays = {
        name: check_shape(array, "(H', W', F)", "each of the maps", "pass maps[0]")
        for name, array in maps.items()
    }
    height, width = arrays[shown[0].layer].shape[:2]
    figure, axes = panels(len(shown), columns, height / width, 2 * LINE)
    for axis, step in zip(axes, shown, strict=True):
        array = arrays[step.layer]
        if step is steps[-1] and array.shape[-1] == 3:
            check_intensities(array, "the image")
            axis.imshow(array)
        else:
            _draw_map(axis, array[..., _strongest(step)])
        if step.values.size:  # else it sees only padding
            _outline(axis, (step.rows, step.columns), array.shape)
        rows, sides = step.values.shape[:2]
        name = "image" if step is steps[-1] else step.layer
        axis.set_title(f"{name}\n{rows} × {sides}")
        if step.remark:
            _write_below(axis, step.remark)
    return figure


@styled
def products_of_patch(values: npt.ArrayLike, weights: npt.ArrayLike) -> Figure:
    """Show a patch of a photo, the kernel laid over it, and their products.

    Parameters
    ----------
    values : ndarray of shape (h, w, 3)
        Intensities in [0, 1].
    weights : ndarray of shape (h, w, 3)
        Shown as colours: grey is zero.

    Returns
    -------
    figure : matplotlib.figure.Figure
        The products are summed over the colours: blue below zero, white at zero,
        orange above.  The last title is their sum.

    Raises
    ------
    ValueError
        If the patch has another shape or range, or the weights have not its shape.

    Examples
    --------
    >>> figure = products_of_patch(np.full((5, 5, 3), 0.5), np.full((5, 5, 3), -0.1))
    >>> figure.axes[-1].get_title()
    'products: −3.75'
    """
    values = check_shape(values, "(h, w, 3)", "values", "a patch of a colour photo")
    check_intensities(values, "values")
    weights = check_shape(weights, "(h, w, 3)", "weights", "one for each value")
    if values.shape != weights.shape:
        raise ValueError(
            "weights must be one for each value; got shapes "
            f"{weights.shape} and {values.shape}"
        )
    products = (values * weights).sum(axis=-1)
    figure, axes = panels(3, 3, values.shape[0] / values.shape[1], LINE)
    axes[0].imshow(values)
    axes[1].imshow(kernel_colours(weights))
    low, high = limits(products, signed=True)
    axes[2].imshow(products, cmap=SIGNED, vmin=low, vmax=high)
    # White at its rim, it would have no end on a white page.
    frame: dict[str, Any] = {"fill": False, "ec": QUIET, "transform": axes[2].transAxes}
    axes[2].add_patch(Rectangle((0, 0), 1, 1, **frame))
    total = f"products: {products.sum():.3g}".replace("-", "−")
    for axis, title in zip(axes, ("patch", "weights", total), strict=True):
        axis.set_title(title)
    return figure


def _check_size(explanation, photo):
    """ValueError unless an explanation is of images of the photo's size."""
    if tuple(explanation.image_size) != photo.shape[:2]:
        raise ValueError(
            f"{explanation.method} explains images of {explanation.image_size} pixels; "
            f"the photo has {photo.shape[:2]}"
        )


def _room(explanations):
    """Return the height of what `_explained` writes round a picture, in inches."""
    said = (
        found.remarks(number)
        for found in explanations
        for number in range(len(found.values))
    )
    return (5 if any(said) else 4) * LINE


def _explained(axis, photo, explanation, number):
    """Lay one map of an explanation over its photo, and write what it is round it."""
    glow(axis, photo, explanation.on_pixels()[number], explanation.signed)
    target = explanation.target
    if isinstance(target, tuple):
        target = target[number]
    below = f"score {explanation.score[number]:.1f}"
    if explanation.baseline_score is not None:
        below += f", of the baseline {explanation.baseline_score[number]:.1f}"
    below += f", map in {explanation.units}"
    if explanation.layer:
        below += f", {explanation.layer}"
    if remarks := explanation.remarks(number):
        below += f", {remarks}"
    _write_below(axis, below.replace("-", "−"))
    # Long names of two words would run into the title beside them.
    method = textwrap.fill(explanation.method, 15)
    axis.set_title(f"{method}\nfor {target}", fontsize="medium")


def _draw_map(axis, values):
    """Draw a map of its own range; with signs, if some values are below zero."""
    look = {}
    if (values < 0).any():
        low, high = limits(values, signed=True)
        look = {"cmap": SIGNED, "vmin": low, "vmax": high}
    axis.imshow(values, **look)
    say_if_empty(axis, values)


def _write_below(axis, text):
    """Write small print below a picture."""
    axis.text(
        0.5,
        -0.04,
        textwrap.fill(text, 22),
        transform=axis.transAxes,
        ha="center",
        va="top",
        fontsize="x-small",
        color=QUIET,
    )


def _strongest(step):
    """Return the channel that contributes most to a number, or whose number it is."""
    amounts = np.abs(step.contributions)
    if not amounts.any():  # the number is 0
        amounts = np.abs(step.weights).sum(axis=(0, 1))
    return int(amounts.argmax())


def _outline(axis, window, shape):
    """Outline a part of a picture so that it shows on dark and on bright."""
    check_window(window, shape)
    rows, columns = window
    corner = columns.start - 0.5, rows.start - 0.5
    sides = columns.stop - columns.start, rows.stop - rows.start
    for line, colour in ((3, "black"), (1.4, "white")):
        look: dict[str, Any] = {
            "fill": False,
            "lw": line,
            "ec": colour,
            "clip_on": False,
        }
        axis.add_patch(Rectangle(corner, *sides, **look))
