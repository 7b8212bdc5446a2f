"""What pages are told of networks: windows from layer to layer, maps as pictures."""

import base64
import io
import json

import keras
import numpy as np
import pytest
from PIL import Image

from cnnbook import layers, maps, networks
from cnnbook.widgets import chains


def small():
    options = {"padding": "same", "activation": "relu"}
    return keras.Sequential(
        [
            keras.Input((None, None, 3)),
            keras.layers.Conv2D(5, 3, **options, name="conv"),
            keras.layers.MaxPooling2D(2, name="pool"),
        ]
    )


@pytest.fixture
def image(rng):
    return rng.random((60, 120, 3), np.float32)


def pixels_of(text):
    with Image.open(io.BytesIO(base64.b64decode(text))) as picture:
        return np.asarray(picture)


def windows(chain, place):
    """Follow one place of the last layer back to the image, as a page does."""
    spans = [(at, at) for at in place]
    for layer, before in zip(chain[:0:-1], chain[-2::-1], strict=True):
        for side, (first, last) in enumerate(spans):
            first, last = (
                n * layer["stride"][side] + layer["offset"][side] for n in (first, last)
            )
            last += layer["size"][side] - 1
            spans[side] = max(first, 0), min(last, before["sides"][side] - 1)
    return tuple(slice(first, last + 1) for first, last in spans)


@pytest.mark.parametrize(
    "layer", ["block1_relu", "block3_conv", "block3_pool", "logits"]
)
def test_windows_from_layer_to_layer_make_up_the_receptive_field(layer):
    network = networks.load_classifier()
    names = [each.name for each in network.layers]
    names = names[: names.index(layer) + 1]
    shapes = {name: tuple(network.get_layer(name).output.shape[1:]) for name in names}
    chain = chains.layer_chain(network, shapes)
    field = maps.receptive_field(network, layer)
    rows, columns = chain[-1]["sides"]
    for place in ((0, 0), (rows // 2, columns // 3), (rows - 1, columns - 1)):
        assert windows(chain, place) == field.window(*place)


def test_a_picture_holds_all_channels_of_a_layer_below_one_another(image):
    network = small()
    chain, sets = chains.recorded_chain(network, image, "small", "About.")
    found = maps.feature_maps(network, image[None])
    for record, values in zip(chain["layers"][1:], found.values(), strict=True):
        window = 3 if record["name"] == "conv" else 2  # 120 and 60 columns
        shrunk = layers.avg_pool2d(values, window)[0]
        stored = sets[record["set"]]
        assert record["shrunk"][0]["sides"] == [*shrunk.shape[:2]]
        read = pixels_of(stored["picture"])[..., 0].reshape(5, *shrunk.shape[:2]) / 255
        peaks = shrunk.max(axis=(0, 1))
        np.testing.assert_allclose(stored["peaks"], peaks, rtol=1e-3)
        off = np.abs(np.moveaxis(read, 0, -1) * peaks - shrunk)
        assert (off / peaks).max() < 0.15


def test_the_photo_comes_with_the_network_in_its_own_size(image):
    chain, _ = chains.recorded_chain(small(), image, "small", "About.")
    off = np.abs(pixels_of(chain["photo"]) / 255 - image)
    assert off.shape == image.shape
    assert off.mean() < 0.2  # of noise, which pictures of this kind keep badly


def test_sets_get_new_names_when_weights_change(image):
    keras.utils.set_random_seed(0)
    (_, first), (_, again) = (
        chains.recorded_chain(network, image, "small", "About.")
        for network in [small()] * 2
    )
    _, other = chains.recorded_chain(small(), image, "small", "About.")
    assert first.keys() == again.keys()
    assert first.keys() & other.keys() == {next(iter(first))}  # that of the photo


def test_a_set_of_too_many_bytes_is_written_in_lower_quality(image, monkeypatch):
    network = small()
    _, good = chains.recorded_chain(network, image, "small", "About.")
    most = len(json.dumps(list(good.values()))) * 3 // 4
    monkeypatch.setattr(chains, "MOST_BYTES", most)
    _, less = chains.recorded_chain(network, image, "small", "About.")
    assert len(json.dumps(list(less.values()))) <= 1.1 * most


@pytest.mark.parametrize("limit", ["MOST_BYTES", "MOST_HEIGHT"])
def test_maps_that_are_too_many_for_pictures_are_refused(image, monkeypatch, limit):
    monkeypatch.setattr(chains, limit, 99)
    with pytest.raises(ValueError, match="are too many for pictures"):
        chains.recorded_chain(small(), image, "small", "About.")


def test_maps_with_numbers_below_zero_are_refused(image):
    linear = keras.Sequential(
        [keras.Input((60, 120, 3)), keras.layers.Conv2D(4, 3, name="conv")]
    )
    with pytest.raises(ValueError, match="layer 'conv' have numbers below zero"):
        chains.recorded_chain(linear, image, "linear", "About.")
