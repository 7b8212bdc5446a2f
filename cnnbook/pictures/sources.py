"""Where labelled pictures come from: all that is known of each collection.

What reads folders is imported by the functions that do: ``cnnbook --help``
needs the names alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cnnbook.storage.downloads import Download

# The names of the classes; and for each split, or for "all", the files of each.
Sorted = tuple[tuple[str, ...], dict[str, dict[str, list[Path]]]]


def _by_folders(folder: Path) -> Sorted:
    """Take the names of folders for those of the classes."""
    from cnnbook.pictures import folders

    return folders.files_by_split(folder)


@dataclass(frozen=True)
class Source:
    """A collection of labelled pictures, and what may be done with it.

    Attributes
    ----------
    name : str
        As in `load_pets`.
    credit : str
        Where the pictures come from, as a caption can say it.
    publishable : bool
        Whether the pictures themselves may be shown to the world.
    recipe : str
        By which a network learns from them, one of `training.recipes.RECIPES`.
    sort : function or None
        Of the folder: the names of the classes, and the files of each for each split,
        as `folders.files_by_split` gives them.  None for pictures that are drawn.
    download : storage.Download or None
        How ``cnnbook fetch`` gets it, if it can.
    """

    name: str
    credit: str
    publishable: bool
    recipe: str = "photographs"
    sort: Callable[[Path], Sorted] | None = _by_folders
    download: Download | None = None


def _cats_and_dogs(folder: Path) -> Sorted:
    """Find photographs in folders of these two names."""
    class_names, files_of = _by_folders(folder)
    if class_names != ("cats", "dogs"):
        raise ValueError(
            f"the photos must be in folders cats and dogs and no others; {folder} "
            f"has {', '.join(class_names)}"
        )
    return ("cat", "dog"), files_of


def _by_first_letter(folder: Path) -> Sorted:
    """Tell cats, whose file names start with a capital letter, from dogs."""
    from cnnbook.pictures import folders

    files = folders.picture_files(folder)
    by_class = {
        "cat": [file for file in files if file.name[0].isupper()],
        "dog": [file for file in files if file.name[0].islower()],
    }
    return ("cat", "dog"), {"all": by_class}


_ALL = (
    Source(
        name="drawn",
        credit="drawn by cnnbook",
        publishable=True,
        recipe="drawn",
        sort=None,
    ),
    Source(
        name="photos",
        credit="Dogs vs. Cats photographs (Microsoft Research and Petfinder)",
        publishable=False,
        sort=_cats_and_dogs,
        download=Download(
            name="photos",
            url="https://storage.googleapis.com/mledu-datasets/cats_and_dogs_filtered.zip",
            size=68_606_236,
            checksum=None,
            folder="cats_and_dogs_filtered",
            licence="for research, not for republishing",
            attribution=(
                "Asirra (Microsoft Research and Petfinder.com), from Kaggle's "
                "Dogs vs. Cats; 3,000 photos chosen by Google"
            ),
        ),
    ),
    Source(
        name="oxford-pets",
        credit="The Oxford-IIIT Pet Dataset (Parkhi et al., 2012), CC BY-SA 4.0",
        publishable=True,
        sort=_by_first_letter,
        download=Download(
            name="oxford-pets",
            url="https://www.robots.ox.ac.uk/~vgg/data/pets/data/images.tar.gz",
            size=791_918_971,
            checksum=(
                "sha256:67195c5e1c01f1ab5f9b6a5d22b8c27a580d896ece458917e61d459337fa318d"
            ),
            folder="images",
            licence="CC BY-SA 4.0",
            attribution=(
                "O. M. Parkhi, A. Vedaldi, A. Zisserman and C. V. Jawahar, Cats and "
                "dogs, CVPR 2012 (doi:10.1109/CVPR.2012.6248092): the Oxford-IIIT Pet "
                "Dataset"
            ),
        ),
    ),
)

SOURCES = {source.name: source for source in _ALL}

# What ``cnnbook fetch`` can get; first what may be shown to the world.
DOWNLOADS = {
    source.name: source.download
    for source in sorted(_ALL, key=lambda source: not source.publishable)
    if source.download is not None
}


def source_of(name: str) -> Source:
    """Return what is known of a source.

    Parameters
    ----------
    name : str
        As ``Pets.source``; what is not in ``SOURCES`` is the path of a folder.

    Returns
    -------
    source : Source

    Examples
    --------
    >>> source_of("oxford-pets").publishable, source_of("my/birds").publishable
    (True, False)
    """
    folder = Source(name, credit=f"pictures from {name}", publishable=False)
    return SOURCES.get(name, folder)
