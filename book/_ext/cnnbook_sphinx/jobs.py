"""Do what a build has to compute side by side, and say how far it has come.

Chapters do not depend on one another, and their code rarely keeps two cores busy: one
after another they would take about twice as long.
"""

import itertools
import json
import os
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path
from statistics import median

from sphinx.errors import SphinxError
from sphinx.util import logging

logger = logging.getLogger(__name__)

# Seconds that each job took when the book was last measured, for builds that know none.
MEASURED = Path(__file__).with_name("seconds.json")

# The largest take 1.7 GB, and a build may take 5 GB.
MOST_AT_ONCE = 3

# What TensorFlow and the libraries under NumPy read when they start.
THREADS = ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class JobError(SphinxError):
    """Something that the pages need could not be computed."""

    category = "Computation failed"


@dataclass(frozen=True)
class Job:
    """One thing to compute.

    Attributes
    ----------
    name : str
        What the reader is told is being done.
    run : callable
        Returns when it is done, False if there was nothing to do, or raises `JobError`;
        works in a process of its own.
    stop : callable
        Makes ``run`` end early, when the build is interrupted.
    needs : frozenset of str
        Names of jobs that have to be done before; those that are not there are taken
        to be done.
    """

    name: str
    run: Callable[[], bool | None] = field(compare=False)
    stop: Callable[[], None] = field(compare=False, default=lambda: None)
    needs: frozenset[str] = frozenset()


class Program:
    """A program that one thread runs and another may stop.

    Parameters
    ----------
    call : list of str
    options
        As `subprocess.Popen` takes them.
    """

    def __init__(self, call, **options):
        self.call, self.options, self.process = call, options, None

    def run(self, tell):
        """Run it to its end, tell each line that it writes; return its exit code."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        with subprocess.Popen(self.call, **pipes, **self.options) as self.process:
            for line in self.process.stdout:
                tell(line.rstrip())
        return self.process.returncode

    def stop(self):
        """End the program before it is done, if it has begun."""
        if self.process is not None:
            self.process.terminate()


def run(jobs, times):
    """Run jobs side by side, those first that the others would have to wait for.

    Parameters
    ----------
    jobs : sequence of Job
    times : pathlib.Path
        File that keeps how long each took, from one build to the next.

    Raises
    ------
    JobError
        If some failed, with what each said; all others have been run by then.
    """
    jobs = {job.name: job for job in jobs}
    cores = _cores()
    at_once = min(cores, MOST_AT_ONCE, len(jobs))
    _share(-(-cores // at_once))
    expected = _expected_seconds(jobs, times)
    urgency = _with_followers(jobs, expected)
    order = TopologicalSorter(
        {job.name: job.needs & jobs.keys() for job in jobs.values()}
    )
    order.prepare()
    ready, running, taken, failures = [], {}, {}, {}
    numbers = itertools.count(1)

    def finish(job):
        if lost := sorted(job.needs & failures.keys()):
            raise JobError(f"not run, as it needs: {', '.join(lost)}")
        start = time.monotonic()
        return None if job.run() is False else time.monotonic() - start

    with ThreadPoolExecutor(at_once) as pool:
        try:
            while order.is_active():
                ready += order.get_ready()
                ready.sort(key=urgency.get)
                while ready and len(running) < at_once:
                    name = ready.pop()
                    running[pool.submit(finish, jobs[name])] = name
                    left = expected.keys() - taken.keys() - failures.keys()
                    seconds = sum(expected[other] for other in left) / at_once
                    logger.info(
                        "[%d of %d] %s; about %s left",
                        *(next(numbers), len(jobs), name, _in_words(seconds)),
                    )
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    name = running.pop(future)
                    order.done(name)
                    try:
                        taken[name] = future.result()
                    except JobError as error:
                        failures[name] = str(error)
        except BaseException:  # Ctrl-C, above all
            for name in running.values():
                jobs[name].stop()
            raise
        finally:
            _keep(taken, times)
    if failures:
        raise JobError("\n\n".join(f"{name}: {why}" for name, why in failures.items()))


def _cores():
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _share(threads):
    """Let each process use its share of the cores, unless the reader has said."""
    for name in THREADS:
        os.environ.setdefault(name, str(threads))


def _in_words(seconds):
    """Return a length of time as people say it."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def _expected_seconds(names, times):
    """Return how long each job may take; one that nobody has timed is like most."""
    known = _read(MEASURED) | _read(times)
    usual = median(known.values()) if known else 10
    return {name: known.get(name, usual) for name in names}


def _with_followers(jobs, seconds):
    """Return for each job the seconds until the last that waits for it may be done."""

    def until_the_last(name):
        followers = (job.name for job in jobs.values() if name in job.needs)
        return seconds[name] + max(map(until_the_last, followers), default=0)

    return {name: until_the_last(name) for name in jobs}


def _keep(taken, times):
    """Add to the file how long jobs took; what had nothing to do changes nothing."""
    seconds = {name: took for name, took in taken.items() if took is not None}
    text = json.dumps(_read(times) | seconds, indent=1, sort_keys=True)
    with suppress(OSError):  # a full disk is told of where it matters
        times.parent.mkdir(parents=True, exist_ok=True)
        times.write_text(text, encoding="utf-8")


def _read(file):
    """Return the seconds in a file; none, if it is not there or was cut short."""
    with suppress(OSError, ValueError):
        return json.loads(file.read_text(encoding="utf-8"))
    return {}
