"""Published architectures: their maps are Keras's own, and their windows hold."""

import functools
from collections import Counter

import keras
import numpy as np
import pytest
from keras import layers as kl

from cnnbook.maps import feature_maps, receptive_field
from tests.maps.test_layer_maps import with_random_weights

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("architectures")]

SIZE = 64
JOINS = kl.Add | kl.Concatenate | kl.Multiply

# Where each is cut, as compiling takes its time for every layer: what comes behind is
# more of the same, as a test shows.
ARCHITECTURES = {
    "VGG19": "block5_pool",  # the whole
    "ResNet50": "conv3_block2_out",
    "MobileNetV2": "block_6_project_BN",
    "DenseNet121": "conv3_block2_concat",
    "EfficientNetB0": "block3b_add",
}

# What comes before the first convolution, and is still the image.
LEFT_OUT = {
    "ResNet50": ["conv1_pad"],
    "DenseNet121": ["zero_padding2d"],
    "EfficientNetB0": ["rescaling", "normalization", "stem_conv_pad"],
}

# Rows and columns that a position sees, worked out on paper.
FIELDS = {
    "VGG19": {"block3_conv1": 16 + 2 * 4, "block5_pool": 212 + 8 + 16 + 32},
    "ResNet50": {
        # A kernel of 7, a pool of 3 two pixels apart, and 3 × 3 in steps of 4:
        "conv2_block3_add": 7 + 2 * 2 + 3 * 2 * 4,
        "conv5_block3_add": 483,  # published by Araujo et al. (2019)
    },
    "MobileNetV2": {"block_2_add": 3 + 2 * 2 + 2 * 2 + 2 * 4},  # steps of 1, 2, 2, 4
    "DenseNet121": {"conv2_block6_concat": 7 + 2 * 2 + 6 * 2 * 4},
    # A gate multiplies maps by numbers that come from the whole image.
    "EfficientNetB0": {
        "block1a_activation": 3 + 2 * 2,
        "block1a_se_excite": SIZE,
        "block2a_expand_conv": SIZE,
        "top_activation": SIZE,
    },
}


def publish(name, size=(SIZE, SIZE)):
    """Build an architecture as it was published, without its top."""
    make = getattr(keras.applications, name)
    model = make(weights=None, include_top=False, input_shape=(*size, 3))
    model.name = name
    return model


def cut(published):
    """Return the network up to where it is cut, alive."""
    end = published.get_layer(ARCHITECTURES[published.name]).output
    model = keras.Model(published.input, end, name=published.name)
    return alive(with_random_weights(model))


@functools.cache
def both(name):
    """Return a network as published and as cut; their layers are the same."""
    published = publish(name)
    return published, cut(published)


def alive(model):
    """Give a network the batch statistics of some photos, in place of random ones.

    Else its deep layers would answer all photos alike, and prove nothing.
    """
    for layer in model.layers:
        if isinstance(layer, kl.BatchNormalization):
            layer.momentum = 0.0  # keep the last batch alone
    model(photos(np.random.default_rng(2), 8), training=True)
    return model


@pytest.fixture(scope="module", params=ARCHITECTURES)
def architecture(request):
    return both(request.param)


@pytest.fixture
def published(architecture):
    return architecture[0]


@pytest.fixture
def model(architecture):
    return architecture[1]


def photos(rng, count, rows=SIZE, columns=SIZE):
    """Noise, each picture darker than the one before, so that averages differ too."""
    noise = rng.uniform(0, 255, (count, rows, columns, 3)).astype("float32")
    return noise * np.linspace(1, 0.2, count, dtype="float32")[:, None, None, None]


def spatial_layers(model):
    """List the names of all layers whose output is four-dimensional."""
    return [layer.name for layer in model.layers if len(layer.output.shape) == 4]


def outputs_of(model, names, images):
    """Compute all these layers' outputs by one plain Keras sub-model."""
    layers = [model.get_layer(name).output for name in names]
    outputs = keras.Model(model.input, layers)(images, training=False)
    return dict(zip(names, map(np.asarray, outputs), strict=True))


def assert_same_maps(ours, theirs):
    """Compare maps to within a small part of the range that each layer's span.

    A part that leaves room for rounding alone: a last bit of the photos changed makes
    Keras's own answers differ by a tenth of it.
    """
    assert ours.keys() == theirs.keys()
    for name, maps in theirs.items():
        span = np.ptp(maps)
        assert np.isfinite(span) and span > 0, name
        assert np.abs(maps[0] - maps[1]).max() > 0.1 * span, name  # photos differ
        np.testing.assert_allclose(ours[name], maps, atol=1e-4 * span, err_msg=name)


def kinds(model):
    """Return the kinds of layers, each with its geometry."""
    options = "kernel_size", "pool_size", "strides", "dilation_rate", "activation"
    return {
        (type(layer), *(str(getattr(layer, name, None)) for name in options))
        for layer in model.layers
    }


def test_behind_the_cut_there_is_no_layer_of_another_kind(published, model):
    assert kinds(model) == kinds(published)


def test_the_maps_of_all_layers_equal_those_of_a_plain_submodel(model, rng):
    images, names = photos(rng, 2), spatial_layers(model)

    assert_same_maps(
        feature_maps(model, images, names), outputs_of(model, names, images)
    )


def test_inside_another_model_it_has_the_same_maps_from_its_first_convolution_on(
    model, rng
):
    """Its layers see what the layers before it make of the image."""
    image = keras.Input((SIZE, SIZE, 3))
    scaled = kl.Rescaling(0.9, offset=5.0, name="scaled")(image)
    pooled = kl.GlobalAveragePooling2D(name="pooled")(model(scaled))
    whole = keras.Model(image, kl.Dense(2, name="scores")(pooled))
    images = photos(rng, 2)
    _, *names = spatial_layers(model)
    left_out = LEFT_OUT.get(model.name, [])
    # Keras numbers the names that it has given before: zero_padding2d_3.
    assert [name.rstrip("_0123456789") for name in names[: len(left_out)]] == [
        name.rstrip("0123456789") for name in left_out
    ]

    maps = feature_maps(whole, images)

    theirs = outputs_of(model, names[len(left_out) :], 0.9 * images + 5)
    assert_same_maps(maps, {f"{model.name}/{n}": own for n, own in theirs.items()})


def test_a_published_model_of_any_size_takes_photos_of_any_size(rng):
    model = cut(publish("MobileNetV2", size=(None, None)))
    names = spatial_layers(model)[::9]
    for size in ((40, 56), (33, 64)):
        images = photos(rng, 2, *size)
        assert_same_maps(
            feature_maps(model, images, names), outputs_of(model, names, images)
        )


def chosen_windows(model):
    """Group (layer, row, column) by the window that they are said to see.

    The first layers, some at even steps through the network, and a few of the first
    sums, concatenations and gates; of each, a position inside its map and a corner.
    """
    names = spatial_layers(model)[1:]
    joins = [name for name in names if isinstance(model.get_layer(name), JOINS)]
    groups = {}
    for name in {*names[:6], *names[:: max(1, len(names) // 8)], *joins[:6:2]}:
        field = receptive_field(model, name)
        rows, columns = model.get_layer(name).output.shape[1:3]
        for row, column in ((rows // 2, columns // 3), (rows - 1, 0)):
            window = field.window(row, column)
            if all(part.start < part.stop for part in window):  # more than padding
                bounds = tuple((part.start, part.stop) for part in window)
                groups.setdefault(bounds, []).append((name, row, column))
    return groups


def test_no_pixel_outside_its_window_changes_a_value_and_each_edge_of_it_does(
    model, rng
):
    """What is outside is replaced as a whole; then each side of the window alone."""
    groups = chosen_windows(model)
    names = {name for cases in groups.values() for name, *_ in cases}
    whole = ((0, SIZE), (0, SIZE))
    image, other = photos(rng, 2)
    for ((top, bottom), (left, right)), cases in groups.items():
        changed = np.stack([image] * 6)
        changed[1] = other
        changed[1, top:bottom, left:right] = image[top:bottom, left:right]
        for edge, rows, columns in (
            (2, slice(top, top + 1), slice(left, right)),
            (3, slice(bottom - 1, bottom), slice(left, right)),
            (4, slice(top, bottom), slice(left, left + 1)),
            (5, slice(top, bottom), slice(right - 1, right)),
        ):
            changed[edge, rows, columns] = other[rows, columns]

        maps = feature_maps(model, changed, names)

        for name, row, column in cases:
            before, *after = maps[name][:, row, column]
            outside, *edges = np.abs(after - before).max(axis=-1) / np.ptp(maps[name])
            assert outside < 1e-6, (name, row, column)
            assert min(edges) > outside, (name, row, column)
    assert len(set(groups) - {whole}) >= 3  # something was left to change outside


def test_sums_concatenations_and_gates_see_what_their_widest_branch_sees(published):
    for layer, size in FIELDS[published.name].items():
        assert receptive_field(published, layer).size == (size, size), layer


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_gives_the_numbers_of_the_half_precision_layers(policy, rng):
    images = photos(rng, 3)
    keras.mixed_precision.set_global_policy(policy)
    try:
        model = cut(publish("MobileNetV2"))
    finally:
        keras.mixed_precision.set_global_policy("float32")
    names = spatial_layers(model)[1::5]
    layers = [model.get_layer(name).output for name in names]
    theirs = keras.Model(model.input, layers)(images, training=False)

    for batch_size in (2, 3):
        ours = feature_maps(model, images, names, batch_size=batch_size)
        for name, exact in zip(names, theirs, strict=True):
            # bfloat16 widened: NumPy itself has no such type, and loses nothing.
            expected = "float16" if policy == "mixed_float16" else "float32"
            assert ours[name].dtype == expected
            assert exact.dtype == policy.removeprefix("mixed_")
            exact = np.asarray(keras.ops.cast(exact, "float32"))
            assert np.ptp(exact) > 0
            # Some processors sum float16 in another order: four steps of the largest.
            steps = 4 * 2**-10 if expected == "float16" else 0
            np.testing.assert_allclose(
                ours[name].astype("float32"),
                exact,
                rtol=0,
                atol=steps * np.abs(exact).max(),
            )


def test_a_second_call_on_vgg19_traces_nothing_and_builds_no_model(monkeypatch, rng):
    model = cut(publish("VGG19"))
    counts = Counter()

    def count(owner, name):
        plain = getattr(owner, name)

        def counted(*args, **kwargs):
            counts[name] += 1
            return plain(*args, **kwargs)

        monkeypatch.setattr(owner, name, counted)

    count(keras.Model, "__init__")
    count(kl.Conv2D, "call")  # Python runs it only while a graph is traced

    feature_maps(model, photos(rng, 1))
    assert counts == {"call": 16}  # once for each convolution of VGG19

    for number in (1, 5, 33):
        feature_maps(model, photos(rng, number))
    assert counts == {"call": 16}
    keras.Model(model.input, model.output)
    assert counts["__init__"] == 1  # which would have been noticed
