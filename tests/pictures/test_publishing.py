"""Photographs that are not publishable stay out of a book that is published."""

import re
from pathlib import Path

import numpy as np
import pytest

from cnnbook import pictures

BOOK = Path(__file__).parents[2] / "book"


def pets(publishable):
    split = pictures.Split(np.zeros((2, 8, 8, 3), np.uint8), np.array([0, 1]))
    names = ("cat", "dog")
    return pictures.Pets(split, split, None, names, "made", "made here", publishable)


@pytest.mark.parametrize("publish", [None, "", "0", "1"])
def test_publishable_pictures_are_always_shown_without_a_word(monkeypatch, publish):
    wish(monkeypatch, publish)
    assert pictures.may_show(pets(True))
    assert pictures.publishing_notice(pets(True)) == ""


@pytest.mark.parametrize("publish", [None, "", "0"])
def test_other_photographs_are_shown_at_home_with_a_warning(monkeypatch, publish):
    wish(monkeypatch, publish)
    assert pictures.may_show(pets(False))
    assert "Not for republishing" in pictures.publishing_notice(pets(False))


def test_other_photographs_are_left_out_when_publishing_and_the_page_says_so(
    monkeypatch,
):
    wish(monkeypatch, "1")
    assert not pictures.may_show(pets(False))
    assert "none of them is on this page" in pictures.publishing_notice(pets(False))


def wish(monkeypatch, publish):
    if publish is None:
        monkeypatch.delenv("CNNBOOK_PUBLISH", raising=False)
    else:
        monkeypatch.setenv("CNNBOOK_PUBLISH", publish)


def test_pictures_that_the_book_was_built_from_are_shown_only_where_they_may_be():
    drawn = 0
    for path in [*BOOK.glob("*.md"), *BOOK.glob("_ext/**/*.py")]:
        text = path.read_text(encoding="utf8")
        if not re.search(r"load_pets\((?!folder)", text):
            continue
        assert path.stem in {"training", "filters", "mistakes"}
        for cell in re.findall(r"^```\{code-cell\}.*?^```$", text, re.M | re.S):
            if not re.search(r"\b(pets\.\w+|photos)\.images|top\.patches", cell):
                continue
            assert (
                not re.search(r"^\w+ = \w+\.\w+\.images\[", cell, re.M)
                or "pet =" in cell
            )
            if re.search(r"^figures\.\w+\(", cell, re.M):
                assert ") if pictures.may_show(pets) else None\n" in cell
                drawn += 1
            elif "pet = " in cell:  # and drawn in the next cell
                assert "if not pictures.may_show(pets):\n    pet = " in cell
                drawn += 1
    assert drawn == 4
