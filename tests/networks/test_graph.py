"""Layers are listed and run in the order of computation."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from cnnbook import explanations, networks

# The table


def test_the_classifier_is_listed_from_input_to_logits():
    table = networks.layer_table(networks.build_classifier((16, 16, 3), filters=(4, 8)))
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


def test_operations_between_layers_are_listed_as_what_they_are():
    image = keras.Input((8, 8, 3))
    maps = keras.ops.max_pool(keras.ops.relu(image), 2)
    kinds = [row["kind"] for row in networks.layer_table(keras.Model(image, maps))]
    assert kinds == ["input", "activation", "pooling"]


# Calls by name


@pytest.fixture
def twice():
    """A model inside a model, one layer used twice, dropout, statistics and a sum."""
    stem_image = keras.Input((None, None, 3), name="stem_image")
    answers = layers.Conv2D(4, 3, padding="same", name="conv")(stem_image)
    answers = layers.BatchNormalization(name="norm")(answers)
    stem = keras.Model(stem_image, layers.ReLU(name="relu")(answers), name="stem")
    image = keras.Input((6, 5, 3), name="image")
    conv = layers.Conv2D(4, 3, padding="same", activation="tanh", name="conv")
    once = conv(layers.Dropout(0.5, name="dropout")(stem(image)))
    total = layers.Add(name="sum")([once, conv(once)])
    end = layers.Dense(2, name="logits")(layers.Flatten(name="flatten")(total))
    network = keras.Model(image, end, name="twice")
    rng = np.random.default_rng(1)
    for weight in network.weights:
        if "seed" not in weight.path:
            weight.assign(rng.uniform(0.2, 0.8, weight.shape))
    return network


@pytest.fixture
def batch(rng):
    return tf.constant(rng.uniform(-1, 1, (3, 6, 5, 3)), "float32")


def test_calls_come_in_the_order_of_computation_the_inner_ones_by_path(twice):
    calls = networks.layer_calls(twice)
    assert list(calls) == [
        "image", "stem/stem_image", "stem/conv", "stem/norm", "stem/relu", "dropout",
        "conv", "conv#2", "sum", "flatten", "logits",
    ]  # fmt: skip
    assert calls["stem/conv"].operation is twice.get_layer("stem").get_layer("conv")
    assert calls["conv"].operation is calls["conv#2"].operation
    assert calls["logits"].outputs[0] is twice.output
    # The sum takes what the two calls of one layer give, and they differ.
    first, second = (calls[name].outputs[0] for name in ("conv", "conv#2"))
    assert [id(t) for t in calls["sum"].input_tensors] == [id(first), id(second)]


def test_a_single_layer_has_a_call_for_the_image_and_one_for_itself():
    image = keras.Input((4, 4, 1), name="image")
    network = keras.Sequential([image, layers.ReLU(name="relu")])
    assert list(networks.layer_calls(network)) == ["image", "relu"]


# Calls by keyword


def stem():
    image = keras.Input((6, 5, 3), name="stem_image")
    found = layers.Conv2D(4, 3, padding="same", name="conv")(inputs=image)
    found = layers.BatchNormalization(name="norm")(found, training=False)
    return keras.Model(image, layers.ReLU(name="relu")(inputs=found), name="stem")


def two_inputs():
    first, second = keras.Input((6, 5, 3), name="b"), keras.Input((6, 5, 3), name="a")
    found = [layers.Conv2D(4, 1)(first), layers.Conv2D(4, 3, padding="same")(second)]
    return keras.Model([first, second], layers.Subtract()(inputs=found))


def in_another(image):
    inner = keras.Input((6, 5, 3), name="inner")
    return keras.Model(inner, stem()(inputs=inner, training=False))(inputs=image)


def shared(image):
    model = stem()
    return model(inputs=image, training=False) - model(image[..., ::-1], training=False)


def from_a_list(image):
    return two_inputs()(inputs=[image, image * image])


def from_a_dictionary(image):
    """By name: the second input has the image itself."""
    return two_inputs()(inputs={"a": image, "b": image * image})


def attention(image):
    rows = layers.Reshape((30, 3))(image)
    return layers.MultiHeadAttention(1, 2)(query=rows, value=rows)


BY_KEYWORD = {
    "once": lambda image: stem()(inputs=image, training=False),
    "a chain": lambda image: keras.Sequential(stem().layers)(inputs=image),
    "in another": in_another,
    "shared": shared,
    "a list": from_a_list,
    "a dictionary": from_a_dictionary,
    "joined": lambda x: layers.Concatenate()(inputs=[x, layers.ReLU()(inputs=x)]),
    "attention": attention,
    "a function": lambda image: layers.Lambda(lambda x: x * x, name="square")(image),
}


@pytest.mark.parametrize("name", BY_KEYWORD)
def test_what_is_called_by_keyword_answers_as_the_model_does(name, batch):
    image = keras.Input((6, 5, 3), name="image")
    found = layers.Flatten()(inputs=BY_KEYWORD[name](image))
    end = layers.Dense(2, activation="softmax", name="end")
    network = keras.Model(image, end(inputs=found))
    rng = np.random.default_rng(1)
    for weight in network.weights:
        if "seed" not in weight.path:
            weight.assign(rng.uniform(0.1, 0.3, weight.shape))

    ours = run(network, batch, networks.layer_calls(network))["end"]
    np.testing.assert_allclose(ours, network(batch, training=False), rtol=1e-6)
    np.testing.assert_allclose(
        explanations.class_probabilities(network, batch), ours, rtol=1e-5
    )
    assert networks.head(network).layer == "end"


def test_a_model_given_none_for_training_is_followed_as_without(batch):
    """Keras itself cannot run the outer one: it gives training twice."""
    image, inner = keras.Input((6, 5, 3), name="image"), stem()
    network = keras.Model(image, inner(image, None))
    ours = run(network, batch, ["stem/relu"])["stem/relu"]
    np.testing.assert_allclose(ours, inner(batch, training=False), rtol=1e-6)


def test_constants_among_the_arguments_come_with_the_values():
    image = keras.Input((6, 5, 3), name="image")
    network = keras.Model(image, (image / np.array([1.0, 2.0, 4.0]))[..., ::-1])
    seen = {}

    def look(name, node, args, kwargs):
        seen[type(node.operation).__name__] = args
        return ["value"]

    networks.follow(networks.connections(network), ["value"], look)
    value, array = seen["TrueDivide"]
    assert value == "value" and np.ravel(array).tolist() == [1, 2, 4]
    assert seen["GetItem"] == ("value", (..., slice(None, None, -1)))


# Running


def run(network, images, names, **options):
    return networks.run(networks.connections(network), images, names, **options)


def test_what_is_run_equals_the_models_own_outputs(twice, batch):
    ours = run(twice, batch, networks.layer_calls(twice))

    assert list(ours) == list(networks.layer_calls(twice))
    np.testing.assert_array_equal(ours["image"], batch)
    np.testing.assert_allclose(ours["logits"], twice(batch, training=False), rtol=1e-6)
    stem = twice.get_layer("stem")
    np.testing.assert_allclose(ours["stem/relu"], stem(batch), rtol=1e-6)
    conv = twice.get_layer("conv")
    np.testing.assert_allclose(ours["conv"], conv(stem(batch)), rtol=1e-6)
    np.testing.assert_allclose(ours["conv#2"], conv(conv(stem(batch))), rtol=1e-6)


def test_only_the_layers_asked_for_are_returned_in_the_order_of_computation(
    twice, batch
):
    assert list(run(twice, batch, {"sum", "stem/norm"})) == ["stem/norm", "sum"]
    assert run(twice, batch, ()) == {}


def test_nothing_is_dropped_and_no_statistics_move(twice, batch):
    norm = twice.get_layer("stem").get_layer("norm")
    before = [np.array(weight) for weight in norm.weights]

    first, second = (
        run(twice, batch, ["stem/conv", "stem/norm", "stem/relu", "dropout"])
        for _ in range(2)
    )

    for name in first:
        np.testing.assert_array_equal(first[name], second[name])
    np.testing.assert_array_equal(first["dropout"], first["stem/relu"])
    for ours, weight in zip(before, norm.weights, strict=True):
        np.testing.assert_array_equal(ours, weight)
    # By the layer's own mean and variance, and not by those of this batch.
    gamma, beta, mean, variance = before
    expected = (first["stem/conv"] - mean) / np.sqrt(variance + norm.epsilon)
    np.testing.assert_allclose(first["stem/norm"], expected * gamma + beta, rtol=1e-4)


def test_inference_holds_while_the_surroundings_train(twice, batch):
    """A caller that is itself run in training, as inside `fit`, changes nothing."""

    class Watch(keras.layers.Layer):
        def call(self, images):
            return run(twice, images, ["logits"])["logits"]

    np.testing.assert_allclose(
        Watch()(batch, training=True), twice(batch, training=False), rtol=1e-6
    )


def test_gradients_flow_to_the_image_and_to_maps_in_between():
    """score = 3 · relu(2 x): its slope is 6 where x is positive, else 0."""
    network = keras.Sequential(
        [
            keras.Input((1, 2, 1), name="image"),
            layers.Rescaling(2.0, name="double"),
            layers.ReLU(name="relu"),
            layers.Rescaling(3.0, name="triple"),
        ]
    )
    image = tf.constant([5.0, -5.0], shape=(1, 1, 2, 1))

    with tf.GradientTape() as tape:
        tape.watch(image)
        found = run(network, image, ["double", "relu", "triple"])
        score = tf.reduce_sum(found["triple"])
    by_image, by_double, by_relu = tape.gradient(
        score, [image, found["double"], found["relu"]]
    )

    assert np.ravel(by_image).tolist() == [6, 0]
    assert np.ravel(by_double).tolist() == [3, 0]
    assert np.ravel(by_relu).tolist() == [3, 3]


def test_gradients_equal_those_of_the_model_itself(twice, batch):
    slopes = []
    for answer in (lambda x: run(twice, x, ["logits"])["logits"], twice):
        with tf.GradientTape() as tape:
            tape.watch(batch)
            score = tf.reduce_sum(answer(batch)[:, 0])
        slopes.append(tape.gradient(score, batch))
    assert np.abs(slopes[0]).max() > 0
    np.testing.assert_allclose(*slopes, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_a_compiled_run_computes_the_same(twice, batch):
    names = list(networks.layer_calls(twice))
    compiled = tf.function(lambda x: run(twice, x, names))(batch)
    for name, expected in run(twice, batch, names).items():
        np.testing.assert_allclose(
            compiled[name], expected, rtol=1e-5, atol=1e-6, err_msg=name
        )


def test_a_compiled_run_leaves_out_what_no_chosen_layer_needs():
    """Nine numbers cannot be four: an error, but only if somebody computes it."""
    image = keras.Input((None, None, 1), name="image")
    end = layers.Reshape((4,), name="four")(layers.ReLU(name="relu")(image))
    network = keras.Model(image, end)
    signature = [tf.TensorSpec((None, None, None, 1))]

    def compiled(name):
        return tf.function(
            lambda x: run(network, x, [name])[name], input_signature=signature
        )

    nine = tf.ones((1, 3, 3, 1))
    np.testing.assert_array_equal(compiled("relu")(nine), nine)
    with pytest.raises(tf.errors.InvalidArgumentError):
        compiled("four")(nine)


def test_what_is_given_takes_the_place_of_what_a_layer_would_answer(twice, batch):
    """All later layers go by it; those before answer as ever."""
    zeros = tf.zeros((3, 6, 5, 4))
    names = ["stem/relu", "conv", "conv#2", "sum"]

    ever = run(twice, batch, names)
    ours = run(twice, batch, names, given={"conv": zeros})

    np.testing.assert_array_equal(ours["stem/relu"], ever["stem/relu"])
    np.testing.assert_array_equal(ours["conv"], zeros)
    second = twice.get_layer("conv")(zeros)
    np.testing.assert_allclose(ours["conv#2"], second, rtol=1e-6)
    np.testing.assert_allclose(ours["sum"], second, rtol=1e-6)


def test_whole_numbers_become_the_networks_own_kind_of_numbers():
    image = keras.Input((1, 2, 1), name="image")
    network = keras.Sequential([image, layers.Rescaling(0.5, name="half")])
    found = run(network, tf.constant([[[[3], [4]]]], tf.uint8), ["image", "half"])
    assert found["image"].dtype == "float32"
    assert np.ravel(found["half"]).tolist() == [1.5, 2]
