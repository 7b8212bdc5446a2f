"""Where in a picture a classifier finds its votes, exactly.

In a network that ends in one dense layer right behind its last maps, each value of a
map has a place in the picture and a weight for each class.  So the difference of two
logits is a sum over places, with nothing left over but the bias.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cnnbook.checks import check_whole
from cnnbook.maps.layer_maps import feature_maps
from cnnbook.networks.classifier import filters_of

if TYPE_CHECKING:
    import keras


def vote_maps(
    model: keras.Model, images: npt.ArrayLike, target: int, against: int
) -> np.ndarray:
    """Lay the votes for one class against another back onto the pictures.

    Parameters
    ----------
    model : keras.Model
        As `networks.build_classifier` makes them.
    images : ndarray of shape (N, H, W, C)
        Intensities in [0, 1].
    target, against : int
        Two classes.

    Returns
    -------
    maps : ndarray of shape (N, H', W')
        One number for each position of the last pool: above zero where it votes for
        the target.  Each map's sum is the logit of the target less that of the other,
        but for the difference of their biases.

    Raises
    ------
    ValueError
        If the model is of another make, or has no such classes.

    Examples
    --------
    >>> from cnnbook.networks import build_classifier
    >>> network = build_classifier((16, 16, 3), filters=(2, 4))
    >>> images = np.random.default_rng(0).random((5, 16, 16, 3), np.float32)
    >>> maps = vote_maps(network, images, 0, 1)
    >>> logits = np.asarray(network(images))
    >>> bool(np.allclose(maps.sum(axis=(1, 2)), logits @ [1, -1], atol=1e-5))
    True
    """
    filters_of(model)
    weights, _ = model.get_layer("logits").get_weights()
    for name, number in (("target", target), ("against", against)):
        check_whole(number, name, least=0)
        if number >= weights.shape[1]:
            raise ValueError(
                f"{name} must be a class from 0 to {weights.shape[1] - 1}; got {number}"
            )
    last_pool = model.layers[-3].name  # followed by flatten and logits
    maps = feature_maps(model, images, last_pool)[last_pool]
    weights = (weights[:, target] - weights[:, against]).reshape(maps.shape[1:])
    return np.einsum("nhwf,hwf->nhw", maps, weights)
