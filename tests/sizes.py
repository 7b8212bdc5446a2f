"""Name modules with more code than one idea needs, and weigh scripts; for `make lint`.

Blank lines, comments and docstrings do not count: what explains is welcome.
"""

import ast
import io
import tokenize
from pathlib import Path

from cnnbook.widgets import markup, registry

PACKAGE = Path(__file__).parents[1] / "cnnbook"
MOST = 400

PROSE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


def lines_of_code(text):
    """Count the lines that hold code."""
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in PROSE:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            if ast.get_docstring(node, clean=False) is not None:
                string = node.body[0]
                lines.difference_update(range(string.lineno, string.end_lineno + 1))
    return len(lines)


def bytes_of_scripts():
    """Sum up what pages load if they have every widget, arrays aside."""
    scripts = registry.STATIC.glob("*.js")
    return sum(len(markup.served(script).encode()) for script in scripts)


def main():
    """Print what is long, how long the longest is, and what scripts weigh."""
    counts = {
        path.relative_to(PACKAGE.parent): lines_of_code(path.read_text("utf-8"))
        for path in PACKAGE.rglob("*.py")
    }
    for path, count in sorted(counts.items(), key=lambda item: -item[1]):
        if count > MOST:
            print(f"{path}: {count} lines of code; is that one idea?")
    longest = max(counts, key=counts.get)
    print(f"The longest module is {longest}, with {counts[longest]} lines of code.")
    print(f"The scripts of the pages are {bytes_of_scripts():,} bytes together.")


if __name__ == "__main__":
    main()
