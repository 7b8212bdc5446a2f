from .augmentation import (
    augment as augment,
)
from .built import (
    BuiltClassifier as BuiltClassifier,
)
from .built import (
    load_built_classifier as load_built_classifier,
)
from .built import (
    train_by_recipe as train_by_recipe,
)
from .built import (
    train_for_book as train_for_book,
)
from .calibration import (
    Reliability as Reliability,
)
from .calibration import (
    Thresholds as Thresholds,
)
from .calibration import (
    at_thresholds as at_thresholds,
)
from .calibration import (
    reliability as reliability,
)
from .descriptions import (
    Mixtures as Mixtures,
)
from .descriptions import (
    describe as describe,
)
from .descriptions import (
    features as features,
)
from .descriptions import (
    mixtures as mixtures,
)
from .distribution import (
    is_chief as is_chief,
)
from .distribution import (
    strategy as strategy,
)
from .loop import (
    CHOSEN as CHOSEN,
)
from .loop import (
    INGREDIENTS as INGREDIENTS,
)
from .loop import (
    train as train,
)
from .metrics import (
    Metrics as Metrics,
)
from .metrics import (
    binomial_interval as binomial_interval,
)
from .metrics import (
    confusion_matrix as confusion_matrix,
)
from .metrics import (
    evaluate as evaluate,
)
from .metrics import (
    paired_difference as paired_difference,
)
from .metrics import (
    predict as predict,
)
from .recipes import (
    Recipe as Recipe,
)
from .recipes import (
    book_recipe_for as book_recipe_for,
)
from .recipes import (
    recipe_for as recipe_for,
)
from .transfer import (
    End as End,
)
from .transfer import (
    best_layer as best_layer,
)
from .transfer import (
    fit_end as fit_end,
)
from .transfer import (
    held_out_accuracies as held_out_accuracies,
)
