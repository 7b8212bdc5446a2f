"""Draw what surrounds a pet: a scene behind it, things around it, light, blur, noise.

Nothing here knows whether the pet is a cat or a dog.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from cnnbook.pictures.drawing.brush import (
    Canvas,
    as_colour,
    blur,
    clouds,
    ellipse,
    mix,
    spike,
    step,
    wave,
)

SCENES = ("studio", "wallpaper", "meadow", "room", "books", "evening", "leaves")
COVERS = ("leaf", "flower", "ball", "yarn", "gift")

WALLS = {
    "cream": (0.96, 0.90, 0.78),
    "blush": (0.93, 0.74, 0.68),
    "terracotta": (0.80, 0.47, 0.35),
    "mustard": (0.88, 0.70, 0.32),
    "sage": (0.62, 0.70, 0.55),
    "teal": (0.27, 0.48, 0.49),
    "dusk": (0.36, 0.33, 0.48),
    "sky": (0.66, 0.81, 0.88),
    "plum": (0.47, 0.26, 0.36),
}
_LIGHT, _DARK = (1, 1, 0.95), (0.2, 0.1, 0.1)
_BRIGHT = (
    (0.93, 0.44, 0.32),
    (0.97, 0.77, 0.35),
    (0.45, 0.62, 0.45),
    (0.32, 0.52, 0.62),
    (0.87, 0.60, 0.62),
    (0.98, 0.93, 0.84),
    (0.52, 0.36, 0.50),
    (0.62, 0.36, 0.24),
)


def paint_scene(
    canvas: Canvas, factors: Mapping[str, Any], rng: np.random.Generator
) -> None:
    """Paint the whole background: a scene, and things scattered over it."""
    patch = canvas.frame(0, 0).patch(0, 0, 1, 1)
    wall = WALLS[factors["wall"]]
    uneven = clouds(rng.random((5, 5), np.float32), canvas.size)
    canvas.colours[:] = as_colour(wall) * (0.97 - 0.14 * patch.v + 0.20 * uneven)
    paint = _PAINTERS[factors["scene"]]
    paint(canvas, patch, wall, iter(rng.random(64).tolist()))
    things, kinds = rng.random((12, 6)).tolist(), tuple(_THINGS.values())
    for kind, colour, x, y, scale, angle in things[: factors["clutter"]]:
        frame = canvas.frame(x, y, 0.05 + 0.09 * scale).at(0, 0, 6.3 * angle)
        kinds[int(kind * len(kinds))](canvas, frame, _pick(colour), None)


def _studio(canvas, patch, wall, draw):
    """Paint a soft pool of light on a plain backdrop."""
    glow = ellipse(patch.u - 0.3 - 0.4 * next(draw), patch.v - 0.4, 0.5, 0.5)
    canvas.paint(patch, glow, mix(wall, (1, 1, 0.95), 0.45), opacity=0.6, soft=0.6)


def _wallpaper(canvas, patch, wall, draw):
    """Paint stripes, checks or dots."""
    kind, colour = next(draw), mix(wall, _pick(next(draw)), 0.45)
    period = 4 + 4 * next(draw)
    u, v = patch.u * period, patch.v * period
    if kind < 0.35:
        share = step(wave(u), 0.3)
    elif kind < 0.65:
        share = 0.5 * step(wave(u), 0.3) + 0.5 * step(wave(v), 0.3)
    else:
        share = step(wave(u) + wave(v) - 0.9, 0.3)
    canvas.tint(patch, colour, share)


def _meadow(canvas, patch, wall, draw):
    """Paint sky, sun, hills and flowers."""
    u, v = patch.u, patch.v
    sky = mix(wall, (0.75, 0.88, 0.95), 0.65)
    canvas.colours[:] = as_colour(sky) * (1.05 - 0.15 * v)
    x, y = next(draw), 0.1 + 0.15 * next(draw)
    canvas.paint(patch, ellipse(u - x, v - y, 0.09, 0.09), (1, 0.93, 0.68), soft=0.04)
    for depth, green in enumerate(
        ((0.62, 0.74, 0.50), (0.47, 0.62, 0.36), (0.36, 0.52, 0.29))
    ):
        line = 0.42 + 0.17 * depth + 0.08 * next(draw)
        bump = u - next(draw)
        canvas.paint(patch, line + (0.35 * bump) * bump - v, green)
    for _ in range(6):
        x, y, colour = next(draw), 0.65 + 0.35 * next(draw), _pick(next(draw))
        _flower(canvas, canvas.frame(x, y, 0.03), colour, None)


def _room(canvas, patch, wall, draw):
    """Paint a wall with one window or two, and a wooden floor."""
    u, v = patch.u, patch.v
    floor = 0.74 + 0.1 * next(draw)
    canvas.paint(patch, floor - v, (0.66, 0.46, 0.31))
    canvas.paint(patch, np.abs(v - floor) - 0.012, (0.97, 0.93, 0.86))
    for x in (0.1, 0.85) if next(draw) < 0.5 else (0.15 + 0.7 * next(draw),):
        wide, y = 0.13 + 0.06 * next(draw), 0.2 + 0.15 * next(draw)
        frame = np.maximum(np.abs(u - x) - wide, np.abs(v - y) - 0.2)
        canvas.paint(patch, frame - 0.02, (0.95, 0.91, 0.83))
        canvas.paint(patch, frame, mix(_pick(next(draw)), (0.75, 0.88, 0.95), 0.6))
        bars = np.minimum(np.abs(u - x), np.abs(v - y)) - 0.008
        canvas.paint(patch, np.maximum(bars, frame), (0.95, 0.91, 0.83))


def _books(canvas, patch, wall, draw):
    """Paint three shelves of books."""
    canvas.colours *= 0.72
    height, gap = 0.26 + 0.05 * next(draw), 0.06
    upper = 0.12 + 0.15 * next(draw) + height
    picture = canvas.frame(0, 0)
    for shelf in (upper - height - gap, upper, upper + height + gap):
        board = picture.patch(0, shelf, 1, shelf + 0.04)
        plank = np.abs(board.v - shelf - 0.02) - 0.02
        canvas.paint(board, plank, (0.50, 0.34, 0.24))
        chance = np.array([next(draw) for _ in range(18)], np.float32).reshape(3, 6)
        row = picture.patch(0, shelf - height, 1, shelf)
        place = np.minimum((row.u * 6).astype(int), 5)
        wide, tall = 0.05 + 0.03 * chance[0], height * (0.7 + 0.3 * chance[1])
        middle = np.arange(6, dtype=np.float32) / 6 + wide
        books = np.abs(row.u - middle[place]) - wide[place]
        books = np.maximum(books, shelf - tall[place] - row.v)
        covers = np.array([mix(_pick(c), wall, 0.25) for c in chance[2]], np.float32)
        canvas.paint(row, np.maximum(books, row.v - shelf), covers.T[:, place])


def _evening(canvas, patch, wall, draw):
    """Paint darkness with soft round lights."""
    canvas.colours *= 0.3
    canvas.colours += as_colour((0.10, 0.09, 0.18))
    for _ in range(9):
        x, y, scale, colour = (next(draw) for _ in range(4))
        light = canvas.frame(x, y, 0.04 + 0.08 * scale)
        spot = light.patch(-1.2, -1.2, 1.2, 1.2)
        glow = mix(_pick(colour), (1, 0.9, 0.6), 0.4)
        disc = ellipse(spot.u, spot.v, 1, 1)
        canvas.paint(spot, disc, glow, opacity=0.6, soft=0.15)


def _leaves(canvas, patch, wall, draw):
    """Paint ten leaves in front of a dark bush."""
    canvas.colours *= 0.5
    canvas.colours += as_colour((0.12, 0.22, 0.12))
    for _ in range(10):
        x, y, scale, angle = (next(draw) for _ in range(4))
        frame = canvas.frame(x, y, 0.12 + 0.08 * scale).at(0, 0, 6.3 * angle)
        _leaf(canvas, frame, mix((0.35, 0.55, 0.30), wall, 0.4 * scale), None)


_PAINTERS = {
    "studio": _studio,
    "wallpaper": _wallpaper,
    "meadow": _meadow,
    "room": _room,
    "books": _books,
    "evening": _evening,
    "leaves": _leaves,
}


def _ball(canvas, frame, colour, part):
    """Paint a shiny ball with a pale band."""
    patch = _globe(canvas, frame, colour, part)
    u, v = patch.u, patch.v
    band = np.maximum(np.abs(v + 0.2 * u * u) - 0.22, ellipse(u, v, 0.95, 0.95))
    canvas.paint(patch, band, mix(colour, _LIGHT, 0.5), opacity=0.7)


def _yarn(canvas, frame, colour, part):
    """Paint a ball of wool."""
    patch = _globe(canvas, frame, colour, part)
    u, v = patch.u, patch.v
    threads = step(wave(1.6 * u + 0.9 * v + 0.5 * u * v) - 0.3, 0.4)
    threads *= step(-ellipse(u, v, 0.95, 0.95), 0.1)
    canvas.tint(patch, mix(colour, _LIGHT, 0.5), 0.6 * threads)


def _globe(canvas, frame, colour, part):
    """Paint what balls have in common and return where."""
    patch = frame.patch(-1.1, -1.1, 1.1, 1.1)
    u, v = patch.u, patch.v
    shape = ellipse(u, v, 0.95, 0.95)
    canvas.paint(patch, shape, colour, part)
    away_from_light = np.maximum(shape, -ellipse(u + 0.35, v + 0.35, 1, 1))
    shadow = mix(colour, _DARK, 0.35)
    canvas.paint(patch, away_from_light, shadow, opacity=0.35, soft=0.2)
    canvas.paint(patch, ellipse(u + 0.4, v + 0.45, 0.2, 0.14), (1, 1, 1), opacity=0.5)
    return patch


def _leaf(canvas, frame, colour, part):
    """Paint a leaf with its rib."""
    patch = frame.patch(-0.6, -1.1, 0.6, 1.1)
    u, v = patch.u, patch.v
    shape = np.maximum(ellipse(u - 0.55, v, 1.0, 1.1), ellipse(u + 0.55, v, 1.0, 1.1))
    canvas.paint(patch, shape, colour, part)
    rib = np.maximum(np.abs(u) - 0.04, shape)
    canvas.paint(patch, rib, mix(colour, _DARK, 0.35), opacity=0.6)


def _flower(canvas, frame, colour, part):
    """Paint a flower of five petals."""
    patch = frame.patch(-1.05, -1.05, 1.05, 1.05)
    u, v = patch.u, patch.v
    radius = np.sqrt(u * u + v * v) + 1e-6
    cos = v / radius
    square = cos * cos
    cos_of_five_times = cos * ((16 * square - 20) * square + 5)
    canvas.paint(patch, radius - 0.80 - 0.19 * cos_of_five_times, colour, part)
    canvas.paint(patch, radius - 0.3, (0.98, 0.80, 0.30), part)


def _flag(canvas, frame, colour, part):
    """Paint a hanging pennant with a pale band."""
    patch = frame.patch(-0.95, -1.0, 0.95, 0.8)
    shape = spike(patch.u, patch.v - 0.7, 0.85, 1.6, bulge=0)
    canvas.paint(patch, shape, colour, part)
    band = np.maximum(shape, np.abs(patch.v - 0.35) - 0.12)
    canvas.paint(patch, band, mix(colour, _LIGHT, 0.5))


def _gift(canvas, frame, colour, part):
    """Paint a parcel with a ribbon."""
    patch = frame.patch(-1.0, -0.85, 1.0, 0.85)
    shape = np.maximum(np.abs(patch.u) - 0.8, np.abs(patch.v) - 0.65)
    canvas.paint(patch, shape - 0.08, mix(colour, _DARK, 0.35), part)
    canvas.paint(patch, shape, colour)
    ribbon = np.maximum(shape, np.abs(patch.u) - 0.14)
    canvas.paint(patch, ribbon, mix(colour, _LIGHT, 0.5))


_THINGS = {
    "ball": _ball,
    "yarn": _yarn,
    "leaf": _leaf,
    "flower": _flower,
    "gift": _gift,
    "flag": _flag,
}


def paint_cover(canvas: Canvas, factors: Mapping[str, Any], background: int) -> None:
    """Paint the thing that hides a part of the pet."""
    if factors["cover"] == "none":
        return
    frame = canvas.frame(factors["cover_x"], factors["cover_y"], factors["cover_size"])
    frame = frame.at(0, 0, factors["cover_angle"])
    colour = _pick(factors["cover_hue"])
    if factors["cover"] == "leaf":
        colour = mix(colour, (0.36, 0.55, 0.30), 0.7)
    _THINGS[factors["cover"]](canvas, frame, colour, background)


def photograph(
    canvas: Canvas, factors: Mapping[str, Any], rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """Return the painted picture as (H, W, 3) bytes: light, tint, blur and noise."""
    patch = canvas.frame().patch(-0.5, -0.5, 0.5, 0.5)
    angle = math.radians(factors["light_angle"])
    light = patch.u * (factors["light"] * math.sin(angle))
    light = light - patch.v * (factors["light"] * math.cos(angle))
    light += factors["exposure"]
    picture = canvas.colours
    picture *= light
    picture[0] *= 1 + factors["warmth"]
    picture[2] *= 1 - factors["warmth"]
    if factors["blur"]:
        picture = blur(picture, factors["blur"] * canvas.size)
    picture *= 255
    picture += 0.5
    if factors["noise"]:
        picture += factors["noise"] * rng.standard_normal(picture.shape, np.float32)
    np.clip(picture, 0, 255, out=picture)
    return picture.transpose(1, 2, 0).astype(np.uint8)


def _pick(chance):
    """Return one of the bright colours."""
    return _BRIGHT[int(chance * len(_BRIGHT))]
