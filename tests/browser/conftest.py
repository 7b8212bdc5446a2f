"""A browser and the built book, over http and from files.

Without either the checks skip and say why; where CI is set they fail instead.
"""

import functools
import os
from collections import defaultdict
from urllib.parse import urlsplit

import pytest

from tests.browser.screens import Screen
from tests.browser.serving import (
    BROWSERS,
    LAUNCH_OPTIONS,
    SITE,
    find_browser,
    served,
)


def pytest_generate_tests(metafunc):
    """Run a test that takes a page on every page of the book.

    All that is asked of one page is asked in one process.
    """
    if "page_name" in metafunc.fixturenames:
        pages = [
            pytest.param(name, marks=pytest.mark.xdist_group(name))
            for name in _pages() or ["none"]
        ]
        metafunc.parametrize("page_name", pages)


def _pages():
    """List the pages of the book, with one of the listings of its source code."""
    listings = sorted(SITE.glob("_modules/cnnbook/*.html"))
    pages = [*sorted(SITE.glob("book/**/*.html")), SITE / "search.html", *listings[:1]]
    return [page.relative_to(SITE).as_posix() for page in pages if page.exists()]


def _do_without(reason):
    """Skip, or fail where the checks are meant to run."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


@pytest.fixture(scope="session")
def site():
    if not (SITE / "index.html").exists():
        _do_without("there is no built book; run `make book` first")
    return SITE


@pytest.fixture(scope="session")
def browser():
    executable = find_browser()
    if executable is None:
        _do_without(
            f"no browser ({', '.join(BROWSERS)}); install Debian's chromium, or set "
            "CNNBOOK_CHROMIUM to one"
        )
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _do_without("playwright is not installed; run `make install`")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=executable, args=LAUNCH_OPTIONS
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def http(site):
    """The address of a server of the built book."""
    with served(site) as address:
        yield address


@pytest.fixture(params=["http", "file"])
def origin(request, site):
    """Where a reader may find the book: on a server, or in a folder."""
    if request.param == "file":
        return f"{site.as_uri()}/"
    return request.getfixturevalue("http")


@pytest.fixture(scope="session")
def tab(browser):
    """Give a page of the browser for each use, once: a new one takes a second."""
    return functools.cache(lambda use: browser.new_page())


@pytest.fixture(scope="session")
def screens(browser):
    """The screens that are free, by their options: a new one takes a second."""
    return defaultdict(list)


@pytest.fixture
def open_page(browser, screens, address):
    """Open pages, and insist in the end that none complained.

    Their screens are used again, but for those that are not to be `kept`: what a test
    changes there would last.
    """
    used = []

    def open_one(
        tag, state="", origin=address, page="", *, kept=True, anew=True, **options
    ):
        free = screens[urlsplit(origin).scheme, repr(sorted(options.items()))]
        screen = free.pop() if free and kept else Screen(browser, **options)
        used.append((screen, free if kept else None))
        return (screen.open if anew else screen.show)(origin, tag, state, page)

    yield open_one
    for screen, free in used:
        if free is None:
            screen.page.close()
        else:
            screen.leave()
            free.append(screen)
    assert [screen.complaints for screen, _ in used if screen.complaints] == []


@pytest.fixture
def look_at(open_page):
    """Open pages for tests that change only a widget's state: they may share a page."""
    return functools.partial(open_page, anew=False)
