"""How much of a photo can be read back from a layer's maps: linear readouts.

A readout sees what a layer says at one position and guesses the pixels there, as a sum
of the channels with fixed weights.  Fitted on some pictures, it is tried on others.
What it can paint again, the maps have kept; what it cannot is gone, or too tangled for
the plainest of readers.  The idea is that of the linear probe [1]_, with the photo
itself in place of class labels.

References
----------
.. [1] G. Alain and Y. Bengio, "Understanding intermediate layers using linear
   classifier probes", 2016.  https://arxiv.org/abs/1610.01644
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cnnbook.checks import check_whole
from cnnbook.maps.layer_maps import feature_maps
from cnnbook.maps.receptive_fields import ReceptiveField, receptive_field

if TYPE_CHECKING:
    import keras

# How hard weights may be held back, relative to the channels' mean square.
PENALTIES = 10.0 ** np.arange(-8, 3)


@dataclass(frozen=True)
class Readout:
    """Weights that turn what one layer says at a position into the pixels there.

    Attributes
    ----------
    layer : str
    field : ReceptiveField
        Of the layer.  Each position paints as many pixels as its window moves to the
        next one, in the middle of what it sees.
    weights : ndarray of shape (F + 1, h · w · C)
        The last row is added whatever the maps say.
    """

    layer: str
    field: ReceptiveField
    weights: np.ndarray

    def paint(self, maps: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Guess a picture from the maps of this layer.

        Parameters
        ----------
        maps : ndarray of shape (H', W', F)
        size : (int, int)
            Rows and columns of the picture.

        Returns
        -------
        picture : ndarray of shape (H, W, C)
            In the range of the pictures fitted, though nothing keeps it inside.  NaN
            where no position paints.
        """
        channels = self.weights.shape[1] // np.prod(self.field.stride)
        picture = np.full((*size, channels), np.nan)
        rows, columns, inside = _places(self.field, maps.shape[:2], size)
        guesses = _with_one(maps[inside]) @ self.weights
        block = (len(rows), len(columns), *self.field.stride, channels)
        picture[rows[:, None, :, None], columns[None, :, None, :]] = guesses.reshape(
            block
        )
        return picture


def fit_readouts(
    model: keras.Model,
    images: npt.ArrayLike,
    deciding: npt.ArrayLike,
    layers: str | Iterable[str] | None = None,
    *,
    batch_size: int = 32,
) -> dict[str, Readout]:
    """Fit a readout for each layer, by ridge regression.

    Parameters
    ----------
    model : keras.Model
        Functional or Sequential, with one image as its input.
    images : array of shape (N, H, W, C)
        Pictures to fit on, in the range that the model was made for.
    deciding : array of shape (M, H, W, C)
        Other pictures, which decide how hard the weights are held back.  The less
        these have to do with those to fit on, the better for pictures of yet another
        kind.
    layers : str or iterable of str, optional
        As in `feature_maps`.
    batch_size : int
        How many images pass through the model at once.

    Returns
    -------
    readouts : dict of str to Readout

    Raises
    ------
    ValueError
        As `feature_maps` and `receptive_field`; if there is no picture to fit on or to
        decide; or for a layer whose positions all see the whole image.

    Examples
    --------
    A layer that keeps every pixel, and a pool that keeps the mean of four:

    >>> import keras
    >>> model = keras.Sequential([
    ...     keras.Input((32, 32, 1)), keras.layers.Identity(name="all"),
    ...     keras.layers.AveragePooling2D(2, name="pool")])
    >>> noise = np.random.default_rng(0).random((60, 32, 32, 1))
    >>> readouts = fit_readouts(model, noise[:20], noise[20:40])
    >>> kept = detail_kept(model, noise[40:], readouts)
    >>> {layer: round(share, 2) for layer, share in kept.items()}
    {'all': 1.0, 'pool': 0.25}
    """
    check_whole(batch_size, "batch_size")
    images, deciding = np.asarray(images), np.asarray(deciding)
    if not (len(images) and len(deciding)):
        raise ValueError(
            "images and deciding must hold at least one picture each; got "
            f"{len(images)} and {len(deciding)}"
        )
    fields: dict[str, ReceptiveField] = {}
    fitted = _sums(model, images, layers, fields, batch_size)
    decisive = _sums(model, deciding, list(fields), fields, batch_size)
    readouts = {}
    for layer, field in fields.items():
        features, products = fitted[layer].features, fitted[layer].products
        ridge = np.trace(features) / len(features) * np.eye(len(features))
        choices = [np.linalg.solve(features + p * ridge, products) for p in PENALTIES]
        readouts[layer] = Readout(layer, field, min(choices, key=decisive[layer].error))
    return readouts


def detail_kept(
    model: keras.Model,
    images: npt.ArrayLike,
    readouts: Mapping[str, Readout],
    *,
    batch_size: int = 32,
) -> dict[str, float]:
    """Measure which share of the detail in pictures can be read back from each layer.

    Parameters
    ----------
    model : keras.Model
    images : array of shape (N, H, W, C)
        Other pictures than those that the readouts were fitted on.
    readouts : dict of str to Readout
        From `fit_readouts`, for this model.
    batch_size : int

    Returns
    -------
    kept : dict of str to float
        Share of a picture's variance that the painted copy accounts for, brightness
        and contrast aside: the square of its `likeness`, and the mean over the
        pictures; 0 where the likeness is below zero.

    Examples
    --------
    See `fit_readouts`.
    """
    check_whole(batch_size, "batch_size")
    images = np.asarray(images)
    kept: dict[str, list[float]] = {layer: [] for layer in readouts}
    for start in range(0, len(images), batch_size):
        batch = images[start : start + batch_size]
        for layer, maps in feature_maps(model, batch, list(readouts)).items():
            for image, own in zip(batch, maps, strict=True):
                painted = readouts[layer].paint(own, image.shape[:2])
                kept[layer].append(max(likeness(image, painted), 0) ** 2)
    return {layer: float(np.mean(shares)) for layer, shares in kept.items()}


def likeness(
    image: np.ndarray,
    painted: np.ndarray,
    window: tuple[slice, slice] | None = None,
) -> float:
    """Correlate a picture, or a part of it, with a painted copy.

    Parameters
    ----------
    image, painted : ndarrays of shape (H, W, C)
        Pixels that are NaN in the copy do not count.
    window : (slice, slice), optional
        Rows and columns of the part; by default the whole picture.

    Returns
    -------
    likeness : float
        Pearson's correlation over the pixels and colours: 1 for a copy that is right
        but for its brightness and contrast, 0 for one that has nothing to do with the
        picture, or is of one flat colour.

    Raises
    ------
    ValueError
        If the shapes differ, or the part is of one flat colour or not painted.

    Examples
    --------
    >>> image = np.array([0.0, 1.0, 0.0]).reshape(1, 3, 1)
    >>> likeness(image, 5 - image), likeness(image, np.ones((1, 3, 1)))
    (-1.0, 0.0)
    """
    image, painted = np.asarray(image, float), np.asarray(painted, float)
    if image.shape != painted.shape or image.ndim != 3:
        raise ValueError(
            "image and painted must have one shape (H, W, C); got "
            f"{image.shape} and {painted.shape}"
        )
    known = ~np.isnan(painted).any(axis=-1)
    if window is not None:
        image, painted, known = image[window], painted[window], known[window]
    image, painted = image[known], painted[known]
    if not image.size or np.ptp(image) == 0:
        raise ValueError(
            "of a part that is flat, or was not painted, nothing can be told; choose a "
            f"larger window than {window}"
        )
    if np.ptp(painted) < 1e-9:  # but for rounding
        return 0.0
    return round(float(np.corrcoef(image.ravel(), painted.ravel())[0, 1]), 12)


@dataclass
class _Sums:
    """All that a linear fit, and its error, depend on, added up over pictures."""

    features: np.ndarray  # (F + 1, F + 1)
    products: np.ndarray  # (F + 1, pixels)

    def error(self, weights):
        """Return the squared error of a readout, but for what none can change."""
        return np.sum(weights * (self.features @ weights - 2 * self.products))


def _sums(model, images, layers, fields, batch_size):
    """Add up what fits depend on, layer by layer; fill in fields that are missing."""
    sums: dict[str, _Sums] = {}
    for start in range(0, len(images), batch_size):
        batch = images[start : start + batch_size]
        for layer, maps in feature_maps(model, batch, layers).items():
            if layer not in fields:
                fields[layer] = _field(model, layer, images.shape[1:3])
            places = _places(fields[layer], maps.shape[1:3], images.shape[1:3])
            for image, own in zip(batch, maps, strict=True):
                _add(sums, layer, image.astype(float), own, places)
    return sums


def _add(sums, layer, image, maps, places):
    """Add one picture's part to the sums of a layer."""
    rows, columns, inside = places
    pixels = image[rows[:, None, :, None], columns[None, :, None, :]]
    pixels = pixels.reshape(len(rows) * len(columns), -1)
    features = _with_one(maps[inside])
    if layer not in sums:
        sums[layer] = _Sums(0, 0)  # type: ignore[arg-type]
    sums[layer].features += features.T @ features
    sums[layer].products += features.T @ pixels


def _with_one(maps):
    """Return (positions, F + 1) features, of which the last is always 1."""
    features = maps.reshape(-1, maps.shape[-1]).astype(float)
    return np.column_stack([features, np.ones(len(features))])


def _field(model, layer, size):
    """Return a layer's receptive field; ValueError if it has no place on the image."""
    field = receptive_field(model, layer, input_size=tuple(size))
    if 0 in field.stride:
        raise ValueError(
            f"layer {layer!r} has no place of its own on the image: each of its "
            "positions sees all of it; choose layers before any global pooling"
        )
    return field


def _places(field, shape, size):
    """Return which pixels each position paints.

    Arrays (positions, pixels) of rows and of columns, and the index of the positions
    whose pixels all lie inside the image.
    """
    places, inside = [], []
    for window, stride, offset, count, length in zip(
        field.size, field.stride, field.offset, shape, size, strict=True
    ):
        first = offset + (window - stride) // 2 + stride * np.arange(count)
        painted = first[:, None] + np.arange(stride)
        within = ((painted >= 0) & (painted < length)).all(axis=1)
        places.append(painted[within])
        inside.append(np.flatnonzero(within))
    return *places, np.ix_(*inside)
