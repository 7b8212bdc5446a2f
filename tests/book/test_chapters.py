"""Every chapter keeps the book's conventions; the build checks that it runs."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
BOOK = ROOT / "book"

TOC = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
LISTED = [TOC["root"]] + [
    chapter["file"] for part in TOC["parts"] for chapter in part["chapters"]
]
PAGES = [ROOT / f"{name}.md" for name in LISTED]
# Pages of other kinds, which teach nothing and have no summary.
OTHER_PAGES = {
    "index",
    "api",
    "colophon",
    "bibliography",
    "model-card",
    "which-models",
}
CHAPTERS = [
    page
    for page in PAGES
    if page.stem not in OTHER_PAGES and not page.stem.startswith("api-")
]

CODE_CELL = re.compile(r"^```\{code-cell\}[^\n]*\n(.*?)^```$", re.M | re.S)
DRAWING = re.compile(r"\bfigures\.\w+\(")
KEBAB_CASE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")

MOST_LINES_IN_A_CELL = 10
MOST_LINES_IN_A_CHAPTER = 350

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
each_chapter = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda page: page.stem)


def cells(page):
    """The code cells of a page: (options, code) of each."""
    found = []
    for body in CODE_CELL.findall(page.read_text(encoding="utf-8")):
        if match := re.match(r"---\n(.*?)^---\n", body, re.M | re.S):
            options = yaml.safe_load(match[1])
        elif match := re.match(r"(?::[\w-]+:[^\n]*\n)+", body):
            lines = (line[1:].split(":", 1) for line in match[0].splitlines())
            options = {key: yaml.safe_load(value) for key, value in lines}
        found.append((options if match else {}, body[match.end() if match else 0 :]))
    return found


def figures(page):
    """The options of cells that show a figure, as far as they are given."""
    for options, code in cells(page):
        shown = "remove-cell" not in options.get("tags", [])
        if shown and (DRAWING.search(code) or "figure" in options.get("mystnb", {})):
            yield code, options.get("mystnb", {})


def prose(page):
    """A page without its code."""
    text = page.read_text(encoding="utf-8")
    return re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)


def test_every_page_is_in_the_table_of_contents():
    assert sorted(LISTED) == sorted(f"book/{page.stem}" for page in BOOK.glob("*.md"))


@each_page
def test_every_figure_has_a_name_a_caption_and_alt_text(page):
    for code, options in figures(page):
        figure, image = options.get("figure", {}), options.get("image", {})
        assert figure.get("name", "").startswith("fig-"), f"no name: fig-...\n{code}"
        assert figure.get("caption"), f"no caption\n{code}"
        assert image.get("alt"), f"no alt text\n{code}"


@pytest.mark.parametrize(
    "stem", ["feature-maps", "filters", "vgg19", "side-by-side", "claims"]
)
def test_captions_say_what_the_networks_shown_have_learned_from(stem):
    for code, options in figures(BOOK / f"{stem}.md"):
        named = re.search(
            r"\{glue:text\}`(source|which)`", options["figure"]["caption"]
        )
        # Receptive fields do not depend on weights; the record is of photographs.
        others = ("fig-side-windows", "fig-claim-depth")
        assert named or options["figure"]["name"] in others, code


@each_page
def test_alt_text_says_what_is_seen_and_the_caption_what_to_conclude(page):
    for _, options in figures(page):
        alt, caption = options["image"]["alt"], options["figure"]["caption"]
        assert alt.strip() != caption.strip()
        assert len(alt.split()) >= 4, f"{alt!r} describes nothing"
        assert "$" not in alt, f"a screen reader reads {alt!r} as it stands"


def test_no_two_figures_or_equations_have_the_same_name():
    names = [name for page in PAGES for name in labels(page)]
    assert sorted(names) == sorted(set(names))


def labels(page):
    """Every label that a page defines."""
    text = page.read_text(encoding="utf-8")
    patterns = [
        r"^\(([^)\n]+)\)=$",  # (label)=
        r"^ *:(?:label|name): *(\S+)$",  # directives
        r"^\$\$ *\(([^)\n]+)\)$",  # $$ (label)
    ]
    found = [name for pattern in patterns for name in re.findall(pattern, text, re.M)]
    return found + [options["figure"]["name"] for _, options in figures(page)]


@each_page
def test_labels_tell_what_they_point_at(page):
    for name in labels(page):
        assert KEBAB_CASE.fullmatch(name), f"{name} is not kebab-case"
    text = page.read_text(encoding="utf-8")
    equations = re.findall(r"\{math\}\n:label: *(\S+)|^\$\$ *\(([^)]+)\)", text, re.M)
    for name in map("".join, equations):
        assert name.startswith("eq-"), f"{name} labels an equation"


@each_page
def test_functions_live_in_the_package_not_in_chapters(page):
    for _, code in cells(page):
        assert not re.search(r"^\s*(def|class) ", code, re.M), code


@each_page
def test_a_cell_is_short_enough_to_read(page):
    for options, code in cells(page):
        if "remove-cell" not in options.get("tags", []):
            lines = [line for line in code.splitlines() if line.strip()]
            assert len(lines) <= MOST_LINES_IN_A_CELL, code


@each_page
def test_pages_load_nothing_from_another_host(page):
    text = page.read_text(encoding="utf-8")
    for pattern in (
        r"!\[[^\]]*\]\(\s*https?:",
        r"\{(image|figure|iframe)\}\s*https?:",
        r"<\s*(script|iframe|link)\b",
        r"<\s*(img|video|source)\b[^>]*https?:",
    ):
        assert not re.search(pattern, text), pattern


@each_page
def test_code_in_a_page_is_run(page):
    """Code in a plain fence may rot unseen; a shell command may not be run."""
    fences = re.findall(r"^```(python|py|ipython3?)\b", page.read_text(), re.M)
    assert not fences


@each_chapter
def test_a_chapter_is_short_enough_to_review(chapter):
    lines = chapter.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= MOST_LINES_IN_A_CHAPTER


@each_chapter
def test_a_chapter_opens_with_what_the_reader_will_do_and_needs(chapter):
    _, text = re.split(r"^# .*\n\n", prose(chapter), maxsplit=1, flags=re.M)
    will, need, *_ = text.split("\n\n")
    assert will.startswith("**You will** ")
    assert need.startswith("**You need** ")


@each_chapter
def test_a_chapter_ends_with_a_summary_and_a_pointer_onward(chapter):
    *_, last = re.split(r"^## ", prose(chapter), flags=re.M)
    assert last.startswith("Summary\n")
    assert 2 <= len(re.findall(r"^- ", last, re.M)) <= 4
    *_, farewell = last.strip().split("\n\n")
    assert re.search(r"\{doc\}`", farewell), "the last paragraph points nowhere"


@each_chapter
def test_a_chapter_shows_something(chapter):
    assert list(figures(chapter)), "no figure"


@each_page
def test_a_value_in_the_text_stands_outside_code(page):
    """Inside backticks a role would be shown as it is written."""
    assert not re.search(r"`\{glue:text\}`", page.read_text(encoding="utf-8"))
