"""What a folder holds tells classes and splits; where in doubt, the reader is asked."""

import shutil

import numpy as np
import pytest
from PIL import Image

from cnnbook import pictures

GREYS = iter(range(10**6))


@pytest.fixture(autouse=True)
def build(monkeypatch, tmp_path):
    monkeypatch.delenv("CNNBOOK_PHOTOS", raising=False)
    monkeypatch.setenv("CNNBOOK_BUILD", str(tmp_path / "build"))


def put(path, format="png"):
    """Write a picture that is like no other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    number = next(GREYS)
    colour = (number % 256, number // 256 % 256, 7)
    Image.new("RGB", (8, 8), colour).save(path, format)
    return path


def fill(folder, *classes, count=4):
    for name in classes:
        for number in range(count):
            put(folder / name / f"{number}.png")
    return folder


def split(folder, splits, classes=("cats", "dogs")):
    for name in splits:
        fill(folder / name, *classes)
    return folder


@pytest.mark.parametrize(
    ("splits", "sizes"),
    [
        (("train", "validation"), (8, 8, None)),
        (("train", "val"), (8, 8, None)),
        (("Training", "Validation", "Testing"), (8, 8, 8)),
        (("training_set", "dev_set"), (8, 8, None)),
        (("train1", "valid1", "test1"), (8, 8, 8)),
        (("seg_train", "seg_val", "seg_test"), (8, 8, 8)),
        (("TRAIN_SET", "VAL_SET"), (8, 8, None)),
        (("train-images", "eval-images"), (8, 8, None)),
        (("TrainSet", "TestSet", "ValSet"), (8, 8, 8)),
    ],
)
def test_splits_are_told_by_what_they_hold_and_then_by_the_words_in_their_names(
    tmp_path, splits, sizes
):
    pets = pictures.load_pets(split(tmp_path / "own", splits), size=8)
    assert pets.class_names == ("cats", "dogs")
    found = (pets.train, pets.validation, pets.test)
    assert tuple(part and len(part) for part in found) == sizes


@pytest.mark.parametrize(
    ("splits", "reason"),
    [
        (("training_set", "test_set"), "no folder validation"),
        (("train1", "test1"), "no folder validation"),
        (("seg_train", "seg_test"), "no folder validation"),
        (("validation", "test"), "no folder train"),
        (("dev", "eval"), "call them train, validation"),
        (("train", "training"), "call them train, validation"),
        (("one", "two"), "If these are splits, call them train, validation"),
        (("2019", "2020", "2021"), "If these are splits"),
        (("train", "holdout"), "If these are splits"),
    ],
)
def test_splits_of_which_it_is_not_clear_what_they_are_for_are_asked_about(
    tmp_path, splits, reason
):
    folder = split(tmp_path / "own", splits)
    with pytest.raises(ValueError, match=reason):
        pictures.load_pets(folder)


@pytest.mark.parametrize(
    "names",
    [
        ("train", "test"),
        ("training_set", "test_set"),
        ("TRAIN_SET", "Test"),
        ("train-images", "val-images"),
        ("cats", "validation"),
    ],
)
def test_splits_without_classes_are_never_taken_for_classes(tmp_path, names):
    with pytest.raises(ValueError, match="look like splits and not like classes"):
        pictures.load_pets(fill(tmp_path / "own", *names))


def test_a_word_that_a_class_shares_with_a_split_needs_all_of_the_word(tmp_path):
    folder = fill(tmp_path / "own", "trainee", "valley", "testament")
    assert pictures.load_pets(folder).class_names == ("testament", "trainee", "valley")


def test_classes_may_hold_folders_of_their_own(tmp_path):
    folder = tmp_path / "own"
    fill(folder / "cats", "indoors", "outdoors")
    fill(folder / "dogs", "outdoors")
    pets = pictures.load_pets(folder, size=8)
    assert pets.class_names == ("cats", "dogs")
    assert len(pets.train) + len(pets.validation) + len(pets.test) == 12


@pytest.mark.parametrize(
    "hidden",
    [
        ".ipynb_checkpoints/0-checkpoint.png",
        ".cache/deep/in/0.png",
        "kept/.thumbnails/0.png",
        "._0.png",
    ],
)
def test_what_is_hidden_is_hidden_at_any_depth(tmp_path, hidden):
    folder = fill(tmp_path / "own", "cats", "dogs")
    file = folder / "cats" / hidden
    file.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(folder / "cats" / "0.png", file)
    pets = pictures.load_pets(folder, size=8)
    assert len(pets.train) + len(pets.validation) + len(pets.test) == 8
    assert pets.left_out == pets.copies == ()


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("photo.jfif", "jpeg"),
        ("photo.jpe", "jpeg"),
        ("photo.JPG", "jpeg"),
        ("photo.avif", "avif"),
        ("photo.jp2", "jpeg2000"),
        ("photo.ppm", "ppm"),
        ("photo.tga", "tga"),
        ("photo", "jpeg"),
        ("photo.jpg.download", "jpeg"),
        ("photo.2", "webp"),
    ],
)
def test_whatever_pillow_reads_is_a_picture_whatever_its_name(tmp_path, name, format):
    folder = fill(tmp_path / "own", "cats", "dogs")
    put(folder / "dogs" / name, format)
    pets = pictures.load_pets(folder, size=8)
    assert len(pets.train) + len(pets.validation) + len(pets.test) == 9
    assert pets.left_out == ()


@pytest.mark.parametrize("name", ["labels.csv", "notes", "Thumbs.db"])
def test_what_is_no_picture_is_left_out_and_named(tmp_path, name):
    folder = fill(tmp_path / "own", "cats", "dogs")
    (folder / "dogs" / name).write_bytes(b"cat, dog, cat")
    [reason] = pictures.load_pets(folder, size=8).left_out
    assert reason == f"{folder / 'dogs' / name} is not a picture that Pillow knows"


def test_exact_copies_on_both_sides_of_a_split_are_reported(tmp_path):
    folder = split(tmp_path / "own", ("train", "validation"))
    shutil.copy(folder / "train/dogs/1.png", folder / "validation/dogs/again.png")
    shutil.copy(folder / "train/dogs/1.png", folder / "train/dogs/twice.png")
    pets = pictures.load_pets(folder, size=8)
    [copy] = pets.copies
    assert copy.startswith("dogs/again.png of validation is dogs/")
    assert copy.endswith(" of train")


def test_the_fingerprint_counts_pictures_and_nothing_else(tmp_path):
    folder = fill(tmp_path / "own", "cats", "dogs")
    before = pictures.fingerprint(folder)
    (folder / "dogs" / "notes.txt").write_text("no picture")
    assert pictures.fingerprint(folder) == before
    put(folder / "dogs" / "new.jfif", "jpeg")
    assert pictures.fingerprint(folder) != before


def test_the_order_of_files_is_that_of_their_names(tmp_path):
    folder = fill(tmp_path / "own", "cats", "dogs", count=12)
    first, again = (pictures.load_pets(folder, size=8, seed=3) for _ in range(2))
    assert first.train.files == again.train.files
    np.testing.assert_array_equal(first.train.images, again.train.images)
