"""Lay a map over a grey photo, so that the photo shows through where the map is 0."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cnnbook.figures.style import HEAT, SIGNED

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def glow(axis: Axes, image: np.ndarray, heat: np.ndarray, signed: bool) -> None:
    """Draw a map over the grey version of a photo.

    Parameters
    ----------
    axis : matplotlib.axes.Axes
    image : ndarray of shape (H, W, 3)
    heat : ndarray of shape (H', W')
    signed : bool
        Whether blue is below zero and orange above; else the brighter, the more.
    """
    height, width = image.shape[:2]
    axis.imshow(image.mean(axis=-1), cmap="grey", vmin=0, vmax=1)
    # Roots, since a few large amounts would hide all others.
    strength = np.sqrt(np.abs(heat) / (np.abs(heat).max() or 1))
    extent = -0.5, width - 0.5, height - 0.5, -0.5
    look: dict[str, Any] = {
        "vmax": 1,
        "extent": extent,
        "alpha": 0.9 * np.sqrt(strength),
    }
    if signed:
        axis.imshow(np.sign(heat) * strength, cmap=SIGNED, vmin=-1, **look)
    else:
        axis.imshow(strength, cmap=HEAT, vmin=0, **look)
    say_if_empty(axis, heat)


def say_if_empty(axis: Axes, values: np.ndarray) -> None:
    """Write on a map that it is zero everywhere, if it is: it could be a grey photo.

    Parameters
    ----------
    axis : matplotlib.axes.Axes
        With the map on it.
    values : ndarray of shape (H', W')
    """
    if values.any():
        return
    axis.text(
        0.5,
        0.5,
        "0 everywhere",
        transform=axis.transAxes,
        ha="center",
        va="center",
        fontsize="small",
        bbox={"fc": "white", "ec": "none", "alpha": 0.85, "pad": 2},
    )
