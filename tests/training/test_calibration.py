"""Probabilities are believed as far as they have been right."""

import numpy as np
import pytest

from cnnbook import training


def answers(confidence, right):
    """Probabilities of two classes and labels: each answer as sure, and as right."""
    confidence, right = np.asarray(confidence, float), np.asarray(right)
    probabilities = np.stack([confidence, 1 - confidence], axis=1)
    return probabilities, np.where(right, 0, 1)


def test_the_error_is_the_mean_distance_of_sureness_and_truth():
    # Ten answers with 95 %, of which 8 are right; ten with 65 %, of which 7 are.
    sure = [0.95] * 10 + [0.65] * 10
    right = [1] * 8 + [0] * 2 + [1] * 7 + [0] * 3
    found = training.reliability(*answers(sure, right))
    assert found.error == pytest.approx((0.15 * 10 + 0.05 * 10) / 20)
    assert found.counts.sum() == 20
    assert found.accuracy[8] == 0.8  # of the bin from 90 to 95 %
    assert found.accuracy[2] == 0.7  # of the bin from 60 to 65 %


def test_answers_as_often_right_as_they_claim_have_no_error(rng):
    sure = np.repeat([0.55, 0.75, 0.95], 2000)
    right = np.concatenate([np.arange(2000) < 2000 * c for c in (0.55, 0.75, 0.95)])
    assert training.reliability(*answers(sure, right)).error < 1e-9


@pytest.mark.parametrize("bins", [1, 7, 15])
def test_every_answer_is_in_one_bin(rng, bins):
    logits = rng.normal(size=(500, 4))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = rng.integers(0, 4, 500)
    found = training.reliability(probabilities, labels, bins=bins)
    assert found.counts.sum() == 500
    assert len(found.edges) == bins + 1
    assert (found.edges[0], found.edges[-1]) == (0.25, 1)
    mean = np.nansum(found.accuracy * found.counts) / 500
    assert mean == pytest.approx((probabilities.argmax(axis=1) == labels).mean())
    inside = found.counts > 0
    assert (found.confidence[inside] >= found.edges[:-1][inside] - 1e-6).all()
    assert (found.confidence[inside] <= found.edges[1:][inside] + 1e-6).all()


def test_answers_at_either_end_are_counted():
    probabilities = np.array([[0.5, 0.5], [1.0, 0.0]])
    found = training.reliability(probabilities, np.array([0, 0]))
    assert (found.counts[0], found.counts[-1]) == (1, 1)


def test_one_bin_compares_mean_sureness_with_accuracy():
    found = training.reliability(*answers([0.9, 0.7], [1, 0]), bins=1)
    assert found.error == pytest.approx(0.8 - 0.5)


def test_a_higher_threshold_finds_fewer_and_cries_wolf_less(rng):
    probabilities = rng.dirichlet([1, 1], 300)
    labels = (rng.random(300) < probabilities[:, 1]).astype(int)
    thresholds = np.linspace(0, 1, 21)
    measured = training.at_thresholds(probabilities, labels, 1, thresholds)
    assert (np.diff(measured.found) <= 0).all()
    assert (np.diff(measured.false_alarms) <= 0).all()
    assert (measured.found[0], measured.false_alarms[0]) == (1, 1)
    half = training.at_thresholds(probabilities, labels, 1, [0.5])
    accuracy = (probabilities.argmax(axis=1) == labels).mean()
    assert half.accuracy[0] == pytest.approx(accuracy)


@pytest.mark.parametrize(
    ("probabilities", "labels", "message"),
    [
        (np.ones((2, 1)), [0, 0], r"got shape \(2, 1\)"),
        (np.empty((0, 2)), [], r"got shape \(0, 2\)"),
        ([[0.5, 0.5]], [0, 1], "1 rows and 2 labels"),
        ([[3.0, -2.5]], [0], "logits"),
        ([[0.5, 0.5]], [2], "classes from 0 to 1"),
    ],
)
def test_what_are_no_answers_is_refused(probabilities, labels, message):
    with pytest.raises(ValueError, match=message):
        training.reliability(probabilities, np.array(labels, int))


def test_thresholds_need_pictures_of_the_class_and_of_others():
    even = np.full((2, 2), 0.5)
    with pytest.raises(ValueError, match="target must be a class from 0 to 1; got 2"):
        training.at_thresholds(even, np.array([0, 1]), 2, [0.5])
    with pytest.raises(ValueError, match="got 2 of 2"):
        training.at_thresholds(even, np.array([1, 1]), 1, [0.5])


def test_a_calibrated_classifier_shows_the_error_of_chance_on_average(rng):
    sure = np.repeat([0.6, 0.8, 0.97], [40, 60, 200])
    errors, by_chance = [], []
    for _ in range(300):
        found = training.reliability(*answers(sure, rng.random(300) < sure))
        errors.append(found.error)
        by_chance.append(found.error_by_chance)
    assert np.mean(errors) == pytest.approx(by_chance[0], rel=0.1)


def test_single_precision_puts_a_sureness_on_an_edge_into_the_same_bin():
    for kind in (np.float32, np.float64):
        probabilities = np.array([[0.55, 0.45]], kind)
        assert training.reliability(probabilities, np.array([0])).counts[0] == 1
