"""Functions compiled for a network: made once, and kept for as long as it lives."""

import weakref
from typing import Any, NamedTuple

from cnnbook.networks.graph import Connections, connections

_kept = weakref.WeakKeyDictionary()  # model -> {(key, outputs): _Kept}


class _Kept(NamedTuple):
    function: Any
    network: Connections  # so that no later tensor gets the id of its outputs


def compiled_once(model, key, make):
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
