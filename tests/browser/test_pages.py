"""Every page of the built book is whole, offline, light and open to all readers."""

import json
from urllib.parse import urlsplit

import pytest

from cnnbook import embedding
from tests.browser.screens import violations

DESKTOP = {"width": 1366, "height": 900}
PHONE = {"width": 360, "height": 760}

MOST_BYTES_OF_A_PAGE = 1_200_000  # before its own figures
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

LOAD_ALL_IMAGES = """
Promise.all([...document.images].map(image => {
  image.dataset.wasLazy = image.loading === "lazy";
  image.loading = "eager";
  return image.decode().catch(() => {});
}))
"""


class Visit:
    """One page, opened, with a record of all it asked for and complained about."""

    def __init__(self, browser, url, *, view=DESKTOP, colours="light"):
        self.url = url
        self.complaints = []
        self.sizes = {}
        self.page = browser.new_page(viewport=view, color_scheme=colours)
        self.page.on("request", self._check_address)
        self.page.on("requestfailed", lambda r: self._complain("failed", r.url))
        self.page.on("response", self._weigh)
        self.page.on("pageerror", lambda error: self._complain("script", error))
        self.page.on("console", self._listen)
        self.page.goto(url, wait_until="load")
        self.page.wait_for_function(
            "colours => document.documentElement.dataset.theme == colours", arg=colours
        )
        self.sizes_before_figures = dict(self.sizes)
        self.page.evaluate(LOAD_ALL_IMAGES)

    def bytes_before_figures(self):
        sizes = self.sizes_before_figures
        return sum(size for url, size in sizes.items() if "/_images/" not in url)

    def images(self):
        return self.page.evaluate(IMAGES)

    def _complain(self, what, about):
        self.complaints.append(f"{what}: {about}")

    def _check_address(self, request):
        here, there = urlsplit(self.url), urlsplit(request.url)
        if there.scheme not in {"data", "blob"} and here[:2] != there[:2]:
            self._complain("another host", request.url)

    def _weigh(self, response):
        if response.status >= 400:
            self._complain(response.status, response.url)
        self.sizes[response.url] = int(response.headers.get("content-length", 0))

    def _listen(self, message):
        if message.type in {"error", "warning"}:
            self._complain("console", message.text)


@pytest.fixture(scope="module")
def on_a_desk(browser, http, page_name):
    visit = Visit(browser, http + page_name)
    yield visit
    visit.page.close()


@pytest.fixture(scope="module")
def at_night(browser, http, page_name):
    visit = Visit(browser, http + page_name, colours="dark")
    yield visit
    visit.page.close()


@pytest.fixture(scope="module")
def on_a_phone(browser, http, page_name):
    visit = Visit(browser, http + page_name, view=PHONE, colours="dark")
    yield visit
    visit.page.close()


@pytest.fixture(scope="module")
def in_a_folder(browser, site, page_name):
    visit = Visit(browser, f"{site.as_uri()}/{page_name}")
    yield visit
    visit.page.close()


@pytest.fixture(
    params=["on_a_desk", "at_night", "on_a_phone", "in_a_folder"], scope="module"
)
def visit(request, page_name):
    return request.getfixturevalue(request.param)


def test_a_page_asks_no_other_host_and_nothing_fails(visit):
    assert visit.complaints == []


def test_every_interactive_figure_of_a_page_has_started(visit):
    started = visit.page.evaluate(
        """tags => Object.fromEntries(
             [...document.querySelectorAll(tags)].map((widget) =>
               [widget.localName, Boolean(widget.shadowRoot?.textContent)]))""",
        ", ".join(embedding.TAKES),
    )
    assert all(started.values()), started


@pytest.mark.parametrize("where", ["on_a_desk", "at_night", "on_a_phone"])
def test_a_page_can_be_looked_at_whole(request, site, page_name, where):
    """Leaves a picture of every page for people to look at."""
    page = request.getfixturevalue(where).page
    picture = site.parent / "screenshots" / where / f"{page_name.replace('/', '-')}.png"
    page.screenshot(path=picture, full_page=True)
    assert picture.stat().st_size > 10_000  # a blank page is smaller


def test_a_page_is_light_before_its_own_figures(on_a_desk):
    assert on_a_desk.bytes_before_figures() <= MOST_BYTES_OF_A_PAGE


def test_figures_are_light_and_fetched_only_when_needed(on_a_desk):
    for image in on_a_desk.images():
        assert image["lazy"], image
        assert image["hasRoom"], f"the page jumps when this arrives: {image}"
        is_sheet = image["figure"].startswith("fig-sheet-")
        most = MOST_BYTES_OF_A_SHEET if is_sheet else MOST_BYTES_OF_A_FIGURE
        assert on_a_desk.sizes[image["source"]] <= most, image


def test_every_picture_is_described(on_a_desk):
    for image in on_a_desk.images():
        assert len(image["alt"]) > 10, image


def test_pictures_keep_their_pixels_in_the_dark(on_a_phone):
    for image in on_a_phone.images():
        assert image["effects"] == [], image


def test_a_page_fits_a_phone(on_a_phone):
    page = on_a_phone.page
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    width = page.evaluate("document.documentElement.scrollWidth")
    assert (width, page.evaluate(OVERFLOW)) == (PHONE["width"], [])


@pytest.mark.parametrize("where", ["on_a_desk", "at_night"])
def test_a_page_is_accessible_in_the_light_and_in_the_dark(request, page_name, where):
    found = violations(request.getfixturevalue(where).page)
    grave = {
        fault["id"]: [node["html"] for node in fault["nodes"]]
        for fault in found
        if fault["impact"] in {"serious", "critical"}
    }
    assert not grave, json.dumps(grave, indent=2)


def test_the_front_door_leads_to_the_first_page(browser, origin):
    page = browser.new_page()
    page.goto(f"{origin}index.html", wait_until="commit")
    page.wait_for_url("**/book/index.html")
    assert page.locator("article h1").is_visible()
    page.close()
