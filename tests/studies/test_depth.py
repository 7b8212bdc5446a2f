"""Networks of every depth learn from the same pictures, and are counted right."""

import itertools
import json

import numpy as np
import pytest

from cnnbook import networks, pictures, studies, training
from cnnbook.training import Metrics, binomial_interval, recipes

RECIPE = training.Recipe(pictures=20 * 64, size=32, learning_rate=0.01)

pytestmark = pytest.mark.xdist_group("depth")


def pets(rng, count=64):
    """Tiny pictures: bright cats, dark dogs."""
    labels = np.arange(count) % 2
    images = (
        rng.integers(0, 100, (count, 32, 32, 3))
        + 150 * (labels == 0)[:, None, None, None]
    )
    split = pictures.Split(images.astype(np.uint8), labels)
    return pictures.Pets(split, split, None, ("cat", "dog"), "made", "made here", True)


@pytest.fixture(scope="module")
def trials():
    return studies.depth.compare_depths(
        pets(np.random.default_rng(0)), RECIPE, progress=False
    )


@pytest.mark.slow
def test_each_depth_from_one_stage_to_four_is_tried(trials):
    assert [trial.stages for trial in trials] == [1, 2, 3, 4]
    assert all(trial.metrics.count == 64 for trial in trials)
    assert all(trial.seconds > 0 for trial in trials)


@pytest.mark.slow
def test_parameters_are_those_counted_by_hand(trials):
    # 27 · 16 + 16 for the kernels and biases, 16 · 16 · 16 features with 2 votes, + 2
    assert trials[0].parameters == 448 + 4096 * 2 + 2
    # and 9 · 16 · 32 + 32 more kernels, 8 · 8 · 32 features
    assert trials[1].parameters == 448 + 4640 + 2048 * 2 + 2


@pytest.mark.slow
def test_multiplications_are_those_counted_by_hand(trials):
    assert trials[0].multiplications == 32**2 * 27 * 16 + 4096 * 2
    assert trials[1].multiplications == (
        32**2 * 27 * 16 + 16**2 * 9 * 16 * 32 + 2048 * 2
    )


@pytest.mark.slow
def test_what_is_easy_is_learned_at_every_depth(trials):
    assert all(trial.metrics.accuracy == 1 for trial in trials)


def test_the_interval_is_that_of_the_accuracy():
    trial = studies.depth.DepthTrial(
        1, 10, 100, 5, 1.0, Metrics(accuracy=0.8, loss=0.5, count=1000)
    )

    assert trial.interval == binomial_interval(800, 1000)


def test_scores_over_all_that_was_held_out_are_weighted_by_how_many_there_were():
    metrics = [Metrics(1.0, loss=0.1, count=100), Metrics(0.6, loss=0.5, count=300)]
    few = studies.depth.DepthTrial(2, 10, 100, 5, 2.0, metrics[0], gained=20, lost=1)
    many = studies.depth.DepthTrial(2, 10, 100, 5, 3.0, metrics[1], gained=40, lost=9)

    both = studies.depth._in_all((few, many))

    assert both.metrics.accuracy == pytest.approx(0.7)  # 100 and 180 of 400
    assert both.metrics.loss == pytest.approx(0.4)
    assert both.metrics.count == 400
    assert both.seconds == 5.0
    assert (both.stages, both.epochs) == (2, 5)
    assert (both.gained, both.lost) == (60, 10)
    # By hand: 50 of 400, and the variance of a -1, 0 or 1 is (70 - 50²/400) / 400.
    difference, low, high = both.gain
    assert difference == 0.125
    assert high - difference == pytest.approx(1.96 * (0.159375 / 400) ** 0.5)
    assert difference - low == pytest.approx(high - difference)


@pytest.mark.slow
def test_what_a_stage_gains_and_loses_is_the_difference_of_the_accuracies(trials):
    for less, more in itertools.pairwise(trials):
        right = [round(t.metrics.accuracy * t.metrics.count) for t in (less, more)]
        assert right[1] - right[0] == more.gained - more.lost
    assert (trials[0].gained, trials[0].lost) == (0, 0)


def test_the_record_is_of_the_networks_and_the_schedule_of_the_code():
    record = studies.read_record("depth")
    assert record["recipe"] == json.loads(json.dumps(vars(recipes.PHOTOGRAPHS)))
    assert (record["budget"], record["folds"]) == (
        studies.held_out.BUDGET,
        studies.held_out.FOLDS,
    )
    counts = studies.read_record("classifier")["counts"]
    judged = round(studies.held_out.SHARE * counts["train"])
    schedule = studies.held_out.shortened(recipes.PHOTOGRAPHS)
    for trial in studies.depth.recorded():
        network = networks.build_classifier(
            filters=studies.depth.FILTERS[: trial.stages]
        )
        assert trial.parameters == network.count_params()
        assert trial.multiplications == studies.depth.multiplications(network)
        assert trial.epochs == schedule.epochs(counts["train"] - judged)
        assert trial.metrics.count == studies.held_out.FOLDS * judged
        assert trial.gained + trial.lost <= trial.metrics.count
        right = trial.metrics.accuracy * trial.metrics.count
        assert right == pytest.approx(round(right))
    for less, more in itertools.pairwise(studies.depth.recorded()):
        gained = (more.metrics.accuracy - less.metrics.accuracy) * more.metrics.count
        assert more.gained - more.lost == pytest.approx(gained)
