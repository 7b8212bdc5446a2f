"""Augmentation changes pictures a little, differently each time, and repeatably."""

import numpy as np
import pytest

from cnnbook import training
from cnnbook.training import augmentation


@pytest.fixture
def images(rng):
    return rng.random((40, 12, 16, 3)).astype("float32")


@pytest.fixture
def only(monkeypatch):
    """Switch off every kind of change but the ones named (mirroring always stays)."""

    def switch(*kept):
        for kind in {"TURN", "ZOOM", "SHIFT", "LIGHT"} - set(kept):
            monkeypatch.setattr(augmentation, kind, 0)

    return switch


def test_changed_pictures_keep_shape_and_range(images):
    changed = training.augment(images, seed=3)
    assert changed.shape == images.shape
    assert changed.dtype == np.float32
    assert changed.min() >= 0
    assert changed.max() <= 1


def test_the_originals_are_left_alone(images):
    before = images.copy()
    training.augment(images, seed=3)
    np.testing.assert_array_equal(images, before)


def test_a_seed_repeats_the_changes_and_another_makes_others(images):
    first = training.augment(images, seed=3)
    np.testing.assert_array_equal(training.augment(images, seed=3), first)
    assert not np.allclose(training.augment(images, seed=4), first)


def test_copies_of_one_picture_are_changed_in_different_ways(images):
    copies = training.augment(np.repeat(images[:1], 8, axis=0), seed=0)
    assert len(np.unique(copies.reshape(8, -1), axis=0)) == 8


def test_without_other_changes_every_picture_stays_or_is_mirrored(images, only):
    only()
    changed = training.augment(images, seed=0)
    stays = np.abs(changed - images).max(axis=(1, 2, 3)) < 1e-4
    mirrored = np.abs(changed - images[:, :, ::-1]).max(axis=(1, 2, 3)) < 1e-4
    np.testing.assert_array_equal(stays, ~mirrored)
    assert 10 < stays.sum() < 30  # of 40: about half


def test_a_picture_of_one_colour_survives_every_move(only):
    only("TURN", "ZOOM", "SHIFT")
    colour = np.broadcast_to(np.float32([0.2, 0.5, 0.9]), (30, 9, 14, 3))
    np.testing.assert_allclose(training.augment(colour, seed=1), colour, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "most"),
    [("SHIFT", 0.1 * 61), ("TURN", 15 * np.sin(np.deg2rad(15)))],
)
def test_a_spot_moves_as_far_as_stated_and_no_further(only, kind, most):
    # A soft spot, 15 pixels above the centre of a picture of 61 × 61.
    rows, columns = np.mgrid[:61, :61]
    spot = np.exp(-((rows - 15) ** 2 + (columns - 30) ** 2) / 4)
    only(kind)
    images = np.broadcast_to(spot[None, :, :, None], (60, 61, 61, 3))
    changed = training.augment(images, seed=2)[..., 0]
    moved = (changed * columns).sum(axis=(1, 2)) / changed.sum(axis=(1, 2)) - 30
    assert -most - 0.1 <= moved.min() < -0.8 * most
    assert 0.8 * most < moved.max() <= most + 0.1


def test_zoom_changes_area_by_the_stated_factors(only):
    rows, columns = np.mgrid[:61, :61]
    disc = (((rows - 30) ** 2 + (columns - 30) ** 2) < 15**2).astype("float32")
    only("ZOOM")
    images = np.broadcast_to(disc[None, :, :, None], (60, 61, 61, 3))
    areas = training.augment(images, seed=2)[..., 0].sum(axis=(1, 2)) / disc.sum()
    assert np.exp(-0.4) - 0.03 <= areas.min() < 0.75
    assert 1.35 < areas.max() <= np.exp(0.4) + 0.03


def test_light_scales_brightness_by_at_most_its_share(only):
    only("LIGHT")
    grey = np.full((60, 4, 4, 3), 0.5)
    means = training.augment(grey, seed=5).mean(axis=(1, 2, 3)) / 0.5
    assert 0.7 <= means.min() < 0.8
    assert 1.2 < means.max() <= 1.3


def test_light_is_three_changes_one_after_another(images):
    amounts = np.random.default_rng(1).uniform(-1, 1, (3, len(images)))
    brightness, contrast, saturation = amounts.astype("float32")
    factors = 1 + augmentation.LIGHT * amounts[..., None, None, None]
    grey = images.mean(axis=3, keepdims=True)
    coloured = grey + factors[2] * (images - grey)
    mean = coloured.mean(axis=(1, 2, 3), keepdims=True)
    expected = np.clip(factors[1] * (coloured - mean) + factors[0] * mean, 0, 1)

    lit = augmentation._relight(images, brightness, contrast, saturation)

    np.testing.assert_allclose(lit, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((8, 8, 3)), r"shape \(N, H, W, 3\).*images\[None\]"),
        (np.zeros((2, 8, 8, 1)), r"shape \(N, H, W, 3\); got \(2, 8, 8, 1\)"),
        (np.zeros((2, 8, 8, 3), np.uint8), "divide 8-bit images by 255"),
        (np.full((2, 8, 8, 3), 255.0), r"lie in \[0, 1\].*255"),
        (np.full((2, 8, 8, 3), np.nan), r"lie in \[0, 1\].*nan"),
    ],
)
def test_pictures_of_another_kind_are_refused(images, message):
    with pytest.raises(ValueError, match=message):
        training.augment(images, seed=0)


def test_a_stream_of_batches_is_changed_as_single_batches_are(images):
    import tensorflow as tf

    stream = tf.data.Dataset.range(3).map(
        lambda step: augmentation.random_changes(images, (7, step)),
        num_parallel_calls=3,
    )
    for step, changed in enumerate(stream):
        alone = augmentation.random_changes(images, (7, step))
        np.testing.assert_allclose(changed, alone, atol=1e-6)
