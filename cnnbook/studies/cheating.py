"""Two networks for the chapter on cheating: one was shown a cue that tells too much."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnbook.networks import classifier, files
from cnnbook.pictures.drawing import pets
from cnnbook.pictures.drawing.pets import DrawnPets
from cnnbook.pictures.pets import Split
from cnnbook.storage import build_folder
from cnnbook.training import loop, metrics
from cnnbook.training.metrics import Metrics

if TYPE_CHECKING:
    import keras

# Pictures to learn from and to judge by, and how often each is seen.
LEARNED, JUDGED = 1600, 400
EPOCHS = 10
LEARNING_RATE = 0.002
SIZE, SEED = 96, 0


@dataclass(frozen=True)
class Pupil:
    """A network, and what it was taught with.

    Attributes
    ----------
    folder : pathlib.Path
        Where it is kept.
    history : dict of str to list of float
        From `training.train`.
    metrics : Metrics
        On pictures like those that it learned from.
    seconds : float
        Time that training took.
    """

    folder: Path
    history: dict[str, list[float]]
    metrics: Metrics
    seconds: float

    @cached_property
    def model(self) -> keras.Model:
        """Load the network, a keras.Model."""
        return files.load_classifier(self.folder / "network.keras")


def collection(tags: str, count: int = JUDGED, *, seed: int = SEED + 1) -> DrawnPets:
    """Draw pets whose tags tell the class, or do not, or lie.

    Parameters
    ----------
    tags : str
        "telling": every cat wears a yellow tag and every dog a violet one;
        "random": who wears a tag, and of which colour, is drawn by lot;
        "swapped": every cat wears a violet tag and every dog a yellow one.
    count, seed : int
        As in `pictures.draw_pets`.  The same seed draws the same animals.

    Returns
    -------
    pets : pictures.DrawnPets

    Raises
    ------
    ValueError
        If tags are something else.

    Examples
    --------
    >>> pets = collection("swapped", 4)
    >>> sorted(zip(pets.labels.tolist(), pets.factors["tag"].tolist()))
    [(0, 'violet'), (0, 'violet'), (1, 'yellow'), (1, 'yellow')]
    """
    options: dict[str, dict[str, Any]] = {
        "telling": {"cheat": 1.0},
        "random": {"cheat": 0.0},
        "swapped": {"cheat": 1.0, "cheat_tags": pets.CHEAT_TAGS[::-1]},
    }
    if tags not in options:
        raise ValueError(f"tags must be one of {', '.join(options)}; got {tags!r}")
    return pets.draw_pets(count, size=SIZE, seed=seed, **options[tags])


def train_for_chapter(*, progress: bool = True) -> dict[str, Pupil]:
    """Train both networks; if this was done before, answer at once.

    Parameters
    ----------
    progress : bool
        Whether to report on stderr.

    Returns
    -------
    pupils : dict of str to Pupil
        "telling" and "random": what tags they learned with.  Both saw the same animals.

    Raises
    ------
    ValueError
        If there is no folder to build in.
    """
    return {tags: _pupil(tags, progress) for tags in ("telling", "random")}


def _pupil(tags, progress):
    """Train one network, or find it."""

    def make(folder):
        if progress:
            print(f"A network for drawn pets with {tags} tags:", file=sys.stderr)
        learned, judged = collection(tags, LEARNED, seed=SEED), collection(tags, JUDGED)
        network = classifier.build_classifier((SIZE, SIZE, 3))
        start = time.monotonic()
        history = loop.train(
            network,
            Split(learned.images, learned.labels),
            Split(judged.images, judged.labels),
            epochs=EPOCHS,
            seed=SEED,
            learning_rate=LEARNING_RATE,
            progress=progress,
        )
        facts = {
            "history": history,
            "metrics": asdict(metrics.evaluate(network, judged)),
            "seconds": time.monotonic() - start,
        }
        files.save_classifier(network, folder / "network.keras")
        (folder / "facts.json").write_text(json.dumps(facts), encoding="utf8")

    key = build_folder.key_of("studies.cheating", tags=tags)
    folder = build_folder.made_once("cheating", key, make)
    facts = json.loads((folder / "facts.json").read_text(encoding="utf8"))
    return Pupil(folder=folder, **facts | {"metrics": Metrics(**facts["metrics"])})
