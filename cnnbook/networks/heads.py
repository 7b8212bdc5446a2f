"""The end of a classifier: which classes it tells apart, and where it says so."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from numbers import Integral
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from cnnbook.layers.activation_functions import sigmoid, softmax
from cnnbook.networks.copies import keep_facts
from cnnbook.networks.graph import connections, follow, layer_calls
from cnnbook.networks.inputs import one_image_input
from cnnbook.networks.traits import PROBABILITIES, TRAITS, activation_of, traits_of

if TYPE_CHECKING:
    import keras

Ending = Literal["softmax", "sigmoid"]
Label = int | str  # the number of a class, or its name
Targets = Label | Sequence[Label] | np.ndarray  # one class, or one for each image

NEAR = 0.02  # how far probabilities of half precision may miss their sum


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
        alone = self.kind in ("sigmoid", "logit")
        return self.of_all_classes(sigmoid(outputs) if alone else softmax(outputs))

    def of_all_classes(self, probabilities: np.ndarray) -> npt.NDArray[np.float32]:
        """Give the probability of both classes where one output stands for two.

        Shape (N, K), of (N, K) or (N, 1).
        """
        whole = np.asarray(probabilities, float)
        if whole.shape[1] == 1:
            whole = np.concatenate([1 - whole, whole], axis=1)
        return whole.astype("float32")


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
    network, shape = connections(model), _score_shape(model)
    layer, kind = _end_of(model, network)
    if kind not in PROBABILITIES | {"linear"}:
        said = _said(layer_calls(model)[layer].operation)
        raise ValueError(
            f"model {model.name!r} ends in the activation {said}, and what that says "
            "about classes is unknown; end it in softmax, in sigmoid, or in no "
            f"activation, or {remedy()}"
        )
    if kind == "linear" and _made_of_probabilities(network):
        raise ValueError(
            f"model {model.name!r} makes its answers of probabilities that softmax or "
            f"sigmoid gave, so that they are no logits; {remedy()}"
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


def with_answers(
    model: keras.Model,
    *,
    logits: Ending | None = None,
    probabilities: Ending | None = None,
) -> keras.Model:
    """Say what a classifier answers with, where its layers do not show it.

    The model gets an ending that shows it: what is kept in its file, and what all
    functions of this package read there.

    Parameters
    ----------
    model : keras.Model
        As for `head`, whatever it ends in.
    logits : {"softmax", "sigmoid"}, optional
        It answers with logits: of classes of which one is right, or of classes each
        answered for itself.  The new model answers with their probabilities.
    probabilities : {"softmax", "sigmoid"}, optional
        It answers with probabilities, of the same two kinds, and so does the new model.
        The score of a class is then log p, or log p - log(1 - p).  Logits of a softmax
        are the first and a number that all classes of an image share; that of a sigmoid
        is the second.  Probabilities so near 0 or 1 that 32-bit numbers end count as
        1e-37 and 1 - 6e-8.

    Returns
    -------
    model : keras.Model
        With the same layers and weights, and one ending more.

    Raises
    ------
    ValueError
        If not one of the two is given; if the answers to some random images are no such
        probabilities, or the layers show that they are none.

    Examples
    --------
    An average of two networks that end in softmax:

    >>> import keras
    >>> image = keras.Input((8, 8, 3))
    >>> features = keras.layers.Flatten()(image)
    >>> both = [keras.layers.Dense(4, activation="softmax")(features) for _ in "ab"]
    >>> model = keras.Model(image, keras.layers.Average()(both))
    >>> head(with_answers(model, probabilities="softmax")).kind
    'softmax'
    """
    import keras

    kind = logits or probabilities
    if (logits is None) == (probabilities is None) or kind not in PROBABILITIES:
        raise ValueError(
            'with_answers takes either logits or probabilities, "softmax" or "sigmoid";'
            f" got logits={logits!r} and probabilities={probabilities!r}"
        )
    network, shape = connections(model), _score_shape(model)
    if kind == "softmax" and shape[1] == 1:
        raise ValueError(
            f"model {model.name!r} has one output, and softmax over it is always 1; "
            'say "sigmoid"'
        )
    layer, own = _end_of(model, network)
    if own in PROBABILITIES and _calls_keras(layer_calls(model)[layer].operation):
        if probabilities == own:
            return model  # it shows already
        raise ValueError(
            f"model {model.name!r} ends in {own}, which says probabilities={own!r}; "
            f"got logits={logits!r}, probabilities={probabilities!r}"
        )
    if probabilities:
        problem = no_probabilities(_answers_to_noise(model), kind)
        if problem:
            raise ValueError(
                f"model {model.name!r} does not answer with probabilities as {kind} "
                f"gives them: {problem}"
            )
    answers = keras.ops.cast(network.outputs[0], "float32")
    if probabilities:
        answers = keras.ops.clip(answers, 1e-37, 1 - 2**-24)
        odds = keras.ops.log1p(-answers) if kind == "sigmoid" else 0
        answers = keras.ops.log(answers) - odds
    ended = keras.layers.Activation(kind, dtype="float32")(answers)
    shown = keras.Model(model.inputs[0], ended, name=model.name)
    return keep_facts(model, shown)


def no_probabilities(answers: npt.ArrayLike, kind: str) -> str | None:
    """Say why answers cannot be probabilities, or None if they can.

    Parameters
    ----------
    answers : array of shape (N, K)
        What is not a number is passed over.
    kind : {"softmax", "sigmoid"}
        Whether those to one image have to add up to 1.

    Returns
    -------
    problem : str or None

    Examples
    --------
    >>> no_probabilities([[0.25, 0.25]], "softmax")
    'those to one image add up to 0.5'
    >>> no_probabilities([[0.25, 0.25]], "sigmoid")
    """
    answers = np.asarray(answers, "float32")
    finite = answers[np.isfinite(answers).all(axis=1)]
    outside = finite[(finite < -NEAR) | (finite > 1 + NEAR)]
    if outside.size:
        return f"one of them is {outside[0]:g}"
    sums = finite.sum(axis=1)
    wrong = sums[np.abs(sums - 1) > NEAR]
    if kind == "softmax" and wrong.size:
        return f"those to one image add up to {wrong[0]:g}"
    return None


def own_answers(model: keras.Model, images: np.ndarray) -> npt.NDArray[np.float32]:
    """Compute a model's one output, (N, K), by the model itself, nothing compiled."""
    import keras

    given = keras.ops.convert_to_tensor(images)
    named = getattr(model, "_inputs_struct", None)
    if isinstance(named, dict):
        given = dict.fromkeys(named, given)
    (answers,) = keras.tree.flatten(model(given, training=False))
    return np.asarray(answers, "float32")


def remedy(kind: Ending = "softmax") -> str:
    """Say what to do with a model that does not show what it answers with."""
    return (
        f"say what it gives, networks.with_answers(model, probabilities={kind!r}) or "
        'logits= in its place (--probabilities and --logits of cnnbook); "softmax" is '
        'for classes of which one is right, "sigmoid" for classes each answered for '
        "itself. Or pass the part that gives logits: keras.Model(model.inputs, "
        "model.get_layer(name).output)"
    )


def checked_names(
    model: keras.Model, names: Sequence[str] | None = None
) -> list[str] | None:
    """Return names for the classes of a network, its own unless others are given.

    None if there are none; ValueError if there are not as many as classes.
    """
    names = getattr(model, "class_names", None) if names is None else names
    if names is None:
        return None
    outputs = model.output_shape[-1]
    classes = 2 if outputs == 1 else outputs  # one speaks for two
    if len(names) != classes:
        raise ValueError(
            f"class_names must be {classes}, one for each class of the network; got "
            f"{len(names)}: {', '.join(map(str, names))}"
        )
    return [*names]


def _score_shape(model):
    """Return the shape of a model's output, (N, K); ValueError if it is another."""
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
    return shape


def _answers_to_noise(model):
    """Compute what a model answers to a few random images, (N, K)."""
    (image,) = model.inputs
    shape = (4, *(side or 64 for side in image.shape[1:]))
    bright = np.random.default_rng(0).uniform(0, 255, shape)
    whole = "int" in image.dtype  # Keras takes 32-bit numbers for all others
    images = np.concatenate([bright, bright / 255]).astype(
        image.dtype if whole else "float32"
    )
    return own_answers(model, images)


def _end_of(model, network):
    """Find the layer that the classes are read from, and its activation by name.

    It may be given another shape or type behind it.
    """
    calls = layer_calls(model)
    (layer,) = follow(network, [None], _last_to_change)
    (behind,) = follow(network, [None], _last_to_compute)
    if behind is not None and _kind_of(calls[behind].operation) != "linear":
        layer = behind
    return layer, _kind_of(calls[layer].operation)


def _made_of_probabilities(network):
    """Tell whether all of a network's answers are computed of probabilities alone.

    What a layer with weights makes of probabilities is something else.
    """
    import keras

    def visit(name, node, args, kwargs):
        values = keras.tree.flatten((args, kwargs))
        given = [one for one in values if isinstance(one, _Made)]
        if _kind_of(node.operation) in PROBABILITIES:
            made = _Made.OF_PROBABILITIES
        elif getattr(node.operation, "weights", None) or _Made.OTHERWISE in given:
            made = _Made.OTHERWISE
        else:
            made = given[0] if given else _Made.OTHERWISE
        return [made] * len(node.outputs)

    return follow(network, [_Made.OTHERWISE], visit) == [_Made.OF_PROBABILITIES]


class _Made(Enum):
    OF_PROBABILITIES = True
    OTHERWISE = False


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

    "?" if it is nobody's but the caller's own, if the operation bends scores and the
    activation is no option of it, or if nothing tells what it does.
    """
    traits, name = traits_of(operation), activation_of(operation)
    silent = traits.role == "unknown" and not hasattr(operation, "activation")
    bends = traits.activation or traits.role == "function"
    own = traits.activation and not _calls_keras(operation)
    if own or (name in PROBABILITIES and _is_of_a_cell(operation)):
        return "?"
    return "?" if name not in PROBABILITIES and (bends or silent) else name


def _is_of_a_cell(operation):
    """Tell whether an activation is none of a layer's own, but of a cell inside it.

    An LSTM lets its gates work on what softmax gives.
    """
    return traits_of(operation).role == "unknown" and "activation" not in vars(
        operation
    )


def _calls_keras(operation):
    """Tell whether it is Keras that computes what an operation answers."""
    return type(operation).call.__module__.split(".")[0] == "keras"


def _said(operation):
    """Return what to call an ending that is neither logits nor probabilities."""
    function = getattr(operation, "activation", None)
    if function is None or traits_of(operation).activation or _is_of_a_cell(operation):
        return repr(type(operation).__name__)
    name = getattr(function, "__name__", type(function).__name__)
    return repr(name) + " (one of your own)" * (
        activation_of(operation) == "?" and name in TRAITS
    )
