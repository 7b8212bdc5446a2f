"""Patterns show what hand-set filters want, and break none of the laws of the climb."""

import keras
import numpy as np
import pytest
from keras import layers as kl

from cnnbook import pictures
from cnnbook.maps import Patterns, feature_maps, filter_pattern
from cnnbook.pictures import draw_pets

pytestmark = pytest.mark.xdist_group("patterns")

EDGE = np.array([[-1.0, 1.0], [-1.0, 1.0]])  # brighter to the right of it


def one_convolution(kernel, bias=0.0, *, size=(16, 16), name="image", **options):
    """A network of one convolution with this kernel, (K_h, K_w, C, F)."""
    options = {"activation": "relu", **options}
    kernel = np.asarray(kernel, "float32")
    count = kernel.shape[3]
    conv = kl.Conv2D(count, kernel.shape[:2], name="conv", **options)
    image = keras.Input((*size, kernel.shape[2]), name=name)
    model = keras.Model(image, conv(image), name="one")
    conv.set_weights([kernel, np.broadcast_to(bias, count)])
    return model


def edges():
    """Two channels: bright on the right, and bright below."""
    return one_convolution(np.stack([EDGE, EDGE.T], axis=-1)[:, :, None])


def deep(**options):
    """Two convolutions and a pool, with random kernels, without biases."""
    model = keras.Sequential(
        [
            keras.Input((None, None, 3), name="image"),
            kl.Conv2D(6, 3, activation="relu", name="first", **options),
            kl.MaxPooling2D(2, name="pool", **options),
            kl.Conv2D(5, 3, padding="same", name="second", **options),
            kl.ReLU(name="relu", **options),
        ],
        name="deep",
    )
    rng = np.random.default_rng(2)
    for weight in model.weights:
        if len(weight.shape) == 4:  # balanced, so that no flat colour will do
            kernel = rng.normal(0, 0.3, weight.shape)
            weight.assign(kernel - kernel.mean(axis=(0, 1)))
    return model


def response(model, layer, channel, images):
    """Mean of a map after a ReLU over the middle half of its rows and columns."""
    maps = feature_maps(model, images, layer)[layer].astype("float32")
    rows, columns = (slice(n // 4, n - n // 4) for n in maps.shape[1:3])
    return maps[:, rows, columns, channel].clip(0).mean(axis=(1, 2))


@pytest.fixture(scope="module")
def deep_patterns():
    model = deep()
    return model, filter_pattern(model, "relu", range(5), size=24)


@pytest.mark.slow
def test_an_edge_filter_gets_edges_that_run_its_way():
    upright, level = filter_pattern(edges(), "conv", (0, 1)).images[..., 0]

    for image in (upright, level.T):
        across, down = (np.abs(np.diff(image, axis=axis)).mean() for axis in (1, 0))
        assert across > 2 * down


@pytest.mark.slow
def test_where_a_filter_responds_most_the_pattern_looks_like_its_kernel():
    slope = np.array([[0.0, 1.0, 2.0], [-1.0, 0.0, 1.0], [-2.0, -1.0, 0.0]])
    model = one_convolution(slope[:, :, None, None])

    found = filter_pattern(model, "conv", 0)

    maps = feature_maps(model, found.images, "conv")["conv"][0, :, :, 0]
    row, column = np.unravel_index(maps.argmax(), maps.shape)
    patch = found.images[0, row : row + 3, column : column + 3, 0]
    assert np.corrcoef(patch.ravel(), slope.ravel())[0, 1] > 0.8


@pytest.mark.slow
@pytest.mark.parametrize("colour", [0, 1, 2])
def test_a_filter_for_one_colour_gets_that_colour(colour):
    kernel = np.full((1, 1, 3, 1), -0.5)
    kernel[..., colour, :] = 1

    (image,) = filter_pattern(one_convolution(kernel), "conv", 0).images

    wanted = image[..., colour]
    others = np.delete(image, colour, axis=-1).max(axis=-1)
    assert (wanted > others).mean() > 0.95
    assert (wanted - others).mean() > 0.3


def test_a_filter_for_brightness_gets_white_and_one_for_darkness_black():
    model = one_convolution([[[[1.0, -1.0]]]], [0.0, 1.0])

    bright, dark = filter_pattern(model, "conv", (0, 1), smoothness=0).images

    assert bright.mean() > 0.9
    assert dark.mean() < 0.1


def test_a_pattern_excites_its_channel_more_than_any_of_many_other_pictures(
    deep_patterns, rng
):
    model, found = deep_patterns
    noise = rng.random((60, 24, 24, 3))
    flat = np.broadcast_to(rng.random((30, 1, 1, 3)), (30, 24, 24, 3))
    blocks = rng.random((60, 6, 6, 3)).repeat(4, axis=1).repeat(4, axis=2)
    pets = draw_pets(40, size=24).images / 255
    others = np.concatenate([noise, flat, blocks, pets])

    for channel, image in enumerate(found.images):
        (own,) = response(model, "relu", channel, image[None])
        assert own > 1.2 * response(model, "relu", channel, others).max()


def test_a_pattern_excites_its_channel_more_than_the_other_patterns_do(deep_patterns):
    model, found = deep_patterns
    table = [response(model, "relu", channel, found.images) for channel in range(5)]

    assert np.argmax(table, axis=1).tolist() == [0, 1, 2, 3, 4]


def test_activations_are_the_means_over_the_middle_of_the_layers_own_maps(
    deep_patterns,
):
    model, found = deep_patterns

    own = [response(model, "relu", c, found.images)[c] for c in range(5)]

    np.testing.assert_allclose(found.activations, own, rtol=1e-5)
    assert (found.activations > 2 * found.starts).all() and found.excited.all()


@pytest.mark.slow
def test_a_pattern_does_not_depend_on_the_channels_asked_for_beside_it(deep_patterns):
    model, together = deep_patterns

    for channels in ((3,), (4, 1)):
        found = filter_pattern(model, "relu", channels, size=24)
        expected = together.images[list(channels)]
        # Up to rounding, which differs with the size of the batch.
        np.testing.assert_allclose(found.images, expected, atol=0.01)
        starts = together.starts[list(channels)]
        np.testing.assert_allclose(found.starts, starts, rtol=1e-5)


def test_a_channel_asked_for_twice_gets_the_same_picture_twice():
    found = filter_pattern(edges(), "conv", (1, 1), steps=5)

    np.testing.assert_array_equal(*found.images)


def test_one_channel_may_be_a_plain_number():
    alone = filter_pattern(edges(), "conv", np.int64(1), steps=3)

    assert alone.channels == (1,)
    assert alone.images.shape == (1, 16, 16, 1)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_picture_and_another_seed_another():
    first, again, other = (
        filter_pattern(edges(), "conv", 0, steps=5, seed=seed).images
        for seed in (3, 3, 4)
    )

    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.1


@pytest.mark.slow
def test_pictures_lie_in_the_range_that_the_model_takes():
    model = edges()
    plain, wide = (
        filter_pattern(model, "conv", 0, steps=40, value_range=ends).images
        for ends in ((0, 1), (-2, 6))
    )

    # A filter without a bias responds in proportion, so the climbs are the same.
    np.testing.assert_allclose(wide, -2 + 8 * plain, atol=0.05)
    for image, (low, high) in ((plain, (0, 1)), (wide, (-2, 6))):
        assert low <= image.min() < low + 0.1 * (high - low)
        assert high - 0.1 * (high - low) < image.max() <= high


def test_pictures_fit_the_books_own_models():
    model = one_convolution(EDGE[:, :, None, None], name=pictures.INTENSITIES)

    found = filter_pattern(model, "conv", 0, steps=3)

    assert feature_maps(model, found.images)["conv"].any()
    with pytest.raises(ValueError, match=r"takes intensities in \[0, 1\].* -1 to 1"):
        filter_pattern(model, "conv", 0, value_range=(-1, 1))


@pytest.mark.slow
def test_the_ends_of_a_range_that_rounds_are_kept():
    low, high = 0.1, 0.7  # neither is a number that a computer holds exactly
    model = one_convolution([[[[1.0, -1.0]]]], [0.0, 1.0])

    images = filter_pattern(model, "conv", (0, 1), value_range=(low, high)).images

    assert images.min() >= np.float32(low) and images.max() <= np.float32(high)


@pytest.mark.slow
def test_copies_of_a_pattern_join_without_a_seam():
    image = filter_pattern(edges(), "conv", 1).images[0, :, :, 0]
    steps = np.abs(np.diff(np.concatenate([image, image]), axis=0)).mean(axis=1)

    assert steps[15] < 1.5 * steps.max(where=np.arange(31) != 15, initial=0)


@pytest.mark.slow
@pytest.mark.parametrize("separate", [False, True])
def test_a_filter_that_noise_leaves_silent_is_woken(separate):
    """Nothing but a picture nearly all white passes the threshold."""
    kernel, bias = np.ones((2, 2, 1, 1)), -3.6
    if separate:
        conv = one_convolution(kernel, bias, activation=None)
        model = keras.Model(conv.input, kl.ReLU(name="relu")(conv.output))
    else:
        model = one_convolution(kernel, bias)

    found = filter_pattern(model, "relu" if separate else "conv", 0)

    assert found.starts[0] == 0
    assert found.activations[0] > 0.1
    assert found.images.mean() > 0.9


def test_a_channel_that_nothing_excites_is_reported():
    model = one_convolution([[[[1.0, 1.0, 1.0]]]], [0.0, -2.0, -3.0])

    with pytest.warns(UserWarning, match="not excite channel 2, 1 of layer 'conv'"):
        found = filter_pattern(model, "conv", (2, 0, 1), steps=4)

    assert found.excited.tolist() == [False, True, False]
    assert found.activations[[0, 2]].tolist() == [0, 0]


def test_a_layer_without_a_relu_is_excited_where_it_is_positive():
    model = one_convolution(EDGE[:, :, None, None], activation=None)

    found = filter_pattern(model, "conv", 0)

    # Over a torus the differences add up to 0: only their positive part can grow.
    assert found.activations[0] > 5 * found.starts[0] > 0
    (own,) = response(model, "conv", 0, found.images)
    np.testing.assert_allclose(found.activations, own, rtol=1e-5)


@pytest.mark.slow
def test_smoothness_takes_roughness_away():
    def roughness(smoothness):
        image = filter_pattern(edges(), "conv", 0, smoothness=smoothness).images
        return np.abs(np.diff(image, axis=1)).mean()

    assert roughness(0) > 1.2 * roughness(2) > 1.2 * roughness(4)


@pytest.mark.slow
def test_the_units_of_the_activations_do_not_matter():
    weak, strong = (
        filter_pattern(one_convolution(f * EDGE[:, :, None, None]), "conv", 0).images
        for f in (1, 1024)
    )

    assert np.abs(weak - strong).mean() < 0.02


@pytest.mark.slow
def test_a_layer_inside_another_model_gets_the_pattern_it_gets_alone():
    inner = one_convolution(EDGE[:, :, None, None])
    image = keras.Input((16, 16, 1))
    model = keras.Model(image, kl.Flatten()(inner(image)))

    nested = filter_pattern(model, "one/conv", 0, steps=10)
    alone = filter_pattern(inner, "conv", 0, steps=10)

    np.testing.assert_allclose(nested.images, alone.images, atol=1e-4)


@pytest.mark.slow
def test_a_model_in_mixed_precision_gets_nearly_the_same_pattern():
    full, half = (
        filter_pattern(deep(dtype=dtype), "relu", (0, 2), size=24, steps=8)
        for dtype in ("float32", "mixed_float16")
    )

    assert half.images.dtype == half.activations.dtype == np.float32
    assert np.abs(half.images - full.images).mean() < 0.03
    np.testing.assert_allclose(half.activations, full.activations, rtol=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2, 4])
def test_pictures_have_as_many_channels_as_the_model_takes(count):
    kernel = np.zeros((1, 1, count, 1))
    kernel[:, :, -1] = 1

    (image,) = filter_pattern(one_convolution(kernel), "conv", 0).images

    assert image.shape == (16, 16, count)
    assert image[..., -1].mean() > 0.9
    assert (image[..., :-1] < 0.9).any(axis=(0, 1)).all()  # of no use, so left alone


def test_a_model_of_a_fixed_size_gets_pictures_of_that_size():
    model = one_convolution(EDGE[:, :, None, None], size=(16, 20))

    assert filter_pattern(model, "conv", 0, steps=9).images.shape == (1, 16, 20, 1)
    with pytest.raises(ValueError, match=r"\(N, 16, 20, 1\); got shape \(2, 24, 24"):
        filter_pattern(model, "conv", 0, size=24)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kernel", "side"), [(2, 24), (9, 27), (31, 93), (40, 96), (60, 96)]
)
def test_by_default_three_windows_fit_side_by_side_within_limits(kernel, side):
    image = keras.Input((None, None, 1))
    model = keras.Model(image, kl.Conv2D(1, kernel, name="conv")(image))
    model.layers[1].set_weights(
        [np.full((kernel, kernel, 1, 1), -1), np.array([kernel**2])]
    )

    assert filter_pattern(model, "conv", 0, steps=3).images.shape == (1, side, side, 1)


def test_what_lies_behind_the_layer_may_need_larger_pictures():
    front = deep()
    behind = kl.Conv2D(1, 99)(front.outputs[0])
    model = keras.Model(front.inputs, behind)

    found = filter_pattern(model, "relu", 0, size=12, steps=12)

    assert found.images.shape == (1, 12, 12, 3)


def test_the_callers_model_is_left_as_it_was():
    model = deep()
    before = model.get_weights()
    uses = [len(layer._inbound_nodes) for layer in model.layers]
    first = model.get_layer("first")

    filter_pattern(model, "first", (0, 1), size=12, steps=12)

    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert [len(layer._inbound_nodes) for layer in model.layers] == uses
    assert first.activation is keras.activations.relu
    assert all(layer.trainable for layer in model.layers)


class CountsItsCalls(kl.Layer):
    """Python runs a layer's call only while Keras or TensorFlow build a graph."""

    calls = 0

    def call(self, maps):
        type(self).calls += 1
        return maps


def test_only_what_the_layer_needs_is_computed_and_compiled_once():
    front = edges()
    before, behind = CountsItsCalls(), type("Behind", (CountsItsCalls,), {})()
    image = keras.Input((16, 16, 1))
    conv = front.get_layer("conv")
    model = keras.Model(image, behind(conv(before(image))))
    type(before).calls = type(behind).calls = 0

    filter_pattern(model, "conv", 0, steps=9)

    assert type(before).calls == 2  # for the climb, and to measure
    assert type(behind).calls == 0


@pytest.mark.parametrize(
    ("layer", "channels", "options", "message"),
    [
        ("con", 0, {}, "'one' has no layer 'con'; did you mean 'conv'"),
        ("flat", 0, {}, r"'flat' has no feature maps.*that have: image, conv"),
        ("conv", 2, {}, "channels must be whole numbers from 0 to 1.*got 2"),
        ("conv", -1, {}, "from 0 to 1.*got -1"),
        ("conv", [], {}, r"at least one, for layer 'conv'; got \[\]"),
        ("conv", [0, 1.5], {}, r"got \[0, 1\.5\]"),
        ("conv", 0, {"steps": 0}, "steps must be a whole number of at least 1; got 0"),
        ("conv", 0, {"size": 1.5}, "size must be a whole number of pixels; got 1.5"),
        ("conv", 0, {"smoothness": -1}, "smoothness must be a number from 0; got -1"),
        ("conv", 0, {"value_range": (1, 0)}, r"lower one first; got \(1, 0\)"),
    ],
)
def test_what_cannot_be_made_is_a_clear_error(layer, channels, options, message):
    front = edges()
    flat = kl.Flatten(name="flat")(front.output)
    model = keras.Model(front.input, flat, name="one")

    with pytest.raises(ValueError, match=message):
        filter_pattern(model, layer, channels, **options)


def test_pictures_too_small_for_a_window_are_a_clear_error():
    with pytest.raises(ValueError, match=r"6 × 6 pixels are too small.*'second'"):
        model = keras.Sequential(
            [
                keras.Input((None, None, 3)),
                kl.Conv2D(2, 5, name="first"),
                kl.Conv2D(2, 5, name="second"),
            ]
        )
        filter_pattern(model, "second", 0, size=6)


@pytest.mark.slow
def test_maps_without_a_gradient_are_reported():
    image = keras.Input((8, 8, 1))
    maps = kl.Conv2D(1, 1, name="conv")(keras.ops.floor(image))
    model = keras.Model(image, maps, name="steps")

    with pytest.warns(UserWarning, match="64 steps did not excite channel 0 of"):
        filter_pattern(model, "conv", 0)


def test_patterns_say_which_channels_were_excited():
    found = Patterns(
        np.zeros((2, 4, 4, 1)), (5, 7), np.array([2.0, 0.0]), np.array([1.0, 0.0])
    )

    assert found.excited.tolist() == [True, False]
