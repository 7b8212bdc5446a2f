"""How the book's classifier is made from pictures of each source."""

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True)
class Recipe:
    """How the book's classifier is made from pictures of one kind.

    Attributes
    ----------
    pictures : int
        Pictures shown during training in all, over the epochs.
    filters : tuple of int
        Filters of each stage.
    learning_rate, weight_decay : float
        As in `train`.
    size : int
        Rows and columns of the pictures.
    seed : int
        Decides every random number.
    """

    pictures: int
    filters: tuple[int, ...] = (16, 32, 64)
    learning_rate: float = 0.004
    weight_decay: float = 0.05
    size: int = 96
    seed: int = 0

    @property
    def rates(self) -> dict[str, Any]:
        """The learning rate and the weight decay, by their names in `train`."""
        return {
            "learning_rate": self.learning_rate,
            "weight_decay": self.weight_decay,
        }

    def epochs(self, count: int) -> int:
        """Return how often each of so many pictures is shown."""
        return min(max(1, round(self.pictures / count)), 100)


# Chosen on 400 photographs held out of the 2,000 for training.  The results of
# `cnnbook results` and the networks of `cnnbook train` are made so.
PHOTOGRAPHS = Recipe(pictures=160_000)
RECIPES = MappingProxyType(
    {
        "drawn": Recipe(pictures=16_800),
        "photos": PHOTOGRAPHS,
        "oxford-pets": PHOTOGRAPHS,
    }
)

# A build shows no more pictures than this, so that two cores with AVX2, perhaps with
# other work to do, are done in four minutes.
BUILD_PICTURES = 64_000


def recipe_for(source: str) -> Recipe:
    """Return the recipe for pictures of a source; a folder's are photographs.

    Parameters
    ----------
    source : str
        As ``Pets.source``.

    Returns
    -------
    recipe : Recipe
    """
    return RECIPES.get(source, PHOTOGRAPHS)


def book_recipe_for(source: str) -> Recipe:
    """Return the recipe that a build of the book follows: `recipe_for`'s, cut short.

    Parameters
    ----------
    source : str
        As ``Pets.source``.

    Returns
    -------
    recipe : Recipe
        With no more pictures than a build has time to show.
    """
    recipe = recipe_for(source)
    return replace(recipe, pictures=min(recipe.pictures, BUILD_PICTURES))
