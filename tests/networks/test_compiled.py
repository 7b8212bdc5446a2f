"""A compiled function is right whatever of its network was changed since."""

import dataclasses
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from cnnbook import explanations, maps, training

SCALE = 1.0  # as a notebook has it, and changes it


@dataclasses.dataclass
class Settings:
    scale: float = 1.0


@dataclasses.dataclass(slots=True)
class Slotted:
    scale: float = 1.0


class Scaled(keras.layers.Layer):
    """A layer of one's own that multiplies by what it finds in many places."""

    factor = 1.0

    def __init__(self, **options):
        super().__init__(**options)
        self.scale = 1.0
        self.settings, self.slotted = Settings(), Slotted()
        self.array = np.ones(1, "float32")
        self.options = {"scale": 1.0}
        self.traced = 0

    def call(self, image):
        self.traced += 1
        for scale in (self.scale, self.factor, self.settings.scale, self.array):
            image = image * scale
        return image * self.options["scale"] * self.slotted.scale * SCALE


def closure():
    """Return a function that multiplies by what it shares with another, and that."""
    scale = 1.0

    def change():
        nonlocal scale
        scale = 3.0

    return (lambda image: image * scale), change


def classifier(layer):
    """A classifier that begins with a layer."""
    return keras.Sequential(
        [
            keras.Input((4, 4, 3)),
            layer,
            keras.layers.Conv2D(3, 2, name="conv"),
            keras.layers.Flatten(),
            keras.layers.Dense(2, name="dense"),
        ]
    )


def adapted(model):
    model.layers[0].adapt(np.random.default_rng(1).normal(5, 3, (8, 4, 4, 3)))


def reloaded(model, folder):
    other = classifier(keras.layers.Normalization())
    adapted(other)
    other.save_weights(folder / "other.weights.h5")
    model.load_weights(folder / "other.weights.h5")


def with_lora(model):
    model.get_layer("dense").enable_lora(2)
    model.get_layer("dense").lora_kernel_b.assign([[1.0, -1], [2, 3]])


def set_in(thing, name, value):
    return lambda model: setattr(thing(model), name, value)


def first(model):
    return model.layers[0]


def fill(model):
    first(model).array[:] = 3


def set_key(model):
    first(model).options["scale"] = 3.0


def own():
    return Scaled()


CHANGES = {
    "normalization adapted": (keras.layers.Normalization, adapted),
    "a number": (lambda: keras.layers.Rescaling(1.0), set_in(first, "scale", 3.0)),
    "an activation": (
        lambda: keras.layers.Activation("relu"),
        set_in(first, "activation", keras.activations.tanh),
    ),
    "a convolution's activation": (
        lambda: keras.layers.Rescaling(1.0),
        set_in(lambda model: model.get_layer("conv"), "activation", keras.ops.sin),
    ),
    "a slope": (
        lambda: keras.layers.LeakyReLU(0.1),
        set_in(first, "negative_slope", 1),
    ),
    "quantised": (
        lambda: keras.layers.Rescaling(1.0),
        lambda model: model.get_layer("dense").quantize("int8"),
    ),
    "low rank": (lambda: keras.layers.Rescaling(1.0), with_lora),
    "precision": (
        lambda: keras.layers.Conv2D(3, 1),
        set_in(first, "dtype_policy", "mixed_float16"),
    ),
    "own: a number": (own, set_in(first, "scale", 3.0)),
    "own: an object's number": (
        own,
        set_in(lambda model: first(model).settings, "scale", 3.0),
    ),
    "own: a number in a slot": (
        own,
        set_in(lambda model: first(model).slotted, "scale", 3.0),
    ),
    "own: an array in its place": (own, fill),
    "own: a key of a dictionary": (own, set_key),
    "a layer in a layer": (
        lambda: keras.layers.TimeDistributed(keras.layers.Rescaling(1.0)),
        set_in(lambda model: first(model).layer, "scale", 3.0),
    ),
}


def seen(model, images):
    """Maps, logits and a gradient, each by a function compiled for the model."""
    return [
        maps.feature_maps(model, images, "conv")["conv"],
        explanations.class_probabilities(model, images),
        explanations.saliency_map(model, images, 1).values,
    ]


def expected(model, images):
    """The same by plain Keras, compiled by nobody."""
    conv = images
    for layer in model.layers:
        conv = layer(conv)
        if layer.name == "conv":
            break
    pixels = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(pixels)
        answers = model(pixels)
        score = answers[:, 1]
    slopes = np.abs(tape.gradient(score, pixels)).max(-1)
    return [np.asarray(conv), np.asarray(keras.ops.softmax(answers)), slopes]


def check_before_and_after(model, change, images):
    before = seen(model, images)
    change(model)
    for found, right in zip(seen(model, images), expected(model, images), strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-5, atol=1e-6)
    assert not np.allclose(before[1], seen(model, images)[1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", CHANGES)
def test_what_was_changed_since_the_first_look_is_seen(rng, name):
    layer, change = CHANGES[name]
    model = classifier(layer())
    check_before_and_after(model, change, rng.random((2, 4, 4, 3), np.float32) - 0.5)


def test_a_normalization_loaded_again_is_seen(rng, tmp_path):
    model = classifier(keras.layers.Normalization())
    adapted(model)
    first(model).adapt(np.ones((2, 4, 4, 3)) + rng.random((2, 4, 4, 3)))
    images = rng.random((2, 4, 4, 3), np.float32)
    check_before_and_after(model, lambda model: reloaded(model, tmp_path), images)


def test_what_a_class_and_a_module_hold_is_seen(rng, monkeypatch):
    images = rng.random((2, 4, 4, 3), np.float32)
    model = classifier(Scaled())
    check_before_and_after(
        model, lambda _: monkeypatch.setattr(Scaled, "factor", 3.0), images
    )
    check_before_and_after(
        model, lambda _: monkeypatch.setitem(globals(), "SCALE", 3.0), images
    )


def test_what_is_in_a_module_that_a_module_holds_is_seen(rng, monkeypatch):
    inner, outer = types.ModuleType("inner"), types.ModuleType("outer")
    inner.scale, inner.outer, outer.inner = 1.0, outer, inner  # as imports may go
    monkeypatch.setitem(globals(), "settings", outer)
    model = classifier(keras.layers.Lambda(lambda x: x * settings.inner.scale))  # noqa: F821
    check_before_and_after(
        model, lambda _: setattr(inner, "scale", 3.0), rng.random((2, 4, 4, 3))
    )


def test_what_a_function_shares_with_another_is_seen(rng):
    function, change = closure()
    model = classifier(keras.layers.Lambda(function))
    images = rng.random((2, 4, 4, 3), np.float32)
    check_before_and_after(model, lambda _: change(), images)


def test_an_array_in_the_arguments_of_an_operation_is_seen(rng):
    scale = np.ones(3, "float32")
    image = keras.Input((4, 4, 3))
    model = keras.Model(image, keras.ops.multiply(image, scale))
    name = model.operations[-1].name
    images = rng.random((1, 4, 4, 3), np.float32)
    maps.feature_maps(model, images, name)
    scale[:] = [1, 2, 3]
    found = maps.feature_maps(model, images, name)[name]
    np.testing.assert_array_equal(found, model(images))


def test_keras_itself_is_told_of_what_was_changed(rng):
    model = classifier(keras.layers.Normalization())
    adapted(model)
    images = rng.random((2, 4, 4, 3), np.float32)
    model.white = 1
    training.predict(model, images)
    first(model).adapt(images)
    right = keras.ops.softmax(model(images))
    np.testing.assert_allclose(training.predict(model, images), right, atol=1e-6)
    first(model).adapt(2 * images)
    fresh = keras.Model(model.inputs, model.outputs)
    gap, right = (
        maps.superposition_gap(own, images[:1], images[1:]) for own in (model, fresh)
    )
    assert gap == pytest.approx(right, rel=1e-5)


def test_while_nothing_changes_but_weights_nothing_is_compiled_again(rng, monkeypatch):
    """Although the layer counts its calls, and Keras compiles functions of its own."""
    model = classifier(Scaled())
    images = rng.random((2, 4, 4, 3), np.float32)
    before = seen(model, images)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(images, np.array([0, 1]), verbose=0)
    model.predict(images, verbose=0)
    monkeypatch.setattr(tf, "function", None)
    after = seen(model, images)
    assert not np.array_equal(before[1], after[1])


@pytest.mark.slow
@pytest.mark.parametrize("method", explanations.METHODS)
def test_every_method_sees_what_was_changed(rng, method):
    options = {"seed": 0} if method == "lime" else {}
    images = rng.random((1, 4, 4, 3), np.float32)
    changed, right = (classifier(keras.layers.Activation("relu")) for _ in range(2))
    explanations.explain(method, changed, images, 1, **options)
    for model in changed, right:
        first(model).activation = keras.activations.leaky_relu
        model.get_layer("conv").activation = keras.activations.relu
    right.set_weights(changed.get_weights())
    np.testing.assert_array_equal(
        explanations.explain(method, changed, images, 1, **options).values,
        explanations.explain(method, right, images, 1, **options).values,
    )
