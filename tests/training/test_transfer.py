"""A dense end learns from another network's features, which are computed once."""

import numpy as np
import pytest

from cnnbook import training
from cnnbook.maps import feature_maps
from cnnbook.training import descriptions, transfer


@pytest.fixture(autouse=True)
def kept(tmp_path, monkeypatch):
    """Where features are kept."""
    monkeypatch.setenv("CNNBOOK_BUILD", str(tmp_path))
    return tmp_path / "features"


@pytest.fixture
def network():
    """A network of one convolution and a pool, in a model inside the model."""
    import keras

    inner = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3, name="conv")], name="inner"
    )
    inputs = keras.Input((8, 8, 3))
    pool = keras.layers.MaxPooling2D(2, name="pool")
    flat = keras.layers.Flatten(name="flat")
    model = keras.Model(inputs, flat(pool(inner(inputs))))
    model.white = 1
    return model


@pytest.fixture
def images(rng):
    return rng.random((45, 8, 8, 3), np.float32)


def test_features_are_roots_of_means_and_maxima_of_a_picture_and_its_mirror_image(
    network, images
):
    found = training.features(network, images, ["inner/conv", "pool"])
    for name, features in found.items():
        assert features.shape == (45, 8)
        expected = 0
        for seen in (images, images[:, :, ::-1]):
            maps = np.maximum(feature_maps(network, seen)[name], 0)
            both = np.sqrt([maps.mean(axis=(1, 2)), maps.max(axis=(1, 2))])
            expected = expected + np.concatenate(both, axis=1) / 2
        np.testing.assert_allclose(features, expected, 1e-4)


def test_a_mirrored_picture_has_the_same_features(network, images):
    pairs = training.mixtures(network, images, ["pool"])
    ours, theirs = (
        training.describe(network, seen, ["pool"], pairs=pairs)["pool"]
        for seen in (images, images[:, :, ::-1])
    )
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_mixtures_are_equally_spread_and_tell_nothing_of_one_another(network, images):
    mixed = training.mixtures(network, images, ["inner/conv"], count=3)["inner/conv"]
    maps = np.maximum(feature_maps(network, images)["inner/conv"], 0)
    amounts = (np.sqrt(maps).reshape(-1, 4) - mixed.middle) @ mixed.directions
    assert amounts.shape[1] <= 3
    np.testing.assert_allclose(amounts.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(np.cov(amounts.T), np.eye(amounts.shape[1]), atol=1e-2)


def test_pairs_are_signed_roots_of_mean_products_at_the_same_places():
    maps = np.zeros((1, 1, 2, 2))
    maps[0, 0] = [[4, 1], [4, 9]]  # roots 2 and 1, then 2 and 3
    mixed = training.Mixtures(np.array([0.0, 2]), np.eye(2))
    products = np.array([4, (2 * -1 + 2 * 1) / 2, (1 + 1) / 2])
    expected = np.sqrt(products) / np.sqrt(products.sum())

    np.testing.assert_allclose(descriptions._pairs(maps, mixed)[0], expected)


def test_features_are_computed_once(network, images, kept, monkeypatch):
    first = training.features(network, images, ["pool"])

    def not_again(*args):
        raise AssertionError("computed again")

    monkeypatch.setattr(descriptions, "feature_maps", not_again)
    again = training.features(network, images, ["pool"])
    np.testing.assert_array_equal(first["pool"], again["pool"])
    assert len(list(kept.iterdir())) == 1


def test_other_weights_or_other_pictures_are_not_taken_for_these(network, images, kept):
    first = training.features(network, images, ["pool"])["pool"]
    changed = images.copy()
    changed[44, 7, 7, 2] += 0.01
    training.features(network, changed, ["pool"])
    network.set_weights([array * 2 for array in network.get_weights()])
    doubled = training.features(network, images, ["pool"])["pool"]
    np.testing.assert_allclose(doubled, first * np.sqrt(2), rtol=1e-5)
    assert len(list(kept.iterdir())) == 3


def test_bytes_and_intensities_have_the_same_features(network, rng):
    images = rng.integers(0, 256, (3, 8, 8, 3), np.uint8)
    ours = training.features(network, images, ["pool"])["pool"]
    theirs = training.features(network, images / np.float32(255), ["pool"])["pool"]
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_an_interruption_leaves_nothing_half_done(network, images, kept, monkeypatch):
    calls = []

    def interrupted(*args):
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return feature_maps(*args)

    monkeypatch.setattr(descriptions, "feature_maps", interrupted)
    with pytest.raises(KeyboardInterrupt):
        training.features(network, images, ["pool"])
    assert not kept.exists() or not list(kept.iterdir())


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (["poool"], "no layer 'poool'; did you mean 'pool'"),
        (["flat"], "layer 'flat' has no feature maps"),
    ],
)
def test_layers_without_maps_are_refused(network, images, layers, message):
    with pytest.raises(ValueError, match=message):
        training.features(network, images, layers)


def clouds(rng, count, num_classes=3, size=5, distance=2.0):
    """Features scattered about one point for each class."""
    labels = np.arange(count) % num_classes
    middles = distance * np.eye(num_classes, size)
    return rng.normal(middles[labels], 1), labels


def test_the_end_is_the_best_there_is(rng):
    """At the minimum of a convex function the gradient is zero."""
    features, labels = clouds(rng, 90)
    end = training.fit_end(features, labels, 3, penalty=0.1)
    error = end.predict(features) - np.eye(3)[labels]
    spread = features.std(axis=0)
    standard = (features - features.mean(axis=0)) / spread
    weights = end.weights * spread[:, None]  # for features of spread 1
    gradient = standard.T @ error / 90 + 0.1 * weights
    np.testing.assert_allclose(gradient, 0, atol=1e-4)
    np.testing.assert_allclose(error.mean(axis=0), 0, atol=1e-4)  # of the bias


def test_the_scale_of_a_feature_does_not_matter(rng):
    features, labels = clouds(rng, 60)
    scale, offset = np.array([1, 10, 0.1, 1000, 3]), 7.0
    ours = training.fit_end(features, labels, 3, penalty=0.1)
    theirs = training.fit_end(scale * features + offset, labels, 3, penalty=0.1)
    np.testing.assert_allclose(
        ours.predict(features), theirs.predict(scale * features + offset), atol=1e-3
    )


def test_three_classes_far_apart_are_told_apart(rng):
    features, labels = clouds(rng, 90, distance=20)
    end = training.fit_end(features, labels, 3)
    unseen, their_labels = clouds(rng, 90, distance=20)
    assert (end.predict(unseen).argmax(axis=1) == their_labels).all()
    np.testing.assert_allclose(end.predict(unseen).sum(axis=1), 1)


def test_more_penalty_means_smaller_weights(rng):
    features, labels = clouds(rng, 60)
    ends = [training.fit_end(features, labels, 3, penalty=p) for p in (0.01, 0.1, 1.0)]
    sizes = [np.square(end.weights).sum() for end in ends]
    assert sizes[0] > sizes[1] > sizes[2]


def test_the_penalty_is_chosen_on_pictures_held_out(rng):
    # One telling feature among 200 of noise, which would be learned by heart.
    features, labels = rng.normal(size=(60, 200)), np.arange(60) % 2
    features[:, 0] += 2 * labels
    accuracies = training.held_out_accuracies(features, labels, 2)
    assert set(accuracies) == set(transfer.PENALTIES)
    end = training.fit_end(features, labels, 2)
    assert accuracies[end.penalty] == max(accuracies.values())


def test_the_layer_that_knows_the_classes_is_chosen(rng):
    telling, labels = clouds(rng, 80, num_classes=2, distance=6)
    noise = rng.normal(size=telling.shape)
    layer, accuracy = training.best_layer({"a": noise, "b": telling}, labels, 2)
    assert layer == "b"
    assert accuracy > 0.95


@pytest.mark.parametrize(
    ("features", "labels", "message"),
    [
        (np.ones(4), [0, 1, 0, 1], r"shape \(N, D\); got \(4,\)"),
        (np.ones((3, 2)), [0, 1], "and 2 labels"),
        (np.ones((2, 2)), [0, 0], r"there is none of \[1\]"),
        (np.ones((2, 2)), [0, 2], "classes from 0 to 1"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(features, labels, message):
    with pytest.raises(ValueError, match=message):
        training.fit_end(features, np.array(labels), 2)


def test_an_end_that_has_not_settled_says_so(monkeypatch):
    found = type("", (), {"nit": 500, "x": np.zeros(4)})
    monkeypatch.setattr(transfer, "minimize", lambda *args, **options: found)
    with pytest.raises(
        RuntimeError, match=r"not settled.*penalty 0\.1.*larger penalty"
    ):
        training.fit_end(np.eye(2), np.array([0, 1]), 2, penalty=0.1)
