"""What the layers of any Keras model compute for given images."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cnnbook.checks import check_whole
from cnnbook.maps.receptive_fields import layer_without_room
from cnnbook.networks.compiled import compiled_once
from cnnbook.networks.graph import (
    Connections,
    axes_in,
    checked_axes,
    connections,
    follow,
    layer_calls,
    run,
    unknown_layer,
)
from cnnbook.networks.inputs import fitting_images, one_image_input
from cnnbook.networks.traits import CONVOLUTIONS, POOLS, traits_of

if TYPE_CHECKING:
    import keras

_KINDS = {
    "convolutions": CONVOLUTIONS | {"transposed convolution"},
    "pools": POOLS,
}


def feature_maps(
    model: keras.Model,
    images: npt.ArrayLike,
    layers: str | Iterable[str] | None = None,
    *,
    batch_size: int = 32,
) -> dict[str, np.ndarray]:
    """Compute the feature maps of any layers, all in one forward pass.

    The model sees the images exactly as given, in inference mode.  The function
    that extracts the maps is compiled at the first call for a model and these
    layers, and reused for as long as the model lives, whatever the number of
    images: change weights freely in between.  Where anything else of the layers was
    changed, such as an activation function, it is compiled anew.

    Parameters
    ----------
    model : keras.Model
        Functional or Sequential, with one image as its input.
    images : array of shape (N, H, W, C)
        In the range that the model was made for; nothing is rescaled.
    layers : str or iterable of str, optional
        Names, patterns (``"*_conv*"``), or the kinds ``"convolutions"`` and
        ``"pools"``.  A layer ``conv`` of a model ``inner`` used as a layer is
        ``"inner/conv"``; the second use of a shared layer is ``"conv#2"``.  By
        default every layer with maps from the first convolution on: what comes
        before (the input, rescaling, padding, …) is still the image.  A layer of one's
        own is a convolution if its class is derived from one.
    batch_size : int
        How many images at most pass through the model at once; bounds the memory
        needed beside the maps themselves.

    Returns
    -------
    maps : dict of str to ndarray of shape (N, H', W', F)
        In the order in which the model computes them, whatever the order asked
        for, with each layer's own data type.  Channels are last and rows are those of
        the image, also of layers that have them elsewhere.  The arrays are read-only,
        so that large maps need no copying; copy what you want to change.

    Raises
    ------
    ValueError
        If the model is not built, not functional, or has several inputs; if a
        layer is unknown or has no maps, or layers contradict each other about which
        axis is that of channels; if the images do not fit the model.

    Examples
    --------
    Brightness doubled by a 1 × 1 kernel, then the largest of each 2 × 2 square:

    >>> import keras
    >>> double = keras.layers.Conv2D(1, 1, kernel_initializer=lambda shape, dtype:
    ...     2 * keras.ops.ones(shape, dtype), name="double")
    >>> pool = keras.layers.MaxPooling2D(2, name="pool")
    >>> model = keras.Sequential([keras.Input((2, 4, 1)), double, pool])
    >>> image = np.arange(8.0).reshape(1, 2, 4, 1)
    >>> {name: maps[0, :, :, 0] for name, maps in feature_maps(model, image).items()}
    {'double': array([[ 0.,  2.,  4.,  6.],
           [ 8., 10., 12., 14.]], dtype=float32),
     'pool': array([[10., 14.]], dtype=float32)}
    """
    check_whole(batch_size, "batch_size")
    if layers is not None:
        layers = (
            tuple(layers)
            if isinstance(layers, Iterable) and not isinstance(layers, str)
            else (layers,)
        )
        if not all(isinstance(layer, str) for layer in layers):
            raise ValueError(
                "layers must be names of layers (of a layer object, its name); got "
                + ", ".join(map(repr, layers))
            )
    extractor = _extractor(model, layers)
    images = fitting_images(model, images)
    _check_room(model, extractor, images.shape[1:3])

    if len(images) <= batch_size:
        # np.asarray is a view of TensorFlow's own memory, and cannot be written to.
        return {n: np.asarray(t) for n, t in _run(model, extractor, images).items()}
    # These are copied, so that for a moment a batch's maps are held twice: smaller
    # batches keep that, and what TensorFlow never gives back, small beside the rest.
    maps, step = {}, max(1, batch_size // 4)
    for start in range(0, len(images), step):
        batch = slice(start, start + step)
        for name, computed in _run(model, extractor, images[batch]).items():
            if name not in maps:
                shape = (len(images), *computed.shape[1:])
                maps[name] = np.empty(shape, computed.dtype.as_numpy_dtype)
            maps[name][batch] = np.asarray(computed)
    for array in maps.values():
        array.flags.writeable = False
    return maps


def kernels(model: keras.Model, layer: str) -> np.ndarray:
    """Return the kernels of a convolution.

    Parameters
    ----------
    model : keras.Model
        Functional or Sequential.
    layer : str
        The name of a Conv2D or DepthwiseConv2D layer; ``"inner/conv"`` inside a
        nested model.

    Returns
    -------
    kernels : ndarray of shape (K_h, K_w, C, F)
        A copy.  For a depthwise convolution, F counts the filters of each of the
        C channels; for a grouped one, C counts the channels of a group.

    Raises
    ------
    ValueError
        If the layer is unknown or has no such kernels.

    Examples
    --------
    >>> import keras
    >>> conv = keras.layers.Conv2D(16, (3, 5), name="conv")
    >>> kernels(keras.Sequential([keras.Input((32, 32, 3)), conv]), "conv").shape
    (3, 5, 3, 16)
    """
    operations = {name: node.operation for name, node in layer_calls(model).items()}
    if layer not in operations:
        raise unknown_layer(model, layer, operations)
    operation = operations[layer]
    having = [name for name, own in operations.items() if _has_kernels(own)]
    if layer not in having:
        raise ValueError(
            f"layer {layer!r} ({type(operation).__name__}) has no kernels of shape "
            f"(K_h, K_w, C, F); layers that have: {', '.join(having) or 'none'}"
        )
    return np.asarray(operation.kernel).copy()


def silent_channels(
    maps: npt.ArrayLike, *, tolerance: float = 0.0
) -> npt.NDArray[np.bool_]:
    """Find the filters that were not activated anywhere on an image.

    Meant for maps after a ReLU, which is exactly 0 wherever a filter does not
    respond.  Other activations hardly ever give exact zeros (GELU, sigmoid, tanh),
    so that none of their channels counts as silent unless a tolerance says what
    is to pass for nothing.

    Parameters
    ----------
    maps : array of shape (N, H, W, F)
        One layer's feature maps.
    tolerance : float
        Largest absolute value that still counts as silence, in the maps' units.

    Returns
    -------
    silent : ndarray of bool, shape (N, F)
        A map with a NaN anywhere is not silent.

    Raises
    ------
    ValueError
        If the maps are not four-dimensional or are empty, or the tolerance is
        negative.

    Examples
    --------
    Of two filters, only the first responds:

    >>> maps = np.zeros((1, 4, 4, 2))
    >>> maps[0, 1, 2, 0] = 0.5
    >>> silent_channels(maps)
    array([[False,  True]])
    """
    maps = np.asarray(maps)
    if maps.ndim != 4 or 0 in maps.shape[1:3]:
        raise ValueError(
            "maps must have shape (N, H, W, F) with at least one position; got shape "
            f"{maps.shape}"
        )
    if not tolerance >= 0:
        raise ValueError(f"tolerance must be 0 or more; got {tolerance!r}")
    highest, lowest = maps.max(axis=(1, 2)), maps.min(axis=(1, 2))
    return (highest <= tolerance) & (lowest >= -tolerance)


def _has_kernels(operation):
    """Tell whether a layer has kernels of shape (K_h, K_w, C, F)."""
    traits = traits_of(operation)
    kinds = ("convolution", "depthwise convolution")
    return traits.reach == "window" and traits.role in kinds


class _Extractor(NamedTuple):
    names: list
    compute: Any  # tensor of images -> list of tensors, one for each name
    network: Connections
    sizes: set  # of images known to be large enough


def _extractor(model, layers):
    """Return the compiled function for these layers of a model, made once."""
    connections(model)  # refuses what cannot be taken apart
    one_image_input(model)
    return compiled_once(
        model,
        ("maps", layers),
        lambda network: _compile(network, _chosen(model, layers), model.inputs[0]),
    )


def _compile(network, names, image):
    """Return an extractor for the named layers.

    It must not refer to the model, which would then never be collected.
    """
    import tensorflow as tf

    def compute(images):
        maps = run(network, images, names).values()
        # NumPy has no bfloat16; float32 holds each of its numbers exactly.
        return [tf.cast(m, "float32") if m.dtype == "bfloat16" else m for m in maps]

    # Traced here, once, for any number of images and any size the model takes.
    signature = tf.TensorSpec((None, *image.shape[1:]), image.dtype)
    function = tf.function(compute, autograph=False)
    return _Extractor(names, function.get_concrete_function(signature), network, set())


def _check_room(model, extractor, size):
    """Refuse images too small for a layer; TensorFlow may answer with nonsense."""
    if size in extractor.sizes:
        return
    if layer := layer_without_room(extractor.network, size):
        raise ValueError(
            f"images of {size[0]} × {size[1]} pixels are too small for model "
            f"{model.name!r}: there is no room for the window of {layer!r}; pass "
            "larger images"
        )
    extractor.sizes.add(size)


def _run(model, extractor, batch):
    """Return the maps of one batch as tensors, by name."""
    import tensorflow as tf

    try:
        maps = extractor.compute(tf.constant(batch, model.inputs[0].dtype))
    except (tf.errors.InvalidArgumentError, tf.errors.AbortedError) as error:
        lines = [line for line in error.message.splitlines() if "{{node" not in line]
        raise ValueError(
            f"model {model.name!r} cannot take images of shape {batch.shape}: "
            f"{lines[-1]}"
        ) from error
    return dict(zip(extractor.names, maps, strict=True))


def _chosen(model, layers):
    """Return the names of the layers asked for, in the order of computation."""
    calls = layer_calls(model)
    axes = axes_in(model)
    spatial = [name for name in calls if axes.get(name)]
    roles = {name: traits_of(calls[name].operation).role for name in spatial}
    chosen: set[str] = set()
    if layers is None:
        maps = {name for name in spatial if roles[name] != "input"}
        chosen = maps & _behind_a_convolution(model) or maps
    for layer in layers or ():
        if layer in _KINDS and layer not in calls:
            chosen.update(name for name in spatial if roles[name] in _KINDS[layer])
            continue
        matching = [layer] if layer in calls else fnmatch.filter(calls, layer)
        if not matching:
            raise unknown_layer(model, layer, calls)
        checked_axes(model, matching[0])
        if not set(matching) & set(spatial):
            raise ValueError(
                f"layer {matching[0]!r} has no feature maps: its output has shape "
                f"{calls[matching[0]].outputs[0].shape}. Layers that have: "
                + ", ".join(spatial)
            )
        chosen.update(matching)
    if not chosen:
        asked = "all behind the input" if layers is None else repr(layers)
        raise ValueError(
            f"model {model.name!r} has none of the layers asked for, {asked}; "
            f"layers with feature maps: {', '.join(spatial) or 'none'}"
        )
    return [name for name in spatial if name in chosen]


def _behind_a_convolution(model):
    """Return the names of the layers that see the image through a convolution."""
    import keras

    image, maps = object(), object()
    behind = set()

    def look(name, node, args, kwargs):
        seen = any(value is maps for value in keras.tree.flatten((args, kwargs)))
        role = traits_of(node.operation).role
        if not seen and role not in _KINDS["convolutions"]:
            return [image] * len(node.outputs)
        behind.add(name)
        return [maps] * len(node.outputs)

    follow(connections(model), [image], look)
    return behind
