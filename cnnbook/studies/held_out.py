"""Hold out some of the training pictures, to compare ways of training by.

Those that the classifier is validated on must not decide how it is trained.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from cnnbook.pictures.pets import Split
from cnnbook.training.recipes import Recipe

# How many times some are held out, and which share of all each time.
FOLDS = 2
SHARE = 1 / 5

# Each network sees this share of the pictures that a recorded training sees.
BUDGET = 1 / 2


def folds(split: Split, seed: int) -> Iterator[tuple[Split, Split]]:
    """Hold out a part of the pictures, then another.

    Parameters
    ----------
    split : pictures.Split
    seed : int
        Decides which are held out.

    Yields
    ------
    learned, judged : pictures.Split
        Both in some fixed order; what is judged once is not judged again.

    Examples
    --------
    >>> ten = Split(np.zeros((10, 8, 8, 3), np.uint8), np.arange(10))
    >>> [(len(learned), len(judged)) for learned, judged in folds(ten, seed=0)]
    [(8, 2), (8, 2)]
    """
    order = np.random.default_rng((seed, 1)).permutation(len(split))
    size = round(SHARE * len(split))
    for number in range(FOLDS):
        judged = order[number * size : (number + 1) * size]
        learned = np.setdiff1d(order, judged)
        first, second = (
            Split(split.images[part], split.labels[part]) for part in (learned, judged)
        )
        yield first, second


def shortened(recipe: Recipe) -> Recipe:
    """Return a recipe with the budget of a comparison.

    Parameters
    ----------
    recipe : training.Recipe

    Returns
    -------
    shorter : training.Recipe
    """
    return replace(recipe, pictures=round(BUDGET * recipe.pictures))
