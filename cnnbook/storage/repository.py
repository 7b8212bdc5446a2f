"""Find the copy of the book that a program runs in.

Chapters run in ``book/``, commands anywhere below the top: a relative path that a
reader has set must mean the same file for all of them.
"""

import os
from pathlib import Path

AnyPath = str | os.PathLike[str]  # a file or folder, as people name it


def find_repository() -> Path | None:
    """Find the folder that holds the book's ``_config.yml`` and ``_toc.yml``.

    Returns
    -------
    folder : pathlib.Path or None
        The current folder or the nearest one above it; None outside the book.
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        # Other sites, such as Jekyll's, have a _config.yml too.
        if (folder / "_config.yml").is_file() and (folder / "_toc.yml").is_file():
            return folder
    return None


def from_repository(path: AnyPath) -> Path:
    """Read a path as a reader of the book means it.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    path : pathlib.Path
        Absolute; a relative one starts from the repository, or from the current
        folder outside of one.
    """
    return (find_repository() or Path.cwd()) / os.path.expanduser(path)
