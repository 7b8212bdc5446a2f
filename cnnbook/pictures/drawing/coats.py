"""Colours and coat patterns, alike for cats and dogs.

A pattern says how much of the coat's second colour each point of the head or body
has, in head units (1 = half the head's width, v downwards).
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from cnnbook.pictures.drawing.brush import Colour, ellipse, mix, step, wave

COATS = {
    "cream": (0.95, 0.86, 0.70),
    "white": (0.97, 0.95, 0.91),
    "ginger": (0.92, 0.58, 0.27),
    "fawn": (0.83, 0.67, 0.47),
    "russet": (0.69, 0.37, 0.21),
    "chocolate": (0.46, 0.31, 0.23),
    "silver": (0.73, 0.74, 0.76),
    "slate": (0.43, 0.48, 0.56),
    "charcoal": (0.27, 0.26, 0.29),
}
IRISES = {
    "amber": (0.92, 0.64, 0.17),
    "green": (0.55, 0.74, 0.31),
    "blue": (0.43, 0.69, 0.89),
    "hazel": (0.70, 0.53, 0.25),
    "brown": (0.56, 0.33, 0.16),
}
NOSES = {
    "pink": (0.91, 0.52, 0.52),
    "liver": (0.44, 0.25, 0.20),
    "black": (0.17, 0.15, 0.17),
}
COLLARS = {
    "red": (0.80, 0.22, 0.22),
    "teal": (0.14, 0.52, 0.52),
    "navy": (0.19, 0.25, 0.45),
    "olive": (0.47, 0.50, 0.22),
}
TAGS = {"yellow": (1.0, 0.82, 0.16), "violet": (0.52, 0.22, 0.70)}
INK = (0.17, 0.11, 0.11)
WHITE = COATS["white"]
PATTERNS = ("solid", "tabby", "spots", "patches", "bicolour", "cap", "points")


def head_share(
    u: np.ndarray, v: np.ndarray, texture: np.ndarray, factors: Mapping[str, Any]
) -> np.ndarray:
    """Return the second colour's share at each point of the head, (h, w) in [0, 1]."""
    pattern, x, y = factors["pattern"], factors["pattern_x"], factors["pattern_y"]
    if pattern == "tabby":
        side = np.abs(u)
        forehead = _stripes(u * 2.3) * step(-0.36 - v, 0.25)
        cheeks = _stripes(v * 2.6 - side * 0.8 + y) * step(side - 0.62, 0.2)
        return np.maximum(forehead, cheeks)
    if pattern == "spots":
        away_from_the_face = step(np.abs(u) + np.abs(v + 0.25) - 0.45, 0.2)
        return _spots(u + x, v + y, 0.40, texture) * away_from_the_face
    if pattern == "patches":
        eye = ellipse(u - math.copysign(0.45, x), v + 0.15 - 0.2 * y, 0.44, 0.52)
        crown = ellipse(u + math.copysign(0.75, x), v + 0.75, 0.5, 0.4)
        return step(0.1 * texture - np.minimum(eye, crown), 0.07)
    if pattern == "bicolour":
        blaze = 0.10 + 0.08 * x + 0.55 * np.clip(v + 0.35 + 0.1 * y, 0, 1)
        return step(blaze + 0.06 * texture - np.abs(u), 0.07)
    if pattern == "cap":
        brow = 0.55 * np.abs(u) - 0.28 + 0.12 * y
        return step(brow + 0.08 * texture - v, 0.10)
    if pattern == "points":
        return 0.85 * step(-ellipse(u, v - 0.3, 0.66, 0.66), 0.3)
    return 0.12 * step(v - 0.2, 0.5)


def body_share(
    u: np.ndarray, v: np.ndarray, texture: np.ndarray, factors: Mapping[str, Any]
) -> np.ndarray:
    """Return the second colour's share at each point of the body, (h, w) in [0, 1]."""
    pattern, x, y = factors["pattern"], factors["pattern_x"], factors["pattern_y"]
    if pattern == "tabby":
        return _stripes(v * 2.0 + 0.4 * u * u + y) * step(np.abs(u) - 0.3, 0.3)
    if pattern == "spots":
        return _spots(u + x, v + y, 0.48, texture)
    if pattern == "patches":
        patch = ellipse(u + math.copysign(0.8, x), v - 2.0, 0.6, 0.8)
        return step(0.1 * texture - patch, 0.08)
    if pattern == "bicolour":
        return step(0.1 * texture - ellipse(u, v - 1.7, 0.6, 1.0), 0.10)
    if pattern == "cap":
        return step(np.abs(u) - 0.6 + 0.08 * texture, 0.15)
    return np.zeros_like(u)


def ear_share(factors: Mapping[str, Any], side: int) -> float:
    """Return the second colour's share in the ear on one side (-1 left, 1 right)."""
    if factors["pattern"] == "patches":
        return float(side * factors["pattern_x"] < 0)
    return 0.9 if factors["pattern"] in ("cap", "points") else 0.0


def muzzle_colour(factors: Mapping[str, Any]) -> Colour:
    """Return the colour round nose and mouth."""
    first, second = COATS[factors["coat"]], COATS[factors["second_coat"]]
    if factors["pattern"] == "points":
        return mix(first, second, 0.85)
    return second if factors["pattern"] == "bicolour" else mix(first, WHITE, 0.6)


def fur_colours(
    first: Colour, second: Colour, share: float | np.ndarray, shade: np.ndarray
) -> npt.NDArray[np.float32]:
    """Return (3, h, w): first and second mixed by share, brightened by shade."""
    colours = np.empty((3, *shade.shape), np.float32)
    for channel, plane in enumerate(colours):
        np.multiply(share, second[channel] - first[channel], out=plane)
        plane += first[channel]
        plane *= shade
    return colours


def _stripes(phase):
    """Return soft dark stripes of period 1, thinner than the gaps."""
    return 0.8 * step(wave(phase) - 0.1, 0.7)


def _spots(u, v, spacing, texture):
    """Return spots of uneven size on a lattice of staggered rows."""
    v = v / spacing
    row = np.floor(v)
    u = u / spacing + 0.5 * (row - 2 * np.floor(row / 2))
    u, v = u - np.floor(u) - 0.5, v - row - 0.5
    return step(0.08 + 0.09 * texture - (u * u + v * v), 0.05)
