"""What networks answer, worked out by running them plainly and nothing else.

The model itself is called, one layer after another, by Keras; what a layer answers is
noted, or changed, where Keras calls it.  Nothing here knows how layers are connected.
"""

import contextlib
from collections import namedtuple
from functools import cached_property
from unittest import mock

import keras
import numpy as np
import tensorflow as tf

from tests.conformance.networks import SIZE, draw_weights

Seen = namedtuple("Seen", "answers maps scores")


def operations_of(model, path=""):
    """Return every layer and operation of a model by name, those inside included.

    But for what models take in, which no layer computes.
    """
    found = {}
    for operation in getattr(model, "operations", model.layers):
        if not isinstance(operation, keras.layers.InputLayer):
            found[path + operation.name] = operation
        if is_network(operation):
            found |= operations_of(operation, f"{path}{operation.name}/")
    return found


def is_network(operation):
    """Tell whether an operation is a model made of others, and nothing else."""
    return isinstance(operation, keras.Sequential) or hasattr(operation, "operations")


@contextlib.contextmanager
def noting(operation, change=None):
    """Note what an operation answers, each time; perhaps change it."""
    notes, own, before = [], operation.call, vars(operation).get("call")

    def call(*args, **kwargs):
        answer = own(*args, **kwargs)
        answer = answer if change is None else change(answer)
        notes.append(answer)
        return answer

    try:
        object.__setattr__(operation, "call", call)
        yield notes
    finally:
        if before is None:
            object.__delattr__(operation, "call")
        else:
            object.__setattr__(operation, "call", before)


@contextlib.contextmanager
def bare(operation):
    """Leave out the softmax or sigmoid that a layer ends with."""
    own = getattr(operation, "activation", None)
    if getattr(own, "__name__", "").removesuffix("_v2") not in ("softmax", "sigmoid"):
        yield
        return
    operation.activation = keras.activations.linear
    try:
        yield
    finally:
        operation.activation = own


class Plain:
    """A network of the table with its weights, pictures and independent answers.

    Attributes
    ----------
    network : Network
    model : keras.Model
    images : ndarray of shape (2, H, W, C)
        In the range and the type that the network takes.
    target : list of int
        The class to explain in each of them.
    """

    target = (0, 1)

    def __init__(self, network):
        self.network, self.model = network, network.make()
        self.operations = operations_of(self.model)
        if network.white == 1 and network.white_is_known:
            self.model.white = 1  # which its layers do not tell
        given = getattr(self.model, "inputs", None) or [keras.Input((*SIZE, 3))]
        self.types = [keras.backend.standardize_dtype(tensor.dtype) for tensor in given]
        (self.kind, *_), self.inputs = self.types, given
        usual = (2, *SIZE, 3)
        shape = [own or side for own, side in zip(given[0].shape, usual, strict=True)]
        rng = np.random.default_rng(3)
        coarse = rng.uniform(0, 1, (2, 3, 2, 1)).repeat(6, axis=1).repeat(6, axis=2)
        mixed = 0.5 * np.resize(coarse, shape) + 0.5 * rng.uniform(0, 1, shape)
        self.images = self.fitting(network.white * mixed)
        self.model.run_eagerly = True  # as `predict` is compiled for one look else
        for seed in range(30):
            draw_weights(self.model, seed)
            if network.maps is None or self.is_alive():
                break

    def is_alive(self):
        """Tell whether maps and scores have something to compare."""
        self.__dict__.pop("seen", None)
        maps, scores = self.seen.maps, self.seen.scores
        if maps is None or maps.ndim != 4:
            return True
        inner = maps[:, maps.shape[1] // 2, maps.shape[2] // 2]
        return bool((inner != 0).all() and (scores is None or np.ptp(scores) > 0.05))

    def fitting(self, images):
        """Return pictures in the type that the network takes."""
        return np.asarray(images, "float32" if self.kind == "bfloat16" else self.kind)

    def run(self, images, model=None):
        """Call the model itself, or a copy; what else it takes is zero."""
        images = tf.convert_to_tensor(images)
        if images.dtype != self.inputs[0].dtype:
            images = tf.cast(images, self.inputs[0].dtype)
        others = [tf.zeros((len(images), *i.shape[1:])) for i in self.inputs[1:]]
        given = [images, *others] if others else images
        return keras.tree.flatten((model or self.model)(given, **self.network.call))[0]

    @property
    def maps_name(self):
        return self.network.maps

    @property
    def maps_layer(self):
        return self.operations.get((self.network.maps or "").split("#")[0])

    def look(self, images, change=None, maps=None, as_it_is=False):
        """Run the model: what it answers, its maps and its class scores, as tensors.

        ``change`` takes the maps and returns what the layers behind get instead.  The
        answers are those of the model ``as_it_is`` or, for the sake of the scores, of
        one without softmax or sigmoid in the layer that computes these.
        """
        name, _, use = (maps or self.network.maps or "").partition("#")
        scores = self.operations.get(self.network.scores)
        with contextlib.ExitStack() as stack:
            maps_noted = scores_noted = [None]
            if scores is not None:
                if not as_it_is:
                    stack.enter_context(bare(scores))
                scores_noted = stack.enter_context(noting(scores))
            if name:
                noted = noting(self.operations[name], change)
                maps_noted = stack.enter_context(noted)
            answers = self.run(images)
        return Seen(answers, maps_noted[int(use or 1) - 1], scores_noted[-1])

    @cached_property
    def seen(self):
        """The maps and the scores of the pictures, as arrays."""
        return Seen(*map(number, self.look(self.images)))

    def answers(self, images):
        """Return what the model itself answers."""
        return number(self.run(self.fitting(images)))

    def probabilities(self, images):
        """Return those that the model answers with, or that its logits stand for."""
        answers, kind = self.answers(images).astype(float), self.network.kind
        if kind == "logits":
            answers = np.exp(answers - answers.max(axis=1, keepdims=True))
            answers /= answers.sum(axis=1, keepdims=True)
        if kind == "logit":
            answers = 1 / (1 + np.exp(-answers))
        if answers.shape[1] == 1:
            answers = np.concatenate([1 - answers, answers], axis=1)
        return answers

    @cached_property
    def calls(self):
        """The shapes of what each layer answers, by its name, call by call."""
        with contextlib.ExitStack() as stack:
            notes = {
                name: stack.enter_context(noting(operation))
                for name, operation in self.operations.items()
            }
            self.run(self.images)
        return {
            name: [tuple(keras.tree.flatten(answer)[0].shape) for answer in answers]
            for name, answers in notes.items()
        }

    @property
    def single(self):
        """The names of layers that are called once."""
        return {name for name, shapes in self.calls.items() if len(shapes) == 1}

    @property
    def shapes(self):
        """The shape of what each layer answers first, by its name."""
        return {name: shapes[0] for name, shapes in self.calls.items() if shapes}

    def score(self, scores, target=None):
        """Pick the score of each picture's class, a tensor (N,)."""
        target = np.resize(self.target if target is None else target, len(scores))
        scores = tf.cast(tf.reshape(scores, (len(scores), -1)), "float32")
        if scores.shape[1] == 1:
            return scores[:, 0] * np.where(target == 1, 1, -1).astype("float32")
        return tf.gather(scores, target, batch_dims=1)

    def scores_of(self, images, target=None):
        """Return the score of the class for each of many pictures: (N,)."""
        return number(self.score(self.look(self.fitting(images)).scores, target))

    def slopes(self, images, target=None, of_maps=False):
        """Return how the scores change with the pictures, or with the maps."""
        images = tf.convert_to_tensor(self.fitting(images))
        with tf.GradientTape() as tape:
            tape.watch(images)
            seen = self.look(images)
            score = self.score(seen.scores, target)
        return number(tape.gradient(score, seen.maps if of_maps else images))

    @cached_property
    def image_slopes(self):
        return self.slopes(self.images)

    @cached_property
    def maps_slopes(self):
        return self.slopes(self.images, of_maps=True)

    @cached_property
    def reached(self):
        """Which pixels move which places of the maps: (H', W', H, W), bool."""
        rng, found, axis = np.random.default_rng(4), False, self.network.channels
        for image in np.moveaxis(self.images.astype("float64"), axis, 3):
            rows, columns, channels = image.shape
            for step in (3, -10):
                several = np.repeat(image[None], rows * columns, axis=0)
                moves = step * self.network.white * rng.uniform(0.5, 1, channels)
                if self.kind == "uint8":
                    moves = (0 if step < 0 else 255) - image
                else:
                    moves = np.broadcast_to(moves, image.shape)
                for pixel in range(rows * columns):
                    row, column = divmod(pixel, columns)
                    several[pixel, row, column] += moves[row, column]
                several = np.moveaxis(several, 3, axis)
                base = np.moveaxis(image[None], 3, axis).repeat(2, axis=0)
                base = number(self.look(self.fitting(base)).maps)
                maps = self.in_batches(several, lambda p: number(self.look(p).maps))
                found = found | (maps != base[:1]).any(axis=-1)
        return found.reshape(rows, columns, *found.shape[1:]).transpose(2, 3, 0, 1)

    def in_batches(self, images, compute):
        """Compute something of many pictures, as many at a time as the model takes."""
        images, size = self.fitting(images), self.inputs[0].shape[0] or len(images)
        parts = [compute(images[i : i + size]) for i in range(0, len(images), size)]
        return np.concatenate(parts)


@contextlib.contextmanager
def relus(rule):
    """Let gradients pass ReLUs by another rule: "guided" or "deconvnet"."""

    def rectified(relu):
        @tf.custom_gradient
        def by_rule(x, *_, **__):
            def passed(slope):
                above = tf.maximum(slope, 0)
                if rule == "deconvnet":
                    return above
                open_ = (x > 0) & ((x < 6) | (relu is not relu6))
                return above * tf.cast(open_, slope.dtype)

            return relu(x), passed

        return lambda x, name=None: by_rule(x)

    relu, relu6 = tf.nn.relu, tf.nn.relu6
    with (
        mock.patch("tensorflow.nn.relu", rectified(relu)),
        mock.patch("tensorflow.nn.relu6", rectified(relu6)),
    ):
        yield


def number(tensor):
    """Return a tensor as an array that NumPy can compute with."""
    if tensor is None:
        return None
    if isinstance(tensor, tf.Tensor) and tensor.dtype in (tf.bfloat16, tf.float16):
        tensor = tf.cast(tensor, "float32")
    return np.asarray(tensor)
