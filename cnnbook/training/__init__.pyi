from .augmentation import (
    augment as augment,
)
from .built import (
    BuiltClassifier as BuiltClassifier,
    load_built_classifier as load_built_classifier,
    train_by_recipe as train_by_recipe,
    train_for_book as train_for_book,
)
from .calibration import (
    Reliability as Reliability,
    Thresholds as Thresholds,
    at_thresholds as at_thresholds,
    reliability as reliability,
)
from .checkpoints import (
    epochs_in as epochs_in,
)
from .descriptions import (
    Mixtures as Mixtures,
    describe as describe,
    features as features,
    mixtures as mixtures,
)
from .distribution import (
    is_chief as is_chief,
    strategy as strategy,
)
from .loop import (
    CHOSEN as CHOSEN,
    INGREDIENTS as INGREDIENTS,
    train as train,
)
from .metrics import (
    Metrics as Metrics,
    binomial_interval as binomial_interval,
    confusion_matrix as confusion_matrix,
    evaluate as evaluate,
    paired_difference as paired_difference,
    predict as predict,
)
from .recipes import (
    Recipe as Recipe,
    book_recipe_for as book_recipe_for,
    recipe_for as recipe_for,
)
from .slopes import (
    loss_slope as loss_slope,
)
from .transfer import (
    End as End,
    best_layer as best_layer,
    fit_end as fit_end,
    held_out_accuracies as held_out_accuracies,
)
