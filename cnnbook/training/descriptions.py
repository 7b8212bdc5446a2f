"""Describe pictures by what the layers of a network find in them, once and for all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from cnnbook.maps.layer_maps import feature_maps
from cnnbook.networks.ranges import scaling_for
from cnnbook.storage import build_folder, downloads
from cnnbook.storage.whole_files import whole_folder

if TYPE_CHECKING:
    import keras

BATCH_SIZE = 20


@dataclass(frozen=True, eq=False)
class Mixtures:
    """Mixtures of a layer's maps that differ most from place to place.

    Attributes
    ----------
    middle : ndarray of shape (F,)
        Mean root of each map.
    directions : ndarray of shape (F, M)
        How much of each map, by its root, is in each mixture.
    """

    middle: np.ndarray
    directions: np.ndarray


def features(
    network: keras.Model,
    images: npt.ArrayLike,
    layers: Sequence[str],
    *,
    pairs: Mapping[str, Mixtures] | None = None,
    progress: bool = False,
) -> dict[str, npt.NDArray[np.float32]]:
    """Describe pictures as `describe` does, or find that this was done before.

    What was computed is kept on the disk, under a key made of the network's weights and
    the pictures, and is there at once the next time.

    Parameters
    ----------
    network : keras.Model
        Any, such as `networks.load_vgg19`; takes images in [0, 1].
    images : ndarray of shape (N, H, W, C)
        8-bit integers, or floating-point numbers in [0, 1].
    layers : sequence of str
        Names of layers that return maps.
    pairs : dict of str to Mixtures, optional
        From `mixtures`, to describe as well what is found at the same places.
    progress : bool
        Whether to show a bar on stderr.

    Returns
    -------
    features : dict of str to ndarray of shape (N, D), float32
        From `describe`.

    Raises
    ------
    ValueError
        If a layer is unknown or returns no maps, or the images do not fit.
    """
    images, layers = np.asarray(images), list(dict.fromkeys(layers))
    folder = _kept_at(network, images, layers, pairs)
    if not folder.is_dir():
        described = describe(network, images, layers, pairs=pairs, progress=progress)
        with whole_folder(folder) as unfinished:
            for name, array in described.items():
                np.save(unfinished / f"{_file(name)}.npy", array)
    return {name: np.load(folder / f"{_file(name)}.npy") for name in layers}


def describe(
    network: keras.Model,
    images: np.ndarray,
    layers: Sequence[str],
    *,
    pairs: Mapping[str, Mixtures] | None = None,
    progress: bool = False,
) -> dict[str, npt.NDArray[np.float32]]:
    """Describe pictures by the maps of some layers.

    Each picture passes the network twice, as it is and mirrored, and both descriptions
    are averaged: which way an animal looks does not matter.

    Parameters
    ----------
    network, images, layers, pairs, progress
        As for `features`.

    Returns
    -------
    features : dict of str to ndarray of shape (N, D), float32
        For each layer the square root of each of its F maps' mean, then of its
        maximum; the root keeps a few loud filters from drowning all others.  With
        ``pairs`` M (M + 1) / 2 numbers follow: for each two of M mixtures, the mean of
        their product over all places [1]_, as a root with its sign, scaled to length 1.

    Raises
    ------
    ValueError
        As `features`.

    References
    ----------
    .. [1] T.-Y. Lin, A. RoyChowdhury and S. Maji, "Bilinear CNN models for fine-grained
       visual recognition", ICCV 2015.  https://doi.org/10.1109/ICCV.2015.170
    """
    described: dict[str, list[npt.NDArray[np.float32]]] = {name: [] for name in layers}
    for batch in tqdm(
        _batches(network, images),
        total=-(-len(images) // BATCH_SIZE),
        desc="features",
        unit="batch",
        disable=None if progress else True,  # None: unless stderr is a terminal
    ):
        for name, as_is in feature_maps(network, batch, layers).items():
            described[name].append(_summary(as_is, pairs and pairs[name]))
        mirrored = np.ascontiguousarray(batch[:, :, ::-1])
        for name, maps in feature_maps(network, mirrored, layers).items():
            described[name][-1] += _summary(maps, pairs and pairs[name])
    return {
        name: np.concatenate(parts) / np.float32(2) for name, parts in described.items()
    }


def mixtures(
    network: keras.Model,
    images: npt.ArrayLike,
    layers: Sequence[str],
    *,
    count: int = 64,
) -> dict[str, Mixtures]:
    """Find mixtures of maps: principal components of their roots, equally spread.

    Parameters
    ----------
    network, images, layers
        As for `features`.  A hundred pictures tell enough.
    count : int
        Of each layer; fewer if there are fewer maps.

    Returns
    -------
    mixtures : dict of str to Mixtures
    """
    sums: dict[str, tuple[Any, ...]] = {}
    for batch in _batches(network, images):
        for name, maps in feature_maps(network, batch, layers).items():
            roots = _roots(maps).reshape(-1, maps.shape[-1]).astype(float)
            parts = len(roots), roots.sum(axis=0), roots.T @ roots
            before = sums.get(name, (0, 0, 0))
            sums[name] = tuple(a + b for a, b in zip(before, parts, strict=True))
    found = {}
    for name, (places, total, products) in sums.items():
        middle = total / places
        spreads, directions = np.linalg.eigh(
            products / places - np.outer(middle, middle)
        )
        # A map that is the same everywhere takes part in none.
        kept = np.flatnonzero(spreads > 1e-6 * spreads[-1])[-count:]
        directions = directions[:, kept] / np.sqrt(spreads[kept])
        found[name] = Mixtures(middle, directions)
    return found


def _batches(network, images):
    """Return an iterator over batches of images, in the range of the network."""
    images = np.asarray(images)
    scaled = scaling_for(network)
    if images.dtype != np.uint8 and not np.issubdtype(images.dtype, np.floating):
        raise ValueError(
            "images must be 8-bit integers (uint8) or floating-point numbers in "
            f"[0, 1]; got {images.dtype}"
        )
    starts = range(0, len(images), BATCH_SIZE)
    return (scaled(images[start : start + BATCH_SIZE]) for start in starts)


def _roots(maps):
    """Return square roots of what is above zero."""
    return np.sqrt(np.maximum(maps, 0))


def _summary(maps, mixed=None):
    """Describe maps (N, H, W, F): roots of means and of maxima, and pairs."""
    above = np.maximum(maps, 0)
    parts = [np.sqrt(above.mean(axis=(1, 2))), np.sqrt(above.max(axis=(1, 2)))]
    if mixed is not None:
        parts.append(_pairs(maps, mixed))
    return np.concatenate(parts, axis=1, dtype=np.float32)


def _pairs(maps, mixed):
    """Say how much every two mixtures are found at the same places."""
    amounts = (_roots(maps) - mixed.middle) @ mixed.directions
    amounts = amounts.reshape(len(maps), -1, amounts.shape[-1])
    products = np.einsum("npi,npj->nij", amounts, amounts, optimize=True)
    rows, columns = np.triu_indices(products.shape[1])
    pairs = products[:, rows, columns] / amounts.shape[1]
    pairs = np.sign(pairs) * np.sqrt(np.abs(pairs))
    return pairs / (np.linalg.norm(pairs, axis=1, keepdims=True) + 1e-12)


def _kept_at(network, images, layers, pairs):
    """Return the folder for features of these images: the same for the same weights."""
    code = build_folder.key_of("training.descriptions")
    digest = hashlib.sha256(json.dumps([network.to_json(), layers, code]).encode())
    mixed = [part for m in (pairs or {}).values() for part in (m.middle, m.directions)]
    for array in (*network.get_weights(), images, *mixed):
        array = np.ascontiguousarray(array)
        digest.update(f"{array.shape} {array.dtype}".encode() + array.tobytes())
    try:
        root = build_folder.find_build_folder()
    except ValueError:  # outside of the book
        root = downloads.cache_folder()
    return root / "features" / digest.hexdigest()[:16]


def _file(layer):
    """Return a layer's name as a file can have it: "inner/conv" has a slash."""
    return layer.replace("/", "--")
