"""An explanation says what the network gives to the picture that it compares with."""

import keras
import numpy as np
import pytest

from cnnbook import explanations
from cnnbook.networks import build_classifier

pytestmark = pytest.mark.xdist_group("explanations")

QUICK = {
    "occlusion": {"window": 5},
    "lime": {"samples": 12, "segments": 6},
    "smooth-grad": {"samples": 2},
    "integrated-gradients": {"steps": 4},
}
COMPARE = ["occlusion", "lime", "integrated-gradients"]

each_that_compares = pytest.mark.parametrize("name", COMPARE)


@pytest.fixture(scope="module")
def network():
    return build_classifier((16, 16, 3), filters=(3, 4))


@pytest.fixture
def pictures(rng):
    return rng.random((3, 16, 16, 3), np.float32)


def explain(name, model, images, target, **options):
    return explanations.explain(
        name, model, images, target, **QUICK.get(name, {}) | options
    )


def sum_of_pixels():
    """A classifier of two: the logits are the sum of all values, and minus that."""
    model = keras.Sequential(
        [keras.Input((16, 16, 3)), keras.layers.Flatten(), keras.layers.Dense(2)]
    )
    model.set_weights([np.tile([1.0, -1.0], (16 * 16 * 3, 1)), np.zeros(2)])
    return model


@each_that_compares
@pytest.mark.parametrize("kind", ["number", "colour", "picture"])
def test_the_baseline_has_the_score_that_the_network_itself_gives_it(
    network, pictures, rng, name, kind
):
    shape = {"number": (), "colour": (3,), "picture": (16, 16, 3)}[kind]
    baseline = rng.random(shape).astype("float32")
    targets = [1, 0, 1]
    found = explain(name, network, pictures, targets, baseline=baseline)
    everywhere = np.broadcast_to(baseline, (1, 16, 16, 3))
    logits = np.asarray(network(everywhere, training=False))[0]
    np.testing.assert_allclose(found.baseline_score, logits[targets], atol=1e-5)
    np.testing.assert_allclose(
        found.score, np.asarray(network(pictures, training=False))[range(3), targets],
        atol=1e-5,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("end", "sign"), [({"units": 2, "activation": "softmax"}, 1), ({"units": 1}, -1)]
)
@each_that_compares
def test_the_score_of_the_baseline_is_a_logit_of_the_class_as_that_of_the_image_is(
    name, end, sign
):
    # All weights are 1, of the first class alone if there are two; 48 values of 0.25.
    model = keras.Sequential(
        [keras.Input((4, 4, 3)), keras.layers.Flatten(), keras.layers.Dense(**end)]
    )
    model.set_weights([np.eye(1, end["units"]).repeat(48, 0), np.zeros(end["units"])])
    found = explain(name, model, np.ones((1, 4, 4, 3)), 0, **{"baseline": 0.25} | (
        {"window": 2} if name == "occlusion" else {}
    ))  # fmt: skip
    assert found.score == pytest.approx([sign * 48])
    assert found.baseline_score == pytest.approx([sign * 12])


def test_what_the_image_scores_beyond_the_baseline_is_what_there_is_to_explain(
    network, pictures
):
    walked = explanations.integrated_gradients(network, pictures, 1, baseline=0.5)
    beyond = walked.score - walked.baseline_score
    assert walked.converged.all()
    np.testing.assert_allclose(walked.values.sum(axis=(1, 2)) - walked.gap, beyond)
    covered = explanations.occlusion_map(network, pictures, 1, window=16, baseline=0.5)
    np.testing.assert_allclose(covered.values[:, 0, 0], beyond, atol=1e-5)


def test_by_default_lime_compares_with_patches_of_the_same_mean_colour(
    network, pictures
):
    # Then the sum of all values stays, and other scores do not.
    found = explain("lime", sum_of_pixels(), pictures, 0)
    np.testing.assert_allclose(found.baseline_score, found.score, rtol=1e-5)
    found = explain("lime", network, pictures, 0)
    assert (np.abs(found.baseline_score - found.score) > 1e-3).all()


@pytest.mark.parametrize("name", explanations.METHODS)
def test_methods_that_put_something_in_the_place_of_pixels_say_its_score_and_no_others(
    network, pictures, name
):
    found = explain(name, network, pictures, 0)
    replaces = "baseline" in explanations.METHODS[name].options
    assert replaces == (name in COMPARE)
    assert (found.baseline_score is not None) == replaces
    if replaces:
        assert found.baseline_score.shape == (3,)


@each_that_compares
def test_the_score_of_the_baseline_does_not_depend_on_the_images_explained_with_it(
    network, pictures, name
):
    together = explain(name, network, pictures, 1).baseline_score
    alone = [explain(name, network, p[None], 1).baseline_score[0] for p in pictures]
    np.testing.assert_allclose(together, alone, atol=1e-5)
