"""Controls tell maps that explain from maps that only look so."""

import keras
import numpy as np
import pytest
from scipy.stats import spearmanr

from cnnbook import explanations
from cnnbook.explanations import Explanation, truth
from cnnbook.networks import build_classifier
from cnnbook.pictures import draw_pets


def test_signs_against_the_class_do_not_count_as_attribution():
    maps = np.array([[[3.0, 1.0], [-9.0, 0.0]]])
    masks = np.array([[[True, False], [True, False]]])
    shares, areas = explanations.attribution_inside(maps, masks)
    assert (shares.item(), areas.item()) == (0.75, 0.5)


def test_a_map_that_pays_no_attention_has_density_one_and_so_has_an_empty_map(rng):
    masks = rng.random((4, 6, 6)) < 0.3
    for maps in (np.ones((4, 6, 6)), np.zeros((4, 6, 6))):
        shares, areas = explanations.attribution_inside(maps, masks)
        assert explanations.density(shares, areas) == pytest.approx(1)


def test_a_map_of_a_picture_without_the_part_has_nothing_there():
    masks = np.zeros((2, 3, 3), bool)
    masks[0, 0, 0] = True
    shares, areas = explanations.attribution_inside(np.ones((2, 3, 3)), masks)
    assert shares.tolist() == areas.tolist() == [1 / 9, 0]


def test_the_pointing_game_shares_a_hit_among_equals():
    maps = np.array([[[1.0, 1.0], [0.0, 0.0]]])
    masks = np.array([[[True, False], [False, False]]])
    assert explanations.pointing_game(maps, masks).item() == 0.5
    assert explanations.pointing_game(maps, ~masks).item() == 0.5


def test_the_area_under_the_curve_counts_pairs_and_the_rank_correlation_is_scipys(rng):
    maps = rng.integers(0, 5, (3, 8, 8)).astype(float)  # with ties
    others, masks = rng.random((3, 8, 8)), rng.random((3, 8, 8)) < 0.3
    for i in range(3):
        inside, outside = maps[i][masks[i]][:, None], maps[i][~masks[i]]
        expected = ((inside > outside) + 0.5 * (inside == outside)).mean()
        assert explanations.pixel_auc(maps, masks)[i] == pytest.approx(expected)
        expected = spearmanr(maps[i].ravel(), others[i].ravel()).statistic
        assert explanations.similarity(maps, others)[i] == pytest.approx(expected)


def test_a_flat_map_is_similar_to_nothing(rng):
    flat, maps = np.ones((1, 4, 4)), rng.random((1, 4, 4))
    assert explanations.similarity(flat, maps).item() == 0


def test_only_whiskers_are_given_a_tolerance_and_it_is_as_stated():
    pets = draw_pets(2, size=64, seed=3)
    exact, wide = (
        explanations.telling_parts(pets.part_masks, tolerance=n) for n in (0, 3)
    )
    parts = [pets.part_masks[part] for part in truth.TELLING]
    np.testing.assert_array_equal(exact, np.any(parts, axis=0))
    rows, columns = np.nonzero((wide & ~exact)[0])
    whiskers = np.argwhere(pets.part_masks["whiskers"][0])
    for place in zip(rows, columns, strict=True):
        assert np.abs(whiskers - place).max(axis=1).min() <= 3


@pytest.fixture
def network():
    return build_classifier((16, 16, 3), filters=(3, 4))


@pytest.fixture
def pictures(rng):
    return rng.random((4, 16, 16, 3), np.float32)


def test_weights_are_randomised_from_the_end_in_a_copy(network):
    before = [array.copy() for array in network.get_weights()]
    kernels = {
        layer.name: layer.kernel.numpy()
        for layer in network.layers
        if hasattr(layer, "kernel")
    }
    done = []
    for layer, changed in explanations.with_random_weights(network, seed=1):
        done.append(layer)
        for name, kernel in kernels.items():
            same = np.array_equal(changed.get_layer(name).kernel.numpy(), kernel)
            assert same == (name not in done)
    assert done == ["logits", "block2_conv", "block1_conv"]
    for old, now in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(old, now)


@pytest.mark.parametrize("separable", [False, True])
def test_random_depthwise_kernels_have_the_deviation_of_one_channel(separable):
    kind = keras.layers.SeparableConv2D if separable else keras.layers.DepthwiseConv2D
    outputs = {"filters": 64} if separable else {}
    model = keras.Sequential(
        [
            keras.Input((16, 16, 96)),
            kind(**outputs, kernel_size=(5, 4), depth_multiplier=2, name="each"),
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ]
    )
    *_, (_, changed) = explanations.with_random_weights(model, seed=0)
    kernel, *others = changed.get_layer("each").get_weights()
    assert kernel.shape == (5, 4, 96, 2)
    assert kernel.std() == pytest.approx(np.sqrt(2 / (5 * 4)), rel=0.05)
    if separable:  # its second kernel sees all channels, at one place
        assert others[0].std() == pytest.approx(np.sqrt(2 / 192), rel=0.05)
    assert not others[-1].any()


def test_curves_run_from_the_baseline_to_the_image_and_back(network, pictures):
    maps = np.random.default_rng(0).random((4, 16, 16))
    whole = explanations.class_probabilities(network, pictures)[:, 1]
    black = explanations.class_probabilities(network, np.zeros_like(pictures))[:, 1]
    rising = explanations.insertion_curve(network, pictures, 1, maps, steps=5)
    falling = explanations.deletion_curve(network, pictures, 1, maps, steps=5)
    np.testing.assert_allclose(rising[:, [0, -1]], np.stack([black, whole], 1), 1e-5)
    np.testing.assert_allclose(falling[:, [0, -1]], np.stack([whole, black], 1), 1e-5)


def test_the_true_map_makes_the_score_rise_sooner_than_its_opposite(rng):
    model = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(1)]
    )
    weights = rng.normal(size=(64, 1))
    model.set_weights([weights, np.zeros(1)])
    images = rng.random((3, 8, 8, 1), np.float32)
    best = images[..., 0] * weights.reshape(8, 8)
    means = {
        name: draw(model, images, 1, maps).mean()
        for name, draw, maps in (
            ("inserted best first", explanations.insertion_curve, best),
            ("inserted worst first", explanations.insertion_curve, -best),
            ("deleted best first", explanations.deletion_curve, best),
            ("deleted worst first", explanations.deletion_curve, -best),
        )
    }
    assert means["inserted best first"] > means["inserted worst first"] + 0.2
    assert means["deleted best first"] < means["deleted worst first"] - 0.2


def test_an_edge_detector_is_found_out_by_both_controls(network, pictures):
    def edges(model, images, target):
        maps = np.abs(np.diff(images.mean(axis=-1), axis=1, append=0))
        return Explanation(
            maps, "edges", target, None, np.zeros(len(images)), "", (16, 16), False
        )

    masks = np.zeros((4, 16, 16), bool)
    masks[:, 4:12, 4:12] = True
    found = explanations.assess(edges, network, pictures, 0, masks=masks)
    summary = found.summary()
    assert summary["other_class"][0] == pytest.approx(1)
    assert summary["random_weights"][0] == pytest.approx(1)
    assert summary["random_density"] == summary["density"]


@pytest.mark.slow
def test_votes_for_one_of_two_classes_are_opposite_to_those_for_the_other(pictures):
    network = build_classifier((16, 16, 3), filters=(3, 4))
    kernel, bias = network.layers[-1].get_weights()
    network.layers[-1].set_weights([np.stack([kernel[:, 0], -kernel[:, 0]], 1), bias])

    def votes(model, images, target):
        return explanations.occlusion_map(model, images, target, window=4)

    found = explanations.assess(votes, network, pictures, 0)
    np.testing.assert_allclose(found.other_class, -1, atol=0.01)
    assert found.shares is None
    assert set(found.summary()) == {
        "random_end",
        "random_weights",
        "other_class",
        "insertion",
        "deletion",
    }


@pytest.mark.slow
def test_intervals_hold_their_means_and_narrow_with_the_images(network, rng):
    widths = []
    for count in (6, 96):
        images = rng.random((count, 16, 16, 3), np.float32)
        masks = np.zeros((count, 16, 16), bool)
        masks[:, :8] = True
        found = explanations.assess(
            explanations.saliency_map, network, images, 0, masks=masks
        )
        mean, low, high = found.summary()["share"]
        assert low <= mean <= high
        widths.append(high - low)
    assert widths[1] < widths[0]


def test_masks_must_fit_the_maps(network, pictures):
    with pytest.raises(ValueError, match="on_pixels spreads maps"):
        explanations.assess(
            explanations.saliency_map,
            network,
            pictures,
            0,
            masks=np.eye(8, dtype=bool)[None].repeat(4, axis=0),
        )


@pytest.mark.parametrize("everything", [False, True])
def test_masks_that_hold_nothing_or_everything_are_refused(
    network, pictures, everything
):
    masks = np.full((4, 16, 16), everything)
    with pytest.raises(ValueError, match="hold some pixels, and not all of them"):
        explanations.assess(
            explanations.saliency_map, network, pictures, 0, masks=masks
        )


@pytest.mark.parametrize(
    ("target", "other"), [(0, 0), ("cat", 0), ([0, 1, 0, 1], 1), (1, [0, 0, 0, 1])]
)
def test_the_other_class_must_be_another(network, pictures, target, other):
    network.class_names = ("cat", "dog")
    with pytest.raises(ValueError, match="another class than the target"):
        explanations.assess(
            explanations.saliency_map, network, pictures, target, other=other
        )


@pytest.mark.parametrize("masked", [False, True])
def test_curves_are_drawn_with_masks_or_without_by_their_own_options(
    network, pictures, masked
):
    masks = np.zeros((4, 16, 16), bool)
    masks[:, 4:12, 4:12] = True
    baseline = [0.1, 0.2, 0.3]
    found = explanations.assess(
        explanations.saliency_map,
        network,
        pictures,
        1,
        masks=masks if masked else None,
        steps=5,
        baseline=baseline,
    )
    maps = explanations.saliency_map(network, pictures, 1).values
    for curve, draw in (
        (found.insertion, explanations.insertion_curve),
        (found.deletion, explanations.deletion_curve),
    ):
        expected = draw(network, pictures, 1, maps, steps=5, baseline=baseline)
        assert expected.shape == (4, 6)
        np.testing.assert_array_equal(curve, expected)
    filled = np.broadcast_to(np.float32(baseline), pictures.shape)
    filled = explanations.class_probabilities(network, filled)[:, 1]
    np.testing.assert_allclose(found.insertion[:, 0], filled, rtol=1e-5)
    np.testing.assert_allclose(found.deletion[:, -1], filled, rtol=1e-5)
    summary = found.summary()
    assert {"random_end", "random_weights", "insertion", "deletion"} <= set(summary)
    assert ("share" in summary) == masked
    ends = list(found.random_weights.values())
    assert summary["random_end"][0] == pytest.approx(ends[0].mean())
    assert summary["random_weights"][0] == pytest.approx(ends[-1].mean())


def test_means_of_curves_are_those_worked_out_on_paper():
    # The left of two pixels triples the odds of the class, the right one divides them
    # by three.
    model = keras.Sequential(
        [keras.Input((1, 2, 1)), keras.layers.Flatten(), keras.layers.Dense(1)]
    )
    model.set_weights([np.log([[3.0], [1 / 3]]), np.zeros(1)])

    def votes(model, images, target):
        return explanations.occlusion_map(model, images, target, window=1)

    found = explanations.assess(votes, model, np.ones((1, 1, 2, 1)), 1, steps=2)
    np.testing.assert_allclose(found.insertion, [[1 / 2, 3 / 4, 1 / 2]], rtol=1e-5)
    np.testing.assert_allclose(found.deletion, [[1 / 2, 1 / 4, 1 / 2]], rtol=1e-5)
    summary = found.summary()
    assert summary["insertion"] == pytest.approx([7 / 12] * 3)
    assert summary["deletion"] == pytest.approx([5 / 12] * 3)
