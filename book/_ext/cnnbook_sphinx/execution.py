"""Decide, page by page, whether its cells have to run, and have them run side by side.

Jupyter Book compares a page with the cell cache by the text of its cells.  We add to
that text a stamp of all else its outputs depend on (see `stamps`), make Sphinx read
again every page whose stamp has changed, and, before it reads any, run the chapters
that the cache does not hold, once the networks that they need are trained.

``CNNBOOK_EXECUTE=off`` runs nothing and shows outputs computed earlier; with the name
of a page, such as ``pooling``, that page alone is run.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import yaml
from sphinx.errors import ConfigError

from cnnbook import tensorflow_start
from cnnbook_sphinx import chapters, jobs, stamps, training, widgets

BUILT = Path("_build")
CACHE = BUILT / ".jupyter_cache"
TIMES = BUILT / "seconds.json"
KERNELS = BUILT / ".ipython" / "profile_default"

# TensorFlow greets on stderr from C++, whatever its log level.  That goes to a file;
# what Python writes to stderr is still taken as a fault of the page.  The reader's own
# IPython profile has no part in the book.
KERNEL_CONFIG = """\
import os
os.dup2(os.open({log!r}, os.O_WRONLY | os.O_APPEND), 2)
c.IPKernelApp.capture_fd_output = False
"""

FRONT_MATTER = re.compile(r"\A---\n(.*?)^---\n", re.M | re.S)


def setup(app):
    """Connect to the events before and while pages are read."""
    # A page treats stderr as an error, and tqdm, which many packages import, warns
    # there that a package is missing which it does not need.
    quiet = [os.environ.get("PYTHONWARNINGS"), "ignore:IProgress not found"]
    os.environ["PYTHONWARNINGS"] = ",".join(filter(None, quiet))
    tensorflow_start.prepare()  # for the kernels, which inherit its settings
    # The reader's own Keras may be set to another backend.
    os.environ["KERAS_BACKEND"] = "tensorflow"
    app.connect("config-inited", configure)
    app.connect("env-get-outdated", find_outdated)
    app.connect("env-before-read-docs", run_ahead)
    app.connect("source-read", prepare)


def configure(app, config):
    """Set up the kernels and one cell cache for all outputs."""
    kernels = Path(app.srcdir) / KERNELS
    kernels.mkdir(parents=True, exist_ok=True)
    log = kernels / "stderr.log"
    log.write_text("", encoding="utf-8")
    settings = KERNEL_CONFIG.format(log=str(log))
    (kernels / "ipython_kernel_config.py").write_text(settings, encoding="utf-8")
    os.environ["IPYTHONDIR"] = str(kernels.parent)
    config.nb_execution_cache_path = str(Path(app.srcdir) / CACHE)
    if wanted() != "on":
        # Figures and values not computed yet are then missing by design.
        config.suppress_warnings = [
            *config.suppress_warnings,
            "mystnb.glue",
            "ref.numref",
        ]


def wanted():
    """Read ``CNNBOOK_EXECUTE``: "on", "off", or the name of the one page to run."""
    return os.environ.get("CNNBOOK_EXECUTE", "") or "on"


def may_execute(docname):
    """Tell whether the cells of a page may be run."""
    return wanted() in {"on", Path(docname).name}


def find_outdated(app, env, added, changed, removed):
    """Name the pages whose stamp has changed, or that lack arrays they can have."""
    root = Path(app.srcdir)
    return [
        docname
        for docname in sorted(env.found_docs - added - changed)
        if widgets.are_due(env, docname, may_execute=may_execute(docname))
        or env.metadata[docname].get("stamp", "")
        != _stamp(root, docname, Path(env.doc2path(docname)).read_text("utf-8"))
    ]


def run_ahead(app, env, docnames):
    """Run the chapters about to be read whose outputs are not known, side by side."""
    root = Path(app.srcdir)
    named = wanted()
    if named not in {"on", "off", *(Path(name).name for name in env.found_docs)}:
        raise ConfigError(
            'CNNBOOK_EXECUTE must be "on", "off" or the name of a page, such as '
            f'"pooling"; got {named!r}'
        )
    texts = {
        docname: Path(env.doc2path(docname)).read_text(encoding="utf-8")
        for docname in env.found_docs
    }
    found = []
    for docname in docnames:
        text = texts[docname]
        stamped = _stamped(_stamp(root, docname, text), text)
        notebook = chapters.notebook_of(env, docname, stamped)
        if notebook is None or not may_execute(docname):
            continue
        chapters.forget_noise(env, notebook)
        if not chapters.is_cached(env, notebook):
            commands = training.commands_for(stamps.modules_behind(root, text))
            found.append(chapters.job(env, docname, notebook, commands))
    found += widgets.jobs(root, [texts[name] for name in texts if may_execute(name)])
    needed = sorted(set().union(*(job.needs for job in found)))
    found += [training.job(root, command) for command in needed]
    if found:
        _find_fonts()
        jobs.run(found, root / TIMES)


def prepare(app, docname, source):
    """Stamp a chapter about to be read, and keep it from running here."""
    root = Path(app.srcdir)
    stamp = _stamp(root, docname, source[0])
    if not stamp:
        return
    source[0] = _stamped(stamp, source[0])
    app.env.metadata[docname]["stamp"] = stamp
    notebook = chapters.notebook_of(app.env, docname, source[0])
    if notebook is not None and not chapters.is_cached(app.env, notebook):
        # Read again as soon as execution is allowed.
        app.env.metadata[docname]["stamp"] = "not executed"
        source[0] = _with_metadata(source[0], mystnb={"execution_mode": "off"})


def _stamped(stamp, text):
    """Return a page with its stamp where the cell cache takes notice of it."""
    return _with_metadata(text, kernelspec={"cnnbook_stamp": stamp}) if stamp else text


def _stamp(root, docname, text):
    """Stamp a page; one whose imports or pictures cannot be had ends the build."""
    try:
        return stamps.stamp(root, text)
    except (ValueError, OSError) as error:
        raise ConfigError(f"{docname}: {error}") from error


def _with_metadata(text, **additions):
    """Add entries to a chapter's front matter without moving any line."""
    match = FRONT_MATTER.match(text)
    if match is None:
        return text
    front_matter = yaml.safe_load(match[1]) or {}
    for key, entries in additions.items():
        front_matter[key] = front_matter.get(key, {}) | entries
    # JSON is YAML on one line; the blank ones keep the line numbers of warnings.
    padding = "\n" * match[1].count("\n")
    return f"---\n{json.dumps(front_matter)}{padding}---\n{text[match.end() :]}"


def _find_fonts():
    """Let Matplotlib list this machine's fonts, which it does once in its life.

    It says so on stderr when that takes long, which a page would treat as an error.
    """
    subprocess.run([sys.executable, "-c", "import matplotlib.font_manager"], check=True)
