"""Pages with a widget each, and what the tests of all widgets ask of them."""

import itertools
import re
import shutil

import pytest

from cnnbook.widgets import markup, registry

MINUS = "−"
OPENINGS = itertools.count()  # of pages, one after the other

FOLLOW = """(widget, state) => {
  widget.shadowRoot.activeElement?.blur();
  widget.restore(state);
}"""

# The rules of WCAG 2.2, levels A and AA; the others are matters of taste.
AXE_OPTIONS = {
    "resultTypes": ["violations"],
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"],
}


# The checker makes very many colours, and keeps what is private to each in a WeakMap,
# which takes it a third of its time.  To it these are the same, and quicker.
QUICK_MAPS = """
class WeakMap {
  key = Symbol();
  constructor(entries = []) { for (const entry of entries) this.set(...entry); }
  has(owner) { return this.key in owner; }
  get(owner) { return owner[this.key]; }
  set(owner, value) { owner[this.key] = value; return this; }
  delete(owner) { return this.has(owner) && delete owner[this.key]; }
}
class WeakSet extends WeakMap {
  constructor(owners = []) { super(owners.map((owner) => [owner, true])); }
  add(owner) { return this.set(owner, true); }
}
"""


def violations(page):
    """List the rules of accessibility that a page breaks."""
    from axe_playwright_python.sync_playwright import Axe

    if not page.evaluate("'axe' in window"):
        page.evaluate(f"(() => {{ {QUICK_MAPS} {Axe().axe_script} }})()")
    return Axe("").run(page, options=AXE_OPTIONS).response["violations"]


def page_of(inside):
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Widgets</title>'
        '<meta name="viewport" content="width=device-width">'
        '<link rel="icon" href="data:,"><style>:root { color-scheme: light dark }'
        f"body {{ margin: 16px }}</style><main><h1>Widgets</h1>{inside}</main></html>"
    )


def put_code(folder, tag):
    """Write the styles and the scripts of a widget beside its page."""
    shutil.copy(markup.STYLES, folder)
    for script in registry.ELEMENTS[tag].scripts:
        (folder / script.name).write_text(markup.served(script))


def as_in_the_book(widget, **options):
    """The element with an id and other attributes, and links to its scripts."""
    sets = {kind: kind for kind in widget.data}
    scripts = [file.name for file in registry.ELEMENTS[widget.tag].scripts]
    scripts[-1:-1] = [f"{kind}.js" for kind in widget.data]
    return (
        "".join(f'<script defer src="{name}"></script>' for name in scripts)
        + markup.opening(
            widget.tag, sets, markup.STYLES.name, name=widget.tag, **options
        )
        + f"<p>See the figure.</p></{widget.tag}>"
    )


class Screen:
    """A tab of the browser, for one page with a widget after the other.

    It keeps all that the page complains about or asks others for.
    """

    def __init__(self, browser, **options):
        self.page, self.shown = browser.new_page(**options), None
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("requestfailed", self._fail)
        self.page.on("request", self._check)

    def open(self, origin, tag, state="", page=""):
        """Load a page with a widget of that tag in that state, whatever was there."""
        self.origin, self.tag, self.complaints = origin, tag, []
        self.has_arrived, self.shown = False, None
        # Another query makes it another page, as another fragment does not.
        address = f"{origin}{page or tag}.html?{next(OPENINGS)}"
        self.page.goto(f"{address}{state and f'#{tag}?{state}'}", wait_until="commit")
        self.has_arrived = True
        self.page.wait_for_load_state()
        self.widget = self.page.locator(tag).first
        return self

    def show(self, origin, tag, state="", page=""):
        """Open such a page, or follow a link on the one that was shown before."""
        if self.shown != (origin, tag, page):
            self.open(origin, tag, state, page)
            self.shown = origin, tag, page
        else:
            self.complaints = []
            self.widget.evaluate(FOLLOW, state)
        return self

    def leave(self):
        """Take the mouse to where it points at nothing on the next page."""
        self.page.mouse.move(0, 0)

    def _fail(self, request):
        # What the page before still waits for is dropped.
        if self.has_arrived or request.failure != "net::ERR_ABORTED":
            self.complaints.append(request.url)

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
        """The fragment of the address, once the last change has been saved."""
        # Widgets wait as long; a timer that is set later goes off later.
        self.page.evaluate("new Promise((done) => setTimeout(done, 300))")
        return self.page.evaluate("location.hash")

    def upload(self, name, data):
        """Pick a picture, and wait until it is shown or refused."""
        file = {"name": name, "mimeType": "image/jpeg", "buffer": data}
        self.widget.locator("input[type=file]").set_input_files(file)
        self.wait_for(
            """widget => widget.state.picture === "own"
                 || widget.shadowRoot.querySelector("[role=alert]").textContent"""
        )

    def wait_for(self, condition):
        """Wait until a function of the widget gives something true."""
        self.page.wait_for_function(
            f"tag => ({condition})(document.querySelector(tag))", arg=self.tag
        )


def numbers_in(text):
    found = re.findall(r"-?\d+(?:\.\d+)?(?:e-?\d+)?", text.replace(MINUS, "-"))
    return [float(number) for number in found]


def three_alike(number):
    """What is shown has three digits."""
    return pytest.approx(number, rel=6e-3, abs=1e-6)
