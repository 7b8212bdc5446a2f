"""Receptive fields equal answers worked out on paper, and what networks respond to."""

import keras
import numpy as np
import pytest
from keras import layers as kl

from cnnbook import maps, networks
from cnnbook.maps import ReceptiveField, receptive_field


def model_of(*layers, size=(9, 8), channels=1):
    """Stack layers on images of rows × columns; the last one is named "end"."""
    layers[-1].name = "end"
    return keras.Sequential([keras.Input((*size, channels)), *layers])


def add_up(model):
    """Make a network add up what it sees, so that more light is never less output."""
    for weight in model.weights:
        if weight.path.endswith(("kernel", "gamma", "moving_variance")):
            weight.assign(np.ones(weight.shape))
        elif weight.path.endswith(("bias", "beta", "moving_mean")):
            weight.assign(np.zeros(weight.shape))


def responses(model, background):
    """Light each pixel in turn: which positions of the output change?

    Of shape (rows, columns of the image, rows, columns of the map).
    """
    _, rows, columns, channels = model.input_shape
    shape = (rows * columns + 1, rows * columns, channels)
    lit = np.full(shape, background, "float32")
    lit[np.arange(rows * columns), np.arange(rows * columns)] += 1
    outputs = model.predict_on_batch(lit.reshape(-1, rows, columns, channels))
    changed = (outputs[:-1] != outputs[-1]).any(axis=-1)
    return changed.reshape(rows, columns, *changed.shape[1:])


def smallest_window(pixels):
    """Return the slices of the smallest rectangle that holds all true pixels."""
    rows, columns = pixels.any(axis=1).nonzero()[0], pixels.any(axis=0).nonzero()[0]
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def assert_windows_are_what_is_seen(model, background=0):
    add_up(model)
    field = receptive_field(model, "end")
    measured = responses(model, background)
    for row, column in np.ndindex(measured.shape[2:]):
        seen = measured[:, :, row, column]
        window = field.window(row, column)
        if not seen.any():
            assert seen[window].size == 0, (row, column)
            continue
        assert window == smallest_window(seen), (row, column)
        for position, offset, stride, size, part in zip(
            (row, column), field.offset, field.stride, field.size, window, strict=True
        ):
            start = offset + position * stride
            assert start <= part.start and part.stop <= start + size, (row, column)


@pytest.mark.parametrize(
    ("layers", "size", "stride", "offset"),
    [
        ([kl.Conv2D(1, 3)], 3, 1, 0),
        ([kl.Conv2D(1, 3, padding="same")], 3, 1, -1),
        ([kl.Conv2D(1, 2, padding="same")], 2, 1, 0),  # the odd zero goes to the end
        ([kl.Conv2D(1, 4, padding="same")], 4, 1, -1),
        ([kl.Conv2D(1, 3, dilation_rate=2)], 5, 1, 0),
        ([kl.Conv2D(1, 3), kl.Conv2D(1, 3)], 5, 1, 0),
        ([kl.Conv2D(1, 3, padding="same"), kl.MaxPooling2D(2)], 4, 2, -1),
        ([kl.MaxPooling2D(2), kl.Conv2D(1, 3)], 6, 2, 0),
        ([kl.MaxPooling2D(2), kl.Conv2D(1, 3, padding="same")], 6, 2, -2),
        ([kl.Conv2D(1, 3, strides=2), kl.Conv2D(1, 3, strides=2)], 7, 4, 0),
        # 12 pixels, windows of 3 from 2 to 2: 6 windows need 13, so 1 more at the end
        ([kl.Conv2D(1, 3, strides=2, padding="same")], 3, 2, 0),
        ([kl.ZeroPadding2D(((2, 0), (2, 0))), kl.Conv2D(1, 3)], 3, 1, -2),
        ([kl.Cropping2D(2)], 1, 1, 2),
        ([kl.SeparableConv2D(1, 5), kl.ReLU()], 5, 1, 0),
        ([kl.DepthwiseConv2D(5), kl.BatchNormalization(), kl.Dropout(0.5)], 5, 1, 0),
    ],
)
def test_the_field_is_the_one_worked_out_on_paper(layers, size, stride, offset):
    model = model_of(*layers, size=(12, 12))

    field = receptive_field(model, "end")

    assert field == ReceptiveField((size,) * 2, (stride,) * 2, (offset,) * 2)


def test_rows_and_columns_are_told_apart():
    conv = kl.Conv2D(1, (3, 5), strides=(2, 1), padding="same")

    field = receptive_field(model_of(conv, size=(8, 8)), "end")

    assert field == ReceptiveField(size=(3, 5), stride=(2, 1), offset=(0, -2))


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("kernel", [1, 2, 3, (4, 1)])
@pytest.mark.parametrize("strides, dilation", [(1, 1), (2, 1), ((1, 3), 1), (1, 2)])
def test_a_convolution_responds_to_its_window_alone(kernel, strides, dilation, padding):
    conv = kl.Conv2D(
        1, kernel, strides=strides, dilation_rate=dilation, padding=padding
    )
    assert_windows_are_what_is_seen(model_of(conv))


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("pool", [kl.MaxPooling2D, kl.AveragePooling2D])
@pytest.mark.parametrize("window, strides", [(2, None), (3, 2), (2, 3)])
def test_a_pool_responds_to_its_window_alone(pool, window, strides, padding):
    assert_windows_are_what_is_seen(model_of(pool(window, strides, padding)))


@pytest.mark.parametrize(
    "layers",
    [
        # The pool leaves a row over, which the next layer must not be said to see.
        [kl.MaxPooling2D(2), kl.Conv2D(1, 3, padding="same")],
        [kl.Cropping2D(((2, 1), (0, 2))), kl.Conv2D(2, 4, padding="same")],
        [kl.ZeroPadding2D(4), kl.Conv2D(1, 2, strides=2), kl.ReLU()],  # corners: blank
        [kl.ZeroPadding2D(1), kl.Conv2D(1, 3, dilation_rate=2), kl.Cropping2D(1)],
        [
            kl.Conv2D(3, 3, padding="same", use_bias=False),
            kl.BatchNormalization(),
            kl.ReLU(),
            kl.DepthwiseConv2D(3, strides=2, padding="same"),
            kl.Dropout(0.5),
            kl.SeparableConv2D(2, 2, padding="same"),
            kl.AveragePooling2D(2, padding="same"),
        ],
    ],
)
def test_a_stack_responds_to_its_window_alone(layers):
    assert_windows_are_what_is_seen(model_of(*layers))


def branches(merge, *, crop=0, size=(9, 8)):
    """Merge a 5 × 5 view, a shortcut and a dilated view of the same image."""
    image = keras.Input((*size, 1))
    wide = kl.Conv2D(1, 5, padding="same")(image)
    skip = kl.Cropping2D(crop)(kl.ZeroPadding2D(crop)(image))
    spread = kl.Conv2D(1, 3, padding="same", dilation_rate=(3, 1))(image)
    return keras.Model(image, merge(name="end")([skip, wide, spread]))


@pytest.mark.parametrize("merge", [kl.Add, kl.Concatenate, kl.Maximum, kl.Average])
def test_where_branches_meet_the_window_holds_those_of_all(merge):
    model = branches(merge)

    assert receptive_field(model, "end") == ReceptiveField((7, 5), (1, 1), (-3, -2))
    assert_windows_are_what_is_seen(branches(merge, crop=2))


def test_branches_with_different_strides_have_no_field():
    image = keras.Input((8, 8, 1))
    small = [kl.MaxPooling2D(2)(image), kl.Cropping2D(2)(image)]
    model = keras.Model(image, kl.Add(name="sum")(small))

    with pytest.raises(ValueError, match=r"'sum' \(Add\) joins branches.*strides"):
        receptive_field(model, "sum")


@pytest.mark.parametrize(
    "layers",
    [
        [kl.Flatten()],
        [kl.Flatten(), kl.Dense(3), kl.Softmax()],
        [kl.GlobalAveragePooling2D()],
        [kl.Conv2D(2, 3), kl.GlobalMaxPooling2D(keepdims=True), kl.Reshape((2, 1))],
    ],
)
def test_after_flattening_or_global_pooling_the_field_is_the_whole_image(layers):
    field = receptive_field(model_of(*layers, size=(6, 7)), "end")

    assert field == ReceptiveField((6, 7), (0, 0), (0, 0))
    assert field.window(0, 0) == field.window(0, 2) == (slice(0, 6), slice(0, 7))


def test_a_channel_gate_lets_every_position_see_the_whole_image():
    """Squeeze-and-excitation: maps times a number computed from all of them."""
    image = keras.Input((6, 6, 1))
    found = kl.Conv2D(2, 3, padding="same")(image)
    gate = kl.GlobalAveragePooling2D(keepdims=True)(found)
    gated = kl.Multiply(name="gated")([found, kl.Dense(2)(gate)])
    model = keras.Model(image, kl.MaxPooling2D(2, name="end")(gated))

    assert receptive_field(model, "gated").size == (6, 6)
    assert_windows_are_what_is_seen(model, background=1)


@pytest.mark.slow
def test_vgg19_responds_to_pixels_in_its_windows_and_to_none_beside_them():
    shape = (160, 160, 3)
    vgg19 = keras.applications.VGG19(weights=None, include_top=False, input_shape=shape)
    add_up(vgg19)
    for layer in vgg19.layers:
        if isinstance(layer, kl.Conv2D):  # averages, so that nothing overflows
            layer.kernel.assign(layer.kernel / np.prod(layer.kernel.shape[:3]))
    cases = [("block2_conv2", 79, 30), ("block3_pool", 9, 1), ("block4_conv4", 10, 9)]
    lit = np.zeros((len(cases), 3, *shape), "float32")
    for (name, row, column), images in zip(cases, lit, strict=True):
        rows, columns = receptive_field(vgg19, name).window(row, column)
        first, last, beside = images
        first[rows.start, columns.start] = 1
        last[rows.stop - 1, columns.stop - 1] = 1
        beside[...] = 1
        beside[rows, columns] = 0
        assert beside.any()
    plain = keras.Model(vgg19.input, [vgg19.get_layer(n).output for n, _, _ in cases])

    every = plain.predict_on_batch(lit.reshape(-1, *shape))

    for index, (name, row, column) in enumerate(cases):
        found = every[index].reshape(len(cases), 3, *every[index].shape[1:])
        seen = found[index, :, row, column].max(axis=-1)
        assert (seen > 0).tolist() == [True, True, False], name


def test_vgg19_fields_have_the_published_sizes():
    """Sizes from Araujo et al. for VGG16, plus the three convolutions more of VGG19."""
    vgg19 = keras.applications.VGG19(weights=None, include_top=False)
    sizes = {
        name: receptive_field(vgg19, name).size[0]
        for name in ("block1_conv2", "block2_pool", "block3_pool", "block5_pool")
    }
    assert sizes == {
        "block1_conv2": 5,
        "block2_pool": 16,
        "block3_pool": 44 + 8,
        "block5_pool": 212 + 8 + 16 + 32,
    }


def test_fields_grow_along_a_network():
    vgg19 = keras.applications.VGG19(weights=None, include_top=False)
    sizes = [receptive_field(vgg19, layer.name).size for layer in vgg19.layers]

    assert sizes == sorted(sizes) and len(set(sizes)) == len(sizes)


def test_a_nested_model_has_the_fields_of_its_layers_written_out():
    inner = model_of(kl.MaxPooling2D(2), kl.Conv2D(1, 3), size=(12, 12))
    inner.name = "inner"
    image = keras.Input((14, 14, 1))
    model = keras.Model(image, kl.ReLU(name="relu")(inner(kl.Conv2D(1, 3)(image))))

    assert receptive_field(model, "inner/end") == ReceptiveField((8, 8), (2, 2), (0, 0))
    assert receptive_field(model, "relu") == receptive_field(model, "inner/end")


def test_each_use_of_a_shared_layer_has_its_own_field():
    image = keras.Input((9, 9, 1))
    shared = kl.Conv2D(1, 3, name="shared")
    model = keras.Model(image, shared(shared(image)))

    assert receptive_field(model, "shared").size == (3, 3)
    assert receptive_field(model, "shared#2").size == (5, 5)


def test_a_model_of_any_size_has_the_field_of_one_of_fixed_size():
    layers = [kl.Conv2D(1, 3, padding="same"), kl.MaxPooling2D(2), kl.Conv2D(1, 2)]
    anything = model_of(*layers, size=(None, None))
    fixed = model_of(*layers, size=(9, 8))

    assert receptive_field(anything, "end") == receptive_field(fixed, "end")
    sized = receptive_field(anything, "end", input_size=(9, 8))
    assert sized.window(0, 2) == receptive_field(fixed, "end").window(0, 2)


@pytest.mark.parametrize(
    "layer", [kl.Conv2D(1, 3, strides=2, padding="same"), kl.GlobalMaxPooling2D()]
)
def test_what_depends_on_an_open_image_size_asks_for_it(layer):
    model = model_of(layer, size=(None, None))

    with pytest.raises(ValueError, match="input_size"):
        receptive_field(model, "end")
    known = receptive_field(model, "end", input_size=(7, 8))
    assert known == receptive_field(model_of(layer, size=(7, 8)), "end")


def test_windows_of_a_model_of_any_size_ask_for_the_size():
    field = receptive_field(model_of(kl.Conv2D(1, 3), size=(None, None)), "end")

    with pytest.raises(ValueError, match="input_size"):
        field.window(0, 0)


@pytest.mark.parametrize("position", [(-1, 0), (0, 6), (7, 0)])
def test_a_position_outside_the_map_has_no_window(position):
    field = receptive_field(model_of(kl.Conv2D(1, 3)), "end")

    with pytest.raises(ValueError, match="outside the layer's map of 7 × 6"):
        field.window(*position)


@pytest.mark.parametrize("input_size", [(8, 8), (9,), (9, 8, 1)])
def test_an_input_size_that_the_model_does_not_take_is_an_error(input_size):
    with pytest.raises(ValueError, match=r"takes \(9, 8\), got"):
        receptive_field(model_of(kl.ReLU()), "end", input_size=input_size)


def test_images_too_small_for_a_layer_are_an_error():
    model = model_of(kl.Conv2D(1, 5), size=(None, None))

    with pytest.raises(ValueError, match="no room for its window"):
        receptive_field(model, "end", input_size=(4, 9))


@pytest.mark.parametrize(
    "layer",
    [
        kl.UpSampling2D(2),
        kl.Conv2DTranspose(1, 2),
        kl.Reshape((4, 16, 1)),
        kl.Concatenate(axis=1),
        kl.LayerNormalization(axis=1),
        kl.Lambda(lambda images: images),
        kl.TimeDistributed(kl.Conv1D(1, 3)),
    ],
)
def test_a_layer_without_a_known_window_is_named_in_the_error(layer):
    image = keras.Input((8, 8, 1))
    layer.name = "odd"
    source = [image, image] if isinstance(layer, kl.Concatenate) else image
    model = keras.Model(image, kl.ReLU(name="end")(layer(source)))

    with pytest.raises(ValueError, match=rf"'end': 'odd' \({type(layer).__name__}\)"):
        receptive_field(model, "end")


def test_a_layer_without_a_known_window_spoils_only_those_behind_it():
    image = keras.Input((8, 8, 1))
    conv = kl.Conv2D(1, 3, name="conv")(image)
    model = keras.Model(image, kl.UpSampling2D(2)(conv))

    assert receptive_field(model, "conv").size == (3, 3)


def test_operations_between_layers_keep_the_field():
    image = keras.Input((8, 8, 1))
    found = keras.ops.relu(kl.Conv2D(1, 3)(image) * 2.0 + 1.0)
    model = keras.Model(image, kl.Conv2D(1, 3, name="end")(found))

    assert receptive_field(model, "end").size == (5, 5)


@pytest.mark.parametrize("name", ["selu", "hard_tanh", "log", "cos", "log_softmax"])
def test_functions_of_each_number_keep_the_field_too(name):
    image = keras.Input((8, 8, 1))
    found = getattr(keras.ops, name)(kl.Conv2D(1, 3)(image))
    model = keras.Model(image, kl.Conv2D(1, 3, name="end")(found))

    assert receptive_field(model, "end").size == (5, 5)


@pytest.mark.parametrize(
    "step",
    [
        lambda x: x[..., ::-1],
        lambda x: x[..., :2],
        lambda x: x[:, :, :, 1:],
        lambda x: keras.ops.expand_dims(x[..., 0], axis=-1),
        lambda x: keras.ops.flip(x, axis=-1),
        lambda x: keras.ops.take(x, [2, 1, 0], axis=-1),
        lambda x: keras.ops.stack([x[..., c] - c for c in (2, 1, 0)], axis=-1),
        lambda x: kl.Concatenate()(inputs=keras.ops.split(x, 3, axis=-1)),
        lambda x: (x / 255 - np.array([0.4, 0.5, 0.6])) / np.array([0.2, 0.3, 0.4]),
        lambda x: 1 - keras.ops.subtract(np.ones((8, 8, 3), "float32"), x),
        lambda x: kl.Rescaling(1.0, offset=np.ones((8, 8, 3)))(inputs=x),
        keras.applications.resnet.preprocess_input,
        keras.applications.vgg16.preprocess_input,
        keras.applications.densenet.preprocess_input,
    ],
)
def test_arithmetic_with_constants_and_a_choice_of_channels_keep_the_field(step):
    image = keras.Input((8, 8, 3))
    found = kl.Conv2D(1, 3, name="end")(kl.Conv2D(1, 3)(inputs=step(image)))

    field = receptive_field(keras.Model(image, found), "end")

    assert field == ReceptiveField((5, 5), (1, 1), (0, 0))


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (lambda x: x[:, 1:], r"\(GetItem\) looks at a part"),
        (lambda x: x[:, :, ::-1], r"\(GetItem\) looks at a part"),
        (lambda x: x[:, ::2, ::2], r"\(GetItem\) looks at a part"),
        (lambda x: keras.ops.flip(x), r"\(Flip\) looks at a part"),
        (lambda x: keras.ops.flip(x, axis=1), r"\(Flip\) looks at a part"),
        (lambda x: keras.ops.softmax(x[..., 0]), r"\(Softmax\) takes maps of other"),
        (lambda x: x[..., 0] * x, r"\(Multiply\) takes maps of other axes"),
        (
            lambda x: keras.ops.stack([x[:, 0], x[:, 1]], axis=1),
            r"\(GetItem\) looks at a part",
        ),
        (
            lambda x: keras.ops.stack([x[..., 0], x[..., 1]], axis=1),
            r"\(Stack\) looks at a part",
        ),
        (
            lambda x: kl.Conv2D(1, (8, 1))(x) + np.ones((8, 1, 1), "float32"),
            r"\(Add\) has maps of 8 rows or columns where 1 come in",
        ),
        (
            lambda x: kl.Conv2D(1, 1, activation=lambda maps: maps[:, ::-1])(x),
            r"\(Conv2D\) looks at a part .* with activations made of op",
        ),
    ],
)
def test_what_cuts_turns_or_repeats_rows_and_columns_has_no_field(step, message):
    image = keras.Input((8, 8, 8))
    model = keras.Model(image, kl.ReLU(name="end")(step(image)))

    with pytest.raises(ValueError, match=message):
        receptive_field(model, "end")


class FarEnd(kl.Conv2D):
    def call(self, maps):
        return super().call(maps[:, ::-1])


def test_a_convolution_of_ones_own_is_not_taken_for_one_of_keras():
    image = keras.Input((8, 8, 1))
    model = keras.Model(image, kl.ReLU(name="end")(FarEnd(1, 3)(image)))

    with pytest.raises(ValueError, match=r"\(FarEnd\) looks at a part .* unknown"):
        receptive_field(model, "end")


def test_a_model_called_by_keyword_and_again_has_the_fields_of_its_layers():
    image, other = keras.Input((12, 12, 1)), keras.Input((None, None, 1))
    inner = keras.Model(other, kl.Conv2D(1, 3, name="conv")(inputs=other), name="inner")
    found = inner(inputs=inner(inputs=image, training=False), training=False)
    model = keras.Model(image, kl.ReLU(name="end")(inputs=found))

    assert receptive_field(model, "inner/conv").size == (3, 3)
    assert receptive_field(model, "inner#2/conv").size == (5, 5)
    assert receptive_field(model, "end").window(0, 7) == (slice(0, 5), slice(7, 12))


def test_an_average_along_the_rows_does_not_keep_the_field():
    image = keras.Input((8, 8, 3))
    rows, channels = (keras.ops.average(image, axis=axis) for axis in (1, -1))
    model = keras.Model(image, [rows, channels])
    rows, channels = (tensor._keras_history.operation.name for tensor in model.outputs)

    assert receptive_field(model, channels).size == (1, 1)
    with pytest.raises(ValueError, match=r"\(Average\) looks at a part"):
        receptive_field(model, rows)


def test_an_unknown_layer_is_an_error_that_suggests_near_names():
    model = model_of(kl.Conv2D(1, 3, name="block1_conv"), kl.Flatten())

    with pytest.raises(
        ValueError, match=r"no layer 'blok1_conv'; did you mean 'block1"
    ):
        receptive_field(model, "blok1_conv")


class Subclassed(keras.Model):
    def call(self, images):
        return images


class Overridden(keras.Model):
    """Functional by construction, but it does something else when called."""

    def call(self, images):
        return images


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (None, "got NoneType"),
        (Subclassed(), "expected a functional or Sequential .* got Subclassed"),
        (Overridden(*[keras.Input((8, 8, 1))] * 2), "got Overridden"),
        (keras.Sequential([kl.Conv2D(1, 3)]), "not built yet: give it a keras.Input"),
        (keras.Sequential([keras.Input((9,)), kl.Dense(1)]), "one input of shape"),
        (
            keras.Model([image := keras.Input((8, 8, 1)), image], image),
            "one input of shape .* it has 2",
        ),
    ],
)
def test_a_model_that_cannot_be_followed_says_why(model, message):
    with pytest.raises(ValueError, match=message):
        receptive_field(model, "end")


def test_connections_are_read_without_changing_the_model():
    inner = model_of(kl.Conv2D(1, 3), size=(8, 8))
    image = keras.Input((8, 8, 1))
    model = keras.Model(image, inner(image))
    before = [len(layer._inbound_nodes) for layer in (*model.layers, *inner.layers)]

    networks.follow(
        networks.connections(model), [0], lambda name, node, args, kwargs: args
    )
    maps.receptive_field(model, model.layers[-1].name + "/end")

    after = [len(layer._inbound_nodes) for layer in (*model.layers, *inner.layers)]
    assert after == before
