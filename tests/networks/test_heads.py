"""What a classifier answers is read from its end; what cannot be read is refused."""

import keras
import numpy as np
import pytest
from keras import layers as kl

from cnnbook import explanations, networks, training

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


@pytest.mark.parametrize("ending", ["softmax", "sigmoid"])
@pytest.mark.parametrize("kind", [kl.LSTM, kl.GRU, kl.SimpleRNN])
def test_the_activation_of_a_recurrent_cell_is_not_what_its_layer_answers(kind, ending):
    model = model_of(lambda z: kind(3, activation=ending)(kl.Reshape((1, 3))(z)))
    with pytest.raises(ValueError, match=f"{kind.__name__}.*the part that gives log"):
        networks.head(model)


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


# --- What is only called softmax or sigmoid, or derived from what is


def named(name, function):
    function.__name__ = name
    return function


@keras.saving.register_keras_serializable("tests")
def registered(z):
    return 0.5 + 0.5 * keras.ops.tanh(z)


class SoftmaxInside(kl.Dense):
    def call(self, inputs):
        return keras.ops.softmax(super().call(inputs))


class PercentInside(kl.Dense):
    def call(self, inputs):
        return 100 * keras.ops.softmax(super().call(inputs))


class Doubled(kl.Dense):
    def call(self, inputs):
        return 2 * super().call(inputs)


class Sharper(kl.Softmax):
    def call(self, inputs):
        return super().call(2 * inputs)


class OwnModel(keras.Model):
    def __init__(self):
        super().__init__()
        self.own = kl.Dense(3)

    def call(self, inputs):
        return keras.ops.softmax(self.own(inputs))


MISLEADING = {
    "named softmax": lambda z: kl.Activation(
        named("softmax", lambda z: keras.ops.softmax(2 * z))
    )(z),
    "named linear": lambda z: kl.Dense(
        3, activation=named("linear", lambda z: keras.ops.softmax(z)), name="own"
    )(z),
    "registered as sigmoid": lambda z: kl.Dense(
        3, activation=named("sigmoid", registered), name="own"
    )(z),
    "lambda": lambda z: kl.Activation(lambda z: keras.ops.softmax(z))(z),
    "Lambda": lambda z: kl.Lambda(lambda z: keras.ops.softmax(z))(z),
    "softmax inside": lambda z: SoftmaxInside(3, name="own")(z),
    "percent inside": lambda z: PercentInside(3, name="own")(z),
    "doubled softmax": lambda z: Doubled(3, activation="softmax", name="own")(z),
    "a sharper softmax": lambda z: Sharper()(z),
    "an own model": lambda z: OwnModel()(z),
    "clip": lambda z: keras.ops.clip(kl.Softmax()(z), 0.1, 0.9),
    "percent": lambda z: kl.Rescaling(100.0)(kl.Softmax()(z)),
    "from -1 to 1": lambda z: kl.Rescaling(2.0, -1.0)(kl.Softmax()(z)),
    "sigmoids by hand": lambda z: 1 / (1 + keras.ops.exp(-z)),
    "another activation, reshaped": lambda z: kl.Reshape((3,))(
        kl.Activation("hard_sigmoid")(z)
    ),
}


@pytest.mark.parametrize("end", MISLEADING)
def test_an_ending_is_known_by_what_it_is_and_not_by_its_name(end):
    model = model_of(MISLEADING[end])
    model.white = 1
    for call in (
        lambda: explanations.class_probabilities(model, IMAGE),
        lambda: training.predict(model, np.abs(IMAGE)),
        lambda: explanations.saliency_map(model, IMAGE, 0),
    ):
        with pytest.raises(ValueError, match=r"probabilities|ends in the activation"):
            call()


def test_a_class_derived_from_keras_is_right_where_it_gives_logits_or_changes_nothing():
    scores = model_of(lambda z: Doubled(3, name="own")(z))
    logits = scores.predict(IMAGE, verbose=0)
    plain = model_of(
        lambda z: type("Plain", (kl.Dense,), {})(3, "softmax", name="own")(z)
    )
    for model, expected in (
        (scores, softmax(logits)),
        (plain, plain.predict(IMAGE, verbose=0)),
    ):
        found = explanations.class_probabilities(model, IMAGE)
        np.testing.assert_allclose(found, expected, atol=1e-6)
    assert explanations.saliency_map(scores, IMAGE, 1).score == pytest.approx(
        logits[0, 1], abs=1e-5
    )


# --- Answers that are said


@pytest.mark.parametrize("end", [*HIDDEN, "softmax inside", "an own model", "lambda"])
def test_probabilities_that_are_said_are_reported_and_explained(end):
    import tensorflow as tf

    model = model_of((HIDDEN | MISLEADING)[end])
    single = model.output_shape[-1] == 1
    kind = "sigmoid" if single else "softmax"
    said = networks.with_answers(model, probabilities=kind)
    own = model.predict(IMAGE, verbose=0)
    found = explanations.class_probabilities(said, IMAGE)
    np.testing.assert_allclose(found[:, -own.shape[1] :], own, rtol=1e-5)
    with tf.GradientTape() as tape:
        image = tf.constant(IMAGE)
        tape.watch(image)
        p = model(image)[0, -1]
        score = tf.math.log(p) - (tf.math.log(1 - p) if single else 0)
    slopes = explanations.saliency_map(said, IMAGE, found.shape[1] - 1)
    assert slopes.score == pytest.approx(float(score), rel=1e-4)
    np.testing.assert_allclose(
        slopes.values, np.abs(tape.gradient(score, image))[..., 0], rtol=1e-3, atol=1e-6
    )


def test_logits_of_several_sigmoids_can_be_said():
    model = model_of(lambda z: z)
    said = networks.with_answers(model, logits="sigmoid")
    assert networks.head(said).independent
    found = explanations.class_probabilities(said, IMAGE)
    np.testing.assert_allclose(found, sigmoid(LOGITS), atol=1e-6)
    drops = explanations.occlusion_map(said, IMAGE, 2, window=1, baseline=0)
    np.testing.assert_allclose(
        drops.values.ravel(), IMAGE.ravel() * WEIGHTS[:, 2], atol=1e-5
    )
    assert drops.score == pytest.approx(LOGITS[0, 2], abs=1e-5)


def test_what_is_said_and_the_names_of_classes_are_kept_in_the_file(tmp_path):
    model = model_of(lambda z: z)
    model.class_names = ("ant", "bee", "cow")
    said = networks.with_answers(model, logits="sigmoid")
    assert [layer.name for layer in model.layers] == [
        layer.name for layer in said.layers[:-1]
    ]
    networks.save_classifier(said, tmp_path / "said.keras")
    loaded = networks.load_network(tmp_path / "said.keras")
    assert loaded.class_names == model.class_names
    assert networks.head(loaded).independent
    np.testing.assert_allclose(
        explanations.class_probabilities(loaded, IMAGE), sigmoid(LOGITS), atol=1e-6
    )


def test_two_classes_of_one_output_keep_their_names_in_the_file(tmp_path):
    model = model_of(lambda z: kl.Activation("sigmoid")(z), classes=1)
    networks.save_classifier(model, tmp_path / "one.keras", class_names=("cat", "dog"))
    loaded = networks.load_network(tmp_path / "one.keras")
    assert networks.head(loaded).class_names == ("cat", "dog")
    with pytest.raises(ValueError, match="must be 2, one for each class"):
        networks.save_classifier(model, tmp_path / "two.keras", class_names=["cat"])


@pytest.mark.parametrize(
    ("end", "said", "message"),
    [
        (lambda z: z, {}, "either logits or probabilities"),
        (lambda z: z, {"logits": "softmax", "probabilities": "softmax"}, "either"),
        (lambda z: z, {"logits": "relu"}, "got logits='relu'"),
        (lambda z: z[:, :1], {"logits": "softmax"}, "one output"),
        (lambda z: z, {"probabilities": "softmax"}, "one of them is"),
        (MISLEADING["clip"], {"probabilities": "softmax"}, "add up to 1.1"),
        (SEEN["softmax"], {"logits": "softmax"}, "ends in softmax, which says"),
        (SEEN["softmax"], {"probabilities": "sigmoid"}, "ends in softmax, which says"),
    ],
)
def test_what_cannot_be_is_not_to_be_said(end, said, message):
    with pytest.raises(ValueError, match=message):
        networks.with_answers(model_of(end), **said)


def test_what_the_layers_show_need_not_be_said():
    model = model_of(SEEN["softmax"])
    assert networks.with_answers(model, probabilities="softmax") is model


def test_certain_probabilities_have_finite_scores():
    model = model_of(HIDDEN["by hand"])
    said = networks.with_answers(model, probabilities="softmax")
    sure = 1000 * IMAGE
    found = explanations.class_probabilities(said, sure)
    np.testing.assert_allclose(found, model.predict(sure, verbose=0), atol=1e-7)
    for target in range(3):
        explained = explanations.saliency_map(said, sure, target)
        assert np.isfinite(explained.score).all()
        assert np.isfinite(explained.values).all()


def test_inputs_and_outputs_by_name_are_looked_into():
    image = keras.Input((2, 2, 1), name="image")
    dense = kl.Dense(3, activation="softmax")(kl.Flatten()(image))
    model = keras.Model({"image": image}, {"animal": dense})
    model.white = 1
    own = model.predict({"image": IMAGE}, verbose=0)["animal"]
    found = explanations.class_probabilities(model, IMAGE)
    np.testing.assert_allclose(found, own, atol=1e-6)
    assert explanations.saliency_map(model, IMAGE, 0).values.shape == (1, 2, 2)
    np.testing.assert_allclose(
        training.predict(model, np.abs(IMAGE)),
        model.predict({"image": np.abs(IMAGE)}, verbose=0)["animal"],
        atol=1e-6,
    )


@pytest.mark.parametrize("which", [0, 1])
def test_of_a_model_inside_with_several_outputs_the_one_that_is_used_is_reported(which):
    image = keras.Input((2, 2, 1))
    row = kl.Flatten()(image)
    ends = [kl.Dense(3, activation="softmax", name=name)(row) for name in "ab"]
    inside = keras.Model(image, ends)
    model = keras.Model(image, inside(image)[which])
    found = explanations.class_probabilities(model, IMAGE)
    np.testing.assert_array_equal(found, model.predict(IMAGE, verbose=0))
