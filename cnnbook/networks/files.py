"""Save and load a classifier, with the names of its classes, in one file."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cnnbook.networks.classifier import filters_of
from cnnbook.storage.repository import AnyPath
from cnnbook.storage.whole_files import whole_file

if TYPE_CHECKING:
    import keras

# The classifier that comes with the package; see book/model-card.md.
SHIPPED = Path(__file__).parent / "weights" / "classifier.keras"

# Keras's files are zip archives, and other members than its own do not disturb it.
_OURS = "cnnbook.json"


def save_classifier(
    model: keras.Model, path: AnyPath, *, class_names: Sequence[str] | None = None
) -> None:
    """Save a network to a file, whole or not at all.

    Parameters
    ----------
    model : keras.Model
    path : str or path
        Ends in ``.keras``.  A file that is there is replaced once the new one is
        complete.
    class_names : sequence of str, optional
        One for each class; by default those that the network was loaded with, if any.

    Raises
    ------
    ValueError
        If the path ends otherwise, or there are not as many names as classes.
    """
    path = keras_file(path)
    if class_names is None:
        class_names = getattr(model, "class_names", None)
    outputs = model.output_shape[-1]
    classes = 2 if outputs == 1 else outputs  # one speaks for two
    if class_names is not None and len(class_names) != classes:
        raise ValueError(
            f"class_names must be {classes}, one for each class of the network; got "
            f"{', '.join(class_names)}"
        )
    with whole_file(path) as unfinished:
        model.save(unfinished)
        if class_names is not None:
            with zipfile.ZipFile(unfinished, "a") as archive:
                archive.writestr(_OURS, json.dumps({"class_names": [*class_names]}))


def load_classifier(path: AnyPath | None = None) -> keras.Model:
    """Load a network that `save_classifier` saved.

    Parameters
    ----------
    path : str or path, optional
        Ends in ``.keras``.  By default the classifier that comes with this package,
        which has learned from photographs of cats and dogs.

    Returns
    -------
    classifier : keras.Model
        Its ``class_names`` are a tuple of str, or None where none were saved.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not a whole file of Keras's format, or holds another network.

    Examples
    --------
    >>> load_classifier().class_names
    ('cat', 'dog')
    """
    path = SHIPPED if path is None else keras_file(path)
    network = load_network(path)
    try:
        filters_of(network)
    except ValueError as error:
        raise ValueError(f"{path} holds another network: {error}") from error
    return network


def load_network(path: AnyPath) -> keras.Model:
    """Load any Keras network, with the names of its classes if the file has them.

    Parameters
    ----------
    path : str or path
        Ends in ``.keras``.

    Returns
    -------
    network : keras.Model
        Its ``class_names`` are a tuple of str, or None where none were saved.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not a whole file of Keras's format.

    Examples
    --------
    >>> load_network(SHIPPED).class_names
    ('cat', 'dog')
    """
    path = find_network(path)
    import keras

    try:
        network = keras.saving.load_model(path, compile=False)
        with zipfile.ZipFile(path) as archive:
            ours = archive.read(_OURS) if _OURS in archive.namelist() else b"{}"
        class_names = json.loads(ours).get("class_names")
    except Exception as error:  # of many kinds, from zip, JSON, HDF5 and Keras
        raise ValueError(
            f"{path} cannot be loaded as a network in Keras's format; it may be "
            f"damaged, or of another version of Keras: {error}"
        ) from error
    network.class_names = class_names and tuple(class_names)
    return network


def find_network(path: AnyPath | None = None) -> Path:
    """Refuse at once what cannot be the file of a network; this loads no Keras.

    Parameters
    ----------
    path : str or path, optional
        Ends in ``.keras``.  By default the classifier that comes with this package.

    Returns
    -------
    path : pathlib.Path

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    OSError
        If it may not be read.
    ValueError
        If it ends otherwise, or is no archive, as files of Keras's format are.
    """
    path = SHIPPED if path is None else keras_file(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no network {path}")
    with open(path, "rb") as file:
        if not zipfile.is_zipfile(file):
            raise ValueError(
                f"{path} cannot be loaded as a network in Keras's format: it is no zip "
                "archive, so it is damaged or something else"
            )
    return path


def image_size(path: AnyPath) -> tuple[int, int] | None:
    """Read from a network's file, without Keras, how large the images are it takes.

    Parameters
    ----------
    path : pathlib.Path
        As `find_network` found it.

    Returns
    -------
    size : (int, int) or None
        Rows and columns; None if it takes any, or if Keras has to be asked.

    Examples
    --------
    >>> image_size(SHIPPED)
    (96, 96)
    """
    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))["config"]
        _, rows, columns, _ = config["layers"][0]["config"]["batch_shape"]
    except Exception:  # of many kinds; Keras will say what is wrong, if anything is
        return None
    return (rows, columns) if rows and columns else None


def keras_file(path: AnyPath) -> Path:
    """Check that a path can be that of a network's file, which need not be there.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    path : pathlib.Path

    Raises
    ------
    ValueError
        If it does not end in ``.keras``.

    Examples
    --------
    >>> keras_file("owls.keras").stem
    'owls'
    """
    path = Path(path)
    if path.suffix != ".keras":
        raise ValueError(f"the file of a network must end in .keras; got {path.name}")
    return path
