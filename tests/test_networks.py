"""The layers of a model are listed in order, by kind, shape and parameters."""

import keras
from keras import layers

from cnnbook import model, networks


def test_the_classifier_is_listed_from_input_to_logits():
    table = networks.layer_table(model.build_classifier((16, 16, 3), filters=(4, 8)))
    stage = ["convolution", "activation", "pooling"]
    kinds = ["input", *stage, *stage, "other", "fully connected"]
    assert [row["kind"] for row in table] == kinds
    assert [row["shape"] for row in table[:4]] == [
        (16, 16, 3), (16, 16, 4), (16, 16, 4), (8, 8, 4),
    ]  # fmt: skip
    # 3 × 3 × 3 kernel values for each of 4 filters, and 4 biases; 128 votes for 2.
    assert table[1]["parameters"] == 3 * 3 * 3 * 4 + 4
    assert table[-1]["parameters"] == 4 * 4 * 8 * 2 + 2


def test_the_parameters_of_the_rows_add_up_to_those_of_the_model():
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, activation="relu")(image)
    x = layers.BatchNormalization()(x)
    inner = keras.Sequential([keras.Input((6, 6, 4)), layers.DepthwiseConv2D(3)])
    x = layers.GlobalMaxPooling2D()(inner(x)) * 2
    network = keras.Model(image, layers.Dense(2)(x))
    table = networks.layer_table(network)
    assert sum(row["parameters"] for row in table) == network.count_params()
    assert [row["kind"] for row in table] == [
        "input", "convolution", "other", "other", "pooling", "other", "fully connected",
    ]  # fmt: skip
