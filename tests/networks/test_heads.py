"""What a classifier answers is read from its end; what cannot be read is refused."""

import keras
import numpy as np
import pytest
from keras import layers as kl

from cnnbook import explanations, networks

WEIGHTS = np.array([[3.0, -1, 0.5], [-2, 1, 4], [0.25, 2, -3], [1, -1, 1]], "float32")
IMAGE = np.array([0.2, -1, 0.7, 0.4], "float32").reshape(1, 2, 2, 1)
LOGITS = IMAGE.reshape(1, 4) @ WEIGHTS  # worked out here


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    return np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)


def model_of(end, classes=3):
    """Four pixels, the weights above, and then what ``end`` makes of the logits."""
    image = keras.Input((2, 2, 1))
    dense = kl.Dense(classes, use_bias=False, name="dense")
    model = keras.Model(image, end(dense(kl.Flatten()(image))))
    dense.set_weights([WEIGHTS[:, :classes]])
    return model


SEEN = {
    "softmax": lambda z: kl.Softmax()(z),
    "a shape of its own": lambda z: kl.Reshape((3,))(kl.Softmax()(z)),
    "a map of one place": lambda z: kl.Flatten()(
        kl.Softmax()(kl.Reshape((1, 1, 3))(z))
    ),
    "squeezed": lambda z: keras.ops.squeeze(
        kl.Activation("softmax")(kl.Reshape((1, 3))(z)), axis=1
    ),
    "a type of its own": lambda z: keras.ops.cast(
        kl.Activation("softmax")(z), "float32"
    ),
    "dropout": lambda z: kl.Dropout(0.5)(kl.Reshape((3,))(kl.Softmax()(z))),
}


@pytest.mark.parametrize("end", SEEN)
def test_the_logits_of_a_softmax_are_found_whatever_shape_it_is_given(end):
    model = model_of(SEEN[end])
    for target in range(3):
        found = explanations.saliency_map(model, IMAGE, target)
        assert found.score == pytest.approx(LOGITS[0, target], abs=1e-5)
    probabilities = explanations.class_probabilities(model, IMAGE)
    np.testing.assert_allclose(probabilities, softmax(LOGITS), atol=1e-6)
    np.testing.assert_allclose(
        probabilities, model.predict(IMAGE, verbose=0), atol=1e-6
    )


@pytest.mark.parametrize(
    "end",
    [
        lambda z: kl.Activation("sigmoid")(z),
        lambda z: keras.ops.sigmoid(z),
        lambda z: kl.Reshape((3,))(kl.Activation("sigmoid")(z)),
    ],
)
def test_each_of_several_sigmoids_is_explained_by_its_own_logit(end):
    model = model_of(end)
    assert networks.head(model).independent
    np.testing.assert_allclose(
        explanations.class_probabilities(model, IMAGE), sigmoid(LOGITS), atol=1e-6
    )
    for target in range(3):
        # Of a sum of products, the slope is the weight, and what a hidden pixel takes
        # away is the product.
        slopes = explanations.saliency_map(model, IMAGE, target)
        assert slopes.score == pytest.approx(LOGITS[0, target], abs=1e-5)
        np.testing.assert_allclose(
            slopes.values.ravel(), np.abs(WEIGHTS[:, target]), atol=1e-5
        )
        drops = explanations.occlusion_map(model, IMAGE, target, window=1, baseline=0)
        np.testing.assert_allclose(
            drops.values.ravel(), IMAGE.ravel() * WEIGHTS[:, target], atol=1e-5
        )


def test_two_sigmoids_are_two_classes_and_one_is_two_as_well():
    two = networks.head(model_of(lambda z: kl.Activation("sigmoid")(z), classes=2))
    one = networks.head(model_of(lambda z: kl.Activation("sigmoid")(z), classes=1))
    assert (two.num_classes, two.independent) == (2, True)
    assert (one.num_classes, one.independent) == (2, False)


@pytest.mark.parametrize("method", explanations.METHODS)
def test_every_method_explains_the_class_that_it_is_asked_for(method):
    image = keras.Input((8, 8, 1))
    maps = kl.Conv2D(3, 3, padding="same", activation="relu", name="conv")(image)
    dense = kl.Dense(3, activation="sigmoid", name="dense")
    model = keras.Model(image, dense(kl.GlobalAveragePooling2D()(maps)))
    dense.set_weights([np.diag([1.0, 2.0, 3.0]), np.array([0.5, -0.5, 0.0])])
    photo = np.random.default_rng(0).random((1, 8, 8, 1), "float32")
    means = keras.Model(image, maps)(photo).numpy().mean(axis=(1, 2))[0]
    expected = means * [1, 2, 3] + [0.5, -0.5, 0]
    for target in range(3):
        found = explanations.explain(method, model, photo, target)
        assert found.score == pytest.approx(expected[target], abs=1e-5)


HIDDEN = {
    "the mean of two": lambda z: kl.Average()([kl.Softmax()(z), kl.Softmax()(2 * z)]),
    "both sides of one": lambda z: kl.Concatenate()(
        [1 - keras.ops.sigmoid(z[:, :1]), keras.ops.sigmoid(z[:, :1])]
    ),
    "one for each place": lambda z: kl.GlobalAveragePooling2D()(
        kl.Softmax()(kl.Concatenate(axis=1)([kl.Reshape((1, 1, 3))(z)] * 2))
    ),
    "a share": lambda z: (
        keras.ops.softplus(z)
        / keras.ops.sum(keras.ops.softplus(z), axis=1, keepdims=True)
    ),
    "by hand": lambda z: (
        keras.ops.exp(z - keras.ops.max(z, axis=1, keepdims=True))
        / keras.ops.sum(
            keras.ops.exp(z - keras.ops.max(z, axis=1, keepdims=True)),
            axis=1,
            keepdims=True,
        )
    ),
    "the other class": lambda z: 1 - keras.ops.sigmoid(z[:, :1]),
}


@pytest.mark.parametrize("end", HIDDEN)
def test_probabilities_that_cannot_be_seen_through_are_never_taken_for_logits(end):
    model = model_of(HIDDEN[end])
    for call in (explanations.class_probabilities, explanations.saliency_map):
        arguments = (0,) if call is explanations.saliency_map else ()
        with pytest.raises(ValueError, match="the part that gives logits"):
            call(model, IMAGE, *arguments)


@pytest.mark.parametrize(
    "end",
    [
        lambda z: z,
        lambda z: 0 * z,  # as before training, where weights start at zero
    ],
)
def test_logits_may_lie_where_probabilities_do(end):
    model = model_of(end)
    dense = model.get_layer("dense")
    dense.set_weights([dense.get_weights()[0] / 100 + 0.1])
    answers = model.predict(np.abs(IMAGE), verbose=0)
    assert ((answers >= 0) & (answers <= 1)).all()
    np.testing.assert_allclose(
        explanations.class_probabilities(model, np.abs(IMAGE)),
        softmax(answers),
        atol=1e-6,
    )
