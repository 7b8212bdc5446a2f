"""Copies with a part taken away answer as worked out on paper; originals stay whole."""

import keras
import numpy as np
import pytest
from keras import layers as kl

from cnnbook import explanations
from cnnbook.maps import feature_maps
from cnnbook.networks import (
    knock_out,
    outputs_without_each_channel,
    with_average_pools,
    with_shuffled_weights,
    with_subsampling,
    without_activations,
)


def with_random_weights(model):
    rng = np.random.default_rng(1)
    for weight in model.weights:
        if "seed" not in weight.path:
            weight.assign(rng.normal(0, 0.5, weight.shape))
        if weight.path.endswith("variance"):
            weight.assign(rng.uniform(0.5, 2.0, weight.shape))
    return model


def plain():
    image = keras.Input((9, 8, 3), name="image")
    x = kl.Conv2D(4, 3, activation="relu", name="conv1")(image)
    x = kl.MaxPooling2D(2, name="pool")(x)
    x = kl.ReLU(name="relu")(kl.BatchNormalization(name="norm")(x))
    return keras.Model(image, kl.Dense(2, name="end")(kl.Flatten()(x)), name="plain")


def sequential():
    return keras.Sequential(
        [
            keras.Input((9, 8, 3)),
            kl.Conv2D(4, 3, activation="relu", name="conv1"),
            kl.MaxPooling2D(2, name="pool"),
            kl.Flatten(),
            kl.Dense(2, name="end"),
        ]
    )


def nested():
    inner_image = keras.Input((9, 8, 3))
    x = kl.Conv2D(4, 3, activation="relu", name="conv1")(inner_image)
    inner = keras.Model(inner_image, kl.MaxPooling2D(2, name="pool")(x), name="inner")
    image = keras.Input((9, 8, 3))
    maps = kl.Conv2D(3, 2, name="conv1")(inner(image))
    return keras.Model(image, kl.Dense(2, name="end")(kl.Flatten()(maps)), name="whole")


def shared():
    image = keras.Input((9, 8, 3))
    twice = kl.Conv2D(3, 3, padding="same", activation="relu", name="conv1")
    x = kl.MaxPooling2D(2, name="pool")(twice(twice(image)))
    return keras.Model(image, kl.Dense(2, name="end")(kl.Flatten()(x)))


MODELS = {
    (plain, "conv1"): 4,
    (plain, "norm"): 4,
    (plain, "pool"): 4,
    (sequential, "conv1"): 4,
    (nested, "inner/conv1"): 4,
    (nested, "conv1"): 3,
    (shared, "conv1#2"): 3,
}
each_layer = pytest.mark.parametrize(
    ("build", "layer"), MODELS, ids=lambda value: getattr(value, "__name__", value)
)


@pytest.fixture
def images(rng):
    return rng.normal(size=(5, 9, 8, 3)).astype("float32")


@each_layer
def test_a_channel_knocked_out_is_zero_and_the_others_are_as_before(
    build, layer, images
):
    model = with_random_weights(build())
    before = feature_maps(model, images, layer)[layer]

    after = feature_maps(knock_out(model, layer, [0, 2]), images, layer)[layer]

    assert not after[..., [0, 2]].any()
    if build is not shared:  # where the first use is changed too
        np.testing.assert_array_equal(after[..., 1], before[..., 1])
    assert after[..., 1].any()


def test_what_is_behind_sees_zeros_in_place_of_the_channel():
    conv = kl.Conv2D(2, 1, activation="sigmoid", name="conv")
    end = kl.Dense(1, name="end")
    model = keras.Sequential([keras.Input((1, 1, 1)), conv, end])
    conv.set_weights([np.zeros((1, 1, 1, 2)), np.zeros(2)])  # both answer ½
    end.set_weights([np.array([[3.0], [5.0]]), np.array([1.0])])
    image = np.ones((1, 1, 1, 1))

    # 3/2 + 5/2 + 1; 5/2 + 1; 3/2 + 1; 1
    for channels, answer in (([], 5.0), ([0], 3.5), ([1], 2.5), ([0, 1], 1.0)):
        copy = knock_out(model, "conv", channels) if channels else model
        assert float(copy(image)[0, 0, 0, 0]) == answer


# Knocking out a shared layer changes all its uses; see the test after this one.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("build", "layer"), [case for case in MODELS if case[0] is not shared]
)
def test_outputs_without_each_channel_are_those_of_the_network_without_it(
    build, layer, images
):
    model = with_random_weights(build())

    outputs = outputs_without_each_channel(model, images, layer, batch_size=2)

    assert len(outputs) == MODELS[build, layer]
    for channel, answers in enumerate(outputs):
        expected = knock_out(model, layer, channel).predict_on_batch(images)
        np.testing.assert_allclose(answers, expected, rtol=1e-4, atol=1e-5)


def test_one_use_of_a_shared_layer_can_be_silenced_alone(images):
    model = with_random_weights(shared())
    first = feature_maps(model, images, "conv1")["conv1"]
    end, pool = model.get_layer("end"), model.get_layer("pool")

    outputs = outputs_without_each_channel(model, images, "conv1#2")

    second = np.array(model.get_layer("conv1")(first))
    second[..., 1] = 0
    expected = end(np.asarray(pool(second)).reshape(5, -1))
    np.testing.assert_allclose(outputs[1], expected, rtol=1e-4, atol=1e-5)


def test_a_network_that_ends_in_a_nested_model_can_be_tried_channel_by_channel(images):
    image = keras.Input((7, 6, 4))
    head = keras.Model(image, kl.Dense(2, name="end")(kl.Flatten()(image)), name="head")
    image = keras.Input((9, 8, 3))
    model = keras.Model(image, head(kl.Conv2D(4, 3, name="conv1")(image)))

    outputs = outputs_without_each_channel(model, images, "conv1")

    expected = knock_out(model, "conv1", 3).predict_on_batch(images)
    np.testing.assert_allclose(outputs[3], expected, rtol=1e-4, atol=1e-5)


def test_without_activations_a_network_is_the_product_of_its_matrices(rng):
    first, second = kl.Dense(4, activation="relu"), kl.Dense(2)
    model = keras.Sequential([keras.Input((3,)), first, kl.ReLU(), second])
    vectors = rng.normal(size=(6, 3))

    answers = without_activations(model)(vectors)

    (a, b), (c, d) = first.get_weights(), second.get_weights()
    np.testing.assert_allclose(answers, (vectors @ a + b) @ c + d, atol=1e-5)


@pytest.mark.parametrize("build", [plain, nested, shared])
def test_without_activations_and_max_pools_a_network_is_affine(build, images):
    model = with_random_weights(build())
    copy = with_average_pools(without_activations(model))
    one, other = images[:2], images[2:4]

    def bend(network):
        middle = np.asarray(network((one + other) / 2))
        return np.abs(middle - (network(one) + network(other)) / 2).max()

    assert bend(copy) < 1e-4 < bend(model)


@pytest.mark.parametrize("name", ["selu", "celu", "hard_tanh", "softsign"])
def test_activations_between_layers_are_taken_out_whichever_they_are(name, images):
    image = keras.Input((9, 8, 3))
    conv = kl.Conv2D(4, 3, name="conv1")
    model = keras.Model(image, getattr(keras.ops, name)(conv(image)))
    model = with_random_weights(model)

    straight = without_activations(model)

    np.testing.assert_array_equal(straight(images), conv(images))
    assert np.abs(model(images) - straight(images)).max() > 0.1


BENT = {
    "maximum": lambda maps: keras.ops.maximum(maps, 0),
    "minimum": lambda maps: keras.ops.minimum(1.0, maps),
    "clip": lambda maps: keras.ops.clip(maps, 0, 6),
    "erf": keras.ops.erf,
    "square": keras.ops.square,
    "greater": lambda maps: keras.ops.where(maps > 0, maps, 0.1 * maps),
    "absolute": lambda maps: maps + keras.ops.abs(maps),
}


@pytest.mark.parametrize("name", BENT)
def test_activations_written_as_arithmetic_are_not_left_in_beside_others(name):
    image = keras.Input((9, 8, 3))
    maps = BENT[name](kl.Conv2D(4, 3, activation="relu")(image))
    with pytest.raises(ValueError, match=rf"'{name}\w*' .*written as arithmetic"):
        without_activations(keras.Model(image, maps))


def test_arithmetic_that_prepares_pictures_or_joins_maps_is_no_activation(images):
    image = keras.Input((9, 8, 3))
    conv, other = kl.Conv2D(4, 3), kl.Conv2D(4, 3)
    ready = keras.ops.clip(image, 0, 1)
    maps = keras.ops.maximum(keras.ops.relu(conv(ready)), other(ready))

    straight = without_activations(keras.Model(image, maps))

    clipped = np.clip(images, 0, 1)
    expected = np.maximum(conv(clipped), other(clipped))
    np.testing.assert_allclose(straight(images), expected, atol=1e-6)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(("window", "strides"), [(2, None), (3, 2), ((2, 1), (2, 3))])
def test_subsampling_keeps_as_many_values_and_of_each_window_the_first(
    rng, padding, window, strides
):
    pool = kl.MaxPooling2D(window, strides, padding, name="pool")
    model = keras.Sequential([keras.Input((9, 8, 2)), pool])
    images = rng.normal(size=(2, 9, 8, 2)).astype("float32")

    kept = np.asarray(with_subsampling(model)(images))

    step = pool.strides
    assert kept.shape == model(images).shape
    expected = images[:, :: step[0], :: step[1]]
    np.testing.assert_array_equal(kept, expected[:, : kept.shape[1], : kept.shape[2]])


def test_shuffling_keeps_every_weight_and_every_bias_but_not_their_places():
    model = with_random_weights(plain())

    copy = with_shuffled_weights(model, seed=3)

    for before, after in zip(model.get_weights(), copy.get_weights(), strict=True):
        np.testing.assert_array_equal(np.sort(before.ravel()), np.sort(after.ravel()))
        assert (before.ndim == 1) == np.array_equal(before, after)
    again = with_shuffled_weights(model, seed=3).get_weights()
    other = with_shuffled_weights(model, seed=4).get_weights()
    assert np.array_equal(copy.get_weights()[0], again[0])
    assert not np.array_equal(copy.get_weights()[0], other[0])


@pytest.mark.parametrize(
    "change",
    [
        lambda model: knock_out(model, "conv1", 0),
        without_activations,
        with_average_pools,
        with_subsampling,
        with_shuffled_weights,
    ],
)
def test_the_callers_model_stays_as_it_was(change, images):
    model = with_random_weights(plain())
    before, weights = model.predict_on_batch(images), model.get_weights()
    names = [layer.name for layer in model.layers]
    uses = [len(layer._inbound_nodes) for layer in model.layers]

    copy = change(model)
    for variable in copy.weights:
        variable.assign(np.zeros(variable.shape))

    np.testing.assert_array_equal(model.predict_on_batch(images), before)
    for own, then in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(own, then)
    assert uses == [len(layer._inbound_nodes) for layer in model.layers]
    assert [layer.name for layer in copy.layers] == names


@pytest.mark.parametrize(
    "change",
    [
        lambda model: knock_out(model, "conv1", 1),
        without_activations,
        with_average_pools,
        with_subsampling,
        with_shuffled_weights,
        lambda model: next(explanations.with_random_weights(model))[1],
    ],
)
def test_copies_know_the_names_of_the_classes(change):
    model = plain()
    assert not hasattr(change(model), "class_names")
    model.class_names = ("cat", "dog")
    assert change(model).class_names == ("cat", "dog")


def test_a_copy_says_where_its_weights_come_from_as_long_as_it_has_them():
    model = plain()
    model.provenance = "weights of a friend"
    assert knock_out(model, "conv1", 1).provenance == "weights of a friend"
    assert with_shuffled_weights(model).provenance is None
    _, random = next(explanations.with_random_weights(model))
    assert random.provenance is None


def test_a_layer_that_behaves_otherwise_in_training_still_does_so(images):
    drop = keras.Sequential([keras.Input((9, 8, 3)), kl.Dropout(0.5, name="drop")])

    copy = knock_out(drop, "drop", 1)

    still = np.asarray(copy(images))
    np.testing.assert_array_equal(still[..., [0, 2]], images[..., [0, 2]])
    dropped = np.asarray(copy(images, training=True))[..., [0, 2]]
    assert 0.3 < (dropped == 0).mean() < 0.7


class Secretive(kl.Layer):
    """A layer that cannot be made again from what it tells of itself."""

    def __init__(self, how):
        super().__init__(name="secretive")
        self.how = how

    def call(self, x):
        return x


@pytest.mark.parametrize(
    ("layer", "channels", "message"),
    [
        ("conv", 0, "no layer 'conv'; did you mean 'conv1'"),
        ("conv1", 4, "whole numbers from 0 to 3, the channels of layer 'conv1'; got 4"),
        ("conv1", [-1, 2], r"whole numbers from 0 to 3.*; got \[-1, 2\]"),
        ("conv1", [], "whole numbers from 0 to 3"),
        ("conv1", 0.5, "whole numbers from 0 to 3"),
    ],
)
def test_what_cannot_be_knocked_out_is_a_clear_error(layer, channels, message):
    with pytest.raises(ValueError, match=message):
        knock_out(plain(), layer, channels)


def test_an_operation_without_a_layer_cannot_be_knocked_out():
    image = keras.Input((4, 4, 2))
    model = keras.Model(image, keras.ops.relu(image))
    (name,) = [n for n in feature_maps(model, np.zeros((1, 4, 4, 2)))]

    with pytest.raises(ValueError, match="no layer that can be changed"):
        knock_out(model, name, 0)


def test_a_layer_that_cannot_be_copied_is_a_clear_error():
    model = keras.Sequential([keras.Input((4, 4, 2)), Secretive("so")])

    with pytest.raises(ValueError, match=r"(?s)cannot be copied; .*Secretive.__init__"):
        with_shuffled_weights(model)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without_activations, "has no activation functions to replace"),
        (with_average_pools, "has no max pools to replace"),
        (with_subsampling, "has no max pools to replace"),
    ],
)
def test_nothing_to_replace_is_an_error_not_a_silent_copy(change, message):
    model = keras.Sequential([keras.Input((4, 4, 2)), kl.Conv2D(1, 1)])

    with pytest.raises(ValueError, match=message):
        change(model)


@pytest.mark.parametrize(
    ("change", "holding"),
    [
        (without_activations, "an activation function"),
        (with_average_pools, "a max pool"),
        (with_subsampling, "a max pool"),
    ],
)
@pytest.mark.parametrize(
    ("layer", "kind"),
    [(Secretive("so"), "Secretive"), (kl.Lambda(abs, name="secretive"), "Lambda")],
)
def test_what_may_hold_the_thing_to_replace_is_not_left_in(
    change, holding, layer, kind
):
    model = keras.Sequential(
        [keras.Input((4, 4, 2)), layer, kl.ReLU(), kl.MaxPooling2D(2)]
    )

    message = rf"'secretive' \({kind}\), and whether it holds {holding} is unknown"
    with pytest.raises(ValueError, match=message):
        change(model)


@pytest.mark.parametrize("change", [with_average_pools, with_subsampling])
def test_a_max_pool_that_cannot_be_replaced_is_not_left_in(change):
    image = keras.Input((4, 4, 2))
    pooled = keras.ops.max_pool(kl.MaxPooling2D(2)(image), 2)

    with pytest.raises(ValueError, match=r"\(MaxPool\) is a max pool that cannot"):
        change(keras.Model(image, pooled))


def test_the_last_layer_has_nothing_behind_it(images):
    with pytest.raises(ValueError, match="'end' is the model's output"):
        outputs_without_each_channel(plain(), images, "end")


def test_operations_between_layers_are_copied_and_their_bends_taken_out(images):
    image = keras.Input((9, 8, 3))
    maps = keras.ops.relu(kl.Conv2D(4, 3, name="conv1")(image))
    model = with_random_weights(keras.Model(image, maps))

    copy = knock_out(model, "conv1", 1)
    straight = without_activations(model)

    np.testing.assert_array_equal(copy(images)[..., 0], model(images)[..., 0])
    assert not np.any(copy(images)[..., 1])
    conv = model.get_layer("conv1")
    np.testing.assert_allclose(straight(images), conv(images), atol=1e-6)


def test_a_copy_has_activations_with_weights_of_its_own(images):
    conv = kl.Conv2D(3, 3, activation=kl.PReLU(), name="conv")
    tail = kl.Conv2D(2, 1, name="tail")
    model = keras.Sequential([keras.Input(images.shape[1:]), conv, tail])
    before = model.predict_on_batch(images)
    copy = knock_out(model, "tail", 1)
    for variable in copy.trainable_variables:
        variable.assign(variable + 1)
    np.testing.assert_array_equal(model.predict_on_batch(images), before)


def halved_softmax(maps):
    return keras.ops.softmax(maps / 2)


halved_softmax.__name__ = "softmax"  # as Keras has it


def test_a_copy_keeps_a_function_of_ones_own_that_has_keras_name(images):
    conv = kl.Conv2D(3, 3, activation=halved_softmax, name="conv")
    tail = kl.Conv2D(2, 1, name="tail")
    model = keras.Sequential([keras.Input(images.shape[1:]), conv, tail])
    expected = feature_maps(model, images, "conv")["conv"]
    found = feature_maps(knock_out(model, "tail", 1), images, "conv")["conv"]
    np.testing.assert_array_equal(found, expected)
