"""What each layer and operation of Keras is and does, said once, in one table.

Code that treats kinds of layers differently reads here which kind one is.  To teach
the package a new layer or activation, add its name to a row, or a row to the table.
What is not in the table is unknown, which never means that it does nothing.
"""

import inspect
import math
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Role = Literal[
    "input", "inert", "scaling", "normalisation", "activation", "dense", "convolution",
    "depthwise convolution", "separable convolution", "transposed convolution",
    "max pooling", "average pooling", "global pooling", "padding", "cropping",
    "resizing", "reshaping", "rearrangement", "joining", "conversion", "arithmetic",
    "function", "product", "along axes", "unknown",
]  # fmt: skip
Reach = Literal["place", "channels", "new channels", "window", "shift", "everything"]


@dataclass(frozen=True)
class Traits:
    """What a layer or an operation is.

    Attributes
    ----------
    role : str
        What it is for: "convolution", "activation", …  "inert" passes its input on once
        training is over; "function" bends each number without being an activation;
        "unknown" is what the table does not have.
    reach : str or None
        What of its input maps, (N, H, W, C), a place of its output maps depends on:
        that "place"; that place, if it acts along the "channels" and no other axis, or
        makes "new channels" of maps without any, (N, H, W); a "window" that slides
        (``kernel_size`` or ``pool_size``); by "shift", a place some rows and columns
        away; "everything".  None if that is not known or has no fixed shape.
        Options may change it: see `reach_of`.
    alike : bool
        Whether it can do the same at each place, so that a part of a map can be
        computed alone.  Options may change it: see `is_alike`.
    activation : str or None
        The name in `keras.activations` of the function that it is.  None of
        ``Activation``, whose attribute says which.
    exported : str or None
        What an exported network calls it; None if a page cannot run it.  Of the
        activations by name `export_network` knows which a page has.
    """

    role: Role
    reach: Reach | None = None
    alike: bool = True
    activation: str | None = None
    exported: str | None = None


UNKNOWN = Traits("unknown")


def _activation(name: str, *, reach: Reach = "place", alike: bool = True) -> Traits:
    return Traits("activation", reach, alike, name)


# Of layers for one, two and three dimensions only those for two have a reach: the
# others see no maps.  An activation goes by several names: that of the function, which
# layers take as an option, of the layer if there is one, and of the operation.
_ROWS = {
    # What stands before the network
    "InputLayer": Traits("input", "place", exported="input"),
    "Rescaling": Traits("scaling", "place", exported="rescaling"),
    "Normalization": Traits("scaling", "place", alike=False),
    "LayerScale": Traits("scaling", "place"),
    # The borders of maps, and their size
    "ZeroPadding2D": Traits("padding", "shift", exported="zero_padding2d"),
    "ZeroPadding1D ZeroPadding3D Pad PadImages": Traits("padding"),
    "Cropping2D": Traits("cropping", "shift"),
    "Cropping1D Cropping3D CropImages": Traits("cropping"),
    "CenterCrop RandomCrop Resize Resizing UpSampling1D UpSampling2D UpSampling3D":
        Traits("resizing"),
    # Convolutions
    "Conv2D": Traits("convolution", "window", exported="conv2d"),
    "BaseConv Conv1D Conv3D Conv": Traits("convolution"),
    "DepthwiseConv2D": Traits("depthwise convolution", "window"),
    "BaseDepthwiseConv DepthwiseConv1D DepthwiseConv": Traits("depthwise convolution"),
    "SeparableConv2D": Traits("separable convolution", "window"),
    "BaseSeparableConv SeparableConv1D SeparableConv": Traits("separable convolution"),
    "Conv1DTranspose Conv2DTranspose Conv3DTranspose ConvTranspose":
        Traits("transposed convolution"),
    # Normalisations
    "BatchNormalization":
        Traits("normalisation", "place", exported="batch_normalization"),
    "LayerNormalization RMSNormalization UnitNormalization":
        Traits("normalisation", "channels"),
    "GroupNormalization": Traits("normalisation", "everything"),
    "BatchNorm LayerNorm Normalize RMSNorm": Traits("normalisation"),
    # Activations
    "Activation": Traits("activation", "place", exported="activation"),
    "relu ReLU Relu": _activation("relu"),
    "leaky_relu LeakyReLU LeakyRelu": _activation("leaky_relu"),
    "sigmoid Sigmoid": _activation("sigmoid"),
    "tanh Tanh": _activation("tanh"),
    "gelu Gelu": _activation("gelu"),
    "softmax Softmax": _activation("softmax", reach="channels"),
    "linear": _activation("linear"),
    "PReLU": _activation("prelu", alike=False),
    "relu6 Relu6": _activation("relu6"),
    "elu ELU Elu": _activation("elu"),
    "celu Celu": _activation("celu"),
    "selu Selu": _activation("selu"),
    "silu Silu": _activation("silu"),
    "mish Mish": _activation("mish"),
    "softplus Softplus": _activation("softplus"),
    "sparse_plus SparsePlus": _activation("sparse_plus"),
    "squareplus Squareplus": _activation("squareplus"),
    "exponential Exp": _activation("exponential"),
    "softsign Softsign": _activation("softsign"),
    "soft_shrink SoftShrink": _activation("soft_shrink"),
    "hard_shrink HardShrink": _activation("hard_shrink"),
    "tanh_shrink TanhShrink": _activation("tanh_shrink"),
    "threshold Threshold": _activation("threshold"),
    "hard_tanh HardTanh": _activation("hard_tanh"),
    "hard_silu HardSilu": _activation("hard_silu"),
    "hard_sigmoid HardSigmoid": _activation("hard_sigmoid"),
    "log_sigmoid LogSigmoid": _activation("log_sigmoid"),
    "sparse_sigmoid SparseSigmoid": _activation("sparse_sigmoid"),
    "log_softmax LogSoftmax": _activation("log_softmax", reach="channels"),
    "sparsemax Sparsemax": _activation("sparsemax", reach="channels"),
    # Pools
    "MaxPooling2D": Traits("max pooling", "window", exported="max_pool2d"),
    "Subsampling": Traits("max pooling", "window", alike=False),  # of `ablation`
    "AveragePooling2D": Traits("average pooling", "window", exported="avg_pool2d"),
    "MaxPooling1D MaxPooling3D MaxPool AdaptiveMaxPooling1D AdaptiveMaxPooling2D "
    "AdaptiveMaxPooling3D AdaptiveMaxPool": Traits("max pooling"),
    "AveragePooling1D AveragePooling3D AveragePool AdaptiveAveragePooling1D "
    "AdaptiveAveragePooling2D AdaptiveAveragePooling3D AdaptiveAveragePool":
        Traits("average pooling"),
    "GlobalMaxPooling2D":
        Traits("global pooling", "everything", exported="global_max_pool2d"),
    "GlobalAveragePooling2D":
        Traits("global pooling", "everything", exported="global_average_pool2d"),
    "GlobalMaxPooling1D GlobalMaxPooling3D GlobalAveragePooling1D "
    "GlobalAveragePooling3D": Traits("global pooling"),
    # Rows and columns no more, and what takes values from one place to another
    "Flatten": Traits("reshaping", "everything", exported="flatten"),
    "Reshape Ravel Squeeze": Traits("reshaping"),
    "ExpandDims": Traits("reshaping", "new channels"),
    "Permute RepeatVector BroadcastTo DepthToSpace Dsplit Dstack ExtractPatches "
    "ExtractPatches3D Fliplr Flipud Fold Hsplit Hstack Moveaxis Rearrange Rot90 Slice "
    "SpaceToDepth Swapaxes Tile Transpose Unfold Vsplit Vstack":
        Traits("rearrangement"),
    "ArraySplit Flip Repeat Roll Split Take Unstack":
        Traits("rearrangement", "channels"),
    "GetItem": Traits("rearrangement", "channels"),  # its key says along which axes
    "Stack": Traits("rearrangement", "new channels"),
    # Products with a matrix
    "Dense": Traits("dense", "place", exported="dense"),
    "EinsumDense Dot Einsum Inner Matmul Outer Tensordot": Traits("product"),
    # What does nothing once training is over
    "ActivityRegularization AlphaDropout AugMix CutMix Dropout Equalization "
    "GaussianDropout GaussianNoise Identity MixUp RandAugment RandomBrightness "
    "RandomColorDegeneration RandomColorJitter RandomContrast RandomElasticTransform "
    "RandomErasing RandomFlip RandomGaussianBlur RandomGrayscale RandomHue "
    "RandomInvert RandomPerspective RandomPosterization RandomRotation "
    "RandomSaturation RandomSharpness RandomShear RandomTranslation RandomZoom "
    "Solarization SpatialDropout2D":
        Traits("inert", "place", exported="train_only"),
    "StochasticDepth": Traits("inert", "place"),
    "SpatialDropout1D SpatialDropout3D": Traits("inert"),
    # Several maps made one
    "Add Subtract Multiply Divide DivideNoNan TrueDivide Maximum Minimum Fmax Fmin "
    "CustomScaleLayer": Traits("arithmetic", "place"),
    "Average": Traits("arithmetic", "channels"),  # the operation is along axes
    "Concatenate": Traits("joining", "channels"),
    # Number by number
    "Cast ConvertToTensor Copy SaturateCast StopGradient":
        Traits("conversion", "place"),
    "Conj Conjugate Deg2rad Imag Negative Rad2deg Real": Traits("arithmetic", "place"),
    "Abs Absolute Angle Arccos Arccosh Arcsin Arcsinh Arctan Arctan2 Arctanh Cbrt "
    "Ceil Clip Cos Cosh Equal Erf Erfc Erfinv Exp2 Expm1 Fabs Floor FloorDivide "
    "Greater GreaterEqual Heaviside Hypot I0 Isfinite Isinf Isnan Isneginf Isposinf "
    "Isreal Less LessEqual Log Log10 Log1p Log2 Logaddexp Logaddexp2 LogicalAnd "
    "LogicalNot LogicalOr LogicalXor Mod NanToNum NotEqual Power Reciprocal Round "
    "Rsqrt Sign Signbit Sin Sinc Sinh Sqrt Square Tan Trunc Where HSVToRGB "
    "RGBToGrayscale RGBToHSV":
        Traits("function", "place"),
    # Along axes of the caller's choice
    "All Amax Amin Any Argmax Argmin Argpartition Argsort CountNonzero Cumprod Cumsum "
    "Diff Logsumexp Max Mean Median Min Moments Nanargmax Nanargmin Nancumprod "
    "Nancumsum Nanmax Nanmean Nanmedian Nanmin Nanpercentile Nanprod Nanquantile "
    "Nanstd Nansum Nanvar Norm Percentile Prod Ptp Quantile Sort Std Sum TopK "
    "Trapezoid Var":
        Traits("along axes"),
}  # fmt: skip
TRAITS = {name: traits for names, traits in _ROWS.items() for name in names.split()}

# Roles and activations that several modules ask for together.
CONVOLUTIONS = frozenset(
    {"convolution", "depthwise convolution", "separable convolution"}
)
POOLS = frozenset({"max pooling", "average pooling"})
# What brings pictures into the form that a network was trained on.
PREPARES = frozenset(
    {
        "inert",
        "scaling",
        "padding",
        "cropping",
        "resizing",
        "reshaping",
        "rearrangement",
        "joining",
        "conversion",
        "arithmetic",
        "function",
    }
)
PROBABILITIES = frozenset({"softmax", "sigmoid"})
RECTIFIERS = frozenset({"relu", "relu6"})


# What a class of one's own may define anew without computing anything else than the
# class of Keras that it is derived from.
_HARMLESS = frozenset(
    {
        "__init__", "__repr__", "add_weight", "build", "build_from_config",
        "compute_output_shape", "compute_output_spec", "count_params", "from_config",
        "get_build_config", "get_config", "load_own_variables", "save_own_variables",
    }
)  # fmt: skip


def traits_of(operation: object) -> Traits:
    """Look up what a layer or an operation is.

    Parameters
    ----------
    operation : keras.Operation
        A layer, or an operation between layers such as that of ``keras.ops.relu``.

    Returns
    -------
    traits : Traits
        Those of its class or of the nearest class of Keras's that it is derived from;
        of role "unknown" if the table has none, or if a class on the way there has a
        ``call`` or another method of that class of its own.

    Examples
    --------
    >>> import keras
    >>> traits_of(keras.layers.ReLU()).role
    'activation'
    >>> traits_of(keras.layers.Lambda(lambda maps: maps)).role
    'unknown'
    """
    name = _computes_as(operation)
    return TRAITS[name] if name else UNKNOWN


def reach_of(
    operation: object, args: Sequence[Any] = (), *, channels: int = 3
) -> Reach | None:
    """Tell what a place of a layer's output maps depends on, its options included.

    Parameters
    ----------
    operation : keras.Operation
    args : sequence, optional
        What it is called with, by position; what is cut out of maps is said there.
    channels : {1, 2, 3}
        The axis on which its maps have their channels.

    Returns
    -------
    reach : str or None
        As in `Traits`.  None, too, if it acts along
        rows or columns, or if it ends with an activation that does or is not known;
        one of somebody's own is known by the operations of Keras that it consists of.

    Examples
    --------
    >>> import keras
    >>> reach_of(keras.layers.Softmax()), reach_of(keras.layers.Softmax(axis=1))
    ('channels', None)
    >>> reach_of(keras.layers.Conv2D(1, 3, activation=lambda maps: maps[::-1]))
    """
    traits = traits_of(operation)
    if traits is TRAITS["GetItem"]:
        along_channels = len(args) > 1 and channels == 3 and _picks_channels(args[1])
    else:
        along_channels = _axes(operation) in ([channels - 4], [channels])
    if traits.reach in ("channels", "new channels") and not along_channels:
        return None
    ending = _ending(operation)
    if ending is not None and not _stays_in_place(ending, channels):
        return None
    return traits.reach


def is_alike(operation: object) -> bool:
    """Tell whether a layer is known to do the same at each place, options included.

    Parameters
    ----------
    operation : keras.Operation

    Returns
    -------
    alike : bool
        False if that is not known, or if it has numbers for each row or column.

    Examples
    --------
    >>> import keras
    >>> is_alike(keras.layers.Rescaling(1 / 255))
    True
    >>> is_alike(keras.layers.Rescaling(1 / 255, offset=np.zeros((8, 8, 3))))
    False
    """
    ending = _ending(operation)
    numbers = (getattr(operation, name, 0) for name in ("scale", "offset"))
    return (
        traits_of(operation).alike
        and reach_of(operation) is not None
        and _axes(operation) in ([-1], [3])
        and all(math.prod(np.shape(each)[:-1]) == 1 for each in numbers)
        and (ending is None or _name_of(ending) in TRAITS or is_alike(ending))
    )


def activation_of(operation: object) -> str:
    """Look up which activation a layer or an operation ends with.

    Parameters
    ----------
    operation : keras.Operation
        An activation, or what may have one as its option.

    Returns
    -------
    activation : str
        The name of a function, as in `keras.activations`; "linear" if there is none,
        "?" if the option is a function of somebody else's, whatever its name.

    Examples
    --------
    >>> import keras
    >>> activation_of(keras.layers.Dense(2, activation="softmax"))
    'softmax'
    >>> activation_of(keras.layers.ReLU()), activation_of(keras.layers.Flatten())
    ('relu', 'linear')
    """
    if own := traits_of(operation).activation:
        return own
    function = _ending(operation)
    return "linear" if function is None else _name_of(function)


def own_function(operation: object) -> Callable[..., Any] | None:
    """Return the activation of a layer if it is a function of somebody else's.

    Keras writes such a function by its name, and may read its own of that name.  None
    if there is none, or if it is a layer, which Keras writes as one.
    """
    import keras

    function = _ending(operation)
    is_own = not isinstance(function, keras.Layer) and activation_of(operation) == "?"
    return function if is_own else None


def bends(operation: object) -> bool:
    """Tell whether an operation on one tensor may do what an activation does.

    Parameters
    ----------
    operation : keras.Operation

    Returns
    -------
    bends : bool
        Whether each number becomes another by no straight line, without the operation
        being one of the activations: ``keras.ops.clip``, or ``maximum(maps, 0)``.

    Examples
    --------
    >>> import keras
    >>> maps = keras.ops.maximum(keras.Input((8, 8, 3)), 0)
    >>> bends(maps._keras_history.operation)
    True
    """
    limits = type(operation).__name__ in ("Maximum", "Minimum", "Fmax", "Fmin")
    role = traits_of(operation).role
    return role == "function" or (role == "arithmetic" and limits)


def permutation_of(operation: object) -> tuple[int, ...] | None:
    """Look up in which order a layer or an operation puts the four axes of maps.

    Parameters
    ----------
    operation : keras.Operation

    Returns
    -------
    order : tuple of int or None
        For each axis of its output, N included, that of its input.  None if it is
        nothing that permutes axes, or permutes another number of them.

    Examples
    --------
    >>> import keras
    >>> permutation_of(keras.layers.Permute((3, 1, 2)))
    (0, 3, 1, 2)
    """
    permute = _PERMUTING.get(_computes_as(operation) or "")
    if permute is None:
        return None
    try:
        # Each axis is as long as its number says.
        return permute(np.empty((0, 1, 2, 3)), operation).shape
    except ValueError:  # it permutes tensors with another number of axes
        return None


_PERMUTING: dict[str, Callable[[np.ndarray, Any], np.ndarray]] = {
    "Permute": lambda maps, layer: maps.transpose(0, *layer.dims),
    "Transpose": lambda maps, own: maps.transpose(own.axes),
    "Moveaxis": lambda maps, own: np.moveaxis(maps, own.source, own.destination),
    "Swapaxes": lambda maps, own: maps.swapaxes(own.axis1, own.axis2),
}


def channels_taken(operation: object) -> int | None:
    """Look up the axis on which a layer or an operation takes channels to be.

    Parameters
    ----------
    operation : keras.Operation
        A layer of one's own says what those in it say.

    Returns
    -------
    axis : int or None
        1 or 3 of maps with four axes; None if it does not say.

    Examples
    --------
    >>> import keras
    >>> channels_taken(keras.layers.Conv2D(1, 1, data_format="channels_first"))
    1
    """
    if traits_of(operation).role == "dense":
        return 3
    inside = getattr(operation, "_flatten_layers", lambda: [operation])()
    formats = {
        getattr(layer, "data_format", None)
        for layer in inside
        if traits_of(layer).role not in _SAME_EITHER_WAY
    } - {None}
    if len(formats) != 1:
        return None
    return 1 if formats == {"channels_first"} else 3


# Whose data_format says nothing of maps: they do the same with either.
_SAME_EITHER_WAY = frozenset({"input", "inert", "reshaping"})


def _name_of(function):
    """Return the name of a function of Keras's or TensorFlow's; "?" of any other."""
    import keras
    import tensorflow as tf

    name = getattr(function, "__name__", "?")
    for room in (keras.activations, keras.ops, tf.nn, tf.math):
        short = name.removesuffix("_v2")  # as TensorFlow calls its own softmax
        if getattr(room, short, None) is function:
            return short
    return "?"


def _root(thing):
    """Return the package that a class or a function is from."""
    return thing.__module__.split(".")[0]


def _computes_as(operation):
    """Return the name in the table of what an operation computes; None if it has none.

    That of its class, or of the nearest class above it, if none on the way computes
    anything anew.
    """
    kinds = type(operation).__mro__
    for number, base in enumerate(kinds):  # by name, so that Keras need not be imported
        if base.__name__ in TRAITS and _root(base) in ("keras", "cnnbook"):
            anew = any(_computes_anew(kind, base) for kind in kinds[:number])
            return None if anew else base.__name__
    return None


def _computes_anew(kind, base):
    """Tell whether a class derived from one of Keras's may compute something else."""
    return _root(kind) != "cnnbook" and any(
        isinstance(value, staticmethod | classmethod) or inspect.isroutine(value)
        for name, value in vars(kind).items()
        if hasattr(base, name) and name not in _HARMLESS
    )


def _axes(operation):
    """Return the axes that an operation acts along, a list; the last, if unsaid."""
    return np.ravel(getattr(operation, "axis", -1)).tolist()


def _picks_channels(key):
    """Tell whether ``maps[key]`` has all places of maps (N, H, W, C), in order.

    With some of the channels, or one alone and without that axis.
    """
    keys = list(key) if isinstance(key, tuple | list) else [key]
    for at, each in enumerate(keys):
        if each is ...:
            keys[at : at + 1] = [slice(None)] * (5 - len(keys))
            break
    return (
        len(keys) <= 4
        and all(_is_whole(each) for each in keys[:3])
        and all(isinstance(each, slice | int) for each in keys[3:])
    )


def _is_whole(part):
    """Tell whether a slice takes all there is, in order."""
    return isinstance(part, slice) and (
        part.stop is None
        and (part.start is None or (isinstance(part.start, int) and part.start == 0))
        and (part.step is None or (isinstance(part.step, int) and part.step == 1))
    )


# What has been found of functions of one's own, for as long as they live.
_reaches: weakref.WeakKeyDictionary[Any, Reach | None] = weakref.WeakKeyDictionary()


def _ending(operation):
    """Return the activation that a layer has as its option; None if it has none."""
    return getattr(operation, "activation", None)


def _stays_in_place(ending, channels):
    """Tell whether an activation, a function or a layer, takes each place alone."""
    import keras

    if isinstance(ending, keras.Operation):
        return reach_of(ending, channels=channels) in ("place", "channels")
    name = _name_of(ending)
    if name in TRAITS:
        reach = TRAITS[name].reach
    else:
        if ending not in _reaches:
            _reaches[ending] = _reach_of_own(ending)
        reach = _reaches[ending]
    # Functions along channels take the last axis for them.
    return reach == "place" or (reach == "channels" and channels == 3)


def _reach_of_own(function):
    """Return the reach of a function of one's own, read from the operations in it.

    It is called on maps without numbers, so that Keras notes each of them.
    """
    import keras

    maps = keras.Input((5, 4, None))
    try:
        operations = keras.Model(maps, function(maps)).operations
    except Exception:  # what it does is not written in operations of Keras
        return None
    calls = [call for operation in operations for call in operation._inbound_nodes]
    kept = all(
        len(found.shape) == 4 and found.shape[:3] == maps.shape[:3]
        for call in calls
        for found in call.outputs
    )
    reaches = {reach_of(call.operation, call.arguments.args) for call in calls}
    if not kept or not reaches <= {"place", "channels"}:
        return None
    return "channels" if "channels" in reaches else "place"
