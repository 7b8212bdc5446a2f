"""Run the benchmarks and print one table: ``python -m tests.bench [group ...]``."""

import importlib
import sys

from tabulate import tabulate

from tests.bench.measuring import Row

GROUPS = ["layers", "drawing", "activations", "pages", "build", "classifier"]


def main(chosen):
    unknown = set(chosen) - set(GROUPS)
    if unknown:
        sys.exit(
            f"unknown group: {', '.join(unknown)}; choose from {', '.join(GROUPS)}"
        )
    rows = []
    for name in chosen or GROUPS:
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        rows += importlib.import_module(f"tests.bench.{name}").measure()
    print(tabulate([row.cells() for row in rows], Row.headers, disable_numparse=True))


main(sys.argv[1:])
