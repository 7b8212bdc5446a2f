"""The classifier that a build trains, once, and what is kept of it."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cnnbook.networks.classifier import build_classifier
from cnnbook.networks.files import load_classifier, save_classifier
from cnnbook.pictures.pets import find_source, fingerprint, load_pets
from cnnbook.storage import build_folder
from cnnbook.storage.repository import AnyPath
from cnnbook.training.loop import train
from cnnbook.training.metrics import Metrics, evaluate
from cnnbook.training.recipes import Recipe, book_recipe_for

if TYPE_CHECKING:
    import keras

# Epochs whose weights are kept, 0 being before the first: most is learned early.
CHECKPOINTS = (0, 1, 2, 4, 8, 16, 32)


@dataclass(frozen=True)
class BuiltClassifier:
    """The classifier that this build trained, and how that went.

    Attributes
    ----------
    folder : pathlib.Path
        Where it is kept.
    source : str
        What it was trained on; as ``Pets.source``.
    class_names : tuple of str
    attribution : str
        Where the pictures come from, as a caption can say it.
    counts : dict of str to int
        Pictures in "train" and "validation".
    recipe : Recipe
    epochs : int
    history : dict of str to list of float
        From `train`.
    metrics : Metrics
        On the validation pictures.
    parameters : int
        Of the network.
    seconds : float
        Time that training took.
    versions : dict of str to str
        Of Python and the packages that it was trained with.
    """

    folder: Path
    source: str
    class_names: tuple[str, ...]
    attribution: str
    counts: dict[str, int]
    recipe: Recipe
    epochs: int
    history: dict[str, list[float]]
    metrics: Metrics
    parameters: int
    seconds: float
    versions: dict[str, str]

    @cached_property
    def model(self) -> keras.Model:
        """Load the network, a keras.Model; this imports TensorFlow."""
        return load_classifier(self.folder / "network.keras")

    @cached_property
    def checkpoints(self) -> dict[int, list[np.ndarray]]:
        """Read the weights kept during training.

        ``{epochs done: list of ndarray}``, each list for ``model.set_weights``.
        """
        with np.load(self.folder / "checkpoints.npz") as arrays:
            kept: dict[int, list[np.ndarray]] = {}
            for name in arrays.files:  # "epoch/number", in the order of writing
                kept.setdefault(int(name.split("/")[0]), []).append(arrays[name])
        return kept


def train_for_book(
    source: AnyPath = "auto", *, progress: bool = True
) -> BuiltClassifier:
    """Train the book's classifier; if this was done before, answer at once.

    It is trained again when anything that decides it has changed: the code of this
    module and of all that it imports, the pictures, the recipe, or the versions of
    the packages.  The machine and its arithmetic (``TF_ENABLE_ONEDNN_OPTS``) do not
    count.

    Parameters
    ----------
    source : str or path
        As in `pictures.load_pets`.
    progress : bool
        Whether to report on stderr.

    Returns
    -------
    built : BuiltClassifier
        Kept in ``_build/classifier``; see `storage.find_build_folder`.

    Raises
    ------
    ValueError
        If the source is not on this machine, or there is no folder to build in.
    """
    name, _ = find_source(source)
    return train_by_recipe(book_recipe_for(name), source, progress=progress)


def train_by_recipe(
    recipe: Recipe, source: AnyPath = "auto", *, progress: bool = True
) -> BuiltClassifier:
    """Train a classifier by a recipe; if this was done before, answer at once.

    Parameters
    ----------
    recipe : Recipe
    source, progress
        As for `train_for_book`.

    Returns
    -------
    built : BuiltClassifier
    """
    name, _ = find_source(source)
    key = build_folder.key_of(
        "training.built",
        source=name,
        pictures=fingerprint(source),
        recipe=asdict(recipe),
    )
    folder = build_folder.made_once(
        "classifier",
        key,
        lambda unfinished: _train_into(unfinished, source, recipe, progress),
    )
    facts = json.loads((folder / "facts.json").read_text(encoding="utf8"))
    return BuiltClassifier(
        **facts
        | {
            "folder": folder,
            "class_names": tuple(facts["class_names"]),
            "recipe": recipe,
            "metrics": Metrics(**facts["metrics"]),
        }
    )


def load_built_classifier() -> keras.Model:
    """Return the network of this build, training it first if need be.

    Returns
    -------
    classifier : keras.Model
        ``train_for_book().model``.
    """
    return train_for_book().model


def _train_into(folder, source, recipe, progress):
    """Train by the recipe; write the network, its checkpoints and the facts."""
    pets = load_pets(source, size=recipe.size, seed=recipe.seed)
    epochs = recipe.epochs(len(pets.train))
    if progress:
        print(
            f"The book's classifier learns from {len(pets.train):,} pictures, "
            f"{epochs} times each: {pets.attribution}",
            file=sys.stderr,
            flush=True,
        )
    model = build_classifier(
        pets.train.images.shape[1:], len(pets.class_names), filters=recipe.filters
    )
    arrays = {}

    def keep(epoch):
        if epoch in CHECKPOINTS or epoch == epochs:
            for number, array in enumerate(model.get_weights()):
                arrays[f"{epoch}/{number}"] = array

    start = time.monotonic()
    history = train(
        model,
        pets.train,
        pets.validation,
        epochs=epochs,
        seed=recipe.seed,
        **recipe.rates,
        after_epoch=keep,
        progress=progress,
    )
    seconds = time.monotonic() - start
    save_classifier(model, folder / "network.keras", class_names=pets.class_names)
    np.savez(folder / "checkpoints.npz", **arrays)
    facts = {
        "source": pets.source,
        "class_names": pets.class_names,
        "attribution": pets.attribution,
        "counts": {"train": len(pets.train), "validation": len(pets.validation)},
        "epochs": epochs,
        "history": history,
        "metrics": asdict(evaluate(model, pets.validation)),
        "parameters": model.count_params(),
        "seconds": seconds,
        "versions": build_folder.versions(),
    }
    (folder / "facts.json").write_text(json.dumps(facts, indent=1), encoding="utf8")
