"""Which code a result rests on: imports are followed, and prose does not count."""

import ast
import copy
import functools
import hashlib
import os
from pathlib import Path
from typing import NamedTuple

PACKAGE = "cnnbook"
IMPORTERS = {"import_module", "__import__"}  # by a string


def modules_behind(root: Path, code: str) -> dict[str, Path]:
    """Find the modules of this package that a piece of code reaches.

    What a room's face hands on is followed to the module that defines it:
    ``maps.trace`` reaches the module of `trace`, and no other module of that room.

    Parameters
    ----------
    root : pathlib.Path
        The folder that holds the package.
    code : str
        Python.

    Returns
    -------
    modules : dict of str to pathlib.Path
        Full name and file of each module, those that are reached through others and
        the packages around them included; sorted by name.

    Raises
    ------
    ValueError
        If an import cannot be followed: what it names is not there, or is named only
        while the code runs.

    Examples
    --------
    >>> from pathlib import Path
    >>> root = Path(__file__).parents[2]
    >>> list(modules_behind(root, "from cnnbook import figures; figures.CAT"))
    ['cnnbook', 'cnnbook.figures', 'cnnbook.figures.style']
    """
    package = _package_in(root)
    found: dict[str, Path] = {}
    waiting = [("this code", code)]
    while waiting:
        where, code = waiting.pop()
        try:
            names = package.reached(code)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error
        for name in names - found.keys():
            found[name] = package.files[name]
            waiting.append((str(found[name]), found[name].read_text(encoding="utf-8")))
    return dict(sorted(found.items()))


def digest_of_code(file: Path) -> bytes:
    """Digest what a file does: of Python's files the syntax, of others every byte.

    Parameters
    ----------
    file : pathlib.Path

    Returns
    -------
    digest : bytes
        The same after a change of comments, docstrings or layout alone.  It holds for
        one version of Python, whose syntax tree it is of.
    """
    content = file.read_bytes()
    return digest_of_syntax(content) if file.suffix == ".py" else _sha256(content)


def digests_behind(root: Path, name: str) -> dict[str, str]:
    """Digest all code of this package that a module, or one function of it, rests on.

    Parameters
    ----------
    root : pathlib.Path
        The folder that holds the package.
    name : str
        Full name of a module, which counts with all the modules behind it; or of a
        function (or class, or constant), which counts with what it uses, name by name
        through all modules: its neighbours may change.

    Returns
    -------
    digests : dict of str to str
        Of each module or name reached, by its full name.

    Raises
    ------
    ValueError
        If there is no such module or name, or an import cannot be followed.
    """
    package = _package_in(root)
    found: dict[str, str] = {}
    waiting = {name}
    while waiting:
        name = waiting.pop()
        if name in package.files:
            behind = modules_behind(root, f"import {name}\n{name}")
            found |= {at: digest_of_code(file).hex() for at, file in behind.items()}
        else:
            code = part_for(package.code_around(name), name.rpartition(".")[2])
            found[name] = digest_of_syntax(code).hex()
            waiting |= package.names_used(code) - found.keys()
    return found


@functools.cache
def part_for(code: str, name: str) -> str:
    """Cut a module down to what one of its names needs.

    Parameters
    ----------
    code : str
        Python.
    name : str
        What the module defines.

    Returns
    -------
    code : str
        What defines the name, what that uses of the module, and so on; and whatever
        the module runs without naming its result.

    Examples
    --------
    >>> print(part_for("import a, b; c = a.d; e = b.f; g = c + 1", "g"))
    import a
    c = a.d
    g = c + 1
    """
    statements = _statements(code)
    wanted, needed = {name}, set()
    while more := {
        number
        for number, (_, binds, _) in enumerate(statements)
        if number not in needed and (not binds or binds & wanted)
    }:
        needed |= more
        wanted |= {used for number in more for used in statements[number][2]}
    body = [statements[number][0] for number in sorted(needed)]
    return ast.unparse(ast.Module(body, type_ignores=[]))


@functools.cache
def _statements(code):
    """Split a module into statements, with the names that each binds and mentions."""
    return [
        (
            single,
            _bound_by(single),
            {n.id for n in ast.walk(single) if isinstance(n, ast.Name)},
        )
        for node in ast.parse(code).body
        if not _for_types_alone(node)
        for single in _one_import_each(node)
    ]


def _one_import_each(node):
    """Split an import of several names, of which perhaps not all are needed."""
    if not isinstance(node, ast.Import | ast.ImportFrom):
        return [node]
    several = [copy.copy(node) for _ in node.names]
    for single, alias in zip(several, node.names, strict=True):
        single.names = [alias]
    return several


def _bound_by(node):
    """Name what a statement of a module defines."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    return {
        inner.id
        for inner in ast.walk(node)
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store)
    }


@functools.cache
def digest_of_syntax(code: str | bytes) -> bytes:
    """Digest what a piece of Python does.

    Parameters
    ----------
    code : str or bytes
        Python.

    Returns
    -------
    digest : bytes
        As `digest_of_code` gives it of a file.

    Raises
    ------
    SyntaxError
        If it is no Python.

    Examples
    --------
    >>> digest_of_syntax("x = 1") == digest_of_syntax("x=1  # one")
    True
    """
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if _has_docstring(node):
            del node.body[0]  # type: ignore[attr-defined]
    return _sha256(ast.dump(tree).encode())


def _has_docstring(node):
    kinds = ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef
    return isinstance(node, kinds) and ast.get_docstring(node, clean=False) is not None


def _sha256(content):
    return hashlib.sha256(content).digest()


# --- What a piece of code says, whatever files there are


class Uses(NamedTuple):
    """What a piece of code imports from this package, and does with it."""

    # (variable, module, name in it or ""), in the order of the code
    imported: tuple[tuple[str, str, str], ...]
    # ("variable", "attribute", ...): as long as the code has them
    dotted: frozenset[tuple[str, ...]]
    whole: frozenset[str]  # variables that the code hands on as they are


@functools.cache
def _uses(code):
    """Read what a piece of code imports from this package, and does with it."""
    tree = ast.parse(code)
    tree.body = [node for node in tree.body if not _for_types_alone(node)]
    every = list(ast.walk(tree))
    imported = []
    for node in every:
        if isinstance(node, ast.Import):
            imported += [
                (alias.asname or PACKAGE, alias.name, "")
                for alias in node.names
                if _ours(alias.name)
            ]
        elif isinstance(node, ast.ImportFrom):
            _refuse_relative(node)
            _refuse_importer(node)
            module = node.module or ""
            imported += [
                (alias.asname or alias.name, module, alias.name)
                for alias in node.names
                if _ours(module)
            ]
        elif isinstance(node, ast.Call):
            _refuse_import_by_string(node)
    variables = {variable for variable, _, _ in imported}
    dotted, inner = set(), set()
    for node in every:  # from the outside in: the longest dotted name first
        if isinstance(node, ast.Attribute) and node not in inner:
            attributes: list[str] = []
            while isinstance(node, ast.Attribute):
                attributes.insert(0, node.attr)
                node = node.value
                inner.add(node)
            if isinstance(node, ast.Name) and node.id in variables:
                dotted.add((node.id, *attributes))
    whole = {
        node.id
        for node in every
        if isinstance(node, ast.Name) and node.id in variables and node not in inner
    }
    return Uses(tuple(imported), frozenset(dotted), frozenset(whole))


def _for_types_alone(node):
    """Tell whether a statement is for a checker of types, and never runs."""
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def _ours(module):
    return module.split(".")[0] == PACKAGE


def _refuse_relative(node):
    if node.level:
        raise ValueError(
            f"line {node.lineno} imports from {'.' * node.level}{node.module or ''}; "
            f"write the full name, from {PACKAGE} on"
        )


def _refuse_importer(node):
    """Refuse what imports by strings, which could be called by any other name."""
    for name in IMPORTERS & {alias.name for alias in node.names}:
        raise ValueError(
            f"line {node.lineno} imports {name}, and what that imports cannot be "
            "followed; import it by a statement"
        )


def _refuse_import_by_string(call):
    called = getattr(call.func, "attr", getattr(call.func, "id", ""))
    if called in IMPORTERS:
        raise ValueError(
            f"line {call.lineno} calls {called}, and what that imports cannot be "
            "followed; import it by a statement"
        )


# --- What that means among the files that there are


class _Package:
    """The modules that there are, and what the names in code mean among them.

    Parameters
    ----------
    files : dict of str to pathlib.Path
        Of each module, by its full name.
    texts : dict of str to (str, str)
        Of each folder, by its full name: its code, and the stub of its face.
    """

    def __init__(
        self, files: dict[str, Path], texts: dict[str, tuple[str, str]]
    ) -> None:
        self.files, self.texts = files, texts
        self.faces = {name: _handed_on(name, stub) for name, (_, stub) in texts.items()}
        self._reached: dict[str, set[str]] = {}

    def reached(self, code):
        """Name the modules that code reaches itself, and the packages around them."""
        if code not in self._reached:
            imported, used = self._meant(code)
            names = {self._home(name) for name in imported | used}
            for room in used & self.faces.keys():  # its names may be used, too
                names |= set(self.faces[room].values())
            around = {outer for name in names for outer in _packages_around(name)}
            self._reached[code] = names | around
        return self._reached[code]

    def names_used(self, code):
        """Give the full names of what code uses; modules, where it uses them whole."""
        imported, used = self._meant(code)
        return used | (imported - self.files.keys())

    def code_around(self, name):
        """Read the module that defines a name."""
        module, _, inner = name.rpartition(".")
        code = self.files[module].read_text("utf-8") if module in self.files else ""
        if not any(inner in binds for _, binds, _ in _statements(code)):
            raise ValueError(f"there is no {name}")
        return code

    def _meant(self, code):
        """Give the full names of what code imports, and of what it uses of that."""
        uses = _uses(code)
        imported, used = set(), set()
        for variable, module, attribute in uses.imported:
            if module not in self.files:
                raise ValueError(f"there is no {module}")
            name = self._full_name(module, attribute) if attribute else module
            imported.add(name)
            plain = variable == PACKAGE and not attribute  # import cnnbook.a.b
            stands_for = PACKAGE if plain else name
            for first, *attributes in uses.dotted:
                if first == variable:
                    used.add(self._along(stands_for, attributes))
            if variable in uses.whole:
                used.add(stands_for)
        return imported, used

    def _along(self, name, attributes):
        """Name what ``name.attribute.attribute`` is, or the part of it that is ours."""
        for attribute in attributes:
            if name not in self.files:
                break
            name = self._full_name(name, attribute)
        return name

    def _full_name(self, module, attribute):
        """Name what ``module.attribute`` is: a module, or what the module defines."""
        inside = f"{module}.{attribute}"
        if inside in self.files or module not in self.texts:
            return inside
        if attribute in self.faces[module]:
            return f"{self.faces[module][attribute]}.{attribute}"
        if attribute in _defined(self.texts[module][0]):
            return inside
        raise ValueError(f"there is no {inside}")

    def _home(self, name):
        """Name the module that something comes from, which may be that itself."""
        return name if name in self.files else name.rpartition(".")[0]


def _package_in(root):
    """List the package as it is now.

    What its code reaches is found out once, as long as modules and faces stay the same.
    """
    files, texts = [], []
    for folder, inner, names in os.walk(root / PACKAGE):
        if "__init__.py" not in names:
            inner.clear()
            continue
        name = ".".join(Path(folder).relative_to(root).parts)
        code = Path(folder, "__init__.py")
        face = code.with_suffix(".pyi")
        stub = face.read_text("utf-8") if face.name in names else ""
        texts.append((name, code.read_text("utf-8"), stub))
        files.append((name, str(code)))
        files += [
            (f"{name}.{file[:-3]}", os.path.join(folder, file))
            for file in names
            if file.endswith(".py") and file != code.name
        ]
    return _package_of(tuple(files), tuple(texts))


@functools.lru_cache(maxsize=1)
def _package_of(files, texts):
    return _Package(
        {name: Path(file) for name, file in files},
        {name: (code, stub) for name, code, stub in texts},
    )


@functools.cache
def _handed_on(package, stub):
    """Read what a package hands on from its modules: {name: module}."""
    return {
        alias.asname or alias.name: f"{package}.{node.module or alias.name}"
        for node in ast.parse(stub).body
        if isinstance(node, ast.ImportFrom) and node.level == 1
        for alias in node.names
    }


@functools.cache
def _defined(code):
    """Name the variables, functions and classes that a module's code defines."""
    nodes = list(ast.walk(ast.parse(code)))
    functions = ast.FunctionDef | ast.ClassDef
    return {node.name for node in nodes if isinstance(node, functions)} | {
        node.id
        for node in nodes
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }


def _packages_around(name):
    """Name the packages around a module, whose own code runs before its does."""
    while name := name.rpartition(".")[0]:
        yield name
