"""Keep the state of a training in a file, so that it can go on after an interruption.

Keras's own ``BackupAndRestore`` overwrites its file in place, knows neither the history
nor which training the file belongs to, and so could go on from half a file or from
another training's.
"""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnbook.storage.repository import AnyPath
from cnnbook.storage.whole_files import whole_file

if TYPE_CHECKING:
    import keras

    from cnnbook.pictures.pets import Split

# A digest looks at no more pictures than this; reading all could take hours.
MOST_DIGESTED = 1000


def write(
    path: AnyPath,
    network: keras.Model,
    history: Mapping[str, Sequence[float]],
    facts: Mapping[str, Any],
) -> None:
    """Write the state of a training, whole or not at all.

    Parameters
    ----------
    path : str or path
        A file there is replaced once the new one is complete and on the disk.
    network : keras.Model
        Compiled, its optimizer built.
    history : dict of str to list of float
        One number for each epoch done.
    facts : dict
        What the training's result depends on, as JSON can write it.

    Raises
    ------
    OSError
        If it cannot be written, for instance because the disk is full.  The file that
        was there stays as it is.
    """
    path = Path(path)
    arrays: dict[str, Any] = {
        str(n): np.asarray(v) for n, v in enumerate(_variables(network))
    }
    about = json.dumps({"history": history, "facts": facts})
    try:
        with whole_file(path) as unfinished, open(unfinished, "wb") as file:
            np.savez(file, about=np.array(about), **arrays)
    except OSError as error:
        kept = f"; the older {path} is still good" if path.exists() else ""
        room = "Make room, and train" if error.errno == errno.ENOSPC else "Train"
        on = " to go on from it" if path.exists() else ""
        raise OSError(
            error.errno,
            f"the checkpoint {path} cannot be written ({error.strerror}){kept}. "
            f"{room} again{on}",
        ) from error


def read(
    path: AnyPath, network: keras.Model, facts: Mapping[str, Any]
) -> dict[str, list[float]]:
    """Set a network to the state that was written.

    Parameters
    ----------
    path : str or path
    network : keras.Model
        Compiled, its optimizer built; changed only if the state fits.
    facts : dict
        As for `write`.

    Returns
    -------
    history : dict of str to list of float

    Raises
    ------
    ValueError
        If the file is damaged, or belongs to a training that differs in some fact.
    """
    about, arrays = _contents(path)
    history, kept = about["history"], about["facts"]
    facts = json.loads(json.dumps(facts))  # as written: tuples have become lists
    if kept != facts:
        different = [
            f"{name} was {kept.get(name)!r} and is {facts.get(name)!r}"
            for name in sorted({*kept, *facts})
            if kept.get(name) != facts.get(name)
        ]
        raise ValueError(
            f"{path} is the checkpoint of another training: {'; '.join(different)}. "
            "Ask for the same again to go on with it, or remove it to start afresh"
        )
    variables = _variables(network)
    shapes = [array.shape for array in arrays], [tuple(v.shape) for v in variables]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"{path} was written by another version of this package; remove it to "
            "start afresh"
        )
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)
    return history


def epochs_in(path: AnyPath) -> int:
    """Count the epochs that a training had done when its checkpoint was written.

    Parameters
    ----------
    path : str or path
        As `training.train` wrote it.

    Returns
    -------
    epochs : int

    Raises
    ------
    ValueError
        If the file is damaged.
    """
    about, _ = _contents(path)
    return len(about["history"]["loss"])


def digest(split: Split) -> str:
    """Tell labelled pictures from others.

    Parameters
    ----------
    split : pictures.Split

    Returns
    -------
    digest : str
        16 hexadecimal digits, of all labels and of at most 1,000 pictures.
    """
    images, labels = np.asarray(split.images), np.asarray(split.labels)
    some = np.unique(np.linspace(0, len(images) - 1, MOST_DIGESTED).astype(int))
    hashed = hashlib.sha256(f"{images.shape} {images.dtype}".encode())
    hashed.update(np.ascontiguousarray(labels).data)
    for number in some:
        hashed.update(np.ascontiguousarray(images[number]).data)
    return hashed.hexdigest()[:16]


def _contents(path):
    """Read a checkpoint: what is said about it, and its arrays in order."""
    try:
        with open(path, "rb") as opened, np.load(opened) as file:
            about = json.loads(str(file["about"]))
            arrays = [file[str(number)] for number in range(len(file.files) - 1)]
        if {"history", "facts"} <= about.keys():
            return about, arrays
        reason = "it does not say which training it is of"
    except Exception as error:  # of many kinds, from zip, NumPy and JSON
        reason = str(error)
    raise ValueError(
        f"{path} is not a whole checkpoint of a training ({reason}); remove it to "
        "start afresh"
    )


def _variables(network):
    """List all that changes while a network trains, in a fixed order."""
    return [*network.variables, *network.optimizer.variables]
