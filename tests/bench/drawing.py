"""Drawn pets a second, on one core."""

import os
import time

from cnnbook import pictures
from tests.bench.measuring import Row


def measure():
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    if cores:
        os.sched_setaffinity(0, {min(cores)})
    try:
        pictures.draw_pets(10, size=64)
        start = time.perf_counter()
        pictures.draw_pets(900, size=64)
        rate = 900 / (time.perf_counter() - start)
    finally:
        if cores:
            os.sched_setaffinity(0, cores)
    return [Row("drawn pets at 64 px, one core", rate, 300, "a second", rule="≥")]
