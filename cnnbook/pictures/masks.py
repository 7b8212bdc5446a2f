"""Parts of pictures, as masks: true where the part is."""

import numpy as np
import numpy.typing as npt


def widened(masks: npt.ArrayLike, pixels: int) -> npt.NDArray[np.bool_]:
    """Let masks reach some pixels further in every direction, corners included.

    Parameters
    ----------
    masks : ndarray of shape (N, H, W), bool
    pixels : int

    Returns
    -------
    masks : ndarray of shape (N, H, W), bool

    Examples
    --------
    >>> masks = np.zeros((1, 4, 4), bool)
    >>> masks[0, 1, 1] = True
    >>> widened(masks, 1)[0].astype(int)
    array([[1, 1, 1, 0],
           [1, 1, 1, 0],
           [1, 1, 1, 0],
           [0, 0, 0, 0]])
    """
    from scipy import ndimage

    square = np.ones((1, 2 * pixels + 1, 2 * pixels + 1), bool)
    return np.asarray(ndimage.binary_dilation(masks, square))
