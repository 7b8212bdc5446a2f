"""Pages with a widget each, and what the tests of all widgets ask of them."""

import re
import shutil

import pytest

from cnnbook import embedding

MINUS = "−"

# The rules of WCAG 2.2, levels A and AA; the others are matters of taste.
AXE_OPTIONS = {
    "resultTypes": ["violations"],
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"],
}


def violations(page):
    """List the rules of accessibility that a page breaks."""
    from axe_playwright_python.sync_playwright import Axe

    return Axe().run(page, options=AXE_OPTIONS).response["violations"]


def page_of(inside):
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Widgets</title>'
        '<meta name="viewport" content="width=device-width">'
        '<link rel="icon" href="data:,"><style>:root { color-scheme: light dark }'
        f"body {{ margin: 16px }}</style><main><h1>Widgets</h1>{inside}</main></html>"
    )


def put_code(folder, tag):
    """Write the styles and the scripts of a widget beside its page."""
    shutil.copy(embedding.STYLES, folder)
    for script in embedding.scripts_of(tag):
        (folder / script.name).write_text(embedding.served(script))


def as_in_the_book(widget, **options):
    """The element with an id and other attributes, and links to its scripts."""
    sets = {kind: kind for kind in widget.data}
    scripts = [file.name for file in embedding.scripts_of(widget.tag)]
    scripts[-1:-1] = [f"{kind}.js" for kind in widget.data]
    return (
        "".join(f'<script defer src="{name}"></script>' for name in scripts)
        + embedding.opening(
            widget.tag, sets, embedding.STYLES.name, name=widget.tag, **options
        )
        + f"<p>See the figure.</p></{widget.tag}>"
    )


class Screen:
    """A page with a widget, and all that it complained about or asked others for."""

    def __init__(self, browser, origin, tag, state="", page="", **options):
        self.complaints = []
        self.page = browser.new_page(**options)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("requestfailed", lambda r: self.complaints.append(r.url))
        self.page.on("request", self._check)
        self.origin = origin
        self.page.goto(f"{origin}{page or tag}.html{state and f'#{tag}?{state}'}")
        self.widget = self.page.locator(tag).first

    def _check(self, request):
        if not request.url.startswith((self.origin, "data:", "blob:")):
            self.complaints.append(request.url)

    def says(self):
        """The announced sentences, once the last change has been drawn."""
        self.page.evaluate("new Promise(requestAnimationFrame)")
        return " ".join(self.widget.get_by_role("status").all_inner_texts())

    def text(self):
        self.page.evaluate("new Promise(requestAnimationFrame)")
        return self.widget.evaluate("widget => widget.shadowRoot.textContent")

    def alert(self):
        self.page.evaluate("new Promise(requestAnimationFrame)")
        return self.widget.get_by_role("alert").all_inner_texts()

    def choose(self, label, value):
        self.widget.get_by_role("combobox", name=label, exact=True).select_option(value)

    def chosen(self, label):
        return self.widget.get_by_role("combobox", name=label, exact=True).input_value()

    def canvas(self, label):
        return self.widget.locator(f'canvas[aria-label^="{label}"]')

    def map_size(self, label):
        return self.canvas(label).evaluate("canvas => canvas.cells.slice(0, 2)")

    def saved(self):
        self.page.wait_for_timeout(400)
        return self.page.url


def numbers_in(text):
    found = re.findall(r"-?\d+(?:\.\d+)?(?:e-?\d+)?", text.replace(MINUS, "-"))
    return [float(number) for number in found]


def three_alike(number):
    """What is shown has three digits."""
    return pytest.approx(number, rel=6e-3, abs=1e-6)
