"""Mend what the theme gets wrong for readers who use a screen reader or a keyboard.

Found with axe on every page; tests/browser repeats that check.
"""

import re
from pathlib import Path

REPAIRS = [
    # The sidebar's chevrons have no name.
    (
        re.compile(r'<summary>(?=<span class="toctree-toggle")'),
        '<summary aria-label="Show or hide the sections of this chapter">',
    ),
    # A name that differs from the text seen confuses those who speak it.
    (re.compile(r'<summary aria-label="Toggle hidden content">'), "<summary>"),
    (
        re.compile(
            r'(<button class="btn search-button-field[^>]*?)'
            r' title="Search" aria-label="Search"'
        ),
        r"\1",
    ),
    # The bibliography is marked as a list, its entries not as items of one.
    (re.compile(r'<div role="list" class="citation-list">'), "<div>"),
]


def setup(app):
    """Connect to the end of the build, when the pages are written."""
    app.connect("build-finished", mend_pages)


def mend_pages(app, exception):
    """Repair every page in place; a page already mended stays as it is."""
    if exception or app.builder.format != "html":
        return
    for page in Path(app.outdir).rglob("*.html"):
        old = page.read_text(encoding="utf-8")
        if (new := mend(old)) != old:
            page.write_text(new, encoding="utf-8")


def mend(html):
    """Return a page's HTML with the repairs made."""
    for fault, repair in REPAIRS:
        html = fault.sub(repair, html)
    return html
