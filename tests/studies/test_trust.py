"""The recorded figures of all methods are whole, and measured as they say."""

import json
import re
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from cnnbook import explanations, storage, studies, training
from cnnbook.pictures import pets
from cnnbook.storage import build_folder
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
    accepted = explanations.METHODS[method["name"]].options
    assert set(method["options"]) <= set(accepted)


@pytest.mark.parametrize("method", RECORDED["methods"], ids=lambda m: m["name"])
def test_every_method_says_what_it_was_measured_with(method):
    assert {"python", "tensorflow", "keras", "numpy"} <= set(method["versions"])
    assert method["machine"] is None or "cores" in method["machine"]
    assert method["seconds"] > 0
    assert re.fullmatch("[0-9a-f]{16}", method["code"])
    assert method["accuracy"] > 0.95  # of a network that has seen what it should
    takes_layer = "layer" in explanations.METHODS[method["name"]].options
    assert method["layer"] == ("block3_relu" if takes_layer else None)


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
def measured(tmp_path, monkeypatch):
    """Names of methods as they are measured, into a record of their own."""
    names = []

    def measure(name, model, drawn):
        names.append(name)
        number = len(names)
        return {"name": name, "method": name} | {key: [number] for key in trust.BOUNDS}

    monkeypatch.setattr(records, "FOLDER", tmp_path)
    monkeypatch.setattr(trust, "_measured", measure)
    monkeypatch.setattr(trust, "pets", lambda: None)
    monkeypatch.setattr(trust, "drawn_classifier", lambda: SimpleNamespace(model=None))
    return names


def test_what_is_recorded_is_not_measured_again(measured, capsys):
    studies.trust.record()
    assert measured == list(explanations.METHODS)
    before = studies.trust.record().read_bytes()
    assert measured == list(explanations.METHODS)
    assert studies.trust.record(progress=False).read_bytes() == before
    assert "To measure: nothing" in capsys.readouterr().err


def test_a_new_method_and_a_changed_one_are_measured_alone(measured, monkeypatch):
    everything = dict(trust.METHODS)
    without = {name: m for name, m in everything.items() if name != "hires-cam"}
    monkeypatch.setattr(trust, "METHODS", without)
    studies.trust.record()
    before = studies.read_record("trust")["methods"]
    measured.clear()
    monkeypatch.setattr(trust, "METHODS", everything)
    options = trust.OPTIONS | {"lime": {"samples": 301}}
    monkeypatch.setattr(trust, "OPTIONS", options)
    studies.trust.record()
    assert measured == ["lime", "hires-cam"]
    after = studies.read_record("trust")["methods"]
    assert [m["name"] for m in after] == list(everything)
    kept = [m for m in after if m["name"] not in measured]
    assert kept == [m for m in before if m["name"] not in measured]


def test_methods_measured_before_an_interruption_are_kept(measured, monkeypatch):
    measure = trust._measured

    def interrupted(name, model, drawn):
        if name == "saliency":
            raise KeyboardInterrupt
        return measure(name, model, drawn)

    monkeypatch.setattr(trust, "_measured", interrupted)
    with pytest.raises(KeyboardInterrupt):
        studies.trust.record(progress=False)
    monkeypatch.setattr(trust, "_measured", measure)
    studies.trust.record(progress=False)
    assert measured == list(explanations.METHODS)  # each once


def test_the_code_of_a_method_is_its_own_and_that_which_judges_it(
    tmp_path, monkeypatch
):
    copy = tmp_path / "cnnbook"
    without = shutil.ignore_patterns("__pycache__", "static", "weights", "results")
    shutil.copytree(build_folder.ROOT / "cnnbook", copy, ignore=without)
    monkeypatch.setattr(build_folder, "ROOT", tmp_path)

    def changed(module, old, new):
        before = {name: trust.code_of(name) for name in explanations.METHODS}
        text = (copy / module).read_text()
        assert text.count(old) == 1
        (copy / module).write_text(text.replace(old, new))
        return {name for name in before if trust.code_of(name) != before[name]}

    maps, old = "explanations/class_maps.py", "    return slopes.mean(axis=(1, 2))\n"
    assert changed(maps, old, "    return slopes.max(axis=(1, 2))\n") == {"grad-cam"}
    new = "def new_cam(model, images, target):\n    pass\n\n\ndef hires_cam("
    assert changed(maps, "def hires_cam(", new) == set()
    old = "def load_image("
    assert changed("pictures/images.py", old, f"NEW = 1\n\n\n{old}") == set()
    gelu = r"x\,\Phi(x)"  # a formula for readers
    assert changed("layers/activation_functions.py", gelu, r"x\Phi(x)") == set()
    old = "(logits * selectors, axis=1)"
    by_gradients = set(explanations.METHODS) - {"occlusion", "lime", "ablation-cam"}
    assert changed("explanations/gradients.py", old, old + " * 1") == by_gradients
    old = "RESAMPLES = 2000"
    everything = set(explanations.METHODS)
    assert changed("explanations/assessment.py", old, old + "0") == everything


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
    one = {"hires-cam": explanations.METHODS["hires-cam"]}
    monkeypatch.setattr(trust, "METHODS", one)
    pets = studies.trust.pets()
    assert np.bincount(pets.labels).tolist() == [3, 3]
    written = json.loads(studies.trust.record().read_text())
    (method,) = written["methods"]
    assert (method["method"], method["layer"]) == ("HiResCAM", "block3_relu")
    assert method["code"] == trust.code_of("hires-cam")
    assert method["versions"] == storage.versions()
    assert "cores" in method["machine"]
    assert list(method["random_from"]) == [
        "logits",
        "block3_conv",
        "block2_conv",
        "block1_conv",
    ]
    assert "HiResCAM: " in capsys.readouterr().err
