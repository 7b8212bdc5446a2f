"""Write a Keras model as one compact file that ``static/cnn.js`` runs in a page.

The file is a script, since a page that was opened from a folder may load scripts and
nothing else; and it is JSON between a fixed beginning and a fixed end, so that a file
that a reader picks can be read without running it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cnnbook.layers.activation_functions import ACTIVATIONS
from cnnbook.networks import graph
from cnnbook.networks.heads import checked_names
from cnnbook.networks.ranges import picture_range
from cnnbook.networks.traits import TRAITS, traits_of
from cnnbook.storage.repository import AnyPath
from cnnbook.storage.whole_files import whole_file

if TYPE_CHECKING:
    import keras

Stored = Literal["float32", "float16"]  # how numbers are kept

FORMAT = 1
BEGINNING, END = "cnnbook.register(", ");\n"

# How each number is stored, the lowest byte first.
_STORED = {"float32": "<f4", "float16": "<f2"}

# Half precision changes a number by no more than this part, unless it cannot hold it.
_ROUNDING = 2.0**-11


def export_network(
    model: keras.Model,
    path: AnyPath,
    *,
    dtype: Stored = "float32",
    class_names: Sequence[str] | None = None,
) -> None:
    """Write a network as a script that a page can load and run.

    The network must be a chain: one image goes in, and every layer takes what the one
    before it gives.  Models inside the model are taken apart; their layers are named
    ``"model/layer"``, as in `maps.feature_maps`.  These layers can be
    exported:

    - ``InputLayer``, ``Rescaling``, ``ZeroPadding2D``, ``Flatten``;
    - ``Conv2D`` with any stride, padding and dilation, and ``Dense``;
    - ``BatchNormalization``, with the statistics that training left;
    - ``ReLU``, ``LeakyReLU``, ``Softmax`` and ``Activation`` with softmax, linear or
      one of `layers.ACTIVATIONS`; all of them within other layers too;
    - ``MaxPooling2D``, ``AveragePooling2D``, ``GlobalMaxPooling2D``,
      ``GlobalAveragePooling2D``;
    - those that act in training alone, such as ``Dropout`` and ``RandomFlip``.

    Parameters
    ----------
    model : keras.Model
        Functional or Sequential, for images of one size.
    path : str or path
        Ends in ``.js``; the name before that is the one under which pages find the
        network.  A file that is there is replaced once the new one is complete.
    dtype : {"float32", "float16"}
        How the weights are stored: in four bytes each, or in two, which keep three
        digits.
    class_names : sequence of str, optional
        One for each class; by default those that the network was loaded with, if any.

    Raises
    ------
    ValueError
        If the network is not such a chain, has another layer or another option of one
        (the message names it), or has weights that are not finite or that half
        precision cannot hold; if the path ends otherwise, or there are not as many
        names as classes.
    OSError
        If the file cannot be written.

    Notes
    -----
    The file holds one object.  Of the network it has the ``format`` (this is 1), the
    ``name``, the shape of its ``input``, the ``range`` of the numbers in it (from 0
    to the white of `picture_range`; null where that is open), its ``classes`` (or
    null), the ``dtype``, the ``layers``, the ``count`` of all weights and, as base64,
    the ``weights``: all arrays in turn, each in C order.  Of a layer it has the
    ``name``, the ``kind``, the ``shape`` of its output, its options under Keras's
    names, the ``activation`` if there is one, and its ``arrays``: of each the
    ``shape``, and the ``offset`` as a count of weights before it.

    Examples
    --------
    >>> import tempfile
    >>> from cnnbook.networks import load_classifier
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "classifier.js"
    ...     export_network(load_classifier(), path, dtype="float16")
    ...     path.stat().st_size < 150_000
    True
    """
    path = Path(path)
    if path.suffix != ".js":
        raise ValueError(
            f"the file of an exported network must end in .js; got {path.name}"
        )
    _write(path, network_object(model, path.stem, dtype, class_names))


def network_object(
    model: keras.Model,
    name: str,
    dtype: Stored = "float32",
    class_names: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Make the object that such a file holds, for `json.dumps`.

    Parameters
    ----------
    model, dtype, class_names
        As for `export_network`, and refused for the same reasons.
    name : str
        Under which pages find the network.

    Returns
    -------
    network : dict
    """
    if dtype not in _STORED:
        raise ValueError(f"dtype must be one of {', '.join(_STORED)}; got {dtype!r}")
    network = _chain(model)
    class_names = checked_names(model, class_names)
    layers: list[dict[str, Any]] = []
    weights: list[np.ndarray] = []

    def describe(name, node, args, kwargs):
        record, arrays, output = _describe(name, node.operation, (args, kwargs))
        placed = {}
        for label, array in arrays.items():
            offset = sum(earlier.size for earlier in weights)
            placed[label] = {"shape": list(array.shape), "offset": offset}
            weights.append(_stored(array, dtype, f"the {label} of layer {name!r}"))
        layers.append(record | ({"arrays": placed} if placed else {}))
        return [output]

    graph.follow(network, network.inputs, describe)
    white = picture_range(model).white
    stored = b"".join(array.tobytes() for array in weights)
    (images,) = network.inputs
    return {
        "format": FORMAT,
        "name": name,
        "input": list(images.shape[1:]),
        "range": None if white is None else [0, white],
        "classes": class_names,
        "dtype": dtype,
        "layers": layers,
        "count": sum(array.size for array in weights),
        "weights": base64.b64encode(stored).decode("ascii"),
    }


def _chain(model):
    """Return a model's connections; ValueError if it has several ends or any size."""
    network = graph.connections(model)
    for tensors, kind in ((network.inputs, "input"), (network.outputs, "output")):
        if len(tensors) != 1:
            raise ValueError(
                f"model {model.name!r} has {len(tensors)} {kind}s, and a network in a "
                f"page has one: export keras.Model(input, output) with one {kind}"
            )
    shape = network.inputs[0].shape[1:]
    if not shape or None in shape:
        raise ValueError(
            f"model {model.name!r} takes images of any size, {shape}, and a network in "
            "a page takes one size: make inputs = keras.Input((rows, columns, "
            "channels)), and export keras.Model(inputs, model(inputs))"
        )
    return network


def _describe(name, layer, arguments):
    """Describe one call of a layer: its record, its arrays, what it gives."""
    import keras

    given = [
        tensor
        for tensor in keras.tree.flatten(arguments)
        if isinstance(tensor, keras.KerasTensor)
    ]
    if len(given) != 1:
        raise ValueError(
            f"layer {name!r}, a {type(layer).__name__}, takes the outputs of "
            f"{len(given)} layers; only chains can be exported, in which every layer "
            "takes one"
        )
    (output,) = given
    rank = len(output.shape)
    kind = _kind_of(name, layer, rank)
    if len([a for a in keras.tree.flatten(arguments) if a is not None]) > 1:
        raise ValueError(
            f"layer {name!r}, a {type(layer).__name__}, is given a constant besides "
            "what the layer before it gives; a page cannot take that"
        )
    if kind != "input":
        output = layer.compute_output_spec(output)
    describe = _OPTIONS_AND_ARRAYS.get(kind)
    options, arrays = describe(layer) if describe else ({}, {})
    record = {"name": name, "kind": kind, "shape": list(output.shape[1:]), **options}
    activation = _activation_of(name, layer, rank)
    if activation["kind"] != "linear":
        record["activation"] = activation
    return record, arrays, output


# A page has the functions that `layers` lists, and two that are no bend of one number.
_IN_PAGES = {one.keras_name for one in ACTIVATIONS} | {"softmax", "linear"}


def _exported_as(traits):
    """Return what a page calls something with these traits; None if it has no such."""
    if traits.activation:
        return "activation" if traits.activation in _IN_PAGES else None
    return traits.exported


def _exported(room):
    """Return what a page can run out of `keras.layers` or `keras.activations`."""
    return {
        name: getattr(room, name)
        for name, traits in TRAITS.items()
        if _exported_as(traits) and hasattr(room, name)
    }


def _kind_of(name, layer, rank):
    """Return what a page calls a layer; ValueError if a page cannot compute it."""
    import keras

    class_name = type(layer).__name__
    known = _exported(keras.layers)
    # What only has the same name, or is derived from it, may compute something else.
    if type(layer) is not known.get(class_name):
        own = " of another make than Keras's" if class_name in known else ""
        raise ValueError(
            f"layer {name!r} is a {class_name}{own}, which a page cannot run; it runs "
            f"{', '.join(known)}"
        )
    for option, only in _ONLY.items():
        value = getattr(layer, option, only)
        if value != only and (option, value) != ("axis", rank - 1):
            raise ValueError(
                f"layer {name!r}, a {class_name}, has {option}={value!r}; it can be "
                f"exported with {option}={only!r} alone"
            )
    return _exported_as(traits_of(layer))


# Options that make another layer of it.
_ONLY = {
    "axis": -1,
    "data_format": "channels_last",
    "groups": 1,
    "max_value": None,
    "quantization_mode": None,
    "threshold": 0,
}

# What follows describes layers: options and arrays of weights for each.


def _convolution(layer):
    options = {
        "strides": _whole(layer.strides),
        "padding": layer.padding,
        "dilation_rate": _whole(layer.dilation_rate),
    }
    return options, _kernel_and_bias(layer)


def _dense(layer):
    return {}, _kernel_and_bias(layer)


def _normalization(layer):
    """Describe what batch normalisation is after training: a factor and an offset."""
    factor = 1 / np.sqrt(_array(layer.moving_variance) + layer.epsilon)
    if layer.gamma is not None:
        factor *= _array(layer.gamma)
    offset = -_array(layer.moving_mean) * factor
    if layer.beta is not None:
        offset += _array(layer.beta)
    return {}, {"factor": factor, "offset": offset}


def _rescaling(layer):
    options = {}
    for option in ("scale", "offset"):
        numbers = np.asarray(getattr(layer, option), "float32")
        if numbers.size != max(numbers.shape[-1:], default=1):
            raise ValueError(
                f"layer {layer.name!r}, a Rescaling, has {option} of shape "
                f"{numbers.shape}; it can be exported with one number, or one for each "
                "channel"
            )
        options[option] = numbers.ravel().tolist()
    return options, {}


def _zero_padding(layer):
    return {"padding": [*map(_whole, layer.padding)]}, {}


def _pool(layer):
    options = {
        "pool_size": _whole(layer.pool_size),
        "strides": _whole(layer.strides),
        "padding": layer.padding,
    }
    return options, {}


def _global_pool(layer):
    return {"keepdims": bool(layer.keepdims)}, {}


def _kernel_and_bias(layer):
    arrays = {"kernel": _array(layer.kernel)}
    return arrays if layer.bias is None else arrays | {"bias": _array(layer.bias)}


def _array(variable):
    import keras

    return keras.ops.convert_to_numpy(variable).astype("float64")


def _whole(pair):
    return [int(number) for number in pair]


# Of what has any, by what a page calls it.
_OPTIONS_AND_ARRAYS = {
    "rescaling": _rescaling,
    "zero_padding2d": _zero_padding,
    "conv2d": _convolution,
    "batch_normalization": _normalization,
    "max_pool2d": _pool,
    "avg_pool2d": _pool,
    "global_max_pool2d": _global_pool,
    "global_average_pool2d": _global_pool,
    "dense": _dense,
}


def _activation_of(name, layer, rank):
    """Describe what a layer ends with; ValueError if a page cannot compute it."""
    import keras

    own = traits_of(layer).activation
    if own in ("relu", "leaky_relu"):
        slope = float(layer.negative_slope)
        return {"kind": "leaky_relu", "slope": slope} if slope else {"kind": "relu"}
    if own:
        return {"kind": own}
    function = getattr(layer, "activation", None)
    if function is None:
        return {"kind": "linear"}
    given = getattr(function, "__name__", type(function).__name__)
    if isinstance(function, keras.Layer) and _exported_as(traits_of(function)):
        _kind_of(name, function, rank)  # as in Conv2D(8, 3, activation=ReLU())
        return _activation_of(name, function, rank)
    known = _exported(keras.activations)
    for kind, function_of_keras in known.items():
        if function is function_of_keras:
            return {"kind": kind, **_OPTIONS.get(kind, {})}
    raise ValueError(
        f"layer {name!r}, a {type(layer).__name__}, has the activation {given!r}, "
        f"which a page cannot run; it runs {', '.join(known)}"
    )


# Of functions in `keras.activations`, where only the name is given.
_OPTIONS = {one.keras_name: one.options for one in ACTIVATIONS}


def _stored(array, dtype, what):
    """Return an array as it is stored; ValueError if it does not survive that."""
    if not np.isfinite(array).all():
        raise ValueError(f"{what} is not finite everywhere: train the network again")
    with np.errstate(over="ignore"):
        stored = array.astype(_STORED[dtype])
    largest = np.abs(array).max(initial=0)
    if not np.abs(stored - array).max(initial=0) <= _ROUNDING * largest:
        raise ValueError(
            f"{what} has numbers up to {largest:.3g}, which {dtype} cannot hold"
            + (": use dtype='float32'" if dtype == "float16" else "")
        )
    return stored


def _write(path, network):
    """Write the script, whole or not at all."""
    text = json.dumps(network, separators=(",", ":"))
    text = text.replace("<", "\\u003c")  # "</script>" would end a page's script
    with whole_file(path) as unfinished:
        unfinished.write_text(BEGINNING + text + END, encoding="ascii", newline="\n")
