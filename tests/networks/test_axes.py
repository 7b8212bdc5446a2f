"""Rows, columns and channels are where the layers have them."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from cnnbook import explanations, maps, networks
from cnnbook.networks.graph import axes_in
from cnnbook.networks.traits import permutation_of

pytestmark = pytest.mark.xdist_group("explanations")

kl = keras.layers
SIZE = (12, 16, 3)


def runs_channels_first():
    try:
        tf.nn.conv2d(tf.ones((1, 1, 1, 1)), tf.ones((1, 1, 1, 1)), 1, "VALID", "NCHW")
    except tf.errors.OpError:
        return False
    return True


needs_channels_first = pytest.mark.skipif(
    not runs_channels_first(), reason="TensorFlow runs channels first with oneDNN alone"
)


def body(axis, **where):
    """The layers of a small network, with channels on this axis."""
    return [
        kl.Conv2D(4, 3, activation="relu", name="conv", **where),
        kl.BatchNormalization(axis=axis, name="norm"),
        kl.MaxPooling2D((2, 1), name="pool", **where),
        kl.DepthwiseConv2D((1, 3), strides=2, padding="same", name="deep", **where),
        kl.ZeroPadding2D(((1, 0), (0, 2)), name="padding", **where),
        kl.Conv2DTranspose(3, 2, name="up", **where),
        kl.GlobalAveragePooling2D(**where),
        kl.Dense(2, name="scores"),
    ]


def by_option():
    image = keras.Input(SIZE)
    moved = kl.Permute((3, 1, 2), name="turned")
    return keras.Sequential([image, moved, *body(1, data_format="channels_first")])


def by_configuration():
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_first")
    try:
        layers = [kl.Permute((3, 1, 2), name="turned"), *body(1)]
    finally:
        keras.config.set_image_data_format(before)
    return keras.Sequential([keras.Input(SIZE), *layers])


def by_operations():
    image = keras.Input(SIZE)
    maps = keras.ops.moveaxis(image, -1, 1)
    for layer in body(1, data_format="channels_first"):
        maps = layer(maps)
    return keras.Model(image, maps)


def by_a_function():
    image = keras.Input(SIZE)
    maps = kl.Lambda(lambda image: tf.transpose(image, (0, 3, 1, 2)))(image)
    for layer in body(1, data_format="channels_first"):
        maps = layer(maps)
    return keras.Model(image, maps)


def back_again():
    """A network for channels first whose layers have them last, put behind a turn."""
    inner = keras.Sequential(
        [keras.Input((3, 12, 16)), kl.Permute((2, 3, 1)), *body(-1)], name="inner"
    )
    return keras.Sequential([keras.Input(SIZE), kl.Permute((3, 1, 2)), inner])


FIRST = {
    "data_format": by_option,
    "image_data_format": by_configuration,
    "moveaxis": by_operations,
    "a function of one's own": by_a_function,
}
ALL = {**FIRST, "channels first, and last again": back_again}
MAPS = ["conv", "norm", "pool", "deep", "padding", "up"]


def plain():
    return keras.Sequential([keras.Input(SIZE), *body(-1)])


def pair(name):
    """A network, and the one with channels last that computes the same."""
    model, twin = ALL[name](), plain()
    rng = np.random.default_rng(0)
    twin.set_weights([rng.normal(size=own.shape) ** 2 for own in twin.get_weights()])
    model.set_weights(twin.get_weights())
    return model, twin, "inner/" if name.startswith("channels") else ""


@needs_channels_first
@pytest.mark.parametrize("name", ALL)
def test_maps_have_channels_last_wherever_the_layers_have_them(rng, name):
    model, twin, inside = pair(name)
    images = rng.random((2, *SIZE), np.float32)
    found = maps.feature_maps(model, images)
    right = maps.feature_maps(twin, images)
    assert [*right] == MAPS
    for layer in MAPS:
        np.testing.assert_allclose(found[inside + layer], right[layer], rtol=1e-4)
    audit = maps.channel_audit(model, images, inside + "conv")[inside + "conv"]
    assert len(audit) == 4


@pytest.mark.slow
@needs_channels_first
@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    "method", ["grad-cam", "grad-cam++", "xgrad-cam", "hires-cam", "ablation-cam"]
)
def test_class_maps_are_those_of_the_twin_with_channels_last(rng, name, method):
    model, twin, inside = pair(name)
    images = rng.random((2, *SIZE), np.float32)
    for layer in "pool", None:
        named = layer and inside + layer
        found = explanations.explain(method, model, images, 1, layer=named)
        right = explanations.explain(method, twin, images, 1, layer=layer)
        assert found.layer == inside + right.layer
        scale = np.abs(right.values).max()
        np.testing.assert_allclose(found.values, right.values, atol=1e-4 * scale)


@needs_channels_first
@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("method", ["saliency", "occlusion"])
def test_maps_of_the_image_are_those_of_the_twin_with_channels_last(rng, name, method):
    model, twin, _ = pair(name)
    images = rng.random((1, *SIZE), np.float32)
    found = explanations.explain(method, model, images, 1).values
    right = explanations.explain(method, twin, images, 1).values
    np.testing.assert_allclose(found, right, atol=1e-4 * np.abs(right).max())


@pytest.mark.slow
@needs_channels_first
@pytest.mark.parametrize(
    "name", ["data_format", "moveaxis", "channels first, and last again"]
)
@pytest.mark.parametrize("layer", ["conv", "norm", "pool", "deep", "padding"])
def test_fields_and_traces_are_those_of_the_twin_with_channels_last(rng, name, layer):
    model, twin, inside = pair(name)
    field = maps.receptive_field(model, inside + layer)
    assert field == maps.receptive_field(twin, layer)
    image = rng.random(SIZE, np.float32)
    place = (1, 2, 3)
    found = maps.trace(model, image, inside + layer, place)
    right = maps.trace(twin, image, layer, place)
    assert found[0].value == pytest.approx(right[0].value, rel=1e-4)
    assert (found[-1].rows, found[-1].columns) == (right[-1].rows, right[-1].columns)
    np.testing.assert_allclose(
        found[-1].weights, right[-1].weights, rtol=1e-3, atol=1e-6
    )


def test_maps_with_rows_and_columns_exchanged_lie_as_the_image_does(rng):
    """Each number sees the pixels of its field, and no others."""
    model = keras.Sequential(
        [
            keras.Input((6, 8, 1)),
            kl.Permute((2, 1, 3)),
            kl.Conv2D(1, (3, 1), name="conv"),  # three columns of the image
        ]
    )
    field = maps.receptive_field(model, "conv")
    assert field.size == (1, 3)
    image = rng.random((1, 6, 8, 1), np.float32)
    before = maps.feature_maps(model, image, "conv")["conv"]
    assert before.shape == (1, 6, 6, 1)
    image[0, 2, 5] += 1
    changed = maps.feature_maps(model, image, "conv")["conv"] != before
    assert {*map(tuple, np.argwhere(changed)[:, 1:3].tolist())} == {
        (row, column)
        for row, column in np.ndindex(6, 6)
        if row == 2 and field.window(row, column)[1].start <= 5 < column + 3
    }


TAKES_FIRST = {
    "layers with channels first": lambda: keras.Sequential(
        [keras.Input((3, 16, 20)), *body(1, data_format="channels_first")]
    ),
    "a turn to channels last": lambda: keras.Sequential(
        [keras.Input((3, 16, 20)), kl.Permute((2, 3, 1)), *body(-1)]
    ),
    "a turn by transpose": lambda: keras.Sequential(
        [
            keras.Input((3, 16, 20)),
            kl.Rescaling(2.0),
            kl.Permute((3, 2, 1)),
            kl.Permute((2, 1, 3)),
            *body(-1),
        ]
    ),
}


@pytest.mark.parametrize("name", TAKES_FIRST)
@pytest.mark.parametrize(
    "look",
    [
        lambda model, images: maps.feature_maps(model, images),
        lambda model, images: maps.receptive_field(model, "conv"),
        lambda model, images: maps.channel_audit(model, images, "conv"),
        lambda model, images: maps.trace(model, images[0], "conv", (0, 0, 0)),
        lambda model, images: explanations.grad_cam(model, images, 1),
        lambda model, images: explanations.saliency_map(model, images, 1),
        lambda model, images: explanations.class_probabilities(model, images),
    ],
)
def test_images_with_channels_first_are_refused_with_what_to_do(name, look):
    model = TAKES_FIRST[name]()
    message = r"read as \(N, C, H, W\).*Input\(\(16, 20, 3\)\), .*Permute\(\(3, 1, 2"
    with pytest.raises(ValueError, match=message):
        look(model, np.ones((1, 3, 16, 20), np.float32))


@needs_channels_first
def test_what_the_refusal_says_to_do_is_right(rng):
    model = TAKES_FIRST["layers with channels first"]()
    behind = keras.Sequential([keras.Input((16, 20, 3)), kl.Permute((3, 1, 2)), model])
    images = rng.random((2, 16, 20, 3), np.float32)
    found = explanations.class_probabilities(behind, images)
    right = keras.ops.softmax(model(np.moveaxis(images, -1, 1)))
    np.testing.assert_allclose(found, right, atol=1e-6)


class Block(kl.Layer):
    def __init__(self, **options):
        super().__init__(**options)
        self.conv = kl.Conv2D(4, 3, data_format="channels_first")

    def call(self, image):
        return self.conv(image)


@needs_channels_first
def test_a_layer_of_ones_own_has_channels_where_those_in_it_have_them(rng):
    image = keras.Input(SIZE)
    turned = kl.Permute((3, 1, 2))(image)
    block = Block(name="block")
    pooled = kl.Flatten()(block(turned))
    model = keras.Model(image, kl.Dense(2)(pooled))
    images = rng.random((1, *SIZE), np.float32)
    found = maps.feature_maps(model, images, "block")["block"]
    right = np.moveaxis(block(np.moveaxis(images, -1, 1)), 1, -1)
    np.testing.assert_allclose(found, right, rtol=1e-5)
    assert explanations.grad_cam(model, images, 1).values.shape == (1, 10, 14)


def mixed():
    layers = [
        kl.Conv2D(4, 3, name="conv"),
        kl.Permute((3, 1, 2), name="turned"),
        kl.Conv2D(4, 3, name="mixed"),
        kl.Flatten(),
        kl.Dense(2),
    ]
    return keras.Sequential([keras.Input(SIZE), *layers])


@pytest.mark.parametrize(
    "look",
    [
        lambda model, images: maps.feature_maps(model, images, "mixed"),
        lambda model, images: maps.filter_pattern(model, "mixed", 0),
        lambda model, images: explanations.grad_cam(model, images, 1, layer="mixed"),
    ],
)
def test_maps_of_which_layers_contradict_each_other_are_refused(look):
    message = r"'mixed' .*has no rows and columns of the image"
    with pytest.raises(ValueError, match=message):
        look(mixed(), np.ones((1, *SIZE), np.float32))
    with pytest.raises(ValueError, match=r"'mixed' .*takes for channels"):
        maps.receptive_field(mixed(), "mixed")


def test_maps_before_the_contradiction_are_right():
    found = maps.feature_maps(mixed(), np.ones((1, *SIZE)))
    assert {name: own.shape for name, own in found.items()} == {
        "conv": (1, 10, 14, 4),
        "turned": (1, 10, 14, 4),
    }


def test_a_dense_layer_on_rows_contradicts_channels_first():
    layers = [kl.Permute((3, 1, 2)), kl.BatchNormalization(axis=1), kl.Dense(5)]
    model = keras.Sequential([keras.Input(SIZE), kl.Conv2D(2, 1), *layers])
    assert [*axes_in(model).values()][1:] == [(1, 2, 3), (2, 3, 1), (2, 3, 1), None]


def test_a_gate_for_each_channel_has_no_axes_of_its_own():
    image = keras.Input(SIZE)
    turned = kl.Permute((3, 1, 2))(kl.Conv2D(4, 1)(image))
    gate = kl.Reshape((4, 1, 1))(kl.GlobalAveragePooling2D("channels_first")(turned))
    gated = kl.Multiply(name="gated")([gate, turned])
    assert axes_in(keras.Model(image, gated))["gated"] == (2, 3, 1)


def test_a_row_of_numbers_for_each_place_may_be_turned_as_well(rng):
    """What permutes other than four axes orders no maps, and stopped every function."""
    rows = [kl.Conv2D(4, 3, name="conv"), kl.Reshape((140, 4)), kl.Permute((2, 1))]
    model = keras.Sequential(
        [keras.Input(SIZE), *rows, kl.Flatten(), kl.Dense(2, name="scores")]
    )
    images = rng.random((2, *SIZE), np.float32)
    found = explanations.saliency_map(model, images, 1)
    np.testing.assert_allclose(
        found.score, model.predict(images, verbose=0)[:, 1], rtol=1e-5
    )
    assert axes_in(model)["conv"] == (1, 2, 3)
    with pytest.raises(ValueError, match=r"'reshape.*looks at a part"):
        maps.receptive_field(model, "scores")


def test_one_channel_that_is_turned_alone_has_no_field_that_is_known():
    image = keras.Input((8, 8, 3))
    turned = keras.ops.swapaxes(image[..., 0], 1, 2)[..., None]
    conv = kl.Conv2D(1, (3, 1), name="conv")(turned)  # three columns of the image
    with pytest.raises(ValueError, match=r"'swapaxes.*looks at a part"):
        maps.receptive_field(keras.Model(image, conv), "conv")


def test_channels_that_are_not_last_cannot_be_taken_out():
    with pytest.raises(ValueError, match="channels elsewhere than last"):
        networks.outputs_without_each_channel(mixed(), np.ones((1, *SIZE)), "turned")


class Turned(kl.Permute):
    """A class of one's own that computes what Keras's does."""


@pytest.mark.parametrize(
    ("turn", "order"),
    [
        (kl.Permute((2, 3, 1)), (0, 2, 3, 1)),
        (lambda maps: keras.ops.transpose(maps, (0, 3, 1, 2)), (0, 3, 1, 2)),
        (keras.ops.transpose, (3, 2, 1, 0)),
        (lambda maps: keras.ops.moveaxis(maps, 1, -1), (0, 2, 3, 1)),
        (lambda maps: keras.ops.swapaxes(maps, 1, 2), (0, 2, 1, 3)),
        (Turned((3, 1, 2)), (0, 3, 1, 2)),
        (kl.Flatten(), None),
    ],
)
def test_the_order_of_axes_is_the_one_that_an_operation_gives_them(turn, order):
    operation = turn(keras.Input((3, 4, 5), 2))._keras_history.operation
    assert permutation_of(operation) == order


def shuffled(z):
    """Channels shuffled among groups, as in ShuffleNet."""
    z = kl.Permute((1, 2, 4, 3))(kl.Reshape((10, 14, 2, 2))(z))
    return kl.Conv2D(3, 3, name="behind")(kl.Reshape((10, 14, 4))(z))


AMONG_OTHERS = {
    "groups": shuffled,
    "patches, as in a mixer": lambda z: kl.Permute((2, 1))(kl.Reshape((-1, 4))(z)),
    "patches by an operation": lambda z: keras.ops.transpose(
        kl.Reshape((-1, 4))(z), (0, 2, 1)
    ),
    "a fifth axis moved": lambda z: keras.ops.moveaxis(z[..., None], 4, 1),
    "a fifth axis swapped": lambda z: keras.ops.swapaxes(z[..., None], 4, 1),
}


@pytest.mark.parametrize("turn", AMONG_OTHERS.values(), ids=AMONG_OTHERS)
def test_axes_of_what_are_no_maps_may_be_permuted(rng, turn):
    image = keras.Input(SIZE)
    conv = kl.Conv2D(4, 3, name="conv")(image)
    model = keras.Model(image, kl.Dense(2)(kl.Flatten()(turn(conv))))
    photo = rng.random((1, *SIZE), np.float32)
    found = maps.feature_maps(model, photo)
    for name in {"conv", "behind"} & {layer.name for layer in model.layers}:
        own = keras.Model(image, model.get_layer(name).output)(photo)
        np.testing.assert_allclose(found[name], own, atol=1e-6)
    assert maps.receptive_field(model, "conv").size == (3, 3)
    with tf.GradientTape() as tape:
        photos = tf.constant(photo)
        tape.watch(photos)
        score = model(photos)[:, 1]
    slopes = np.abs(tape.gradient(score, photos)).max(-1)
    saliency = explanations.saliency_map(model, photo, 1)
    np.testing.assert_allclose(saliency.values, slopes, atol=1e-6)
    assert explanations.grad_cam(model, photo, 1, layer="conv").score == pytest.approx(
        float(score[0]), abs=1e-5
    )


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["0", "1"])
def test_whatever_onednn_the_answer_is_right_or_says_how_to_get_it(setting):
    code = """
import keras, numpy as np
from cnnbook import explanations
kl = keras.layers
conv = kl.Conv2D(2, 3, data_format="channels_first")
layers = [kl.Permute((3, 1, 2)), conv, kl.Flatten(), kl.Dense(2)]
model = keras.Sequential([keras.Input((8, 8, 3)), *layers])
try:
    print(explanations.grad_cam(model, np.ones((1, 8, 8, 3)), 1).values.shape)
except ValueError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "TF_ENABLE_ONEDNN_OPTS": setting},
        capture_output=True,
        text=True,
    )
    answer = done.stdout.strip()
    assert answer == "(1, 6, 6)" or "set TF_ENABLE_ONEDNN_OPTS=1" in answer
