"""Widgets of whole networks bring what pages need to run and to explain them."""

import keras
import numpy as np
import pytest
from keras import layers as kl

from cnnbook import figures, maps, networks, pictures, widgets
from cnnbook.figures import charts


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


# --- The feature-map explorer


def test_the_explorer_knows_every_layer_that_the_page_runs():
    data = widgets.feature_map_explorer().data
    layers = data["network"]["classifier"]["layers"]
    chain = data["chains"]["classifier"]["layers"]
    assert [step["name"] for step in chain] == [layer["name"] for layer in layers]
    for step, layer in zip(chain, layers, strict=True):
        shape = layer["shape"]
        assert step["sides"] == (shape[:2] if len(shape) == 3 else [1, 1])


def test_pictures_of_the_explorer_are_as_large_as_the_network_takes_them(rng):
    inputs = keras.Input((20, 30, 1), name=pictures.INTENSITIES)
    network = keras.Sequential([inputs, keras.layers.Conv2D(2, 3, name="conv")])
    photos = {"cat": pictures.model_cat((64, 64)), "wide": rng.random((30, 90, 3))}
    widget = widgets.feature_map_explorer(network, photos)
    for name, picture in photos.items():
        expected = pictures.load_image(picture.astype("float32"), (20, 30))
        off = np.abs(widget.data["pictures"][name] / 255 - expected)
        assert off.max() <= 1.01 / 255


def test_a_network_for_other_images_than_photos_is_refused():
    network = keras.Sequential(
        [keras.Input((20, 30, 4)), keras.layers.Conv2D(2, 3, name="conv")]
    )
    with pytest.raises(ValueError, match="images of 4 channels; photos have 1 or 3"):
        widgets.feature_map_explorer(network)


# --- What white is to a network


def halves(*first, white=None):
    """A network whose two classes are left and right, for bytes or intensities."""
    network = keras.Sequential(
        [
            keras.Input((12, 16, 3)),
            *first,
            kl.AveragePooling2D((12, 8), name="pool"),
            kl.Flatten(),
            kl.Dense(2),
        ]
    )
    weights = np.kron(np.eye(2), np.ones((3, 1)))
    network.layers[-1].set_weights([weights, np.zeros(2)])
    network.white = white
    return network


EXPLORERS = [
    widgets.feature_map_explorer,
    widgets.fully_connected_explorer,
    widgets.photo_lab,
]


@pytest.mark.parametrize("explorer", EXPLORERS)
def test_a_network_that_does_not_tell_what_white_is_to_it_is_asked(explorer):
    with pytest.raises(ValueError, match=r"model\.white = 1 or model\.white = 255"):
        explorer(halves())
    for white in (1, 255):
        data = explorer(halves(white=white)).data
        assert data["network"]["classifier"]["range"] == [0, white]


@pytest.mark.parametrize("explorer", EXPLORERS)
def test_what_its_first_layers_say_of_white_goes_to_the_page(explorer):
    data = explorer(halves(kl.Rescaling(1 / 127.5, offset=-1))).data
    assert data["network"]["classifier"]["range"] == [0, 255]


def test_votes_are_those_of_the_picture_in_the_range_that_the_network_takes(
    monkeypatch,
):
    """Left is white and right is black: one vote for each colour of the left."""
    picture = np.zeros((12, 16, 3))
    picture[:, :8] = 1
    drawn = []
    monkeypatch.setattr(
        "cnnbook.widgets.explorers.charts.votes",
        lambda votes, *_, **__: drawn.append(votes),
    )
    for network in (halves(kl.Rescaling(1 / 255)), halves(white=1)):
        widgets.fully_connected_explorer(network, {"half": picture})
        np.testing.assert_allclose(drawn.pop(), [1, 1, 1], rtol=1e-6)


# --- The fully connected explorer


def ending(*layers, shape=(12, 16, 3)):
    conv = keras.layers.Conv2D(4, 3, name="conv")
    inputs = keras.Input(shape, name=pictures.INTENSITIES)
    return keras.Sequential([inputs, conv, *layers])


@pytest.mark.parametrize(
    "layers",
    [
        (kl.Flatten(), kl.Dense(2)),
        (kl.Flatten(), kl.Dropout(0.5), kl.Dense(3, activation="softmax")),
        (kl.GlobalAveragePooling2D(), kl.Dense(2), kl.Softmax()),
        (kl.GlobalMaxPooling2D(), kl.Dense(2, use_bias=False)),
        (kl.GlobalMaxPooling2D(keepdims=True), kl.Flatten(), kl.Dense(2)),
    ],
    ids=lambda layers: "-".join(type(layer).__name__ for layer in layers),
)
def test_networks_in_which_every_feature_votes_can_be_explored(layers):
    widget = widgets.fully_connected_explorer(ending(*layers))
    [picture] = widget.data["pictures"].values()
    assert picture.shape == (12, 16, 3)
    classes = widget.data["network"]["classifier"]["classes"]
    assert classes[:2] == ["class 0", "class 1"]


@pytest.mark.parametrize(
    "layers",
    [
        (kl.Flatten(),),
        (kl.Flatten(), kl.Dense(1)),
        (kl.Flatten(), kl.Dense(2, activation="sigmoid")),
        (kl.Flatten(), kl.Dense(2), kl.ReLU()),
        (kl.Flatten(), kl.Dense(5), kl.Dense(2)),
        (kl.Dense(2), kl.Flatten()),
        (kl.GlobalMaxPooling2D(), kl.BatchNormalization(), kl.Dense(2)),
    ],
    ids=lambda layers: "-".join(type(layer).__name__ for layer in layers),
)
def test_networks_in_which_features_do_not_vote_are_refused(layers):
    with pytest.raises(ValueError, match=r"must end in Flatten or a global pooling"):
        widgets.fully_connected_explorer(ending(*layers))


def test_the_votes_of_the_still_picture_are_those_of_the_network(monkeypatch):
    drawn = []
    draw = figures.votes
    monkeypatch.setattr(
        charts,
        "votes",
        lambda votes, *a, **k: drawn.append(votes) or draw(votes, *a, **k),
    )
    network = networks.load_classifier()
    widgets.fully_connected_explorer(network)
    _, biases = network.get_layer("logits").get_weights()
    image = np.round(255 * pictures.model_cat((96, 96))) / 255
    before_softmax = keras.Model(network.inputs, network.get_layer("logits").output)
    logits = before_softmax.predict(image[None].astype("float32"), verbose=0)[0]
    [votes] = drawn
    assert votes.shape == (64,)
    assert votes.sum() + biases[0] - biases[1] == pytest.approx(
        logits[0] - logits[1], abs=1e-4
    )


# --- The training scrubber


@pytest.fixture
def small():
    return ending(kl.MaxPooling2D(2, name="pool"), kl.Flatten(), kl.Dense(3))


@pytest.fixture
def kept(small):
    return {epoch: small.get_weights() for epoch in (0, 1, 4)}


def test_a_scrubber_holds_maps_as_bytes_whose_limits_all_moments_share(small, rng):
    kept = {}
    for epoch, size in ((0, 0.1), (3, 1.0)):
        shapes = [array.shape for array in small.get_weights()]
        kept[epoch] = [size * rng.normal(size=shape) for shape in shapes]
    picture = rng.random((12, 16, 3)).astype("float32")
    data = widgets.training_scrubber(small, kept, picture).data["training"]
    low, high = data["facts"]["sheets"][1]["limits"]
    stored = data["Maps of pool"]
    assert stored.dtype == np.uint8
    assert low == -high  # nothing bends behind this convolution
    for moment, weights in enumerate(kept.values()):
        small.set_weights(weights)
        image = data["picture"][None].astype("float32") / 255
        found = maps.feature_maps(small, image, "pool")["pool"][0]
        values = low + stored[moment, ..., 0] / 255 * (high - low)
        off = np.abs(np.moveaxis(values, 0, -1) - found).max()
        assert off <= 0.51 * (high - low) / 255


def test_large_maps_are_thinned_and_many_channels_left_out(rng):
    network = ending(
        kl.Conv2D(20, 3, padding="same", name="many"),
        kl.AveragePooling2D(1, name="wide"),
        kl.GlobalMaxPooling2D(),
        kl.Dense(2),
        shape=(60, 110, 3),
    )
    kept = {epoch: network.get_weights() for epoch in (0, 1)}
    picture = rng.random((60, 110, 3))
    data = widgets.training_scrubber(network, kept, picture).data["training"]
    assert data["Maps of wide"].shape == (2, 8, 20, 36, 1)
    assert data["Filters of conv; grey is 0"].shape == (2, 4, 3, 3, 3)


def test_the_curves_end_with_the_last_checkpoint(small, kept):
    history = {"loss": [4, 3, 2, 1, 0.5, 0.4], "val_accuracy": [0.5] * 6, "lr": [1]}
    widget = widgets.training_scrubber(small, kept, noise(9, 9, 3), history)
    losses, accuracies = widget.data["training"]["facts"]["curves"]
    assert losses["title"] == "Loss, 0 to 4"
    [line] = losses["lines"]
    assert line["values"] == [4, 3, 2, 1]
    assert line["d"] == "M25.0,0.0L50.0,15.0L75.0,30.0L100.0,45.0"
    assert [line["name"] for line in accuracies["lines"]] == ["kept aside"]


def test_without_names_classes_have_numbers(small, kept):
    widget = widgets.training_scrubber(small, kept, noise(9, 9, 3))
    facts = widget.data["training"]["facts"]
    assert facts["classes"] == ["class 0", "class 1", "class 2"]
    np.testing.assert_allclose(np.sum(facts["probabilities"], axis=1), 1, rtol=1e-5)
    assert facts["curves"] == []


@pytest.mark.parametrize("loss", [[1, np.nan], [[1, 2]], 3])
def test_a_history_that_is_no_row_of_numbers_is_refused(small, kept, loss):
    with pytest.raises(ValueError, match="'loss' of the history must be a row of"):
        widgets.training_scrubber(small, kept, noise(9, 9, 3), {"loss": loss})
