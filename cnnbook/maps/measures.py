"""What maps answer to and what they ignore: borders, shifts, and sums of pictures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cnnbook.checks import check_whole
from cnnbook.maps.layer_maps import feature_maps
from cnnbook.networks.compiled import refresh_predict
from cnnbook.networks.inputs import fitting_images

if TYPE_CHECKING:
    import keras


def strongest(maps: npt.ArrayLike, count: int = 1) -> npt.NDArray[np.intp]:
    """Choose the channels with the largest means.

    Parameters
    ----------
    maps : ndarray of shape (H, W, F)
    count : int
        From 1 to F.

    Returns
    -------
    channels : ndarray of shape (count,), int
        Strongest first: ``maps[..., channels]`` are their maps.

    Raises
    ------
    ValueError
        If the maps have another shape, or are fewer than that.

    Examples
    --------
    >>> strongest(np.array([[[1.0, 3.0, 2.0]]]), 2)
    array([1, 2])
    """
    maps = np.asarray(maps)
    if maps.ndim != 3 or not 1 <= count <= maps.shape[-1]:
        raise ValueError(
            "maps must have shape (H, W, F), and count lie between 1 and F; got shape "
            f"{maps.shape} and count {count}"
        )
    # Stable, so that equally strong channels keep their order.
    return np.argsort(-maps.mean(axis=(0, 1)), kind="stable")[:count]


def channel_likeness(maps: npt.ArrayLike) -> float:
    """Measure how alike the channels of a layer are on one image.

    Parameters
    ----------
    maps : ndarray of shape (H, W, F)

    Returns
    -------
    likeness : float
        Mean size of the correlation of two channels, over all pairs: 1 if all say the
        same, or its negative; near 0 if each has its own subject.  Flat channels have
        none and are left out.

    Raises
    ------
    ValueError
        If the maps have another shape, or fewer than two of them are not flat.

    Examples
    --------
    >>> maps = np.array([[0.0, 0, 1], [1, -1, 1], [0, 0, 1]]).reshape(1, 3, 3)
    >>> channel_likeness(maps)  # the third channel is flat
    1.0
    """
    maps = np.asarray(maps, float)
    if maps.ndim != 3:
        raise ValueError(f"maps must have shape (H, W, F); got shape {maps.shape}")
    spoken = maps.reshape(-1, maps.shape[-1])
    spoken = spoken[:, np.ptp(spoken, axis=0) > 0]
    if spoken.shape[1] < 2:
        raise ValueError(
            f"{maps.shape[-1]} maps of which {spoken.shape[1]} are not flat have no "
            "pairs to compare; choose another layer or image"
        )
    pairs = np.abs(np.corrcoef(spoken, rowvar=False))
    return round(float(pairs[np.triu_indices(len(pairs), 1)].mean()), 12)


def border_likeness(maps: npt.ArrayLike, image: npt.ArrayLike) -> float:
    """Correlate a layer's maps, added up, with the borders in a picture.

    Borders are what Sobel's detector answers to [1]_, which knows nothing of networks.

    Parameters
    ----------
    maps : ndarray of shape (H, W, F)
        As large as the picture, as those of a first layer with "same" padding.
    image : ndarray of shape (H, W, C)

    Returns
    -------
    likeness : float
        Pearson's correlation: 1 for maps whose sum is bright just where borders are, 0
        for none, below 0 for maps that avoid borders.  A rim of 1/32 of the shorter
        side is left out, where maps show the padding.

    Raises
    ------
    ValueError
        If maps and picture differ in rows or columns, or either is flat.

    References
    ----------
    .. [1] I. Sobel and G. Feldman, "A 3×3 isotropic gradient operator for image
       processing", 1968; `skimage.filters.sobel`.

    Examples
    --------
    >>> square = np.zeros((64, 64, 1))
    >>> square[20:40, 20:40] = 1
    >>> from skimage.filters import sobel
    >>> round(border_likeness(sobel(square[..., 0])[..., None], square), 6)
    1.0
    >>> border_likeness(square, square) < 0.3
    True
    """
    from skimage import filters

    maps, image = np.asarray(maps), np.asarray(image)
    if maps.ndim != 3 or image.ndim != 3 or maps.shape[:2] != image.shape[:2]:
        raise ValueError(
            "maps and image must have the same rows and columns, (H, W, F) and (H, W, "
            f"C); got shapes {maps.shape} and {image.shape}"
        )
    rim = -(-min(image.shape[:2]) // 32)
    inner = slice(rim, -rim), slice(rim, -rim)
    borders = filters.sobel(image.mean(axis=-1))[inner].ravel()
    together = maps.sum(axis=-1, dtype=float)[inner].ravel()
    if not (borders.std() and together.std()):
        raise ValueError(
            "a picture without borders, or maps without differences, cannot be "
            "correlated; take a picture with something in it"
        )
    return float(np.corrcoef(borders, together)[0, 1])


def shift_changes(
    model: keras.Model,
    images: npt.ArrayLike,
    layers: str | Iterable[str] | None = None,
    *,
    shifts: Sequence[int] = (1, 2, 3, 4),
    batch_size: int = 32,
) -> dict[str, list[float]]:
    """Measure how much maps change when the pictures move a little to the side.

    Parameters
    ----------
    model : keras.Model
        Functional or Sequential, with one image as its input.
    images : array of shape (N, H, W + max(shifts), C)
        Wider than what the model is to see, so that what moves in is real.
    layers : str or iterable of str, optional
        As in `feature_maps`.
    shifts : sequence of int
        In pixels, from 1.
    batch_size : int
        How many images pass through the model at once.

    Returns
    -------
    changes : dict of str to list of float
        For each layer and shift: 1 less the correlation of the maps before and after,
        each channel about its own mean.  0 is no change; near 1, the same place of
        the map says something unrelated.  NaN for a layer whose maps are all flat.

    Raises
    ------
    ValueError
        As `feature_maps`, or if there is no shift, or one is no whole number from 1,
        or as wide as the images.

    Examples
    --------
    Stripes two pixels wide, moved by two, are their own negative:

    >>> import keras
    >>> model = keras.Sequential([
    ...     keras.Input((4, 16, 1)), keras.layers.Identity(name="same")])
    >>> stripes = np.tile([0.0, 0, 1, 1], (1, 4, 5)).reshape(1, 4, 20, 1)
    >>> [round(change, 6) for change in shift_changes(model, stripes)["same"]]
    [1.0, 2.0, 1.0, 0.0]
    """
    check_whole(batch_size, "batch_size")
    for shift in shifts:
        check_whole(shift, "each of the shifts")
    images, most = np.asarray(images), max(shifts, default=0)
    if not most or images.ndim != 4 or images.shape[2] <= most:
        raise ValueError(
            "shifts must name at least one, and images (N, H, W, C) be wider than the "
            f"largest; got shifts {tuple(shifts)} and shape {images.shape}"
        )
    width = images.shape[2] - most
    sums: dict[str, np.ndarray] = {}
    for start in range(0, len(images), batch_size):
        batch = images[start : start + batch_size]
        still = feature_maps(model, batch[:, :, :width], layers)
        centred = {name: _about_means(maps) for name, maps in still.items()}
        for number, shift in enumerate(shifts):
            moved = feature_maps(model, batch[:, :, shift : shift + width], layers)
            for name, maps in moved.items():
                before, after = centred[name], _about_means(maps)
                parts = [np.sum(before * after), np.sum(before**2), np.sum(after**2)]
                known = sums.setdefault(name, np.zeros((len(shifts), 3)))
                known[number] += parts
    with np.errstate(invalid="ignore"):
        return {
            name: (1 - both / np.sqrt(before * after)).tolist()
            for name, (both, before, after) in ((n, s.T) for n, s in sums.items())
        }


def _about_means(maps):
    """Return maps in double precision, less the mean of each channel and image."""
    maps = maps.astype(float)
    return maps - maps.mean(axis=(1, 2), keepdims=True)


def superposition_gap(
    model: keras.Model, first: npt.ArrayLike, second: npt.ArrayLike
) -> float:
    """Measure how far a network is from being linear.

    To a linear network, with whatever biases, a picture half way between two others
    is half way between them too.

    Parameters
    ----------
    model : keras.Model
        Of several outputs, the first counts.
    first, second : arrays of shape (N, H, W, C)
        Pairs of pictures.

    Returns
    -------
    gap : float
        The largest distance of an answer from that half way point, as a share of the
        largest distance of the two answers: 0, but for rounding, for linear networks.

    Raises
    ------
    ValueError
        If the images do not fit or are not pairs, or the network answers the same to
        all.

    Examples
    --------
    >>> import keras
    >>> pictures = np.array([[-1.0], [1.0]]).reshape(2, 1, 1, 1)
    >>> relu = keras.Sequential([keras.Input((1, 1, 1)), keras.layers.ReLU()])
    >>> superposition_gap(relu, pictures[:1], pictures[1:])  # 0 in the middle, not ½
    0.5
    """
    import keras

    first, second = fitting_images(model, first), fitting_images(model, second)
    if first.shape != second.shape:
        raise ValueError(
            "first and second must be pairs of pictures, of one shape; got "
            f"{first.shape} and {second.shape}"
        )
    pictures = np.concatenate([first, second, (first + second) / 2])
    refresh_predict(model)
    answers, *_ = keras.tree.flatten(model.predict(pictures, verbose=0, batch_size=32))
    one, other, middle = np.split(answers.astype(float), 3)
    spread = np.abs(one - other).max()
    if not spread > 0:
        raise ValueError(
            "the network answers the same to every pair; take other images"
        )
    return float(np.abs(middle - (one + other) / 2).max() / spread)
