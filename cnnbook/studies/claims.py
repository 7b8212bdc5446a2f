"""Seven things that are said about CNNs, each decided by a measurement.

Every function takes numbers that were measured elsewhere and answers with a `Finding`:
whether they bear the claim out, and a sentence that says so with the numbers in it.
The rules are fixed here, before any network is looked at; no sentence is written for a
particular outcome.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

# How much of the detail a deepest layer may keep if detail is to count as lost.
LOST = 1 / 2
# By how much more than in the control pooling must lower the maps' change to count.
FORGIVEN = 0.05
# How far from linear, as a share of the answers' spread, rounding can make a network.
ROUNDING = 1e-4
# How far from linear a network must be for its activations to count as doing something.
BENT = 1e-2


@dataclass(frozen=True)
class Finding:
    """What a measurement says about a claim.

    Attributes
    ----------
    claim : str
        What is said, in our words.
    holds : bool
        Whether the measurement bears it out.
    sentence : str
        The numbers and the verdict; also ``str()`` of the finding.
    """

    claim: str
    holds: bool
    sentence: str

    def __str__(self) -> str:
        """Return the verdict as the sentence that the chapter shows."""
        return self.sentence


def detail_fades(kept: Mapping[str, float]) -> Finding:
    """Decide whether early maps keep detail that deep maps lose.

    Borne out if each convolution keeps less than the one before, and the last one
    less than half of what the first one keeps.

    Parameters
    ----------
    kept : dict of str to float
        Share of the detail that can be read back from each layer, in order; from
        `maps.detail_kept`.

    Returns
    -------
    finding : Finding

    Examples
    --------
    >>> print(detail_fades({"conv1": 0.9, "conv2": 0.5, "conv3": 0.2}))
    From conv1 a linear readout gets back 90 % of the detail, from conv3 20 %, and each
    step on the way loses some. Detail is lost, as the article says.
    """
    names, shares = list(kept), list(kept.values())
    steady = all(np.diff(shares) < 0)
    holds = bool(steady and shares[-1] < LOST * shares[0])
    way = "each step on the way loses some" if steady else "not every step loses some"
    if holds:
        verdict = "Detail is lost, as the article says."
    elif shares[-1] < LOST * shares[0]:
        verdict = "Detail is lost, though not steadily."
    else:
        verdict = "Most of what the first layer keeps is still there at the end."
    return Finding(
        "early maps keep detail that deep maps lose",
        holds,
        f"From {names[0]} a linear readout gets back {_percent(shares[0])} of the "
        f"detail, from {names[-1]} {_percent(shares[-1])}, and {way}. {verdict}",
    )


def first_layer_sees_borders(likeness: float, shuffled: Sequence[float]) -> Finding:
    """Decide whether the first layer answers to borders.

    Borne out if its maps, added up, go together with Sobel's borders, and do so better
    than with the same weights in any of the random orders tried: a permutation test,
    at 5 % with nineteen orders.

    Parameters
    ----------
    likeness : float
        From `maps.border_likeness`, for the network.
    shuffled : sequence of float
        The same for its copies with shuffled weights.

    Returns
    -------
    finding : Finding

    Examples
    --------
    >>> print(first_layer_sees_borders(0.8, [0.1, -0.2, 0.3]))
    Sobel's borders and the sum of the first layer's maps correlate at 0.80. With the
    layer's weights in 3 random orders it is 0.30 at best. So the first layer answers to
    borders, more than chance would.
    """
    best = max(shuffled)
    holds = bool(likeness > max(best, 0))
    if holds:
        verdict = "So the first layer answers to borders, more than chance would."
    elif likeness > 0:
        verdict = "So it answers to borders no better than chance would."
    else:
        verdict = "So this first layer does not answer to borders."
    return Finding(
        "the first layer answers to borders",
        holds,
        "Sobel's borders and the sum of the first layer's maps correlate at "
        f"{_signed(likeness)}. With the layer's weights in {len(shuffled)} random "
        f"orders it is {_signed(best)} at best. {verdict}",
    )


def fields_grow(computed: Mapping[str, int], measured: Mapping[str, int]) -> Finding:
    """Decide whether deeper units answer to larger parts of the image.

    Borne out if the measured field of each layer is larger than that of the layer
    before, and none exceeds what the architecture allows.

    Parameters
    ----------
    computed : dict of str to int
        Side of each layer's receptive field in pixels, in order.
    measured : dict of str to int
        Side of the part that holds most of the influence, for the same layers.

    Returns
    -------
    finding : Finding

    Examples
    --------
    >>> print(fields_grow({"conv1": 3, "conv2": 8}, {"conv1": 3, "conv2": 5}))
    By the architecture a value of conv1 can see 3 pixels on a side, one of conv2 8;
    measured, nearly all of the influence comes from 3 and 5. The part that counts grows
    from layer to layer.
    """
    names, sides = list(computed), list(measured.values())
    steady = all(np.diff(sides) > 0)
    within = all(measured[name] <= computed[name] for name in names)
    if steady and within:
        verdict = "The part that counts grows from layer to layer."
    elif sides[-1] > sides[0] and within:
        verdict = "The part that counts grows with depth, though not at every step."
    else:
        verdict = "The part that counts does not grow with depth here."
    return Finding(
        "deeper units answer to larger parts of the image",
        bool(steady and within),
        f"By the architecture a value of {names[0]} can see {computed[names[0]]} "
        f"pixels on a side, one of {names[-1]} {computed[names[-1]]}; measured, nearly "
        f"all of the influence comes from {sides[0]} and {sides[-1]}. {verdict}",
    )


def silence_grows(silent: Mapping[str, float]) -> Finding:
    """Decide whether some filters stay black, and more of them deeper down.

    Borne out if there are any, no layer has a smaller share of them than the one
    before, and the last has a larger share than the first.

    Parameters
    ----------
    silent : dict of str to float
        Share of channels that are zero everywhere, for each layer in order.

    Returns
    -------
    finding : Finding

    Examples
    --------
    >>> print(silence_grows({"conv1": 0.1, "conv2": 0.3, "conv3": 0.2}))
    In conv1 10 % of the maps are silent, in conv3 20 %; most are in conv2, 30 %. Some
    filters stay black, but their share does not rise steadily with depth.
    """
    names, shares = list(silent), list(silent.values())
    holds = bool(all(np.diff(shares) >= 0) and shares[-1] > shares[0])
    if not any(shares):
        return Finding(_SILENCE, False, "Not one filter stays black on this picture.")
    most = names[int(np.argmax(shares))]
    sentence = (
        f"In {names[0]} {_percent(shares[0])} of the maps are silent, in {names[-1]} "
        f"{_percent(shares[-1])}"
    )
    if most not in (names[0], names[-1]):
        sentence += f"; most are in {most}, {_percent(max(shares))}"
    if holds:
        verdict = "Some filters stay black, and more of them deeper down."
    else:
        verdict = (
            "Some filters stay black, but their share does not rise steadily with "
            "depth."
        )
    return Finding(_SILENCE, holds, f"{sentence}. {verdict}")


_SILENCE = "more filters stay black deeper down"


def pooling_forgives(
    before: Mapping[str, Sequence[float]],
    after: Mapping[str, Sequence[float]],
    subsampled: tuple[Mapping[str, Sequence[float]], Mapping[str, Sequence[float]]],
) -> Finding:
    """Decide whether pooling makes the answer care less about small shifts.

    Borne out if most pools lower the change of the maps, on average over the shifts,
    and do so by at least five points more than where one value of each window is
    simply kept.

    Parameters
    ----------
    before, after : dict of str to sequence of float
        For each pool, the change of the maps in front of it and behind it, for each
        shift; from `maps.shift_changes`.
    subsampled : (dict, dict)
        The same two for the copy with subsampling in place of the pools.

    Returns
    -------
    finding : Finding

    Examples
    --------
    >>> print(pooling_forgives({"pool1": [0.4, 0.6]}, {"pool1": [0.2, 0.5]},
    ...                        ({"pool1": [0.4, 0.6]}, {"pool1": [0.4, 0.6]})))
    Behind 1 of 1 pools the maps change less under a shift than in front of it; on
    average the change falls by 30 %. Where one value of each window is kept instead, it
    falls by 0 %. So pooling does forgive small shifts.
    """
    falls, control = _falls(before, after), np.mean(_falls(*subsampled))
    lower = int(np.sum(falls > 0))
    holds = bool(lower > len(falls) / 2 and np.mean(falls) >= control + FORGIVEN)
    verdict = (
        "So pooling does forgive small shifts."
        if holds
        else "So it is not the pooling that forgives small shifts here."
    )
    return Finding(
        "pooling makes the answer care less about small shifts",
        holds,
        f"Behind {lower} of {len(falls)} pools the maps change less under a shift than "
        f"in front of it; on average the change {_moves(np.mean(falls))}. Where one "
        f"value of each window is kept instead, it {_moves(control)}. {verdict}",
    )


def _moves(fall):
    """Say by how much something falls, or rises if that is below zero."""
    return f"{'falls' if fall >= 0 else 'rises'} by {_percent(abs(fall))}"


def _falls(before, after):
    """Return for each pool by which share the mean change falls."""
    return np.array(
        [1 - np.mean(after[pool]) / np.mean(before[pool]) for pool in after]
    )


def depth_needs_activations(bent: float, straight: float) -> Finding:
    """Decide whether depth adds nothing without activation functions.

    Borne out if the network without them is linear to rounding, and the one with them
    is not.

    Parameters
    ----------
    bent, straight : float
        From `maps.superposition_gap`, for the network and for its copy without
        activations, its pools made averages.

    Returns
    -------
    finding : Finding

    Examples
    --------
    >>> print(depth_needs_activations(0.21, 3e-7))
    Without activations the network misses the half way point of two pictures' answers
    by 0.0000003 of their distance, which is rounding: all its layers are one linear
    map. With them it misses by 0.21. Without a bend, depth adds nothing.
    """
    linear, nonlinear = bool(straight < ROUNDING), bool(bent > BENT)
    what = (
        "which is rounding: all its layers are one linear map"
        if linear
        else "which is more than rounding: something bends still"
    )
    if linear and nonlinear:
        verdict = "Without a bend, depth adds nothing."
    elif linear:
        verdict = "This network makes no use of its activations."
    else:
        verdict = "This stack is not one linear map."
    return Finding(
        "without activation functions, depth adds nothing",
        linear and nonlinear,
        "Without activations the network misses the half way point of two pictures' "
        f"answers by {_small(straight)} of their distance, {what}. With them it misses "
        f"by {bent:.2g}. {verdict}",
    )


def deeper_is_not_always_better(
    accuracy: Mapping[int, float],
    gains: Mapping[int, tuple[float, float, float]],
    costs: Mapping[int, float],
) -> Finding:
    """Decide whether deeper networks are always better.

    Borne out if some network is not surely better than one with a stage less: if the
    95 % interval of the difference, on the same pictures, does not lie above zero.

    Parameters
    ----------
    accuracy : dict of int to float
        For each number of stages, in order, all trained on the same budget.
    gains : dict of int to (float, float, float)
        For each number of stages but the fewest, what the last stage adds to the
        accuracy, and the ends of its interval; from `training.paired_difference`.
    costs : dict of int to float
        Multiplications for one picture.

    Returns
    -------
    finding : Finding

    Examples
    --------
    >>> print(deeper_is_not_always_better(
    ...     {1: 0.7, 2: 0.8, 3: 0.81},
    ...     {2: (0.1, 0.07, 0.13), 3: (0.01, -0.01, 0.03)},
    ...     {1: 2e6, 2: 5e6, 3: 8e6}))
    3 stages do best, with 81 % right; 1 stage gets 70 %, at 25 % of the cost. From 2
    to 3 stages the gain is within the margin of error, so deeper is not always better.
    """
    stages = list(accuracy)
    best, fewest = max(stages, key=accuracy.__getitem__), stages[0]
    flat = [
        (less, more)
        for less, more in itertools.pairwise(stages)
        if not gains[more][1] > 0
    ]
    worse = [(less, more) for less, more in flat if accuracy[more] < accuracy[less]]
    if not flat:
        verdict = "Here each further stage brings a gain beyond the margin of error"
    else:
        less, more = (worse or flat)[0]
        change = (
            "the accuracy falls" if worse else "the gain is within the margin of error"
        )
        verdict = (
            f"From {less} to {_stages(more)} {change}, so deeper is not always better"
        )
    other = (
        f"; {_stages(fewest)} {'gets' if fewest == 1 else 'get'} "
        f"{_percent(accuracy[fewest])}, at {_percent(costs[fewest] / costs[best])} of "
        "the cost"
        if best != fewest
        else ""
    )
    return Finding(
        "deeper is not always better",
        bool(flat),
        f"{_stages(best).capitalize()} {'does' if best == 1 else 'do'} best, with "
        f"{_percent(accuracy[best])} right{other}. {verdict}.",
    )


def _stages(count):
    """Count stages in words."""
    return f"{count} stage" + ("" if count == 1 else "s")


def _percent(share):
    """Write a share in per cent, with a true minus sign."""
    return f"{100 * share:.0f} %".replace("-", "−")


def _signed(value):
    """Write a correlation with two decimals and a true minus sign."""
    return f"{value:.2f}".replace("-", "−")


def _small(value):
    """Write a small number in full, to its first digit."""
    return np.format_float_positional(float(f"{value:.0e}"), trim="-")
