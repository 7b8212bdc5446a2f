"""Charts of metrics show the numbers that they are given."""

import numpy as np
import pytest

from cnnbook import figures, training


def test_points_stand_at_their_values_with_their_intervals_beside():
    figure = figures.estimates(
        ["a", "b"], [0.5, 0.9], [0.4, 0.85], [0.6, 0.95], axis_label="accuracy"
    )
    (axis,) = figure.axes
    points = [line.get_xdata() for line in axis.lines if line.get_marker() == "o"]
    assert np.ravel(points).tolist() == [0.5, 0.9]
    spans = [line.get_xdata() for line in axis.lines if line.get_marker() != "o"]
    assert np.ravel(spans).tolist() == [0.4, 0.6, 0.85, 0.95]
    assert [text.get_text() for text in axis.texts] == ["50.0%", "90.0%"]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["a", "b"]


def test_differences_are_written_in_points_with_a_sign():
    figure = figures.estimates(
        ["a", "b"],
        [-0.031, 0.012],
        [-0.05, 0],
        [-0.01, 0.02],
        axis_label="change",
        reference=0,
        signed=True,
    )
    assert [text.get_text() for text in figure.axes[0].texts] == ["-3.1", "+1.2"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"names": []}, "at least one name"),
        ({"lows": [0.1]}, "lows must have 2 items"),
        ({"colours": ["red"]}, "colours must have 2 items"),
    ],
)
def test_what_does_not_belong_together_is_refused(change, message):
    given = {"names": ["a", "b"], "values": [0, 0], "lows": [0, 0], "highs": [0, 0]}
    with pytest.raises(ValueError, match=message):
        figures.estimates(**given | change, axis_label="x")


def test_the_reliability_diagram_leaves_empty_bins_out(rng):
    sure = np.array([0.55, 0.97, 0.98])
    probabilities = np.stack([sure, 1 - sure], axis=1)
    found = training.reliability(probabilities, np.array([0, 0, 1]))
    above, below = figures.reliability_diagram(found).axes
    (points,) = [line for line in above.lines if line.get_marker() == "o"]
    np.testing.assert_allclose(points.get_xdata(), [0.55, 0.975])
    np.testing.assert_allclose(points.get_ydata(), [1, 0.5])
    heights = [bar.get_height() for bar in below.patches]
    assert heights == found.counts.tolist()


def test_learning_curves_have_a_tick_at_each_count():
    figure = figures.learning_curves(
        [50, 100, 2000], {"a": [0.6, 0.7, 0.9]}, chance=0.5
    )
    (axis,) = figure.axes
    assert [label.get_text() for label in axis.get_xticklabels()] == [
        "50",
        "100",
        "2,000",
    ]
    assert axis.get_ylim()[0] < 0.5


def test_both_of_a_pair_stand_on_one_line_with_their_intervals():
    pairs = [((4, 3, 5), (1, 0.5, 1.5)), ((2, 1.5, 2.5), (0.9, 0.8, 1.1))]
    figure = figures.paired_estimates(
        ["a", "b"], pairs, ["trained", "random"], axis_label="times", bounds=[3]
    )
    (axis,) = figure.axes
    points = {line.get_label(): line for line in axis.lines if line.get_marker() != ""}
    points = {label: line for label, line in points.items() if label[0] != "_"}
    assert {label: list(line.get_xdata()) for label, line in points.items()} == {
        "trained": [4, 2],
        "random": [1, 0.9],
    }
    assert all(list(line.get_ydata()) == [0, 1] for line in points.values())
    spans = [
        [tuple(part[:, 0]) for part in lines.get_segments()]
        for lines in axis.collections
    ]
    assert spans == [[(3, 5), (1.5, 2.5)], [(0.5, 1.5), (0.8, 1.1)]]
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["a", "b"]


@pytest.mark.parametrize(
    ("names", "pairs", "message"),
    [
        ([], [], "at least one name"),
        (["a", "b"], [((1, 1, 1),) * 2], "pairs must have 2"),
    ],
)
def test_pairs_that_do_not_belong_together_are_refused(names, pairs, message):
    with pytest.raises(ValueError, match=message):
        figures.paired_estimates(names, pairs, ["x", "y"], axis_label="times")
