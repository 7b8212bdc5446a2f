from .charts import (
    bars as bars,
    confusion_matrix as confusion_matrix,
    functions as functions,
    lines as lines,
    training_curves as training_curves,
    votes as votes,
)
from .diagrams import (
    image_as_numbers as image_as_numbers,
    layer_stack as layer_stack,
    number_grids as number_grids,
    pooling_blocks as pooling_blocks,
    window_places as window_places,
    window_products as window_products,
)
from .metric_charts import (
    estimates as estimates,
    learning_curves as learning_curves,
    paired_estimates as paired_estimates,
    reliability_diagram as reliability_diagram,
)
from .overlays import (
    explanations_over_photo as explanations_over_photo,
    heat_over_photos as heat_over_photos,
    photos_beside_explanations as photos_beside_explanations,
    products_of_patch as products_of_patch,
    trace_strip as trace_strip,
)
from .portraits import (
    audit_squares as audit_squares,
    patch_rows as patch_rows,
)
from .sheets import (
    feature_map_grid as feature_map_grid,
    feature_map_sheet as feature_map_sheet,
    kernel_grid as kernel_grid,
    photo_beside_map as photo_beside_map,
    photo_grid as photo_grid,
    photo_with_windows as photo_with_windows,
)
from .style import (
    ACCENT as ACCENT,
    CAT as CAT,
    CLASS_COLOURS as CLASS_COLOURS,
    DOG as DOG,
    INK as INK,
    QUIET as QUIET,
    SIGNED as SIGNED,
    WIDTH as WIDTH,
    styled as styled,
)
