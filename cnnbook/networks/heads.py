"""The end of a classifier: which classes it tells apart, and where it says so."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from cnnbook.layers.activation_functions import sigmoid, softmax
from cnnbook.networks.graph import connections, follow, layer_calls
from cnnbook.networks.inputs import one_image_input
from cnnbook.networks.traits import PROBABILITIES, activation_of, traits_of

if TYPE_CHECKING:
    import keras

Label = int | str  # the number of a class, or its name
Targets = Label | Sequence[Label] | np.ndarray  # one class, or one for each image


@dataclass(frozen=True, eq=False)
class Head:
    """The end of a classifier: which layer gives its scores, and for which classes.

    Attributes
    ----------
    layer : str
        The layer whose output the classes are read from.
    kind : {"softmax", "sigmoid", "logits", "logit"}
        What the model answers with: probabilities of all classes, the probability of
        the second of two, or the numbers before those.
    num_classes : int
        Two, if there is one output alone.
    class_names : tuple of str or None
        From the model's attribute ``class_names``.
    independent : bool
        Whether each class is answered for itself, by a sigmoid of its own: several may
        be probable at once, or none.
    """

    layer: str
    kind: Literal["softmax", "sigmoid", "logits", "logit"]
    num_classes: int
    class_names: tuple[str, ...] | None
    independent: bool = False

    def index(self, target: Label) -> int:
        """Return the number of a class given by number or name; ValueError if none."""
        names = self.class_names
        known = f"classes are 0 to {self.num_classes - 1}"
        if names:
            listed = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
            known += f", named {listed}"
        if isinstance(target, str):
            if not names:
                raise ValueError(
                    f"target {target!r} is a name, but this model has none for its "
                    f"classes ({known}); pass a number, or set model.class_names"
                )
            if target not in names:
                raise ValueError(f"there is no class {target!r}; {known}")
            return names.index(target)
        if isinstance(target, bool) or not isinstance(target, Integral):
            raise ValueError(
                f"target must be the number or name of a class; got {target!r}; {known}"
            )
        if not 0 <= target < self.num_classes:
            raise ValueError(f"there is no class {target}; {known}")
        return int(target)

    def targets(self, target: Targets, count: int) -> npt.NDArray[np.int64]:
        """Return the class of each of so many images, an int array.

        All the same, or one for each where a list, tuple or array is given.
        """
        if isinstance(target, list | tuple | np.ndarray) and np.ndim(target):
            if len(target) != count:
                raise ValueError(
                    f"target must be one class, or one for each of {count} images; "
                    f"got {len(target)}"
                )
            entries = target.tolist() if isinstance(target, np.ndarray) else target
            return np.array([self.index(entry) for entry in entries])
        return np.full(count, self.index(target))  # type: ignore[arg-type]

    def labels(self, indices: np.ndarray, target: Targets) -> Label | tuple[Label, ...]:
        """Return the classes explained as an `Explanation` holds them.

        Names, or numbers where there are no names: one, if one target was given.
        """
        names = self.class_names
        labels = tuple(names[i] if names else i for i in indices.tolist())
        several = isinstance(target, list | tuple | np.ndarray) and np.ndim(target)
        return labels if several else labels[0]

    def selectors(self, indices: np.ndarray) -> npt.NDArray[np.float32]:
        """Return what to multiply outputs by to get the logit of each image's class.

        Shape (N, K), or (N, 1): a single output speaks for the second class, and
        with its sign turned for the first.
        """
        if self.kind in ("sigmoid", "logit") and not self.independent:
            return np.where(indices == 1, 1, -1).astype("float32")[:, None]
        return np.eye(self.num_classes, dtype="float32")[indices]

    def probabilities(self, outputs: np.ndarray) -> npt.NDArray[np.float32]:
        """Turn what comes before softmax or sigmoid, (N, K), into probabilities.

        (N, 1) becomes those of both classes.  Those of independent classes need not
        add up to 1.
        """
        outputs = np.asarray(outputs, float)
        if self.kind in ("sigmoid", "logit"):
            outputs = sigmoid(outputs)
            if outputs.shape[1] == 1:
                outputs = np.concatenate([1 - outputs, outputs], axis=1)
        else:
            outputs = softmax(outputs)
        return outputs.astype("float32")


def head(model: keras.Model) -> Head:
    """Find out what a classifier answers with.

    Parameters
    ----------
    model : keras.Model
        Functional or Sequential, with one image as its input and one output of shape
        (N, K): probabilities by softmax or sigmoid, or logits.  One output alone is
        taken to tell two classes apart, several sigmoids to answer each for a class
        of its own.  What only gives a row of numbers another shape or type is looked
        through.  Names of classes are read from its attribute
        ``class_names``, if it has one.

    Returns
    -------
    head : Head

    Raises
    ------
    ValueError
        If the model has several outputs, or an output of another shape; if it ends in
        an activation that gives neither logits nor probabilities, or in a layer of
        which that is unknown; if there are not as many names as classes.

    Examples
    --------
    >>> import keras
    >>> model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten(),
    ...     keras.layers.Dense(1, activation="sigmoid", name="dog")])
    >>> head(model)
    Head(layer='dog', kind='sigmoid', num_classes=2, class_names=None,
    independent=False)
    """
    network = connections(model)
    one_image_input(model)
    if len(network.outputs) != 1:
        shapes = ", ".join(
            f"{name!r} {tuple(tensor.shape)}"
            for name, tensor in zip(model.output_names, network.outputs, strict=True)
        )
        raise ValueError(
            f"model {model.name!r} has {len(network.outputs)} outputs, and only one "
            f"can be explained at a time: {shapes}. Choose one: "
            "keras.Model(model.inputs, model.outputs[0])"
        )
    shape = tuple(network.outputs[0].shape)
    if len(shape) != 2 or shape[1] is None:
        raise ValueError(
            f"model {model.name!r} must answer with a row of class scores for each "
            f"image, shape (N, K); its output has shape {shape}. Of a network without "
            "its top, add the pooling and dense layers first"
        )
    layer, kind = _end_of(model, network)
    if kind not in PROBABILITIES | {"linear"}:
        raise ValueError(
            f"model {model.name!r} ends in the activation {kind!r}, and what that says "
            "about classes is unknown; end it in softmax, in sigmoid, or in no "
            "activation"
        )
    single = shape[1] == 1
    if kind == "softmax" and single:
        raise ValueError(
            f"model {model.name!r} ends in softmax over one output, which is always 1; "
            "use a sigmoid, or two outputs"
        )
    if kind not in PROBABILITIES:
        kind = "logit" if single else "logits"
    classes = 2 if single else shape[1]
    names = getattr(model, "class_names", None)
    if isinstance(names, str):
        raise ValueError(f"class_names must be a list of names; got {names!r}")
    if names is not None and len(names) != classes:
        raise ValueError(
            f"model {model.name!r} has {len(names)} class_names for {classes} classes"
        )
    names = None if names is None else tuple(names)
    return Head(layer, kind, classes, names, kind == "sigmoid" and not single)


def _end_of(model, network):
    """Find the layer that the classes are read from, and its activation by name.

    Probabilities may be given another shape or type behind it.
    """
    calls = layer_calls(model)
    (layer,) = follow(network, [None], _last_to_change)
    (behind,) = follow(network, [None], _last_to_compute)
    if behind is not None and _kind_of(calls[behind].operation) in PROBABILITIES:
        layer = behind
    return layer, _kind_of(calls[layer].operation)


def _last_to_change(name, node, args, kwargs):
    """Return a layer's name, or that of the one before it if it changes nothing."""
    role = traits_of(node.operation).role
    is_linear = activation_of(node.operation) == "linear"
    if role == "inert" or (role == "activation" and is_linear):
        return [*args, *kwargs.values()][:1]
    return [name] * len(node.outputs)


def _last_to_compute(name, node, args, kwargs):
    """Return a layer's name, or that of the one before it if the numbers stay."""
    if _keeps_the_numbers(node):
        return [*args, *kwargs.values()][:1]
    return _last_to_change(name, node, args, kwargs)


def _keeps_the_numbers(node):
    """Tell whether a call gives a row of numbers another shape or type, and no more."""
    role = traits_of(node.operation).role
    if role == "conversion":
        return True
    shapes = [tensor.shape[1:] for tensor in (*node.input_tensors, *node.outputs)]
    if role != "reshaping" or None in {side for shape in shapes for side in shape}:
        return False
    return {math.prod(shape) for shape in shapes} == {shapes[0][-1]}


def _kind_of(operation):
    """Return the name of the activation that an operation ends with.

    The name of its class, if it bends scores and the activation is no option of it, or
    if nothing tells what it does.
    """
    traits, name = traits_of(operation), activation_of(operation)
    silent = traits.role == "unknown" and not hasattr(operation, "activation")
    bends = traits.activation or traits.role == "function"
    if name not in PROBABILITIES and (bends or silent):
        return type(operation).__name__
    return name
