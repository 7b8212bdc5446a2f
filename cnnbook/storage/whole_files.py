"""Write a file or a folder whole, or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cnnbook.storage.repository import AnyPath


@contextmanager
def whole_file(path: AnyPath) -> Iterator[Path]:
    """Write a file that appears under its name once it is complete, or never.

    Parameters
    ----------
    path : str or path
        A file that is there is replaced once the new one is complete and on the disk.

    Yields
    ------
    unfinished : pathlib.Path
        The file to write, in the same folder and with the same ending.  If the block
        raises, it is removed, and what was there stays.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with whole_file(f"{folder}/notes.txt") as unfinished:
    ...         _ = unfinished.write_text("all of it")
    ...     Path(folder, "notes.txt").read_text()
    'all of it'
    """
    path = Path(path)
    unfinished = path.with_name(f".{path.stem}-unfinished-{os.getpid()}{path.suffix}")
    try:
        yield unfinished
        with open(unfinished, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(unfinished, path)  # in one step, as it is on the same disk
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Fill a folder that appears under its name once it is complete, or never.

    Parameters
    ----------
    folder : pathlib.Path
        If another process completes it first, that one's stays.

    Yields
    ------
    unfinished : pathlib.Path
        An empty folder to write to.  If the block raises, it is removed.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = folder.with_name(f".{folder.name}-unfinished-{os.getpid()}")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    try:
        yield unfinished
        try:
            unfinished.rename(folder)  # in one step, as it is on the same disk
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
