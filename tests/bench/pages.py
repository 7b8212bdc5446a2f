"""The weight of the built pages and of their figures."""

import re
import sys

from playwright.sync_api import sync_playwright

from tests.bench.measuring import Row
from tests.browser.serving import LAUNCH_OPTIONS, SITE, find_browser, served
from tests.browser.test_pages import DESKTOP, Visit


def measure():
    if not (SITE / "book" / "index.html").exists():
        print("  no pages: run `make book` first", file=sys.stderr)
        return []
    figures = {
        path: path.stat().st_size / 1000
        for path in (SITE / "_images").iterdir()
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
    return rows + weights_of_pages()


def weights_of_pages():
    """Weigh what each page loads before its own figures, in a browser."""
    executable = find_browser()
    if executable is None:
        print("  no Chromium: pages were not weighed", file=sys.stderr)
        return []
    weights = {}
    with served(SITE) as address, sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=executable, args=LAUNCH_OPTIONS
        )
        for page in sorted((SITE / "book").glob("*.html")):
            empty = browser.new_page(viewport=DESKTOP)
            visit = Visit(empty, f"{address}book/{page.name}")
            weights[page.name] = visit.bytes_before_figures()
            empty.close()
        browser.close()
    heaviest = max(weights, key=weights.get)
    weight = weights[heaviest] / 1e6
    return [Row("heaviest page before its figures", weight, 1.2, "MB", note=heaviest)]


def page_with(figure):
    for page in sorted(SITE.rglob("*.html")):
        if figure.name in page.read_text(encoding="utf8"):
            yield page.relative_to(SITE).as_posix()


def is_sheet(figure):
    """Tell whether a page shows this picture inside a figure named fig-sheet-…."""
    for page in SITE.rglob("*.html"):
        text = page.read_text(encoding="utf8")
        for block in re.findall(r'<figure[^>]*id="fig-sheet-.*?</figure>', text, re.S):
            if figure.name in block:
                return True
    return False
