"""How the benchmarks measure: interleaved runs, medians, one row a claim."""

import importlib
import operator
import statistics
import time
from dataclasses import dataclass
from typing import ClassVar

from cnnbook import tensorflow_start

tensorflow_start.prepare()  # as the book and the commands do

RULES = {"≤": operator.le, "≥": operator.ge, "=": operator.eq}  # the last for counts


@dataclass(frozen=True)
class Row:
    """One claim: what was measured, and the bound that it should keep."""

    what: str
    measured: float
    bound: float
    unit: str
    rule: str = "≤"  # how the measured is to stand to the bound
    note: str = ""

    headers: ClassVar = ["what", "measured", "bound", "kept", "note"]

    def cells(self):
        kept = RULES[self.rule](self.measured, self.bound)
        bound = f"{self.rule} {self.bound:g} {self.unit}"
        measured = f"{self.measured:.3g} {self.unit}"
        return [self.what, measured, bound, "yes" if kept else "NO", self.note]


def measure_group(name):
    """Import one group of benchmarks and return its rows."""
    return importlib.import_module(f"tests.bench.{name}").measure()


def medians(calls, *, repeat=10):
    """Time calls in turns, so that a busy machine slows them alike: seconds each."""
    for call in calls:
        call()  # compile, allocate, fill caches
    seconds = [[] for _ in calls]
    for _ in range(repeat):
        for call, times in zip(calls, seconds, strict=True):
            start = time.perf_counter()
            call()
            times.append(time.perf_counter() - start)
    return [statistics.median(times) for times in seconds]
