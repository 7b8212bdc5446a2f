"""Networks of every depth learn from the same pictures, and are counted right."""

import dataclasses

import numpy as np
import pytest

from cnnbook import data, depth, model
from cnnbook.scores import Scores, binomial_interval

RECIPE = model.Recipe(pictures=75 * 64, size=32)  # thirty epochs of 64 for each


def pets(rng, count=64):
    """Tiny pictures: bright cats, dark dogs."""
    labels = np.arange(count) % 2
    images = (
        rng.integers(0, 100, (count, 32, 32, 3))
        + 150 * (labels == 0)[:, None, None, None]
    )
    split = data.Split(images.astype(np.uint8), labels)
    return data.Pets(split, split, None, ("cat", "dog"), "made", "made here", True)


@pytest.fixture(scope="module")
def trials():
    return depth.compare_depths(pets(np.random.default_rng(0)), RECIPE, progress=False)


def test_each_depth_from_one_stage_to_four_is_tried(trials):
    assert [trial.stages for trial in trials] == [1, 2, 3, 4]
    assert all(trial.scores.count == 64 for trial in trials)
    assert all(trial.seconds > 0 for trial in trials)


def test_parameters_are_those_counted_by_hand(trials):
    # 27 · 16 + 16 for the kernels and biases, 16 · 16 · 16 features with 2 votes, + 2
    assert trials[0].parameters == 448 + 4096 * 2 + 2
    # and 9 · 16 · 32 + 32 more kernels, 8 · 8 · 32 features
    assert trials[1].parameters == 448 + 4640 + 2048 * 2 + 2


def test_multiplications_are_those_counted_by_hand(trials):
    assert trials[0].multiplications == 32**2 * 27 * 16 + 4096 * 2
    assert trials[1].multiplications == (
        32**2 * 27 * 16 + 16**2 * 9 * 16 * 32 + 2048 * 2
    )


def test_what_is_easy_is_learnt_at_every_depth(trials):
    assert all(trial.scores.accuracy == 1 for trial in trials)


def test_the_interval_is_that_of_the_accuracy():
    trial = depth.Trial(1, 10, 100, 1.0, Scores(accuracy=0.8, loss=0.5, count=1000))

    assert trial.interval == binomial_interval(800, 1000)


def test_trials_are_made_once_and_read_again(monkeypatch, tmp_path, rng, capsys):
    monkeypatch.setenv("CNNBOOK_BUILD", str(tmp_path))
    monkeypatch.setattr(data, "load_pets", lambda *args, **options: pets(rng, 8))
    few = dataclasses.replace(RECIPE, pictures=8)
    monkeypatch.setattr(model, "RECIPES", {"drawn": few})

    made = depth.compare_depths_for_book("drawn")
    assert "depth 4 of 4: accuracy" in capsys.readouterr().err
    again = depth.compare_depths_for_book("drawn")

    assert made == again
    assert not capsys.readouterr().err
