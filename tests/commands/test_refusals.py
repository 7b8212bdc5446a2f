"""What can be answered without a network is answered before anything slow is loaded."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnnbook import networks
from cnnbook.commands import outputs

# In one process that can import nothing slow: arguments in, exit code and stderr out.
SCRIPT = """
import json, sys

class Nothing:
    def find_spec(name, path=None, target=None):
        if name in ("keras", "tensorflow", "scipy", "skimage", "matplotlib.pyplot"):
            raise RuntimeError(f"{name} is slow to import")

sys.meta_path.insert(0, Nothing)

from click.testing import CliRunner
from cnnbook.commands import cli

answers = []
for arguments in json.load(sys.stdin):
    done = CliRunner().invoke(cli.main, arguments)
    answers.append([done.exit_code, done.stdout, done.stderr, repr(done.exception)])
print(json.dumps(answers))
"""

REFUSED = {
    "predict cat.png none.png": "there is no picture at none.png",
    "predict text.png": "cannot read text.png: it is not a picture",
    "predict cat.png cut.png": "cannot read cut.png: ",
    "predict one": "cannot read one: it is a folder",
    "predict cat.png --model none.keras": "there is no network none.keras",
    "predict cat.png --model text.keras": "text.keras cannot be loaded as a network",
    "predict cat.png --model cat.png": "a network must end in .keras; got cat.png",
    "predict cat.png --white 3": "Invalid value for '--white'",
    "predict": "Missing argument 'PHOTOS...'",
    "maps none.png": "there is no picture at none.png",
    "maps cat.png --model none.keras": "there is no network none.keras",
    "maps cat.png --out maps.xyz": "a picture must end in .avif, .eps",
    "maps cat.png --out maps": "; got maps",
    "maps cat.png --out no/maps.png": "there is no folder no to write maps.png in",
    "maps cat.png --out one": "'one' is a directory",
    "explain none.png": "there is no picture at none.png",
    "explain cat.png --method magic": "there is no method 'magic'; there are occlusion",
    "explain cat.png --method saliency --layer conv": "means nothing to saliency",
    "explain cat.png --method grad-cam,lime --layer a": "it means nothing to lime",
    "explain cat.png --method all --layer a": "means nothing to occlusion, lime, sal",
    "explain cat.png --model none.keras": "there is no network none.keras",
    "explain cat.png --out why.txt": "; got why.txt",
    "explain cat.png --out no/why.png": "there is no folder no to write why.png in",
    "export none.keras": "there is no network none.keras",
    "export text.keras": "text.keras cannot be loaded as a network",
    "export good.keras --out good.txt": "--out must end in .js; got good.txt",
    "export good.keras --out no/good.js": "there is no folder no to write good.js in",
    "predict cat.png --model old.h5": "it is HDF5, an older format; two lines",
    "predict cat.png --model h5.keras": "it is HDF5, an older format; two lines",
    "predict cat.png --model old": "it is a SavedModel; two lines of Python",
    "predict cat.png --model one": "cannot load one: it is a folder",
    "predict cat.png --fit squash": "Invalid value for '--fit'",
    "maps cat.png --out cat.png": "this command reads cat.png, which would be lost",
    "explain cat.png --out cat.png --force": "reads cat.png, which would be lost",
    "maps cat.png --out cut.png": "cut.png is there already; choose another --out",
    "explain cat.png --out cut.png": "replace it with --force",
    "export good.keras --out good.js": "good.js is there already",
    "export good.keras": "good.js is there already",
    "export link.keras --out link.js --force": "link.keras, which would be lost",
    "export old.h5": "it is HDF5, an older format; two lines of Python convert it",
    "export good.keras --dtype int8": "Invalid value for '--dtype'",
    "train nowhere": "got 'nowhere'",
    "train photos": "the photos are not on this machine; run `cnnbook fetch photos`",
    "train one": "must hold one folder of pictures for each of two or more classes",
    "train drawn --out my.h5": "must end in .keras; got my.h5",
    "train drawn --out good.keras": "good.keras is there already",
    "train drawn --out no/my.keras": "there is no folder no to write my.keras in",
    "train drawn --out begun.keras": "begun.checkpoint.npz is not a whole checkpoint",
    "train drawn --size 7": "Invalid value for '--size'",
    "train-for-book --source nowhere": "got 'nowhere'",
    "results weather": "Invalid value for '[NAMES]...'",
}

ANSWERED = {
    "--help": "train-for-book",
    "explain --help": '"lowest" and "highest" value',
    "explain any.png --help": "hires-cam for and against, takes --layer",
    "info": "stand-in",
    "info --json": '"keras_backend": "tensorflow"',
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """What each command answered, in a folder with some files, good and bad."""
    folder = tmp_path_factory.mktemp("refused")
    pixels = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "cat.png")
    (folder / "cut.png").write_bytes((folder / "cat.png").read_bytes()[:5000])
    for name in ("text.png", "text.keras", "begun.checkpoint.npz"):
        (folder / name).write_text("not what its name says")
    shutil.copy(networks.SHIPPED, folder / "good.keras")
    for name in ("old.h5", "h5.keras"):
        (folder / name).write_bytes(b"\x89HDF\r\n\x1a\n and so on")
    (folder / "old").mkdir()
    for name in ("old/saved_model.pb", "good.js"):
        (folder / name).touch()
    (folder / "link.js").symlink_to(folder / "good.keras")
    (folder / "link.keras").symlink_to(folder / "good.keras")
    (folder / "one" / "cats").mkdir(parents=True)
    before = sorted(folder.rglob("*"))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input=json.dumps([command.split() for command in REFUSED | ANSWERED]),
        cwd=folder,
        env={"CNNBOOK_CACHE": str(folder / "none"), "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert sorted(folder.rglob("*")) == before
    return dict(zip(REFUSED | ANSWERED, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("command", REFUSED)
def test_what_needs_no_network_is_refused_before_anything_slow_is_loaded(
    answers, command
):
    exit_code, stdout, stderr, exception = answers[command]
    assert exception.startswith("SystemExit"), exception
    assert exit_code in (1, 2)
    assert stdout == ""
    assert REFUSED[command] in " ".join(stderr.split())
    assert "Traceback" not in stderr


@pytest.mark.parametrize("command", ANSWERED)
def test_what_needs_no_network_is_answered_without_loading_anything_slow(
    answers, command
):
    exit_code, stdout, stderr, exception = answers[command]
    assert exit_code == 0, exception
    assert ANSWERED[command] in " ".join(stdout.split())
    assert stderr == ""


def test_a_picture_may_replace_another_and_have_an_ending_in_capitals(tmp_path):
    outputs.check_picture(tmp_path / "new.PNG")
    (tmp_path / "old.svg").touch()
    outputs.check_picture(tmp_path / "old.svg", force=True)


@pytest.mark.parametrize("backend", ["jax", "torch"])
@pytest.mark.parametrize("command", ["predict cat.png", "train drawn", "info"])
def test_another_backend_of_keras_is_named_in_a_sentence(tmp_path, backend, command):
    Image.new("RGB", (9, 9)).save(tmp_path / "cat.png")
    done = subprocess.run(
        [sys.executable, "-m", "cnnbook", *command.split()],
        cwd=tmp_path,
        env={
            "KERAS_BACKEND": backend,
            "CNNBOOK_CACHE": str(tmp_path / "none"),
            "PYTHONPATH": ":".join(sys.path),
        },
        capture_output=True,
        text=True,
    )
    if command == "info":
        assert done.returncode == 0
        assert backend in done.stdout
        return
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"Error: Keras runs on {backend!r}, and cnnbook")
    assert "KERAS_BACKEND=tensorflow" in done.stderr


@pytest.mark.parametrize("check", [outputs.check_picture, outputs.check_new_file])
def test_what_is_there_is_replaced_only_by_force(tmp_path, check):
    old, link = tmp_path / "old.png", tmp_path / "link.png"
    old.touch()
    link.symlink_to(tmp_path / "nowhere")  # what is written would appear elsewhere
    for path in (old, link):
        with pytest.raises(FileExistsError, match="replace it with --force"):
            check(path)
        check(path, force=True)


@pytest.mark.parametrize("check", [outputs.check_picture, outputs.check_new_file])
def test_what_a_command_reads_is_never_written_over(tmp_path, monkeypatch, check):
    folder = tmp_path / "pictures"
    (folder / "cats").mkdir(parents=True)
    photo = folder / "cats" / "1.png"
    photo.touch()
    (tmp_path / "link.png").symlink_to(photo)
    (tmp_path / "hard.png").hardlink_to(photo)
    monkeypatch.chdir(tmp_path)
    for path in ("pictures/../pictures/cats/1.png", "link.png", "hard.png", photo):
        with pytest.raises(FileExistsError, match="which would be lost"):
            check(Path(path), reads=[tmp_path / "none.png", photo], force=True)
    for path in ("link.png", photo):
        with pytest.raises(FileExistsError, match=r"this command reads .*pictures,"):
            check(Path(path), reads=[folder], force=True)
    check(folder / "new.png", reads=[folder])


def test_where_nothing_may_be_written_is_refused(tmp_path, monkeypatch):
    allowed = []
    monkeypatch.setattr(outputs.os, "access", lambda path, mode: path in allowed)
    old, new = tmp_path / "old.png", tmp_path / "new.png"
    old.touch()
    with pytest.raises(PermissionError, match="the file may not be changed"):
        outputs.check_picture(old, force=True)
    for refused in (outputs.check_picture, outputs.check_new_file):
        with pytest.raises(
            PermissionError, match=r"cannot write new\.png: nothing may"
        ):
            refused(new)
    # A picture is written over, in place; what appears when it is whole needs room.
    allowed.append(old)
    outputs.check_picture(old, force=True)
    with pytest.raises(PermissionError, match=r"cannot write old\.png: nothing may"):
        outputs.check_new_file(old, force=True)
    allowed.append(tmp_path)
    outputs.check_new_file(old, force=True)
    outputs.check_picture(new)


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(IsADirectoryError, match="it is a folder"):
        outputs.check_new_file(tmp_path)
