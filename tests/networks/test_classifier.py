"""The plain network is the one drawn, and folding leaves its answers as they were."""

import keras
import numpy as np
import pytest

from cnnbook import networks
from cnnbook.networks import classifier


def with_traces_of_training(network, rng):
    """Give a training form the statistics and offsets that a training would leave."""
    for layer in network.layers:
        if layer.name.endswith("_norm"):
            count = layer.beta.shape[0]
            offsets, means = rng.normal(size=(2, count))
            layer.set_weights([offsets, means, rng.uniform(0.1, 3, count)])
    kernels, bias = network.get_layer("logits").get_weights()
    network.get_layer("logits").set_weights([kernels, rng.normal(size=bias.shape)])
    return network


def assert_close(ours, theirs, tolerance=1e-4):
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    np.testing.assert_allclose(
        ours, theirs, rtol=tolerance, atol=tolerance * np.abs(theirs).max()
    )


def test_the_network_is_three_plain_stages_and_one_dense_layer():
    network = networks.build_classifier()
    assert [(layer.name, type(layer).__name__) for layer in network.layers[1:]] == [
        ("block1_conv", "Conv2D"),
        ("block1_relu", "ReLU"),
        ("block1_pool", "MaxPooling2D"),
        ("block2_conv", "Conv2D"),
        ("block2_relu", "ReLU"),
        ("block2_pool", "MaxPooling2D"),
        ("block3_conv", "Conv2D"),
        ("block3_relu", "ReLU"),
        ("block3_pool", "MaxPooling2D"),
        ("flatten", "Flatten"),
        ("logits", "Dense"),
    ]
    sizes = [network.get_layer(f"block{n}_pool").output.shape[1] for n in (1, 2, 3)]
    assert sizes == [48, 24, 12]
    assert network.output_shape == (None, 2)
    assert network.get_layer("logits").activation is keras.activations.linear


def test_the_network_is_small_enough_to_ship_and_to_run_in_a_browser():
    assert networks.build_classifier().count_params() <= 50_000


def test_any_number_of_stages_and_classes_can_be_built():
    network = networks.build_classifier((20, 12, 1), 5, filters=(4,))
    assert network.output_shape == (None, 5)
    assert network.get_layer("block1_pool").output.shape == (None, 10, 6, 4)


def test_a_seed_decides_the_starting_weights():
    def weights(seed):
        network = networks.build_classifier((16, 16, 3), filters=(4, 8), seed=seed)
        return np.concatenate([array.ravel() for array in network.get_weights()])

    np.testing.assert_array_equal(weights(1), weights(1))
    assert not np.allclose(weights(1), weights(2))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"input_shape": (4, 96, 3)}, r"3 stages need images of at least 8 pixels"),
        ({"input_shape": (96, 96)}, r"input_shape must be \(rows, columns, channels\)"),
        ({"num_classes": 1}, "at least 2; got 1"),
        ({"filters": ()}, "at least one stage"),
        ({"filters": (8, 0)}, "positive whole numbers"),
    ],
)
def test_networks_that_cannot_be_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        networks.build_classifier(**options)


# --- The training form


def test_pooling_first_changes_nothing_when_larger_stays_larger(rng):
    """Conv, norm, ReLU, pool, all Keras's own, in the order that books draw."""
    plain = networks.build_classifier((16, 16, 3), filters=(4, 8))  # 4 × 4 at the end
    network = with_traces_of_training(networks.training_form(plain), rng)

    x = inputs = keras.Input((16, 16, 3))
    for stage in (1, 2):
        convolution = network.get_layer(f"block{stage}_conv")
        normalisation = network.get_layer(f"block{stage}_norm")
        ours = keras.layers.BatchNormalization(scale=False)
        x = keras.layers.ReLU()(ours(convolution(x)))
        x = keras.layers.MaxPooling2D()(x)
        ours.set_weights(normalisation.get_weights())
    x = network.get_layer("logits")(keras.layers.Flatten()(x))

    images = rng.random((6, 16, 16, 3)).astype("float32")
    assert_close(network(images), keras.Model(inputs, x)(images), tolerance=1e-5)


def test_normalisation_trains_as_that_of_keras(rng):
    ours = classifier._normalization("ours")
    theirs = keras.layers.BatchNormalization(scale=False, momentum=0.9)
    maps = rng.normal(2, 3, size=(50, 4, 4, 5)).astype("float32")
    assert_close(ours(maps, training=True), theirs(maps, training=True), tolerance=1e-5)
    assert_close(ours.moving_mean, theirs.moving_mean, tolerance=1e-5)
    # Theirs is the variance of these maps, ours the best guess at that of all maps.
    assert_close(ours.moving_variance, theirs.moving_variance, tolerance=1 / 800)
    assert_close(ours(maps), theirs(maps), tolerance=1e-3)


def test_gradients_are_the_same_bits_every_time(rng):
    import tensorflow as tf

    network = networks.training_form(networks.build_classifier())
    images = tf.Variable(rng.random((64, 96, 96, 3)), dtype=tf.float32)

    @tf.function
    def gradients():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(network(images, training=True) ** 2)
        return tape.gradient(loss, network.trainable_variables)

    first = gradients()
    for _ in range(8):
        for before, now in zip(first, gradients(), strict=True):
            np.testing.assert_array_equal(now, before)


def test_only_networks_of_ours_have_a_training_form():
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Flatten()(keras.layers.Conv2D(2, 3, name="first")(inputs))
    with pytest.raises(ValueError, match=r"made by build_classifier.*first"):
        networks.training_form(keras.Model(inputs, x))


# --- Folding


@pytest.mark.parametrize("input_shape", [(16, 16, 3), (24, 12, 3), (37, 29, 1)])
@pytest.mark.parametrize("filters", [(4,), (3, 6), (4, 5, 6)])
def test_folding_leaves_the_answers_as_they_were(rng, input_shape, filters):
    plain = networks.build_classifier(input_shape, 3, filters=filters)
    network = with_traces_of_training(networks.training_form(plain), rng)
    images = rng.random((10, *input_shape)).astype("float32")

    folded = networks.fold_batch_normalization(network)

    assert [layer.name for layer in folded.layers] == [
        layer.name for layer in plain.layers
    ]
    assert_close(folded(images), network(images))


def test_one_filter_is_folded_as_worked_out_on_paper():
    plain = networks.build_classifier((2, 2, 1), filters=(1,))
    network = networks.training_form(plain)
    kernel = np.arange(9.0).reshape(3, 3, 1, 1)
    network.get_layer("block1_conv").set_weights([kernel])
    epsilon = network.get_layer("block1_norm").epsilon
    # Mean 6, standard deviation 2 and offset 5: (w x - 6) / 2 + 5 = (w / 2) x + 2.
    statistics = [np.array([5.0]), np.array([6.0]), np.array([4.0 - epsilon])]
    network.get_layer("block1_norm").set_weights(statistics)

    folded = networks.fold_batch_normalization(network)

    kernels, bias = folded.get_layer("block1_conv").get_weights()
    np.testing.assert_allclose(kernels, kernel / 2, rtol=1e-6)
    np.testing.assert_allclose(bias, [2], rtol=1e-5)


def test_an_average_votes_as_its_members_with_equal_shares(rng):
    plain = networks.build_classifier((16, 32, 3), filters=(2,))  # maps of 8 × 16
    network = with_traces_of_training(networks.training_form(plain), rng)
    votes = network.get_layer("logits").get_weights()[0].reshape(4, 4, 2, 2)

    folded = networks.fold_batch_normalization(network)

    spread = folded.get_layer("logits").get_weights()[0].reshape(8, 16, 2, 2)
    expected = votes.repeat(2, axis=0).repeat(4, axis=1) / 8
    np.testing.assert_allclose(spread, expected, rtol=1e-6)


def test_a_plain_network_cannot_be_folded():
    with pytest.raises(ValueError, match=r"made by training_form.*block1_conv"):
        networks.fold_batch_normalization(networks.build_classifier())
