"""The NumPy layers agree with Keras and obey the laws the book states."""

import subprocess
import sys

import numpy as np
import pytest

from cnnbook import layers

WINDOWS = [1, 2, 3, (3, 2), (2, 5), 4]


@pytest.fixture(scope="module")
def keras():
    """Imported for the tests that compare with it alone, as that takes seconds."""
    import keras

    return keras


def assert_close(ours, theirs):
    theirs = np.asarray(theirs)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.fixture
def images(rng):
    return rng.normal(size=(2, 9, 8, 3)).astype("float32")  # odd × even, on purpose


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_conv2d_agrees_with_keras(keras, rng, images, window, stride, padding):
    layer = keras.layers.Conv2D(4, window, strides=stride, padding=padding)
    layer.build(images.shape)
    kernels = rng.normal(size=layer.kernel.shape).astype("float32")
    bias = rng.normal(size=4).astype("float32")
    layer.set_weights([kernels, bias])
    ours = layers.conv2d(images, kernels, bias, stride=stride, padding=padding)
    assert_close(ours, layer(images))


def test_conv2d_with_a_stride_picks_among_the_outputs_at_stride_one(rng, images):
    # Keras's convolution on a CPU wants equal strides; ours need not.
    kernels = rng.normal(size=(3, 2, 3, 4))
    np.testing.assert_allclose(
        layers.conv2d(images, kernels, stride=(3, 2)),
        layers.conv2d(images, kernels)[:, ::3, ::2],
    )


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("dilation", [2, 3, (1, 3), (2, 1)], ids=str)
@pytest.mark.parametrize("window", [2, 3, (3, 2)], ids=str)
def test_dilated_conv2d_agrees_with_keras(
    keras, rng, images, window, dilation, padding
):
    layer = keras.layers.Conv2D(4, window, dilation_rate=dilation, padding=padding)
    layer.build(images.shape)
    kernels = rng.normal(size=layer.kernel.shape).astype("float32")
    layer.set_weights([kernels, np.zeros(4)])
    ours = layers.conv2d(images, kernels, padding=padding, dilation=dilation)
    assert_close(ours, layer(images))


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("stride", [None, 1, 2, 3, (1, 2)], ids=str)
@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("kind", ["max", "average"])
def test_pooling_agrees_with_keras(keras, images, kind, window, stride, padding):
    ours, theirs = {
        "max": (layers.max_pool2d, keras.layers.MaxPooling2D),
        "average": (layers.avg_pool2d, keras.layers.AveragePooling2D),
    }[kind]
    assert_close(
        ours(images, window, stride=stride, padding=padding),
        theirs(window, strides=stride, padding=padding)(images),
    )


def test_the_fully_connected_end_agrees_with_keras(keras, rng, images):
    assert_close(
        layers.global_average_pool2d(images),
        keras.layers.GlobalAveragePooling2D()(images),
    )
    features = layers.flatten(images)
    assert_close(features, keras.layers.Flatten()(images))
    # In float32 the order in which 216 products are added up would show.
    layer = keras.layers.Dense(4, dtype="float64")
    layer.build(features.shape)
    weights, bias = rng.normal(size=layer.kernel.shape), rng.normal(size=4)
    layer.set_weights([weights, bias])
    features = features.astype("float64")
    assert_close(layers.dense(features, weights, bias), layer(features))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (layers.leaky_relu, lambda ops, x: ops.leaky_relu(x, 0.01)),
        (
            lambda x: layers.leaky_relu(x, slope=0.3),
            lambda ops, x: ops.leaky_relu(x, 0.3),
        ),
        (layers.softmax, lambda ops, x: ops.softmax(x)),
    ],
    ids=["leaky_relu", "leaky_relu_0.3", "softmax"],
)
def test_leaky_relu_with_any_slope_and_softmax_agree_with_keras(
    keras, rng, ours, theirs
):
    x = rng.normal(scale=4, size=(5, 7)).astype("float32")
    assert_close(ours(x), theirs(keras.ops, x))


def test_float32_stays_float32(rng, images):
    kernels, bias = rng.random((3, 3, 3, 2), "float32"), np.zeros(2, "float32")
    maps = layers.conv2d(images, kernels, bias, padding="same")
    outputs = [maps, layers.max_pool2d(maps), layers.avg_pool2d(maps)]
    outputs += [layers.softmax(maps), layers.global_average_pool2d(maps)]
    assert {output.dtype for output in outputs} == {np.dtype("float32")}


def test_conv2d_by_hand():
    image = np.array([[1, 2, 0], [0, 1, 3], [2, 0, 1]]).reshape(1, 3, 3, 1)
    kernel = np.array([[1, 0], [-1, 2]]).reshape(2, 2, 1, 1)
    # Top left: 1·1 + 2·0 + 0·(-1) + 1·2 = 3, and the bias of 10.
    expected = [[1 + 0 + 0 + 2, 2 + 0 - 1 + 6], [0 + 0 - 2 + 0, 1 + 0 - 0 + 2]]
    maps = layers.conv2d(image, kernel, bias=[10])
    np.testing.assert_array_equal(maps[0, ..., 0], np.array(expected) + 10)


def test_conv2d_with_the_identity_kernel_returns_the_image(rng):
    images = rng.normal(size=(2, 5, 6, 1))
    identity = np.zeros((3, 3, 1, 1))
    identity[1, 1] = 1
    np.testing.assert_array_equal(
        layers.conv2d(images, identity, padding="same"), images
    )


@pytest.mark.parametrize("padding", ["valid", "same", 2, ((0, 1), (2, 3))], ids=str)
def test_conv2d_is_linear(rng, padding):
    a, b = rng.normal(size=(2, 3, 7, 6, 2))
    kernels = rng.normal(size=(3, 3, 2, 4))

    def conv(images):
        return layers.conv2d(images, kernels, padding=padding)

    np.testing.assert_allclose(conv(2 * a - b), 2 * conv(a) - conv(b), atol=1e-12)


def test_conv2d_commutes_with_shifting_the_image(rng):
    images = np.zeros((1, 12, 12, 2))
    images[:, 3:8, 3:8] = rng.normal(size=(1, 5, 5, 2))
    kernels = rng.normal(size=(3, 3, 2, 4))
    shift = {"shift": (2, 1), "axis": (1, 2)}
    np.testing.assert_allclose(
        layers.conv2d(np.roll(images, **shift), kernels, padding="same"),
        np.roll(layers.conv2d(images, kernels, padding="same"), **shift),
        atol=1e-12,
    )


def test_conv2d_is_patches_times_kernels(rng, images):
    kernels = rng.normal(size=(3, 2, 3, 4))
    rows = layers.patches(images, (3, 2), stride=2, padding="same", dilation=1)
    np.testing.assert_allclose(
        rows @ kernels.reshape(-1, 4),
        layers.conv2d(images, kernels, stride=2, padding="same"),
    )


@pytest.mark.parametrize("pool", [layers.max_pool2d, layers.avg_pool2d])
def test_explicit_padding_puts_the_given_pixels_on_each_side(rng, images, pool):
    kernels = rng.normal(size=(3, 3, 3, 2))
    padding = ((1, 0), (2, 1))
    by_hand = np.pad(images, ((0, 0), *padding, (0, 0)))
    np.testing.assert_array_equal(
        layers.conv2d(images, kernels, padding=padding),
        layers.conv2d(by_hand, kernels),
    )
    # A pool must not see the zeros: on a constant image it returns the constant.
    constant = np.full((1, 5, 7, 2), -3.0)
    assert np.all(pool(constant, 3, stride=2, padding=padding) == -3)


@pytest.mark.parametrize("padding", ["valid", "same", 1], ids=str)
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("pool", [layers.max_pool2d, layers.avg_pool2d])
def test_pools_never_leave_the_range_of_their_input(images, pool, stride, padding):
    pooled = pool(images, 3, stride=stride, padding=padding)
    assert np.all(pooled <= images.max()) and np.all(pooled >= images.min())


def test_an_average_is_never_above_the_maximum(images):
    assert np.all(layers.avg_pool2d(images, 3) <= layers.max_pool2d(images, 3) + 1e-6)


def test_a_shift_by_the_window_shifts_the_pooled_map_by_one(images):
    shifted = layers.max_pool2d(images[:, 2:], 2)
    np.testing.assert_array_equal(shifted, layers.max_pool2d(images, 2)[:, 1:])


def test_pooling_does_not_change_its_input(images):
    before = images.copy()
    layers.max_pool2d(images, 1)
    layers.avg_pool2d(images, 2)
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize("padding", ["valid", "same", 0, 2, (1, 3)], ids=str)
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("window", [1, 2, 3, 5])
@pytest.mark.parametrize("size", [9, 10])
def test_output_size_counts_the_places_a_window_visits(
    size, window, stride, dilation, padding
):
    count = layers.output_size(size, window, stride, padding, dilation)
    if padding == "same":
        assert count == -(-size // stride)
        return
    before, after = {"valid": (0, 0), 0: (0, 0), 2: (2, 2)}.get(padding, padding)
    last = size + before + after - dilation * (window - 1) - 1
    assert count == len(range(0, last + 1, stride))
    maps = layers.conv2d(
        np.zeros((1, size, size, 1)),
        np.zeros((window, window, 1, 1)),
        stride=stride,
        padding=((before, after), (before, after)),
        dilation=dilation,
    )
    assert maps.shape == (1, count, count, 1)


def test_softmax_ignores_a_constant_added_to_every_logit(rng):
    logits = rng.normal(size=(4, 3))
    np.testing.assert_allclose(layers.softmax(logits + 7), layers.softmax(logits))


def test_softmax_rows_are_finite_and_add_up_to_one_even_for_huge_logits():
    probabilities = layers.softmax(np.array([[1000.0, 0], [-1000, -1000]]))
    np.testing.assert_array_equal(probabilities, [[1, 0], [0.5, 0.5]])


def test_sigmoid_is_softmax_against_zero(rng):
    x = rng.normal(size=20)
    against_zero = layers.softmax(np.stack([x, np.zeros(20)], axis=-1))[:, 0]
    np.testing.assert_allclose(layers.sigmoid(x), against_zero)


def test_integers_give_the_same_result_as_floats():
    grey = np.full((1, 3, 3, 1), 200, np.uint8)  # 9 × 200 would overflow uint8
    kernels = np.ones((3, 3, 1, 1), np.int8)
    assert layers.conv2d(grey, kernels).item() == 1800
    assert layers.avg_pool2d(grey, 3).item() == 200


IMAGE, KERNEL = np.zeros((1, 4, 4, 3)), np.zeros((3, 3, 3, 2))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: layers.conv2d(IMAGE[0], KERNEL), r"\(N, H, W, C\); got shape \(4, 4"),
        (lambda: layers.conv2d(IMAGE, KERNEL[0]), r"\(K_h, K_w, C, F\)"),
        (lambda: layers.conv2d(IMAGE, KERNEL[:, :, :1]), "same number of channels"),
        (lambda: layers.conv2d(IMAGE, KERNEL, np.zeros(3)), r"bias must have shape"),
        (lambda: layers.conv2d(IMAGE, KERNEL, stride=0), "stride must be a whole"),
        (lambda: layers.conv2d(IMAGE, KERNEL, stride=1.5), "stride must be a whole"),
        (lambda: layers.conv2d(IMAGE, KERNEL, stride=(1, 1, 1)), "int or a pair"),
        (lambda: layers.conv2d(IMAGE, KERNEL, padding="full"), "padding must be"),
        (lambda: layers.conv2d(IMAGE, KERNEL, padding=-1), "padding must be"),
        (lambda: layers.conv2d(IMAGE, KERNEL, padding=(1, 1, 1)), r"\(\(top, bottom\)"),
        (lambda: layers.conv2d(IMAGE, KERNEL, padding=(1, 2)), r"\(\(top, bottom\)"),
        (
            lambda: layers.conv2d(IMAGE, KERNEL, padding=((1, 2), 3)),
            r"padding must be .* got \(\(1, 2\), 3\)",
        ),
        (
            lambda: layers.max_pool2d(IMAGE, 2, padding=((1, 0), "same")),
            "padding must be",
        ),
        (lambda: layers.output_size(4, 2, padding=(1, 2, 3)), r"\(before, after\)"),
        (lambda: layers.output_size(4, 2, padding=((1, 2), 3)), r"\(before, after\)"),
        (lambda: layers.max_pool2d(IMAGE, ((1, 2), 3)), "window must be a whole"),
        (lambda: layers.conv2d(IMAGE, KERNEL, dilation=2), "does not fit into 4"),
        (lambda: layers.max_pool2d(IMAGE, 5), "does not fit into 4"),
        (lambda: layers.max_pool2d(IMAGE, 2, padding=2), "nothing but padding"),
        (lambda: layers.output_size(2, 3), "make it smaller or pad more"),
        (lambda: layers.dense(IMAGE, KERNEL), r"\(N, D\) and weights \(D, K\)"),
        (lambda: layers.flatten(np.zeros(3)), r"must have shape \(N, \.\.\.\)"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_reason(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_importing_the_layers_costs_numpy_alone():
    code = (
        "import sys; from cnnbook import layers; "
        "heavy = {'tensorflow', 'keras', 'scipy', 'matplotlib', 'skimage', 'PIL'}; "
        "sys.exit(f'{heavy & set(sys.modules)}' if heavy & set(sys.modules) else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
