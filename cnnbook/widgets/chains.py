"""Chains of layers for a page, which shows their maps and what each number sees.

A network that is too large to run in a page comes with pictures of its maps: one for
each layer, its channels one above the other, which the page loads when a reader opens
the layer.  The numbers that are read from it are about right.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from cnnbook.layers import operations
from cnnbook.maps import layer_maps
from cnnbook.maps.receptive_fields import field_on, receptive_field

if TYPE_CHECKING:
    import keras

MOST_SIDE = 56  # rows or columns of a recorded map; what is larger is shrunk
MOST_HEIGHT = 16_383  # of a picture in WebP
MOST_BYTES = 2_900_000  # of all sets of a network: with the rest of their scripts, 3 MB
QUALITIES = (80, 60, 40, 20)  # of WebP: the first whose pictures are small enough


def layer_chain(
    model: keras.Model, shapes: Mapping[str, Sequence[int]]
) -> list[dict[str, Any]]:
    """Describe what each layer sees of the one before.

    Parameters
    ----------
    model : keras.Model
        A chain of layers.
    shapes : dict of str to tuple of int
        The shape of one image first, then of what some layers, in their order, give for
        it: (H, W, C), or (F,) where there is no map.

    Returns
    -------
    chain : list of dict
        Of each layer its ``name`` and the ``sides`` of its map, 1 and 1 without a map.
        Place n sees ``size`` places of the layer before, from ``offset + n * stride``,
        along rows and columns each.

    Raises
    ------
    ValueError
        If a layer looks at a part that is unknown or has no fixed shape.

    Examples
    --------
    >>> import keras
    >>> pool = keras.layers.MaxPooling2D(2, name="pool")
    >>> model = keras.Sequential([keras.Input((8, 8, 1)), pool])
    >>> photo, pool = layer_chain(model, {"photo": (8, 8, 1), "pool": (4, 4, 1)})
    >>> pool["sides"], pool["size"], pool["stride"], pool["offset"]
    ([4, 4], [2, 2], [2, 2], [0, 0])
    """
    chain: list[dict[str, Any]] = []
    for name, shape in shapes.items():
        sides = tuple(shape[:2]) if len(shape) == 3 else (1, 1)
        record = {"name": name, "sides": list(sides)}
        if chain:
            before = tuple(chain[-1]["sides"])
            if len(chain) == 1:
                seen = receptive_field(model, name, input_size=before)
            else:
                seen = field_on(model, chain[-1]["name"], name, before)
            record |= _window(seen.size, seen.stride, seen.offset)
        chain.append(record)
    return chain


def recorded_chain(
    model: keras.Model, image: np.ndarray, name: str, about: str
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Describe a network with the maps of its convolutions and pools as pictures.

    Parameters
    ----------
    model : keras.Model
        A chain of layers, whose maps are nowhere negative, as after ReLU.
    image : ndarray of shape (H, W, 3)
        As the model takes it, in [0, 1].
    name : str
        With which the names of the sets begin.
    about : str
        What readers are to know of the network and its weights.

    Returns
    -------
    network : dict
        For the page at once: ``about``, the ``photo``, and the ``layers`` as
        `layer_chain` gives them.  Of each, ``set`` names what is to be loaded, and
        ``shrunk``, if it is there, the layer on top that takes the mean of neighbours.
    sets : dict of str to dict
        For the page once it needs them: the ``picture`` of a layer's maps, and the
        ``peaks``, for which white stands in each.  What changes in a set changes its
        name.

    Raises
    ------
    ValueError
        If a map has negative numbers, or the pictures are too large at any quality.

    Examples
    --------
    >>> import keras
    >>> layers = [keras.Input((96, 96, 3)), keras.layers.MaxPooling2D(name="pool")]
    >>> network, sets = recorded_chain(
    ...     keras.Sequential(layers), np.ones((96, 96, 3)), "white", "All white."
    ... )
    >>> [layer["name"] for layer in network["layers"]], len(sets)
    (['photo', 'pool'], 2)
    """
    maps = {"photo": image[None], **layer_maps.feature_maps(model, image[None])}
    chain = layer_chain(model, {layer: m.shape[1:] for layer, m in maps.items()})
    for layer, values in maps.items():
        if values.min() < 0:
            raise ValueError(
                f"the maps of layer {layer!r} have numbers below zero, which a grey "
                "picture cannot show: record what its activation gives"
            )
    shown = []
    for record, values in zip(chain, maps.values(), strict=True):
        window = math.ceil(max(record["sides"]) / MOST_SIDE)
        shown.append(operations.avg_pool2d(values, window)[0])
        if window > 1:
            top: dict[str, Any] = {"name": f"means of {window} × {window}"}
            top["sides"] = list(shown[-1].shape[:2])
            record["shrunk"] = [top | _window((window,) * 2, (window,) * 2, (0, 0))]
    sets = {}
    for record, contents in zip(chain, _pictures(shown, model.name), strict=True):
        digest = hashlib.sha256(json.dumps(contents).encode()).hexdigest()
        record["set"] = f"{name}-{record['name'].replace('/', '-')}-{digest[:8]}"
        sets[record["set"]] = contents
    photo = _picture(np.round(255 * image).astype(np.uint8), 85)
    return {"about": about, "photo": photo, "layers": chain}, sets


def _window(size, stride, offset):
    return {"size": list(size), "stride": list(stride), "offset": list(offset)}


def _pictures(maps, name):
    """Return what is to be loaded of each layer, all in the best quality that fits."""
    tallest = max(layer.shape[0] * layer.shape[2] for layer in maps)
    for quality in QUALITIES if tallest <= MOST_HEIGHT else ():
        sets = [_set(layer, quality) for layer in maps]
        if sum(len(json.dumps(contents)) for contents in sets) <= MOST_BYTES:
            return sets
    raise ValueError(
        f"the maps of model {name!r} are too many for pictures: a layer's channels may "
        f"have {MOST_HEIGHT:,} rows together, and all pictures {MOST_BYTES:,} bytes"
    )


def _set(maps, quality):
    """Return the peaks of all channels, and their maps one above the other."""
    peaks = maps.max(axis=(0, 1))
    parts = np.moveaxis(maps / np.where(peaks, peaks, 1), -1, 0)
    pixels = np.round(255 * parts.reshape(-1, maps.shape[1])).astype(np.uint8)
    return {
        "peaks": [float(f"{peak:.4g}") for peak in peaks],
        "picture": _picture(pixels, quality),
    }


def _picture(pixels, quality):
    """Return pixels as WebP, in letters."""
    file = io.BytesIO()
    Image.fromarray(pixels).convert("RGB").save(file, "webp", quality=quality)
    return base64.b64encode(file.getvalue()).decode("ascii")
