"""Pictures made to excite a filter: activation maximisation."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cnnbook.checks import check_whole, is_whole
from cnnbook.maps.receptive_fields import layer_without_room, receptive_field
from cnnbook.networks.graph import (
    checked_axes,
    connections,
    layer_calls,
    run,
    unknown_layer,
)
from cnnbook.networks.inputs import fitting_images, one_image_input

if TYPE_CHECKING:
    import keras

# In photographs red, green and blue mostly rise and fall together; less often red
# against blue, and least of all green against both.  Pictures move along these three
# directions (columns), each half as easily as the one before.
_COLOURS = np.array([[1, 1, 1], [1, 0, -2], [1, -1, 1]])
_COLOURS = _COLOURS / np.linalg.norm(_COLOURS, axis=0) / [1, 2, 4]

_SIDES = 24, 96  # pixels: as small, and as large, as a size that nobody has chosen

# Chosen by looking at what VGG19 and the book's classifier want.  The picture climbs
# as logits: numbers that a sigmoid turns into intensities.
_NOISE = 0.025  # how large waves of 64 pixels are in the start
_RATE = 1.0  # how far a step goes that changes one such wave, and no other
_FAVOUR = 0.7  # of low frequencies: how easily one moves falls as 1/f to this power
_LEAK = 0.3  # how much positions count that nearly respond, at first
_NEARLY = 0.2  # how many these are, as a part of all


@dataclass(frozen=True, eq=False)
class Patterns:
    """Pictures made to excite channels of a layer, and how far that went.

    An *activation* here is what the channel's map holds on average over the middle of
    the picture, where the map has negative numbers counting as 0.

    Attributes
    ----------
    images : ndarray of shape (n, H, W, C), float32
        One for each channel, in the range that the model takes.  They wrap round: laid
        side by side, copies of one join without a seam.
    channels : tuple of int
        As they were asked for.
    activations : ndarray of shape (n,)
        Of each channel, by its own picture.
    starts : ndarray of shape (n,)
        The same, by the noise that the picture was made from.
    """

    images: npt.NDArray[np.float32]
    channels: tuple[int, ...]
    activations: np.ndarray
    starts: np.ndarray

    @property
    def excited(self) -> npt.NDArray[np.bool_]:
        """Whether each picture excites its channel more than its start did: (n,)."""
        return self.activations > self.starts


def filter_pattern(
    model: keras.Model,
    layer: str,
    channels: int | Iterable[int],
    *,
    size: int | None = None,
    steps: int = 64,
    smoothness: float = 2.0,
    value_range: tuple[float, float] = (0, 1),
    seed: int = 0,
) -> Patterns:
    r"""Make pictures that excite channels of a layer as strongly as they can.

    Activation maximisation [1]_, in the form of [2]_: from noise, climb along the
    gradient of a channel's mean activation with respect to the picture.  Left to
    itself that gives noise to which networks respond and eyes do not, so

    - the climb moves the picture's frequencies rather than its pixels, the low ones
      more easily, and three channels along colours that photographs vary in;
    - the picture is a torus, turned by a random shift before each step, so that no
      detail can rely on its place in the strides of the network;
    - roughness costs: a step follows :math:`\nabla a - s\,a\,\nabla v`, with the
      activation *a*, the mean difference *v* between neighbouring pixels, and *s* the
      ``smoothness``.

    Where a ReLU is shut there is no gradient.  If the layer ends in one, the climb
    looks at what enters it; and for the first half of the steps it also raises, less
    and less, those of the silent positions that are nearest to responding.

    Parameters
    ----------
    model : keras.Model
        Functional or Sequential, with one image as its input.  It is not changed.
    layer : str
        A layer with feature maps; ``"inner/conv"`` inside a nested model.
    channels : int or sequence of int
        Which of its maps.  All climb together, and each picture is the same, up to
        rounding, whichever others are asked for.
    size : int, optional
        Rows and columns of the pictures, for a model that takes any size.  By default
        three receptive fields, but at least 24 and at most 96 pixels.
    steps : int
        More give more contrast.
    smoothness : float
        0 lets the network have every detail that it likes.
    value_range : (float, float)
        Lowest and highest number that the model takes in a pixel.  This package's own
        models take [0, 1].
    seed : int
        Decides the noise, for each channel its own, and the shifts.

    Returns
    -------
    Patterns

    Raises
    ------
    ValueError
        If the layer is unknown or has no maps, a channel does not exist, or the size
        or the range does not fit the model.

    Warns
    -----
    UserWarning
        If a channel ends no stronger than it started.  Many networks have filters
        that nothing excites; another ``seed`` or more ``steps`` help at times.

    References
    ----------
    .. [1] D. Erhan, Y. Bengio, A. Courville and P. Vincent, "Visualizing higher-layer
       features of a deep network", University of Montreal, technical report 1341,
       2009.
    .. [2] C. Olah, A. Mordvintsev and L. Schubert, "Feature visualization", Distill,
       2017.  https://doi.org/10.23915/distill.00007

    Examples
    --------
    A filter for what is brighter to the right of it wants upright edges:

    >>> import keras
    >>> conv = keras.layers.Conv2D(1, (1, 2), activation="relu", name="conv")
    >>> model = keras.Sequential([keras.Input((16, 16, 1)), conv])
    >>> conv.set_weights([np.array([-1.0, 1.0]).reshape(1, 2, 1, 1), np.zeros(1)])
    >>> image = filter_pattern(model, "conv", 0).images[0, :, :, 0]
    >>> across, down = (np.abs(np.diff(image, axis=axis)).mean() for axis in (1, 0))
    >>> bool(across > 2 * down)
    True
    """
    import tensorflow as tf

    channels = _checked_channels(model, layer, channels)
    check_whole(steps, "steps")
    if not 0 <= smoothness < np.inf:
        raise ValueError(f"smoothness must be a number from 0; got {smoothness!r}")
    shape = _checked_shape(model, layer, size, value_range)
    network = _part_before(model, layer, shape)
    low, high = value_range

    def in_range(intensities):
        return low + (high - low) * intensities

    def measure(frequencies):
        images = in_range(_intensities(frequencies, shape))
        responses = _responses(run(network, images, {layer})[layer], channels)
        return images, tf.reduce_mean(tf.nn.relu(responses), axis=1)

    def step(frequencies, mean, square, number, shift, leak):
        with tf.GradientTape() as tape:
            tape.watch(frequencies)
            intensities = _intensities(frequencies, shape)
            turned = tf.roll(intensities, shift, axis=(1, 2))
            maps = run(network, in_range(turned), {layer})[layer]
            responses = _responses(_before_relu(maps), channels)
            heights = tf.reduce_mean(tf.nn.relu(responses), axis=1)
            heights += leak * _shortfall(responses)
            price = smoothness * tf.stop_gradient(tf.abs(heights))
            # A sum, so that no picture's gradient has a part in another's.
            aim = tf.reduce_sum(heights - price * _roughness(intensities))
        gradient = tape.gradient(aim, frequencies)
        return _climb(frequencies, gradient, mean, square, number)

    frequencies = tf.constant(_start(channels, shape, seed))
    mean, square = tf.zeros_like(frequencies), tf.zeros((len(channels), 1, 1, 1, 1))
    scalar, pair = tf.TensorSpec((), "float32"), tf.TensorSpec((2,), "int32")
    # Traced here, once: TensorFlow warns of functions that are traced again and again.
    measure = tf.function(measure, autograph=False).get_concrete_function(frequencies)
    step = tf.function(step, autograph=False).get_concrete_function(
        frequencies, mean, square, scalar, pair, scalar
    )
    _, starts = measure(frequencies)
    shifts = np.random.default_rng(seed).integers(shape[:2], size=(steps, 2))
    leaks = _LEAK * np.clip(1 - 2 * np.arange(steps) / steps, 0, 1)
    for number, (shift, leak) in enumerate(zip(shifts, leaks, strict=True), start=1):
        now = tf.constant(number, "float32"), tf.constant(shift, "int32")
        leak = tf.constant(leak, "float32")
        frequencies, mean, square = step(frequencies, mean, square, *now, leak)
    images, activations = measure(frequencies)
    # Rounding may step over the ends by a bit of the last place.
    images = np.clip(images.numpy(), low, high, dtype="float32")
    found = Patterns(images, channels, activations.numpy(), starts.numpy())
    if not found.excited.all():
        silent = [
            str(c) for c, good in zip(channels, found.excited, strict=True) if not good
        ]
        warnings.warn(
            f"{steps} steps did not excite channel {', '.join(silent)} of layer "
            f"{layer!r} more than noise does: its picture shows nothing. Try more "
            "steps, another seed, or another channel",
            stacklevel=2,
        )
    return found


def _intensities(frequencies, shape):
    """Turn numbers, (n, 2, C, H, W // 2 + 1), into intensities in [0, 1]: (n, H, W, C).

    The numbers are the real and imaginary part of each frequency.
    """
    import tensorflow as tf

    rows, columns, count = shape
    weighted = frequencies * (rows * columns * _falloff(shape) ** _FAVOUR)
    spectrum = tf.complex(weighted[:, 0], weighted[:, 1])
    planes = tf.signal.irfft2d(spectrum, [rows, columns])
    colours = (_COLOURS if count == 3 else np.eye(count)).astype("float32")
    return tf.sigmoid(tf.einsum("nkhw,ck->nhwc", planes, colours))


def _start(channels, shape, seed):
    """Draw the noise that pictures start from, for each channel its own.

    As in photographs, the amplitude of its frequencies falls as 1/f.
    """
    rows, columns, count = shape
    numbers = (len(channels), 2, count, rows, columns // 2 + 1)
    noise = np.empty(numbers, "float32")
    for drawn, channel in zip(noise, channels, strict=True):
        drawn[:] = np.random.default_rng([seed, channel]).normal(0, _NOISE, numbers[1:])
    return noise * _falloff(shape) ** (1 - _FAVOUR)


def _falloff(shape):
    """Return 1/f for each frequency, 1 for a wave of 64 pixels: (H, W // 2 + 1)."""
    rows, columns, _ = shape
    frequency = np.hypot(np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(columns))
    # Frequency 0, the mean of the picture, counts as the lowest that is not.
    return 1 / 64 / np.maximum(frequency, 1 / max(rows, columns)).astype("float32")


def _roughness(intensities):
    """Return the mean difference between neighbouring pixels of each picture: (n,)."""
    import tensorflow as tf

    return sum(
        tf.reduce_mean(
            tf.abs(intensities - tf.roll(intensities, 1, axis)), axis=(1, 2, 3)
        )
        for axis in (1, 2)
    )


def _responses(maps, channels):
    """Return each picture's map of its own channel, the middle of it: (n, positions).

    Near the ends of the rows and columns windows see padding.
    """
    import tensorflow as tf

    rows, columns = (slice(n // 4, n - n // 4) for n in maps.shape[1:3])
    own = tf.gather(
        maps[:, rows, columns], np.array(channels)[:, None], axis=3, batch_dims=1
    )
    return tf.reshape(tf.cast(own, "float32"), (len(channels), -1))


def _shortfall(responses):
    """Return the mean, 0 or less, over the positions that nearly respond: (n,).

    Raising these lets what responds grow over the picture.  If all that are silent
    counted, they would pull it in as many directions.
    """
    import tensorflow as tf

    count = max(1, round(_NEARLY * responses.shape[1]))
    silent = tf.where(responses > 0, -np.inf, responses)
    nearest = tf.math.top_k(silent, count).values
    # Of a picture with fewer silent positions, the others count as 0.
    return tf.reduce_mean(tf.where(nearest == -np.inf, 0.0, nearest), axis=1)


def _before_relu(maps):
    """Return what enters the ReLU that a layer ends in, or the maps themselves."""
    operation = maps.op  # of the graph that tf.function builds
    return operation.inputs[0] if operation.type in {"Relu", "Relu6"} else maps


def _climb(numbers, gradient, mean, square, step):
    """Climb one step; return the numbers and the running means, for the next.

    This is Adam with one pace for a whole picture.  With a pace for each number all
    frequencies would grow alike, however little they help.
    """
    import tensorflow as tf

    mean = 0.9 * mean + 0.1 * gradient
    length = tf.reduce_sum(gradient**2, axis=(1, 2, 3, 4), keepdims=True)
    square = 0.999 * square + 0.001 * length
    pace = (square / (1 - 0.999**step)) ** 0.5 + 1e-12
    return numbers + _RATE * mean / (1 - 0.9**step) / pace, mean, square


def _part_before(model, layer, shape):
    """Return the connections up to a layer; what lies behind may need larger images."""
    network = connections(model)
    names = [name for name, _ in network.calls]
    outermost = layer.split("/")[0]
    last = names.index(outermost) + 1 if outermost in names else 0  # 0: the input
    network = network._replace(calls=network.calls[:last], outputs=[])
    if tight := layer_without_room(network, shape[:2]):
        raise ValueError(
            f"pictures of {shape[0]} × {shape[1]} pixels are too small for model "
            f"{model.name!r}: there is no room for the window of {tight!r}; give a "
            "larger size"
        )
    return network


def _checked_channels(
    model: keras.Model, layer: str, channels: int | Iterable[int]
) -> tuple[int, ...]:
    """Return the channels as a tuple, once the layer and they are known to exist."""
    calls = layer_calls(model)
    one_image_input(model)
    if layer not in calls:
        raise unknown_layer(model, layer, calls)
    output = calls[layer].outputs[0].shape
    *_, channels_axis = checked_axes(model, layer)
    if len(output) != 4:
        raise ValueError(
            f"layer {layer!r} has no feature maps: its output has shape {output}. "
            "Layers that have: "
            + ", ".join(
                n for n, call in calls.items() if len(call.outputs[0].shape) == 4
            )
        )
    chosen = tuple(channels) if isinstance(channels, Iterable) else (channels,)
    last = output[channels_axis] - 1
    if not chosen or not all(is_whole(c, most=last) for c in chosen):
        raise ValueError(
            f"channels must be whole numbers from 0 to {last}, at least one, "
            f"for layer {layer!r}; got {channels!r}"
        )
    return tuple(map(int, chosen))


def _checked_shape(model, layer, size, value_range):
    """Return (H, W, C) of the pictures, once the model is known to take them."""
    low, high = value_range
    if not -np.inf < low < high < np.inf:
        raise ValueError(
            "value_range must be two numbers, the lower one first; got "
            f"({low!r}, {high!r})"
        )
    one_image_input(model)
    *own, count = model.inputs[0].shape[1:]
    if size is None:
        usual = _usual_size(model, layer, own)
        rows, columns = (length or usual for length in own)
    elif is_whole(size, 1):
        rows = columns = int(size)
    else:
        raise ValueError(f"size must be a whole number of pixels; got {size!r}")
    ends = np.array([low, high], "float32").reshape(2, 1, 1, 1)
    fitting_images(model, np.broadcast_to(ends, (2, rows, columns, count)))
    return rows, columns, count


def _usual_size(model, layer, own):
    """Return three times what one position sees, within limits, in pixels."""
    smallest, largest = _SIDES
    try:
        rows, columns = (length or largest for length in own)
        seen = max(receptive_field(model, layer, input_size=(rows, columns)).size)
    except ValueError:  # it sees no window of one size
        return largest
    return min(max(3 * seen, smallest), largest)
