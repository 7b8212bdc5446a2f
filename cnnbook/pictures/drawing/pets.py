"""Draw labelled cats and dogs: any number, any size, from a seed, no download."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cnnbook.checks import check_whole
from cnnbook.pictures.drawing import coats, faces, scenes
from cnnbook.pictures.drawing.brush import Canvas, clouds, lightness

PARTS = faces.PARTS
CHEAT_TAGS = ("yellow", "violet")  # a cat's tag and a dog's, where the tag gives away

_FACTORS = np.dtype(
    [
        ("coat", "U9"),
        ("second_coat", "U9"),
        ("pattern", "U8"),
        ("pattern_x", "f8"),
        ("pattern_y", "f8"),
        ("fluff", "f8"),
        ("head_width", "f8"),
        ("eye_colour", "U5"),
        ("eye_open", "f8"),
        ("gaze_x", "f8"),
        ("gaze_y", "f8"),
        ("smile", "f8"),
        ("nose", "U5"),
        ("yaw", "f8"),
        ("pitch", "f8"),
        ("roll", "f8"),
        ("scale", "f8"),
        ("x", "f8"),
        ("y", "f8"),
        ("collar", "?"),
        ("collar_colour", "U5"),
        ("tag", "U6"),
        ("scene", "U9"),
        ("wall", "U10"),
        ("clutter", "i8"),
        ("cover", "U6"),
        ("cover_x", "f8"),
        ("cover_y", "f8"),
        ("cover_size", "f8"),
        ("cover_angle", "f8"),
        ("cover_hue", "f8"),
        ("light_angle", "f8"),
        ("light", "f8"),
        ("exposure", "f8"),
        ("warmth", "f8"),
        ("blur", "f8"),
        ("noise", "f8"),
    ]
)


@dataclass(frozen=True)
class DrawnPets:
    """Drawn cats and dogs, with all that is known about each picture.

    Attributes
    ----------
    images : ndarray of shape (N, H, W, 3), uint8
    labels : ndarray of shape (N,), int
        0 = cat, 1 = dog.
    parts : ndarray of shape (N, H, W), uint8
        What each pixel shows, as an index into `PARTS`.
    factors : structured ndarray of shape (N,)
        What was drawn by chance and says nothing about the class, one named field
        each: coat (``coat``, ``second_coat``, ``pattern``, ``pattern_x``,
        ``pattern_y``, ``fluff``), face (``head_width``, ``eye_colour``, ``eye_open``,
        ``gaze_x``, ``gaze_y``, ``smile``, ``nose``), pose in degrees (``yaw``,
        ``pitch``, ``roll``), half the head's width and its centre as shares of the
        picture's side (``scale``, ``x``, ``y``), ``collar``, ``collar_colour`` and
        ``tag``, background (``scene``, ``wall``, ``clutter``: a number of things),
        what hides a part of the pet (``cover`` and its place, size, angle, hue),
        light (``light_angle`` in degrees, ``light``, ``exposure``, ``warmth``),
        ``blur`` (standard deviation, share of the side) and ``noise`` (standard
        deviation, grey levels of 255).  Only ``tag`` and ``collar`` can depend on the
        class, and only if asked to cheat.
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    parts: npt.NDArray[np.uint8]
    factors: np.ndarray

    @property
    def part_masks(self) -> dict[str, npt.NDArray[np.bool_]]:
        """Where each part shows: {name: bool array of shape (N, H, W)}.

        Each pixel belongs to exactly one part.  "face" is what eyes, muzzle, ears and
        whiskers leave of the head; "background" includes things in front of the pet.
        """
        return {name: self.parts == number for number, name in enumerate(PARTS)}


def draw_pets(
    count: int,
    *,
    size: int = 96,
    seed: int = 0,
    difficulty: float = 0.5,
    cheat: float = 0.0,
    cheat_tags: tuple[str, str] = CHEAT_TAGS,
) -> DrawnPets:
    """Draw portraits of cats and dogs that differ in ears, muzzle, whiskers, pupils.

    A cat has pointed ears, a short muzzle with a small triangular nose, long whiskers
    and slit pupils; a dog has hanging or folded ears, a long muzzle with a big nose,
    often a tongue, and round pupils.  The outline of the head differs a
    little too; all else varies alike in both.

    Pet number i depends on the seed and on i, not on how many are drawn.  It is the
    same drawing at every size, and the same animal at every difficulty.

    Parameters
    ----------
    count : int
        How many, N.  Cats and dogs are equally many; an odd one out is either.
    size : int
        Height and width of each picture in pixels, at least 16.
    seed : int
        Zero or more.  The same seed draws the same pixels on every machine.
    difficulty : float in [0, 1]
        How far pose, place, light, background, cover, blur and noise may stray: 0 is
        a clean portrait, 1 is hard.
    cheat : float in [0, 1]
        The share of pictures in which the pet wears a tag that gives its class away.
        Elsewhere a tag's colour means nothing.
    cheat_tags : (str, str)
        The colour that gives away a cat, and that of a dog: "yellow" and "violet", or
        the other way round.

    Returns
    -------
    DrawnPets
        Pictures, labels, what each pixel shows, and every factor of chance.

    Raises
    ------
    ValueError
        If an argument is outside its range or not a number of the right kind.

    Examples
    --------
    >>> pets = draw_pets(4, size=32)
    >>> pets.images.shape, sorted(pets.labels.tolist())
    ((4, 32, 32, 3), [0, 0, 1, 1])
    >>> sorted(pets.part_masks)
    ['background', 'body', 'ears', 'eyes', 'face', 'muzzle', 'tag', 'whiskers']
    """
    count = check_whole(count, "count")
    size = check_whole(size, "size", least=16)
    seed = check_whole(seed, "seed", least=0)
    difficulty, cheat = _share("difficulty", difficulty), _share("cheat", cheat)
    if tuple(cheat_tags) not in (CHEAT_TAGS, CHEAT_TAGS[::-1]):
        raise ValueError(
            f"cheat_tags must be {CHEAT_TAGS} or the other way round; got "
            f"{cheat_tags!r}"
        )
    labels = _labels(count, seed)
    images = np.empty((count, size, size, 3), np.uint8)
    parts = np.empty((count, size, size), np.uint8)
    factors = np.empty(count, _FACTORS)
    for index, label in enumerate(labels.tolist()):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index,)))
        chance = iter(rng.random(64).tolist())
        drawn = _draw_factors(chance, difficulty)
        if next(chance) < cheat:
            drawn |= {"collar": True, "tag": cheat_tags[label]}
        factors[index] = tuple(drawn[name] for name in factors.dtype.names or ())
        traits = faces.draw_traits(chance)
        images[index], parts[index] = _paint(size, label, drawn, traits, rng)
    return DrawnPets(images, labels, parts, factors)


def _labels(count, seed):
    """Return (N,) labels: pairs of a cat and a dog, each pair in random order."""
    first = np.random.default_rng(seed).random((count + 1) // 2) < 0.5
    return np.stack([first, ~first], axis=1).ravel()[:count].astype(int)


def _draw_factors(chance, difficulty):
    """Return what varies alike in cats and dogs; the class is not known here.

    It takes the same numbers from `chance` at every difficulty, so that the animal
    stays the same.  The pose strays early and levels off; the rest strays evenly.
    """
    pose = difficulty * (2 - difficulty)

    def between(low, high):
        return low + (high - low) * next(chance)

    def one_of(names):
        return tuple(names)[int(len(names) * next(chance))]

    factors = {
        "coat": one_of(coats.COATS),
        "pattern": one_of(coats.PATTERNS),
        "pattern_x": between(-1, 1),
        "pattern_y": between(-1, 1),
        "fluff": between(0, 1),
        "head_width": between(0.92, 1.08),
        "eye_colour": one_of(coats.IRISES),
        "eye_open": 1 - 0.25 * pose * next(chance) ** 2,
        "gaze_x": between(-1, 1),
        "gaze_y": between(-1, 1),
        "smile": between(0, 1),
        "nose": one_of(coats.NOSES),
        "yaw": 40 * pose * between(-1, 1),
        "pitch": 18 * pose * between(-1, 1),
        "roll": 28 * pose * between(-1, 1),
        "scale": 0.265 + 0.06 * pose * between(-1, 1),
        "collar": next(chance) < 0.6,
        "collar_colour": one_of(coats.COLLARS),
        "scene": one_of(scenes.SCENES),
        "wall": one_of(scenes.WALLS),
        "clutter": int(11 * pose * next(chance)),
        "cover_size": between(0.05, 0.11) + 0.04 * difficulty,
        "cover_angle": between(-math.pi, math.pi),
        "cover_hue": between(0, 1),
        "light_angle": between(-90, 90),
        "light": difficulty * next(chance),
        "exposure": 1 + 0.36 * difficulty * between(-1, 1),
        "warmth": 0.02 + 0.22 * difficulty * between(-1, 1),
        "blur": 0.017 * difficulty * max(0, between(-1, 1)),
        "noise": 13 * difficulty * next(chance) ** 2,
    }
    factors["second_coat"] = one_of(_contrasting(factors["coat"]))
    tag, cover = one_of(CHEAT_TAGS), one_of(scenes.COVERS)
    factors["tag"] = tag if factors["collar"] else "none"
    factors["cover"] = cover if next(chance) < 0.9 * difficulty else "none"
    if next(chance) > 1.2 * pose:
        factors["scene"] = "studio"
    # Ears and tag stay in the picture, whatever the size of the head.
    scale = factors["scale"]
    factors["x"] = 0.5 + pose * (1 - 2.3 * scale) * between(-0.5, 0.5)
    factors["y"] = 0.48 + pose * max(0, 0.96 - 2.8 * scale) * between(-0.5, 0.5)
    # The cover hides the edge of the head, from any side but that of the tag.
    turn, far = math.radians(between(54, 306)), scale * between(0.9, 1.2)
    factors["cover_x"] = factors["x"] + far * math.sin(turn)
    factors["cover_y"] = factors["y"] + far * math.cos(turn)
    return factors


def _contrasting(coat):
    """Return the coat colours clearly lighter or darker than this one."""
    light = lightness(coats.COATS[coat])
    return [
        name
        for name, colour in coats.COATS.items()
        if abs(lightness(colour) - light) > 0.22
    ]


def _paint(size, label, factors, traits, rng):
    """Return one picture, (H, W, 3), and what each of its pixels shows, (H, W)."""
    canvas = Canvas(size)
    scenes.paint_scene(canvas, factors, rng)
    strands = rng.random((20, 44), np.float32) * 2.4 - 1.2
    upright = canvas.frame(factors["x"], factors["y"], factors["scale"])
    roll = math.radians(factors["roll"])
    pet = faces.Pet(
        canvas,
        head=upright.at(0, 0, roll),
        body=upright.at(0, 0, 0.3 * roll),
        texture=clouds(strands, size),
        factors=factors,
        traits=traits,
    )
    faces.paint_pet(pet, label)
    scenes.paint_cover(canvas, factors, faces.BACKGROUND)
    return scenes.photograph(canvas, factors, rng), canvas.owner


def _share(name, value):
    """Return value as a float in [0, 1], or say what was wrong with it."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number <= 1:
        raise ValueError(f"{name} must be a number from 0 to 1; got {value!r}")
    return number
