"""Every public function that takes a model, each with its independent answer.

A check calls the function and compares; what it compares with is `Plain`, and NumPy.
"""

import inspect
import json
import os
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from unittest import mock

import keras
import numpy as np
import tensorflow as tf
from keras import layers as kl
from skimage.segmentation import slic

from cnnbook import explanations, maps, networks, training, widgets
from tests.conformance.networks import ENDS
from tests.conformance.plain import is_network, number, operations_of, relus

# What functions need of a network, and what these functions are for.
NEEDS = {
    "apart": "everything that looks inside",
    "whole": "what takes the model as a whole",
    "images": "everything that shows it pictures",
    "scores": "explanations, predictions, and all else about classes",
    "row": "explanations, predictions, and all else about classes",
    "gradients": "explanations by gradients at the pixels",
    "class maps": "class maps (Grad-CAM and its kin)",
    "maps": "feature maps, and what is made of them",
    "window": "receptive fields, traces, patches and readouts",
    "slopes": "traces and effective receptive fields",
    "readouts": "linear readouts",
    "copies": "copies with a part changed",
    "insides": "guided backprop, deconvnet, and copies with other activations or pools",
    "file": "saving it",
    "export": "networks and figures that run in a page",
    "votes": "the fully connected explorer",
    "ours": "what is made for the book's own networks",
}


@dataclass(frozen=True)
class Function:
    """A public function that takes a model.

    Attributes
    ----------
    name, room : str
    check : callable
        Takes a `Plain`; calls the function, and compares.
    needs : tuple of str
        What it needs of a network, of `NEEDS`; in a network's ``refused`` a need
        stands for all functions that have it.
    unless : callable
        ``unless(plain)`` says in which words it refuses a network, or None.
    """

    name: str
    room: str
    check: Callable
    needs: tuple[str, ...]
    unless: Callable

    def refusal(self, plain):
        """Return the words by which this network is refused, or None."""
        if "ours" in self.needs:
            return self.unless(plain)
        words = self.is_refused_by(plain.network)
        if "apart" not in plain.network.refused.keys() & {*self.needs}:
            words.append(self.unless(plain))
        return "|".join(filter(None, words)) or None

    def is_tried_on(self, network):
        """Tell whether a network can make a difference.

        Those that differ in their ends alone make none to what looks no further, nor to
        what takes the slope of a score just as another function does.
        """
        looks = {"row", "export", "file", "whole", "copies", "insides"}
        looks_at_the_end = bool(looks & {*self.needs}) and self.name not in SAME_SLOPES
        return network.about != ENDS or looks_at_the_end

    def is_refused_by(self, network):
        """Return the words by which the table says that a network is refused."""
        if "ours" in self.needs or network.refused.get(self.name) == "":
            return []
        needs = [need for need in (self.name, *self.needs) if need in network.refused]
        return [network.refused[need] for need in needs if network.refused[need]]


# As `saliency_map`, and as `grad_cam`.
SAME_SLOPES = {"smooth_grad", "integrated_gradients", "guided_backprop", "deconvnet"}
SAME_SLOPES |= {"hires_cam", "xgrad_cam", "grad_cam_plus_plus"}

FUNCTIONS: dict[str, Function] = {}
PICTURES = {"images", "image", "first", "split", "picture", "target"}

# What a network of the table says nothing about, and why.
LEFT_OUT = {
    "train": "trains for minutes; tests/training/test_loop.py compares it with Keras",
}


def checks(room, *needs, unless=lambda plain: None):
    """Put the check of a function, which has the function's name, into the table.

    It needs what is said, pictures if it takes any, and to take a network apart unless
    it is "whole" that it takes one.
    """

    def enter(check):
        name = check.__name__
        takes = inspect.signature(getattr(room, name)).parameters
        images = ("images",) * bool(PICTURES & takes.keys())
        apart = ("apart",) * ("whole" not in needs)
        scores = ("row",) * ("scores" in needs)
        needed = (*needs, *images, *apart, *scores)
        FUNCTIONS[name] = Function(name, room.__name__, check, needed, unless)
        return check

    return enter


def same(found, expected, plain, *, tolerance=None):
    """Insist that arrays are equal, by a share of the largest number."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape, f"{found.shape}, not {expected.shape}"
    assert np.isfinite(expected).all(), "the independent answer is not finite"
    found, expected = found.astype(float), expected.astype(float)
    share = tolerance or plain.network.tolerance
    off = np.abs(found - expected).max(initial=0)
    largest = np.abs(expected).max(initial=0)
    assert off <= share * largest + 1e-6, f"off by {off:.3g} of {largest:.3g}"


# networks: how layers are connected


@checks(networks)
def connections(plain):
    network = networks.connections(plain.model)
    assert [tuple(t.shape) for t in network.outputs] == [
        tuple(t.shape) for t in plain.model.outputs
    ]
    assert {name.split("#")[0] for name, _ in network.calls} == {
        name for name in plain.operations if "/" not in name
    }
    assert len(network.inputs) == len(plain.model.inputs)


@checks(networks)
def layer_calls(plain):
    leaves = {
        name
        for name, operation in plain.operations.items()
        if not is_network(operation)
    }
    calls = networks.layer_calls(plain.model).items()
    found = {name for name, c in calls if not isinstance(c.operation, kl.InputLayer)}
    # A second use of a layer or a model has its number in the name.
    assert {re.sub(r"#\d+", "", name) for name in found} == leaves


@checks(networks)
def layer_table(plain):
    rows = {row["name"]: row for row in networks.layer_table(plain.model)}
    own = [row for name, row in rows.items() if "#" not in name]
    assert sum(row["parameters"] for row in own) == plain.model.count_params()
    for name, row in rows.items():
        if name in plain.single:
            shape = plain.shapes[name][1:]
            assert len(row["shape"]) == len(shape)
            assert all(a in (None, b) for a, b in zip(row["shape"], shape, strict=True))


@checks(networks, "images", "whole")
def one_image_input(plain):
    assert networks.one_image_input(plain.model) == plain.model.input_shape


@checks(networks, "whole")
def fitting_images(plain):
    same(networks.fitting_images(plain.model, plain.images), plain.images, plain)


@checks(networks, "scores", "images")
def head(plain):
    found = networks.head(plain.model)
    classes = max(plain.answers(plain.images).shape[1], 2)
    assert (found.kind, found.num_classes) == (plain.network.kind, classes)


@checks(networks, "row", "images")
def with_answers(plain):
    """What the layers show may be said as well; logits become probabilities."""
    shown, kind = ("softmax", "sigmoid"), plain.network.kind
    said = {"logits": "softmax", "logit": "sigmoid"}.get(kind)
    options = {"probabilities": kind} if kind in shown else {"logits": said}
    found = number(
        plain.run(plain.images, networks.with_answers(plain.model, **options))
    )
    classes = plain.answers(plain.images).shape[1]
    same(found, plain.probabilities(plain.images)[:, -classes:], plain)


@checks(networks, "whole")
def picture_range(plain):
    found = networks.picture_range(plain.model).white
    assert found == (plain.network.white if plain.network.white_is_known else None)


@checks(networks, "whole", unless=lambda plain: white_is_open(plain))
def scaled_for(plain):
    shades = np.array([0, 51, 255], np.uint8)
    found = networks.scaled_for(plain.model, shades)
    same(found, plain.network.white * np.array([0, 0.2, 1]), plain)


def white_is_open(plain):
    """Say that nobody knows what white is to a network, where that is so."""
    return None if plain.network.white_is_known else "say it, model.white"


# networks: copies


def no_layer(plain):
    layer = plain.maps_layer
    return "no layer" if layer is None or not isinstance(layer, kl.Layer) else None


@checks(networks, "maps", "copies", unless=no_layer)
def knock_out(plain):
    name = plain.maps_name
    copy = networks.knock_out(plain.model, name, [1])
    same(answers_of(copy, plain), without_channel(plain, 1), plain)


@checks(
    networks,
    "maps",
    unless=lambda plain: no_layer(plain) or ends_in_maps(plain),
)
def outputs_without_each_channel(plain):
    name = plain.maps_name
    found = networks.outputs_without_each_channel(plain.model, plain.images, name)
    count = plain.seen.maps.shape[-1]
    same(
        found,
        [without_channel(plain, n, in_all_uses=False) for n in range(count)],
        plain,
    )


def answers_of(model, plain):
    """Return what a copy of the model answers."""
    return number(plain.run(plain.images, model))


def without_channel(plain, channel, *, in_all_uses=True):
    """Return what the model answers if a channel of its maps is zero."""
    change = muting(plain, channel, in_all_uses)
    return number(plain.look(plain.images, change, as_it_is=True).answers)


def muting(plain, channel, in_all_uses=False):
    """Return a change of maps: a channel is zero where the layer is used as named."""
    use, done = int(plain.maps_name.partition("#")[2] or 1), []

    def change(maps):
        done.append(maps)
        kept = np.arange(maps.shape[-1]) != channel
        return tf.where(kept, maps, 0) if in_all_uses or len(done) == use else maps

    return change


def ends_in_maps(plain):
    end = plain.model.outputs[0]._keras_history.operation.name
    return "nothing is behind" if end == plain.maps_name else None


def kinds(plain, *classes):
    return any(isinstance(layer, classes) for layer in plain.operations.values())


def no_pools(plain):
    return None if kinds(plain, kl.MaxPooling2D) else "no max pools"


@checks(networks, "insides", "copies", unless=no_pools)
def with_average_pools(plain):
    copy = networks.with_average_pools(plain.model)

    def average(x, size, strides, padding, *args, **kwargs):
        return tf.nn.avg_pool2d(x, size, strides, padding.upper())

    with mock.patch("tensorflow.nn.max_pool", average):
        expected = plain.answers(plain.images)
    same(answers_of(copy, plain), expected, plain)


@checks(networks, "insides", "copies", unless=no_pools)
def with_subsampling(plain):
    copy = networks.with_subsampling(plain.model)

    def corner(x, size, strides, padding, *args, **kwargs):
        kept = tf.nn.max_pool2d(x, 1, strides, padding.upper())
        if padding.upper() == "SAME":
            return kept
        rows, columns = (
            (side - window) // step + 1
            for side, window, step in zip(x.shape[1:3], size, strides, strict=True)
        )
        return kept[:, :rows, :columns]

    with mock.patch("tensorflow.nn.max_pool", corner):
        expected = plain.answers(plain.images)
    same(answers_of(copy, plain), expected, plain)


@checks(networks, "copies")
def with_shuffled_weights(plain):
    copy = networks.with_shuffled_weights(plain.model, seed=1)
    for own, shuffled in zip(plain.model.weights, copy.weights, strict=True):
        own, shuffled = number(own.value), number(shuffled.value)
        assert own.shape == shuffled.shape
        np.testing.assert_array_equal(np.sort(own.ravel()), np.sort(shuffled.ravel()))
        if own.ndim > 1 and own.size > 20:
            assert not np.array_equal(own, shuffled)


ACTIVATIONS = (
    kl.ReLU, kl.LeakyReLU, kl.PReLU, kl.ELU, kl.Softmax, kl.Activation,
)  # fmt: skip
BENDS = {
    "Relu", "Selu", "Softmax", "Sigmoid", "LogSoftmax", "Softsign", "HardTanh",
    "Softplus",
}  # fmt: skip


def is_activation(operation):
    return isinstance(operation, ACTIVATIONS) or type(operation).__name__ in BENDS


def has_activation(operation):
    own = getattr(operation, "activation", keras.activations.linear)
    return own is not keras.activations.linear


@checks(
    networks,
    "insides",
    "copies",
    unless=lambda plain: (
        None
        if any(is_activation(o) or has_activation(o) for o in plain.operations.values())
        else "no activation functions"
    ),
)
def without_activations(plain):
    copy = networks.without_activations(plain.model)
    left = operations_of(copy)
    assert left.keys() == plain.operations.keys()
    for name, operation in left.items():
        assert not has_activation(operation), name
        if is_activation(plain.operations[name]):
            values = np.array([[-3.0, -0.5, 0.7, 9]], "float32")
            np.testing.assert_allclose(operation(values), values, rtol=1e-2)


def not_ours(plain):
    return "expected a network made by"


@checks(networks, "ours", unless=not_ours)
def fold_batch_normalization(plain):
    networks.fold_batch_normalization(plain.model)


@checks(networks, "ours", unless=not_ours)
def training_form(plain):
    networks.training_form(plain.model)


@checks(networks, "ours", unless=lambda plain: "ImageNet|functional or Sequential")
def top_classes(plain):
    networks.top_classes(plain.model, plain.images[0])


# networks: files


@checks(networks, "file", "whole")
def save_classifier(plain):
    file = os.path.join(os.environ["CNNBOOK_BUILD"], "network.keras")
    networks.save_classifier(plain.model, file)
    found = answers_of(networks.load_network(file), plain)
    same(found, plain.answers(plain.images), plain)


EXPORTED = (
    kl.InputLayer, kl.Rescaling, kl.ZeroPadding2D, kl.Conv2D, kl.BatchNormalization,
    kl.ReLU, kl.LeakyReLU, kl.Softmax, kl.Activation, kl.MaxPooling2D, kl.Dropout,
    kl.AveragePooling2D, kl.GlobalAveragePooling2D, kl.Flatten, kl.Dense,
    kl.RandomFlip, kl.RandomRotation,
)  # fmt: skip


def no_page(plain):
    """Say whether a page cannot run a network, by the list in the documentation."""
    model = plain.model
    if len(model.inputs) > 1 or len(model.outputs) > 1 or None in model.input_shape[1:]:
        return "."
    for operation in plain.operations.values():
        if is_network(operation):
            continue
        if type(operation) not in EXPORTED:
            return "which a page cannot run|takes the outputs of"
        own = getattr(operation, "activation", keras.activations.relu)
        listed = ("relu", "softmax", "linear", "gelu", "tanh", "sigmoid", "silu")
        if own not in [getattr(keras.activations, name) for name in listed]:
            return "which a page cannot run"
        if getattr(operation, "max_value", None) or getattr(operation, "groups", 1) > 1:
            return "can be exported with"
        if np.size(getattr(operation, "offset", 0)) > 5:
            return "one for each channel"
    return None


def weights_in(network):
    """Return all numbers that an exported network holds."""
    import base64

    kind = {"float32": "<f4", "float16": "<f2"}[network["dtype"]]
    return np.frombuffer(base64.b64decode(network["weights"]), kind)


def exported(plain, network, tolerance=None):
    """Insist that an exported network holds the layers and kernels of the model."""
    stored = weights_in(network)
    assert network["input"] == list(plain.model.input_shape[1:])
    assert [layer["name"] for layer in network["layers"]] == list(
        networks.layer_calls(plain.model)
    )
    for layer in network["layers"]:
        if "kernel" in layer.get("arrays", {}):
            place = layer["arrays"]["kernel"]
            kernel = number(plain.operations[layer["name"].split("#")[0]].kernel.value)
            found = stored[place["offset"] :][: kernel.size].reshape(place["shape"])
            same(found, kernel, plain, tolerance=tolerance)
    ends = [layer["shape"] for layer in network["layers"]]
    assert ends[-1] == list(plain.answers(plain.images).shape[1:])


@checks(networks, "export", unless=no_page)
def network_object(plain):
    exported(plain, networks.network_object(plain.model, "network"))


@checks(networks, "export", unless=no_page)
def export_network(plain):
    file = os.path.join(os.environ["CNNBOOK_BUILD"], "network.js")
    networks.export_network(plain.model, file)
    with open(file, encoding="ascii") as script:
        text = script.read()
    exported(plain, json.loads(text[text.index("{") : text.rindex("}") + 1]))


# maps


@checks(maps, "maps")
def feature_maps(plain):
    found = maps.feature_maps(plain.model, plain.images)
    same(found[plain.maps_name], plain.seen.maps, plain)
    for name in found.keys() & plain.single:
        assert found[name].shape == plain.shapes[name], name


@checks(maps, "maps")
def channel_audit(plain):
    name = plain.maps_name
    found = maps.channel_audit(plain.model, plain.images, name)[name]
    own = plain.seen.maps
    same([channel.mean for channel in found], own.mean(axis=(0, 1, 2)), plain)
    same([channel.maximum for channel in found], own.max(axis=(0, 1, 2)), plain)
    active = (own != 0).mean(axis=(0, 1, 2))
    same([channel.positions_active for channel in found], active, plain)


@checks(maps, "maps")
def shift_changes(plain):
    name = plain.maps_name
    wide = np.concatenate([plain.images, plain.images[:, :, :1]], axis=2)
    found = maps.shift_changes(plain.model, wide, name, shifts=[1])[name]
    before, after = (
        number(plain.look(pictures).maps).astype(float)
        for pictures in (wide[:, :, :-1], wide[:, :, 1:])
    )
    before, after = (m - m.mean(axis=(1, 2), keepdims=True) for m in (before, after))
    both = (before * after).sum() / np.sqrt((before**2).sum() * (after**2).sum())
    same(found, [1 - both], plain)


@checks(maps, "whole")
def superposition_gap(plain):
    first, second = plain.images[:1], plain.images[1:]
    found = maps.superposition_gap(plain.model, first, second)
    middle = plain.fitting((first + second) / 2)
    one, other, half = (plain.answers(i).astype(float) for i in (first, second, middle))
    spread = np.abs(one - other).max()
    same(found, np.abs(half - (one + other) / 2).max() / spread, plain)


@checks(
    maps,
    "maps",
    unless=lambda plain: (
        None
        if type(plain.maps_layer) in (kl.Conv2D, kl.DepthwiseConv2D)
        else "no kernels"
    ),
)
def kernels(plain):
    found = maps.kernels(plain.model, plain.maps_name)
    same(found, number(plain.maps_layer.kernel.value), plain)


def brute_windows(plain):
    """Return the box of the pixels that move each place of the maps: (H', W', 4)."""
    reached = plain.reached
    boxes = np.zeros((*reached.shape[:2], 4), int)
    for place in np.ndindex(reached.shape[:2]):
        rows, columns = (np.flatnonzero(reached[place].any(axis=a)) for a in (1, 0))
        assert len(rows), f"nothing moves the maps at {place}"
        boxes[place] = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    return boxes


def same_windows(field, plain):
    """Insist that a field's windows are those that perturbation finds."""
    expected = brute_windows(plain)
    for place in np.ndindex(expected.shape[:2]):
        window = [
            end for side in field.window(*place) for end in (side.start, side.stop)
        ]
        assert window == expected[place].tolist(), (place, window, expected[place])


@checks(maps, "maps", "window", "images")
def receptive_field(plain):
    field = maps.receptive_field(plain.model, plain.maps_name, input_size=(12, 10))
    same_windows(field, plain)


@checks(maps, "maps", "window", "images")
def field_on(plain):
    field = maps.field_on(plain.model, "image", plain.maps_name, (12, 10))
    same_windows(field, plain)


@checks(maps, "maps", "window", "images")
def matching_layer(plain):
    """The image sees one row, the maps more: one of both is nearer."""
    names = [plain.maps_name, "image"]
    size = {"input_size": (12, 10)}
    assert maps.matching_layer(plain.model, 1, names, **size) == "image"
    rows = np.diff(brute_windows(plain)[..., :2]).max()
    found = maps.matching_layer(plain.model, rows, names, **size)
    assert rows == 1 or found == plain.maps_name


def middle_place(plain):
    shape = (0, 0, 0) if plain.seen.maps is None else plain.seen.maps.shape
    return tuple(side // 2 for side in shape[1:3])


@checks(maps, "maps", "window", "slopes")
def effective_receptive_field(plain):
    found = maps.effective_receptive_field(plain.model, plain.maps_name, plain.images)
    images = tf.convert_to_tensor(plain.images)
    row, column = middle_place(plain)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(images)
        own = plain.look(images).maps
        channels = tf.unstack(own[:, row, column], axis=-1)
    slopes = [number(tape.gradient(one, images)) for one in channels]
    expected = np.sqrt((np.stack(slopes).astype(float) ** 2).sum(axis=(0, 1, 4)))
    if len(channels) <= 4:  # of more, mixtures stand for them
        same(found.values, expected / expected.sum(), plain)


@checks(maps, "maps", "window", "slopes")
def trace(plain):
    row, column = middle_place(plain)
    own = plain.seen.maps
    channel = 0 if own is None else int(own[0, row, column].argmax())
    place = row, column, channel
    steps = maps.trace(plain.model, plain.images[0], plain.maps_name, place)
    image = tf.convert_to_tensor(plain.images)
    with tf.GradientTape() as tape:
        tape.watch(image)
        value = plain.look(image).maps[0, row, column, channel]
    slopes = tape.gradient(value, image)
    slopes = np.zeros(plain.images.shape) if slopes is None else number(slopes)
    first, last = steps[0], steps[-1]
    same(first.value, number(value), plain)
    same(last.weights, slopes[0][last.rows, last.columns], plain)
    same(last.products.sum(dtype=float) + last.constant, number(value), plain)
    outside = slopes[0].copy()
    outside[last.rows, last.columns] = 0
    assert not outside.any()


@checks(maps, "maps", "window")
def top_patches(plain):
    name = plain.maps_name
    found = maps.top_patches(plain.model, plain.images, name, [0, 1], count=2)
    own = plain.seen.maps[..., :2]
    strongest = own.max(axis=(1, 2)).T  # (channels, images)
    same(found.values, -np.sort(-strongest, axis=1), plain)
    box = brute_windows(plain)[tuple(found.positions[0, 0])]
    image = plain.images[found.images[0, 0], box[0] : box[1], box[2] : box[3]]
    patch = found.patches[0, 0]
    inside = ~np.isnan(patch).any(axis=-1)
    if patch.shape[0] < 12 and patch.shape[1] < 10:
        same(patch[inside], image.reshape(-1, image.shape[-1]), plain)


@checks(maps, "maps", "window", "readouts")
def fit_readouts(plain):
    readout(plain)


@checks(maps, "maps", "window", "readouts")
def detail_kept(plain):
    name, images = plain.maps_name, plain.images.astype("float32")
    readouts = readout(plain)
    found = maps.detail_kept(plain.model, plain.images, readouts)[name]
    shares = []
    for image, own in zip(images, plain.seen.maps, strict=True):
        painted = readouts[name].paint(own, image.shape[:2])
        known = ~np.isnan(painted).any(axis=-1)
        if np.ptp(painted[known]) < 1e-9:
            shares.append(0.0)
            continue
        likeness = np.corrcoef(image[known].ravel(), painted[known].ravel())[0, 1]
        shares.append(max(likeness, 0) ** 2)
    same(found, np.mean(shares), plain, tolerance=1e-3)


def readout(plain):
    """Fit a readout; its guesses are some ridge regression of pixels on maps."""
    name = plain.maps_name
    found = maps.fit_readouts(plain.model, plain.images, plain.images, name)
    weights, field = found[name].weights, found[name].field
    rows, columns = field.stride
    features, pixels = [], []
    for image, own in zip(plain.images.astype(float), plain.seen.maps, strict=True):
        for place in np.ndindex(own.shape[:2]):
            top, left = (
                offset + (size - step) // 2 + step * at
                for offset, size, step, at in zip(
                    field.offset, field.size, field.stride, place, strict=True
                )
            )
            block = image[max(top, 0) : top + rows, max(left, 0) : left + columns]
            if block.shape[:2] == (rows, columns) and min(top, left) >= 0:
                features.append([*own[place].astype(float), 1])
                pixels.append(block.ravel())
    features, pixels = np.array(features), np.array(pixels)
    # Of a ridge regression the rest, times the features, is a multiple of the weights.
    pull = features.T @ (pixels - features @ weights)
    slope = (pull * weights).sum() / (weights**2).sum()
    scale = np.abs(features.T @ pixels).max()
    assert np.abs(pull - slope * weights).max() <= plain.network.tolerance * scale
    assert slope >= -1e-6 * scale
    return found


@checks(maps, "maps", "images")
def filter_pattern(plain):
    name, (low, high) = plain.maps_name, (0.0, plain.network.white)
    inputs = getattr(plain.model, "inputs", None)  # a subclass has none
    rows, columns = inputs[0].shape[1:3] if inputs else (None, None)
    size = {} if columns else {"size": 12}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of one step, that it excites nothing
        found = maps.filter_pattern(
            plain.model, name, [0], steps=1, value_range=(low, high), **size
        )
    own = number(plain.look(plain.fitting(found.images)).maps)[..., 0]
    rows, columns = (slice(n // 4, n - n // 4) for n in own.shape[1:3])
    expected = np.maximum(own[:, rows, columns], 0).mean(axis=(1, 2))
    same(
        found.activations, expected, plain, tolerance=max(1e-3, plain.network.tolerance)
    )
    assert found.images.min() >= low and found.images.max() <= high


@checks(maps, "ours", unless=not_ours)
def vote_maps(plain):
    maps.vote_maps(plain.model, plain.images, 0, 1)


# explanations


@checks(explanations, "scores")
def class_probabilities(plain):
    found = explanations.class_probabilities(plain.model, plain.images)
    same(found, plain.probabilities(plain.images), plain)


def explained(plain, found, expected, tolerance=None):
    """Insist on the maps and the scores of an explanation."""
    same(found.score, plain.scores_of(plain.images), plain)
    same(found.values, expected, plain, tolerance=tolerance)


def largest(slopes):
    return np.abs(slopes).max(axis=-1)


@checks(explanations, "scores", "gradients")
def saliency_map(plain):
    found = explanations.saliency_map(plain.model, plain.images, plain.target)
    explained(plain, found, largest(plain.image_slopes))


@checks(explanations, "scores", "gradients")
def explain(plain):
    found = explanations.explain("saliency", plain.model, plain.images, plain.target)
    explained(plain, found, largest(plain.image_slopes))


@checks(explanations, "scores", "gradients")
def smooth_grad(plain):
    found = explanations.smooth_grad(
        plain.model, plain.images, plain.target, samples=2, noise=0
    )
    explained(plain, found, largest(plain.image_slopes))


@checks(explanations, "scores", "gradients")
def integrated_gradients(plain):
    found = explanations.integrated_gradients(
        plain.model, plain.images, plain.target, steps=128, batch_size=128
    )
    places = (np.arange(200) + 0.5) / 200
    expected = []
    for image, target in zip(plain.images, plain.target, strict=True):
        way = image * places[:, None, None, None].astype(image.dtype)
        slopes = plain.in_batches(way, lambda part, t=target: plain.slopes(part, t))
        expected.append((image * slopes.astype(float).mean(axis=0)).sum(axis=-1))
    explained(plain, found, expected, max(0.02, plain.network.tolerance))


def no_relu(plain):
    return None if any(map(is_relu, plain.operations.values())) else "no ReLU"


def is_relu(operation):
    own = getattr(operation, "activation", None)
    return (
        isinstance(operation, kl.ReLU)
        or type(operation).__name__ == "Relu"
        or own in (keras.activations.relu, keras.activations.relu6)
    )


@checks(explanations, "scores", "insides", "gradients", unless=no_relu)
def guided_backprop(plain):
    found = explanations.guided_backprop(plain.model, plain.images, plain.target)
    with relus("guided"):
        expected = plain.slopes(plain.images)
    explained(plain, found, largest(expected))


@checks(explanations, "scores", "insides", "gradients", unless=no_relu)
def deconvnet(plain):
    found = explanations.deconvnet(plain.model, plain.images, plain.target)
    with relus("deconvnet"):
        expected = plain.slopes(plain.images)
    explained(plain, found, largest(expected))


def of_last_maps(plain, found, weights, signed=False):
    """Insist on a sum of the last maps with weights (N, F) or (N, H', W', F)."""
    own = plain.seen.maps.astype(float)
    if weights.ndim == 2:
        weights = weights[:, None, None]
    sums = (own * weights).sum(axis=-1)
    assert found.layer == plain.maps_name
    explained(plain, found, sums if signed else np.maximum(sums, 0))


@checks(explanations, "scores", "class maps")
def grad_cam(plain):
    found = explanations.grad_cam(plain.model, plain.images, plain.target)
    of_last_maps(plain, found, plain.maps_slopes.astype(float).mean(axis=(1, 2)))


@checks(explanations, "scores", "class maps")
def hires_cam(plain):
    found = explanations.hires_cam(plain.model, plain.images, plain.target)
    of_last_maps(plain, found, plain.maps_slopes, signed=True)


@checks(explanations, "scores", "class maps")
def xgrad_cam(plain):
    found = explanations.xgrad_cam(plain.model, plain.images, plain.target)
    own, slopes = plain.seen.maps.astype(float), plain.maps_slopes.astype(float)
    totals = own.sum(axis=(1, 2))
    weights = (own * slopes).sum(axis=(1, 2)) / np.where(totals == 0, np.inf, totals)
    of_last_maps(plain, found, weights)


@checks(explanations, "scores", "class maps")
def grad_cam_plus_plus(plain):
    found = explanations.grad_cam_plus_plus(plain.model, plain.images, plain.target)
    own, slopes = plain.seen.maps.astype(float), plain.maps_slopes.astype(float)
    below = 2 * slopes**2 + own.sum(axis=(1, 2), keepdims=True) * slopes**3
    alphas = np.where(slopes == 0, 0, slopes**2 / np.where(below == 0, 1, below))
    of_last_maps(plain, found, (alphas * np.maximum(slopes, 0)).sum(axis=(1, 2)))


@checks(explanations, "scores", "class maps")
def ablation_cam(plain):
    found = explanations.ablation_cam(plain.model, plain.images, plain.target)

    def without(channel):
        seen = plain.look(plain.images, muting(plain, channel))
        return number(plain.score(seen.scores))

    whole, count = plain.scores_of(plain.images), plain.seen.maps.shape[-1]
    drops = np.stack([whole - without(channel) for channel in range(count)], axis=1)
    of_last_maps(plain, found, drops)


@checks(explanations, "scores")
def occlusion_map(plain):
    window = (4, 3)
    found = explanations.occlusion_map(
        plain.model, plain.images, plain.target, window=window
    )
    expected = np.empty((2, 3, 3))
    whole = plain.scores_of(plain.images)
    for which, target in enumerate(plain.target):
        hidden = plain.images[which][None].repeat(9, axis=0)
        for copy, (row, column) in zip(hidden, np.ndindex(3, 3), strict=True):
            copy[4 * row : 4 * row + 4, 3 * column : 3 * column + 3] = 0
        scores = plain.in_batches(hidden, lambda p, t=target: plain.scores_of(p, t))
        expected[which] = (whole[which] - scores).reshape(3, 3)
    explained(plain, found, expected)


@checks(explanations, "scores")
def lime(plain):
    found = explanations.lime(
        plain.model, plain.images, plain.target, segments=4, samples=16, baseline=0
    )
    expected = [
        by_patches(plain, image, target)
        for image, target in zip(plain.images, plain.target, strict=True)
    ]
    explained(plain, found, expected, max(1e-2, plain.network.tolerance))


def by_patches(plain, image, target):
    """Fit the score by what each patch adds: weighted least squares and a penalty."""
    low, high = image.min(), image.max()
    compactness = 10 if image.shape[-1] == 3 else 0.1
    patches = slic(
        (image - low) / (high - low), 4, compactness=compactness, start_label=0,
        channel_axis=-1,
    )  # fmt: skip
    count = patches.max() + 1
    shown = np.random.default_rng(0).random((16, count)) < 0.5
    copies = np.where(shown[:, patches][..., None], image, 0)
    scores = plain.in_batches(copies, lambda part: plain.scores_of(part, target))
    weights = np.exp(-(((1 - np.sqrt(shown.mean(axis=1))) / 0.25) ** 2))
    # The penalty on each coefficient, but for the constant, as rows of their own.
    columns = np.column_stack([shown, np.ones(16)]) * np.sqrt(weights)[:, None]
    penalty = np.sqrt(0.01) * np.eye(count, count + 1)
    rows = np.concatenate([columns, penalty])
    goal = np.concatenate([scores * np.sqrt(weights), np.zeros(count)])
    return np.linalg.lstsq(rows, goal, rcond=None)[0][:count][patches]


HEAT = np.random.default_rng(1).permutation(240).reshape(2, 12, 10)


def expected_curve(plain, inserted):
    """Return the target's probability with nothing, half and all of the pixels."""
    strong = np.argsort(np.argsort(-HEAT.reshape(2, -1))).reshape(HEAT.shape) < 60
    half = np.where((strong == inserted)[..., None], plain.images, 0)
    none, whole = np.zeros_like(plain.images), plain.images
    three = (none, half, whole) if inserted else (whole, half, none)
    several = [plain.probabilities(plain.fitting(images)) for images in three]
    return np.stack([p[[0, 1], list(plain.target)] for p in several], axis=1)


@checks(explanations, "scores")
def insertion_curve(plain):
    found = explanations.insertion_curve(
        plain.model, plain.images, plain.target, HEAT, steps=2
    )
    same(found, expected_curve(plain, True), plain)


@checks(explanations, "scores")
def deletion_curve(plain):
    found = explanations.deletion_curve(
        plain.model, plain.images, plain.target, HEAT, steps=2
    )
    same(found, expected_curve(plain, False), plain)


@checks(explanations, "copies")
def with_random_weights(plain):
    before = [number(weight.value) for weight in plain.model.weights]
    *_, (_, copy) = explanations.with_random_weights(plain.model)
    for own, weight in zip(before, plain.model.weights, strict=True):
        np.testing.assert_array_equal(own, number(weight.value))  # it stays as it is
    for own, weight in zip(before, copy.weights, strict=True):
        changed = number(weight.value)
        if own.ndim > 1:
            assert not np.array_equal(changed, own), weight.path
    assert np.isfinite(answers_of(copy, plain)).all()


@checks(explanations, "scores", "copies")
def assess(plain):
    """Whatever the method: here one that answers with the bytes of the picture."""
    shown, asked = plain.images.astype(float).max(axis=-1), []

    def brightness(model, images, target):
        asked.append(model)
        return SimpleNamespace(on_pixels=lambda: shown)

    found = explanations.assess(
        brightness, plain.model, plain.images, plain.target, steps=2
    )
    whole = plain.probabilities(plain.images)[[0, 1], list(plain.target)]
    none = plain.probabilities(np.zeros_like(plain.images))[[0, 1], list(plain.target)]
    same(found.deletion[:, [0, -1]], np.stack([whole, none], axis=1), plain)
    same(found.insertion[:, [0, -1]], np.stack([none, whole], axis=1), plain)
    assert len(asked) == 2 + len(found.random_weights)
    assert plain.model not in asked[1:-1] and plain.model is asked[0]


# training


@checks(training, "scores", unless=white_is_open)
def predict(plain):
    pictures = plain.images / plain.network.white
    found = training.predict(plain.model, pictures.astype("float32"))
    same(found, plain.probabilities(plain.images), plain)


@checks(training, "scores", unless=white_is_open)
def evaluate(plain):
    pictures = (plain.images / plain.network.white).astype("float32")
    labels = np.array([1, 1])
    found = training.evaluate(
        plain.model, SimpleNamespace(images=pictures, labels=labels)
    )
    expected = plain.probabilities(plain.images)
    same(found.loss, -np.log(expected[:, 1]).mean(), plain)
    same(found.accuracy, (expected.argmax(axis=1) == 1).mean(), plain)


def no_slope(plain):
    if plain.network.kind != "logits":
        return "must return logits|is none of those with a kernel"
    return white_is_open(plain)


@checks(training, "scores", unless=no_slope)
def loss_slope(plain):
    pictures = (plain.images / plain.network.white).astype("float32")
    split = SimpleNamespace(images=pictures, labels=np.array([1, 1]))
    loss, slope = training.loss_slope(plain.model, split, plain.maps_name)
    kernel = plain.maps_layer.kernel.value
    with tf.GradientTape() as tape:
        scores = plain.look(plain.images).scores
        expected = tf.reduce_mean(tf.reduce_logsumexp(scores, axis=1) - scores[:, 1])
    same(loss, number(expected), plain)
    same(slope, number(tape.gradient(expected, kernel)), plain)


@checks(training, "maps", unless=white_is_open)
def describe(plain):
    described(plain, training.describe)


@checks(training, "maps", unless=white_is_open)
def features(plain):
    described(plain, training.features)


def described(plain, function):
    name = plain.maps_name
    pictures = plain.images / np.float32(plain.network.white)
    found = function(plain.model, pictures.astype("float32"), [name])[name]
    expected = 0
    for images in (plain.images, plain.images[:, :, ::-1]):
        above = np.maximum(number(plain.look(images).maps), 0)
        both = above.mean(axis=(1, 2)), above.max(axis=(1, 2))
        expected = expected + np.sqrt(np.concatenate(both, axis=1)) / 2
    same(found, expected, plain)


@checks(training, "maps", unless=white_is_open)
def mixtures(plain):
    name = plain.maps_name
    pictures = plain.images / np.float32(plain.network.white)
    found = training.mixtures(plain.model, pictures.astype("float32"), [name])[name]
    roots = np.sqrt(np.maximum(plain.seen.maps, 0)).reshape(
        -1, plain.seen.maps.shape[-1]
    )
    same(found.middle, roots.mean(axis=0), plain)
    amounts = (roots - roots.mean(axis=0)) @ found.directions
    same(
        amounts.T @ amounts / len(amounts),
        np.eye(amounts.shape[1]),
        plain,
        tolerance=1e-2,
    )


# widgets


def no_photo(plain):
    return no_page(plain) or no_colours(plain) or white_is_open(plain)


def no_colours(plain):
    return None if plain.inputs[0].shape[-1] in (1, 3) else "photos have 1 or 3"


def shown(plain, widget):
    exported(plain, widget.data["network"]["classifier"], tolerance=2e-3)


def no_votes(plain):
    layers = [o for o in plain.operations.values() if not is_network(o)]
    kept = [o for o in layers if not isinstance(o, (kl.Dropout, kl.RandomFlip))]
    if type(kept[-1]) is kl.Softmax or (
        getattr(kept[-1], "activation", None) in (keras.activations.softmax,)
        and not isinstance(kept[-1], kl.Dense)
    ):
        kept.pop()
    end = getattr(kept[-1], "activation", None)
    voting = (
        isinstance(kept[-1], kl.Dense)
        and isinstance(kept[-2], (kl.Flatten, kl.GlobalAveragePooling2D))
        and end in (keras.activations.linear, keras.activations.softmax)
        and kept[-1].units > 1
        and plain.network.maps is not None
    )
    return no_photo(plain) or (None if voting else "must end in Flatten")


@checks(widgets, "export", "votes", unless=no_votes)
def fully_connected_explorer(plain):
    shown(plain, widgets.fully_connected_explorer(plain.model))


@checks(widgets, "export", "scores", unless=no_photo)
def photo_lab(plain):
    shown(plain, widgets.photo_lab(plain.model))


@checks(widgets, "export", "maps", unless=no_photo)
def feature_map_explorer(plain):
    shown(plain, widgets.feature_map_explorer(plain.model))


def no_conv(plain):
    return None if kinds(plain, kl.Conv2D) else "no Conv2D"


@checks(widgets, "scores", unless=no_conv)
def take_snapshots(plain):
    weights = plain.model.get_weights()
    found = widgets.take_snapshots(
        plain.model, {0: weights, 1: weights}, plain.images[0]
    )
    expected = plain.probabilities(plain.images)[:1]
    same(found.probabilities, expected.repeat(2, axis=0), plain)


@checks(
    widgets,
    "scores",
    unless=lambda plain: no_conv(plain) or no_photo_of_known_white(plain),
)
def training_scrubber(plain):
    weights = plain.model.get_weights()
    bytes_ = np.random.default_rng(1).integers(0, 256, (12, 10, 3), np.uint8)
    found = widgets.training_scrubber(plain.model, {0: weights, 1: weights}, bytes_)
    count, picture = plain.inputs[0].shape[-1], bytes_ / 255
    grey = picture @ [[0.299], [0.587], [0.114]]  # ITU-R BT.601
    pictures = picture if count == 3 else grey
    expected = plain.probabilities(plain.fitting(plain.network.white * pictures[None]))
    facts = found.data["training"]["facts"]
    same(facts["probabilities"], expected.repeat(2, axis=0), plain)


def no_photo_of_known_white(plain):
    return no_colours(plain) or white_is_open(plain)


def takes_a_model(function):
    """Tell whether a public function takes a Keras model."""
    if not inspect.isroutine(function):
        return False
    parameters = inspect.signature(function).parameters.values()
    return any("keras.Model" in str(parameter.annotation) for parameter in parameters)
