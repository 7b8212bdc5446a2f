"""Probabilities, accuracy, loss and confusion are what their definitions say."""

import numpy as np
import pytest

from cnnbook import pictures, training
from cnnbook.pictures import Split
from cnnbook.training import metrics


@pytest.fixture
def brightness():
    """A network of 2 × 2 grey images whose logits are (0, ln 3 × the sum)."""
    import keras

    inputs = keras.Input((2, 2, 1), name=pictures.INTENSITIES)
    dense = keras.layers.Dense(2)
    model = keras.Model(inputs, dense(keras.layers.Flatten()(inputs)))
    dense.set_weights([np.array([[0, np.log(3)]] * 4), np.zeros(2)])
    return model


@pytest.fixture
def two_images():
    """One black, one with a single white pixel."""
    images = np.zeros((2, 2, 2, 1), np.uint8)
    images[1, 0, 0] = 255
    return images


def test_probabilities_are_those_worked_out_on_paper(brightness, two_images):
    # Odds of 1 : 1 for black, and of 1 : 3 for one white pixel.
    expected = [[0.5, 0.5], [0.25, 0.75]]
    np.testing.assert_allclose(training.predict(brightness, two_images), expected, 1e-6)


def test_eight_bit_images_and_their_intensities_get_the_same_answer(brightness, rng):
    images = rng.integers(0, 256, (5, 2, 2, 1), np.uint8)
    np.testing.assert_array_equal(
        training.predict(brightness, images),
        training.predict(brightness, (images / 255).astype("float32")),
    )


def test_more_images_than_fit_a_batch_are_answered_in_order(brightness, rng):
    images = rng.random((2 * metrics.BATCH_SIZE + 1, 2, 2, 1))
    odds = 3 ** images.sum(axis=(1, 2, 3))
    probabilities = training.predict(brightness, images)
    np.testing.assert_allclose(probabilities[:, 1], odds / (1 + odds), rtol=1e-5)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)


def test_huge_logits_give_certainty_and_a_finite_loss(brightness, two_images):
    brightness.layers[-1].set_weights([np.array([[0, 10_000]] * 4), np.zeros(2)])
    np.testing.assert_array_equal(
        training.predict(brightness, two_images[1:]), [[0.0, 1.0]]
    )
    measured = training.evaluate(brightness, Split(two_images[1:], np.array([0])))
    assert measured.loss == pytest.approx(10_000)


def test_accuracy_and_loss_are_those_worked_out_on_paper(brightness, two_images):
    measured = training.evaluate(brightness, Split(two_images, np.array([1, 1])))
    # Black is a tie, which goes to class 0 and so is wrong.
    assert measured.accuracy == 0.5
    assert measured.loss == pytest.approx(-(np.log(1 / 2) + np.log(3 / 4)) / 2)
    assert measured.count == 2


def ended(model, activation):
    """The network with an activation behind its last layer."""
    import keras

    layer = keras.layers.Activation(activation)
    return keras.Model(model.inputs[0], layer(model.outputs[0]))


def test_probabilities_that_a_network_gives_are_its_own_and_judged_as_its_logits(
    brightness, rng
):
    images = rng.random((2 * metrics.BATCH_SIZE + 1, 2, 2, 1), np.float32)
    labels = rng.integers(0, 2, len(images))
    network = ended(brightness, "softmax")
    np.testing.assert_allclose(
        training.predict(network, images),
        network.predict(images, verbose=0),
        rtol=1e-6,
    )
    expected, found = (
        training.evaluate(one, Split(images, labels)) for one in (brightness, network)
    )
    assert found.accuracy == expected.accuracy
    assert found.loss == pytest.approx(expected.loss, rel=1e-6)


@pytest.mark.parametrize("activation", ["sigmoid", "linear"])
def test_one_output_is_the_second_of_two_classes(two_images, activation):
    import keras

    image = keras.Input((2, 2, 1), name=pictures.INTENSITIES)
    dense = keras.layers.Dense(1, activation=activation)
    network = keras.Model(image, dense(keras.layers.Flatten()(image)))
    dense.set_weights([np.full((4, 1), np.log(3)), np.zeros(1)])
    found = training.predict(network, two_images)
    np.testing.assert_allclose(found, [[0.5, 0.5], [0.25, 0.75]], rtol=1e-6)
    measured = training.evaluate(network, Split(two_images, np.array([0, 0])))
    assert measured.accuracy == 0.5
    assert measured.loss == pytest.approx(-(np.log(1 / 2) + np.log(1 / 4)) / 2)


def test_logits_may_come_by_name(brightness, two_images):
    import keras

    network = keras.Model(brightness.inputs[0], {"animal": brightness.outputs[0]})
    np.testing.assert_array_equal(
        training.predict(network, two_images), training.predict(brightness, two_images)
    )


def test_classes_that_are_answered_for_themselves_have_no_accuracy(
    brightness, two_images
):
    network = ended(brightness, "sigmoid")
    np.testing.assert_allclose(
        training.predict(network, two_images), [[0.5, 0.5], [0.5, 0.75]], rtol=1e-6
    )
    with pytest.raises(ValueError, match=r"each of its 2 classes for itself.*\[:, k\]"):
        training.evaluate(network, Split(two_images, np.array([0, 1])))


def test_probabilities_are_not_taken_for_logits(brightness, two_images):
    import keras

    twice = [keras.layers.Softmax()(brightness.outputs[0]) for _ in "ab"]
    network = keras.Model(brightness.inputs[0], keras.layers.Average()(twice))
    for call in (
        lambda: training.predict(network, two_images),
        lambda: training.evaluate(network, Split(two_images, np.array([0, 1]))),
    ):
        with pytest.raises(ValueError, match="with_answers"):
            call()


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 2, 1)), r"\(N, 2, 2, 1\); got \(2, 2, 1\); for one image"),
        (np.zeros((5, 3, 2, 1)), r"\(N, 2, 2, 1\); got \(5, 3, 2, 1\)"),
        (np.zeros((0, 2, 2, 1)), "at least one image"),
        (np.full((1, 2, 2, 1), 200.0), "from 200 to 200: divide by 255"),
        (np.full((1, 2, 2, 1), -0.5), "from -0.5 to -0.5"),
        (np.full((1, 2, 2, 1), np.nan), "nan"),
        (np.zeros((1, 2, 2, 1), int), "uint8.*got int64"),
    ],
)
def test_images_that_do_not_fit_are_refused(brightness, images, message):
    with pytest.raises(ValueError, match=message):
        training.predict(brightness, images)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 2], "classes from 0 to 1; got numbers from 0 to 2"),
        ([0, -1], "classes from 0 to 1; got numbers from -1 to 0"),
        ([0.0, 1.0], "whole numbers.*float64"),
        ([[0, 1]], r"shape \(N,\)"),
        ([0], "2 images and 1 labels"),
    ],
)
def test_labels_that_do_not_fit_are_refused(brightness, two_images, labels, message):
    with pytest.raises(ValueError, match=message):
        training.evaluate(brightness, Split(two_images, np.array(labels)))


def test_an_empty_split_is_refused(brightness, two_images):
    with pytest.raises(ValueError, match="at least one image"):
        training.evaluate(brightness, Split(two_images[:0], np.zeros(0, int)))


def test_confusion_counts_every_pair_once(rng):
    labels, predicted = rng.integers(0, 4, (2, 300))
    counts = training.confusion_matrix(labels, predicted, 4)
    for row in range(4):
        for column in range(4):
            both = (labels == row) & (predicted == column)
            assert counts[row, column] == both.sum()


def test_right_answers_are_on_the_diagonal(rng):
    labels = rng.integers(0, 3, 50)
    counts = training.confusion_matrix(labels, labels, 3)
    np.testing.assert_array_equal(counts, np.diag(np.bincount(labels, minlength=3)))


@pytest.mark.parametrize(
    ("labels", "predicted", "message"),
    [
        ([0, 1], [0], "same length; got 2 and 1"),
        ([0, 3], [0, 1], "labels must be classes from 0 to 1"),
        ([0, 1], [0, 3], "predicted must be classes from 0 to 1"),
        ([0, 1], [[0.2, 0.8]] * 2, r"predicted must be whole numbers"),
    ],
)
def test_answers_that_are_no_classes_are_refused(labels, predicted, message):
    with pytest.raises(ValueError, match=message):
        training.confusion_matrix(np.array(labels), np.array(predicted), 2)


def test_images_are_given_to_a_network_in_its_own_range(brightness, rng):
    import keras

    images = rng.integers(0, 256, (5, 2, 2, 1), np.uint8)
    expected = training.predict(brightness, images)
    inputs = keras.Input((2, 2, 1))
    scaled = keras.layers.Rescaling(1 / 255)(inputs)
    bytes_taken = keras.Model(inputs, brightness(scaled))
    for given in (images, images / 255):
        answers = training.predict(bytes_taken, given)
        np.testing.assert_allclose(answers, expected, rtol=1e-5)


def test_a_network_that_does_not_tell_what_white_is_to_it_is_asked(brightness, rng):
    import keras

    images = rng.integers(0, 256, (5, 2, 2, 1), np.uint8)
    expected = training.predict(brightness, images)
    inputs = keras.Input((2, 2, 1))
    network = keras.Model(inputs, brightness.layers[-1](brightness.layers[-2](inputs)))
    with pytest.raises(ValueError, match=r"model\.white = 1 or model\.white = 255"):
        training.predict(network, images)
    network.white = 1
    np.testing.assert_allclose(training.predict(network, images), expected, rtol=1e-6)


def test_a_network_for_any_size_takes_images_of_any_size():
    import keras

    network = keras.Sequential(
        [
            keras.Input((None, None, 3), name=pictures.INTENSITIES),
            keras.layers.Conv2D(2, 3),
            keras.layers.GlobalAveragePooling2D(),
        ]
    )
    for side in (8, 11):
        images = np.zeros((2, side, side, 3), np.uint8)
        assert training.predict(network, images).shape == (2, 2)
    with pytest.raises(
        ValueError, match=r"shape \(N, any, any, 3\); got \(2, 8, 8, 1\)"
    ):
        training.predict(network, np.zeros((2, 8, 8, 1), np.uint8))


@pytest.mark.parametrize(("successes", "count"), [(0, 50), (25, 50), (50, 50)])
def test_an_interval_holds_the_rate_and_ends_where_wilson_says(successes, count):
    low, high = training.binomial_interval(successes, count)
    rate = successes / count
    assert 0 <= low <= rate + 1e-12 and rate - 1e-12 <= high <= 1
    ends, z = np.array([low, high]), 1.959964
    # Each end is a rate from which the measured one is z standard errors away.
    errors = np.sqrt(ends * (1 - ends) / count)
    np.testing.assert_allclose(abs(ends - rate), z * errors, atol=1e-7)


@pytest.mark.parametrize(("successes", "count"), [(-1, 5), (6, 5), (0, 0)])
def test_an_interval_needs_a_possible_count(successes, count):
    with pytest.raises(ValueError, match="successes must lie between 0 and count"):
        training.binomial_interval(successes, count)
