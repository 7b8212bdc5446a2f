"""`cnnbook results` measures what it says, and ships the first network."""

import hashlib
import json
from functools import partialmethod

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from cnnbook import commands, networks, pictures, studies, training
from cnnbook.networks import files
from cnnbook.pictures import Split
from cnnbook.studies import depth, records, transfer_trials
from cnnbook.training import loop, recipes

RECIPE = training.Recipe(pictures=320, filters=(4,), size=16, learning_rate=0.02)

pytestmark = pytest.mark.xdist_group("seeds")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Small photographs: cats are reddish and dogs are bluish, mostly."""
    import keras

    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("seeds")
    for split, count in (("train", 40), ("validation", 20)):
        for channel, name in ((0, "cat"), (2, "dog")):
            photos = folder / "photos" / split / f"{name}s"
            photos.mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 150, (16, 16, 3), np.uint8)
                pixels[..., channel] += 60
                Image.fromarray(pixels).save(photos / f"{name}.{number}.png")
    groups = {"small": {"means": "far away", "photos": ["cats/cat.0.png"]}}
    looked_at = [f"cats/cat.{number}.png" for number in range(10)]
    record = {"groups": groups, "looked_at": looked_at}
    (folder / "results").mkdir()
    (folder / "results" / "photo-groups.json").write_text(json.dumps(record))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CNNBOOK_PHOTOS", str(folder / "photos"))
        patch.setattr(records, "FOLDER", folder / "results")
        patch.setattr(files, "SHIPPED", folder / "weights" / "shipped.keras")
        patch.setattr(
            recipes, "RECIPES", dict(recipes.RECIPES) | {"photographs": RECIPE}
        )
        # Trainings of two steps: to trace a step takes longer than to take it.
        eagerly = partialmethod(keras.Model.compile, run_eagerly=True)
        patch.setattr(keras.Model, "compile", eagerly)
        yield folder


@pytest.fixture(autouse=True)
def build(tmp_path, monkeypatch):
    """Let each test build in a folder of its own."""
    monkeypatch.setenv("CNNBOOK_BUILD", str(tmp_path))


@pytest.fixture(scope="module")
def measured(photos):
    """Run `cnnbook results classifier` once: the folders of the trained networks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CNNBOOK_BUILD", str(photos / "build"))
        result = CliRunner().invoke(commands.main, ["results", "classifier"])
    assert result.exit_code == 0, result.output
    return list((photos / "build" / "classifier").iterdir())


@pytest.mark.slow
def test_results_are_measured_over_seeds_and_the_first_network_is_shipped(measured):
    record = studies.read_record("classifier")
    assert [run["seed"] for run in record["runs"]] == [0, 1, 2]
    assert record["counts"] == {"train": 80, "validation": 40}
    shipped = networks.load_classifier()
    assert shipped.class_names == ("cat", "dog")
    validation = pictures.load_pets("photos", size=16).validation
    accuracy = training.evaluate(shipped, validation).accuracy
    assert accuracy == pytest.approx(record["runs"][0]["accuracy"])
    checksum = hashlib.sha256(files.SHIPPED.read_bytes()).hexdigest()
    assert record["shipped"]["sha256"] == checksum
    groups = record["shipped"]["groups"]
    assert groups["small"]["count"] == 1
    assert groups["dark"]["count"] == 4
    assert groups["none of these"]["count"] in range(5, 10)


def test_what_a_build_on_photographs_reaches_is_recorded(photos, monkeypatch):
    monkeypatch.setattr(recipes, "BUILD_PICTURES", 160)  # of the recipe's 320
    result = CliRunner().invoke(commands.main, ["results", "build"])
    assert result.exit_code == 0, result.output
    record = studies.read_record("build")
    assert record["epochs"] == 2  # of 80 pictures
    assert np.sum(record["confusion"]) == record["counts"]["validation"] == 40
    built = training.train_for_book(
        "photos", progress=False
    )  # kept, so not trained again
    assert record["seconds"] == built.seconds
    assert record["accuracy"] == built.metrics.accuracy


@pytest.mark.slow
def test_each_seed_is_trained_from_scratch(measured):
    assert len(measured) == 3
    first = [
        networks.load_classifier(folder / "network.keras").get_weights()[0]
        for folder in measured
    ]
    assert not np.allclose(first[0], first[1])


@pytest.mark.slow
def test_ingredients_are_compared_on_training_pictures_alone(photos, monkeypatch):
    judged = []
    train = training.train

    def seen(network, learned, validation, **options):
        facts = options["ingredients"], options["seed"]
        judged.append((learned, validation, facts))
        return train(network, learned, validation, **options)

    monkeypatch.setattr(loop, "train", seen)
    trials = studies.ingredients.measure("photos", progress=False)
    assert len(judged) == len(trials) * studies.held_out.FOLDS
    pets = pictures.load_pets("photos", size=16)
    of_training = {image.tobytes() for image in pets.train.images}
    for learned, validation, _ in judged:
        one = {image.tobytes() for image in learned.images}
        other = {image.tobytes() for image in validation.images}
        assert not one & other
        assert one | other == of_training
    used = {frozenset(names) for _, _, (names, _) in judged}
    assert used == {names for _, _, names in studies.ingredients.changes()}
    assert trials[1].changed == studies.ingredients.ANOTHER_SEED
    assert [seed for _, _, (_, seed) in judged][:6] == [0, 1, 2, 3, 0, 1]
    assert trials[0].changed is None
    assert (trials[0].gained, trials[0].lost) == (0, 0)
    assert all(trial.count == 32 for trial in trials)

    judged.clear()
    again = studies.ingredients.measure("photos", progress=False)
    assert again == trials
    assert not judged  # every training was kept


@pytest.mark.slow
def test_depths_are_compared_on_training_pictures_alone(photos, monkeypatch):
    judged = []
    train = training.train

    def seen(network, learned, validation, **options):
        judged.append((learned, validation, options["seed"]))
        return train(network, learned, validation, **options)

    monkeypatch.setattr(depth, "train", seen)
    result = CliRunner().invoke(commands.main, ["results", "depth"])
    assert result.exit_code == 0, result.output
    assert "depth 4 of 4: accuracy" in result.stderr
    trials = studies.depth.recorded()
    assert studies.read_record("depth")["folds"] == studies.held_out.FOLDS
    assert [trial.stages for trial in trials] == [1, 2, 3, 4]
    assert [seed for *_, seed in judged] == [0] * 4 + [1] * 4
    # Half of the recorded 320 pictures, and 64 to learn from: two epochs and a half.
    assert all(trial.epochs == 2 for trial in trials)
    assert all(trial.metrics.count == 32 for trial in trials)

    pets = pictures.load_pets("photos", size=16)
    of_training = {image.tobytes() for image in pets.train.images}
    for learned, validation, _ in judged:
        one = {image.tobytes() for image in learned.images}
        other = {image.tobytes() for image in validation.images}
        assert not one & other
        assert one | other == of_training

    judged.clear()
    assert studies.depth.measure("photos", progress=False) == trials
    assert not judged  # every comparison was kept


def test_groups_are_those_of_the_file_and_the_darkest_tenth(photos):
    images = np.full((20, 4, 4, 3), 200, np.uint8)
    images[[3, 7]] = 10
    files = tuple(f"cats/cat.{number}.png" for number in range(20))
    groups = studies.seeds.photo_groups(Split(images, np.zeros(20, int), files))
    assert np.flatnonzero(groups["dark"]).tolist() == [3, 7]
    assert np.flatnonzero(groups["small"]).tolist() == [0]
    assert groups["none of these"].sum() == 10 - 3


def test_learning_curves_take_as_many_of_each_class():
    labels = np.array([0] * 30 + [1] * 70)
    chosen = studies.transfer_trials.subset(labels, 20, draw=0)
    assert np.bincount(labels[chosen]).tolist() == [10, 10]
    other = studies.transfer_trials.subset(labels, 20, draw=1)
    assert set(chosen) != set(other)


@pytest.mark.slow
def test_learning_curves_are_measured_for_every_count(measured, monkeypatch):
    import keras

    inputs = keras.Input((16, 16, 3))
    conv = keras.layers.Conv2D(4, 3, activation="relu", name="conv")
    network = keras.Model(inputs, conv(inputs))
    network.white = 1
    network.provenance = type("", (), {"label": "made for this test"})
    monkeypatch.setattr(studies.transfer_trials.vgg, "load_vgg19", lambda: network)
    monkeypatch.setattr(transfer_trials, "LAYERS", ("conv",))
    monkeypatch.setattr(transfer_trials, "SIZE", 16)
    monkeypatch.setattr(transfer_trials, "DRAWS", 2)
    monkeypatch.setattr(transfer_trials, "COUNTS", (20, 80, 160))
    studies.transfer_trials.record("photos", progress=False)
    record = studies.read_record("transfer")
    assert [point["count"] for point in record["points"]] == [20, 80]
    assert record["weights"] == "made for this test"
    few, all_of_them = record["points"]
    assert set(few["transfer"]["layers"]) == {"conv"}
    assert len(few["scratch"]["accuracies"]) == studies.transfer_trials.DRAWS
    runs = studies.read_record("classifier")["runs"]
    assert all_of_them["scratch"]["accuracies"] == [run["accuracy"] for run in runs]
    assert record["seconds_per_picture"] > 0
    assert len(few["transfer"]["accuracies"]) == studies.transfer_trials.DRAWS
    assert len(all_of_them["transfer"]["accuracies"]) == 1
    assert all_of_them["transfer"]["accuracies"][0] > 0.9  # colours are in the averages
    assert few["scratch"]["epochs"] == 16  # 320 pictures in all
