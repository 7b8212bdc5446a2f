"""How long the tests take: all of them, and those for the time between commits."""

import subprocess
import time
from pathlib import Path

from tests.bench.measuring import Row

ROOT = Path(__file__).parents[2]
MOST = {"test": 480, "check": 90}  # seconds


def measure():
    return [
        Row(f"`make {target}`", seconds(target), most, "s")
        for target, most in MOST.items()
    ]


def seconds(target):
    """Run one target on the book that was built last."""
    start = time.perf_counter()
    subprocess.run(["make", target], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start
