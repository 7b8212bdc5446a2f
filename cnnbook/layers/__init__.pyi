from .activation_functions import (
    gelu as gelu,
)
from .activation_functions import (
    leaky_relu as leaky_relu,
)
from .activation_functions import (
    relu as relu,
)
from .activation_functions import (
    sigmoid as sigmoid,
)
from .activation_functions import (
    softmax as softmax,
)
from .activation_functions import (
    tanh as tanh,
)
from .operations import (
    avg_pool2d as avg_pool2d,
)
from .operations import (
    conv2d as conv2d,
)
from .operations import (
    dense as dense,
)
from .operations import (
    flatten as flatten,
)
from .operations import (
    global_average_pool2d as global_average_pool2d,
)
from .operations import (
    max_pool2d as max_pool2d,
)
from .operations import (
    patches as patches,
)
from .windows import (
    output_size as output_size,
)
