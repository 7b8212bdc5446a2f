"""Copies of a network with one thing taken away or disturbed, to see what it did.

Taking a part away and measuring what changes is called ablation.  The caller's model
stays as it is: each function returns a copy, with the same layers under the same names.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cnnbook.checks import check_whole
from cnnbook.networks.copies import copy_network
from cnnbook.networks.graph import (
    CHANNELS_LAST,
    axes_in,
    checked_channels,
    connections,
    follow,
    layer_calls,
    name_of_output,
    refuse_unknown,
    run,
    unknown_layer,
)
from cnnbook.networks.inputs import fitting_images, one_image_input
from cnnbook.networks.traits import activation_of, bends, traits_of

if TYPE_CHECKING:
    import keras


def knock_out(model: keras.Model, layer: str, channels: npt.ArrayLike) -> keras.Model:
    """Copy a network with some channels of a layer switched off.

    Whatever those channels would answer, the layers behind get zeros.

    Parameters
    ----------
    model : keras.Model
        Functional or Sequential.
    layer : str
        A layer's name, ``"inner/conv"`` inside a nested model.  A shared layer, or one
        of a model used twice, is changed in all its uses.
    channels : int or sequence of int
        Indices along the last axis of the layer's output.

    Returns
    -------
    copy : keras.Model
        With its own weights.  To be used, not saved: the layer's class is made for it.

    Raises
    ------
    ValueError
        If the layer is unknown, is no layer with channels, or lacks one of them; if a
        layer of the model cannot be copied.

    Examples
    --------
    >>> import keras
    >>> from cnnbook.maps import feature_maps
    >>> conv = keras.layers.Conv2D(3, 1, kernel_initializer="ones", name="conv")
    >>> model = keras.Sequential([keras.Input((1, 1, 1)), conv])
    >>> feature_maps(knock_out(model, "conv", 1), np.ones((1, 1, 1, 1)))["conv"]
    array([[[[1., 0., 1.]]]], dtype=float32)
    """
    operation, count = _layer_with_channels(model, layer)
    off = checked_channels(channels, layer, count)
    kept = ~np.isin(np.arange(count), off)
    return copy_network(
        model, lambda own: _muted(own, kept) if own is operation else None
    )


def outputs_without_each_channel(
    model: keras.Model, images: npt.ArrayLike, layer: str, *, batch_size: int = 32
) -> np.ndarray:
    """Compute what a network answers with each channel of a layer switched off in turn.

    The same as ``knock_out(model, layer, channel)`` for each channel, but the layers
    up to this one are computed once, and those behind it alone again and again.

    Parameters
    ----------
    model : keras.Model
        Functional or Sequential, with one image as its input.
    images : array of shape (N, H, W, C)
        In the range that the model was made for.
    layer : str
        As in `knock_out`; of a shared layer the use so named.
    batch_size : int
        Images at once.

    Returns
    -------
    outputs : ndarray of shape (F, N, ...)
        The model's first output for each channel switched off and each image.

    Raises
    ------
    ValueError
        If the layer is unknown or has no channels, or the images do not fit.

    Examples
    --------
    >>> import keras
    >>> conv = keras.layers.Conv2D(3, 1, kernel_initializer="ones", name="conv")
    >>> add_up = keras.layers.Dense(1, kernel_initializer="ones")
    >>> model = keras.Sequential([keras.Input((1, 1, 1)), conv, add_up])
    >>> outputs_without_each_channel(model, np.ones((1, 1, 1, 1)), "conv").ravel()
    array([2., 2., 2.], dtype=float32)
    """
    import tensorflow as tf

    check_whole(batch_size, "batch_size")
    one_image_input(model)
    images = fitting_images(model, images)
    _, count = _layer_with_channels(model, layer)
    network = connections(model)
    end = name_of_output(network)
    if layer == end:
        raise ValueError(f"layer {layer!r} is the model's output; nothing is behind it")
    image = tf.TensorSpec((None, *model.inputs[0].shape[1:]), model.inputs[0].dtype)

    @functools.partial(tf.function, autograph=False, input_signature=[image])
    def head(batch):
        return run(network, batch, {layer})[layer]

    @functools.partial(tf.function, autograph=False)
    def tail(batch, maps, channel):
        kept = tf.range(count) != channel
        muted = tf.where(kept, maps, tf.zeros_like(maps))
        return run(network, batch, {end}, given={layer: muted})[end]

    outputs: list[list[np.ndarray]] = [[] for _ in range(count)]
    for start in range(0, len(images), batch_size):
        batch = tf.constant(images[start : start + batch_size])
        maps = head(batch)
        for channel in range(count):
            outputs[channel].append(tail(batch, maps, tf.constant(channel)).numpy())
    return np.stack([np.concatenate(batches) for batches in outputs])


def without_activations(model: keras.Model) -> keras.Model:
    """Copy a network with every activation function replaced by the identity.

    Parameters
    ----------
    model : keras.Model
        Functional or Sequential; an activation is a layer (ReLU, …), an operation
        between layers (`keras.ops.relu`, …) or part of a layer.

    Returns
    -------
    copy : keras.Model

    Raises
    ------
    ValueError
        If there is nothing to replace, it is unknown whether a layer holds an
        activation, or a layer cannot be copied; if what layers with weights answer is
        bent by arithmetic, such as ``keras.ops.maximum(maps, 0)``.

    Examples
    --------
    >>> import keras
    >>> relu = keras.layers.ReLU(name="relu")
    >>> model = keras.Sequential([keras.Input((2,)), relu])
    >>> np.asarray(without_activations(model)(np.array([[-1.0, 2.0]])))
    array([[-1.,  2.]], dtype=float32)
    """
    import keras

    refuse_unknown(model, "an activation function")
    _refuse_bends(model)
    replaced = []

    def replace(layer):
        if traits_of(layer).role == "activation":
            replaced.append(layer.name)
            return keras.layers.Activation("linear", name=layer.name)
        if activation_of(layer) == "linear":
            return None
        config = layer.get_config()
        replaced.append(layer.name)
        return type(layer).from_config(config | {"activation": "linear"})

    copy = copy_network(model, replace)
    if not replaced:
        raise ValueError(f"model {model.name!r} has no activation functions to replace")
    return copy


def with_average_pools(model: keras.Model) -> keras.Model:
    """Copy a network with every max pool replaced by an average pool.

    An average is linear, a maximum is not.

    Parameters
    ----------
    model : keras.Model
        Functional or Sequential.

    Returns
    -------
    copy : keras.Model

    Raises
    ------
    ValueError
        If it has no max pools, has one of another kind than ``MaxPooling2D``, it is
        unknown whether a layer holds one, or a layer cannot be copied.

    Examples
    --------
    >>> import keras
    >>> pool = keras.layers.MaxPooling2D(2, name="pool")
    >>> model = keras.Sequential([keras.Input((2, 2, 1)), pool])
    >>> image = np.array([1.0, 2.0, 3.0, 6.0]).reshape(1, 2, 2, 1)
    >>> float(with_average_pools(model)(image)[0, 0, 0, 0])
    3.0
    """
    import keras

    return _with_other_pools(model, keras.layers.AveragePooling2D)


def with_subsampling(model: keras.Model) -> keras.Model:
    """Copy a network with every max pool replaced by a choice of one value.

    Of each window, only the value in the top left corner is kept: rows and columns
    become as few as by pooling, but nothing is pooled.

    Parameters
    ----------
    model : keras.Model
        Functional or Sequential.

    Returns
    -------
    copy : keras.Model

    Raises
    ------
    ValueError
        If it has no max pools, has one of another kind than ``MaxPooling2D``, it is
        unknown whether a layer holds one, or a layer cannot be copied.

    Examples
    --------
    >>> import keras
    >>> pool = keras.layers.MaxPooling2D(2, name="pool")
    >>> model = keras.Sequential([keras.Input((2, 2, 1)), pool])
    >>> image = np.array([1.0, 2.0, 3.0, 6.0]).reshape(1, 2, 2, 1)
    >>> float(with_subsampling(model)(image)[0, 0, 0, 0])
    1.0
    """
    import keras

    class Subsampling(keras.layers.MaxPooling2D):
        def call(self, inputs):
            rows, columns = (
                slice(0, (1 - size) or None if self.padding == "valid" else None, step)
                for size, step in zip(self.pool_size, self.strides, strict=True)
            )
            return inputs[:, rows, columns]  # "valid": windows that stick out are none

    return _with_other_pools(model, Subsampling)


def with_shuffled_weights(model: keras.Model, *, seed: int = 0) -> keras.Model:
    """Copy a network with the weights of every kernel put into a random order.

    How large the weights are stays the same; what they had learned is gone.

    Parameters
    ----------
    model : keras.Model
        Functional or Sequential.
    seed : int
        Decides the order.

    Returns
    -------
    copy : keras.Model

    Raises
    ------
    ValueError
        If a layer cannot be copied.

    Examples
    --------
    >>> import keras
    >>> model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3)])
    >>> shuffled = with_shuffled_weights(model).get_weights()[0]
    >>> bool(np.array_equal(shuffled, model.get_weights()[0]))
    False
    >>> bool(np.array_equal(np.sort(shuffled.ravel()),
    ...                     np.sort(model.get_weights()[0].ravel())))
    True
    """
    rng = np.random.default_rng(seed)
    copy = copy_network(model)
    copy.provenance = None  # these weights come from nowhere
    for variable in copy.weights:
        if len(variable.shape) > 1:  # kernels; biases and the like have one axis
            values = np.asarray(variable)
            variable.assign(rng.permutation(values.ravel()).reshape(values.shape))
    return copy


def _refuse_bends(model):
    """Raise ValueError if arithmetic does what an activation function would do.

    Before the first weights it only prepares pictures.
    """
    import keras

    def visit(name, node, args, kwargs):
        leaves = keras.tree.flatten((args, kwargs))
        learned = any(leaf is _LEARNED for leaf in leaves)
        if learned and len(node.input_tensors) == 1 and bends(node.operation):
            raise ValueError(
                f"model {model.name!r} has the operation {name!r} "
                f"({type(node.operation).__name__}), which may be an activation "
                "function written as arithmetic; write it as one of Keras's, such as "
                "keras.ops.relu"
            )
        learned = learned or bool(getattr(node.operation, "weights", None))
        return [_LEARNED if learned else _GIVEN] * len(node.outputs)

    network = connections(model)
    follow(network, [_GIVEN] * len(network.inputs), visit)


_GIVEN, _LEARNED = object(), object()  # what comes before the first weights, and behind


def _with_other_pools(model, kind):
    """Copy a network with every max pool made a pool of another kind."""
    refuse_unknown(model, "a max pool")
    replaced = []

    def replace(layer):
        traits = traits_of(layer)
        if traits.role != "max pooling":
            return None
        if traits.reach != "window":
            raise ValueError(
                f"layer {layer.name!r} ({type(layer).__name__}) is a max pool that "
                "cannot be replaced; only keras.layers.MaxPooling2D can"
            )
        replaced.append(layer.name)
        return kind.from_config(layer.get_config())

    copy = copy_network(model, replace)
    if not replaced:
        raise ValueError(f"model {model.name!r} has no max pools to replace")
    return copy


def _muted(layer, kept):
    """Copy a layer so that it answers zero in all channels but those kept."""
    import keras

    kind = type(layer)

    class Muted(kind):  # type: ignore[valid-type, misc]
        @functools.wraps(kind.call)  # Keras reads from it which arguments to pass
        def call(self, *args, **kwargs):
            answer = super().call(*args, **kwargs)
            return keras.ops.where(kept, answer, keras.ops.zeros_like(answer))

    return Muted.from_config(layer.get_config())


def _layer_with_channels(model, layer):
    """Return a layer by its name, and the number of its channels."""
    import keras

    calls = layer_calls(model)
    if layer not in calls:
        raise unknown_layer(model, layer, calls)
    operation, shape = calls[layer].operation, calls[layer].outputs[0].shape
    is_input = traits_of(operation).role == "input"
    if is_input or not isinstance(operation, keras.Layer):
        raise ValueError(
            f"{layer!r} ({type(operation).__name__}) is no layer that can be changed; "
            "name a layer such as a convolution"
        )
    if axes_in(model).get(layer, CHANNELS_LAST) != CHANNELS_LAST:
        raise ValueError(
            f"layer {layer!r} has its channels elsewhere than last, and none of them "
            "can be taken out; name a layer that has them last"
        )
    if len(shape) < 2 or shape[-1] is None:
        raise ValueError(
            f"layer {layer!r} has no channels: its output has shape {shape}"
        )
    return operation, shape[-1]
