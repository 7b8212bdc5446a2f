"""Weights files in the layout that Keras publishes, and its cache, for the tests."""

import dataclasses
import json
import os

import h5py
import numpy as np

from cnnbook import storage
from cnnbook.storage import downloads

BLOCKS = {1: (2, 64), 2: (2, 128), 3: (4, 256), 4: (4, 512), 5: (4, 512)}
CONVOLUTIONS = [
    f"block{block}_conv{number}"
    for block, (count, _) in BLOCKS.items()
    for number in range(1, count + 1)
]
POOLS = [f"block{block}_pool" for block in BLOCKS]
TOP = {"fc1": (25088, 4096), "fc2": (4096, 4096), "predictions": (4096, 1000)}


def write_layers(group, arrays):
    """Lay out weights as the published files do; a shape alone becomes zeros."""
    names = ["input_1", *arrays, *POOLS, "flatten"]
    group.attrs["layer_names"] = [name.encode() for name in names]
    group.attrs["backend"] = b"tensorflow"
    group.attrs["keras_version"] = b"2.0.0"
    for name in names:
        layer = group.create_group(name)
        weights = dict(zip(("W", "b"), arrays.get(name, ()), strict=False))
        weights = {f"{name}_{key}_1:0": values for key, values in weights.items()}
        layer.attrs["weight_names"] = [weight.encode() for weight in weights]
        for weight, values in weights.items():
            if isinstance(values, tuple):
                layer.create_dataset(weight, values, "float32")
            else:
                layer[weight] = values


def empty_vgg19():
    """Shapes of VGG19's kernels and biases; as a file they take no room."""
    shapes, channels = {}, 3
    for name in CONVOLUTIONS:
        filters = BLOCKS[int(name[5])][1]
        shapes[name] = [(3, 3, channels, filters), (filters,)]
        channels = filters
    return shapes


def write_file(path, arrays):
    with h5py.File(path, "w") as file:
        write_layers(file, arrays)
    return path


def seeded_arrays(seed=1):
    """Random weights, with which maps neither fade nor explode; no class head."""
    rng = np.random.default_rng(seed)
    arrays = {}
    for name, (kernel, bias) in empty_vgg19().items():
        scale = np.float32(np.sqrt(2 / np.prod(kernel[:3])))  # He and others, 2015
        arrays[name] = [
            scale * rng.standard_normal(kernel, dtype="float32"),
            rng.standard_normal(bias, dtype="float32"),
        ]
    return arrays


def publish(monkeypatch, name, path):
    """Put a file into Keras's cache, as if it were what Keras publishes."""
    checksum = f"md5:{downloads.digest_of(path, 'md5')}"
    entry = dataclasses.replace(storage.REGISTRY[name], checksum=checksum)
    monkeypatch.setitem(storage.REGISTRY, name, entry)
    place = storage.destination(entry)
    place.parent.mkdir(parents=True, exist_ok=True)
    os.symlink(path, place)


def write_class_index(path, names=None):
    """Write the classes' names as Keras publishes them; `names` replaces some."""
    names = {str(i): f"class_{i}" for i in range(1000)} | (names or {})
    index = {i: [f"n{int(i):08}", name] for i, name in names.items()}
    path.write_text(json.dumps(index), encoding="utf-8")
    return path
