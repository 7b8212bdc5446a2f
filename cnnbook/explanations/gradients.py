"""How logits change with the image or with a layer's maps, by one pass backwards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import numpy as np

from cnnbook.checks import check_whole
from cnnbook.explanations.logits import image_spec, logits_by_layer
from cnnbook.networks.compiled import compiled_once
from cnnbook.networks.graph import (
    answer,
    before_activation,
    layer_calls,
    refuse_unknown,
)
from cnnbook.networks.heads import head
from cnnbook.networks.traits import RECTIFIERS, activation_of

if TYPE_CHECKING:
    import keras


Rule = Literal["plain", "guided", "deconvnet"]  # how gradients pass ReLUs


def gradients(
    model: keras.Model,
    images: np.ndarray,
    selectors: np.ndarray,
    *,
    layer: str | None = None,
    rule: Rule = "plain",
    batch_size: int = 32,
) -> Iterator[tuple[slice, np.ndarray, np.ndarray, np.ndarray]]:
    """Compute logits and their gradients, and what a layer answers and its gradient.

    Parameters
    ----------
    model : keras.Model
    images : ndarray of shape (N, H, W, C)
        From `logits.explainable_images`.
    selectors : ndarray of shape (N, K)
        From ``Head.selectors``.
    layer : str, optional
        Whose maps and gradients are wanted, in place of the images'.
    rule : {"plain", "guided", "deconvnet"}
        How gradients pass ReLUs.
    batch_size : int

    Yields
    ------
    batch : slice
    logits : ndarray of shape (n,)
    values, slopes : ndarray of shape (n, h, w, F)
        The images, or the layer's maps, and the gradients of the logits there.
    """
    check_whole(batch_size, "batch_size")
    function = compiled_once(
        model,
        ("gradients", layer, rule),
        lambda network: _gradient_function(model, network, head(model), layer, rule),
    )
    for start in range(0, len(images), batch_size):
        batch = slice(start, start + batch_size)
        logits, values, slopes = function(images[batch], selectors[batch])
        # Half precision could not hold the square of a slope.
        values = images[batch] if layer is None else np.asarray(values, "float32")
        yield batch, np.asarray(logits), values, np.asarray(slopes, "float32")


def _gradient_function(model, network, end, layer, rule):
    """Compile the function of `gradients`, for any number of images."""
    import tensorflow as tf

    instead = {} if rule == "plain" else _rules(model, rule)
    name = model.name

    def compute(images, selectors):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            if not layer:
                tape.watch(images)
            # From a layer on: what comes before it needs no derivative.
            logits, found = logits_by_layer(
                network,
                end,
                images,
                [layer] if layer else [],
                instead=instead,
                watch=tape.watch if layer else None,
            )
            logits = tf.reduce_sum(logits * selectors, axis=1)
        values = found[layer] if layer else images
        slopes = tape.gradient(logits, values)
        if slopes is None:
            raise ValueError(
                f"model {name!r} has no gradient at {layer or 'its input'}: something "
                "on the way cannot be differentiated (rounding, comparing, whole "
                "numbers). occlusion_map needs no gradients"
            )
        return logits, values, slopes

    function = tf.function(compute, autograph=False)
    spec = tf.TensorSpec((None, None), tf.float32)
    return function.get_concrete_function(image_spec(model), spec)


def _rules(model, rule):
    """Return what takes the place of each ReLU, by name; ValueError if none."""
    refuse_unknown(model, "a ReLU")
    relus = [
        name
        for name, node in layer_calls(model).items()
        if activation_of(node.operation) in RECTIFIERS
    ]
    if not relus:
        raise ValueError(
            f"model {model.name!r} has no ReLU, and this method changes nothing but "
            "how gradients pass ReLUs; use saliency_map"
        )
    return dict.fromkeys(relus, _guided if rule == "guided" else _deconvoluted)


def _guided(operation, *args, **kwargs):
    """Let gradients pass a ReLU where they and its answer are above zero."""
    import tensorflow as tf

    @tf.custom_gradient
    def only_above_zero(value):
        return tf.identity(value), tf.nn.relu

    return only_above_zero(answer(operation, *args, **kwargs))


def _deconvoluted(operation, *args, **kwargs):
    """Let gradients pass a ReLU where they are above zero, whatever it answers."""
    import tensorflow as tf

    own = tf.stop_gradient(answer(operation, *args, **kwargs))

    @tf.custom_gradient
    def rectified(before):
        return tf.identity(own), tf.nn.relu

    return rectified(before_activation(operation, *args, **kwargs))
