"""Is deeper better?  The book's classifier with one to four stages, on one budget."""

from __future__ import annotations

import math
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cnnbook.networks.classifier import build_classifier
from cnnbook.pictures.pets import find_source, fingerprint, load_pets
from cnnbook.storage import build_folder
from cnnbook.storage.repository import AnyPath
from cnnbook.studies import held_out, records
from cnnbook.training import checkpoints
from cnnbook.training.loop import train
from cnnbook.training.metrics import (
    Metrics,
    binomial_interval,
    evaluate,
    paired_difference,
    predict,
)
from cnnbook.training.recipes import recipe_for

if TYPE_CHECKING:
    import keras

    from cnnbook.pictures.pets import Pets
    from cnnbook.training.recipes import Recipe

# Filters of each stage; a network of n stages has the first n.
FILTERS = (16, 32, 64, 128)


@dataclass(frozen=True)
class DepthTrial:
    """One network of the comparison: what it cost, and how good it became.

    Attributes
    ----------
    stages : int
    parameters : int
    multiplications : int
        Products computed for one picture.
    epochs : int
        How often each picture was seen.
    seconds : float
        Time that training took, or all trainings that were put together.
    metrics : Metrics
        On pictures kept aside.
    gained, lost : int
        Of them, those that are right with this network and wrong with a stage less,
        and the reverse.  Nothing, for one stage.
    """

    stages: int
    parameters: int
    multiplications: int
    epochs: int
    seconds: float
    metrics: Metrics
    gained: int = 0
    lost: int = 0

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of its accuracy, (low, high)."""
        right = round(self.metrics.accuracy * self.metrics.count)
        return binomial_interval(right, self.metrics.count)

    @property
    def gain(self) -> tuple[float, float, float]:
        """What the last stage adds to the accuracy: `training.paired_difference`."""
        return paired_difference(self.gained, self.lost, self.metrics.count)


def compare_depths(
    pets: Pets, recipe: Recipe, *, progress: bool = True
) -> list[DepthTrial]:
    """Train networks of one to four stages, all on the same pictures.

    Parameters
    ----------
    pets : pictures.Pets
    recipe : training.Recipe
        Its filters do not count.
    progress : bool
        Whether to report on stderr.

    Returns
    -------
    trials : list of DepthTrial
        From one stage to four.
    """
    epochs = recipe.epochs(len(pets.train))
    trials, right_before = [], None
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
        seconds = time.monotonic() - start
        answers = predict(network, pets.validation.images).argmax(axis=1)
        right = answers == pets.validation.labels
        if right_before is None:
            right_before = right
        trial = DepthTrial(
            stages=stages,
            parameters=network.count_params(),
            multiplications=multiplications(network),
            epochs=epochs,
            seconds=seconds,
            metrics=evaluate(network, pets.validation),
            gained=int((right & ~right_before).sum()),
            lost=int((right_before & ~right).sum()),
        )
        right_before = right
        trials.append(trial)
        if progress:
            print(
                f"depth {stages} of {len(FILTERS)}: accuracy "
                f"{trial.metrics.accuracy:.1%} after {epochs} epochs, "
                f"{trial.seconds:.0f} s",
                file=sys.stderr,
                flush=True,
            )
    return trials


def measure(source: AnyPath = "photos", *, progress: bool = True) -> list[DepthTrial]:
    """Compare depths on pictures held out of those for training.

    What was measured on one part of them is kept in the build folder, so that an
    interruption costs no more than that.

    Parameters
    ----------
    source : str or path
        As in `pictures.load_pets`.
    progress : bool
        Whether to report on stderr.

    Returns
    -------
    trials : list of DepthTrial
        From one stage to four; metrics over all that was held out, seconds in all.
    """
    name, _ = find_source(source)
    recipe = held_out.shortened(recipe_for(name))
    pets = load_pets(source, size=recipe.size, seed=recipe.seed)
    parts = []
    for number, (learned, judged) in enumerate(held_out.folds(pets.train, recipe.seed)):
        if progress:
            told = f"part {number + 1} of {held_out.FOLDS} is held out"
            print(told, file=sys.stderr, flush=True)
        fold = replace(pets, train=learned, validation=judged)
        ours = replace(recipe, seed=recipe.seed + number)
        parts.append(_compared_once(fold, ours, source, progress))
    return [_in_all(trials) for trials in zip(*parts, strict=True)]


def record(source: AnyPath = "photos", *, progress: bool = True) -> Path:
    """Measure, and keep the result as ``cnnbook/studies/results/depth.json``.

    Parameters
    ----------
    source, progress
        As for `measure`.

    Returns
    -------
    file : pathlib.Path
    """
    trials = measure(source, progress=progress)
    name, _ = find_source(source)
    return records.write_record(
        "depth",
        {
            "source": name,
            "folds": held_out.FOLDS,
            "budget": held_out.BUDGET,
            "recipe": asdict(recipe_for(name)),
            "trials": [asdict(trial) for trial in trials],
        },
    )


def recorded() -> list[DepthTrial]:
    """Read the trials that were recorded.

    Returns
    -------
    trials : list of DepthTrial

    Examples
    --------
    >>> [trial.stages for trial in recorded()]
    [1, 2, 3, 4]
    """
    return [_read(trial) for trial in records.read_record("depth")["trials"]]


def _compared_once(pets, recipe, source, progress):
    """Compare depths on one part of the pictures, or find that it was done."""
    key = build_folder.key_of(
        "studies.depth",
        source=pets.source,
        pictures=fingerprint(source),
        recipe=asdict(recipe),
        learned=checkpoints.digest(pets.train),
        judged=checkpoints.digest(pets.validation),
    )

    def find():
        trials = compare_depths(pets, recipe, progress=progress)
        return [asdict(trial) for trial in trials]

    return [_read(trial) for trial in build_folder.found_once("depth", key, find)]


def _in_all(trials):
    """Put together what the same network reached on all that was held out."""
    counts = [trial.metrics.count for trial in trials]
    return replace(
        trials[0],
        seconds=sum(trial.seconds for trial in trials),
        gained=sum(trial.gained for trial in trials),
        lost=sum(trial.lost for trial in trials),
        metrics=Metrics(
            accuracy=float(
                np.average([t.metrics.accuracy for t in trials], weights=counts)
            ),
            loss=float(np.average([t.metrics.loss for t in trials], weights=counts)),
            count=sum(counts),
        ),
    )


def _read(trial):
    """Make a trial of what JSON keeps."""
    return DepthTrial(**trial | {"metrics": Metrics(**trial["metrics"])})


def multiplications(network: keras.Model) -> int:
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
