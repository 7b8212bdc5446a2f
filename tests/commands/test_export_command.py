"""A network is written for a page from a shell, as the function writes it."""

import keras
import numpy as np
import pytest
from click.testing import CliRunner

from cnnbook import commands, networks
from cnnbook.networks import export


def run(*arguments):
    return CliRunner().invoke(commands.main, ["export", *map(str, arguments)])


@pytest.fixture
def network():
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((12, 10, 3)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(3),
        ]
    )


@pytest.fixture
def saved(network, tmp_path):
    path = tmp_path / "farm.keras"
    networks.save_classifier(network, path, class_names=("ant", "bee", "cow"))
    return path


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_the_command_writes_what_the_function_writes(saved, tmp_path, dtype):
    out = tmp_path / "own.js"
    result = run(saved, "--out", out, "--dtype", dtype)
    assert result.exit_code == 0, result.output
    text = out.read_text()
    again = tmp_path / "again" / "own.js"
    again.parent.mkdir()
    networks.export_network(networks.load_network(saved), again, dtype=dtype)
    assert text == again.read_text()
    assert result.stdout.endswith(f" kB, classes ant, bee, cow: {out}\n")


def test_by_default_the_script_lies_beside_the_network_with_four_bytes_a_weight(saved):
    assert run(saved).exit_code == 0
    text = saved.with_suffix(".js").read_text()
    assert text.startswith(export.BEGINNING)
    assert '"dtype":"float32"' in text
    assert '"name":"farm"' in text


def test_any_network_of_keras_will_do_with_numbers_for_classes(network, tmp_path):
    path = tmp_path / "nameless.keras"
    network.save(path)
    assert "classes 0, 1, 2: " in run(path).stdout


def test_what_cannot_be_exported_is_refused_with_a_reason(saved, tmp_path):
    wide = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.UpSampling2D()])
    wide.save(tmp_path / "wide.keras")
    damaged = tmp_path / "damaged.keras"
    damaged.write_bytes(saved.read_bytes()[:200])
    large = keras.Sequential([keras.Input((1, 1, 1)), keras.layers.Dense(1)])
    large.layers[-1].set_weights([np.full((1, 1), 1e9), np.zeros(1)])
    large.save(tmp_path / "large.keras")
    for arguments, sentence in (
        (["none.keras"], "there is no network none.keras"),
        ([damaged], "cannot be loaded as a network in Keras's format"),
        ([tmp_path / "wide.keras"], "is a UpSampling2D, which a page cannot run"),
        ([saved, "--out", "farm.txt"], "must end in .js; got farm.txt"),
        ([tmp_path / "large.keras", "--dtype", "float16"], "use dtype='float32'"),
        ([saved, "--out", tmp_path / "no" / "farm.js"], "there is no folder"),
    ):
        result = run(*arguments)
        assert result.exit_code == 1
        assert result.stderr.startswith("Error: ")
        assert "Traceback" not in result.stderr
        assert sentence in " ".join(result.stderr.split())
        assert not result.stdout
