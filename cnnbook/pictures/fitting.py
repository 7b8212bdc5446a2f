"""Bring an image to a size: cut it, stretch it, or fill up what is missing."""

import warnings
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

# How a picture of other proportions is brought to a size; see `pictures.load_image`.
Fit = Literal["crop", "stretch", "pad"]

# A crop that leaves less than this share of a picture is hardly of that picture.
LEAST_SHARE = 0.1

# Fewer rows or columns show nothing, however much they are enlarged.
LEAST_SIDE = 4


def fit_image(
    image: npt.NDArray[np.float32], size: tuple[int, int], fit: Fit, name: str
) -> npt.NDArray[np.float32]:
    """Bring an image to a size, without aliasing.

    Parameters
    ----------
    image : ndarray of shape (H, W, 3), float32
        Intensities in [0, 1].
    size : (int, int)
        Rows and columns of the result.
    fit : {"crop", "stretch", "pad"}
        As in `pictures.load_image`.
    name : str
        What a warning calls the picture.

    Returns
    -------
    image : ndarray of shape (rows, columns, 3), float32
        Intensities in [0, 1].
    """
    rows, columns = image.shape[:2]
    if fit == "stretch":
        return _resize(image, size, (0, 0, columns, rows))
    if fit == "pad":
        return _pad(image, size)
    scale = min(rows / size[0], columns / size[1])
    height, width = size[0] * scale, size[1] * scale
    _warn_of_little(name, (rows, columns), (height, width), size)
    left, top = (columns - width) / 2, (rows - height) / 2
    return _resize(image, size, (left, top, left + width, top + height))


def check_fit(fit: object) -> None:
    """Raise ValueError unless there is such a way to bring an image to a size."""
    if fit not in ("crop", "stretch", "pad"):
        raise ValueError(f'fit must be "crop", "stretch" or "pad"; got {fit!r}')


def _warn_of_little(name, whole, left, size):
    """Warn of a crop that leaves almost nothing of a picture."""
    share = left[0] * left[1] / (whole[0] * whole[1])
    if share < LEAST_SHARE:
        instead = 'pass fit="pad" or fit="stretch" to have all of it'
    elif min(left) < LEAST_SIDE and left[0] < size[0]:
        instead = "pass a larger picture"
    else:
        return
    warnings.warn(
        f"of the {whole[0]} × {whole[1]} pixels of {name}, a crop to the proportions "
        f"{size[0]} × {size[1]} leaves {left[0]:.3g} × {left[1]:.3g} ({share:.1%}); "
        f"{instead}",
        stacklevel=4,  # where load_image was called
    )


def _pad(image, size):
    """Resize all of an image into the middle of a black one."""
    rows, columns = image.shape[:2]
    scale = min(size[0] / rows, size[1] / columns)
    height, width = (max(round(side * scale), 1) for side in (rows, columns))
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    padded = np.zeros((*size, 3), np.float32)
    padded[top : top + height, left : left + width] = _resize(
        image, (height, width), (0, 0, columns, rows)
    )
    return padded


def _resize(image, size, box):
    """Resize the part of an image in a box (left, top, right, bottom)."""
    channels = [
        # Pillow widens its filter when it shrinks, which is what avoids aliasing.
        Image.fromarray(np.ascontiguousarray(image[..., channel])).resize(
            size[::-1], Image.Resampling.BICUBIC, box=box
        )
        for channel in range(3)
    ]
    # A bicubic filter may overshoot at edges.
    planes = [np.asarray(channel) for channel in channels]
    return np.stack(planes, axis=-1).clip(0, 1).astype(np.float32)
