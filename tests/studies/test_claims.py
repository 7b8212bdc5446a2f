"""Each rule finds for the claim, and against it, on numbers made for it.

That networks are judged rightly is proved in test_verdicts.py.
"""

import pytest

from cnnbook import studies


@pytest.mark.parametrize(
    ("shares", "holds", "says"),
    [
        ([0.9, 0.6, 0.2], True, "each step on the way loses some. Detail is lost, as"),
        ([0.9, 0.95, 0.2], False, "not every step loses some. Detail is lost, though"),
        ([0.9, 0.8, 0.46], False, "Most of what the first layer keeps is still there"),
        ([0.9, 0.5, -0.3], True, "from c3 −30 %"),
    ],
)
def test_detail_fades_if_it_falls_at_each_step_and_to_less_than_half(
    shares, holds, says
):
    finding = studies.claims.detail_fades(
        dict(zip(("c1", "c2", "c3"), shares, strict=True))
    )

    assert finding.holds is holds
    assert says in finding.sentence
    assert "From c1 a linear readout gets back 90 % of the detail" in str(finding)


@pytest.mark.parametrize(
    ("likeness", "shuffled", "holds", "says"),
    [
        (0.8, [0.1, 0.79], True, "0.80. With the layer's weights in 2 random orders"),
        (0.5, [0.1, 0.51], False, "no better than chance would"),
        (-0.1, [-0.5, -0.4], False, "does not answer to borders"),
        (0.1, [-0.5, -0.4], True, "it is −0.40 at best"),
    ],
)
def test_borders_are_seen_if_no_random_order_of_the_weights_sees_them_as_well(
    likeness, shuffled, holds, says
):
    finding = studies.claims.first_layer_sees_borders(likeness, shuffled)

    assert finding.holds is holds
    assert says in finding.sentence


@pytest.mark.parametrize(
    ("measured", "holds", "says"),
    [
        ([3, 7, 15], True, "grows from layer to layer"),
        ([3, 7, 7], False, "though not at every step"),
        ([3, 3, 3], False, "does not grow with depth"),
        ([3, 7, 23], False, "does not grow with depth"),  # more than can be seen
    ],
)
def test_fields_grow_if_the_measured_ones_do_within_the_computed_ones(
    measured, holds, says
):
    names = ("c1", "c2", "c3")
    computed = dict(zip(names, (3, 8, 18), strict=True))

    finding = studies.claims.fields_grow(
        computed, dict(zip(names, measured, strict=True))
    )

    assert finding.holds is holds
    assert says in finding.sentence
    assert (
        "one of c3 18; measured, nearly all of the influence comes from 3 and "
        in finding.sentence
    )


@pytest.mark.parametrize(
    ("shares", "holds", "says"),
    [
        ([0.0, 0.1, 0.1], True, "more of them deeper down"),
        (
            [0.1, 0.3, 0.2],
            False,
            "; most are in c2, 30 %. Some filters stay black, but",
        ),
        ([0.2, 0.1, 0.3], False, "does not rise steadily"),
        ([0.1, 0.1, 0.1], False, "does not rise steadily"),
        ([0.0, 0.0, 0.0], False, "Not one filter stays black"),
    ],
)
def test_silence_grows_if_no_layer_has_less_of_it_and_the_last_has_more(
    shares, holds, says
):
    finding = studies.claims.silence_grows(
        dict(zip(("c1", "c2", "c3"), shares, strict=True))
    )

    assert finding.holds is holds
    assert says in finding.sentence


ALIKE = {"p1": [0.4, 0.6], "p2": [0.2, 0.2]}
LOWER = {"p1": [0.2, 0.55], "p2": [0.1, 0.1]}
HIGHER = {"p1": [0.6, 0.6], "p2": [0.4, 0.4]}  # by 20 % and 100 %
MIXED = {"p1": [0.2, 0.3], "p2": [0.3, 0.3]}


@pytest.mark.parametrize(
    ("after", "subsampled", "holds", "says"),
    [
        # means fall from 0.5 to 0.375 and from 0.2 to 0.1: by 25 % and 50 %
        (LOWER, ALIKE, True, "Behind 2 of 2 pools the maps change less"),
        (
            LOWER,
            ALIKE,
            True,
            "the change falls by 38 %. Where one value of each window",
        ),
        (LOWER, LOWER, False, "instead, it falls by 38 %. So it is not the pooling"),
        (MIXED, ALIKE, False, "Behind 1 of 2 pools"),
        (HIGHER, ALIKE, False, "the change rises by 60 %"),
        (LOWER, HIGHER, True, "instead, it rises by 60 %"),
    ],
)
def test_pooling_forgives_if_most_pools_lower_the_change_more_than_subsampling(
    after, subsampled, holds, says
):
    finding = studies.claims.pooling_forgives(ALIKE, after, (ALIKE, subsampled))

    assert finding.holds is holds
    assert says in finding.sentence


@pytest.mark.parametrize(
    ("bent", "straight", "holds", "says"),
    [
        (
            0.2,
            3e-7,
            True,
            "misses the half way point of two pictures' answers by 0.0000",
        ),
        (0.2, 3e-3, False, "something bends still. With them it misses by 0.2."),
        (1e-3, 3e-7, False, "makes no use of its activations"),
    ],
)
def test_depth_needs_activations_if_only_the_network_without_them_is_linear(
    bent, straight, holds, says
):
    finding = studies.claims.depth_needs_activations(bent, straight)

    assert finding.holds is holds
    assert says in finding.sentence


def gains(accuracy, margin=0.03):
    steps = {n: accuracy[n] - accuracy[n - 1] for n in accuracy if n > 1}
    return {n: (step, step - margin, step + margin) for n, step in steps.items()}


@pytest.mark.parametrize(
    ("accuracies", "holds", "says"),
    [
        ((0.6, 0.7, 0.8, 0.9), False, "Here each further stage brings a gain beyond"),
        (
            (0.6, 0.7, 0.8, 0.81),
            True,
            "From 3 to 4 stages the gain is within the margin",
        ),
        (
            (0.6, 0.7, 0.9, 0.8),
            True,
            "From 3 to 4 stages the accuracy falls, so deeper",
        ),
        (
            (0.6, 0.62, 0.9, 0.8),
            True,
            "3 stages do best, with 90 % right; 1 stage gets",
        ),
        ((0.9, 0.7, 0.6, 0.5), True, "1 stage does best, with 90 % right. From 1 to 2"),
    ],
)
def test_deeper_is_not_always_better_if_a_stage_more_brings_no_sure_gain(
    accuracies, holds, says
):
    accuracy = dict(enumerate(accuracies, start=1))
    costs = {1: 1e6, 2: 2e6, 3: 4e6, 4: 5e6}

    finding = studies.claims.deeper_is_not_always_better(
        accuracy, gains(accuracy), costs
    )

    assert finding.holds is holds
    assert says in finding.sentence


def test_the_cost_is_told_beside_the_accuracy():
    accuracy = {1: 0.6, 2: 0.8}

    finding = studies.claims.deeper_is_not_always_better(
        accuracy, gains(accuracy), {1: 1e6, 2: 4e6}
    )

    assert "1 stage gets 60 %, at 25 % of the cost" in finding.sentence
