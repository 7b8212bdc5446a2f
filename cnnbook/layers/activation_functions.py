"""The functions that stand between layers, written out in NumPy, to read.

All but `softmax` treat every number by itself: `ACTIVATIONS` lists those, and what is
known of each.  `cnnbook.layers` offers them too.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt


def relu(x: npt.ArrayLike) -> np.ndarray:
    """Keep what is positive; the rest becomes zero.

    Parameters
    ----------
    x : ndarray

    Returns
    -------
    y : ndarray of the same shape

    References
    ----------
    .. [1] V. Nair and G. E. Hinton, "Rectified linear units improve restricted
       Boltzmann machines", ICML 2010.

    Examples
    --------
    >>> relu(np.array([-2., 3.]))
    array([0., 3.])
    """
    return np.maximum(x, 0)


def leaky_relu(x: npt.ArrayLike, slope: float = 0.01) -> npt.NDArray[np.floating]:
    """Keep what is positive; let a little of the rest through.

    Parameters
    ----------
    x : ndarray
    slope : float
        The share of a negative value that passes.

    Returns
    -------
    y : ndarray of the same shape

    References
    ----------
    .. [1] A. L. Maas, A. Y. Hannun and A. Y. Ng, "Rectifier nonlinearities improve
       neural network acoustic models", ICML 2013.

    Examples
    --------
    >>> leaky_relu(np.array([-2., 3.]))
    array([-0.02,  3.  ])
    """
    x = as_floats(x)
    return np.where(x > 0, x, x * x.dtype.type(slope))


def sigmoid(x: npt.ArrayLike) -> npt.NDArray[np.floating]:
    """Squeeze any number into (0, 1): 1 / (1 + exp(-x)).

    Parameters
    ----------
    x : ndarray

    Returns
    -------
    y : ndarray of the same shape

    Examples
    --------
    >>> sigmoid(np.array([-1000., 0., 1000.]))
    array([0. , 0.5, 1. ])
    """
    # The same function, in a form that cannot overflow.
    x = as_floats(x)
    return (1 + np.tanh(x / 2)) / 2


def tanh(x: npt.ArrayLike) -> np.ndarray:
    """Squeeze any number into (-1, 1), keeping its sign.

    Parameters
    ----------
    x : ndarray

    Returns
    -------
    y : ndarray of the same shape

    Examples
    --------
    >>> tanh(np.array([-1000., 0., 1000.]))
    array([-1.,  0.,  1.])
    """
    return np.tanh(x)


def gelu(x: npt.ArrayLike) -> npt.NDArray[np.floating]:
    """Weigh each number by the chance that a normal variable is below it.

    Parameters
    ----------
    x : ndarray

    Returns
    -------
    y : ndarray of the same shape
        ``x * Φ(x)`` with the exact Φ, not its tanh approximation.

    References
    ----------
    .. [1] D. Hendrycks and K. Gimpel, "Gaussian error linear units (GELUs)", 2016.
       https://arxiv.org/abs/1606.08415

    Examples
    --------
    >>> gelu(np.array([-10., 0., 10.])).round(6)
    array([-0.,  0., 10.])
    """
    from scipy.special import ndtr  # the normal distribution; NumPy has none

    x = as_floats(x)
    return x * ndtr(x)


def silu(x: npt.ArrayLike) -> npt.NDArray[np.floating]:
    """Weigh each number by its own sigmoid; also called swish.

    Parameters
    ----------
    x : ndarray

    Returns
    -------
    y : ndarray of the same shape

    References
    ----------
    .. [1] S. Elfwing, E. Uchibe and K. Doya, "Sigmoid-weighted linear units for neural
       network function approximation in reinforcement learning", Neural Networks 107,
       2018.
    .. [2] P. Ramachandran, B. Zoph and Q. V. Le, "Searching for activation functions",
       2017.  https://arxiv.org/abs/1710.05941

    Examples
    --------
    >>> silu(np.array([-100., 0., 100.])).round(6)
    array([ -0.,   0., 100.])
    """
    x = as_floats(x)
    return x * sigmoid(x)


def softmax(logits: npt.ArrayLike) -> npt.NDArray[np.floating]:
    """Turn each row of scores into probabilities that add up to one.

    Parameters
    ----------
    logits : ndarray of shape (..., K)

    Returns
    -------
    probabilities : ndarray of the same shape

    Examples
    --------
    >>> softmax(np.array([0., 0.]))
    array([0.5, 0.5])
    """
    logits = as_floats(logits)
    # Subtracting the largest changes nothing on paper and prevents overflow.
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def as_floats(x: npt.ArrayLike) -> npt.NDArray[np.floating]:
    """Return an array of floats: integers would overflow or lose their fractions."""
    x = np.asarray(x)
    return x if np.issubdtype(x.dtype, np.floating) else x.astype(np.float64)


# Their derivatives.  At a corner they are those on its left, as in training.


def _relu_derivative(x: np.ndarray) -> np.ndarray:
    return (x > 0).astype(x.dtype)


def _leaky_relu_derivative(x: np.ndarray, slope: float = 0.01) -> np.ndarray:
    return np.where(x > 0, x.dtype.type(1), x.dtype.type(slope))


def _gelu_derivative(x: np.ndarray) -> np.ndarray:
    from scipy.special import ndtr

    density = np.exp(-(x**2) / 2) / x.dtype.type(np.sqrt(2 * np.pi))
    return ndtr(x) + x * density


def _silu_derivative(x: np.ndarray) -> np.ndarray:
    return sigmoid(x) * (1 + x * sigmoid(-x))


def _sigmoid_derivative(x: np.ndarray) -> np.ndarray:
    return sigmoid(x) * sigmoid(-x)


def _tanh_derivative(x: np.ndarray) -> np.ndarray:
    return 1 - np.tanh(x) ** 2


@dataclass(frozen=True)
class ActivationFunction:
    """What is known of a function that treats every number by itself.

    Attributes
    ----------
    keras_name : str
        Its name in ``keras.activations``.
    name : str
        As readers meet it.
    value : function
        Of an array, and of the options by name.
    derivative : function
        Of an array of floats, and of the options: how much a value moves when its
        number moves a little.
    formula : str
        In LaTeX, of x.
    options : dict of str to float
        What Keras takes where only the name is given.
    """

    keras_name: str
    name: str
    value: Callable[..., np.ndarray]
    derivative: Callable[..., np.ndarray]
    formula: str
    options: dict[str, float] = field(default_factory=dict)


# The page engine, ``widgets/static/cnn.js``, has the same functions in this order.
ACTIVATIONS = (
    ActivationFunction(
        "relu",
        "ReLU",
        relu,
        _relu_derivative,
        r"\max(x, 0)",
    ),
    ActivationFunction(
        "leaky_relu",
        "leaky ReLU",
        leaky_relu,
        _leaky_relu_derivative,
        r"\max(x, 0) + s \min(x, 0)",
        {"slope": 0.2},
    ),
    ActivationFunction(
        "gelu",
        "GELU",
        gelu,
        _gelu_derivative,
        r"x\,\Phi(x)",
    ),
    ActivationFunction(
        "silu",
        "SiLU",
        silu,
        _silu_derivative,
        r"\frac{x}{1 + e^{-x}}",
    ),
    ActivationFunction(
        "sigmoid",
        "sigmoid",
        sigmoid,
        _sigmoid_derivative,
        r"\frac{1}{1 + e^{-x}}",
    ),
    ActivationFunction(
        "tanh",
        "tanh",
        tanh,
        _tanh_derivative,
        r"\frac{e^x - e^{-x}}{e^x + e^{-x}}",
    ),
)
