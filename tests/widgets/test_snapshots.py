"""Snapshots are what a network makes of a picture with the weights of each moment."""

import keras
import numpy as np
import pytest

from cnnbook import explanations, maps, widgets
from cnnbook.networks import build_classifier


@pytest.fixture
def network():
    return build_classifier((16, 16, 3), filters=(2, 4))


@pytest.fixture
def checkpoints(network, rng):
    """Kept out of order, as a dict may hold them."""
    shapes = [array.shape for array in network.get_weights()]
    return {epoch: [rng.normal(size=s) for s in shapes] for epoch in (9, 0, 2)}


@pytest.fixture
def image(rng):
    return rng.random((16, 16, 3)).astype("float32")


def test_each_moment_is_the_network_with_its_weights(network, checkpoints, image):
    snapshots = widgets.take_snapshots(network, checkpoints, image)
    assert snapshots.epochs == [0, 2, 9]
    assert snapshots.layer == "block1_conv"
    assert [*snapshots.maps] == ["block1_pool", "block2_pool"]
    for moment, epoch in enumerate(snapshots.epochs):
        network.set_weights(checkpoints[epoch])
        found = maps.feature_maps(network, image[None], "pools")
        for name, values in found.items():
            np.testing.assert_array_equal(snapshots.maps[name][moment], values[0])
        np.testing.assert_array_equal(
            snapshots.probabilities[moment],
            explanations.class_probabilities(network, image[None])[0],
        )
        kernel = network.get_layer("block1_conv").kernel
        np.testing.assert_array_equal(snapshots.kernels[moment], kernel)


def test_the_network_keeps_its_weights_whatever_happens(network, checkpoints, image):
    before = network.get_weights()
    widgets.take_snapshots(network, checkpoints, image)
    checkpoints[9][0] = np.full_like(checkpoints[9][0], np.nan)
    with pytest.raises(ValueError, match="after 9 epochs lead to numbers that are not"):
        widgets.take_snapshots(network, checkpoints, image)
    for kept, array in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(kept, array)


def test_where_nothing_is_pooled_every_convolution_shows_its_maps(image):
    layers = [keras.layers.Conv2D(2, 3, name=name) for name in ("first", "second")]
    ends = [keras.layers.GlobalMaxPooling2D(), keras.layers.Dense(2)]
    network = keras.Sequential([keras.Input((16, 16, 3)), *layers, *ends])
    kept = {epoch: network.get_weights() for epoch in (0, 1)}
    snapshots = widgets.take_snapshots(network, kept, image)
    assert [*snapshots.maps] == ["first", "second"]


@pytest.mark.parametrize(
    ("checkpoints", "sentence"),
    [
        ([1, 2], "dict of 2 to 20 numbers of epochs and the weights .* got list of 2"),
        ({0: []}, "got dict of 1"),
        (dict.fromkeys(range(21)), "got dict of 21"),
        (None, "got NoneType$"),
        ({0: [], "1": []}, "a number of epochs must be a whole number .* got '1'"),
        ({0: [], 1: []}, "after 0 epochs must have the shapes of those of model"),
    ],
)
def test_checkpoints_that_cannot_be_are_refused(network, image, checkpoints, sentence):
    with pytest.raises(ValueError, match=sentence):
        widgets.take_snapshots(network, checkpoints, image)


def test_a_network_without_convolutions_is_refused(image):
    network = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Flatten()])
    with pytest.raises(ValueError, match="has no Conv2D, whose filters to show"):
        widgets.take_snapshots(network, {0: [], 1: []}, image)
