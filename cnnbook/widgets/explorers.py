"""Interactive figures of whole networks, for notebooks and for the book.

A network travels with its figure and runs in the page; see `networks.export_network`.
What a page cannot compute, such as what happened during a training, is computed here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cnnbook.explanations.logits import class_probabilities
from cnnbook.explanations.occlusion import occlusion_map
from cnnbook.figures import charts
from cnnbook.figures.sheets import feature_map_grid, photo_beside_map
from cnnbook.maps import measures
from cnnbook.maps.layer_maps import feature_maps
from cnnbook.networks import export
from cnnbook.networks.files import load_classifier
from cnnbook.networks.graph import layer_calls
from cnnbook.networks.heads import head
from cnnbook.networks.inputs import one_image_input
from cnnbook.networks.ranges import scaled_for
from cnnbook.pictures.images import as_grey, load_image
from cnnbook.widgets import chains
from cnnbook.widgets.embedding import Widget
from cnnbook.widgets.playgrounds import checked_pictures
from cnnbook.widgets.snapshots import take_snapshots

if TYPE_CHECKING:
    import keras

# Of a training, so that its data stay light.
MOST_FILTERS = 16
MOST_CHANNELS = 8  # of each layer
MOST_PLACES = 48  # of a side


def fully_connected_explorer(
    model: keras.Model | None = None, pictures: dict[str, np.ndarray] | None = None
) -> Widget:
    """Show how much each feature votes for each class, and switch features off.

    Parameters
    ----------
    model : keras.Model, optional
        For images of one size, with one channel or three, whose white is known
        (`networks.picture_range`).  It must end in Flatten or a global pooling, then
        one Dense layer, with or without softmax; `networks.export_network` says which
        layers may come before.  By default the classifier that comes with the package.
    pictures : dict of str to ndarray of shape (H, W, 3), optional
        As for `widgets.convolution_playground`; cut and resized as the network takes
        them.

    Returns
    -------
    widget : Widget

    Raises
    ------
    ValueError
        If the network is another, or a picture has another shape or other numbers.

    Examples
    --------
    >>> from cnnbook.networks import build_classifier
    >>> network = build_classifier((16, 16, 3), filters=(2, 4))
    >>> fully_connected_explorer(network).tag
    'fully-connected-explorer'
    """
    network, model = network_set(model)
    exported = network["classifier"]
    maps, pooling, dense = _voters(model, exported["layers"])
    names = exported["classes"] or [f"class {k}" for k in range(dense["shape"][0])]
    exported["classes"] = names
    pictures = _fitted(model, pictures)
    _, given = as_seen(model, next(iter(pictures.values())))
    values = feature_maps(model, given[None], maps["name"])[maps["name"]][0]
    values = _POOLS[pooling["kind"]](values)
    weights = np.asarray(layer_calls(model)[dense["name"]].operation.kernel)
    leads = values * (weights[:, 0] - weights[:, 1]).reshape(values.shape)
    votes = leads.reshape(-1, values.shape[-1]).sum(axis=0)
    filters = [f"filter {n}" for n in range(len(votes))]
    still = charts.votes(votes, names[:2], top=6, names=filters)
    alt = (
        "Bars for the filters whose votes are strongest, orange ones for "
        f"{names[0]} and blue ones for {names[1]}."
    )
    data = {"pictures": pictures, "network": network}
    return Widget("fully-connected-explorer", data, still, alt)


def photo_lab(
    model: keras.Model | None = None, pictures: dict[str, np.ndarray] | None = None
) -> Widget:
    """Let the reader show a network a photo, switch channels off, and hide parts.

    In the page the reader can choose photos, and another network that
    `networks.export_network` wrote; neither leaves the device.

    Parameters
    ----------
    model : keras.Model, optional
        For images of one size with one channel or three, whose white is known
        (`networks.picture_range`), with a row of class scores or probabilities as its
        answer; `networks.export_network` says which layers it may have.  By default the
        classifier that comes with the package.
    pictures : dict of str to ndarray of shape (H, W, 3), optional
        As for `widgets.convolution_playground`.

    Returns
    -------
    widget : Widget

    Raises
    ------
    ValueError
        If the network is another, or a picture has another shape or other numbers.

    Examples
    --------
    >>> list(photo_lab().data)
    ['pictures', 'network']
    """
    pictures = checked_pictures(pictures)
    network, model = network_set(model)
    head(model)
    photo, given = as_seen(model, next(iter(pictures.values())))
    likeliest = int(class_probabilities(model, given[None])[0].argmax())
    window = max(1, min(given.shape[:2]) // 6)
    hidden = occlusion_map(
        model, given[None], likeliest, window=window, baseline=given.mean(axis=(0, 1))
    )
    still = photo_beside_map(photo, hidden.on_pixels()[0])
    alt = "A photo, and beside it which of its parts a network's answer depends on."
    return Widget("photo-lab", {"pictures": pictures, "network": network}, still, alt)


def feature_map_explorer(
    model: keras.Model | None = None,
    pictures: dict[str, np.ndarray] | None = None,
    *,
    recorded: Mapping[str, Any] | None = None,
    later: dict[str, dict[str, Any]] | None = None,
) -> Widget:
    """Show every map of a network, and what each of its numbers sees of the picture.

    Parameters
    ----------
    model : keras.Model, optional
        A network with maps, for images of one size with one channel or three, whose
        white is known (`networks.picture_range`); `networks.export_network` says which
        layers it may have.  By default the classifier that comes with the package.
    pictures : dict of str to ndarray of shape (H, W, 3), optional
        As for `widgets.convolution_playground`; cut and resized as the network needs
        them.
    recorded, later : dict, optional
        Other networks by name, as `chains.recorded_chain` describes them, and the sets
        of their layers.  For the book, as a notebook has no folder to load from.

    Returns
    -------
    widget : Widget

    Raises
    ------
    ValueError
        If the network is another, or a picture has another shape or other numbers.

    Examples
    --------
    >>> feature_map_explorer().data["pictures"]["Chelsea, the cat"].shape
    (96, 96, 3)
    """
    network, model = network_set(model)
    pictures = _fitted(model, pictures)
    photo, given = as_seen(model, next(iter(pictures.values())))
    maps = next(iter(feature_maps(model, given[None]).values()))[0]
    strongest = maps[:, :, measures.strongest(maps)[0]]
    still = photo_beside_map(photo, strongest)
    alt = "A picture, and beside it the strongest map of a network's first layer."
    shapes = {
        layer["name"]: layer["shape"] for layer in network["classifier"]["layers"]
    }
    chain = {"layers": chains.layer_chain(model, shapes)}
    data = {"pictures": pictures, "network": network}
    data["chains"] = {"classifier": chain, **(recorded or {})}
    return Widget("feature-map-explorer", data, still, alt, later or {})


def training_scrubber(
    model: keras.Model,
    checkpoints: dict[int, list[np.ndarray]],
    picture: np.ndarray,
    history: Mapping[str, Sequence[float]] | None = None,
) -> Widget:
    """Slide through a training: filters, feature maps and answers as they change.

    All is computed here, and no network goes to the page.  Shown are the first 16
    filters of the first convolution and, behind each pooling layer (where there is
    none, behind each convolution), the 8 channels that answer most strongly in the end.
    Maps are thinned to at most 48 rows and columns.  A colour means the same at all
    moments.

    Parameters
    ----------
    model : keras.Model
        The network that was trained, for images with one channel or three, whose white
        is known (`networks.picture_range`), with a row of class scores or probabilities
        as its answer.
    checkpoints : dict of int to list of ndarray
        By the number of epochs done: the weights, as ``model.get_weights()`` gives
        them; 2 to 20 of them.
    picture : ndarray of shape (H, W, 3)
        uint8, or floats in [0, 1]; at most 128 pixels a side.  It is cut and resized as
        the network takes it.
    history : dict of str to sequence of float, optional
        As Keras records it, a number for each epoch.  The curves of ``loss`` and
        ``accuracy`` are drawn, and of the same with ``val_`` before them.

    Returns
    -------
    widget : Widget

    Raises
    ------
    ValueError
        If the network is another, if weights do not fit it or give no finite numbers,
        or if the picture or the history cannot be shown.

    Examples
    --------
    >>> from cnnbook.networks import build_classifier
    >>> network = build_classifier((16, 16, 3), filters=(2, 4))
    >>> kept = {epoch: network.get_weights() for epoch in (0, 1)}
    >>> training_scrubber(network, kept, np.zeros((16, 16, 3), np.uint8)).tag
    'training-scrubber'
    """
    photo, given = as_seen(model, checked_pictures({"picture": picture})["picture"])
    snapshots = take_snapshots(model, checkpoints, given)
    filters = np.moveaxis(snapshots.kernels[..., :MOST_FILTERS], -1, 1)
    largest = float(np.abs(filters).max()) or 1.0
    title = f"Filters of {snapshots.layer}; grey is 0"
    data: dict[str, Any] = {
        "picture": as_bytes(photo),
        title: as_bytes(0.5 + filters / (2 * largest)),
    }
    sheets: list[dict[str, Any]] = [{"title": title}]
    for name, maps in snapshots.maps.items():
        maps, title = _strongest(maps), f"Maps of {name}"
        high = float(np.abs(maps).max()) or 1.0
        low = -high if maps.min() < 0 else 0.0
        data[title] = as_bytes((maps - low) / (high - low))
        sheets.append({"title": title, "limits": [low, high]})
    names, probabilities = head(model).class_names, snapshots.probabilities
    data["facts"] = {
        "epochs": snapshots.epochs,
        "classes": names or [f"class {k}" for k in range(probabilities.shape[1])],
        "probabilities": probabilities.tolist(),
        "curves": _curves(history, snapshots.epochs[-1]),
        "sheets": sheets,
    }
    ends = next(iter(snapshots.maps.values()))[[0, -1]]
    still = feature_map_grid(
        [*ends[..., measures.strongest(ends[1])[0]]],
        [f"after {snapshots.epochs[end]} epochs" for end in (0, -1)],
        columns=2,
        signed=ends.min() < 0,
    )
    alt = "A feature map of the picture early in the training, and the same map late."
    return Widget("training-scrubber", {"training": data}, still, alt)


# What the pages of a network and of a training take.


def _voters(model, layers):
    """Return the last maps, their pooling and the dense layer behind, as exported.

    ValueError if not every feature votes for every class directly.
    """
    chain = [layer for layer in layers if layer["kind"] != "train_only"]
    functions = [layer.get("activation", {}).get("kind") for layer in chain[-2:]]
    if chain[-1]["kind"] == "activation" and functions == [None, "softmax"]:
        chain.pop()
    elif functions[-1] not in (None, "softmax"):
        chain.clear()
    kinds = [layer["kind"] for layer in chain]
    shapes = [layer["shape"] for layer in chain]
    if not (
        len(chain) > 2
        and len(shapes[-3]) == 3
        and kinds[-2] in _POOLS
        and kinds[-1] == "dense"
        and shapes[-1] > [1]
    ):
        raise ValueError(
            f"model {model.name!r} must end in Flatten or a global pooling, then one "
            "Dense layer of two classes or more, with softmax or nothing behind it, so "
            "that every feature votes; its last layers are "
            + ", ".join(layer["name"] for layer in layers[-3:])
        )
    return chain[-3:]


# What each does to a map before its features vote.
_POOLS = {
    "flatten": lambda maps: maps,
    "global_max_pool2d": lambda maps: maps.max(axis=(0, 1)),
    "global_average_pool2d": lambda maps: maps.mean(axis=(0, 1)),
}


def _strongest(maps):
    """Thin maps of shape (E, H, W, F), and keep the channels strongest in the end.

    Shape (E, F', H', W', 1); the channels stay in order.
    """
    count = min(MOST_CHANNELS, maps.shape[-1])
    chosen = np.sort(measures.strongest(np.abs(maps[-1]), count))
    thin = math.ceil(max(maps.shape[1:3]) / MOST_PLACES)
    return np.moveaxis(maps[:, ::thin, ::thin, chosen], -1, 1)[..., None]


def _curves(history, last):
    """Draw the curves of a history up to the last epoch, in 100 by 60 units."""
    curves = []
    for measure in ("loss", "accuracy"):
        lines = {}
        for key, name in (measure, "in training"), (f"val_{measure}", "kept aside"):
            values = np.asarray((history or {}).get(key, ()), float)
            if values.ndim != 1 or not np.isfinite(values).all():
                raise ValueError(
                    f"{key!r} of the history must be a row of finite numbers, one for "
                    "each epoch"
                )
            if len(values):
                lines[name] = values[:last]
        top = max((values.max() for values in lines.values()), default=0) or 1.0
        drawn = []
        for name, values in lines.items():
            places = zip(np.arange(1, last + 1) / last, 1 - values / top, strict=False)
            path = "L".join(f"{100 * x:.1f},{60 * y:.1f}" for x, y in places)
            shown = [float(f"{value:.3g}") for value in values]
            drawn.append({"name": name, "values": shown, "d": f"M{path}"})
        if drawn:
            title = f"{measure.capitalize()}, 0 to {top:.3g}"
            curves.append({"title": title, "lines": drawn})
    return curves


# What pages are given.


def network_set(model: keras.Model | None = None) -> tuple[dict[str, Any], keras.Model]:
    """Return the set of data that brings a network to a page, and the network itself.

    By default the classifier that comes with the package.
    """
    model = load_classifier() if model is None else model
    return {"classifier": export.network_object(model, "classifier", "float16")}, model


def _image_shape(model):
    """Return the shape of a network's images, of which a photo can be made."""
    shape = one_image_input(model)
    if shape[-1] not in (1, 3):
        raise ValueError(
            f"model {model.name!r} takes images of {shape[-1]} channels; photos have 1 "
            "or 3"
        )
    return shape


def _fitted(model, pictures):
    """Return pictures as bytes, each cut and resized for a network."""
    checked = checked_pictures(pictures)
    return {name: as_bytes(as_seen(model, one)[0]) for name, one in checked.items()}


def as_seen(model: keras.Model, picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a picture cut and resized for a network, and as the network takes it."""
    _, rows, columns, channels = _image_shape(model)
    photo = load_image(picture, (rows, columns) if rows and columns else None)
    return photo, scaled_for(model, photo if channels == 3 else as_grey(photo))


def as_bytes(values: npt.ArrayLike) -> npt.NDArray[np.uint8]:
    """Return numbers from 0 to 1 as bytes."""
    return np.round(255 * np.clip(values, 0, 1)).astype(np.uint8)
