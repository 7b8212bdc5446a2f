"""Save and load a classifier, with what else is known of it, in one file."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cnnbook.networks.classifier import filters_of
from cnnbook.networks.graph import connections
from cnnbook.networks.heads import checked_names
from cnnbook.networks.ranges import picture_range
from cnnbook.networks.traits import own_function
from cnnbook.storage.repository import AnyPath
from cnnbook.storage.whole_files import whole_file
from cnnbook.tensorflow_start import refuse_other_backends

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

    What white is to it goes into the file, where that is known (`picture_range`).

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
        If the path ends otherwise, the model cannot be taken apart, there are not as
        many names as classes, or ``model.white`` cannot be; if an activation of one's
        own would be read back as another.
    """
    path = keras_file(path)
    if getattr(model, "outputs", None) is None:
        connections(model)  # says why a subclass of keras.Model has none
    _refuse_lost_activations(model)
    known: dict[str, object] = {}
    if (names := checked_names(model, class_names)) is not None:
        known["class_names"] = names
    if (white := picture_range(model).white) is not None:
        known["white"] = white
    with whole_file(path) as unfinished:
        model.save(unfinished)
        if known:
            with zipfile.ZipFile(unfinished, "a") as archive:
                archive.writestr(_OURS, json.dumps(known))


def _refuse_lost_activations(model):
    """Refuse a function that Keras writes by a name under which it reads another."""
    import keras

    for layer in model.layers:
        if isinstance(layer, keras.Model):
            _refuse_lost_activations(layer)
        if (own := own_function(layer)) is None:
            continue
        try:
            read = keras.activations.get(keras.activations.serialize(own))
        except (TypeError, ValueError):  # not registered, as Keras says when it reads
            continue
        if read is not own:
            raise ValueError(
                f"the activation of layer {layer.name!r} is a function of your own, "
                f"which would be read back as Keras's {getattr(own, '__name__', own)}: "
                "give it @keras.saving.register_keras_serializable()"
            )


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
    path = SHIPPED if path is None else Path(path)
    network = load_network(path)
    try:
        filters_of(network)
    except ValueError as error:
        raise ValueError(f"{path} holds another network: {error}") from error
    return network


def load_network(path: AnyPath, *, safe_mode: bool = True) -> keras.Model:
    """Load any Keras network, with what the file says of its classes and of white.

    Parameters
    ----------
    path : str or path
        Ends in ``.keras``.
    safe_mode : bool
        Whether to refuse a file that holds Python code, as one with a Lambda layer
        does.  Loading that file runs the code, which may do anything on this machine:
        False is for files whose makers you trust.

    Returns
    -------
    network : keras.Model
        Its ``class_names`` are a tuple of str, or None where none were saved; its
        ``white`` is a number, or None where that is not known (`picture_range`).

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not a whole file of Keras's format, or holds Python code, or if Keras
        does not run on TensorFlow.

    Examples
    --------
    >>> load_network(SHIPPED).class_names
    ('cat', 'dog')
    """
    path = find_network(path)
    refuse_other_backends()
    import keras

    try:
        with zipfile.ZipFile(path) as archive:
            ours = archive.read(_OURS) if _OURS in archive.namelist() else b"{}"
            has_code = _CODE in archive.read("config.json")
        known = json.loads(ours)
        if safe_mode and has_code:
            raise _CodeInside
        network = keras.saving.load_model(path, compile=False, safe_mode=safe_mode)
    except _CodeInside:
        raise ValueError(
            f"{path} holds Python code (a Lambda layer's) that loading would run, and "
            "that may do anything on this machine. If you trust who made the file: "
            "networks.load_network(path, safe_mode=False), or --trust-code"
        ) from None
    except Exception as error:  # of many kinds, from zip, JSON, HDF5 and Keras
        raise ValueError(
            f"{path} cannot be loaded as a network in Keras's format; it may be "
            f"damaged, or of another version of Keras: {error}"
        ) from error
    class_names = known.get("class_names")
    network.class_names = class_names and tuple(class_names)
    network.white = known.get("white")
    network.white = picture_range(network).white
    return network


# How Keras writes a function without a name, in the description of the layers.
_CODE = b'"__lambda__"'


class _CodeInside(Exception):
    """A file holds Python code, and nobody has said that it may run."""


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
        If it may not be read, or is a folder.
    ValueError
        If it ends otherwise, or is no archive, as files of Keras's format are.  For the
        older formats, HDF5 and SavedModel, the message says how to convert them.
    """
    path = SHIPPED if path is None else Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no network {keras_file(path)}")
    if path.is_dir():
        other = (
            _SAVED_MODEL if (path / "saved_model.pb").is_file() else "it is a folder"
        )
        raise IsADirectoryError(f"cannot load {path}: {other}")
    with open(path, "rb") as file:
        if file.read(len(_HDF5)) == _HDF5:
            raise ValueError(f"cannot load {path}: {_OLD_FILE}")
        keras_file(path)
        if not zipfile.is_zipfile(file):
            raise ValueError(
                f"{path} cannot be loaded as a network in Keras's format: it is no zip "
                "archive, so it is damaged or something else"
            )
    return path


_HDF5 = b"\x89HDF\r\n\x1a\n"  # how such a file begins
_OLD_FILE = """it is HDF5, an older format; two lines of Python convert it:
import keras
keras.models.load_model("old.h5", compile=False).save("new.keras")"""
_SAVED_MODEL = """it is a SavedModel; two lines of Python convert it, with tf_keras
installed:
import keras, tf_keras; tf_keras.models.load_model("folder").save("old.h5")
keras.models.load_model("old.h5", compile=False).save("new.keras")"""


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
