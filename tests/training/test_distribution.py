"""Several devices, or several machines, train one network."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cnnbook import networks, training
from cnnbook.pictures import Split

pytestmark = pytest.mark.xdist_group("distribution")

RECIPES = {
    # Without normalisation, which each device does by its own pictures, two halves of
    # a batch are as good as the whole.
    "plain": ("decay", "warm-up"),
    "as the book": training.CHOSEN,
}

# Runs in processes of their own, as TensorFlow's devices are set up once a process.
PROGRAM = """
import sys
import tensorflow as tf
from cnnbook import training
from tests.training.test_distribution import train

devices, folder, *recipes = sys.argv[1:]
if devices == "two":
    cpu = tf.config.list_physical_devices("CPU")[0]
    parts = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, parts)
    devices = tf.config.list_logical_devices("CPU")
    scope = tf.distribute.MirroredStrategy(devices).scope()
else:
    scope = training.strategy().scope()
with scope:
    print(type(training.strategy()).__name__)
    for recipe in recipes:
        train(recipe, folder)
"""


def pictures():
    """Noise; half of the pictures have a stripe."""
    rng = np.random.default_rng(0)
    labels = np.arange(96) % 2
    images = rng.integers(0, 100, (96, 16, 16, 3))
    images[labels == 1, :, 4:8] += 100
    return Split(images.astype(np.uint8), labels)


def build():
    return networks.build_classifier((16, 16, 3), filters=(4,))


def train(recipe, folder):
    """Train on the devices of this process; the weights go into the folder."""
    model, split = build(), pictures()
    training.train(
        model,
        split,
        split,
        epochs=6,
        batch_size=16,
        progress=False,
        learning_rate=0.02,
        ingredients=RECIPES[recipe],
        checkpoint=f"{folder}/{recipe}.checkpoint.npz",
    )
    np.savez(f"{folder}/{recipe}.npz", *model.get_weights())


def trained(recipe, folder):
    """Build a network, on one device, with the weights that are in the folder."""
    model = build()
    with np.load(f"{folder}/{recipe}.npz") as arrays:
        model.set_weights([arrays[name] for name in arrays.files])
    return model


def start(*arguments, config=None):
    """Start a process that trains; the arguments are those of `PROGRAM`."""
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    if config is not None:
        environment["TF_CONFIG"] = json.dumps(config)
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *map(str, arguments)],
        cwd=Path(__file__).parents[2],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def two_devices(tmp_path_factory):
    """The folder where a process with two devices left what it trained."""
    folder = tmp_path_factory.mktemp("two")
    process = start("two", folder, *RECIPES)
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors[-3000:]
    assert output.split()[-1] == "MirroredStrategy"
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
def test_two_devices_of_one_machine_learn_what_can_be_learned(two_devices, recipe):
    assert training.evaluate(trained(recipe, two_devices), pictures()).accuracy == 1


@pytest.mark.slow
def test_two_devices_train_one_network(two_devices, tmp_path):
    train("plain", tmp_path)
    weights, alone = (
        np.concatenate([array.ravel() for array in trained("plain", f).get_weights()])
        for f in (two_devices, tmp_path)
    )
    np.testing.assert_allclose(weights, alone, atol=1e-3)


@pytest.mark.slow
def test_two_workers_find_one_another_and_are_told_that_keras_cannot_train_there(
    tmp_path,
):
    # Once this fails, Keras can: then compare the weights of both workers instead.
    ports = []
    for _ in range(2):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            ports.append(free.getsockname()[1])
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    workers = [
        start(
            "one",
            tmp_path,
            "as the book",
            config={"cluster": cluster, "task": {"type": "worker", "index": index}},
        )
        for index in range(2)
    ]
    for process in workers:
        output, errors = process.communicate(timeout=300)
        assert output.split()[0] == "CollectiveAllReduceStrategy"
        assert process.returncode == 1
        assert "cannot train over several workers" in errors.splitlines()[-1]


def test_the_scope_that_the_caller_is_in_decides():
    import tensorflow as tf

    own = tf.distribute.OneDeviceStrategy("CPU:0")
    with own.scope():
        assert training.strategy() is own
    assert training.strategy() is not own


def test_a_chief_writes_the_files_and_the_first_worker_does_not(monkeypatch):
    cluster = {"chief": ["a:1"], "worker": ["b:1"]}
    for kind, chief in (("chief", True), ("worker", False)):
        task = {"type": kind, "index": 0}
        config = json.dumps({"cluster": cluster, "task": task})
        monkeypatch.setenv("TF_CONFIG", config)
        assert training.is_chief() is chief


@pytest.mark.parametrize(
    ("task", "chief"),
    [
        ({}, True),
        ({"type": "worker", "index": 0}, True),
        ({"type": "worker", "index": 1}, False),
        ({"type": "evaluator", "index": 0}, False),
    ],
)
def test_the_first_worker_writes_the_files(monkeypatch, task, chief):
    monkeypatch.setenv("TF_CONFIG", json.dumps({"task": task}))
    assert training.is_chief() is chief


@pytest.mark.parametrize("text", ["{worker", "[]", '{"cluster": []}', '{"task": 1}'])
def test_a_cluster_that_cannot_be_read_is_refused(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(ValueError, match=r"TF_CONFIG must be a JSON object, .*; got '"):
        training.strategy()
