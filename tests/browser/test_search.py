"""A reader finds chapters by searching, on a server and in a folder."""

from urllib.parse import urlsplit

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture
def page(tab, origin):
    return tab(urlsplit(origin).scheme)


def test_search_finds_a_chapter(page, origin):
    page.goto(f"{origin}search.html?q=convolution")
    found = page.locator("#search-results a[href*='convolution.html']").first
    found.click()
    page.wait_for_url("**/convolution.html*")  # loaded: asking at once is a race
    assert "convolution.html" in page.url
    assert page.locator("article h1").is_visible()


def test_the_search_box_of_a_chapter_leads_to_the_results(page, origin):
    page.goto(f"{origin}book/pooling.html")
    page.locator(".search-button__button:visible").first.click()
    page.locator("#pst-search-dialog input").fill("receptive")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=receptive*")
    page.locator("#search-results li").first.wait_for()
