"""What a result rests on is found by its imports, and prose is no part of it."""

import pytest

from cnnbook import storage
from cnnbook.storage import source_code

FILES = {
    "__init__.py": "__version__ = '1'\n",
    "maps/__init__.py": '"""What layers compute."""\nEDGE = 1\n',
    "maps/__init__.pyi": "from .tracing import trace as trace\n"
    "from .windows.places import place as place\n"
    "from . import axes as axes\n",
    "maps/tracing.py": "from cnnbook.checks import check\n",
    "maps/axes.py": "import numpy\nedge = 1\n",
    "maps/windows/__init__.py": "",
    "maps/windows/places.py": "from cnnbook import __version__\n",
    "checks.py": "def check():\n    pass\n",
}
ALWAYS = {"cnnbook", "cnnbook.maps"}
AXES = ALWAYS | {"cnnbook.maps.axes"}
TRACING = ALWAYS | {"cnnbook.maps.tracing", "cnnbook.checks"}
PLACES = ALWAYS | {"cnnbook.maps.windows", "cnnbook.maps.windows.places"}


@pytest.fixture
def root(tmp_path):
    """A package of one room, with a room within it and a face."""
    for name, text in FILES.items():
        file = tmp_path / "cnnbook" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("code", "reached"),
    [
        ("import numpy", set()),
        ("import cnnbook", {"cnnbook"}),
        ("from cnnbook import __version__", {"cnnbook"}),
        ("from cnnbook import maps", ALWAYS),
        ("from cnnbook.maps import EDGE", ALWAYS),
        ("import cnnbook.maps.tracing", TRACING),
        ("from cnnbook.maps import tracing", TRACING),
        ("from cnnbook.maps.tracing import check", TRACING),
        ("def late():\n    from cnnbook.maps import tracing", TRACING),
        # What never runs decides nothing.
        ("if TYPE_CHECKING:\n    from cnnbook.maps.tracing import check", set()),
        # Through the face, to what is used and no further.
        ("from cnnbook.maps import trace", TRACING),
        ("from cnnbook import maps\nmaps.trace(1)", TRACING),
        ("from cnnbook import maps as m\nprint(m.trace.__name__)", TRACING),
        ("import cnnbook.maps\ncnnbook.maps.trace", TRACING),
        ("import cnnbook.maps as m\nm.trace", TRACING),
        ("from cnnbook import maps\nmaps.place()", PLACES),
        ("from cnnbook import maps\nmaps.EDGE", ALWAYS),
        (
            "from cnnbook import maps\nf = lambda: maps.trace(maps.place)",
            TRACING | PLACES,
        ),
        ("from cnnbook import maps\nmaps.axes.united()", AXES),
        # A room that is handed on as a whole may be used as a whole.
        ("from cnnbook import maps\nprint(vars(maps))", TRACING | PLACES | AXES),
        (
            "import cnnbook.maps\nprint(vars(cnnbook.maps))",
            TRACING | PLACES | AXES,
        ),
        # A function or a constant is no room, even where one of its names is.
        ("from cnnbook.maps import EDGE\nEDGE.real", ALWAYS),
        ("from cnnbook import __version__\n__version__.split()", {"cnnbook"}),
    ],
)
def test_imports_are_followed_to_what_they_reach_and_no_further(root, code, reached):
    assert set(storage.modules_behind(root, code)) == reached


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("import cnnbook.images", "there is no cnnbook.images"),
        ("from cnnbook import images", "there is no cnnbook.images"),
        ("from cnnbook.images import load_image", "there is no cnnbook.images"),
        ("from cnnbook.maps import tracing, axis", "there is no cnnbook.maps.axis"),
        ("from cnnbook import maps\nmaps.tarce(1)", "there is no cnnbook.maps.tarce"),
        ("from cnnbook.maps import *", r"there is no cnnbook.maps.\*"),
        ("from .maps import trace", "line 1 imports from .maps; write the full name"),
        (
            "\nfrom importlib import import_module as f",
            "line 2 imports import_module",
        ),
        (
            "import importlib\nimportlib.import_module(name)",
            "line 2 calls import_module",
        ),
        ("__import__('cnnbook.' + name)", "line 1 calls __import__"),
    ],
)
def test_an_import_that_cannot_be_followed_is_refused(root, code, what):
    with pytest.raises(ValueError, match=what):
        storage.modules_behind(root, code)


def test_the_module_that_cannot_be_followed_is_named(root):
    # As when a module has moved into a room, and what imports it has not been told.
    (root / "cnnbook" / "checks.py").rename(root / "cnnbook" / "maps" / "checks.py")
    with pytest.raises(ValueError, match=r"tracing\.py: there is no cnnbook\.checks"):
        storage.modules_behind(root, "from cnnbook import maps\nmaps.trace")


def test_files_that_come_go_and_change_are_seen_by_the_next_question(root):
    code = "from cnnbook import maps\nmaps.trace"
    assert set(storage.modules_behind(root, code)) == TRACING
    room = root / "cnnbook" / "maps"
    (room / "__init__.pyi").write_text("from .axes import trace as trace\n")
    assert set(storage.modules_behind(root, code)) == AXES
    (room / "axes.py").write_text("import cnnbook.checks\n")
    assert set(storage.modules_behind(root, code)) == AXES | {"cnnbook.checks"}
    (root / "cnnbook" / "checks.py").unlink()
    with pytest.raises(ValueError, match=r"axes\.py: there is no cnnbook\.checks"):
        storage.modules_behind(root, code)


def test_each_module_is_read_for_its_imports_once_for_all_questions(root, monkeypatch):
    seen = []
    meant = source_code._Package._meant
    monkeypatch.setattr(
        source_code._Package,
        "_meant",
        lambda package, code: seen.append(code) or meant(package, code),
    )
    for name in ("trace", "place", "axes", "trace"):
        storage.modules_behind(root, f"from cnnbook import maps\nmaps.{name}")
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize("name", ["modle", "storage.modle", "checks.check_hole"])
def test_a_key_of_a_module_or_function_that_is_not_there_is_refused(name):
    with pytest.raises(ValueError, match=rf"there is no cnnbook\.{name}$"):
        storage.key_of(name)


CODE = '''
"""A module."""


def double(x=2):
    """Double it."""
    # As one would.
    return 2 * x  # that is all


class Thing:
    "A class."
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("A module.", "Another."),
        ('"""A module."""', ""),
        ("Double it.", "Twice as much."),
        ('    """Double it."""\n', ""),
        ("# As one would.", ""),
        ("that is all", "no more"),
        ("A class.", "One more."),
        ("2 * x ", "2*x"),
        ("\n\n\n", "\n\n"),
    ],
)
def test_prose_and_layout_change_no_digest(tmp_path, old, new):
    assert _digests_differ(tmp_path, old, new) is False


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("x=2", "x=3"),
        ("2 * x ", "2 + x "),
        ("2 * x ", "2.0 * x "),
        ("def double", "def twice"),
        ("    # As one would.", "    x += 0"),
        ('"A class."', 'SIZE = "A class."'),
    ],
)
def test_a_constant_a_default_an_operator_and_a_name_change_the_digest(
    tmp_path, old, new
):
    assert _digests_differ(tmp_path, old, new) is True


def test_of_other_files_every_byte_counts(tmp_path):
    (tmp_path / "a.js").write_text("// one")
    (tmp_path / "b.js").write_text("// two")
    one, two = (source_code.digest_of_code(tmp_path / f"{name}.js") for name in "ab")
    assert one != two


SEVERAL = """
import warnings
from typing import TYPE_CHECKING
from cnnbook.checks import check, other
from cnnbook.maps import axes

if TYPE_CHECKING:
    from cnnbook.maps import trace

LEAST, MOST = 1, 2
warnings.simplefilter("error")


def high(x):
    return _within(x) + axes.edge


def low(x):
    check(x)
    return _within(x)


def _within(x):
    return min(x, MOST)


class Range:
    least = LEAST
"""


def test_a_function_needs_what_it_uses_of_its_module_and_what_that_uses():
    assert source_code.part_for(SEVERAL, "low").split("\n") == [
        "import warnings",
        "from cnnbook.checks import check",
        "LEAST, MOST = (1, 2)",
        "warnings.simplefilter('error')",
        "",
        "def low(x):",
        "    check(x)",
        "    return _within(x)",
        "",
        "def _within(x):",
        "    return min(x, MOST)",
    ]


@pytest.mark.parametrize(
    ("old", "new", "counts"),
    [
        ("return _within(x)\n", "return -_within(x)\n", True),  # itself
        ("min(x, MOST)", "max(x, MOST)", True),  # what it uses
        ("LEAST, MOST = 1, 2", "LEAST, MOST = 1, 3", True),
        ('("error")', '("ignore")', True),  # it has no name to be used by
        ("+ axes.edge", "- axes.edge", False),
        ("check, other", "check, another", False),
        ("least = LEAST", "least = MOST", False),
        ("import trace", "import place", False),  # never, when it runs
        ("def _within", "def new():\n    pass\n\ndef _within", False),
        ("min(x, MOST)", "min(x, MOST)  # at most", False),
    ],
)
def test_a_digest_of_a_function_changes_with_what_it_needs_alone(
    root, old, new, counts
):
    file = root / "cnnbook" / "maps" / "ends.py"
    file.write_text(SEVERAL)
    before = source_code.digests_behind(root, "cnnbook.maps.ends.low")
    assert set(before) == {"cnnbook.maps.ends.low", "cnnbook.checks.check"}
    assert old in SEVERAL
    file.write_text(SEVERAL.replace(old, new))
    after = source_code.digests_behind(root, "cnnbook.maps.ends.low")
    assert (before != after) is counts


@pytest.mark.parametrize(
    ("code", "reached"),
    [
        (
            "from cnnbook.maps.tracing import check\nb = check",
            {"cnnbook.maps.tracing.check", "cnnbook.checks.check"},
        ),
        ("from cnnbook.maps import axes\nb = axes.edge", {"cnnbook.maps.axes.edge"}),
        ("from cnnbook import maps\nb = maps.EDGE.real", {"cnnbook.maps.EDGE"}),
        ("from cnnbook import maps\nb = maps.axes.edge", {"cnnbook.maps.axes.edge"}),
        (
            "import cnnbook.maps.axes\nb = cnnbook.checks.check",
            {"cnnbook.checks.check"},
        ),
        # A module that is handed on as a whole may be used as a whole.
        ("from cnnbook import checks\nb = vars(checks)", {"cnnbook", "cnnbook.checks"}),
        ("from cnnbook import maps\nb = vars(maps)", TRACING | PLACES | AXES),
    ],
)
def test_names_are_followed_to_where_they_are_defined(root, code, reached):
    (root / "cnnbook" / "maps" / "ends.py").write_text(code)
    found = source_code.digests_behind(root, "cnnbook.maps.ends.b")
    assert found.keys() == {"cnnbook.maps.ends.b"} | reached


def test_a_name_that_is_not_there_is_refused_wherever_it_is_used(root):
    (root / "cnnbook" / "maps" / "ends.py").write_text(
        "from cnnbook.maps.tracing import trace\nb = trace"
    )
    with pytest.raises(ValueError, match=r"there is no cnnbook\.maps\.tracing\.trace"):
        source_code.digests_behind(root, "cnnbook.maps.ends.b")


def test_a_function_rests_on_modules_that_it_imports(root):
    file = root / "cnnbook" / "maps" / "ends.py"
    file.write_text(SEVERAL)
    one, other = (
        source_code.digests_behind(root, f"cnnbook.maps.ends.{name}")
        for name in ("low", "high")
    )
    assert other.keys() == {"cnnbook.maps.ends.high", "cnnbook.maps.axes.edge"}
    (root / "cnnbook" / "checks.py").write_text("def check():\n    return 1\n")
    assert source_code.digests_behind(root, "cnnbook.maps.ends.low") != one
    assert source_code.digests_behind(root, "cnnbook.maps.ends.high") == other


def _digests_differ(folder, old, new):
    assert old in CODE
    (folder / "before.py").write_text(CODE)
    (folder / "after.py").write_text(CODE.replace(old, new))
    before, after = (
        source_code.digest_of_code(folder / f"{name}.py")
        for name in ("before", "after")
    )
    return before != after
