"""The thousand classes of ImageNet by name, and which of them a network sees."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cnnbook.checks import is_whole
from cnnbook.networks import vgg_weights
from cnnbook.networks.graph import connections
from cnnbook.networks.inputs import fitting_images, one_image_input
from cnnbook.storage import downloads
from cnnbook.storage.repository import from_repository

if TYPE_CHECKING:
    import keras

CLASSES = 1000


def imagenet_classes() -> tuple[str, ...]:
    """Read the names of ImageNet's classes from this machine; never from the network.

    The file is the one that Keras publishes, in Keras's cache, where ``cnnbook fetch
    imagenet-classes`` puts it.

    Returns
    -------
    names : tuple of 1,000 str
        In the order of a network's outputs, as people write them: "Egyptian cat".
        Not all differ: a crane is a bird as well as a machine.

    Raises
    ------
    FileNotFoundError
        If the file is not on this machine.
    ValueError
        If another file has its name.

    References
    ----------
    .. [1] O. Russakovsky et al., "ImageNet large scale visual recognition challenge",
       IJCV 115(3), 2015.  https://doi.org/10.1007/s11263-015-0816-y
    """
    path = vgg_weights.published_file("imagenet-classes")
    if path is None:
        raise FileNotFoundError(
            "the names of ImageNet's classes are not on this machine "
            f"({downloads.destination(downloads.REGISTRY['imagenet-classes'])}): run "
            f"{_command('imagenet-classes')}"
        )
    index = json.loads(path.read_text(encoding="utf-8"))
    entries = (index[str(place)] for place in range(CLASSES))
    return tuple(name.replace("_", " ") for _, name in entries)


def top_classes(
    model: keras.Model, image: npt.ArrayLike, count: int = 5
) -> list[tuple[str, float]]:
    """Name the classes of ImageNet that a network finds most probable for a picture.

    Parameters
    ----------
    model : keras.Model
        With one probability for each class of ImageNet, in Keras's order, such as
        ``networks.load_vgg19(include_top=True)``.
    image : ndarray of shape (H, W, 3)
        As large, and in the range, as the model takes: for VGG19, (224, 224, 3) and
        intensities in [0, 1].
    count : int

    Returns
    -------
    classes : list of (str, float)
        Name and probability, the most probable first.

    Raises
    ------
    FileNotFoundError
        If the names of the classes are not on this machine.
    ValueError
        If the model gives anything but those probabilities, or the picture does not
        fit, or ``count`` is not from 1 to 1,000.
    """
    if not is_whole(count, 1, CLASSES):
        raise ValueError(
            f"count must be a whole number from 1 to {CLASSES:,}; got {count!r}"
        )
    shapes = [tuple(output.shape) for output in connections(model).outputs]
    if len(shapes) != 1 or shapes[0][1:] != (CLASSES,):
        raise ValueError(
            f"model {model.name!r} must give one probability for each of ImageNet's "
            f"{CLASSES:,} classes, shape (N, {CLASSES}); its outputs have shape "
            f"{', '.join(map(str, shapes))}. Load VGG19 with its class head: "
            "load_vgg19(include_top=True)"
        )
    image = np.asarray(image)
    if image.ndim != 3:
        raise ValueError(
            f"image must have shape (H, W, 3); got shape {image.shape}: of a batch, "
            "pass images[0]"
        )
    one_image_input(model)
    names = imagenet_classes()
    outputs = model(fitting_images(model, image[None]), training=False)
    probabilities = np.asarray(outputs, "float32")[0]
    low, total = probabilities.min(), probabilities.sum()
    if not (low >= 0 and abs(total - 1) < 0.01):  # so that not-a-number fails as well
        raise ValueError(
            f"model {model.name!r} must give probabilities; its outputs add up to "
            f"{total:g} and the smallest is {low:g}. Put a softmax after its logits"
        )
    # Stable, so that equally probable classes keep their order.
    best = np.argsort(-probabilities, kind="stable")[:count]
    return [(names[place], float(probabilities[place])) for place in best]


def before_imagenet() -> str:
    """Say what to do before VGG19 can name classes, as `load_vgg19` sees it.

    Returns
    -------
    advice : str
        What completes "To see the classes, …", in Markdown; empty if all is here:
        the names of the classes, and weights with the class head.
    """
    given = os.environ.get(vgg_weights.WEIGHTS_VARIABLE)
    full = _command("vgg19-top")  # which brings the names along
    if given and not vgg_weights.has_top(from_repository(given)):
        return (
            f"unset `{vgg_weights.WEIGHTS_VARIABLE}`, whose file has no class head, "
            f"and run {full}"
        )
    if not given and downloads.location(downloads.REGISTRY["vgg19-top"]) is None:
        return f"run {full}"
    if downloads.location(downloads.REGISTRY["imagenet-classes"]) is None:
        return f"run {_command('imagenet-classes')}"
    return ""


def _command(name):
    """Write out what to type for a download, and how much it brings."""
    size = downloads.in_units(downloads.REGISTRY[name].size)
    return f"`cnnbook fetch {name}` ({size})"
