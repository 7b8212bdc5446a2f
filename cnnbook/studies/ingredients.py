"""What is each ingredient of the training worth?  Left out or put in, one at a time."""

import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from cnnbook.networks.classifier import build_classifier
from cnnbook.pictures.pets import find_source, fingerprint, load_pets
from cnnbook.storage import build_folder
from cnnbook.storage.repository import AnyPath
from cnnbook.studies import held_out, records
from cnnbook.training import checkpoints, loop
from cnnbook.training.metrics import evaluate, paired_difference, predict
from cnnbook.training.recipes import recipe_for

# A change that should change nothing: its difference shows what luck alone can do.
ANOTHER_SEED = "another seed"


@dataclass(frozen=True)
class IngredientTrial:
    """A training with one ingredient changed, compared with the training as chosen.

    Attributes
    ----------
    changed : str or None
        The ingredient that was left out or put in; None for the training as chosen,
        and `ANOTHER_SEED` for the same training with other random numbers.
    added : bool
        Whether it was put in.
    right, count : int
        Held-out pictures that the network got right, and all of them.
    loss : float
        Mean cross-entropy on them.
    gained, lost : int
        Pictures that are right with the change alone, and without it alone.
    seconds : float
    """

    changed: str | None
    added: bool
    right: int
    count: int
    loss: float
    gained: int
    lost: int
    seconds: float

    @property
    def accuracy(self) -> float:
        """Share of the held-out pictures that are right."""
        return self.right / self.count

    @property
    def difference(self) -> tuple[float, float, float]:
        """What the change does to the accuracy: `training.paired_difference`."""
        return paired_difference(self.gained, self.lost, self.count)


def changes() -> list[tuple[str | None, bool, frozenset[str]]]:
    """List the trainings to compare: (what is changed, whether it is added, all).

    Returns
    -------
    changes : list of (str or None, bool, frozenset of str)
    """
    listed = [(None, False, loop.CHOSEN), (ANOTHER_SEED, True, loop.CHOSEN)]
    for name in loop.INGREDIENTS:
        added = name not in loop.CHOSEN
        listed.append((name, added, loop.CHOSEN ^ {name}))
    return listed


def measure(
    source: AnyPath = "photos", *, progress: bool = True
) -> list[IngredientTrial]:
    """Train with each ingredient changed, on folds of the training pictures.

    Whatever is measured is kept in the build folder, so that an interruption costs
    one training at most.

    Parameters
    ----------
    source : str or path
        As in `pictures.load_pets`.
    progress : bool
        Whether to report on stderr.

    Returns
    -------
    trials : list of IngredientTrial
        The training as chosen comes first.
    """
    name, _ = find_source(source)
    recipe = recipe_for(name)
    pets = load_pets(source, size=recipe.size, seed=recipe.seed)
    folds = list(held_out.folds(pets.train, recipe.seed))
    trials = []
    for changed, added, ingredients in changes():
        first_seed = recipe.seed + (held_out.FOLDS if changed == ANOTHER_SEED else 0)
        outcomes = [
            _outcome(name, source, recipe, sorted(ingredients), first_seed + n, *fold)
            for n, fold in enumerate(folds)
        ]
        right = np.concatenate([outcome["right"] for outcome in outcomes]) > 0
        if changed is None:
            chosen = right
        trials.append(
            IngredientTrial(
                changed=changed,
                added=added,
                right=int(right.sum()),
                count=len(right),
                loss=float(np.mean([outcome["loss"] for outcome in outcomes])),
                gained=int((right & ~chosen).sum()),
                lost=int((chosen & ~right).sum()),
                seconds=sum(outcome["seconds"] for outcome in outcomes),
            )
        )
        if progress:
            print(_told(trials[-1]), file=sys.stderr, flush=True)
    return trials


def record(source: AnyPath = "photos", *, progress: bool = True) -> Path:
    """Measure, and keep the result as ``cnnbook/studies/results/ingredients.json``.

    Parameters
    ----------
    source, progress
        As for `measure`.

    Returns
    -------
    file : pathlib.Path
    """
    trials = measure(source, progress=progress)
    return records.write_record(
        "ingredients",
        {
            "source": find_source(source)[0],
            "folds": held_out.FOLDS,
            "budget": held_out.BUDGET,
            "chosen": sorted(loop.CHOSEN),
            "trials": [asdict(trial) for trial in trials],
        },
    )


def recorded() -> list[IngredientTrial]:
    """Read the trials that were recorded.

    Returns
    -------
    trials : list of IngredientTrial

    Examples
    --------
    >>> recorded()[0].changed is None
    True
    """
    return [
        IngredientTrial(**trial)
        for trial in records.read_record("ingredients")["trials"]
    ]


def _outcome(name, source, recipe, ingredients, seed, learned, judged):
    """Train once, or find that it was done: who was right, the loss, the seconds."""

    def find():
        network = build_classifier(
            learned.images.shape[1:],
            int(learned.labels.max()) + 1,
            filters=recipe.filters,
        )
        start = time.monotonic()
        loop.train(
            network,
            learned,
            judged,
            epochs=held_out.shortened(recipe).epochs(len(learned)),
            seed=seed,
            **recipe.rates,
            ingredients=ingredients,
            progress=False,
        )
        seconds = time.monotonic() - start
        answers = predict(network, judged.images).argmax(axis=1)
        return {
            "right": (answers == judged.labels).astype(int).tolist(),
            "loss": evaluate(network, judged).loss,
            "seconds": seconds,
        }

    key = build_folder.key_of(
        "training.loop",
        "pictures.pets",
        source=name,
        pictures=fingerprint(source),
        recipe=asdict(recipe),
        ingredients=ingredients,
        seed=seed,
        budget=held_out.BUDGET,
        learned=checkpoints.digest(learned),
        judged=checkpoints.digest(judged),
    )
    return build_folder.found_once("trials", key, find)


def _told(trial):
    """Write one line about a trial."""
    if trial.changed is None:
        return f"as chosen: {trial.accuracy:.1%} of {trial.count}"
    difference, low, high = trial.difference
    return (
        f"{'with' if trial.added else 'without'} {trial.changed}: "
        f"{trial.accuracy:.1%}, {100 * difference:+.1f} points "
        f"({100 * low:+.1f} to {100 * high:+.1f})"
    )
