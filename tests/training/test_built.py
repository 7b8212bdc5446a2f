"""The book's classifier is trained once, kept whole, and found again at once."""

import contextlib
import dataclasses
import io
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnnbook import networks, pictures, training
from cnnbook.training import built, recipes

RECIPE = training.Recipe(pictures=60, filters=(4,), size=16)


pytestmark = pytest.mark.xdist_group("model")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A reader's folder with 10 pictures of each of three classes."""
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("model") / "pictures"
    for channel, name in enumerate(("red", "green", "blue")):
        (folder / name).mkdir(parents=True)
        for number in range(10):
            pixels = rng.integers(0, 60, (16, 16, 3), np.uint8)
            pixels[..., channel] += 150
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


OURS = recipes.RECIPES


@pytest.fixture(scope="module", autouse=True)
def recipe():
    """A recipe that takes a moment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipes, "RECIPES", {"photographs": RECIPE})
        yield


@pytest.fixture(scope="module")
def trained(photos):
    """A build that trained: (its folder, the classifier, how often, what was said)."""
    folder, said, trainings = photos.parent / "build", io.StringIO(), []
    train = training.train

    def counted(*args, **options):
        trainings.append(options)
        return train(*args, **options)

    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stderr(said):
        patch.setenv("CNNBOOK_BUILD", str(folder))
        patch.setattr(built, "train", counted)
        classifier = training.train_for_book(photos)
    return folder, classifier, len(trainings), said.getvalue()


@pytest.fixture
def kept(trained, monkeypatch):
    """The classifier of that build, where nothing can be trained any more."""
    folder, classifier, *_ = trained
    monkeypatch.setenv("CNNBOOK_BUILD", str(folder))
    monkeypatch.setattr(built, "train", None)
    return classifier


@pytest.fixture
def build(tmp_path, monkeypatch):
    """A folder to build in that is still empty."""
    monkeypatch.setenv("CNNBOOK_BUILD", str(tmp_path / "build"))
    return tmp_path / "build" / "classifier"


def test_the_classifier_is_trained_once_and_found_again(trained, kept, photos):
    _, _, trainings, _ = trained
    again = training.train_for_book(photos, progress=False)
    assert trainings == 1
    assert again == kept


def test_what_is_kept_tells_how_the_classifier_was_made(kept, photos):
    pets = pictures.load_pets(photos, size=RECIPE.size, seed=RECIPE.seed)
    assert kept.source == str(photos)
    assert kept.class_names == ("blue", "green", "red")
    assert kept.counts == {"train": 24, "validation": 3}
    assert kept.recipe == RECIPE
    assert kept.epochs == round(60 / 24) == len(kept.history["accuracy"])
    assert kept.metrics == training.evaluate(kept.model, pets.validation)
    assert kept.seconds > 0
    assert kept.versions["python"].startswith("3.")
    assert kept.model.output_shape == (None, 3)

    # Checkpoints lead from random weights to those of the network.
    assert list(kept.checkpoints) == [0, 1, 2]
    for ours, theirs in zip(kept.checkpoints[2], kept.model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert not np.allclose(kept.checkpoints[0][0], kept.checkpoints[1][0])
    assert not kept.checkpoints[0][1].any()  # biases start at zero


def test_another_recipe_or_picture_trains_another_classifier(
    build, photos, tmp_path, monkeypatch
):
    photos, trainings = shutil.copytree(photos, tmp_path / "pictures"), []
    monkeypatch.setattr(built, "train", lambda *args, **options: trainings.append(1))
    other = training.Recipe(pictures=60, filters=(4,), size=16, seed=1)
    folders = {training.train_for_book(photos, progress=False).folder}
    Image.new("RGB", (16, 16), "red").save(photos / "red" / "new.png")
    folders.add(training.train_for_book(photos, progress=False).folder)
    monkeypatch.setattr(recipes, "RECIPES", {"photographs": other})
    folders.add(training.train_for_book(photos, progress=False).folder)
    assert len(trainings) == 3
    assert len(folders) == 3


@pytest.mark.parametrize("name", ["train", "save_classifier", "evaluate"])
def test_an_interrupted_training_leaves_nothing_that_looks_complete(
    build, photos, monkeypatch, name
):
    def interrupt(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(built, "train", lambda *args, **options: {})
    monkeypatch.setattr(built, name, interrupt)
    with pytest.raises(KeyboardInterrupt):
        training.train_for_book(photos, progress=False)
    assert list(build.iterdir()) == []


def test_the_second_time_neither_tensorflow_nor_keras_is_imported(kept, photos):
    program = f"""
import sys
from cnnbook import training
from cnnbook.training import built, recipes
recipes.RECIPES = {{"photographs": training.{RECIPE!r}}}
built.train = None
built = training.train_for_book({str(photos)!r})
print(built.metrics.count, sorted({{"tensorflow", "keras"}} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("3 []\n", "")


def test_what_is_learned_from_is_said_before_it_starts(trained, photos):
    *_, said = trained
    first = said.splitlines()[0]
    assert "24 pictures" in first
    assert str(photos) in first


def test_without_a_place_to_build_the_error_says_what_to_set(
    photos, tmp_path, monkeypatch
):
    monkeypatch.delenv("CNNBOOK_BUILD", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="set CNNBOOK_BUILD"):
        training.train_for_book(photos)


def test_the_built_classifier_is_the_network_alone(kept, photos, monkeypatch):
    fingerprint = pictures.fingerprint(photos)
    monkeypatch.setattr(built, "find_source", lambda source: (str(photos), photos))
    monkeypatch.setattr(built, "fingerprint", lambda source: fingerprint)
    images = np.full((1, 16, 16, 3), 0.5, np.float32)
    np.testing.assert_array_equal(
        training.predict(training.load_built_classifier(), images),
        training.predict(kept.model, images),
    )


@pytest.mark.parametrize(
    ("count", "epochs"), [(10, 100), (1_000, 60), (60_000, 1), (1_000_000, 1)]
)
def test_a_recipe_shows_about_as_many_pictures_whatever_their_number(count, epochs):
    assert training.Recipe(pictures=60_000).epochs(count) == epochs


def test_a_build_shows_fewer_photographs_and_differs_in_nothing_else(monkeypatch):
    monkeypatch.setattr(recipes, "RECIPES", OURS)
    recorded, built = training.recipe_for("photos"), training.book_recipe_for("photos")
    assert built == dataclasses.replace(recorded, pictures=recipes.BUILD_PICTURES)
    assert built.pictures < recorded.pictures
    assert training.book_recipe_for("drawn") == training.recipe_for("drawn")


# --- Saving and loading


@pytest.fixture
def small():
    return networks.build_classifier((16, 16, 3), filters=(4,))


def test_a_saved_network_comes_back_with_the_same_answers(small, tmp_path, rng):
    networks.save_classifier(small, tmp_path / "network.keras")
    loaded = networks.load_classifier(tmp_path / "network.keras")
    images = rng.random((3, 16, 16, 3))
    np.testing.assert_array_equal(
        training.predict(loaded, images), training.predict(small, images)
    )
    assert [path.name for path in tmp_path.iterdir()] == ["network.keras"]


def test_a_full_disk_leaves_the_old_network_whole(small, tmp_path, monkeypatch):
    path = tmp_path / "network.keras"
    networks.save_classifier(small, path)
    before = path.read_bytes()

    def fill(self, filepath):
        Path(filepath).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(small), "save", fill)
    with pytest.raises(OSError, match="No space left"):
        networks.save_classifier(small, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"", b"not a network", None])
def test_a_damaged_file_is_refused_by_name(small, tmp_path, content):
    path = tmp_path / "network.keras"
    networks.save_classifier(small, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content is None else content)
    with pytest.raises(ValueError, match=r"network\.keras cannot be loaded"):
        networks.load_classifier(path)


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no network .*none\.keras"):
        networks.load_classifier(tmp_path / "none.keras")


def test_files_of_networks_end_in_keras(small, tmp_path):
    for work in (
        networks.load_classifier,
        lambda path: networks.save_classifier(small, path),
    ):
        with pytest.raises(ValueError, match=r"must end in \.keras; got network\.h5"):
            work(tmp_path / "network.h5")


def test_a_file_of_another_network_is_refused_by_name(tmp_path):
    import keras

    other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="out")])
    other.save(tmp_path / "other.keras")
    with pytest.raises(ValueError, match=r"other\.keras holds another network: .*out"):
        networks.load_classifier(tmp_path / "other.keras")
