"""Compute again only what a hidden window changes, layer after layer.

Hide a small window of an image, and the first convolution changes near it alone; each
further layer widens the changed region by its own window.  All that lies outside was
computed before, for the image as it is.  So each layer needs to look at a patch: the
changed region and what its windows reach beyond it.  Once the region is most of the
map, the rest of the network runs as usual.  The results are those of full passes [1]_.

References
----------
.. [1] S. Nakandala, A. Kumar and Y. Papakonstantinou, "Incremental and approximate
   inference for faster occlusion-based deep CNN explanations", SIGMOD 2019.
   https://doi.org/10.1145/3299869.3319874
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnbook.explanations.logits import logits_by_layer
from cnnbook.layers.windows import padding_of
from cnnbook.networks.graph import answer, changed, follow
from cnnbook.networks.traits import is_alike, reach_of, traits_of

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from cnnbook.networks.graph import Connections
    from cnnbook.networks.heads import Head

# Beyond this share of a map, a patch costs as much as the map.
MOST = 0.75

# Not worth patches: a matrix product of fewer rows may be rounded otherwise, and what a
# function between layers answers may be no numbers to cut windows out of.
_WHOLE = frozenset({"dense", "conversion", "arithmetic", "function"})


@dataclass(frozen=True, eq=False)
class _Step:
    """One layer on patches: the regions of its input and output, for every place.

    A region has, on each side, the first row (or column) for each place and a common
    length.  ``window``, ``stride`` and ``padding`` are those of the layer.
    """

    name: str
    operation: Any
    slides: bool
    before: str  # the layer whose map it looks at
    shape: tuple  # of that map, rows and columns
    window: tuple = (1, 1)
    stride: tuple = (1, 1)
    padding: tuple = ((0, 0), (0, 0))
    starts: tuple = ()
    lengths: tuple = (0, 0)


@dataclass(frozen=True, eq=False)
class Plan:
    """Which layers see patches, and where those lie.

    Attributes
    ----------
    steps : tuple of _Step
    starts : tuple of (ndarray, ndarray)
        First rows and first columns of the windows, then of the regions that each step
        changes.
    lengths : tuple of (int, int)
    last : str
        The layer whose whole maps the rest of the network continues from.
    shape : tuple of int
        Rows and columns of its maps.
    """

    steps: tuple[_Step, ...]
    starts: tuple[tuple[np.ndarray, np.ndarray], ...]
    lengths: tuple[tuple[int, int], ...]
    last: str
    shape: tuple[int, int]


@dataclass(frozen=True, eq=False)  # told apart from constants, which may be arrays
class _Answer:
    """What a call of a chain answers; ``number`` says which call."""

    number: int


def chain(network: Connections) -> list[tuple[str, keras.Operation]]:
    """List the calls from the input to where everything behind passes through the last.

    Returns (name, operation) pairs: each takes the answer of the one before, and
    nothing else does.
    """
    import keras

    calls: list[tuple[str, keras.Operation]] = []
    ends: list[int] = []

    def visit(name, node, args, kwargs):
        given = [v for v in keras.tree.flatten((args, kwargs)) if v is not None]
        known = [value.number for value in given if isinstance(value, _Answer)]
        # The answer before is all that it is given: no constant, no list of one.
        alone = len(given) == 1 and bool(args) and args[0] is given[0]
        follows = alone and known == [len(calls) - 1]
        if (follows or not calls) and not ends:
            calls.append((name, node.operation))
            return [_Answer(len(calls) - 1)] * len(node.outputs)
        ends.extend(known)  # a branch: what it looks at must be there whole
        return [None] * len(node.outputs)

    follow(network, [None], visit)
    return calls[: min(ends) + 1] if ends else calls


def plan(
    chain: Sequence[tuple[str, keras.Operation]],
    shapes: Mapping[str, tuple[int, int]],
    starts: tuple[np.ndarray, np.ndarray],
    lengths: tuple[int, int],
) -> Plan:
    """Plan which layers to run on patches.

    Parameters
    ----------
    chain : list of (str, operation)
        From `chain`.
    shapes : dict of str to tuple
        Rows and columns of each layer's output, for those that have any.
    starts : (ndarray, ndarray)
        First rows and first columns of the windows to hide.
    lengths : (int, int)
        Rows and columns of each window.

    Returns
    -------
    plan : Plan
    """
    before, _ = chain[0]
    steps, all_starts, all_lengths = [], [starts], [lengths]
    for name, operation in chain[1:]:
        step = _step(name, operation, before, shapes[before], starts, lengths)
        if step is None:
            break
        if step.slides:
            starts, lengths = step.starts, step.lengths
            if np.prod(lengths) > MOST * np.prod(shapes[name]):
                break
        steps.append(step)
        all_starts.append(starts)
        all_lengths.append(lengths)
        before = name
    return Plan(
        tuple(steps), tuple(all_starts), tuple(all_lengths), before, shapes[before]
    )


def needed(plan: Plan) -> list[str]:
    """Return the layers whose maps `rescore` needs, for the image as it is."""
    return [*(step.before for step in plan.steps if step.slides), plan.last]


def rescore(
    network: Connections,
    end: Head,
    plan: Plan,
    maps: Mapping[str, tf.Tensor],
    image: tf.Tensor,
    filling: tf.Tensor,
    starts: Sequence[tuple[tf.Tensor, tf.Tensor]],
) -> tf.Tensor:
    """Compute logits with windows hidden, in TensorFlow.

    Parameters
    ----------
    network : Connections
    end : Head
    plan : Plan
    maps : dict of str to tensor of shape (1, H', W', F)
        Of the layers `needed`.
    image : tensor of shape (1, H, W, C)
    filling : tensor of shape (H, W, C)
        What the windows are filled with.
    starts : list of (tensor, tensor)
        As in the plan, for some of its places.

    Returns
    -------
    logits : tensor of shape (P, K)
    """
    import tensorflow as tf

    places = tf.shape(starts[0][0])[0]
    rows, columns = (
        start[:, None] + tf.range(length)
        for start, length in zip(starts[0], plan.lengths[0], strict=True)
    )
    index = rows[:, :, None] * image.shape[2] + columns[:, None, :]
    patch = tf.gather(tf.reshape(filling, (-1, image.shape[3])), index)
    for number, step in enumerate(plan.steps):
        if step.slides:
            wanted = [
                (start * stride - before, (length - 1) * stride + window)
                for start, length, stride, window, (before, _) in zip(
                    starts[number + 1],
                    plan.lengths[number + 1],
                    step.stride,
                    step.window,
                    step.padding,
                    strict=True,
                )
            ]
            patch = _cut(
                maps[step.before],
                patch,
                starts[number],
                wanted,
                padding=_emptiness(step.operation, patch.dtype),
            )
            patch = changed(step.operation, {"padding": "valid"}, patch)
        elif traits_of(step.operation).role != "input":  # of a model inside the model
            patch = answer(step.operation, patch)
    whole = [(tf.zeros(places, tf.int32), length) for length in plan.shape]
    full = _cut(maps[plan.last], patch, starts[-1], whole, padding=0)
    images = tf.repeat(image, places, axis=0)  # not computed with, on a chain
    return logits_by_layer(network, end, images, given={plan.last: full})[0]


def _cut(base, patch, starts, wanted, *, padding):
    """Cut windows out of a map in which each place has its own patch.

    Parameters
    ----------
    base : tensor of shape (1, H, W, F)
    patch : tensor of shape (P, h, w, F)
    starts : (tensor, tensor)
        First row and column of each patch.
    wanted : list of (tensor, int)
        On each side, where each window starts, perhaps outside, and its length.
    padding : float
        What lies outside.

    Returns
    -------
    windows : tensor of shape (P, length, length, F)
    """
    import tensorflow as tf

    places, filters = tf.shape(patch)[0], base.shape[3]
    (height, width), lengths = base.shape[1:3], patch.shape[1:3]
    # All values there are, one below another: the map, the patches, and padding.
    values = tf.concat(
        [
            tf.reshape(base, (-1, filters)),
            tf.reshape(patch, (-1, filters)),
            tf.fill((1, filters), tf.cast(padding, patch.dtype)),
        ],
        axis=0,
    )
    rows, columns = (start[:, None] + tf.range(length) for start, length in wanted)
    inside = [rows - starts[0][:, None], columns - starts[1][:, None]]
    in_patch = _both(
        *((0 <= i) & (i < n) for i, n in zip(inside, lengths, strict=True))
    )
    in_map = _both((0 <= rows) & (rows < height), (0 <= columns) & (columns < width))
    of_map = rows[:, :, None] * width + columns[:, None, :]
    of_patch = inside[0][:, :, None] * lengths[1] + inside[1][:, None, :]
    first = height * width + tf.range(places) * (lengths[0] * lengths[1])
    outside = height * width + places * lengths[0] * lengths[1]
    index = tf.where(in_map, of_map, outside)
    index = tf.where(in_patch, first[:, None, None] + of_patch, index)
    windows = tf.gather(values, index)
    return tf.ensure_shape(windows, (None, wanted[0][1], wanted[1][1], filters))


def _both(rows, columns):
    """Combine what holds for rows and for columns of each place."""
    return rows[:, :, None] & columns[:, None, :]


def _emptiness(operation, dtype):
    """Return what a layer takes to be outside of its map."""
    return dtype.min if traits_of(operation).role == "max pooling" else 0


def _step(name, operation, before, shape, starts, lengths):
    """Work out what a layer changes of its output; None if that is not known."""
    if getattr(operation, "data_format", None) == "channels_first":
        return None
    role, reach = traits_of(operation).role, reach_of(operation)
    if not is_alike(operation) or role in _WHOLE or reach not in ("place", "window"):
        return None
    if reach == "place":
        return _Step(name, operation, False, before, shape)
    size = getattr(operation, "kernel_size", None) or operation.pool_size
    dilation = getattr(operation, "dilation_rate", (1, 1))
    padding = padding_of(
        (1, *shape), size, operation.strides, operation.padding, dilation
    )
    if role == "average pooling" and np.any(padding):
        return None  # an average at the edge is one of fewer values
    window = tuple((n - 1) * d + 1 for n, d in zip(size, dilation, strict=True))
    regions = [
        _reached(*side)
        for side in zip(
            starts, lengths, shape, window, operation.strides, padding, strict=True
        )
    ]
    return _Step(
        name,
        operation,
        True,
        before,
        shape,
        window,
        tuple(operation.strides),
        tuple(map(tuple, padding)),
        tuple(start for start, _ in regions),
        tuple(length for _, length in regions),
    )


def _reached(starts, length, size, window, stride, padding):
    """Find the outputs whose windows touch a region: (first of each place, length)."""
    before, after = padding
    count = (size + before + after - window) // stride + 1
    first = -((window - 1 - before - starts) // stride)  # rounded up
    last = (starts + length - 1 + before) // stride
    first, last = first.clip(0, count - 1), last.clip(0, count - 1)
    common = int((last - first).max()) + 1
    return np.minimum(first, count - common).astype("int32"), common
