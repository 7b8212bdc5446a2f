"""Is a map right?  Compared with the pixels that truly tell the classes apart."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from cnnbook.pictures.parts import share_inside, widened

# The parts of a drawn pet that differ by class.  So does the outline of its head, a
# little; all else varies alike in both.
TELLING = ("ears", "eyes", "muzzle", "whiskers")


def telling_parts(
    part_masks: Mapping[str, np.ndarray], *, tolerance: int = 2
) -> npt.NDArray[np.bool_]:
    """Join the parts that make a drawn pet a cat or a dog.

    Parameters
    ----------
    part_masks : dict of str to ndarray of shape (N, H, W), bool
        From `pictures.draw_pets`.
    tolerance : int
        Pixels round the whiskers that count as whiskers: those are a pixel wide, and
        hardly any map is that fine.

    Returns
    -------
    masks : ndarray of shape (N, H, W), bool

    Examples
    --------
    >>> masks = {part: np.zeros((1, 5, 5), bool) for part in TELLING}
    >>> masks["whiskers"][0, 2, 2] = masks["eyes"][0, 0, 0] = True
    >>> telling_parts(masks, tolerance=1)[0].astype(int)
    array([[1, 0, 0, 0, 0],
           [0, 1, 1, 1, 0],
           [0, 1, 1, 1, 0],
           [0, 1, 1, 1, 0],
           [0, 0, 0, 0, 0]])
    """
    if missing := set(TELLING) - set(part_masks):
        raise ValueError(
            f"part_masks must have {', '.join(TELLING)}; there is no "
            f"{', '.join(sorted(missing))}"
        )
    whiskers = widened(part_masks["whiskers"], tolerance, "tolerance")
    return np.any([*(part_masks[part] for part in TELLING[:-1]), whiskers], axis=0)


def attribution_inside(
    maps: npt.ArrayLike, masks: npt.ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    """Measure which share of the attribution lies on a part of each picture.

    Parameters
    ----------
    maps : ndarray of shape (N, H, W)
        From `Explanation.on_pixels`.  What is above zero speaks for the class, and
        that alone counts.
    masks : ndarray of shape (N, H, W), bool
        The part of each picture.

    Returns
    -------
    shares, areas : ndarray of shape (N,)
        The share of the attribution, and the share of the picture.  A map that pays no
        attention to the part has as much there as the part has area; an empty map, and
        one of a picture without the part, is taken to be such a one.

    Raises
    ------
    ValueError
        If there is not one mask, of the same shape, for each map.

    Examples
    --------
    >>> maps = np.array([[[3.0, 0.0], [1.0, -1.0]]])
    >>> shares, areas = attribution_inside(maps, maps > 2)
    >>> shares.item(), areas.item()
    (0.75, 0.25)
    """
    maps, masks = _checked(maps, masks)
    shares, _ = share_inside(np.maximum(maps, 0), masks)
    areas = masks.mean(axis=(1, 2))
    return np.where(np.isnan(shares), areas, shares), areas


def density(shares: np.ndarray, areas: np.ndarray) -> float:
    """Say how many times as densely attribution lies on the parts as on the rest.

    Parameters
    ----------
    shares, areas : array of shape (N,)
        From `attribution_inside`.

    Returns
    -------
    ratio : float
        Of the mean share per area inside to that outside; 1 for maps that pay no
        attention to the parts.

    Examples
    --------
    >>> density([0.75], [0.25])
    9.0
    """
    share, area = np.mean(shares), np.mean(areas)
    with np.errstate(divide="ignore"):  # nothing outside at all
        return float((share / area) / np.divide(1 - share, 1 - area))


def pointing_game(maps: npt.ArrayLike, masks: npt.ArrayLike) -> np.ndarray:
    """Tell whether each map's largest value lies on a part of the picture [1]_.

    Parameters
    ----------
    maps, masks
        As for `attribution_inside`.

    Returns
    -------
    hits : ndarray of shape (N,)
        1 or 0; where several pixels share the largest value, the share of these.

    References
    ----------
    .. [1] J. Zhang et al., "Top-down neural attention by excitation backprop", IJCV
       126, 2018.  https://doi.org/10.1007/s11263-017-1059-x

    Examples
    --------
    >>> maps = np.array([[[3.0, 0.0], [1.0, 0.0]]])
    >>> pointing_game(maps, maps > 2)
    array([1.])
    """
    maps, masks = _checked(maps, masks)
    largest = maps == maps.max(axis=(1, 2), keepdims=True)
    return (largest & masks).sum(axis=(1, 2)) / largest.sum(axis=(1, 2))


def pixel_auc(maps: npt.ArrayLike, masks: npt.ArrayLike) -> np.ndarray:
    """Give the chance that a pixel on the parts has more than a pixel elsewhere.

    This is the area under the ROC curve of pixels; ties count half.

    Parameters
    ----------
    maps, masks
        As for `attribution_inside`.

    Returns
    -------
    areas : ndarray of shape (N,)
        1 at best, 0.5 for chance; not a number where a mask is empty or everything.

    Examples
    --------
    >>> maps = np.array([[[3.0, 2.0], [1.0, 0.0]]])
    >>> pixel_auc(maps, np.array([[[True, False], [True, False]]]))
    array([0.75])
    """
    maps, masks = _checked(maps, masks)
    ranks = _ranks(maps)
    inside = masks.reshape(len(masks), -1)
    within = inside.sum(axis=1)
    without = inside.shape[1] - within
    above = (ranks * inside).sum(axis=1) - within * (within + 1) / 2
    with np.errstate(invalid="ignore"):
        return above / (within * without)


def similarity(maps: npt.ArrayLike, others: npt.ArrayLike) -> np.ndarray:
    """Compare maps by the order of their pixels: Spearman's rank correlation.

    Parameters
    ----------
    maps, others : ndarray of shape (N, H, W)

    Returns
    -------
    correlations : ndarray of shape (N,)
        1 for the same order, −1 for the opposite one.  0 where one of the maps is the
        same everywhere.

    Examples
    --------
    >>> maps = np.array([[[3.0, 2.0], [1.0, 0.0]]])
    >>> similarity(maps, maps**2), similarity(maps, -maps)
    (array([1.]), array([-1.]))
    """
    first, second = _ranks(maps), _ranks(others)
    first -= first.mean(axis=1, keepdims=True)
    second -= second.mean(axis=1, keepdims=True)
    scale = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    products = (first * second).sum(axis=1)
    return np.divide(products, scale, out=np.zeros(len(scale)), where=scale > 0)


def _checked(
    maps: npt.ArrayLike, masks: npt.ArrayLike
) -> tuple[np.ndarray, npt.NDArray[np.bool_]]:
    """Return both as arrays; ValueError unless each map has a mask of its shape."""
    maps, masks = np.asarray(maps), np.asarray(masks, bool)
    if maps.ndim != 3 or maps.shape != masks.shape:
        raise ValueError(
            "maps and masks must have the same shape, (N, H, W); got "
            f"{maps.shape} and {masks.shape}: Explanation.on_pixels spreads maps over "
            "the pixels"
        )
    return maps, masks


def _ranks(maps):
    """Return the place of each pixel in the order of its map, from 1: (N, H · W)."""
    from scipy.stats import rankdata  # takes half a second, and few maps are ranked

    return rankdata(np.reshape(maps, (len(maps), -1)), axis=1)
