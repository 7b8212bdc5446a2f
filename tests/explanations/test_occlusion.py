"""Hiding windows by partial passes gives what full passes give, and needs less work."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from cnnbook.explanations import occlusion_map, partial_runs
from cnnbook.networks import build_classifier, connections, layer_calls, training_form


def by_full_passes(model, image, target, window, stride, baseline):
    """One full pass for each place."""
    height, width = image.shape[:2]
    places = [
        range(0, side - length + 1, step)
        for side, length, step in zip((height, width), window, stride, strict=True)
    ]
    hidden = []
    for row in places[0]:
        for column in places[1]:
            copy = image.copy()
            copy[row : row + window[0], column : column + window[1]] = np.broadcast_to(
                baseline, image.shape
            )[row : row + window[0], column : column + window[1]]
            hidden.append(copy)
    scores = np.asarray(model(np.stack([image, *hidden]), training=False))[:, target]
    return (scores[0] - scores[1:]).reshape(*map(len, places))


def chain(*stages, shape=(21, 26, 3)):
    """A classifier of these layers and a dense end, with random weights throughout."""
    model = keras.Sequential(
        [keras.Input(shape), *stages, layers.Flatten(), layers.Dense(3)]
    )
    rng = np.random.default_rng(0)
    model.set_weights(
        [
            rng.normal(0, 0.4, array.shape) ** 2
            if array.ndim == 1
            else rng.normal(0, 0.4, array.shape)
            for array in model.get_weights()
        ]
    )
    return model


def residual():
    """Two convolutions in a row, then a block with a way round it."""
    inputs = keras.Input((21, 26, 3))
    x = layers.Conv2D(4, 3, padding="same", activation="relu")(inputs)
    x = layers.MaxPooling2D(2)(x)
    inner = layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    x = layers.Add()([x, layers.Conv2D(4, 3, padding="same")(inner)])
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(3)(x))


def operations_between():
    """Activations that are no layers, then a map of yes and no, made numbers again."""
    inputs = keras.Input((21, 26, 3))
    x = layers.Conv2D(4, 3, padding="same")(inputs)
    x = layers.MaxPooling2D(2)(keras.ops.relu(keras.ops.selu(x)))
    x = keras.ops.cast(keras.ops.logical_not(x), "float32")
    x = layers.Flatten()(layers.Conv2D(4, 3)(x))
    return keras.Model(inputs, layers.Dense(3)(x))


NETWORKS = {
    "same": lambda: chain(
        layers.Conv2D(4, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(5, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(2),
    ),
    "valid": lambda: chain(
        layers.Conv2D(4, (3, 5), activation="relu"),
        layers.AveragePooling2D(2),
        layers.Conv2D(5, 3, activation="gelu"),
    ),
    "strides": lambda: chain(
        layers.Rescaling(2.0, -1.0),
        layers.Conv2D(4, 5, strides=2, padding="same"),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.MaxPooling2D(3, strides=2, padding="same"),
        layers.Conv2D(4, 1, strides=2),
    ),
    "dilation": lambda: chain(
        layers.Conv2D(4, 3, dilation_rate=2, padding="same", activation="relu"),
        layers.DepthwiseConv2D(3, padding="same"),
        layers.SeparableConv2D(4, 3, activation="tanh"),
        layers.Dropout(0.5),
    ),
    "overlapping pools": lambda: chain(
        layers.Conv2D(4, 3, activation="relu"),
        layers.MaxPooling2D(3, strides=1, padding="same"),
        layers.Conv2D(4, 3, groups=2, activation="relu"),
    ),
    "averages at the edge": lambda: chain(
        layers.Conv2D(4, 3, padding="same"),
        layers.AveragePooling2D(3, strides=2, padding="same"),
    ),
    "a way round": residual,
    "operations between layers": operations_between,
    "nested": lambda: keras.Sequential([keras.Input((21, 26, 3)), NETWORKS["same"]()]),
    "the book's": lambda: build_classifier((21, 26, 3), 3, filters=(4, 5)),
    "the book's in training": lambda: training_form(
        build_classifier((21, 26, 3), 3, filters=(4, 5))
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(
    ("window", "stride", "baseline"),
    [((4, 4), (4, 4), 0.0), ((5, 3), (2, 7), 0.5), ((1, 26), (3, 1), [0.1, 0.2, 0.3])],
)
def test_partial_passes_agree_with_full_ones(rng, name, window, stride, baseline):
    model = NETWORKS[name]()
    images = rng.random((2, 21, 26, 3), np.float32)
    found = occlusion_map(
        model, images, 2, window=window, stride=stride, baseline=baseline, batch_size=7
    )
    for image, values in zip(images, found.values, strict=True):
        expected = by_full_passes(model, image, 2, window, stride, baseline)
        scale = np.abs(expected).max()
        np.testing.assert_allclose(values, expected, atol=1e-4 * scale)


def test_where_the_image_already_equals_the_baseline_nothing_changes(rng):
    model = NETWORKS["same"]()
    images = rng.random((1, 21, 26, 3), np.float32)
    images[:, :8, :8] = 0.25
    values = occlusion_map(model, images, 0, window=4, baseline=0.25).values[0]
    np.testing.assert_allclose(values[:2, :2], 0, atol=1e-6)
    assert np.abs(values).max() > 0.01


@pytest.mark.parametrize(
    ("size", "window", "stride"),
    [((48, 40), 5, 2), ((16, 16), 2, 1), ((7, 30), 1, 1)],
)
def test_by_default_an_eighth_of_the_shorter_side_is_hidden_in_steps_of_half(
    rng, size, window, stride
):
    model = chain(shape=(*size, 1))
    images = rng.random((2, *size, 1), np.float32)
    found = occlusion_map(model, images, 1)
    assert (found.window, found.stride) == ((window,) * 2, (stride,) * 2)
    asked = occlusion_map(model, images, 1, window=window, stride=stride)
    np.testing.assert_array_equal(found.values, asked.values)


def test_steps_may_be_chosen_without_a_window_and_a_window_without_steps(rng):
    model = chain(shape=(16, 24, 1))
    images = rng.random((1, 16, 24, 1), np.float32)
    steps = occlusion_map(model, images, 1, stride=(4, 3))
    assert (steps.window, steps.stride) == ((2, 2), (4, 3))
    window = occlusion_map(model, images, 1, window=(4, 3))
    assert (window.window, window.stride) == ((4, 3), (4, 3))


# The layers that see patches, and the rows and columns of the patch behind each, where
# a window of 4 × 4 is hidden at the edge or inside.
PATCHES = {
    # A window of 4 at the edge changes 5 outputs of a 3 × 3 convolution, inside 6.
    "same": {
        "conv2d": (6, 6),
        "max_pooling2d": (4, 4),
        "conv2d_1": (6, 6),
        "max_pooling2d_1": (3, 3),
    },
    # What is added to the map in the end must be there whole.
    "a way round": {"conv2d": (6, 6), "max_pooling2d": (4, 4)},
    # A map of yes and no must be there whole.
    "operations between layers": {
        "conv2d": (6, 6),
        "selu": (6, 6),
        "relu": (6, 6),
        "max_pooling2d": (4, 4),
    },
    # An average at the edge is one of fewer values.
    "averages at the edge": {"conv2d": (6, 6)},
    # A window of 3 × 5, and then one of 3 × 3, on averages of 2 × 2.
    "valid": {"conv2d": (6, 8), "average_pooling2d": (3, 4), "conv2d_1": (4, 6)},
}


@pytest.mark.parametrize("name", PATCHES)
def test_layers_run_on_patches_until_a_branch_or_until_patches_are_maps(name):
    made, expected = planned(name, (4, 4)), PATCHES[name]
    assert [step.name for step in made.steps] == list(expected)
    assert made.lengths == ((4, 4), *expected.values())
    assert made.last == list(expected)[-1]


@pytest.mark.parametrize(
    ("length", "last"),
    [
        (4, "max_pooling2d_1"),
        (15, "max_pooling2d"),
        (18, "conv2d"),
        (20, "input_layer"),
    ],
)
def test_the_larger_the_window_the_sooner_patches_are_maps(length, last):
    assert planned("same", (length, length)).last == last


def planned(name, window):
    """Plan for windows of this size at the corner and, where there is room, inside."""
    keras.utils.clear_session()
    model = NETWORKS[name]()
    calls = partial_runs.chain(connections(model))
    shapes = {
        name: (*node.outputs[0].shape[1:3], 1)[:2]
        for name, node in layer_calls(model).items()
    }
    starts = tuple(
        np.array([0, min(inside, side - length)], "int32")
        for inside, side, length in zip((4, 8), (21, 26), window, strict=True)
    )
    return partial_runs.plan(calls, shapes, starts, window)


# What must not be cut: constants, and layers that differ from place to place


def behind(step):
    """A classifier of a step, then two convolutions, with random weights throughout."""
    inputs = keras.Input((12, 10, 3))
    x = layers.Conv2D(3, 3, padding="same", activation="relu")(step(inputs))
    x = layers.Flatten()(layers.Conv2D(2, 3)(layers.MaxPooling2D(2)(x)))
    model = keras.Model(inputs, layers.Dense(3)(x))
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0, 0.4, each.shape) for each in model.get_weights()])
    return model


class Upside(layers.Conv2D):
    """A convolution of one's own: it looks at the far end of the picture."""

    def call(self, maps):
        return super().call(maps[:, ::-1])


def from_the_mean(maps):
    """An activation of one's own that mixes places."""
    return maps - keras.ops.mean(maps, axis=(1, 2), keepdims=True)


MEAN, SPREAD = np.array([0.4, 0.5, 0.6]), np.array([0.2, 0.3, 0.4])
PICTURE = np.random.default_rng(5).normal(size=(12, 10, 3)).astype("float32")
CONSTANTS = {
    "arrays": lambda x: (x / 255 - MEAN) / SPREAD,
    "a tensor": lambda x: x - tf.constant(MEAN, "float32"),
    "a variable": lambda x: x * keras.Variable(SPREAD),
    "a picture": lambda x: x - PICTURE,
    "a number first": lambda x: 1 - x,
    "an array first": lambda x: keras.ops.subtract(MEAN, x),
    "an array by keyword": lambda x: keras.ops.add(x1=MEAN, x2=x),
    "two arrays": lambda x: keras.ops.where(x > MEAN, x, PICTURE),
    "ResNet's": keras.applications.resnet.preprocess_input,
    "VGG's": keras.applications.vgg16.preprocess_input,
    "DenseNet's": keras.applications.densenet.preprocess_input,
    "MobileNet's": keras.applications.mobilenet_v2.preprocess_input,
    "behind a convolution": lambda x: layers.Conv2D(3, 3, padding="same")(x) - PICTURE,
}
DIFFERENT = {
    "a mean picture": lambda x: layers.Rescaling(2.0, offset=PICTURE)(x),
    "a picture of factors": lambda x: layers.Rescaling(PICTURE)(x),
    "an offset for each row": lambda x: layers.Rescaling(1.0, PICTURE[:, :1, :1])(x),
    "slopes for each place": lambda x: layers.PReLU("random_normal")(x),
    "statistics of rows": lambda x: layers.Normalization(
        axis=1, mean=PICTURE[:, 0, 0], variance=PICTURE[:, 1, 1] ** 2
    )(x),
    "normalised by row": lambda x: layers.BatchNormalization(axis=1)(x),
    "normalised over places": lambda x: layers.LayerNormalization(axis=(1, 2))(x),
    "an activation that mixes places": lambda x: layers.Conv2D(
        3, 3, padding="same", activation=from_the_mean
    )(x),
    "such an activation as a layer": lambda x: layers.Activation(from_the_mean)(x),
    "slopes inside a convolution": lambda x: layers.Conv2D(
        3, 3, padding="same", activation=layers.PReLU("random_normal")
    )(x),
    "a convolution of one's own": lambda x: Upside(3, 3, padding="same")(x),
    "a mask": lambda x: layers.Softmax()(x, mask=PICTURE > 0),
}


@pytest.mark.filterwarnings("ignore:Layer .* was passed an input with a mask")
@pytest.mark.parametrize("name", CONSTANTS | DIFFERENT)
def test_constants_and_layers_that_differ_from_place_to_place_are_not_cut(rng, name):
    model = behind((CONSTANTS | DIFFERENT)[name])
    for weight in model.weights:  # what is normalised has a spread
        if weight.path.endswith(("variance", "gamma")):
            weight.assign(np.abs(weight))
    (image,) = rng.random((1, 12, 10, 3), np.float32)
    (values,) = occlusion_map(model, image[None], 1, window=2, stride=(5, 2)).values
    expected = by_full_passes(model, image, 1, (2, 2), (5, 2), 0.0)
    np.testing.assert_allclose(values, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize(
    "layer",
    [
        layers.Rescaling(2.0, offset=MEAN),
        layers.Rescaling(SPREAD[None, None]),
        layers.Conv2D(3, 3, activation="selu"),
        layers.Conv2D(3, 3, activation=layers.LeakyReLU()),
        layers.Activation(keras.activations.gelu),
        layers.BatchNormalization(axis=3),
    ],
)
def test_layers_that_are_the_same_everywhere_are_cut_by_keyword_too(layer):
    inputs = keras.Input((12, 10, 3))
    for outputs in (layer(inputs), layer(inputs=inputs)):
        model = keras.Model(inputs, outputs)
        calls = partial_runs.chain(connections(model))
        starts = (np.array([0, 4], "int32"),) * 2
        shapes = {each: (12, 10) for each, _ in calls}
        made = partial_runs.plan(calls, shapes, starts, (2, 2))
        assert [step.operation for step in made.steps] == [layer]


@pytest.fixture
def of_bytes():
    """A chain that takes whole numbers and turns them into intensities itself."""
    image = keras.Input((9, 12, 3), dtype="uint8")
    x = layers.Conv2D(2, 3, activation="relu")(keras.ops.cast(image, "float32") / 255)
    return keras.Model(image, layers.Dense(3)(layers.Flatten()(x)))


def test_a_network_that_takes_bytes_is_explained_as_any_other(rng, of_bytes):
    image = rng.integers(0, 256, (9, 12, 3)).astype("uint8")
    found = occlusion_map(of_bytes, image[None], 1, window=3, stride=2, baseline=7)
    expected = by_full_passes(of_bytes, image, 1, (3, 3), (2, 2), np.uint8(7))
    np.testing.assert_allclose(found.values[0], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("baseline", [0.5, -1, 256, [1, 2, 2.5]])
def test_a_baseline_that_bytes_cannot_hold_is_refused(of_bytes, baseline):
    image = np.zeros((1, 9, 12, 3), "uint8")
    with pytest.raises(ValueError, match="baseline must hold whole numbers that"):
        occlusion_map(of_bytes, image, 1, baseline=baseline)


@pytest.mark.parametrize(
    "across",
    [
        lambda maps: maps / keras.ops.max(keras.ops.abs(maps)),
        lambda maps: maps - keras.ops.mean(maps, axis=0, keepdims=True),
    ],
)
def test_answers_that_depend_on_the_images_beside_are_refused(across, rng):
    image = keras.Input((8, 10, 3))
    maps = layers.Conv2D(4, 3, activation=across)(image)
    model = keras.Model(image, layers.Dense(3)(layers.Flatten()(maps)))
    photo = rng.random((1, 8, 10, 3), np.float32)
    with pytest.raises(ValueError, match="to an image alone than to one among others"):
        occlusion_map(model, photo, 1, window=2)
