"""Patterns that excite filters, against those of tf-keras-vis at as many steps."""

import time
import warnings

import keras
import numpy as np

from cnnbook import maps, networks
from tests.bench.measuring import Row

LAYERS = ("block2_conv2", "block3_conv3", "block4_conv2")
SIZE, STEPS, COUNT = 96, 64, 6


def measure():
    from tf_keras_vis.activation_maximization import ActivationMaximization
    from tf_keras_vis.utils.scores import CategoricalScore

    model = networks.load_vgg19("stand-in")
    start = np.random.default_rng(0).uniform(0, 255, (COUNT, SIZE, SIZE, 3))
    seconds, wins = {"ours": 0.0, "theirs": 0.0}, 0
    for layer in LAYERS:
        channels = alive(model, layer)
        # Theirs takes [0, 255], of which its defaults are made.
        image = keras.Input((SIZE, SIZE, 3))
        inner = keras.Model(model.input, model.get_layer(layer).output)
        theirs = keras.Model(image, inner(keras.layers.Rescaling(1 / 255)(image)))

        def ours_made(layer=layer, channels=channels):
            made = maps.filter_pattern(model, layer, channels, size=SIZE, steps=STEPS)
            return made.images

        def theirs_made(theirs=theirs, channels=channels):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of the versions it was made for
                maximise = ActivationMaximization(theirs, clone=False)
                score = CategoricalScore(channels)
                made = maximise(score, seed_input=start.astype("float32"), steps=STEPS)
            return np.asarray(made) / 255

        excited = {}
        for name, made in (("ours", ours_made), ("theirs", theirs_made)):
            begin = time.perf_counter()
            pictures = made()
            seconds[name] += time.perf_counter() - begin
            excited[name] = responses(model, layer, channels, pictures.clip(0, 1))
        wins += int(np.sum(excited["ours"] > excited["theirs"]))
    total = COUNT * len(LAYERS)
    case = (
        f"{total} patterns of VGG19 at {SIZE} px, {STEPS} steps, against tf-keras-vis"
    )
    return [
        Row(f"{case}: time / theirs", seconds["ours"] / seconds["theirs"], 1, "×",
            note=f"{seconds['ours']:.0f} s against {seconds['theirs']:.0f} s"),
        Row(f"{case}: share that excite more", wins / total, 0.75, "", rule="≥",
            note=f"{wins} of {total}"),
    ]  # fmt: skip


def alive(model, layer):
    """Choose, at random, channels that answer at all to some noise."""
    noise = np.random.default_rng(1).random((4, SIZE, SIZE, 3))
    found = maps.feature_maps(model, noise, layer)[layer]
    speaking = np.flatnonzero(found.max(axis=(0, 1, 2)) > 0)
    chosen = np.random.default_rng(2).choice(speaking, COUNT, replace=False)
    return np.sort(chosen).tolist()


def responses(model, layer, channels, pictures):
    """Return the mean of each channel's map on its own picture."""
    found = maps.feature_maps(model, pictures, layer)[layer]
    return found.mean(axis=(1, 2))[np.arange(len(channels)), channels]
