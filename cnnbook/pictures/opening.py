"""Open what may hold a picture; whatever fails is one error that names it."""

import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from PIL import Image, UnidentifiedImageError

from cnnbook.storage.repository import AnyPath

# What is not yet a picture, but may hold one.
FileSource = AnyPath | bytes | bytearray | memoryview | IO[bytes]

# A photo has at most some 50 million pixels.  A small file that claims far more
# (a "decompression bomb") would fill the memory before anyone could look at it.
# Pillow only warns from here on, and refuses from twice as many, if at all.
MAX_PIXELS = Image.MAX_IMAGE_PIXELS or 2**28 // 3

# The entry in the list of parts of an AVIF file that says: this part is Exif.
_EXIF_ENTRY = re.compile(rb"(infe[\2\3]\0\0.(?:.{4}|.{6}))Exif", re.DOTALL)


def open_picture(source: FileSource) -> tuple[Image.Image, str]:
    """Open a picture without reading its pixels yet.

    Parameters
    ----------
    source : str, path, bytes or file object

    Returns
    -------
    picture : PIL.Image.Image
        To be closed when it has been read.
    name : str
        What messages call it.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not a picture, or of none of the kinds above.
    """
    file: AnyPath | IO[bytes]
    if isinstance(source, (bytes, bytearray, memoryview)):
        name, file = "the picture given as bytes", io.BytesIO(source)
        if not len(source):
            raise ValueError(f"cannot read {name}: there are none")
    elif hasattr(source, "read"):
        name, file = getattr(source, "name", "the picture file"), source
    else:
        name = file = _path(source)
    with any_failure_names(name):
        return _open(file), name


def _path(source):
    """Return the path of a file that may hold a picture."""
    try:
        path = os.fspath(source)
    except TypeError:
        raise ValueError(
            "source must be a path, bytes, a binary file, a PIL image or an "
            f"array; got {type(source).__name__}"
        ) from None
    if os.path.isdir(path):
        raise ValueError(f"cannot read {path}: it is a folder, not a picture")
    if os.path.exists(path) and os.path.getsize(path) == 0:
        raise ValueError(f"cannot read {path}: the file is empty")
    return path


@contextmanager
def any_failure_names(name: str) -> Iterator[None]:
    """Turn whatever goes wrong inside Pillow into one error that names the picture."""
    try:
        yield
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no picture at {name}") from None
    except UnidentifiedImageError:
        raise ValueError(
            f"cannot read {name}: it is not a picture in a format that Pillow knows; "
            "if another program shows it, save it there as PNG"
        ) from None
    except Image.DecompressionBombError:
        raise ValueError(
            f"cannot read {name}: it claims more pixels than the {MAX_PIXELS:,} that a "
            "picture may have; make it smaller first"
        ) from None
    # Decoders report damage as almost anything: struct.error, RuntimeError, EOFError.
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise ValueError(f"cannot read {name}: {reason}") from error


def check_size(picture: Image.Image, name: str) -> None:
    """Raise ValueError if a picture has no pixels, or claims to have too many."""
    columns, rows = picture.size
    if rows * columns == 0:
        raise ValueError(f"cannot read {name}: it has no pixels")
    if rows * columns > MAX_PIXELS:
        raise ValueError(
            f"cannot read {name}: {rows} × {columns} pixels are more than the "
            f"{MAX_PIXELS:,} that a picture may have; make it smaller first"
        )


def _open(file):
    """Open a file with Pillow, and an AVIF file with damaged Exif without that part.

    Other formats leave Exif to whoever asks for it; the decoder of AVIF reads it first,
    and refuses the picture for it.
    """
    try:
        return Image.open(file)
    except Exception:
        content = _content_of_avif(file)
        if content is None:
            raise
        return Image.open(io.BytesIO(_EXIF_ENTRY.sub(rb"\1skip", content)))


def _content_of_avif(file):
    """Return the bytes of a file that says it is AVIF; None for any other."""
    if not hasattr(file, "read"):
        if not os.path.isfile(file):
            return None
        with open(file, "rb") as opened:
            return _content_of_avif(opened)
    if not file.seekable():
        return None
    file.seek(0)
    start = file.read(12)
    return start + file.read() if start[4:] in (b"ftypavif", b"ftypavis") else None
