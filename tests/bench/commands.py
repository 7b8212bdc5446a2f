"""How soon the commands say no, where no network has to be loaded for it."""

import statistics
import subprocess
import sys
import time

from tests.bench.measuring import Row

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
        Row(f"`cnnbook` refuses to {what}", seconds(command.split(), 1), 1, "s")
        for what, command in REFUSED.items()
    ]
    return [*rows, Row("`cnnbook info`", seconds(["info"], 0), 2, "s")]


def seconds(arguments, code, repeat=5):
    """Return the median time of a command, its start included."""
    taken = []
    for _ in range(repeat + 1):
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "cnnbook", *arguments],
            capture_output=True,
            check=False,
        )
        taken.append(time.perf_counter() - start)
        assert done.returncode == code, done.stderr
    return statistics.median(taken[1:])  # the first one fills caches
