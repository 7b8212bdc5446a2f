"""What a network learns by heart: few photographs, shown often, changed or not."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from cnnbook.networks.classifier import build_classifier
from cnnbook.pictures.pets import Split, find_source, fingerprint, load_pets
from cnnbook.storage import build_folder
from cnnbook.storage.repository import AnyPath
from cnnbook.studies import held_out, records
from cnnbook.training import checkpoints
from cnnbook.training.loop import CHOSEN, train
from cnnbook.training.recipes import recipe_for

# So few, small and often that it takes minutes, and shows what it is meant to show.
PICTURES = 400
SIZE = 48  # pixels
EPOCHS = 40
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class LongTraining:
    """One training on few pictures.

    Attributes
    ----------
    augmented : bool
        Whether pictures were changed at random each time that they were shown.
    seed : int
        Decided which pictures were learned from, and every random number.
    learned, judged : int
        Pictures learned from, and pictures kept aside.
    history : dict of str to list of float
        ``loss``, ``accuracy``, ``val_loss`` and ``val_accuracy`` of each epoch, as
        `training.train` returns them.
    """

    augmented: bool
    seed: int
    learned: int
    judged: int
    history: dict[str, list[float]]


@dataclass(frozen=True)
class Comparison:
    """What trainings with augmentation and without ended in.

    The loss is that on the pictures kept aside.  It turns at the epoch after which it
    is lowest, and rises from there to the last.

    Attributes
    ----------
    learned, judged, epochs : int
        Pictures learned from, pictures kept aside, and rounds.
    first_turn, last_turn : int
        Without augmentation, the epochs after which the loss turned first and last.
    least_rise, most_rise : float
        Without augmentation, by how much the loss rose.
    changed_rise : float
        With augmentation, by how much the loss rose at most.
    known : float
        Without augmentation, the share of the learned pictures that was right in the
        end, the lowest of all seeds.
    right, changed_right : float
        Share of the pictures kept aside that was right in the end, on average, without
        augmentation and with it.
    always_better : bool
        Whether more of them were right with augmentation for every seed.
    """

    learned: int
    judged: int
    epochs: int
    first_turn: int
    last_turn: int
    least_rise: float
    most_rise: float
    changed_rise: float
    known: float
    right: float
    changed_right: float
    always_better: bool

    @property
    def overfits(self) -> bool:
        """Whether each training overfitted without augmentation, and less with it.

        That is to say: the loss turned in the first half and rose, for every seed at
        least twice as much as with augmentation for any.
        """
        turned = self.last_turn < self.epochs / 2
        return turned and self.least_rise > 2 * self.changed_rise


def measure(source: AnyPath = "photos", *, progress: bool = True) -> list[LongTraining]:
    """Train with augmentation and without, on a few of the pictures for training.

    Both see the same pictures, in the same number of steps, and start from the same
    weights.  Another part of the pictures *for training* is kept aside to judge them.
    What was measured is kept in the build folder, so that an interruption costs one
    training at most.

    Parameters
    ----------
    source : str or path
        As in `pictures.load_pets`.
    progress : bool
        Whether to report on stderr.

    Returns
    -------
    trainings : list of LongTraining
        For each seed one with augmentation, and one without.
    """
    name, _ = find_source(source)
    recipe = replace(recipe_for(name), size=SIZE)
    pets = load_pets(source, size=SIZE, seed=recipe.seed)
    known, judged = next(held_out.folds(pets.train, recipe.seed))
    classes, trainings = len(pets.class_names), []
    for seed in SEEDS:
        learned = _some(known, seed)
        for augmented in (True, False):
            one = _trained_once(
                learned, judged, classes, recipe, seed, augmented, source
            )
            trainings.append(one)
            if progress:
                last = one.history["val_accuracy"][-1]
                print(
                    f"{'with' if augmented else 'without'} augmentation, seed {seed}: "
                    f"{last:.1%} of {one.judged} right after {EPOCHS} epochs",
                    file=sys.stderr,
                    flush=True,
                )
    return trainings


def record(source: AnyPath = "photos", *, progress: bool = True) -> Path:
    """Measure, and keep the result as ``cnnbook/studies/results/overfitting.json``.

    Parameters
    ----------
    source, progress
        As for `measure`.

    Returns
    -------
    file : pathlib.Path
    """
    trainings = measure(source, progress=progress)
    name, _ = find_source(source)
    return records.write_record(
        "overfitting",
        {
            "source": name,
            "size": SIZE,
            "recipe": asdict(replace(recipe_for(name), size=SIZE)),
            "trainings": [asdict(training) for training in trainings],
        },
    )


def recorded() -> list[LongTraining]:
    """Read the trainings that were recorded.

    Returns
    -------
    trainings : list of LongTraining

    Examples
    --------
    >>> [training.augmented for training in recorded()]
    [True, False, True, False, True, False]
    """
    trainings = records.read_record("overfitting")["trainings"]
    return [LongTraining(**training) for training in trainings]


def mean_curves(trainings: list[LongTraining]) -> dict[str, np.ndarray]:
    """Average the losses over the seeds, epoch by epoch.

    Parameters
    ----------
    trainings : list of LongTraining

    Returns
    -------
    curves : dict of str to ndarray of shape (epochs,)
        On pictures learned from and kept aside, always alike and changed each time.

    Examples
    --------
    >>> list(mean_curves(recorded()))
    ['learned, alike', 'aside, alike', 'learned, changed', 'aside, changed']
    """
    return {
        f"{whose}, {how}": np.mean(
            [one.history[key] for one in trainings if one.augmented == augmented],
            axis=0,
        )
        for how, augmented in (("alike", False), ("changed", True))
        for whose, key in (("learned", "loss"), ("aside", "val_loss"))
    }


def compare(trainings: list[LongTraining]) -> Comparison:
    """Tell what trainings with augmentation and without ended in.

    Parameters
    ----------
    trainings : list of LongTraining
        For each seed one of each kind, as from `measure`.

    Returns
    -------
    comparison : Comparison

    Examples
    --------
    >>> compare(recorded()).overfits
    True
    """
    alike, changed = (
        [one.history for one in trainings if one.augmented == augmented]
        for augmented in (False, True)
    )
    turns = [int(np.argmin(history["val_loss"])) + 1 for history in alike]
    rises, changed_rises = (
        [history["val_loss"][-1] - min(history["val_loss"]) for history in kind]
        for kind in (alike, changed)
    )
    right, changed_right = (
        [history["val_accuracy"][-1] for history in kind] for kind in (alike, changed)
    )
    return Comparison(
        learned=trainings[0].learned,
        judged=trainings[0].judged,
        epochs=len(alike[0]["loss"]),
        first_turn=min(turns),
        last_turn=max(turns),
        least_rise=min(rises),
        most_rise=max(rises),
        changed_rise=max(changed_rises),
        known=min(history["accuracy"][-1] for history in alike),
        right=float(np.mean(right)),
        changed_right=float(np.mean(changed_right)),
        always_better=all(a < b for a, b in zip(right, changed_right, strict=True)),
    )


def _some(split: Split, seed: int) -> Split:
    """Draw the pictures that are learned from."""
    order = np.random.default_rng((seed, 2)).permutation(len(split))[:PICTURES]
    return Split(split.images[order], split.labels[order])


def _trained_once(learned, judged, classes, recipe, seed, augmented, source):
    """Train, or find that it was done."""
    key = build_folder.key_of(
        "studies.overfitting",
        pictures=fingerprint(source),
        recipe=asdict(recipe),
        learned=checkpoints.digest(learned),
        judged=checkpoints.digest(judged),
        augmented=augmented,
        seed=seed,
    )

    def find():
        network = build_classifier(
            learned.images.shape[1:], classes, filters=recipe.filters
        )
        history = train(
            network,
            learned,
            judged,
            epochs=EPOCHS,
            seed=seed,
            **recipe.rates,
            ingredients=CHOSEN if augmented else CHOSEN - {"augmentation"},
            progress=False,
        )
        return {
            name: [round(value, 4) for value in values]
            for name, values in history.items()
        }

    history = build_folder.found_once("overfitting", key, find)
    return LongTraining(augmented, seed, len(learned), len(judged), history)
