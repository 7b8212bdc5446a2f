"""Seconds and memory of a build: from nothing, after an edit to prose, unchanged."""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

from tests.bench.measuring import Row

ROOT = Path(__file__).parents[2]


def measure():
    # Nothing that this machine happens to have: drawn pets and the stand-in.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CNNBOOK_")}
    environment |= {"CNNBOOK_CACHE": "/nonexistent", "KERAS_HOME": "/nonexistent"}
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "cnnbook"
        ignored = shutil.ignore_patterns("_build", ".venv", ".git", "__pycache__")
        shutil.copytree(ROOT, copy, ignore=ignored)
        environment["PYTHONPATH"] = str(copy)
        cold, memory = build(copy, environment)
        unchanged, _ = build(copy, environment)
        chapter = copy / "book" / "pooling.md"
        executed = set((copy / "_build" / ".jupyter_cache").rglob("base.ipynb"))
        chapter.write_text(chapter.read_text() + "\nOne more sentence.\n")
        edited, _ = build(copy, environment)
        again = set((copy / "_build" / ".jupyter_cache").rglob("base.ipynb"))
    return [
        Row("build from an empty cache, drawn data", cold, 300, "s"),
        Row("its memory, all processes", memory, 4, "GB"),
        Row("build after an edit to prose", edited, 20, "s"),
        Row(
            "chapters run after an edit to prose", len(again - executed), 0, "chapters"
        ),
        Row("build with nothing changed", unchanged, 10, "s"),
    ]


def build(folder, environment):
    """Build the book: (seconds, most memory in GB)."""
    jupyter_book = Path(sys.executable).with_name("jupyter-book")
    command = [jupyter_book, "build", "."]
    start = time.perf_counter()
    process = subprocess.Popen(
        [*command, "-W", "-n", "--keep-going"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    peak = [0.0]
    watcher = threading.Thread(target=watch, args=(process.pid, peak), daemon=True)
    watcher.start()
    output, _ = process.communicate()
    if process.returncode or not (folder / "_build/html/book/index.html").exists():
        sys.exit(output[-4000:])
    return time.perf_counter() - start, peak[0] / 1e9


def watch(pid, peak):
    """Keep the most memory that a process and its children hold, in bytes."""
    while psutil.pid_exists(pid):
        total = 0
        try:
            parent = psutil.Process(pid)
            for process in [parent, *parent.children(recursive=True)]:
                total += process.memory_info().rss
        except psutil.NoSuchProcess:
            pass  # it ended while we looked
        peak[0] = max(peak[0], total)
        time.sleep(0.5)
