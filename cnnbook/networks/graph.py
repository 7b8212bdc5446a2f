"""How the layers of a Keras model follow one another, nested models included.

Both what the layers compute (`maps.feature_maps`) and what they see
(`maps.receptive_field`) are values carried along these connections.
"""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Callable, Collection, Container, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cnnbook.networks.traits import CONVOLUTIONS, POOLS, traits_of

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


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
        layers are visited with their value as the only argument.
    path : str
        Goes before every name.

    Returns
    -------
    list
        The values at the network's outputs.
    """
    import keras

    known = {}  # by identity, as symbolic tensors have no equality
    for tensor, value in zip(network.inputs, values, strict=True):
        operation, index = _origin(tensor)
        node = operation._inbound_nodes[index]
        (known[id(tensor)],) = visit(path + operation.name, node, (value,), {})
    for name, node in network.calls:
        args, kwargs = node.arguments.fill_in(known)
        if _is_network(node.operation):
            inner = connections(node.operation)
            results = follow(inner, keras.tree.flatten(args), visit, f"{path}{name}/")
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


def run(
    network: Connections,
    images: tf.Tensor,
    names: Container[str],
    given: Mapping[str, tf.Tensor] | None = None,
    instead: Mapping[str, Callable[..., Any]] | None = None,
) -> dict[str, tf.Tensor]:
    """Compute what layers answer, in inference mode, from a batch of images.

    Plain TensorFlow from end to end, so that gradients flow and `tf.function` can
    compile it; what no chosen layer needs is then left out.

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

    Returns
    -------
    outputs : dict of str to tensor
        The first output of each, in the order of computation.
    """
    import keras

    found = {}

    def call(name, node, args, kwargs):
        operation = node.operation
        if given and name in given:
            outputs = [given[name]]
        elif instead and name in instead:
            outputs = instead[name](operation, *args, **kwargs)
        elif traits_of(operation).role == "input":
            outputs = keras.ops.cast(args[0], operation.dtype)
        else:
            outputs = answer(operation, *args, **kwargs)
        outputs = keras.tree.flatten(outputs)
        if name in names:
            found[name] = outputs[0]
        return outputs

    follow(network, [images], call)
    return found


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
                "from the one of them that it is like"
            )


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
