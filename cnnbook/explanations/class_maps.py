"""Which places of a layer's maps speak for a class: weighted sums of the maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cnnbook.checks import check_whole
from cnnbook.explanations.explanation import Explanation, one_by_one
from cnnbook.explanations.gradients import gradients
from cnnbook.explanations.logits import image_spec, logits_by_layer, logits_of
from cnnbook.explanations.question import ask
from cnnbook.networks.compiled import compiled_once
from cnnbook.networks.graph import (
    axes_in,
    checked_axes,
    connections,
    follow,
    layer_calls,
    unknown_layer,
)
from cnnbook.networks.heads import Targets
from cnnbook.networks.traits import CONVOLUTIONS, POOLS, traits_of

if TYPE_CHECKING:
    import keras

WEIGHTED = "weighted activations"

# Layers that add nothing: the layer before them shows the same in finer detail.
_COARSER = POOLS | {"global pooling", "inert"}

# Layers that find something in a picture: until then, maps are still the picture.
_FINDING = CONVOLUTIONS | {"transposed convolution", "dense", "product"}


def grad_cam(
    model: keras.Model,
    images: npt.ArrayLike,
    target: Targets,
    *,
    layer: str | None = None,
    batch_size: int = 32,
) -> Explanation:
    """Weigh each map by its mean gradient, add up, and keep what is above zero [1]_.

    Parameters
    ----------
    model : keras.Model
        An image classifier, functional or Sequential; see `networks.head`.
    images : array of shape (N, H, W, C)
        In the range that the model was made for; passed on unchanged.
    target : int or str, or a sequence of N of them
        Number or name of the class to explain, or one for each image.
    layer : str, optional
        Whose maps are weighed; ``"inner/conv"`` for a layer of a model used as a
        layer.  By default the last one with maps, pools apart; the explanation says
        which.
    batch_size : int
        Images at a time; bounds the memory.

    Returns
    -------
    explanation : Explanation
        ``values`` of shape (N, H', W'), the layer's own, none below zero.

    Raises
    ------
    ValueError
        If the model is no such classifier or has no such class or layer, the layer has
        no maps, or the images do not fit.

    References
    ----------
    .. [1] R. R. Selvaraju et al., "Grad-CAM: visual explanations from deep networks via
       gradient-based localization", ICCV 2017.  https://doi.org/10.1109/ICCV.2017.74

    Examples
    --------
    Two maps, of the left pixel and of the right; the logit is 3 × the left less the
    right, so that the mean gradients are 1.5 and −0.5:

    >>> import keras
    >>> model = keras.Sequential([keras.Input((1, 2, 2)),
    ...     keras.layers.Conv2D(2, 1, name="maps"), keras.layers.Flatten(),
    ...     keras.layers.Dense(1)])
    >>> model.set_weights([np.eye(2).reshape(1, 1, 2, 2), np.zeros(2),
    ...     np.array([[3.0], [0], [0], [-1]]), np.zeros(1)])
    >>> image = np.array([[[[2.0, 0], [0, 4]]]])
    >>> found = grad_cam(model, image, 1)
    >>> found.layer, found.values
    ('maps', array([[[3., 0.]]], dtype=float32))
    """
    return _by_gradients(model, images, target, layer, "Grad-CAM", _means, batch_size)


def grad_cam_plus_plus(
    model: keras.Model,
    images: npt.ArrayLike,
    target: Targets,
    *,
    layer: str | None = None,
    batch_size: int = 32,
) -> Explanation:
    """Weigh each map by those of its gradients that speak for the class [1]_.

    Where several parts of an image speak for the class, large or small, each counts
    the same, while `grad_cam` lets the largest win.

    Parameters
    ----------
    model, images, target, layer, batch_size
        As for `grad_cam`.

    Returns
    -------
    explanation : Explanation
        As of `grad_cam`.

    Raises
    ------
    ValueError
        As `grad_cam`.

    References
    ----------
    .. [1] A. Chattopadhay, A. Sarkar, P. Howlader and V. N. Balasubramanian,
       "Grad-CAM++: generalized gradient-based visual explanations for deep
       convolutional networks", WACV 2018.  https://doi.org/10.1109/WACV.2018.00097
    """
    return _by_gradients(
        model, images, target, layer, "Grad-CAM++", _plus_plus, batch_size
    )


def xgrad_cam(
    model: keras.Model,
    images: npt.ArrayLike,
    target: Targets,
    *,
    layer: str | None = None,
    batch_size: int = 32,
) -> Explanation:
    """Weigh each map by its mean gradient where it is active, and add up as `grad_cam`.

    A gradient counts as much as the map holds at its place.  Before what is below zero
    is cut off, a map so made adds up to what that of `hires_cam` adds up to [1]_.

    Parameters
    ----------
    model, images, target, layer, batch_size
        As for `grad_cam`.

    Returns
    -------
    explanation : Explanation
        As of `grad_cam`.  Where the values of one of the layer's maps add up to zero,
        its weight is zero: behind a ReLU that map is empty.  (The authors' code adds
        1e-6 to each such sum instead.)

    Raises
    ------
    ValueError
        As `grad_cam`.

    References
    ----------
    .. [1] R. Fu, Q. Hu, X. Dong, Y. Guo, Y. Gao and B. Li, "Axiom-based Grad-CAM:
       towards accurate visualization and explanation of CNNs", BMVC 2020.
       https://arxiv.org/abs/2008.02312
    """
    return _by_gradients(
        model, images, target, layer, "XGrad-CAM", _means_where_active, batch_size
    )


def hires_cam(
    model: keras.Model,
    images: npt.ArrayLike,
    target: Targets,
    *,
    layer: str | None = None,
    batch_size: int = 32,
) -> Explanation:
    """Multiply each value of the maps by its own gradient, and add up the maps [1]_.

    Where the rest of the network is a pool at most and one dense layer, these are the
    layer's votes for the class and against it, place by place: a map adds up to the
    logit less the bias.  `grad_cam` would spread a map's mean weight over all its
    places.

    Parameters
    ----------
    model, images, target, layer, batch_size
        As for `grad_cam`.

    Returns
    -------
    explanation : Explanation
        ``values`` of shape (N, H', W'), the layer's own, in logits: below zero where
        the maps speak against the class.

    Raises
    ------
    ValueError
        As `grad_cam`.

    References
    ----------
    .. [1] R. L. Draelos and L. Carin, "Use HiResCAM instead of Grad-CAM for faithful
       explanations of convolutional neural networks", 2020.
       https://arxiv.org/abs/2011.08891
    """
    return _by_gradients(
        model, images, target, layer, "HiResCAM", _each_its_own, batch_size, signed=True
    )


def ablation_cam(
    model: keras.Model,
    images: npt.ArrayLike,
    target: Targets,
    *,
    layer: str | None = None,
    batch_size: int = 32,
    progress: bool = False,
) -> Explanation:
    """Weigh each map by how far the logit drops without it; no gradients [1]_.

    Every map of the layer is left out once, and nothing is drawn at random: the weights
    are exact.

    Parameters
    ----------
    model, images, target, layer
        As for `grad_cam`.
    batch_size : int
        Maps left out at a time, one in each pass through the rest of the network.
    progress : bool
        Whether to show a bar on stderr.

    Returns
    -------
    explanation : Explanation
        As of `grad_cam`.  The weights are plain drops, in logits: the original divides
        them by the logit, which changes nothing but the scale where the logit is above
        zero, and turns the map round where it is below.

    Raises
    ------
    ValueError
        As `grad_cam`.

    References
    ----------
    .. [1] S. Desai and H. G. Ramaswamy, "Ablation-CAM: visual explanations for deep
       convolutional network via gradient-free localization", WACV 2020.
       https://doi.org/10.1109/WACV45572.2020.9093360
    """
    check_whole(batch_size, "batch_size")
    question, layer = ask(model, images, target), maps_layer(model, layer)
    end = question.head
    look = compiled_once(
        model,
        ("maps", layer),
        lambda network: _maps_function(model, network, end, layer),
    )
    without = compiled_once(
        model,
        ("ablation", layer),
        lambda network: _ablation(model, network, end, layer),
    )
    values, logits = [], []
    for image, selector in zip(
        one_by_one(question.images, "Ablation-CAM", progress),
        question.selectors,
        strict=True,
    ):
        outputs, maps = look(image[None])
        (logit,), left = logits_of(outputs, selector), []
        for start in range(0, maps.shape[-1], batch_size):
            numbers = np.arange(start, min(start + batch_size, maps.shape[-1]))
            left.append(logits_of(without(image[None], maps, numbers), selector))
        drops = logit - np.concatenate(left)
        maps = np.asarray(maps, "float32")
        values.append(np.maximum(weighted_maps(maps, drops[None])[0], 0))
        logits.append(logit)
    return question.answer(
        np.stack(values),
        logits,
        method="Ablation-CAM",
        layer=layer,
        units=WEIGHTED,
        signed=False,
    )


def maps_layer(model: keras.Model, layer: str | None = None) -> str:
    """Return the name of a layer with maps, by default the last one with room.

    Parameters
    ----------
    model : keras.Model
    layer : str, optional

    Returns
    -------
    layer : str
        By default the last layer whose output still has rows and columns, pools apart:
        those would only make the maps coarser.  It is, or lies behind, a layer that
        finds something: a convolution of whatever kind, a dense layer, or a layer of
        one's own.

    Raises
    ------
    ValueError
        If the layer is unknown, has no maps, or there is none.
    """
    calls, axes = layer_calls(model), axes_in(model)
    spatial = [name for name in calls if _has_places(calls[name], axes.get(name))]
    listed = ", ".join(spatial)
    if layer is not None:
        if layer not in calls:
            raise unknown_layer(model, layer, calls)
        checked_axes(model, layer)
        if layer not in spatial:
            raise ValueError(
                f"layer {layer!r} has no maps, since its output has shape "
                f"{tuple(calls[layer].outputs[0].shape)}: nothing in it has a place in "
                f"the image any more. Layers that have: {listed or 'none'}"
            )
        return layer
    if not spatial:
        raise ValueError(
            f"model {model.name!r} has no layer with maps, (N, H, W, F), to be "
            "explained; occlusion_map needs none"
        )
    shown = [
        name
        for name in _found_in_places(model, spatial)
        if traits_of(calls[name].operation).role not in _COARSER
    ]
    if not shown:
        raise ValueError(
            f"model {model.name!r} has no convolution whose maps could be explained, "
            f"nor a layer that may hold one; choose one by layer=, of: {listed}"
        )
    return shown[-1]


def _found_in_places(model, spatial):
    """Name those of the layers with maps that show what was found in a picture.

    In the order of computation.  What has been a row of numbers has lost its places,
    and does not get them back by being given rows and columns again.
    """
    import keras

    names = []

    def look(name, node, args, kwargs):
        sources = [
            value
            for value in keras.tree.flatten((args, kwargs))
            if isinstance(value, str)
        ]
        seen = "found" if "found" in sources or _finds(node) else "picture"
        shape = tuple(node.outputs[0].shape)
        flat = len(shape) < 3 or (len(shape) == 4 and name not in spatial)
        if flat or set(sources) <= {"lost"}:
            seen = "lost"
        if seen == "found" and name in spatial:
            names.append(name)
        return [seen] * len(node.outputs)

    follow(connections(model), ["picture"], look)
    return names


def _finds(node):
    """Tell whether a layer finds something; of an unknown one, whether it may."""
    operation = node.operation
    role = traits_of(operation).role
    if role != "unknown":
        return role in _FINDING
    channels = {tensor.shape[-1] for tensor in (*node.input_tensors, *node.outputs)}
    return bool(getattr(operation, "weights", ())) or len(channels) > 1


def weighted_maps(maps: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Add up weighted maps.

    Parameters
    ----------
    maps : ndarray of shape (N, H, W, F)
    weights : ndarray of shape (N, F), or (N, H, W, F)
        One for each map, or for each of its values.

    Returns
    -------
    sums : ndarray of shape (N, H, W)

    Examples
    --------
    >>> weighted_maps(np.array([[[[2.0, 0.0], [0.0, 4.0]]]]), np.array([[1.5, -0.5]]))
    array([[[ 3., -2.]]])
    """
    if weights.ndim == 2:
        weights = weights[:, None, None]
    return (maps * weights).sum(axis=-1)


def _means(maps, slopes):
    """Return each map's weight by Grad-CAM: its mean gradient."""
    return slopes.mean(axis=(1, 2))


def _means_where_active(maps, slopes):
    """Return each map's weight by XGrad-CAM: its mean gradient, by its own values."""
    sums, totals = (maps * slopes).sum(axis=(1, 2)), maps.sum(axis=(1, 2))
    return np.divide(sums, totals, out=np.zeros_like(sums), where=totals != 0)


def _each_its_own(maps, slopes):
    """Return each value's weight by HiResCAM: its gradient."""
    return slopes


def _plus_plus(maps, slopes):
    """Return each map's weight by Grad-CAM++.

    The paper takes the exponential of the logit; its higher derivatives are then powers
    of the first one, and a factor common to all maps of an image falls away.
    """
    total = maps.sum(axis=(1, 2), keepdims=True)
    below = 2 * slopes**2 + total * slopes**3
    # Where the gradient is 0, so is the weight, whatever the share.
    shares = slopes**2 / np.where(below == 0, 1, below)
    return (shares * np.maximum(slopes, 0)).sum(axis=(1, 2))


def _by_gradients(
    model, images, target, layer, method, weigh, batch_size, *, signed=False
):
    """Explain by weights made of maps and gradients; above zero, unless signed."""
    question, layer = ask(model, images, target), maps_layer(model, layer)
    values, logits = [], []
    for _, logit, maps, slopes in gradients(
        model, question.images, question.selectors, layer=layer, batch_size=batch_size
    ):
        sums = weighted_maps(maps, weigh(maps, slopes))
        values.append(sums if signed else np.maximum(sums, 0))
        logits.append(logit)
    return question.answer(
        np.concatenate(values),
        np.concatenate(logits),
        method=method,
        layer=layer,
        units="logits" if signed else WEIGHTED,
        signed=signed,
    )


def _maps_function(model, network, end, layer):
    """Compile images -> (logits, maps of the layer)."""
    import tensorflow as tf

    def compute(images):
        logits, found = logits_by_layer(network, end, images, [layer])
        return logits, found[layer]

    function = tf.function(compute, autograph=False)
    return function.get_concrete_function(image_spec(model))


def _ablation(model, network, end, layer):
    """Compile (image, maps, numbers) -> logits, each with one of the maps left out."""
    import tensorflow as tf

    def compute(image, maps, numbers):
        kept = 1 - tf.one_hot(numbers, tf.shape(maps)[-1], dtype=maps.dtype)
        several = maps * kept[:, None, None, :]
        # On a chain nothing is computed with the images; branches do need them.
        images = tf.repeat(image, tf.shape(numbers)[0], axis=0)
        return logits_by_layer(network, end, images, given={layer: several})[0]

    (maps,) = layer_calls(model)[layer].outputs
    sides = [maps.shape[axis] for axis in checked_axes(model, layer)]
    function = tf.function(compute, autograph=False)
    return function.get_concrete_function(
        image_spec(model),
        tf.TensorSpec((None, *sides), maps.dtype),
        tf.TensorSpec((None,), tf.int64),
    )


def _has_places(node, axes):
    """Tell whether a call answers with maps of more than one place."""
    shape = node.outputs[0].shape
    return axes is not None and any(shape[axis] != 1 for axis in axes[:2])
