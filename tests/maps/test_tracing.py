"""A number of a map is the sum of what lies behind it, and of nothing else."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as kl

from cnnbook.maps import (
    effective_receptive_field,
    field_on,
    kernels,
    receptive_field,
    trace,
)
from cnnbook.networks import layer_calls


def with_random_weights(model):
    """Give every weight a value of its own, those that start at 0 or 1 too."""
    rng = np.random.default_rng(1)
    for weight in model.weights:
        if "seed" not in weight.path:
            weight.assign(rng.normal(0, 0.4, weight.shape))
        if weight.path.endswith("variance"):
            weight.assign(rng.uniform(0.5, 2.0, weight.shape))
    return model


def stacked(*layers, size=(9, 8), channels=1):
    """Stack layers on images of rows × columns; the last one is named "end"."""
    layers[-1].name = "end"
    image = keras.Input((*size, channels), name="image")
    return with_random_weights(keras.Sequential([image, *layers]))


def classifier():
    """All kinds of layers that are linear between kinks, one after the other."""
    return stacked(
        kl.Conv2D(4, 3, padding="same", name="conv1"),
        kl.BatchNormalization(name="norm"),
        kl.LeakyReLU(name="leaky"),
        kl.MaxPooling2D(2, name="pool1"),
        kl.DepthwiseConv2D(3, padding="same", name="depthwise"),
        kl.ReLU(name="relu"),
        kl.Dropout(0.5, name="dropout"),
        kl.AveragePooling2D((3, 1), strides=2, padding="same", name="pool2"),
        kl.Conv2D(5, 2, strides=2, activation="relu", name="conv2"),
        kl.Flatten(name="flatten"),
        kl.Dense(3, name="logits"),
        size=(20, 16),
        channels=3,
    )


def residual():
    """Two blocks with a shortcut each, and a concatenation at the end."""
    image = keras.Input((10, 11, 2), name="image")
    maps = kl.Conv2D(4, 3, strides=2, padding="same", name="stem")(image)
    for block in (1, 2):
        inside = kl.Conv2D(4, 3, padding="same", name=f"inside{block}")(maps)
        maps = kl.Add(name=f"sum{block}")([maps, kl.ReLU()(inside)])
    maps = kl.ReLU(name="relu")(maps)
    ends = [kl.Conv2D(2, size, padding="same")(maps) for size in (1, 3)]
    maps = kl.Concatenate(name="both")(ends)
    return with_random_weights(keras.Model(image, maps))


def nested():
    """A base with its own input, its layer used twice, and a head."""
    base_image = keras.Input((None, None, 2))
    shared = kl.Conv2D(2, 3, activation="relu", padding="same", name="shared")
    pooled = kl.MaxPooling2D(2, name="pool")(shared(base_image))
    base = keras.Model(base_image, shared(pooled), name="base")
    image = keras.Input((8, 8, 2), name="image")
    return with_random_weights(
        keras.Model(image, kl.Conv2D(3, 2, name="head")(base(image)))
    )


def by_keras(model, start, layer):
    """Return the part of a model from the output of one layer to that of another."""
    tensors = {layer.name: layer.output for layer in model.layers}
    tensors["image"] = model.inputs[0]  # which a Sequential model does not list
    return keras.Model(tensors[start], tensors[layer])


NUMBERS = [
    (classifier, "conv2", (1, 0, 2)),
    (classifier, "pool2", (3, 1, 2)),
    (classifier, "leaky", (0, 15, 1)),
    (residual, "both", (0, 3, 3)),
    (residual, "sum2", (4, 2, 1)),
]


def test_a_network_of_two_layers_is_the_sum_worked_out_on_paper():
    model = stacked(
        kl.Conv2D(1, (1, 2), activation="relu", name="first"),
        kl.Conv2D(1, (1, 3)),
        size=(1, 5),
    )
    model.get_layer("first").set_weights(
        [np.reshape([-1, 2], (1, 2, 1, 1)), np.ones(1)]
    )
    model.get_layer("end").set_weights(
        [np.reshape([2, 1, -3], (1, 3, 1, 1)), np.array([0.5])]
    )
    image = np.reshape([1, 4, 2, 0, 3], (1, 5, 1))

    number, first, pixels = trace(model, image, "end", (0, 0, 0))

    # first: -1 + 8 + 1 = 8;  -4 + 4 + 1 = 1;  -2 + 0 + 1 → 0
    # end: 2 · 8 + 1 · 1 - 3 · 0 + ½
    assert number.value == first.value == pixels.value == 17.5
    assert number.values.tolist() == [[[17.5]]] and number.weights.tolist() == [[[1]]]
    assert number.constant == 0
    assert first.values.ravel().tolist() == [8, 1, 0]
    assert first.weights.ravel().tolist() == [2, 1, -3]
    assert first.constant == 0.5
    # Twice (-1, 2), and once (-1, 2) a pixel later; the third window is closed, but
    # another image could open it: its last pixel is seen.
    assert pixels.columns == slice(0, 4)
    assert pixels.weights.ravel().tolist() == [-2, 4 - 1, 2, 0]
    assert pixels.products.ravel().tolist() == [-2, 12, 4, 0]
    assert pixels.constant == 0.5 + 2 * 1 + 1 * 1


def biases(model, names):
    """Return the variables of the named layers that are added, or taken away."""
    calls = layer_calls(model)
    return [
        variable
        for name in names
        for variable in getattr(calls[name].operation, "weights", ())
        if variable.path.endswith(("bias", "beta", "moving_mean"))
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("build", "layer", "position"), NUMBERS)
def test_the_traced_products_and_the_biases_as_far_as_they_count_add_up(
    build, layer, position, rng
):
    """By Euler's theorem, as the number is homogeneous in values and biases."""
    model = build()
    image = rng.normal(size=model.input_shape[1:]).astype("float32")
    order = list(layer_calls(model))

    steps = trace(model, image, layer, position)

    assert len(steps) >= 3
    for step in steps:
        behind = biases(
            model, order[order.index(step.layer) + 1 : order.index(layer) + 1]
        )
        with tf.GradientTape() as tape:
            tape.watch([bias.value for bias in behind])
            maps = by_keras(model, "image", layer)(image[None], training=False)
            number = maps[(0, *position)]
        counts = tape.gradient(
            number, [bias.value for bias in behind], unconnected_gradients="zero"
        )
        constant = sum(
            float(np.sum(count * bias))
            for count, bias in zip(counts, map(np.asarray, behind), strict=True)
        )
        assert step.value == pytest.approx(float(number), abs=1e-6)
        assert step.constant == pytest.approx(constant, abs=2e-5), step.layer
        assert step.products.sum() + constant == pytest.approx(step.value, abs=2e-5)
        np.testing.assert_allclose(
            step.contributions.sum(), step.products.sum(), atol=1e-5
        )
    assert steps[0].value and steps[-1].constant  # an open unit, and biases that count


@pytest.mark.slow
@pytest.mark.parametrize(("build", "layer", "position"), NUMBERS)
def test_values_outside_the_windows_never_change_the_number(
    build, layer, position, rng
):
    model = build()
    image = rng.normal(size=model.input_shape[1:]).astype("float32")

    steps = trace(model, image, layer, position)

    for step in steps[1:]:
        before = by_keras(model, "image", step.layer)(image[None], training=False)
        noise = rng.normal(0, 100, before.shape).astype("float32")
        noise[0, step.rows, step.columns] = 0
        from_there = by_keras(model, step.layer, layer)
        changed = from_there(np.asarray(before) + noise, training=False)
        number = float(changed[(0, *position)])
        assert number == pytest.approx(step.value, abs=1e-6), step.layer
        np.testing.assert_array_equal(before[0, step.rows, step.columns], step.values)


def test_pixels_outside_the_field_never_change_the_value_in_vgg19(rng):
    model = keras.applications.VGG19(
        weights=None, include_top=False, input_shape=(64, 64, 3)
    )
    model = by_keras(model, model.layers[0].name, "block3_conv2")
    image = rng.random((64, 64, 3), dtype="float32")
    channel = int(np.argmax(model(image[None])[0, 9, 4]))

    number, below, *_, pixels = trace(model, image, "block3_conv2", (9, 4, channel))

    assert (below.layer, below.values.shape) == ("block3_conv1", (3, 3, 256))
    noise = rng.normal(0, 1, image.shape).astype("float32")
    noise[pixels.rows, pixels.columns] = 0
    before, after = np.asarray(model(np.stack([image, image + noise])))
    assert number.value > 0
    assert before[9, 4, channel] == pytest.approx(number.value, rel=1e-5)
    assert after[9, 4, channel] == pytest.approx(number.value, rel=1e-5)
    assert np.abs(after - before).max() > number.value / 10


@pytest.mark.slow
@pytest.mark.parametrize(("build", "layer", "position"), NUMBERS)
def test_every_side_of_a_window_is_seen(build, layer, position, rng):
    """No window is larger than need be: where all weights are 1, its corners count."""
    model = build()
    for weight in model.weights:
        if weight.path.endswith(("kernel", "gamma", "variance")):
            weight.assign(np.ones(weight.shape))
    image = rng.random(model.input_shape[1:]).astype("float32")

    for step in trace(model, image, layer, position)[1:]:
        before = by_keras(model, "image", step.layer)(image[None], training=False)
        from_there = by_keras(model, step.layer, layer)
        rows, columns = step.rows, step.columns
        for corner in (rows.start, columns.start), (rows.stop - 1, columns.stop - 1):
            lit = np.array(before)
            lit[(0, *corner)] += 100
            number = from_there(lit, training=False)[(0, *position)]
            assert float(number) > step.value + 1, (step.layer, corner)


@pytest.mark.parametrize("strides", [1, 2])
def test_right_below_a_convolution_the_weights_are_its_kernel(strides, rng):
    conv = kl.Conv2D(4, (3, 2), strides=strides)
    model = stacked(kl.Conv2D(5, 3, name="below"), conv, size=(10, 10))
    image = rng.normal(size=(10, 10, 1))

    for position in ((0, 0, 0), (2, 1, 3)):
        _, below, _ = trace(model, image, "end", position)

        kernel = kernels(model, "end")[..., position[2]]
        np.testing.assert_allclose(below.weights, kernel, atol=1e-6)
        assert below.rows.start == strides * position[0]
        assert below.constant == pytest.approx(float(conv.bias[position[2]]), abs=1e-5)


def test_at_the_rim_the_kernel_is_cut_by_the_padding(rng):
    model = stacked(kl.Conv2D(2, 3, padding="same"), size=(6, 6), channels=3)

    _, pixels = trace(model, rng.random((6, 6, 3)), "end", (0, 5, 1))

    assert (pixels.rows, pixels.columns) == (slice(0, 2), slice(4, 6))
    np.testing.assert_allclose(
        pixels.weights, kernels(model, "end")[1:, :2, :, 1], atol=1e-6
    )


def test_without_biases_and_kinks_the_effective_kernel_is_that_of_any_image(rng):
    """Two kernels one after the other are the one that both make together."""
    layers = [kl.Conv2D(1, (1, 3), use_bias=False) for _ in range(2)]
    model = stacked(*layers, size=(1, 9))
    one, two = (layer.get_weights()[0].ravel() for layer in layers)

    for image in rng.normal(size=(2, 1, 9, 1)):
        pixels = trace(model, image, "end", (0, 2, 0))[-1]

        assert pixels.columns == slice(2, 7)
        np.testing.assert_allclose(
            pixels.weights.ravel(), np.convolve(one, two), atol=1e-6
        )
        assert pixels.constant == pytest.approx(0, abs=1e-6)


def test_a_score_is_one_kernel_over_the_whole_image(rng):
    model = classifier()
    image = rng.normal(size=(20, 16, 3)).astype("float32")
    scores = model(image[None], training=False)[0]

    for unit in range(3):
        steps = trace(model, image, "end", (unit,))

        assert [step.layer for step in steps[:3]] == ["end", "flatten", "conv2"]
        assert steps[1].values.shape == (1, 1, 20)
        np.testing.assert_allclose(
            steps[1].weights[0, 0], model.get_layer("end").kernel[:, unit], atol=1e-6
        )
        assert steps[2].values.shape == (2, 2, 5)  # the whole map
        assert (steps[-1].rows, steps[-1].columns) == (slice(0, 20), slice(0, 16))
        assert steps[0].value == pytest.approx(float(scores[unit]), abs=1e-6)


@pytest.mark.parametrize(
    ("build", "layer", "names"),
    [
        (residual, "both", ["both", "relu", "sum2", "sum1", "stem", "image"]),
        (residual, "inside2", ["inside2", "sum1", "stem", "image"]),
        (
            nested,
            "head",
            ["head", "base/shared#2", "base/pool", "base/shared", "image"],
        ),
    ],
)
def test_only_layers_that_every_path_passes_are_listed_the_number_first(
    build, layer, names, rng
):
    model = build()
    image = rng.random(model.input_shape[1:])

    steps = trace(model, image, layer, (1, 1, 1))

    assert [step.layer for step in steps] == names
    assert len({step.value for step in steps}) == 1


def test_each_use_of_a_shared_layer_in_a_nested_model_is_a_step_of_its_own(rng):
    model = nested()
    image = rng.normal(size=(8, 8, 2)).astype("float32")
    kernel = model.get_layer("head").get_weights()[0]

    head, second, _, _, _ = trace(model, image, "head", (2, 1, 1))

    assert head.value == pytest.approx(float(model(image[None])[0, 2, 1, 1]), abs=1e-6)
    np.testing.assert_allclose(second.weights, kernel[..., 1], atol=1e-6)
    assert (second.rows, second.columns) == (slice(2, 4), slice(1, 3))


def test_a_closed_unit_has_no_weights_and_its_sum_before_the_relu_has():
    model = stacked(kl.Conv2D(1, 1, name="conv"), kl.ReLU(), size=(1, 1))
    model.get_layer("conv").set_weights([np.full((1, 1, 1, 1), -3.0), np.ones(1)])
    image = np.full((1, 1, 1), 2.0)

    closed = trace(model, image, "end", (0, 0, 0))[-1]
    before = trace(model, image, "conv", (0, 0, 0))[-1]

    assert (closed.value, closed.constant, closed.weights.item()) == (0, 0, 0)
    assert (before.value, before.constant, before.weights.item()) == (-5, 1, -3)


def one_sum(*layers):
    """A network of a single sum, of −1.5 on an image of ones; the layers follow."""
    conv = kl.Conv2D(1, 1, name="sum")
    image = keras.Input((2, 2, 1), name="image")
    model = keras.Sequential([image, conv, *layers])
    conv.set_weights([np.full((1, 1, 1, 1), -2.0), np.array([0.5])])
    return model


def fused(activation):
    """The same with its activation inside."""
    conv = kl.Conv2D(1, 1, activation=activation, name="end")
    model = keras.Sequential([keras.Input((2, 2, 1), name="image"), conv])
    conv.set_weights([np.full((1, 1, 1, 1), -2.0), np.array([0.5])])
    return model


def by_keyword():
    """The same with layers called by keyword."""
    conv = kl.Conv2D(1, 1, activation="relu", name="end")
    image = keras.Input((2, 2, 1), name="image")
    model = keras.Model(image, conv(inputs=image))
    conv.set_weights([np.full((1, 1, 1, 1), -2.0), np.array([0.5])])
    return model


@pytest.mark.parametrize(
    "build",
    [
        lambda: one_sum(kl.ReLU(name="end")),
        lambda: one_sum(kl.Activation("relu6", name="end")),
        lambda: fused("relu"),
        lambda: fused(tf.nn.relu),
        lambda: fused(lambda values: keras.ops.maximum(values, 0)),
        by_keyword,
    ],
)
def test_a_closed_number_says_what_was_below_zero(build):
    number, *rest = trace(build(), np.ones((2, 2, 1)), "end", (0, 1, 0))
    assert (number.value, number.before) == (0, -1.5)
    assert number.remark == "0, since −1.5 is below zero"
    assert str(number) == "end: 0 + 0 = 0; 0, since −1.5 is below zero"
    assert {one.remark for one in rest} == {"nothing of it counts"}
    assert all(one.before is None for one in rest)


def test_an_open_number_has_nothing_to_remark():
    for model in (one_sum(kl.ReLU(name="end")), fused("relu")):
        steps = trace(model, -np.ones((2, 2, 1)), "end", (0, 0, 0))
        assert (steps[0].value, steps[0].before) == (2.5, 2.5)
        assert not any(one.remark for one in steps)
        assert str(steps[-1]) == "image: 2 + 0.5 = 2.5"
    number, *_ = trace(one_sum(), np.ones((2, 2, 1)), "sum", (0, 0, 0))
    assert number.value == -1.5 and number.before is None and number.remark == ""


def test_behind_a_pool_of_closed_numbers_nothing_counts():
    pooled = one_sum(kl.ReLU(), kl.MaxPooling2D(2, name="end"))
    number, *_, image = trace(pooled, np.ones((2, 2, 1)), "end", (0, 0, 0))
    assert number.value == 0 and number.before is None
    assert image.remark == "nothing of it counts"


def test_through_a_smooth_activation_the_constant_makes_up_the_rest():
    model = stacked(kl.Activation("sigmoid"), size=(1, 1))

    pixel = trace(model, np.zeros((1, 1, 1)), "end", (0, 0, 0))[-1]

    # A sigmoid is ½ at 0, where its slope is ¼.
    assert (pixel.value, pixel.weights.item(), pixel.constant) == (0.5, 0.25, 0.5)


def test_a_position_that_sees_only_padding_is_a_constant():
    model = stacked(kl.ZeroPadding2D(3, name="padding"), kl.Conv2D(1, 2), size=(4, 4))
    bias = float(model.get_layer("end").bias[0])

    *_, pixels = trace(model, np.ones((4, 4, 1)), "end", (0, 0, 0))

    assert pixels.values.size == 0
    assert pixels.constant == pixels.value == pytest.approx(bias)


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_in_mixed_precision_the_steps_are_those_of_single_precision(precision, rng):
    image = rng.random((9, 8, 1))

    def steps(policy):
        layers = [kl.Conv2D(2, 3, activation="relu", dtype=policy) for _ in range(2)]
        return trace(stacked(*layers), image, "end", (1, 1, 1))

    for ours, theirs in zip(steps(precision), steps("float32"), strict=True):
        assert ours.products.sum() + ours.constant == pytest.approx(ours.value)
        np.testing.assert_allclose(ours.weights, theirs.weights, atol=0.02)


def test_a_model_of_any_size_is_traced_at_the_size_of_the_image(rng):
    layers = [
        kl.Conv2D(2, 3, strides=2, padding="same", name="conv"),
        kl.GlobalAveragePooling2D(),
    ]
    model = stacked(*layers, size=(None, None))

    for size in ((6, 5), (9, 4)):
        steps = trace(model, rng.random((*size, 1)), "end", (1,))

        rows, columns = -(-size[0] // 2), -(-size[1] // 2)
        assert steps[1].values.shape == (rows, columns, 2)
        # A mean: each value counts alike, and those of the other map not at all.
        np.testing.assert_allclose(steps[1].weights[..., 1], 1 / (rows * columns))
        assert not steps[1].weights[..., 0].any()


def test_maps_of_one_position_are_seen_whole_by_what_follows(rng):
    """After squeezing and exciting, what a position sees is every position."""
    image = keras.Input((6, 6, 2), name="image")
    maps = kl.Conv2D(2, 3, padding="same", name="conv")(image)
    squeezed = kl.GlobalAveragePooling2D(name="squeeze")(maps)
    gate = kl.Reshape((1, 1, 2))(kl.Dense(2, name="gate")(squeezed))
    gated = kl.Multiply(name="gated")([maps, gate])
    end = kl.AveragePooling2D(2, name="end")(gated)
    model = with_random_weights(keras.Model(image, end))

    steps = trace(model, rng.random((6, 6, 2)), "end", (1, 2, 0))

    assert [step.layer for step in steps] == ["end", "gated", "conv", "image"]
    assert (steps[1].rows, steps[1].columns) == (slice(2, 4), slice(4, 6))
    assert (steps[2].rows, steps[2].columns) == (slice(0, 6), slice(0, 6))


def test_a_field_on_a_map_continues_that_of_the_image():
    model = classifier()

    assert field_on(model, "image", "conv2", (20, 16)) == receptive_field(
        model, "conv2"
    )
    assert field_on(model, "conv1", "pool1", (20, 16)).size == (2, 2)


@pytest.mark.parametrize(
    ("source", "layer", "message"),
    [
        ("inside1", "sum1", "'sum1': sees the image not only through 'inside1'"),
        ("sum1", "stem", "'stem': sees the image not only through 'sum1'"),
        ("sums1", "both", "no layer 'sums1'; did you mean 'sum"),
        ("stem", "bth", "no layer 'bth'; did you mean 'both'"),
    ],
)
def test_there_is_no_field_on_the_map_of_a_layer_that_can_be_passed_by(
    source, layer, message
):
    with pytest.raises(ValueError, match=message):
        field_on(residual(), source, layer, (5, 6))


@pytest.mark.parametrize(
    ("shape", "layer", "position", "message"),
    [
        ((1, 20, 16, 3), "conv1", (0, 0, 0), r"\(H, W, C\); got shape \(1, 20,.*\[0\]"),
        ((20, 15, 3), "conv1", (0, 0, 0), r"\(N, 20, 16, 3\); got shape \(1, 20, 15,"),
        ((20, 16, 3), "conv3", (0, 0, 0), "no layer 'conv3'; did you mean"),
        ((20, 16, 3), "pool1", (10, 0, 0), r"'pool1' has no position .* 10 × 8 × 4"),
        ((20, 16, 3), "pool1", (0, 0, -1), r"no position \(0, 0, -1\)"),
        ((20, 16, 3), "pool1", (0, 0), r"\(0, 0\): for this image it is 10 × 8 × 4"),
        ((20, 16, 3), "pool1", (0, 0, 1.0), r"no position \(0, 0, 1.0\)"),
        ((20, 16, 3), "end", (3,), r"'end' has no position \(3,\): .* is 3, counted"),
    ],
)
def test_what_cannot_be_traced_is_a_clear_error(shape, layer, position, message):
    with pytest.raises(ValueError, match=message):
        trace(classifier(), np.zeros(shape), layer, position)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("vgg19", "got str"),
        (
            keras.Model([one := keras.Input((8, 8, 1)), keras.Input((3,))], one),
            r"one input of shape \(N, H, W, C\); it has 2",
        ),
        (
            keras.Sequential(
                [keras.Input((8, 8, 1), dtype="uint8"), kl.Rescaling(2.0, name="end")]
            ),
            r"takes whole numbers \(uint8\), which have no derivatives",
        ),
        (
            keras.Sequential([keras.Input((8, 8, 1)), kl.UpSampling2D(name="end")]),
            r"no receptive field for layer 'end'",
        ),
    ],
)
def test_a_model_that_cannot_be_traced_says_why(model, message):
    image = np.zeros((8, 8, 1), "uint8")

    with pytest.raises(ValueError, match=message):
        trace(model, image, "end", (0, 0, 0))
    with pytest.raises(ValueError, match=message):
        effective_receptive_field(model, "end", image[None])


def with_kernels(model, kernel):
    """Give all filters of all convolutions one kernel of (K_h, K_w), and no bias."""
    for layer in model.layers:
        if isinstance(layer, kl.Conv2D):
            shape = layer.kernel.shape
            layer.kernel.assign(np.broadcast_to(kernel[..., None, None], shape))
            layer.bias.assign(np.zeros(layer.bias.shape))
    return model


def test_equal_weights_give_every_pixel_of_the_window_an_equal_share():
    model = with_kernels(stacked(kl.Conv2D(1, 3)), np.full((3, 3), -2.0))

    field = effective_receptive_field(model, "end", np.zeros((1, 9, 8, 1)))

    expected = np.zeros((9, 8))
    expected[3:6, 3:6] = 1 / 9  # the middle of 7 × 6 positions is (3, 3)
    np.testing.assert_allclose(field.values, expected, atol=1e-12)
    assert field.window == (slice(3, 6), slice(3, 6)) and field.size == (3, 3)


@pytest.mark.parametrize("filters", [1, 6])
@pytest.mark.parametrize(("depth", "side"), [(1, 3), (2, 5), (3, 5), (4, 7)])
def test_stacked_equal_weights_pile_up_in_the_middle(depth, side, filters):
    """Boxes, convolved with boxes: 1 2 3 2 1, then 1 3 6 7 6 3 1, …"""
    layers = [kl.Conv2D(filters, 3) for _ in range(depth)]
    model = with_kernels(stacked(*layers, size=(15, 15)), np.ones((3, 3)))
    profile = np.ones(1)
    for _ in range(depth):
        profile = np.convolve(profile, np.ones(3) / 3)

    field = effective_receptive_field(model, "end", np.ones((2, 15, 15, 1)), share=0.85)

    inner = slice(7 - depth, 8 + depth)
    np.testing.assert_allclose(
        field.values[inner, inner], np.outer(profile, profile), atol=1e-6
    )
    assert field.values.sum() == pytest.approx(1)
    # In the square: (1), (1), (25 / 27)² = 0.86 and (79 / 81)² = 0.95.
    assert field.size == (side, side)


@pytest.mark.parametrize(
    ("share", "columns"), [(0.2, 1), (0.8, 5), (0.95, 7), (0.96, 9), (1, 11)]
)
def test_the_window_is_the_smallest_that_holds_the_share(share, columns):
    """Of 243: 51 in the middle, 201 in five, 231 in seven, 241 in nine pixels."""
    means = [kl.AveragePooling2D((1, 3), 1) for _ in range(5)]
    model = stacked(*means, size=(4, 21))

    field = effective_receptive_field(model, "end", np.ones((1, 4, 21, 1)), share=share)

    # The middle one of 11 positions sees pixels 5 to 15.
    first = 10 - columns // 2
    assert field.window == (slice(2, 3), slice(first, first + columns))


def test_kernels_that_pass_the_middle_on_do_not_widen_the_field(rng):
    centre = np.zeros((3, 3))
    centre[1, 1] = 1
    layers = [kl.Conv2D(3, 3, padding="same") for _ in range(4)]
    model = with_kernels(stacked(*layers, size=(13, 13), channels=3), centre)
    layers[0].kernel.assign(rng.normal(size=(3, 3, 3, 3)))
    images = rng.random((2, 13, 13, 3))

    field = effective_receptive_field(model, "end", images, share=1)

    assert receptive_field(model, "end").size == (9, 9)
    assert field.size == (3, 3)


@pytest.mark.parametrize("filters", [2, 6])
def test_channels_of_opposite_signs_do_not_cancel(filters, rng):
    kernel = rng.normal(size=(3, 3))
    signs = np.resize([1.0, -1.0], filters)
    model = stacked(kl.Conv2D(filters, 3, use_bias=False), size=(5, 5))
    model.set_weights([kernel[..., None, None] * signs])

    field = effective_receptive_field(model, "end", np.zeros((3, 5, 5, 1)))

    expected = np.abs(kernel) / np.abs(kernel).sum()
    np.testing.assert_allclose(field.values[1:4, 1:4], expected, atol=1e-6)


@pytest.mark.parametrize(("filters", "tolerance"), [(4, 1e-6), (12, 0.15)])
def test_influence_is_the_root_of_the_mean_squared_derivative(filters, tolerance, rng):
    """Exact for up to four channels; mixtures come near for more."""
    model = stacked(
        kl.Conv2D(5, 3, activation="tanh"),
        kl.MaxPooling2D(2),
        kl.Conv2D(filters, 2),
        channels=2,
    )
    images = rng.normal(size=(60, 9, 8, 2)).astype("float32")
    watched = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(watched)
        numbers = tf.reduce_sum(model(watched)[:, 1, 1], axis=0)
    squares = np.square(tape.jacobian(numbers, watched)).sum(axis=(0, 1, 4))
    expected = np.sqrt(squares) / np.sqrt(squares).sum()

    field = effective_receptive_field(model, "end", images, position=(1, 1))

    np.testing.assert_allclose(field.values, expected, rtol=tolerance, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("build", "layer", "positions"),
    [
        (classifier, "pool2", [(0, 0), (2, 1), (4, 2)]),
        (residual, "sum2", [(0, 5), (2, 3)]),
    ],
)
def test_the_measured_field_is_never_larger_than_the_field(
    build, layer, positions, rng
):
    model = build()
    images = rng.normal(size=(2, *model.input_shape[1:])).astype("float32")
    for position in positions:
        rows, columns = receptive_field(model, layer).window(*position)

        field = effective_receptive_field(
            model, layer, images, position=position, share=1
        )

        outside = field.values.copy()
        outside[rows, columns] = 0
        assert not outside.any()
        for ours, theirs in zip(field.window, (rows, columns), strict=True):
            assert theirs.start <= ours.start < ours.stop <= theirs.stop


def test_moving_along_the_map_moves_the_field_by_its_stride(rng):
    model = stacked(kl.Conv2D(2, 3), kl.AveragePooling2D(2), size=(12, 12))
    images = rng.random((1, 12, 12, 1))

    one = effective_receptive_field(model, "end", images, position=(1, 1))
    other = effective_receptive_field(model, "end", images, position=(3, 2))
    middle = effective_receptive_field(model, "end", images)  # of 5 × 5

    np.testing.assert_allclose(np.roll(one.values, (4, 2), (0, 1)), other.values)
    np.testing.assert_allclose(np.roll(one.values, (2, 2), (0, 1)), middle.values)


def test_the_number_of_images_at_once_changes_nothing(rng):
    model = stacked(kl.Conv2D(3, 3, activation="relu"), kl.Conv2D(7, 3))
    images = rng.normal(size=(5, 9, 8, 1))

    together = effective_receptive_field(model, "end", images)
    apart = effective_receptive_field(model, "end", images, batch_size=2)

    np.testing.assert_allclose(together.values, apart.values, atol=1e-9)


def test_an_average_over_everything_counts_every_pixel_alike():
    model = stacked(kl.GlobalAveragePooling2D(), size=(6, 8))

    field = effective_receptive_field(model, "end", np.zeros((1, 6, 8, 1)), share=0.9)

    np.testing.assert_allclose(field.values, 1 / 48)
    assert field.size == (6, 8)  # 6 of 8 columns hold only ¾


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"share": 0}, "share must be more than 0 and at most 1; got 0"),
        ({"share": 1.5}, "at most 1; got 1.5"),
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1; got 0"),
        ({"position": (7, 0)}, r"'end' has no position \(7, 0\): .* is 7 × 6"),
        ({"position": (0, 0, 0)}, r"no position \(0, 0, 0\)"),
        ({"layer": "nd"}, "no layer 'nd'; did you mean 'end'"),
        ({"images": np.zeros((9, 8, 1))}, "put a single image in a batch of one"),
        ({"images": np.zeros((1, 9, 8, 1))}, r"no pixel .* at position \(3, 3\) of 'e"),
    ],
)
def test_what_cannot_be_measured_is_a_clear_error(options, message):
    conv = kl.Conv2D(1, 3, activation="relu")
    model = stacked(conv)
    conv.set_weights([np.ones((3, 3, 1, 1)), np.array([-1.0])])  # silent in the dark
    call = {"layer": "end", "images": np.ones((1, 9, 8, 1))} | options

    with pytest.raises(ValueError, match=message):
        effective_receptive_field(model, **call)


def test_a_layer_without_a_map_has_no_position_to_choose():
    model = stacked(kl.Flatten())

    with pytest.raises(ValueError, match=r"no position \(0, 0\): .* a vector, without"):
        effective_receptive_field(model, "end", np.ones((1, 9, 8, 1)), position=(0, 0))


def test_a_unit_without_a_map_may_be_given_as_a_bare_number(rng):
    model = keras.Sequential(
        [keras.Input((4, 4, 1)), kl.Flatten(), kl.Dense(3, name="d")]
    )
    image = rng.random((4, 4, 1))

    bare, wrapped = (trace(model, image, "d", unit)[-1] for unit in (2, (2,)))

    assert bare.value == wrapped.value
    np.testing.assert_array_equal(bare.weights, wrapped.weights)


def test_a_number_behind_constants_and_turned_colours_is_traced_on_paper():
    """(blue - 1) / 2, (green - 2) / 4 and (red - 3) / 8, added up."""
    image = keras.Input((2, 2, 3), name="image")
    found = (image[..., ::-1] - np.array([1.0, 2, 3])) / np.array([2.0, 4, 8])
    add_up = kl.Dense(1, kernel_initializer="ones", name="end")
    model = keras.Model(image, add_up(inputs=found))
    picture = np.arange(12.0).reshape(2, 2, 3)

    *_, pixels = trace(model, picture, "end", (1, 0, 0))

    red, green, blue = picture[1, 0]
    assert pixels.layer == "image"
    assert pixels.value == (blue - 1) / 2 + (green - 2) / 4 + (red - 3) / 8
    np.testing.assert_array_equal(pixels.weights, [[[1 / 8, 1 / 4, 1 / 2]]])
    assert pixels.constant == -(1 / 2 + 2 / 4 + 3 / 8)
