"""A fetched file is whole, is the right one, and is where it belongs, or is nowhere."""

import dataclasses
import errno
import hashlib
import http.server
import inspect
import io
import os
import re
import shutil
import tarfile
import threading
import zipfile

import pooch
import pytest
import requests

from cnnbook import pictures, storage
from cnnbook.storage import downloads


class Server(http.server.ThreadingHTTPServer):
    """Serves the bytes in ``files``; cuts its first ``cuts`` answers short."""

    def __init__(self):
        self.files, self.cuts, self.requests = {}, 0, []
        super().__init__(("127.0.0.1", 0), Handler)

    def url(self, path):
        return f"http://127.0.0.1:{self.server_port}/{path}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        path = self.path.lstrip("/")
        self.server.requests.append(path)
        if path not in self.server.files:
            self.send_error(404)
            return
        content = self.server.files[path]
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.server.cuts > 0:
            self.server.cuts -= 1
            content = content[: len(content) // 2]
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """Empty caches of our own, no proxy, and no waiting between attempts."""
    monkeypatch.setenv("CNNBOOK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(downloads.time, "sleep", lambda _: None)
    return tmp_path / "cache"


DOWNLOADS = storage.REGISTRY | {
    name: source.download
    for name, source in pictures.SOURCES.items()
    if source.download is not None
}


@pytest.fixture
def offer(server):
    """Have the server offer some bytes as one of the downloads."""

    def offer(name, content, path, **changes):
        server.files[path] = content
        return dataclasses.replace(
            DOWNLOADS[name],
            url=server.url(path),
            size=len(content),
            **changes,
        )

    return offer


def zipped(**files):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def tarred(**files):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def sha256(content):
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


PHOTOS = zipped(
    **{
        "cats_and_dogs_filtered/vectorize.py": b"",
        "cats_and_dogs_filtered/train/cats/cat.0.jpg": b"a cat",
        "cats_and_dogs_filtered/validation/dogs/dog.2000.jpg": b"a dog",
    }
)
PETS = tarred(**{"images/Abyssinian_1.jpg": b"a cat", "images/beagle_1.jpg": b"a dog"})
WEIGHTS = b"\x89HDF weights"


def left_behind(folder):
    """Everything in a folder and below it."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


# Where things go


def test_photos_are_unpacked_and_stand_where_location_says(offer, cache):
    photos = offer("photos", PHOTOS, "photos.zip")
    assert storage.location(photos) is None
    place = storage.fetch(photos)
    assert place == storage.location(photos) == cache / "photos"
    assert (place / "train" / "cats" / "cat.0.jpg").read_bytes() == b"a cat"
    assert (place / "validation" / "dogs" / "dog.2000.jpg").read_bytes() == b"a dog"


def test_oxford_pets_are_a_folder_of_pictures(offer, cache):
    pets = offer("oxford-pets", PETS, "images.tar.gz", checksum=sha256(PETS))
    place = storage.fetch(pets)
    assert left_behind(place) == ["Abyssinian_1.jpg", "beagle_1.jpg"]
    assert left_behind(cache) == [
        "oxford-pets",
        "oxford-pets/Abyssinian_1.jpg",
        "oxford-pets/beagle_1.jpg",
    ]


def test_weights_go_where_keras_itself_looks(offer, tmp_path):
    weights = offer("vgg19", WEIGHTS, "notop.h5", checksum=sha256(WEIGHTS))
    place = storage.fetch(weights)
    assert place == tmp_path / "keras" / "models" / "notop.h5"
    assert place.read_bytes() == WEIGHTS
    assert left_behind(tmp_path / "keras") == ["models", "models/notop.h5"]


@pytest.mark.parametrize("name", ["vgg19", "vgg19-top"])
def test_the_published_weights_are_those_that_keras_itself_downloads(name):
    import keras

    entry = storage.REGISTRY[name]
    place = storage.destination(entry)
    call = (
        rf'get_file\(\s*"{place.name}",\s*WEIGHTS_PATH\w*,\s*'
        rf'cache_subdir="{place.parent.name}",\s*'
        rf'file_hash="{entry.checksum.removeprefix("md5:")}"'
    )
    assert re.search(call, inspect.getsource(keras.applications.VGG19))


def test_the_published_classes_are_those_that_keras_itself_downloads():
    from keras.applications.imagenet_utils import decode_predictions

    entry = storage.REGISTRY["imagenet-classes"]
    place = storage.destination(entry)
    assert inspect.getmodule(decode_predictions).CLASS_INDEX_PATH == entry.url
    call = (
        rf'get_file\(\s*"{place.name}",\s*CLASS_INDEX_PATH,\s*'
        rf'cache_subdir="{place.parent.name}",\s*'
        rf'file_hash="{entry.checksum.removeprefix("md5:")}"'
    )
    assert re.search(call, inspect.getsource(decode_predictions))


def test_companions_are_entries_that_stand_beside_the_one_they_serve():
    companions = {
        (name, companion)
        for name, entry in DOWNLOADS.items()
        for companion in entry.companions
    }
    assert companions == {("vgg19-top", "imagenet-classes")}
    for names in companions:
        places = (storage.destination(DOWNLOADS[name]) for name in names)
        assert len({place.parent for place in places}) == 1


def test_without_variables_the_usual_caches_are_used(monkeypatch):
    monkeypatch.delenv("CNNBOOK_CACHE")
    monkeypatch.setenv("KERAS_HOME", "")
    photos, weights = (
        storage.destination(DOWNLOADS[name]) for name in ("photos", "vgg19")
    )
    assert photos == pooch.os_cache("cnnbook") / "photos"
    assert weights.parent == downloads.Path.home() / ".keras" / "models"


def test_what_is_there_is_not_fetched_again(offer, server):
    photos = offer("photos", PHOTOS, "photos.zip")
    storage.fetch(photos)
    storage.fetch(photos)
    assert server.requests == ["photos.zip"]


def test_location_never_asks_the_network(offer, server):
    for name, content in (("photos", PHOTOS), ("vgg19", WEIGHTS)):
        offered = offer(name, content, "file", checksum=sha256(content))
        assert storage.location(offered) is None
    assert server.requests == []


def test_an_empty_folder_is_not_a_complete_one(cache):
    (cache / "photos").mkdir(parents=True)
    assert storage.location(DOWNLOADS["photos"]) is None


def test_a_weights_file_cut_short_by_another_program_is_replaced(offer):
    weights = offer("vgg19", WEIGHTS, "notop.h5", checksum=sha256(WEIGHTS))
    place = storage.destination(weights)
    place.parent.mkdir(parents=True)
    place.write_bytes(WEIGHTS[:5])
    assert storage.location(weights) is None
    storage.fetch(weights)
    assert place.read_bytes() == WEIGHTS


def test_every_download_is_listed_under_its_own_name():
    assert all(download.name == name for name, download in DOWNLOADS.items())


# The right file, or none


def test_the_first_download_is_recorded_and_the_next_compared_with_it(
    offer, cache, server
):
    photos = offer("photos", PHOTOS, "photos.zip")
    place = storage.fetch(photos)
    record = cache / "photos.sha256"
    assert record.read_text().split() == [
        hashlib.sha256(PHOTOS).hexdigest(),
        "photos.zip",
    ]
    shutil.rmtree(place)
    server.files["photos.zip"] = zipped(**{"cats_and_dogs_filtered/new.jpg": b""})

    with pytest.raises(ValueError, match=r"changed since .* delete .*photos\.sha256"):
        storage.fetch(photos)

    assert storage.location(photos) is None
    server.files["photos.zip"] = PHOTOS
    assert storage.fetch(photos) == place


def test_a_sign_in_page_is_not_recorded_as_the_photos(offer, cache, server):
    photos = offer("photos", PHOTOS, "photos.zip")
    server.files["photos.zip"] = b"<html>Sign in to this network</html>"
    with pytest.raises(ValueError, match=r"should have \d+ bytes and has 36"):
        storage.fetch(photos)
    assert left_behind(cache) == []


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_a_file_of_another_checksum_is_refused_after_one_download(
    offer, server, tmp_path, algorithm
):
    checksum = f"{algorithm}:{hashlib.new(algorithm, WEIGHTS).hexdigest()}"
    weights = offer("vgg19", WEIGHTS, "notop.h5", checksum=checksum)
    server.files["notop.h5"] = b"another file"
    with pytest.raises(ValueError, match=f"expected {checksum}"):
        storage.fetch(weights)
    assert server.requests == ["notop.h5"]
    assert left_behind(tmp_path / "keras") == ["models"]


def test_a_flaky_server_is_asked_again(offer, server):
    photos = offer("photos", PHOTOS, "photos.zip")
    server.cuts = 2
    assert storage.fetch(photos).is_dir()
    assert len(server.requests) == 3


def test_a_transfer_that_always_breaks_off_leaves_nothing(offer, server, cache):
    photos = offer("photos", PHOTOS, "photos.zip")
    server.cuts = 99
    with pytest.raises(OSError, match=r"photos\.zip: the transfer broke off"):
        storage.fetch(photos)
    assert left_behind(cache) == []
    assert storage.location(photos) is None


def test_a_missing_file_is_an_error_at_once(offer, server):
    photos = offer("photos", PHOTOS, "photos.zip")
    del server.files["photos.zip"]
    with pytest.raises(OSError, match=r"photos\.zip: the server answered HTTP 404"):
        storage.fetch(photos)
    assert server.requests == ["photos.zip"]


@pytest.mark.parametrize(
    ("name", "by_hand"),
    [
        ("photos", r"move its folder cats_and_dogs_filtered to .*photos"),
        ("vgg19", r"save that file as .*models"),
    ],
)
def test_offline_the_error_names_the_url_and_the_way_by_hand(
    offer, server, name, by_hand
):
    offered = offer(name, b"", "file")
    server.server_close()
    with pytest.raises(OSError, match=rf"{server.url('file')}: .*online.*{by_hand}"):
        storage.fetch(offered)


def test_a_server_that_does_not_answer_is_an_error(offer, monkeypatch):
    photos = offer("photos", PHOTOS, "photos.zip")

    def download(*_):
        raise requests.ReadTimeout

    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", download)
    with pytest.raises(OSError, match="did not answer in time"):
        storage.fetch(photos)


def test_too_little_room_is_an_error_before_the_download(offer, server, monkeypatch):
    photos = offer("photos", PHOTOS, "photos.zip")
    usage = shutil.disk_usage("/")._replace(free=2 * len(PHOTOS) - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(OSError, match=r"the disk is full; .*CNNBOOK_CACHE"):
        storage.fetch(photos)
    assert server.requests == []


def test_a_cache_that_cannot_be_written_is_named(offer, cache):
    photos = offer("photos", PHOTOS, "photos.zip")
    cache.write_text("a file where the folder should be")
    with pytest.raises(OSError, match=r"cannot write photos .*cache: .*CNNBOOK_CACHE"):
        storage.fetch(photos)


@pytest.mark.parametrize(
    ("stop", "expected", "message"),
    [
        (OSError(errno.ENOSPC, "No space left"), OSError, "the disk is full"),
        (KeyboardInterrupt(), KeyboardInterrupt, None),
    ],
)
@pytest.mark.parametrize("step", ["download", "unpack"])
def test_whatever_stops_a_fetch_nothing_looks_complete(
    offer, cache, monkeypatch, step, stop, expected, message
):
    photos = offer("photos", PHOTOS, "photos.zip")

    def fail_half_way(self, path, *_):
        if step == "unpack":
            os.makedirs(path / "cats_and_dogs_filtered" / "train")
        raise stop

    if step == "download":
        monkeypatch.setattr(pooch.HTTPDownloader, "__call__", fail_half_way)
    else:
        monkeypatch.setattr(zipfile.ZipFile, "extractall", fail_half_way)
    with pytest.raises(expected, match=message):
        storage.fetch(photos)
    assert left_behind(cache) == []
    assert storage.location(photos) is None


# Archives that are not to be trusted


@pytest.mark.parametrize("pack", [zipped, tarred])
@pytest.mark.parametrize(
    "escape", ["images/../../escaped", "/escaped", "..\\escaped", "C:\\escaped"]
)
def test_an_archive_that_would_write_elsewhere_is_refused(
    offer, tmp_path, pack, escape
):
    content = pack(**{"images/cat.jpg": b"a cat", escape: b"gotcha"})
    pets = offer("oxford-pets", content, "archive", checksum=sha256(content))
    with pytest.raises(ValueError, match="would write outside its folder"):
        storage.fetch(pets)
    assert left_behind(tmp_path) == ["cache"]


def test_an_archive_with_links_is_refused(offer, cache):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        link = tarfile.TarInfo("images/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    content = stream.getvalue()
    pets = offer("oxford-pets", content, "images.tar", checksum=sha256(content))
    with pytest.raises(ValueError, match="neither a file nor a folder"):
        storage.fetch(pets)
    assert left_behind(cache) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no archive at all", "not an archive that can be unpacked"),
        (PETS[:60], "not an archive that can be unpacked"),
        (PETS[:40] + bytes(40) + PETS[80:], "not an archive that can be unpacked"),
        (PHOTOS, "lacks the folder images"),
    ],
    ids=["not an archive", "cut short", "damaged", "other contents"],
)
def test_an_archive_that_is_not_the_pets_is_refused(offer, cache, content, message):
    pets = offer("oxford-pets", content, "images.tar.gz", checksum=sha256(content))
    with pytest.raises(ValueError, match=message):
        storage.fetch(pets)
    assert left_behind(cache) == []
