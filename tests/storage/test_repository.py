"""The copy of the book is found from inside it, and relative paths start there."""

import pytest

from cnnbook import storage


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A copy of the book, inside another site; we are in its chapters."""
    (tmp_path / "_config.yml").touch()  # as Jekyll has it
    folder = tmp_path / "copy"
    (folder / "book").mkdir(parents=True)
    (folder / "_config.yml").touch()
    (folder / "_toc.yml").touch()
    monkeypatch.chdir(folder / "book")
    return folder


def test_the_repository_is_the_nearest_folder_with_both_files(book, monkeypatch):
    assert storage.find_repository() == book
    monkeypatch.chdir(book)
    assert storage.find_repository() == book


@pytest.mark.parametrize("missing", ["_config.yml", "_toc.yml"])
def test_one_of_the_two_files_alone_makes_no_book(book, missing):
    (book / missing).unlink()
    assert storage.find_repository() is None


def test_relative_paths_start_from_the_repository(book, tmp_path):
    assert storage.from_repository("photos") == book / "photos"
    assert storage.from_repository(tmp_path) == tmp_path


def test_outside_the_book_they_start_from_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert storage.from_repository("photos") == tmp_path / "photos"


def test_paths_may_start_at_home(book, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert storage.from_repository("~/photos") == tmp_path / "photos"
