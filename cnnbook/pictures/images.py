"""Read any picture safely into an array of red, green and blue intensities."""

import io
import logging
import os
from contextlib import contextmanager
from typing import IO

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from cnnbook.storage.repository import AnyPath

# A photo has at most some 50 million pixels.  A small file that claims far more
# (a "decompression bomb") would fill the memory before anyone could look at it.
# Pillow only warns from here on, and refuses from twice as many.
MAX_PIXELS = Image.MAX_IMAGE_PIXELS

# What a picture may be read from.
ImageSource = (
    AnyPath | bytes | bytearray | memoryview | IO[bytes] | Image.Image | np.ndarray
)

# The input of every network that this package builds is named so, which tells others
# that it takes such numbers; the name is kept when the network is saved or cloned.
INTENSITIES = "intensities"

# Pillow logs details of some damage besides raising an error, and a record that no
# program has asked for would land on stderr.
logging.getLogger("PIL").addHandler(logging.NullHandler())


def load_image(
    source: ImageSource, size: tuple[int, int] | None = None
) -> npt.NDArray[np.float32]:
    """Read a picture as an array of intensities.

    The picture is turned upright (cameras store the rotation as a note), its
    transparent parts are laid on white, and an animation gives its first frame.

    Parameters
    ----------
    source : str, path, bytes, file object, PIL.Image.Image or ndarray
        A file in any format that Pillow reads, or pixels: an array of shape
        (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), of unsigned integers (their
        whole range is used) or of floats in [0, 1].
    size : (int, int), optional
        Rows and columns of the result.  The largest centred part with these
        proportions is cut out, then resized without aliasing.  By default the
        picture keeps its own size.

    Returns
    -------
    image : ndarray of shape (H, W, 3), float32
        Intensities in [0, 1]; channels are red, green, blue.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the picture cannot be read, or is too large to be one; the message
        names the file and the reason.

    Examples
    --------
    >>> pixels = np.array([[0, 255], [255, 0]], dtype=np.uint8)
    >>> load_image(pixels)[..., 0]
    array([[0., 1.],
           [1., 0.]], dtype=float32)
    """
    size = _as_size(size)
    if isinstance(source, np.ndarray):
        image = _from_array(source)
    elif isinstance(source, Image.Image):
        image = _decoded(source, "the PIL image")
    else:
        image = _from_file(source)
    return image if size is None else _crop_and_resize(image, size)


def model_cat(size: tuple[int, int] | None = None) -> npt.NDArray[np.float32]:
    """Load Chelsea, the cat who sits for every picture in this book.

    She comes with scikit-image, so no download is needed.

    Parameters
    ----------
    size : (int, int), optional
        Rows and columns, as in `load_image`.  By default (300, 451).

    Returns
    -------
    image : ndarray of shape (H, W, 3), float32
        Intensities in [0, 1].

    References
    ----------
    .. [1] Photograph by Stéfan van der Walt, CC0; `skimage.data.chelsea`.

    Examples
    --------
    >>> model_cat().shape
    (300, 451, 3)
    >>> model_cat(size=(96, 96)).shape
    (96, 96, 3)
    """
    from skimage import data

    return load_image(data.chelsea(), size)


def model_cat_parts(
    size: tuple[int, int] | None = None,
) -> dict[str, tuple[slice, slice]]:
    """Tell where the parts of the model cat's face are.

    Her paws are not in the picture, and one of her ears is cut off.

    Parameters
    ----------
    size : (int, int), optional
        As in `model_cat`.

    Returns
    -------
    parts : dict of str to (slice, slice)
        Rows and columns of "ear", "left eye", "right eye" and "nose", as the reader
        sees them, in pixels of that picture.  A part of which less than half is in
        the picture is left out.

    Examples
    --------
    >>> rows, columns = model_cat_parts(size=(96, 96))["nose"]
    >>> model_cat(size=(96, 96))[rows, columns].shape
    (15, 19, 3)
    """
    whole = 300, 451
    rows, columns = size = _as_size(size) or whole
    scale = min(whole[0] / rows, whole[1] / columns)
    top, left = ((whole[i] - size[i] * scale) / 2 for i in (0, 1))
    parts = {}
    for name, (low, high, start, stop) in _CAT_PARTS.items():
        pixels = (
            _pixels((low - top) / scale, (high - top) / scale, rows),
            _pixels((start - left) / scale, (stop - left) / scale, columns),
        )
        area = (high - low) * (stop - start) / scale**2
        shown = [part.stop - part.start for part in pixels]
        if min(shown) > 0 and shown[0] * shown[1] >= area / 2:
            parts[name] = pixels
    return parts


# Rows and columns of the photograph, from and to.
_CAT_PARTS = {
    "ear": (0, 75, 340, 408),
    "left eye": (85, 150, 132, 212),
    "right eye": (105, 167, 290, 347),
    "nose": (222, 270, 235, 295),
}


def _pixels(start, stop, length):
    """Return the slice of whole pixels nearest to a stretch, inside the picture."""
    return slice(max(round(start), 0), min(round(stop), length))


def photo_crops(
    count: int, size: tuple[int, int], *, seed: int = 0
) -> npt.NDArray[np.float32]:
    """Cut pieces, at random, out of photographs in which there is no cat.

    They come with scikit-image, so no download is needed: an astronaut, a cup of
    coffee, a rocket at its launch.  Something to learn from, when it is the model cat
    that is looked at.

    Parameters
    ----------
    count : int
        Pieces in all, from each photograph in turn.
    size : (int, int)
        Rows and columns of each piece.
    seed : int
        Decides what is cut out; between a quarter of the photograph and all of it.

    Returns
    -------
    crops : ndarray of shape (N, H, W, 3), float32
        Intensities in [0, 1].

    References
    ----------
    .. [1] Photographs by NASA, Rachel Michetti and SpaceX, all in the public domain;
       `skimage.data`.

    Examples
    --------
    >>> photo_crops(6, size=(32, 48)).shape
    (6, 32, 48, 3)
    """
    from skimage import data

    rng, size = np.random.default_rng(seed), _as_size(size)
    photos = [data.astronaut(), data.coffee(), data.rocket()]
    crops = []
    for number in range(count):
        photo = photos[number % len(photos)]
        share = rng.uniform(0.5, 1)  # of the sides
        height, width = (round(share * side) for side in photo.shape[:2])
        top = rng.integers(photo.shape[0] - height + 1)
        left = rng.integers(photo.shape[1] - width + 1)
        piece = photo[top : top + height, left : left + width]
        crops.append(load_image(piece, size))
    return np.stack(crops)


def _as_size(size):
    """Return the size as two positive ints, or None."""
    if size is None:
        return None
    try:
        rows, columns = size
        good = int(rows) == rows > 0 and int(columns) == columns > 0
    except (TypeError, ValueError):
        good = False
    if not good:
        raise ValueError(
            f"size must be two positive whole numbers (rows, columns); got {size!r}"
        )
    return int(rows), int(columns)


def _from_file(source):
    """Decode a path, bytes or an open binary file: (H, W, 3)."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        name, file = "the picture given as bytes", io.BytesIO(source)
    elif hasattr(source, "read"):
        name, file = getattr(source, "name", "the picture file"), source
    else:
        try:
            name = file = os.fspath(source)
        except TypeError:
            raise ValueError(
                "source must be a path, bytes, a binary file, a PIL image or an "
                f"array; got {type(source).__name__}"
            ) from None
        if os.path.isdir(name):
            raise ValueError(f"cannot read {name}: it is a folder, not a picture")
        if os.path.exists(name) and os.path.getsize(name) == 0:
            raise ValueError(f"cannot read {name}: the file is empty")
    with _any_failure_names(name):
        picture = Image.open(file)
    with picture:
        return _decoded(picture, name)


@contextmanager
def _any_failure_names(name):
    """Turn whatever goes wrong inside Pillow into one error that names the picture."""
    try:
        yield
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no picture at {name}") from None
    except UnidentifiedImageError:
        raise ValueError(
            f"cannot read {name}: it is not a picture in a format that Pillow knows"
        ) from None
    # Decoders report damage as almost anything: struct.error, RuntimeError, EOFError.
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise ValueError(f"cannot read {name}: {reason}") from error


def _decoded(picture, name):
    """Turn an open PIL image into upright RGB intensities: (H, W, 3)."""
    columns, rows = picture.size
    if rows * columns == 0:
        raise ValueError(f"cannot read {name}: it has no pixels")
    if rows * columns > MAX_PIXELS:
        raise ValueError(
            f"cannot read {name}: {rows} × {columns} pixels are more than the "
            f"{MAX_PIXELS:,} that a picture may have; make it smaller first"
        )
    with _any_failure_names(name):
        picture.load()
        picture = ImageOps.exif_transpose(picture)
        deep = picture.mode.startswith(("I", "F"))  # more than 8 bits a channel
        if not deep:
            see_through = picture.has_transparency_data
            picture = picture.convert("RGBA" if see_through else "RGB")
        pixels = np.asarray(picture)
    if deep:
        low, high = pixels.min(), pixels.max()
        if np.issubdtype(pixels.dtype, np.integer):
            if low < 0 or high > 65535:
                raise ValueError(
                    f"cannot read {name}: its values do not fit into 16 bits"
                )
            pixels = pixels.astype(np.uint16)
        elif not (low >= 0 and high <= 1):  # also catches NaN
            raise ValueError(
                f"cannot read {name}: its values are floats from {low:g} to {high:g}, "
                "which must lie in [0, 1]; scale them first"
            )
    return _from_array(pixels)


def _from_array(pixels):
    """Bring an array of pixels to RGB intensities in [0, 1]: (H, W, 3)."""
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.ndim != 3 or pixels.shape[-1] not in (1, 3, 4) or 0 in pixels.shape:
        raise ValueError(
            "an image array must have shape (H, W), (H, W, 1), (H, W, 3) or "
            f"(H, W, 4), with at least one pixel; got shape {pixels.shape}"
        )
    if pixels.dtype == bool:
        image = pixels.astype(np.float32)
    elif np.issubdtype(pixels.dtype, np.unsignedinteger):
        image = pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)
    elif np.issubdtype(pixels.dtype, np.floating):
        if not (pixels.min() >= 0 and pixels.max() <= 1):  # also catches NaN
            raise ValueError(
                "an image array of floats must lie in [0, 1]; got values from "
                f"{pixels.min():g} to {pixels.max():g}.  Divide 0–255 by 255."
            )
        image = pixels.astype(np.float32)
    else:
        raise ValueError(
            "an image array must hold unsigned integers or floats in [0, 1]; got "
            f"{pixels.dtype}"
        )
    if image.shape[-1] == 1:
        return np.repeat(image, 3, axis=-1)
    if image.shape[-1] == 4:
        opacity = image[..., 3:]
        return image[..., :3] * opacity + (1 - opacity)
    return image


def _crop_and_resize(image, size):
    """Cut the largest centred part with the proportions of `size`, and resize it."""
    rows, columns = image.shape[:2]
    scale = min(rows / size[0], columns / size[1])
    height, width = size[0] * scale, size[1] * scale
    left, top = (columns - width) / 2, (rows - height) / 2
    box = (left, top, left + width, top + height)
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
