"""Photographs that a network needs, from scratch and on VGG19's shoulders."""

import sys
import time
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cnnbook.networks import classifier, vgg
from cnnbook.pictures.pets import Split, fingerprint, load_pets
from cnnbook.storage import build_folder
from cnnbook.storage.repository import AnyPath
from cnnbook.studies import records
from cnnbook.training import checkpoints, descriptions, loop, recipes, transfer
from cnnbook.training.descriptions import BATCH_SIZE
from cnnbook.training.metrics import binomial_interval, evaluate

COUNTS = (50, 100, 200, 500, 1000, 2000)

# Other pictures of the same number give another result, the fewer the more so.
DRAWS = 3

# Rows and columns that VGG19 sees: the photographs of the collection have hardly more.
SIZE = 192

# Out of these the layer is chosen, on training pictures alone.
LAYERS = ("block3_conv4", "block4_conv4", "block5_conv4")

# Training pictures that tell which mixtures there are; their labels play no part.
TELLING = 100

# A network that learns from scratch sees each picture so often at most.
MOST_EPOCHS = 200


def record(source: AnyPath = "photos", *, progress: bool = True) -> Path:
    """Keep both learning curves as ``cnnbook/studies/results/transfer.json``.

    Parameters
    ----------
    source : str or path
        As in `pictures.load_pets`.
    progress : bool
        Whether to report on stderr.

    Returns
    -------
    file : pathlib.Path

    Raises
    ------
    FileNotFoundError
        If the results of the classifier have not been measured before.
    """
    pets = load_pets(source, size=SIZE)
    network = vgg.load_vgg19()
    pairs = descriptions.mixtures(network, pets.train.images[:TELLING], LAYERS)
    described = {
        part: descriptions.features(
            network, split.images, LAYERS, pairs=pairs, progress=progress
        )
        for part, split in (("train", pets.train), ("validation", pets.validation))
    }
    recipe = recipes.recipe_for(pets.source)
    ours = load_pets(source, size=recipe.size)
    points = []
    for count in (n for n in COUNTS if n <= len(pets.train)):
        ends = _on_shoulders(described, pets, count)
        scratch = _from_scratch(source, recipe, ours, count)
        points.append({"count": count, "transfer": ends, "scratch": scratch})
        if progress:
            print(
                f"{count} pictures: on {' or '.join(sorted(set(ends['layers'])))} "
                f"{np.mean(ends['accuracies']):.1%}, from scratch "
                f"{np.mean(scratch['accuracies']):.1%} ({scratch['seconds']:.0f} s)",
                file=sys.stderr,
                flush=True,
            )
    best = points[-1]["transfer"]["accuracies"][0]
    judged = len(pets.validation)
    return records.write_record(
        "transfer",
        {
            "source": pets.source,
            "judged": judged,
            "weights": network.provenance.label,
            "size": SIZE,
            "mixtures": {n: m.directions.shape[1] for n, m in pairs.items()},
            "seconds_per_picture": _seconds_per_picture(
                network, pets.train.images, pairs
            ),
            "points": points,
            "interval": binomial_interval(round(best * judged), judged),
        },
    )


def subset(labels: np.ndarray, count: int, draw: int) -> npt.NDArray[np.intp]:
    """Choose some pictures, of every class alike.

    Parameters
    ----------
    labels : ndarray of shape (N,), int
    count : int
        How many in all.
    draw : int
        Decides which.

    Returns
    -------
    numbers : ndarray of shape (count,), int
        Fewer, if a class has too few.

    Examples
    --------
    >>> labels = np.array([0, 1] * 50)
    >>> np.bincount(labels[subset(labels, 10, draw=0)]).tolist()
    [5, 5]
    """
    classes = np.unique(labels)
    rng = np.random.default_rng(draw)
    chosen = [
        rng.permutation(np.flatnonzero(labels == label))[: count // len(classes)]
        for label in classes
    ]
    return np.sort(np.concatenate(chosen))


def _draws(split, count):
    """List which pictures are learned from: several choices, as far as there are."""
    draws = min(DRAWS, len(split) // count)
    return [subset(split.labels, count, draw) for draw in range(draws)]


def _on_shoulders(described, pets, count):
    """Train ends on so many pictures: their layers and accuracies, the seconds of one.

    The layer is chosen by the pictures that are learned from, and by no others.
    """
    layers, accuracies, classes = [], [], len(pets.class_names)
    start = time.monotonic()
    for chosen in _draws(pets.train, count):
        labels = pets.train.labels[chosen]
        learned = {name: array[chosen] for name, array in described["train"].items()}
        layer, _ = transfer.best_layer(learned, labels, classes)
        end = transfer.fit_end(learned[layer], labels, classes)
        answers = end.predict(described["validation"][layer]).argmax(axis=1)
        layers.append(layer)
        accuracies.append(float((answers == pets.validation.labels).mean()))
    seconds = (time.monotonic() - start) / len(accuracies)
    return {"layers": layers, "accuracies": accuracies, "seconds": seconds}


def _from_scratch(source, recipe, pets, count):
    """Train the book's classifier on so many pictures: accuracies, seconds of one.

    On all of them it was trained before, for the results of the classifier.
    """
    epochs = min(MOST_EPOCHS, round(recipe.pictures / count))
    if count == len(pets.train):
        return _together(records.read_record("classifier")["runs"], epochs)
    outcomes = []
    for draw, chosen in enumerate(_draws(pets.train, count)):
        few = Split(pets.train.images[chosen], pets.train.labels[chosen])
        own = replace(recipe, seed=recipe.seed + draw)
        key = build_folder.key_of(
            "training.loop",
            "pictures.pets",
            pictures=fingerprint(source),
            recipe=asdict(own),
            learned=checkpoints.digest(few),
            epochs=epochs,
        )
        find = partial(_outcome, own, few, pets.validation, epochs)
        outcomes.append(build_folder.found_once("trials", key, find))
    return _together(outcomes, epochs)


def _together(outcomes, epochs):
    """Put outcomes of several trainings together."""
    return {
        "accuracies": [outcome["accuracy"] for outcome in outcomes],
        "seconds": float(np.mean([outcome["seconds"] for outcome in outcomes])),
        "epochs": epochs,
    }


def _outcome(recipe, learned, judged, epochs):
    """Train once from scratch: the accuracy and the seconds."""
    classes = int(learned.labels.max()) + 1
    network = classifier.build_classifier(
        learned.images.shape[1:], classes, filters=recipe.filters
    )
    start = time.monotonic()
    loop.train(
        network,
        learned,
        judged,
        epochs=epochs,
        seed=recipe.seed,
        **recipe.rates,
        progress=False,
    )
    seconds = time.monotonic() - start
    return {"accuracy": evaluate(network, judged).accuracy, "seconds": seconds}


def _seconds_per_picture(network, images, pairs):
    """Measure how long one picture takes to be described."""
    some = images[: 3 * BATCH_SIZE]
    descriptions.describe(network, some[:BATCH_SIZE], LAYERS, pairs=pairs)  # compiles
    start = time.monotonic()
    descriptions.describe(network, some, LAYERS, pairs=pairs)
    return (time.monotonic() - start) / len(some)
