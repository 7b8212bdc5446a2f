"""How good is the book's classifier?  From scratch, several times, on photographs."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cnnbook.networks import files
from cnnbook.pictures.pets import load_pets
from cnnbook.storage import downloads
from cnnbook.studies import records
from cnnbook.training import calibration, recipes
from cnnbook.training.built import train_by_recipe, train_for_book
from cnnbook.training.metrics import binomial_interval, confusion_matrix, predict

if TYPE_CHECKING:
    from cnnbook.pictures.pets import Split

SEEDS = (0, 1, 2)

# The thresholds on "dog" that the chapter on mistakes draws a curve through.
THRESHOLDS = tuple(np.linspace(0.05, 0.95, 19).round(2).tolist())


def record(*, progress: bool = True) -> Path:
    """Train once for each seed, judge each once, and keep the numbers and a network.

    The numbers go to ``cnnbook/studies/results/classifier.json``, the network of the
    first seed (the first, whatever it reaches) to
    ``cnnbook/networks/weights/classifier.keras``.

    Parameters
    ----------
    progress : bool
        Whether to report on stderr.

    Returns
    -------
    file : pathlib.Path

    Raises
    ------
    ValueError
        If there are no photographs on this machine.
    """
    # Of the other sources, the seed decides who is held out, too.
    source = "photos"
    recipe = recipes.recipe_for(source)
    trained = [
        train_by_recipe(replace(recipe, seed=seed), source, progress=progress)
        for seed in SEEDS
    ]
    pets = load_pets(source, size=recipe.size)
    answers = [predict(built.model, pets.validation.images) for built in trained]
    first = trained[0]
    runs = [
        _run(built, probabilities, pets.validation.labels)
        for built, probabilities in zip(trained, answers, strict=True)
    ]
    accuracies = [run["accuracy"] for run in runs]
    mean, count = float(np.mean(accuracies)), len(pets.validation)
    files.SHIPPED.parent.mkdir(exist_ok=True)
    files.save_classifier(first.model, files.SHIPPED)
    return records.write_record(
        "classifier",
        {
            "source": source,
            "attribution": pets.attribution,
            "counts": {"train": len(pets.train), "validation": count},
            "class_names": pets.class_names,
            "recipe": asdict(recipe),
            "epochs": first.epochs,
            "parameters": first.model.count_params(),
            "runs": runs,
            "mean": mean,
            "range": [min(accuracies), max(accuracies)],
            # All seeds were judged on the same pictures, which therefore count once.
            "interval": binomial_interval(round(mean * count), count),
            "shipped": {
                "sha256": downloads.digest_of(files.SHIPPED),
                **_portrait(answers[0], pets.validation),
            },
        },
    )


def record_build(*, progress: bool = True) -> Path:
    """Train on photographs as a build of the book does, and keep the numbers.

    They go to ``cnnbook/studies/results/build.json``; see `training.book_recipe_for`.

    Parameters
    ----------
    progress : bool
        Whether to report on stderr.

    Returns
    -------
    file : pathlib.Path

    Raises
    ------
    ValueError
        If there are no photographs on this machine.
    """
    source = "photos"
    built = train_for_book(source, progress=progress)
    validation = load_pets(source, size=built.recipe.size).validation
    return records.write_record(
        "build",
        {
            "source": source,
            "counts": built.counts,
            "recipe": asdict(built.recipe),
            "epochs": built.epochs,
            **_run(built, predict(built.model, validation.images), validation.labels),
        },
    )


def shipped_reliability() -> calibration.Reliability:
    """Read how sure the network in the package is, and how often right.

    Returns
    -------
    reliability : training.Reliability
        On the photographs that it was judged by.

    Examples
    --------
    >>> int(shipped_reliability().counts.sum())
    1000
    """
    recorded = records.read_record("classifier")["shipped"]["reliability"]
    arrays = {name: np.array(values, float) for name, values in recorded.items()}
    return calibration.Reliability(**arrays | {"counts": arrays["counts"].astype(int)})


def shipped_thresholds() -> calibration.Thresholds:
    """Read what each threshold on "dog" would do with the network in the package.

    Returns
    -------
    measured : training.Thresholds
        On the photographs that it was judged by.

    Examples
    --------
    >>> shipped_thresholds().thresholds[[0, -1]].tolist()
    [0.05, 0.95]
    """
    recorded = records.read_record("classifier")["shipped"]["thresholds"]
    return calibration.Thresholds(**{k: np.array(v) for k, v in recorded.items()})


def _run(built, probabilities, labels):
    """Write out what one seed reached."""
    answers = probabilities.argmax(axis=1)
    right = int((answers == labels).sum())
    return {
        "seed": built.recipe.seed,
        "accuracy": right / len(labels),
        "interval": binomial_interval(right, len(labels)),
        "loss": built.metrics.loss,
        "calibration_error": calibration.reliability(probabilities, labels).error,
        "confusion": confusion_matrix(labels, answers, probabilities.shape[1]).tolist(),
        "seconds": built.seconds,
    }


def _portrait(probabilities, split):
    """Write out how sure the shipped network is, and what it gets wrong."""
    reliability = calibration.reliability(probabilities, split.labels)
    thresholds = calibration.at_thresholds(probabilities, split.labels, 1, THRESHOLDS)
    right = probabilities.argmax(axis=1) == split.labels
    groups = {}
    for name, members in photo_groups(split).items():
        count = int(members.sum())
        if count:
            good = int(right[members].sum())
            groups[name] = {
                "count": count,
                "right": good,
                "interval": binomial_interval(good, count),
            }
    return {
        "seed": SEEDS[0],
        "reliability": {
            # JSON has no "not a number"; null stands for an empty bin.
            field: [None if np.isnan(v) else float(v) for v in values]
            for field, values in vars(reliability).items()
        },
        "thresholds": {
            field: values.tolist() for field, values in vars(thresholds).items()
        },
        "groups": groups,
    }


def photo_groups(split: Split) -> dict[str, npt.NDArray[np.bool_]]:
    """Tell which photographs are hard in which way.

    Parameters
    ----------
    split : pictures.Split
        Photographs of the "photos" source.

    Returns
    -------
    groups : dict of str to ndarray of shape (N,), bool
        "dark": the darkest tenth, measured.  The others were judged by eye, on the
        validation photographs, and are kept in ``results/photo-groups.json``, which
        says what each means and which photographs were looked at.  "none of these":
        those that were, and are in no group.
    """
    brightness = split.images.mean(axis=(1, 2, 3))
    groups = {"dark": brightness <= np.quantile(brightness, 0.1)}
    record = records.read_record("photo-groups")
    for name, about in record["groups"].items():
        groups[name] = np.isin(split.files, about["photos"])
    looked_at = np.isin(split.files, record["looked_at"])
    groups["none of these"] = looked_at & ~np.any(list(groups.values()), axis=0)
    return groups
