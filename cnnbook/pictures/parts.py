"""How much of what is laid over a picture lies on a part of it."""

import numpy as np
import numpy.typing as npt

from cnnbook.checks import check_whole


def share_inside(
    maps: npt.ArrayLike, masks: npt.ArrayLike, *, margin: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Measure which share of what maps hold lies on a part of each picture.

    Parameters
    ----------
    maps : array of shape (N, H', W')
        What lies where, such as votes for a class; its sign does not matter.  May be
        coarser than the picture: each pixel then belongs to the cell above its place.
    masks : array of shape (N, H, W), bool
        The part in each picture, such as one of ``DrawnPets.part_masks``.
    margin : int
        Pixels round the part that count as inside: a unit sees more than its own cell.

    Returns
    -------
    shares, areas : ndarray of shape (N,)
        The share of what the map holds, and the share of the picture.  A map that pays
        no attention to the part has as much there as the part has area.  Not a number
        where there is no such part; the share neither where the map is empty.

    Raises
    ------
    ValueError
        If there is not one mask for each map, or the margin is below zero.

    Examples
    --------
    One cell in four holds half of all there is:

    >>> maps = np.array([[[3.0, 1.0], [-1.0, 1.0]]])
    >>> masks = np.zeros((1, 4, 4), bool)
    >>> masks[0, :2, :2] = True
    >>> shares, areas = share_inside(maps, masks)
    >>> shares.item(), areas.item()
    (0.5, 0.25)
    """
    maps, masks = np.abs(maps), np.asarray(masks, bool)
    if maps.ndim != 3 or masks.ndim != 3 or len(maps) != len(masks):
        raise ValueError(
            "maps and masks must be (N, H, W), one mask for each map; got shapes "
            f"{maps.shape} and {masks.shape}"
        )
    masks = widened(masks, margin, "margin")
    if maps.shape != masks.shape:
        rows, columns = (
            np.arange(size) * cells // size
            for size, cells in zip(masks.shape[1:], maps.shape[1:], strict=True)
        )
        maps = maps[:, rows][:, :, columns]
    present = masks.any(axis=(1, 2))
    with np.errstate(invalid="ignore"):  # 0 / 0 of an empty map
        shares = (maps * masks).sum(axis=(1, 2)) / maps.sum(axis=(1, 2))
    areas = masks.mean(axis=(1, 2))
    return np.where(present, shares, np.nan), np.where(present, areas, np.nan)


def widened(
    masks: npt.NDArray[np.bool_], pixels: int, name: str = "pixels"
) -> npt.NDArray[np.bool_]:
    """Let the part of each picture grow by so many pixels on all sides.

    Parameters
    ----------
    masks : ndarray of shape (N, H, W), bool
    pixels : int
    name : str
        What an error calls the number of pixels.

    Returns
    -------
    masks : ndarray of shape (N, H, W), bool

    Raises
    ------
    ValueError
        If the number of pixels is below zero.
    """
    check_whole(pixels, name, least=0)
    if not pixels:
        return masks
    from scipy import ndimage  # takes a fifth of a second, and few masks are widened

    square = np.ones((1, 2 * pixels + 1, 2 * pixels + 1), bool)
    return np.asarray(ndimage.binary_dilation(masks, square))
