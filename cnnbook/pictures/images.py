"""Read any picture safely into an array of red, green and blue intensities."""

import logging

import numpy as np
import numpy.typing as npt
from PIL import Image

from cnnbook.pictures import fitting, opening, pixels
from cnnbook.pictures.fitting import Fit
from cnnbook.pictures.opening import FileSource

# What a picture may be read from.
ImageSource = FileSource | Image.Image | np.ndarray

# The input of every network that this package builds is named so, which tells others
# that it takes such numbers; the name is kept when the network is saved or cloned.
INTENSITIES = "intensities"

# Pillow logs details of some damage besides raising an error, and a record that no
# program has asked for would land on stderr.
logging.getLogger("PIL").addHandler(logging.NullHandler())


def load_image(
    source: ImageSource, size: tuple[int, int] | None = None, *, fit: Fit = "crop"
) -> npt.NDArray[np.float32]:
    """Read a picture as an array of intensities.

    The picture is turned upright (cameras store the rotation as a note; one that is
    damaged is ignored), its transparent parts are laid on white, and an animation
    gives its first frame.  Colours are those that the file stores: profiles (ICC),
    gamma and resolution, which say how a screen should show them, are not applied.

    Parameters
    ----------
    source : str, path, bytes, file object, PIL.Image.Image or ndarray
        A file in any format that Pillow reads, or pixels: an array of shape
        (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), of unsigned integers (their
        whole range is used) or of floats in [0, 1].
    size : (int, int), optional
        Rows and columns of the result.  By default the picture keeps its own size.
    fit : {"crop", "stretch", "pad"}
        How a picture of other proportions is brought to the size, without aliasing:

        - "crop": the largest centred part that has them is cut out, then resized;
        - "stretch": the whole picture is resized, which distorts it; so do Keras's
          loaders unless told otherwise;
        - "pad": the whole picture is resized as it is, and centred on black, the
          colour that Keras and torchvision pad with.

    Returns
    -------
    image : ndarray of shape (H, W, 3), float32
        Intensities in [0, 1]; channels are red, green, blue.

    Warns
    -----
    UserWarning
        If a crop leaves less than a tenth of the picture, or fewer than 4 rows or
        columns to be enlarged.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the picture cannot be read, or is too large to be one; the message
        names the file and the reason.

    Notes
    -----
    Greys are divided by the largest number that their file can hold: 1 for 1 bit, 255
    for 8, 4,095 for 12, 65,535 for 16, half of that where one bit is a sign.  Whole
    numbers of 32 bits do not say what is white: they are read as 16 bits if all of
    them fit, and refused otherwise, as are floats outside [0, 1].  Colours of 16 bits
    are read as 8 bits, their upper ones.

    Examples
    --------
    >>> pixels = np.array([[0, 255], [255, 0]], dtype=np.uint8)
    >>> load_image(pixels)[..., 0]
    array([[0., 1.],
           [1., 0.]], dtype=float32)
    """
    size = _as_size(size)
    fitting.check_fit(fit)
    if isinstance(source, np.ndarray):
        image, name = pixels.from_array(source), "the array"
    elif isinstance(source, Image.Image):
        name = "the PIL image"
        image = _decoded(source, name)
    else:
        picture, name = opening.open_picture(source)
        with picture:
            image = _decoded(picture, name)
    return image if size is None else fitting.fit_image(image, size, fit, name)


def _decoded(picture, name):
    """Turn an open PIL image into upright RGB intensities: (H, W, 3)."""
    opening.check_size(picture, name)
    with opening.any_failure_names(name):
        return pixels.from_picture(picture)


def as_grey(image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Turn red, green and blue into one grey, for a network that takes one channel.

    With the weights that Pillow and the loaders of Keras use [1]_, so that a network
    sees what such networks learn from.

    Parameters
    ----------
    image : ndarray of shape (..., 3)
        Intensities in [0, 1].

    Returns
    -------
    grey : ndarray of shape (..., 1), float32
        In [0, 1].

    References
    ----------
    .. [1] Recommendation ITU-R BT.601: 0.299 red + 0.587 green + 0.114 blue.

    Examples
    --------
    >>> as_grey(np.eye(3)).ravel()
    array([0.299, 0.587, 0.114], dtype=float32)
    """
    grey = np.asarray(image, float) @ _LUMA
    return grey[..., None].clip(0, 1).astype(np.float32)


_LUMA = (0.299, 0.587, 0.114)


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
        Rows and columns of "ear", "right eye", "left eye" and "nose", in pixels of that
        picture.  Right and left are hers: her right eye is on the left of the picture.
        A part of which less than half is in the picture is left out.

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
    "right eye": (85, 150, 132, 212),
    "left eye": (105, 167, 290, 347),
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
