"""The weight of the built pages and of their figures."""

import re
import shutil
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.bench.measuring import Row
from tests.browser.test_pages import Visit

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
    return rows + weights_of_pages()


def weights_of_pages():
    """Weigh what each page loads before its own figures, in a browser."""
    executable = shutil.which("chromium")
    if executable is None:
        print("  no Chromium: pages were not weighed", file=sys.stderr)
        return []
    handler = partial(QuietHandler, directory=HTML)
    with (
        ThreadingHTTPServer(("127.0.0.1", 0), handler) as server,
        sync_playwright() as driver,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = driver.chromium.launch(
            executable_path=executable, args=["--no-sandbox"]
        )
        weights = {}
        for page in sorted((HTML / "book").glob("*.html")):
            address = f"http://127.0.0.1:{server.server_port}/book/{page.name}"
            visit = Visit(browser, address)
            weights[page.name] = sum(
                size
                for url, size in visit.sizes_before_figures.items()
                if "/_images/" not in url
            )
            visit.page.close()
        browser.close()
        server.shutdown()
    heaviest = max(weights, key=weights.get)
    weight = weights[heaviest] / 1e6
    return [Row("heaviest page before its figures", weight, 1.2, "MB", note=heaviest)]


class QuietHandler(SimpleHTTPRequestHandler):
    """Serve files without a line for each on the terminal."""

    def log_message(self, *args):
        pass


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
