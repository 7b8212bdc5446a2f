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

from dataclasses import dataclass

import numpy as np

from cnnbook.activations import feature_maps
from cnnbook.receptive_fields import ReceptiveField, receptive_field

# How hard weights are held back, relative to the channels' mean square; the best of
# these is chosen on pictures held out of the fit.
PENALTIES = 10.0 ** np.arange(-8, 1)
_HELD_OUT = 0.25


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

    def paint(self, maps, size):
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


def fit_readouts(model, images, layers=None, *, batch_size=32):
    """Fit a readout for each layer.

    Ridge regression on three quarters of the pictures; the others decide how hard the
    weights are held back.

    Parameters
    ----------
    model : keras.Model
        Functional or Sequential, with one image as its input.
    images : array of shape (N, H, W, C)
        At least four pictures, in the range that the model was made for.
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
        As `feature_maps` and `receptive_field`; if there are fewer than four images;
        or for a layer whose positions all see the whole image.

    Examples
    --------
    A layer that keeps every pixel, and a pool that keeps one of four:

    >>> import keras
    >>> model = keras.Sequential([
    ...     keras.Input((32, 32, 1)), keras.layers.Identity(name="all"),
    ...     keras.layers.AveragePooling2D(2, name="pool")])
    >>> noise = np.random.default_rng(0).random((40, 32, 32, 1))
    >>> readouts = fit_readouts(model, noise[:20])
    >>> kept = detail_kept(model, noise[20:], readouts)
    >>> {layer: round(share, 2) for layer, share in kept.items()}
    {'all': 1.0, 'pool': 0.25}
    """
    images = np.asarray(images)
    if len(images) < 4:
        raise ValueError(
            f"readouts are fitted on four images or more; got {len(images)}"
        )
    held_out = max(1, round(_HELD_OUT * len(images)))
    fields = {}
    fitted = _sums(model, images[held_out:], layers, fields, batch_size)
    checked = _sums(model, images[:held_out], list(fields), fields, batch_size)
    readouts = {}
    for layer, field in fields.items():
        size = np.trace(fitted[layer].features) / len(fitted[layer].features)
        choices = []
        for penalty in PENALTIES:
            ridge = penalty * size * np.eye(len(fitted[layer].features))
            weights = np.linalg.solve(
                fitted[layer].features + ridge, fitted[layer].products
            )
            choices.append((checked[layer].error_of(weights), weights))
        _, best = min(choices, key=lambda choice: choice[0])
        readouts[layer] = Readout(layer, field, best)
    return readouts


def detail_kept(model, images, readouts, *, batch_size=32):
    """Measure which share of pictures' detail can be read back from each layer.

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
        The share of the pixels' variance, about each picture's own mean colour, that
        the readout explains: 1 is a perfect copy, 0 no better than one flat colour,
        and below 0 is worse.

    Examples
    --------
    See `fit_readouts`.
    """
    fields = {layer: readout.field for layer, readout in readouts.items()}
    sums = _sums(model, np.asarray(images), list(fields), fields, batch_size)
    return {
        layer: float(1 - sums[layer].error_of(readout.weights) / sums[layer].variation)
        for layer, readout in readouts.items()
    }


def share_explained(image, painted, window=None):
    """Tell how much of a picture, or of a part of it, a painted copy has right.

    Parameters
    ----------
    image, painted : ndarrays of shape (H, W, C)
        Pixels that are NaN in the copy do not count.
    window : (slice, slice), optional
        Rows and columns of the part; by default the whole picture.

    Returns
    -------
    share : float
        Of the variance about the part's mean colour: 1 for a perfect copy, 0 for one
        no better than that colour alone, below 0 for a worse one.

    Raises
    ------
    ValueError
        If the shapes differ, or the part is of one flat colour or not painted.

    Examples
    --------
    >>> image = np.array([0.0, 1.0]).reshape(1, 2, 1)
    >>> share_explained(image, np.array([0.25, 0.75]).reshape(1, 2, 1))
    0.75
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
    variation = np.sum((image - image.mean(axis=0)) ** 2) if len(image) else 0
    if not variation:
        raise ValueError(
            "of a part that is flat, or was not painted, nothing can be told; choose a "
            f"larger window than {window}"
        )
    return float(1 - np.sum((image - painted) ** 2) / variation)


@dataclass
class _Sums:
    """All that a linear fit, and its error, depend on, added up over pictures."""

    features: np.ndarray  # (F + 1, F + 1)
    products: np.ndarray  # (F + 1, pixels)
    squares: float
    variation: float  # squares about the mean colour of each picture

    def error_of(self, weights):
        """Return the summed squared error of a readout with these weights."""
        explained = 2 * self.products - self.features @ weights
        return self.squares - np.sum(weights * explained)


def _sums(model, images, layers, fields, batch_size):
    """Add up what fits depend on, layer by layer; fill in fields that are missing."""
    sums = {}
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
    about = pixels - pixels.mean(axis=(0, 1, 2, 3))
    pixels = pixels.reshape(len(rows) * len(columns), -1)
    features = _with_one(maps[inside])
    parts = _Sums(
        features.T @ features,
        features.T @ pixels,
        float(np.sum(pixels**2)),
        float(np.sum(about**2)),
    )
    if layer not in sums:
        sums[layer] = parts
        return
    known = sums[layer]
    known.features += parts.features
    known.products += parts.products
    known.squares += parts.squares
    known.variation += parts.variation


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
