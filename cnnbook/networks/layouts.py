"""Which axes of maps are rows, columns and channels, read from the layers.

A layer with a ``data_format`` says where it takes channels to be, and what permutes
axes is followed.  Where nothing says so, channels are last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cnnbook.networks.traits import permutation_of, traits_of

Axes = tuple[int, int, int]  # those of rows, columns and channels

# Whose data_format says nothing of maps: they do the same either way.
_SILENT = frozenset({"input", "inert", "reshaping"})

# What may order axes anew, so that only layers behind it can tell.
_REORDERING = frozenset({"unknown", "reshaping", "rearrangement", "product"})


@dataclass(eq=False)
class _Source:
    """Maps that a layer makes, whose channels are found when a layer says where."""

    channels: int | None = None
    before: Layout | None = None  # has the same order if no layer says

    @property
    def channels_axis(self) -> int:
        if self.channels is None and self.before is not None:
            return self.before.axes[2]
        return self.channels or 3


class Layout:
    """The axes of one tensor, as an order of those of the maps that it comes from."""

    def __init__(self, before: Layout | None = None) -> None:
        self.source, self.order = _Source(before=before), (0, 1, 2, 3)

    def permuted(self, order: Sequence[int]) -> Layout | Mixed:
        """Return the layout with its axes in another order."""
        if order[0] != 0:
            return Mixed()
        moved = Layout()
        moved.source = self.source
        moved.order = tuple(self.order[axis] for axis in order)  # type: ignore[assignment]
        return moved

    def agrees(self, channels: int) -> bool:
        """Tell whether channels can be on this axis, and remember that they are."""
        axis = self.order[channels]
        if self.source.channels is None:
            self.source.channels = axis
        return self.source.channels == axis

    @property
    def axes(self) -> Axes:
        """Which axes are rows, columns and channels."""
        channels = self.source.channels_axis
        rows, columns = sorted({1, 2, 3} - {channels})
        return (
            self.order.index(rows),
            self.order.index(columns),
            self.order.index(channels),
        )


class Mixed:
    """Of maps one axis of which is channels to a layer, and places to another."""


class NoMaps:
    """Of a tensor that has not four axes."""


Reading = Layout | Mixed | NoMaps


def layout_behind(node: Any, sources: Sequence[Reading]) -> Reading:
    """Tell which axes the output of a call has.

    Parameters
    ----------
    node : node
        Keras's record of the call; see `graph.Connections`.
    sources : sequence of Layout, Mixed or NoMaps
        Of its inputs.

    Returns
    -------
    layout : Layout, Mixed or NoMaps
    """
    operation = node.operation
    before = _joined(node, sources)
    order, channels = permutation_of(operation), channels_taken(operation)
    if isinstance(before, Layout):
        if order is not None and len(node.outputs[0].shape) == 4:
            before = before.permuted(order)
        elif channels is not None and not before.agrees(channels):
            before = Mixed()
    if len(node.outputs[0].shape) != 4:
        return NoMaps()
    if isinstance(before, NoMaps):
        return Layout()
    if isinstance(before, Layout) and order is None and channels is None:
        if traits_of(operation).role in _REORDERING:
            return Layout(before)
    return before


def channels_taken(operation: object) -> int | None:
    """Return the axis on which a layer takes channels to be; None if it does not say.

    Examples
    --------
    >>> import keras
    >>> channels_taken(keras.layers.Conv2D(1, 1, data_format="channels_first"))
    1
    """
    role = traits_of(operation).role
    if role == "dense":
        return 3
    # A layer of one's own says what those in it say.
    inside = getattr(operation, "_flatten_layers", lambda: [operation])()
    formats = {
        getattr(layer, "data_format", None)
        for layer in inside
        if traits_of(layer).role not in _SILENT
    } - {None}
    if len(formats) != 1:
        return None
    return 1 if formats == {"channels_first"} else 3


def _joined(node, sources):
    """Return the layout of a call's inputs, which has to be one where maps meet."""
    if any(isinstance(source, Mixed) for source in sources):
        return Mixed()
    layouts = [source for source in sources if isinstance(source, Layout)]
    if len(layouts) < 2:
        return layouts[0] if layouts else NoMaps()
    # What is broadcast, such as a gate for each channel, has no places of its own.
    tensors = [tensor for tensor in node.input_tensors if len(tensor.shape) == 4]
    whole = [
        layout
        for layout, tensor in zip(layouts, tensors, strict=True)
        if list(tensor.shape[1:]).count(1) < 2
    ]
    first, *others = whole or layouts
    if any(other.axes != first.axes for other in others):
        return Mixed()
    return first
