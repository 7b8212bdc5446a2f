"""How good the book's classifier is, and how long it learns, from each source."""

import os
import tempfile

import numpy as np

from cnnbook import data, model
from tests.bench.measuring import Row


def measure():
    rows = [linear()]
    # Seconds on two cores: a minute for drawings, six for photographs.
    for source, accuracy, seconds in (("drawn", 0.97, 60), ("photos", 0.78, 360)):
        if source == "photos" and not os.environ.get("CNNBOOK_PHOTOS"):
            print("  CNNBOOK_PHOTOS is not set: photographs were left out")
            continue
        with tempfile.TemporaryDirectory() as folder:
            os.environ["CNNBOOK_BUILD"] = folder  # an empty cache
            built = model.train_for_book(source)
            del os.environ["CNNBOOK_BUILD"]
        low, high = model.binomial_interval(
            round(built.scores.accuracy * built.scores.count), built.scores.count
        )
        note = f"{built.scores.count} pictures, {low:.1%} to {high:.1%}"
        rows += [
            Row(
                f"classifier on {source}, validation accuracy",
                built.scores.accuracy,
                accuracy,
                "",
                at_most=False,
                note=note,
            ),
            Row(f"classifier on {source}, training", built.seconds, seconds, "s"),
        ]
    return rows


def linear():
    """The best of some ridge regressions on the pixels of drawn pets."""
    pets = data.load_pets("drawn", size=64)
    train, validation = (
        split.images.reshape(len(split), -1) / 127.5 - 1
        for split in (pets.train, pets.validation)
    )
    signs = 2 * pets.train.labels - 1
    best = 0.0
    for penalty in 10.0 ** np.arange(1, 7):
        # In its dual form: there are more pixels than pictures.
        gram = train @ train.T + penalty * np.eye(len(signs))
        weights = train.T @ np.linalg.solve(gram, signs)
        right = (validation @ weights > 0) == pets.validation.labels
        best = max(best, float(right.mean()))
    return Row("linear model on drawn pixels, validation accuracy", best, 0.75, "")
