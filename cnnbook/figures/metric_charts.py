"""Draw how good classifiers are, and how sure one can be of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cnnbook.figures.charts import lines
from cnnbook.figures.drawable import Numbers, check_count, check_some
from cnnbook.figures.style import ACCENT, INK, QUIET, WIDTH, styled

if TYPE_CHECKING:
    from cnnbook.training.calibration import Reliability


@styled
def reliability_diagram(reliability: Reliability) -> Figure:
    """Draw how often answers were right against how sure the classifier was.

    Answers on the dotted line are as often right as they claim; below it the classifier
    is too sure of itself.  The bars beneath say how many answers a point stands for.

    Parameters
    ----------
    reliability : training.Reliability

    Returns
    -------
    figure : matplotlib.figure.Figure

    Examples
    --------
    >>> from cnnbook import training
    >>> probabilities = np.array([[0.9, 0.1], [0.2, 0.8]])
    >>> found = training.reliability(probabilities, np.array([0, 1]))
    >>> figure = reliability_diagram(found)
    """
    edges, counts = reliability.edges, reliability.counts
    figure, (above, below) = plt.subplots(
        2, 1, figsize=(WIDTH, 4.6), sharex=True, height_ratios=(3, 1)
    )
    above.plot(edges[[0, -1]], edges[[0, -1]], color=QUIET, lw=1, ls=(0, (2, 3)))
    used = counts > 0
    above.plot(
        reliability.confidence[used], reliability.accuracy[used], "o-", color=ACCENT
    )
    above.set_ylabel("share that is right")
    above.set_ylim(min(edges[0], np.nanmin(reliability.accuracy)) - 0.05, 1.05)
    above.yaxis.set_major_formatter("{x:.0%}")
    drawn = below.bar(
        (edges[:-1] + edges[1:]) / 2,
        counts,
        width=0.9 * np.diff(edges),
        color=QUIET,
    )
    below.bar_label(drawn, padding=2, fontsize="small")
    below.margins(y=0.3)
    below.set_yticks([])
    below.set_ylabel("answers")
    below.set_xlabel("probability that the classifier gave its answer")
    below.xaxis.set_major_formatter("{x:.0%}")
    return figure


@styled
def estimates(
    names: Sequence[str],
    values: Numbers,
    lows: Numbers,
    highs: Numbers,
    *,
    axis_label: str,
    reference: float | None = None,
    colours: Sequence[str] | None = None,
    signed: bool = False,
) -> Figure:
    """Draw measured shares as points, with how far each can be trusted.

    Parameters
    ----------
    names : sequence of str
    values, lows, highs : sequence of float
        Each measured share, and the ends of its interval.
    axis_label : str
    reference : float, optional
        A value to compare with, drawn as a quiet line.
    colours : sequence of str, optional
        One for each point.
    signed : bool
        Whether the values are differences, to be written in points and with a sign.

    Returns
    -------
    figure : matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If there is nothing to draw, or not one of each for each name.

    Examples
    --------
    >>> figure = estimates(["with", "without"], [0.8, 0.7], [0.7, 0.6], [0.9, 0.8],
    ...                    axis_label="accuracy")
    """
    check_some(names, "names", "name")
    for given, name in ((values, "values"), (lows, "lows"), (highs, "highs")):
        check_count(given, len(names), name)
    check_count(colours, len(names), "colours")
    references = () if reference is None else (reference,)
    figure, axis = _rows(names, axis_label, references, 0.9)
    for place, (value, low, high) in enumerate(zip(values, lows, highs, strict=True)):
        colour = colours[place] if colours else ACCENT
        axis.plot([low, high], [place, place], color=colour, lw=2, alpha=0.45)
        axis.plot(value, place, "o", color=colour)
        axis.annotate(
            f"{100 * value:+.1f}" if signed else f"{value:.1%}",
            (max(high, value), place),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
        )
    axis.margins(x=0.14)
    axis.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axis.xaxis.set_major_formatter(
        (lambda share, place: f"{100 * share:+g}") if signed else "{x:.0%}"
    )
    return figure


@styled
def paired_estimates(
    names: Sequence[str],
    pairs: Sequence[tuple[Numbers, Numbers]],
    labels: tuple[str, str],
    *,
    axis_label: str,
    bounds: Sequence[float] = (),
) -> Figure:
    """Draw two measurements of each thing on one line, each with its interval.

    Parameters
    ----------
    names : sequence of str
    pairs : sequence of pairs of (value, low, high)
        For each name, both measurements with the ends of their intervals.
    labels : pair of str
        What was measured first, and second.
    axis_label : str
    bounds : sequence of float
        Values to compare with, drawn as quiet lines.

    Returns
    -------
    figure : matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If there is nothing to draw, or not one pair for each name.

    Examples
    --------
    >>> pairs = [((4, 3, 5), (1, 0.8, 1.2))]
    >>> figure = paired_estimates(["occlusion"], pairs, ["trained", "random"],
    ...                           axis_label="times as dense")
    """
    check_some(names, "names", "name")
    check_count(pairs, len(names), "pairs")
    check_count(labels, 2, "labels")
    figure, axis = _rows(names, axis_label, bounds, 1.3)
    places = range(len(names))
    looks = ((ACCENT, "o"), (INK, "D"))
    for which, (label, (colour, marker)) in enumerate(zip(labels, looks, strict=True)):
        measured = np.array([pair[which] for pair in pairs], float)
        axis.hlines(places, *measured[:, 1:].T, color=colour, lw=2, alpha=0.45)
        axis.plot(measured[:, 0], places, marker, color=colour, label=label)
    axis.legend(loc="lower center", bbox_to_anchor=(0.4, 1), ncols=2, frameon=False)
    return figure


@styled
def learning_curves(
    counts: Sequence[int], curves: Mapping[str, Numbers], *, chance: float | None = None
) -> Figure:
    """Plot accuracies against the number of pictures learned from, by factors of two.

    Parameters
    ----------
    counts : sequence of int
    curves : dict of str to sequence of float
        One accuracy for each count.
    chance : float, optional
        What guessing would reach, drawn as a quiet line.

    Returns
    -------
    figure : matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If there is no curve or are more than four, or one has not as many values as
        there are counts.

    Examples
    --------
    >>> figure = learning_curves([50, 100], {"ours": [0.6, 0.7]}, chance=0.5)
    """
    figure = lines(counts, curves, x_label="pictures learned from", y_label="accuracy")
    (axis,) = figure.axes
    axis.set_xscale("log", base=2)
    axis.set_xticks(counts, [f"{count:,}" for count in counts])
    axis.minorticks_off()
    lowest = min(min(values) for values in curves.values())
    axis.set_ylim(min(lowest, chance or lowest) - 0.03, None)
    axis.yaxis.set_major_formatter("{x:.0%}")
    if chance is not None:
        axis.axhline(chance, color=QUIET, lw=1, ls=(0, (2, 3)))
    return figure


def _rows(names, axis_label, references, margin):
    """Make axes with a row for each name, and quiet lines at values to compare with."""
    figure, axis = plt.subplots(figsize=(WIDTH, 0.36 * len(names) + margin))
    for reference in references:
        axis.axvline(reference, color=QUIET, lw=1, ls=(0, (2, 3)))
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(len(names) - 0.4, -0.6)
    axis.tick_params(left=False)
    axis.spines["left"].set_visible(False)
    axis.set_xlabel(axis_label)
    return figure, axis
