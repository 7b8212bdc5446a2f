"""Receptive fields of random networks are what one sees by changing the picture.

All weights are positive and no bias is, so that nothing cancels: of a dark picture with
one row or column lit, a position answers above zero exactly if it sees some of that.
"""

import functools

import keras
import numpy as np
import pytest
from keras import layers as kl

from cnnbook import networks
from cnnbook.maps import receptive_field, trace

SIZE = (46, 42)  # so that what the middle position sees reaches no edge
ENOUGH, MOST = 12, 26  # pixels of a field, before the last step and after it


class Drawing:
    """Draws one network step by step; ``maps`` are those of the step before."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.seen = np.ones(2, int)  # an upper bound of the field's size
        self.stride = np.ones(2, int)

    def pair(self, *numbers):
        """Two numbers for rows and columns, often the same."""
        first, other = self.rng.choice(numbers, 2)
        return int(first), int(first if self.rng.random() < 0.5 else other)

    def one(self, *things):
        return things[self.rng.integers(len(things))]

    def widen(self, window, strides=(1, 1), dilation=(1, 1)):
        self.seen += (np.array(window) - 1) * dilation * self.stride
        self.stride *= strides

    def convolution(self, maps, **options):
        window = self.pair(1, 2, 3, 4)
        step = self.one("stride", "dilation", "neither")
        strides = self.pair(1, 2, 3) if step == "stride" else (1, 1)
        dilation = self.pair(1, 2) if step == "dilation" else (1, 1)
        kind = self.one(kl.Conv2D, kl.DepthwiseConv2D, kl.SeparableConv2D)
        if kind is not kl.Conv2D:  # which TensorFlow moves by equal steps alone
            strides = strides[:1] * 2
        made = {"strides": strides, "padding": self.one("valid", "same")} | options
        if kind is not kl.DepthwiseConv2D:
            made["filters"] = self.one(1, 2)
        self.widen(window, made["strides"], dilation)
        layer = kind(kernel_size=window, dilation_rate=dilation, **made)
        return layer(maps) if self.rng.random() < 0.5 else layer(inputs=maps)

    def pool(self, maps):
        window = self.pair(1, 2, 3)
        strides = self.one(None, self.pair(1, 2))
        kind = self.one(kl.MaxPooling2D, kl.AveragePooling2D)
        self.widen(window, strides or window)
        return kind(window, strides, padding=self.one("valid", "same"))(maps)

    def edges(self, maps):
        sides = (self.pair(0, 1, 2), self.pair(0, 1, 2))
        return self.one(kl.ZeroPadding2D, kl.Cropping2D)(sides)(maps)

    def place(self, maps):
        step = self.one(
            kl.ReLU(),
            kl.BatchNormalization(),
            kl.Dense(2, activation=kl.LeakyReLU()),
            keras.ops.relu,
            lambda maps: maps / np.arange(1.0, maps.shape[-1] + 1),
            lambda maps: 2 * maps[..., ::-1],
            lambda maps: kl.Rescaling(3.0)(inputs=maps),
        )
        return step(maps)

    def branches(self, maps):
        """A wide look, a look with holes, and perhaps the maps themselves."""
        wide, spread = self.pair(3, 5), self.pair(1, 2, 3)
        around = kl.Conv2D(maps.shape[-1], 3, padding="same", dilation_rate=spread)
        found = [
            kl.Conv2D(maps.shape[-1], wide, padding="same", activation="relu")(maps),
            around(maps),
            maps,
        ]
        self.widen(np.maximum(wide, 2 * np.array(spread) + 1))
        merge = self.one(kl.Add, kl.Concatenate, kl.Maximum, kl.Average)()
        found = found[: self.one(2, 3)]
        return merge(found) if self.rng.random() < 0.5 else merge(inputs=found)

    def nested(self, maps):
        """Two steps in a model of their own, which is called once or twice."""
        inner = keras.Input(maps.shape[1:])
        step = self.one(self.convolution, self.branches)
        if step == self.convolution and self.rng.random() < 0.5:
            found = self.convolution(inner, padding="same", strides=(1, 1))
            found = kl.Conv2D(maps.shape[-1], 1)(found)
            model, twice = keras.Model(inner, found), [0, 0]
            self.widen(self.seen)
        else:
            model, twice = keras.Model(inner, self.place(step(inner))), [0]
        for _ in twice:
            maps = model(maps) if self.rng.random() < 0.5 else model(inputs=maps)
        return maps

    def network(self):
        image = maps = keras.Input((*SIZE, self.one(1, 3)), name="image")
        steps = (
            self.convolution, self.convolution, self.pool, self.edges, self.place,
            self.branches, self.nested,
        )  # fmt: skip
        while self.seen.max() < ENOUGH:
            maps = self.one(*steps)(maps)
        model = keras.Model(image, kl.ReLU(name="end")(maps))
        for weight in model.weights:
            one = weight.path.endswith(("kernel", "gamma", "moving_variance"))
            low, high = (0.5, 1.5) if one else (0, 0)
            weight.assign(self.rng.uniform(low, high, weight.shape))
        return model


@functools.cache
def drawn(seed):
    """The first network of a seed whose field leaves room around it."""
    for attempt in range(100):
        drawing = Drawing([seed, attempt])
        model = drawing.network()
        if drawing.seen.max() <= MOST:
            return model


def lines_seen(model):
    """Which rows, and which columns, each row or column of the answer sees.

    Two arrays, (rows, rows of the answer) and the same of columns.
    """
    _, rows, columns, channels = model.inputs[0].shape
    lit = np.zeros((rows + columns, rows, columns, channels), "float32")
    for row in range(rows):
        lit[row, row] = 1
    for column in range(columns):
        lit[rows + column, :, column] = 1
    answers = np.asarray(model(lit, training=False)).any(axis=-1)
    return answers[:rows].any(axis=2), answers[rows:].any(axis=1)


def first_and_stop(lines):
    found = np.flatnonzero(lines)
    return (int(found[0]), int(found[-1]) + 1) if len(found) else (0, 0)


@pytest.mark.parametrize("seed", range(60))
def test_the_field_of_a_random_network_is_what_changes_its_answers(seed):
    model = drawn(seed)
    field = receptive_field(model, "end")
    for side, seen in enumerate(lines_seen(model)):
        for at, lines in enumerate(seen.T):
            window = field.window(*((at, 0) if side == 0 else (0, at)))[side]
            first, stop = first_and_stop(lines)
            assert (window.start, window.stop) == (first, stop), (side, at)
            start = field.offset[side] + at * field.stride[side]
            end = start + field.size[side]
            assert first == stop or start <= first < stop <= end, (side, at)
            if at == len(seen.T) // 2:  # far from the edges, it is seen as a whole
                assert (start, end) == (first, stop), (side, at)


@pytest.mark.parametrize("seed", range(0, 60, 6))
def test_each_step_of_a_trace_has_the_window_that_changes_the_number(seed):
    model = drawn(seed)
    rows, columns, _ = (side // 2 for side in model.output.shape[1:])
    image = np.random.default_rng(seed).random(model.input.shape[1:])
    end, *steps = trace(model, image, "end", (rows, columns, 0))
    assert end.value == pytest.approx(
        float(model(image[None], training=False)[0, rows, columns, 0]), rel=1e-4
    )
    calls = networks.layer_calls(model)
    for step in steps:
        assert step.products.sum() == pytest.approx(end.value, rel=1e-4)
        if "/" not in step.layer:
            maps = calls[step.layer].outputs[0]
            seen = lines_seen(keras.Model(maps, model.output))
            assert [(part.start, part.stop) for part in (step.rows, step.columns)] == [
                first_and_stop(lines[:, at])
                for lines, at in zip(seen, (rows, columns), strict=True)
            ]


@pytest.mark.parametrize("seed", range(0, 60, 20))
@pytest.mark.parametrize(
    "step",
    [
        lambda maps: kl.Conv2DTranspose(1, 3, strides=2)(maps),
        lambda maps: kl.UpSampling2D(2)(maps),
        lambda maps: maps[:, 1:],
        lambda maps: keras.ops.flip(maps, axis=2),
        lambda maps: kl.Conv2D(1, 3, activation=lambda found: found[:, ::-1])(maps),
    ],
    ids=["transposed", "larger", "rows", "flipped", "own activation"],
)
def test_behind_a_step_without_a_window_a_random_network_has_none(seed, step):
    whole = drawn(seed)
    model = keras.Model(whole.input, kl.ReLU(name="behind")(step(whole.output)))
    assert receptive_field(model, "end") == receptive_field(whole, "end")
    with pytest.raises(ValueError, match="no receptive field for layer 'behind'"):
        receptive_field(model, "behind")
