"""Which maps can be trusted?  All methods, on drawn pets whose truth is known."""

import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from cnnbook.explanations import assessment, truth
from cnnbook.explanations.methods import METHODS, explain
from cnnbook.pictures.drawing.pets import DrawnPets, draw_pets
from cnnbook.storage import build_folder
from cnnbook.studies import records
from cnnbook.training.built import BuiltClassifier, train_for_book
from cnnbook.training.metrics import evaluate
from cnnbook.training.recipes import book_recipe_for

COUNT = 200  # pets, half of them cats
SEED = 2026  # of pets that no network learned from
SIZE = 96
TOLERANCE = 2  # pixels round whiskers
GREY = 0.5  # what stands where a part is hidden

# Nothing but what is said here differs from the methods' own choices.
OPTIONS: dict[str, dict[str, Any]] = {
    "occlusion": {"window": 12, "stride": 6, "baseline": GREY},
    "lime": {"samples": 300},
    "smooth-grad": {"samples": 12},
    "integrated-gradients": {"steps": 16, "baseline": GREY},
}


# When we would trust a method: the worse end of each interval keeps to its bound.
BOUNDS = {
    "density": 3.0,  # at least; the others at most
    "random_density": 1.3,
    "random_weights": 0.2,
    "other_class": 0.2,
}


def drawn_classifier() -> BuiltClassifier:
    """Return the classifier whose maps are examined: the book's, from drawn pets.

    Returns
    -------
    built : training.BuiltClassifier
        Trained now if this build has not trained it yet.
    """
    return train_for_book("drawn")


def pets() -> DrawnPets:
    """Draw the pets whose maps are examined, and which no network learned from.

    Returns
    -------
    pets : pictures.DrawnPets
    """
    return draw_pets(COUNT, size=SIZE, seed=SEED)


def failures(method: Mapping[str, Any]) -> list[str]:
    """List the bounds that a method's figures do not keep.

    Parameters
    ----------
    method : dict
        One of the methods of the record: for each of `BOUNDS` a mean and the ends of
        its interval.

    Returns
    -------
    names : list of str
        Of `BOUNDS`.

    Examples
    --------
    >>> fine = {"density": (4, 3.5, 5), "random_density": (1, 0.9, 1.1),
    ...         "random_weights": (0, -0.1, 0.1), "other_class": (-0.5, -0.6, -0.4)}
    >>> failures(fine), failures(fine | {"density": (4, 2.9, 5)})
    ([], ['density'])
    """
    failed = []
    for name, bound in BOUNDS.items():
        _, low, high = method[name]
        keeps = low >= bound if name == "density" else high <= bound
        if not keeps:
            failed.append(name)
    return failed


def code_of(name: str) -> str:
    """Digest what a method's figures rest on: its code, its options, and its judges.

    Parameters
    ----------
    name : str
        One of `explanations.METHODS`.

    Returns
    -------
    key : str
        From `storage.key_of`.  Other methods do not count, not even in one module.  Of
        the network the recipe counts, not the code that trains by it.
    """
    function = METHODS[name].function
    return build_folder.key_of(
        f"{function.__module__}.{function.__name__}".removeprefix("cnnbook."),
        "explanations.assessment",
        "pictures.drawing.pets",
        recipe=asdict(book_recipe_for("drawn")),
        options=OPTIONS.get(name, {}),
        pets=[COUNT, SEED, SIZE],
        tolerance=TOLERANCE,
        baseline=GREY,
    )


def record(*, progress: bool = True) -> Path:
    """Measure the methods that are new or changed; keep what is known of the others.

    The figures are in ``cnnbook/studies/results/trust.json``, where each method says
    what it was measured with.  After an interruption, the next call goes on.

    Parameters
    ----------
    progress : bool
        Whether to report on stderr.

    Returns
    -------
    file : pathlib.Path
    """
    try:
        recorded = records.read_record("trust")["methods"]
    except FileNotFoundError:
        recorded = []
    methods = {method["name"]: method for method in recorded}
    codes = {name: code_of(name) for name in METHODS}
    wanted = [n for n in METHODS if methods.get(n, {}).get("code") != codes[n]]
    if progress:
        print(f"To measure: {', '.join(wanted) or 'nothing'}", file=sys.stderr)
    if wanted:
        model, drawn = drawn_classifier().model, pets()
    for name in wanted:
        methods[name] = {"code": codes[name]} | _measured(name, model, drawn)
        _write(methods)
        if progress:
            print(_in_words(methods[name]), file=sys.stderr, flush=True)
    return _write(methods)


def _measured(name, model, drawn):
    """Put one method to all controls; return its entry of the record."""
    images = (drawn.images / 255).astype("float32")
    masks = truth.telling_parts(drawn.part_masks, tolerance=TOLERANCE)
    options = OPTIONS.get(name, {})
    start = time.monotonic()
    found = assessment.assess(
        partial(explain, name, **options),
        model,
        images,
        drawn.labels,
        masks=masks,
        baseline=GREY,
    )
    return {
        "method": found.explanation.method,
        "name": name,
        "layer": found.explanation.layer,
        "options": options,
        **records.measured_with(),
        "seconds": time.monotonic() - start,
        "accuracy": evaluate(model, drawn).accuracy,  # of the network
        "random_from": {
            layer: float(values.mean())
            for layer, values in found.random_weights.items()
        },
        **found.summary(),
    }


def _in_words(method):
    """Say in a line how densely a method finds the telling parts."""
    density, random = (method[name][0] for name in ("density", "random_density"))
    return (
        f"{method['method']}: {density:.1f} × as dense on the telling parts, "
        f"{random:.1f} × with random weights"
    )


def _write(methods):
    """Write what is recorded of methods, in the order in which they are listed."""
    return records.write_parts(
        "trust",
        {
            "source": "drawn",
            "count": COUNT,
            "seed": SEED,
            "tolerance": TOLERANCE,
            "methods": [methods[name] for name in METHODS if name in methods],
        },
    )
