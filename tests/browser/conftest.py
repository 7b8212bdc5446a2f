"""A browser and the built book, over http and from files.

Without either the checks skip and say why; where CI is set they fail instead.
"""

import os
import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

SITE = Path(__file__).parents[2] / "_build" / "html"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")

# A page is to be judged by what it asks for, so the browser asks for nothing by itself.
LAUNCH_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_generate_tests(metafunc):
    """Run a test that takes a page on every page of the book, page by page."""
    if "page_name" in metafunc.fixturenames:
        metafunc.parametrize("page_name", _pages() or ["none"], scope="module")


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
def browser(site):
    named = os.environ.get("CNNBOOK_CHROMIUM")
    found = [named] if named else [shutil.which(name) for name in BROWSERS]
    executable = next(filter(None, found), None)
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
    handler = partial(_QuietHandler, directory=site)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


class _QuietHandler(SimpleHTTPRequestHandler):
    """Serve files without a line for each on the terminal."""

    def log_message(self, *args):
        pass


@pytest.fixture(params=["http", "file"])
def origin(request, site):
    """Where a reader may find the book: on a server, or in a folder."""
    if request.param == "file":
        return f"{site.as_uri()}/"
    return request.getfixturevalue("http")
