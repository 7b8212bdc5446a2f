"""Explanations against the plain way: a full pass for each place, or gradient."""

from functools import partial

import keras
import numpy as np
import tensorflow as tf

from cnnbook import explanations, networks
from tests.bench.measuring import Row, medians


def measure():
    return [*occlusion_of_vgg19(), occlusion_of_ours(), *gradients()]


def occlusion_of_vgg19():
    """Forty-nine places on VGG19, beside full passes of 25 images at a time."""
    network = keras.applications.VGG19(weights=None, classifier_activation=None)
    image = np.random.default_rng(0).random((1, 224, 224, 3), np.float32) * 255
    places = list(np.ndindex(7, 7))
    forward = tf.function(lambda x: network(x, training=False))

    def plainly():
        hidden = np.repeat(image, len(places) + 1, axis=0)
        for one, (row, column) in zip(hidden, places, strict=False):
            one[row * 32 : row * 32 + 32, column * 32 : column * 32 + 32] = 0
        scores = np.concatenate(
            [np.asarray(forward(hidden[i : i + 25])) for i in range(0, 50, 25)]
        )[:, 0]
        return (scores[-1] - scores[:-1]).reshape(7, 7)

    def ours():
        return explanations.occlusion_map(network, image, 0, window=32).values[0]

    expected = plainly()
    error = np.abs(ours() - expected).max() / np.abs(expected).max()
    seconds = medians([ours, plainly], repeat=3)
    return [
        Row(
            "occlusion of VGG19, 49 places: full passes over ours",
            seconds[1] / seconds[0],
            3,
            "×",
            rule="≥",
            note=f"{seconds[0]:.1f} and {seconds[1]:.1f} s",
        ),
        Row("the same, error per largest change", error, 1e-4, ""),
    ]


def occlusion_of_ours():
    """Thirteen times thirteen places on the classifier of this package."""
    network = networks.load_classifier()
    image = np.random.default_rng(0).random((1, 96, 96, 3), np.float32)

    def ours():
        return explanations.occlusion_map(network, image, 0, window=24, stride=6)

    assert ours().values.shape == (1, 13, 13)
    return Row("occlusion of our classifier, 169 places", *medians([ours]), 0.3, "s")


def gradients():
    """Maps made of gradients, over as many passes forward and back by themselves."""
    network = networks.load_classifier()
    images = np.random.default_rng(0).random((32, 96, 96, 3), np.float32)

    @tf.function
    def gradient(images):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(images)
            score = tf.reduce_sum(network(images, training=False)[:, 0])
        return tape.gradient(score, images)

    def passes(count):
        for _ in range(count):
            np.asarray(gradient(tf.constant(images)))

    few = images[:4]
    measured = {
        "saliency of 32 images": (partial(explanations.saliency_map, images=images), 1),
        "Grad-CAM of 32 images": (partial(explanations.grad_cam, images=images), 1),
        "guided backprop of 32 images": (
            partial(explanations.guided_backprop, images=images),
            1,
        ),
        "SmoothGrad, 24 samples of 4": (
            partial(explanations.smooth_grad, images=few),
            3,
        ),
        "integrated gradients, 32 steps of 4": (
            partial(explanations.integrated_gradients, images=few),
            4,
        ),
    }
    rows = []
    for name, (explain, count) in measured.items():
        one = partial(explain, network, target=0)
        ours, plainly = medians([one, partial(passes, count)])
        name = f"{name}, over forward and backward passes"
        rows.append(Row(name, ours / plainly, 1.2, "×"))
    return rows
