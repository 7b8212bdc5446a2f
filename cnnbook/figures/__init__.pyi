from .charts import (
    bars as bars,
)
from .charts import (
    confusion_matrix as confusion_matrix,
)
from .charts import (
    functions as functions,
)
from .charts import (
    lines as lines,
)
from .charts import (
    training_curves as training_curves,
)
from .charts import (
    votes as votes,
)
from .diagrams import (
    image_as_numbers as image_as_numbers,
)
from .diagrams import (
    layer_stack as layer_stack,
)
from .diagrams import (
    pooling_blocks as pooling_blocks,
)
from .diagrams import (
    window_places as window_places,
)
from .diagrams import (
    window_products as window_products,
)
from .metric_charts import (
    estimates as estimates,
)
from .metric_charts import (
    learning_curves as learning_curves,
)
from .metric_charts import (
    paired_estimates as paired_estimates,
)
from .metric_charts import (
    reliability_diagram as reliability_diagram,
)
from .overlays import (
    explanations_over_photo as explanations_over_photo,
)
from .overlays import (
    heat_over_photos as heat_over_photos,
)
from .overlays import (
    photos_beside_explanations as photos_beside_explanations,
)
from .overlays import (
    products_of_patch as products_of_patch,
)
from .overlays import (
    trace_strip as trace_strip,
)
from .portraits import (
    audit_squares as audit_squares,
)
from .portraits import (
    patch_rows as patch_rows,
)
from .sheets import (
    feature_map_grid as feature_map_grid,
)
from .sheets import (
    feature_map_sheet as feature_map_sheet,
)
from .sheets import (
    kernel_grid as kernel_grid,
)
from .sheets import (
    photo_beside_map as photo_beside_map,
)
from .sheets import (
    photo_grid as photo_grid,
)
from .sheets import (
    photo_with_windows as photo_with_windows,
)
from .style import (
    ACCENT as ACCENT,
)
from .style import (
    CAT as CAT,
)
from .style import (
    CLASS_COLOURS as CLASS_COLOURS,
)
from .style import (
    DOG as DOG,
)
from .style import (
    INK as INK,
)
from .style import (
    QUIET as QUIET,
)
from .style import (
    SIGNED as SIGNED,
)
from .style import (
    WIDTH as WIDTH,
)
from .style import (
    styled as styled,
)
