"""What the seven claims come to for named networks, and for networks that are broken.

The classifier is the book's own, trained on drawn pets; VGG19 has the stand-in's
weights; the picture is the model cat.
"""

import functools
import os

import keras
import numpy as np
import pytest

from cnnbook import maps, networks, pictures, studies, training

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("built")]

ENDS = {
    "classifier": ["block1_relu", "block2_relu", "block3_relu"],
    "vgg19": [f"block{block}_conv{2 if block < 3 else 4}" for block in range(1, 6)],
}
FIRST = {"classifier": "block1_relu", "vgg19": "block1_conv1"}
SIZES = {"classifier": (96, 96), "vgg19": (224, 224)}
each_network = pytest.mark.parametrize("name", ENDS)


@pytest.fixture(scope="module")
def models(built_from):
    built = built_from("drawn")
    return {"classifier": built.model, "vgg19": networks.load_vgg19("stand-in")}


@functools.cache
def cat(name):
    return pictures.model_cat(size=SIZES[name])


def detail(network, name):
    crops = pictures.photo_crops(60, (96, 96))
    practice, deciding = np.concatenate([crops[0::3], crops[1::3]]), crops[2::3]
    painters = maps.fit_readouts(network, practice, deciding, ENDS[name])
    picture = pictures.model_cat(size=(96, 96))[None]
    return studies.claims.detail_fades(maps.detail_kept(network, picture, painters))


def borders(network, name):
    layer, picture = FIRST[name], cat(name)
    start = keras.Model(network.inputs, network.get_layer(layer).output)
    orders = [networks.with_shuffled_weights(start, seed=100 + n) for n in range(19)]
    likeness, *chance = (
        maps.border_likeness(
            maps.feature_maps(m, picture[None], layer)[layer][0], picture
        )
        for m in (start, *orders)
    )
    return studies.claims.first_layer_sees_borders(likeness, chance)


def fields(network, name, layers):
    computed = {
        layer: maps.receptive_field(network, layer, input_size=SIZES[name]).size[0]
        for layer in layers
    }
    # Of the picture, its middle is enough: what lies beyond their fields cannot count.
    rows, columns = (slice((side - 96) // 2, (side + 96) // 2) for side in SIZES[name])
    middle = cat(name)[None, rows, columns]
    measured = {
        layer: max(maps.effective_receptive_field(network, layer, middle).size)
        for layer in layers
    }
    return studies.claims.fields_grow(computed, measured)


def silence(network, name):
    found = maps.feature_maps(network, cat(name)[None], ENDS[name])
    return studies.claims.silence_grows(
        {layer: float(maps.silent_channels(m).mean()) for layer, m in found.items()}
    )


def moved(network, name):
    """Measure how much a shift changes maps, before pools and behind them."""
    rows, columns = SIZES[name]
    wide = pictures.model_cat(size=(rows, columns + 4))[None]
    ends = ENDS[name]
    pools = [f"{layer.split('_')[0]}_pool" for layer in ends]
    changes = maps.shift_changes(network, wide, [*ends, *pools])
    before = {p: changes[end] for p, end in zip(pools, ends, strict=True)}
    return before, {pool: changes[pool] for pool in pools}


@pytest.fixture(scope="module")
def subsampled(models):
    """Return a function of a network's name: how it moves, its copy, and how that."""

    @functools.cache
    def measured(name):
        copy = networks.with_subsampling(models[name])
        return moved(models[name], name), copy, moved(copy, name)

    return measured


def pair(name):
    """Return two pictures, each as small as the network takes them.

    To be one linear map or not is the same at every size.
    """
    picture = pictures.model_cat(size={"classifier": (96, 96), "vgg19": (64, 64)}[name])
    return picture[None], picture[None, :, ::-1] / 2


def bends(network, name, bare):
    return studies.claims.depth_needs_activations(
        *(maps.superposition_gap(m, *pair(name)) for m in (network, bare))
    )


@each_network
def test_early_maps_keep_detail_that_deep_maps_lose(models, name):
    assert detail(models[name], name).holds


def test_with_shuffled_weights_most_of_the_detail_comes_through(models):
    shuffled = networks.with_shuffled_weights(models["classifier"])

    finding = detail(shuffled, "classifier")

    assert not finding.holds
    assert "Most of what the first layer keeps is still there" in finding.sentence


@each_network
def test_the_first_layer_answers_to_borders(models, name):
    assert borders(models[name], name).holds


@each_network
def test_with_shuffled_weights_it_no_longer_does(models, name):
    assert not borders(networks.with_shuffled_weights(models[name]), name).holds


@pytest.mark.parametrize(
    ("name", "layers"),
    [("classifier", ENDS["classifier"]), ("vgg19", ENDS["vgg19"][:3])],
)
def test_deeper_units_answer_to_larger_parts(models, name, layers):
    assert fields(models[name], name, layers).holds


def test_units_that_look_at_one_value_only_do_not(models):
    """The kernels of the stand-in's block3_conv4 repeat the layer before."""
    finding = fields(models["vgg19"], "vgg19", ["block3_conv3", "block3_conv4"])

    assert not finding.holds
    assert "can see 40 pixels on a side, one of block3_conv4 48" in finding.sentence
    assert "does not grow with depth" in finding.sentence


@each_network
def test_silence_does_not_rise_steadily_with_depth(models, name):
    finding = silence(models[name], name)

    assert not finding.holds
    says = {
        "classifier": "Not one filter stays black",
        "vgg19": "in block2_conv2, 57 %. Some filters stay black, but their share",
    }
    assert says[name] in finding.sentence


def test_where_deeper_filters_are_held_down_it_does(models):
    broken = networks.with_shuffled_weights(models["classifier"])
    for block, count in ((2, 4), (3, 20)):  # of 32, and of 64
        conv = broken.get_layer(f"block{block}_conv")
        kernel, bias = conv.get_weights()
        bias[:count] = -1e3
        conv.set_weights([kernel, bias])

    assert silence(broken, "classifier").holds


@each_network
def test_without_activations_no_filter_stays_black(models, name):
    bare = networks.without_activations(models[name])

    finding = silence(bare, name)

    assert not finding.holds
    assert "Not one filter stays black" in finding.sentence


@each_network
def test_pooling_makes_the_maps_care_less_about_small_shifts(subsampled, name):
    pooled, _, control = subsampled(name)

    assert studies.claims.pooling_forgives(*pooled, control).holds


@each_network
def test_keeping_one_value_of_each_window_does_not(subsampled, name):
    _, copy, control = subsampled(name)

    assert not studies.claims.pooling_forgives(*control, control).holds

    # It is its own control: there is nothing left that could be kept.
    picture, _ = pair(name)
    again = networks.with_subsampling(copy)
    np.testing.assert_array_equal(again(picture), copy(picture))


@each_network
def test_without_activations_all_layers_are_one_linear_map(models, name):
    network = models[name]
    bare = networks.with_average_pools(networks.without_activations(network))

    assert bends(network, name, bare).holds


@each_network
def test_with_a_single_kind_of_bend_left_they_are_not(models, name):
    """Max pools are left in; or activations, with average pools."""
    network = models[name]
    for broken in (
        networks.without_activations(network),
        networks.with_average_pools(network),
    ):
        finding = bends(network, name, broken)
        assert not finding.holds
        assert "something bends still" in finding.sentence


def decided(trials):
    by_stages = {trial.stages: trial for trial in trials}
    return studies.claims.deeper_is_not_always_better(
        {n: trial.metrics.accuracy for n, trial in by_stages.items()},
        {n: trial.gain for n, trial in by_stages.items() if n > 1},
        {n: trial.multiplications for n, trial in by_stages.items()},
    )


def test_on_photographs_each_stage_up_to_four_brought_a_sure_gain():
    finding = decided(studies.depth.recorded())

    assert not finding.holds
    assert finding.sentence.startswith("4 stages do best")
    assert "gain beyond the margin of error" in finding.sentence


def test_where_there_is_nothing_to_learn_no_stage_brings_a_gain(rng):

    noise = rng.integers(0, 256, (64, 16, 16, 3)).astype(np.uint8)
    split = pictures.Split(noise, rng.permutation(64) % 2)
    pets = pictures.Pets(split, split, None, ("cat", "dog"), "made", "made here", True)
    recipe = training.Recipe(pictures=6 * 64, size=16)

    assert decided(studies.depth.compare_depths(pets, recipe, progress=False)).holds


on_photographs = pytest.mark.skipif(
    not os.environ.get("CNNBOOK_PHOTOS"),
    reason="CNNBOOK_PHOTOS names no photographs (the book must be built from them too)",
)


@on_photographs
def test_trained_on_photographs_the_classifier_bears_out_nearly_the_same_claims(
    built_from,
):
    network, name = built_from("photos").model, "classifier"
    bare = networks.with_average_pools(networks.without_activations(network))

    # About half of the detail is left, so either verdict may come out.
    assert "each step on the way loses some" in detail(network, name).sentence
    assert borders(network, name).holds
    assert fields(network, name, ENDS[name]).holds
    assert not silence(network, name).holds
    control = moved(networks.with_subsampling(network), name)
    assert studies.claims.pooling_forgives(*moved(network, name), control).holds
    assert bends(network, name, bare).holds
