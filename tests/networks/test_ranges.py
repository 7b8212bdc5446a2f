"""What white is to a network is read from its first layers where these settle it."""

import keras
import numpy as np
import pytest

from cnnbook import networks, pictures

kl = keras.layers
ops = keras.ops

# As the documentation of PyTorch and Keras has them, of ImageNet's pictures.
MEAN, DEVIATION = np.array([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]], "float32")


def behind(*first, shape=(16, 12, 3), **options):
    """A convolution behind some layers."""
    return keras.Sequential([keras.Input(shape, **options), *first, kl.Conv2D(2, 3)])


def after(function, shape=(16, 12, 3), **options):
    """A convolution behind some arithmetic."""
    image = keras.Input(shape, **options)
    return keras.Model(image, kl.Conv2D(2, 3)(function(image)))


def normalised(mean, deviation):
    return kl.Normalization(mean=list(mean), variance=[d**2 for d in deviation])


class Halving(kl.Layer):
    """A layer of one's own, which turns bytes into -1 to 1."""

    def call(self, x):
        return x / 127.5 - 1


def in_a_model(*layers, shape=(None, None, 3)):
    return keras.Sequential([keras.Input(shape), *layers])


SETTLED = {
    255: {
        "Rescaling": lambda: behind(kl.Rescaling(1 / 255)),
        "Rescaling to -1": lambda: behind(kl.Rescaling(1 / 127.5, offset=-1)),
        "a rescaling by 256": lambda: behind(kl.Rescaling(1 / 256)),
        "Rescaling to -0.5": lambda: behind(kl.Rescaling(1 / 255, offset=-0.5)),
        "a factor for each channel": lambda: behind(kl.Rescaling([1 / 255] * 3)),
        "a mean image": lambda: behind(
            kl.Rescaling(
                1.0,
                offset=-np.random.default_rng(0).uniform(90, 140, (16, 12, 3)),
            )
        ),
        "half precision": lambda: behind(kl.Rescaling(1 / 255, dtype="float16")),
        "any size": lambda: behind(kl.Rescaling(1 / 255), shape=(None, None, 3)),
        "one channel": lambda: behind(kl.Rescaling(1 / 255), shape=(28, 28, 1)),
        "Normalization": lambda: behind(normalised(255 * MEAN, 255 * DEVIATION)),
        "both": lambda: behind(kl.Rescaling(1 / 255), normalised(MEAN, DEVIATION)),
        "augmented": lambda: behind(
            kl.RandomFlip(), kl.RandomRotation(0.1), kl.Rescaling(1 / 255)
        ),
        "cropped and resized": lambda: behind(
            kl.CenterCrop(8, 8), kl.Resizing(16, 16), kl.Rescaling(1 / 255)
        ),
        "a border": lambda: behind(kl.ZeroPadding2D(2), kl.Rescaling(1 / 255)),
        "in a model": lambda: behind(in_a_model(kl.Rescaling(1 / 255))),
        "in a model in a model": lambda: behind(
            in_a_model(kl.RandomFlip(), in_a_model(kl.Rescaling(1 / 127.5, offset=-1)))
        ),
        "in a shared model, by keyword": lambda: after(
            lambda x: in_a_model(kl.Rescaling(1 / 255))(x, training=False)
        ),
        "flattened": lambda: keras.Sequential(
            [keras.Input((4, 4, 3)), kl.Rescaling(1 / 255), kl.Flatten(), kl.Dense(2)]
        ),
        "x / 255": lambda: after(lambda x: x / 255),
        "x * (1 / 255)": lambda: after(lambda x: x * (1 / 255)),
        "x / 127.5 - 1": lambda: after(lambda x: x / 127.5 - 1),
        "(x - 127.5) / 127.5": lambda: after(lambda x: (x - 127.5) / 127.5),
        "x - 128": lambda: after(lambda x: x - 128.0),
        "255 - x": lambda: after(lambda x: 255 - x),
        "1 - x / 255": lambda: after(lambda x: 1 - x / 255),
        "arrays": lambda: after(lambda x: (x / 255 - MEAN) / DEVIATION),
        "BGR": lambda: after(lambda x: x[..., ::-1] - 255 * MEAN[::-1]),
        "clipped": lambda: after(lambda x: ops.clip(x / 255, 0, 1)),
        "and its negative": lambda: after(
            lambda x: kl.Concatenate()([x / 255, 1 - x / 255])
        ),
        "grey": lambda: after(lambda x: ops.image.rgb_to_grayscale(x) / 255),
        "caffe": lambda: after(keras.applications.vgg19.preprocess_input),
        "tf": lambda: after(keras.applications.mobilenet_v2.preprocess_input),
        "torch": lambda: after(keras.applications.densenet.preprocess_input),
        "Lambda": lambda: behind(kl.Lambda(lambda x: x / 255)),
        "a layer of one's own": lambda: behind(Halving()),
        "bytes": lambda: after(lambda x: ops.cast(x, "float32"), dtype="uint8"),
        "whole numbers": lambda: after(
            lambda x: ops.cast(x, "float32") / 255, dtype="int32"
        ),
        "MobileNetV3": lambda: keras.applications.MobileNetV3Small(
            weights=None, include_top=False, input_shape=(64, 64, 3)
        ),
        "EfficientNet": lambda: keras.applications.EfficientNetB0(
            weights=None, include_top=False, input_shape=(64, 64, 3)
        ),
        "ConvNeXt": lambda: keras.applications.ConvNeXtTiny(
            weights=None, include_top=False, input_shape=(64, 64, 3)
        ),
    },
    1: {
        "ours": networks.load_classifier,
        "named": lambda: behind(name=pictures.INTENSITIES),
        "Rescaling to -1": lambda: behind(kl.Rescaling(2.0, offset=-1)),
        "Rescaling to 255": lambda: behind(kl.Rescaling(255.0)),
        "Normalization": lambda: behind(normalised(MEAN, DEVIATION)),
        "handwritten digits": lambda: behind(
            normalised([0.1307], [0.3081]), shape=(28, 28, 1)
        ),
        "x - 0.5": lambda: after(lambda x: x - 0.5),
        "1 - x": lambda: after(lambda x: 1 - x),
        "caffe": lambda: after(
            lambda x: keras.applications.vgg19.preprocess_input(x * 255)
        ),
    },
    65535: {
        "16 bits": lambda: behind(kl.Rescaling(1 / 65535)),
        "Rescaling to -1": lambda: behind(kl.Rescaling(2 / 65535, offset=-1)),
        "Normalization": lambda: behind(normalised(65535 * MEAN, 65535 * DEVIATION)),
    },
    None: {
        "a convolution": behind,
        "batch normalisation": lambda: behind(kl.BatchNormalization()),
        "nothing learned yet": lambda: behind(kl.Normalization()),
        "a factor of 1": lambda: behind(kl.Rescaling(1.0)),
        "a factor of 2": lambda: behind(kl.Rescaling(2.0)),
        "a factor of 1/10": lambda: behind(kl.Rescaling(0.1)),
        "12 bits": lambda: behind(kl.Rescaling(1 / 4095)),
        "14 bits": lambda: behind(kl.Rescaling(1 / 16383)),
        "12 bits, to -1": lambda: behind(kl.Rescaling(2 / 4095, offset=-1)),
        "statistics of 12 bits": lambda: behind(
            normalised(4095 * MEAN, 4095 * DEVIATION)
        ),
        "numbers from -1": lambda: after(lambda x: (x + 1) * 127.5),
        "statistics of numbers from -1": lambda: behind(
            normalised([0.05] * 3, [0.5] * 3)
        ),
        "scaled twice": lambda: after(
            lambda x: keras.applications.vgg19.preprocess_input(x / 255)
        ),
        "both": lambda: after(lambda x: kl.Concatenate()([x / 255, x * 255])),
        "its own statistics": lambda: after(
            lambda x: (
                (x - ops.mean(x, axis=(1, 2), keepdims=True))
                / ops.std(x, axis=(1, 2), keepdims=True)
            )
        ),
        "a curve": lambda: behind(kl.Lambda(lambda x: (x / 255) ** 2)),
        "learned": lambda: behind(
            kl.DepthwiseConv2D(
                1, depthwise_initializer=keras.initializers.Constant(1 / 255)
            )
        ),
        "MobileNetV2": lambda: keras.applications.MobileNetV2(
            weights=None, include_top=False, input_shape=(64, 64, 3)
        ),
    },
}


@pytest.mark.parametrize(
    ("white", "make"),
    [
        pytest.param(white, make, id=f"{white}-{name}")
        for white, makers in SETTLED.items()
        for name, make in makers.items()
    ],
)
def test_first_layers_say_what_white_is_or_leave_it_open(white, make):
    network = make()
    weights = network.get_weights()
    found = networks.picture_range(network)
    assert found.white == white, found.reason
    for before, now in zip(weights, network.get_weights(), strict=True):
        np.testing.assert_array_equal(before, now)


def test_a_layer_that_has_seen_pictures_tells_of_their_range(rng):
    images = rng.integers(0, 256, (20, 8, 8, 3)).astype("float32")
    for white in (1, 255):
        layer = kl.Normalization()
        layer.adapt(images * (white / 255))
        assert networks.picture_range(behind(layer)).white == white


def test_the_reason_says_what_the_first_layers_do_or_where_they_end():
    network = behind(kl.Rescaling(1 / 127.5, offset=-1))
    said = networks.picture_range(network).reason
    assert said == "its first layers turn 0 to 255 into -1 to 1"
    network = in_a_model(in_a_model(kl.Conv2D(2, 3, name="conv"), shape=(8, 8, 3)))
    assert networks.picture_range(network).reason.endswith("/conv' settles it")


def test_what_somebody_says_counts_where_the_layers_leave_it_open():
    network = behind()
    for white in (1, 255, 0.5, np.float32(2)):
        network.white = white
        assert networks.picture_range(network).white == white


def test_what_the_layers_deny_is_an_error():
    for network, white in (
        (behind(kl.Rescaling(1 / 255)), 1),
        (behind(name=pictures.INTENSITIES), 255),
        (after(lambda x: ops.cast(x, "float32"), dtype="uint8"), 1),
    ):
        network.white = white
        with pytest.raises(ValueError, match=f"white is said to be {white}, but model"):
            networks.picture_range(network)
        with pytest.raises(ValueError, match="white is said to be"):
            networks.scaled_for(network, np.zeros((1, 16, 12, 3)))


@pytest.mark.parametrize("white", [0, -1, np.nan, np.inf, "255", True])
def test_white_is_a_positive_number(white):
    network = behind()
    network.white = white
    with pytest.raises(ValueError, match="must be a positive number, such as 1 or 255"):
        networks.picture_range(network)


def test_networks_that_cannot_be_taken_apart_are_open():
    class Own(keras.Model):
        def call(self, x):
            return x / 255

    two = keras.Input((8, 8, 3)), keras.Input((8, 8, 3))
    several = keras.Model(two, kl.Add()(two))
    row = keras.Sequential([keras.Input((8,)), kl.Rescaling(1 / 255), kl.Dense(2)])
    for network in (Own(), several, row):
        assert networks.picture_range(network).white is None


@pytest.mark.parametrize("kind", ["floats", "bytes"])
def test_pictures_are_scaled_to_what_a_network_takes(rng, kind):
    stored = rng.integers(0, 256, (2, 16, 12, 3), np.uint8)
    images = stored if kind == "bytes" else (stored / 255).astype("float32")
    ours = networks.scaled_for(behind(name=pictures.INTENSITIES), images)
    np.testing.assert_array_equal(ours, stored / np.float32(255))
    theirs = networks.scaled_for(behind(kl.Rescaling(1 / 255)), images)
    assert theirs.dtype == "float32"
    np.testing.assert_allclose(theirs, stored, rtol=1e-6)
    of_bytes = after(lambda x: ops.cast(x, "float32"), dtype="uint8")
    whole = networks.scaled_for(of_bytes, images)
    assert whole.dtype == "uint8"
    np.testing.assert_array_equal(whole, stored)


def test_pictures_are_not_scaled_by_a_guess():
    with pytest.raises(
        ValueError, match=r"is open, as nothing before 'conv2d.*-1 to 1"
    ):
        networks.scaled_for(behind(), np.zeros((1, 16, 12, 3)))


# --- In files


@pytest.mark.parametrize(
    ("make", "white"),
    [
        (lambda: behind(kl.Rescaling(1 / 255)), 255),
        (lambda: networks.build_classifier((16, 16, 3), filters=(2,)), 1),
        (behind, None),
    ],
)
def test_what_is_known_is_kept_in_the_file(tmp_path, make, white):
    path = tmp_path / "network.keras"
    networks.save_classifier(make(), path)
    assert networks.load_network(path).white == white
    make().save(path)  # by Keras alone
    assert networks.load_network(path).white == white


def test_what_was_said_is_kept_in_files_and_copies(tmp_path):
    network = in_a_model(kl.Conv2D(2, 3, name="conv"), shape=(8, 8, 3))
    network.white = 255
    networks.save_classifier(network, tmp_path / "said.keras")
    loaded = networks.load_network(tmp_path / "said.keras")
    assert loaded.white == 255
    copy = networks.knock_out(loaded, "conv", [0])
    assert networks.picture_range(copy) == networks.PictureRange(255, "so it was said")


def test_a_file_that_says_what_its_layers_deny_is_refused(tmp_path):
    network = behind(kl.Rescaling(1 / 255))
    network.white = 1
    with pytest.raises(ValueError, match="white is said to be 1, but"):
        networks.save_classifier(network, tmp_path / "wrong.keras")
    assert not list(tmp_path.iterdir())
