"""How long the tests take: all of them, and those for the time between commits."""

import subprocess
import sys
import time
from pathlib import Path

from tests.bench.measuring import Row

ROOT = Path(__file__).parents[2]
MOST = {"test": 480, "check": 90}  # seconds
BEFORE = {"test": "was 50 min 28 s", "check": ""}


def measure():
    return [
        Row(f"`make {target}`", seconds(target), most, "s", note=BEFORE[target])
        for target, most in MOST.items()
    ]


def seconds(target):
    """Run one target on the book that was built last."""
    start = time.perf_counter()
    done = subprocess.run(
        ["make", target], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.stdout[-4000:])
    return time.perf_counter() - start
