"""The loss of a classifier, and its slope for each weight of one layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cnnbook.explanations.logits import compiled_logits, explainable_images
from cnnbook.networks.graph import layer_calls
from cnnbook.networks.heads import head
from cnnbook.networks.inputs import one_image_input
from cnnbook.training.metrics import (
    BATCH_SIZE,
    as_taken,
    check_images,
    check_labels,
)

if TYPE_CHECKING:
    import keras

    from cnnbook.pictures.drawing.pets import DrawnPets
    from cnnbook.pictures.pets import Split


def loss_slope(
    model: keras.Model, split: Split | DrawnPets, layer: str
) -> tuple[float, np.ndarray]:
    """Work out a classifier's loss, and its slope for each weight of a layer.

    One pass forwards and one backwards, by the chain rule [1]_; nothing is changed.

    Parameters
    ----------
    model : keras.Model
        Functional or Sequential, as for `evaluate`, but it must return logits, one for
        each of two classes or more.
    split : pictures.Split
        As for `evaluate`.
    layer : str
        The name of a layer with a kernel, such as a convolution; ``"inner/conv"``
        inside a nested model.

    Returns
    -------
    loss : float
        The mean cross-entropy, as `evaluate` measures it.
    slope : ndarray of the shape of the layer's kernel
        By how much the loss grows per unit that a weight grows.  Biases are left out.

    Raises
    ------
    ValueError
        If pictures or labels do not fit the model, it does not return logits, the
        layer is unknown, or it has no kernel that the loss depends on.

    References
    ----------
    .. [1] D. E. Rumelhart, G. E. Hinton and R. J. Williams, "Learning representations
       by back-propagating errors", Nature 323, 1986.
       https://doi.org/10.1038/323533a0

    Examples
    --------
    >>> from cnnbook import networks, pictures
    >>> classifier = networks.build_classifier((16, 16, 3), filters=(4,))
    >>> pets = pictures.draw_pets(4, size=16)
    >>> loss, slope = loss_slope(classifier, pets, "block1_conv")
    >>> slope.shape
    (3, 3, 3, 4)
    """
    import keras
    import tensorflow as tf

    one_image_input(model)
    kernel = _kernel_of(model, layer)
    images = check_images(split.images, model.input_shape[1:])
    labels = _labels_of(model, split.labels, images)
    taken = as_taken(model)
    total, slope = 0.0, np.zeros(kernel.shape)
    for start in range(0, len(labels), BATCH_SIZE):
        part = slice(start, start + BATCH_SIZE)
        inputs = taken(images[part])
        with tf.GradientTape() as tape:
            (logits,) = keras.tree.flatten(model(inputs, training=False))
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
                labels[part], tf.cast(logits, "float32")
            )
            loss = tf.reduce_sum(losses)
        gradient = tape.gradient(loss, kernel.value)
        if gradient is None:
            raise ValueError(
                f"the loss of model {model.name!r} has no slope for the kernel of "
                f"layer {layer!r}; choose a layer between the image and the logits"
            )
        total += float(loss)
        slope += np.asarray(gradient)
    return total / len(labels), (slope / len(labels)).astype("float32")


def _labels_of(model, labels, images):
    """Return labels, once it is known that the model answers with logits for them."""
    end = head(model)
    if end.kind != "logits":
        raise ValueError(
            f"model {model.name!r} must return logits, one for each class; its answers "
            f"are of the kind {end.kind!r}; pass a model that ends before that"
        )
    compiled_logits(model, explainable_images(model, as_taken(model)(images[:8])))
    return check_labels(labels, end.num_classes, images=len(images))


def _kernel_of(model, layer):
    """Return the variable that holds the kernel of a layer."""
    import keras

    operations = {name: node.operation for name, node in layer_calls(model).items()}
    having = {
        name: operation.kernel
        for name, operation in operations.items()
        if isinstance(getattr(operation, "kernel", None), keras.Variable)
    }
    if layer not in having:
        what = f"({type(operations[layer]).__name__}) " if layer in operations else ""
        raise ValueError(
            f"layer {layer!r} {what}is none of those with a kernel in model "
            f"{model.name!r}: {', '.join(having) or 'none'}"
        )
    return having[layer]
