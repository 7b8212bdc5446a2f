"""TensorFlow starts without its greeting, and nothing else is held back."""

import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import pytest
from PIL import Image

from cnnbook import tensorflow_start

GREETINGS = b"""\
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1795947618.836480    5627 port.cc:153] oneDNN custom operations are on. You may see slightly different numerical results due to floating-point round-off errors from different computation orders. To turn them off, set the environment variable `TF_ENABLE_ONEDNN_OPTS=0`.
I0000 00:00:1795947618.845214    5627 cudart_stub.cc:31] Could not find cuda drivers on your machine, GPU will not be used.
I0000 00:00:1795947618.924768    5627 cpu_feature_guard.cc:227] This TensorFlow binary is optimized to use available CPU instructions in performance-critical operations.
To enable the following instructions: AVX2 AVX512F AVX512_VNNI AVX512_BF16 FMA, in other operations, rebuild TensorFlow with the appropriate compiler flags.
2025-01-06 12:46:04.065693: E external/local_xla/xla/stream_executor/cuda/cuda_fft.cc:477] Unable to register cuFFT factory: Attempting to register factory for plugin cuFFT when one has already been registered
E0000 00:00:1736163964.084812 3415088 cuda_dnn.cc:8310] Unable to register cuDNN factory: Attempting to register factory for plugin cuDNN when one has already been registered
E0000 00:00:1736163964.090767 3415088 cuda_blas.cc:1418] Unable to register cuBLAS factory: Attempting to register factory for plugin cuBLAS when one has already been registered
E0000 00:00:1795947624.094702    5627 cuda_platform.cc:52] failed call to cuInit: INTERNAL: CUDA error: Failed call to cuInit: UNKNOWN ERROR (303)
W0000 00:00:1758131045.228000 3722035 computation_placer.cc:177] computation placer already registered. Please check linkage and avoid linking the same target more than once.
2025-09-17 14:44:05.157831: I external/local_xla/xla/tsl/cuda/cudart_stub.cc:32] Could not find cuda drivers on your machine, GPU will not be used.
2025-01-06 12:46:04.109737: I tensorflow/core/platform/cpu_feature_guard.cc:210] This TensorFlow binary is optimized to use available CPU instructions in performance-critical operations.
2025-11-30 03:28:13.546923: W tensorflow/compiler/tf2tensorrt/utils/py_utils.cc:38] TF-TRT Warning: Could not find TensorRT
"""  # noqa: E501

NEWS = b"""\
E0000 00:00:1795947624.094702    5627 cuda_platform.cc:52] failed call to cuInit: INTERNAL: CUDA error: Failed call to cuInit: CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected
W0000 00:00:1795947624.094702    5627 gpu_device.cc:2342] Cannot dlopen some GPU libraries.
I0000 00:00:1795947618.836480    5627 port.cc:99] something new
A sentence about oneDNN custom operations are on, port.cc:153] and more.
DeprecationWarning: To enable the following instructions, wait.
\xff no text, no end of line"""  # noqa: E501


def write(text):
    """Write to stderr as C++ does, behind Python's back."""
    os.write(2, text)


def test_the_greeting_is_held_back_and_all_else_is_shown_as_it_came(capfdbinary):
    with tensorflow_start.without_greeting():
        write(b"first\n" + GREETINGS + NEWS)
        assert capfdbinary.readouterr().err == b""
    write(b"\nlater")
    assert capfdbinary.readouterr().err == b"first\n" + NEWS + b"\nlater"


def test_all_is_shown_where_the_start_fails(capfdbinary):
    with pytest.raises(ImportError), tensorflow_start.without_greeting():
        write(GREETINGS)
        raise ImportError("no such library")
    write(b"later")
    assert capfdbinary.readouterr().err == GREETINGS + b"later"


def test_where_nothing_can_be_kept_nothing_is_held_back(capfdbinary, monkeypatch):
    def full():
        raise OSError("no room")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with tensorflow_start.without_greeting():
        write(GREETINGS)
    assert capfdbinary.readouterr().err == GREETINGS


@pytest.fixture
def start(tmp_path):
    """Run a program to which a module of our own making is TensorFlow."""

    def run(tensorflow, program, *, before=""):
        (tmp_path / "tensorflow.py").write_text(
            "import os, sys\n"
            "def log(text):\n"
            "    try: os.write(2, text)\n"
            "    except OSError: pass\n"
            "class config:\n"
            "    def list_physical_devices(): log(b'looked for GPUs\\n')\n"
            f"log({GREETINGS!r})\n"
            f"{tensorflow}\n"
        )
        code = (
            f"import os, sys\n{before}\nfrom cnnbook import tensorflow_start\n"
            f"tensorflow_start.prepare()\n{program}"
        )
        return subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
            capture_output=True,
            text=True,
        )

    return run


def test_tensorflow_is_prepared_for_whenever_it_is_imported(start):
    done = start(
        "print(os.environ['TF_CPP_MIN_LOG_LEVEL'], os.environ['TF_ENABLE_ONEDNN_OPTS'])"
        "\nprint('a warning', file=sys.stderr)\nlog(b'another\\n')",
        "tensorflow_start.prepare()\n"
        "assert sum('QuietStart' in repr(finder) for finder in sys.meta_path) == 1\n"
        "assert 'tensorflow' not in sys.modules\n"
        "import tensorflow\n"
        "print(tensorflow.__spec__.origin)\n"
        "print('at work', file=sys.stderr, flush=True)",
        before="os.environ['TF_ENABLE_ONEDNN_OPTS'] = '0'",
    )
    assert done.stderr == "a warning\nanother\nlooked for GPUs\nat work\n"
    level_and_options, origin = done.stdout.splitlines()
    assert level_and_options == "1 0"  # what was set stays
    assert origin.endswith("tensorflow.py")


def test_importing_the_module_changes_nothing(start):
    done = start(
        "",
        "",
        before=(
            "before = dict(os.environ), sys.meta_path[:]\n"
            "from cnnbook import tensorflow_start\n"
            "assert (dict(os.environ), sys.meta_path) == before\n"
            "assert 'tensorflow' not in sys.modules"
        ),
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_tensorflow_that_fails_says_all_it_has_to_say(start):
    done = start("import nothing_at_all", "import tensorflow")
    assert done.stderr.startswith(GREETINGS.decode())
    assert done.stderr.endswith("No module named 'nothing_at_all'\n")


def test_a_tensorflow_that_crashes_leaves_a_trace(start):
    done = start("os.abort()", "import tensorflow")
    assert done.returncode < 0
    assert done.stderr.startswith("Fatal Python error: Aborted")
    assert 'tensorflow.py", line 8' in done.stderr


def test_it_starts_without_stderr(start):
    done = start(
        "", "import tensorflow\nprint('here')", before="os.close(2)\nsys.stderr = None"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "here\n", "")


def answer(*command, cwd, **variables):
    """Run Python as a reader does who has set no more than this: stdout and stderr."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TF_")}
    environment |= {"PYTHONPATH": os.pathsep.join(sys.path), **variables}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


@pytest.fixture
def pictures(tmp_path, rng):
    """A folder to train on; one of its pictures."""
    for name in ("ants", "bees"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for number in range(4):
            pixels = rng.integers(0, 255, (16, 16, 3), np.uint8)
            picture = f"pictures/{name}/{number}.png"
            Image.fromarray(pixels).save(tmp_path / picture)
    return picture


@pytest.mark.slow
def test_a_command_prints_its_answer_alone_even_if_all_is_to_be_logged(
    pictures, tmp_path
):
    command = ["-m", "cnnbook", "predict", pictures, pictures, "--json"]
    stdout, stderr = answer(*command, cwd=tmp_path, TF_CPP_MIN_LOG_LEVEL="0")
    assert stderr == ""
    photos = json.loads(stdout)["photos"]
    assert [photo["photo"] for photo in photos] == [pictures, pictures]


@pytest.mark.slow
def test_no_command_prints_a_line_of_tensorflows_log(pictures, tmp_path):
    """All in one process: what comes once in a process would come here, too."""
    code = f"""
import sys
from cnnbook.commands import main

for command in (
    "train pictures --size 16 --epochs 1 --out my.keras",
    "predict {pictures} --model my.keras",
    "maps {pictures} --model my.keras",
    "explain {pictures} --model my.keras",
    "export my.keras",
):
    print(command.split()[0], file=sys.stderr, flush=True)
    main(command.split(), standalone_mode=False)
"""
    _, stderr = answer("-c", code, cwd=tmp_path)
    lines = stderr.splitlines()
    assert lines[:2] == [
        "train",
        "4 pictures to learn from, 2 to validate on (0 left out); classes: ants, bees; "
        "1 epochs",
    ]
    assert lines[2].startswith("epoch 1/1")
    how = (
        "Photos were shown to the network cropped to 16 × 16, white as 1 (its input is "
        "called 'intensities')."
    )
    assert lines[3:] == [
        "It sees photos cropped to 16 × 16, white as 1.",
        *("predict", how, "maps", how, "explain", how),
        *("export", "White is 1 to it, as its input is called 'intensities'."),
    ]
