"""Votes are laid back onto the picture, and all of them are counted."""

import numpy as np
import pytest

from cnnbook import maps, networks
from cnnbook.maps import feature_maps


@pytest.fixture
def network():
    return networks.build_classifier((16, 24, 3), 3, filters=(4, 5), seed=3)


def test_votes_add_up_to_the_difference_of_the_logits(network, rng):
    weights, _ = network.get_layer("logits").get_weights()
    bias = np.array([0.5, -1.0, 2.0])
    network.get_layer("logits").set_weights([weights, bias])
    images = rng.random((6, 16, 24, 3), np.float32)
    logits = np.asarray(network(images))
    answers = maps.vote_maps(network, images, 2, 1)
    assert answers.shape == (6, 4, 6)
    expected = (logits[:, 2] - bias[2]) - (logits[:, 1] - bias[1])
    np.testing.assert_allclose(answers.sum(axis=(1, 2)), expected, atol=1e-4)
    np.testing.assert_allclose(maps.vote_maps(network, images, 1, 2), -answers)


def test_a_vote_is_cast_where_the_evidence_is(network, rng):
    images = rng.random((1, 16, 24, 3), np.float32)
    other = images.copy()
    other[:, :4, :4] = 0  # sees no further than 9 pixels from there
    changed = maps.vote_maps(network, images, 0, 1) != maps.vote_maps(
        network, other, 0, 1
    )
    assert changed[0, :2, :2].any()
    assert not changed[0, :, 4:].any()


def test_votes_are_maps_times_weights(network, rng):
    images = rng.random((2, 16, 24, 3), np.float32)
    answers = feature_maps(network, images, "block2_pool")["block2_pool"]
    weights, _ = network.get_layer("logits").get_weights()
    by_hand = answers[1, 3, 5] @ (weights[-5:, 0] - weights[-5:, 2])
    found = maps.vote_maps(network, images, 0, 2)[1, 3, 5]
    assert found == pytest.approx(by_hand, rel=1e-5)


def test_classes_that_are_not_there_are_refused(network, rng):
    images = rng.random((1, 16, 24, 3), np.float32)
    with pytest.raises(ValueError, match="against must be a class from 0 to 2; got 3"):
        maps.vote_maps(network, images, 0, 3)
