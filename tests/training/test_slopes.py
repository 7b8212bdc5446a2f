"""The slope of a classifier's loss is that on paper, and that which is measured."""

import numpy as np
import pytest

from cnnbook import layers, networks, pictures, training

pytestmark = pytest.mark.xdist_group("slopes")


def split(rng, count=6, shape=(8, 7, 3), classes=2):
    images = rng.integers(0, 256, (count, *shape), np.uint8)
    return pictures.Split(images, np.arange(count) % classes)


def model_of(*stack, shape=(8, 7, 3)):
    import keras

    model = keras.Sequential([keras.Input(shape), *stack])
    model.white = 1
    return model


def vary(model, rng):
    """Give a model weights that are neither zero nor alike."""
    model.set_weights([rng.normal(0, 0.3, w.shape) for w in model.get_weights()])
    return model


def test_on_paper_votes_have_the_slope_of_pixels_times_what_is_wrong(rng):
    import keras

    model = vary(
        model_of(keras.layers.Flatten(), keras.layers.Dense(3, name="votes")), rng
    )
    pets = split(rng, count=5, classes=3)
    loss, slope = training.loss_slope(model, pets, "votes")
    pixels = pets.images.reshape(5, -1) / 255
    probabilities = layers.softmax(layers.dense(pixels, *model.get_weights()))
    wrong = probabilities - np.eye(3)[pets.labels]
    np.testing.assert_allclose(slope, pixels.T @ wrong / 5, rtol=1e-4, atol=1e-6)
    right = probabilities[np.arange(5), pets.labels]
    assert loss == pytest.approx(-np.log(right).mean(), rel=1e-5)


def test_a_convolution_has_the_slope_that_numpy_works_out(rng):
    import keras

    model = vary(
        model_of(
            keras.layers.Conv2D(4, 3, padding="same", name="conv"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(2),
        ),
        rng,
    )
    kernels, bias, votes, offset = model.get_weights()
    pets = split(rng)
    images = pets.images / 255
    maps = layers.conv2d(images, kernels, bias, padding="same")
    logits = layers.dense(layers.global_average_pool2d(maps), votes, offset)
    wrong = (layers.softmax(logits) - np.eye(2)[pets.labels]) / len(pets)
    back = np.broadcast_to((wrong @ votes.T)[:, None, None] / (8 * 7), maps.shape)
    expected = layers.conv2d_gradient(images, back, 3, padding="same")
    _, slope = training.loss_slope(model, pets, "conv")
    np.testing.assert_allclose(slope, expected, rtol=1e-4, atol=1e-7)


def test_the_slope_of_the_classifier_is_what_small_steps_measure(rng):
    classifier = networks.load_classifier()
    pets = pictures.draw_pets(4, size=96)
    loss, slope = training.loss_slope(classifier, pets, "block1_conv")
    assert loss == pytest.approx(training.evaluate(classifier, pets).loss, rel=1e-5)
    conv = classifier.get_layer("block1_conv")
    kernels, bias = conv.get_weights()
    steepest = np.abs(slope).max()
    for place in zip(*np.nonzero(np.abs(slope) > 0.7 * steepest), strict=True):
        sides = []
        for far in (0.002, -0.002):
            moved = kernels.copy()
            moved[place] += far
            conv.set_weights([moved, bias])
            sides.append(training.evaluate(classifier, pets).loss)
        measured = (sides[0] - sides[1]) / 0.004
        assert slope[place] == pytest.approx(measured, rel=0.05)


def test_nothing_is_changed(rng):
    classifier = networks.build_classifier((16, 16, 3), filters=(4,))
    before = classifier.get_weights()
    training.loss_slope(classifier, pictures.draw_pets(4, size=16), "block1_conv")
    for old, new in zip(before, classifier.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_more_pictures_than_a_batch_holds_are_averaged_over_all(rng):
    classifier = vary(networks.build_classifier((8, 8, 3), filters=(4,)), rng)
    pets = split(rng, count=230, shape=(8, 8, 3))
    loss, slope = training.loss_slope(classifier, pets, "block1_conv")
    parts = [
        training.loss_slope(
            classifier,
            pictures.Split(pets.images[part], pets.labels[part]),
            "block1_conv",
        )
        for part in (slice(0, 115), slice(115, 230))
    ]
    assert loss == pytest.approx(np.mean([part[0] for part in parts]), rel=1e-5)
    both = np.mean([part[1] for part in parts], axis=0)
    np.testing.assert_allclose(slope, both, rtol=1e-3, atol=1e-6)


def test_a_layer_inside_a_nested_model_is_found(rng):
    import keras

    inner = keras.Sequential(
        [keras.Input((8, 7, 3)), keras.layers.Conv2D(2, 3, name="conv")], name="inner"
    )
    model = vary(
        model_of(inner, keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)),
        rng,
    )
    _, slope = training.loss_slope(model, split(rng), "inner/conv")
    assert slope.shape == (3, 3, 3, 2)
    assert slope.any()


def test_a_network_that_takes_numbers_to_255_gets_them(rng):
    import keras

    model = model_of(keras.layers.Flatten(), keras.layers.Dense(2, name="votes"))
    pets = split(rng)
    _, slope = training.loss_slope(model, pets, "votes")
    model.white = 255
    model.layers[-1].kernel.assign(model.layers[-1].kernel / 255)
    loss, brighter = training.loss_slope(model, pets, "votes")
    np.testing.assert_allclose(brighter, 255 * slope, rtol=1e-3, atol=1e-4)
    assert loss == pytest.approx(training.evaluate(model, pets).loss, rel=1e-5)


def test_where_white_is_open_it_is_asked_for(rng):
    import keras

    model = model_of(keras.layers.Flatten(), keras.layers.Dense(2, name="votes"))
    del model.white
    with pytest.raises(ValueError, match="white"):
        training.loss_slope(model, split(rng), "votes")


@pytest.mark.parametrize("end", ["softmax", "sigmoid"])
def test_probabilities_are_not_taken_for_logits(rng, end):
    import keras

    model = model_of(
        keras.layers.Flatten(), keras.layers.Dense(2, activation=end, name="end")
    )
    with pytest.raises(ValueError, match="must return logits"):
        training.loss_slope(model, split(rng), "end")


@pytest.mark.parametrize("layer", ["conv9", "block1_pool"])
def test_layers_without_a_kernel_are_refused_and_those_with_one_named(rng, layer):
    classifier = networks.build_classifier((8, 8, 3), filters=(4,))
    with pytest.raises(ValueError, match="block1_conv, logits"):
        training.loss_slope(classifier, split(rng, shape=(8, 8, 3)), layer)


def test_a_label_that_is_no_class_is_refused(rng):
    classifier = networks.build_classifier((8, 8, 3), filters=(4,))
    pets = split(rng, shape=(8, 8, 3), classes=3)
    with pytest.raises(ValueError, match="classes from 0 to 1"):
        training.loss_slope(classifier, pets, "block1_conv")
