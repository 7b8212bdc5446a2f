"""Read many pictures at once: damaged ones are named, and too many go onto the disk."""

import os
import tempfile
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cnnbook.pictures import images
from cnnbook.storage import downloads

# Real collections hold a few damaged files; many mean that something went wrong.
MOST_DAMAGED = 0.05

# Pictures that would take up more memory than this lie in a file instead, from which
# every batch reads its own.  A temporary one: it goes away with the process.  While
# they are put in order, there are two copies.
MOST_MEMORY = 2 * 2**30


def read_all(
    files: Sequence[Path], size: tuple[int, int]
) -> tuple[npt.NDArray[np.uint8], list[Path], tuple[str, ...]]:
    """Read pictures, all of one size.

    Parameters
    ----------
    files : sequence of pathlib.Path
    size : (int, int)
        Rows and columns, as in `pictures.load_image`.

    Returns
    -------
    pictures : ndarray of shape (N, H, W, 3), uint8
        Perhaps a ``numpy.memmap``.
    whole : list of pathlib.Path
        The files that they are from, in the order given.
    left_out : tuple of str
        Why a picture was left out, for each that cannot be read; names its file.

    Raises
    ------
    ValueError
        If more than 5 % of the pictures cannot be read.
    OSError
        If they need the disk, and there is no room.
    """
    pictures = _room_for((len(files), *size, 3))

    def read(number):
        try:
            picture = images.load_image(files[number], size=size)
        except ValueError as error:
            return str(error)
        pictures[number] = (picture * 255).round()
        return None

    # Decoding leaves Python's lock alone, so threads do speed it up.  They share
    # their warning filters, so Pillow's remarks on odd files are silenced out here.
    with warnings.catch_warnings(), ThreadPoolExecutor() as pool:
        warnings.filterwarnings("ignore", module=r"PIL\.")
        reasons = list(pool.map(read, range(len(files))))
    left_out = tuple(reason for reason in reasons if reason)
    if len(left_out) > MOST_DAMAGED * len(files):
        raise ValueError(
            f"{len(left_out)} of {len(files)} pictures cannot be read, more than "
            f"{MOST_DAMAGED:.0%}:\n" + "\n".join(left_out)
        )
    numbers = [number for number, reason in enumerate(reasons) if not reason]
    whole = [files[number] for number in numbers]
    return pictures if not left_out else select(pictures, numbers), whole, left_out


def select(
    pictures: npt.NDArray[np.uint8], numbers: Sequence[int]
) -> npt.NDArray[np.uint8]:
    """Copy some pictures, in the order of their numbers.

    Parameters
    ----------
    pictures : ndarray of shape (N, H, W, 3), uint8
    numbers : sequence of int

    Returns
    -------
    selected : ndarray of shape (len(numbers), H, W, 3), uint8
        Perhaps a ``numpy.memmap``.
    """
    selected = _room_for((len(numbers), *pictures.shape[1:]))
    for place, number in enumerate(numbers):
        selected[place] = pictures[number]
    return selected


def _room_for(shape):
    """Make an array of bytes, in memory or, if it is too large for that, in a file."""
    size = int(np.prod(shape))
    if size <= MOST_MEMORY:
        return np.empty(shape, np.uint8)
    folder = downloads.cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        try:
            # Without room of its own, a write to the array would end the process.
            os.posix_fallocate(file.fileno(), 0, size)
        except AttributeError:  # not on this system, which will grow the file
            pass
        except OSError as error:
            raise OSError(
                error.errno,
                f"{shape[0]:,} pictures need {size / 1e9:.1f} GB in {folder}, which "
                f"cannot be had ({error.strerror}); make room, set CNNBOOK_CACHE to a "
                "folder on another disk, or ask for a smaller size",
            ) from error
        return np.memmap(file, np.uint8, "r+", shape=shape)
