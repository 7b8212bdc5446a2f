"""What a build computes is run side by side, in an order that wastes no time."""

import gc
import json
import sys
import threading
import time
from types import SimpleNamespace

import nbformat
import psutil
import pytest

from cnnbook_sphinx import chapters, execution, jobs, training, widgets
from cnnbook_sphinx.jobs import Job, JobError


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    """Two cores, jobs that nobody has timed, and no limit on threads set by others."""
    monkeypatch.setattr(jobs, "_cores", lambda: 2)
    monkeypatch.setattr(jobs, "MEASURED", jobs.Path("nowhere"))
    for name in jobs.THREADS:
        monkeypatch.setenv(name, "")  # so that it is as it was after the test
        monkeypatch.delenv(name)


@pytest.fixture
def times(tmp_path):
    return tmp_path / "built" / "seconds.json"


def note(order, name, needs=()):
    """A job that notes when it was begun."""
    return Job(name, lambda: order.append(name), needs=frozenset(needs))


def test_two_jobs_run_at_the_same_time(times):
    met = threading.Barrier(2, timeout=20)  # passed only by two at once
    jobs.run([Job("a", met.wait), Job("b", met.wait)], times)


def test_a_job_waits_for_what_it_needs(times, monkeypatch):
    order = []
    jobs.run([note(order, "page", ["network"]), note(order, "network")], times)
    assert order == ["network", "page"]


def test_what_is_there_already_need_not_be_waited_for(times):
    order = []
    jobs.run([note(order, "page", ["network of an earlier build"])], times)
    assert order == ["page"]


@pytest.mark.parametrize("known_from", ["an earlier build", "the book as measured"])
def test_long_jobs_are_begun_first_and_those_that_long_ones_wait_for(
    times, monkeypatch, tmp_path, known_from
):
    monkeypatch.setattr(jobs, "_cores", lambda: 1)
    seconds = tmp_path / "seconds.json" if known_from != "an earlier build" else times
    seconds.parent.mkdir(exist_ok=True)
    monkeypatch.setattr(jobs, "MEASURED", seconds)
    seconds.write_text(
        json.dumps({"short": 1, "long": 9, "network": 2, "longest": 20, "middle": 5})
    )
    order = []
    jobs.run(
        [
            *(note(order, name) for name in ("short", "long", "network", "middle")),
            note(order, "longest", ["network"]),
        ],
        times,
    )
    assert order == ["network", "longest", "long", "middle", "short"]


def test_the_times_of_a_build_are_kept_beside_those_of_earlier_ones(times):
    times.parent.mkdir()
    times.write_text('{"other": 3.5, "page": 100}')
    jobs.run([Job("page", lambda: None)], times)
    kept = json.loads(times.read_text())
    assert kept["other"] == 3.5
    assert kept["page"] < 50


def test_a_job_with_nothing_to_do_leaves_the_known_time_alone(times):
    times.parent.mkdir()
    times.write_text('{"network": 62.5, "page": 100}')
    page = Job("page", lambda: None, needs=frozenset({"network"}))
    jobs.run([Job("network", lambda: False), page], times)
    kept = json.loads(times.read_text())
    assert kept["network"] == 62.5
    assert kept["page"] < 50


@pytest.mark.parametrize(("said", "did"), [("epoch 1/9", True), ("", False)])
def test_a_training_that_says_nothing_had_nothing_to_do(
    tmp_path, monkeypatch, said, did
):
    package = tmp_path / training.stamps.PACKAGE
    package.mkdir()
    (package / "__main__.py").write_text(f"print({said!r}, end='')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert training.job(tmp_path, "train-for-book").run() is did


def test_a_file_of_times_that_was_cut_short_is_no_reason_to_stop(times):
    times.parent.mkdir()
    times.write_text('{"other": 3.')
    jobs.run([Job("page", lambda: None)], times)
    assert list(json.loads(times.read_text())) == ["page"]


def test_a_failure_is_reported_and_keeps_only_what_needs_it_from_running(times):
    def fail():
        raise JobError("the photos are gone")

    order = []
    needing = [note(order, "page", ["network"]), note(order, "other")]
    with pytest.raises(JobError) as error:
        jobs.run([Job("network", fail), *needing], times)
    assert str(error.value).split("\n\n") == [
        "network: the photos are gone",
        "page: not run, as it needs: network",
    ]
    assert order == ["other"]
    assert list(json.loads(times.read_text())) == ["other"]


def test_each_line_says_what_is_begun_how_many_there_are_and_how_long(
    times, monkeypatch
):
    monkeypatch.setattr(jobs, "_cores", lambda: 1)
    times.parent.mkdir()
    times.write_text('{"training": 200, "pooling": 7}')
    lines = []
    monkeypatch.setattr(
        jobs.logger, "info", lambda text, *values: lines.append(text % values)
    )
    jobs.run([Job("pooling", lambda: None), Job("training", lambda: None)], times)
    assert lines == [
        "[1 of 2] training; about 3 min left",
        "[2 of 2] pooling; about 7 s left",
    ]


@pytest.mark.parametrize(("count", "threads"), [(1, "2"), (2, "1"), (9, "1")])
def test_jobs_share_the_cores_among_them(times, monkeypatch, count, threads):
    jobs.run([Job(str(number), lambda: None) for number in range(count)], times)
    assert jobs.os.environ["TF_NUM_INTRAOP_THREADS"] == threads


def test_an_interrupted_build_stops_what_is_running(times, monkeypatch):
    stopped = threading.Event()

    def interrupt(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(jobs, "wait", interrupt)
    running = Job("page", lambda: stopped.wait(timeout=20), stopped.set)
    with pytest.raises(KeyboardInterrupt):
        jobs.run([running], times)
    assert stopped.is_set()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_the_kernel_of_a_running_chapter_is_killed_when_the_build_is_stopped(
    times, tmp_path, monkeypatch
):
    started = tmp_path / "pid.txt"
    code = f"""import os, pathlib, time
unfinished = pathlib.Path({str(tmp_path / "unfinished")!r})
unfinished.write_text(str(os.getpid()))
unfinished.rename({str(started)!r})
time.sleep(600)"""
    chapter = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    settings = SimpleNamespace(execution_timeout=600, execution_allow_errors=False)
    env = SimpleNamespace(
        doc2path=lambda name: str(tmp_path / f"{name}.md"), mystnb_config=settings
    )

    def interrupt(*args, **options):
        while not started.exists():
            time.sleep(0.05)
        raise KeyboardInterrupt

    monkeypatch.setattr(jobs, "wait", interrupt)
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        jobs.run([chapters.job(env, "page", chapter, needs=())], times)
    assert not psutil.pid_exists(int(started.read_text()))
    assert time.monotonic() - begun < 60
    gc.collect()  # what is left open by nbclient, before another test is blamed for it


PLAYGROUND = "# Pools\n\n```{widget} pooling-playground\nSee the figure.\n```\n"
ARRAYS = "what interactive figures show"


@pytest.mark.parametrize(
    ("text", "execute", "are_there", "expected"),
    [
        (PLAYGROUND, "on", False, {ARRAYS, "train-for-book"}),
        (PLAYGROUND, "pools", False, {ARRAYS, "train-for-book"}),
        (PLAYGROUND, "on", True, set()),
        (PLAYGROUND, "off", False, set()),
        (PLAYGROUND, "index", False, set()),
        ("# Pools\n", "on", False, set()),
    ],
)
def test_arrays_of_interactive_figures_are_computed_ahead_when_they_are_due(
    tmp_path, monkeypatch, text, execute, are_there, expected
):
    pages = {"book/index": "# Home\n", "book/pools": text}
    (tmp_path / "book").mkdir()
    for name, content in pages.items():
        (tmp_path / f"{name}.md").write_text(content)
    if are_there:
        widgets.data_folder(tmp_path).mkdir(parents=True)
    started = set()
    monkeypatch.setattr(
        jobs, "run", lambda found, times: started.update(job.name for job in found)
    )
    monkeypatch.setattr(execution, "_find_fonts", lambda: None)
    monkeypatch.setenv("CNNBOOK_EXECUTE", execute)
    env = SimpleNamespace(
        found_docs=pages.keys(), doc2path=lambda name: tmp_path / f"{name}.md"
    )
    execution.run_ahead(SimpleNamespace(srcdir=tmp_path), env, [])
    assert started == expected


def test_a_program_tells_its_lines_and_how_it_ended():
    lines = []
    code = "import sys; print('one'); print('two', file=sys.stderr); sys.exit(3)"
    program = jobs.Program([sys.executable, "-u", "-c", code])
    assert program.run(lines.append) == 3
    assert lines == ["one", "two"]


def test_a_program_that_is_stopped_ends_at_once():
    code = "import time; print('begun', flush=True); time.sleep(60)"
    program = jobs.Program([sys.executable, "-c", code])
    assert program.run(lambda line: program.stop()) != 0
