"""Pictures come from where the caller said, whole and labelled right."""

import errno
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnnbook import pictures
from cnnbook.pictures import decoding, pets
from cnnbook.pictures.pets import DRAWN_COUNTS
from cnnbook.storage import downloads

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


@pytest.fixture(autouse=True)
def build(monkeypatch, tmp_path):
    """Drawn pets are kept in the build; not in that of this checkout."""
    monkeypatch.setenv("CNNBOOK_BUILD", str(tmp_path / "build"))


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
        pets = pictures.load_pets(source, size=6)
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
    (repository / "_toc.yml").touch()
    monkeypatch.setenv("CNNBOOK_PHOTOS", "../photos")
    for folder in (repository, repository / "book"):
        monkeypatch.chdir(folder)
        assert len(pictures.load_pets("photos", size=4).train) == 16


@pytest.mark.parametrize("missing", ["validation", "train/dogs"])
def test_a_photos_folder_lacking_a_part_is_an_error_not_a_fallback(
    photos, monkeypatch, missing
):
    shutil.rmtree(photos / missing)
    monkeypatch.setenv("CNNBOOK_PHOTOS", str(photos))
    with pytest.raises(ValueError, match=f"CNNBOOK_PHOTOS.*lacks {missing}"):
        pictures.load_pets()


def test_photos_of_anything_but_cats_and_dogs_are_refused(photos, monkeypatch):
    for split in ("train", "validation"):  # birds would take the label of cats
        shutil.copytree(photos / split / "cats", photos / split / "birds")
    monkeypatch.setenv("CNNBOOK_PHOTOS", str(photos))
    with pytest.raises(ValueError, match=r"folders cats and dogs.*birds, cats, dogs"):
        pictures.load_pets("photos", size=4)


def test_without_photos_auto_means_drawn_and_photos_an_error():
    assert pictures.find_source("auto") == ("drawn", None)
    with pytest.raises(ValueError, match="cnnbook fetch photos"):
        pictures.load_pets("photos")
    with pytest.raises(ValueError, match="cnnbook fetch oxford-pets"):
        pictures.load_pets("oxford-pets")


def test_oxford_pets_are_told_apart_by_the_first_letter(tmp_path, monkeypatch):
    fill(tmp_path / "made")
    folder = tmp_path / "oxford"
    folder.mkdir()
    for i in range(10):
        shutil.move(tmp_path / f"made/cats/cats.{i}.png", folder / f"Siamese_{i}.png")
        shutil.move(tmp_path / f"made/dogs/dogs.{i}.png", folder / f"beagle_{i}.png")
    there = {"oxford-pets": folder, "photos": None}
    monkeypatch.setattr(downloads, "location", lambda download: there[download.name])
    pets = pictures.load_pets("auto", size=4)
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
    pets = pictures.load_pets(fill(tmp_path / "own", classes, count=20), size=4)
    assert pets.class_names == tuple(sorted(classes))
    for split, each in (("train", 16), ("validation", 2), ("test", 2)):
        assert list(np.bincount(getattr(pets, split).labels)) == [each] * len(classes)
    seen = np.concatenate([pets.train.images, pets.validation.images, pets.test.images])
    assert len(np.unique(seen, axis=0)) == 20 * len(classes)  # no picture twice


def test_the_seed_decides_who_is_held_out(tmp_path):
    folder = fill(tmp_path / "own", count=20)
    first, again = (pictures.load_pets(folder, size=4, seed=1) for _ in range(2))
    other = pictures.load_pets(folder, size=4, seed=2)
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
            lambda folder: (folder / "dogs").rename(folder / "Validation"),
            "holds Validation, which look like splits",
        ),
        (
            lambda folder: [p.unlink() for p in sorted(folder.glob("dogs/*"))[2:]],
            "dogs has 2 pictures that can be read; at least 3",
        ),
    ],
)
def test_a_folder_that_cannot_be_learned_from_is_refused(tmp_path, break_it, reason):
    folder = fill(tmp_path / "own", count=4)
    break_it(folder)
    with pytest.raises(ValueError, match=reason):
        pictures.load_pets(folder)


def test_splits_with_different_classes_are_refused(tmp_path):
    fill(tmp_path / "own" / "train")
    fill(tmp_path / "own" / "validation", ("cats", "owls"))
    with pytest.raises(ValueError, match="must have the classes of train, cats, dogs"):
        pictures.load_pets(tmp_path / "own")


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("damaged", ["cats.3.png", "cats.9.png"])
def test_no_seed_decides_whether_one_damaged_picture_matters(tmp_path, seed, damaged):
    folder = fill(tmp_path / "own", count=10)
    (folder / "cats" / damaged).write_bytes(b"")
    pets = pictures.load_pets(folder, size=4, seed=seed)  # 1 in 20 is 5 %, and allowed
    splits = (pets.train, pets.validation, pets.test)
    counts = [list(np.bincount(split.labels)) for split in splits]
    assert counts == [[7, 8], [1, 1], [1, 1]]
    (reason,) = pets.left_out
    assert reason == f"cannot read {folder / 'cats' / damaged}: the file is empty"


def test_damage_is_counted_over_all_splits(photos):
    # 1 in 8 to validate with, but 1 in 24 of all.
    (photos / "validation" / "dogs" / "dogs.0.png").write_bytes(b"")
    pets = pictures.load_pets(photos, size=4)
    assert (len(pets.train), len(pets.validation), len(pets.left_out)) == (16, 7, 1)


def test_where_nothing_is_damaged_nothing_is_left_out(photos, monkeypatch):
    assert pictures.load_pets(photos, size=4).left_out == ()
    monkeypatch.setattr(pets, "DRAWN_COUNTS", dict.fromkeys(DRAWN_COUNTS, 2))
    assert pictures.load_pets("drawn", size=16).left_out == ()


def test_a_class_of_which_nothing_can_be_read_is_an_error(photos):
    fill(photos / "train", ("owls",), count=40)
    fill(photos / "validation", ("owls",), count=1)
    (photos / "validation" / "owls" / "owls.0.png").write_bytes(b"")
    with pytest.raises(ValueError, match="no pictures of owls that can be read"):
        pictures.load_pets(photos, size=4)


def test_odd_pictures_put_nothing_on_stderr(tmp_path):
    folder = fill(tmp_path / "own", count=30)
    picture = Image.open(folder / "cats" / "cats.0.png")
    exif = b"Exif\0\0MM\0*" + struct.pack(">I", 8) + b"\0\xff"  # promises 255 entries
    picture.save(folder / "cats" / "exif.jpg", exif=exif)
    Image.new("1", (10_001, 10_001)).save(folder / "cats" / "bomb.png")
    # TIFF tag 277 tells the samples per pixel, 3, of which Pillow logs 4660.
    picture.save(folder / "cats" / "samples.tif")
    content = (folder / "cats" / "samples.tif").read_bytes()
    entry = struct.pack("<HHIH", 277, 3, 1, 3)
    assert entry in content
    odd = content.replace(entry, struct.pack("<HHIH", 277, 3, 1, 4660))
    (folder / "cats" / "samples.tif").write_bytes(odd)

    code = (
        "from cnnbook import pictures; import sys\n"
        "pets = pictures.load_pets(sys.argv[1], size=4)\n"
        "print(len(pets.left_out))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("2\n", "")


def test_many_damaged_pictures_are_an_error(tmp_path):
    folder = fill(tmp_path / "own", count=20)
    for file in sorted((folder / "cats").iterdir())[:5]:
        file.write_bytes(b"damaged")
    with pytest.raises(ValueError, match=r"5 of 40 .*read, more than 5%") as e:
        pictures.load_pets(folder, size=4)
    for number in (0, 1, 10, 11, 12):  # the first five, as names are sorted
        assert f"cats.{number}.png" in str(e.value)


def test_a_folder_with_nothing_to_validate_on_is_refused(tmp_path):
    fill(tmp_path / "own" / "train")
    with pytest.raises(ValueError, match="but no folder validation"):
        pictures.load_pets(tmp_path / "own")
    fill(tmp_path / "own" / "validation", ("cats",))
    (tmp_path / "own" / "validation" / "dogs").mkdir()
    with pytest.raises(ValueError, match="no pictures of dogs"):
        pictures.load_pets(tmp_path / "own")


def test_drawn_pets_are_balanced_and_in_one_split_only(monkeypatch):
    counts = {"train": 120, "validation": 40, "test": 40}
    monkeypatch.setattr(pets, "DRAWN_COUNTS", counts)
    drawn = pictures.load_pets("drawn", size=16)
    splits = [drawn.train, drawn.validation, drawn.test]
    assert [len(split) for split in splits] == list(counts.values())
    for split in splits:
        assert 0.4 <= split.labels.mean() <= 0.6
    everyone = np.concatenate([split.images for split in splits])
    assert len(np.unique(everyone, axis=0)) == len(everyone)


def test_the_fingerprint_changes_with_the_files_and_only_then(photos, monkeypatch):
    before = pictures.fingerprint(photos)
    assert pictures.fingerprint(photos) == before != pictures.fingerprint("drawn")
    os.utime(photos / "train" / "cats" / "cats.0.png", (1, 1))
    assert pictures.fingerprint(photos) != before


@pytest.mark.parametrize("size", [0, -1, 9.5, "96"])
def test_a_size_that_is_no_length_is_refused(size):
    with pytest.raises(ValueError, match="size must be a whole number of at least 1"):
        pictures.load_pets("drawn", size=size)


# --- Sources


def test_a_folder_may_start_at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "own").mkdir()
    for source in ("~/own", Path("~/own")):
        assert pictures.find_source(source) == (str(tmp_path / "own"), tmp_path / "own")


@pytest.mark.parametrize("source", [None, 3, ["photos"], b"photos"])
def test_a_source_that_is_neither_text_nor_path_is_refused(source):
    with pytest.raises(ValueError, match="must be a name or a folder's path; got"):
        pictures.load_pets(source)


def test_a_link_to_a_picture_that_is_gone_is_no_picture(tmp_path):
    folder = fill(tmp_path / "own")
    before = pictures.fingerprint(folder)
    (folder / "cats" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    assert pictures.fingerprint(folder) == before
    pets = pictures.load_pets(folder, size=4)
    assert len(pets.train) + len(pets.validation) + len(pets.test) == 20
    assert pets.left_out == ()


def test_the_names_of_the_drawn_parts_come_with_the_data():
    parts = pictures.draw_pets(1, size=16).parts
    assert pictures.PARTS[0] == "background" and parts.max() < len(pictures.PARTS)


def test_pictures_that_do_not_fit_into_memory_are_the_same_from_the_disk(
    tmp_path, monkeypatch
):
    folder = fill(tmp_path / "pictures", count=30)
    (folder / "cats" / "damaged.png").write_bytes(b"no picture")
    inside = pictures.load_pets(folder, size=6)
    monkeypatch.setattr(decoding, "MOST_MEMORY", 100)
    outside = pictures.load_pets(folder, size=6)
    for split in ("train", "validation", "test"):
        ours, theirs = getattr(outside, split), getattr(inside, split)
        assert isinstance(ours.images, np.memmap)
        np.testing.assert_array_equal(ours.images, theirs.images)
        np.testing.assert_array_equal(ours.labels, theirs.labels)
    assert outside.left_out == inside.left_out
    assert not list((tmp_path / "cache").iterdir())  # nothing to clean up


def test_a_disk_without_room_for_the_pictures_is_an_error(tmp_path, monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(decoding, "MOST_MEMORY", 100)
    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(OSError, match=r"20 pictures need 0\.0 GB .*CNNBOOK_CACHE"):
        pictures.load_pets(fill(tmp_path / "pictures"), size=6)
