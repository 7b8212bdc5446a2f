from .activation_functions import (
    ACTIVATIONS as ACTIVATIONS,
    ActivationFunction as ActivationFunction,
    gelu as gelu,
    leaky_relu as leaky_relu,
    relu as relu,
    sigmoid as sigmoid,
    silu as silu,
    softmax as softmax,
    tanh as tanh,
)
from .learning import (
    conv2d_gradient as conv2d_gradient,
    gradient_descent as gradient_descent,
    mean_squared_error as mean_squared_error,
    squared_error_gradient as squared_error_gradient,
)
from .operations import (
    avg_pool2d as avg_pool2d,
    conv2d as conv2d,
    dense as dense,
    flatten as flatten,
    global_average_pool2d as global_average_pool2d,
    max_pool2d as max_pool2d,
    patches as patches,
)
from .windows import (
    output_size as output_size,
)
