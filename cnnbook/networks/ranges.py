"""Which numbers a network takes for black and white, as far as that can be known.

Networks of this package take intensities, 0 to 1; others as often bytes, 0 to 255, and
a picture in the wrong range gets a wrong answer that looks like any other.  The first
layers settle it where they turn one range into another: they are run on pictures of one
shade, so that what they do decides, and not what they are called.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cnnbook.networks.graph import answer, connections, follow
from cnnbook.networks.traits import PREPARES, traits_of
from cnnbook.pictures.images import INTENSITIES

if TYPE_CHECKING:
    import keras

# What white can be: an intensity, a byte, or a number of 16 bits.
WHITES = (1, 255, 65535)

# What a factor alone says of white: 1/255 and its like make bytes small, 255 makes
# bytes of intensities, and 2 or 1/3 may stand before anything.  1/4095 and 1/16383 are
# of numbers of 12 and 14 bits, and no such white is known here.
_FACTORS = {1: (50, 7e4), 255: (0.4 / 255, 20 / 255), 65535: (0.4 / 65535, 3 / 65535)}

# Between which shares of white the centre may lie.  In the lowest quarter of 16 bits
# it may be that of numbers of 12 or 14.
_CENTRES = {1: (0.02, 0.98), 255: (0.02, 0.98), 65535: (0.25, 0.98)}

# Pictures that the first layers are run on: black, a fifth grey, white, and noise.
_SHADES = (0, 51, 255)

# The sides of these pictures where a network takes any.
_SIDE = 64


@dataclass(frozen=True)
class PictureRange:
    """The numbers that a network takes, from 0 for black.

    Attributes
    ----------
    white : int, float or None
        The number for white; None if that is open.
    reason : str
        Why that is known, or why it is not: half a sentence.
    """

    white: float | None
    reason: str


def picture_range(model: keras.Model) -> PictureRange:
    """Find out whether a network takes numbers from 0 to 1, to 255, or to what.

    It is known of networks whose input is named ``pictures.INTENSITIES``, such as those
    of this package (1), of those whose input is uint8 (255), and of those whose first
    layers turn one range into another: Rescaling, Normalization, arithmetic with
    constants such as ``x / 127.5 - 1``, and the ``preprocess_input`` of Keras.  Layers
    that crop, resize, cast, augment or rearrange pictures are looked through, and
    models inside the model.  A network that begins with a convolution or with batch
    normalisation says nothing; its attribute ``white`` does, if somebody has set it.

    Parameters
    ----------
    model : keras.Model

    Returns
    -------
    range : PictureRange
        Its ``white`` is None where all that is open.

    Raises
    ------
    ValueError
        If ``model.white`` is no positive number, or contradicts the layers.

    Notes
    -----
    Layers that give ``scale * x + offset`` send one number to 0, the centre.  One
    between black and white tells which white is meant, if the spread ``1 / scale`` can
    be that of numbers from 0 to white around it, ``sqrt(centre * (white - centre))`` at
    most [1]_, or all of white.  Where 0 stays 0, the scale alone tells, if only one
    white makes sense of it.

    References
    ----------
    .. [1] R. Bhatia and C. Davis, "A better bound on the variance", The American
       Mathematical Monthly 107, 2000.  https://doi.org/10.1080/00029890.2000.12005203

    Examples
    --------
    >>> import keras
    >>> layers = [keras.Input((8, 8, 3)), keras.layers.Rescaling(1 / 127.5, offset=-1)]
    >>> picture_range(keras.Sequential(layers))
    PictureRange(white=255, reason='its first layers turn 0 to 255 into -1 to 1')
    """
    said = getattr(model, "white", None)
    if said is not None and not _is_positive(said):
        raise ValueError(
            "the white of a network must be a positive number, such as 1 or 255; got "
            f"model.white = {said!r}"
        )
    found = _read(model)
    if said is None or found.white == said:
        return found
    if found.white is not None:
        raise ValueError(
            f"white is said to be {said:g}, but model {model.name!r} takes numbers "
            f"from 0 to {found.white:g}, as {found.reason}: leave it unsaid, "
            "model.white = None"
        )
    return PictureRange(said, "so it was said")


def scaled_for(model: keras.Model, images: npt.ArrayLike) -> np.ndarray:
    """Turn intensities into the numbers that a network takes.

    Parameters
    ----------
    model : keras.Model
    images : array
        Floats in [0, 1], or bytes (uint8), of any shape.

    Returns
    -------
    images : ndarray of the same shape
        From 0 for black to the network's white; float32, or whole numbers of the type
        that the network takes.

    Raises
    ------
    ValueError
        If its white is open, or as `picture_range`.

    Examples
    --------
    >>> import keras
    >>> layers = [keras.Input((8, 8, 3)), keras.layers.Rescaling(1 / 255)]
    >>> model = keras.Sequential(layers)
    >>> scaled_for(model, [0, 0.2, 1])
    array([  0.,  51., 255.], dtype=float32)
    """
    return scaling_for(model)(images)


def scaling_for(model: keras.Model) -> Callable[[npt.ArrayLike], np.ndarray]:
    """Return `scaled_for` of one model, for many images.

    Its white is found out once, since that runs the first layers.
    """
    white, dtype = known_white(model), _dtype_of(model)

    def scale(images):
        images = np.asarray(images)
        if images.dtype != np.uint8:
            scaled = images.astype("float32", copy=False)
            scaled = scaled if white == 1 else scaled * np.float32(white)
        elif white == 1:
            scaled = images / np.float32(255)
        else:
            scaled = images * np.float32(white / 255)
        return np.round(scaled).astype(dtype) if "int" in dtype else scaled

    return scale


def known_white(model: keras.Model) -> float:
    """Return the white of a network; ValueError, with what to do, if it is open."""
    found = picture_range(model)
    if found.white is None:
        raise ValueError(
            f"whether model {model.name!r} takes numbers from 0 to 1 or from 0 to 255 "
            f"is open, as {found.reason}: say it, model.white = 1 or "
            f"model.white = 255; if it takes others, {OTHERWISE}"
        )
    return found.white


# What to do with a network that takes, say, numbers from -1 to 1.
OTHERWISE = (
    "put keras.layers.Rescaling before it, which turns 0 to 255 into them (1 / 127.5, "
    "offset=-1 for -1 to 1)"
)


def _is_positive(white):
    """Tell whether something can be a white."""
    number = isinstance(white, int | float | np.number) and not isinstance(white, bool)
    return number and math.isfinite(white) and white > 0


def _dtype_of(model):
    """Return the type of the numbers that a model takes, by name."""
    inputs = getattr(model, "inputs", None) or []
    return str(inputs[0].dtype) if len(inputs) == 1 else "float32"


def _read(model):
    """Read the range from a model alone, whatever has been said of it."""
    try:
        network = connections(model)
    except ValueError:
        return PictureRange(None, "its layers cannot be told apart from outside")
    if len(network.inputs) != 1 or len(network.inputs[0].shape) != 4:
        return PictureRange(None, "it takes something else than one image")
    if network.inputs[0].name == INTENSITIES:
        return PictureRange(1, f"its input is called {INTENSITIES!r}")
    ends = [(name, shades, _whites(*shades)) for name, shades in _ends(network)]
    whites = {white for _, _, found in ends for white in found}
    is_bytes = _dtype_of(model) == "uint8"
    if is_bytes:
        whites.add(255)
    if len(whites) > 1:
        several = " and ".join(f"{white:g}" for white in sorted(whites))
        return PictureRange(None, f"its first layers speak for a white of {several}")
    if not whites:
        names = list(dict.fromkeys(repr(name) for name, _, _ in ends))
        first = " and ".join(names[:3]) or "its end"
        return PictureRange(None, f"nothing before {first} settles it")
    (white,) = whites
    if is_bytes:
        return PictureRange(white, "its input is of type uint8")
    low, high = _turned_into(white, [shades for _, shades, found in ends if found])
    words = f"its first layers turn 0 to {white:g} into {low:.3g} to {high:.3g}"
    return PictureRange(white, words)


class _Shades(np.ndarray):
    """Pictures of one shade each, and noise, on their way through the first layers."""


_PAST = object()  # what comes behind the layers that prepare pictures


def _ends(network):
    """Run the layers that prepare pictures; list what they hand on, and to which layer.

    As (name of that layer, pictures as it gets them), each of shape (4, …).
    """
    import keras

    (images,) = network.inputs
    shape = [side or _SIDE for side in images.shape[1:3]] + [images.shape[3] or 3]
    noise = np.random.default_rng(0).integers(0, 256, shape)
    shades = np.stack([*(np.full(shape, shade) for shade in _SHADES), noise])
    ends: list[tuple[str, Any]] = []

    def visit(name, node, args, kwargs):
        leaves = keras.tree.flatten((args, kwargs))
        given = [leaf for leaf in leaves if isinstance(leaf, _Shades)]
        outputs = None
        if given and not any(leaf is _PAST for leaf in leaves):
            outputs = _prepared(node.operation, given, args, kwargs)
        if outputs is None:
            ends.extend((name, shades) for shades in given)
            outputs = [_PAST] * len(node.outputs)
        return outputs

    start = shades.astype("float32").view(_Shades)
    for output in follow(network, [start], visit):
        if isinstance(output, _Shades):
            ends.append(("the output", output))
    return [(name, np.asarray(shades, float)) for name, shades in ends]


def _prepared(operation, given, args, kwargs):
    """Return what a layer makes of pictures of one shade; None if it does not prepare.

    A layer prepares pictures if it gives every shade ``scale * x + offset``, here or at
    another place, and has not learned to.
    """
    import keras

    role = traits_of(operation).role
    if role == "input":
        (shades,) = given
        dtype = keras.backend.standardize_dtype(operation.dtype)
        return [np.asarray(keras.ops.cast(shades, dtype)).view(_Shades)]
    if role == "normalisation" or (role != "scaling" and _weights(operation)):
        return None
    try:
        answers = keras.tree.flatten(answer(operation, *args, **kwargs))
        outputs = [np.asarray(output).view(_Shades) for output in answers]
        fine = all(map(_is_straight, outputs)) and (
            role in PREPARES or (len(given) == 1 and _acts_alone(given[0], outputs))
        )
    except Exception:  # of any kind, from a layer of anybody's
        return None
    return outputs if fine else None


def _weights(operation):
    return getattr(operation, "weights", [])


def _is_straight(shades):
    """Tell whether the shades are as far apart as they were, and still apart."""
    black, grey, white, _ = np.asarray(shades, float)
    most = np.abs(white - black).max(initial=0)
    bend = grey - black - _SHADES[1] / _SHADES[2] * (white - black)
    return bool(most > 0 and np.abs(bend).max() <= 0.01 * most)


def _acts_alone(shades, outputs):
    """Tell whether a layer treats each number for itself, by what it does to noise."""
    if len(outputs) != 1 or outputs[0].shape != shades.shape:
        return False
    before, after = (
        (noise - black) / (white - black)
        for black, _, white, noise in (
            np.asarray(each, float) for each in (shades, outputs[0])
        )
    )
    return bool(np.abs(before - after).max() <= 0.02)


def _whites(black, _, white, noise):
    """Return the set of whites that shades, as they end up, speak for: one, if sure."""
    scale = (white - black) / _SHADES[2]
    seen = scale != 0  # and no border that a layer has put round
    scale, centre = scale[seen], -black[seen] / scale[seen]
    spread = 1 / np.abs(scale)
    found = set()
    by_scale = {
        one: (low <= np.abs(scale)) & (np.abs(scale) <= high)
        for one, (low, high) in _FACTORS.items()
    }
    for one, (low, high) in _CENTRES.items():
        inside = (low * one < centre) & (centre < high * one)
        possible = spread**2 <= 1.05 * centre * (one - centre)
        possible |= np.abs(spread / one - 1) < 0.05  # to a range as wide as 0 to 1
        negative = (scale < 0) & (np.abs(centre / one - 1) < 0.02)
        by_centre = (inside & possible) | negative
        by_centre |= by_scale[one] & (scale > 0) & (np.abs(centre) < 0.02 * one)
        for other in WHITES:
            if other != one:
                by_centre &= ~by_scale[other]
        if by_centre.any():
            found.add(one)
    return found


def _turned_into(white, ends):
    """Return the lowest and highest number that 0 to white is turned into."""
    numbers = [
        black + share * (high - black)
        for black, _, high, _ in ends
        for share in (0, white / _SHADES[2])
    ]
    return min(map(np.min, numbers)), max(map(np.max, numbers))
