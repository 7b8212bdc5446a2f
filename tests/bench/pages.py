"""The weight of the built pages and of their figures."""

import re
import sys
from pathlib import Path

from tests.bench.measuring import Row

HTML = Path(__file__).parents[2] / "_build" / "html"


def measure():
    if not (HTML / "book" / "index.html").exists():
        print("  no pages: run `make book` first", file=sys.stderr)
        return []
    figures = {
        path: path.stat().st_size / 1000
        for path in (HTML / "_images").iterdir()
        if path.suffix in (".png", ".webp", ".svg")
    }
    sheets = {p: kb for p, kb in figures.items() if is_sheet(p)}
    others = {p: kb for p, kb in figures.items() if p not in sheets}
    rows = []
    for name, group, bound in (("figure", others, 150), ("sheet", sheets, 300)):
        if group:
            largest = max(group, key=group.get)
            where = next(page_with(largest), "")
            rows.append(Row(f"largest {name}", group[largest], bound, "kB", note=where))
    return rows


def page_with(figure):
    for page in sorted(HTML.rglob("*.html")):
        if figure.name in page.read_text(encoding="utf8"):
            yield page.relative_to(HTML).as_posix()


def is_sheet(figure):
    """Tell whether a page shows this picture inside a figure named fig-sheet-…."""
    for page in HTML.rglob("*.html"):
        text = page.read_text(encoding="utf8")
        for block in re.findall(r'<figure[^>]*id="fig-sheet-.*?</figure>', text, re.S):
            if figure.name in block:
                return True
    return False
