"""Which pixels a position of a layer sees, worked out from the architecture alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from cnnbook.maps.axes import (
    Axis,
    NoRoomError,
    NoWindowError,
    same_padding,
    slide,
    united,
    whole,
)
from cnnbook.networks.graph import (
    CHANNELS_LAST,
    axes_of_maps,
    connections,
    follow,
    unknown_layer,
)
from cnnbook.networks.inputs import one_image_input, shape_of_input
from cnnbook.networks.traits import POOLS, permutation_of, reach_of, traits_of

if TYPE_CHECKING:
    import keras

    from cnnbook.networks.graph import Connections


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
    _windows: tuple[np.ndarray, np.ndarray] | None = field(
        default=None, repr=False, compare=False
    )

    def window(self, row: int, column: int) -> tuple[slice, slice]:
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
        slices: list[slice] = []
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
        rows, columns = slices
        return rows, columns


def receptive_field(
    model: keras.Model, layer: str, *, input_size: tuple[int, int] | None = None
) -> ReceptiveField:
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
    network = connections(model)  # says what is wrong with a model that has no inputs
    return _field_found(model, layer, _fields(network, _image_size(model, input_size)))


def field_on(
    model: keras.Model, source: str, layer: str, size: tuple[int, int]
) -> ReceptiveField:
    """Find which part of another layer's map each position of a layer sees.

    As `receptive_field`, with the map of ``source`` in place of the image.

    Parameters
    ----------
    model : keras.Model
        Functional or Sequential, with one image as its input.
    source, layer : str
        Names, as for `receptive_field`.  Everything that ``layer`` sees of the
        image must pass through ``source``.
    size : tuple of int
        Rows and columns of the map of ``source``; (1, 1) for a layer without a map.

    Returns
    -------
    ReceptiveField
        In positions on the map of ``source`` where `receptive_field` has pixels.

    Raises
    ------
    ValueError
        If one of the layers is unknown, ``layer`` is not behind ``source`` or also
        depends on what goes around it, or no such window exists or is known.

    Examples
    --------
    >>> import keras
    >>> pool = keras.layers.MaxPooling2D(2, name="pool")
    >>> conv = keras.layers.Conv2D(1, 3, name="conv")
    >>> model = keras.Sequential([keras.Input((8, 8, 1)), pool, conv])
    >>> field_on(model, "pool", "conv", (4, 4))
    ReceptiveField(size=(3, 3), stride=(1, 1), offset=(0, 0))
    """
    shape_of_input(model)
    fields = _fields(connections(model), size, source)
    if source not in fields:
        raise unknown_layer(model, source, fields)
    return _field_found(model, layer, fields)


def layer_without_room(network: Connections, size: Sequence[int | None]) -> str | None:
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
    return next((n for n, seen in fields if isinstance(seen, NoRoomError)), None)


@dataclass(frozen=True, eq=False)  # a tuple would be taken apart by keras.tree
class _Field:
    axes: tuple[Axis, ...]  # rows, columns
    rank: int = 4  # of the tensor; maps have four axes

    @property
    def is_whole(self):
        """Whether every position sees the same, so that nothing can widen it."""
        return not any(axis.stride for axis in self.axes)


def _field_found(model, layer, fields):
    """Return a layer's field among those of all layers, or say why it has none."""
    if layer not in fields:
        raise unknown_layer(model, layer, fields)
    found = fields[layer]
    if isinstance(found, NoWindowError):
        raise ValueError(f"no receptive field for layer {layer!r}: {found}")
    sizes, strides, offsets, windows = zip(
        *((axis.size, axis.stride, axis.offset, axis.windows) for axis in found.axes),
        strict=True,
    )
    known = None if any(axis is None for axis in windows) else windows
    return ReceptiveField(sizes, strides, offsets, known)


def _fields(network, size, source=None):
    """Return what each layer sees, by name: of the image, or of one layer's map.

    The image, or the map, is of this size (None where open).
    """
    import keras

    fields: dict[str, _Field | NoWindowError] = {}
    places = axes_of_maps(network)
    seen = _Field(tuple(Axis.of_image(length) for length in size))
    if tuple(size) == (1, 1):  # a single position is all there is
        seen = _Field(tuple(map(whole, seen.axes)))

    def look(name, node, args, kwargs):
        sources = [
            value
            for value in keras.tree.flatten((args, kwargs))
            if isinstance(value, _Field | NoWindowError)
        ]
        if not sources:  # an input of a model inside the model that is always the same
            fields[name] = NoWindowError(f"{name!r} is given a constant, and no image")
            return [None] * len(node.outputs)
        if name == source:
            fields[name] = seen
        else:
            axes = places.get(name, CHANNELS_LAST)
            fields[name] = _field_of(name, node, args, sources, axes)
        return [fields[name]] * len(node.outputs)

    around = NoWindowError(f"sees the image not only through {source!r}")
    follow(network, [seen if source is None else around], look)
    return fields


def _field_of(name, node, args, sources, places):
    """Return what a call's output sees, given what its inputs see.

    ``places`` are the axes of its rows, columns and channels, None if nobody knows.
    """
    for source in sources:
        if isinstance(source, NoWindowError):
            return source
    operation, shape = node.operation, node.outputs[0].shape
    everything = all(source.is_whole for source in sources)
    try:
        step = united if everything else _step(operation, args, sources, places)
        axes = zip(*(source.axes for source in sources), strict=True)
        sides = (step(side, each) for side, each in enumerate(axes))
        field = _Field(tuple(sides), len(shape))
        _check_size(field, shape, places)
        return field
    except NoWindowError as error:
        return type(error)(f"{name!r} ({type(operation).__name__}) {error}")


def _check_size(field, shape, places):
    """Insist that maps are as large as Keras says, which an array may have widened."""
    if field.is_whole or field.rank != 4:
        return
    for axis, length in zip(field.axes, (shape[at] for at in places[:2]), strict=True):
        if axis.windows is None or length in (None, len(axis.windows)):
            continue
        raise NoWindowError(
            f"has maps of {length} rows or columns where {len(axis.windows)} come in, "
            "widened by an array"
        )


def _step(layer, args, sources, places):
    """Return the function (side, axes of the inputs) -> axis of the output."""
    if places is None:
        raise NoWindowError(
            "takes for channels an axis that another layer takes for rows or columns"
        )
    rows, columns, channels = places
    reach = reach_of(layer, args, channels=channels)
    ranks = {source.rank for source in sources if not source.is_whole}
    if ranks == {4} and permutation_of(layer):
        return united
    fits = ranks == {3 if reach == "new channels" else 4}
    if reach is not None and not (fits or (reach == "place" and len(ranks) == 1)):
        raise NoWindowError("takes maps of other axes than rows, columns and channels")
    step = _step_upright(layer, reach)
    if rows < columns:
        return step
    return lambda side, axes: step(1 - side, axes)  # its rows are the image's columns


def _step_upright(layer, reach):
    """Return the step of a layer that has rows before columns."""
    role = traits_of(layer).role
    if reach == "window" and role in POOLS:
        return _sliding(layer.pool_size, layer, (1, 1))
    if reach == "window":
        return _sliding(layer.kernel_size, layer, layer.dilation_rate)
    if reach == "shift" and role == "padding":
        return lambda side, axes: slide(axes[0], 1, padding=layer.padding[side])
    if reach == "shift":
        return lambda side, axes: slide(
            axes[0], 1, padding=[-pixels for pixels in layer.cropping[side]]
        )
    if reach == "everything":
        return lambda side, axes: whole(axes[0])
    if reach in ("place", "channels", "new channels"):
        return united
    raise NoWindowError(
        "looks at a part of its input that is unknown or has no fixed shape; known are "
        "convolutions, pools, padding, cropping, element-wise layers, sums and "
        "concatenations of channels, with activations made of operations of Keras"
    )


def _sliding(window, layer, dilation):
    """Return the step of a layer that slides a (rows, columns) window."""

    def step(side, axes):
        (axis,) = axes
        shape = {"stride": layer.strides[side], "dilation": dilation[side]}
        padding = (0, 0)
        if layer.padding == "same":
            padding = same_padding(axis, window[side], **shape)
        return slide(axis, window[side], padding=padding, **shape)

    return step


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
