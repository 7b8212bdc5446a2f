"""An explanation says how exact it is, and what it says is so."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from cnnbook import explanations
from cnnbook.explanations import Explanation
from cnnbook.networks import build_classifier

pytestmark = pytest.mark.xdist_group("explanations")

QUICK = {
    "lime": {"samples": 60, "segments": 6},
    "integrated-gradients": {"steps": 4},
    "smooth-grad": {"samples": 3},
}


def bent_at(kinks, slopes):
    """A classifier of one pixel: its logit is the sum of slope · relu(pixel − kink)."""
    model = keras.Sequential(
        [
            keras.Input((1, 1, 1)),
            keras.layers.Conv2D(len(kinks), 1, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(1),
        ]
    )
    kernel = np.ones((1, 1, 1, len(kinks)))
    model.set_weights(
        [kernel, -np.array(kinks), np.reshape(slopes, (-1, 1)), np.zeros(1)]
    )
    return model


def zigzag(turns, slope):
    """A logit that rises by 2 on the way from 0 to 1, with so many steep turns."""
    slopes = np.full(turns, 2.0 * slope) * (-1) ** np.arange(turns)
    slopes[0] = slope
    return bent_at([*(np.arange(turns) / turns * 0.97 + 0.01), 0], [*slopes, 2.0])


@pytest.fixture(scope="module")
def network():
    return build_classifier((16, 16, 3), filters=(3, 4))


@pytest.fixture
def pictures(rng):
    return rng.random((2, 16, 16, 3), np.float32)


PIXEL = np.ones((1, 1, 1, 1), np.float32)


@pytest.mark.parametrize(("steps", "total"), [(1, 1.0), (2, 0.5)])
def test_the_gap_is_the_sum_of_the_map_less_the_change_of_the_logit(steps, total):
    # The logit rises from 0 to 0.7.  Steps are at 0.5; or at 0.21 and 0.79.
    found = explanations.integrated_gradients(
        bent_at([0.3], [1.0]), PIXEL, 1, steps=steps
    )
    assert found.values.item() == pytest.approx(total)
    assert found.gap == pytest.approx([total - 0.7], abs=1e-6)
    assert not found.converged.any()
    assert found.remarks() == f"adds up to {total:.2f}, not 0.70: not converged"


def test_a_linear_logit_leaves_no_gap(rng):
    model = keras.Sequential(
        [keras.Input((4, 4, 2)), keras.layers.Flatten(), keras.layers.Dense(3)]
    )
    found = explanations.integrated_gradients(model, rng.random((5, 4, 4, 2)), 2)
    np.testing.assert_allclose(found.gap, 0, atol=1e-5)
    assert found.converged.all()


@pytest.mark.parametrize(
    ("turns", "slope", "steps"), [(1, 0, 32), (3, 3, 64), (11, 11, 512)]
)
def test_steps_grow_until_the_map_adds_up_with_the_last_two_numbers(
    turns, slope, steps
):
    model = zigzag(turns, slope)
    change = float(model(PIXEL)[0, 0] - model(0 * PIXEL)[0, 0])
    found = explanations.integrated_gradients(model, PIXEL, 1)
    assert found.converged.all()
    assert found.values.sum() == pytest.approx(change, rel=0.05)
    asked = [
        explanations.integrated_gradients(model, PIXEL, 1, steps=number)
        for number in (steps, steps // 2, steps // 4)
    ]
    assert found.values.item() == asked[0].values.item()
    assert asked[1].converged.all() and (steps == 32 or not asked[2].converged.all())


def test_steps_that_are_given_are_taken_exactly_and_without_a_warning():
    model, steps = zigzag(11, 11), 7
    places, weights = np.polynomial.legendre.leggauss(steps)
    way = tf.constant((places.reshape(-1, 1, 1, 1) + 1) / 2, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(way)
        logits = model(way)
    slopes = np.asarray(tape.gradient(logits, way)).ravel()
    found = explanations.integrated_gradients(model, PIXEL, 1, steps=steps)
    assert found.values.item() == pytest.approx((slopes * weights / 2).sum(), rel=1e-4)
    assert not found.converged.any()


def test_a_way_that_no_number_of_steps_resolves_is_warned_of():
    # A rise by 2 with a cliff in it, 1 high, that a step meets by chance if at all.
    cliff = bent_at([0, 0.3333, 0.3334], [2.0, 10_000.0, -10_000.0])
    message = (
        r"not converged in 1,024 steps: the map of image 1 adds up to .*, not 3\.00.*"
        "more steps"
    )
    with pytest.warns(UserWarning, match=message):
        found = explanations.integrated_gradients(
            cliff, np.concatenate([0 * PIXEL, PIXEL]), 1
        )
    assert found.converged.tolist() == [True, False]


def test_an_image_that_is_the_baseline_adds_up_to_nothing():
    found = explanations.integrated_gradients(
        zigzag(3, 3), 0.5 * PIXEL, 1, baseline=0.5
    )
    assert found.converged.all()
    assert found.remarks() == "0 everywhere, adds up to 0.00 of 0.00"


def test_a_map_does_not_depend_on_the_images_explained_with_it(network, pictures):
    together = explanations.integrated_gradients(network, pictures, 0)
    for number, picture in enumerate(pictures):
        alone = explanations.integrated_gradients(network, picture[None], 0)
        np.testing.assert_allclose(
            together.values[number], alone.values[0], rtol=1e-3, atol=1e-6
        )
        np.testing.assert_allclose(together.gap[number], alone.gap[0], atol=1e-5)


@pytest.mark.parametrize("name", explanations.METHODS)
def test_methods_that_draw_say_their_error_and_no_others_have_one(
    network, pictures, name
):
    found = explanations.explain(name, network, pictures, 0, **QUICK.get(name, {}))
    draws = "seed" in explanations.METHODS[name].options
    assert draws == (name in {"lime", "smooth-grad"})
    assert (found.error is not None) == draws == ("standard" in found.remarks())
    if draws:
        assert found.error.shape == found.values.shape
        assert (found.error >= 0).all() and np.isfinite(found.error).all()
    assert (found.gap is not None) == (name == "integrated-gradients")


def squares():
    """The logit is the sum of all squares, so that a gradient is twice the pixel."""
    image = keras.Input((16, 16, 1))
    total = keras.layers.Flatten()(keras.layers.Multiply()([image, image]))
    return keras.Model(image, keras.layers.Dense(1, kernel_initializer="ones")(total))


def test_the_error_of_smooth_grad_is_that_of_a_mean_of_its_copies():
    image = np.full((1, 16, 16, 1), 5, np.float32)
    image[0, 0, 0] = 6  # so that the range is 1
    found = explanations.smooth_grad(squares(), image, 1, samples=100, noise=0.2)
    # Twice the noise, over the root of the number of copies.
    assert np.sqrt((found.error**2).mean()) == pytest.approx(2 * 0.2 / 10, rel=0.03)
    off = (found.values - 2 * image[..., 0]) / found.error
    assert np.sqrt((off**2).mean()) == pytest.approx(1, rel=0.1)


def test_without_noise_smooth_grad_has_no_error_and_one_copy_does_not_tell(pictures):
    network = squares()
    image = pictures[:1, ..., :1]
    still = explanations.smooth_grad(network, image, 1, samples=3, noise=0)
    np.testing.assert_allclose(still.error, 0, atol=1e-6)
    assert explanations.smooth_grad(network, image, 1, samples=1).error is None


def test_the_error_of_lime_is_how_far_other_draws_move_it(rng):
    # Patches matter together, not each for itself: the logit is the square of a sum.
    image = keras.Input((24, 24, 3))
    total = keras.layers.Dense(1, kernel_initializer="ones")(
        keras.layers.Flatten()(image)
    )
    model = keras.Model(image, keras.layers.Multiply()([total, total]))
    squares = rng.random((1, 3, 3, 3), np.float32) / 500
    photo = squares.repeat(8, axis=1).repeat(8, axis=2)
    several = [
        explanations.lime(
            model, photo, 1, segments=9, samples=150, baseline=0.0, seed=seed
        )
        for seed in range(24)
    ]
    moved = np.std([found.values for found in several], axis=0, ddof=1)
    said = np.mean([found.error for found in several], axis=0)
    assert np.mean(moved) > 0.001 * np.abs(several[0].values).mean()
    assert np.mean(said) == pytest.approx(np.mean(moved), rel=0.25)


def test_lime_of_a_score_that_adds_up_is_nearly_sure_and_of_few_copies_is_not(rng):
    model = keras.Sequential(
        [keras.Input((24, 24, 3)), keras.layers.Flatten(), keras.layers.Dense(1)]
    )
    photo = rng.random((1, 3, 3, 3), np.float32).repeat(8, axis=1).repeat(8, axis=2)
    sure, unsure = (
        explanations.lime(model, photo, 1, segments=9, samples=samples, baseline=0.0)
        for samples in (300, 4)
    )
    size = np.abs(sure.values).mean()
    assert sure.error.max() < 0.01 * size < unsure.error.mean()


def test_remarks_are_those_of_the_map_asked_for():
    values = np.array([[[1.0, 3.0]], [[0.0, 0.0]]])
    found = Explanation(
        values, "some", 0, None, np.zeros(2), "logits", (1, 2), True,
        error=np.array([[[0.1, 0.3]], [[0.0, 0.0]]]), gap=np.array([0.1, -2.0]),
    )  # fmt: skip
    assert found.remarks() == "adds up to 4.00 of 3.90, standard error 0.2"
    assert found.remarks(1) == (
        "0 everywhere, adds up to 0.00, not 2.00: not converged, standard error 0"
    )
    plain = Explanation(values, "some", 0, None, np.zeros(2), "logits", (1, 2), True)
    assert plain.remarks() == "" and plain.remarks(1) == "0 everywhere"
    assert plain.converged is None
