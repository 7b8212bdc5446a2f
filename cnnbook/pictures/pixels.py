"""Turn pixels of any mode, bit depth and transparency into upright intensities."""

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, TiffImagePlugin as tiff

# Whole numbers of 32 bits do not say what is white: they are as often photographs of
# 16 bits as counts of something.  What fits into 16 bits is taken for the former.
_WHITE_OF_32_BITS = 65535


def from_picture(picture: Image.Image) -> npt.NDArray[np.float32]:
    """Read the pixels of an open picture.

    Parameters
    ----------
    picture : PIL.Image.Image
        In any mode of Pillow, loaded or not.

    Returns
    -------
    image : ndarray of shape (H, W, 3), float32
        Intensities in [0, 1], upright; what is transparent or not drawn is white.

    Raises
    ------
    ValueError
        If Pillow is known to misread such a file, or if its numbers lie outside the
        range from black to white.  Decoders raise other errors for damaged files.
    """
    check_read_right(picture)
    # Both are gone when the picture is loaded.
    key, drawn = _transparent_grey(picture), _drawn_part(picture)
    picture.load()
    if picture.mode == "L" or picture.mode.startswith(("I", "F")):
        image = from_array(_greys(picture, key))
    else:
        image = from_array(_colours(picture))
    if drawn is not None:
        image[~drawn] = 1
    return upright(image, _orientation(picture))


def from_array(pixels: np.ndarray) -> npt.NDArray[np.float32]:
    """Bring an array of pixels to intensities.

    Parameters
    ----------
    pixels : ndarray of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)
        Unsigned integers, of which the whole range is used, or floats in [0, 1]; a
        fourth channel is opacity.

    Returns
    -------
    image : ndarray of shape (H, W, 3), float32
        Intensities in [0, 1]; what is transparent is laid on white.

    Raises
    ------
    ValueError
        If the array has another shape, type or range.
    """
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


def upright(image: np.ndarray, orientation: int) -> np.ndarray:
    """Turn an image as the camera's note asks.

    Parameters
    ----------
    image : ndarray of shape (H, W, ...)
    orientation : int
        As Exif and TIFF define it [1]_, 1 to 8; with anything else nothing is turned.

    Returns
    -------
    image : ndarray of shape (H, W, ...) or (W, H, ...)

    References
    ----------
    .. [1] "TIFF, revision 6.0", 1992, page 36.

    Examples
    --------
    The camera stood on its left side, and the picture lies on its right:

    >>> upright(np.array([[1, 2, 3], [4, 5, 6]]), 6)
    array([[4, 1],
           [5, 2],
           [6, 3]])
    """
    if orientation in (5, 6, 7, 8):
        image = image.swapaxes(0, 1)
    rows = -1 if orientation in (3, 4, 7, 8) else 1
    columns = -1 if orientation in (2, 3, 6, 7) else 1
    return np.ascontiguousarray(image[::rows, ::columns])


def check_read_right(picture: Image.Image) -> None:
    """Raise ValueError for files of which Pillow is known to give other pixels.

    Parameters
    ----------
    picture : PIL.Image.Image
        Not loaded yet, if it is from a file.

    Raises
    ------
    ValueError
        Which says what to save it as.
    """
    tags = _tiff_tags(picture)
    deep = tags.get(tiff.BITSPERSAMPLE, (1,))[0] > 8
    planes = tags.get(tiff.PLANAR_CONFIGURATION) == 2
    if deep and planes and tags.get(tiff.COMPRESSION, 1) == 1:
        raise ValueError(
            "its colours have more than 8 bits and lie in separate planes, of which "
            "Pillow makes something else; save it interleaved, or with 8 bits"
        )
    if picture.format == "FITS" and picture.mode.startswith("I"):
        raise ValueError(
            "a FITS file must hold bytes or floats in [0, 1], and these are whole "
            "numbers of 16 or 32 bits; scale them to floats and pass the array"
        )
    key = picture.info.get("transparency")
    deep = _raw_mode(picture) == "RGB;16B"
    if picture.format == "PNG" and picture.mode == "RGB" and key is not None:
        if deep or max(key) > 255:
            raise ValueError(
                "its transparent colour has 16 bits, of which Pillow reads 8; save it "
                "with an alpha channel, or with 8 bits"
            )


def _tiff_tags(picture):
    """Return what a TIFF file says of itself, by number; nothing for other files."""
    return getattr(picture, "tag_v2", {})


def _raw_mode(picture):
    """Return how pixels lie in a file that is not loaded yet, as Pillow calls it."""
    tiles = getattr(picture, "tile", None)
    arguments = tiles[0][3] if tiles else None
    return arguments[0] if isinstance(arguments, tuple) and arguments else arguments


def _transparent_grey(picture):
    """Return which grey is transparent, on the scale of the pixels, or None."""
    key = picture.info.get("transparency")
    if key is None or picture.mode not in ("L", "I;16"):
        return None
    # Pillow widens pixels of 2 and 4 bits to 8, but not this number.
    widened = {"L;2": 255 // 3, "L;4": 255 // 15} if picture.format == "PNG" else {}
    return int(key) * widened.get(_raw_mode(picture), 1)


def _drawn_part(picture):
    """Return where the first frame of a GIF has pixels, (H, W); None if everywhere.

    Pillow fills the rest with some colour of the palette.
    """
    tiles = getattr(picture, "tile", None)
    if picture.format != "GIF" or not tiles or picture.tell() != 0:
        return None
    left, top, right, bottom = tiles[0][1]
    drawn = np.zeros(picture.size[::-1], bool)
    drawn[top:bottom, left:right] = True
    return None if drawn.all() else drawn


def _greys(picture, key):
    """Return the intensities of a loaded picture of one number a pixel: (H, W)."""
    tags, numbers = _tiff_tags(picture), np.asarray(picture)
    if picture.mode == "F":
        if not (numbers.min() >= 0 and numbers.max() <= 1):  # also catches NaN
            raise ValueError(
                f"its values are floats from {numbers.min():g} to {numbers.max():g}, "
                "which must lie in [0, 1]; scale them first"
            )
        greys = numbers
    else:
        numbers, white = _whole_numbers(picture, tags, numbers)
        low, high = int(numbers.min()), int(numbers.max())
        if low < 0 or high > white:
            raise ValueError(
                f"its values are whole numbers from {low:,} to {high:,}, of which 0 "
                f"must be black and {white:,} white; scale them to floats in [0, 1] "
                "and pass the array"
            )
        greys = numbers.astype(np.float32) / np.float32(white)
    # Of fewer bits, Pillow has seen to it.
    if picture.mode != "L" and tags.get(tiff.PHOTOMETRIC_INTERPRETATION) == 0:
        greys = 1 - greys  # the file says that 0 is white
    return greys if key is None else np.where(numbers == key, np.float32(1), greys)


def _whole_numbers(picture, tags, numbers):
    """Return the numbers of a grey picture as the file means them, and white."""
    bits = 8 if picture.mode == "L" else tags.get(tiff.BITSPERSAMPLE, (16,))[0]
    signed = tags.get(tiff.SAMPLEFORMAT, (1,))[0] == 2
    if bits == 8 and signed:
        numbers = numbers.view(np.int8)
    if bits == 32:
        return numbers if signed else numbers.view(np.uint32), _WHITE_OF_32_BITS
    return numbers, 2 ** (bits - signed) - 1


def _colours(picture):
    """Return the bytes of any other loaded picture: (H, W, 3), or 4 with opacity."""
    if picture.mode == "La":
        picture = picture.convert("LA")  # the only mode that Pillow converts it to
    see_through = picture.has_transparency_data
    return np.asarray(picture.convert("RGBA" if see_through else "RGB"))


def _orientation(picture):
    """Return the camera's note of how a loaded picture is to be turned.

    TIFF files have none left: Pillow turns them itself.
    """
    try:
        return picture.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # the note is damaged, in any of many ways; the picture is not
        return 1
