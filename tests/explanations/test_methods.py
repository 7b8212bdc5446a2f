"""Maps are those worked out on paper, for every kind of classifier's end."""

import gc
import inspect
import subprocess
import sys
import weakref
from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf

from cnnbook import explanations
from cnnbook.networks import build_classifier, head

pytestmark = pytest.mark.xdist_group("explanations")

WEIGHTS = np.array(
    [[2.0, -1], [-3, 5], [1, 0], [0.5, -4]]
)  # of 2 × 2 pixels, 2 classes


def linear(activation=None, units=2):
    """A classifier whose logits are weighted sums of four pixels."""
    layers = [
        keras.Input((2, 2, 1)),
        keras.layers.Flatten(),
        keras.layers.Dense(units, activation=activation, name="scores"),
    ]
    model = keras.Sequential(layers)
    model.set_weights([WEIGHTS[:, -units:], np.zeros(units)])
    return model


def behind(model, *layers):
    """Return a model with more layers at its end."""
    (outputs,) = model.outputs
    for layer in layers:
        outputs = layer(outputs)
    return keras.Model(model.inputs[0], outputs)


@pytest.fixture
def pixels(rng):
    return rng.random((3, 2, 2, 1), np.float32)


def cats_and_dogs():
    network = build_classifier((16, 16, 3), filters=(3, 4))
    network.class_names = ("cat", "dog")
    return network


@pytest.fixture(scope="module")
def network():
    """One for all tests, so that methods are compiled once; not to be changed."""
    return cats_and_dogs()


@pytest.fixture
def fresh():
    """One that no test has seen, and that may be changed."""
    return cats_and_dogs()


@pytest.fixture
def pictures(rng):
    return rng.random((3, 16, 16, 3), np.float32)


QUICK = {
    "occlusion": {"window": 4},
    "lime": {"samples": 40, "segments": 8},
    "smooth-grad": {"samples": 3},
    "integrated-gradients": {"steps": 4},
}


CLASS_MAPS = [
    name for name, method in explanations.METHODS.items() if "layer" in method.options
]


def quick(name):
    """A method by its name, with little work to do."""
    return partial(explanations.explain, name, **QUICK.get(name, {}))


@pytest.mark.parametrize("activation", [None, "softmax"])
@pytest.mark.parametrize("target", [0, 1])
def test_saliency_of_a_linear_model_is_its_absolute_weights(pixels, activation, target):
    found = explanations.saliency_map(linear(activation), pixels, target)
    expected = np.abs(WEIGHTS[:, target]).reshape(2, 2)
    np.testing.assert_allclose(found.values, np.stack([expected] * 3), rtol=1e-5)


@pytest.mark.parametrize("activation", [None, "softmax"])
def test_occlusion_of_a_linear_model_is_the_hidden_sum(pixels, activation):
    found = explanations.occlusion_map(linear(activation), pixels, 0, window=(1, 2))
    products = pixels[..., 0] * WEIGHTS[:, 0].reshape(2, 2)
    np.testing.assert_allclose(
        found.values, products.sum(axis=2, keepdims=True), atol=1e-5
    )


def test_integrated_gradients_of_a_linear_model_are_input_times_weight(pixels):
    found = explanations.integrated_gradients(linear(), pixels, 1, steps=2)
    expected = pixels[..., 0] * WEIGHTS[:, 1].reshape(2, 2)
    np.testing.assert_allclose(found.values, expected, rtol=1e-4)


@pytest.mark.parametrize("activation", [None, "sigmoid"])
def test_a_single_output_speaks_for_the_second_class_and_against_the_first(
    pixels, activation
):
    model = linear(activation, units=1)
    first, second = (
        explanations.occlusion_map(model, pixels, target, window=1) for target in (0, 1)
    )
    expected = pixels[..., 0] * WEIGHTS[:, 1].reshape(2, 2)
    np.testing.assert_allclose(second.values, expected, atol=1e-5)
    np.testing.assert_allclose(first.values, -expected, atol=1e-5)
    np.testing.assert_allclose(first.score, -second.score, atol=1e-6)


@pytest.mark.parametrize("units", [1, 2])
@pytest.mark.parametrize("separate", [False, True])
def test_probabilities_are_the_models_own(pixels, units, separate):
    name = "sigmoid" if units == 1 else "softmax"
    model = linear(None if separate else name, units)
    if separate:
        activation = keras.layers.Activation(name)(model.outputs[0])
        model = keras.Model(model.inputs[0], activation)
    own = np.asarray(model(pixels))
    if units == 1:
        own = np.concatenate([1 - own, own], axis=1)
    found = explanations.class_probabilities(model, pixels)
    np.testing.assert_allclose(found, own, atol=1e-6)


ENDS = {
    "TensorFlow's softmax": lambda: [keras.layers.Activation(tf.nn.softmax)],
    "dropout": lambda: [keras.layers.Softmax(), keras.layers.Dropout(0.5)],
    "noise": lambda: [keras.layers.Softmax(), keras.layers.GaussianNoise(0.5)],
    "identity": lambda: [
        keras.layers.Activation("softmax"),
        keras.layers.Identity(),
    ],
    "another type": lambda: [
        keras.layers.Softmax(),
        keras.layers.Activation("linear", dtype="float32"),
    ],
    "several": lambda: [
        keras.layers.Dropout(0.5),
        keras.layers.Softmax(),
        keras.layers.Identity(),
        keras.layers.Dropout(0.5),
    ],
    "nested": lambda: [
        keras.Sequential(
            [keras.Input((2,)), keras.layers.Softmax(), keras.layers.Identity()]
        ),
        keras.layers.Dropout(0.5),
    ],
}


@pytest.mark.parametrize("name", ENDS)
def test_softmax_is_found_however_it_is_spelled_and_whatever_inert_follows(
    pixels, name
):
    model = behind(linear(), *ENDS[name]())
    found = explanations.class_probabilities(model, pixels)
    np.testing.assert_allclose(found, model(pixels, training=False), atol=1e-6)
    ours, plain = (
        explanations.saliency_map(m, pixels, 1).values for m in (model, linear())
    )
    np.testing.assert_allclose(ours, plain, rtol=1e-6)


@pytest.mark.parametrize("units", [1, 2])
def test_tensorflows_own_activation_of_a_dense_layer_is_found(pixels, units):
    model = linear(tf.nn.sigmoid if units == 1 else tf.nn.softmax, units)
    assert head(model).kind == ("sigmoid" if units == 1 else "softmax")
    found = explanations.class_probabilities(model, pixels)[:, -1]
    np.testing.assert_allclose(found, np.asarray(model(pixels))[:, -1], atol=1e-6)
    ours = explanations.saliency_map(model, pixels, 1).values
    expected = np.abs(WEIGHTS[:, 1]).reshape(2, 2)
    np.testing.assert_allclose(ours, np.stack([expected] * 3), rtol=1e-5)


def test_an_inert_end_called_by_keyword_is_passed_over(pixels):
    model = linear("softmax")
    ended = keras.layers.Dropout(0.5)(inputs=model.outputs[0])
    assert head(keras.Model(model.inputs, ended)).layer == "scores"


def test_integrated_gradients_add_up_to_the_change_in_score(network, pictures):
    found = explanations.integrated_gradients(
        network, pictures, "dog", baseline=0.5, steps=200
    )
    grey = np.full_like(pictures, 0.5)
    change = np.asarray(network(pictures) - network(grey))[:, 1]
    np.testing.assert_allclose(found.values.sum(axis=(1, 2)), change, atol=0.02)


def test_doubling_the_score_doubles_the_saliency(fresh, pictures):
    once = explanations.saliency_map(fresh, pictures, 0).values
    weights = fresh.get_weights()
    fresh.set_weights([*weights[:-2], 2 * weights[-2], 2 * weights[-1]])
    twice = explanations.saliency_map(fresh, pictures, 0).values
    np.testing.assert_allclose(twice, 2 * once, rtol=1e-5)


def test_without_noise_smooth_grad_is_saliency(network, pictures):
    plain = explanations.saliency_map(network, pictures, 0)
    smooth = explanations.smooth_grad(network, pictures, 0, samples=2, noise=0)
    np.testing.assert_allclose(smooth.values, plain.values, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("name", ["smooth-grad", "integrated-gradients"])
def test_samples_in_small_batches_give_the_same_maps(network, pictures, name):
    one, many = (
        quick(name)(network, pictures, 0, batch_size=size).values for size in (1, 32)
    )
    np.testing.assert_allclose(one, many, rtol=1e-3, atol=1e-6)


def test_guided_backprop_stops_what_a_relu_would_pass_and_deconvnet_what_it_would_not():
    # Two units see the pixel: one is open and speaks against the class, one is closed
    # and speaks for it.
    model = keras.Sequential(
        [
            keras.Input((1, 1, 1)),
            keras.layers.Conv2D(2, 1, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(1),
        ]
    )
    kernel = np.array([2.0, -3]).reshape(1, 1, 1, 2)
    model.set_weights([kernel, np.zeros(2), np.array([[-1.0], [1]]), np.zeros(1)])
    pixel = np.ones((1, 1, 1, 1))
    maps = {
        name: explanations.explain(name, model, pixel, 1).values.item()
        for name in ("saliency", "guided-backprop", "deconvnet")
    }
    assert maps == {"saliency": 2, "guided-backprop": 0, "deconvnet": 3}


def test_where_all_units_speak_for_the_class_guided_backprop_is_saliency(pixels):
    dense = keras.layers.Dense(2, activation="relu")
    model = keras.Sequential(
        [keras.Input((2, 2, 1)), keras.layers.Flatten(), dense, keras.layers.Dense(1)]
    )
    model.set_weights([np.abs(WEIGHTS), np.zeros(2), np.ones((2, 1)), np.zeros(1)])
    guided, plain = (
        explanations.explain(name, model, pixels, 1).values
        for name in ("guided-backprop", "saliency")
    )
    np.testing.assert_allclose(guided, plain)


@pytest.fixture
def two_maps():
    """Left and right pixel in maps of their own; the score is 3 left − right."""
    model = keras.Sequential(
        [
            keras.Input((1, 2, 2)),
            keras.layers.Conv2D(2, 1, name="maps"),
            keras.layers.Flatten(),
            keras.layers.Dense(1),
        ]
    )
    dense = np.array([[3.0], [0], [0], [-1]])
    model.set_weights([np.eye(2).reshape(1, 1, 2, 2), np.zeros(2), dense, np.zeros(1)])
    return model, np.array([[[[2.0, 0], [0, 4]]]])


def test_class_maps_of_one_convolution_are_those_worked_out_on_paper(two_maps):
    model, image = two_maps
    values = {
        name: explanations.explain(name, model, image, 1).values[0, 0].tolist()
        for name in ("grad-cam", "xgrad-cam", "hires-cam", "ablation-cam")
    }
    # Mean gradients 1.5 and −0.5, where the maps are active 3 and −1; gradients 3 and
    # −1; without a map −6 and +4.
    assert values == {
        "grad-cam": [3, 0],
        "xgrad-cam": [6, 0],
        "hires-cam": [6, -4],
        "ablation-cam": [12, 0],
    }


def test_xgrad_cam_weighs_each_gradient_by_the_share_of_the_map_at_its_place(
    network, pictures
):
    layer = "block2_relu"
    inner = network.get_layer(layer).output
    look = keras.Model(network.inputs, [inner, network.outputs[0]])
    with tf.GradientTape() as tape:
        maps, logits = look(tf.constant(pictures))
        tape.watch(maps)
        logits = keras.Model(inner, network.outputs[0])(maps)[:, 1]
    gradients = np.asarray(tape.gradient(logits, maps), float)
    maps = np.asarray(maps, float)
    active = maps.any(axis=(1, 2))
    shares = maps / np.where(active, maps.sum(axis=(1, 2)), 1)[:, None, None]
    weights = np.einsum("nhwk,nhwk->nk", shares, gradients)
    expected = np.maximum(np.einsum("nk,nhwk->nhw", weights, maps), 0)
    found = explanations.xgrad_cam(network, pictures, 1)
    assert found.layer == layer
    assert expected.any(axis=(1, 2)).all()
    np.testing.assert_allclose(found.values, expected, rtol=1e-4, atol=1e-6)


def test_a_map_whose_values_add_up_to_zero_has_no_weight_in_xgrad_cam(two_maps):
    model, image = two_maps
    image[0, 0, :, 0] = 5, -5  # and the other map holds 0 and 4, weight −1
    assert explanations.xgrad_cam(model, image, 1).values.tolist() == [[[0, 0]]]
    image[0, 0, :, 1] = 2, -4  # adds up to −2; −4 has the gradient −1: weight −2
    assert explanations.xgrad_cam(model, image, 1).values.tolist() == [[[0, 8]]]
    image[:] = 0  # all maps empty
    assert not explanations.xgrad_cam(model, image, 1).values.any()


def test_hires_cam_adds_up_to_the_logit_less_the_bias(fresh, pictures):
    weights = fresh.get_weights()
    weights[-1][:] = [0.7, -0.4]
    fresh.set_weights(weights)
    for target, bias in enumerate(weights[-1]):
        found = explanations.hires_cam(fresh, pictures, target)
        assert found.layer == "block2_relu"
        assert found.signed
        assert found.units == "logits"
        assert found.values.min() < 0 < found.values.max()
        logits = np.asarray(fresh(pictures))[:, target]
        np.testing.assert_allclose(
            found.values.sum(axis=(1, 2)), logits - bias, rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize(
    "name", [name for name in CLASS_MAPS if not explanations.METHODS[name].signed]
)
def test_other_class_maps_are_never_below_zero(network, pictures, name):
    for target in (0, 1):
        found = explanations.explain(name, network, pictures, target)
        assert not found.signed
        assert found.units == "weighted activations"
        assert found.values.min() >= 0


@pytest.mark.parametrize("name", ["hires-cam", "lime"])
def test_of_a_single_sigmoid_the_map_for_one_class_is_minus_that_for_the_other(
    pictures, name
):
    trunk = build_classifier((16, 16, 3), filters=(3, 4))
    flat = trunk.get_layer("flatten").output
    dense = keras.layers.Dense(1, activation="sigmoid")
    model = keras.Model(trunk.inputs, dense(flat))
    first, second = (quick(name)(model, pictures, target) for target in (0, 1))
    assert np.abs(second.values).max() > 0
    np.testing.assert_allclose(first.values, -second.values, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(first.score, -second.score, rtol=1e-5)


def averaging(policy):
    """A classifier of averages, whose gradients half precision can hardly hold."""
    policy = keras.DTypePolicy(policy)
    model = keras.Sequential(
        [
            keras.Input((64, 64, 3)),
            keras.layers.Conv2D(4, 3, activation="relu", dtype=policy, name="maps"),
            keras.layers.GlobalAveragePooling2D(dtype=policy),
            keras.layers.Dense(2, dtype=policy),
            keras.layers.Softmax(dtype="float32"),
        ]
    )
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0, 0.3, w.shape) for w in model.get_weights()])
    return model


@pytest.mark.parametrize("name", sorted({*CLASS_MAPS} - {"ablation-cam"}))
def test_class_maps_of_half_precision_are_those_of_single_precision(rng, name):
    images = rng.random((2, 64, 64, 3), np.float32)
    half, single = (
        explanations.explain(name, averaging(policy), images, 1).values
        for policy in ("mixed_float16", "float32")
    )
    assert half.dtype == single.dtype == np.float32
    assert np.abs(half).max() > 0
    assert np.abs(half - single).max() <= 0.05 * np.abs(single).max()


@pytest.mark.parametrize("name", explanations.METHODS)
def test_every_method_explains_a_network_of_mixed_precision(rng, name):
    images = rng.random((1, 64, 64, 3), np.float32)
    values = quick(name)(averaging("mixed_float16"), images, 1).values
    assert values.dtype in (np.float32, np.float64)
    assert np.isfinite(values).all()
    assert np.abs(values).max() > 0


def test_layers_may_have_any_names():
    # Names that were once taken for kinds of compiled functions.
    model = keras.Sequential(
        [
            keras.Input((1, 2, 2)),
            keras.layers.Conv2D(2, 1, name="maps"),
            keras.layers.ReLU(name="plain"),
            keras.layers.Flatten(name="guided"),
            keras.layers.Dense(1, name="scores"),
        ]
    )
    dense = np.array([[3.0], [0], [0], [-1]])
    model.set_weights([np.eye(2).reshape(1, 1, 2, 2), np.zeros(2), dense, np.zeros(1)])
    image = np.array([[[[2.0, 0], [0, 4]]]])
    for first, second in (("maps", "plain"), ("plain", "maps")):
        gradients = explanations.grad_cam(model, image, 1, layer=first)
        drops = explanations.ablation_cam(model, image, 1, layer=second)
        assert gradients.values[0, 0].tolist() == [3, 0]
        assert drops.values[0, 0].tolist() == [12, 0]


def test_grad_cam_plus_plus_weighs_only_what_speaks_for_the_class(two_maps):
    model, image = two_maps
    found = explanations.grad_cam_plus_plus(model, image, 1).values[0, 0]
    # The share of the left map's gradient: 3² / (2·3² + 2·3³), times 3.
    assert found[0] == pytest.approx(2 * 3 * 9 / (18 + 54))
    assert found[1] == 0


def test_lime_of_a_score_that_adds_up_finds_what_each_patch_adds(rng):
    model = keras.Sequential(
        [keras.Input((24, 24, 3)), keras.layers.Flatten(), keras.layers.Dense(1)]
    )
    weights = rng.normal(size=(24 * 24 * 3, 1))
    model.set_weights([weights, np.zeros(1)])
    colours = rng.random((1, 3, 3, 3), np.float32)  # of nine squares
    image = colours.repeat(8, axis=1).repeat(8, axis=2)
    found = explanations.lime(model, image, 1, segments=9, baseline=0.0).values[0]
    products = (image[0] * weights.reshape(24, 24, 3)).sum(axis=-1)
    assert len(np.unique(found)) > 4
    for value in np.unique(found):
        patch = found == value
        assert value == pytest.approx(products[patch].sum(), rel=0.02, abs=0.02)


@pytest.mark.parametrize("name", explanations.METHODS)
def test_every_method_explains_by_name_or_number_and_says_what_it_did(
    network, pictures, name
):
    by_name, by_number = (quick(name)(network, pictures, t) for t in ("dog", 1))
    np.testing.assert_array_equal(by_name.values, by_number.values)
    assert by_name.target == by_number.target == "dog"
    np.testing.assert_allclose(
        by_name.score, np.asarray(network(pictures))[:, 1], atol=1e-5
    )
    takes_layer = "layer" in explanations.METHODS[name].options
    assert takes_layer == name.endswith(("cam", "++"))
    assert by_name.layer == ("block2_relu" if takes_layer else None)
    assert by_name.units
    assert by_name.method in str(by_name)
    assert by_name.on_pixels().shape == (3, 16, 16)
    assert by_name.signed == bool((by_name.values < 0).any())
    assert by_name.signed == explanations.METHODS[name].signed


@pytest.mark.parametrize("name", explanations.METHODS)
def test_every_method_needs_nothing_but_a_model_images_and_a_class(
    network, pictures, name
):
    plain = explanations.METHODS[name].function(network, pictures[:1], "dog")
    # Also by its name, and of images in a plain list.
    named = explanations.explain(name, network, pictures[:1].tolist(), "dog")
    assert plain.on_pixels().shape == (1, 16, 16)
    np.testing.assert_array_equal(plain.values, named.values)


@pytest.mark.parametrize("wrong", [0, -1, 2.5])
@pytest.mark.parametrize("name", explanations.METHODS)
def test_a_batch_that_holds_no_image_is_refused(network, pictures, name, wrong):
    assert "batch_size" in explanations.METHODS[name].options
    with pytest.raises(ValueError, match=f"batch_size must be a whole.*got {wrong}"):
        explanations.explain(name, network, pictures, 0, batch_size=wrong)


@pytest.mark.parametrize("wrong", ["a", None, -0.1, np.nan, np.inf])
def test_noise_that_is_no_share_is_refused(network, pictures, wrong):
    with pytest.raises(ValueError, match="noise must be a share of at least 0; got"):
        explanations.smooth_grad(network, pictures, 0, noise=wrong)


@pytest.mark.parametrize("name", explanations.METHODS)
def test_one_class_for_each_image_is_as_one_image_at_a_time(network, pictures, name):
    together = quick(name)(network, pictures, ["cat", "dog", "cat"])
    alone = quick(name)(network, pictures[1:2], "dog")
    assert together.target == ("cat", "dog", "cat")
    np.testing.assert_allclose(
        together.values[1], alone.values[0], rtol=1e-3, atol=1e-6
    )


@pytest.mark.parametrize("name", explanations.METHODS)
def test_the_model_is_left_as_it_was(fresh, pictures, name):
    weights, answers = fresh.get_weights(), np.asarray(fresh(pictures))
    config = fresh.get_config()
    quick(name)(fresh, pictures, 0)
    assert fresh.get_config() == config
    np.testing.assert_array_equal(answers, fresh(pictures))
    for before, after in zip(weights, fresh.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("name", explanations.METHODS)
def test_a_second_image_compiles_nothing_new(monkeypatch, pictures, name):
    traced = []
    compiler = tf.function

    def counting(body=None, *args, **kwargs):
        if body is None:  # Keras's own, as a decorator
            return compiler(*args, **kwargs)

        def counted(*parts, **named):
            traced.append(body)
            return body(*parts, **named)

        return compiler(counted, *args, **kwargs)

    monkeypatch.setattr(tf, "function", counting)
    runs_of_relu = []  # by Python: when it is traced, or eager
    call = keras.layers.ReLU.call

    def counted_call(self, inputs):
        runs_of_relu.append(self)
        return call(self, inputs)

    monkeypatch.setattr(keras.layers.ReLU, "call", counted_call)
    model = keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            keras.layers.Conv2D(3, 3, padding="same"),
            keras.layers.ReLU(),
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ]
    )
    built = len(runs_of_relu)
    quick(name)(model, pictures[:1], 0)
    runs, functions = len(runs_of_relu), len(traced)
    assert runs > built
    assert functions > 0
    quick(name)(model, pictures[1:2], 1)  # another image, another class
    quick(name)(model, pictures, [0, 1, 0])  # and several at once
    assert (len(runs_of_relu), len(traced)) == (runs, functions)


def test_new_weights_are_seen_without_compiling_again(fresh, pictures):
    explanations.saliency_map(fresh, pictures, 0)
    fresh.set_weights([np.zeros_like(array) for array in fresh.get_weights()])
    assert not explanations.saliency_map(fresh, pictures, 0).values.any()


@pytest.mark.slow
def test_a_model_that_is_no_longer_needed_is_let_go(pictures):
    network = build_classifier((16, 16, 3), filters=(3, 4))
    for name in explanations.METHODS:
        quick(name)(network, pictures, 0)
    gone = weakref.ref(network)
    del network
    gc.collect()
    assert gone() is None


@pytest.mark.slow
def test_a_nested_model_is_explained_as_the_flat_one(pictures):
    flat = build_classifier((16, 16, 3), filters=(3, 4))
    inputs = keras.Input((16, 16, 3))
    nested = keras.Model(inputs, keras.Sequential([flat])(inputs))
    for name in explanations.METHODS:
        ours, theirs = (quick(name)(m, pictures, 0) for m in (nested, flat))
        np.testing.assert_allclose(ours.values, theirs.values, rtol=1e-4, atol=1e-6)
    assert explanations.grad_cam(nested, pictures, 0).layer.endswith("/block2_relu")


@pytest.mark.parametrize("wrong", ["horse", 2, -1, 1.5, True, None])
def test_an_unknown_class_is_refused_with_the_list_of_classes(network, pictures, wrong):
    with pytest.raises(ValueError, match="classes are 0 to 1, named cat, dog"):
        explanations.saliency_map(network, pictures, wrong)


def test_a_name_for_a_model_without_names_is_refused(pixels):
    with pytest.raises(ValueError, match="pass a number, or set"):
        explanations.saliency_map(linear(), pixels, "cat")


def test_as_many_classes_as_images_are_wanted(network, pictures):
    with pytest.raises(ValueError, match="one for each of 3 images; got 2"):
        explanations.saliency_map(network, pictures, [0, 1])


def test_a_layer_behind_the_flattening_is_refused_with_those_that_have_maps(
    network, pictures
):
    with pytest.raises(ValueError, match=r"'logits' has no maps.*block2_relu"):
        explanations.grad_cam(network, pictures, 0, layer="logits")
    with pytest.raises(ValueError, match="no layer 'block9'"):
        explanations.grad_cam(network, pictures, 0, layer="block9")


def test_a_model_without_convolutions_has_no_class_map(pixels):
    with pytest.raises(ValueError, match=r"no convolution whose maps.*layer="):
        explanations.grad_cam(linear(), pixels, 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 17}, "17 × 17 pixels is larger than the images, 16 × 16"),
        ({"window": 4, "stride": 0}, "stride must be a whole number of at least 1"),
        ({"window": 0}, "window must be a whole number of at least 1"),
        ({"window": 4, "baseline": np.zeros(2)}, r"one for each of 3 channels.*\(2,\)"),
        ({"window": 4, "batch_size": 0}, "batch_size must be a whole number"),
    ],
)
def test_an_occlusion_that_makes_no_sense_is_refused(
    network, pictures, options, message
):
    with pytest.raises(ValueError, match=message):
        explanations.occlusion_map(network, pictures, 0, **options)


@pytest.mark.parametrize("name", explanations.METHODS)
def test_not_a_number_in_the_image_is_refused(pixels, name):
    pixels[0, 0, 0, 0] = np.nan
    with pytest.raises(
        ValueError, match=r"finite numbers; got not-a-number.* 1 places"
    ):
        quick(name)(linear(), pixels, 0)


def test_a_model_without_gradients_at_the_input_is_refused(pixels):
    rounded = keras.layers.Lambda(lambda x: keras.ops.cast(x > 0.5, "float32"))
    model = keras.Sequential([keras.Input((2, 2, 1)), rounded, *linear().layers])
    with pytest.raises(ValueError, match=r"no gradient at its input.*occlusion_map"):
        explanations.saliency_map(model, pixels, 0)
    assert explanations.occlusion_map(model, pixels, 0, window=1).values.any()


def test_relu_rules_need_relus(pixels):
    with pytest.raises(ValueError, match="has no ReLU"):
        explanations.guided_backprop(linear(), pixels, 0)


class Own(keras.layers.Layer):
    """What it does, nobody is told."""

    def call(self, maps):
        return maps


@pytest.mark.parametrize("method", ["guided_backprop", "deconvnet"])
def test_relu_rules_need_to_know_of_every_layer_whether_it_holds_a_relu(pixels, method):
    layers = [Own(name="own"), keras.layers.ReLU(), *linear().layers]
    model = keras.Sequential([keras.Input((2, 2, 1)), *layers])
    message = r"'own' \(Own\), and whether it holds a ReLU is unknown"
    with pytest.raises(ValueError, match=message):
        getattr(explanations, method)(model, pixels, 0)
    assert explanations.saliency_map(model, pixels, 0).values.any()


@pytest.mark.parametrize(
    "last",
    [keras.layers.GaussianDropout(0.1), lambda maps: keras.ops.max_pool(maps, 2)],
)
def test_what_shows_no_more_than_the_maps_before_it_is_not_explained_by_default(last):
    image = keras.Input((8, 8, 3))
    maps = last(keras.layers.Conv2D(2, 3, name="conv")(image))
    scores = keras.layers.Dense(2)(keras.layers.Flatten()(maps))
    model = keras.Model(image, scores)
    assert explanations.grad_cam(model, np.ones((1, 8, 8, 3)), 0).layer == "conv"


def test_several_outputs_are_refused_with_a_question_which(pixels):
    model = linear()
    twin = keras.Model(model.inputs, [model.outputs[0], model.outputs[0] * 2])
    with pytest.raises(ValueError, match=r"2 outputs.*Choose one: keras.Model"):
        explanations.saliency_map(twin, pixels, 0)


def test_a_network_without_its_top_is_refused():
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3)])
    with pytest.raises(ValueError, match=r"shape \(N, K\).*without its top"):
        explanations.saliency_map(model, np.zeros((1, 8, 8, 3)), 0)


def test_softmax_over_one_output_is_refused():
    with pytest.raises(ValueError, match="always 1"):
        head(linear("softmax", units=1))


NEITHER = {
    "<lambda>": lambda: linear(lambda logits: tf.nn.softmax(logits)),
    "hard_sigmoid": lambda: linear("hard_sigmoid", units=1),
    "tanh": lambda: linear("tanh"),
    "relu": lambda: linear("relu"),
    "Lambda": lambda: behind(linear(), keras.layers.Lambda(tf.nn.softmax)),
    "ReLU": lambda: behind(linear(), keras.layers.ReLU(), keras.layers.Dropout(0.1)),
    "Tanh": lambda: behind(linear(), keras.ops.tanh),
    "Log": lambda: behind(linear(), keras.ops.log),
    "Own": lambda: behind(linear(), Own()),
}


@pytest.mark.parametrize("name", NEITHER)
def test_an_end_of_neither_logits_nor_probabilities_is_refused(pixels, name):
    message = f"ends in the activation '{name}'.*end it in softmax, in sigmoid, or in"
    with pytest.raises(ValueError, match=message):
        head(NEITHER[name]())


def test_one_name_is_not_a_list_of_names():
    model = linear()
    model.class_names = "ab"  # as many letters as classes
    with pytest.raises(ValueError, match="must be a list of names; got 'ab'"):
        explanations.saliency_map(model, np.zeros((1, 2, 2, 1)), 0)


def test_names_must_be_as_many_as_classes():
    model = linear()
    model.class_names = ("cat", "dog", "horse")
    with pytest.raises(ValueError, match="3 class_names for 2 classes"):
        head(model)


def test_an_unknown_method_is_refused_with_the_list_of_methods(network, pictures):
    with pytest.raises(ValueError, match="no method 'magic'; there are occlusion"):
        explanations.explain("magic", network, pictures, 0)


def test_a_method_takes_what_its_function_takes_and_as_it_does():
    for name, method in explanations.METHODS.items():
        assert method.name == name
        model_images_target = inspect.getfullargspec(method.function).args
        assert model_images_target == ["model", "images", "target"]
        assert method.options == method.function.__kwdefaults__
    assert explanations.METHODS["grad-cam"].options == {
        "layer": None,
        "batch_size": 32,
    }


def test_an_option_that_a_method_does_not_take_is_refused_with_those_that_it_does(
    network, pictures
):
    message = "lime takes no layer and no steps; it takes segments, samples, baseline"
    with pytest.raises(ValueError, match=message):
        explanations.explain("lime", network, pictures, 0, steps=4, layer="a")


def test_names_and_options_of_methods_are_known_without_anything_slow():
    code = (
        "import sys; from cnnbook import explanations\n"
        "[method.options for method in explanations.METHODS.values()]\n"
        "print({'scipy', 'skimage', 'matplotlib', 'keras'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("set()\n", "")
