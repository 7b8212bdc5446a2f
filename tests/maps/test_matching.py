"""Layers match that see about as much."""

import keras
import pytest
from keras import layers as kl

from cnnbook.maps import matching_layer


@pytest.mark.parametrize(
    ("side", "layer"),
    [(1, "conv1"), (4, "conv2"), (6, "conv3"), (7, "conv3"), (100, "conv4")],
)
def test_the_matching_layer_sees_a_window_nearest_by_ratio(side, layer):
    names = [f"conv{n}" for n in (1, 2, 3, 4)]  # see 3, 5, 7 and 9 pixels
    stack = [kl.Conv2D(1, 3, name=name) for name in names]
    model = keras.Sequential([keras.Input((None, None, 1)), *stack])

    assert matching_layer(model, side, names) == layer


def test_of_layers_that_see_alike_the_last_one_matches():
    stack = [kl.Conv2D(1, 3, name="conv"), kl.ReLU(name="relu")]
    model = keras.Sequential([keras.Input((9, 9, 1)), *stack])

    assert matching_layer(model, 3, ["conv", "relu"]) == "relu"


def test_no_layer_matches_where_there_is_none_to_choose_from():
    with pytest.raises(ValueError, match="at least one layer to choose from"):
        matching_layer(keras.Sequential([keras.Input((9, 9, 1))]), 3, [])
