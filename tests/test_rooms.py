"""The package is made of rooms; what the rules of imports cannot say is tested here."""

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cnnbook.commands import cli
from cnnbook_sphinx import stamps, training, widgets

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "cnnbook"
ROOMS = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
FOLDERS = sorted(path.parent for path in PACKAGE.rglob("__init__.py"))

MOST_MODULES = 14  # that one can take in at a glance
BESIDE_ROOMS = {"__version__", "tensorflow_start"}  # that commands import
NO_IDEA = {"utils", "helpers", "common", "misc", "core"}

each_room = pytest.mark.parametrize("room", ROOMS)


def handed_on(room):
    """The names that a room hands on, and the module of each."""
    tree = ast.parse((PACKAGE / room / "__init__.pyi").read_text(encoding="utf-8"))
    return {alias.name: node.module for node in tree.body for alias in node.names}


def imports_of_rooms(code):
    """What a piece of code imports from the package, as (module, names)."""
    tree = ast.parse(code)
    return [
        (node.module, [alias.name for alias in node.names])
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module.startswith("cnnbook")
    ]


def test_no_module_loads_keras_or_tensorflow_when_it_is_imported():
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in PACKAGE.rglob("*.py")
        if not path.name.startswith("__")
    ]
    code = (
        "import importlib, sys\n"
        f"for name in {names}: importlib.import_module(name)\n"
        "print(sorted({'keras', 'tensorflow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


@each_room
def test_a_room_hands_on_what_its_stub_says_and_nothing_twice(room):
    face = importlib.import_module(f"cnnbook.{room}")
    assert sorted(face.__all__) == sorted(handed_on(room))
    assert all(hasattr(face, name) for name in face.__all__)
    assert len(face.__doc__.strip().splitlines()) == 1


@each_room
def test_no_name_is_a_function_and_a_module_of_one_room(room):
    """Importing the module would put it in the place of the function."""
    modules = {path.stem for path in (PACKAGE / room).glob("*.py")}
    names = {name for name, module in handed_on(room).items() if module is not None}
    assert not modules & names


@each_room
def test_every_public_function_of_a_room_is_on_its_page_of_the_reference(room):
    page = (ROOT / "book" / f"api-{room}.md").read_text(encoding="utf-8")
    sentence = importlib.import_module(f"cnnbook.{room}").__doc__.strip()
    assert page.split("# ", 1)[1].split("\n")[2] == sentence
    face = importlib.import_module(f"cnnbook.{room}")
    for name, module in handed_on(room).items() if room != "commands" else ():
        thing = getattr(face, name)
        if module is None:
            assert f".. automodule:: cnnbook.{room}.{name}\n" in page
        elif inspect.isroutine(thing) or inspect.isclass(thing):
            assert re.search(rf"^\.\. auto(function|class):: {name}$", page, re.M), name


@pytest.mark.parametrize(
    "page",
    [*sorted((ROOT / "book").glob("*.md")), ROOT / "README.md"],
    ids=lambda page: page.stem,
)
def test_pages_import_rooms_and_no_module_inside_one(page):
    text = page.read_text(encoding="utf-8")
    for code in re.findall(
        r"^```(?:\{code-cell\}[^\n]*|python)\n(?:---\n.*?^---\n|(?::[^\n]*\n)+)?(.*?)^```",
        text,
        re.M | re.S,
    ):
        for module, names in imports_of_rooms(code):
            assert module in {"cnnbook", *(f"cnnbook.{room}" for room in ROOMS)}
            assert module != "cnnbook" or set(names) <= {*ROOMS, "__version__"}


@pytest.mark.parametrize(
    "file", sorted((PACKAGE / "commands").glob("*.py")), ids=lambda file: file.stem
)
def test_commands_import_rooms_and_no_module_inside_another(file):
    for module, names in imports_of_rooms(file.read_text(encoding="utf-8")):
        if not module.startswith("cnnbook.commands"):
            assert module in {"cnnbook", *(f"cnnbook.{room}" for room in ROOMS)}
            assert module != "cnnbook" or set(names) <= {*ROOMS, *BESIDE_ROOMS}


def test_every_module_and_function_named_in_a_string_is_there():
    modules = [
        *(f"cnnbook.{name}" for name in training.COMMANDS),
        *stamps.OUTSIDE,
        stamps.WRITES_SCRIPTS,
        widgets.READS_SHIPPED,
    ]
    for name in modules:
        assert importlib.import_module(name).__name__ == name
    for name in cli._RESULTS.values():
        assert callable(pkgutil.resolve_name(f"cnnbook.studies.{name}"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_folder_can_be_taken_in_at_a_glance(folder):
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert len(modules) <= MOST_MODULES
    assert not modules & NO_IDEA


def test_the_checker_of_types_is_told_that_the_package_is_typed():
    assert (PACKAGE / "py.typed").exists()
