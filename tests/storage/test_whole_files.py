"""Files and folders are written whole or not at all."""

import os

import pytest

from cnnbook import storage

REASONS = [KeyboardInterrupt, OSError("no space left")]


def test_a_file_replaces_another_once_it_is_complete(tmp_path):
    path = tmp_path / "run.2.txt"
    path.write_text("older")
    with storage.whole_file(path) as unfinished:
        unfinished.write_text("newer")
        assert path.read_text() == "older"
        assert (unfinished.parent, unfinished.suffix) == (tmp_path, ".txt")
    assert path.read_text() == "newer"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("reason", REASONS)
def test_an_interrupted_file_leaves_the_older_one(tmp_path, reason):
    path = tmp_path / "notes.txt"
    path.write_text("older")
    with pytest.raises((KeyboardInterrupt, OSError)):
        with storage.whole_file(path) as unfinished:
            unfinished.write_text("half")
            raise reason
    assert path.read_text() == "older"
    assert list(tmp_path.iterdir()) == [path]


def test_a_filled_folder_appears_under_its_name_at_the_end(tmp_path):
    folder = tmp_path / "kept" / "key"
    with storage.whole_folder(folder) as unfinished:
        (unfinished / "result").write_text("done")
        assert not folder.exists()
    assert (folder / "result").read_text() == "done"
    assert os.listdir(folder.parent) == ["key"]


@pytest.mark.parametrize("reason", REASONS)
def test_an_interrupted_folder_leaves_nothing(tmp_path, reason):
    folder = tmp_path / "kept" / "key"
    with pytest.raises((KeyboardInterrupt, OSError)):
        with storage.whole_folder(folder) as unfinished:
            (unfinished / "result").write_text("half")
            raise reason
    assert os.listdir(folder.parent) == []


def test_of_two_processes_the_first_to_finish_is_kept(tmp_path):
    folder = tmp_path / "key"
    with storage.whole_folder(folder) as unfinished:
        (unfinished / "result").write_text("second")
        folder.mkdir()
        (folder / "result").write_text("first")
    assert (folder / "result").read_text() == "first"
    assert os.listdir(tmp_path) == ["key"]


def test_what_a_killed_process_left_is_no_hindrance(tmp_path):
    folder = tmp_path / "key"
    left = tmp_path / f".key-unfinished-{os.getpid()}"
    left.mkdir()
    (left / "half").touch()
    with storage.whole_folder(folder) as unfinished:
        (unfinished / "result").touch()
    assert os.listdir(folder) == ["result"]
