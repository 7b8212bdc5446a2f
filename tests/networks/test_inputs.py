"""Our own networks guard the range of their images, and say what to do."""

import keras
import numpy as np
import pytest
from keras import layers

from cnnbook import maps, networks, pictures


def classifier():
    return networks.build_classifier((32, 32, 3), filters=(2, 3))


def saved_and_loaded(tmp_path):
    networks.save_classifier(classifier(), tmp_path / "network.keras")
    return networks.load_classifier(tmp_path / "network.keras")


def cloned(network):
    clone = keras.models.clone_model(network)
    clone.set_weights(network.get_weights())
    return clone


OURS = {
    "VGG19": lambda _: networks.load_vgg19("untrained"),
    "VGG19 cloned": lambda _: cloned(networks.load_vgg19("untrained")),
    "the classifier": lambda _: classifier(),
    "the classifier cloned": lambda _: cloned(classifier()),
    "the classifier saved and loaded": saved_and_loaded,
}


@pytest.fixture(scope="module")
def cat():
    return pictures.model_cat(size=(32, 32))[None]


@pytest.fixture(scope="module", params=OURS)
def ours(request, tmp_path_factory):
    return OURS[request.param](tmp_path_factory.mktemp("networks"))


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_intensities_from_0_to_255_are_refused_with_the_remedy(ours, cat, dtype):
    with pytest.raises(
        ValueError, match=r"takes intensities in \[0, 1\].*: divide by 255"
    ):
        maps.feature_maps(ours, (255 * cat).astype(dtype), "block1_pool")


def test_the_remedy_works(ours, cat):
    pixels = (255 * cat).astype("uint8")
    (answers,) = maps.feature_maps(ours, pixels / 255, "block1_pool").values()
    assert np.isfinite(answers).all() and answers.std() > 0


@pytest.mark.parametrize(
    ("low", "high", "got"),
    [
        (np.nan, 1, "from nan to nan"),
        (0, np.inf, "from 0 to inf"),
        (-1, 1, "from -1 to 1"),
        (-123, 151, "from -123 to 151"),
        (0, 65535, "from 0 to 65535"),
    ],
)
def test_of_other_numbers_no_remedy_is_known(ours, cat, low, high, got):
    numbers = cat.copy()
    numbers[0, 0, 0] = low, 0.5, high
    with pytest.raises(
        ValueError, match=rf"takes intensities in \[0, 1\]; got numbers {got}$"
    ):
        maps.feature_maps(ours, numbers, "block1_pool")


def test_the_ends_of_the_range_are_inside_it(ours, cat):
    networks.fitting_images(ours, np.zeros_like(cat))
    networks.fitting_images(ours, np.ones_like(cat))


@pytest.mark.parametrize("factor", [255, -1, np.nan])
def test_a_network_of_anybody_else_takes_the_same_numbers_as_they_are(cat, factor):
    theirs = keras.Sequential(
        [keras.Input((32, 32, 3)), layers.Rescaling(2.0, name="double")]
    )
    answers = maps.feature_maps(theirs, factor * cat, "double")["double"]
    np.testing.assert_allclose(answers, 2 * factor * cat, rtol=1e-6)
