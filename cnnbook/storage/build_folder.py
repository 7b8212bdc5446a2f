"""Where a build keeps what took long to make, and when that is still good."""

import hashlib
import importlib.metadata
import json
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cnnbook.storage import source_code
from cnnbook.storage.repository import find_repository, from_repository
from cnnbook.storage.whole_files import whole_folder

ROOT = Path(__file__).parents[2]  # the folder that holds the package


def find_build_folder() -> Path:
    """Find the folder that everything built goes into; it need not exist yet.

    Returns
    -------
    folder : pathlib.Path
        The one that the environment variable ``CNNBOOK_BUILD`` names, else ``_build``;
        either starts from the folder that `storage.find_repository` finds.

    Raises
    ------
    ValueError
        If there is neither.
    """
    if named := os.environ.get("CNNBOOK_BUILD"):
        return from_repository(named)
    if folder := find_repository():
        return folder / "_build"
    raise ValueError(
        f"found no _config.yml with a _toc.yml in {Path.cwd()} or above it, so this "
        "is not a copy of the book; set CNNBOOK_BUILD to the folder that should keep "
        "what is built"
    )


def key_of(*names: str, **facts: Any) -> str:
    """Digest everything that decides a result: code, versions and other facts.

    Parameters
    ----------
    names : str
        Modules of this package whose code counts, with all that they import from it;
        comments and docstrings do not.  Or functions, whose neighbours do not count.
    facts
        Anything else that counts, as JSON can write it.

    Returns
    -------
    key : str
        16 hexadecimal digits; different as soon as anything differs.

    Raises
    ------
    ValueError
        If there is no such module or function, or one of their imports cannot be
        followed.

    Examples
    --------
    >>> key_of("pictures.images", seed=0) == key_of("pictures.images", seed=0)
    True
    >>> key_of("pictures.images", seed=0) == key_of("pictures.images", seed=1)
    False
    """
    sources: dict[str, str] = {}
    for name in names:
        sources |= source_code.digests_behind(ROOT, f"{source_code.PACKAGE}.{name}")
    everything = {"sources": sources, "versions": versions(), "facts": facts}
    text = json.dumps(everything, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def made_once(kind: str, key: str, make: Callable[[Path], object]) -> Path:
    """Return a folder of the build, made if this was not done before.

    Parameters
    ----------
    kind : str
        What is kept in it, the name of the folder around it.
    key : str
        From `key_of`.
    make : callable
        Called with an empty folder to fill, if need be.

    Returns
    -------
    folder : pathlib.Path

    Raises
    ------
    ValueError
        If there is no folder to build in; see `find_build_folder`.
    """
    folder = find_build_folder() / kind / key
    if not folder.is_dir():
        with whole_folder(folder) as unfinished:
            make(unfinished)
    return folder


def found_once(kind: str, key: str, find: Callable[[], object]) -> Any:
    """Return what was found out, read from the build if this was done before.

    Parameters
    ----------
    kind, key : str
        As for `made_once`.
    find : callable
        Called without arguments, if need be; what it returns is kept as JSON.

    Returns
    -------
    found : object
        As JSON gives it back: tuples are lists.

    Raises
    ------
    ValueError
        If there is no folder to build in; see `find_build_folder`.
    """

    def make(folder):
        text = json.dumps(find(), indent=1)
        (folder / "found.json").write_text(text, encoding="utf8")

    folder = made_once(kind, key, make)
    return json.loads((folder / "found.json").read_text(encoding="utf8"))


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that results depend on.

    Returns
    -------
    versions : dict of str to str
    """
    packages = ("tensorflow", "keras", "numpy", "pillow")
    return {"python": platform.python_version()} | {
        package: importlib.metadata.version(package) for package in packages
    }
