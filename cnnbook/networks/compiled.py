"""Functions compiled for a network: made once, and kept for as long as it lives."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, NamedTuple

from cnnbook.networks.graph import Connections, connections

if TYPE_CHECKING:
    import keras

# model -> {(key, outputs): _Kept}
_kept: weakref.WeakKeyDictionary[Any, dict[Any, Any]] = weakref.WeakKeyDictionary()


class _Kept(NamedTuple):
    function: Any
    network: Connections  # so that no later tensor gets the id of its outputs


def compiled_once(
    model: keras.Model, key: Hashable, make: Callable[[Connections], Any]
) -> Any:
    """Return a function for a model, made at the first request and kept as long.

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
    if key not in known:
        known[key] = _Kept(make(network), network)
    return known[key].function
