from .embedding import (
    Widget as Widget,
)
from .explorers import (
    feature_map_explorer as feature_map_explorer,
)
from .explorers import (
    fully_connected_explorer as fully_connected_explorer,
)
from .explorers import (
    photo_lab as photo_lab,
)
from .explorers import (
    training_scrubber as training_scrubber,
)
from .playgrounds import (
    activation_explorer as activation_explorer,
)
from .playgrounds import (
    convolution_playground as convolution_playground,
)
from .playgrounds import (
    pooling_playground as pooling_playground,
)
from .snapshots import (
    Snapshots as Snapshots,
)
from .snapshots import (
    take_snapshots as take_snapshots,
)
