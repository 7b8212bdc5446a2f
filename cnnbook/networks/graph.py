"""How the layers of a Keras model follow one another, nested models included.

Both what the layers compute (`maps.feature_maps`) and what they see
(`maps.receptive_field`) are values carried along these connections.
"""

from __future__ import annotations

import difflib
import inspect
import weakref
from collections import defaultdict
from collections.abc import Callable, Collection, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cnnbook.networks.traits import (
    CONVOLUTIONS,
    POOLS,
    channels_taken,
    permutation_of,
    traits_of,
)

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


Axes = tuple[int, int, int]  # those of rows, columns and channels
CHANNELS_LAST: Axes = (1, 2, 3)

# What may order axes anew, so that only layers behind it can tell.
_REORDERING = frozenset({"unknown", "reshaping", "rearrangement", "product"})


class Connections(NamedTuple):
    """How values flow through a model: its inputs, the calls of its layers, outputs.

    ``calls`` holds (name, node) pairs in the order of computation.  A node is
    Keras's record of one call: the ``operation``, its ``arguments`` and its
    symbolic ``outputs``.  Nothing here refers to the model itself, so a cache can
    keep it without keeping the model.
    """

    inputs: list[keras.KerasTensor]
    calls: list[tuple[str, Any]]
    outputs: list[keras.KerasTensor]


# What `follow` calls for each layer: with its name, node, arguments and keywords.
Visit = Callable[[str, Any, tuple[Any, ...], dict[str, Any]], list[Any]]


def connections(model: keras.Model) -> Connections:
    """Read from a Keras model which layer is called on what.

    Parameters
    ----------
    model : keras.Model
        Functional or Sequential.

    Returns
    -------
    Connections

    Raises
    ------
    ValueError
        If the model is of another kind, or has not been built yet.
    """
    if not _is_network(model):
        raise ValueError(
            "expected a functional or Sequential Keras model, whose layers can be told "
            f"apart from outside; got {type(model).__name__}: pass "
            "keras.Model(inputs, outputs), or keras.Sequential of an Input and layers"
        )
    if not hasattr(model, "inputs"):
        raise ValueError(
            f"model {model.name!r} is not built yet: give it a keras.Input as its "
            "first layer, or call it on a batch of images once"
        )
    calls, done = [], set(map(_origin, model.inputs))
    pending = [(tensor, False) for tensor in reversed(model.outputs)]
    while pending:  # depth first, without recursion: networks can be deep
        tensor, sources_done = pending.pop()
        origin = _origin(tensor)
        if origin in done:
            continue
        operation, index = origin
        node = operation._inbound_nodes[index]
        if sources_done:
            done.add(origin)
            calls.append((origin, node))
        else:
            pending.append((tensor, True))
            pending += [(source, False) for source in reversed(node.input_tensors)]
    uses = defaultdict(list)
    for operation, index in sorted((origin for origin, _ in calls), key=lambda o: o[1]):
        uses[operation].append(index)  # Keras's order, as in `layer.output`
    named = []
    for (operation, index), node in calls:
        use = uses[operation].index(index) + 1
        named.append((operation.name if use == 1 else f"{operation.name}#{use}", node))
    return Connections(list(model.inputs), named, list(model.outputs))


def follow(
    network: Connections, values: Sequence[Any], visit: Visit, path: str = ""
) -> list[Any]:
    """Carry values of any kind through a network, call by call.

    Models inside the model are entered; their layers are named
    ``"model/layer"``.

    Parameters
    ----------
    network : Connections
    values : sequence
        One for each input of the network.
    visit : callable
        ``visit(name, node, args, kwargs)`` with values in place of the symbolic
        tensors; answers with one value for each of the call's outputs.  Input
        layers are visited with their value as the only argument.  What a layer is
        called on comes by position, if given by keyword too; ``training`` is left out.
        Constants among the arguments may be arrays: tell values by what they are, not
        by ``==``.
    path : str
        Goes before every name.

    Returns
    -------
    list
        The values at the network's outputs.
    """
    known = {}  # by identity, as symbolic tensors have no equality
    for tensor, value in zip(network.inputs, values, strict=True):
        operation, index = _origin(tensor)
        node = operation._inbound_nodes[index]
        (known[id(tensor)],) = visit(path + operation.name, node, (value,), {})
    for name, node in network.calls:
        args, kwargs = _by_position(node.operation, *node.arguments.fill_in(known))
        if _is_network(node.operation):
            inner = connections(node.operation)
            values = _for_each_input(node.operation, args[0])
            results = follow(inner, values, visit, f"{path}{name}/")
        else:
            results = visit(path + name, node, args, kwargs)
        known.update(zip(map(id, node.outputs), results, strict=True))
    return [known[id(tensor)] for tensor in network.outputs]


def layer_calls(model: keras.Model) -> dict[str, Any]:
    """Return a model's calls by name, those inside nested models included.

    Parameters
    ----------
    model : keras.Model
        Functional or Sequential.

    Returns
    -------
    calls : dict of str to node
        In the order of computation; see `Connections`.
    """
    network, calls = connections(model), {}

    def note(name, node, args, kwargs):
        calls[name] = node
        return node.outputs

    follow(network, network.inputs, note)
    return calls


def name_of_output(network: Connections) -> str:
    """Return the name of the call that makes a network's first output."""

    def name_it(name, node, args, kwargs):
        return [name] * len(node.outputs)

    return follow(network, [""] * len(network.inputs), name_it)[0]


@dataclass(eq=False)
class _Source:
    """Maps that a layer makes, whose channels are found when a layer says where."""

    channels: int | None = None
    before: _Layout | None = None  # has the same order if no layer says

    @property
    def channels_axis(self) -> int:
        if self.channels is None and self.before is not None:
            return self.before.axes[2]
        return self.channels or 3


class _Layout:
    """The axes of one tensor, as an order of those of the maps that it comes from."""

    def __init__(self, before: _Layout | None = None) -> None:
        self.source = _Source(before=before)
        self.order: tuple[int, ...] = (0, 1, 2, 3)

    def permuted(self, order: Sequence[int]) -> _Layout | _Mixed:
        """Return the layout with its axes in another order."""
        if order[0] != 0:
            return _Mixed()
        moved = _Layout()
        moved.source = self.source
        moved.order = tuple(self.order[axis] for axis in order)
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


class _Mixed:
    """Of maps one axis of which is channels to a layer, and places to another."""


class _NoMaps:
    """Of a tensor that has not four axes."""


def _layout_behind(node, sources):
    """Tell which axes the output of a call has, from those of its inputs."""
    operation = node.operation
    before = _joined(node, sources)
    order, channels = permutation_of(operation), channels_taken(operation)
    if isinstance(before, _Layout):
        if order is not None and len(node.outputs[0].shape) == 4:
            before = before.permuted(order)
        elif channels is not None and not before.agrees(channels):
            before = _Mixed()
    if len(node.outputs[0].shape) != 4:
        return _NoMaps()
    if isinstance(before, _NoMaps):
        return _Layout()
    if isinstance(before, _Layout) and order is None and channels is None:
        if traits_of(operation).role in _REORDERING:
            return _Layout(before)
    return before


def _joined(node, sources):
    """Return the layout of a call's inputs, which has to be one where maps meet."""
    if any(isinstance(source, _Mixed) for source in sources):
        return _Mixed()
    layouts = [source for source in sources if isinstance(source, _Layout)]
    if len(layouts) < 2:
        return layouts[0] if layouts else _NoMaps()
    # What is broadcast, such as a gate for each channel, has no places of its own.
    tensors = [tensor for tensor in node.input_tensors if len(tensor.shape) == 4]
    whole = [
        layout
        for layout, tensor in zip(layouts, tensors, strict=True)
        if list(tensor.shape[1:]).count(1) < 2
    ]
    first, *others = whole or layouts
    if any(other.axes != first.axes for other in others):
        return _Mixed()
    return first


def axes_of_maps(network: Connections) -> dict[str, Axes | None]:
    """Find where the maps of each layer have rows, columns and channels.

    Parameters
    ----------
    network : Connections

    Returns
    -------
    axes : dict of str to tuple
        (1, 2, 3) where channels are last and (2, 3, 1) where they are first, for each
        layer whose output has four axes, inputs included.  None where layers
        contradict each other, so that axes are no longer those of the image.

    Examples
    --------
    >>> import keras
    >>> model = keras.Sequential([keras.Input((8, 8, 3), name="image"),
    ...     keras.layers.Permute((3, 1, 2), name="turned")])
    >>> axes_of_maps(connections(model))
    {'image': (1, 2, 3), 'turned': (2, 3, 1)}
    """
    import keras

    layouts = {}

    def look(name, node, args, kwargs):
        values = keras.tree.flatten((args, kwargs))
        sources = [own for own in values if isinstance(own, _Layout | _Mixed | _NoMaps)]
        layouts[name] = _layout_behind(node, sources)
        return [layouts[name]] * len(node.outputs)

    follow(network, [_NoMaps()] * len(network.inputs), look)
    return {
        name: layout.axes if isinstance(layout, _Layout) else None
        for name, layout in layouts.items()
        if not isinstance(layout, _NoMaps)
    }


# model -> (outputs, axes); the outputs are kept, so that no others get their address.
_axes_known: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()


def axes_in(model: keras.Model) -> dict[str, Axes | None]:
    """Find, once for a model, where the maps of each layer have which axes.

    Parameters
    ----------
    model : keras.Model
        Functional or Sequential.

    Returns
    -------
    axes : dict of str to tuple
        As `axes_of_maps`.
    """
    network = connections(model)
    outputs, axes = _axes_known.get(model, ([], None))
    if [*map(id, outputs)] != [*map(id, network.outputs)]:
        axes = axes_of_maps(network)
        _axes_known[model] = network.outputs, axes
    return axes


def run(
    network: Connections,
    images: tf.Tensor,
    names: Container[str],
    given: Mapping[str, tf.Tensor] | None = None,
    instead: Mapping[str, Callable[..., Any]] | None = None,
    watch: Callable[[tf.Tensor], Any] | None = None,
) -> dict[str, tf.Tensor]:
    """Compute what layers answer, in inference mode, from a batch of images.

    Plain TensorFlow from end to end, so that gradients flow and `tf.function` can
    compile it; what no chosen layer needs is then left out.  Maps are given and
    answered with channels last, wherever the layers have them.

    Parameters
    ----------
    network : Connections
        With one input.
    images : tensor of shape (N, H, W, C)
    names : container of str
        Layers as `follow` names them.
    given : dict of str to tensor, optional
        What these layers answer, instead of what they would.
    instead : dict of str to callable, optional
        What takes the place of these layers: called with the layer and what the layer
        would be called with.
    watch : callable, optional
        Called with what each of ``names`` answers, before any layer goes on with it:
        `tf.GradientTape.watch`, for gradients that start there.

    Returns
    -------
    outputs : dict of str to tensor
        The first output of each, in the order of computation.
    """
    import keras

    found = {}
    moved = {
        name: (0, *axes)
        for name, axes in axes_of_maps(network).items()
        if axes not in (None, CHANNELS_LAST)
    }

    def call(name, node, args, kwargs):
        operation = node.operation
        if given and name in given:
            outputs = [_moved_back(given[name], moved.get(name))]
        elif instead and name in instead:
            outputs = instead[name](operation, *args, **kwargs)
        elif traits_of(operation).role == "input":
            outputs = keras.ops.cast(args[0], operation.dtype)
        else:
            outputs = answer(operation, *args, **kwargs)
        outputs = keras.tree.flatten(outputs)
        if name in names:
            found[name] = outputs[0]
            if name in moved:
                found[name] = keras.ops.transpose(outputs[0], moved[name])
            if watch:
                watch(found[name])
            # What follows goes on from the same numbers, so that gradients arrive.
            outputs[0] = _moved_back(found[name], moved.get(name))
        return outputs

    follow(network, [images], call)
    return found


def _moved_back(maps, order):
    """Return maps with channels last as a layer has them, if it orders axes so."""
    import keras

    if order is None:
        return maps
    return keras.ops.transpose(maps, [order.index(axis) for axis in range(4)])


def answer(operation: keras.Operation, *args: Any, **kwargs: Any) -> Any:
    """Call a layer in inference mode, or an operation that is no layer."""
    import keras

    if isinstance(operation, keras.Layer):
        kwargs = {**kwargs, "training": False}
    return operation(*args, **kwargs)


def before_activation(layer: keras.Operation, *args: Any, **kwargs: Any) -> tf.Tensor:
    """Compute what a layer answers without its activation, with the layer's weights."""
    import keras

    if not hasattr(layer, "activation") or traits_of(layer).role == "activation":
        # It is nothing but an activation.
        return keras.tree.flatten((args, kwargs))[0]
    return changed(layer, {"activation": keras.activations.linear}, *args, **kwargs)


def changed(
    layer: keras.Layer, options: Mapping[str, Any], *args: Any, **kwargs: Any
) -> tf.Tensor:
    """Compute what a layer would answer with other options, but its own weights.

    Only while a function is compiled: the layer has its own options back at once.
    """
    own = {name: getattr(layer, name) for name in options}
    try:
        for name, value in options.items():
            setattr(layer, name, value)
        return answer(layer, *args, **kwargs)
    finally:
        for name, value in own.items():
            setattr(layer, name, value)


def layer_table(model: keras.Model) -> list[dict[str, Any]]:
    """List the layers of a model as a drawing or a table can show them.

    Parameters
    ----------
    model : keras.Model
        Functional or Sequential; a model used as a layer is one row.

    Returns
    -------
    rows : list of dict
        One for each layer in the order of computation, the input first, with the keys
        ``name``, ``kind`` (such as "convolution"), ``shape`` (without the images'
        axis) and ``parameters``.

    Examples
    --------
    >>> import keras
    >>> model = keras.Sequential(
    ...     [keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3, name="conv")])
    >>> layer_table(model)[1]
    {'name': 'conv', 'kind': 'convolution', 'shape': (6, 6, 4), 'parameters': 112}
    """
    network = connections(model)
    rows = [
        {"name": "input", "kind": "input", "shape": tensor.shape[1:], "parameters": 0}
        for tensor in network.inputs
    ]
    for name, node in network.calls:
        operation = node.operation
        count = getattr(operation, "count_params", None)  # plain operations have none
        rows.append(
            {
                "name": name,
                "kind": _KINDS.get(traits_of(operation).role, "other"),
                "shape": tuple(node.outputs[0].shape[1:]),
                "parameters": count() if count else 0,
            }
        )
    return rows


_KINDS = {
    **dict.fromkeys(CONVOLUTIONS, "convolution"),
    "activation": "activation",
    **dict.fromkeys(POOLS | {"global pooling"}, "pooling"),
    "dense": "fully connected",
}


def refuse_unknown(model: keras.Model, holding: str) -> None:
    """Raise ValueError if nobody knows what one of a model's layers does.

    Parameters
    ----------
    model : keras.Model
    holding : str
        What the layer could hold unseen.
    """
    for name, node in layer_calls(model).items():
        if traits_of(node.operation).role == "unknown":
            raise ValueError(
                f"model {model.name!r} has the layer {name!r} "
                f"({type(node.operation).__name__}), and whether it holds {holding} is "
                "unknown; build the model of Keras's own layers, or derive this one "
                "from the one of them that it is like, without a call of its own"
            )


def checked_axes(model: keras.Model, layer: str) -> Axes:
    """Return where a layer's maps have rows, columns and channels.

    Parameters
    ----------
    model : keras.Model
    layer : str
        One of its layers; of one without maps the axes mean nothing.

    Returns
    -------
    axes : (int, int, int)

    Raises
    ------
    ValueError
        If layers contradict each other, so that nobody can tell.
    """
    axes = axes_in(model).get(layer, CHANNELS_LAST)
    if axes is None:
        raise ValueError(
            f"layer {layer!r} of model {model.name!r} has no rows and columns of the "
            "image: a layer before it takes for channels an axis that another takes "
            "for rows or columns; choose a layer before that one"
        )
    return axes


def unknown_layer(model: keras.Model, layer: str, names: Collection[str]) -> ValueError:
    """Return the ValueError for a layer that a model does not have."""
    inside = [name for name in names if name.startswith(f"{layer}/")]
    near = inside[-3:] or difflib.get_close_matches(str(layer), names)
    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else "."
    return ValueError(
        f"model {model.name!r} has no layer {layer!r}{hint} Its layers: "
        + ", ".join(names)
    )


def checked_channels(
    channels: npt.ArrayLike, layer: str, count: int
) -> npt.NDArray[np.integer]:
    """Return numbers of channels as an array; ValueError if a layer lacks one.

    Parameters
    ----------
    channels : int or sequence of int
    layer : str
        For the message.
    count : int
        How many channels it has.

    Returns
    -------
    channels : ndarray of shape (n,)
        In the order given.
    """
    given = np.atleast_1d(channels)
    whole = given.ndim == 1 and given.size and np.issubdtype(given.dtype, np.integer)
    if not (whole and 0 <= given.min() and given.max() < count):
        raise ValueError(
            f"channels must be whole numbers from 0 to {count - 1}, the "
            f"channels of layer {layer!r}; got {channels!r}"
        )
    return given


def _is_network(operation):
    """Tell whether an operation is a model that does what its connections say."""
    for base in type(operation).__mro__:
        if base.__name__ in {"Functional", "Sequential"}:
            return type(operation).call is base.call  # type: ignore[attr-defined]
    return False


def _origin(tensor):
    """Return the operation and the number of the call that made a symbolic tensor."""
    operation, index, _ = tensor._keras_history
    return operation, index


def _by_position(operation, args, kwargs):
    """Return a call's arguments, the first by position, without training and None."""
    kwargs = {name: value for name, value in kwargs.items() if name != "training"}
    if len(args) == 1:
        return args, kwargs
    expected = list(inspect.signature(operation.call).parameters.values())
    if not args and expected[0].name in kwargs:
        args = (kwargs.pop(expected[0].name),)
    while 1 < len(args) <= len(expected) and args[-1] is None:
        if expected[len(args) - 1].default is not None:
            break
        args = args[:-1]  # as in base(x, None), which may stand for training
    return args, kwargs


def _for_each_input(model, given):
    """Return what a model inside a model is called on, one value for each input."""
    import keras

    if isinstance(given, dict) and not isinstance(model.input, dict):
        return [given[tensor.name] for tensor in model.inputs]
    return keras.tree.flatten(given)
