"""Find the copy of the book that a program runs in.

Chapters run in ``book/``, commands anywhere below the top: a relative path that a
reader has set must mean the same file for all of them.
"""

from pathlib import Path


def find_repository():
    """Find the folder that holds the book's ``_config.yml``.

    Returns
    -------
    folder : pathlib.Path or None
        The current folder or the nearest one above it; None outside the book.
    """
    here = Path.cwd()
    folders = (here, *here.parents)
    return next(
        (folder for folder in folders if (folder / "_config.yml").exists()), None
    )


def from_repository(path):
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
    return (find_repository() or Path.cwd()) / Path(path).expanduser()
