"""Find classes, and splits into training and validation, in a folder of pictures."""

import functools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

# Where a folder has no splits of its own, this share goes to each of the last two.
HELD_OUT = 0.1
SPLITS = ("train", "validation", "test")

# Words in the name of a folder that say what its pictures are for.  Whether it is a
# split at all is told by what it holds; where that leaves doubts, the reader is asked.
_WORDS = {
    "train": {"train", "training"},
    "validation": {"val", "valid", "validation", "dev", "eval"},
    "test": {"test", "testing"},
}


def picture_files(folder: Path) -> list[Path]:
    """List the files in and under a folder that Pillow takes for pictures.

    Parameters
    ----------
    folder : pathlib.Path

    Returns
    -------
    files : list of pathlib.Path
        In a fixed order.  Hidden ones, and all in hidden folders, are no part of it.
    """
    return [path for path in _files(folder) if _is_picture(path)]


def other_files(folder: Path) -> list[Path]:
    """List the files in and under a folder that are no pictures.

    Parameters
    ----------
    folder : pathlib.Path

    Returns
    -------
    files : list of pathlib.Path
        As for `picture_files`: hidden ones are no part of it.
    """
    return [path for path in _files(folder) if not _is_picture(path)]


def _files(folder):
    """List all files that are not hidden at any depth, nor links to what is gone."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not _is_hidden(path.relative_to(folder))
    )


def _is_hidden(path):
    return any(part.startswith(".") for part in path.parts)


def _is_picture(path):
    """Tell by its ending, or else by its first bytes, whether Pillow reads a file."""
    if path.suffix.lower() in _endings():
        return True
    try:
        with Image.open(path):
            return True
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError):
        return False


@functools.cache
def _endings():
    """Return the endings of all formats that Pillow opens, such as ``.jpg``."""
    formats = Image.registered_extensions()
    return {ending for ending, name in formats.items() if name in Image.OPEN}


def _subfolders(folder):
    """List the folders in a folder, by name; hidden ones are none."""
    return sorted(
        path for path in folder.iterdir() if path.is_dir() and path.name[0] != "."
    )


def files_by_split(
    folder: Path,
) -> tuple[tuple[str, ...], dict[str, dict[str, list[Path]]]]:
    """Find what is to be learned from and judged by, and the classes.

    Folders that all hold folders of the same names are splits, and those are the
    classes; so are folders that are all named as splits.  Else the folders are the
    classes, whatever is in them.

    Parameters
    ----------
    folder : pathlib.Path
        Holds a folder for each class; or splits, with a folder for each class in each.

    Returns
    -------
    class_names : tuple of str
    files_of : dict of str to dict of str to list of pathlib.Path
        For each split, "train", "validation" and perhaps "test", the files of each
        class; without splits, "all" is the only one.

    Raises
    ------
    ValueError
        If it is not clear which folders are splits, or which is for what; if there is
        none to train or to validate on; or if splits differ in their classes.
    """
    inside = {path: _subfolders(path) for path in _subfolders(folder)}
    names = [tuple(path.name for path in paths) for paths in inside.values()]
    roles = {path: _role(path.name) for path in inside}
    alike = len(names) > 1 and len(set(names)) == 1 and len(names[0]) > 1
    named = bool(names) and all(roles.values())
    if alike or (named and all(names)):
        return _by_split(folder, inside, roles)
    if doubtful := [path.name for path, role in roles.items() if role]:
        raise ValueError(
            f"{folder} holds {', '.join(doubtful)}, which look like splits and not "
            "like classes. Splits are folders train, validation and (if there is one) "
            "test that all hold the same folders, one for each class; call a class by "
            "another name"
        )
    by_class = {path.name: picture_files(path) for path in inside}
    check_classes(folder, by_class)
    return tuple(by_class), {"all": by_class}


def _by_split(folder, inside, roles):
    """List the files of each class of each split, once it is clear which is which."""
    unclear = [path.name for path, role in roles.items() if role is None]
    if unclear or len(set(roles.values())) < len(roles):
        raise ValueError(
            f"{folder} holds {', '.join(path.name for path in roles)}, which all hold "
            "the same folders. If these are splits, call them train, validation and "
            "(if there is one) test; if they are classes, put the pictures of each "
            "straight into its folder"
        )
    by_role = {role: path for path, role in roles.items()}
    for role in ("train", "validation"):
        if role not in by_role:
            others = ", ".join(path.name for path in roles)
            raise ValueError(
                f"{folder} has splits ({others}) but no folder {role}; to have "
                "pictures held out instead, name the folder that holds the classes"
            )
    files_of = {}
    for role in sorted(by_role, key=SPLITS.index):
        split = by_role[role]
        files_of[role] = {path.name: picture_files(path) for path in inside[split]}
        check_classes(split, files_of[role])
    class_names = tuple(files_of["train"])
    for role, by_class in files_of.items():
        if tuple(by_class) != class_names:
            raise ValueError(
                f"{by_role[role]} must have the classes of train, "
                f"{', '.join(class_names)}; it has {', '.join(by_class)}"
            )
    return class_names, files_of


def _role(name):
    """Tell what a split is for by the words in its name; None if they say nothing.

    >>> [_role(name) for name in ("seg_train", "TestSet", "train1", "trainee")]
    ['train', 'test', 'train', None]
    """
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    words = set(re.findall(r"[a-z]+", spaced.casefold()))
    found = [role for role, known in _WORDS.items() if words & known]
    return found[0] if len(found) == 1 else None


def check_classes(folder: Path, by_class: Mapping[str, Sequence[Path]]) -> None:
    """Raise ValueError unless there are two classes or more, none of them empty."""
    if len(by_class) < 2:
        found = ", ".join(by_class) or "none"
        raise ValueError(
            f"{folder} must hold one folder of pictures for each of two or more "
            f"classes; found: {found}"
        )
    if empty := [name for name, files in by_class.items() if not files]:
        raise ValueError(
            f"{folder} has no pictures of {', '.join(empty)} that can be read"
        )


def divide(
    by_class: Mapping[str, Sequence[Path]], seed: int
) -> dict[str, dict[str, list[Path]]]:
    """Hold out a share of every class, to validate and to test on.

    Parameters
    ----------
    by_class : dict of str to list of pathlib.Path
    seed : int
        Decides who is held out.

    Returns
    -------
    files_of : dict of str to dict of str to list of pathlib.Path
        "train", "validation" and "test".

    Raises
    ------
    ValueError
        If a class has fewer than 3 pictures.
    """
    rng = np.random.default_rng(seed)
    files_of: dict[str, dict[str, list[Path]]] = {
        "train": {},
        "validation": {},
        "test": {},
    }
    for name, files in by_class.items():
        if len(files) < 3:
            raise ValueError(
                f"{name} has {len(files)} pictures that can be read; at least 3 are "
                "needed, one each to train, to validate and to test on"
            )
        order = rng.permutation(len(files))
        held_out = max(1, round(HELD_OUT * len(files)))
        parts = np.split(order, [held_out, 2 * held_out])
        for split, part in zip(("validation", "test", "train"), parts, strict=True):
            files_of[split][name] = [files[i] for i in sorted(part)]
    return files_of
