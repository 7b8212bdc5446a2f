"""Plot measurements: curves, bars, votes and confusion matrices."""

import math
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from cnnbook.checks import check_whole
from cnnbook.figures.drawable import Numbers, check_count, check_shape, check_some
from cnnbook.figures.style import ACCENT, CAT, CLASS_COLOURS, DOG, QUIET, WIDTH, styled


@styled
def functions(x: Numbers, curves: Mapping[str, Numbers], *, columns: int = 3) -> Figure:
    """Plot functions of one number, each in its own panel, on one scale.

    Parameters
    ----------
    x : ndarray of shape (M,)
    curves : dict of str to ndarray of shape (M,)
        Name of each function and its values.
    columns : int
        Panels in a row.

    Returns
    -------
    figure : matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If there is no curve, or one has not as many values as x.

    Examples
    --------
    >>> x = np.linspace(-2, 2, 9)
    >>> figure = functions(x, {"ReLU": np.maximum(x, 0), "square": x**2})
    """
    check_whole(columns, "columns")
    _check_curves(x, curves)
    rows = math.ceil(len(curves) / columns)
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(WIDTH, 1.9 * rows),
        sharex=True,
        sharey=True,
        squeeze=False,
    )
    for axis in axes.flat[len(curves) :]:
        axis.axis("off")
    for axis, (name, values) in zip(axes.flat, curves.items(), strict=False):
        axis.axhline(0, color="#cccccc", lw=1)
        axis.axvline(0, color="#cccccc", lw=1)
        axis.plot(x, values, color=ACCENT)
        axis.set_title(name)
    ends = [round(x[0]), 0, round(x[-1])]
    axes.flat[0].set_xticks(ends)
    return figure


@styled
def training_curves(
    history: Mapping[str, Numbers],
    *,
    metric: str = "accuracy",
    chance: float | None = None,
) -> Figure:
    """Plot a measure of training and validation over the epochs.

    Parameters
    ----------
    history : dict of str to sequence of float
        As Keras records it: ``metric`` and ``val_`` + ``metric``, one per epoch.
    metric : str
    chance : float, optional
        What guessing would reach, drawn as a quiet line.

    Returns
    -------
    figure : matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If the history lacks the metric, in training or in validation.

    Examples
    --------
    >>> history = {"accuracy": [0.5, 0.9], "val_accuracy": [0.5, 0.8]}
    >>> figure = training_curves(history, chance=0.5)
    """
    for key in (metric, f"val_{metric}"):
        if not len(history.get(key, ())):
            raise ValueError(
                f"history must hold {key!r}, a value for each epoch; it holds "
                f"{', '.join(history) or 'nothing'}; train with validation data, or "
                "choose another metric"
            )
    figure, axis = plt.subplots(figsize=(WIDTH, 3.2))
    ends = []
    for key, label, colour in (
        (metric, "training", QUIET),
        (f"val_{metric}", "validation", ACCENT),
    ):
        epochs = np.arange(1, len(history[key]) + 1)
        axis.plot(epochs, history[key], color=colour)
        ends.append((epochs[-1], history[key][-1], label, colour))
    if chance is not None:
        axis.axhline(chance, color=QUIET, lw=1, ls=(0, (2, 3)))
        ends.append((len(history[metric]), chance, "guessing", QUIET))
    axis.set_xlabel("epoch")
    axis.set_ylabel(metric)
    axis.xaxis.get_major_locator().set_params(integer=True)  # type: ignore[call-arg]
    if metric == "accuracy":
        axis.yaxis.set_major_formatter("{x:.0%}")
    _label_ends(axis, ends)
    return figure


@styled
def confusion_matrix(matrix: npt.ArrayLike, class_names: Sequence[str]) -> Figure:
    """Draw how often each class was taken for each.

    Parameters
    ----------
    matrix : ndarray of shape (K, K), int
        Rows are the truth, columns the answers.
    class_names : sequence of str

    Returns
    -------
    figure : matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If the matrix is not square, or names are not one for each class.

    Examples
    --------
    >>> figure = confusion_matrix([[9, 1], [2, 8]], ("cat", "dog"))
    """
    matrix = check_shape(matrix, "(K, K)", "matrix", "a row and a column per class")
    check_count(class_names, len(matrix), "class_names")
    shares = matrix / matrix.sum(axis=1, keepdims=True).clip(1)
    side = 1.1 * len(matrix) + 1.3
    figure, axis = plt.subplots(figsize=(side, side * 0.9))
    axis.imshow(shares, cmap="Greys", vmin=0, vmax=1.3)
    for (row, column), count in np.ndenumerate(matrix):
        axis.text(
            column,
            row,
            f"{count}\n{shares[row, column]:.0%}",
            ha="center",
            va="center",
            color="white" if shares[row, column] > 0.65 else "black",
        )
    axis.set_xticks(range(len(matrix)), [f"says {name}" for name in class_names])
    axis.set_yticks(range(len(matrix)), [f"is {name}" for name in class_names])
    axis.xaxis.tick_top()
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    return figure


@styled
def bars(
    values: Mapping[str, float],
    *,
    axis_label: str,
    share: bool = False,
    colours: Sequence[str] | None = None,
) -> Figure:
    """Draw one horizontal bar for each named value, and write the value beside it.

    Parameters
    ----------
    values : dict of str to float
    axis_label : str
        What is measured, with its unit.
    share : bool
        Whether values are shares of one, to be written in per cent.
    colours : sequence of str, optional
        One for each bar.

    Returns
    -------
    figure : matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If there is no bar, or colours are not one for each.

    Examples
    --------
    >>> figure = bars({"block 1": 0.1, "block 2": 0.3}, axis_label="silent", share=True)
    """
    check_some(values, "values", "bar")
    check_count(colours, len(values), "colours")
    names, numbers = list(values), np.array(list(values.values()), float)
    figure, axis = plt.subplots(figsize=(WIDTH, 0.36 * len(names) + 0.8))
    drawn = axis.barh(names, numbers, color=colours or ACCENT, height=0.62)
    axis.bar_label(drawn, fmt="{:.0%}" if share else "{:.3g}", padding=4)
    axis.axvline(0, color=QUIET, lw=1)
    axis.invert_yaxis()
    axis.margins(x=0.14)
    axis.tick_params(left=False, bottom=False, labelbottom=False)
    axis.spines[["left", "bottom"]].set_visible(False)
    axis.set_xlabel(axis_label)
    return figure


@styled
def lines(
    x: Numbers,
    curves: Mapping[str, Numbers],
    *,
    x_label: str,
    y_label: str,
    colours: Sequence[str] | None = None,
) -> Figure:
    """Plot measurements against one quantity, each curve labelled at its end.

    Parameters
    ----------
    x : sequence of float
    curves : dict of str to sequence of float
    x_label, y_label : str
        Quantity and unit.
    colours : sequence of str, optional
        At least one for each curve.  By default four, which everyone can tell apart.

    Returns
    -------
    figure : matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If there is no curve, one has not as many values as x, or there are more
        curves than colours.

    Examples
    --------
    >>> figure = lines([0, 1], {"max": [0, 2]}, x_label="shift", y_label="change")
    """
    _check_curves(x, curves)
    colours = [ACCENT, DOG, CAT, QUIET] if colours is None else colours
    if len(curves) > len(colours):
        raise ValueError(
            f"{len(curves)} curves need as many colours; got {len(colours)}; pass "
            "more colours, or draw fewer curves"
        )
    figure, axis = plt.subplots(figsize=(WIDTH, 3.2))
    ends = []
    for (name, values), colour in zip(curves.items(), colours, strict=False):
        axis.plot(x, values, color=colour, marker="o", markersize=5)
        ends.append((x[-1], values[-1], name, colour))
    axis.set_xlabel(x_label)
    axis.set_ylabel(y_label)
    axis.set_ylim(bottom=min(0, axis.get_ylim()[0]))
    if all(float(place).is_integer() for place in x):
        axis.xaxis.get_major_locator().set_params(integer=True)  # type: ignore[call-arg]
    _label_ends(axis, ends)
    return figure


@styled
def votes(
    contributions: npt.ArrayLike,
    class_names: Sequence[str],
    *,
    top: int = 8,
    names: Sequence[str] | None = None,
) -> Figure:
    """Draw the features that push hardest towards each of two classes.

    Parameters
    ----------
    contributions : ndarray of shape (D,)
        Feature times the difference of its two weights: above zero pushes towards
        the first class, below zero towards the second.
    class_names : (str, str)
    top : int
        Features shown for each class, at least 1; the rest is added up in one bar.
    names : sequence of str, optional
        Name of each feature; by default its index.

    Returns
    -------
    figure : matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If the shape is another, ``top`` is below 1, or names are not one for each
        feature, or not two for the classes.

    Examples
    --------
    >>> figure = votes(np.array([2., -1., 0.1]), ("cat", "dog"), top=1)
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['feature 0', '1 others', 'feature 1']
    """
    contributions = check_shape(contributions, "(D,)", "contributions").astype(float)
    check_count(class_names, 2, "class_names")
    check_count(names, len(contributions), "names")
    check_whole(top, "top")
    if names is None:
        names = [f"feature {i}" for i in range(len(contributions))]
    order = np.argsort(-contributions)
    first = [i for i in order[:top] if contributions[i] > 0]
    second = [i for i in order[-top:] if contributions[i] < 0 and i not in first]
    rest = np.setdiff1d(order, first + second)
    rows = [(names[i], contributions[i]) for i in first]
    if len(rest):
        rows.append((f"{len(rest)} others", contributions[rest].sum()))
    rows += [(names[i], contributions[i]) for i in second]

    figure, axis = plt.subplots(figsize=(WIDTH, 0.33 * len(rows) + 1))
    values = np.array([value for _, value in rows])
    colours = [CLASS_COLOURS[0] if v > 0 else CLASS_COLOURS[1] for v in values]
    axis.barh(range(len(rows)), values, color=colours, height=0.65)
    axis.set_yticks(range(len(rows)), [name for name, _ in rows])
    axis.invert_yaxis()
    axis.axvline(0, color=QUIET, lw=1)
    reach = 1.1 * np.abs(values).max() or 1
    axis.set_xlim(-reach, reach)
    axis.tick_params(left=False)
    axis.spines["left"].set_visible(False)
    axis.text(
        1,
        1.01,
        f"{class_names[0]} →",
        transform=axis.transAxes,
        ha="right",
        color=CLASS_COLOURS[0],
        fontweight="bold",
    )
    axis.text(
        0,
        1.01,
        f"← {class_names[1]}",
        transform=axis.transAxes,
        color=CLASS_COLOURS[1],
        fontweight="bold",
    )
    axis.set_xlabel("vote (difference of the two logits)")
    return figure


def _check_curves(x, curves):
    """Insist on at least one curve, and on a value for each x in each."""
    check_some(curves, "curves", "curve")
    check_shape(x, "(M,)", "x")
    for name, values in curves.items():
        check_count(values, len(x), f"the values of {name!r}")


def _label_ends(axis, ends):
    """Write each curve's name at its last point, where no legend is needed.

    ``ends`` holds (x, y, name, colour).  Names of curves that end close together are
    moved apart.
    """
    axis.figure.canvas.draw()  # the scale of the axes is not settled before
    points = 72 / axis.figure.dpi
    heights = [axis.transData.transform((x, y))[1] * points for x, y, *_ in ends]
    apart = 1.35 * plt.rcParams["font.size"]
    free = -np.inf
    for i in np.argsort(heights, kind="stable"):
        x, y, name, colour = ends[i]
        place = max(heights[i], free)
        free = place + apart
        axis.annotate(
            name,
            (x, y),
            xytext=(7, place - heights[i]),
            textcoords="offset points",
            va="center",
            color=colour,
            annotation_clip=False,
        )
