"""Small networks of every construction that Keras users write, one entry for each.

An entry says how a network is made, which of its layers has the last maps and which
the class scores, and what must be refused, in which words.  All else must be right.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import keras
import numpy as np
import tensorflow as tf
from keras import layers as kl, ops

SIZE = (12, 10)  # rows and columns of the pictures, unlike so that none are swapped
CLASSES = 3


@dataclass(frozen=True, eq=False)
class Network:
    """A network of the table.

    Attributes
    ----------
    name : str
        What it is, as it completes "a model …" on the page "Which models?".
    about : str
        The heading that it stands under there.
    make : callable
        Returns the keras.Model; its weights are drawn afterwards.
    maps : str or None
        The layer whose maps are compared, the last with maps; None if it has none.
    scores : str
        The layer that computes the class scores, perhaps with softmax or sigmoid.
    kind : str
        What `networks.head` must answer: "softmax", "sigmoid", "logits", "logit".
    refused : dict of str to str
        By function, or by need (see `functions.NEEDS`): words of the sentence by which
        it is refused; none where a function does all the same.
    white : float
        What white is in the pictures that the network takes.
    white_is_known : bool
        Whether the layers tell, or it is said: 1 is, where they do not.
    channels : int
        Which axis of its pictures has the channels.
    tolerance : float
        By how much of the largest number answers may differ.
    call : dict
        By which keywords Keras runs it as after training.
    """

    name: str
    about: str
    make: Callable[[], keras.Model]
    maps: str | None = "conv"
    scores: str = "scores"
    kind: str = "softmax"
    refused: Mapping[str, str] = field(default_factory=dict)
    white: float = 1.0
    white_is_known: bool = True
    channels: int = 3
    tolerance: float = 2e-4
    call: Mapping = field(default_factory=lambda: {"training": False})


NETWORKS: dict[str, Network] = {}


def network(about, name, **facts):
    """Put the function that makes a network into the table."""

    def enter(make):
        assert name not in NETWORKS, name
        NETWORKS[name] = Network(name, about, make, **facts)
        return make

    return enter


# Parts that most networks have.


def body(x):
    """Return maps of 4 × 3 places and 4 channels, by one convolution."""
    return kl.Conv2D(4, 3, strides=3, activation="relu", name="conv")(x)


def deeper(x):
    """Return such maps, by two convolutions and a pool."""
    x = kl.Conv2D(3, 3, padding="same", activation="relu", name="first")(x)
    x = kl.MaxPooling2D(2, name="pool")(x)
    return kl.Conv2D(4, 3, activation="relu", name="conv")(x)


def dense(x, units=CLASSES, activation=None):
    """Return class scores."""
    return kl.Dense(units, activation=activation, name="scores")(kl.Flatten()(x))


def functional(end, start=lambda x: x, middle=body, shape=(*SIZE, 3), dtype=None):
    """Return a model of what stands before, the convolutions, and the end."""
    x = image = keras.Input(shape, dtype=dtype, name="image")
    return keras.Model(image, end(middle(start(x))), name="network")


def softmax(x):
    return dense(x, activation="softmax")


def chain(*layers, shape=(*SIZE, 3)):
    return keras.Sequential([keras.Input(shape, name="image"), *layers], name="network")


def draw_weights(model, seed):
    """Draw all weights of a model, biases and statistics of batches included."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        shape = tuple(weight.shape)
        if "seed" in weight.path or "count" in weight.name or not weight.dtype:
            continue
        if "int" in weight.dtype:
            continue
        if any(word in weight.name for word in ("variance", "gamma", "vector_u")):
            values = rng.uniform(0.5, 1.5, shape)
        else:
            fan_in = math.prod(shape[:-1]) if len(shape) > 1 else 100
            values = rng.normal(0, 1.2 / math.sqrt(fan_in), shape)
        weight.assign(values)


# How it is built

BUILT = "How it is built"

UNTOLD = {"apart": "functional or Sequential"}


@network(BUILT, "built as Sequential", kind="logits")
def _():
    return chain(
        kl.Conv2D(3, 3, padding="same", name="first"),
        kl.BatchNormalization(),
        kl.ReLU(),
        kl.MaxPooling2D(2, name="pool"),
        kl.Conv2D(4, 3, activation="relu", name="conv"),
        kl.Flatten(),
        kl.Dropout(0.5),
        kl.Dense(CLASSES, name="scores"),
    )


@network(BUILT, "built by functional calls")
def _():
    return functional(softmax, middle=deeper)


@network(BUILT, "around another model (transfer learning)", maps="base/conv")
def _():
    base = functional(lambda x: x, middle=deeper)
    base.name = "base"
    x = image = keras.Input((*SIZE, 3), name="image")
    return keras.Model(image, softmax(base(x, training=False)), name="network")


@network(
    BUILT, "around a model around another model", maps="outer/base/conv", kind="logits"
)
def _():
    base = functional(lambda x: x)
    base.name = "base"
    outer = chain(kl.Rescaling(2.0, -1.0), base, kl.Dropout(0.2))
    outer.name = "outer"
    return chain(outer, kl.GlobalAveragePooling2D(), kl.Dense(CLASSES, name="scores"))


@network(BUILT, "around another model called by keyword", maps="base/conv")
def _():
    base = functional(lambda x: x)
    base.name = "base"
    x = image = keras.Input((*SIZE, 3), name="image")
    x = base(inputs=x, training=False)
    return keras.Model(image, softmax(x), name="network")


@network(BUILT, "around another model called by position", maps="base/conv", call={})
def _():
    base = functional(lambda x: x)
    base.name = "base"
    x = image = keras.Input((*SIZE, 3), name="image")
    return keras.Model(image, softmax(base(x, None)), name="network")


@network(
    BUILT,
    "that is a whole model and its own softmax",
    maps="inner/conv",
    scores="inner/scores",
)
def _():
    inner = functional(dense)
    inner.name = "inner"
    return chain(inner, kl.Softmax())


@network(BUILT, "that uses one layer twice", maps="conv#2")
def _():
    def twice(x):
        shared = kl.Conv2D(3, 3, padding="same", activation="relu", name="conv")
        return shared(shared(x))

    return functional(softmax, middle=twice)


@network(BUILT, "that uses one model twice", maps="add")
def _():
    tower = functional(lambda x: x)
    tower.name = "tower"

    def both(x):
        mirrored = kl.Rescaling(-1.0, 1.0)(x)
        return kl.Add(name="add")([tower(x), tower(mirrored)])

    return functional(softmax, middle=both)


@network(BUILT, "with branches that are added and joined", maps="joined")
def _():
    def branches(x):
        x = kl.Conv2D(4, 3, padding="same", name="first")(x)
        other = kl.Conv2D(4, 1, activation="relu", name="conv")(x)
        x = kl.ReLU(name="relu")(kl.Add()([x, other]))
        return kl.Concatenate(name="joined")([kl.MaxPooling2D(3, 1, "same")(x), other])

    return functional(softmax, middle=branches)


@network(
    BUILT,
    "with a gate on its channels (squeeze and excite)",
    maps="gated",
    refused={"readouts": "no place of its own"},
)
def _():
    def gated(x):
        x = deeper(x)
        gate = kl.GlobalAveragePooling2D(keepdims=True)(x)
        gate = kl.Conv2D(4, 1, activation="sigmoid", name="gate")(gate)
        return kl.Multiply(name="gated")([x, gate])

    return functional(softmax, middle=gated)


@network(
    BUILT,
    "shaped like a U, with a classifier at its end",
    maps="joined",
    refused={"window": "no receptive field"},
)
def _():
    def u_net(x):
        across = kl.Conv2D(3, 3, padding="same", activation="relu", name="first")(x)
        x = kl.MaxPooling2D(2, name="pool")(across)
        x = kl.Conv2D(4, 3, padding="same", activation="relu", name="conv")(x)
        x = kl.UpSampling2D(2)(x)
        return kl.Concatenate(name="joined")([x, across])

    return functional(softmax, middle=u_net)


@network(
    BUILT,
    "that answers for every pixel (segmentation)",
    maps="conv",
    refused={"row": "row of class scores", "votes": ""},
)
def _():
    return functional(lambda x: kl.Conv2D(2, 1, name="scores")(x))


@network(
    BUILT,
    "without a top",
    refused={"row": "row of class scores"},
)
def _():
    return functional(lambda x: x)


@network(
    BUILT,
    "with two outputs",
    refused={"row": "2 outputs"},
)
def _():
    model = functional(softmax)
    other = kl.Dense(1, name="age")(kl.Flatten()(model.get_layer("conv").output))
    return keras.Model(model.input, [model.output, other], name="network")


@network(
    BUILT,
    "with two inputs",
    refused={"images": "one input of shape", "export": "2 inputs", "scaled_for": ""},
)
def _():
    model = functional(softmax)
    number = keras.Input((2,), name="number")
    x = kl.Concatenate()([model.output, number])
    outputs = kl.Dense(CLASSES, name="end")(x)
    return keras.Model([model.input, number], outputs, name="network")


NO_MAPS = "none of the layers asked for|no layer None|names of layers"


@network(
    BUILT,
    "of Dense layers alone",
    maps=None,
    refused={"class maps": "no convolution", "maps": NO_MAPS},
)
def _():
    return chain(
        kl.Flatten(),
        kl.Dense(6, activation="relu"),
        kl.Dense(CLASSES, name="scores", activation="softmax"),
    )


@keras.saving.register_keras_serializable("conformance")
class Subclassed(keras.Model):
    """A model whose layers are called by its own code."""

    def __init__(self, **options):
        super().__init__(**options)
        self.conv = kl.Conv2D(4, 3, activation="relu", name="conv")
        self.end = kl.Dense(CLASSES, activation="softmax", name="scores")

    def call(self, images):
        return self.end(ops.mean(self.conv(images), axis=(1, 2)))


@network(
    BUILT,
    "that is a subclass of keras.Model",
    refused=UNTOLD
    | {"whole": "functional or Sequential", "picture_range": "", "scaled_for": ""},
)
def _():
    model = Subclassed(name="network")
    model(np.zeros((1, *SIZE, 3), "float32"))
    return model


@keras.saving.register_keras_serializable("conformance")
class OwnTraining(keras.Model):
    """A functional model with a training step of its own, and nothing else."""

    def train_step(self, data):
        return super().train_step(data)


@network(BUILT, "whose class changes the training step alone")
def _():
    model = functional(softmax)
    return OwnTraining(model.inputs, model.outputs, name="network")


@keras.saving.register_keras_serializable("conformance")
class OwnCall(keras.Sequential):
    """A Sequential that does more than its layers."""

    def call(self, images, training=None, mask=None):
        return super().call(2 * images, training=training)


@network(
    BUILT,
    "whose class changes what the layers compute",
    refused=UNTOLD | {"one_image_input": "functional or Sequential"},
)
def _():
    model = OwnCall(name="network")
    for layer in functional(softmax).layers:
        model.add(layer)
    return model


@keras.saving.register_keras_serializable("conformance")
class Classifier(keras.Model):
    """A head of one's own, as a model."""

    def __init__(self, **options):
        super().__init__(**options)
        self.pool = kl.GlobalAveragePooling2D()
        self.dense = kl.Dense(CLASSES, activation="softmax")

    def call(self, maps):
        return self.dense(self.pool(maps))


# The sentence says what the outputs seem to be, or that nobody can know.
PROBABLY = "probabilities|what that says about classes is unknown"

HIDDEN = {"scores": PROBABLY, "insides": "unknown"}


@network(BUILT, "with a subclassed head", refused=HIDDEN)
def _():
    return functional(lambda x: Classifier(name="scores")(x))


@keras.saving.register_keras_serializable("conformance")
class OwnDense(kl.Dense):
    """A Dense layer that does something else with its answer."""

    def call(self, x):
        return ops.softmax(super().call(x))


@network(BUILT, "whose last layer is a subclass of Dense", refused=HIDDEN)
def _():
    return functional(lambda x: OwnDense(CLASSES, name="scores")(kl.Flatten()(x)))


@keras.saving.register_keras_serializable("conformance")
class Doubled(kl.Layer):
    """A layer of one's own that changes each number by itself."""

    def call(self, x):
        return 2 * x


OWN = {
    "insides": "unknown",
    "window": "no receptive field",
}


@network(BUILT, "with a layer of one's own", maps="own", refused=OWN)
def _():
    return functional(softmax, middle=lambda x: Doubled(name="own")(body(x)))


@keras.saving.register_keras_serializable("conformance")
class Block(kl.Layer):
    """A block of one's own, convolution and activation in one."""

    def __init__(self, filters=4, **options):
        super().__init__(**options)
        self.conv = kl.Conv2D(filters, 3, activation="relu")

    def call(self, x):
        return self.conv(x)


@network(BUILT, "whose convolutions are blocks of one's own", maps="block", refused=OWN)
def _():
    def blocks(x):
        return Block(name="block")(kl.MaxPooling2D(2)(Block(3, name="early")(x)))

    return functional(softmax, middle=blocks)


@network(
    BUILT,
    "with a Lambda layer",
    maps="own",
    refused=OWN | {"save_classifier": "Lambda", "copies": "Lambda"},
)
def _():
    return functional(
        softmax, middle=lambda x: kl.Lambda(lambda y: 2 * y, name="own")(body(x))
    )


@network(
    BUILT,
    "with a convolution wrapped in SpectralNormalization",
    maps="wrapped",
    refused=OWN,
)
def _():
    def wrapped(x):
        conv = kl.Conv2D(4, 3, activation="relu")
        return kl.SpectralNormalization(conv, name="wrapped")(x)

    return functional(softmax, middle=wrapped)


@network(
    BUILT,
    "with TimeDistributed over the rows",
    refused={"insides": "unknown"},
)
def _():
    def by_rows(x):
        return kl.TimeDistributed(kl.Dense(5))(kl.Reshape((4, 12))(x))

    return functional(lambda x: softmax(by_rows(x)))


# How it ends; up to there all are alike

ENDS = "How it ends"


def after(*layers, scores=dense):
    """Return an end of class scores and what stands behind them."""

    def end(x):
        x = scores(x)
        for layer in layers:
            x = layer(x)
        return x

    return end


def ends(name, end, **facts):
    network(ENDS, f"that ends in {name}", **facts)(lambda: functional(end))


def one(x):
    return dense(x, 1)


def one_sigmoid(x):
    return dense(x, 1, "sigmoid")


ends("softmax, as the activation of its last layer", softmax)
ends("softmax, as a layer", after(kl.Softmax()))
ends("softmax, as an Activation", after(kl.Activation("softmax")))
ends("softmax, as a function", after(ops.softmax))
UNSAVED = {"save_classifier": "cannot be loaded", "copies": "cannot be copied"}
UNSAVED |= {"without_activations": ""}
ends("TensorFlow's softmax", after(kl.Activation(tf.nn.softmax)), refused=dict(UNSAVED))
ends("logits", dense, kind="logits")
ends("logits and a linear Activation", after(kl.Activation("linear")), kind="logits")
ends("one logit", one, kind="logit")
ends("one sigmoid", one_sigmoid, kind="sigmoid")
ends("one sigmoid, as a function", after(ops.sigmoid, scores=one), kind="sigmoid")
INDEPENDENT = {"kind": "sigmoid", "refused": {"evaluate": "no accuracy"}}
ends("several sigmoids", lambda x: dense(x, CLASSES, "sigmoid"), **INDEPENDENT)
ends("two sigmoids", lambda x: dense(x, 2, "sigmoid"), **INDEPENDENT)
ends("softmax and dropout", after(kl.Softmax(), kl.Dropout(0.5)))
ends("softmax and Reshape", after(kl.Softmax(), kl.Reshape((CLASSES,))))
ends("softmax and Flatten", after(kl.Softmax(), kl.Flatten(name="flat")))
ends(
    "a sigmoid and a cast",
    after(ops.sigmoid, lambda p: ops.cast(p, "float64"), scores=one),
    kind="sigmoid",
)
ends(
    "softmax over pooled 1 × 1 maps",
    after(
        kl.GlobalAveragePooling2D(name="pooled"),
        kl.Softmax(),
        scores=lambda x: kl.Conv2D(CLASSES, 1, name="scores")(x),
    ),
    scores="pooled",
    maps="scores",
)

OPAQUE = {"scores": PROBABLY}

ends(
    "softmax and clip",
    after(kl.Softmax(), lambda p: ops.clip(p, 1e-7, 1)),
    refused=OPAQUE,
)
ends("softmax and Rescaling", after(kl.Softmax(), kl.Rescaling(1.0)), refused=OPAQUE)
ends(
    "the average of two softmaxes",
    lambda x: kl.Average()(
        [softmax(x), kl.Dense(CLASSES, "softmax")(kl.GlobalAveragePooling2D()(x))]
    ),
    refused=OPAQUE,
)
ends(
    "1 − p and p, joined",
    after(lambda p: kl.Concatenate()([1 - p, p]), scores=one_sigmoid),
    refused=OPAQUE,
)
ends(
    "softmax at each place, and their average",
    lambda x: kl.GlobalAveragePooling2D()(
        kl.Conv2D(CLASSES, 1, activation="softmax", name="scores")(x)
    ),
    refused=OPAQUE,
)
ends(
    "softplus over its sum",
    after(ops.softplus, lambda x: x / ops.sum(x, axis=-1, keepdims=True)),
    refused=OPAQUE,
)


def own_softmax(x):
    return ops.exp(x) / ops.sum(ops.exp(x), axis=-1, keepdims=True)


own_softmax.__name__ = "softmax"


def half(x):
    return x / 2


half.__name__ = "softmax"

ends(
    "a function of one's own named softmax, and it is one",
    after(kl.Activation(own_softmax)),
    refused={"scores": PROBABLY, "save_classifier": "softmax"},
)
ends(
    "a function of one's own named softmax, and it is none",
    after(kl.Activation(half)),
    kind="logits",
    refused={"scores": "softmax", "save_classifier": "softmax"},
)
ends(
    "tanh",
    lambda x: dense(x, CLASSES, "tanh"),
    refused={"scores": "tanh", "with_answers": "probabilities"},
)
ends(
    "log softmax",
    after(ops.log_softmax),
    refused={"scores": "LogSoftmax|log_softmax", "with_answers": "probabilities"},
)


# What it does to pictures first

FIRST = "What it does to pictures first"

MEAN = np.random.default_rng(5).uniform(80, 160, (*SIZE, 3)).astype("float32")
COLOURS = np.array([0.48, 0.45, 0.4], "float32")


def first(name, start, **facts):
    options = {"white": 255.0} | facts
    shape = options.pop("shape", (*SIZE, 3))
    dtype = options.pop("dtype", None)
    network(FIRST, f"that {name}", **options)(
        lambda: functional(softmax, start, shape=shape, dtype=dtype)
    )


def adapted(**options):
    def start(x):
        mean, variance = [100.0, 120, 140], [60.0**2] * 3
        return kl.Normalization(mean=mean, variance=variance, **options)(x)

    return start


@network(
    FIRST, "that does nothing, and nobody says what white is", white_is_known=False
)
def _():
    return functional(softmax)


first("rescales by Rescaling", lambda x: kl.Rescaling(1 / 255)(x))
first("rescales to −1 to 1", lambda x: kl.Rescaling(1 / 127.5, -1.0)(x))
first("subtracts a mean image", lambda x: kl.Rescaling(1 / 64, -MEAN / 64)(x))
first("normalises by Normalization", adapted())
first("divides by 255", lambda x: x / 255.0)
first("divides by 255 and subtracts arrays", lambda x: (x / 255 - COLOURS) / COLOURS)
first(
    "subtracts a TensorFlow constant",
    lambda x: (x - tf.constant([100.0, 120, 140])) / 64,
)
first(
    "calls preprocess_input of MobileNet",
    lambda x: keras.applications.mobilenet_v2.preprocess_input(x),
)
first(
    "calls preprocess_input of ResNet",
    lambda x: keras.applications.resnet.preprocess_input(x) / 64,
)
first(
    "calls preprocess_input of DenseNet",
    lambda x: keras.applications.densenet.preprocess_input(x),
)
first("turns colours round by slicing", lambda x: x[..., ::-1] / 255)
first(
    "takes bytes",
    lambda x: ops.cast(x, "float32") / 255,
    dtype="uint8",
    refused={
        "gradients": "no gradient|whole numbers",
        "slopes": "whole numbers",
        "filter_pattern": "of type uint8",
    },
)
first(
    "casts to whole numbers and back",
    lambda x: ops.cast(ops.cast(x, "int32"), "float32") / 255,
    refused={"gradients": "no gradient", "effective_receptive_field": "counts"},
)
first(
    "stops gradients",
    lambda x: ops.stop_gradient(x),
    white=1.0,
    refused={"gradients": "no gradient", "effective_receptive_field": "counts"},
)
first(
    "augments while it trains",
    lambda x: kl.RandomRotation(0.1)(kl.RandomFlip()(kl.Rescaling(1 / 255)(x))),
)
first(
    "pads and crops",
    lambda x: kl.Cropping2D(((0, 2), (1, 1)))(kl.ZeroPadding2D(1)(x)),
    white=1.0,
)
first(
    "takes channels first and permutes them",
    lambda x: kl.Permute((2, 3, 1))(x),
    shape=(3, *SIZE),
    white=1.0,
    channels=1,
    refused={
        "images": r"images have shape \(N, H, W, C\) here",
        "fitting_images": "",
        "scaled_for": "",
        "superposition_gap": "",
        "field_on": "",
    },
)


# Sizes, colours and numbers

NUMBERS = "Sizes, colours and numbers"


def channels(count):
    network(NUMBERS, f"for pictures of {count} channel{'s' * (count > 1)}")(
        lambda: functional(softmax, shape=(*SIZE, count))
    )


for count in (1, 2, 4, 5):
    channels(count)


def pooled(x):
    return kl.Dense(CLASSES, activation="softmax", name="scores")(
        kl.GlobalAveragePooling2D()(x)
    )


@network(NUMBERS, "for pictures of any size")
def _():
    return functional(pooled, shape=(None, None, 3))


@network(NUMBERS, "for pictures of any number of rows")
def _():
    return functional(pooled, shape=(None, SIZE[1], 3))


@network(NUMBERS, "that takes batches of a fixed number")
def _():
    image = keras.Input(batch_shape=(2, *SIZE, 3), name="image")
    return keras.Model(image, softmax(body(image)), name="network")


def in_type(policy, **facts):
    @network(NUMBERS, f"that computes in {policy}", **facts)
    def make():
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(policy)
        try:
            return functional(softmax)
        finally:
            keras.config.set_dtype_policy(before)


in_type("float16", tolerance=3e-2)
in_type("mixed_float16", tolerance=3e-2)
in_type("bfloat16", tolerance=0.2)
in_type("mixed_bfloat16", tolerance=0.2)
in_type("float64")


# Other layers than these

LAYERS = "Its layers"


def has(name, middle, **facts):
    network(LAYERS, f"with {name}", **facts)(lambda: functional(softmax, middle=middle))


def rectified(layer):
    return lambda x: kl.ReLU(name="relu")(layer(x))


has(
    "transposed convolutions",
    rectified(kl.Conv2DTranspose(3, 3, strides=2, name="conv")),
    maps="relu",
    refused={"window": "no receptive field"},
)
has(
    "separable convolutions",
    rectified(kl.SeparableConv2D(4, 3, name="conv")),
    maps="relu",
)
has(
    "depthwise convolutions",
    rectified(kl.DepthwiseConv2D(3, padding="same", name="conv")),
    maps="relu",
)
has(
    "grouped convolutions",
    lambda x: kl.Conv2D(4, 3, groups=2, activation="relu", name="conv")(
        kl.Conv2D(4, 1, activation="relu", name="first")(x)
    ),
)
has(
    "dilated convolutions",
    lambda x: kl.Conv2D(4, 3, dilation_rate=2, name="conv", activation="relu")(x),
)
has(
    "strides and average pools",
    lambda x: kl.AveragePooling2D(2, name="pool")(
        kl.Conv2D(4, 3, strides=2, padding="same", activation="relu", name="conv")(x)
    ),
)
has(
    "batch normalisation and ReLU6",
    lambda x: kl.ReLU(6, name="relu")(
        kl.BatchNormalization()(kl.Conv2D(4, 3, use_bias=False, name="conv")(x))
    ),
    maps="relu",
)
has(
    "the blocks of ConvNeXt",
    lambda x: kl.Add(name="add")(
        [
            x,
            kl.Dense(3, name="narrow")(
                kl.Dense(6, activation="gelu", name="wide")(
                    kl.LayerNormalization(epsilon=1e-6)(
                        kl.DepthwiseConv2D(3, padding="same", name="conv")(x)
                    )
                )
            ),
        ]
    ),
    maps="add",
)
has(
    "group normalisation and SiLU",
    lambda x: kl.Activation("silu", name="silu")(
        kl.GroupNormalization(2)(kl.Conv2D(4, 3, name="conv")(x))
    ),
    maps="silu",
    refused={"readouts": "no place of its own"},
)
has(
    "PReLU and LeakyReLU",
    lambda x: kl.LeakyReLU(0.2, name="leaky")(
        kl.Conv2D(4, 3, name="conv")(kl.PReLU()(kl.Conv2D(3, 3, name="first")(x)))
    ),
    maps="leaky",
)
has(
    "activations as functions",
    lambda x: ops.relu(
        kl.Conv2D(4, 3, name="conv")(ops.selu(kl.Conv2D(3, 3, name="first")(x)))
    ),
    maps="relu",
)
has(
    "softsign and hard tanh beside ReLU",
    lambda x: kl.ReLU(name="relu")(
        kl.Conv2D(4, 3, name="conv")(
            ops.softsign(ops.hard_tanh(kl.Conv2D(3, 3, name="first")(x)))
        )
    ),
    maps="relu",
)


@keras.saving.register_keras_serializable("conformance")
def differences(x):
    """Subtract each row's neighbour: an activation that mixes places."""
    return x - ops.roll(x, 1, axis=1)


has(
    "a convolution whose activation mixes places",
    lambda x: kl.Conv2D(4, 3, activation="relu", name="conv")(
        kl.Conv2D(3, 3, padding="same", activation=differences, name="first")(x)
    ),
    refused={"window": "no receptive field"},
)


def attention(x):
    x = kl.Reshape((12, 4))(x)
    x = kl.MultiHeadAttention(2, 4, name="attention")(x, x)
    return kl.GlobalAveragePooling1D()(kl.LayerNormalization()(x))


ATTENTION = {"insides": "unknown"}


@network(LAYERS, "with attention over places", refused=ATTENTION)
def _():
    return functional(lambda x: softmax(attention(body(x))), middle=lambda x: x)


@network(
    LAYERS,
    "of patches and attention (a vision transformer)",
    refused=ATTENTION,
)
def _():
    def patches(x):
        return kl.Conv2D(4, 4, strides=(3, 3), name="conv")(x)

    def end(x):
        x = kl.Reshape((9, 4))(x)
        x = kl.Add()([x, kl.MultiHeadAttention(1, 4)(x, x)])
        return softmax(kl.Dense(4, activation="gelu")(x))

    return functional(end, middle=patches)
