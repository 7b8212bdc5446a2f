"""Run the code of a chapter, and keep what it shows in the cell cache.

MyST-NB finds it there when Sphinx comes to the page; by itself it would run chapters
only then, one after another.
"""

import time
from contextlib import suppress
from itertools import chain
from pathlib import Path
from threading import Event, Lock

from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from myst_nb.core.read import create_nb_reader
from nbclient import NotebookClient
from nbclient.exceptions import CellControlSignal

from cnnbook_sphinx.jobs import Job, JobError

_writing = Lock()  # the cache is one database


def notebook_of(env, docname, text):
    """Read a page as a notebook; None for a page without code."""
    reader = create_nb_reader(
        env.doc2path(docname), env.myst_config, env.mystnb_config, text
    )
    return reader and reader.read(text)


def is_cached(env, notebook):
    """Tell whether the cache holds outputs of just these cells."""
    try:
        _cells(env).match_cache_notebook(notebook)
    except KeyError:
        return False
    return True


def forget_noise(env, notebook):
    """Forget the outputs of a chapter that wrote to stderr, which failed the build.

    The cause may lie outside of it, so it is to run again.
    """
    cells = _cells(env)
    with suppress(KeyError):  # there are no outputs of it
        record = cells.match_cache_notebook(notebook)
        known = cells.get_cache_bundle(record.pk).nb.cells
        outputs = chain.from_iterable(cell.get("outputs", []) for cell in known)
        if any(output.get("name") == "stderr" for output in outputs):
            cells.remove_cache(record.pk)


def job(env, docname, notebook, needs):
    """Return the job that runs a chapter.

    Parameters
    ----------
    env : sphinx.environment.BuildEnvironment
    docname : str
    notebook : nbformat.NotebookNode
        From `notebook_of`.
    needs : iterable of str
        Names of jobs that have to be done before.

    Returns
    -------
    job : jobs.Job
    """
    file = Path(env.doc2path(docname))
    client = NotebookClient(
        notebook,
        timeout=env.mystnb_config.execution_timeout,
        allow_errors=env.mystnb_config.execution_allow_errors,
        record_timing=False,  # it would make them other cells to the cache
        resources={"metadata": {"path": str(file.parent)}},
    )

    stopped = Event()

    def run():
        start = time.monotonic()
        if stopped.is_set():
            return
        try:
            client.execute()
        except (CellControlSignal, RuntimeError) as error:  # the kernel, if not a cell
            raise JobError(f"{file.name} stopped:\n{error}") from error
        seconds = {"execution_seconds": time.monotonic() - start}
        bundle = CacheBundleIn(notebook, str(file), data=seconds)
        with _writing:
            _cells(env).cache_notebook_bundle(bundle, check_validity=False)

    def stop():
        stopped.set()
        if client.km is not None and client.km.has_kernel:
            client.km.provisioner.process.kill()

    return Job(docname, run, stop, frozenset(needs))


def _cells(env):
    return get_cache(env.config.nb_execution_cache_path)
