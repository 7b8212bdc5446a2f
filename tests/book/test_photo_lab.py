"""The photo lab brings a network and pictures to the page, or says why it cannot."""

import keras
import numpy as np
import pytest

from cnnbook import networks, widgets


def classifier(*, channels=3, size=24, end=None):
    layers = keras.layers
    end = [layers.Flatten(), layers.Dense(3)] if end is None else end
    image = keras.Input((size, size + 8, channels))
    return keras.Sequential([image, layers.Conv2D(2, 3), *end])


def test_without_arguments_it_brings_the_cat_and_the_classifier_of_the_package():
    widget = widgets.photo_lab()
    assert widget.tag == "photo-lab"
    assert list(widget.data["pictures"]) == ["Chelsea, the cat"]
    ours = networks.network_object(networks.load_classifier(), "classifier", "float16")
    assert widget.data["network"] == {"classifier": ours}


@pytest.mark.parametrize("channels", [1, 3])
def test_any_classifier_of_photos_will_do(rng, channels):
    pictures = {"noise": rng.integers(0, 256, (40, 30, 3), np.uint8)}
    network = classifier(channels=channels)
    network.white = 1
    widget = widgets.photo_lab(network, pictures)
    assert widget.data["network"]["classifier"]["input"] == [24, 32, channels]
    np.testing.assert_array_equal(widget.data["pictures"]["noise"], pictures["noise"])


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: classifier(channels=2), "channels"),
        (classifier, "takes numbers from 0 to 1 or from 0 to 255 is open"),
        (lambda: classifier(end=[]), "must answer with a row of class scores"),
        (
            lambda: classifier(end=[keras.layers.UpSampling2D()]),
            "is a UpSampling2D, which a page cannot run",
        ),
    ],
)
def test_a_network_that_cannot_be_shown_is_refused(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        widgets.photo_lab(make())
