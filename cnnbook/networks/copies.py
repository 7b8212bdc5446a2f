"""Copy a network, with the same layers under the same names and weights of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cnnbook.networks.graph import connections
from cnnbook.networks.traits import own_function

if TYPE_CHECKING:
    import keras

_KEPT = ("class_names", "provenance", "white")  # what else we know of a network


def copy_network(
    model: keras.Model,
    replace: Callable[[Any], keras.Layer | None] = lambda layer: None,
) -> keras.Model:
    """Copy a network and its weights, with other layers in some places.

    Parameters
    ----------
    model : keras.Model
        Functional or Sequential; stays as it is.
    replace : callable
        ``replace(layer)`` returns the layer to put in its place, or None to copy it.

    Returns
    -------
    copy : keras.Model
        With the ``class_names``, the ``provenance`` and the ``white`` of the model, if
        it has them.

    Raises
    ------
    ValueError
        If the model cannot be taken apart, or a layer cannot be copied.
    """
    import keras

    connections(model)  # ValueError if the model cannot be taken apart
    pairs = []

    def clone(layer):
        replaced = replace(layer)
        if replaced is None:
            replaced = type(layer).from_config(layer.get_config())
            if (own := own_function(layer)) is not None:
                replaced.activation = own
        if isinstance(layer, keras.Layer):  # and not an operation, which has no weights
            pairs.append((layer, replaced))
        return replaced

    try:
        copy = keras.models.clone_model(model, clone_function=clone, recursive=True)
    except (TypeError, AttributeError, NotImplementedError) as error:
        raise ValueError(
            f"model {model.name!r} cannot be copied; each of its layers must be one "
            f"that keras.models.clone_model can copy: {error}"
        ) from error
    for original, replaced in pairs:
        if replaced.weights:
            replaced.set_weights(original.get_weights())
    return keep_facts(model, copy)


def keep_facts(model: keras.Model, other: keras.Model) -> keras.Model:
    """Give another network what else we know of a model; return that network."""
    for name in _KEPT:
        if hasattr(model, name):
            setattr(other, name, getattr(model, name))
    return other
