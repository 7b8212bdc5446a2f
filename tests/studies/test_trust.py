"""The recorded figures of all methods are whole, and measured as they say."""

import inspect
import json

import numpy as np
import pytest

from cnnbook import explanations, studies, training
from cnnbook.explanations import methods
from cnnbook.pictures import pets
from cnnbook.studies import records, trust
from cnnbook.training import recipes

RECORDED = studies.read_record("trust")
OTHERS = "share area ratio hits auc random_end insertion deletion".split()


def test_every_method_was_measured():
    assert [m["name"] for m in RECORDED["methods"]] == list(explanations.METHODS)
    assert RECORDED["count"] == studies.trust.COUNT == 200


@pytest.mark.parametrize("method", RECORDED["methods"], ids=lambda m: m["name"])
def test_every_method_was_measured_with_the_options_that_are_said(method):
    assert method["options"] == studies.trust.OPTIONS.get(method["name"], {})
    accepted = inspect.signature(explanations.METHODS[method["name"]]).parameters
    assert set(method["options"]) <= set(accepted)


def test_shares_areas_and_densities_agree():
    for method in RECORDED["methods"]:
        share, area = (method[name][0] for name in ("share", "area"))
        by_hand = (share / area) / ((1 - share) / (1 - area))
        assert method["density"][0] == pytest.approx(by_hand)
        assert method["ratio"][0] == pytest.approx(share / area)
        ends = list(method["random_from"].values())
        assert method["random_end"][0] == pytest.approx(ends[0])
        assert method["random_weights"][0] == pytest.approx(ends[-1])


def test_every_mean_lies_in_its_interval():
    for method in RECORDED["methods"]:
        for name in (*studies.trust.BOUNDS, *OTHERS):
            mean, low, high = method[name]
            assert low <= mean <= high


def test_the_densest_method_finds_the_telling_parts_and_not_by_chance():
    best = max(RECORDED["methods"], key=lambda method: method["density"][0])
    assert best["density"][0] >= 3
    assert best["random_density"][0] <= 1.3
    assert not studies.trust.failures(best)


@pytest.mark.parametrize("name", studies.trust.BOUNDS)
def test_the_worse_end_of_an_interval_decides(name):
    kept = {
        other: (bound + 0.1, bound, bound + 0.2)
        if other == "density"
        else (bound - 0.1, bound - 0.2, bound)
        for other, bound in studies.trust.BOUNDS.items()
    }
    assert studies.trust.failures(kept) == []
    mean, low, high = kept[name]
    worse = (mean, low - 0.01, high) if name == "density" else (mean, low, high + 0.01)
    assert studies.trust.failures(kept | {name: worse}) == [name]


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A classifier that has seen a few small pets, in a build of its own."""
    monkeypatch.setenv("CNNBOOK_BUILD", str(tmp_path / "build"))
    recipe = training.Recipe(pictures=16, size=32)
    monkeypatch.setattr(recipes, "RECIPES", {"drawn": recipe})
    counts = {"train": 16, "validation": 8, "test": 8}
    monkeypatch.setattr(pets, "DRAWN_COUNTS", counts)
    monkeypatch.setattr(trust, "SIZE", recipe.size)


@pytest.mark.slow
def test_a_record_is_measured_by_the_methods_and_written(
    small, monkeypatch, tmp_path, capsys
):
    monkeypatch.setattr(records, "FOLDER", tmp_path)
    monkeypatch.setattr(trust, "COUNT", 6)
    one = {"hires-cam": explanations.hires_cam}
    monkeypatch.setattr(methods, "METHODS", one)
    pets = studies.trust.pets()
    assert np.bincount(pets.labels).tolist() == [3, 3]
    written = json.loads(studies.trust.record().read_text())
    (method,) = written["methods"]
    assert (method["method"], method["layer"]) == ("HiResCAM", "block3_relu")
    assert list(method["random_from"]) == [
        "logits",
        "block3_conv",
        "block2_conv",
        "block1_conv",
    ]
    assert "HiResCAM: " in capsys.readouterr().err
