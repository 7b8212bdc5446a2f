"""Find classes, and splits into training and validation, in a folder of pictures."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"}

# Where a folder has no splits of its own, this share goes to each of the last two.
HELD_OUT = 0.1
SPLIT_NAMES = frozenset("train training val valid validation test testing".split())


def picture_files(folder: Path) -> list[Path]:
    """List the picture files in and under a folder, in a fixed order.

    Parameters
    ----------
    folder : pathlib.Path

    Returns
    -------
    files : list of pathlib.Path
        Hidden ones left out.
    """
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and not path.name.startswith(".")
        and path.is_file()  # not so for a link to a picture that is gone
    )


def _subfolders(folder):
    """List the folders in a folder, by name."""
    return sorted(
        path for path in folder.iterdir() if path.is_dir() and path.name[0] != "."
    )


def files_by_split(
    folder: Path,
) -> tuple[tuple[str, ...], dict[str, dict[str, list[Path]]]]:
    """Find what is to be learned from and judged by, and the classes.

    Parameters
    ----------
    folder : pathlib.Path
        Holds a folder for each class, or train and validation (and perhaps test) with
        a folder for each class in each.

    Returns
    -------
    class_names : tuple of str
    files_of : dict of str to dict of str to list of pathlib.Path
        For each split the files of each class; without splits, "all" is the only one.

    Raises
    ------
    ValueError
        If a split is missing, empty or misnamed, or splits differ in their classes.
    """
    if not (folder / "train").is_dir():
        check_no_splits(folder)
        by_class = {path.name: picture_files(path) for path in _subfolders(folder)}
        check_classes(folder, by_class)
        return tuple(by_class), {"all": by_class}
    files_of = {}
    for split in ("train", "validation", "test"):
        if (folder / split).is_dir():
            classes = _subfolders(folder / split)
            files_of[split] = {path.name: picture_files(path) for path in classes}
            check_classes(folder / split, files_of[split])
        elif split == "validation":
            raise ValueError(f"{folder} has a folder train but none called validation")
    class_names = tuple(files_of["train"])
    for split, by_class in files_of.items():
        if tuple(by_class) != class_names:
            raise ValueError(
                f"{folder / split} must have the classes of train, "
                f"{', '.join(class_names)}; it has {', '.join(by_class)}"
            )
    return class_names, files_of


def check_no_splits(folder: Path) -> None:
    """Raise ValueError if what should be classes look like splits of another name."""
    found = [p.name for p in _subfolders(folder) if p.name.casefold() in SPLIT_NAMES]
    if found:
        raise ValueError(
            f"{folder} holds {', '.join(found)}, which look like splits and not like "
            "classes; call them train, validation and (if there is one) test"
        )


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
