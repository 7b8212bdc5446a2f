"""Unpack archives that nobody has vouched for, inside their folder or not at all."""

import tarfile
import zipfile
import zlib
from pathlib import Path, PureWindowsPath
from typing import Any

from cnnbook.storage.repository import AnyPath


def unpack(file: AnyPath, folder: Path, kept: str, origin: str) -> Path:
    """Unpack a ZIP or tar archive into a new folder.

    Parameters
    ----------
    file : path-like
    folder : pathlib.Path
        Made if it is not there.
    kept : str
        The folder inside the archive that is wanted.
    origin : str
        What to call the archive in errors, such as its URL.

    Returns
    -------
    kept : pathlib.Path
        Where that folder now is.

    Raises
    ------
    ValueError
        If it is no archive, is damaged, lacks the folder, would write outside, or
        holds anything but files and folders.
    """
    try:
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                _refuse_escapes(archive.namelist(), origin)
                archive.extractall(folder)
        else:
            with tarfile.open(file) as archive:
                members = archive.getmembers()
                _refuse_escapes([member.name for member in members], origin)
                for member in members:
                    if not (member.isfile() or member.isdir()):
                        raise ValueError(
                            f"{origin} holds {member.name}, which is neither a file "
                            "nor a folder; nothing was unpacked"
                        )
                # Python 3.11.0 to 3.11.3 lack the filter; the checks above suffice.
                safely: dict[str, Any] = (
                    {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
                )
                archive.extractall(folder, members, **safely)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ValueError(
            f"{origin} is not an archive that can be unpacked ({error}); nothing was "
            "kept"
        ) from error
    if not (folder / kept).is_dir():
        raise ValueError(f"{origin} lacks the folder {kept}")
    return folder / kept


def _refuse_escapes(names, origin):
    """Raise an error if an archive would write outside its folder."""
    for name in names:
        # Windows' rules are the stricter: they know both slashes, and drives.
        path = PureWindowsPath(name)
        if path.anchor or ".." in path.parts:
            raise ValueError(
                f"{origin} would write outside its folder ({name!r}); nothing was "
                "unpacked"
            )
