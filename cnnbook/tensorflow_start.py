"""How TensorFlow starts: under Keras, with quick convolutions, without its greeting.

While it is imported, TensorFlow writes some six lines to stderr, from C++ and before
its own log is set up, so that no setting silences them; one more follows when it finds
no driver for a GPU.  Nothing is wrong then.
"""

import faulthandler
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

# What is no news, line by line, from TensorFlow 2.18 to 2.21.  All else is shown.
_GREETING = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog\(\) is called"
    rb"|To enable the following instructions: .*, rebuild TensorFlow with"
    # "I0000 00:00:17… 54 port.cc:153] …" or "2026-11-14 …: I tensorflow/…/port.cc:1] …"
    rb"|(?:[IWE]\d{4} |\d{4}-\d\d-\d\d )[^\]]*\b(?:"
    rb"port\.cc:\d+\] oneDNN custom operations are on"
    rb"|cpu_feature_guard\.cc:\d+\] This TensorFlow binary is optimized to use"
    rb"|cudart_stub\.cc:\d+\] Could not find cuda drivers on your machine"
    rb"|cuda_\w+\.cc:\d+\] Unable to register cu(?:FFT|DNN|BLAS) factory: Attempting"
    rb"|cuda_\w+\.cc:\d+\] failed call to cuInit: .*UNKNOWN ERROR \(303\)"  # no driver
    rb"|computation_placer\.cc:\d+\] computation placer already registered"
    rb"|py_utils\.cc:\d+\] TF-TRT Warning: Could not find TensorRT"
    rb")"
)


def prepare() -> None:
    """Have TensorFlow start well, whenever this process first imports it.

    Loads nothing.  Programs call it first; importing ``cnnbook`` never does.  Variables
    of the environment that are set already stay as they are.  It may be called again.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")  # warnings and errors
    # oneDNN's quick convolutions serve every processor with AVX2, yet on Linux
    # TensorFlow takes them of its own accord only where there are instructions for
    # neural networks (VNNI, AMX).  It looks once, when it is imported.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    if "tensorflow" not in sys.modules and _QuietStart not in sys.meta_path:
        sys.meta_path.insert(0, _QuietStart)


def keras_backend() -> str:
    """Tell which backend Keras takes, by its own rules, without loading it.

    Returns
    -------
    backend : str
    """
    if named := os.environ.get("KERAS_BACKEND"):
        return named
    home = Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser()
    try:
        settings = (home / "keras.json").read_text(encoding="utf8")
        return json.loads(settings)["backend"]
    except (OSError, ValueError, KeyError, TypeError):  # none, or none to be read
        return "tensorflow"


def refuse_other_backends() -> None:
    """Raise ValueError unless Keras runs on TensorFlow, or will."""
    keras = sys.modules.get("keras")
    backend = keras.config.backend() if keras else keras_backend()
    if backend != "tensorflow":
        raise ValueError(
            f"Keras runs on {backend!r}, and cnnbook opens networks on TensorFlow "
            "alone; start again with KERAS_BACKEND=tensorflow in the environment (the "
            "files of networks are the same for all backends)"
        )


@contextmanager
def without_greeting() -> Iterator[None]:
    """Hold back what is written to stderr, by Python or C++; then show what is news.

    If the block raises an error, everything is shown.
    """
    _flush()
    try:
        stderr = os.dup(2)
        caught = tempfile.TemporaryFile()
    except OSError:  # stderr is closed, or nothing can be written anywhere
        caught = None
    if caught is None:
        yield
        return
    os.dup2(caught.fileno(), 2)
    # What is caught is lost with a process that crashes; where it did can be told.
    tells_of_crashes = faulthandler.is_enabled()
    if not tells_of_crashes:
        faulthandler.enable(file=stderr)
    greeting: re.Pattern[bytes] | None = _GREETING
    try:
        yield
    except Exception:
        greeting = None
        raise
    finally:
        if not tells_of_crashes:
            faulthandler.disable()
        _flush()
        os.dup2(stderr, 2)
        os.close(stderr)
        caught.seek(0)
        with caught, suppress(OSError):  # whoever read stderr may have gone
            for line in caught:
                if greeting is None or not greeting.match(line):
                    os.write(2, line)


def _flush():
    """Write out what Python has collected for stderr, if there is one."""
    with suppress(AttributeError, OSError, ValueError):  # none, gone or closed
        sys.stderr.flush()


class _QuietStart:
    """Finds TensorFlow as Python does, and loads it without its greeting."""

    @classmethod
    def find_spec(
        cls,
        name: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Answer for TensorFlow alone; see `importlib.abc.MetaPathFinder`."""
        if name != "tensorflow":
            return None
        others = [finder for finder in sys.meta_path if finder is not cls]
        specs = (finder.find_spec(name, path, target) for finder in others)
        spec = next(filter(None, specs), None)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def load_without_greeting(module):
                with without_greeting():
                    load(module)
                    # It would look for GPUs, and tell, when it is first used.
                    module.config.list_physical_devices()

            spec.loader.exec_module = load_without_greeting  # type: ignore[method-assign]
        return spec
