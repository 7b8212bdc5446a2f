"""The files that ``cnnbook fetch`` gets; nothing else here touches the network.

Pictures go into a cache folder of their own (``CNNBOOK_CACHE`` chooses another);
VGG19's weights and the names of its classes go where Keras looks for them
(``KERAS_HOME``, else ``~/.keras``).
A file or folder appears under its final name only when it is whole and checked.
"""

import errno
import hashlib
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pooch

from cnnbook.storage.archives import unpack
from cnnbook.storage.repository import AnyPath, from_repository

_ATTEMPTS = 4  # flaky servers are tried again after 1, 2 and 4 seconds


@dataclass(frozen=True)
class Download:
    """One file to fetch, how to check it, and what may be done with it.

    Parameters
    ----------
    name : str
        For ``cnnbook fetch``, and of the folder of an archive.
    url : str
    size : int
        Bytes to transfer.
    checksum : str or None
        ``"sha256:…"`` or ``"md5:…"``, as its publisher gives it.  None where none is
        published: the first download must then have the right size, its SHA-256 is
        recorded beside it, and every later download is compared with that record.
    folder : str or None
        The folder of the archive to keep; None for a file that is not an archive.
    licence, attribution : str
        What to print wherever the contents are shown.
    companions : tuple of str
        Names of others, without which this one is of little use; ``cnnbook fetch``
        brings them along.
    """

    name: str
    url: str
    size: int
    checksum: str | None
    folder: str | None
    licence: str
    attribution: str
    companions: tuple[str, ...] = ()

    @property
    def filename(self) -> str:
        """The last part of the URL."""
        return PurePosixPath(self.url).name


_KERAS_VGG19 = "https://storage.googleapis.com/tensorflow/keras-applications/vgg19/"
_VGG_ATTRIBUTION = (
    "K. Simonyan and A. Zisserman, Very deep convolutional networks for large-scale "
    "image recognition, ICLR 2015 (arXiv:1409.1556); converted by Keras"
)

# What networks need.  Collections of pictures are in ``pictures.sources``.
REGISTRY = {
    "vgg19": Download(
        name="vgg19",
        url=_KERAS_VGG19 + "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
        size=80_134_624,
        checksum="md5:253f8cb515780f3b799900260a226db6",
        folder=None,
        licence="CC BY 4.0",
        attribution=_VGG_ATTRIBUTION,
    ),
    "vgg19-top": Download(
        name="vgg19-top",
        url=_KERAS_VGG19 + "vgg19_weights_tf_dim_ordering_tf_kernels.h5",
        size=574_710_816,
        checksum="md5:cbe5617147190e668d6c5d5026f83318",
        folder=None,
        licence="CC BY 4.0",
        attribution=_VGG_ATTRIBUTION,
        companions=("imagenet-classes",),
    ),
    "imagenet-classes": Download(
        name="imagenet-classes",
        url=(
            "https://storage.googleapis.com/download.tensorflow.org/data/"
            "imagenet_class_index.json"
        ),
        size=35_363,
        checksum="md5:c2c37ea517e94d9795004a39431a14cb",
        folder=None,
        licence="none stated; the names are WordNet's, free for any use",
        attribution=(
            "O. Russakovsky et al., ImageNet large scale visual recognition "
            "challenge, IJCV 2015 (doi:10.1007/s11263-015-0816-y); listed by Keras"
        ),
    ),
}


def fetch(download: Download) -> Path:
    """Download, check and unpack one file, unless it is there.

    Shows a progress bar on stderr and tries a flaky server four times.

    Parameters
    ----------
    download : Download

    Returns
    -------
    location : Path
        What ``location(download)`` answers from then on.

    Raises
    ------
    ValueError
        If the file is not the one expected: another checksum or size, not an archive,
        or an archive that would write outside its folder.
    OSError
        If the server cannot be reached, has no such file or breaks off the transfer,
        or if the folder cannot be written or the disk is full.
    """
    here = location(download)
    if here is not None:
        return here
    place = destination(download)
    # Photos hardly compress: an archive and its contents need twice its size.
    room = download.size * (1 if download.folder is None else 2)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(place.parent).free < room:
            raise OSError(errno.ENOSPC, "too little room")
        # On the same disk as its destination, so that the last step is a rename.
        with tempfile.TemporaryDirectory(
            prefix=f".{download.name}-", dir=place.parent
        ) as work:
            file = Path(work, download.filename)
            _transfer(download, file)
            digest = _check(download, file)
            kept = file
            if download.folder is not None:
                unpacked = Path(work, "unpacked")
                kept = unpack(file, unpacked, download.folder, download.url)
            if download.checksum is None:
                line = f"{digest}  {download.filename}\n"
                _record(download).write_text(line, encoding="utf-8")
            os.replace(kept, place)
    except OSError as error:
        if error.errno is None:  # our own, about the server
            raise
        full = error.errno == errno.ENOSPC
        raise OSError(
            f"cannot write {download.name} ({in_units(room)}) to {place.parent}: "
            f"{'the disk is full' if full else error.strerror}; choose another folder "
            f"with {'KERAS_HOME' if download.folder is None else 'CNNBOOK_CACHE'}"
        ) from error
    return place


def location(download: Download) -> Path | None:
    """Where a download is, if it is on this machine and complete.

    Never touches the network.

    Parameters
    ----------
    download : Download

    Returns
    -------
    location : Path or None
        Of an archive the folder that was kept, else the file.
    """
    place = destination(download)
    if download.folder is not None:
        return place if place.is_dir() and any(place.iterdir()) else None
    # Keras, too, writes here, straight to the final name: a file may be cut short.
    assert download.checksum is not None  # Keras publishes them all
    whole = place.is_file() and matches(place, download.checksum)
    return place if whole else None


def destination(download: Download) -> Path:
    """Where ``fetch`` puts a download, whether it is there or not.

    Parameters
    ----------
    download : Download

    Returns
    -------
    destination : Path

    Examples
    --------
    >>> destination(REGISTRY["vgg19"]).name
    'vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5'
    """
    if download.folder is None:
        keras_home = Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser()
        return keras_home / "models" / download.filename
    return cache_folder() / download.name


def cache_folder() -> Path:
    """Find the folder that pictures are kept in; it need not exist yet.

    Returns
    -------
    folder : pathlib.Path
        The one that ``CNNBOOK_CACHE`` names, else one where this system keeps caches.
    """
    return from_repository(os.environ.get("CNNBOOK_CACHE") or pooch.os_cache("cnnbook"))


def in_units(size: int) -> str:
    """Write a number of bytes as people do.

    Parameters
    ----------
    size : int

    Returns
    -------
    text : str

    Examples
    --------
    >>> in_units(80_134_624), in_units(35_363)
    ('80 MB', '35 kB')
    """
    return f"{size / 1e6:.0f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"


def matches(file: AnyPath, checksum: str) -> bool:
    """Whether a file has a checksum written as ``"algorithm:digest"``.

    Parameters
    ----------
    file : path-like
    checksum : str
        Such as ``"sha256:6719…"`` or ``"md5:253f…"``.

    Returns
    -------
    matches : bool
    """
    algorithm, expected = checksum.split(":")
    return digest_of(file, algorithm) == expected


def digest_of(file: AnyPath, algorithm: str = "sha256") -> str:
    """Digest of a file's bytes, in hexadecimal.

    Parameters
    ----------
    file : path-like
    algorithm : {"sha256", "md5"}

    Returns
    -------
    digest : str
    """
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()


def _record(download):
    """Path of the small file that keeps the SHA-256 of the first download."""
    return destination(download).with_name(f"{download.name}.sha256")


def _transfer(download, file):
    """Copy what is at the URL into a file, or raise an error that says what to do."""
    import requests  # slow to import, and needed here alone

    url = download.url
    downloader = pooch.HTTPDownloader(
        progressbar=True,
        chunk_size=1 << 16,
        headers={"Accept-Encoding": "identity"},  # the very bytes that were published
    )
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return downloader(url, str(file), None)
        except requests.RequestException as error:
            status = getattr(error.response, "status_code", None)
            refused = status is not None and status < 500
            if refused or attempt == _ATTEMPTS:
                raise OSError(
                    f"could not download {url}: {_reason(error, status)}. "
                    f"Try again later, when online, or {_by_hand(download)}"
                ) from error
        time.sleep(2 ** (attempt - 1))


def _reason(error, status):
    """Why a transfer failed, in words."""
    import requests

    if status is not None:
        return f"the server answered HTTP {status} ({error.response.reason})"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the transfer broke off before its end"
    if isinstance(error, requests.Timeout):
        return "the server did not answer in time"
    kind = type(error).__name__
    return f"the server cannot be reached from here ({kind})"


def _by_hand(download):
    """Say how to put a download in its place without ``fetch``."""
    folder, place = download.folder, destination(download)
    if folder is None:
        return f"save that file as {place}"
    return f"unpack that archive yourself and move its folder {folder} to {place}"


def _check(download, file):
    """Compare a downloaded file with what is known of it; its SHA-256."""
    # Done here rather than by pooch, which would fetch a changed file four times.
    record = _record(download)
    digest = digest_of(file)
    if download.checksum is not None:
        if not matches(file, download.checksum):
            raise ValueError(
                f"{download.url} is not the file that was published: expected "
                f"{download.checksum} and {download.size:,} bytes, got "
                f"{file.stat().st_size:,} bytes of SHA-256 {digest}. "
                "Nothing was kept; try again later or from another network"
            )
    elif record.exists():
        known = record.read_text(encoding="utf-8").split()[0]
        if digest != known:
            raise ValueError(
                f"{download.url} has changed since it was first downloaded: expected "
                f"SHA-256 {known}, got {digest}. Nothing was kept; if you trust the "
                f"new file, delete {record} and fetch again"
            )
    elif file.stat().st_size != download.size:
        raise ValueError(
            f"{download.url} is not the file expected: it should have "
            f"{download.size:,} bytes and has {file.stat().st_size:,}. Nothing was "
            "kept; try again later or from another network"
        )
    return digest
