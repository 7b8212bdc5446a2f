"""Pictures come from where the caller said, whole and labelled right."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image

from cnnbook import data, downloads

COLOURS = {
    "cats": (255, 128, 0),
    "dogs": (0, 0, 255),
    "owls": (0, 160, 0),
    "foxes": (200, 0, 0),
    "mice": (90, 90, 90),
}


@pytest.fixture(autouse=True)
def no_photos_on_this_machine(monkeypatch, tmp_path):
    monkeypatch.delenv("CNNBOOK_PHOTOS", raising=False)
    monkeypatch.setenv("CNNBOOK_CACHE", str(tmp_path / "cache"))


def fill(folder, classes=("cats", "dogs"), count=10):
    """Write pictures of one colour a class, brighter from one to the next."""
    for name in classes:
        (folder / name).mkdir(parents=True)
        for i in range(count):
            colour = tuple(int(v * (0.5 + 0.5 * i / count)) for v in COLOURS[name])
            Image.new("RGB", (12, 9), colour).save(folder / name / f"{name}.{i}.png")
    return folder


def colour_of_class(split, label):
    """Average the pictures of a class and scale to the brightest channel: (3,)."""
    mean = split.images[split.labels == label].mean(axis=(0, 1, 2))
    return mean / mean.max()


@pytest.fixture
def photos(tmp_path):
    """A small folder of photos, with splits."""
    fill(tmp_path / "photos" / "train", count=8)
    fill(tmp_path / "photos" / "validation", count=4)
    return tmp_path / "photos"


def test_photos_are_read_from_the_folder_the_environment_names(photos, monkeypatch):
    monkeypatch.setenv("CNNBOOK_PHOTOS", str(photos))
    for source in ("photos", "auto"):
        pets = data.load_pets(source, size=6)
        assert (pets.source, pets.class_names) == ("photos", ("cat", "dog"))
        assert not pets.publishable
        assert (len(pets.train), len(pets.validation), pets.test) == (16, 8, None)
        assert pets.train.images.dtype == np.uint8
        assert pets.train.images.shape == (16, 6, 6, 3)
        np.testing.assert_allclose(
            colour_of_class(pets.train, 0), np.divide(COLOURS["cats"], 255), atol=0.02
        )


def test_a_relative_photos_folder_is_taken_from_the_repository(photos, monkeypatch):
    repository = photos.parent / "repository"
    (repository / "book").mkdir(parents=True)
    (repository / "_config.yml").touch()
    monkeypatch.setenv("CNNBOOK_PHOTOS", "../photos")
    for folder in (repository, repository / "book"):
        monkeypatch.chdir(folder)
        assert len(data.load_pets("photos", size=4).train) == 16


@pytest.mark.parametrize("missing", ["validation", "train/dogs"])
def test_a_photos_folder_lacking_a_part_is_an_error_not_a_fallback(
    photos, monkeypatch, missing
):
    shutil.rmtree(photos / missing)
    monkeypatch.setenv("CNNBOOK_PHOTOS", str(photos))
    with pytest.raises(ValueError, match=f"CNNBOOK_PHOTOS.*lacks {missing}"):
        data.load_pets()


def test_without_photos_auto_means_drawn_and_photos_an_error():
    assert data.find_source("auto") == ("drawn", None)
    with pytest.raises(ValueError, match="cnnbook fetch photos"):
        data.load_pets("photos")
    with pytest.raises(ValueError, match="cnnbook fetch oxford-pets"):
        data.load_pets("oxford-pets")


def test_oxford_pets_are_told_apart_by_the_first_letter(tmp_path, monkeypatch):
    fill(tmp_path / "made")
    folder = tmp_path / "oxford"
    folder.mkdir()
    for i in range(10):
        shutil.move(tmp_path / f"made/cats/cats.{i}.png", folder / f"Siamese_{i}.png")
        shutil.move(tmp_path / f"made/dogs/dogs.{i}.png", folder / f"beagle_{i}.png")
    monkeypatch.setattr(
        downloads, "location", {"oxford-pets": folder, "photos": None}.get
    )
    pets = data.load_pets("auto", size=4)
    assert (pets.source, pets.class_names) == ("oxford-pets", ("cat", "dog"))
    assert pets.publishable and "CC BY-SA 4.0" in pets.attribution
    for label, name in enumerate(["cats", "dogs"]):
        np.testing.assert_allclose(
            colour_of_class(pets.train, label),
            np.divide(COLOURS[name], 255),
            atol=0.02,
        )


@pytest.mark.parametrize("classes", [("cats", "dogs"), tuple(COLOURS)])
def test_a_folder_without_splits_holds_out_a_tenth_of_each_class(tmp_path, classes):
    pets = data.load_pets(fill(tmp_path / "own", classes, count=20), size=4)
    assert pets.class_names == tuple(sorted(classes))
    for split, each in (("train", 16), ("validation", 2), ("test", 2)):
        assert list(np.bincount(getattr(pets, split).labels)) == [each] * len(classes)
    seen = np.concatenate([pets.train.images, pets.validation.images, pets.test.images])
    assert len(np.unique(seen, axis=0)) == 20 * len(classes)  # no picture twice


def test_the_seed_decides_who_is_held_out(tmp_path):
    folder = fill(tmp_path / "own", count=20)
    first, again = (data.load_pets(folder, size=4, seed=1) for _ in range(2))
    other = data.load_pets(folder, size=4, seed=2)
    np.testing.assert_array_equal(first.test.images, again.test.images)
    assert not np.array_equal(
        np.unique(first.test.images, axis=0), np.unique(other.test.images, axis=0)
    )


@pytest.mark.parametrize(
    ("break_it", "reason"),
    [
        (lambda folder: shutil.rmtree(folder / "dogs"), "two or more classes"),
        (lambda folder: shutil.rmtree(folder), "an existing folder"),
        (lambda folder: (folder / "owls").mkdir(), "no pictures of owls"),
        (
            lambda folder: [p.unlink() for p in sorted(folder.glob("dogs/*"))[2:]],
            "dogs has 2 pictures; at least 3",
        ),
    ],
)
def test_a_folder_that_cannot_be_learned_from_is_refused(tmp_path, break_it, reason):
    folder = fill(tmp_path / "own", count=4)
    break_it(folder)
    with pytest.raises(ValueError, match=reason):
        data.load_pets(folder)


def test_splits_with_different_classes_are_refused(tmp_path):
    fill(tmp_path / "own" / "train")
    fill(tmp_path / "own" / "validation", ("cats", "owls"))
    with pytest.raises(ValueError, match="must have the classes of train, cats, dogs"):
        data.load_pets(tmp_path / "own")


def test_a_few_damaged_pictures_are_left_out_and_listed(tmp_path):
    folder = fill(tmp_path / "own", count=20)
    (folder / "cats" / "cats.3.png").write_bytes(b"")
    with pytest.warns(UserWarning, match=r"left out 1 of .*\n.*cats\.3\.png"):
        pets = data.load_pets(folder, size=4, seed=0)
    splits = (pets.train, pets.validation, pets.test)
    assert sum(len(split) for split in splits) == 39


def test_many_damaged_pictures_are_an_error(tmp_path):
    folder = fill(tmp_path / "own", count=20)
    for file in sorted((folder / "cats").iterdir())[:5]:
        file.write_bytes(b"damaged")
    with pytest.raises(ValueError, match="cannot be read, more than 5%"):
        data.load_pets(folder, size=4)


def test_drawn_pets_are_balanced_and_in_one_split_only(monkeypatch):
    counts = {"train": 120, "validation": 40, "test": 40}
    monkeypatch.setattr(data, "DRAWN_COUNTS", counts)
    pets = data.load_pets("drawn", size=16)
    splits = [pets.train, pets.validation, pets.test]
    assert [len(split) for split in splits] == list(counts.values())
    for split in splits:
        assert 0.4 <= split.labels.mean() <= 0.6
    everyone = np.concatenate([split.images for split in splits])
    assert len(np.unique(everyone, axis=0)) == len(everyone)


def test_the_fingerprint_changes_with_the_files_and_only_then(photos, monkeypatch):
    before = data.fingerprint(photos)
    assert data.fingerprint(photos) == before != data.fingerprint("drawn")
    os.utime(photos / "train" / "cats" / "cats.0.png", (1, 1))
    assert data.fingerprint(photos) != before


@pytest.mark.parametrize("size", [0, -1, 9.5, "96"])
def test_a_size_that_is_no_length_is_refused(size):
    with pytest.raises(ValueError, match="size must be a positive number of pixels"):
        data.load_pets("drawn", size=size)
