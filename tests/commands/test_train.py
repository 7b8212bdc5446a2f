"""`cnnbook train` goes from a folder of pictures to a file with a network."""

import re
import signal
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from cnnbook import commands, networks, pictures, training
from cnnbook.training import recipes

HUES = {"apples": 0, "birds": 60, "cars": 120, "doors": 170, "elks": 220}

pytestmark = pytest.mark.xdist_group("train_command")


def run(*arguments):
    return CliRunner().invoke(commands.main, ["train", *map(str, arguments)])


def fill(folder, classes, rng, count=30):
    """Write noisy pictures, each class of a colour of its own."""
    for name in classes:
        (folder / name).mkdir(parents=True)
        for i in range(count):
            pixels = np.empty((16, 16, 3), np.uint8)
            pixels[..., 0] = HUES[name]
            pixels[..., 1:] = rng.integers(100, 250, (16, 16, 2))
            picture = Image.fromarray(pixels, "HSV").convert("RGB")
            picture.save(folder / name / f"{i}.png")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("classes", [("apples", "doors"), tuple(HUES)])
def test_a_folder_becomes_a_network_that_knows_its_classes(tmp_path, rng, classes):
    folder = fill(tmp_path / "pictures", classes, rng)
    result = run(folder, "--out", tmp_path / "my.keras", "--size", 16, "--epochs", 12)
    assert result.exit_code == 0, result.output
    count = 3 * len(classes)  # a tenth of each class is tested on
    assert f"of {count} test pictures are right" in result.stdout
    for name in classes:
        assert re.search(rf"^{name} ", result.stdout, re.M)
        assert f"called {name}" in result.stdout
    network = networks.load_classifier(tmp_path / "my.keras")
    assert network.class_names == classes
    test = pictures.load_pets(folder, size=16).test
    stated = int(re.search(rf"(\d+) of {count}", result.stdout)[1])
    metrics = training.evaluate(network, test)
    assert round(metrics.accuracy * count) == stated
    assert metrics.accuracy > 0.8  # the colours are easy
    assert [path.name for path in tmp_path.glob("*my*")] == ["my.keras"]


@pytest.mark.slow
def test_ctrl_c_stops_and_the_same_command_goes_on_to_the_same_network(
    tmp_path, rng, monkeypatch
):
    folder = fill(tmp_path / "pictures", ("apples", "doors"), rng)
    options = ["--size", 16, "--epochs", 40]
    command = ["train", folder, *options, "--out", "my.keras"]
    process = subprocess.Popen(
        [sys.executable, "-m", "cnnbook", *map(str, command)],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # A shell that runs the tests in the background lets all below it ignore Ctrl-C.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    for line in process.stderr:
        if line.startswith("epoch 3/40"):
            break
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "my.checkpoint.npz; the same command goes on" in errors
    done = int(re.search(r"Stopped\. (\d+) of 40 epochs", errors)[1])
    assert 3 <= done < 40
    assert not (tmp_path / "my.keras").exists()
    assert (tmp_path / "my.checkpoint.npz").exists()

    monkeypatch.chdir(tmp_path)
    resumed = run(*command[1:])
    assert resumed.exit_code == 0, resumed.output
    assert f"epoch {done + 1}/40" in resumed.stderr
    assert f"epoch {done}/40" not in resumed.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["my.keras", "pictures"]
    assert run(folder, *options, "--out", tmp_path / "other.keras").exit_code == 0
    ours, theirs = (
        networks.load_classifier(tmp_path / f"{name}.keras").get_weights()
        for name in ("my", "other")
    )
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_ctrl_c_while_it_trains_is_answered_by_what_the_checkpoint_holds(
    tmp_path, rng, monkeypatch
):
    folder = fill(tmp_path / "pictures", ("apples", "doors"), rng)
    command = (folder, "--out", tmp_path / "my.keras", "--size", 16, "--epochs", 3)
    train = training.train

    def press_ctrl_c(*arguments, **options):
        raise KeyboardInterrupt

    def press_after_the_second_epoch_is_kept(*arguments, **options):
        def after_epoch(done):
            if done == 2:
                raise KeyboardInterrupt

        train(*arguments, **options, after_epoch=after_epoch)

    kept = "2 of 3 epochs are in"
    for pressed, told in (
        (press_ctrl_c, "No epoch was complete"),
        (press_after_the_second_epoch_is_kept, kept),
        (press_ctrl_c, kept),  # before anything is read
    ):
        monkeypatch.setattr(training, "train", pressed)
        stopped = run(*command)
        assert stopped.exit_code == 130
        assert told in stopped.stderr
    monkeypatch.undo()
    finished = run(*command)
    assert finished.exit_code == 0, finished.output
    assert "epoch 3/3" in finished.stderr
    assert "epoch 2/3" not in finished.stderr


def test_the_learning_rate_that_is_asked_for_is_taken(tmp_path, rng, monkeypatch):
    folder = fill(tmp_path / "pictures", ("apples", "doors"), rng)
    command = (folder, "--out", tmp_path / "my.keras", "--size", 16, "--epochs", 1)
    asked_for = []

    def train(*arguments, learning_rate, **options):
        asked_for.append(learning_rate)
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "train", train)
    run(*command, "--learning-rate", 0.0125)
    run(*command)
    usual = recipes.PHOTOGRAPHS.learning_rate
    assert asked_for == [0.0125, usual]
    assert f"{usual:g} if you do not say" in " ".join(run("--help").stdout.split())


@pytest.mark.slow
def test_damaged_pictures_are_counted_and_listed(tmp_path, rng):
    folder = fill(tmp_path / "pictures", ("apples", "doors"), rng)
    (folder / "doors" / "7.png").write_bytes(b"no picture")
    result = run(folder, "--out", tmp_path / "my.keras", "--size", 16, "--epochs", 1)
    assert result.exit_code == 0
    assert re.search(
        r"^left out: .*doors/7\.png: it is not a picture", result.stderr, re.M
    )
    assert "(1 left out)" in result.stderr


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda f: None, "two or more classes"),
        (lambda f: (f / "nothing").mkdir(), "no pictures of nothing"),
        (lambda f: (f.parent / "my.keras").touch(), "my.keras is there already"),
        (lambda f: (f.parent / "my.checkpoint.npz").touch(), "not a whole checkpoint"),
    ],
)
def test_what_cannot_work_ends_in_one_line(tmp_path, rng, prepare, message):
    classes = (
        ("apples", "doors") if "my" in message or "whole" in message else ("apples",)
    )
    folder = fill(tmp_path / "pictures", classes, rng, count=5)
    prepare(folder)
    result = run(folder, "--out", tmp_path / "my.keras", "--size", 16, "--epochs", 1)
    assert result.exit_code == 1
    assert message in result.stderr.splitlines()[-1]


def test_a_folder_that_is_not_there_is_named_before_anything_is_read(tmp_path):
    result = run("drawn", "--out", tmp_path / "nowhere" / "my.keras")
    assert result.exit_code == 1
    assert "there is no folder" in result.stderr


def test_training_time_is_not_lost_to_a_wrong_ending(tmp_path):
    result = run("drawn", "--out", tmp_path / "my.h5")
    assert result.exit_code == 1
    assert "must end in .keras" in result.stderr
