"""What one network makes of one picture at several moments of its training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cnnbook.checks import check_whole
from cnnbook.explanations.logits import class_probabilities
from cnnbook.maps.layer_maps import feature_maps, kernels
from cnnbook.networks.graph import layer_calls
from cnnbook.networks.traits import POOLS, traits_of

if TYPE_CHECKING:
    import keras

MOST_MOMENTS = 20


@dataclass(frozen=True, eq=False)
class Snapshots:
    """A network at E moments of its training, and what it makes of a picture.

    Attributes
    ----------
    epochs : list of int
        Epochs done at each moment.
    probabilities : ndarray of shape (E, K)
    layer : str
        The first convolution.
    kernels : ndarray of shape (E, K_h, K_w, C, F)
        The weights of that layer at each moment, without its biases.
    maps : dict of str to ndarray of shape (E, H, W, F)
        Behind each pooling layer; where there is none, behind each convolution.
    """

    epochs: list[int]
    probabilities: np.ndarray
    layer: str
    kernels: np.ndarray
    maps: dict[str, np.ndarray]


def take_snapshots(
    model: keras.Model, checkpoints: dict[int, list[np.ndarray]], image: np.ndarray
) -> Snapshots:
    """Show a picture to a network as it was at several moments of its training.

    Parameters
    ----------
    model : keras.Model
        Functional or Sequential, with a convolution, and with a row of class scores or
        probabilities as its answer.  It keeps the weights that it has.
    checkpoints : dict of int to list of ndarray
        By the number of epochs done: the weights, as ``model.get_weights()`` gives
        them; 2 to 20 of them.
    image : ndarray of shape (H, W, C)
        In the range that the model was made for.

    Returns
    -------
    snapshots : Snapshots

    Raises
    ------
    ValueError
        If the model is of another kind, or if weights do not fit it or lead to numbers
        that are not finite.

    Examples
    --------
    >>> from cnnbook.networks import build_classifier
    >>> network = build_classifier((16, 16, 3), filters=(2, 4))
    >>> kept = {epoch: network.get_weights() for epoch in (0, 1)}
    >>> snapshots = take_snapshots(network, kept, np.zeros((16, 16, 3), np.float32))
    >>> {name: maps.shape for name, maps in snapshots.maps.items()}
    {'block1_pool': (2, 8, 8, 2), 'block2_pool': (2, 4, 4, 4)}
    """
    checkpoints = _in_order(checkpoints)
    seen = {
        name: traits.role
        for name, call in layer_calls(model).items()
        if (traits := traits_of(call.operation)).reach == "window"
    }
    convolutions = [name for name, role in seen.items() if role == "convolution"]
    pools = [name for name, role in seen.items() if role in POOLS]
    if not convolutions:
        raise ValueError(f"model {model.name!r} has no Conv2D, whose filters to show")
    first, stages = convolutions[0], pools or convolutions
    moments, before = [], model.get_weights()
    try:
        for epoch, weights in checkpoints.items():
            _take(model, weights, epoch)
            maps = feature_maps(model, image[None], stages)
            probabilities = class_probabilities(model, image[None])
            moment = [kernels(model, first), probabilities[0]]
            moment += [maps[stage][0] for stage in stages]
            if not all(np.isfinite(array).all() for array in moment):
                raise ValueError(
                    f"the weights after {epoch} epochs lead to numbers that are not "
                    "finite: leave them out"
                )
            moments.append(moment)
    finally:
        model.set_weights(before)
    own, probabilities, *stacked = map(np.stack, zip(*moments, strict=True))
    maps = dict(zip(stages, stacked, strict=True))
    return Snapshots([*checkpoints], probabilities, first, own, maps)


def _in_order(checkpoints):
    """Return checkpoints, the earliest first; ValueError if they are something else."""
    if not isinstance(checkpoints, dict) or not 2 <= len(checkpoints) <= MOST_MOMENTS:
        count = f" of {len(checkpoints)}" if hasattr(checkpoints, "__len__") else ""
        raise ValueError(
            f"checkpoints must be a dict of 2 to {MOST_MOMENTS} numbers of epochs and "
            f"the weights after them; got {type(checkpoints).__name__}{count}"
        )
    for epoch in checkpoints:
        check_whole(epoch, "a number of epochs", least=0)
    return {int(epoch): checkpoints[epoch] for epoch in sorted(checkpoints)}


def _take(model, weights, epoch):
    """Give a model the weights of an epoch; ValueError if they are of another."""
    shapes = [np.shape(array) for array in weights]
    if shapes != (own := [tuple(array.shape) for array in model.get_weights()]):
        raise ValueError(
            f"the weights after {epoch} epochs must have the shapes of those of model "
            f"{model.name!r}, {own}; got {shapes}"
        )
    model.set_weights(weights)
