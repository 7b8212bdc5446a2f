"""Results that took long to measure, kept in ``cnnbook/studies/results``.

``make results`` measures them anew; chapters read them, so that no number is typed.
"""

import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cnnbook.storage import build_folder
from cnnbook.storage.whole_files import whole_file

FOLDER = Path(__file__).parent / "results"


def read_record(name: str) -> dict[str, Any]:
    """Read what was measured.

    Parameters
    ----------
    name : str
        As a file there is called, without ".json".

    Returns
    -------
    record : dict

    Raises
    ------
    FileNotFoundError
        If it has not been measured.

    Examples
    --------
    >>> read_record("classifier")["source"]
    'photos'
    """
    file = record_file(name)
    if not file.is_file():
        known = ", ".join(sorted(path.stem for path in FOLDER.glob("*.json")))
        raise FileNotFoundError(
            f"there are no results called {name!r}; there are: {known or 'none'}; "
            "`make results` measures them"
        )
    return json.loads(file.read_text(encoding="utf8"))


def record_file(name: str) -> Path:
    """Tell where a record is, or would be.

    Parameters
    ----------
    name : str
        As for `read_record`.

    Returns
    -------
    file : pathlib.Path

    Examples
    --------
    >>> record_file("classifier").name
    'classifier.json'
    """
    return FOLDER / f"{name}.json"


def write_record(name: str, record: Mapping[str, Any]) -> Path:
    """Keep what was measured, with the versions and the machine it was measured with.

    Parameters
    ----------
    name : str
    record : dict
        As JSON can write it.

    Returns
    -------
    file : pathlib.Path
    """
    return write_parts(name, {**measured_with(), **record})


def measured_with() -> dict[str, Any]:
    """Name the versions and the machine that something is measured with now.

    Returns
    -------
    facts : dict
    """
    return {
        "versions": build_folder.versions(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
    }


def write_parts(name: str, record: Mapping[str, Any]) -> Path:
    """Keep a record whose parts say themselves what they were measured with.

    Parameters
    ----------
    name, record
        As for `write_record`.

    Returns
    -------
    file : pathlib.Path
    """
    FOLDER.mkdir(exist_ok=True)
    file = record_file(name)
    whole = {"made_by": f"cnnbook results {name}", **record}
    text = json.dumps(whole, indent=1, ensure_ascii=False) + "\n"
    with whole_file(file) as unfinished:
        unfinished.write_text(text, encoding="utf8")
    return file
