"""Functions compiled for a network: made once, and kept while they are right.

While TensorFlow compiles a function, the layers run once.  Whatever they read that is
no variable (numbers, arrays, activation functions, which variables there are) becomes
a part of the function, which is right for as long as none of it changes.
"""

from __future__ import annotations

import contextlib
import difflib
import functools
import sys
import sysconfig
import types
import weakref
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from cnnbook.networks.graph import Connections, connections, follow

if TYPE_CHECKING:
    import keras

# model -> {(key, outputs): _Kept}
_kept: weakref.WeakKeyDictionary[Any, dict[Any, Any]] = weakref.WeakKeyDictionary()


class _Kept(NamedTuple):
    function: Any
    network: Connections  # so that no later tensor gets the id of its outputs
    frozen: Frozen
    own: set[int]  # what layers note for themselves when they run, such as a count

    def is_right(self, now):
        """Tell whether nothing that the function has frozen was changed."""
        parts, before = now.parts, self.frozen.parts
        if parts == before or len(parts) != len(before):
            return parts == before
        pairs = enumerate(zip(parts, before, strict=True))
        return all(new == old or place in self.own for place, (new, old) in pairs)


def compiled_once(
    model: keras.Model, key: Hashable, make: Callable[[Connections], Any]
) -> Any:
    """Return a function for a model, made at the first request and kept as long.

    Made anew where anything that a compiled function has frozen is not what it was: an
    option of a layer, an array that it holds, its data type (see `frozen`).

    Parameters
    ----------
    model : keras.Model
    key : hashable
        Tells functions of one model apart.
    make : callable
        ``make(network)`` is given the model's `Connections`.  What it returns must not
        refer to the model itself, which would then never be collected.

    Returns
    -------
    function : object
        What ``make`` returned.

    Raises
    ------
    ValueError
        If the model cannot be taken apart.
    """
    network = connections(model)
    known = _kept.setdefault(model, {})
    key = key, tuple(map(id, network.outputs))  # a Sequential model may have grown
    now = frozen(network)
    if key not in known or not known[key].is_right(now):
        known.pop(key, None)  # and its constants, before others take their room
        function = make(network)
        after = frozen(network)
        known[key] = _Kept(function, network, after, after.unlike(now))
    return known[key].function


def refresh_predict(model: keras.Model) -> None:
    """Let ``model.predict`` see what was changed since Keras compiled it.

    Parameters
    ----------
    model : keras.Model
        One that cannot be taken apart is left as it is.
    """
    with contextlib.suppress(ValueError):
        compiled_once(
            model, "predict", lambda _: setattr(model, "predict_function", None)
        )


# Objects of theirs, Keras's apart, are told from others by nothing but themselves.
_LIBRARIES = frozenset({"keras", "tensorflow", "numpy", "builtins"})

# Of what Keras notes about every layer, this changes what a layer answers.
_TELLING = frozenset({"_dtype_policy", "_trainable", "_layers", "autocast"})

# Options of Keras's layers that count in training alone.
_OF_TRAINING = ("_initializer", "_regularizer", "_constraint")

_PLAIN = frozenset({int, str, bytes, type(None), type(...)})


@dataclass(frozen=True)
class Frozen:
    """What a function compiled for a network depends on and cannot see change.

    Attributes
    ----------
    parts : list
        Equal to that of another if, and only if, nothing has changed.
    held : list
        Things that the parts know by their address, which nothing else can get.
    """

    parts: list[Any] = field(default_factory=list)
    held: list[Any] = field(default_factory=list, compare=False, repr=False)

    def unlike(self, other: Frozen) -> set[int]:
        """Return the places of the parts that another has not."""
        if self.parts == other.parts:
            return set()
        matcher = difflib.SequenceMatcher(None, other.parts, self.parts)
        blocks = matcher.get_matching_blocks()
        same = {place for _, first, n in blocks for place in range(first, first + n)}
        return set(range(len(self.parts))) - same


def frozen(network: Connections) -> Frozen:
    """List what a function compiled for a network depends on and cannot see change.

    Parameters
    ----------
    network : Connections

    Returns
    -------
    parts : Frozen
        Options and arrays of layers and operations and of what these refer to, the
        arguments of their calls, and which variables there are, whatever their values.
        Of layers and functions of one's own, also their class, and what their code
        finds by global names, in modules of one's own as well.

    Examples
    --------
    >>> import keras
    >>> from cnnbook.networks.graph import connections
    >>> dense = keras.layers.Dense(2)
    >>> network = connections(keras.Sequential([keras.Input((3,)), dense]))
    >>> before = frozen(network)
    >>> dense.set_weights([np.ones((3, 2)), np.ones(2)])
    >>> frozen(network) == before
    True
    >>> dense.activation = keras.activations.relu
    >>> frozen(network) == before
    False
    """
    import keras

    config = keras.config
    found = Frozen([config.image_data_format(), config.floatx(), config.epsilon()])
    met: dict[int, int] = {}

    def note(name, node, args, kwargs):
        for thing in (node.operation, node.arguments.args, node.arguments.kwargs):
            _list(thing, found, met)
        return node.outputs

    follow(network, network.inputs, note)
    return found


def _list(thing: Any, found: Frozen, met: dict[int, int]) -> None:
    """List one thing and what it refers to, each once: ``met`` knows addresses."""
    parts, address = found.parts, id(thing)
    kind: Any = type(thing)  # mypy takes none for hashable
    if address in met:
        parts.append(met[address])
        return
    met[address] = len(met)
    read = _reader(kind)
    told = read(thing) if read else None
    if told is None:
        parts.append(address)
        found.held.append(thing)
    elif isinstance(told, list):
        parts += kind, len(told)
        for part in told:
            if type(part) in _PLAIN:  # nearly all are
                parts.append(part)
            else:
                _list(part, found, met)
    else:
        parts += kind, told


@functools.cache
def _reader(kind: type) -> Callable[[Any], Any] | None:
    """Return what reads things of a type; None if each is equal to itself alone.

    It answers with a list of what a thing refers to, or with what tells it from others
    of its type; with None as well if that is nothing but itself.
    """
    import keras
    import tensorflow as tf

    readers: list[tuple[tuple[type, ...], Callable[[Any], Any] | None]] = [
        ((keras.Variable, tf.Variable, tf.Tensor, types.ModuleType), None),
        ((keras.KerasTensor,), lambda thing: ()),  # from the layers before
        ((bool, float, complex, np.generic, np.dtype), repr),  # 0.0 is not -0.0
        ((np.ndarray,), _of_array),
        ((dict,), lambda thing: [part for pair in thing.items() for part in pair]),
        ((list, tuple), list),
        ((set, frozenset), lambda thing: sorted(thing, key=repr)),
        ((functools.partial,), lambda thing: [thing.func, thing.args, thing.keywords]),
        ((types.MethodType,), lambda thing: [thing.__self__, thing.__func__]),
        ((staticmethod, classmethod), lambda thing: [thing.__func__]),
        ((property,), lambda thing: [thing.fget]),
        ((types.FunctionType,), _of_function),
        ((type,), _of_class),
    ]
    for kinds, reader in readers:
        if issubclass(kind, kinds):
            return reader
    library = _library(kind.__module__)
    if library == "keras":
        return _of_keras
    return _of_own if library is None else None


def _of_array(array):
    """Return what tells an array from others."""
    if array.dtype == object:
        return [*array.shape, *array.flat]  # no lists that nothing else holds
    return array.shape, array.dtype.str, array.tobytes()


def _of_function(function):
    """Return what a function refers to."""
    if _is_installed(function.__module__):
        return None
    told = [function.__code__, function.__defaults__, function.__kwdefaults__]
    for cell in function.__closure__ or ():
        with contextlib.suppress(ValueError):  # it is empty yet
            told.append(cell.cell_contents)
    return told + _found_by(_names(function.__code__), function.__globals__)


def _found_by(names, known):
    """Return what names stand for, also in modules of one's own that they lead to."""
    found, places, met = [], [known], {id(known)}
    for place in places:  # which grow on the way
        for thing in (place[name] for name in names if name in place):
            found.append(thing)
            if isinstance(thing, types.ModuleType) and id(vars(thing)) not in met:
                if not _is_installed(thing.__name__):
                    met.add(id(vars(thing)))
                    places.append(vars(thing))
    return found


def _of_class(own):
    """Return what a class of one's own and those above it define."""
    return [
        part
        for base in own.__mro__
        if not _is_installed(base.__module__)
        for name, value in vars(base).items()
        if name == "__call__" or not name.startswith("__")
        for part in (name, value)
    ]


def _of_keras(thing):
    """Return what a layer of Keras's, or something like it, refers to."""
    own, kind = getattr(thing, "__dict__", {}), type(thing)  # type: dict[str, Any], Any
    return [own[name] for name in _telling(kind, tuple(own))] or None


def _of_own(thing):
    """Return what an object of a class of one's own refers to, and the class."""
    own, kind = getattr(thing, "__dict__", {}), type(thing)  # type: dict[str, Any], Any
    told = [(name, own[name]) for name in _telling(kind, tuple(own))]
    slots = [name for name in _slots(kind) if hasattr(thing, name)]
    told += [(name, getattr(thing, name)) for name in slots]
    return [kind, *(part for pair in told for part in pair)] if told else None


@functools.cache
def _telling(kind, names):
    """Return those of the attributes that may change what an object answers."""
    import keras

    left_out: set[str] = {name for name in names if name.startswith("_self_")}
    if issubclass(kind, keras.Operation):
        left_out |= vars(keras.layers.Layer()).keys() - _TELLING
    if _library(kind.__module__):
        left_out |= {name for name in names if name.endswith(_OF_TRAINING)}
    return [name for name in names if name not in left_out]


@functools.cache
def _names(code):
    """Return the names that code looks up, those in functions inside it included."""
    inside = [part for part in code.co_consts if isinstance(part, types.CodeType)]
    return {*code.co_names}.union(*map(_names, inside))


@functools.cache
def _slots(kind):
    """Return the names of attributes that objects hold beside a dictionary."""
    slots = [vars(base).get("__slots__", ()) for base in kind.__mro__]
    return [name for own in slots for name in ([own] if isinstance(own, str) else own)]


@functools.cache
def _library(module):
    """Return the name of the library that a module is of, if it is of one."""
    root = str(module).partition(".")[0]
    return root if root in _LIBRARIES else None


@functools.cache
def _is_installed(module):
    """Tell whether a module is of Python or of a package, and no code of one's own."""
    root = str(module).partition(".")[0]
    file = getattr(sys.modules.get(root), "__file__", None)
    places = {sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")}
    return root in sys.builtin_module_names or (
        file is not None and any(file.startswith(place) for place in places)
    )
