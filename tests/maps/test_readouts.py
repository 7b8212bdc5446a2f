"""What a readout gets back is what the maps have kept, worked out on paper."""

import keras
import numpy as np
import pytest
from keras import layers as kl

from cnnbook.maps import detail_kept, fit_readouts, likeness


def model_of(*layers, size=(8, 12), channels=1):
    return keras.Sequential([keras.Input((*size, channels)), *layers])


@pytest.fixture
def noise(rng):
    return rng.random((24, 8, 12, 1))


def test_maps_that_are_the_pixels_give_the_picture_back(noise):
    model = model_of(kl.Identity(name="same"))

    readouts = fit_readouts(model, noise[:8], noise[8:12])

    assert detail_kept(model, noise[12:], readouts)["same"] == pytest.approx(1)
    painted = readouts["same"].paint(noise[20], (8, 12))
    np.testing.assert_allclose(painted, noise[20], atol=1e-4)


def test_a_pool_keeps_what_its_windows_have_in_common_and_loses_the_rest(rng):
    """Pictures made of squares, each with a pattern of mean zero laid over it."""
    squares = rng.normal(size=(40, 8, 12, 1)).repeat(2, axis=1).repeat(2, axis=2)
    pattern = np.tile([[1.0, -1.0], [-1.0, 1.0]], (8, 12))[None, :, :, None]
    pattern = pattern * rng.choice([-1, 1], (40, 8, 12, 1)).repeat(2, 1).repeat(2, 2)
    model = model_of(kl.AveragePooling2D(2, name="pool"), size=(16, 24))

    for size, share in ((0.0, 1.0), (1.0, 1 / 2), (3.0, 1 / 10)):
        pictures = squares + size * pattern  # variances 1 and size²
        readouts = fit_readouts(model, pictures[:10], pictures[10:20])
        kept = detail_kept(model, pictures[20:], readouts)
        assert kept["pool"] == pytest.approx(share, abs=0.05)


def test_signs_that_a_relu_removes_are_lost_unless_another_channel_has_them(rng):
    pictures = rng.choice([-1.0, 1.0], (30, 8, 12, 1))
    parts = pictures[:10], pictures[10:20]
    both = kl.Conv2D(2, 1, activation="relu", name="conv")
    model = model_of(both)
    both.set_weights([np.array([1.0, -1.0]).reshape(1, 1, 1, 2), np.zeros(2)])
    kept = detail_kept(model, pictures[20:], fit_readouts(model, *parts))
    assert kept["conv"] == pytest.approx(1)

    size = kl.Conv2D(1, 1, activation=keras.ops.abs, name="conv")
    model = model_of(size)
    size.set_weights([np.ones((1, 1, 1, 1)), np.zeros(1)])
    kept = detail_kept(model, pictures[20:], fit_readouts(model, *parts))
    assert kept["conv"] == 0


def test_a_silent_layer_keeps_nothing(noise):
    conv = kl.Conv2D(2, 3, padding="same", activation="relu", name="conv")
    model = model_of(conv)
    conv.set_weights([np.zeros((3, 3, 1, 2)), -np.ones(2)])

    readouts = fit_readouts(model, noise[:8], noise[8:12])

    assert detail_kept(model, noise[12:], readouts)["conv"] == 0


def test_the_weights_are_those_of_ridge_regression_with_the_best_penalty(noise):
    model = model_of(kl.Conv2D(2, 3, padding="same", name="conv"))
    maps = np.asarray(model(noise)).astype(float).reshape(24, -1, 2)
    features = np.concatenate([maps, np.ones((24, 96, 1))], axis=-1)
    fitted, pixels = features[:8].reshape(-1, 3), noise[:8].reshape(-1, 1)

    readout = fit_readouts(model, noise[:8], noise[8:12])["conv"]

    losses = {}
    for penalty in 10.0 ** np.arange(
        -8, 3
    ):  # as lines added to a system of least squares
        ridge = np.sqrt(penalty * np.sum(fitted**2) / 3) * np.eye(3)
        weights, *_ = np.linalg.lstsq(
            np.concatenate([fitted, ridge]),
            np.concatenate([pixels, np.zeros((3, 1))]),
            rcond=None,
        )
        guesses = features[8:12].reshape(-1, 3) @ weights
        losses[np.mean((guesses - noise[8:12].reshape(-1, 1)) ** 2)] = weights
    np.testing.assert_allclose(readout.weights, losses[min(losses)], rtol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 5, 100])
def test_batches_change_neither_the_readout_nor_what_is_kept(noise, batch_size):
    model = model_of(kl.Conv2D(3, 3, name="conv"), kl.MaxPooling2D(2, name="pool"))
    parts = noise[:9], noise[9:12]

    readouts = fit_readouts(model, *parts, batch_size=batch_size)
    kept = detail_kept(model, noise[12:], readouts, batch_size=batch_size)

    expected = fit_readouts(model, *parts)
    for layer, readout in readouts.items():
        np.testing.assert_allclose(
            readout.weights, expected[layer].weights, rtol=1e-5, atol=1e-7
        )
    assert kept == pytest.approx(detail_kept(model, noise[12:], expected), abs=1e-6)


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_each_position_paints_the_middle_of_what_it_sees(rng, padding):
    model = model_of(kl.Conv2D(1, 3, padding=padding, name="conv"), size=(5, 6))
    spot = np.zeros((1, 5, 6, 1))
    spot[0, 2, 3] = 1
    model.layers[0].set_weights([np.eye(9)[4].reshape(3, 3, 1, 1), np.zeros(1)])
    readouts = fit_readouts(model, rng.random((8, 5, 6, 1)), rng.random((4, 5, 6, 1)))

    maps = np.asarray(model(spot))[0]
    painted = readouts["conv"].paint(maps, (5, 6))[..., 0]

    border = np.isnan(painted)
    assert border.sum() == (0 if padding == "same" else 30 - 3 * 4)
    np.testing.assert_allclose(painted[~border], spot[0, ..., 0][~border], atol=1e-4)


def test_colours_are_painted_in_their_places(rng):
    pictures = rng.random((12, 8, 12, 3))
    model = model_of(kl.Conv2D(3, 1, name="swap"), channels=3)
    model.layers[0].set_weights([np.eye(3)[:, ::-1].reshape(1, 1, 3, 3), np.zeros(3)])

    readout = fit_readouts(model, pictures[:8], pictures[8:])["swap"]

    painted = readout.paint(pictures[0, ..., ::-1], (8, 12))
    np.testing.assert_allclose(painted, pictures[0], atol=1e-4)


def test_a_layer_that_sees_everything_everywhere_is_an_error(noise):
    image = keras.Input((8, 12, 1))
    gate = kl.GlobalAveragePooling2D(keepdims=True, name="gate")(image)
    model = keras.Model(image, gate)

    with pytest.raises(ValueError, match="'gate' has no place of its own"):
        fit_readouts(model, noise, noise, "gate")


def test_likeness_is_pearsons_correlation_whatever_brightness_and_contrast(rng):
    image, painted = rng.random((2, 6, 7, 3))

    expected = np.corrcoef(image.ravel(), painted.ravel())[0, 1]

    assert likeness(image, painted) == pytest.approx(expected)
    assert likeness(image, 3 * painted - 2) == pytest.approx(expected)


def test_a_part_is_judged_by_itself(rng):
    image = rng.random((6, 6, 3))
    painted = image.copy()
    painted[:3] = 1 - image[:3]  # the negative of the upper half

    assert likeness(image, painted, (slice(0, 3), slice(0, 6))) == -1
    assert likeness(image, painted, (slice(3, 6), slice(0, 6))) == 1
    assert -0.5 < likeness(image, painted) < 0.5


def test_pixels_that_nobody_paints_do_not_count(rng):
    image = rng.random((4, 4, 1))
    painted = image + rng.random((4, 4, 1))
    painted[0] = np.nan

    assert likeness(image, painted) == likeness(image[1:], painted[1:])


@pytest.mark.parametrize(
    ("painted", "window", "message"),
    [
        (np.zeros((4, 5, 1)), None, r"one shape .*\(4, 4, 1\) and \(4, 5, 1\)"),
        (np.full((4, 4, 1), np.nan), None, "nothing can be told"),
        (np.zeros((4, 4, 1)), (slice(0, 1), slice(0, 1)), "larger window"),
    ],
)
def test_what_cannot_be_judged_is_an_error(rng, painted, window, message):
    with pytest.raises(ValueError, match=message):
        likeness(rng.random((4, 4, 1)), painted, window)


def test_without_pictures_there_is_no_readout(noise):
    model = model_of(kl.Identity(name="same"))
    for parts in ((noise[:0], noise), (noise, noise[:0])):
        with pytest.raises(ValueError, match="at least one picture each; got"):
            fit_readouts(model, *parts)
