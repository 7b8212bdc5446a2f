"""Every control that a map can be put to, in one call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cnnbook.explanations import controls, truth
from cnnbook.explanations.explanation import Explanation
from cnnbook.networks.heads import Targets, head

if TYPE_CHECKING:
    import keras

RESAMPLES = 2000  # of the images, for intervals


@dataclass(frozen=True, eq=False)
class Assessment:
    """How a method's maps stood up to the controls, image by image.

    Attributes
    ----------
    explanation : Explanation
        The maps that were examined.
    shares, areas : ndarray of shape (N,), or None
        Share of the attribution inside the telling parts, and of the picture's area;
        None without masks.
    hits, aucs : ndarray of shape (N,), or None
        From `explanations.pointing_game` and `explanations.pixel_auc`; None without
        masks.
    insertion, deletion : ndarray of shape (N, steps + 1)
        From `explanations.insertion_curve` and `explanations.deletion_curve`.
    random_weights : dict of str to ndarray of shape (N,)
        By the layer from which to the end all weights are random, the last layer
        first: similarity of the maps to those of the network as it is.  A map that
        stays the same has nothing to do with what the network learned [1]_.
    random_shares : ndarray of shape (N,), or None
        As ``shares``, with all weights random.
    other_class : ndarray of shape (N,)
        Similarity of the maps to those for another class.  A map that stays the same
        says nothing about the class.

    References
    ----------
    .. [1] J. Adebayo et al., "Sanity checks for saliency maps", NeurIPS 2018.
       https://arxiv.org/abs/1810.03292
    """

    explanation: Explanation
    shares: np.ndarray | None
    areas: np.ndarray | None
    hits: np.ndarray | None
    aucs: np.ndarray | None
    insertion: np.ndarray
    deletion: np.ndarray
    random_weights: dict[str, np.ndarray]
    random_shares: np.ndarray | None
    other_class: np.ndarray

    def summary(self) -> dict[str, tuple[float, float, float]]:
        """Average over the images, with 95 % intervals for the chance of the images.

        Returns
        -------
        summary : dict of str to tuple of float
            Each a mean with the ends of its interval, by bootstrap: "share", "area",
            "ratio" (of these two), "density" (times as much on the parts as on the
            rest, per area), "random_density" (the same with random weights), "hits",
            "auc", "insertion", "deletion" (means of the curves), "random_end"
            (similarity with the weights of the last layer random), "random_weights"
            (with all weights random) and "other_class"; what was not measured is left
            out.
        """
        steps = list(self.random_weights.values())
        found: dict[str, tuple[Any, ...]] = {
            "random_end": (np.mean, steps[0]),
            "random_weights": (np.mean, steps[-1]),
            "other_class": (np.mean, self.other_class),
            "insertion": (np.mean, self.insertion.mean(axis=1)),
            "deletion": (np.mean, self.deletion.mean(axis=1)),
        }
        if self.shares is not None:
            found |= {
                "share": (np.mean, self.shares),
                "area": (np.mean, self.areas),
                "ratio": (_ratio, self.shares, self.areas),
                "density": (truth.density, self.shares, self.areas),
                "random_density": (truth.density, self.random_shares, self.areas),
                "hits": (np.mean, self.hits),
                "auc": (np.nanmean, self.aucs),
            }
        return {name: _with_interval(*parts) for name, parts in found.items()}


def assess(
    explain: Callable[..., Explanation],
    model: keras.Model,
    images: np.ndarray,
    target: Targets,
    *,
    masks: np.ndarray | None = None,
    other: Targets | None = None,
    seed: int = 0,
    steps: int = 20,
    baseline: npt.ArrayLike = 0.0,
) -> Assessment:
    """Put a method to every control.

    Parameters
    ----------
    explain : callable
        ``explain(model, images, target)`` returns an `Explanation`: a function of
        `explanations`, or one with options set by `functools.partial`.
    model : keras.Model
        An image classifier; see `networks.head`.  It stays as it is.
    images : array of shape (N, H, W, C)
        In the range that the model was made for.
    target : int or str, or a sequence of N of them
        The class of each image.
    masks : ndarray of shape (N, H, W), bool, optional
        The pixels that truly tell the classes apart; see `explanations.telling_parts`.
        Without them, nothing is compared with the truth.
    other : int or str, or a sequence of N of them, optional
        Another class for each image; by default the next one.
    seed : int
        Decides the random weights.
    steps, baseline
        Of the curves; as in `explanations.deletion_curve`.

    Returns
    -------
    assessment : Assessment

    Raises
    ------
    ValueError
        As the method, or if masks do not fit the images, hold nothing or everything, or
        the other class is the target.

    Examples
    --------
    >>> from cnnbook.networks import build_classifier
    >>> from cnnbook.explanations import saliency_map
    >>> network = build_classifier((16, 16, 3), filters=(2, 4))
    >>> images = np.random.default_rng(0).random((5, 16, 16, 3), np.float32)
    >>> masks = np.zeros((5, 16, 16), bool)
    >>> masks[:, 4:12, 4:12] = True
    >>> found = assess(saliency_map, network, images, 0, masks=masks)
    >>> found.areas.mean(), list(found.random_weights)
    (np.float64(0.25), ['logits', 'block2_conv', 'block1_conv'])
    """
    end = head(model)
    indices = end.targets(target, len(images))
    swapped = (
        (indices + 1) % end.num_classes
        if other is None
        else end.targets(other, len(images))
    )
    if (indices == swapped).any():
        raise ValueError("other must be another class than the target for each image")
    if masks is not None and (not np.any(masks) or np.all(masks)):
        raise ValueError("masks must hold some pixels, and not all of them")
    explanation = explain(model, images, target)
    maps = explanation.on_pixels()
    found: dict[str, Any] = dict.fromkeys(
        ("shares", "areas", "hits", "aucs", "random_shares")
    )
    if masks is not None:
        found["shares"], found["areas"] = truth.attribution_inside(maps, masks)
        found["hits"] = truth.pointing_game(maps, masks)
        found["aucs"] = truth.pixel_auc(maps, masks)
    random_weights = {}
    for layer, changed in controls.with_random_weights(model, seed=seed):
        random_maps = explain(changed, images, target).on_pixels()
        random_weights[layer] = truth.similarity(maps, random_maps)
    if masks is not None:
        found["random_shares"], _ = truth.attribution_inside(random_maps, masks)
    swapped_maps = explain(model, images, swapped).on_pixels()
    for name, draw in (
        ("insertion", controls.insertion_curve),
        ("deletion", controls.deletion_curve),
    ):
        found[name] = draw(model, images, target, maps, steps=steps, baseline=baseline)
    return Assessment(
        explanation=explanation,
        random_weights=random_weights,
        other_class=truth.similarity(maps, swapped_maps),
        **found,
    )


def _ratio(shares, areas):
    """Return the ratio of two means."""
    return np.mean(shares) / np.mean(areas)


def _with_interval(measure, *arrays):
    """Return a measure of images, and its 95 % interval by resampling the images."""
    rng = np.random.default_rng(0)
    count = len(arrays[0])
    several = [
        measure(*(array[chosen] for array in arrays))
        for chosen in rng.integers(count, size=(RESAMPLES, count))
    ]
    low, high = np.quantile(several, (0.025, 0.975))
    return float(measure(*arrays)), float(low), float(high)
