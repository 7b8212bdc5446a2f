"""The book's classifier: the plain network, and the form in which it is trained.

Batch normalisation makes training faster and steadier, and once training is over
each of its layers is one factor and one offset per filter.  So the network is
trained with it, and then both numbers are multiplied into the convolution's own
weights: what remains is the plain network, which computes the same.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from cnnbook.checks import is_whole
from cnnbook.pictures.images import INTENSITIES

if TYPE_CHECKING:
    import keras

# In training, the last maps are averaged into at most this many cells a side.
CELLS = 4

# The layers of each stage and those after the last: plain, and in training.
_STAGE, _END = ("conv", "relu", "pool"), ["flatten", "logits"]
_TRAINED_STAGE = ("conv", "pool", "norm", "relu")
_TRAINED_END = ["cells", "flatten", "dropout", "logits"]


def build_classifier(
    input_shape: Sequence[int] = (96, 96, 3),
    num_classes: int = 2,
    *,
    filters: Sequence[int] = (16, 32, 64),
    seed: int = 0,
) -> keras.Model:
    """Build the network that the book trains: stages, then one dense layer.

    Each stage is a convolution with 3 × 3 kernels, a ReLU and a 2 × 2 max pool;
    stage 1 has the layers ``block1_conv``, ``block1_relu`` and ``block1_pool``.
    Every number of the last pool then votes for every class: ``flatten``, ``logits``.

    Parameters
    ----------
    input_shape : (int, int, int)
        Rows, columns and channels of the images.
    num_classes : int
    filters : sequence of int
        Filters of each stage.  Every stage halves rows and columns.
    seed : int
        Decides the random weights that training starts from [1]_.

    Returns
    -------
    classifier : keras.Model
        Takes images in [0, 1] of shape (N, H, W, C); returns logits, shape (N, K).

    Raises
    ------
    ValueError
        If the images are too small for that many stages, or there is nothing to tell
        apart.

    References
    ----------
    .. [1] K. He, X. Zhang, S. Ren and J. Sun, "Delving deep into rectifiers", ICCV
       2015.  https://doi.org/10.1109/ICCV.2015.123

    Examples
    --------
    >>> classifier = build_classifier()
    >>> classifier.get_layer("block3_pool").output.shape
    (None, 12, 12, 64)
    >>> classifier.count_params()
    42018
    """
    input_shape, filters = tuple(input_shape), tuple(filters)
    sizes = (*input_shape, *filters, num_classes)
    if len(input_shape) != 3 or not all(is_whole(size, 1) for size in sizes):
        raise ValueError(
            "input_shape must be (rows, columns, channels), and filters and "
            "num_classes positive whole numbers; got input_shape "
            f"{input_shape}, filters {filters}, num_classes {num_classes!r}"
        )
    if num_classes < 2:
        raise ValueError(f"num_classes must be at least 2; got {num_classes}")
    if not filters or min(input_shape[:2]) < 2 ** len(filters):
        raise ValueError(
            f"filters must name at least one stage, and {len(filters)} stages need "
            f"images of at least {2 ** len(filters)} pixels a side, since each halves "
            f"them; got images of {input_shape[0]} × {input_shape[1]}"
        )
    return _network(input_shape, num_classes, filters, seed=seed)


def training_form(
    classifier: keras.Model,
    *,
    seed: int = 0,
    normalize: bool = True,
    average_votes: bool = True,
    dropout: float = 0.0,
) -> keras.Model:
    """Build the form in which a classifier is trained, with fresh random weights.

    It differs from the plain network in two ways, and both can be undone exactly by
    `fold_batch_normalization`:

    - Batch normalisation [1]_ follows every convolution.  It comes after the max
      pool, and so does the ReLU: each of the two maps larger numbers to larger
      ones, so taking the largest before or after is the same, and a quarter of the
      numbers need work.  A training step takes about a quarter less time.
    - Neighbouring numbers of the last pool are averaged, into 4 × 4 cells or fewer,
      before they vote.  Whether something looks like an ear matters more than the exact
      place; with fewer votes to learn there is less to learn by heart.

    Parameters
    ----------
    classifier : keras.Model
        As `build_classifier` makes them.
    seed : int
        Decides the random weights, and which votes drop out.
    normalize, average_votes : bool
        ``normalize`` puts batch normalisation behind each convolution,
        ``average_votes`` averages neighbouring numbers of the last pool.
    dropout : float in [0, 1)
        Share of the votes left out at random [2]_, anew in every step of training.

    Returns
    -------
    network : keras.Model
        With normalisations ``block1_norm``, ... and averages ``cells``.

    Raises
    ------
    ValueError
        If the network is of another make.

    References
    ----------
    .. [1] S. Ioffe and C. Szegedy, "Batch normalization: accelerating deep network
       training by reducing internal covariate shift", ICML 2015.
       https://arxiv.org/abs/1502.03167
    .. [2] N. Srivastava et al., "Dropout: a simple way to prevent neural networks from
       overfitting", JMLR 15, 2014.  https://jmlr.org/papers/v15/srivastava14a.html
    """
    filters = filters_of(classifier)
    return _network(
        classifier.input_shape[1:],
        classifier.output_shape[-1],
        filters,
        seed=seed,
        plain=False,
        normalize=normalize,
        average_votes=average_votes,
        dropout=dropout,
    )


def fold_batch_normalization(network: keras.Model) -> keras.Model:
    r"""Fold what only training needs into the weights of the plain network.

    With a filter's mean :math:`\mu`, variance :math:`\sigma^2` and offset
    :math:`\beta` from the training pictures, batch normalisation of a convolution is
    a convolution [1]_:

    .. math:: \frac{w * x - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta
              = \frac{w}{\sqrt{\sigma^2 + \epsilon}} * x
              + \left(\beta - \frac{\mu}{\sqrt{\sigma^2 + \epsilon}}\right).

    An average that votes with weight w is likewise its n members voting with w / n.

    Parameters
    ----------
    network : keras.Model
        From `training_form`.

    Returns
    -------
    classifier : keras.Model
        As from `build_classifier`; its logits are those that the network gives when
        it is not training, up to rounding.

    Raises
    ------
    ValueError
        If the network is of another make.

    References
    ----------
    .. [1] B. Jacob et al., "Quantization and training of neural networks for
       efficient integer-arithmetic-only inference", CVPR 2018, section 3.2.
       https://doi.org/10.1109/CVPR.2018.00286

    Examples
    --------
    >>> classifier = build_classifier((16, 16, 3), filters=(2, 4))
    >>> images = np.random.default_rng(0).random((5, 16, 16, 3))
    >>> network = training_form(classifier)
    >>> logits = fold_batch_normalization(network)(images)
    >>> bool(np.allclose(logits, network(images), rtol=1e-4, atol=1e-6))
    True
    """
    filters = filters_of(network, plain=False)
    classifier = _network(network.input_shape[1:], network.output_shape[-1], filters)
    classifier.set_weights(folded_weights(network))
    return classifier


def folded_weights(network: keras.Model) -> list[np.ndarray]:
    """Return the weights that `fold_batch_normalization` gives the plain network.

    Parameters
    ----------
    network : keras.Model
        From `training_form`.

    Returns
    -------
    weights : list of ndarray
        Kernels and bias of every layer in turn, as ``classifier.set_weights`` takes
        them.
    """
    weights, layers = [], {layer.name: layer for layer in network.layers}
    for stage in range(1, len(filters_of(network, plain=False)) + 1):
        kernels, *bias = layers[f"block{stage}_conv"].get_weights()
        if normalisation := layers.get(f"block{stage}_norm"):
            offset, mean, variance = normalisation.get_weights()
            factor = 1 / np.sqrt(variance + normalisation.epsilon)
            kernels, bias = kernels * factor, [offset - mean * factor]
        weights += [kernels, *bias]
    votes, bias = layers["logits"].get_weights()
    if "cells" not in layers:
        return [*weights, votes, bias]
    share, num_classes = _share_of_cells(layers["cells"]), len(bias)
    votes = votes.reshape(share.shape[1], -1, num_classes)  # (cells, F, K)
    spread = np.einsum("pc,cfk->pfk", share, votes)
    return [*weights, spread.reshape(-1, num_classes), bias]


def _network(
    input_shape,
    num_classes,
    filters,
    *,
    seed=0,
    plain=True,
    normalize=False,
    average_votes=False,
    dropout=0.0,
):
    """Build the plain network, or its form for training with what this may have."""
    import keras
    from keras import layers

    def starting_weights(number):
        # A seed of its own for each layer, whatever was drawn for the others.
        own_seed = np.random.SeedSequence((seed, number)).generate_state(1)
        return keras.initializers.HeNormal(seed=int(own_seed[0]))

    def layer(kind, stage, count):
        name = f"block{stage}_{kind}"
        if kind == "conv":
            return layers.Conv2D(
                count,
                3,
                padding="same",
                use_bias=not normalize,
                kernel_initializer=starting_weights(stage),
                name=name,
            )
        if kind == "pool":
            return layers.MaxPooling2D(2, name=name)
        return layers.ReLU(name=name) if kind == "relu" else _normalization(name)

    x = inputs = keras.Input(input_shape, name=INTENSITIES)
    for stage, count in enumerate(filters, 1):
        for kind in _STAGE if plain else _TRAINED_STAGE:
            if kind != "norm" or normalize:
                x = layer(kind, stage, count)(x)
    if average_votes:
        window = tuple(math.ceil(size / CELLS) for size in x.shape[1:3])
        x = layers.AveragePooling2D(window, padding="same", name="cells")(x)
    x = layers.Flatten(name="flatten")(x)
    if dropout:
        x = layers.Dropout(dropout, seed=seed, name="dropout")(x)
    x = layers.Dense(
        num_classes, kernel_initializer=starting_weights(0), name="logits"
    )(x)
    return keras.Model(inputs, x, name="classifier" if plain else "training_form")


def _normalization(name):
    """Make a layer of batch normalisation, without a learned factor.

    A factor could be negative, and turn the largest number into the smallest; the
    next layer's weights can do what it would have done.
    """
    import keras
    import tensorflow as tf

    class BatchNormalization(keras.layers.BatchNormalization):
        """Keras's own, as one operation of TensorFlow's when training.

        Keras composes it of several, whose gradients vary in their last bits with
        the timing of threads, so that the same seed would not give the same weights.
        """

        def call(self, inputs, training=None, mask=None):
            if not training:
                return super().call(inputs, training=False, mask=mask)
            outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
                x=inputs,
                scale=tf.ones_like(self.beta),
                offset=self.beta,
                mean=[],
                variance=[],
                epsilon=self.epsilon,
            )
            for moving, now in (
                (self.moving_mean, mean),
                (self.moving_variance, variance),
            ):
                moving.assign(self.momentum * moving + (1 - self.momentum) * now)
            return outputs

    return BatchNormalization(scale=False, momentum=0.9, name=name)


def filters_of(network: keras.Model, *, plain: bool = True) -> tuple[int, ...]:
    """Return the filters of each stage of one of our networks.

    Parameters
    ----------
    network : keras.Model
    plain : bool
        Whether it must be as `build_classifier` makes them, or as `training_form` does.

    Returns
    -------
    filters : tuple of int

    Raises
    ------
    ValueError
        If it is of another make.
    """
    names = [layer.name for layer in getattr(network, "layers", [])]
    stages = sum(bool(re.fullmatch(r"block\d+_conv", name)) for name in names)
    kinds = _STAGE if plain else _TRAINED_STAGE
    expected = [f"block{s}_{kind}" for s in range(1, stages + 1) for kind in kinds]
    expected += _END if plain else _TRAINED_END
    if not plain:
        # What training may do without.
        missing = {name for name in expected if name.endswith("norm")}
        missing |= {"cells", "dropout"}
        expected = [n for n in expected if n in names or n not in missing]
    if not stages or names[1:] != expected:
        maker = "build_classifier" if plain else "training_form"
        raise ValueError(
            f"expected a network made by {maker}, with layers block1_conv to logits; "
            f"got one with the layers {', '.join(names) or 'none'}"
        )
    return tuple(
        network.get_layer(f"block{stage}_conv").filters
        for stage in range(1, stages + 1)
    )


def _share_of_cells(layer):
    """Return what each position adds to each averaged cell, shape (H W, cells)."""
    rows, columns = layer.input.shape[1:3]
    one_at_a_time = np.eye(rows * columns, dtype="float32")
    averages = layer(one_at_a_time.reshape(-1, rows, columns, 1))
    return np.asarray(averages).reshape(rows * columns, -1)
