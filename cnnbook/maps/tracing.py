"""From one number of a map back to the pixels behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cnnbook.checks import check_whole, is_whole
from cnnbook.maps.receptive_fields import field_on, receptive_field
from cnnbook.networks.graph import (
    answer,
    before_activation,
    connections,
    follow,
    layer_calls,
    run,
)
from cnnbook.networks.inputs import fitting_images, one_image_input
from cnnbook.networks.traits import activation_of, traits_of

if TYPE_CHECKING:
    import keras

_MIXTURES = 4  # of a map's channels: as many gradients for each image


@dataclass(frozen=True, eq=False)
class Step:
    """What one layer on the way back from a number contributes to it.

    ``products.sum() + constant`` is the number.

    Attributes
    ----------
    layer : str
        Its name; the name of the model's input for the image itself.
    rows, columns : slice
        The window on that layer's map.  Nothing outside of it can change the number.
    values : ndarray of shape (h, w, F)
        The map inside the window.
    weights : ndarray of shape (h, w, F)
        How much each of these values counts: the derivative of the number.
    constant : float
        What comes in between there and the number: biases, each as much as it counts.
    value : float
        The number that was traced.
    before : float or None
        What the number was before the layer's activation; None in all steps but the
        first, and where the layer has none.
    """

    layer: str
    rows: slice
    columns: slice
    values: np.ndarray
    weights: np.ndarray
    constant: float
    value: float
    before: float | None = None

    def __str__(self) -> str:
        """Say in one line what the number is made of, and why nothing counts."""
        products = f"{self.products.sum():.3g} + {self.constant:.3g} = {self.value:.3g}"
        remark = f"; {self.remark}" if self.remark else ""
        return f"{self.layer}: {products}{remark}".replace("-", "−")

    @property
    def remark(self) -> str:
        """Why nothing passes on: "0, since −1.3 is below zero"; else empty."""
        if self.before is not None and self.before < 0 == self.value:
            return f"0, since {self.before:.2g} is below zero".replace("-", "−")
        if self.weights.size and not self.weights.any():
            return "nothing of it counts"
        return ""

    @property
    def products(self) -> np.ndarray:
        """Values times weights, of shape (h, w, F)."""
        return self.values * self.weights

    @property
    def contributions(self) -> np.ndarray:
        """The sum of each channel's products, of shape (F,)."""
        return self.products.sum(axis=(0, 1))


@dataclass(frozen=True, eq=False)
class EffectiveField:
    """How much each pixel counts for a position of a layer, as measured.

    Attributes
    ----------
    values : ndarray of shape (H, W)
        Each pixel's share of the influence; they add up to 1.
    window : tuple of slice
        Rows and columns of the smallest square about the middle of the receptive
        field that holds the share asked for, as far as it lies in that field.
    """

    values: np.ndarray
    window: tuple[slice, slice]

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the window, in pixels."""
        return tuple(part.stop - part.start for part in self.window)


def trace(
    model: keras.Model, image: npt.ArrayLike, layer: str, position: int | Sequence[int]
) -> tuple[Step, ...]:
    """Take one number of a map apart, layer by layer, back to the image.

    A network of convolutions, ReLUs, pools, batch normalisations and dense layers is
    linear between kinks: for one image, all that its layers do together is to
    multiply each pixel by a weight, and to add up.  These weights are the derivatives
    of the number, and the account is exact [1]_.  Right below a convolution they are
    its kernel; further back, the kernel that all layers make together for this image.

    A closed ReLU passes nothing on.  A number that is 0 for that reason has no
    weights but 0, and its first step says so; trace what its layer computed before the
    ReLU, if that is a layer of its own.

    Through layers that are not linear between kinks (GELU, sigmoid, softmax, maps
    times gates), the weights tell what a small change would do, and the constant
    makes up the rest.

    Parameters
    ----------
    model : keras.Model
        Functional or Sequential, with one image as its input.
    image : array of shape (H, W, C)
        In the range that the model was made for.
    layer : str
        A name as for `receptive_field`.
    position : tuple of int
        The number's (row, column, channel); in a layer without a map, (unit,) or unit.

    Returns
    -------
    steps : tuple of Step
        First the layer itself, its number times 1; last the image.  Between them,
        the layers that everything the number sees has to pass.  A branch alone does
        not account for the number, so that layers inside of branches are left out.
        A layer without a map has a single position.

    Raises
    ------
    ValueError
        If the image does not fit the model, the layer is unknown or has no such
        position, or its receptive field is unknown.

    References
    ----------
    .. [1] S. Srinivas and F. Fleuret, "Full-gradient representation for neural
       network visualization", NeurIPS, 2019. https://arxiv.org/abs/1905.00780

    Examples
    --------
    The difference of two pixels, and 5:

    >>> import keras
    >>> conv = keras.layers.Conv2D(1, (1, 2), activation="relu", name="conv")
    >>> model = keras.Sequential([keras.Input((1, 3, 1), name="image"), conv])
    >>> conv.set_weights([np.array([-1.0, 1.0]).reshape(1, 2, 1, 1), np.array([5.0])])
    >>> image = np.array([2.0, 3.0, 7.0]).reshape(1, 3, 1)
    >>> number, pixels = trace(model, image, "conv", (0, 1, 0))
    >>> pixels.layer, pixels.columns, pixels.constant, pixels.value
    ('image', slice(1, 3, None), 5.0, 9.0)
    >>> pixels.products.ravel()
    array([-3.,  7.], dtype=float32)
    """
    import tensorflow as tf

    network = connections(model)
    one_image_input(model)
    if np.ndim(image) != 3:
        raise ValueError(
            f"image must have shape (H, W, C); got shape {np.shape(image)}; of a "
            "batch, pass images[0]"
        )
    place: Any = (position,) if np.ndim(position) == 0 else position
    place = tuple(place)
    images = _fitting_floats(model, np.asarray(image)[None])
    receptive_field(model, layer, input_size=images.shape[1:3])  # or says why not
    names = _layers_passed(network, layer)
    bent = activation_of(layer_calls(model)[layer].operation) != "linear"

    def compute(images):
        before = []

        def look(operation, *args, **kwargs):
            before.append(before_activation(operation, *args, **kwargs))
            return answer(operation, *args, **kwargs)

        with tf.GradientTape() as tape:
            tape.watch(images)
            instead = {layer: look} if bent else None
            maps = list(run(network, images, names, instead=instead).values())
            _check_position(place, layer, maps[-1].shape[1:])
            number = maps[-1][(0, *place)]
        weights = tape.gradient(number, maps, unconnected_gradients="zero")
        return maps, weights, [values[(0, *place)] for values in before]

    # Compiled, so that what the layer does not need is not computed.
    signature = tf.TensorSpec(images.shape, images.dtype)
    computed = tf.function(compute, autograph=False).get_concrete_function(signature)
    *both, before = computed(tf.constant(images))
    maps, weights = (list(map(_grid, each)) for each in both)
    at = place[:2] if len(place) == 3 else (0, 0)
    value = float(maps[-1][(*at, place[-1])])
    steps = []
    for name, grid, counts in reversed(list(zip(names, maps, weights, strict=True))):
        window = field_on(model, name, layer, grid.shape[:2]).window(*at)
        inside, counts = grid[window], counts[window]
        constant = value - float(np.sum(inside * counts, dtype=np.float64))
        steps.append(Step(name, *window, inside, counts, constant, value))
    if before:
        steps[0] = replace(steps[0], before=float(before[0]))
    return tuple(steps)


def effective_receptive_field(
    model: keras.Model,
    layer: str,
    images: npt.ArrayLike,
    *,
    position: Sequence[int] | None = None,
    share: float = 0.95,
    batch_size: int = 8,
) -> EffectiveField:
    """Measure how much each pixel counts for a position of a layer.

    A receptive field says which pixels can count.  Those in its middle have many
    more paths through the network than those at its rim, and count for more [1]_.
    A pixel's influence is here the root mean square, over images, the map's channels
    and colours, of the derivative with respect to the pixel; squares, so that
    channels of different signs do not cancel.  Of maps with more than four channels,
    four mixtures with random signs stand for all: their mean square is, on average,
    the sum of the channels' squares.  The more images, the closer.

    Parameters
    ----------
    model : keras.Model
        Functional or Sequential, with one image as its input.
    layer : str
        A name as for `receptive_field`.
    images : array of shape (N, H, W, C)
        In the range that the model was made for.
    position : tuple of int, optional
        (row, column) on the layer's map.  By default the middle; of an even number
        of positions, the later one of the middle two.
    share : float
        How much of all influence the window is to hold, more than 0, at most 1 [2]_.
    batch_size : int
        How many images are differentiated at once; bounds the memory needed.

    Returns
    -------
    EffectiveField
        Never larger than the receptive field.

    Raises
    ------
    ValueError
        If the images do not fit the model, the layer is unknown or has no such
        position, its receptive field is unknown, or no pixel of these images counts.

    References
    ----------
    .. [1] W. Luo, Y. Li, R. Urtasun and R. Zemel, "Understanding the effective
       receptive field in deep convolutional neural networks", NeurIPS, 2016.
       https://arxiv.org/abs/1701.04128
    .. [2] The smallest centred square is the measure of X. Ding, X. Zhang, J. Han and
       G. Ding, "Scaling up your kernels to 31 × 31", CVPR, 2022.
       https://arxiv.org/abs/2203.06717

    Examples
    --------
    Five means of 1 × 3 pixels could see 11 pixels.  They spread as five dice of three
    faces do, and the middle seven pixels hold 95 % (231 of 243 throws):

    >>> import keras
    >>> means = [keras.layers.AveragePooling2D((1, 3), 1) for _ in range(5)]
    >>> means[-1].name = "end"
    >>> model = keras.Sequential([keras.Input((1, 11, 1)), *means])
    >>> field = effective_receptive_field(model, "end", np.zeros((1, 1, 11, 1)))
    >>> field.size
    (1, 7)
    >>> (field.values[0] * 3**5).round().astype(int)
    array([ 1,  5, 15, 30, 45, 51, 45, 30, 15,  5,  1])
    """
    if not 0 < share <= 1:
        raise ValueError(f"share must be more than 0 and at most 1; got {share!r}")
    check_whole(batch_size, "batch_size")
    network = connections(model)
    one_image_input(model)
    images = _fitting_floats(model, images)
    field = receptive_field(model, layer, input_size=images.shape[1:3])
    squares, position = _mean_squares(network, layer, images, position, batch_size)
    influence = np.sqrt(squares)
    if not influence.any():
        raise ValueError(
            f"no pixel of these images counts at position {position} of {layer!r}: "
            "every channel is silent there; give other images or another position"
        )
    values = influence / influence.sum()
    return EffectiveField(values, _square_holding(share, values, field, position))


def _square_holding(share, values, field, position):
    """Return the window of the smallest square about the middle of the field."""
    from_middle = [
        np.abs(np.arange(length) - offset - at * stride - (size - 1) / 2)
        for length, offset, at, stride, size in zip(
            values.shape, field.offset, position, field.stride, field.size, strict=True
        )
    ]
    radii, ring = np.unique(np.maximum.outer(*from_middle), return_inverse=True)
    held = np.cumsum(np.bincount(ring.ravel(), values.ravel()))
    radius = radii[np.argmax(held >= share - 1e-9)]  # sums are not exact
    window = []
    for distances, seen in zip(from_middle, field.window(*position), strict=True):
        inside = np.flatnonzero(distances <= radius).clip(seen.start, seen.stop - 1)
        window.append(slice(int(inside[0]), int(inside[-1]) + 1))
    return tuple(window)


def _mean_squares(network, layer, images, position, batch_size):
    """Return each pixel's mean squared derivative, (H, W), and where on the map."""
    import tensorflow as tf

    def compute(batch, first):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(batch)
            maps = run(network, batch, {layer})[layer]
            sizes = tuple(maps.shape[1:-1])
            place = tuple(size // 2 for size in sizes) if position is None else position
            _check_position(place, layer, sizes)
            numbers = tf.cast(maps[(slice(None), *place)], tf.float64)
            count = numbers.shape[-1]
            mixing = tf.eye(count, batch_shape=[len(images)], dtype=tf.float64)
            if count > _MIXTURES:
                shape = len(images), count, _MIXTURES
                draws = tf.random.stateless_uniform(shape, (0, 0), dtype=tf.float64)
                mixing = tf.sign(draws - 0.5)
            mixing = mixing[first : first + tf.shape(batch)[0]]
            mixtures = tf.unstack(tf.einsum("nf,nfm->nm", numbers, mixing), axis=1)
        gradients = [
            tape.gradient(mixture, batch, unconnected_gradients="zero")
            for mixture in mixtures
        ]
        # In double precision: squares of small numbers soon pass for 0.
        squares = tf.square(tf.cast(tf.stack(gradients), tf.float64))
        return tf.reduce_sum(squares, axis=(0, 1, 4)), place or (0, 0)

    signature = tf.TensorSpec((None, *images.shape[1:]), images.dtype)
    computed = tf.function(compute, autograph=False).get_concrete_function(
        signature, tf.TensorSpec((), tf.int32)
    )
    total = 0.0
    for first in range(0, len(images), batch_size):
        batch = tf.constant(images[first : first + batch_size])
        squares, place = computed(batch, tf.constant(first))
        total = total + squares.numpy()
    return total / len(images), tuple(int(at) for at in place)


def _layers_passed(network, layer):
    """Name the layers that every path from the image to a layer passes.

    In the order of computation, from the image to the layer itself; only those with
    maps, or one vector, of numbers that have derivatives.
    """
    import keras

    passed: dict[str, frozenset[str]] = {}

    def look(name, node, args, kwargs):
        sources = [
            value
            for value in keras.tree.flatten((args, kwargs))
            if isinstance(value, frozenset)
        ]
        if not sources:  # an input of a model inside the model, always the same
            passed[name] = frozenset()
            return [None] * len(node.outputs)
        before = frozenset.intersection(*sources)
        (first, *others), operation = node.outputs, node.operation
        listed = (
            not others
            and len(first.shape) in (2, 4)
            and keras.backend.is_float_dtype(first.dtype)
            # A nested model's input is the output of the layer before it.
            and not (traits_of(operation).role == "input" and before)
        )
        passed[name] = before | {name} if listed or name == layer else before
        return [passed[name]] * len(node.outputs)

    follow(network, [frozenset()], look)
    return [name for name in passed if name in passed[layer]]


def _fitting_floats(model: keras.Model, images: npt.ArrayLike) -> np.ndarray:
    """Return images as a model takes them; it must take numbers with derivatives."""
    images = fitting_images(model, images)
    if not np.issubdtype(images.dtype, np.floating):
        raise ValueError(
            f"model {model.name!r} takes whole numbers ({images.dtype}), which have no "
            "derivatives; give its keras.Input a floating-point dtype"
        )
    return images


def _check_position(position, layer, sizes):
    """Insist on a position inside an output of these sizes."""
    inside = len(position) == len(sizes) and all(
        is_whole(at, most=size - 1) for at, size in zip(position, sizes, strict=True)
    )
    if not inside:
        shape = " × ".join(map(str, sizes)) or "a vector, without positions"
        raise ValueError(
            f"layer {layer!r} has no position {tuple(position)}: for this image it is "
            f"{shape}, counted from 0"
        )


def _grid(tensor):
    """Return a batch of one map, or of one vector, as an array (H, W, F)."""
    array = np.asarray(tensor)[0]
    if array.dtype not in (np.float32, np.float64):  # half precision
        array = array.astype(np.float32)
    return array[None, None] if array.ndim == 1 else array
