"""Is deeper better?  The book's classifier with one to four stages, on one budget."""

import math
import sys
import time
from dataclasses import asdict, dataclass

from cnnbook import build_folder, data
from cnnbook.classifier import build_classifier
from cnnbook.model import book_recipe_for
from cnnbook.scores import Scores, binomial_interval, evaluate
from cnnbook.training import train

# Filters of each stage; a network of n stages has the first n.
FILTERS = (16, 32, 64, 128)

# Each network sees this share of the pictures that the book's classifier sees.
BUDGET = 2 / 5


@dataclass(frozen=True)
class Trial:
    """One network of the comparison: what it cost, and how good it became.

    Attributes
    ----------
    stages : int
    parameters : int
    multiplications : int
        Products computed for one picture.
    seconds : float
        Time that training took.
    scores : Scores
        On the validation pictures.
    """

    stages: int
    parameters: int
    multiplications: int
    seconds: float
    scores: Scores

    @property
    def interval(self):
        """The 95 % interval of its accuracy, (low, high)."""
        right = round(self.scores.accuracy * self.scores.count)
        return binomial_interval(right, self.scores.count)


def compare_depths(pets, recipe, *, progress=True):
    """Train networks of one to four stages, all on the same pictures.

    Parameters
    ----------
    pets : data.Pets
    recipe : model.Recipe
        As for the book's classifier; each network sees some two fifths of its pictures.
    progress : bool
        Whether to report on stderr.

    Returns
    -------
    trials : tuple of Trial
        From one stage to four.
    """
    epochs = max(1, round(BUDGET * recipe.epochs(len(pets.train))))
    trials = []
    for stages in range(1, len(FILTERS) + 1):
        network = build_classifier(
            pets.train.images.shape[1:], len(pets.class_names), filters=FILTERS[:stages]
        )
        start = time.monotonic()
        train(
            network,
            pets.train,
            pets.validation,
            epochs=epochs,
            seed=recipe.seed,
            **recipe.rates,
            progress=False,
        )
        trial = Trial(
            stages=stages,
            parameters=network.count_params(),
            multiplications=multiplications(network),
            seconds=time.monotonic() - start,
            scores=evaluate(network, pets.validation),
        )
        trials.append(trial)
        if progress:
            print(
                f"depth {stages} of {len(FILTERS)}: accuracy "
                f"{trial.scores.accuracy:.1%} after {epochs} epochs, "
                f"{trial.seconds:.0f} s",
                file=sys.stderr,
                flush=True,
            )
    return tuple(trials)


def compare_depths_for_book(source="auto", *, progress=True):
    """Compare depths on the book's pictures; if this was done before, answer at once.

    Parameters
    ----------
    source : str or path
        As in `data.load_pets`.
    progress : bool
        Whether to report on stderr.

    Returns
    -------
    trials : tuple of Trial
        Kept in ``_build/depth``, until the code, the pictures, the recipe or the
        versions of the packages change.

    Raises
    ------
    ValueError
        If the source is not on this machine, or there is no folder to build in.
    """
    name, _ = data.find_source(source)
    recipe = book_recipe_for(name)

    def find():
        pets = data.load_pets(source, size=recipe.size, seed=recipe.seed)
        if progress:
            print("Networks of one to four stages:", file=sys.stderr, flush=True)
        trials = compare_depths(pets, recipe, progress=progress)
        return [asdict(trial) for trial in trials]

    key = build_folder.key_of(
        "depth", source=name, pictures=data.fingerprint(source), recipe=asdict(recipe)
    )
    kept = build_folder.found_once("depth", key, find)
    return tuple(Trial(**t | {"scores": Scores(**t["scores"])}) for t in kept)


def multiplications(network):
    """Count the products that a classifier computes for one picture.

    Parameters
    ----------
    network : keras.Model
        As `build_classifier` makes them.

    Returns
    -------
    count : int
        Each weight of a convolution is used once for each position of the map, padding
        included; each of a dense layer once.

    Examples
    --------
    On 4 × 4 pixels: 16 × 27 × 2 products, and 2 × 2 × 2 features voting for 2 classes.

    >>> multiplications(build_classifier((4, 4, 3), filters=(2,))) == 16*54 + 8*2
    True
    """
    return sum(
        math.prod(layer.output.shape[1:-1]) * math.prod(layer.kernel.shape)
        for layer in network.layers
        if hasattr(layer, "kernel")
    )
