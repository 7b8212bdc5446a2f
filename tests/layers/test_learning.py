"""The slope of a loss for kernels is TensorFlow's, and steps against it go down."""

import numpy as np
import pytest

from cnnbook import layers

EDGE = np.array([[0, 0, 1, 1, 1]] * 5)[None, :, :, None]
UPRIGHT = np.array([[-1, 0, 1]] * 3)[:, :, None, None]
WANTED = layers.conv2d(EDGE, UPRIGHT)
ZEROS = np.zeros((3, 3, 1, 1))


@pytest.fixture
def images(rng):
    return rng.normal(size=(2, 9, 8, 3))  # odd × even, on purpose


def by_differences(loss, kernels, far=1e-5):
    """The slope of a loss for each weight, from its values on both sides."""
    slope = np.zeros_like(kernels)
    for place in np.ndindex(kernels.shape):
        aside = np.zeros_like(kernels)
        aside[place] = far
        slope[place] = (loss(kernels + aside) - loss(kernels - aside)) / (2 * far)
    return slope


# --- The loss


def test_the_loss_is_the_average_of_the_squared_differences():
    maps = np.array([[1.0, 2.0], [3.0, 4.0]])
    wanted = np.array([[1.0, 0.0], [0.0, 4.0]])
    assert layers.mean_squared_error(maps, wanted) == (4 + 9) / 4
    assert layers.mean_squared_error(wanted, maps) == (4 + 9) / 4
    assert layers.mean_squared_error(maps, maps) == 0


def test_whole_numbers_do_not_overflow():
    maps, wanted = np.array([200], np.uint8), np.array([0], np.uint8)
    assert layers.mean_squared_error(maps, wanted) == 40_000
    assert layers.mean_squared_error(wanted, maps) == 40_000


@pytest.mark.parametrize("wanted", [np.zeros((1, 3)), np.zeros(3), np.float64(0)])
def test_maps_of_another_shape_are_not_compared(wanted):
    with pytest.raises(ValueError, match="must have one shape"):
        layers.mean_squared_error(np.zeros((3, 1)), wanted)


def test_no_maps_at_all_are_refused():
    with pytest.raises(ValueError, match="at least one number"):
        layers.mean_squared_error(np.zeros((0, 2)), np.zeros((0, 2)))


# --- Its slope


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("window", [1, 2, 3, (3, 2)], ids=str)
def test_the_gradient_is_that_of_tensorflow(rng, images, window, stride, padding):
    import tensorflow as tf

    sides = window if isinstance(window, tuple) else (window, window)
    kernels = tf.Variable(rng.normal(size=(*sides, 3, 4)))
    with tf.GradientTape() as tape:
        maps = tf.nn.conv2d(images, kernels, stride, padding.upper())
        gradients = rng.normal(size=maps.shape)
        score = tf.reduce_sum(maps * gradients)
    ours = layers.conv2d_gradient(
        images, gradients, window, stride=stride, padding=padding
    )
    theirs = np.asarray(tape.gradient(score, kernels))
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("padding", ["same", 2, ((1, 0), (2, 3))], ids=str)
@pytest.mark.parametrize(
    ("stride", "dilation"), [((2, 1), 1), (1, 2), ((1, 2), (2, 1))], ids=str
)
def test_the_gradient_is_what_small_changes_measure(
    rng, images, stride, dilation, padding
):
    # TensorFlow on a CPU wants equal strides, and no dilation; ours need neither.
    kernels = rng.normal(size=(3, 2, 3, 2))
    options = {"stride": stride, "dilation": dilation, "padding": padding}
    shape = layers.conv2d(images, kernels, **options).shape
    gradients = rng.normal(size=shape)

    def score(kernels):
        return np.sum(layers.conv2d(images, kernels, **options) * gradients)

    ours = layers.conv2d_gradient(images, gradients, (3, 2), **options)
    np.testing.assert_allclose(ours, by_differences(score, kernels), rtol=1e-6)


def test_the_slope_of_the_squared_error_is_what_small_changes_measure(rng, images):
    kernels = rng.normal(size=(3, 2, 3, 2))
    wanted = rng.normal(size=layers.conv2d(images, kernels).shape)

    def loss(kernels):
        return layers.mean_squared_error(layers.conv2d(images, kernels), wanted)

    ours = layers.squared_error_gradient(images, kernels, wanted)
    np.testing.assert_allclose(ours, by_differences(loss, kernels), rtol=1e-5)


def test_the_slope_of_the_squared_error_is_that_of_keras(rng, images):
    import keras
    import tensorflow as tf

    conv = keras.layers.Conv2D(2, (3, 2), use_bias=False, dtype="float64")
    conv.build(images.shape)
    wanted = rng.normal(size=(2, 7, 7, 2))
    with tf.GradientTape() as tape:
        difference = conv(tf.constant(images)) - wanted
        loss = tf.reduce_mean(difference**2)
    theirs = np.asarray(tape.gradient(loss, conv.kernel.value))
    ours = layers.squared_error_gradient(images, np.asarray(conv.kernel), wanted)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)


def test_by_hand_the_slopes_of_an_edge_are_0_minus_2_and_minus_4():
    slope = layers.squared_error_gradient(EDGE, ZEROS, WANTED)
    np.testing.assert_allclose(slope[:, :, 0, 0], [[0, -2, -4]] * 3)


def test_where_the_map_is_as_wanted_the_ground_is_level():
    assert not layers.squared_error_gradient(EDGE, UPRIGHT, WANTED).any()


@pytest.mark.parametrize("shape", [(2, 7, 6), (2, 7, 7, 1), (1, 7, 6, 1)], ids=str)
def test_gradients_for_other_maps_are_refused(images, shape):
    with pytest.raises(ValueError, match=r"must have shape \(2, 7, 6, F\)"):
        layers.conv2d_gradient(images, np.zeros(shape), 3)


# --- Steps


def test_by_hand_one_step_takes_the_loss_from_6_to_2_64():
    kernels, losses = layers.gradient_descent(
        EDGE, ZEROS, WANTED, learning_rate=0.1, steps=1
    )
    np.testing.assert_allclose(kernels[1, :, :, 0, 0], [[0, 0.2, 0.4]] * 3)
    np.testing.assert_allclose(losses, [6, (3.24 + 1.44 + 3.24) / 3])


def test_steps_are_those_of_keras(rng, images):
    import keras
    import tensorflow as tf

    start = rng.normal(size=(2, 2, 3, 2))
    wanted = rng.normal(size=(2, 8, 7, 2))
    kernel = keras.Variable(start, dtype="float64")
    optimizer = keras.optimizers.SGD(0.05)
    for _ in range(5):
        with tf.GradientTape() as tape:
            maps = tf.nn.conv2d(images, kernel.value, 1, "VALID")
            loss = tf.reduce_mean((maps - wanted) ** 2)
        optimizer.apply([tape.gradient(loss, kernel.value)], [kernel])
    kernels, _ = layers.gradient_descent(
        images, start, wanted, learning_rate=0.05, steps=5
    )
    assert kernels.shape == (6, 2, 2, 3, 2)
    np.testing.assert_array_equal(kernels[0], start)
    np.testing.assert_allclose(kernels[5], np.asarray(kernel), rtol=1e-6)


def test_each_loss_is_that_of_its_kernel():
    kernels, losses = layers.gradient_descent(
        EDGE, ZEROS, WANTED, learning_rate=0.15, steps=4
    )
    again = [
        layers.mean_squared_error(layers.conv2d(EDGE, kernel), WANTED)
        for kernel in kernels
    ]
    np.testing.assert_array_equal(losses, again)


def test_below_the_limit_that_the_maths_gives_the_loss_falls_and_above_it_grows():
    windows = layers.patches(EDGE, 3).reshape(9, 9)
    limit = 2 / np.linalg.eigvalsh(2 * windows.T @ windows / 9).max()
    for share, falls in ((0.99, True), (1.01, False)):
        _, losses = layers.gradient_descent(
            EDGE, ZEROS, WANTED, learning_rate=share * limit, steps=400
        )
        assert (losses[-1] < 0.01) == falls
        assert falls or losses[-1] > losses[0]


def test_what_a_picture_does_not_ask_for_stays_as_it_was(rng):
    """All rows are alike, so only the sums of the columns are learned."""
    start = rng.normal(size=(3, 3, 1, 1))
    kernels, losses = layers.gradient_descent(
        EDGE, start, WANTED, learning_rate=0.1, steps=200
    )
    learned = kernels[-1]
    assert losses[-1] < 1e-9
    np.testing.assert_allclose(learned.sum(axis=0), UPRIGHT.sum(axis=0), atol=1e-4)
    np.testing.assert_allclose(
        learned - learned.mean(axis=0), start - start.mean(axis=0), atol=1e-12
    )


def test_kernels_that_are_given_stay_as_they_are():
    start = ZEROS.copy()
    layers.gradient_descent(EDGE, start, WANTED, learning_rate=0.1, steps=3)
    assert not start.any()


@pytest.mark.parametrize("rate", [0, -0.1, np.inf, np.nan])
def test_a_learning_rate_that_leads_nowhere_is_refused(rate):
    with pytest.raises(ValueError, match="learning_rate must be a finite number above"):
        layers.gradient_descent(EDGE, ZEROS, WANTED, learning_rate=rate, steps=1)


@pytest.mark.parametrize("steps", [0, -1, 1.5])
def test_a_number_of_steps_that_cannot_be_is_refused(steps):
    with pytest.raises(ValueError, match="steps must be"):
        layers.gradient_descent(EDGE, ZEROS, WANTED, learning_rate=0.1, steps=steps)


def test_a_loss_that_no_number_can_hold_is_called_diverged():
    with pytest.raises(ValueError, match=r"has diverged.*learning_rate \(now 100\)"):
        layers.gradient_descent(EDGE, ZEROS, WANTED, learning_rate=100, steps=1000)
