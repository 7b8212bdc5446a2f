from .embedding import (
    Widget as Widget,
)
from .explorers import (
    feature_map_explorer as feature_map_explorer,
    fully_connected_explorer as fully_connected_explorer,
    photo_lab as photo_lab,
    training_scrubber as training_scrubber,
)
from .playgrounds import (
    activation_explorer as activation_explorer,
    convolution_playground as convolution_playground,
    kernel_trainer as kernel_trainer,
    pooling_playground as pooling_playground,
)
from .snapshots import (
    Snapshots as Snapshots,
    take_snapshots as take_snapshots,
)
