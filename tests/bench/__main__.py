"""Run the benchmarks, a table for each group: ``make bench GROUP=...`` or all."""

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor

from tabulate import tabulate

from tests.bench.measuring import Row, measure_group

GROUPS = [
    "layers",
    "drawing",
    "activations",
    "patterns",
    "pages",
    "engine",
    "explanations",
    "commands",
    "build",
    "classifier",
]
# Only when asked for by name: each takes as long as all others together.
LONG_GROUPS = ["photographs", "tests"]


def main(chosen):
    known = [*GROUPS, *LONG_GROUPS]
    if unknown := set(chosen) - set(known):
        sys.exit(f"unknown group: {', '.join(unknown)}; choose from {', '.join(known)}")
    # A process for each group: what one leaves behind must not slow the next.
    with ProcessPoolExecutor(
        1, mp_context=multiprocessing.get_context("spawn"), max_tasks_per_child=1
    ) as pool:
        for name in chosen or GROUPS:
            print(f"measuring {name} …", file=sys.stderr, flush=True)
            rows = pool.submit(measure_group, name).result()
            cells = [row.cells() for row in rows]
            print(tabulate(cells, Row.headers, disable_numparse=True), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
