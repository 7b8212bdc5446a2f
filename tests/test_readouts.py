"""What a readout gets back is what the maps have kept, worked out on paper."""

import keras
import numpy as np
import pytest
from keras import layers as kl

from cnnbook.readouts import detail_kept, fit_readouts, share_explained


def model_of(*layers, size=(8, 12), channels=1):
    return keras.Sequential([keras.Input((*size, channels)), *layers])


@pytest.fixture
def noise(rng):
    return rng.random((24, 8, 12, 1))


def test_maps_that_are_the_pixels_give_the_picture_back(noise):
    model = model_of(kl.Identity(name="same"))

    readouts = fit_readouts(model, noise[:12])

    assert detail_kept(model, noise[12:], readouts)["same"] == pytest.approx(
        1, abs=1e-6
    )
    painted = readouts["same"].paint(noise[20], (8, 12))
    np.testing.assert_allclose(painted, noise[20], atol=1e-4)


def test_a_pool_keeps_what_its_windows_have_in_common_and_loses_the_rest(rng):
    """Pictures made of squares, each with a pattern of mean zero laid over it."""
    squares = rng.normal(size=(40, 4, 6, 1)).repeat(2, axis=1).repeat(2, axis=2)
    pattern = np.tile([[1.0, -1.0], [-1.0, 1.0]], (4, 6))[None, :, :, None]
    pattern = pattern * rng.choice([-1, 1], (40, 4, 6, 1)).repeat(2, 1).repeat(2, 2)
    model = model_of(kl.AveragePooling2D(2, name="pool"))

    for size, share in ((0.0, 1.0), (1.0, 1 / 2), (3.0, 1 / 10)):
        pictures = squares + size * pattern  # variances 1 and size²
        kept = detail_kept(model, pictures[20:], fit_readouts(model, pictures[:20]))
        assert kept["pool"] == pytest.approx(share, abs=0.06)


def test_signs_that_a_relu_removes_are_lost_unless_another_channel_has_them(rng):
    pictures = rng.choice([-1.0, 1.0], (30, 8, 12, 1))
    both = kl.Conv2D(2, 1, activation="relu", name="conv")
    model = model_of(both)
    both.set_weights([np.array([1.0, -1.0]).reshape(1, 1, 1, 2), np.zeros(2)])
    kept = detail_kept(model, pictures[15:], fit_readouts(model, pictures[:15]))
    assert kept["conv"] == pytest.approx(1, abs=1e-6)

    size = kl.Conv2D(1, 1, activation=keras.ops.abs, name="conv")
    model = model_of(size)
    size.set_weights([np.ones((1, 1, 1, 1)), np.zeros(1)])
    kept = detail_kept(model, pictures[15:], fit_readouts(model, pictures[:15]))
    assert kept["conv"] == pytest.approx(0, abs=0.02)


def test_a_silent_layer_keeps_nothing(noise):
    conv = kl.Conv2D(2, 3, padding="same", activation="relu", name="conv")
    model = model_of(conv)
    conv.set_weights([np.zeros((3, 3, 1, 2)), -np.ones(2)])

    kept = detail_kept(model, noise[12:], fit_readouts(model, noise[:12]))

    assert kept["conv"] == pytest.approx(0, abs=0.03)


def test_the_fit_is_that_of_least_squares(noise):
    conv = kl.Conv2D(2, 3, padding="same", name="conv")
    model = model_of(conv)
    maps = np.asarray(model(noise)).reshape(-1, 2)
    features = np.column_stack([maps, np.ones(len(maps))]).reshape(24, -1, 3)
    fitted = features[3:12].reshape(
        -1, 3
    )  # a quarter of the twelve decides the penalty

    readout = fit_readouts(model, noise[:12])["conv"]

    pixels = noise[3:12].reshape(-1, 1)
    exact = np.linalg.lstsq(fitted, pixels, rcond=None)[0]
    loss = np.mean((fitted @ readout.weights - pixels) ** 2)
    assert loss == pytest.approx(np.mean((fitted @ exact - pixels) ** 2), rel=0.02)
    kept = detail_kept(model, noise[12:], {"conv": readout})["conv"]
    guesses = (features[12:] @ readout.weights).reshape(12, -1)
    truth = noise[12:].reshape(12, -1)
    variance = np.sum((truth - truth.mean(axis=1, keepdims=True)) ** 2)
    assert kept == pytest.approx(1 - np.sum((guesses - truth) ** 2) / variance)


@pytest.mark.parametrize("batch_size", [1, 5, 100])
def test_batches_do_not_change_the_readout(noise, batch_size):
    model = model_of(kl.Conv2D(3, 3, name="conv"), kl.MaxPooling2D(2, name="pool"))

    readouts = fit_readouts(model, noise, batch_size=batch_size)

    expected = fit_readouts(model, noise)
    for layer, readout in readouts.items():
        np.testing.assert_allclose(
            readout.weights, expected[layer].weights, rtol=1e-5, atol=1e-7
        )


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_each_position_paints_the_middle_of_what_it_sees(padding):
    model = model_of(kl.Conv2D(1, 3, padding=padding, name="conv"), size=(5, 6))
    spot = np.zeros((1, 5, 6, 1))
    spot[0, 2, 3] = 1
    model.layers[0].set_weights([np.eye(9)[4].reshape(3, 3, 1, 1), np.zeros(1)])
    readouts = fit_readouts(model, np.random.default_rng(0).random((8, 5, 6, 1)))

    maps = np.asarray(model(spot))[0]
    painted = readouts["conv"].paint(maps, (5, 6))[..., 0]

    border = np.isnan(painted)
    assert border.sum() == (0 if padding == "same" else 30 - 3 * 4)
    np.testing.assert_allclose(painted[~border], spot[0, ..., 0][~border], atol=1e-4)


def test_colours_are_painted_in_their_places(rng):
    pictures = rng.random((12, 8, 12, 3))
    model = model_of(kl.Conv2D(3, 1, name="swap"), channels=3)
    model.layers[0].set_weights([np.eye(3)[:, ::-1].reshape(1, 1, 3, 3), np.zeros(3)])

    readout = fit_readouts(model, pictures)["swap"]

    painted = readout.paint(pictures[0, ..., ::-1], (8, 12))
    np.testing.assert_allclose(painted, pictures[0], atol=1e-4)


def test_fewer_than_four_pictures_are_an_error(noise):
    with pytest.raises(ValueError, match="four images or more; got 3"):
        fit_readouts(model_of(kl.Identity()), noise[:3])


def test_a_layer_that_sees_everything_everywhere_is_an_error(noise):
    image = keras.Input((8, 12, 1))
    gate = kl.GlobalAveragePooling2D(keepdims=True, name="gate")(image)
    model = keras.Model(image, gate)

    with pytest.raises(ValueError, match="'gate' has no place of its own"):
        fit_readouts(model, noise, "gate")


def test_the_share_of_one_whole_picture_is_the_detail_kept(noise):
    model = model_of(kl.Conv2D(2, 3, padding="same", name="conv"))
    readouts = fit_readouts(model, noise[:12])
    maps = np.asarray(model(noise[20:21]))[0]

    painted = readouts["conv"].paint(maps, (8, 12))

    kept = detail_kept(model, noise[20:21], readouts)["conv"]
    assert share_explained(noise[20], painted) == pytest.approx(kept, abs=1e-5)


def test_a_part_is_judged_by_itself(rng):
    image = rng.random((6, 6, 3))
    painted = image.copy()
    painted[:3] = image[:3].mean(axis=(0, 1))  # the upper half in one colour

    assert share_explained(image, painted, (slice(0, 3), slice(0, 6))) == (
        pytest.approx(0, abs=1e-12)
    )
    assert share_explained(image, painted, (slice(3, 6), slice(0, 6))) == 1
    assert 0.3 < share_explained(image, painted) < 0.7


def test_pixels_that_nobody_paints_do_not_count(rng):
    image = rng.random((4, 4, 1))
    painted = image.copy()
    painted[0] = np.nan
    painted[1] += 0.1

    assert share_explained(image, painted) == share_explained(image[1:], painted[1:])


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
        share_explained(rng.random((4, 4, 1)), painted, window)
