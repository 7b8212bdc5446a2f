"""What is written is the network: its layers, their sizes, and all of its weights."""

import base64
import json
import os
import re

import keras
import numpy as np
import pytest
from keras import layers as kl

from cnnbook import layers, networks, pictures

# --- Networks of every kind that can be exported, for these tests and the browser's.


def alive(network, seed=1):
    """Give a network weights and statistics as training would leave them."""
    rng = np.random.default_rng(seed)
    for layer in network._flatten_layers():
        if isinstance(layer, kl.BatchNormalization):
            count = layer.moving_mean.shape[0]
            layer.moving_mean.assign(rng.normal(0, 0.3, count))
            layer.moving_variance.assign(rng.uniform(0.2, 2, count))
            if layer.scale:
                layer.gamma.assign(rng.normal(0, 1, count))
            if layer.center:
                layer.beta.assign(rng.normal(0, 0.5, count))
        elif isinstance(layer, kl.Conv2D | kl.Dense):
            shape = layer.kernel.shape
            layer.kernel.assign(rng.normal(0, np.prod(shape[:-1]) ** -0.5, shape))
            if layer.use_bias:
                layer.bias.assign(rng.normal(0, 0.3, layer.bias.shape))
    return network


def chain(shape, *parts):
    return alive(keras.Sequential([keras.Input(shape), *parts]))


def plain():
    return networks.build_classifier()


def normalised():
    """Odd sizes, strides, holes, no biases, and normalisation of every kind."""
    return chain(
        (37, 29, 3),
        kl.Rescaling([2, 3, 4], [-1, 0, 0.5]),
        kl.Conv2D(7, (5, 3), strides=2, padding="same", use_bias=False),
        kl.BatchNormalization(),
        kl.ReLU(),
        kl.ZeroPadding2D(((1, 2), (0, 3))),
        kl.Conv2D(8, 3, dilation_rate=(2, 3), padding="same"),
        kl.BatchNormalization(axis=3, scale=False, epsilon=0.1),
        kl.LeakyReLU(0.1),
        kl.Conv2D(5, 2, strides=(1, 2), activation="relu"),
        kl.BatchNormalization(center=False),
        kl.Conv2D(6, 3, dilation_rate=2),
        kl.Conv2D(4, 1, strides=3, padding="same"),
    )


def pools():
    return chain(
        (31, 40, 2),
        kl.MaxPooling2D(3, strides=2, padding="same"),
        kl.AveragePooling2D(3, strides=1, padding="same"),
        kl.AveragePooling2D((2, 5), strides=(1, 2), padding="same"),
        kl.MaxPooling2D((3, 2), strides=1),
        kl.AveragePooling2D(3),
        kl.GlobalAveragePooling2D(keepdims=True),
        kl.Conv2D(6, 1),
        kl.GlobalMaxPooling2D(),
    )


def activated():
    """Every activation, as a layer and within one."""
    parts = []
    names = [function.keras_name for function in layers.ACTIVATIONS]
    for name in (*names, "softmax", "linear"):
        parts += [kl.Conv2D(6, 3, padding="same"), kl.Activation(name)]
        parts += [kl.Conv2D(6, 3, padding="same", activation=name)]
    parts += [kl.ReLU(negative_slope=0.3), kl.Conv2D(3, 1, activation=kl.LeakyReLU())]
    return chain((9, 8, 3), *parts, kl.Softmax(), kl.Rescaling(900, -400), kl.Softmax())


def voting():
    return chain(
        (6, 5, 3),
        kl.Dense(4, activation="tanh"),
        kl.Flatten(),
        kl.Dense(30, activation="gelu", use_bias=False),
        kl.BatchNormalization(),
        kl.Dense(7, activation="relu"),
        kl.Dense(3, activation="softmax"),
    )


def nested():
    """A model inside, for images of any size, a layer used twice, dropout, changes."""
    inner = keras.Input((None, None, 3), name="inner_image")
    maps = kl.Conv2D(4, 3, padding="same", name="conv")(inner)
    stem = keras.Model(inner, kl.ReLU(name="relu")(maps), name="stem")
    image = keras.Input((12, 10, 3), name="image")
    changed = kl.RandomFlip(name="flip")(kl.Rescaling(1 / 255, name="scale")(image))
    twice = kl.Conv2D(4, 3, activation="tanh", name="twice")
    x = twice(inputs=twice(kl.SpatialDropout2D(0.5, name="drop")(stem(changed))))
    end = keras.Sequential(
        [kl.GlobalMaxPooling2D(name="pool"), kl.Dense(2)], name="end"
    )
    return alive(keras.Model(image, kl.Dropout(0.5, name="out")(end(x))))


def at_random(seed):
    """Convolutions and pools of any geometry that Keras takes, one after the other."""
    rng = np.random.default_rng(seed)
    parts = []
    for _ in range(3):
        dilation = rng.integers(1, 4, 2) if rng.random() < 0.5 else np.array([1, 1])
        strides = rng.integers(1, 4, 2) if dilation.max() == 1 else np.array([1, 1])
        kernel, window, steps = rng.integers(1, 5, (3, 2))
        conv = kl.Conv2D(
            int(rng.integers(1, 9)),
            kernel.tolist(),
            strides=strides.tolist(),
            dilation_rate=dilation.tolist(),
            padding=str(rng.choice(["same", "valid"])) if len(parts) < 2 else "same",
        )
        pool = kl.MaxPooling2D if rng.random() < 0.5 else kl.AveragePooling2D
        parts += [conv, pool(window.tolist(), steps.tolist(), padding="same")]
    rows, columns = rng.integers(30, 70, 2)
    return alive(
        keras.Sequential([keras.Input((int(rows), int(columns), 3)), *parts]), seed
    )


NETWORKS = {
    "plain": plain,
    "shipped": networks.load_classifier,
    "normalised": normalised,
    "pools": pools,
    "activated": activated,
    "voting": voting,
    "nested": nested,
} | {f"random{seed}": lambda seed=seed: at_random(seed) for seed in range(8)}


def image_for(network):
    """The cat for networks of this package; else noise, with averages that differ."""
    if network.inputs[0].name == pictures.INTENSITIES:
        return pictures.model_cat(network.input_shape[1:3])
    _, columns, channels = shape = network.input_shape[1:]
    noise = np.random.default_rng(2).random(shape, np.float32)
    noise *= np.linspace(0.3, 1, columns, dtype="float32")[:, None]
    return noise * np.linspace(1, 0.5, channels, dtype="float32")


def keras_outputs(network, image):
    """What Keras computes: {layer: one image's output}."""
    connections = networks.connections(network)
    outputs = networks.run(connections, image[None], networks.layer_calls(network))
    return {name: np.asarray(output)[0] for name, output in outputs.items()}


def off_by(ours, theirs):
    """The largest difference, as a part of the range of the true numbers.

    Of a single number, as a part of that.
    """
    return np.abs(ours - theirs).max() / (np.ptp(theirs) or np.abs(theirs).max())


# --- Reading a file, by other code than any that is tested.


def read(path):
    """Return what is in a file, and each layer's arrays by name."""
    text = path.read_text(encoding="ascii")
    match = re.fullmatch(r"cnnbook\.register\((\{.*\})\);\n", text)
    header = json.loads(match[1])
    kind = {"float32": "<f4", "float16": "<f2"}[header["dtype"]]
    numbers = np.frombuffer(base64.b64decode(header["weights"]), kind)
    assert len(numbers) == header["count"]
    arrays = {}
    for layer in header["layers"]:
        for label, place in layer.get("arrays", {}).items():
            stop = place["offset"] + np.prod(place["shape"])
            part = numbers[place["offset"] : stop].astype("float32")
            arrays[layer["name"], label] = part.reshape(place["shape"])
    return header, arrays


def exported(network, folder, **options):
    networks.export_network(network, folder / "network.js", **options)
    return read(folder / "network.js")


def computed(header, arrays, image):
    """Run a file by the NumPy layers of this package: {layer: output}."""
    x, outputs = image[None], {}
    for layer in header["layers"]:
        name, kind = layer["name"], layer["kind"]
        bias = arrays.get((name, "bias"))
        if kind == "conv2d":
            geometry = layer["strides"], layer["padding"], layer["dilation_rate"]
            options = dict(
                zip(("stride", "padding", "dilation"), geometry, strict=True)
            )
            x = layers.conv2d(x, arrays[name, "kernel"], bias, **options)
        elif kind == "dense":
            rows = x.reshape(-1, x.shape[-1])
            rows = layers.dense(rows, arrays[name, "kernel"], bias)
            x = rows.reshape(*x.shape[:-1], -1)
        elif kind == "batch_normalization":
            x = x * arrays[name, "factor"] + arrays[name, "offset"]
        elif kind == "rescaling":
            x = x * np.float32(layer["scale"]) + np.float32(layer["offset"])
        elif kind in ("max_pool2d", "avg_pool2d"):
            pool = getattr(layers, kind)
            options = {"stride": layer["strides"], "padding": layer["padding"]}
            x = pool(x, layer["pool_size"], **options)
        elif kind.startswith("global"):
            reduce = np.max if "max" in kind else np.mean
            x = reduce(x, axis=(1, 2), keepdims=layer["keepdims"])
        elif kind == "zero_padding2d":
            x = np.pad(x, ((0, 0), *layer["padding"], (0, 0)))
        elif kind == "flatten":
            x = layers.flatten(x)
        else:
            assert kind in ("input", "activation", "train_only")
        activation = layer.get("activation", {"kind": "linear"})
        if (function := activation.pop("kind")) != "linear":
            x = getattr(layers, function)(x, **activation)
        assert list(x.shape[1:]) == layer["shape"]
        outputs[name] = x[0]
    return outputs


# --- What the file holds


@pytest.mark.parametrize("name", NETWORKS)
def test_the_file_alone_gives_what_keras_gives_at_every_layer(tmp_path, name):
    network = NETWORKS[name]()
    image = image_for(network)
    ours, theirs = (
        computed(*exported(network, tmp_path), image),
        keras_outputs(network, image),
    )
    assert list(ours) == list(theirs)
    for layer in ours:
        assert off_by(ours[layer], theirs[layer]) < 1e-5, layer


def test_the_header_describes_the_network_and_each_layer(tmp_path):
    network = networks.build_classifier((16, 12, 3), filters=(4,))
    header, _ = exported(network, tmp_path, class_names=["cat", "dog"])
    del header["weights"]
    assert header == {
        "format": 1,
        "name": "network",
        "input": [16, 12, 3],
        "range": [0, 1],
        "classes": ["cat", "dog"],
        "dtype": "float32",
        "count": 3 * 3 * 3 * 4 + 4 + 8 * 6 * 4 * 2 + 2,
        "layers": [
            {"name": "intensities", "kind": "input", "shape": [16, 12, 3]},
            {
                "name": "block1_conv",
                "kind": "conv2d",
                "shape": [16, 12, 4],
                "strides": [1, 1],
                "padding": "same",
                "dilation_rate": [1, 1],
                "arrays": {
                    "kernel": {"shape": [3, 3, 3, 4], "offset": 0},
                    "bias": {"shape": [4], "offset": 108},
                },
            },
            {
                "name": "block1_relu",
                "kind": "activation",
                "shape": [16, 12, 4],
                "activation": {"kind": "relu"},
            },
            {
                "name": "block1_pool",
                "kind": "max_pool2d",
                "shape": [8, 6, 4],
                "pool_size": [2, 2],
                "strides": [2, 2],
                "padding": "valid",
            },
            {"name": "flatten", "kind": "flatten", "shape": [192]},
            {
                "name": "logits",
                "kind": "dense",
                "shape": [2],
                "arrays": {
                    "kernel": {"shape": [192, 2], "offset": 112},
                    "bias": {"shape": [2], "offset": 496},
                },
            },
        ],
    }


def test_arrays_lie_side_by_side_and_fill_the_weights(tmp_path):
    header, arrays = exported(normalised(), tmp_path)
    end = 0
    for layer in header["layers"]:
        for place in layer.get("arrays", {}).values():
            assert place["offset"] == end
            end += int(np.prod(place["shape"]))
    assert end == header["count"] == sum(array.size for array in arrays.values())


def test_single_precision_keeps_every_bit(tmp_path):
    network = networks.load_classifier()
    _, arrays = exported(network, tmp_path)
    for (name, label), array in arrays.items():
        kept = keras.ops.convert_to_numpy(getattr(network.get_layer(name), label))
        np.testing.assert_array_equal(array, kept)


def test_half_precision_takes_half_the_room_and_keeps_three_digits(tmp_path):
    network = networks.load_classifier()
    _, whole = exported(network, tmp_path)
    size = (tmp_path / "network.js").stat().st_size
    header, halves = exported(network, tmp_path, dtype="float16")
    assert header["dtype"] == "float16"
    assert (tmp_path / "network.js").stat().st_size < 0.52 * size
    for place, array in whole.items():
        np.testing.assert_array_equal(halves[place], array.astype("float16"))


def test_half_precision_hardly_moves_the_logits_of_the_classifier(tmp_path):
    network = networks.load_classifier()
    image = image_for(network)
    logits = computed(*exported(network, tmp_path, dtype="float16"), image)["logits"]
    assert off_by(logits, keras_outputs(network, image)["logits"]) < 0.01


@pytest.mark.parametrize(
    ("dtype", "most"), [("float32", 250_000), ("float16", 125_000)]
)
def test_the_classifier_is_small_enough_for_a_page(tmp_path, dtype, most):
    exported(networks.load_classifier(), tmp_path, dtype=dtype)
    assert (tmp_path / "network.js").stat().st_size <= most


def test_layers_of_models_inside_go_by_their_path(tmp_path):
    header, arrays = exported(nested(), tmp_path)
    names = [layer["name"] for layer in header["layers"]]
    assert names[:5] == ["image", "scale", "flip", "stem/inner_image", "stem/conv"]
    assert header["layers"][4]["shape"] == [12, 10, 4]  # though the model takes any
    assert {"twice", "twice#2", "end/pool"} < set(names)
    np.testing.assert_array_equal(arrays["twice", "bias"], arrays["twice#2", "bias"])


def test_class_names_come_with_the_network_unless_others_are_given(tmp_path):
    network = networks.load_classifier()
    assert exported(network, tmp_path)[0]["classes"] == ["cat", "dog"]
    names = ["Katze", "Hund <b> </script>"]
    header, _ = exported(network, tmp_path, class_names=names)
    assert header["classes"] == names
    assert "<" not in (tmp_path / "network.js").read_text()
    assert exported(plain(), tmp_path)[0]["classes"] is None


def test_the_range_of_the_images_is_said_where_it_is_known(tmp_path):
    assert exported(plain(), tmp_path)[0]["range"] == [0, 1]
    assert exported(nested(), tmp_path)[0]["range"] == [0, 255]
    silent = keras.Sequential([keras.Input((8, 8, 3)), kl.Conv2D(2, 3)])
    assert exported(silent, tmp_path)[0]["range"] is None
    silent.white = 255
    assert exported(silent, tmp_path)[0]["range"] == [0, 255]


# --- What cannot be exported is refused by name


class OwnConvolution(kl.Conv2D):
    pass


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (
            kl.DepthwiseConv2D(3, name="odd"),
            r"'odd' is a DepthwiseConv2D.*runs.*Conv2D",
        ),
        (
            kl.UpSampling2D(name="odd"),
            "'odd' is a UpSampling2D, which a page cannot run",
        ),
        (OwnConvolution(2, 3, name="odd"), "'odd' is a OwnConvolution"),
        (kl.Conv2D(4, 3, groups=2, name="odd"), "'odd', a Conv2D, has groups=2"),
        (kl.ReLU(max_value=6, name="odd"), r"'odd', a ReLU, has max_value=6"),
        (kl.BatchNormalization(axis=1, name="odd"), "has axis=1.*axis=-1 alone"),
        (kl.Softmax(axis=1, name="odd"), "'odd', a Softmax, has axis=1"),
        (kl.Conv2D(4, 3, activation="elu", name="odd"), "'odd', a Conv2D.*'elu'.*gelu"),
        (kl.Dense(4, activation=kl.PReLU(), name="odd"), "'odd', a Dense.*'PReLU'"),
        (kl.Dense(4, activation=kl.ReLU(6.0), name="odd"), "'odd', a ReLU, has max_v"),
        (
            kl.Activation(lambda x: keras.activations.gelu(x, True), name="odd"),
            "'odd', a Activation, has the activation '<lambda>'",
        ),
        (kl.Rescaling(np.ones((6, 1, 4)), name="odd"), r"scale of shape \(6, 1, 4\)"),
    ],
)
def test_other_layers_and_options_are_refused_by_name(tmp_path, layer, message):
    network = keras.Sequential([keras.Input((6, 6, 4)), layer])
    with pytest.raises(ValueError, match=message):
        exported(network, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_class_that_only_bears_the_name_of_a_known_one_is_refused(tmp_path):
    network = networks.training_form(plain())  # with its own BatchNormalization
    with pytest.raises(ValueError, match=r"'block1_norm' is a Batch.*another make"):
        exported(network, tmp_path)


def branching(make_end):
    image = keras.Input((6, 6, 3), name="image")
    maps = kl.Conv2D(4, 3, name="first")(image)
    return keras.Model(image, make_end(maps), name="branches")


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (
            lambda: branching(lambda x: kl.Add(name="sum")([x, x])),
            "'sum', a Add.*chains",
        ),
        (lambda: branching(lambda x: x * 2), "is a Multiply, which a page cannot run"),
        (
            lambda: branching(lambda x: x - np.ones(4)),
            "is a Subtract, which a page cannot run",
        ),
        (
            lambda: branching(
                lambda x: kl.Softmax(name="odd")(x, mask=np.array([True] * 3 + [False]))
            ),
            "'odd', a Softmax, is given a constant besides",
        ),
        (lambda: branching(lambda x: [x, kl.ReLU()(x)]), "'branches' has 2 outputs"),
        (
            lambda: keras.Sequential([keras.Input((None, None, 3)), kl.Conv2D(2, 3)]),
            r"takes images of any size, \(None, None, 3\)",
        ),
        (lambda: keras.Sequential([kl.Conv2D(2, 3)]), "not built yet"),
        (lambda: "network", "functional or Sequential"),
    ],
)
def test_what_is_no_chain_for_one_image_is_refused(tmp_path, network, message):
    with pytest.raises(ValueError, match=message):
        exported(network(), tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "int8"}, "float32, float16; got 'int8'"),
        ({"class_names": ["cat"]}, "must be 2.*got 1: cat"),
    ],
)
def test_options_that_cannot_be_are_refused(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        exported(plain(), tmp_path, **options)


def test_a_file_with_another_ending_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"end in \.js; got network\.json"):
        networks.export_network(plain(), tmp_path / "network.json")


@pytest.mark.parametrize(
    ("number", "dtype", "message"),
    [
        (np.nan, "float32", "kernel of layer 'logits' is not finite"),
        (1e6, "float16", r"'logits' has numbers up to 1e\+06.*use dtype='float32'"),
        (1e-7, "float16", r"numbers up to 1e-07.*use dtype='float32'"),
    ],
)
def test_weights_that_would_not_survive_are_refused(tmp_path, number, dtype, message):
    network = plain()
    kernel, bias = network.get_layer("logits").get_weights()
    network.get_layer("logits").set_weights([np.full_like(kernel, number), bias])
    with pytest.raises(ValueError, match=message):
        exported(network, tmp_path, dtype=dtype)


def test_small_weights_are_no_obstacle_to_single_precision(tmp_path):
    network = plain()
    kernel, bias = network.get_layer("logits").get_weights()
    network.get_layer("logits").set_weights([np.full_like(kernel, 1e-7), bias])
    assert exported(network, tmp_path)[1]["logits", "kernel"].max() == np.float32(1e-7)


# --- Writing


def test_the_file_that_was_there_stays_if_writing_fails(tmp_path, monkeypatch):
    path = tmp_path / "network.js"
    path.write_text("older")

    def fail(*args):
        raise OSError("no room")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="no room"):
        networks.export_network(plain(), path)
    assert path.read_text() == "older"
    assert list(tmp_path.iterdir()) == [path]


def test_exporting_leaves_the_network_as_it_was(tmp_path):
    network = nested()
    calls = list(networks.layer_calls(network))
    nodes = [len(layer._inbound_nodes) for layer in network.layers]
    exported(network, tmp_path)
    first = (tmp_path / "network.js").read_bytes()
    exported(network, tmp_path)
    assert (tmp_path / "network.js").read_bytes() == first
    assert list(networks.layer_calls(network)) == calls
    assert [len(layer._inbound_nodes) for layer in network.layers] == nodes
