"""Seconds and memory of `make book`: from nothing, and after edits of each kind."""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from cnnbook_sphinx import stamps
from tests.bench.measuring import Row

ROOT = Path(__file__).parents[2]


@dataclass
class Build:
    """What one command took: seconds, and gigabytes at the worst moment."""

    seconds: float
    one: float = 0  # of the largest process
    all: float = 0  # of all processes together
    chapters: int = 0  # that were run


def measure():
    with new_machine() as (copy, environment):
        installed = make(".venv/.for-book", copy, environment)
        cold = make("book", copy, environment)
        again = make("book", copy, environment)
        edit(
            copy / "book" / "pooling.md", "\n## Summary", "\nA sentence.\n\n## Summary"
        )
        prose = make("book", copy, environment)
        edit(copy / "book" / "pooling.md", "import numpy", "import math\nimport numpy")
        code = make("book", copy, environment)
        module = one_that_two_chapters_reach()
        file = (copy / "cnnbook").joinpath(*module.split(".")).with_suffix(".py")
        file.write_text(file.read_text("utf-8") + "\nNOTHING = 0\n", "utf-8")
        shared = make("book", copy, environment)
        quick = make("quick", copy, environment)
        rows = [
            Row(
                "`make book` with nothing installed",
                installed.seconds + cold.seconds,
                420,
                "s",
                note="was 20 min 50 s",
            ),
            Row("`make book` from an empty cache", cold.seconds, 300, "s"),
            Row("largest process of `make book`", cold.one, 2.5, "GB"),
            Row("all processes of `make book`", cold.all, 5, "GB"),
            Row("with nothing changed", again.seconds, 10, "s"),
            Row("after an edit to prose", prose.seconds, 10, "s", note="was 2.5 s"),
            Row("chapters run after an edit to prose", prose.chapters, 0, "", "="),
            Row("after an edit to one chapter's code", code.seconds, 15, "s"),
            Row("chapters run after an edit to one's code", code.chapters, 1, "", "="),
            Row(f"chapters run after an edit to {module}", shared.chapters, 2, "", "="),
            Row("`make quick`", quick.seconds, 60, "s", note="was 3 min 33 s"),
            Row("chapters run by `make quick`", quick.chapters, 0, "", "="),
        ]
    return rows


@contextmanager
def new_machine():
    """Yield a copy of the project and an environment in which nothing is installed.

    Nothing was downloaded either: there are drawn pets and the stand-in for VGG19.
    """
    unset = ("CNNBOOK_", "PYTHON", "XDG_", "UV_")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(unset)}
    ignored = shutil.ignore_patterns("_build", ".venv", ".git", "__pycache__")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "cnnbook"
        shutil.copytree(ROOT, copy, ignore=ignored)
        yield copy, environment | {"HOME": folder}


def make(target, folder, environment):
    """Run one target, and watch it."""
    before = executed(folder)
    start = time.perf_counter()
    process = subprocess.Popen(
        ["make", target],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    peak = Build(0)
    watcher = threading.Thread(target=watch, args=(process.pid, peak), daemon=True)
    watcher.start()
    output, _ = process.communicate()
    if process.returncode:
        sys.exit(output[-4000:])
    peak.seconds = time.perf_counter() - start
    peak.chapters = len(executed(folder) - before)
    return peak


def executed(folder):
    """Return the outputs of chapters that are kept, a file for each time one ran."""
    cells = folder / "_build" / ".jupyter_cache"
    return {(file, file.stat().st_mtime_ns) for file in cells.rglob("base.ipynb")}


def watch(pid, peak):
    """Keep the most memory that a process and its children hold, in gigabytes."""
    while psutil.pid_exists(pid):
        sizes = [0]
        for process in family(pid):
            try:
                sizes.append(process.memory_info().rss / 1e9)
            except psutil.NoSuchProcess:
                pass  # it ended while we looked
        peak.one, peak.all = max(peak.one, *sizes), max(peak.all, sum(sizes))
        time.sleep(0.5)


def family(pid):
    """List a process and all that it has started."""
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def edit(file, old, new):
    """Change one place of a file."""
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{old!r} must stand once in {file.name}"
    file.write_text(text.replace(old, new), encoding="utf-8")


def one_that_two_chapters_reach():
    """Name a module of the package that exactly two chapters run."""
    reached = Counter()
    for page in (ROOT / "book").glob("*.md"):
        text = page.read_text(encoding="utf-8")
        reached.update(list(stamps.modules_behind(ROOT, text)))
    modules = [name for name, count in sorted(reached.items()) if count == 2]
    return modules[0].removeprefix("cnnbook.")
