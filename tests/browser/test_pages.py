"""Every page of the built book is whole, offline, light and open to all readers."""

import functools
import json
from contextlib import contextmanager
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from PIL import Image

from cnnbook.widgets import registry
from tests.browser.screens import violations

pytestmark = pytest.mark.slow

DESKTOP = {"width": 1366, "height": 900}
PHONE = {"width": 360, "height": 760}

MOST_BYTES_OF_A_PAGE = 1_200_000  # before its own figures
# Still and live figures fetch these when they are needed, at times before the page is
# there, if one picture takes long.  They have bounds of their own.
OF_FIGURES = ("/_images/", "/widgets/later/")
MOST_BYTES_OF_A_FIGURE = 150_000
MOST_BYTES_OF_A_SHEET = 300_000  # its name starts with fig-sheet-

# Every content image, with whatever might change its pixels on the way to the screen.
IMAGES = """
[...document.querySelectorAll("article img")].map(image => {
  const effects = [];
  for (let part = image; part; part = part.parentElement) {
    const style = getComputedStyle(part);
    if (style.filter !== "none") effects.push(style.filter);
    if (style.opacity !== "1") effects.push("opacity " + style.opacity);
    if (style.mixBlendMode !== "normal") effects.push(style.mixBlendMode);
  }
  return {
    source: image.currentSrc || image.src,
    alt: image.alt,
    lazy: image.dataset.wasLazy === "true",
    hasRoom: image.hasAttribute("width") && image.hasAttribute("height"),
    figure: image.closest("figure")?.id ?? "",
    effects,
  };
})
"""

# What sticks out of the page to the right, though it is in no box that scrolls.
OVERFLOW = """
[...document.querySelectorAll("article *")].filter(part => {
  if (!part.checkVisibility() || part.getBoundingClientRect().right <= innerWidth + 1)
    return false;
  for (let box = part; box.tagName !== "ARTICLE"; box = box.parentElement)
    if (["auto", "scroll"].includes(getComputedStyle(box).overflowX)) return false;
  return true;
}).map(part => part.outerHTML.slice(0, 120))
"""

STARTED = """tags => Object.fromEntries(
  [...document.querySelectorAll(tags)].map((widget) =>
    [widget.localName, Boolean(widget.shadowRoot?.textContent)]))
"""

# What this very page has asked for before it was there, and no check of the page that
# was shown before.
SIZES = """Object.fromEntries(performance.getEntries()
  .filter((entry) => "encodedBodySize" in entry &&
    entry.startTime <= performance.getEntriesByType("navigation")[0].loadEventStart)
  .map((entry) => [entry.name, entry.encodedBodySize]))"""

OPEN_ALL = "document.querySelectorAll('details').forEach(d => d.open = true)"

# A change of colours starts others where they are inherited: until there is none left.
SETTLE = """for (let changes; (changes = document.getAnimations()).length; )
  changes.forEach((change) => change.finish())"""

LOAD_ALL_IMAGES = """
Promise.all([...document.images].map(image => {
  image.dataset.wasLazy = image.loading === "lazy";
  image.loading = "eager";
  return image.decode().catch(() => {});
}))
"""


class Visit:
    """An address on a page, with a record of all it asked for and complained about."""

    def __init__(self, page, url, colours="light"):
        self.page, self.url = page, url
        self.complaints, self.sizes = [], {}
        self.has_arrived = False
        self.listeners = {
            "request": self._check_address,
            "requestfailed": self._fail,
            "response": self._weigh,
            "pageerror": lambda error: self._complain("script", error),
            "console": self._listen,
        }
        for event, listener in self.listeners.items():
            page.on(event, listener)
        page.emulate_media(color_scheme=colours)
        page.goto(url, wait_until="commit")
        self.has_arrived = True
        page.wait_for_load_state("load")
        self.wait_for(colours)
        self.sizes_before_figures = page.evaluate(SIZES)
        page.evaluate(LOAD_ALL_IMAGES)

    def turn(self, colours):
        """Let the reader change the colours, which takes some parts a moment."""
        self.page.emulate_media(color_scheme=colours)
        self.wait_for(colours)
        self.page.evaluate(SETTLE)

    def wait_for(self, colours):
        self.page.wait_for_function(
            "colours => document.documentElement.dataset.theme == colours", arg=colours
        )

    def leave(self):
        """Leave nothing behind for the next visit with the same page."""
        for event, listener in self.listeners.items():
            self.page.remove_listener(event, listener)
        self.page.evaluate("localStorage.clear(); sessionStorage.clear()")
        self.page.goto("about:blank")  # what was still on its way must not arrive there

    def bytes_before_figures(self):
        sizes = self.sizes_before_figures.items()
        return sum(
            size for url, size in sizes if not any(part in url for part in OF_FIGURES)
        )

    def found(self, picture=None):
        """What is there to be judged, whatever becomes of the page."""
        if picture:
            self.page.screenshot(path=picture, full_page=True)
        return SimpleNamespace(
            complaints=[*self.complaints],
            images=self.page.evaluate(IMAGES),
            picture=picture,
            started=self.page.evaluate(STARTED, ", ".join(registry.ELEMENTS)),
        )

    def grave_faults(self):
        return {
            fault["id"]: [node["html"] for node in fault["nodes"]]
            for fault in violations(self.page)
            if fault["impact"] in {"serious", "critical"}
        }

    def _complain(self, what, about):
        self.complaints.append(f"{what}: {about}")

    def _check_address(self, request):
        here, there = urlsplit(self.url), urlsplit(request.url)
        if there.scheme not in {"data", "blob"} and here[:2] != there[:2]:
            self._complain("another host", request.url)

    def _fail(self, request):
        # What the address before still waits for is dropped.
        if self.has_arrived or request.failure != "net::ERR_ABORTED":
            self._complain("failed", request.url)

    def _weigh(self, response):
        if response.status >= 400:
            self._complain(response.status, response.url)
        self.sizes[response.url] = int(response.headers.get("content-length", 0))

    def _listen(self, message):
        if message.type in {"error", "warning"}:
            self._complain("console", message.text)


# --- A page of the book is opened three times, and recorded; tests judge the records.


@contextmanager
def visited(page, url, view, colours="light"):
    page.set_viewport_size(view)
    visit = Visit(page, url, colours)
    try:
        yield visit
    finally:
        visit.leave()


@pytest.fixture(scope="session")
def desk_by_day_and_night(tab, http, picture_of):
    @functools.cache
    def look(name):
        with visited(tab("desk"), http + name, DESKTOP, "dark") as visit:
            night = visit.found(picture_of("at_night", name))
            visit.turn("light")
            day = visit.found(picture_of("on_a_desk", name))
            day.sizes, day.weight = visit.sizes, visit.bytes_before_figures()
            day.fetched = visit.sizes_before_figures
            # Last, for the checker asks for more than the page does.
            day.grave = visit.grave_faults()
            visit.turn("dark")
            night.grave = visit.grave_faults()
        return day, night

    return look


@pytest.fixture(scope="session")
def phone(tab, http, picture_of):
    @functools.cache
    def look(name):
        with visited(tab("phone"), http + name, PHONE, "dark") as visit:
            found = visit.found(picture_of("on_a_phone", name))
            visit.page.evaluate(OPEN_ALL)
            width = visit.page.evaluate("document.documentElement.scrollWidth")
            found.extent = width, visit.page.evaluate(OVERFLOW)
        return found

    return look


@pytest.fixture(scope="session")
def folder(tab, site):
    @functools.cache
    def look(name):
        with visited(tab("folder"), f"{site.as_uri()}/{name}", DESKTOP) as visit:
            return visit.found()

    return look


@pytest.fixture(scope="session")
def picture_of(site):
    """Where the screenshot of a visit goes, for people to look at."""
    folder = site.parent / "screenshots"
    return lambda where, name: folder / where / f"{name.replace('/', '-')}.jpeg"


@pytest.fixture
def on_a_desk(desk_by_day_and_night, page_name):
    return desk_by_day_and_night(page_name)[0]


@pytest.fixture
def at_night(desk_by_day_and_night, page_name):
    return desk_by_day_and_night(page_name)[1]


@pytest.fixture
def on_a_phone(phone, page_name):
    return phone(page_name)


@pytest.fixture
def in_a_folder(folder, page_name):
    return folder(page_name)


@pytest.fixture
def visit(request, where):
    return request.getfixturevalue(where)


everywhere = pytest.mark.parametrize(
    "where", ["on_a_desk", "at_night", "on_a_phone", "in_a_folder"]
)


@everywhere
def test_a_page_asks_no_other_host_and_nothing_fails(visit, page_name):
    assert visit.complaints == []


@everywhere
def test_every_interactive_figure_of_a_page_has_started(visit, page_name):
    assert all(visit.started.values()), visit.started


@pytest.mark.parametrize("where", ["on_a_desk", "at_night", "on_a_phone"])
def test_a_page_can_be_looked_at_whole(visit, page_name):
    """Leaves a picture of every page for people to look at."""
    with Image.open(visit.picture) as picture:
        lowest, highest = picture.convert("L").getextrema()
    assert highest - lowest > 100  # a blank page is of one colour


def test_a_page_is_light_before_its_own_figures(on_a_desk):
    assert on_a_desk.weight <= MOST_BYTES_OF_A_PAGE, on_a_desk.fetched


def test_figures_are_light_and_fetched_only_when_needed(on_a_desk):
    for image in on_a_desk.images:
        assert image["lazy"], image
        assert image["hasRoom"], f"the page jumps when this arrives: {image}"
        is_sheet = image["figure"].startswith("fig-sheet-")
        most = MOST_BYTES_OF_A_SHEET if is_sheet else MOST_BYTES_OF_A_FIGURE
        assert on_a_desk.sizes[image["source"]] <= most, image


def test_every_picture_is_described(on_a_desk):
    for image in on_a_desk.images:
        assert len(image["alt"]) > 10, image


def test_pictures_keep_their_pixels_in_the_dark(on_a_phone):
    for image in on_a_phone.images:
        assert image["effects"] == [], image


def test_a_page_fits_a_phone(on_a_phone):
    assert on_a_phone.extent == (PHONE["width"], [])


@pytest.mark.parametrize("where", ["on_a_desk", "at_night"])
def test_a_page_is_accessible_in_the_light_and_in_the_dark(visit, page_name):
    assert not visit.grave, json.dumps(visit.grave, indent=2)


def test_the_front_door_leads_to_the_first_page(tab, origin):
    page = tab(urlsplit(origin).scheme)
    page.goto(f"{origin}index.html", wait_until="commit")
    page.wait_for_url("**/book/index.html")
    assert page.locator("article h1").is_visible()
