"""Does a map explain this network and this class?  Change either, and look again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cnnbook.checks import check_whole
from cnnbook.explanations.logits import (
    baseline_of,
    class_probabilities,
    explainable_images,
)
from cnnbook.networks.copies import copy_network
from cnnbook.networks.heads import Targets, head
from cnnbook.networks.traits import traits_of

if TYPE_CHECKING:
    import keras


def with_random_weights(
    model: keras.Model, *, seed: int = 0
) -> Iterator[tuple[str, keras.Model]]:
    """Replace a network's weights by random ones, layer after layer from the end.

    Parameters
    ----------
    model : keras.Model
        Stays as it is: copies are changed.
    seed : int
        Decides the weights: kernels as before training [1]_, biases zero.  Statistics
        of normalisation layers stay as they are.

    Yields
    ------
    layer : str
        The layer that was changed last.
    model : keras.Model
        A copy, in which that layer and all behind it are random; the same object every
        time.

    References
    ----------
    .. [1] K. He, X. Zhang, S. Ren and J. Sun, "Delving deep into rectifiers", ICCV
       2015.  https://doi.org/10.1109/ICCV.2015.123

    Examples
    --------
    >>> from cnnbook.networks import build_classifier
    >>> network = build_classifier((16, 16, 3), filters=(2, 4))
    >>> [layer for layer, _ in with_random_weights(network)]
    ['logits', 'block2_conv', 'block1_conv']
    """
    copy = copy_network(model)
    copy.provenance = None  # random weights come from nowhere
    rng = np.random.default_rng(seed)
    for layer in reversed(_innermost(copy)):
        if not any(len(weight.shape) > 1 for weight in layer.weights):
            continue
        layer.set_weights([_random(layer, weight, rng) for weight in layer.weights])
        yield layer.name, copy


def insertion_curve(
    model: keras.Model,
    images: npt.ArrayLike,
    target: Targets,
    maps: npt.ArrayLike,
    *,
    steps: int = 20,
    baseline: npt.ArrayLike = 0.0,
) -> np.ndarray:
    """Show the pixels of images bit by bit, those first that maps call important.

    Parameters
    ----------
    model, images, target
        As for `explanations.occlusion_map`.
    maps : ndarray of shape (N, H, W)
        From `Explanation.on_pixels`.
    steps : int
        From nothing to everything.
    baseline : float or array that broadcasts to (H, W, C)
        What stands where nothing is shown, in the images' range.

    Returns
    -------
    probabilities : ndarray of shape (N, steps + 1)
        Of the target, from the baseline to the whole image.  The earlier it rises, the
        better the map [1]_.

    References
    ----------
    .. [1] V. Petsiuk, A. Das and K. Saenko, "RISE: randomized input sampling for
       explanation of black-box models", BMVC 2018.  https://arxiv.org/abs/1806.07421
    """
    return _curve(model, images, target, maps, steps, baseline, inserted=True)


def deletion_curve(
    model: keras.Model,
    images: npt.ArrayLike,
    target: Targets,
    maps: npt.ArrayLike,
    *,
    steps: int = 20,
    baseline: npt.ArrayLike = 0.0,
) -> np.ndarray:
    """Hide the pixels of images bit by bit, those first that maps call important.

    Parameters
    ----------
    model, images, target, maps, steps, baseline
        As for `insertion_curve`.

    Returns
    -------
    probabilities : ndarray of shape (N, steps + 1)
        Of the target, from the whole image to the baseline.  The earlier it falls, the
        better the map.
    """
    return _curve(model, images, target, maps, steps, baseline, inserted=False)


def _curve(model, images, target, maps, steps, baseline, *, inserted):
    """Return the target's probability as pixels appear, or vanish."""
    check_whole(steps, "steps")
    images = explainable_images(model, images)
    filling = baseline_of(baseline, images)
    indices = head(model).targets(target, len(images))
    if np.shape(maps) != images.shape[:3]:
        raise ValueError(
            f"maps must be one for each image, of shape {images.shape[:3]}; got "
            f"{np.shape(maps)}: Explanation.on_pixels spreads maps over the pixels"
        )
    probabilities = []
    for image, heat, index in zip(images, maps, indices, strict=True):
        # Ties are broken by chance, since their order in memory is from top to bottom.
        chance = np.random.default_rng(0).random(heat.size)
        place = np.empty(heat.size)
        place[np.lexsort((chance, -heat.ravel()))] = np.arange(heat.size) / heat.size
        first = place.reshape(heat.shape) < np.linspace(0, 1, steps + 1)[:, None, None]
        seen = np.where((first == inserted)[..., None], image, filling)
        probabilities.append(class_probabilities(model, seen)[:, index])
    return np.array(probabilities)


def _innermost(model):
    """List the layers of a model, those of models inside it included."""
    layers: list[keras.Layer] = []
    for layer in model.layers:
        layers += _innermost(layer) if hasattr(layer, "layers") else [layer]
    return layers


def _random(layer, weight, rng):
    """Return a kernel as before training; a vector of zeros for a bias."""
    shape = tuple(weight.shape)
    if len(shape) < 2:
        return np.zeros(shape)
    # A depthwise kernel, whose last axis is not yet the outputs, sees one channel.
    alone = traits_of(layer).role == "depthwise convolution"
    by_depth = alone or weight.name == "depthwise_kernel"  # of a separable convolution
    fan_in = np.prod(shape[: 2 if by_depth else -1])
    return rng.normal(0, np.sqrt(2 / fan_in), shape)
