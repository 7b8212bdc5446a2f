"""What is kept of the maps of many images equals what all maps at once say."""

import warnings

import keras
import numpy as np
import pytest
from keras import layers as kl

from cnnbook.maps import (
    audit_summary,
    channel_audit,
    feature_maps,
    receptive_field,
    top_patches,
)
from cnnbook.pictures import INTENSITIES


def network(*layers, shape=(12, 10, 3), name=None):
    """A Sequential model whose weights and biases are all random."""
    model = keras.Sequential([keras.Input(shape, name=name), *layers])
    rng = np.random.default_rng(1)
    for weight in model.weights:
        weight.assign(rng.normal(0, 0.3, weight.shape))
    return model


def conv(filters=4, size=3, name="conv", **options):
    return kl.Conv2D(filters, size, name=name, **options)


@pytest.fixture
def images(rng):
    return rng.random((7, 12, 10, 3)).astype("float32")


@pytest.fixture
def model():
    """Two layers deep, with padding, strides and a pool."""
    return network(
        conv(4, padding="same", activation="relu", name="conv1"),
        kl.MaxPooling2D(2, name="pool"),
        conv(5, padding="same", activation="relu", name="conv2"),
    )


# Top patches


def strongest(maps, count):
    """Sort the largest value of each image the slow way, for each channel."""
    values, images, positions = [], [], []
    for channel in range(maps.shape[-1]):
        found = []
        for number, own in enumerate(maps[..., channel]):
            place = np.unravel_index(own.argmax(), own.shape)
            found.append((-float(own[place]), number, tuple(map(int, place))))
        found = sorted(found)[:count]
        values.append([-value for value, _, _ in found])
        images.append([number for _, number, _ in found])
        positions.append([place for _, _, place in found])
    return np.array(values), np.array(images), np.array(positions)


@pytest.mark.parametrize("batch_size", [1, 3, 7, 100])
@pytest.mark.parametrize("layer", ["conv1", "pool", "conv2"])
def test_tops_are_the_largest_values_of_all_maps(model, images, layer, batch_size):
    top = top_patches(model, images, layer, count=5, batch_size=batch_size)

    values, numbers, positions = strongest(
        feature_maps(model, images, layer)[layer], count=5
    )
    np.testing.assert_allclose(top.values, values, rtol=1e-6)
    np.testing.assert_array_equal(top.images, numbers)
    np.testing.assert_array_equal(top.positions, positions)
    assert all(len(set(row)) == 5 for row in top.images.tolist())


def spots(places, size=(9, 8)):
    """One dark image for each (row, column, brightness), bright at that pixel."""
    images = np.zeros((len(places), *size, 1), "float32")
    for image, (row, column, brightness) in zip(images, places, strict=True):
        image[row, column] = brightness
    return images


def spot_detector(padding="valid", shape=(9, 8, 1)):
    """Twice the pixel in the middle of a 3 × 3 window, less half."""
    model = network(conv(1, padding=padding, activation="relu"), shape=shape)
    kernel = np.zeros((3, 3, 1, 1))
    kernel[1, 1] = 2
    model.layers[0].set_weights([kernel, np.array([-0.5])])
    return model


def test_a_spot_is_found_where_it_is_and_the_brightest_comes_first():
    images = spots([(4, 5, 0.5), (2, 3, 1.0), (6, 1, 0.75), (1, 1, 0.25)])

    top = top_patches(spot_detector(), images, "conv", count=4)

    assert top.values.tolist() == [[1.5, 1.0, 0.5, 0.0]]
    assert top.images.tolist() == [[1, 2, 0, 3]]
    assert top.positions[0, :3].tolist() == [[1, 2], [5, 0], [3, 4]]
    np.testing.assert_array_equal(top.patches[0, 0], images[1, 1:4, 2:5])
    assert top.patches[0, :3, 1, 1, 0].tolist() == [1.0, 0.75, 0.5]
    assert top.responds.tolist() == [[True, True, True, False]]


def test_an_edge_is_found_in_the_one_image_that_has_it(rng):
    model = network(conv(2, (1, 2)), shape=(6, 6, 1))
    brightens = np.array([-1.0, 1.0]).reshape(1, 2, 1, 1)
    kernel = np.concatenate([brightens, -brightens], axis=-1)
    model.layers[0].set_weights([kernel, np.zeros(2)])
    images = rng.uniform(0.4, 0.5, (8, 6, 6, 1))
    images[5, 3, 2:4, 0] = 0.0, 1.0  # brighter, then darker again

    top = top_patches(model, images, "conv", count=1)

    assert top.images.tolist() == [[5], [5]]
    assert top.positions.tolist() == [[[3, 2]], [[3, 3]]]
    np.testing.assert_array_equal(top.patches[0, 0, 0, :, 0], [0, 1])


def test_what_lies_outside_the_image_is_not_a_number_and_the_rest_is_the_image():
    images = spots([(0, 7, 1.0), (8, 0, 0.5), (4, 4, 0.4)])

    top = top_patches(spot_detector("same"), images, "conv", count=3)

    above_right, below_left, inside = top.patches[0, ..., 0]
    nan = np.nan
    np.testing.assert_array_equal(above_right, [[nan] * 3, [0, 1, nan], [0, 0, nan]])
    np.testing.assert_array_equal(below_left, [[nan, 0, 0], [nan, 0.5, 0], [nan] * 3])
    np.testing.assert_array_equal(inside, images[2, 3:6, 3:6, 0])


def test_a_patch_alone_excites_its_channel_as_much(rng):
    model = network(
        conv(4, activation="relu", name="conv1"),
        kl.MaxPooling2D(2, name="pool"),
        conv(5, 2, name="conv2"),
        shape=(None, None, 3),
    )
    images = rng.random((6, 17, 15, 3))
    for layer in ("conv1", "pool", "conv2"):
        top = top_patches(model, images, layer, count=4)
        assert top.patches.shape[2:4] == receptive_field(model, layer).size
        alone = keras.Model(model.inputs, model.get_layer(layer).output)
        for channel, patches in enumerate(top.patches):
            maps = feature_maps(alone, patches, layer)[layer]
            assert maps.shape[1:3] == (1, 1)
            answers = maps[:, 0, 0, channel]
            np.testing.assert_allclose(answers, top.values[channel], rtol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 7, 60])
def test_equally_strong_patches_keep_the_order_of_images_and_positions(batch_size):
    model = network(kl.Identity(name="same"), shape=(4, 4, 1))
    images = np.zeros((60, 4, 4, 1))
    images[::3, 2] = 1.0  # four equal pixels in every third image

    top = top_patches(model, images, "same", count=30, batch_size=batch_size)

    dark = [n for n in range(60) if n % 3]
    assert top.images.tolist() == [[*range(0, 60, 3), *dark[:10]]]
    assert top.positions.tolist() == [[[2, 0]] * 20 + [[0, 0]] * 10]


def test_only_the_channels_asked_for_are_given_in_their_order(model, images):
    every = top_patches(model, images, "conv2", count=3)

    some = top_patches(model, images, "conv2", [4, 0, 4], count=3)

    assert some.channels.tolist() == [4, 0, 4]
    for name in ("patches", "values", "images", "positions"):
        np.testing.assert_array_equal(
            getattr(some, name), getattr(every, name)[[4, 0, 4]]
        )


def test_a_channel_that_never_responds_says_so(images):
    model = network(conv(2, activation="relu"))
    kernel, _ = model.layers[0].get_weights()
    model.layers[0].set_weights([kernel, np.array([5.0, -100.0])])

    top = top_patches(model, images, "conv", count=3)

    assert top.responds.tolist() == [[True] * 3, [False] * 3]
    assert top.values[1].tolist() == [0, 0, 0]


def test_behind_a_global_pool_the_patch_is_the_image(images):
    model = network(conv(4), kl.GlobalMaxPooling2D(keepdims=True, name="global"))

    top = top_patches(model, images, "global", count=2)

    np.testing.assert_array_equal(top.patches, images[top.images])
    assert not top.positions.any()


def test_of_a_field_larger_than_the_image_the_patch_is_what_it_sees_of_the_image():
    model = network(conv(1, (5, 3), padding="same"), shape=(4, 6, 1))
    kernel = np.zeros((5, 3, 1, 1))
    kernel[4, 1] = 1  # two rows below the middle
    model.layers[0].set_weights([kernel, np.zeros(1)])
    images = spots([(2, 3, 1.0)], size=(4, 6))

    top = top_patches(model, images, "conv", count=1)

    assert top.positions.tolist() == [[[0, 3]]]  # sees rows -2 to 2 of 4
    expected = np.where(np.arange(4)[:, None] <= 2, images[0, :, 2:5, 0], np.nan)
    np.testing.assert_array_equal(top.patches[0, 0, ..., 0], expected)


def test_bytes_are_intensities_to_a_network_that_takes_those(rng):
    model = network(conv(), name=INTENSITIES)
    pictures = rng.integers(0, 256, (5, 12, 10, 3), dtype=np.uint8)
    floats = pictures / np.float32(255)

    by_bytes = top_patches(model, pictures, "conv", count=2, batch_size=2)
    by_floats = top_patches(model, floats, "conv", count=2, batch_size=2)

    for name in ("patches", "values", "images", "positions"):
        np.testing.assert_array_equal(getattr(by_bytes, name), getattr(by_floats, name))
    assert by_bytes.patches.max() <= 1
    assert channel_audit(model, pictures) == channel_audit(model, floats)


def test_bytes_stay_bytes_to_any_other_network(rng):
    model = network(kl.Identity(name="same"))
    pictures = rng.integers(0, 256, (2, 12, 10, 3), dtype=np.uint8)

    top = top_patches(model, pictures, "same", count=1)

    assert top.values.ravel().tolist() == pictures.max(axis=(0, 1, 2)).tolist()
    np.testing.assert_array_equal(
        top.patches[:, 0, 0, 0].max(axis=-1), top.values[:, 0]
    )


# Layers of every kind


def nested():
    inner = network(conv(3), kl.ReLU(name="relu"), shape=(None, None, 3))
    image = keras.Input((12, 10, 3))
    return keras.Model(image, keras.Sequential(inner.layers, name="inner")(image))


def shared():
    image = keras.Input((12, 10, 3))
    layer = conv(3, name="conv")
    return keras.Model(image, layer(kl.ReLU()(layer(image))))


def depthwise():
    return network(kl.DepthwiseConv2D(3, depth_multiplier=2, name="depthwise"))


def one_channel():
    return network(conv(4), shape=(12, 10, 1))


def any_size():
    return network(conv(4, padding="same", strides=2), shape=(None, None, 3))


def half_precision():
    return network(conv(4, dtype="mixed_float16"))


@pytest.mark.parametrize(
    ("build", "layer"),
    [
        (nested, "inner/relu"),
        (shared, "conv#2"),
        (depthwise, "depthwise"),
        (one_channel, "conv"),
        (any_size, "conv"),
        (half_precision, "conv"),
    ],
)
def test_layers_of_every_kind_are_searched_and_audited(build, layer, images):
    model = build()
    images = images[..., : model.input_shape[-1]]
    maps = feature_maps(model, images, layer)[layer]

    top = top_patches(model, images, layer, count=3, batch_size=2)
    (audited,) = channel_audit(model, images, layer, batch_size=2).values()

    np.testing.assert_allclose(top.values, strongest(maps, 3)[0], rtol=1e-5)
    field = receptive_field(model, layer, input_size=(12, 10))
    for own, number, position in zip(
        top.patches[0], top.images[0], top.positions[0], strict=True
    ):
        seen = images[number][field.window(*position.tolist())]
        assert np.sort(own[~np.isnan(own)]).tolist() == np.sort(seen, None).tolist()
    assert_audited(audited, maps.astype(float), rtol=1e-5)


# The audit


def assert_audited(channels, maps, rtol):
    """Compare with all maps at once, and with NumPy's own correlations."""
    columns = maps.reshape(-1, maps.shape[-1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where a channel never changes
        with np.errstate(invalid="ignore", divide="ignore"):
            correlations = np.corrcoef(columns, rowvar=False).reshape(len(channels), -1)
    correlations[np.ptp(columns, axis=0) == 0] = np.nan
    correlations[:, np.ptp(columns, axis=0) == 0] = np.nan
    np.fill_diagonal(correlations, np.nan)
    for number, (own, values) in enumerate(zip(channels, columns.T, strict=True)):
        by_image = (maps[..., number] != 0).any(axis=(1, 2))
        assert own.channel == number
        assert own.images_active == pytest.approx(by_image.mean())
        assert own.positions_active == pytest.approx((values != 0).mean())
        np.testing.assert_allclose(own.mean, values.mean(), rtol=rtol, atol=1e-6)
        np.testing.assert_allclose(own.maximum, values.max(), rtol=rtol)
        assert own.silent == (not values.any())
        assert own.always_on == values.all()
        if np.isnan(correlations[number]).all():
            assert own.nearest is own.correlation is None
        else:
            best = np.nanmax(correlations[number])
            np.testing.assert_allclose(own.correlation, best, rtol=1e-4, atol=1e-6)
            np.testing.assert_allclose(
                correlations[number, own.nearest], best, rtol=1e-4
            )


@pytest.mark.parametrize("batch_size", [1, 3, 7, 100])
def test_the_audit_equals_that_of_all_maps_at_once(model, images, batch_size):
    audits = channel_audit(model, images, batch_size=batch_size)

    maps = feature_maps(model, images)
    assert list(audits) == list(maps) == ["conv1", "pool", "conv2"]
    for layer, channels in audits.items():
        assert_audited(channels, maps[layer].astype(float), rtol=1e-6)


def planted(images):
    """Six filters: two of no note, a double, a shifted double, silent, always on."""
    model = network(conv(6, activation="relu"))
    kernel, bias = model.layers[0].get_weights()
    bias[:] = 0.1
    kernel[..., 2] = 3 * kernel[..., 0]  # ReLU(3 x) = 3 ReLU(x)
    bias[2] = 3 * bias[0]
    bias[4], bias[5] = -100, 100
    model.layers[0].set_weights([kernel, bias])
    return channel_audit(model, images, "conv", batch_size=4)


def test_planted_channels_are_found_and_no_others(images):
    audits = planted(images)
    channels = audits["conv"]

    assert [own.channel for own in channels if own.silent] == [4]
    assert [own.channel for own in channels if own.always_on] == [5]
    assert [own.channel for own in channels if own.near_duplicate] == [0, 2]
    assert channels[0].nearest == 2 and channels[2].nearest == 0
    assert channels[0].correlation == pytest.approx(1)
    assert channels[4].nearest is None and channels[4].images_active == 0
    assert all(0 < own.positions_active < 1 for own in channels[:4])
    assert audit_summary(audits) == [
        {
            "layer": "conv",
            "channels": 6,
            "silent": 1,
            "near_duplicate": 2,
            "always_on": 1,
        }
    ]


def looked_at(values, **options):
    """Audit values of shape (N, H, W, F) themselves."""
    values = np.asarray(values)
    model = network(kl.Identity(name="same"), shape=values.shape[1:])
    return channel_audit(model, values, **options)["same"]


def test_an_audit_worked_out_on_paper():
    # Two images of two positions, three channels: [a, b, c] at each.
    values = [[[[1, 0, 4], [0, 0, 4]]], [[[3, 0, 4], [4, 1, 4]]]]

    a, b, c = looked_at(values)

    assert (a.images_active, b.images_active, c.images_active) == (1, 0.5, 1)
    assert (a.positions_active, b.positions_active) == (0.75, 0.25)
    assert (a.mean, b.mean, c.mean) == (2, 0.25, 4)
    assert (a.maximum, b.maximum, c.maximum) == (4, 1, 4)
    # Less their means: (-1, -2, 1, 2) and (-1, -1, -1, 3) / 4.
    assert a.correlation == b.correlation == pytest.approx(2 / np.sqrt(10 * 0.75))
    assert (a.nearest, b.nearest) == (1, 0)
    assert c.always_on and c.nearest is None  # no twin for what never changes


@pytest.mark.parametrize("first", [2**23, 0])
def test_large_values_that_differ_little_keep_their_correlation(first, rng):
    values = 2**23 + rng.integers(0, 3, (4, 16, 16, 3))  # exact in float32
    values[..., 2] = values[..., 0] + rng.integers(0, 2, (4, 16, 16))
    values[0, 0, 0] = first  # what is subtracted from all; 0 is far from the rest

    assert_audited(looked_at(values), values.astype(float), rtol=1e-12)


def test_the_opposite_of_a_channel_is_no_duplicate(rng):
    values = rng.normal(size=(3, 5, 5, 1))

    one, other = looked_at(np.concatenate([values, -values], axis=-1))

    assert one.correlation == other.correlation == pytest.approx(-1)
    assert not one.near_duplicate and not other.near_duplicate


def test_two_constants_are_no_duplicates():
    one, other = looked_at(np.full((2, 4, 4, 2), [0.1, 0.3]))

    assert one.always_on and other.always_on
    assert one.nearest is other.nearest is None


def test_a_lone_channel_has_no_twin(rng):
    (only,) = looked_at(rng.random((2, 4, 4, 1)))

    assert only.nearest is only.correlation is None
    assert not only.near_duplicate


def test_the_tolerance_says_what_passes_for_nothing(rng):
    values = rng.uniform(-1e-3, 1e-3, (3, 4, 4, 2))
    values[1, 2, 2, 1] = -0.5

    assert [own.silent for own in looked_at(values)] == [False, False]
    quiet, low = looked_at(values, tolerance=1e-3)
    assert quiet.silent and not low.silent  # far below zero is no silence
    assert low.positions_active == 1 / 48
    assert quiet.nearest is low.nearest is None


@pytest.mark.parametrize(("threshold", "found"), [(0.9, True), (0.99, False)])
def test_the_threshold_decides_who_is_a_near_duplicate(threshold, found):
    x = np.array([1.0, 2, 3, 4, 5])
    values = np.stack([x, [1.0, 2, 3, 5, 4.5]], axis=-1).reshape(1, 1, 5, 2)
    expected = np.corrcoef(values[0, 0].T)[0, 1]
    assert 0.9 < expected < 0.99

    one, other = looked_at(values, duplicate=threshold)

    assert one.correlation == pytest.approx(expected)
    assert one.near_duplicate == other.near_duplicate == found


def test_not_a_number_spoils_its_own_channel_alone(rng):
    values = rng.random((2, 4, 4, 3))
    values[..., 2] = values[..., 1]
    values[1, 0, 0, 0] = np.nan
    values[0, 1, 1, 0] = np.inf

    broken, one, other = looked_at(values)

    assert np.isnan(broken.mean) and broken.nearest is None and not broken.silent
    assert one.nearest == 2 and other.nearest == 1 and one.near_duplicate


# Memory


@pytest.mark.parametrize("look", [top_patches, channel_audit])
def test_the_model_never_sees_more_images_than_a_batch(look, images, monkeypatch):
    from cnnbook.maps import channels

    seen = []

    def watched(model, batch, *args, **options):
        seen.append(len(batch))
        return feature_maps(model, batch, *args, **options)

    monkeypatch.setattr(channels, "feature_maps", watched)
    options = {"count": 2} if look is top_patches else {}
    look(network(conv()), images, "conv", batch_size=3, **options)

    assert seen[-3:] == [3, 3, 1] and max(seen) == 3


# What cannot be


@pytest.mark.parametrize(
    ("layer", "options", "message"),
    [
        ("flatten", {}, r"layer 'flatten' has no feature maps: its output has shape"),
        ("cnov", {}, r"has no layer 'cnov'; did you mean 'conv'\?"),
        ("c*", {}, r"has no layer 'c\*'"),
        (
            "conv",
            {"channels": [0, 4]},
            r"from 0 to 3, the channels of layer 'conv'; go",
        ),
        ("conv", {"channels": [-1]}, r"whole numbers from 0 to 3.*got \[-1\]"),
        ("conv", {"channels": [0.5]}, r"whole numbers from 0 to 3.*got \[0.5\]"),
        ("conv", {"channels": 4}, r"must be whole numbers from 0 to 3.*got 4"),
        ("conv", {"channels": []}, r"must be whole numbers from 0 to 3.*got \[\]"),
        ("conv", {"count": 0}, r"count must be a whole number of at least 1; got 0"),
        ("conv", {"count": 8}, r"at most 7, the number of images.*got 8: .*count=7"),
        (
            "conv",
            {"batch_size": 0},
            r"batch_size must be a whole number of at least 1; got 0",
        ),
    ],
)
def test_what_has_no_top_patches_is_an_error_that_helps(
    images, layer, options, message
):
    model = network(conv(), kl.Flatten(name="flatten"))
    with pytest.raises(ValueError, match=message):
        top_patches(model, images, layer, **{"count": 2, **options})


def test_a_layer_without_a_window_has_no_patches(images):
    model = network(conv(), kl.UpSampling2D(name="up"), kl.Permute((2, 1, 3), name="p"))
    with pytest.raises(ValueError, match="no receptive field for layer 'p'"):
        top_patches(model, images, "p", count=2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": "flatten"}, "layer 'flatten' has no feature maps"),
        ({"tolerance": -1}, "tolerance must be 0 or more; got -1"),
        ({"duplicate": 0}, "duplicate must be above 0, at most 1; got 0"),
        ({"duplicate": 95}, "duplicate must be above 0, at most 1; got 95"),
        (
            {"batch_size": 1.5},
            "batch_size must be a whole number of at least 1; got 1.5",
        ),
    ],
)
def test_what_cannot_be_audited_is_an_error_that_helps(images, options, message):
    model = network(conv(), kl.Flatten(name="flatten"))
    with pytest.raises(ValueError, match=message):
        channel_audit(model, images, **options)


@pytest.mark.parametrize("look", [top_patches, channel_audit])
@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((12, 10, 3), r"got shape \(12, 10, 3\): put a single image in a batch of one"),
        ((7, 12, 10, 1), r"takes images of shape \(N, 12, 10, 3\); got"),
        ((0, 12, 10, 3), "expected at least one image"),
    ],
)
def test_images_that_do_not_fit_are_refused(look, shape, message):
    with pytest.raises(ValueError, match=message):
        look(network(conv()), np.zeros(shape), "conv")


@pytest.mark.parametrize("look", [top_patches, channel_audit])
def test_a_model_that_is_not_built_is_refused(look, images):
    with pytest.raises(ValueError, match="is not built yet"):
        look(keras.Sequential([conv()]), images, "conv")
