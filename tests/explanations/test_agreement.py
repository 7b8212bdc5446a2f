"""Explanations of published architectures, and what other packages say of ours."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from cnnbook import explanations, networks
from tests.maps.test_architectures import ARCHITECTURES, SIZE, both, photos

pytestmark = pytest.mark.xdist_group("architectures")

CLOSE = 1e-4  # of the largest value in a map
# Float32 sums of a network so deep depend on the order in which threads add them up,
# which comes to less than a hundredth of this.
DEEP = 1e-3


def off_by(ours, theirs):
    """The largest difference, as a part of the largest value."""
    theirs = np.asarray(theirs)
    assert ours.shape == theirs.shape
    return np.abs(ours - theirs).max() / np.abs(theirs).max()


@pytest.fixture(scope="module", params=ARCHITECTURES)
def classifier(request):
    """A published trunk as a layer of a classifier of three classes."""
    _, trunk = both(request.param)
    inputs = keras.Input((SIZE, SIZE, 3))
    maps = keras.layers.GlobalAveragePooling2D()(trunk(inputs))
    scores = keras.layers.Dense(3, name="scores")(maps)
    network = keras.Model(inputs, keras.layers.Softmax()(scores))
    return network, trunk, keras.Model(inputs, scores)


@pytest.fixture
def images(rng):
    return photos(rng, 2)


# --- Five architectures, each inside another model


@pytest.mark.slow
def test_saliency_is_the_gradient_of_the_logit(classifier, images):
    network, _, logits = classifier

    @tf.function  # in networks so deep, eager sums differ by more than is allowed here
    def gradient(images):
        with tf.GradientTape() as tape:
            tape.watch(images)
            score = tf.reduce_sum(logits(images, training=False)[:, 2])
        return tape.gradient(score, images)

    expected = np.abs(gradient(tf.constant(images))).max(axis=-1)
    found = explanations.saliency_map(network, images, 2)
    assert off_by(found.values, expected) <= DEEP
    np.testing.assert_allclose(found.score, logits(images)[:, 2], rtol=DEEP, atol=1e-4)


@pytest.mark.slow
def test_grad_cam_weighs_the_last_maps_by_their_mean_gradients(classifier, images):
    network, trunk, logits = classifier
    found = explanations.grad_cam(network, images, 1)
    inner = found.layer.removeprefix(f"{trunk.name}/")
    assert inner in {layer.name for layer in trunk.layers}
    maps = keras.Model(trunk.input, trunk.get_layer(inner).output)(images)
    # Behind the last maps there are averages alone (and in VGG19 a pool before them).
    if trunk.name != "VGG19":
        weights = logits.get_layer("scores").get_weights()[0][:, 1]
        expected = np.maximum(
            np.asarray(maps) @ weights / maps[0, ..., 0].numpy().size, 0
        )
        assert off_by(found.values, expected) <= DEEP
    assert found.values.shape == maps.shape[:3]


@pytest.mark.slow
def test_occlusion_is_the_change_of_the_logit_at_each_place(classifier, images):
    network, _, logits = classifier
    window = SIZE // 2
    found = explanations.occlusion_map(network, images, 0, window=window, baseline=9.0)
    whole = np.asarray(logits(images))[:, 0]
    expected = np.empty((2, 2, 2))
    for row, column in np.ndindex(2, 2):
        hidden = images.copy()
        rows, columns = (slice(n * window, (n + 1) * window) for n in (row, column))
        hidden[:, rows, columns] = 9.0
        expected[:, row, column] = whole - np.asarray(logits(hidden))[:, 0]
    assert off_by(found.values, expected) <= DEEP


# --- Other packages, on the classifier of this one


@pytest.fixture(scope="module")
def shipped():
    return networks.load_classifier()


@pytest.fixture
def pictures(rng):
    return rng.random((3, 96, 96, 3), np.float32)


TARGETS = [0, 1, 0]


# Its own imports, and how it calls models.
@pytest.mark.filterwarnings("ignore:Please import `zoom`:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:The structure of `inputs`:UserWarning")
def test_saliency_and_grad_cam_are_those_of_tf_keras_vis(shipped, pictures):
    from tf_keras_vis.gradcam import Gradcam
    from tf_keras_vis.saliency import Saliency
    from tf_keras_vis.utils.scores import CategoricalScore

    score = CategoricalScore(TARGETS)
    theirs = Saliency(shipped)(score, pictures, normalize_map=False)
    ours = explanations.saliency_map(shipped, pictures, TARGETS)
    assert off_by(ours.values, theirs) <= CLOSE
    ours = explanations.grad_cam(shipped, pictures, TARGETS)
    theirs = Gradcam(shipped)(
        score,
        pictures,
        penultimate_layer=ours.layer,
        seek_penultimate_conv_layer=False,
        expand_cam=False,
        normalize_cam=False,
    )
    assert off_by(ours.values, theirs) <= CLOSE
