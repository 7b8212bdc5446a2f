"""The shell commands are thin, quick to start, and answer errors in one line."""

import os
import runpy
import sys

import pytest
from click.testing import CliRunner

import cnnbook
from cnnbook import commands, storage, training
from cnnbook.commands import cli
from cnnbook.storage import downloads


def run(*arguments):
    return CliRunner().invoke(commands.main, arguments)


def test_python_m_cnnbook_is_the_same_command(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["cnnbook", "--version"])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_module("cnnbook", run_name="__main__")
    assert stopped.value.code == 0
    assert cnnbook.__version__ in capsys.readouterr().out


@pytest.mark.parametrize(("chosen", "used"), [(None, "1"), ("0", "0")])
def test_commands_ask_for_quick_convolutions_unless_the_reader_has_chosen(
    monkeypatch, chosen, used
):
    name = "TF_ENABLE_ONEDNN_OPTS"
    monkeypatch.delenv(name, raising=False)
    if chosen:
        monkeypatch.setenv(name, chosen)
    assert run("predict", "--help").exit_code == 0
    assert os.environ[name] == used


@pytest.mark.parametrize("name", cli.FETCHABLE)
def test_fetch_says_size_licence_and_source_and_prints_the_path_alone(
    name, monkeypatch, tmp_path
):
    monkeypatch.setattr(storage, "location", lambda _: None)
    monkeypatch.setattr(storage, "fetch", lambda download: tmp_path / download.name)
    result = run("fetch", name)
    download = cli.FETCHABLE[name]
    assert result.exit_code == 0
    assert result.stdout == f"{tmp_path / name}\n"
    size = storage.in_units(download.size)
    for fact in (f"{name}: {size} from", download.licence, download.url):
        assert fact in result.stderr


def test_fetch_brings_the_names_of_the_classes_with_the_weights_that_tell_them_apart(
    monkeypatch, tmp_path
):
    fetched = []

    def fetch(download):
        fetched.append(download.name)
        return tmp_path / download.name

    monkeypatch.setattr(storage, "location", lambda _: None)
    monkeypatch.setattr(storage, "fetch", fetch)
    result = run("fetch", "vgg19-top")
    assert fetched == ["vgg19-top", "imagenet-classes"]
    assert result.stdout == f"{tmp_path / 'vgg19-top'}\n"
    assert "imagenet-classes: 35 kB from" in result.stderr


def test_a_path_is_printed_only_when_the_companions_are_there_too(
    monkeypatch, tmp_path
):
    def fetch(download):
        if download.name == "imagenet-classes":
            raise OSError("the server cannot be reached")
        return tmp_path / download.name

    monkeypatch.setattr(storage, "location", lambda _: None)
    monkeypatch.setattr(storage, "fetch", fetch)
    result = run("fetch", "vgg19-top")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "imagenet-classes" in result.stderr


def test_fetch_says_when_there_was_nothing_to_do(monkeypatch, tmp_path):
    for there in (storage, downloads):
        monkeypatch.setattr(there, "location", lambda _: tmp_path)
    result = run("fetch", "photos")
    assert "Already here" in result.stderr
    assert result.stdout == f"{tmp_path}\n"


def test_fetch_of_an_unknown_name_lists_the_known_ones():
    result = run("fetch", "birds")
    assert result.exit_code == 2
    assert all(name in result.stderr for name in cli.FETCHABLE)


@pytest.mark.parametrize("kind", [ValueError, OSError, FileNotFoundError])
def test_an_error_is_its_own_lines_and_exit_code_1(kind, monkeypatch):
    def fetch(download):
        raise kind(f"{download.name} failed,\n  and here is why")

    monkeypatch.setattr(storage, "location", lambda _: None)
    monkeypatch.setattr(storage, "fetch", fetch)
    result = run("fetch", "photos")
    assert result.exit_code == 1
    assert result.stderr.endswith("\nError: photos failed,\nand here is why\n")
    assert "Traceback" not in result.stderr


def test_a_mistake_of_ours_is_not_hidden(monkeypatch):
    def fetch(download):
        raise KeyError(download.name)

    monkeypatch.setattr(storage, "location", lambda _: None)
    monkeypatch.setattr(storage, "fetch", fetch)
    assert isinstance(run("fetch", "photos").exception, KeyError)


def test_train_for_book_calls_the_function_that_the_build_calls(monkeypatch):
    calls = []
    monkeypatch.setattr(training, "train_for_book", calls.append)
    assert run("train-for-book").exit_code == 0
    assert calls == ["auto"]
    assert run("train-for-book", "--source", "drawn").exit_code == 0
    assert calls == ["auto", "drawn"]
