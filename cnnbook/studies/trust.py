"""Which maps can be trusted?  All methods, on drawn pets whose truth is known."""

import sys
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from cnnbook.explanations import assessment, truth
from cnnbook.explanations.methods import METHODS
from cnnbook.pictures.drawing.pets import DrawnPets, draw_pets
from cnnbook.studies import records
from cnnbook.training.built import BuiltClassifier, train_for_book
from cnnbook.training.metrics import evaluate

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


def record(*, progress: bool = True) -> Path:
    """Measure every method; keep the figures as ``cnnbook/studies/results/trust.json``.

    Parameters
    ----------
    progress : bool
        Whether to report on stderr.

    Returns
    -------
    file : pathlib.Path
    """
    built, drawn = drawn_classifier(), pets()
    images = (drawn.images / 255).astype("float32")
    masks = truth.telling_parts(drawn.part_masks, tolerance=TOLERANCE)
    methods: list[dict[str, Any]] = []
    for name in METHODS:
        start = time.monotonic()
        method = partial(METHODS[name], **OPTIONS.get(name, {}))
        found = assessment.assess(
            method, built.model, images, drawn.labels, masks=masks, baseline=GREY
        )
        methods.append(
            {
                "method": found.explanation.method,
                "name": name,
                "layer": found.explanation.layer,
                "options": OPTIONS.get(name, {}),
                "seconds": time.monotonic() - start,
                "random_from": {
                    layer: float(values.mean())
                    for layer, values in found.random_weights.items()
                },
                **found.summary(),
            }
        )
        if progress:
            density, random = (methods[-1][k][0] for k in ("density", "random_density"))
            print(
                f"{found.explanation.method}: {density:.1f} × as dense on the telling "
                f"parts, {random:.1f} × with random weights",
                file=sys.stderr,
                flush=True,
            )
    return records.write_record(
        "trust",
        {
            "source": built.source,
            "count": COUNT,
            "seed": SEED,
            "tolerance": TOLERANCE,
            "accuracy": evaluate(built.model, drawn).accuracy,
            "methods": methods,
        },
    )
