"""What each layer and operation of Keras is and does, said once, in one table.

Code that treats kinds of layers differently reads here which kind one is.  To teach
the package a new layer or activation, add its name to a row, or a row to the table.
What is not in the table is unknown, which never means that it does nothing.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

Role = Literal[
    "input", "inert", "scaling", "normalisation", "activation", "dense", "convolution",
    "depthwise convolution", "separable convolution", "transposed convolution",
    "max pooling", "average pooling", "global pooling", "padding", "cropping",
    "resizing", "reshaping", "rearrangement", "joining", "conversion", "arithmetic",
    "function", "product", "along axes", "unknown",
]  # fmt: skip
Reach = Literal["place", "channels", "window", "shift", "everything"]


@dataclass(frozen=True)
class Traits:
    """What a layer or an operation is.

    Attributes
    ----------
    role : str
        What it is for: "convolution", "activation", …  "inert" passes its input on once
        training is over; "function" bends each number without being an activation;
        "unknown" is what the table does not have.
    reach : {"place", "channels", "window", "shift", "everything"} or None
        What of its input maps, (N, H, W, C), a place of its output maps depends on:
        that place; that place, if it acts along the channels and no other axis; a
        window that slides (``kernel_size`` or ``pool_size``); a place some rows and
        columns away; all places.  None if that is not known or has no fixed shape.
    alike : bool
        Whether it does the same at each place, so that a part of a map can be computed
        alone.
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
    "Reshape ExpandDims Ravel Squeeze": Traits("reshaping"),
    "Permute RepeatVector ArraySplit BroadcastTo DepthToSpace Dsplit Dstack "
    "ExtractPatches ExtractPatches3D Flip Fliplr Flipud Fold GetItem "
    "Hsplit Hstack Moveaxis Rearrange Repeat Roll Rot90 Slice SpaceToDepth "
    "Split Stack Swapaxes Take Tile Transpose Unfold Unstack Vsplit Vstack":
        Traits("rearrangement"),
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
        of role "unknown" if the table has none.

    Examples
    --------
    >>> import keras
    >>> traits_of(keras.layers.ReLU()).role
    'activation'
    >>> traits_of(keras.layers.Lambda(lambda maps: maps)).role
    'unknown'
    """
    for base in type(operation).__mro__:  # by name, so that Keras need not be imported
        if base.__name__ in TRAITS and base.__module__.split(".")[0] == "keras":
            return TRAITS[base.__name__]
    return UNKNOWN


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
    function = getattr(operation, "activation", None)
    return "linear" if function is None else _name_of(function)


def permutation_of(operation: object) -> tuple[int, ...] | None:
    """Look up in which order a layer or an operation puts the four axes of maps.

    Parameters
    ----------
    operation : keras.Operation

    Returns
    -------
    order : tuple of int or None
        For each axis of its output, N included, that of its input.  None if it is
        nothing that permutes axes.

    Examples
    --------
    >>> import keras
    >>> permutation_of(keras.layers.Permute((3, 1, 2)))
    (0, 3, 1, 2)
    """
    axes = np.empty((0, 1, 2, 3))  # each is as long as its number says
    match type(operation).__name__ if traits_of(operation) != UNKNOWN else "":
        case "Permute":
            moved = axes.transpose(0, *operation.dims)  # type: ignore[attr-defined]
        case "Transpose":
            moved = axes.transpose(operation.axes)  # type: ignore[attr-defined]
        case "Moveaxis":
            ends = operation.source, operation.destination  # type: ignore[attr-defined]
            moved = np.moveaxis(axes, *ends)
        case "Swapaxes":
            ends = operation.axis1, operation.axis2  # type: ignore[attr-defined]
            moved = np.swapaxes(axes, *ends)
        case _:
            return None
    return moved.shape


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
