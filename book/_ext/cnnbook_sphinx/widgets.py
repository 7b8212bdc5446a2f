"""Place interactive figures, and give each page the scripts of its own ones alone.

    ```{widget} convolution-playground
    What a reader without JavaScript should look at instead.
    ```

The feature-map explorer opens on the layer that its option ``:layer:`` names.

The arrays that they show are computed once, outside Sphinx, and kept until the package
changes, or the pictures that the book's classifier learns from.  A build that is to run
nothing, and finds none, leaves the text in their place.  The arrays travel as scripts:
a page that was opened from a folder can load nothing else.
"""

import hashlib
import os
import shutil
import sys
from functools import partial
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective
from sphinx.util.osutil import relative_uri

from cnnbook_sphinx import stamps, training, widget_data
from cnnbook_sphinx.jobs import Job, JobError, Program

CACHE = Path("_build") / "widgets"
FOLDER = "widgets"  # within _static
LATER = f"{FOLDER}/{widget_data.LATER}"


class widget(nodes.General, nodes.Element):
    """An interactive figure; its children stand in for it without JavaScript."""


def setup(app):
    """Connect to the reading and the writing of pages."""
    app.add_directive("widget", Widget)
    without = (_pass, _pass)
    others = dict.fromkeys(("latex", "text", "man", "texinfo"), without)
    app.add_node(widget, html=(visit_widget, depart_widget), **others)
    app.connect("env-updated", copy_files)
    app.connect("html-page-context", add_scripts)


class Widget(SphinxDirective):
    """The ``{widget}`` directive: a tag, and below it the text that stands in."""

    required_arguments = 1
    has_content = True
    option_spec = {"layer": directives.unchanged}  # noqa: RUF012, as docutils wants it

    def run(self):
        """Return the widget, or an error that names those there are."""
        # Here, so that a book without widgets needs none of this.
        from cnnbook.widgets import embedding

        tag = self.arguments[0]
        if tag not in embedding.TAKES:
            known = ", ".join(sorted(embedding.TAKES))
            raise self.error(f"there is no widget {tag!r}; there are {known}")
        if not self.content:
            raise self.error(
                f"widget {tag!r} needs a text for readers without JavaScript: say "
                "which figure shows the same"
            )
        used = self.env.metadata[self.env.docname].get(FOLDER, "").split()
        if tag in used:
            raise self.error(f"widget {tag!r} is on this page already; place it once")
        self.env.metadata[self.env.docname][FOLDER] = " ".join([*used, tag])
        there = data_folder(Path(self.env.srcdir)).exists()
        self.env.metadata[self.env.docname]["arrays"] = "there" if there else "missing"
        for file in (embedding.STYLES, *embedding.scripts_of(tag)):
            self.env.note_dependency(str(file))
        node = widget(tag=tag, options=self.options)
        self.state.nested_parse(self.content, self.content_offset, node)
        return [node]


def copy_files(app, env):
    """Put the styles, scripts, arrays and still pictures where pages find them."""
    used = {tag for pages in env.metadata.values() for tag in _tags(pages)}
    if not used or app.builder.format != "html":
        return
    data = data_folder(Path(app.srcdir))
    if not data.exists():
        return
    from cnnbook.widgets import embedding

    target = Path(app.outdir, "_static", FOLDER)
    target.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(embedding.STYLES, target / embedding.STYLES.name)
    for tag in used:
        for script in embedding.scripts_of(tag):
            (target / script.name).write_text(embedding.served(script), "utf-8")
        names = [f"{kind}.js" for kind in embedding.TAKES[tag]]
        for name in (*names, f"{tag}.webp"):
            shutil.copyfile(data / name, target / name)
    if used & embedding.LATER:
        later = Path(app.outdir, "_static", LATER)
        shutil.rmtree(later, ignore_errors=True)  # what changed has got other names
        shutil.copytree(data / widget_data.LATER, later)


def add_scripts(app, pagename, templatename, context, doctree):
    """Link a page to the scripts of its widgets, in the order they need."""
    tags = _tags(app.env.metadata.get(pagename, {}))
    if not tags or not data_folder(Path(app.srcdir)).exists():
        return
    names = []
    for tag in tags:
        from cnnbook.widgets import embedding

        *shared, own = (file.name for file in embedding.scripts_of(tag))
        names += [*shared, *(f"{kind}.js" for kind in embedding.TAKES[tag]), own]
    for name in dict.fromkeys(names):
        app.add_js_file(f"{FOLDER}/{name}", loading_method="defer")


def visit_widget(translator, node):
    """Open the element, with a still picture that is fetched without JavaScript."""
    data = data_folder(Path(translator.builder.srcdir))
    if translator.builder.name == "epub" or not data.exists():
        return
    from cnnbook.widgets import embedding

    tag = node["tag"]
    sets = {kind: kind for kind in embedding.TAKES[tag]}
    here = translator.builder.get_target_uri(translator.builder.current_docname)
    styles = relative_uri(here, f"_static/{FOLDER}/{embedding.STYLES.name}")
    # As Sphinx does with scripts, so that no browser keeps an old one.
    styles += f"?v={hashlib.sha256(embedding.STYLES.read_bytes()).hexdigest()[:8]}"
    options = node["options"]
    if tag in embedding.LATER:
        options = options | {"folder": relative_uri(here, f"_static/{LATER}/")}
    translator.body.append(embedding.opening(tag, sets, styles, name=tag, **options))
    width, height, alt = (data / f"{tag}.txt").read_text("utf-8").split(" ", 2)
    source = relative_uri(here, f"_static/{FOLDER}/{tag}.webp")
    picture = embedding.image(source, width, height, alt)
    translator.body.append(f"<noscript>{picture}</noscript>")


def depart_widget(translator, node):
    """Write the end of the widget's element."""
    data = data_folder(Path(translator.builder.srcdir))
    if translator.builder.name != "epub" and data.exists():
        translator.body.append(f"</{node['tag']}>\n")


def _pass(translator, node):
    """Leave the children of a widget to stand alone."""


def _tags(metadata):
    return metadata.get(FOLDER, "").split()


def data_folder(root):
    """Return the folder of all arrays and still pictures, which may not be there yet.

    Its name changes with the modules that compute them and with what these read.
    """
    from cnnbook import networks, storage

    needed = _modules()
    digest = hashlib.sha256()
    weights = sorted(networks.SHIPPED.parent.glob("*.keras"))
    for file in (Path(widget_data.__file__), *needed.values(), *weights):
        digest.update(file.name.encode() + b"\0" + storage.digest_of_code(file))
    for name in sorted(needed.keys() & stamps.OUTSIDE.keys()):
        digest.update(stamps.OUTSIDE[name]().encode())
    digest.update(str(storage.versions()).encode())  # they decide what is learned
    return root / CACHE / digest.hexdigest()[:16]


def jobs(root):
    """List what computes the arrays: one job, or none where they are there already."""
    folder = data_folder(root)
    if folder.exists():
        return []
    paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    program = Program(  # a process of its own gives its memory back
        [sys.executable, "-m", "cnnbook_sphinx.widget_data", str(folder)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
    )
    run = partial(_compute, program, folder)
    needs = frozenset(training.commands_for(_modules()))
    return [Job("what interactive figures show", run, program.stop, needs)]


def are_due(env, docname, *, may_execute):
    """Tell whether a page was read without its arrays, which are or will be there."""
    lacking = env.metadata[docname].get("arrays") == "missing"
    return lacking and (may_execute or data_folder(Path(env.srcdir)).exists())


def _modules():
    """Find the modules behind the arrays."""
    from cnnbook import storage

    code = Path(widget_data.__file__).read_text("utf-8")
    return storage.modules_behind(Path(storage.__file__).parents[2], code)


def _compute(program, folder):
    """Run `widget_data`, and remove what older code has made."""
    lines = []
    if program.run(lines.append):
        said = "\n".join(lines)
        raise JobError(f"the arrays of widgets cannot be computed:\n{said}")
    for other in folder.parent.iterdir():
        if other != folder and "-" not in other.name:  # complete
            shutil.rmtree(other)
