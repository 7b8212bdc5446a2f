"""Which pixels a position of a layer sees, worked out from the architecture alone."""

from dataclasses import dataclass, field

import numpy as np

from cnnbook.networks import (
    connections,
    follow,
    is_a,
    one_image_input,
    unknown_layer,
)

# Layers are recognised by the names of their classes, so that reading this
# module costs NumPy alone, and so that subclasses count as what they extend.
CONVOLUTIONS = frozenset(
    {"Conv2D", "DepthwiseConv2D", "SeparableConv2D", "Conv2DTranspose"}
)
POOLS = frozenset({"MaxPooling2D", "AveragePooling2D"})
_SLIDING_KERNELS = CONVOLUTIONS - {"Conv2DTranspose"}
_WHOLE_IMAGE = frozenset(
    {"Flatten", "GlobalAveragePooling2D", "GlobalMaxPooling2D", "GroupNormalization"}
)
# Each output is computed from the inputs at the same row and column only.
# Layers that act in training alone pass their input on.
_SAME_POSITION = frozenset(
    """
    InputLayer Identity Rescaling Normalization BatchNormalization Dense
    Activation ReLU LeakyReLU PReLU ELU Relu Relu6 LeakyRelu Elu Gelu Silu Sigmoid
    HardSigmoid HardSilu Softplus Tanh Absolute Negative Square Sqrt Exp Clip
    Dropout SpatialDropout2D AlphaDropout GaussianDropout GaussianNoise
    ActivityRegularization RandomFlip RandomRotation RandomZoom RandomTranslation
    RandomShear RandomBrightness RandomContrast RandomSaturation RandomHue
    Add Subtract Multiply Divide TrueDivide Average Maximum Minimum
    """.split()
)
# The same, if they act along the channels and along no other axis.
_ALONG_AN_AXIS = frozenset(
    "Concatenate Softmax LayerNormalization RMSNormalization UnitNormalization".split()
)
_NEVER = np.iinfo(np.int64).max  # the first pixel seen by what sees only padding


@dataclass(frozen=True)
class ReceptiveField:
    """The window of the input image that a position of a layer sees.

    Each attribute is a (rows, columns) pair in pixels of the model's input.
    Position (i, j) sees the rows from ``offset[0] + i * stride[0]``, ``size[0]``
    of them, and columns likewise.

    Attributes
    ----------
    size : tuple of int
        Height and width of the window, its part in the padding included.
    stride : tuple of int
        How far the window moves from one position to the next.  Zero where
        every position sees the same, as after global pooling.
    offset : tuple of int
        Row and column of the first pixel that position (0, 0) sees, negative
        where the window starts in the padding.

    Examples
    --------
    >>> ReceptiveField(size=(3, 3), stride=(2, 2), offset=(-1, -1))
    ReceptiveField(size=(3, 3), stride=(2, 2), offset=(-1, -1))
    """

    size: tuple[int, int]
    stride: tuple[int, int]
    offset: tuple[int, int]
    _windows: tuple | None = field(default=None, repr=False, compare=False)

    def window(self, row, column):
        """Give the pixels of the image that one position sees.

        Parameters
        ----------
        row, column : int
            A position on the layer's map.

        Returns
        -------
        rows, columns : tuple of slice
            What is left of the window inside the image: ``image[rows, columns]``.
            No pixel outside of it can change the value at this position.  Empty
            for a position that sees only padding.

        Raises
        ------
        ValueError
            If the map has no such position, or the size of the image is unknown.

        Examples
        --------
        >>> import keras
        >>> conv = keras.layers.Conv2D(1, 3, padding="same", name="conv")
        >>> model = keras.Sequential([keras.Input((8, 8, 1)), conv])
        >>> receptive_field(model, "conv").window(0, 5)
        (slice(0, 2, None), slice(4, 7, None))
        """
        if self._windows is None:
            raise ValueError(
                "where the image ends is unknown, since the model takes images of any "
                "size; give receptive_field an input_size=(rows, columns)"
            )
        slices = []
        for position, windows, stride in zip(
            (row, column), self._windows, self.stride, strict=True
        ):
            if not stride:  # every position sees the same
                position = 0
            if not 0 <= position < len(windows):
                shape = " × ".join(str(len(windows)) for windows in self._windows)
                raise ValueError(
                    f"position ({row}, {column}) is outside the layer's map of {shape}"
                )
            start, stop = windows[position].tolist()
            slices.append(slice(start, stop) if start < stop else slice(0, 0))
        return tuple(slices)


def receptive_field(model, layer, *, input_size=None):
    """Find which part of the image each position of a layer sees.

    Worked out from kernel sizes, strides, paddings and dilations, layer after
    layer [1]_; weights play no part.  Where branches meet, the window is the
    smallest rectangle that holds the windows of all of them.  With dilation, or
    with strides longer than the kernels, pixels inside the window can be skipped.

    Parameters
    ----------
    model : keras.Model
        Functional or Sequential, with one image as its input.
    layer : str
        A layer's name; ``"inner/conv"`` for the layer ``conv`` of a model ``inner``
        used as a layer; ``"conv#2"`` for the second use of a shared layer.
    input_size : tuple of int, optional
        Rows and columns of the image, for models that take any size.  Such models
        need it for windows clipped to the image, for layers that see the whole
        image, and for strides with "same" padding, which depends on the size.

    Returns
    -------
    ReceptiveField
        Size, stride and offset, in pixels.  After flattening or global pooling:
        the whole image, stride 0.

    Raises
    ------
    ValueError
        If the layer is unknown, or lies behind a layer for which no such window
        exists or is known (upsampling, reshaping, a layer of one's own, …).

    References
    ----------
    .. [1] A. Araujo, W. Norris and J. Sim, "Computing receptive fields of
       convolutional neural networks", Distill, 2019.
       https://doi.org/10.23915/distill.00021

    Examples
    --------
    Behind a 2 × 2 pool, one step is two pixels:

    >>> import keras
    >>> pool = keras.layers.MaxPooling2D(2)
    >>> conv = keras.layers.Conv2D(1, 3, name="conv")
    >>> model = keras.Sequential([keras.Input((8, 8, 1)), pool, conv])
    >>> receptive_field(model, "conv")
    ReceptiveField(size=(6, 6), stride=(2, 2), offset=(0, 0))
    """
    fields = _fields(connections(model), _image_size(model, input_size))
    if layer not in fields:
        raise unknown_layer(model, layer, fields)
    found = fields[layer]
    if isinstance(found, _NoWindowError):
        raise ValueError(f"no receptive field for layer {layer!r}: {found}")
    sizes, strides, offsets, windows = zip(
        *((axis.size, axis.stride, axis.offset, axis.windows) for axis in found.axes),
        strict=True,
    )
    known = None if any(axis is None for axis in windows) else windows
    return ReceptiveField(sizes, strides, offsets, known)


def layer_without_room(network, size):
    """Find the first layer for whose window images are too small.

    Parameters
    ----------
    network : Connections
    size : tuple of int
        Rows and columns of the images.

    Returns
    -------
    str or None
        Its name; None if the images are large enough for every layer whose window
        is known.
    """
    fields = _fields(network, size).items()
    return next((n for n, seen in fields if isinstance(seen, _NoRoomError)), None)


@dataclass(frozen=True, eq=False)
class _Axis:
    """What a layer's positions see along the rows, or along the columns."""

    size: int
    stride: int
    offset: int
    # For each position the first pixel seen and the one after the last, (n, 2).
    windows: np.ndarray | None

    @classmethod
    def of_image(cls, length):
        """Return the axis of the image itself: every pixel sees itself."""
        if length is None:
            return cls(1, 1, 0, None)
        return cls(1, 1, 0, np.arange(length)[:, None] + [0, 1])


@dataclass(frozen=True, eq=False)  # a tuple would be taken apart by keras.tree
class _Field:
    axes: tuple[_Axis, _Axis]  # rows, columns

    @property
    def is_whole_image(self):
        """Whether every position sees the same, so that nothing can widen it."""
        return not any(axis.stride for axis in self.axes)


class _NoWindowError(Exception):
    """A layer has no rectangular, regularly moving window.

    Travels on in place of a field, so that only the layers behind are affected.
    """


class _NoRoomError(_NoWindowError):
    """The images are smaller than a layer's window."""


def _fields(network, size):
    """Return what each layer sees, by name, for images of a size (None where open)."""
    import keras

    fields = {}

    def look(name, node, args, kwargs):
        sources = [
            value
            for value in keras.tree.flatten((args, kwargs))
            if isinstance(value, _Field | _NoWindowError)
        ]
        fields[name] = _field_of(name, node.operation, sources)
        return [fields[name]] * len(node.outputs)

    image = _Field(tuple(_Axis.of_image(length) for length in size))
    follow(network, [image], look)
    return fields


def _field_of(name, operation, sources):
    """Return what a call's output sees, given what its inputs see."""
    for source in sources:
        if isinstance(source, _NoWindowError):
            return source
    everything = all(source.is_whole_image for source in sources)
    try:
        step = _united if everything else _step(operation)
        axes = zip(*(source.axes for source in sources), strict=True)
        return _Field(tuple(step(side, each) for side, each in enumerate(axes)))
    except _NoWindowError as error:
        return type(error)(f"{name!r} ({type(operation).__name__}) {error}")


def _step(layer):
    """Return the function (side, axes of the inputs) -> axis of the output."""
    if getattr(layer, "data_format", None) == "channels_first":
        raise _NoWindowError("puts channels first; only channels last is supported")
    if is_a(layer, _SLIDING_KERNELS):
        return _sliding(layer.kernel_size, layer, layer.dilation_rate)
    if is_a(layer, POOLS):
        return _sliding(layer.pool_size, layer, (1, 1))
    if is_a(layer, {"ZeroPadding2D"}):
        return lambda side, axes: _slide(axes[0], 1, padding=layer.padding[side])
    if is_a(layer, {"Cropping2D"}):
        return lambda side, axes: _slide(
            axes[0], 1, padding=[-pixels for pixels in layer.cropping[side]]
        )
    if is_a(layer, _WHOLE_IMAGE):
        return lambda side, axes: _whole(axes[0])
    along_channels = np.ravel(getattr(layer, "axis", -1)).tolist() in ([-1], [3])
    if is_a(layer, _SAME_POSITION) or (is_a(layer, _ALONG_AN_AXIS) and along_channels):
        return _united
    raise _NoWindowError(
        "looks at a part of its input that is unknown or has no fixed shape; known are "
        "convolutions, pools, padding, cropping, element-wise layers, sums and "
        "concatenations of channels"
    )


def _united(side, axes):
    """Return the axis that sees what any of these sees at the same position."""
    if len(axes) > 1 and not all(axis.stride for axis in axes):
        axes = [_whole(axis) for axis in axes]
    strides = {axis.stride for axis in axes}
    lengths = {axis.windows is not None and len(axis.windows) for axis in axes}
    if len(strides) > 1 or len(lengths) > 1:
        raise _NoWindowError("joins branches whose windows move by different strides")
    offset = min(axis.offset for axis in axes)
    stop = max(axis.offset + axis.size for axis in axes)
    windows = None
    if axes[0].windows is not None:
        every = np.stack([axis.windows for axis in axes])
        windows = np.stack([every[..., 0].min(axis=0), every[..., 1].max(axis=0)], 1)
    return _Axis(stop - offset, strides.pop(), offset, windows)


def _sliding(window, layer, dilation):
    """Return the step of a layer that slides a (rows, columns) window."""

    def step(side, axes):
        (axis,) = axes
        shape = {"stride": layer.strides[side], "dilation": dilation[side]}
        padding = (0, 0)
        if layer.padding == "same":
            padding = _same_padding(axis, window[side], **shape)
        return _slide(axis, window[side], padding=padding, **shape)

    return step


def _same_padding(axis, window, *, stride, dilation):
    """Return how many positions Keras adds before and after the axis."""
    surplus = (window - 1) * dilation
    if stride > 1:  # then the padding depends on what the last window lacks
        if axis.windows is None:
            raise _NoWindowError(
                'has strides and "same" padding, which depends on the size of the '
                "image; give input_size=(rows, columns)"
            )
        length = len(axis.windows)
        surplus = max((-(-length // stride) - 1) * stride + surplus + 1 - length, 0)
    return surplus // 2, surplus - surplus // 2


def _slide(axis, window, *, stride=1, dilation=1, padding=(0, 0)):
    """Return the axis after a sliding window; negative padding crops."""
    windows = None
    before, after = padding
    if axis.windows is not None:
        length = len(axis.windows)
        room = length + before + after - (window - 1) * dilation
        count = -(-room // stride)
        if count < 1:
            raise _NoRoomError("has no room for its window in images so small")
        taps = np.arange(count)[:, None] * stride - before
        taps = taps + np.arange(window) * dilation
        inside = (taps >= 0) & (taps < length)
        seen = axis.windows[taps.clip(0, length - 1)]
        first = np.where(inside, seen[..., 0], _NEVER).min(axis=1)
        windows = np.stack([first, np.where(inside, seen[..., 1], 0).max(axis=1)], 1)
    return _Axis(
        size=axis.size + (window - 1) * dilation * axis.stride,
        stride=axis.stride * stride,
        offset=axis.offset - before * axis.stride,
        windows=windows,
    )


def _whole(axis):
    """Return the axis of a layer each of whose values depends on all positions."""
    if axis.windows is None:
        raise _NoWindowError(
            "sees the whole image, whose size is open; give input_size=(rows, columns)"
        )
    first, stop = int(axis.windows[:, 0].min()), int(axis.windows[:, 1].max())
    return _Axis(stop - first, 0, first, np.array([[first, stop]]))


def _image_size(model, input_size):
    """Return the rows and columns of a model's input, None where they are open."""
    shape = one_image_input(model)
    fixed = tuple(shape[1:3])
    if input_size is None:
        return fixed
    if len(input_size) != 2 or any(
        own not in (None, given) for own, given in zip(fixed, input_size, strict=True)
    ):
        raise ValueError(
            "input_size must be (rows, columns) of images that the model takes; model "
            f"{model.name!r} takes {fixed}, got {tuple(input_size)}"
        )
    return tuple(input_size)
