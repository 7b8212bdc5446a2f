"""The table of traits has all of Keras in it, and what it says of each can be seen."""

import functools
import importlib
import inspect
import pkgutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.src import ops
from keras.src.ops.operation import Operation

from cnnbook.networks import TRAITS, traits_of
from cnnbook.networks.traits import activation_of, is_alike, reach_of

# What is left out of the table on purpose, and why.
UNKNOWN = {
    "they may hold anything": """
        Bidirectional FlaxLayer ForiLoop Function JaxLayer Lambda Pipeline
        SpectralNormalization TFSMLayer TimeDistributed TorchModuleWrapper
        VectorizedMap WhileLoop Wrapper
        """,
    "they hold activations that cannot be taken out": """
        AdditiveAttention Attention ConvLSTM1D ConvLSTM2D ConvLSTM3D GRU GRUCell Glu
        GroupedQueryAttention LSTM LSTMCell MultiHeadAttention RNN SimpleRNN
        SimpleRNNCell StackedRNNCells
        """,
    "they change pictures, in training and after it": """
        AutoContrast ContrastLimitedAdaptiveHistogramEqualization ElasticTransform
        GaussianBlur SobelEdges
        """,
    "they are for text, sounds, boxes and categories": """
        CategoryEncoding Discretization Embedding ExtractSequences HashedCrossing
        Hashing ISTFT IntegerLookup Masking MaxNumBoundingBoxes MelSpectrogram MultiHot
        OneHot ReversibleEmbedding STFT STFTSpectrogram StringLookup TextVectorization
        """,
    "they answer with numbers of another kind, or how many there are": """
        Array Bincount BitwiseInvert BitwiseNot FFT FFT2 Histogram IFFT2 IRFFT Ndim
        Nonzero RFFT Size Unique UnravelIndex View ViewAsComplex ViewAsReal
        """,
    "they make tensors, whatever is in the one they get": """
        Arange Bartlett Blackman EmptyLike Full Hamming Hanning Kaiser OnesLike
        ZerosLike
        """,
    "they take a matrix": """
        Cholesky CholeskyInverse Corrcoef Det Diag Diagflat Diagonal Eig Eigh Inv Logdet
        LuFactor MatrixRank Pinv Qr SVD Slogdet Trace Tril Triu Vander
        """,
}  # fmt: skip
LEFT_OUT = {name for names in UNKNOWN.values() for name in names.split()}


def classes(module, base):
    """The classes of a module that are derived from another, by name."""
    found = vars(module).values()
    found = [kind for kind in found if inspect.isclass(kind) and issubclass(kind, base)]
    return {kind.__name__: kind for kind in found if kind is not base}


def operations():
    """The operations that Keras can put between layers, by name."""
    modules = [f"ops.{module.name}" for module in pkgutil.iter_modules(ops.__path__)]
    modules = [name for name in modules if not name.endswith("_test")]
    found = {}
    for name in ["activations.activations", *modules]:
        module = importlib.import_module(f"keras.src.{name}")
        own = classes(module, Operation).values()
        found |= {
            kind.__name__: kind for kind in own if kind.__module__ == module.__name__
        }
    return found


def required(function):
    """How many arguments a method must be called with."""
    _, *parameters = inspect.signature(function).parameters.values()
    kinds = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
    return sum(p.default is p.empty and p.kind in kinds for p in parameters)


LAYERS = classes(keras.layers, keras.layers.Layer)
OPERATIONS = operations()
OF_ONE = {name: kind for name, kind in OPERATIONS.items() if required(kind.call) == 1}


def test_every_layer_and_operation_is_in_the_table_or_left_out_on_purpose():
    names = sorted(LAYERS.keys() | OF_ONE.keys())
    wrong = [name for name in names if (name in TRAITS) == (name in LEFT_OUT)]
    assert not wrong, (
        "give each a row in cnnbook/networks/traits.py, or say above why it has none"
    )


def functions():
    """The names of the activation functions of Keras."""
    no_activations = {"serialize", "deserialize", "get"}
    found = vars(keras.activations).values()
    return {f.__name__ for f in found if inspect.isfunction(f)} - no_activations


def test_every_activation_of_keras_is_in_the_table_by_the_name_of_its_function():
    assert {name for name in TRAITS if name.islower()} == functions() - {"glu"}
    for name in functions() - {"glu"}:
        assert TRAITS[name].activation == name


@pytest.mark.skipif(keras.__version__ < "3.15", reason="has fewer layers")
def test_the_table_has_nothing_that_is_not_in_keras():
    bases = "BaseConv BaseDepthwiseConv BaseSeparableConv"
    of_applications = "CustomScaleLayer LayerScale StochasticDepth"
    older = "ExtractPatches3D"
    ours = "Subsampling"
    others = f"{bases} {of_applications} {older} {ours}".split()
    known = {*LAYERS, *OPERATIONS, *functions(), *others}
    assert set(TRAITS) <= known


# What the table says can be seen

OF_SEVERAL = set(
    "Add Average Concatenate Maximum Minimum Multiply Stack Subtract Where".split()
)
ARGUMENTS = {  # of those that do not take a number between 0 and 1, or none
    "Activation": ("tanh",),
    "ActivityRegularization": (),
    "ArraySplit": (3, -1),
    "Cast": ("float32",),
    "Clip": (0.2, 0.4),
    "Dense": (3,),
    "ExpandDims": (-1,),
    "Flip": (-1,),
    "RandomColorJitter": ((0, 1), 0.4),
    "RandomPosterization": (4,),
    "Repeat": (2, -1),
    "Rescaling": (0.5, 0.1),
    "Roll": (1, -1),
    "SaturateCast": ("float32",),
    "Split": (3, -1),
    "Unstack": (3, -1),
}


def those(chosen):
    """The layers and operations of one tensor, of such traits."""
    names = [name for name, traits in TRAITS.items() if chosen(traits)]
    return [
        n for n in names if n in LAYERS.keys() | OF_ONE.keys() and n not in OF_SEVERAL
    ]


def answer(name, maps):
    """What a layer or operation of that name answers after training.

    Several answers lie side by side along a last axis.
    """
    kind = LAYERS.get(name) or OF_ONE[name]
    keras.utils.set_random_seed(0)
    operation = kind(*ARGUMENTS.get(name, (0.4,) * required(kind.__init__)))
    options = {"training": False} if name in LAYERS else {}
    found = operation(maps, **options)
    if isinstance(found, list | tuple):
        return np.stack(found, axis=-1)
    return np.asarray(found)


def try_all(names, check):
    """Try a check with each name, so that a failure says of all of them what is wrong.

    As items of their own, several hundred take longer to be collected than to be run.
    """
    wrong = {}
    for name in names:
        try:
            check(name)
        except Exception as error:
            wrong[name] = f"{type(error).__name__}: {error}"
    assert names
    assert not wrong, "\n\n".join(f"{name}: {why}" for name, why in wrong.items())


def test_what_acts_in_training_alone_changes_nothing_after_it():
    try_all(those(lambda traits: traits.role == "inert"), _changes_nothing)


def _changes_nothing(name):
    rng = np.random.default_rng(0)
    shape = {"SpatialDropout1D": (2, 8, 3), "SpatialDropout3D": (2, 8, 8, 8, 3)}
    maps = rng.uniform(-3, 3, shape.get(name, (2, 8, 8, 3))).astype("float32")
    np.testing.assert_array_equal(answer(name, maps), maps)


def test_what_works_place_by_place_lets_no_place_see_another():
    local = {"place", "channels", "new channels"}
    names = those(lambda it: it.reach in local and it.role != "input")
    try_all(names, _lets_no_place_see_another)


def _lets_no_place_see_another(name):
    rng = np.random.default_rng(0)
    maps = rng.uniform(0.1, 0.9, (1, 4, 5, 3)).astype("float32")
    if TRAITS[name].reach == "new channels":
        maps = maps[..., 0].copy()
    other = maps.copy()
    other[0, 1, 2] = rng.uniform(0.1, 0.9, maps.shape[3:])
    before, after = answer(name, maps), answer(name, other)
    elsewhere = np.ones((4, 5), bool)
    elsewhere[1, 2] = False
    np.testing.assert_allclose(after[0, elsewhere], before[0, elsewhere], rtol=1e-6)
    if TRAITS[name].alike:  # so that it does not matter which way up a map is
        turned = answer(name, maps[:, ::-1, ::-1].copy())[:, ::-1, ::-1]
        np.testing.assert_allclose(turned, before, rtol=1e-6)


def test_an_activation_bends():
    # "linear" has no layer and no operation of its own.
    names = those(lambda it: it.role == "activation" and it.reach == "place")
    try_all(names, _bends)


def _bends(name):
    numbers = np.linspace(-8, 8, 401, dtype="float32")[:, None]
    bends = np.abs(np.diff(answer(name, numbers), n=2, axis=0))
    assert bends.max() > 1e-5


# Classes of a reader's own


class OwnReLU(keras.layers.ReLU):
    pass


class Conv2D(keras.layers.Layer):
    """It has a name in common with Keras's, and nothing else."""


class Declared(keras.layers.Conv2D):
    """Nothing about what it computes is its own."""

    def __init__(self, **options):
        super().__init__(2, 3, **options)

    def build(self, shape):
        super().build(shape)

    def get_config(self):
        return super().get_config()

    def summary(self):
        return "of three by three"


class OwnCall(keras.layers.Conv2D):
    def call(self, maps):
        return super().call(maps[:, ::-1])


class OwnConvolution(keras.layers.Conv2D):
    """As Keras says how to make a convolution of one's own."""

    def convolution_op(self, maps, kernel):
        return super().convolution_op(maps[:, ::-1], kernel)


class Turned:
    def call(self, maps):
        return super().call(maps[:, ::-1])


class Mixed(Turned, keras.layers.ReLU):
    pass


class Further(OwnCall):
    pass


def test_a_class_of_ones_own_is_what_it_is_derived_from():
    assert traits_of(OwnReLU()) is TRAITS["ReLU"]
    assert traits_of(Declared()) is TRAITS["Conv2D"]


@pytest.mark.parametrize(
    "layer", [OwnCall(2, 3), OwnConvolution(2, 3), Mixed(), Further(2, 3)]
)
def test_a_class_that_computes_something_of_its_own_is_unknown(layer):
    assert traits_of(layer).role == "unknown"
    assert reach_of(layer) is None
    assert not is_alike(layer)


def test_a_class_that_only_bears_the_name_of_a_known_one_is_unknown():
    assert traits_of(Conv2D()).role == "unknown"
    assert traits_of(Conv2D()).reach is None


@pytest.mark.parametrize(
    ("operation", "name"),
    [
        (keras.layers.Softmax(), "softmax"),
        (keras.layers.Activation("tanh"), "tanh"),
        (keras.layers.Conv2D(1, 1, activation="relu"), "relu"),
        (keras.layers.Conv2D(1, 1), "linear"),
        (keras.layers.Conv2D(1, 1, activation=keras.layers.ReLU()), "?"),
        (ops.nn.Relu6(), "relu6"),
        (keras.layers.MaxPooling2D(), "linear"),
    ],
)
def test_what_an_operation_ends_with_is_known_whether_layer_option_or_neither(
    operation, name
):
    assert activation_of(operation) == name


# What depends on options


def own(maps):
    return maps[:, ::-1]


def relu(maps):
    """It has a name in common with Keras's, and nothing else."""
    return maps[:, ::-1]


def hard_tanh_times(maps):
    return keras.ops.clip(maps, -1, 1) * np.float32(2)


def less_the_mean(maps):
    return maps - keras.ops.mean(maps, axis=(1, 2), keepdims=True)


def summed(maps):
    return maps + tf.reduce_sum(maps, axis=1, keepdims=True)


ROWS = np.zeros((4, 1, 1))
LAYERS_WITH_OPTIONS = [
    # layer, reach, whether it does the same everywhere
    (keras.layers.Conv2D(1, 3), "window", True),
    (keras.layers.Conv2D(1, 3, activation="selu"), "window", True),
    (keras.layers.Conv2D(1, 3, activation=tf.nn.relu), "window", True),
    (keras.layers.Conv2D(1, 3, activation=tf.nn.softmax), "window", True),
    (keras.layers.Conv2D(1, 3, activation=keras.layers.ReLU(6)), "window", True),
    (keras.layers.Conv2D(1, 3, activation=keras.layers.PReLU()), "window", False),
    (keras.layers.Conv2D(1, 3, activation=own), None, False),
    (keras.layers.Conv2D(1, 3, activation=relu), None, False),
    (keras.layers.Conv2D(1, 3, activation=keras.layers.Softmax(1)), None, False),
    (keras.layers.Conv2D(1, 3, activation=keras.layers.Softmax()), "window", True),
    (keras.layers.Conv2D(1, 3, activation=hard_tanh_times), "window", False),
    (keras.layers.Conv2D(1, 3, activation=lambda x: x[..., ::-1]), "window", False),
    (
        keras.layers.Conv2D(
            1, 3, activation=functools.partial(keras.activations.relu, max_value=6)
        ),
        "window",
        False,
    ),
    (keras.layers.Conv2D(1, 3, activation=less_the_mean), None, False),
    (keras.layers.Conv2D(1, 3, activation=summed), None, False),
    (keras.layers.Conv2D(1, 3, activation=lambda x: x[..., 0]), None, False),
    (keras.layers.Activation(own), None, False),
    (keras.layers.Dense(2, activation=own), None, False),
    (keras.layers.Rescaling(2.0, [1.0, 2.0, 3.0]), "place", True),
    (keras.layers.Rescaling(2.0, np.zeros((1, 1, 3))), "place", True),
    (keras.layers.Rescaling(tf.ones((4, 5, 3))), "place", False),
    (keras.layers.Rescaling(1.0, ROWS), "place", False),
    (keras.layers.Normalization(axis=(1, 2)), "place", False),
    (keras.layers.BatchNormalization(), "place", True),
    (keras.layers.BatchNormalization(axis=3), "place", True),
    (keras.layers.BatchNormalization(axis=1), "place", False),
    (keras.layers.LayerNormalization(), "channels", True),
    (keras.layers.LayerNormalization(axis=(1, 2, 3)), None, False),
    (keras.layers.Softmax(axis=[1, 2]), None, False),
    (ops.numpy.Flip(axis=-1), "channels", True),
    (ops.numpy.Flip(), None, False),
    (ops.numpy.Take(), None, False),
    (ops.numpy.Stack(), None, False),
]


@pytest.mark.parametrize(
    ("layer", "reach", "alike"),
    LAYERS_WITH_OPTIONS,
    ids=[f"{number} {row[0].name}" for number, row in enumerate(LAYERS_WITH_OPTIONS)],
)
def test_options_decide_what_a_place_sees_and_whether_places_are_alike(
    layer, reach, alike
):
    assert reach_of(layer) == reach
    assert is_alike(layer) == alike


@pytest.mark.parametrize(
    ("key", "channels"),
    [
        (np.s_[..., ::-1], True),
        (np.s_[..., :3], True),
        (np.s_[:, :, :, 1:], True),
        (np.s_[:, 0:, ::1, ::-1], True),
        (np.s_[..., 0], True),
        (np.s_[:], True),
        (np.s_[...], True),
        (np.s_[:, ::-1], False),
        (np.s_[:, 1:, ...], False),
        (np.s_[:, :, :4], False),
        (np.s_[..., ::2, :], False),
        (np.s_[1:], False),
        (np.s_[0], False),
        (np.s_[..., None], False),
        (np.s_[:, None, ..., 0], False),
        (np.s_[:, np.array([1, 0])], False),
        (np.s_[..., np.array([2, 1, 0])], False),
    ],
    ids=str,
)
def test_what_is_cut_out_of_maps_has_every_place_or_its_reach_is_unknown(key, channels):
    cut = ops.numpy.GetItem()
    assert reach_of(cut, (None, key)) == ("channels" if channels else None)


@pytest.mark.parametrize(
    ("layer", "reach"),
    [
        (keras.layers.Softmax(axis=1), "channels"),
        (keras.layers.Softmax(), None),
        (keras.layers.Conv2D(1, 3, activation="relu"), "window"),
        (keras.layers.Conv2D(1, 3, activation="softmax"), None),
        (keras.layers.Conv2D(1, 3, activation=lambda x: x[..., ::-1]), None),
        (keras.layers.Conv2D(1, 3, activation=keras.layers.Softmax(1)), "window"),
        (keras.layers.Conv2D(1, 3, activation=hard_tanh_times), "window"),
    ],
)
def test_where_channels_are_first_what_acts_along_the_last_axis_mixes_places(
    layer, reach
):
    assert reach_of(layer, channels=1) == reach
    assert reach_of(ops.numpy.GetItem(), (None, np.s_[..., ::-1]), channels=1) is None
