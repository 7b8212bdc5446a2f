"""Run the benchmarks, a table for each group: ``python -m tests.bench [group ...]``."""

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
    "build",
    "classifier",
]


def main(chosen):
    unknown = set(chosen) - set(GROUPS)
    if unknown:
        sys.exit(
            f"unknown group: {', '.join(unknown)}; choose from {', '.join(GROUPS)}"
        )
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
