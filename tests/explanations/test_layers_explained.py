"""Class maps need a layer with maps, and the way from there to the score, no more."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from cnnbook import explanations

pytestmark = pytest.mark.xdist_group("explanations")

BY_GRADIENTS = ["grad-cam", "grad-cam++", "hires-cam", "xgrad-cam"]


def rounded(image):
    """Step by step as 8 bits hold it: no derivative."""
    return keras.ops.cast(keras.ops.cast(image * 255, "uint8"), "float32") / 255


BEFORE = {
    "a uint8 input": ("uint8", lambda image: keras.ops.cast(image, "float32") / 255),
    "a cast and back": ("float32", rounded),
    "stop_gradient": ("float32", keras.ops.stop_gradient),
    "a comparison": ("float32", lambda image: keras.ops.cast(image > 0.5, "float32")),
    "a layer of one's own": ("float32", keras.layers.Lambda(rounded)),
}


def without_derivative(name):
    """A classifier whose way to the maps is cut, and its part from the maps on."""
    dtype, before = BEFORE[name]
    image = keras.Input((8, 8, 3), dtype=dtype)
    conv = keras.layers.Conv2D(4, 3, name="maps")
    maps = conv(before(image))
    rest = keras.Sequential(
        [
            keras.Input(maps.shape[1:]),
            keras.layers.Conv2D(3, 3, activation="tanh"),
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ]
    )
    return keras.Model(image, rest(maps)), keras.Model(image, maps), rest


def pictures_for(model, rng):
    pictures = rng.random((2, 8, 8, 3))
    whole = model.inputs[0].dtype == "uint8"
    return (pictures * 255).astype("uint8") if whole else pictures.astype("float32")


@pytest.mark.parametrize("name", BEFORE)
def test_grad_cam_needs_no_derivative_before_the_maps(rng, name):
    model, to_maps, rest = without_derivative(name)
    images = pictures_for(model, rng)
    maps = to_maps(images)
    with tf.GradientTape() as tape:
        tape.watch(maps)
        score = rest(maps)[:, 1]
    weights = tf.reduce_mean(tape.gradient(score, maps), axis=(1, 2), keepdims=True)
    expected = tf.nn.relu(tf.reduce_sum(maps * weights, axis=-1))
    found = explanations.grad_cam(model, images, 1, layer="maps")
    np.testing.assert_allclose(found.values, expected, atol=1e-6)
    np.testing.assert_allclose(found.score, score, atol=1e-6)


@pytest.mark.parametrize("method", BY_GRADIENTS)
def test_maps_behind_a_cut_are_weighed_as_those_of_the_rest_alone(rng, method):
    keras.utils.set_random_seed(0)  # Grad-CAM++ may divide by next to nothing
    model, to_maps, rest = without_derivative("a cast and back")
    images = pictures_for(model, rng)
    own = keras.Sequential(
        [
            keras.Input((6, 6, 4)),
            keras.layers.DepthwiseConv2D(1, depthwise_initializer="ones", name="same"),
            rest,
        ]
    )
    maps = np.asarray(to_maps(images))
    alone = explanations.explain(method, own, maps, 1, layer="same")
    found = explanations.explain(method, model, images, 1, layer="maps")
    np.testing.assert_allclose(found.values, alone.values, atol=1e-5)


@pytest.mark.parametrize("name", BEFORE)
@pytest.mark.parametrize("method", ["saliency", "smooth-grad", "integrated-gradients"])
def test_what_needs_the_derivative_at_the_image_says_that_there_is_none(
    rng, name, method
):
    model, *_ = without_derivative(name)
    with pytest.raises(ValueError, match="no gradient at its input"):
        explanations.explain(method, model, pictures_for(model, rng), 1)


class Block(keras.layers.Layer):
    """A layer of one's own that holds a convolution."""

    def __init__(self, **options):
        super().__init__(**options)
        self.conv = keras.layers.Conv2D(4, 3)

    def call(self, image):
        return keras.ops.relu(self.conv(image))


def inner():
    return keras.Sequential(
        [keras.Input((8, 8, 3)), Block(name="block"), keras.layers.MaxPooling2D()],
        name="inner",
    )


FINDING = {
    "wrapped": lambda: keras.layers.SpectralNormalization(
        keras.layers.Conv2D(4, 3), name="it"
    ),
    "a block of one's own": lambda: Block(name="it"),
    "transposed": lambda: keras.layers.Conv2DTranspose(4, 3, name="it"),
    "Lambda": lambda: keras.layers.Lambda(
        lambda image: tf.nn.conv2d(image, tf.ones((3, 3, 3, 4)), 1, "VALID"), name="it"
    ),
    "row by row": lambda: keras.layers.TimeDistributed(
        keras.layers.Conv1D(4, 3), name="it"
    ),
    "dense at each place": lambda: keras.layers.Dense(4, name="it"),
    "einsum": lambda: keras.layers.EinsumDense(
        "nhwc,cf->nhwf", output_shape=(8, 8, 4), name="it"
    ),
}


@pytest.mark.parametrize("name", FINDING)
@pytest.mark.parametrize("method", [*BY_GRADIENTS, "ablation-cam"])
def test_the_last_maps_are_explained_whatever_layer_computes_them(rng, name, method):
    """HiResCAM of the last maps before one dense layer adds up to the logit."""
    image = keras.Input((8, 8, 3))
    maps = FINDING[name]()(keras.layers.Rescaling(2.0)(image))
    pooled = keras.layers.AveragePooling2D(2)(maps)
    scores = keras.layers.Dense(2, use_bias=False)(keras.layers.Flatten()(pooled))
    model = keras.Model(image, scores)
    images = rng.random((2, 8, 8, 3), np.float32)
    found = explanations.explain(method, model, images, 1)
    assert found.layer == "it"
    assert found.values.shape[1:] == tuple(maps.shape[1:3])
    np.testing.assert_allclose(found.score, np.asarray(model(images))[:, 1], atol=1e-5)
    if method == "hires-cam":
        np.testing.assert_allclose(found.values.sum((1, 2)), found.score, atol=1e-4)


def test_the_last_maps_of_a_nested_model_are_found():
    layers = [keras.layers.Flatten(), keras.layers.Dense(2)]
    model = keras.Sequential([keras.Input((8, 8, 3)), inner(), *layers])
    found = explanations.grad_cam(model, np.ones((1, 8, 8, 3)), 0)
    assert found.layer == "inner/block"


def test_what_was_a_row_of_numbers_has_no_places_although_it_is_given_a_shape():
    layers = [
        keras.layers.Conv2D(4, 3, name="maps"),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(16),
        keras.layers.Reshape((2, 2, 4)),
        keras.layers.Conv2D(3, 1),
        keras.layers.Flatten(),
        keras.layers.Dense(2),
    ]
    model = keras.Sequential([keras.Input((8, 8, 3)), *layers])
    assert explanations.grad_cam(model, np.ones((1, 8, 8, 3)), 0).layer == "maps"


def test_a_gate_made_of_a_row_of_numbers_leaves_maps_their_places():
    image = keras.Input((8, 8, 3))
    maps = keras.layers.Conv2D(4, 3)(image)
    gate = keras.layers.GlobalAveragePooling2D(keepdims=True)(maps)
    gate = keras.layers.Conv2D(4, 1, activation="sigmoid")(gate)
    gated = keras.layers.Multiply(name="gated")([maps, gate])
    scores = keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(gated))
    model = keras.Model(image, scores)
    assert explanations.grad_cam(model, np.ones((1, 8, 8, 3)), 0).layer == "gated"


@pytest.mark.parametrize(
    "layers",
    [
        [],
        [keras.layers.Rescaling(2.0), keras.layers.MaxPooling2D()],
        [keras.layers.Lambda(lambda image: image / 255)],
    ],
)
def test_where_nothing_is_found_in_the_picture_the_layers_to_choose_from_are_named(
    layers,
):
    rest = [keras.layers.Flatten(), keras.layers.Dense(2)]
    model = keras.Sequential([keras.Input((8, 8, 3), name="image"), *layers, *rest])
    names = ", ".join(["image", *(layer.name for layer in layers)])
    with pytest.raises(ValueError, match=f"choose one by layer=, of: {names}$"):
        explanations.grad_cam(model, np.ones((1, 8, 8, 3)), 0)
    for layer in layers:
        found = explanations.grad_cam(model, np.ones((1, 8, 8, 3)), 0, layer=layer.name)
        assert found.layer == layer.name
