"""Several devices, or several machines, train one network."""

import json
import os
import socket
import subprocess
import sys

import numpy as np
import pytest

from cnnbook import distribution

# Runs in processes of their own, as TensorFlow's devices are set up once a process.
PROGRAM = """
import sys
import numpy as np
import tensorflow as tf
from cnnbook import classifier, distribution, scores, training
from cnnbook.data import Split

if {devices} > 1:
    cpu = tf.config.list_physical_devices("CPU")[0]
    parts = [tf.config.LogicalDeviceConfiguration()] * {devices}
    tf.config.set_logical_device_configuration(cpu, parts)
    devices = tf.config.list_logical_devices("CPU")
    scope = tf.distribute.MirroredStrategy(devices).scope()
else:
    scope = distribution.strategy().scope()
rng = np.random.default_rng(0)
labels = np.arange(96) % 2
images = rng.integers(0, 100, (96, 16, 16, 3))
images[labels == 1, :, 4:8] += 100
split = Split(images.astype(np.uint8), labels)
with scope:
    model = classifier.build_classifier((16, 16, 3), filters=(4,))
    print(type(distribution.strategy()).__name__)
    training.train(
        model, split, split, epochs=6, batch_size=16, progress=False,
        learning_rate=0.02, ingredients={ingredients}, checkpoint={checkpoint!r},
    )
weights = model.get_weights()
alone = classifier.build_classifier((16, 16, 3), filters=(4,))
alone.set_weights(weights)
print(scores.evaluate(alone, split).accuracy)
np.save({weights!r}, np.concatenate([w.ravel() for w in weights]))
"""


def start(tmp_path, name, *, devices=1, config=None, ingredients="training.CHOSEN"):
    """Start a process that trains: (process, where it will put its weights)."""
    weights = str(tmp_path / f"{name}.npy")
    program = PROGRAM.format(
        devices=devices,
        weights=weights,
        ingredients=ingredients,
        checkpoint=str(tmp_path / "training.npz"),
    )
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    if config is not None:
        environment["TF_CONFIG"] = json.dumps(config)
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    return process, weights


def finish(process, weights):
    """Wait for a process: (the strategy that it used, its accuracy, its weights)."""
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors[-3000:]
    strategy, accuracy = output.split()[-2:]
    return strategy, float(accuracy), np.load(weights)


def test_two_devices_of_one_machine_train_one_network(tmp_path):
    # Without normalisation, which each device does by its own pictures, two halves of
    # a batch are as good as the whole.
    ingredients = "{'decay', 'warm-up'}"
    (tmp_path / "two").mkdir()
    pair = start(tmp_path / "two", "two", devices=2, ingredients=ingredients)
    strategy, accuracy, weights = finish(*pair)
    assert strategy == "MirroredStrategy"
    assert accuracy == 1
    _, _, alone = finish(*start(tmp_path, "one", ingredients=ingredients))
    np.testing.assert_allclose(weights, alone, atol=1e-3)


def test_two_devices_train_with_everything_that_the_book_trains_with(tmp_path):
    strategy, accuracy, _ = finish(*start(tmp_path, "two", devices=2))
    assert strategy == "MirroredStrategy"
    assert accuracy == 1


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
            tmp_path,
            f"worker{index}",
            config={"cluster": cluster, "task": {"type": "worker", "index": index}},
        )
        for index in range(2)
    ]
    for process, _ in workers:
        output, errors = process.communicate(timeout=300)
        assert output.split()[0] == "CollectiveAllReduceStrategy"
        assert process.returncode == 1
        assert "cannot train over several workers" in errors.splitlines()[-1]


def test_the_scope_that_the_caller_is_in_decides():
    import tensorflow as tf

    own = tf.distribute.OneDeviceStrategy("CPU:0")
    with own.scope():
        assert distribution.strategy() is own
    assert distribution.strategy() is not own


def test_a_chief_writes_the_files_and_the_first_worker_does_not(monkeypatch):
    cluster = {"chief": ["a:1"], "worker": ["b:1"]}
    for kind, chief in (("chief", True), ("worker", False)):
        task = {"type": kind, "index": 0}
        config = json.dumps({"cluster": cluster, "task": task})
        monkeypatch.setenv("TF_CONFIG", config)
        assert distribution.is_chief() is chief


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
    assert distribution.is_chief() is chief


@pytest.mark.parametrize("text", ["{worker", "[]", '{"cluster": []}', '{"task": 1}'])
def test_a_cluster_that_cannot_be_read_is_refused(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(ValueError, match=r"TF_CONFIG must be a JSON object, .*; got '"):
        distribution.strategy()
