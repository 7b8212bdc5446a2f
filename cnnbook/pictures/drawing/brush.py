"""Paint smooth shapes on a small picture, and remember which part owns each pixel.

A shape is a function of position that is negative inside, zero on the outline and
grows by one per unit outside (a signed distance, exact or to first order).  One
pixel's share of the shape follows from the distance alone, so edges are smooth at
any size without drawing large and shrinking.

Pixels are touched by sums, products, quotients and square roots only.  IEEE 754
defines these to the last bit, hence the same picture on every machine; sines and
exponentials would differ between processors.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

Colour = Sequence[float]  # red, green and blue, in [0, 1]


class Patch(NamedTuple):
    """The pixels a shape may touch, and their positions in the shape's own units."""

    rows: slice
    columns: slice
    u: np.ndarray  # (h, w), to the right
    v: np.ndarray  # (h, w), downwards
    pixels: float  # pixels per unit
    frame: "Frame"


class Frame(NamedTuple):
    """A coordinate system on the picture: where its origin is and where u, v point."""

    size: int
    x: float
    y: float
    ux: float
    uy: float
    vx: float
    vy: float

    def at(
        self,
        u: float,
        v: float,
        angle: float = 0.0,
        squeeze: float = 1.0,
        scale: float = 1.0,
    ) -> "Frame":
        """Return the frame with origin (u, v) here, turned by angle radians."""
        cos, sin = math.cos(angle) * scale, math.sin(angle) * scale
        return Frame(
            self.size,
            self.x + u * self.ux + v * self.vx,
            self.y + u * self.uy + v * self.vy,
            (cos * self.ux + sin * self.vx) * squeeze,
            (cos * self.uy + sin * self.vy) * squeeze,
            cos * self.vx - sin * self.ux,
            cos * self.vy - sin * self.uy,
        )

    def patch(self, left: float, top: float, right: float, bottom: float) -> Patch:
        """Return the pixels of the rectangle, in this frame's units, on the picture."""
        wide = (abs(self.ux) * (right - left) + abs(self.vx) * (bottom - top)) / 2 + 1
        high = (abs(self.uy) * (right - left) + abs(self.vy) * (bottom - top)) / 2 + 1
        u, v = (left + right) / 2, (top + bottom) / 2
        x = self.x + u * self.ux + v * self.vx
        y = self.y + u * self.uy + v * self.vy
        columns = slice(*_within(x - wide, x + wide, self.size))
        rows = slice(*_within(y - high, y + high, self.size))
        area = self.ux * self.vy - self.uy * self.vx
        across, down = _pixel_centres(self.size)
        across, down = across[:, columns] - self.x, down[rows] - self.y
        return Patch(
            rows,
            columns,
            across * (self.vy / area) - down * (self.vx / area),
            down * (self.ux / area) - across * (self.uy / area),
            math.sqrt(abs(area)),
            self,
        )


class Canvas:
    """A picture being painted: colours (3, H, W) and the part that owns each pixel."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.colours = np.zeros((3, size, size), np.float32)
        self.owner = np.zeros((size, size), np.uint8)

    def frame(self, x: float = 0.5, y: float = 0.5, unit: float = 1.0) -> Frame:
        """Return an upright frame; all three are shares of the picture's side."""
        scale = unit * self.size
        return Frame(self.size, x * self.size, y * self.size, scale, 0, 0, scale)

    def paint(
        self,
        patch: Patch,
        distance: np.ndarray,
        colour: Colour | np.ndarray,
        part: int | None = None,
        opacity: float = 1.0,
        soft: float = 0.0,
    ) -> None:
        """Lay colour over the inside of a shape, over `soft` units at its edge.

        Pixels at least half covered pass to `part`; part None leaves owners alone.
        """
        slope = patch.pixels / (1 + soft * patch.pixels)
        cover = distance * -slope
        cover += 0.5
        np.maximum(cover, 0, out=cover)
        np.minimum(cover, 1, out=cover)
        if part is not None:
            owner = self.owner[patch.rows, patch.columns]
            np.copyto(owner, part, where=cover >= 0.5)
        if opacity != 1.0:
            cover *= opacity
        self.tint(patch, colour, cover)

    def tint(
        self, patch: Patch, colour: Colour | np.ndarray, share: float | np.ndarray
    ) -> None:
        """Mix colour into a patch; share is how much of it each pixel gets, (h, w)."""
        below = self.colours[:, patch.rows, patch.columns]
        layer = as_colour(colour) - below
        layer *= share
        below += layer


def as_colour(colour: Colour | np.ndarray) -> np.ndarray:
    """Return three numbers as an array that broadcasts over (3, h, w)."""
    if isinstance(colour, np.ndarray):
        return colour
    return np.array(colour, np.float32).reshape(3, 1, 1)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Return the colour `share` of the way from first to second, as three floats."""
    return tuple(a + (b - a) * share for a, b in zip(first, second, strict=True))


def lightness(colour: Colour) -> float:
    """Return how light three numbers of red, green and blue look, in [0, 1]."""
    return 0.3 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2]


def ellipse(
    u: np.ndarray, v: np.ndarray, half_width: float, half_height: float
) -> np.ndarray:
    """Return the first-order distance to an ellipse round the origin."""
    u, v = u / half_width, v / half_height
    inside = u * u + v * v
    u, v = u / half_width, v / half_height
    slope = u * u
    slope += v * v
    slope += 1e-6
    np.sqrt(slope, out=slope)
    slope *= 2
    inside -= 1
    inside /= slope
    return inside


def petal(
    u: np.ndarray,
    v: np.ndarray,
    half_width: float,
    length: float,
    *,
    taper: float = 0.0,
    bend: float = 0.0,
) -> np.ndarray:
    """Return the distance to an ellipse from the origin down to `length`.

    It widens downwards with taper in (-1, 1) and swings sideways by bend units.
    """
    t = v / (length / 2)
    t -= 1
    if bend:
        u = u - (t * t) * bend
    return ellipse(
        u / (1 + taper * np.clip(t, -1, 1)), t * (length / 2), half_width, length / 2
    )


def spike(
    u: np.ndarray,
    v: np.ndarray,
    half_width: float,
    length: float,
    *,
    bulge: float = 0.5,
    round_tip: float = 0.0,
) -> np.ndarray:
    """Return the distance to a pointed shape standing on v = 0, its tip upwards."""
    t = v / -length
    wide = 1 - t
    wide *= 1 + bulge * t
    wide *= half_width
    side = np.abs(u)
    side -= wide
    side /= math.sqrt(1 + (half_width / length) ** 2)
    np.maximum(side, v, out=side)
    if round_tip:
        np.maximum(side, -v - length * (1 - round_tip), out=side)
    return side


def stroke(
    u: np.ndarray, v: np.ndarray, reach: float, thickness: float, *, curve: float = 0.0
) -> np.ndarray:
    """Return the distance to a line from (0, 0) to (reach, 0), sagging by curve."""
    along = np.clip(u / reach, 0, 1)
    down = v - along * (1 - along) * (4 * curve)
    past = u - along * reach
    past *= past
    past += down * down
    np.sqrt(past, out=past)
    past -= thickness
    return past


def join(first: np.ndarray, second: np.ndarray, blend: float) -> np.ndarray:
    """Return the union of two shapes, their meeting rounded over `blend` units."""
    share = (second - first) / (2 * blend)
    share += 0.5
    np.maximum(share, 0, out=share)
    np.minimum(share, 1, out=share)
    union = first - second
    union *= share
    union += second
    share *= share - 1
    share *= blend
    union += share
    return union


def step(values: np.ndarray, width: float) -> np.ndarray:
    """Return 0 where values are below -width, 1 above width, smooth between."""
    t = values / (2 * width)
    t += 0.5
    np.maximum(t, 0, out=t)
    np.minimum(t, 1, out=t)
    return t * t * (3 - 2 * t)


def wave(phase: np.ndarray) -> np.ndarray:
    """Return a smooth ripple in [-1, 1] with period 1 and wave(0) = -1."""
    t = phase - np.floor(phase)
    t *= 1 - t
    t *= 8
    t -= 1
    return t


def clouds(grid: np.ndarray, size: int) -> np.ndarray:
    """Return a grid of numbers, at least 3 by 3, as a smooth (size, size) texture."""
    near, weights = _neighbours(grid.shape[0], size)
    rows = sum(grid[n] * w[:, None] for n, w in zip(near, weights, strict=True))
    near, weights = _neighbours(grid.shape[1], size)
    return sum(rows[:, n] * w for n, w in zip(near, weights, strict=True))


def blur(planes: np.ndarray, radius: float) -> np.ndarray:
    """Return (C, H, W) planes blurred to a standard deviation of radius pixels.

    Many rounds of a three-pixel kernel come close to a bell; edges are repeated.
    """
    rounds = max(1, math.ceil(2 * radius * radius))
    side = radius * radius / (2 * rounds)  # the kernel [s, 1 - 2 s, s] has variance 2 s
    for _ in range(rounds):
        for axis in (1, 2):
            first, last = planes.take([0], axis), planes.take([-1], axis)
            wide = np.concatenate([first, planes, last], axis)
            neighbours = (
                wide[:, :-2] + wide[:, 2:]
                if axis == 1
                else wide[:, :, :-2] + wide[:, :, 2:]
            )
            planes = planes * (1 - 2 * side) + neighbours * side
    return planes


def _within(low, high, size):
    """Return whole-pixel bounds of an interval, both inside [0, size]."""
    low = min(max(math.floor(low), 0), size)
    return low, max(min(math.ceil(high), size), low)


@lru_cache(maxsize=16)
def _pixel_centres(size):
    """Return the centres of the pixels as a row (1, size) and a column (size, 1)."""
    centres = np.arange(size, dtype=np.float32) + np.float32(0.5)
    return centres[None], centres[:, None]


@lru_cache(maxsize=64)
def _neighbours(cells, size):
    """Return each pixel's three nearest cells and their quadratic B-spline weights."""
    place = (np.arange(size) + 0.5) / size * (cells - 2) + 1
    middle = place.astype(int)
    t = (place - middle).astype(np.float32)
    before, after = (1 - t) ** 2 / 2, t * t / 2
    return (middle - 1, middle, middle + 1), (before, 1 - before - after, after)
