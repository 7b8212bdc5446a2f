"""A stamp for everything outside a chapter that its outputs depend on.

The cell cache knows a chapter by the text of its cells alone.  It would go on showing
the old figures after a change to the package, to the photographs, to VGG19's weights
and classes or to the installed versions.  The stamp changes with each of these, and
only for the chapters concerned: a chapter that imports ``layers`` alone outlives a
change in ``networks``.
"""

import hashlib
import os
import re
import sys
from functools import cache
from importlib import metadata

from cnnbook import storage

PACKAGE = "cnnbook"
WRITES_SCRIPTS = f"{PACKAGE}.widgets.embedding"  # into the output of a cell

CODE_CELL = re.compile(r"^(`{3,}|~{3,})\{code-cell\}[^\n]*\n(.*?)^\1", re.M | re.S)
# What may stand above a cell's code: a YAML block, or lines such as ":tags: [...]".
CELL_OPTIONS = re.compile(r"\A(?:---\n.*?^---\n|(?::[\w-]+:[^\n]*\n)+)", re.M | re.S)


def code_cells(text):
    """Return the code of every cell in a chapter's source, options removed."""
    return [CELL_OPTIONS.sub("", match[2]) for match in CODE_CELL.finditer(text)]


def modules_behind(root, text):
    """Find the modules of the package that a chapter runs, directly or through others.

    Parameters
    ----------
    root : pathlib.Path
        The folder that holds the package.
    text : str
        A chapter's source.

    Returns
    -------
    modules : dict of str to pathlib.Path
        Name and file of each, sorted by name.

    Raises
    ------
    ValueError
        If an import cannot be followed.
    """
    # IPython's "%magic" and "!command" are not Python.
    code = re.sub(r"^(\s*)[%!].*$", r"\1pass", "\n".join(code_cells(text)), flags=re.M)
    try:
        return storage.modules_behind(root, code)
    except SyntaxError:  # the kernel will say so, with the page and the line
        return {}


def stamp(root, text):
    """Return a short text that changes with whatever a chapter's outputs depend on.

    Parameters
    ----------
    root : pathlib.Path
        The folder that holds the package and ``requirements``.
    text : str
        A chapter's source.

    Returns
    -------
    stamp : str
        Sixteen hexadecimal digits; empty for a page without code cells.

    Raises
    ------
    ValueError
        If the photographs that the reader has named cannot be used, or an import
        cannot be followed.
    """
    if not code_cells(text):
        return ""
    digest = hashlib.sha256(_versions(root).encode())
    modules = modules_behind(root, text)
    digest.update(content_of(modules))
    if modules:
        digest.update(os.environ.get("CNNBOOK_PUBLISH", "").encode())
        for file in _package_data(root, modules):
            digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


def content_of(modules):
    """Return bytes that change with what modules do, and with what they read outside.

    Parameters
    ----------
    modules : dict of str to pathlib.Path
        From `modules_behind`.

    Returns
    -------
    content : bytes
    """
    parts = []
    for name, file in modules.items():
        parts += [name.encode(), b"\0", storage.digest_of_code(file)]
        if name in OUTSIDE:
            parts.append(OUTSIDE[name]().encode())
    return b"".join(parts)


def _package_data(root, modules):
    """List the package's other files, such as its Matplotlib style."""
    others = {".py", ".pyc", ".pyi"}
    if WRITES_SCRIPTS not in modules:
        others |= {".js", ".css"}  # no cell can write them into its output
    return sorted(
        file
        for file in (root / PACKAGE).rglob("*")
        if file.is_file() and file.suffix not in others
    )


@cache
def _pictures():
    """Tell which pictures of pets are on this machine."""
    from cnnbook import pictures

    return pictures.fingerprint()


@cache
def _weights():
    """Tell which files of VGG19's weights and classes are on this machine."""
    given = os.environ.get("CNNBOOK_VGG19_WEIGHTS", "")
    facts = [given]
    published = map(storage.destination, storage.REGISTRY.values())
    for file in (storage.from_repository(given), *published):
        if file.is_file():
            facts.append(f"{file.name} {file.stat().st_size} {file.stat().st_mtime_ns}")
    return "\n".join(facts)


# Modules that read files from outside the repository.
OUTSIDE = {
    f"{PACKAGE}.pictures.pets": _pictures,
    f"{PACKAGE}.networks.vgg_weights": _weights,
}


@cache
def _versions(root):
    """Write out Python's version and that of every package that we pin."""
    lines = [sys.version]
    pinned = (root / "requirements" / "book.txt").read_text(encoding="utf-8")
    for name in re.findall(r"^([\w.-]+)==", pinned, re.M):
        try:
            lines.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:  # of another system
            lines.append(f"{name} absent")
    return "\n".join(lines)
