"""The book's Sphinx extension keeps its promises, on a book of two small chapters."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sphinx.application import Sphinx
from sphinx.errors import ConfigError
from sphinx.util.docutils import docutils_namespace

from cnnbook import networks, storage, training
from cnnbook.widgets import embedding, markup, registry
from cnnbook_sphinx import (
    accessibility,
    execution,
    footnotes,
    mathml,
    pictures,
    stamps,
    widget_data,
    widgets,
)
from cnnbook_sphinx.jobs import JobError

ROOT = Path(__file__).parents[2]


# --- Stamps: what a chapter's outputs depend on


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A package of which ``layers`` uses ``windows``, and ``vgg`` stands apart."""
    package = tmp_path / "cnnbook"
    package.mkdir()
    files = {
        "__init__.py": "",
        "windows.py": "SIZE = 2\n",
        "layers.py": "def pool():\n    from cnnbook import windows\n",
        "figures.py": "import matplotlib\n",
        "cnnbook.mplstyle": "figure.dpi: 200\n",
    }
    for name, text in files.items():
        (package / name).write_text(text)
    pinned = tmp_path / "requirements" / "book.txt"
    pinned.parent.mkdir()
    pinned.write_text("numpy==2.0.0 \\\n    --hash=sha256:0\n")
    monkeypatch.delenv("CNNBOOK_PUBLISH", raising=False)
    return tmp_path


def chapter(code):
    """A chapter of one cell."""
    return f"# Title\n\n```{{code-cell}} ipython3\n---\ntags: [x]\n---\n{code}\n```\n"


@pytest.mark.parametrize(
    "code",
    [
        "from cnnbook import layers",
        "import cnnbook.layers",
        "from cnnbook.layers import pool",
        "%matplotlib inline\nfrom cnnbook import layers",
        "def late():\n    from cnnbook import layers",
    ],
)
def test_a_chapter_depends_on_all_it_imports_however_it_does(project, code):
    modules = stamps.modules_behind(project, chapter(code))
    assert list(modules) == ["cnnbook", "cnnbook.layers", "cnnbook.windows"]


def test_options_above_a_cell_are_not_taken_for_code():
    text = "```{code-cell}\n:tags: [hide-input]\n:name: x\n\na = 1\n```\n"
    assert stamps.code_cells(text + chapter("b = 2")) == ["\na = 1\n", "b = 2\n"]


def test_a_changed_module_restamps_only_the_chapters_behind_it(project):
    pooling, drawing = chapter("from cnnbook import layers"), chapter("import numpy")
    before = [stamps.stamp(project, text) for text in (pooling, drawing)]

    (project / "cnnbook" / "windows.py").write_text("SIZE = 3\n")

    after = [stamps.stamp(project, text) for text in (pooling, drawing)]
    assert after[0] != before[0]
    assert after[1] == before[1]


def test_a_docstring_and_a_comment_restamp_no_chapter(project):
    text = chapter("from cnnbook import layers")
    before = stamps.stamp(project, text)
    (project / "cnnbook" / "windows.py").write_text('"""Windows."""\nSIZE = 2  # two\n')
    assert stamps.stamp(project, text) == before


def test_a_chapter_that_imports_what_is_not_there_ends_the_build_by_its_name(project):
    with pytest.raises(
        ConfigError, match=r"book/pooling: .*there is no cnnbook\.layer"
    ):
        execution._stamp(project, "book/pooling", chapter("from cnnbook import layer"))


@pytest.mark.parametrize(
    "change",
    [
        lambda root, env: (root / "cnnbook" / "cnnbook.mplstyle").write_text("a: 1"),
        lambda root, env: env.setenv("CNNBOOK_PUBLISH", "1"),
    ],
)
def test_the_style_and_the_wish_to_publish_restamp_what_uses_the_package(
    project, monkeypatch, change
):
    text = chapter("from cnnbook import figures")
    before = stamps.stamp(project, text)
    change(project, monkeypatch)
    assert stamps.stamp(project, text) != before


def test_a_script_for_browsers_restamps_only_cells_that_can_write_it_out(project):
    room = project / "cnnbook" / "widgets"
    script = room / "static" / "a.js"
    script.parent.mkdir(parents=True)
    (room / "__init__.py").touch()
    (room / "embedding.py").write_text("SCRIPT = 'static/a.js'\n")
    imports = "from cnnbook import layers", "from cnnbook.widgets import embedding"
    texts = [chapter(code) for code in imports]
    before = [stamps.stamp(project, text) for text in texts]
    script.write_text("// new")
    after = [stamps.stamp(project, text) for text in texts]
    assert [a != b for a, b in zip(after, before, strict=True)] == [False, True]


def test_an_installed_version_restamps_every_chapter(project, monkeypatch):
    text = chapter("import numpy")
    before = stamps.stamp(project, text)
    monkeypatch.setattr(stamps.metadata, "version", lambda name: "99")
    stamps._versions.cache_clear()
    assert stamps.stamp(project, text) != before
    stamps._versions.cache_clear()


def test_pictures_and_weights_restamp_only_chapters_that_may_read_them(
    project, monkeypatch
):
    files = {
        "pictures/__init__": "",
        "pictures/pets": "",
        "networks/__init__": "",
        "networks/vgg_weights": "",
        "networks/vgg": "from cnnbook.networks import vgg_weights\n",
    }
    for name, text in files.items():
        (project / "cnnbook" / name).parent.mkdir(exist_ok=True)
        (project / "cnnbook" / f"{name}.py").write_text(text)
    imports = ".pictures import pets", ".networks import vgg", " import layers"
    texts = [chapter(f"from cnnbook{code}") for code in imports]

    def restamped(module):
        before = [stamps.stamp(project, text) for text in texts]
        monkeypatch.setitem(stamps.OUTSIDE, module, lambda: "other files")
        after = [stamps.stamp(project, text) for text in texts]
        return [a != b for a, b in zip(after, before, strict=True)]

    assert restamped("cnnbook.pictures.pets") == [True, False, False]
    assert restamped("cnnbook.networks.vgg_weights") == [False, True, False]


def test_the_modules_that_read_outside_files_are_modules_that_chapters_have():
    text = chapter(
        "from cnnbook import networks as n, pictures\npictures.load_pets, n.load_vgg19"
    )
    assert set(stamps.OUTSIDE) <= set(stamps.modules_behind(ROOT, text))


def test_a_weights_file_named_by_the_environment_changes_the_fingerprint(
    tmp_path, monkeypatch
):
    def fingerprint():
        stamps._weights.cache_clear()
        return stamps._weights()

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("CNNBOOK_VGG19_WEIGHTS", str(tmp_path / "vgg19.h5"))
    absent = fingerprint()
    (tmp_path / "vgg19.h5").write_bytes(b"weights")
    present = fingerprint()
    (tmp_path / "vgg19.h5").write_bytes(b"other weights")
    assert len({absent, present, fingerprint()}) == 3
    stamps._weights.cache_clear()


@pytest.mark.parametrize("name", ["vgg19", "vgg19-top", "imagenet-classes"])
def test_a_fetched_file_restamps_the_chapter_on_vgg19_when_it_comes_and_when_it_goes(
    tmp_path, monkeypatch, name
):
    text = (ROOT / "book" / "vgg19.md").read_text(encoding="utf-8")

    def stamp():
        stamps._weights.cache_clear()
        return stamps.stamp(ROOT, text)

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delenv("CNNBOOK_VGG19_WEIGHTS", raising=False)
    file = storage.destination(storage.REGISTRY[name])
    file.parent.mkdir()
    absent = stamp()
    file.write_bytes(b"fetched")
    present = stamp()
    file.unlink()
    assert stamp() == absent != present
    stamps._weights.cache_clear()


def test_a_page_without_cells_needs_no_stamp(project):
    assert stamps.stamp(project, "# Title\n\n```python\nimport cnnbook\n```\n") == ""


# --- Formulas


@pytest.mark.parametrize(
    ("latex", "expected"),
    [
        (r"\begin{aligned} a &= b \\ c &= d \end{aligned}", "<mtable"),
        (
            r"f(x) = \begin{cases} x & x > 0 \\ 0 & \text{else} \end{cases}",
            "<mo>{</mo>",
        ),
        (r"\begin{bmatrix} 1 & 2 \\ 3 & 4 \end{bmatrix}", "<mo>[</mo><mtable"),
        (r"\left\lfloor \frac{H - K}{S} \right\rfloor + 1", "<mo>⌊</mo><mfrac>"),
        (r"\sum_{u=0}^{K-1} w_u", "<munderover>"),
        (r"\operatorname{softmax}(z)_k", "<mi>softmax</mi>"),
        (r"\boldsymbol{x} \in \mathbb{R}^{H \times W}", "<mi>𝒙</mi>"),
    ],
)
def test_formulas_become_mathml_and_keep_their_latex(latex, expected):
    drawn = mathml.to_mathml(latex, display=True)
    assert drawn.startswith('<math display="block">')
    assert expected in drawn
    assert 'encoding="application/x-tex"' in drawn


def test_environments_that_number_themselves_leave_the_numbers_to_sphinx():
    drawn = mathml.to_mathml(
        r"\begin{align} a &= b \\ c &= d \end{align}", display=True
    )
    assert "(1)" not in drawn


@pytest.mark.parametrize("latex", [r"\nosuchcommand", r"\frac{1}{2", "a & b"])
def test_a_formula_that_cannot_be_drawn_is_an_error(latex):
    with pytest.raises(ValueError, match=r"."):
        mathml.to_mathml(latex, display=False)


# --- Pictures


def write_png(path, pixels):
    Image.fromarray(pixels).save(path)
    return path


def test_a_small_figure_keeps_every_pixel(tmp_path, rng):
    pixels = rng.integers(0, 256, size=(40, 60, 3), dtype=np.uint8)
    webp = pictures.to_webp(write_png(tmp_path / "a.png", pixels), budget=150_000)
    with Image.open(webp) as picture:
        np.testing.assert_array_equal(np.asarray(picture), pixels)


def test_a_large_figure_is_squeezed_into_its_budget(tmp_path, rng):
    smooth = Image.fromarray(rng.integers(0, 256, size=(16, 16, 3), dtype=np.uint8))
    png = tmp_path / "a.png"
    smooth.resize((400, 400), Image.Resampling.BICUBIC).save(png)
    without_loss = pictures.to_webp(png, budget=10**9).stat().st_size
    assert pictures.to_webp(png, budget=without_loss // 2).stat().st_size < without_loss


def test_a_sheet_is_squeezed_further_and_a_figure_is_not(tmp_path, rng):
    """Noise is the hardest: only a sheet may be of the lowest qualities."""
    noise = rng.integers(0, 256, (300, 400, 3), np.uint8)
    sizes = [
        pictures.to_webp(write_png(tmp_path / name, noise), 1, qualities).stat().st_size
        for name, qualities in (
            ("figure.png", pictures.QUALITIES),
            ("sheet.png", pictures.SHEET_QUALITIES),
        )
    ]
    assert sizes[1] < sizes[0]


def test_transparency_survives_and_its_absence_is_not_stored(tmp_path):
    pixels = np.full((8, 8, 4), 255, dtype=np.uint8)
    opaque = pictures.to_webp(write_png(tmp_path / "a.png", pixels), budget=10**6)
    pixels[0, 0, 3] = 0
    glass = pictures.to_webp(write_png(tmp_path / "b.png", pixels), budget=10**6)
    with Image.open(opaque) as first, Image.open(glass) as second:
        assert (first.mode, second.mode) == ("RGB", "RGBA")


# --- Docstrings and pages


def test_the_references_of_a_docstring_become_a_list():
    lines = ["Convolution [1]_ .", "", ".. [1] V. Dumoulin, 2016.", "   More."]
    footnotes.to_list(None, "function", "conv2d", None, None, lines)
    assert lines == ["Convolution [1] .", "", "1. V. Dumoulin, 2016.", "   More."]


def test_mending_a_page_twice_changes_nothing_more():
    page = (
        '<summary><span class="toctree-toggle"></span></summary>'
        '<summary aria-label="Toggle hidden content">'
        '<button class="btn search-button-field x" title="Search" aria-label="Search">'
    )
    mended = accessibility.mend(page)
    assert mended.count("aria-label") == 1
    assert accessibility.mend(mended) == mended


# --- Widgets

PLAYGROUND = """\
# A page

```{widget} pooling-playground
See the *figure*.
```
"""

EXPLORER = PLAYGROUND.replace("pooling-playground", "activation-explorer")
CONVOLUTION = PLAYGROUND.replace("pooling-playground", "convolution-playground")


def put_data(source, key, text="a picture"):
    """Arrays of widgets for a book, as the build computes them, in less time."""
    for element in registry.ELEMENTS.values():
        folder = widgets.data_folder(source, element.tag, key)
        (folder / widget_data.LATER).mkdir(parents=True)
        sets = embedding.named_scripts({kind: {"x": text} for kind in element.sets})
        for name, script in sets.values():
            (folder / f"{name}.js").write_text(script)
        picture = f"{element.tag}-{key}.webp"
        (folder / picture).write_text(text)
        facts = {"width": 300, "height": 200, "alt": "What is seen."}
        facts |= {"picture": picture, "sets": {kind: sets[kind][0] for kind in sets}}
        (folder / widget_data.FACTS).write_text(json.dumps(facts))


@pytest.fixture
def data(tmp_path, monkeypatch):
    """The folder of what the feature-map explorer shows, beside all others."""
    monkeypatch.setattr(widgets, "key_of", lambda tag: "key")
    put_data(tmp_path / "source", "key")
    return widgets.data_folder(tmp_path / "source", "feature-map-explorer", "key")


def build_in(source, out, tree, pages, builder="html"):
    """Build pages with the widgets' part of the extension alone."""
    conf = "extensions = ['myst_parser', 'cnnbook_sphinx.widgets']"
    for name, text in {"conf.py": conf, **pages}.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text)
    warnings = io.StringIO()
    with docutils_namespace():
        app = Sphinx(
            source, source, out, tree, builder, status=None, warning=warnings
        )  # fmt: skip
        app.build()
    return out, warnings.getvalue()


@pytest.fixture
def build(tmp_path, data):
    """Build pages whose widgets have their arrays."""

    def build(pages, builder="html"):
        source, tree = tmp_path / "source", tmp_path / "tree"
        return build_in(source, tmp_path / builder, tree, pages, builder)

    return build


def linked(page):
    """The scripts of widgets that a page links to, which are all there."""
    sources = re.findall(r'<script defer="defer" src="([^"?]+)', page.read_text())
    found = [source for source in sources if "widgets/" in source]
    assert all((page.parent / source).is_file() for source in found)
    return [source.rpartition("/")[2] for source in found]


def without_digest(name):
    """The name of a file that ends in a digest of what is in it, without that."""
    return re.sub(r"-[0-9a-f]{8}(?=\.)", "", name)


def test_a_page_loads_the_scripts_of_its_own_widgets_alone(build):
    out, warnings = build(
        {
            "index.md": PLAYGROUND,
            "book/maps.md": EXPLORER,
            "book/both.md": PLAYGROUND + EXPLORER,
            "book/plain.md": "# Plain\n",
        }
    )
    assert [w for w in warnings.splitlines() if "any toctree" not in w] == []
    shared = ["cnn.js", "widget.js"]
    pools = ["pictures.js", "pooling-playground.js"]
    maps = ["maps.js", "activation-explorer.js"]
    found = {
        page: [*map(without_digest, linked(out / page))]
        for page in ("index.html", "book/maps.html", "book/both.html")
    }
    assert found["index.html"] == shared + pools
    assert found["book/maps.html"] == shared + maps
    assert found["book/both.html"] == shared + pools + maps
    assert linked(out / "book" / "plain.html") == []


def test_what_pages_share_lies_there_once_and_by_what_is_in_it(build):
    out, _ = build({"index.md": PLAYGROUND, "a.md": CONVOLUTION})
    both = [linked(out / f"{page}.html") for page in ("index", "a")]
    [name] = {name for name in both[0] if name.startswith("pictures-")} & {*both[1]}
    script = (out / "_static" / "widgets" / name).read_text()
    assert script == f'cnnbook.share("{name[:-3]}", {{"x": "a picture"}});'


def test_two_books_with_other_data_in_one_folder_keep_both(tmp_path, monkeypatch):
    out, shown = tmp_path / "html", {}
    for book in ("first", "second", "first"):
        source, tree = tmp_path / "source" / book, tmp_path / "trees" / book
        monkeypatch.setattr(widgets, "key_of", lambda tag, book=book: book)
        monkeypatch.setattr(widgets, "CACHE", tmp_path / "kept")
        if book not in shown:
            put_data(source, book, text=f"seen in the {book}")
        page = PLAYGROUND.replace("# A page", f"# The {book}")
        build_in(source, out, tree, {"index.md": page, f"{book}.md": page})
        shown[book] = linked(out / f"{book}.html")
    assert len({*shown["first"]} & {*shown["second"]}) == 3  # the code of widgets
    for book, names in shown.items():
        assert linked(out / f"{book}.html") == names
        [name] = (name for name in names if name.startswith("pictures-"))
        script = (out / "_static" / "widgets" / name).read_text()
        assert f"seen in the {book}" in script
        picture = out / "_static" / "widgets" / f"pooling-playground-{book}.webp"
        assert picture.read_text() == f"seen in the {book}"
        kept = widgets.data_folder(tmp_path, "pooling-playground", book)
        assert kept.is_dir()


def test_a_widget_has_its_styles_and_keeps_its_text_and_a_still_picture(build):
    out, _ = build({"index.md": "# Home\n", "book/pools.md": PLAYGROUND})
    page = (out / "book" / "pools.html").read_text()
    styles, inside = re.search(
        r'<pooling-playground data-pictures="pictures-\w+" styles="([^"?]+)\?v=\w+" '
        r'id="pooling-playground">(.*)</pooling-playground>',
        page,
        re.S,
    ).groups()
    assert (out / "book" / styles).read_text() == markup.STYLES.read_text()
    assert "<p>See the <em>figure</em>.</p>" in inside
    [source] = re.findall(
        r'<noscript><img src="([^"]+)" width="300" height="200"', inside
    )
    assert (out / "book" / source).read_text() == "a picture"
    assert 'alt="What is seen." loading="lazy"' in inside


@pytest.mark.parametrize("builder", ["text", "latex", "man", "texinfo"])
def test_where_nothing_can_move_the_text_stands_alone(build, builder):
    out, _ = build({"index.md": PLAYGROUND}, builder)
    written = "".join(
        file.read_text() for file in out.iterdir() if file.suffix in WRITTEN[builder]
    )
    assert "See the" in written
    assert "pooling-playground" not in written


WRITTEN = {"text": ".txt", "latex": ".tex", "man": ".1", "texinfo": ".texi"}


@pytest.mark.parametrize(
    ("page", "sentence"),
    [
        (
            PLAYGROUND.replace("pooling", "puddling"),
            "there is no widget 'puddling-playground'; there are activation-explorer, ",
        ),
        (
            PLAYGROUND.replace("See the *figure*.\n", ""),
            "widget 'pooling-playground' needs a text for readers without JavaScript",
        ),
        (PLAYGROUND * 2, "widget 'pooling-playground' is on this page already"),
        (PLAYGROUND.replace(" pooling-playground", ""), "1 argument(s) required"),
    ],
)
def test_a_widget_that_cannot_be_placed_is_a_warning(build, page, sentence):
    _, warnings = build({"index.md": page})
    assert sentence in warnings


def test_the_explorer_opens_on_a_layer_and_knows_where_the_others_are(build, data):
    later = data / widget_data.LATER
    (later / "old-1.js").write_text("old")
    explorer = PLAYGROUND.replace(
        "pooling-playground", "feature-map-explorer\n:layer: VGG19 block1_conv1"
    )
    pages = {
        "index.md": "# Start\n\n```{toctree}\nbook/a\n```\n",
        "book/a.md": explorer,
    }
    out, warnings = build(pages)
    assert not warnings
    [tag] = re.findall(
        "<feature-map-explorer [^>]*>", (out / "book/a.html").read_text()
    )
    assert 'layer="VGG19 block1_conv1"' in tag
    folder = out / "book" / re.search(r'folder="([^"]+/)"', tag)[1]
    assert (folder / "old-1.js").read_text() == "old"
    (later / "old-1.js").rename(later / "new-2.js")
    build(pages | {"book/a.md": f"{explorer}\nMore.\n"})
    assert [file.name for file in folder.iterdir()] == ["new-2.js"]


def test_a_changed_script_reaches_pages_that_did_not_change(build, monkeypatch):
    pages = {"index.md": PLAYGROUND}
    out, _ = build(pages)
    script = out / "_static" / "widgets" / "widget.js"
    before = script.read_text(), (out / "index.html").read_text()
    monkeypatch.setattr(markup, "served", lambda script: "// other\n")
    build(pages)
    assert script.read_text() == "// other\n" != before[0]


def test_changed_styles_have_a_new_address(build, tmp_path, monkeypatch):
    styles = tmp_path / "widget.css"
    monkeypatch.setattr(markup, "STYLES", styles)
    addresses = []
    for text in ("p { margin: 0 }", "p { margin: 1px }"):
        styles.write_text(text)
        out, _ = build({"index.md": PLAYGROUND})
        addresses += re.findall('styles="([^"]+)"', (out / "index.html").read_text())
        assert (out / addresses[-1].partition("?")[0]).read_text() == text
    assert len(set(addresses)) == 2


def of_a_build(test):
    """Mark a test that needs the classifier of a build, which may take a training."""
    return pytest.mark.slow(pytest.mark.xdist_group("built")(test))


@pytest.fixture(scope="module")
def computed(tmp_path_factory, built_from):
    """A folder for each widget, with what the book shows."""
    folder = tmp_path_factory.mktemp("widgets")
    classifier = built_from("drawn")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "train_for_book", lambda: classifier)
        for tag in registry.ELEMENTS:
            widget_data.make(tag, folder / tag)
    return folder


def facts_of(folder):
    return json.loads((folder / widget_data.FACTS).read_text())


@of_a_build
def test_the_arrays_of_all_widgets_are_computed(computed):
    for tag, element in registry.ELEMENTS.items():
        folder, facts = computed / tag, facts_of(computed / tag)
        assert tuple(facts["sets"]) == element.sets
        with Image.open(folder / facts["picture"]) as picture:
            assert picture.size == (facts["width"], facts["height"])
        assert len(facts["alt"].split()) > 5
        expected = {f"{name}.js" for name in facts["sets"].values()}
        expected |= {facts["picture"], widget_data.FACTS, widget_data.LATER}
        assert {file.name for file in folder.iterdir()} == expected
        later = [*(folder / widget_data.LATER).iterdir()]
        assert bool(later) == element.loads_later
    assert {folder.name for folder in computed.iterdir()} == registry.ELEMENTS.keys()


@of_a_build
def test_arrays_and_pictures_of_widgets_are_light(computed):
    most = {"network.js": 500_000, "training.js": 350_000}
    for file in computed.glob("*/*.*"):
        size = most.get(without_digest(file.name), 100_000)
        assert file.stat().st_size <= size, file.name


@of_a_build
def test_what_pages_load_later_is_there_and_below_three_megabytes(computed):
    folder = computed / "feature-map-explorer"
    name = facts_of(folder)["sets"]["chains"]
    [text] = re.findall(
        rf'cnnbook\.share\("{name}", (.*)\);', (folder / f"{name}.js").read_text()
    )
    network = json.loads(text)["VGG19"]
    convolutions = [each for each in network["layers"] if "conv" in each["name"]]
    *_, provenance = networks.find_vgg19_weights("auto", include_top=False)
    assert len(convolutions) == 16 - len(provenance.repeats)
    assert "weights" in network["about"]
    files = {file.stem: file for file in (folder / widget_data.LATER).iterdir()}
    assert files.keys() == {each["set"] for each in network["layers"]}
    for name, file in files.items():
        assert file.read_text().startswith(f'cnnbook.share("{name}", ')
    assert sum(file.stat().st_size for file in files.values()) <= 3_000_000


def test_the_book_has_a_function_for_each_widget():
    for element in registry.ELEMENTS.values():
        assert callable(getattr(widget_data, element.maker))


def test_the_pooling_playground_is_computed_without_tensorflow(tmp_path):
    code = (
        "import sys; from pathlib import Path; from cnnbook_sphinx import widget_data\n"
        f"widget_data.make('pooling-playground', Path({str(tmp_path / 'made')!r}))\n"
        "print(sorted({'keras', 'tensorflow'} & set(sys.modules)))"
    )
    path = os.pathsep.join([str(ROOT), str(ROOT / "book" / "_ext")])
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")
    assert facts_of(tmp_path / "made")["sets"].keys() == {"pictures"}


ALL = "".join(
    PLAYGROUND.replace("pooling-playground", tag) for tag in registry.ELEMENTS
)


def test_arrays_are_computed_once_and_again_when_their_code_changes(
    tmp_path, monkeypatch
):
    made = []

    def compute(program):
        folders = [Path(folder) for folder in program.call[3:]]
        made.append(folders)
        for folder in folders:
            folder.mkdir(parents=True)

    monkeypatch.setattr(widgets, "_compute", compute)
    for job in widgets.jobs(tmp_path, [ALL]):
        job.run()
    assert widgets.jobs(tmp_path, [ALL]) == []
    assert [folder.parent.name for folder in made[0]] == sorted(registry.ELEMENTS)
    other = tmp_path / "widget_data.py"
    code = Path(widget_data.__file__).read_text()
    other.write_text(code.replace("FILTERS = (8, 1, 13)", "FILTERS = (8, 1)"))
    monkeypatch.setattr(widgets.widget_data, "__file__", str(other))
    for job in widgets.jobs(tmp_path, [ALL]):
        job.run()
    key = widgets.key_of("activation-explorer")
    assert made[1] == [widgets.data_folder(tmp_path, "activation-explorer", key)]


@pytest.mark.parametrize(
    "docstring",
    [
        '"""Compute what the book\'s widgets show, into',  # of the module
        '"""Write what one widget shows as',
        '"""Show the photos alone.',
        '"""Return the cat as',
    ],
)
def test_a_changed_docstring_in_widget_data_changes_no_key(
    tmp_path, monkeypatch, docstring
):
    before = keys()
    other = tmp_path / "widget_data.py"
    code = Path(widget_data.__file__).read_text()
    assert docstring in code
    other.write_text(code.replace(docstring, '"""In other words,'))
    monkeypatch.setattr(widgets.widget_data, "__file__", str(other))
    assert changed_since(before) == set()


def test_arrays_are_computed_for_the_widgets_that_pages_have_alone(tmp_path):
    [job] = widgets.jobs(tmp_path, ["# Plain\n", PLAYGROUND])
    [folder] = job.run.args[0].call[3:]
    assert Path(folder).parent.name == "pooling-playground"
    assert job.needs == frozenset()
    assert widgets.jobs(tmp_path, ["# Plain\n"]) == []


PLAYGROUNDS = {"convolution-playground", "pooling-playground", "kernel-trainer"}


def keys():
    return {tag: widgets.key_of(tag) for tag in registry.ELEMENTS}


def changed_since(before):
    return {tag for tag, key in keys().items() if key != before[tag]}


@pytest.mark.parametrize(
    ("module", "tags"),
    [
        ("networks/vgg.py", {"feature-map-explorer"}),
        ("training/loop.py", {"training-scrubber"}),
        ("maps/layer_maps.py", {*registry.ELEMENTS} - PLAYGROUNDS),
        ("widgets/playgrounds.py", {*registry.ELEMENTS}),
        ("maps/votes.py", set()),
    ],
)
def test_a_changed_module_changes_the_arrays_of_the_widgets_before_it_alone(
    monkeypatch, module, tags
):
    before, digest = keys(), storage.digest_of_code

    def changed(file):
        return b"changed" if str(file).endswith(f"cnnbook/{module}") else digest(file)

    monkeypatch.setattr(storage, "digest_of_code", changed)
    assert changed_since(before) == tags


@pytest.mark.parametrize(
    ("module", "tag"),
    [
        ("pictures.pets", "training-scrubber"),
        ("networks.vgg_weights", "feature-map-explorer"),
    ],
)
def test_arrays_are_computed_again_when_pictures_or_weights_change(
    monkeypatch, module, tag
):
    before = keys()
    others = stamps.OUTSIDE | {f"cnnbook.{module}": lambda: "others"}
    monkeypatch.setattr(stamps, "OUTSIDE", others)
    assert changed_since(before) == {tag}


def test_arrays_are_computed_again_with_other_versions(monkeypatch):
    before = keys()
    monkeypatch.setattr(storage, "versions", lambda: {"keras": "4.0"})
    assert changed_since(before) == registry.ELEMENTS.keys()


def test_the_classifier_is_trained_before_its_training_is_shown(tmp_path):
    [job] = widgets.jobs(tmp_path, [ALL])
    assert "train-for-book" in job.needs
    assert "train-cheats" not in job.needs


def test_a_widget_without_its_arrays_leaves_its_text(build, monkeypatch):
    """So it is where a build may run nothing and no earlier one has made them."""
    monkeypatch.setattr(widgets, "key_of", lambda tag: "not-made")
    out, warnings = build({"index.md": PLAYGROUND})
    assert not warnings
    assert "<p>See the <em>figure</em>.</p>" in (out / "index.html").read_text()
    assert linked(out / "index.html") == []


def test_arrays_that_cannot_be_computed_end_the_build_with_the_reason(
    tmp_path, monkeypatch
):
    broken = "import sys; sys.exit('the weights are gone')"
    monkeypatch.setattr(sys, "executable", write_program(tmp_path / "python", broken))
    [job] = widgets.jobs(tmp_path, [PLAYGROUND])
    with pytest.raises(JobError, match="the weights are gone"):
        job.run()


def write_program(path, code):
    path.write_text(f"#!{sys.executable}\n{code}\n")
    path.chmod(0o755)
    return str(path)


# --- A whole build, with the book's own configuration

TOC = """\
format: jb-book
root: book/index
chapters:
  - file: book/maps
"""

INDEX = """\
# A small book

Read {doc}`maps`.
"""

HEADER = """\
---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  name: python3
  display_name: Python 3
  language: python
---

"""

MAPS = (
    HEADER
    + r"""
# Maps

By {eq}`eq-size`, see {numref}`fig-map`:

$$
H' = \left\lfloor H / 2 \right\rfloor
$$ (eq-size)

```{code-cell} ipython3
---
mystnb:
  image:
    alt: A black square.
  figure:
    name: fig-map
    caption: Nothing to see.
---
import os
import sys
from IPython.display import Image

from cnnbook.training import built

with open("../runs.txt", "a") as file:
    file.write("x")
os.write(2, b"TensorFlow says hello")
if os.path.exists("../noise"):
    print("a warning", file=sys.stderr)
Image(filename="../square.png")
```
"""
)

# It counts how often it trained, and fails when told to.
TRAINER = """\
import pathlib, sys
assert sys.argv[1:] == ["train-for-book"]
if pathlib.Path("no-photos").exists():
    sys.exit("the photos are gone")
with open("trained.txt", "a") as file:
    file.write("x")
"""


# A build starts by importing a thousand modules, for more than a second.  This program
# has imported them, and for each build it is asked for starts a copy of itself.
BUILDER = """\
import json, os, sys
import jupyter_book.sphinx, myst_nb.sphinx_ext
from jupyter_book.cli.main import main

for line in sys.stdin:
    environment, said = json.loads(line)
    if build := os.fork():
        _, status = os.waitpid(build, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
        continue
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for stream in (1, 2):
        os.dup2(os.open(said, os.O_WRONLY | os.O_APPEND), stream)
    os.environ.clear()
    os.environ.update(environment)
    main(["build", ".", "-W", "-n", "--keep-going"])
"""


class SmallBook:
    """Two chapters in a folder, built as a reader builds the book."""

    def __init__(self, root, builder):
        self.root, self.builder = root, builder
        self.html = root / "_build" / "html" / "book"
        self.maps = root / "book" / "maps.md"
        self.index = root / "book" / "index.md"

    def build(self, **environment):
        """Build, and return (whether it passed, what it said)."""
        said = self.root / "said.txt"
        said.write_text("")
        environment = os.environ | {"PYTHONPATH": str(self.root)} | environment
        print(json.dumps([environment, str(said)]), file=self.builder.stdin, flush=True)
        code = int(self.builder.stdout.readline())
        return code == 0, said.read_text()

    def count(self, name):
        """How many times a cell ran, or the trainer."""
        file = self.root / name
        return len(file.read_text()) if file.exists() else 0


@pytest.fixture(scope="module")
def small_book(tmp_path_factory):
    root = tmp_path_factory.mktemp("small-book")
    shutil.copy(ROOT / "_config.yml", root)
    for name in ("_ext", "_static", "_templates"):
        shutil.copytree(ROOT / "book" / name, root / "book" / name)
    files = {
        "_toc.yml": TOC,
        "requirements/book.txt": "numpy==2.0.0\n",
        "book/index.md": INDEX,
        "book/maps.md": MAPS,
        "book/references.bib": "",
        "cnnbook/__init__.py": "",
        "cnnbook/__main__.py": TRAINER,
        "cnnbook/training/__init__.py": "",
        "cnnbook/training/built.py": "SIZE = 96\n",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    Image.new("RGB", (300, 200)).save(root / "square.png")
    with subprocess.Popen(
        [sys.executable, "-c", BUILDER],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as builder:
        book = SmallBook(root, builder)
        passed, said = book.build()
        assert passed, said
        yield book


@pytest.fixture
def book(small_book):
    """The small book, its chapters as they were once the test is over."""
    yield small_book
    small_book.maps.write_text(MAPS)
    small_book.index.write_text(INDEX)


def test_figures_go_out_as_webp_at_half_their_pixels_when_needed(book):
    page = (book.html / "maps.html").read_text()
    [image] = re.findall(r"<img [^>]*_images[^>]*>", page)
    for attribute in (
        'alt="A black square."',
        'loading="lazy"',
        'decoding="async"',
        'width="150"',
        'height="100"',
    ):
        assert attribute in image
    [source] = re.findall(r'src="\.\./(_images/\w+\.webp)"', image)
    images = sorted((book.html.parent / "_images").iterdir())
    assert images == [book.html.parent / source]


def test_equations_keep_their_number_and_the_links_to_it(book):
    page = (book.html / "maps.html").read_text()
    assert 'href="#equation-eq-size">(1)</a>' in page
    assert re.search(r'id="equation-eq-size">\s*<math', page)
    assert '<span class="eqno">(1)' in page


def test_a_change_of_prose_runs_no_cell_and_a_change_of_package_does(book):
    book.maps.write_text(MAPS.replace("By {eq}", "As said by {eq}"))
    passed, said = book.build()
    assert passed, said
    assert "As said by" in (book.html / "maps.html").read_text()
    assert (book.count("runs.txt"), book.count("trained.txt")) == (1, 1)

    (book.root / "cnnbook" / "training" / "built.py").write_text("SIZE = 64\n")
    passed, said = book.build()
    assert passed, said
    assert (book.count("runs.txt"), book.count("trained.txt")) == (2, 2)


def test_a_build_with_warnings_fails_until_it_is_mended(book):
    book.index.write_text(INDEX.replace("{doc}`maps`", "{doc}`atlas`"))
    for _ in range(2):
        passed, said = book.build()
        assert not passed
        assert "unknown document: 'atlas'" in said
    book.index.write_text(INDEX)
    passed, said = book.build()
    assert passed, said


def test_a_formula_that_cannot_be_drawn_fails_with_its_page_and_its_text(book):
    book.maps.write_text(MAPS.replace(r"\left\lfloor", r"\left\lfloooor"))
    passed, said = book.build()
    assert not passed
    assert "maps.md" in said
    assert r"H' = \left\lfloooor H / 2 \right\rfloor" in said


def test_a_training_that_fails_fails_the_build_with_its_message(book):
    book.maps.write_text(MAPS.replace("import os", "import re, os"))
    (book.root / "no-photos").touch()
    passed, said = book.build()
    (book.root / "no-photos").unlink()
    assert not passed
    assert "the photos are gone" in said
    assert "`cnnbook train-for-book` ended with exit code 1" in said
    assert "book/maps: not run, as it needs: train-for-book" in said


def test_a_chapter_that_wrote_to_stderr_is_run_again_by_the_next_build(book):
    """The cause may lie outside it; its cached outputs would fail for ever."""
    book.maps.write_text(MAPS.replace("import os", "import os  # anew"))
    (book.root / "noise").touch()
    passed, said = book.build()
    (book.root / "noise").unlink()
    assert not passed
    assert "stderr was found" in said
    passed, said = book.build()
    assert passed, said


def test_with_execution_off_nothing_runs_and_known_outputs_are_shown(book):
    runs = book.count("runs.txt"), book.count("trained.txt")
    book.maps.write_text(MAPS.replace("By {eq}", "Known by {eq}"))
    passed, said = book.build(CNNBOOK_EXECUTE="off")
    assert passed, said
    assert "<figure" in (book.html / "maps.html").read_text()

    book.maps.write_text(MAPS.replace("import os", "import os  # not run yet"))
    passed, said = book.build(CNNBOOK_EXECUTE="off")
    assert passed, said
    assert "<figure" not in (book.html / "maps.html").read_text()
    assert runs == (book.count("runs.txt"), book.count("trained.txt"))


def test_code_on_a_page_without_a_header_is_told_of(book):
    book.index.write_text(f"{INDEX}\n```{{code-cell}}\n1 + 1\n```\n")
    passed, said = book.build()
    assert not passed
    assert "index.md" in said
    assert "Traceback" not in said


def test_one_page_can_be_run_alone(book):
    runs = book.count("runs.txt")
    book.maps.write_text(MAPS.replace("import os", "import os  # alone"))
    passed, said = book.build(CNNBOOK_EXECUTE="index")
    assert passed, said
    assert book.count("runs.txt") == runs
    passed, said = book.build(CNNBOOK_EXECUTE="maps")
    assert passed, said
    assert book.count("runs.txt") == runs + 1
    assert "<figure" in (book.html / "maps.html").read_text()


# --- Settings that cannot be meant


def test_a_page_to_execute_that_is_not_there_ends_the_build(book):
    passed, said = book.build(CNNBOOK_EXECUTE="atlas")
    assert not passed
    assert '"off" or the name of a page, such as "pooling"; got \'atlas\'' in said


@pytest.mark.parametrize("error", [ValueError, FileNotFoundError])
def test_a_source_that_cannot_be_used_ends_the_build_with_its_reason(
    project, monkeypatch, error
):
    def stamp(root, text):
        raise error("CNNBOOK_PHOTOS is set to nowhere")

    monkeypatch.setattr(stamps, "stamp", stamp)
    with pytest.raises(ConfigError, match="pooling: CNNBOOK_PHOTOS is set to nowhere"):
        execution._stamp(project, "pooling", "")


@pytest.mark.parametrize(
    ("box", "size"), [('viewBox="0 0 380 520"', (380, 520)), ("", None)]
)
def test_a_drawing_is_given_the_room_of_its_view_box(tmp_path, box, size):
    file = tmp_path / "rooms.svg"
    file.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" {box}/>')
    assert pictures._size(file) == size
