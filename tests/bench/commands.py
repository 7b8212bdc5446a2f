"""How soon the package and its commands answer, where no network has to be loaded."""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from tests.bench.measuring import Row

ROOT = Path(__file__).parents[2]
CNNBOOK = (sys.executable, "-m", "cnnbook")
TEST = "tests/layers/test_operations.py::test_conv2d_by_hand"
ONE_TEST = (sys.executable, "-m", "pytest", "--quiet", TEST)
CHAPTER = ("make", "chapter", "NAME=pooling")

# What each command is asked, and that it cannot do.
REFUSED = {
    "predict, of a photo that is not there": "predict none.png",
    "explain, by an unknown method": "explain none.png --method magic",
    "maps, to a picture of an unknown kind": "maps none.png --out maps.unknown",
    "train, on a folder that is not there": "train nowhere",
    "export, of a network that is not there": "export none.keras",
}


def measure():
    rows = [
        Row(
            f"`cnnbook` refuses to {what}",
            seconds([*CNNBOOK, *command.split()], 1),
            1,
            "s",
        )
        for what, command in REFUSED.items()
    ]
    start, imported = (
        seconds([sys.executable, "-c", code]) for code in ("pass", "import cnnbook")
    )
    return [
        Row("`import cnnbook`, beyond Python's start", imported - start, 0.1, "s"),
        *rows,
        Row("`cnnbook info`", seconds([*CNNBOOK, "info"]), 2, "s"),
        Row("one test alone that needs no TensorFlow", seconds(ONE_TEST), 2, "s"),
        Row("`make chapter NAME=pooling` once more", seconds(CHAPTER), 10, "s"),
    ]


def seconds(command, code=0, repeat=5):
    """Return the median time of a command, its start included."""
    taken = []
    for _ in range(repeat + 1):
        start = time.perf_counter()
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=os.environ | {"BROWSER": "true"},  # no page is to be opened
            capture_output=True,
            check=False,
        )
        taken.append(time.perf_counter() - start)
        assert done.returncode == code, done.stderr
    return statistics.median(taken[1:])  # the first one fills caches
