"""Refuse to start on what could not be written in the end."""

import os
from pathlib import Path


def check_new_file(path: Path) -> None:
    """Refuse a file that cannot be written under its name once it is complete.

    Parameters
    ----------
    path : pathlib.Path

    Raises
    ------
    OSError
        If there is no such folder, nothing may be written there, or the file is one.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"there is no folder {path.parent} to write {path.name} in"
        )
    if path.is_dir():
        raise IsADirectoryError(f"cannot write {path}: it is a folder")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise PermissionError(
            f"cannot write {path.name}: nothing may be written in {path.parent}"
        )


def check_picture(path: Path) -> None:
    """Refuse a file that Matplotlib cannot write a picture to.

    Parameters
    ----------
    path : pathlib.Path

    Raises
    ------
    ValueError
        If the ending is none of those that Matplotlib writes.
    OSError
        As `check_new_file`, or if the file is there and may not be changed.
    """
    if not path.is_file():
        check_new_file(path)
    elif not os.access(path, os.W_OK):
        raise PermissionError(f"cannot write {path}: the file may not be changed")
    from matplotlib.backend_bases import FigureCanvasBase

    kinds = FigureCanvasBase.get_supported_filetypes()
    if path.suffix[1:].lower() not in kinds:
        raise ValueError(
            f"a picture must end in {', '.join(f'.{kind}' for kind in sorted(kinds))}; "
            f"got {path.name}"
        )
