"""A build keeps results whole or not at all, until something they rest on changes."""

import shutil

import pytest

from cnnbook import storage
from cnnbook.storage import build_folder


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A copy of the book somewhere else, in which we are."""
    monkeypatch.delenv("CNNBOOK_BUILD", raising=False)
    (tmp_path / "_config.yml").touch()
    (tmp_path / "_toc.yml").touch()
    (tmp_path / "book" / "deeper").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the package, to be changed."""
    copy = tmp_path / "cnnbook"
    without = shutil.ignore_patterns("__pycache__", "static", "weights", "results")
    shutil.copytree(build_folder.ROOT / "cnnbook", copy, ignore=without)
    monkeypatch.setattr(build_folder, "ROOT", tmp_path)
    return copy


@pytest.mark.parametrize("folder", [".", "book", "book/deeper"])
def test_the_build_folder_is_found_from_anywhere_in_the_book(book, monkeypatch, folder):
    monkeypatch.chdir(folder)
    assert storage.find_build_folder() == book / "_build"


@pytest.mark.parametrize("folder", [".", "book"])
def test_the_environment_can_name_another_build_folder(book, monkeypatch, folder):
    # Chapters run in book/, commands anywhere: both must mean the same folder.
    monkeypatch.chdir(folder)
    monkeypatch.setenv("CNNBOOK_BUILD", "elsewhere")
    assert storage.find_build_folder() == book / "elsewhere"


def test_outside_the_book_the_error_says_what_to_set(book, monkeypatch):
    (book / "_config.yml").unlink()
    with pytest.raises(ValueError, match=r"no _config\.yml.*set CNNBOOK_BUILD"):
        storage.find_build_folder()


# --- Keys


def test_equal_facts_have_equal_keys():
    assert storage.key_of("training.built", a=1, b=[2]) == storage.key_of(
        "training.built", b=[2], a=1
    )


def test_another_fact_has_another_key():
    assert storage.key_of("training.built", a=1) != storage.key_of(
        "training.built", a=2
    )


@pytest.mark.parametrize(
    ("module", "counts"),
    [
        ("training/built", True),  # itself
        ("training/augmentation", True),  # imported by what it imports
        ("pictures/drawing/brush", True),  # three steps away
        ("layers/operations", False),
        ("figures/sheets", False),
    ],
)
def test_the_key_follows_the_code_that_decides_and_no_other(package, module, counts):
    before = storage.key_of("training.built")
    with (package / f"{module}.py").open("a") as file:
        file.write("\nCHANGED = True\n")
    assert (storage.key_of("training.built") != before) is counts


def test_another_version_of_a_package_has_another_key(monkeypatch):
    before = storage.key_of("training.built")
    monkeypatch.setattr(
        build_folder.importlib.metadata, "version", lambda name: "999.0"
    )
    assert storage.key_of("training.built") != before


def test_what_was_found_out_is_read_again(monkeypatch, tmp_path):
    monkeypatch.setenv("CNNBOOK_BUILD", str(tmp_path))
    answers = iter([{"share": 0.1 + 0.2, "of": [1, 2]}])

    found = storage.found_once("trials", "key", lambda: next(answers))

    assert found == {"share": 0.1 + 0.2, "of": [1, 2]}
    assert found == storage.found_once("trials", "key", lambda: next(answers))
