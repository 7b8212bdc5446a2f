"""What the list of activation functions says of each is true of it."""

import numpy as np
import pytest

from cnnbook import layers

each_function = pytest.mark.parametrize(
    "function", layers.ACTIVATIONS, ids=lambda function: function.keras_name
)


@pytest.fixture
def x(rng):
    return rng.normal(scale=4, size=(5, 7)).astype("float32")


def in_keras(function):
    """Keras's function, for tensors; imported here, as that takes seconds."""
    import keras

    return getattr(keras.activations, function.keras_name)


def gradient(function, x):
    """TensorFlow's slope of Keras's function."""
    import tensorflow as tf

    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = in_keras(function)(x)
    return tape.gradient(y, x).numpy()


@each_function
def test_values_agree_with_keras(function, x):
    theirs = np.asarray(in_keras(function)(x))
    ours = function.value(x, **function.options)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


@each_function
def test_derivatives_agree_with_those_of_tensorflow_at_corners_too(function, x):
    x[0, 0] = 0
    ours = function.derivative(x, **function.options)
    np.testing.assert_allclose(ours, gradient(function, x), rtol=1e-5, atol=1e-5)


@each_function
def test_a_derivative_is_how_far_the_value_moves(function):
    x, h = np.linspace(-6, 6, 100), 1e-5  # at no corner
    moved = (function.value(x + h) - function.value(x - h)) / (2 * h)
    np.testing.assert_allclose(function.derivative(x), moved, rtol=1e-6, atol=1e-9)


@each_function
def test_float32_stays_float32_and_large_numbers_stay_finite(function):
    x = np.array([-1e4, -100, 0, 100, 1e4], np.float32)
    for outputs in (function.value(x), function.derivative(x)):
        assert outputs.dtype == np.float32
        assert np.isfinite(outputs).all()


@each_function
def test_the_function_is_the_one_that_the_package_offers_by_that_name(function):
    assert getattr(layers, function.keras_name) is function.value
