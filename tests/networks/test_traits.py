"""The table of traits has all of Keras in it, and what it says of each can be seen."""

import importlib
import inspect
import pkgutil

import keras
import numpy as np
import pytest
from keras.src import ops
from keras.src.ops.operation import Operation

from cnnbook.networks import TRAITS, traits_of
from cnnbook.networks.traits import activation_of

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
    others = f"{bases} {of_applications} {older}".split()
    known = {*LAYERS, *OPERATIONS, *functions(), *others}
    assert set(TRAITS) <= known


# What the table says can be seen

OF_SEVERAL = set(
    "Add Average Concatenate Maximum Minimum Multiply Subtract Where".split()
)
ARGUMENTS = {  # of those that do not take a number between 0 and 1, or none
    "Activation": ("tanh",),
    "ActivityRegularization": (),
    "Cast": ("float32",),
    "Clip": (0.2, 0.4),
    "Dense": (3,),
    "RandomColorJitter": ((0, 1), 0.4),
    "RandomPosterization": (4,),
    "Rescaling": (0.5, 0.1),
    "SaturateCast": ("float32",),
}


def those(chosen):
    """The layers and operations of one tensor, of such traits."""
    names = [name for name, traits in TRAITS.items() if chosen(traits)]
    return [
        n for n in names if n in LAYERS.keys() | OF_ONE.keys() and n not in OF_SEVERAL
    ]


def answer(name, maps):
    """What a layer or operation of that name answers after training."""
    kind = LAYERS.get(name) or OF_ONE[name]
    keras.utils.set_random_seed(0)
    operation = kind(*ARGUMENTS.get(name, (0.4,) * required(kind.__init__)))
    options = {"training": False} if name in LAYERS else {}
    return np.asarray(operation(maps, **options))


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
    names = those(lambda it: it.reach in ("place", "channels") and it.role != "input")
    try_all(names, _lets_no_place_see_another)


def _lets_no_place_see_another(name):
    rng = np.random.default_rng(0)
    maps = rng.uniform(0.1, 0.9, (1, 4, 5, 3)).astype("float32")
    other = maps.copy()
    other[0, 1, 2] = rng.uniform(0.1, 0.9, 3)
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


def test_a_class_of_ones_own_is_what_it_is_derived_from():
    assert traits_of(OwnReLU()) is TRAITS["ReLU"]


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
