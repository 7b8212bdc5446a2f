"""Functions compiled for a network: made once, and kept while they are right."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, NamedTuple

from cnnbook.networks.frozen import Frozen, frozen
from cnnbook.networks.graph import Connections, connections

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
        changed = now.changed_since(self.frozen)
        return changed is not None and changed <= self.own


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
        known[key] = _Kept(function, network, after, after.changed_since(now) or set())
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
