"""Labelled pictures of cats and dogs: drawn, photographed, or the reader's own."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cnnbook.checks import check_whole
from cnnbook.pictures import decoding, folders
from cnnbook.pictures.drawing.pets import draw_pets
from cnnbook.pictures.sources import DOWNLOADS, SOURCES, source_of
from cnnbook.storage import build_folder, downloads
from cnnbook.storage.repository import AnyPath, from_repository

# How many pets are drawn for each split: enough to learn from, in seconds.
DRAWN_COUNTS = {"train": 2400, "validation": 600, "test": 600}


@dataclass(frozen=True)
class Split:
    """Pictures and what they show.

    Attributes
    ----------
    images : ndarray of shape (N, H, W, 3), uint8
        In memory; or, if there are very many, on the disk (``numpy.memmap``).
    labels : ndarray of shape (N,), int64
        Index of the class: 0 = cat, 1 = dog, or the reader's own.
    files : tuple of str
        Where each picture is from, as "class/name"; empty for drawn ones.
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    files: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Return how many pictures there are."""
        return len(self.labels)


@dataclass(frozen=True)
class Pets:
    """Labelled pictures to train on, to validate on and, perhaps, to test on.

    Attributes
    ----------
    train : Split
        To learn from.
    validation : Split
        Kept aside, to check on what was learned.
    test : Split or None
        None where the source has no third split.
    class_names : tuple of str
    source : str
        "drawn", "photos", "oxford-pets" or the path of a folder.
    attribution : str
        Where the pictures come from, as a caption can say it.
    publishable : bool
        Whether the pictures themselves may be shown to the world.
    left_out : tuple of str
        Why a file was left out, for each that cannot be read or is no picture; names
        the file.
    copies : tuple of str
        Which pictures of one split are in another too, pixel for pixel; names both.
        What was learned by heart would be judged by them.
    """

    train: Split
    validation: Split
    test: Split | None
    class_names: tuple[str, ...]
    source: str
    attribution: str
    publishable: bool
    left_out: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()


def load_pets(source: AnyPath = "auto", *, size: int = 96, seed: int = 0) -> Pets:
    """Load labelled pictures, all of one size, without touching the network.

    Parameters
    ----------
    source : str or path
        - "drawn": cats and dogs drawn by `draw_pets`;
        - "photos": the folder that the environment variable ``CNNBOOK_PHOTOS``
          names, else the photographs that ``cnnbook fetch photos`` brought;
        - "oxford-pets": those that ``cnnbook fetch oxford-pets`` brought [1]_;
        - "auto": photographs that are on this machine, else drawn pets;
        - a folder of your own with one folder of pictures per class, or with splits
          around those, which all hold the same classes: ``train`` and ``validation``
          (and perhaps ``test``), or names with such a word in them (``val_images``).
          Hidden files and folders do not count.
    size : int
        Rows and columns of every picture, in pixels.
    seed : int
        Decides which pets are drawn, the order of the pictures and, for a folder
        without splits, who is held out.

    Returns
    -------
    pets : Pets
        ``pets.source`` says which source "auto" found.

    Raises
    ------
    ValueError
        If the source is not on this machine, lacks a split or a class, leaves it open
        which of its folders are splits, or if more than 5 % of all its pictures cannot
        be read.

    References
    ----------
    .. [1] O. M. Parkhi et al., "Cats and dogs", CVPR 2012.
       https://doi.org/10.1109/CVPR.2012.6248092

    Examples
    --------
    Drawn pets are kept in the build; a second call only reads them:

    >>> pets = load_pets("drawn")
    >>> pets.class_names, pets.validation.images.shape
    (('cat', 'dog'), (600, 96, 96, 3))
    """
    check_whole(size, "size")
    name, folder = find_source(source)
    known = source_of(name)
    if folder is None or known.sort is None:
        return _as_pets(known, known.credit, ("cat", "dog"), _drawn(size, seed))
    class_names, files_of = known.sort(folder)
    # All are read before any is held out, so that it does not depend on the seed
    # whether a folder with damaged pictures is accepted.
    files = [f for by in files_of.values() for several in by.values() for f in several]
    pictures, whole, left_out = decoding.read_all(files, (size, size))
    number_of = {file: number for number, file in enumerate(whole)}
    for by_class in files_of.values():
        for name, several in by_class.items():
            by_class[name] = [file for file in several if file in number_of]
        folders.check_classes(folder, by_class)
    if "all" in files_of:
        files_of = folders.divide(files_of["all"], seed)
    splits = {
        name: _shuffled(by_class, number_of, pictures, seed)
        for name, by_class in files_of.items()
    }
    return _as_pets(
        known,
        _credit(known, folder),
        class_names,
        splits,
        left_out=left_out + _no_pictures(folder),
        copies=_copies(splits),
    )


def _as_pets(source, credit, class_names, splits, **found):
    """Put together what a source has given."""
    return Pets(
        train=splits["train"],
        validation=splits["validation"],
        test=splits.get("test"),
        class_names=class_names,
        source=source.name,
        attribution=credit,
        publishable=source.publishable,
        **found,
    )


def _no_pictures(folder):
    """Name the files of a folder that are no pictures."""
    return tuple(
        f"{file} is not a picture that Pillow knows"
        for file in folders.other_files(folder)
    )


def _copies(splits):
    """Name the pictures that are in two splits, however their files are called."""
    first: dict[bytes, tuple[str, str]] = {}
    copies = []
    for name, split in splits.items():
        for picture, file in zip(split.images, split.files, strict=True):
            digest = hashlib.blake2b(picture.tobytes(), digest_size=16).digest()
            place, other = first.setdefault(digest, (name, file))
            if place != name:
                copies.append(f"{file} of {name} is {other} of {place}")
    return tuple(copies)


def _credit(source, folder):
    """Say where pictures come from, as a caption can."""
    if source.name == "photos" and folder != downloads.location(source.download):
        return "photographs from the folder that CNNBOOK_PHOTOS names"
    return source.credit


def find_source(source: AnyPath = "auto") -> tuple[str, Path | None]:
    """Decide where the pictures come from, without reading any.

    Parameters
    ----------
    source : str or path
        As in `load_pets`.

    Returns
    -------
    source : str
        "drawn", "photos", "oxford-pets" or the path of a folder; never "auto".
    folder : pathlib.Path or None
        Where its pictures are; None for drawn ones.

    Raises
    ------
    ValueError
        If that source is not on this machine, or is neither a str nor a path.
    """
    if not isinstance(source, (str, os.PathLike)):
        raise ValueError(f"source must be a name or a folder's path; got {source!r}")
    if source == "drawn":
        return "drawn", None
    if source in ("auto", "photos"):
        if named := os.environ.get("CNNBOOK_PHOTOS"):
            return "photos", _photos_named_by_environment(named)
    if source == "auto":
        for name, download in DOWNLOADS.items():
            if folder := downloads.location(download):
                return name, folder
        return "drawn", None
    if source in DOWNLOADS:
        name = str(source)
        if folder := downloads.location(DOWNLOADS[name]):
            return name, folder
        ways = f"run `cnnbook fetch {source}`"
        if source == "photos":
            ways += ", or set CNNBOOK_PHOTOS to a folder with train and validation"
        raise ValueError(f"the {source} are not on this machine; {ways}")
    folder = Path(os.path.expanduser(source))
    if not folder.is_dir():
        names = ", ".join(f'"{name}"' for name in ("auto", *SOURCES))
        raise ValueError(
            f"source must be {names} or an existing folder with one folder of pictures "
            f"per class; got {str(source)!r}"
        )
    return str(folder), folder


def fingerprint(source: AnyPath = "auto") -> str:
    """Tell whether the pictures of a source are still the same, without reading them.

    Parameters
    ----------
    source : str or path
        As in `load_pets`.

    Returns
    -------
    fingerprint : str
        Changes when a file is added, removed, resized or touched.  Drawn pets
        change with the code that draws them, not with any file.
    """
    source, folder = find_source(source)
    digest = hashlib.sha256(source.encode())
    if folder is not None:
        for file in folders.picture_files(folder):
            facts = file.stat()
            name = file.relative_to(folder).as_posix()
            digest.update(f"{name} {facts.st_size} {facts.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def _drawn(size, seed):
    """Draw all splits in one go, so that no pet is in two of them."""
    images, labels = _drawn_once(sum(DRAWN_COUNTS.values()), size, seed)
    ends = np.cumsum(list(DRAWN_COUNTS.values()))[:-1]
    parts = zip(np.split(images, ends), np.split(labels, ends), strict=True)
    return {name: Split(*part) for name, part in zip(DRAWN_COUNTS, parts, strict=True)}


def _drawn_once(count, size, seed):
    """Draw pets; in a copy of the book they are kept, as many chapters need them."""

    def make(folder=None):
        pets = draw_pets(count, size=size, seed=seed)
        if folder is not None:
            np.save(folder / "images.npy", pets.images)
            np.save(folder / "labels.npy", pets.labels)
        return pets.images, pets.labels

    try:
        build_folder.find_build_folder()
    except ValueError:
        return make()
    key = build_folder.key_of(
        "pictures.drawing.pets", count=count, size=size, seed=seed
    )
    folder = build_folder.made_once("pets", key, make)
    return np.load(folder / "images.npy"), np.load(folder / "labels.npy")


def _photos_named_by_environment(named):
    """Return the folder that CNNBOOK_PHOTOS means, or say why it is unusable."""
    folder = from_repository(named)
    needed = [
        f"{split}/{name}"
        for split in ("train", "validation")
        for name in ("cats", "dogs")
    ]
    if missing := [name for name in needed if not (folder / name).is_dir()]:
        raise ValueError(
            f"CNNBOOK_PHOTOS is set to {named}, which must hold {', '.join(needed)}; "
            f"{folder} lacks {', '.join(missing)}"
        )
    return folder


def _shuffled(by_class, number_of, pictures, seed):
    """Put the pictures of a split and their labels into one random order."""
    files = [file for files in by_class.values() for file in files]
    labels = np.repeat(np.arange(len(by_class)), [len(f) for f in by_class.values()])
    order = np.random.default_rng(seed).permutation(len(files))
    files = [files[i] for i in order]
    return Split(
        images=decoding.select(pictures, [number_of[file] for file in files]),
        labels=labels[order],
        files=tuple(f"{file.parent.name}/{file.name}" for file in files),
    )
