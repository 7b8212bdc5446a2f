"""Recorded results are whole, agree with one another, and are what the pages show."""

import hashlib
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

from cnnbook import data, model, network_files, records, training
from cnnbook.ingredients import Trial, changes, recorded
from cnnbook.scores import binomial_interval

ROOT = Path(__file__).parents[1]
CLASSIFIER = records.read("classifier")
PAGES = (
    "cheating",
    "class-maps",
    "explanations",
    "mistakes",
    "model-card",
    "one-picture",
    "training",
    "transfer",
    "trust",
)


def test_what_is_written_is_read_with_versions_and_the_command(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "FOLDER", tmp_path / "results")
    file = records.write("owls", {"hoots": 3})
    record = records.read("owls")
    assert record["hoots"] == 3
    assert record["made_by"] == "cnnbook results owls"
    assert {"python", "tensorflow", "keras", "numpy"} <= set(record["versions"])
    assert [path.name for path in file.parent.iterdir()] == ["owls.json"]


def test_results_that_are_not_there_are_named(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"'owls'; there are: classifier, "):
        records.read("owls")
    monkeypatch.setattr(records, "FOLDER", tmp_path)
    with pytest.raises(FileNotFoundError, match="there are: none; `make results`"):
        records.read("classifier")


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
        assert run["interval"] == list(binomial_interval(np.trace(confusion), count))
        assert 0 < run["calibration_error"] < 0.5
        assert run["seconds"] > 0
    mean = round(CLASSIFIER["mean"] * count)
    assert CLASSIFIER["interval"] == list(binomial_interval(mean, count))


def test_the_recipe_recorded_is_the_one_for_photographs():
    recipe = CLASSIFIER["recipe"] | {"seed": 0}
    ours = vars(model.PHOTOGRAPHS)
    assert recipe == json.loads(json.dumps(ours))


def test_the_network_in_the_package_is_small_and_the_one_recorded():
    network = model.load_classifier()
    assert network_files.SHIPPED.stat().st_size < 1_500_000
    assert network.class_names == tuple(CLASSIFIER["class_names"])
    assert network.count_params() == CLASSIFIER["parameters"]
    checksum = hashlib.sha256(network_files.SHIPPED.read_bytes()).hexdigest()
    assert checksum == CLASSIFIER["shipped"]["sha256"]


@pytest.mark.skipif(
    not os.environ.get("CNNBOOK_PHOTOS"),
    reason="set CNNBOOK_PHOTOS to judge the network in the package by photographs",
)
def test_the_network_in_the_package_reaches_what_is_recorded():
    size = CLASSIFIER["recipe"]["size"]
    validation = data.load_pets("photos", size=size).validation
    scores = model.evaluate(model.load_classifier(), validation)
    assert scores.accuracy == pytest.approx(CLASSIFIER["runs"][0]["accuracy"], abs=2e-3)


def test_the_groups_of_the_card_add_up():
    shipped = CLASSIFIER["shipped"]
    counts = np.array(shipped["reliability"]["counts"])
    run = CLASSIFIER["runs"][0]
    assert shipped["seed"] == run["seed"]
    assert counts.sum() == CLASSIFIER["counts"]["validation"]
    photos = records.read("photo-groups")["groups"]
    for name, group in shipped["groups"].items():
        assert 0 <= group["right"] <= group["count"] > 0
        if name in photos:
            assert group["count"] == len(photos[name]["photos"])
    thresholds = shipped["thresholds"]
    half = thresholds["thresholds"].index(0.5)
    confusion = np.array(run["confusion"])
    assert thresholds["found"][half] == pytest.approx(
        confusion[1, 1] / confusion[1].sum()
    )


def test_every_ingredient_was_left_out_or_put_in_once():
    trials = recorded()
    assert [(t.changed, t.added) for t in trials] == [c[:2] for c in changes()]
    assert set(records.read("ingredients")["chosen"]) == training.CHOSEN
    chosen = trials[0]
    for trial in trials:
        assert trial.right - chosen.right == trial.gained - trial.lost


def test_the_difference_of_two_networks_is_counted_where_they_differ():
    trial = Trial(
        "decay", False, right=75, count=100, loss=0.5, gained=5, lost=15, seconds=1
    )
    difference, low, high = trial.difference
    assert difference == pytest.approx(-0.10)
    # By hand: the variance of a difference of -1, 0 or 1 is (0.20 - 0.01) / 100.
    assert high - difference == pytest.approx(1.96 * np.sqrt(0.19 / 100))
    assert low == pytest.approx(2 * difference - high)
    same = Trial(
        None, False, right=75, count=100, loss=0.5, gained=0, lost=0, seconds=1
    )
    assert same.difference == (0, 0, 0)


def test_both_records_of_training_from_scratch_on_all_photographs_agree():
    last = records.read("transfer")["points"][-1]
    assert last["count"] == CLASSIFIER["counts"]["train"]
    accuracies = [run["accuracy"] for run in CLASSIFIER["runs"]]
    assert last["scratch"]["accuracies"] == accuracies


@pytest.mark.parametrize("page", PAGES)
def test_no_measured_number_is_typed_into_prose(page):
    """Accuracies and percentages come from the files, through glue."""
    text = (ROOT / "book" / f"{page}.md").read_text(encoding="utf8")
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    prose = re.sub(r"\{glue:text\}`[^`]*`", "", prose)
    # What is no measurement: thresholds spoken of, intervals' levels, a quotation.
    allowed = {"90%", "95%", "50%", "10%"}
    found = set(re.findall(r"\d+(?:\.\d+)? ?%", prose))
    assert found <= allowed


@pytest.mark.parametrize("page", PAGES)
def test_what_a_built_page_says_is_what_the_file_says(page):
    html = ROOT / "_build" / "html" / "book" / f"{page}.html"
    if not html.exists():
        pytest.skip("the book has not been built; run make book")
    text = re.sub(r"<[^>]+>", "", html.read_text(encoding="utf8"))
    transfer = records.read("transfer")["points"][-1]["transfer"]["accuracies"][0]
    expected = {
        "mistakes": [f"{CLASSIFIER['mean']:.1%}", f"{CLASSIFIER['range'][0]:.1%}"],
        "model-card": [f"{run['accuracy']:.1%}" for run in CLASSIFIER["runs"]],
        "training": [f"{recorded()[0].accuracy:.1%}"],
        "transfer": [f"{transfer:.1%}", f"{CLASSIFIER['mean']:.1%}"],
        "trust": [
            f"{mean:.2f} ({low:.2f} to {high:.2f})"
            for method in records.read("trust")["methods"]
            for mean, low, high in (method["density"], method["other_class"])
        ],
    }
    for number in expected.get(page, []):
        assert number in text
