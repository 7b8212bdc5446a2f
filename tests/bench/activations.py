"""All maps of VGG19 against one forward pass, and one sub-model a layer."""

import time

import keras
import numpy as np

from cnnbook import activations
from tests.bench.measuring import Row, medians


def measure():
    model = keras.applications.VGG19(weights=None, include_top=False)
    image = np.random.default_rng(0).random((1, 224, 224, 3), np.float32)
    names = [layer.name for layer in model.layers if layer.name.startswith("block")]
    plain, maps = medians(
        [
            lambda: activations.feature_maps(model, image, names[-1]),
            lambda: activations.feature_maps(model, image, names),
        ]
    )
    start = time.perf_counter()
    for name in names:
        sub_model = keras.Model(model.inputs, model.get_layer(name).output)
        sub_model.predict_on_batch(image)
    one_by_one = time.perf_counter() - start
    case = f"{len(names)} layers' maps of VGG19, one 224 × 224 image"
    return [
        Row(f"{case}: time / a forward pass", maps / plain, 1.15, "×",
            note=f"{maps:.3f} s against {plain:.3f} s"),
        Row(f"{case}: one sub-model a layer / ours", one_by_one / maps, 8, "×",
            at_most=False, note=f"{one_by_one:.1f} s"),
    ]  # fmt: skip
