"""Recorded results are whole, agree with one another, and are what the pages show."""

import hashlib
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

from cnnbook import networks, pictures, studies, training
from cnnbook.studies import records
from cnnbook.training import binomial_interval, recipes

ROOT = Path(__file__).parents[2]
CLASSIFIER = studies.read_record("classifier")
TRIED = studies.read_record("recipes-tried")
PROSE = sorted(path.stem for path in (ROOT / "book").glob("*.md"))


def test_what_is_written_is_read_with_versions_and_the_command(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "FOLDER", tmp_path / "results")
    file = studies.write_record("owls", {"hoots": 3})
    record = studies.read_record("owls")
    assert record["hoots"] == 3
    assert record["made_by"] == "cnnbook results owls"
    assert {"python", "tensorflow", "keras", "numpy"} <= set(record["versions"])
    assert re.match(r"\d+ cores, ", record["machine"])
    assert [path.name for path in file.parent.iterdir()] == ["owls.json"]


def test_results_that_are_not_there_are_named(tmp_path, monkeypatch):
    with pytest.raises(
        FileNotFoundError, match=r"'owls'; there are: build, classifier, "
    ):
        studies.read_record("owls")
    monkeypatch.setattr(records, "FOLDER", tmp_path)
    with pytest.raises(FileNotFoundError, match="there are: none; `make results`"):
        studies.read_record("classifier")


def test_three_seeds_are_recorded_and_their_summary_is_theirs():
    runs, count = CLASSIFIER["runs"], CLASSIFIER["counts"]["validation"]
    assert [run["seed"] for run in runs] == [0, 1, 2]
    accuracies = [run["accuracy"] for run in runs]
    assert CLASSIFIER["mean"] == pytest.approx(np.mean(accuracies))
    assert CLASSIFIER["range"] == [min(accuracies), max(accuracies)]
    for run in runs:
        confusion = np.array(run["confusion"])
        assert confusion.sum() == count
        assert run["accuracy"] == np.trace(confusion) / count
        interval = binomial_interval(np.trace(confusion), count)
        assert run["interval"] == pytest.approx(interval, rel=0, abs=1e-8)
        assert 0 < run["calibration_error"] < 0.5
        assert run["seconds"] > 0
    mean = round(CLASSIFIER["mean"] * count)
    interval = binomial_interval(mean, count)
    assert CLASSIFIER["interval"] == pytest.approx(interval, rel=0, abs=1e-8)


def test_the_recipe_recorded_is_the_one_for_photographs():
    recipe = CLASSIFIER["recipe"] | {"seed": 0}
    ours = vars(recipes.PHOTOGRAPHS)
    assert recipe == json.loads(json.dumps(ours))


def test_the_network_in_the_package_is_small_and_the_one_recorded():
    network = networks.load_classifier()
    assert networks.SHIPPED.stat().st_size < 1_500_000
    assert network.class_names == tuple(CLASSIFIER["class_names"])
    assert network.count_params() == CLASSIFIER["parameters"]
    checksum = hashlib.sha256(networks.SHIPPED.read_bytes()).hexdigest()
    assert checksum == CLASSIFIER["shipped"]["sha256"]


@pytest.mark.skipif(
    not os.environ.get("CNNBOOK_PHOTOS"),
    reason="set CNNBOOK_PHOTOS to judge the network in the package by photographs",
)
def test_the_network_in_the_package_is_as_good_and_as_bad_as_recorded():
    size = CLASSIFIER["recipe"]["size"]
    validation = pictures.load_pets("photos", size=size).validation
    probabilities = training.predict(networks.load_classifier(), validation.images)
    right = probabilities.argmax(axis=1) == validation.labels
    assert right.mean() == pytest.approx(CLASSIFIER["runs"][0]["accuracy"], abs=2e-3)
    recorded, found = (
        CLASSIFIER["shipped"],
        studies.seeds._portrait(probabilities, validation),
    )
    assert found["groups"].keys() == recorded["groups"].keys()
    for name, group in recorded["groups"].items():
        assert found["groups"][name]["count"] == group["count"]
        assert abs(found["groups"][name]["right"] - group["right"]) <= 2
    for measure in ("found", "false_alarms", "accuracy"):
        # Roundings may move three of 500 pictures over a threshold.
        np.testing.assert_allclose(
            found["thresholds"][measure], recorded["thresholds"][measure], atol=6e-3
        )


def test_the_groups_of_the_card_add_up():
    shipped = CLASSIFIER["shipped"]
    counts = np.array(shipped["reliability"]["counts"])
    run = CLASSIFIER["runs"][0]
    assert shipped["seed"] == run["seed"]
    assert counts.sum() == CLASSIFIER["counts"]["validation"]
    photos = studies.read_record("photo-groups")["groups"]
    assert {"dark", "small", "cropped", "two animals"} < shipped["groups"].keys()
    for name, group in shipped["groups"].items():
        assert 0 <= group["right"] <= group["count"] > 0
        if name in photos:
            assert group["count"] == len(photos[name]["photos"])
    thresholds = shipped["thresholds"]
    half = thresholds["thresholds"].index(0.5)
    confusion = np.array(run["confusion"])
    ours = [thresholds[m][half] for m in ("found", "false_alarms", "accuracy")]
    found, false_alarms = (
        confusion[1, 1] / confusion[1].sum(),
        confusion[0, 1] / confusion[0].sum(),
    )
    assert ours == pytest.approx([found, false_alarms, run["accuracy"]])
    for measure in ("found", "false_alarms"):  # a higher threshold means fewer dogs
        assert (np.diff(thresholds[measure]) <= 0).all()


def test_every_ingredient_was_left_out_or_put_in_once():
    trials = studies.ingredients.recorded()
    assert [(t.changed, t.added) for t in trials] == [
        c[:2] for c in studies.ingredients.changes()
    ]
    assert set(studies.read_record("ingredients")["chosen"]) == training.CHOSEN
    chosen = trials[0]
    for trial in trials:
        assert trial.right - chosen.right == trial.gained - trial.lost


def test_the_difference_of_two_networks_is_counted_where_they_differ():
    trial = studies.ingredients.IngredientTrial(
        "decay", False, right=75, count=100, loss=0.5, gained=5, lost=15, seconds=1
    )
    difference, low, high = trial.difference
    assert difference == pytest.approx(-0.10)
    # By hand: the variance of a difference of -1, 0 or 1 is (0.20 - 0.01) / 100.
    assert high - difference == pytest.approx(1.96 * np.sqrt(0.19 / 100))
    assert low == pytest.approx(2 * difference - high)
    same = studies.ingredients.IngredientTrial(
        None, False, right=75, count=100, loss=0.5, gained=0, lost=0, seconds=1
    )
    assert same.difference == (0, 0, 0)


def test_both_records_of_training_from_scratch_on_all_photographs_agree():
    last = studies.read_record("transfer")["points"][-1]
    assert last["count"] == CLASSIFIER["counts"]["train"]
    accuracies = [run["accuracy"] for run in CLASSIFIER["runs"]]
    assert last["scratch"]["accuracies"] == accuracies


def test_the_record_of_a_build_is_of_the_recipe_that_builds_follow():
    build = studies.read_record("build")
    recipe = training.book_recipe_for("photos")
    assert build["recipe"] == json.loads(json.dumps(vars(recipe)))
    assert build["epochs"] == recipe.epochs(build["counts"]["train"])
    confusion = np.array(build["confusion"])
    assert confusion.sum() == build["counts"]["validation"]
    assert build["accuracy"] == np.trace(confusion) / confusion.sum()


@pytest.mark.parametrize("page", PROSE)
def test_no_measured_number_is_typed_into_prose(page):
    """Accuracies, percentages and times come from the files, through glue."""
    text = (ROOT / "book" / f"{page}.md").read_text(encoding="utf8")
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    prose = re.sub(r"\{glue:text\}`[^`]*`", "", prose)
    # What is no measurement: thresholds spoken of, intervals' levels, a quotation.
    allowed = {"90%", "90 %", "95%", "50%", "10%"}
    units = r"%|points?\b|minutes?\b|seconds?\b|hours?\b|times\b"
    assert set(re.findall(rf"\d+(?:[.,]\d+)*\s?(?:{units})", prose)) <= allowed


def _on_mistakes():
    """What the page has to say of the recorded trainings, out of the files alone."""
    runs, shipped = CLASSIFIER["runs"], CLASSIFIER["shipped"]
    thresholds = shipped["thresholds"]
    places = [thresholds["thresholds"].index(t) for t in (0.5, 0.1)]
    return [
        f"{CLASSIFIER['mean']:.1%}",
        *(f"{end:.1%}" for end in (*CLASSIFIER["range"], *CLASSIFIER["interval"])),
        f"{np.mean([run['seconds'] for run in runs]) / 60:.1f} minutes",
        f"{100 * runs[0]['calibration_error']:.1f} points",
        *(f"{thresholds[m][n]:.1%}" for n in places for m in ("found", "false_alarms")),
    ]


def _on_model_card():
    runs = CLASSIFIER["runs"]
    return [
        *(f"{run['accuracy']:.1%}" for run in runs),
        *(f"{run['loss']:.3f}" for run in runs),
        *(f"{run['calibration_error']:.3f}" for run in runs),
        f"{runs[0]['seconds'] / 60:.1f} minutes",
        *(f"{tried['accuracy']:.1%}" for tried in TRIED["recipes"]),
        *(f"{accuracy:.1%}" for accuracy in TRIED["judged_before"]),
    ]


def _on_training():
    chosen, *others = studies.ingredients.recorded()
    changes = [100 * np.array(trial.difference) for trial in others]
    return [
        f"{chosen.accuracy:.1%}",
        *(f"{d:+.1f} ({low:+.1f} to {high:+.1f})" for d, low, high in changes),
    ]


def _on_transfer():
    points = studies.read_record("transfer")["points"]
    return [
        f"{points[-1]['transfer']['accuracies'][0]:.1%}",
        f"{np.mean(points[1]['transfer']['accuracies']):.1%}",
        f"{CLASSIFIER['mean']:.1%}",
    ]


def _on_trust():
    return [
        f"{mean:.2f} ({low:.2f} to {high:.2f})"
        for method in studies.read_record("trust")["methods"]
        for mean, low, high in (method["density"], method["other_class"])
    ]


def _on_claims():
    assert studies.read_record("depth")["folds"] == 2  # the page says "twice"
    trials = studies.depth.recorded()
    best = max(trial.metrics.accuracy for trial in trials)
    return [
        f"ran for {trials[0].epochs} epochs",
        f"on {trials[0].metrics.count} photographs",
        f"{sum(trial.seconds for trial in trials) / 60:.0f} minutes",
        f"{100 * best:.0f}\u00a0% right",
    ]


def _on_overfitting():
    found = studies.overfitting.compare(studies.overfitting.recorded())
    return [
        f"{found.first_turn} to {found.last_turn} epochs",
        f"{found.least_rise:.2f} to {found.most_rise:.2f}",
        f"{found.right:.1%} of the photographs kept aside",
        f"{found.changed_right:.1%} with them",
    ]


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("claims", _on_claims),
        ("how-a-kernel-learns", _on_overfitting),
        ("mistakes", _on_mistakes),
        ("model-card", _on_model_card),
        ("training", _on_training),
        ("transfer", _on_transfer),
        ("trust", _on_trust),
    ],
)
def test_what_a_built_page_says_is_what_the_files_say(page, expected):
    html = ROOT / "_build" / "html" / "book" / f"{page}.html"
    if not html.exists():
        pytest.skip("the book has not been built; run make book")
    text = re.sub(r"<[^>]+>", "", html.read_text(encoding="utf8"))
    text = re.sub(r"[ \n]+", " ", text)  # but no-break spaces stay
    assert [number for number in expected() if number not in text] == []
    if page == "mistakes" and "It learned from photographs too" not in text:
        assert (
            f"got {studies.read_record('build')['accuracy']:.1%} of the photographs"
            in text
        )
