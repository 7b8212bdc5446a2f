"""Photographs that a network needs, from scratch and on VGG19's shoulders."""

import json
import sys
import time
from dataclasses import asdict

import numpy as np

from cnnbook import build_folder, checkpoints, data, model, records, transfer, vgg
from cnnbook.scores import binomial_interval, evaluate

COUNTS = (50, 100, 200, 500, 1000, 2000)

# Other pictures of the same number give another result, the fewer the more so.
DRAWS = 5

# Rows and columns that VGG19 sees: the photographs of the collection have hardly more.
SIZE = 192

# Out of these the layer is chosen, on training pictures alone.
LAYERS = ("block3_conv4", "block4_conv4", "block5_conv4")

# A network that learns from scratch sees each picture so often at most.
MOST_EPOCHS = 200


def record(source="photos", *, progress=True):
    """Measure both learning curves; keep them as ``cnnbook/results/transfer.json``.

    Parameters
    ----------
    source : str or path
        As in `data.load_pets`.
    progress : bool
        Whether to report on stderr.

    Returns
    -------
    file : pathlib.Path
    """
    pets = data.load_pets(source, size=SIZE)
    network = vgg.load_vgg19()
    start = time.monotonic()
    described = {
        part: transfer.features(network, split.images, LAYERS, progress=progress)
        for part, split in (("train", pets.train), ("validation", pets.validation))
    }
    seconds = time.monotonic() - start
    classes = len(pets.class_names)
    layer, held_out = transfer.best_layer(
        described["train"], pets.train.labels, classes
    )
    recipe = model.RECIPES.get(pets.source, model.PHOTOGRAPHS)
    ours = data.load_pets(source, size=recipe.size)
    points = []
    for count in (n for n in COUNTS if n <= len(pets.train)):
        ends = _on_shoulders(described, layer, pets, count)
        scratch = _from_scratch(source, recipe, ours, count)
        points.append({"count": count, "transfer": ends, "scratch": scratch})
        if progress:
            print(
                f"{count} pictures: on {layer} {np.mean(ends['accuracies']):.1%}, from "
                f"scratch {scratch['accuracy']:.1%} ({scratch['seconds']:.0f} s)",
                file=sys.stderr,
                flush=True,
            )
    best = points[-1]["transfer"]["accuracies"][0]
    judged = len(pets.validation)
    return records.write(
        "transfer",
        {
            "source": pets.source,
            "judged": judged,
            "weights": network.provenance.label,
            "size": SIZE,
            "layer": layer,
            "held_out_accuracy": held_out,
            "seconds_for_features": seconds,
            "points": points,
            "interval": binomial_interval(round(best * judged), judged),
        },
    )


def subset(labels, count, draw):
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


def _on_shoulders(described, layer, pets, count):
    """Train ends on so many pictures: their accuracies, and the seconds of one."""
    accuracies, classes = [], len(pets.class_names)
    start = time.monotonic()
    for draw in range(DRAWS if count < len(pets.train) else 1):
        chosen = subset(pets.train.labels, count, draw)
        end = transfer.fit_end(
            described["train"][layer][chosen], pets.train.labels[chosen], classes
        )
        answers = end.predict(described["validation"][layer]).argmax(axis=1)
        accuracies.append(float((answers == pets.validation.labels).mean()))
    seconds = (time.monotonic() - start) / len(accuracies)
    return {"accuracies": accuracies, "seconds": seconds}


def _from_scratch(source, recipe, pets, count):
    """Train the book's classifier on so many pictures: its accuracy and seconds."""
    epochs = min(MOST_EPOCHS, round(recipe.pictures / count))
    chosen = subset(pets.train.labels, count, draw=0)
    few = data.Split(pets.train.images[chosen], pets.train.labels[chosen])

    def make(folder):
        network = model.build_classifier(
            few.images.shape[1:], len(pets.class_names), filters=recipe.filters
        )
        start = time.monotonic()
        model.train(
            network,
            few,
            pets.validation,
            epochs=epochs,
            seed=recipe.seed,
            learning_rate=recipe.learning_rate,
            weight_decay=recipe.weight_decay,
            progress=False,
        )
        outcome = {
            "accuracy": evaluate(network, pets.validation).accuracy,
            "seconds": time.monotonic() - start,
            "epochs": epochs,
        }
        (folder / "outcome.json").write_text(json.dumps(outcome), encoding="utf8")

    key = build_folder.key_of(
        "training",
        "data",
        pictures=data.fingerprint(source),
        recipe=asdict(recipe),
        learned=checkpoints.digest(few),
        epochs=epochs,
    )
    folder = build_folder.made_once("trials", key, make)
    return json.loads((folder / "outcome.json").read_text(encoding="utf8"))
