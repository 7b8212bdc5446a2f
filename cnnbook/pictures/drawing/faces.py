"""Draw a cat or a dog: what both have first, then what tells them apart.

Positions are in head units: the origin a little below the brow, 1 = half the head's
width, u to the right, v downwards.  Features sit on a round head that turns, so those
on the far side move and narrow as they would.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from cnnbook.pictures.drawing import coats
from cnnbook.pictures.drawing.brush import (
    Canvas,
    Colour,
    Frame,
    Patch,
    ellipse,
    join,
    lightness,
    mix,
    petal,
    spike,
    step,
    stroke,
)
from cnnbook.pictures.drawing.coats import COATS, INK, NOSES, WHITE

PARTS = ("background", "body", "tag", "face", "ears", "muzzle", "eyes", "whiskers")
BACKGROUND, BODY, TAG, FACE, EARS, MUZZLE, EYES, WHISKERS = range(len(PARTS))

_DOG_EARS = ("hanging", "hanging", "folded", "tipped")
_PINK = (0.94, 0.66, 0.64)


class Pet(NamedTuple):
    """One pet on its canvas: where head and body are, and what it looks like."""

    canvas: Canvas
    head: Frame
    body: Frame
    texture: np.ndarray  # (H, W), about [-1, 1]: the unevenness of fur
    factors: dict[str, Any]  # what cats and dogs share
    traits: dict[str, Any]  # what belongs to one of them

    def place(self, u: float, v: float, depth: float, angle: float = 0.0) -> Frame:
        """Return the frame of a feature of the head, at a depth towards the viewer."""
        yaw = math.radians(self.factors["yaw"])
        pitch = math.radians(self.factors["pitch"])
        across = u * math.cos(yaw) + depth * math.sin(yaw)
        forward = depth * math.cos(yaw) - u * math.sin(yaw)
        down = v * math.cos(pitch) - forward * math.sin(pitch)
        facing = math.atan2(u, max(depth, 0.5))
        squeeze = math.cos(facing + yaw) / math.cos(facing)
        return self.head.at(across, down, angle, min(max(squeeze, 0.5), 1.1))

    def fur(
        self,
        patch: Patch,
        distance: np.ndarray,
        share: float | np.ndarray,
        part: int,
        first: Colour | None = None,
        second: Colour | None = None,
    ) -> None:
        """Paint fur in the coat's two colours, lit from one side, darker at its rim."""
        factors, frame = self.factors, patch.frame
        texture = self.texture[patch.rows, patch.columns]
        distance = distance + texture * (0.01 + 0.04 * factors["fluff"])
        rim = distance * 5
        rim += 1
        np.maximum(rim, 0, out=rim)
        rim *= rim
        angle = math.radians(factors["light_angle"])
        right = 0.13 * math.sin(angle) / patch.pixels
        up = 0.13 * math.cos(angle) / patch.pixels
        shade = patch.u * (frame.ux * right - frame.uy * up)
        shade += patch.v * (frame.vx * right - frame.vy * up)
        shade += 0.10 * texture
        shade -= 0.26 * rim
        shade += 1.02
        one = first or COATS[factors["coat"]]
        two = second or COATS[factors["second_coat"]]
        colours = coats.fur_colours(one, two, share, shade)
        self.canvas.paint(patch, distance, colours, part)


def draw_traits(chance: Iterator[float]) -> dict[str, Any]:
    """Return what belongs to one pet alone, from an iterator of numbers in [0, 1)."""
    return {
        "ear_style": _DOG_EARS[int(next(chance) * len(_DOG_EARS))],
        "ear_lean": next(chance),
        "ear_length": next(chance),
        "ear_width": next(chance),
        "skew": 2 * next(chance) - 1,  # how far ears and tongue lean to one side
        "pupil": next(chance),
        "whiskers": next(chance),
        "muzzle": 0.92 + 0.16 * next(chance),
        "tongue": next(chance) < 0.5,
    }


def paint_pet(pet: Pet, label: int) -> None:
    """Paint a whole cat (label 0) or dog (label 1), back to front."""
    _body(pet)
    (_cat, _dog)[label](pet)
    if pet.factors["tag"] != "none":
        _tag(pet, coats.TAGS[pet.factors["tag"]])


def _body(pet):
    """Paint neck, shoulders, chest and, if worn, the collar."""
    canvas, factors = pet.canvas, pet.factors
    patch = pet.body.patch(-1.6, 0.0, 1.6, 4.0)
    u, v = patch.u, patch.v
    texture = pet.texture[patch.rows, patch.columns]
    shoulders = ellipse(u, v - 2.35, 1.28, 1.5)
    trunk = join(shoulders, ellipse(u, v - 0.8, 0.66, 0.9), 0.3)
    pet.fur(patch, trunk, coats.body_share(u, v, texture, factors), BODY)
    shadow = np.maximum(ellipse(u, v - 0.55, 0.85, 0.75), trunk)
    canvas.paint(patch, shadow, INK, opacity=0.28, soft=0.25)
    if not factors["collar"]:
        return
    colour = coats.COLLARS[factors["collar_colour"]]
    middle = v - (1.16 - 0.3 * u * u)
    band = np.maximum(np.abs(middle) - 0.10, trunk + 0.01)
    canvas.paint(patch, band - 0.035, mix(colour, INK, 0.55), BODY)
    canvas.paint(patch, band, colour)
    shine = np.maximum(np.abs(middle + 0.05) - 0.02, trunk + 0.05)
    canvas.paint(patch, shine, mix(colour, WHITE, 0.4))


def _tag(pet, colour):
    """Paint the tag that hangs from the collar."""
    patch = pet.body.at(0, 1.45).patch(-0.4, -0.4, 0.4, 0.4)
    disc = ellipse(patch.u, patch.v, 0.24, 0.24)
    pet.canvas.paint(patch, disc - 0.045, mix(colour, INK, 0.65), TAG)
    pet.canvas.paint(patch, disc, colour)
    shine = ellipse(patch.u + 0.08, patch.v + 0.09, 0.08, 0.06)
    pet.canvas.paint(patch, shine, WHITE, opacity=0.75)


def _head(pet, skull, jaw, tuft):
    """Paint the head: two (half width, half height, v) ellipses, tufts and blush."""
    factors = pet.factors
    wide = factors["head_width"]
    for side in (-1, 1):
        frame = pet.head.at(side * tuft * wide, 0.42, side * 1.95)
        length = 0.2 + 0.28 * factors["fluff"]
        patch = frame.patch(-0.45, -length, 0.45, 0.05)
        two_tips = spike(np.abs(patch.u) - 0.18, patch.v, 0.25, length, bulge=0.6)
        pet.fur(patch, two_tips, 0, FACE)
    patch = pet.head.patch(-1.25, -1.1, 1.25, 1.2)
    u, v = patch.u, patch.v
    outline = join(
        ellipse(u, v - skull[2], skull[0] * wide, skull[1]),
        ellipse(u, v - jaw[2], jaw[0] * wide, jaw[1]),
        0.18,
    )
    texture = pet.texture[patch.rows, patch.columns]
    pet.fur(patch, outline, coats.head_share(u, v, texture, factors), FACE)
    for side in (-1, 1):
        if _averted(pet, side):
            continue
        patch = pet.place(0.62 * side, 0.34, 0.7).patch(-0.35, -0.3, 0.35, 0.3)
        cheek = ellipse(patch.u, patch.v, 0.16, 0.11)
        pet.canvas.paint(patch, cheek, (0.95, 0.45, 0.40), opacity=0.28, soft=0.2)


def _eye(pet, frame, width, height, pupil_width, pupil_height):
    """Paint one eye: lid line, iris, pupil, and the highlights that make it live."""
    canvas, factors = pet.canvas, pet.factors
    patch = frame.patch(-0.36, -0.36, 0.36, 0.36)
    u, v = patch.u, patch.v
    outline = ellipse(u, v, width, height)
    canvas.paint(patch, outline - 0.055, INK, EYES)
    iris = coats.IRISES[factors["eye_colour"]]
    shade = 0.62 + 0.5 * step(v, 0.2)  # the lid's shadow above, light caught below
    canvas.paint(patch, outline, coats.fur_colours(iris, iris, 0, shade))
    u, v = u - 0.06 * factors["gaze_x"], v - 0.05 * factors["gaze_y"]
    pupil = np.maximum(ellipse(u, v, pupil_width, pupil_height), outline)
    canvas.paint(patch, pupil, (0.06, 0.04, 0.06))
    shine = np.maximum(ellipse(u + 0.085, v + 0.075, 0.06, 0.06), outline)
    canvas.paint(patch, shine, (1, 1, 1))
    glint = ellipse(u - 0.085, v - 0.09, 0.035, 0.035)
    canvas.paint(patch, glint, (1, 1, 1), opacity=0.7)
    lid = patch.v + 0.6 * patch.u * patch.u - height * (1 - 2 * factors["eye_open"])
    canvas.paint(patch, np.maximum(outline, lid - 0.05), INK)
    coat = mix(COATS[factors["coat"]], INK, 0.15)
    canvas.paint(patch, np.maximum(outline + 0.01, lid), coat)


def _mouth(pet, frame, drop, reach, sag, thickness):
    """Paint the line under the nose and the two arcs of a smile."""
    sag *= 0.8 + 0.6 * pet.factors["smile"]
    patch = frame.patch(-reach - 0.1, -0.05, reach + 0.1, drop + sag + 0.1)
    thickness = max(thickness, 0.4 / patch.pixels)
    aside = np.abs(patch.u)
    smile = stroke(aside, patch.v - drop, reach, thickness, curve=sag)
    groove = np.maximum(aside - thickness, np.abs(patch.v - drop / 2) - drop / 2)
    pet.canvas.paint(patch, np.minimum(smile, groove), INK, opacity=0.9)


def _averted(pet, side):
    """Return whether this side of the head is turned away."""
    return side * pet.factors["yaw"] > 10


# Cats: pointed ears, a short muzzle, a triangular nose, whiskers, slit pupils


def _cat(pet):
    """Paint a cat's head."""
    for side in (-1, 1):
        _pointed_ear(pet, side)
    _head(pet, skull=(0.97, 0.86, -0.06), jaw=(1.04, 0.58, 0.26), tuft=0.80)
    for side in (-1, 1):
        frame = pet.place(0.43 * side, -0.04, 0.82, -0.2 * side)
        _eye(pet, frame, 0.235, 0.215, 0.06 + 0.035 * pet.traits["pupil"], 0.2)
    _short_muzzle(pet)
    _whiskers(pet)


def _pointed_ear(pet, side):
    """Paint one pointed ear and its pink inside."""
    traits = pet.traits
    lean = side * (0.26 + 0.2 * traits["ear_lean"]) + 0.1 * traits["skew"]
    frame = pet.place(0.58 * side, -0.50, 0.05, lean)
    length = 0.92 + 0.22 * traits["ear_length"]
    width = 0.46 + 0.06 * traits["ear_width"]
    patch = frame.patch(-0.6, -1.3, 0.6, 0.15)
    share = coats.ear_share(pet.factors, side)
    pet.fur(patch, spike(patch.u, patch.v, width, length, bulge=0.6), share, EARS)
    inside = spike(patch.u, patch.v + 0.1, 0.62 * width, 0.70 * length, bulge=0.5)
    first, second = COATS[pet.factors["coat"]], COATS[pet.factors["second_coat"]]
    colour = mix(mix(first, second, share), _PINK, 0.75)
    pet.canvas.paint(patch, inside, colour, soft=0.05)


def _short_muzzle(pet):
    """Paint a chin, two puffs, a small triangular nose and the mouth."""
    colour, size = coats.muzzle_colour(pet.factors), pet.traits["muzzle"]
    patch = pet.place(0, 0.66, 0.82).patch(-0.3, -0.25, 0.3, 0.25)
    chin = ellipse(patch.u, patch.v, 0.17, 0.13)
    pet.fur(patch, chin, 0, MUZZLE, first=colour)
    for side in (-1, 1):
        patch = pet.place(0.155 * side, 0.46, 0.98).patch(-0.3, -0.25, 0.3, 0.25)
        puff = ellipse(patch.u, patch.v, 0.21 * size, 0.165 * size)
        pet.fur(patch, puff, 0, MUZZLE, first=colour)
    _mouth(pet, pet.place(0, 0.40, 1.02), 0.15, 0.22, 0.09, 0.024)
    nose = NOSES[pet.factors["nose"]]
    patch = pet.place(0, 0.40, 1.05).patch(-0.25, -0.25, 0.25, 0.15)
    triangle = spike(patch.u, -(patch.v + 0.15), 0.135, 0.19, bulge=0.4)
    pet.canvas.paint(patch, triangle - 0.03, mix(nose, INK, 0.5), MUZZLE)
    pet.canvas.paint(patch, triangle, nose)


def _whiskers(pet):
    """Paint a fan of three long whiskers on each side, to contrast with the coat."""
    dark_coat = lightness(COATS[pet.factors["coat"]]) < 0.62
    colour = (1, 1, 0.98) if dark_coat else (0.36, 0.27, 0.24)
    reach = 0.95 + 0.2 * pet.traits["whiskers"]
    for side in (-1, 1):
        frame = pet.place(0.24 * side, 0.46, 0.95, 0.05 * side)
        left, right = sorted((0, side * reach))
        patch = frame.patch(left, -0.4, right, 0.4)
        u = patch.u * side
        v = np.abs(patch.v + 0.12 * u * (1 - u))
        fan = np.minimum(v, np.abs(v - 0.06 - 0.20 * u))
        fan -= max(0.018, 0.4 / patch.pixels)  # thinner, it would break up into dots
        fan = np.maximum(fan, np.abs(u - reach / 2) - reach / 2)
        pet.canvas.paint(patch, fan, colour, WHISKERS, opacity=0.9)


# Dogs: hanging or folded ears, a long muzzle, a big nose, a tongue, round pupils


def _dog(pet):
    """Paint a dog's head."""
    style = pet.traits["ear_style"]
    ear = {"hanging": _hanging_ear, "folded": _folded_ear, "tipped": _tipped_ear}[style]
    behind = [side for side in (-1, 1) if style == "tipped" or _averted(pet, side)]
    for side in behind:
        ear(pet, side)
    _head(pet, skull=(0.95, 0.87, -0.06), jaw=(0.80, 0.62, 0.34), tuft=0.66)
    for side in (-1, 1):
        if side not in behind:
            ear(pet, side)
    for side in (-1, 1):
        frame = pet.place(0.37 * side, -0.08, 0.86, 0.05 * side)
        _eye(pet, frame, 0.195, 0.205, 0.13, 0.13)
    if pet.traits["tongue"]:
        _tongue(pet)
    _long_muzzle(pet)


def _flap(pet, patch, shape, side):
    """Paint the fur of an ear that faces forward, a little darker than the head."""
    first, second = COATS[pet.factors["coat"]], COATS[pet.factors["second_coat"]]
    share = coats.ear_share(pet.factors, side)
    pet.fur(patch, shape, share, EARS, mix(first, INK, 0.16), mix(second, INK, 0.12))


def _hanging_ear(pet, side):
    """Paint a long ear that hangs beside the face, like a hound's."""
    traits = pet.traits
    angle = -side * (0.12 + 0.25 * traits["ear_lean"]) + 0.1 * traits["skew"]
    frame = pet.place(0.74 * side, -0.74, -0.05, angle)
    length = 1.25 + 0.4 * traits["ear_length"]
    width = 0.31 + 0.07 * traits["ear_width"]
    patch = frame.patch(-0.7, -0.1, 0.7, length + 0.1)
    shape = petal(patch.u, patch.v, width, length, taper=0.3, bend=-0.1 * side)
    _flap(pet, patch, shape, side)


def _folded_ear(pet, side):
    """Paint a short triangular ear folded down over the head's corner."""
    traits = pet.traits
    angle = side * (2.35 + 0.3 * traits["ear_lean"]) + 0.12 * traits["skew"]
    frame = pet.place(0.60 * side, -0.66, 0.0, angle)
    length = 0.70 + 0.15 * traits["ear_length"]
    width = 0.38 + 0.05 * traits["ear_width"]
    patch = frame.patch(-0.6, -1.0, 0.6, 0.35)
    shape = join(
        spike(patch.u, patch.v, width, length, bulge=0.7) - 0.03,
        ellipse(patch.u, patch.v, width, 0.16),
        0.1,
    )
    _flap(pet, patch, shape, side)


def _tipped_ear(pet, side):
    """Paint an ear that stands and folds over at the tip, like a collie's."""
    traits = pet.traits
    lean = side * (0.30 + 0.2 * traits["ear_lean"]) + 0.1 * traits["skew"]
    frame = pet.place(0.56 * side, -0.50, 0.0, lean)
    patch = frame.patch(-0.6, -1.0, 0.6, 0.15)
    stand = spike(patch.u, patch.v, 0.42, 1.25, bulge=1.0)
    stand = np.maximum(stand, -0.74 - patch.v)
    pet.fur(patch, stand, coats.ear_share(pet.factors, side), EARS)
    fold = frame.at(0.03 * side, -0.70, math.pi - 0.35 * side)
    patch = fold.patch(-0.5, -0.6, 0.5, 0.25)
    shape = join(
        spike(patch.u, patch.v, 0.31, 0.46, bulge=0.8) - 0.03,
        ellipse(patch.u, patch.v, 0.32, 0.10),
        0.1,
    )
    _flap(pet, patch, shape, side)


def _tongue(pet):
    """Paint the lower jaw, the open mouth and the tongue."""
    colour = coats.muzzle_colour(pet.factors)
    jaw = pet.place(0, 0.90, 0.95)
    patch = jaw.patch(-0.45, -0.4, 0.45, 0.35)
    pet.fur(patch, ellipse(patch.u, patch.v, 0.30, 0.22), 0, MUZZLE, first=colour)
    mouth = ellipse(patch.u, patch.v + 0.06, 0.24, 0.17)
    pet.canvas.paint(patch, mouth, (0.42, 0.12, 0.14))
    patch = jaw.at(0, -0.2, 0.2 * pet.traits["skew"]).patch(-0.35, -0.05, 0.35, 0.6)
    tongue = petal(patch.u, patch.v, 0.17, 0.50, taper=0.15)
    pet.canvas.paint(patch, tongue - 0.035, (0.66, 0.25, 0.30), MUZZLE)
    pet.canvas.paint(patch, tongue, (0.95, 0.52, 0.54))
    groove = np.maximum(np.abs(patch.u) - 0.018, patch.v - 0.36)
    pet.canvas.paint(patch, groove, (0.78, 0.33, 0.38))


def _long_muzzle(pet):
    """Paint the muzzle with its lips, the smile and the big nose."""
    size = pet.traits["muzzle"]
    patch = pet.place(0, 0.28, 1.0).patch(-0.7, -0.6, 0.7, 0.7)
    u, v = patch.u / size, patch.v / size
    snout = ellipse(u, v - 0.05, 0.32, 0.48)
    for side in (-1, 1):
        snout = join(snout, ellipse(u - 0.19 * side, v - 0.30, 0.27, 0.25), 0.08)
    pet.fur(patch, snout, 0, MUZZLE, first=coats.muzzle_colour(pet.factors))
    _mouth(pet, pet.place(0, 0.46, 1.22), 0.21 * size, 0.36 * size, 0.10, 0.027)
    nose = NOSES[pet.factors["nose"]]
    patch = pet.place(0, 0.24, 1.28).patch(-0.4, -0.35, 0.4, 0.35)
    u, v = patch.u / size, patch.v / size
    shape = join(
        ellipse(u, v + 0.05, 0.235, 0.13), ellipse(u, v - 0.05, 0.13, 0.13), 0.08
    )
    pet.canvas.paint(patch, shape - 0.03, mix(nose, INK, 0.6), MUZZLE)
    pet.canvas.paint(patch, shape, nose)
    shine = ellipse(patch.u + 0.06, patch.v + 0.09, 0.085, 0.04)
    pet.canvas.paint(patch, shine, mix(nose, WHITE, 0.8), opacity=0.85)
