"""Refuse to start on what could not be written in the end, or would be lost by it.

Every command that writes asks here first: what it reads is never written over, and what
is there already is replaced only with ``--force``.
"""

import os
from collections.abc import Iterable
from pathlib import Path


def check_new_file(
    path: Path, *, reads: Iterable[Path] = (), force: bool = False
) -> None:
    """Refuse a file that cannot be written, or must not be.

    Parameters
    ----------
    path : pathlib.Path
    reads : iterable of path
        The files that the command reads, under whatever name, and folders whose files
        it reads.
    force : bool
        Whether a file that is there may be replaced, if it is none of these.

    Raises
    ------
    FileExistsError
        If it is one of those, or is there and may not be replaced.
    OSError
        If there is no such folder, nothing may be written there, or the file is one.
    """
    _check_free(path, reads, force)
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise PermissionError(
            f"cannot write {path.name}: nothing may be written in {path.parent}"
        )


def check_picture(
    path: Path, *, reads: Iterable[Path] = (), force: bool = False
) -> None:
    """Refuse a file that Matplotlib cannot write a picture to, or must not.

    Parameters
    ----------
    path, reads, force
        As for `check_new_file`.

    Raises
    ------
    ValueError
        If the ending is none of those that Matplotlib writes.
    OSError
        As `check_new_file`, or if the file is there and may not be changed.
    """
    if path.is_file():  # and is written over in place
        _check_free(path, reads, force)
        if not os.access(path, os.W_OK):
            raise PermissionError(f"cannot write {path}: the file may not be changed")
    else:
        check_new_file(path, reads=reads, force=force)
    from matplotlib.backend_bases import FigureCanvasBase

    kinds = FigureCanvasBase.get_supported_filetypes()
    if path.suffix[1:].lower() not in kinds:
        raise ValueError(
            f"a picture must end in {', '.join(f'.{kind}' for kind in sorted(kinds))}; "
            f"got {path.name}"
        )


def _check_free(path, reads, force):
    """Refuse what is no place for a file, or holds what would be lost."""
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"there is no folder {path.parent} to write {path.name} in"
        )
    if path.is_dir():
        raise IsADirectoryError(f"cannot write {path}: it is a folder")
    for read in reads:
        if _is_part(path, read):
            raise FileExistsError(
                f"cannot write {path}: this command reads {read}, which would be lost; "
                "choose another --out"
            )
    if os.path.lexists(path) and not force:
        raise FileExistsError(
            f"{path} is there already; choose another --out, or replace it with --force"
        )


def _is_part(path, read):
    """Tell whether a file is another one, or lies in a folder, by whatever name."""
    if not path.exists() or not read.exists():
        return False
    places = path.resolve().parents if read.is_dir() else [path]
    return any(place.samefile(read) for place in places)
