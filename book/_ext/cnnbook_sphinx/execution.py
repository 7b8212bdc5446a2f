"""Decide, page by page, whether its cells have to run, and prepare for it when so.

Jupyter Book compares a page with the cell cache by the text of its cells.  We add to
that text a stamp of all else its outputs depend on (see `stamps`), make Sphinx read
again every page whose stamp has changed, train the classifier before the first
chapter that needs it, and honour ``CNNBOOK_EXECUTE=off``: then outputs computed
earlier are shown and nothing runs.
"""

import json
import os
import re
import subprocess
import sys
from functools import cache
from itertools import chain
from pathlib import Path

import yaml
from jupyter_cache import get_cache
from myst_nb.core.read import create_nb_reader
from sphinx.errors import ConfigError

from cnnbook_sphinx import stamps, training

CACHE = Path("_build") / ".jupyter_cache"
KERNELS = Path("_build") / ".ipython" / "profile_default"

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
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # As the commands do it; see `cnnbook.cli`.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    # The reader's own Keras may be set to another backend.
    os.environ["KERAS_BACKEND"] = "tensorflow"
    app.connect("config-inited", configure)
    app.connect("env-get-outdated", find_outdated)
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
    if not may_execute():
        # Figures and values not computed yet are then missing by design.
        config.suppress_warnings = [
            *config.suppress_warnings,
            "mystnb.glue",
            "ref.numref",
        ]


def may_execute():
    """Read ``CNNBOOK_EXECUTE``: True unless it is "off"."""
    value = os.environ.get("CNNBOOK_EXECUTE", "") or "on"
    if value not in {"on", "off"}:
        raise ConfigError(f'CNNBOOK_EXECUTE must be "on" or "off"; got {value!r}')
    return value == "on"


def find_outdated(app, env, added, changed, removed):
    """Name the pages whose stamp has changed since they were last read."""
    root = Path(app.srcdir)
    return [
        docname
        for docname in sorted(env.found_docs - added - changed)
        if env.metadata[docname].get("stamp", "")
        != _stamp(root, Path(env.doc2path(docname)).read_text(encoding="utf-8"))
    ]


def prepare(app, docname, source):
    """Stamp a chapter about to be read, and prepare whatever its cells need."""
    root = Path(app.srcdir)
    stamp = _stamp(root, source[0])
    if not stamp:
        return
    app.env.metadata[docname]["stamp"] = stamp
    source[0] = _with_metadata(source[0], kernelspec={"cnnbook_stamp": stamp})
    if _is_cached(app, docname, source[0]):
        return
    if not may_execute():
        # Read again as soon as execution is allowed.
        app.env.metadata[docname]["stamp"] = "not executed"
        source[0] = _with_metadata(source[0], mystnb={"execution_mode": "off"})
        return
    _find_fonts()
    training.train(root, stamps.modules_behind(root, source[0]))


def _stamp(root, text):
    """Stamp a page; a source of pictures or weights that is unusable ends the build."""
    try:
        return stamps.stamp(root, text)
    except (ValueError, OSError) as error:
        raise ConfigError(str(error)) from error


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


def _is_cached(app, docname, text):
    """Tell whether the cell cache holds outputs of this chapter that can be shown."""
    reader = create_nb_reader(
        app.env.doc2path(docname), app.env.myst_config, app.env.mystnb_config, text
    )
    if reader is None:  # a plain page
        return True
    cells = get_cache(app.config.nb_execution_cache_path)
    try:
        record = cells.match_cache_notebook(reader.read(text))
    except KeyError:
        return False
    outputs = chain.from_iterable(
        cell.get("outputs", []) for cell in cells.get_cache_bundle(record.pk).nb.cells
    )
    if any(output.get("name") == "stderr" for output in outputs):
        # That failed the build.  Run again: the cause may lie outside the chapter.
        cells.remove_cache(record.pk)
        return False
    return True


@cache
def _find_fonts():
    """Let Matplotlib list this machine's fonts, which it does once in its life.

    It says so on stderr when that takes long, which a page would treat as an error.
    """
    subprocess.run([sys.executable, "-c", "import matplotlib.font_manager"], check=True)
