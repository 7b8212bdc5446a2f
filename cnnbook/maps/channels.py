"""What each channel of a layer answers to, over many pictures.

The pictures pass in batches, and of their maps only what is asked for is kept: the
strongest answers, or sums.  So a whole data set will do, in the bytes that it holds:
for a network that takes intensities (`networks.picture_range`), each batch of uint8 is
divided by 255 on its way.  Any other network gets the numbers as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cnnbook.checks import check_whole
from cnnbook.maps.layer_maps import feature_maps
from cnnbook.maps.receptive_fields import receptive_field
from cnnbook.networks.graph import checked_channels, layer_calls, unknown_layer
from cnnbook.networks.inputs import fitting_images, one_image_input
from cnnbook.networks.ranges import picture_range

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, eq=False)
class TopPatches:
    """The parts of real images that excite each channel most, strongest first.

    Attributes
    ----------
    layer : str
    channels : ndarray of shape (F,), int
        Which of the layer's channels these are.
    patches : ndarray of shape (F, count, h, w, C), float32
        What the strongest position of each image sees, in the numbers that the
        network takes.  NaN where that lies outside the image, in the padding.
    values : ndarray of shape (F, count)
        The answers there.
    images : ndarray of shape (F, count), int
        Which image each patch is from.
    positions : ndarray of shape (F, count, 2), int
        Row and column on the layer's map.
    """

    layer: str
    channels: npt.NDArray[np.integer]
    patches: npt.NDArray[np.float32]
    values: np.ndarray
    images: npt.NDArray[np.integer]
    positions: npt.NDArray[np.integer]

    @property
    def responds(self) -> npt.NDArray[np.bool_]:
        """Whether the answer is above zero: (F, count), bool.

        Where it is not, the patch excites nothing, although no other part of its
        image does better.  A channel with no True never responded at all.
        """
        return self.values > 0


def top_patches(
    model: keras.Model,
    images: npt.ArrayLike,
    layer: str,
    channels: npt.ArrayLike | None = None,
    *,
    count: int = 9,
    batch_size: int = 32,
) -> TopPatches:
    """Find the patches of real images that excite each channel of a layer most.

    At most one place per image: where the channel is strongest.  So nine patches are
    of nine pictures [1]_ [2]_.  Equally strong ones keep the order of the images, and
    of the positions row by row.

    Parameters
    ----------
    model : keras.Model
        Functional or Sequential, with one image as its input.
    images : array of shape (N, H, W, C)
        In the range that the model was made for, or uint8 if it takes intensities.
    layer : str
        A layer with maps, as `maps.feature_maps` names it.
    channels : int or sequence of int, optional
        All by default, whose patches can be large: those of VGG19's
        ``block4_conv4`` hold 0.7 GB.
    count : int
        Patches for each channel, at most N.
    batch_size : int
        Images that pass through the model at once.  The memory needed is that of
        one batch of maps, and of the patches.

    Returns
    -------
    TopPatches
        All patches have the size of the layer's receptive field, or of the image
        along a side on which the field is no smaller than the image.

    Raises
    ------
    ValueError
        If the layer is unknown, has no maps or no receptive field, if it lacks one
        of the channels, or if the images do not fit the model or are fewer than
        ``count``.

    References
    ----------
    .. [1] M. D. Zeiler and R. Fergus, "Visualizing and understanding convolutional
       networks", ECCV 2014.  https://doi.org/10.1007/978-3-319-10590-1_53
    .. [2] R. Girshick et al., "Rich feature hierarchies for accurate object detection
       and semantic segmentation", CVPR 2014.  https://doi.org/10.1109/CVPR.2014.81

    Examples
    --------
    The brightest pixel of each image, and the brightest images first:

    >>> import keras
    >>> same = keras.layers.Identity(name="same")
    >>> model = keras.Sequential([keras.Input((2, 2, 1)), same])
    >>> images = np.array([[[1, 2], [3, 0]], [[0, 9], [0, 0]]])[..., None]
    >>> top = top_patches(model, images, "same", count=2)
    >>> top.values[0], top.images[0], top.positions[0].tolist()
    (array([9., 3.]), array([1, 0]), [[0, 1], [1, 0]])
    """
    calls = layer_calls(model)
    if layer not in calls:
        raise unknown_layer(model, layer, calls)
    images = _checked(model, images, batch_size)
    check_whole(count, "count")
    if count > len(images):
        raise ValueError(
            f"count must be at most {len(images)}, the number of images, as each gives "
            f"one patch; got {count}: pass more images, or count={len(images)}"
        )
    maps = feature_maps(model, _seen_by(model, images)(images[:1]), layer)[layer]
    width = maps.shape[2]
    if channels is None:
        channels = np.arange(maps.shape[-1])
    channels = checked_channels(channels, layer, maps.shape[-1])
    field = receptive_field(model, layer, input_size=images.shape[1:3])

    # Values, images and positions: a row for each place, a column for each channel.
    best = [np.empty((0, len(channels)), kind) for kind in (float, int, int)]
    for first, maps in _batches(model, images, layer, batch_size):
        maps = maps[layer].reshape(len(maps[layer]), -1, maps[layer].shape[-1])
        place = maps.argmax(axis=1)
        value = np.take_along_axis(maps, place[:, None], axis=1)[:, 0]
        source = np.repeat(np.arange(len(maps))[:, None] + first, len(channels), axis=1)
        found = value[:, channels], source, place[:, channels]
        best = [np.concatenate(pair) for pair in zip(best, found, strict=True)]
        # Stable, so that of equally strong ones the first stays first.
        order = np.argsort(-best[0], axis=0, kind="stable")[:count]
        best = [np.take_along_axis(array, order, axis=0) for array in best]
    values, sources, places = (array.T for array in best)
    positions = np.stack(np.divmod(places, width), axis=-1)
    patches = _cut(model, images, field, sources, positions)
    return TopPatches(layer, channels, patches, values, sources, positions)


class Channel(NamedTuple):
    """What a channel of a layer did over many images; a row of a table.

    A value is active if it is not zero, as in `maps.silent_channels`.

    Attributes
    ----------
    channel : int
    images_active : float
        Share of the images on which it is active anywhere.
    positions_active : float
        Share of all positions of all images at which it is active.
    mean, maximum : float
        Over all images and positions.
    nearest : int or None
        The other channel whose values correlate best with its own.  None where no
        correlation exists: if it is silent or the same everywhere, or all others are.
    correlation : float or None
        With ``nearest``.
    silent : bool
        Never active.
    always_on : bool
        Active at every position of every image.
    near_duplicate : bool
        Hardly differs from ``nearest``, but for a factor and an offset.
    """

    channel: int
    images_active: float
    positions_active: float
    mean: float
    maximum: float
    nearest: int | None
    correlation: float | None
    silent: bool
    always_on: bool
    near_duplicate: bool


def channel_audit(
    model: keras.Model,
    images: npt.ArrayLike,
    layers: str | Iterable[str] | None = None,
    *,
    tolerance: float = 0.0,
    duplicate: float = 0.95,
    batch_size: int = 32,
) -> dict[str, list[Channel]]:
    """Find silent, always active and nearly equal channels over a set of images.

    Meant for maps after a ReLU, which is exactly 0 wherever a filter does not
    respond; before it, nearly every value counts as active.  Of the maps only sums
    are kept, in float64, so that the answer is that of all maps held at once.

    Parameters
    ----------
    model : keras.Model
        Functional or Sequential, with one image as its input.
    images : array of shape (N, H, W, C)
        In the range that the model was made for, or uint8 if it takes intensities.
    layers : optional
        As in `maps.feature_maps`.
    tolerance : float
        Largest absolute value that still counts as silence, in the maps' units.
    duplicate : float
        Smallest correlation that makes a near-duplicate.
    batch_size : int
        Images that pass through the model at once; bounds the memory needed.

    Returns
    -------
    audits : dict of str to list of Channel
        For each layer, in the order in which the model computes them.  Show one as
        ``tabulate(audits[layer], headers="keys")``.

    Raises
    ------
    ValueError
        As in `maps.feature_maps`, or if the tolerance is negative or
        ``duplicate`` is no correlation above 0.

    Examples
    --------
    Red, green, a green half as bright, and no blue at all:

    >>> import keras
    >>> same = keras.layers.Identity(name="same")
    >>> model = keras.Sequential([keras.Input((1, 3, 4)), same])
    >>> images = np.array([[[[5, 2, 1, 0], [0, 4, 2, 0], [0, 2, 1, 0]]]])
    >>> red, green, half, blue = channel_audit(model, images)["same"]
    >>> green.nearest, half.nearest, half.always_on, blue.silent
    (2, 1, True, True)
    """
    if not tolerance >= 0:
        raise ValueError(f"tolerance must be 0 or more; got {tolerance!r}")
    if not 0 < duplicate <= 1:
        raise ValueError(f"duplicate must be above 0, at most 1; got {duplicate!r}")
    layer_calls(model)  # raises if it is not a network
    images = _checked(model, images, batch_size)
    tallies: dict[str, _Tally] = {}
    for _, maps in _batches(model, images, layers, batch_size):
        for name, batch in maps.items():
            tally = tallies.setdefault(name, _Tally(batch[0, 0, 0], tolerance))
            for own in batch:
                tally.add(own.reshape(-1, own.shape[-1]).astype(float))
    return {name: tally.channels(duplicate) for name, tally in tallies.items()}


def audit_summary(audits: Mapping[str, Sequence[Channel]]) -> list[dict[str, Any]]:
    """Count what an audit found; ``tabulate(audit_summary(audits), headers="keys")``.

    Parameters
    ----------
    audits : dict of str to list of Channel
        From `channel_audit`.

    Returns
    -------
    rows : list of dict
        One for each layer, with the keys ``layer``, ``channels``, ``silent``,
        ``near_duplicate`` and ``always_on``.
    """
    kinds = "silent", "near_duplicate", "always_on"
    return [
        {"layer": layer, "channels": len(channels)}
        | {kind: sum(getattr(own, kind) for own in channels) for kind in kinds}
        for layer, channels in audits.items()
    ]


class _Tally:
    """Counts and sums of a layer's channels, added up image by image.

    Sums of squares lose all digits where values are large and differ little, so one
    value of each channel is subtracted from all.  Any will do: as it is one of the n,
    the square of its distance from the mean is at most n variances, and the loss at
    most n times the 1e-16 that float64 resolves.  A channel that is the same
    everywhere gives exactly 0.
    """

    def __init__(self, start: np.ndarray, tolerance: float) -> None:
        self.start, self.tolerance = start.astype(float), tolerance
        self.images = self.positions = 0
        self.images_active: Any = 0  # from the first image on (F,)
        self.positions_active: Any = 0
        self.sums, self.products, self.maximum = 0.0, 0.0, -np.inf

    def add(self, values):
        """Add the values of an image, (positions, F)."""
        active = (~(np.abs(values) <= self.tolerance)).sum(axis=0)  # NaN is active
        self.images += 1
        self.positions += len(values)
        self.images_active += active > 0
        self.positions_active += active
        self.maximum = np.maximum(self.maximum, values.max(axis=0))
        with np.errstate(invalid="ignore"):  # infinity less itself, in half precision
            values = values - self.start
            self.sums += values.sum(axis=0)
            self.products += values.T @ values

    def channels(self, duplicate):
        """Draw the conclusions: a list of Channel."""
        silent = self.images_active == 0
        nearest, correlation = self._nearest(silent)
        some = np.isfinite(correlation)
        columns: tuple[Any, ...] = (
            np.arange(len(silent)),
            self.images_active / self.images,
            self.positions_active / self.positions,
            self.start + self.sums / self.positions,
            self.maximum,
            np.where(some, nearest, None),
            np.where(some, correlation, None),
            silent,
            self.positions_active == self.positions,
            correlation >= duplicate,
        )
        return list(map(Channel, *(column.tolist() for column in columns)))

    def _nearest(self, silent):
        """Find who correlates best with each, and how much: -inf if nobody does."""
        with np.errstate(invalid="ignore", divide="ignore"):
            covariance = self.products - np.outer(self.sums, self.sums) / self.positions
            deviation = np.sqrt(covariance.diagonal().clip(0))
            correlations = covariance / deviation / deviation[:, None]
        comparable = np.isfinite(correlations)
        comparable &= ~(silent | silent[:, None] | np.eye(len(silent), dtype=bool))
        correlations = np.where(comparable, correlations.clip(-1, 1), -np.inf)
        return correlations.argmax(axis=1), correlations.max(axis=1)


def _batches(model, images, layers, batch_size):
    """Yield the number of the first image and the maps, batch after batch."""
    as_seen = _seen_by(model, images)
    for first in range(0, len(images), batch_size):
        batch = as_seen(images[first : first + batch_size])
        yield first, feature_maps(model, batch, layers, batch_size=batch_size)


def _seen_by(model, images):
    """Return the function that puts some of the images into a model's numbers.

    It is found out once, since that runs the first layers.
    """
    if images.dtype == np.uint8 and picture_range(model).white == 1:
        return lambda some: some / np.float32(255)
    return lambda some: some


def _checked(model: keras.Model, images: npt.ArrayLike, batch_size: int) -> np.ndarray:
    """Return images as an array whose shape the model takes, without a copy."""
    check_whole(batch_size, "batch_size")
    one_image_input(model)
    images = np.asarray(images)
    few = images[:1] if images.ndim == 4 else images
    fitting_images(model, _seen_by(model, few)(few))
    return images


def _cut(model, images, field, sources, positions):
    """Cut out what each position sees: (F, count, h, w, C), NaN off the image."""
    sides = images.shape[1:3]
    shape = [min(own, side) for own, side in zip(field.size, sides, strict=True)]
    patches = np.full((*sources.shape, *shape, images.shape[-1]), np.nan, np.float32)
    as_seen = _seen_by(model, images)
    for place in np.ndindex(sources.shape):
        target, source = [], field.window(*positions[place].tolist())
        for axis, seen in enumerate(source):
            # A field as large as the image or larger shows all of the image.
            start = field.offset[axis] + positions[place][axis] * field.stride[axis]
            start = start if field.size[axis] < sides[axis] else 0
            target.append(slice(seen.start - start, seen.stop - start))
        patches[place][tuple(target)] = as_seen(images[sources[place]][source])
    return patches
