"""Feature maps equal the NumPy layers, plain Keras sub-models and sums on paper."""

import gc
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as kl

from cnnbook import layers
from cnnbook.maps import feature_maps, kernels, silent_channels


def small_classifier(size=(12, 10), channels=3):
    """Two blocks and a dense end, as the book's classifier has three."""
    image = keras.Input((*size, channels), name="image")
    found = kl.Rescaling(2.0, offset=-1.0, name="rescaling")(image)
    for block, filters in enumerate((4, 5), start=1):
        found = kl.Conv2D(filters, 3, padding="same", name=f"block{block}_conv")(found)
        found = kl.ReLU(name=f"block{block}_relu")(found)
        found = kl.MaxPooling2D(2, name=f"block{block}_pool")(found)
    end = kl.Dense(2, name="logits")(kl.Flatten(name="flatten")(found))
    model = keras.Model(image, end, name="small")
    return with_random_weights(model)


def with_random_weights(model):
    """Give every weight a value of its own, those that start at 0 or 1 too.

    Kernels are scaled so that a deep network neither dies out nor overflows.
    """
    rng = np.random.default_rng(1)
    for weight in model.weights:
        kind = weight.path.rsplit("/", 1)[-1]
        if "kernel" in kind:
            inputs = weight.shape[: 2 if "depthwise" in kind else -1]
            weight.assign(rng.normal(0, np.sqrt(2 / np.prod(inputs)), weight.shape))
        elif kind in ("gamma", "moving_variance", "variance"):
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
        elif "seed" not in kind and kind != "count":
            weight.assign(rng.normal(0, 0.2, weight.shape))
    return model


def by_submodels(model, tensors, images):
    """Compute maps the slow and plain way: one Keras model for each."""
    return {
        name: np.asarray(keras.Model(model.inputs[0], tensor)(images, training=False))
        for name, tensor in tensors.items()
    }


def assert_same_maps(ours, theirs):
    assert list(ours) == list(theirs)
    for name, found in theirs.items():
        np.testing.assert_allclose(
            ours[name], found, rtol=1e-5, atol=1e-6, err_msg=name
        )


@pytest.fixture
def model():
    return small_classifier()


@pytest.fixture
def images(rng):
    return rng.random((5, 12, 10, 3)).astype("float32")


def test_the_first_block_equals_the_numpy_layers_with_the_models_weights(model, images):
    found = feature_maps(model, images)
    bias = model.get_layer("block1_conv").get_weights()[1]

    conv = layers.conv2d(
        2 * images - 1, kernels(model, "block1_conv"), bias, padding="same"
    )

    np.testing.assert_allclose(found["block1_conv"], conv, atol=1e-5)
    np.testing.assert_allclose(found["block1_relu"], layers.relu(conv), atol=1e-5)
    pooled = layers.max_pool2d(layers.relu(conv), 2)
    np.testing.assert_allclose(found["block1_pool"], pooled, atol=1e-5)


def test_a_difference_kernel_gives_the_maps_worked_out_on_paper():
    conv = kl.Conv2D(1, (1, 2), activation="relu", name="conv")
    model = keras.Sequential(
        [keras.Input((2, 3, 1)), conv, kl.AveragePooling2D((2, 1), name="pool")]
    )
    conv.set_weights([np.array([-1.0, 1.0]).reshape(1, 2, 1, 1), np.array([0.5])])
    image = np.array([[1, 3, 2], [5, 5, 9]]).reshape(1, 2, 3, 1)

    found = feature_maps(model, image)

    # 3 - 1 + ½, 2 - 3 + ½ → 0;  5 - 5 + ½, 9 - 5 + ½;  then the means of columns
    assert found["conv"][0, :, :, 0].tolist() == [[2.5, 0], [0.5, 4.5]]
    assert found["pool"][0, :, :, 0].tolist() == [[1.5, 2.25]]


def test_maps_equal_those_of_one_submodel_per_layer(model, images):
    tensors = {
        f"block{block}_{kind}": model.get_layer(f"block{block}_{kind}").output
        for block in (1, 2)
        for kind in ("conv", "relu", "pool")
    }

    assert_same_maps(feature_maps(model, images), by_submodels(model, tensors, images))


def nested():
    """A base with its own input inside a model with a head, as in transfer learning."""
    base_image = keras.Input((None, None, 3))
    base_maps = kl.Conv2D(4, 3, name="conv")(base_image)
    base_maps = kl.BatchNormalization(name="norm")(base_maps)
    base = keras.Model(base_image, kl.ReLU(name="relu")(base_maps), name="base")
    stem = keras.Sequential(
        [keras.Input((12, 10, 3)), kl.Conv2D(3, 1, name="mix"), kl.ReLU(name="relu")],
        name="stem",
    )
    image = keras.Input((12, 10, 3))
    found = kl.Conv2D(2, 3, name="conv")(base(stem(image)))
    head = kl.Dense(1)(kl.GlobalAveragePooling2D()(found))
    return with_random_weights(keras.Model(image, head, name="whole"))


def test_layers_of_nested_models_are_reached_by_path(images):
    model = nested()
    stem, base = model.get_layer("stem"), model.get_layer("base")

    found = feature_maps(model, images)

    inside = {f"stem/{n}": stem.get_layer(n).output for n in ("mix", "relu")}
    expected = by_submodels(stem, inside, images)
    inside = {f"base/{n}": base.get_layer(n).output for n in ("conv", "norm", "relu")}
    expected |= by_submodels(base, inside, expected["stem/relu"])
    expected |= by_submodels(model, {"conv": model.get_layer("conv").output}, images)
    assert_same_maps(found, expected)


def test_each_use_of_a_shared_layer_has_its_own_maps(images):
    image = keras.Input((12, 10, 3))
    shared = kl.Conv2D(3, 3, name="shared")
    first = shared(image)
    second = shared(kl.ReLU(name="relu")(first))
    model = with_random_weights(keras.Model(image, second))

    found = feature_maps(model, images)

    tensors = {"shared": first, "relu": model.get_layer("relu").output}
    tensors["shared#2"] = second
    assert_same_maps(found, by_submodels(model, tensors, images))


def test_a_shared_nested_model_has_maps_for_each_use(images):
    inner = keras.Sequential(
        [keras.Input((None, None, 3)), kl.Conv2D(3, 3, name="conv")], name="inner"
    )
    image = keras.Input((12, 10, 3))
    model = with_random_weights(keras.Model(image, inner(inner(image))))

    found = feature_maps(model, images)

    assert list(found) == ["inner/conv", "inner#2/conv"]
    np.testing.assert_allclose(found["inner/conv"], inner(images), atol=1e-6)
    np.testing.assert_allclose(found["inner#2/conv"], inner(inner(images)), atol=1e-5)


def test_branches_and_operations_without_a_layer_have_maps(images):
    image = keras.Input((12, 10, 3))
    left = kl.Conv2D(2, 3, padding="same", name="left")(image)
    right = keras.ops.relu(kl.Conv2D(2, 1, name="right")(image))
    model = keras.Model(image, kl.Concatenate(name="both")([left, right]))

    found = feature_maps(model, images)

    assert [name.split("_")[0] for name in found] == ["left", "right", "relu", "both"]
    np.testing.assert_array_equal(found["both"][..., :2], found["left"])
    np.testing.assert_array_equal(found["both"][..., 2:], found["right"].clip(0))


def test_a_model_of_any_size_takes_images_of_any_size(rng):
    model = small_classifier().layers[2]  # a convolution of its own weights
    image = keras.Input((None, None, 3))
    anything = keras.Model(image, model(image))
    for size in ((12, 10), (7, 30)):
        images = rng.random((2, *size, 3)).astype("float32")
        found = feature_maps(anything, images)["block1_conv"]
        np.testing.assert_allclose(found, model(images), atol=1e-6)


@pytest.mark.parametrize("channels", [1, 2, 13, 256])
def test_any_number_of_channels_will_do(channels, rng):
    image = keras.Input((12, 10, channels))
    tensors = {}
    found = image
    for name, layer in {
        "conv": kl.Conv2D(4, 3),
        "depthwise": kl.DepthwiseConv2D(3),
        "separable": kl.SeparableConv2D(1, 3),
        "up": kl.Conv2DTranspose(channels, 2),
    }.items():
        layer.name = name
        found = tensors[name] = layer(found)
    model = with_random_weights(keras.Model(image, found))
    images = rng.random((2, 12, 10, channels)).astype("float32")

    assert_same_maps(feature_maps(model, images), by_submodels(model, tensors, images))


def test_a_row_of_preprocessing_layers_is_left_out_and_acts_on_the_maps(rng):
    photos = rng.uniform(0, 255, (3, 16, 18, 3)).astype("float32")
    normalization = kl.Normalization(name="normalized")
    normalization.adapt(photos)
    image = keras.Input((16, 18, 3), name="image")
    tensors, seen = {"image": image}, image
    for layer in (
        kl.Rescaling(255.0, name="rescaled"),
        kl.CenterCrop(14, 12, name="cropped"),
        kl.Resizing(10, 11, name="resized"),
        normalization,
        kl.RandomFlip(name="flipped"),
        kl.RandomRotation(0.2, name="turned"),
        kl.GaussianNoise(0.5, name="noisy"),
        kl.ZeroPadding2D(1, name="padded"),
        kl.Conv2D(4, 3, name="conv"),
        kl.ReLU(name="relu"),
    ):
        seen = tensors[layer.name] = layer(seen)
    model = keras.Model(image, seen)
    images = photos / 255

    assert list(feature_maps(model, images)) == ["conv", "relu"]
    found = feature_maps(model, images, "*", batch_size=2)
    assert_same_maps(found, by_submodels(model, tensors, images))
    np.testing.assert_allclose(
        found["cropped"], photos[:, 1:15, 3:15], rtol=1e-5, atol=1e-4
    )
    np.testing.assert_array_equal(found["noisy"], found["normalized"])


@pytest.mark.parametrize("structure", [list, dict])
def test_a_model_with_several_outputs_has_the_maps_of_all_branches(structure, images):
    image = keras.Input((12, 10, 3))
    stem = kl.Conv2D(4, 3, name="stem")(image)
    left = kl.Conv2D(2, 3, name="left")(stem)
    scores = kl.Dense(2)(kl.Flatten()(kl.MaxPooling2D(2, name="pool")(stem)))
    kl.Conv2D(2, 3, name="unused")(stem)
    outputs = {"left": left, "scores": scores}
    outputs = outputs if structure is dict else list(outputs.values())
    model = with_random_weights(keras.Model(image, outputs, name="inner"))
    names = {"stem", "left", "pool"}

    found = feature_maps(model, images)
    outer_image = keras.Input((12, 10, 3))
    inner = model(outer_image)
    relu = kl.ReLU(name="relu")(inner["left" if structure is dict else 0])
    within = feature_maps(keras.Model(outer_image, relu), images)

    tensors = {name: model.get_layer(name).output for name in found}
    assert found.keys() == names
    assert_same_maps(found, by_submodels(model, tensors, images))
    np.testing.assert_array_equal(within["inner/left"], found["left"])
    np.testing.assert_array_equal(within["relu"], found["left"].clip(0))


def test_maps_keep_the_precision_of_their_layer(images):
    image = keras.Input((12, 10, 3))
    half = kl.Conv2D(2, 3, dtype="mixed_float16", name="half")(image)
    full = kl.Conv2D(2, 3, dtype="float32", name="full")(half)
    model = keras.Model(image, full)

    found = feature_maps(model, images)

    assert [array.dtype for array in found.values()] == [np.float16, np.float32]
    np.testing.assert_array_equal(found["full"], model(images, training=False))


def test_bfloat16_which_numpy_lacks_comes_as_the_same_numbers_in_float32(images):
    image = keras.Input((12, 10, 3), dtype="bfloat16", name="image")
    tripled = kl.Rescaling(3.0, dtype="bfloat16", name="tripled")(image)

    found = feature_maps(keras.Model(image, tripled), images + 1, "*", batch_size=4)

    assert {array.dtype for array in found.values()} == {np.dtype("float32")}
    # Eight bits for each number from 1 to 2, and from 2 to 4: steps of 1/128 and 1/64.
    seen = np.round((images + 1) * 128) / 128
    np.testing.assert_array_equal(found["image"], seen)
    step = np.where(3 * seen < 4, 1 / 64, 1 / 32)
    np.testing.assert_array_equal(found["tripled"], np.round(3 * seen / step) * step)


def test_a_nested_model_gets_its_input_in_its_own_precision(images):
    inner_image = keras.Input((None, None, 2), dtype="float32")
    inner = keras.Model(inner_image, keras.ops.square(inner_image), name="inner")
    image = keras.Input((12, 10, 3))
    half = kl.Conv2D(2, 3, dtype="mixed_float16")(image)
    model = keras.Model(image, inner(half))

    (square,) = feature_maps(model, images, "inner/square*").values()

    assert square.dtype == np.float32
    np.testing.assert_array_equal(square, model(images, training=False))


def test_maps_are_those_of_inference(images):
    image = keras.Input((12, 10, 3))
    flipped = kl.RandomFlip(name="flip")(image)
    dropped = kl.Dropout(0.9, name="dropout")(kl.Conv2D(2, 1, name="conv")(flipped))
    model = keras.Model(image, kl.BatchNormalization(name="norm")(dropped))

    found = feature_maps(model, images, "*")

    np.testing.assert_array_equal(found["flip"], images)
    np.testing.assert_array_equal(found["dropout"], found["conv"])
    np.testing.assert_allclose(found["norm"], found["conv"], rtol=1e-3)


def test_the_model_sees_the_callers_numbers_unchanged(rng):
    image = keras.Input((4, 4, 2))
    model = keras.Model(image, kl.Identity(name="seen")(image))
    images = rng.integers(-300, 300, (3, 4, 4, 2))
    before = images.copy()

    seen = feature_maps(model, images)["seen"]

    np.testing.assert_array_equal(seen, before)
    np.testing.assert_array_equal(images, before)


def test_maps_are_read_only_and_do_not_share_the_callers_memory(rng):
    image = keras.Input((4, 4, 2))
    model = keras.Model(image, kl.Identity(name="seen")(image))
    images = rng.random((3, 4, 4, 2)).astype("float32")
    for batch_size in (2, 3):
        seen = feature_maps(model, images, batch_size=batch_size)["seen"]
        assert not seen.flags.writeable
        assert not np.shares_memory(seen, images)


@pytest.mark.parametrize("batch_size", [1, 2, 5, 100])
def test_batches_do_not_change_the_maps(model, images, batch_size):
    found = feature_maps(model, images, batch_size=batch_size)

    assert_same_maps(found, feature_maps(model, images, batch_size=5))


def test_a_batch_bounds_how_many_images_are_inside_the_model_at_once(rng):
    image = keras.Input((4, 4, 1))
    sizes = []

    def note(images):
        sizes.append(len(images))
        return images

    noted = kl.Lambda(lambda x: tf.numpy_function(note, [x], "float32"), (4, 4, 1))
    noted.name = "noted"
    model = keras.Model(image, noted(image))
    images = rng.random((50, 4, 4, 1)).astype("float32")

    for batch_size in (1, 3, 20, 50):
        sizes.clear()
        found = feature_maps(model, images, "noted", batch_size=batch_size)
        assert max(sizes) <= batch_size and sum(sizes) == 50
        np.testing.assert_array_equal(found["noted"], images)


def test_by_default_maps_start_at_the_first_convolution(model, images):
    assert list(feature_maps(model, images)) == [
        f"block{block}_{kind}" for block in (1, 2) for kind in ("conv", "relu", "pool")
    ]


def test_without_a_convolution_every_map_but_the_input_is_given():
    model = keras.Sequential([keras.Input((4, 4, 1)), kl.MaxPooling2D(2, name="pool")])

    assert list(feature_maps(model, np.zeros((1, 4, 4, 1)))) == ["pool"]


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("block1_relu", ["block1_relu"]),
        (["block2_conv", "block1_pool"], ["block1_pool", "block2_conv"]),
        ("*_conv", ["block1_conv", "block2_conv"]),
        ("convolutions", ["block1_conv", "block2_conv"]),
        (["pools", "block?_pool"], ["block1_pool", "block2_pool"]),
        (("rescaling", "image"), ["image", "rescaling"]),
    ],
)
def test_layers_are_names_patterns_or_kinds_and_come_in_order(
    model, images, asked, given
):
    assert list(feature_maps(model, images, asked)) == given


class CountsItsCalls(kl.Layer):
    """Python runs a layer's call only while Keras or TensorFlow build a graph."""

    calls = 0

    def call(self, images):
        type(self).calls += 1
        return images * 2


@pytest.fixture
def counting():
    CountsItsCalls.calls = 0
    image = keras.Input((None, None, 1))
    model = keras.Model(image, CountsItsCalls(name="twice")(image))
    CountsItsCalls.calls = 0
    return model


def test_a_second_call_builds_nothing_whatever_the_number_and_size_of_images(counting):
    feature_maps(counting, np.ones((3, 4, 5, 1)))
    assert CountsItsCalls.calls == 1

    for shape in ((3, 4, 5, 1), (1, 4, 5, 1), (7, 6, 6, 1), (40, 4, 4, 1)):
        assert (feature_maps(counting, np.ones(shape))["twice"] == 2).all()

    assert CountsItsCalls.calls == 1


def test_new_weights_are_seen_without_building_anew(model, images):
    feature_maps(model, images)
    conv = model.get_layer("block1_conv")
    conv.set_weights([np.zeros_like(weights) for weights in conv.get_weights()])

    assert not feature_maps(model, images)["block1_conv"].any()


def test_a_sequential_model_that_grows_is_read_again(images):
    model = keras.Sequential([keras.Input((12, 10, 3)), kl.Conv2D(2, 3, name="conv")])
    assert list(feature_maps(model, images)) == ["conv"]

    model.add(kl.ReLU(name="relu"))

    assert list(feature_maps(model, images)) == ["conv", "relu"]


def test_a_sequential_model_built_by_its_first_call_has_maps(images):
    model = keras.Sequential([kl.Conv2D(2, 3, name="conv")])
    expected = model(images)

    np.testing.assert_allclose(feature_maps(model, images)["conv"], expected, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("build", [small_classifier, nested])
def test_a_model_that_is_dropped_is_collected(build, images):
    model = build()
    found = feature_maps(model, images)
    weight = weakref.ref(model.weights[0])
    model = weakref.ref(model)

    gc.collect()
    gc.collect()  # what belonged to the model is let go of when the model is

    assert model() is None and weight() is None
    assert np.isfinite(next(iter(found.values()))).all()  # the maps live on


def test_the_callers_model_is_left_as_it_was(images):
    model = nested()
    base = model.get_layer("base")
    uses = [len(layer._inbound_nodes) for layer in (*model.layers, *base.layers)]

    feature_maps(model, images)

    assert uses == [
        len(layer._inbound_nodes) for layer in (*model.layers, *base.layers)
    ]


def test_kernels_are_the_weights_of_the_convolution(model):
    kernel = kernels(model, "block2_conv")

    np.testing.assert_array_equal(
        kernel, model.get_layer("block2_conv").get_weights()[0]
    )
    kernel[:] = 0  # a copy: the model keeps its own
    assert kernels(model, "block2_conv").any()


def test_kernels_of_nested_and_depthwise_convolutions():
    model = nested()
    base = model.get_layer("base")
    depthwise = keras.Sequential(
        [keras.Input((8, 8, 3)), kl.DepthwiseConv2D(5, depth_multiplier=2, name="d")]
    )

    np.testing.assert_array_equal(
        kernels(model, "base/conv"), base.get_layer("conv").get_weights()[0]
    )
    assert kernels(depthwise, "d").shape == (5, 5, 3, 2)


def test_a_layer_without_kernels_is_an_error_that_lists_those_with(model):
    with pytest.raises(
        ValueError,
        match=r"'block1_pool' \(MaxPooling2D\) has no kernels.*have: block1_conv, bl",
    ):
        kernels(model, "block1_pool")


def test_a_channel_is_silent_where_it_is_zero_everywhere():
    found = np.zeros((2, 3, 3, 3))
    found[0, 0, 0, 1] = 1e-9
    found[1, 2, 1, 0] = -1
    found[1, 0, 0, 2] = np.nan

    assert silent_channels(found).tolist() == [
        [True, False, True],
        [False, True, False],
    ]


def test_a_tolerance_lets_faint_channels_count_as_silent():
    found = np.full((1, 2, 2, 3), [0.1, -0.1, 0.2])

    assert silent_channels(found, tolerance=0.1).tolist() == [[True, True, False]]


def test_channels_after_a_relu_are_silent_where_none_of_the_sums_is_positive(
    model, images
):
    conv = model.get_layer("block1_conv")
    kernel, bias = conv.get_weights()
    bias[1] = -100.0
    conv.set_weights([kernel, bias])
    found = feature_maps(model, images)

    silent = silent_channels(found["block1_relu"])

    np.testing.assert_array_equal(silent, found["block1_conv"].max(axis=(1, 2)) <= 0)
    assert silent[:, 1].all() and not silent[:, 0].any()


@pytest.mark.parametrize(
    ("found", "tolerance", "message"),
    [
        (np.zeros((3, 3, 2)), 0, r"shape \(N, H, W, F\).* got shape \(3, 3, 2\)"),
        (np.zeros((1, 0, 3, 2)), 0, "at least one position"),
        (np.zeros((1, 3, 3, 2)), -1, "tolerance must be 0 or more; got -1"),
    ],
)
def test_what_silence_cannot_be_told_of_is_an_error(found, tolerance, message):
    with pytest.raises(ValueError, match=message):
        silent_channels(found, tolerance=tolerance)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            "block1_con",
            "no layer 'block1_con'; did you mean 'block1_conv'.* Its layers: ",
        ),
        (
            ["block1_conv", "nothing"],
            "'small' has no layer 'nothing'. Its layers: image",
        ),
        ("conv9*", "no layer 'conv9\\*'"),
        (
            "flatten",
            r"'flatten' has no feature maps: .*\(None, 30\).*have: image, resc",
        ),
        ("*s", r"'logits' has no feature maps: .*\(None, 2\).*have: image, resc"),
        ([], r"none of the layers asked for, \(\)"),
        ([3], r"names of layers \(of a layer object, its name\); got 3"),
        (3, r"names of layers \(of a layer object, its name\); got 3"),
        (kl.ReLU(name="re"), r"of a layer object, its name\); got <ReLU name=re"),
    ],
)
def test_a_layer_that_cannot_be_given_is_a_clear_error(model, images, asked, message):
    with pytest.raises(ValueError, match=message):
        feature_maps(model, images, asked)


def test_the_name_of_a_nested_model_suggests_its_layers(images):
    with pytest.raises(ValueError, match=r"did you mean .*'base/norm' or 'base/relu'"):
        feature_maps(nested(), images, "base")


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (
            (1, 12, 11, 3),
            r"'small' takes images of shape \(N, 12, 10, 3\); got .*11, 3\)",
        ),
        ((1, 12, 10, 1), r"\(N, 12, 10, 3\); got shape \(1, 12, 10, 1\)"),
        ((12, 10, 3), r"got shape \(12, 10, 3\): put a single image in a batch of one"),
        ((12, 10), r"got shape \(12, 10\)"),
        ((0, 12, 10, 3), r"at least one image; got shape \(0, 12, 10, 3\)"),
        ((1, 1, 12, 10, 3), r"got shape \(1, 1, 12, 10, 3\)$"),
        ((2, 3, 12, 10), r"put channels last, np.moveaxis\(images, 1, -1\)"),
        ((2, 12, 10, 4), r"keep red, green and blue alone, images\[..., :3\]"),
        ((2, 12, 10, 1), r"repeat grey .* np.repeat\(images, 3, axis=-1\)"),
        ((2, 12, 10), r"repeat grey .* np.repeat\(images\[..., None\], 3, axis=-1\)"),
        ((2, 20, 30, 3), r"cut each to that size, pictures.load_image\(image, size\)"),
    ],
)
def test_images_that_do_not_fit_the_model_are_a_clear_error(model, shape, message):
    with pytest.raises(ValueError, match=message):
        feature_maps(model, np.zeros(shape))


def test_grey_images_without_an_axis_of_channels_are_told_to_get_one():
    model = small_classifier(channels=1)
    with pytest.raises(ValueError, match=r"axis of one channel, images\[..., None\]"):
        feature_maps(model, np.zeros((2, 12, 10)))

    assert feature_maps(model, np.zeros((2, 12, 10))[..., None])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("cat.jpg", r"\(N, 12, 10, 3\) in one array; got str: read a picture by pict"),
        (None, "got NoneType: read a picture by pictures.load_image"),
        ([np.zeros((12, 10, 3)), np.zeros((9, 9, 3))], "got a list of images that dif"),
    ],
)
def test_what_is_no_array_of_images_is_a_clear_error(model, given, message):
    with pytest.raises(ValueError, match=message):
        feature_maps(model, given)


def test_the_error_of_a_model_of_any_size_shows_what_is_open():
    image = keras.Input((None, None, 3))
    model = keras.Model(image, kl.Conv2D(1, 3)(image))

    with pytest.raises(ValueError, match=r"\(N, H, W, 3\); got shape \(1, 8, 8, 4\)"):
        feature_maps(model, np.zeros((1, 8, 8, 4)))


@pytest.mark.parametrize(
    "layer", [kl.Conv2D(1, 5), kl.MaxPooling2D(5), kl.DepthwiseConv2D(5)]
)
def test_images_too_small_for_the_model_are_a_clear_error(layer):
    image = keras.Input((None, None, 3))
    layer.name = "wide"
    model = keras.Model(image, kl.Conv2D(1, 1)(layer(image)))

    with pytest.raises(
        ValueError, match=r"4 × 7 pixels are too small.* of 'wide'; pass larg"
    ):
        feature_maps(model, np.zeros((1, 4, 7, 3)))


def test_images_of_a_size_whose_branches_do_not_match_are_a_clear_error():
    image = keras.Input((None, None, 3))
    halved = kl.UpSampling2D(2)(kl.Conv2D(2, 3, strides=2, padding="same")(image))
    model = keras.Model(image, kl.Concatenate()([image, halved]))

    assert feature_maps(model, np.zeros((1, 6, 6, 3)))
    with pytest.raises(
        ValueError, match=r"cannot take .* \(1, 5, 5, 3\): .*must be eq"
    ):
        feature_maps(model, np.zeros((1, 5, 5, 3)))


@pytest.mark.parametrize("dtype", ["complex64", "U3", object])
def test_images_that_are_not_numbers_are_a_clear_error(model, dtype):
    with pytest.raises(ValueError, match=r"type float32; got .*: pass numbers"):
        feature_maps(model, np.zeros((1, 12, 10, 3)).astype(dtype))


@pytest.mark.parametrize("batch_size", [0, -1, 2.0, None])
def test_a_batch_holds_at_least_one_image(model, images, batch_size):
    with pytest.raises(ValueError, match="batch_size must be a whole number"):
        feature_maps(model, images, batch_size=batch_size)


class Subclassed(keras.Model):
    def call(self, images):
        return images


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("vgg19", "got str"),
        (kl.Conv2D(1, 3), "got Conv2D: .* keras.Sequential of an Input and layers"),
        (Subclassed(), "functional or Sequential .* got Subclassed: pass keras.Model"),
        (
            keras.Sequential([keras.Input((8, 8, 1)), kl.Flatten()], name="flat"),
            "'flat' has none of the layers asked for, all behind the input",
        ),
        (
            keras.Sequential([keras.Input((9, 1)), kl.Conv1D(1, 3)]),
            r"has 1: \(None, 9, 1\). Pass the part that sees an image: keras.Model",
        ),
        (keras.Sequential([kl.Conv2D(1, 3)]), "not built yet: give it a keras.Input"),
        (
            keras.Model([image := keras.Input((8, 8, 1)), keras.Input((3,))], image),
            r"one input of shape \(N, H, W, C\); it has 2",
        ),
    ],
)
def test_a_model_that_cannot_be_read_says_why(model, message):
    with pytest.raises(ValueError, match=message):
        feature_maps(model, np.zeros((1, 8, 8, 1)))
