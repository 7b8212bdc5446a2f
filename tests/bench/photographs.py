"""Seconds and memory of `make book` where it learns from photographs."""

import os
import sys
from pathlib import Path

from tests.bench.build import make, new_machine
from tests.bench.measuring import Row


def measure():
    photos = os.environ.get("CNNBOOK_PHOTOS")
    if not photos:
        print("  CNNBOOK_PHOTOS is not set: there are no photographs", file=sys.stderr)
        return []
    with new_machine() as (copy, environment):
        environment["CNNBOOK_PHOTOS"] = str(Path(photos).resolve())
        make(".venv/.for-book", copy, environment)
        built = make("book", copy, environment)
    return [
        Row(
            "`make book` with photographs, from an empty cache", built.seconds, 540, "s"
        ),
        Row("largest process with photographs", built.one, 2.5, "GB"),
        Row("all processes with photographs", built.all, 5, "GB"),
    ]
