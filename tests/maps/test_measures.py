"""Likeness, change and bend are those worked out on paper."""

import numpy as np
import pytest
from skimage import filters

from cnnbook import pictures
from cnnbook.maps import (
    border_likeness,
    channel_likeness,
    shift_changes,
    strongest,
    superposition_gap,
)


def identity(size, channels=1):
    import keras
    from keras import layers as kl

    return keras.Sequential([keras.Input((*size, channels)), kl.Identity(name="same")])


@pytest.fixture(scope="module")
def cat():
    return pictures.model_cat(size=(96, 96))


def test_sobels_own_answer_is_perfectly_alike_however_it_is_scaled_and_shared_out(cat):
    borders = filters.sobel(cat.mean(axis=-1))
    maps = np.stack([0.3 * borders, 1.7 * borders + 5], axis=-1)

    assert border_likeness(maps, cat) == pytest.approx(1)
    assert border_likeness(-maps, cat) == pytest.approx(-1)


def test_likeness_is_pearsons_correlation_inside_the_rim(rng, cat):
    maps = rng.random((96, 96, 2))
    inner = slice(3, -3), slice(3, -3)  # 96 / 32 on each side
    borders = filters.sobel(cat.mean(axis=-1))[inner]

    expected = np.corrcoef(borders.ravel(), maps.sum(axis=-1)[inner].ravel())[0, 1]

    assert border_likeness(maps, cat) == pytest.approx(expected)
    maps[:3] = 1000  # the rim does not count
    assert border_likeness(maps, cat) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("maps", "image", "message"),
    [
        (np.ones((4, 4, 1)), np.ones((5, 4, 3)), r"got shapes \(4, 4, 1\) and \(5, 4"),
        (np.ones((4, 4)), np.ones((4, 4, 3)), "same rows and columns"),
        (np.ones((4, 4, 1)), np.ones((4, 4, 3)), "cannot be correlated"),
    ],
)
def test_what_cannot_be_compared_with_borders_is_an_error(maps, image, message):
    with pytest.raises(ValueError, match=message):
        border_likeness(maps, image)


def test_a_wave_changes_by_one_less_the_cosine_of_its_shift():
    """A wave of period 16 moved by k pixels correlates with itself as cos(2πk / 16)."""
    wave = np.sin(2 * np.pi * np.arange(32 + 4) / 16) * np.ones((1, 4, 1))

    changes = shift_changes(identity((4, 32)), wave[..., None])["same"]

    expected = 1 - np.cos(2 * np.pi * np.arange(1, 5) / 16)
    np.testing.assert_allclose(changes, expected, atol=1e-5)


def test_channels_are_weighed_by_how_much_they_vary():
    """A still channel of variance ½ beside a wave of variance ½ halves the change."""
    wave = np.sin(2 * np.pi * np.arange(32 + 8) / 16) * np.ones((1, 16, 1))
    still = np.sin(2 * np.pi * np.arange(16) / 16)[None, :, None] * np.ones((1, 1, 40))
    both = np.stack([wave, still], axis=-1)

    changes = shift_changes(identity((16, 32), 2), both, shifts=[4, 8])["same"]

    np.testing.assert_allclose(changes, [1 / 2, 1], atol=1e-5)  # not 1 and 2


def test_a_shift_by_the_window_of_a_pool_moves_the_pooled_map_by_one(rng):
    import keras
    from keras import layers as kl

    photos = rng.random((3, 8, 18, 2))
    pool = kl.MaxPooling2D(2, name="pool")
    model = keras.Sequential([keras.Input((8, 16, 2)), pool])
    pooled = np.asarray(pool(photos))  # of the wide pictures: one column more

    changes = shift_changes(model, photos, shifts=[2])["pool"]

    assert changes == pytest.approx(
        shift_changes(identity((4, 8), 2), pooled, shifts=[1])["same"]
    )


@pytest.mark.parametrize("batch_size", [1, 2, 100])
def test_batches_do_not_change_the_changes(rng, batch_size):
    photos = rng.random((5, 8, 12, 1))
    model = identity((8, 8))

    changes = shift_changes(model, photos, batch_size=batch_size)["same"]

    assert changes == pytest.approx(shift_changes(model, photos)["same"])


def test_flat_maps_have_no_change_to_tell():
    changes = shift_changes(identity((4, 8)), np.ones((1, 4, 12, 1)))["same"]

    assert np.isnan(changes).all()


@pytest.mark.parametrize(
    ("shifts", "message"),
    [
        ([0, 1], "each of the shifts must be a whole number of at least 1; got 0"),
        ([1.5], "each of the shifts must be a whole number of at least 1; got 1.5"),
        ([], "shifts must name at least one"),
        ([4, 12], r"wider than the largest; got shifts \(4, 12\)"),
    ],
)
def test_shifts_are_whole_pixels_inside_the_picture(shifts, message):
    with pytest.raises(ValueError, match=message):
        shift_changes(identity((4, 8)), np.ones((1, 4, 12, 1)), shifts=shifts)


def test_a_linear_network_with_biases_has_no_gap(rng):
    import keras
    from keras import layers as kl

    model = keras.Sequential(
        [keras.Input((6, 6, 2)), kl.Conv2D(3, 3), kl.AveragePooling2D(2), kl.Flatten(),
         kl.Dense(2, bias_initializer="ones")]
    )  # fmt: skip
    one, other = rng.random((2, 4, 6, 6, 2))

    assert superposition_gap(model, one, other) < 1e-5


def test_the_gap_of_a_square_is_the_one_on_paper():
    import keras

    """Of x² between 0 and 2: 1 in the middle, where 2 is half way; 1 of 4."""
    image = keras.Input((1, 1, 1))
    model = keras.Model(image, keras.ops.square(image))

    gap = superposition_gap(model, np.zeros((1, 1, 1, 1)), np.full((1, 1, 1, 1), 2.0))

    assert gap == pytest.approx(1 / 4)


def test_a_network_that_says_the_same_to_all_has_no_gap_to_tell():
    import keras
    from keras import layers as kl

    model = keras.Sequential([keras.Input((2, 2, 1)), kl.Conv2D(1, 1)])
    model.set_weights([np.zeros((1, 1, 1, 1)), np.ones(1)])

    with pytest.raises(ValueError, match="answers the same to every pair"):
        superposition_gap(model, np.zeros((1, 2, 2, 1)), np.ones((1, 2, 2, 1)))


def test_the_strongest_channels_come_first_and_ties_keep_their_order(rng):
    maps = rng.random((4, 5, 6)) * 0.1
    maps += np.array([3, 1, 9, 0, 9, 2])
    maps[..., 4] = maps[..., 2]

    assert strongest(maps, 4).tolist() == [2, 4, 0, 5]


@pytest.mark.parametrize("count", [0, 7])
def test_more_channels_than_there_are_cannot_be_chosen(count):
    with pytest.raises(ValueError, match=f"count {count}"):
        strongest(np.zeros((2, 2, 6)), count)


def test_channel_likeness_is_the_mean_size_of_all_pairs_correlations(rng):
    maps = rng.normal(size=(6, 7, 4))
    maps[..., 3] = -2 * maps[..., 0]
    pairs = [(a, b) for a in range(4) for b in range(a)]

    expected = np.mean(
        [
            abs(np.corrcoef(maps[..., a].ravel(), maps[..., b].ravel())[0, 1])
            for a, b in pairs
        ]
    )

    assert channel_likeness(maps) == pytest.approx(expected)
    flat = np.dstack([maps, np.ones((6, 7, 2))])
    assert channel_likeness(flat) == pytest.approx(expected)


def test_a_single_channel_has_no_pair():
    with pytest.raises(ValueError, match="have no pairs to compare"):
        channel_likeness(np.ones((3, 3, 5)))


def test_of_several_outputs_the_first_is_judged():
    import keras

    image = keras.Input((1, 1, 1))
    square = keras.ops.square(image)
    for outputs in ([square, image], {"a": square, "b": image}):
        model = keras.Model(image, outputs)
        gap = superposition_gap(model, np.zeros((1, 1, 1, 1)), np.full((1, 1, 1, 1), 2))
        assert gap == pytest.approx(1 / 4)


def test_pictures_that_are_not_pairs_are_an_error():
    with pytest.raises(ValueError, match=r"pairs .* \(1, 2, 2, 1\) and \(2, 2, 2, 1\)"):
        superposition_gap(
            identity((2, 2)), np.zeros((1, 2, 2, 1)), np.ones((2, 2, 2, 1))
        )
