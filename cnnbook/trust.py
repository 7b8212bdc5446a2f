"""Which maps can be trusted?  All methods, on drawn pets whose truth is known."""

import sys
import time
from functools import partial

from cnnbook import data, evaluation, explanations, model, records, truth
from cnnbook.scores import evaluate as score

COUNT = 200  # pets, half of them cats
SEED = 2026  # of pets that no network learned from
SIZE = 96
TOLERANCE = 2  # pixels round whiskers

# Nothing but what is said here differs from the methods' own choices.
OPTIONS = {
    "occlusion": {"window": 12, "stride": 6},
    "lime": {"samples": 300},
    "smooth-grad": {"samples": 12},
    "integrated-gradients": {"steps": 16, "baseline": 0.5},
}


def record(source="drawn", *, progress=True):
    """Measure every method; keep the figures as ``cnnbook/results/trust.json``.

    Parameters
    ----------
    source : str
        What the classifier examined was trained on; as in `data.load_pets`.
    progress : bool
        Whether to report on stderr.

    Returns
    -------
    file : pathlib.Path
    """
    built = model.train_for_book(source)
    pets = data.draw_pets(COUNT, size=SIZE, seed=SEED)
    images = (pets.images / 255).astype("float32")
    masks = truth.telling_parts(pets.part_masks, tolerance=TOLERANCE)
    methods = []
    for name in explanations.METHODS:
        start = time.monotonic()
        method = partial(explanations.METHODS[name], **OPTIONS.get(name, {}))
        found = evaluation.evaluate(
            method, built.model, images, pets.labels, masks=masks
        )
        methods.append(
            {
                "method": found.explanation.method,
                "name": name,
                "layer": found.explanation.layer,
                "options": OPTIONS.get(name, {}),
                "seconds": time.monotonic() - start,
                "random_weights": {
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
    return records.write(
        "trust",
        {
            "source": built.source,
            "count": COUNT,
            "seed": SEED,
            "tolerance": TOLERANCE,
            "accuracy": score(built.model, pets).accuracy,
            "methods": methods,
        },
    )
