"""Place interactive figures, and give each page the scripts of its own ones alone.

    ```{widget} convolution-playground
    What a reader without JavaScript should look at instead.
    ```

The feature-map explorer opens on the layer that its option ``:layer:`` names.

What a widget shows is computed once a page has it, outside Sphinx, and kept under a key
that changes with the code behind this widget and with what that reads.  A build that is
to run nothing, and finds none, leaves the text in its place.  The arrays travel as
scripts: a page that was opened from a folder can load nothing else.
"""

import hashlib
import json
import os
import re
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
FOLDER = "widgets"  # within _static, and the widgets of a page in its metadata
READS_SHIPPED = f"{stamps.PACKAGE}.networks.files"  # the weights in the package
PLACED = re.compile(r"\{widget\}[ \t]+([\w-]+)")


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
        from cnnbook.widgets import markup, registry

        tag = self.arguments[0]
        if tag not in registry.ELEMENTS:
            known = ", ".join(sorted(registry.ELEMENTS))
            raise self.error(f"there is no widget {tag!r}; there are {known}")
        if not self.content:
            raise self.error(
                f"widget {tag!r} needs a text for readers without JavaScript: say "
                "which figure shows the same"
            )
        keys = self.env.metadata[self.env.docname].setdefault(FOLDER, {})
        if tag in keys:
            raise self.error(f"widget {tag!r} is on this page already; place it once")
        key = key_of(tag)
        there = data_folder(Path(self.env.srcdir), tag, key).exists()
        keys[tag] = key if there else None
        for file in (markup.STYLES, *registry.ELEMENTS[tag].scripts):
            self.env.note_dependency(str(file))
        node = widget(tag=tag, key=keys[tag], options=self.options)
        self.state.nested_parse(self.content, self.content_offset, node)
        return [node]


def copy_files(app, env):
    """Put the styles, scripts, arrays and still pictures where pages find them."""
    shown = {widget for name in env.metadata for widget in _shown(env, name).items()}
    if not shown or app.builder.format != "html":
        return
    from cnnbook.widgets import markup, registry

    target = Path(app.outdir, "_static", FOLDER)
    (target / widget_data.LATER).mkdir(parents=True, exist_ok=True)
    shutil.copyfile(markup.STYLES, target / markup.STYLES.name)
    copied = set()
    for tag, key in sorted(shown):
        for script in registry.ELEMENTS[tag].scripts:
            (target / script.name).write_text(markup.served(script), "utf-8")
        data = data_folder(Path(app.srcdir), tag, key)
        for file in data.rglob("*.*"):
            name = file.relative_to(data)
            if str(name) != widget_data.FACTS:
                shutil.copyfile(file, target / name)
                copied.add(name)
    # What changed has got another name, and nobody asks for the old one.
    for name in getattr(env, "cnnbook_widgets", set()) - copied:
        (target / name).unlink(missing_ok=True)
    env.cnnbook_widgets = copied


def add_scripts(app, pagename, templatename, context, doctree):
    """Link a page to the scripts of its widgets, in the order they need."""
    names = []
    for tag, key in _shown(app.env, pagename).items():
        from cnnbook.widgets import registry

        *shared, own = (file.name for file in registry.ELEMENTS[tag].scripts)
        sets = _facts(app, tag, key)["sets"].values()
        names += [*shared, *(f"{name}.js" for name in sets), own]
    for name in dict.fromkeys(names):
        app.add_js_file(f"{FOLDER}/{name}", loading_method="defer")


def visit_widget(translator, node):
    """Open the element, with a still picture that is fetched without JavaScript."""
    tag, key = node["tag"], node["key"]
    if translator.builder.name == "epub" or not key:
        return
    from cnnbook.widgets import markup, registry

    facts = _facts(translator.builder.app, tag, key)
    here = translator.builder.get_target_uri(translator.builder.current_docname)
    folder = relative_uri(here, f"_static/{FOLDER}/")
    # As Sphinx does with scripts, so that no browser keeps an old one.
    version = hashlib.sha256(markup.STYLES.read_bytes()).hexdigest()[:8]
    styles = f"{folder}{markup.STYLES.name}?v={version}"
    options = node["options"]
    if registry.ELEMENTS[tag].loads_later:
        options = options | {"folder": f"{folder}{widget_data.LATER}/"}
    translator.body.append(
        markup.opening(tag, facts["sets"], styles, name=tag, **options)
    )
    picture = markup.image(
        folder + facts["picture"], facts["width"], facts["height"], facts["alt"]
    )
    translator.body.append(f"<noscript>{picture}</noscript>")


def depart_widget(translator, node):
    """Write the end of the widget's element."""
    if translator.builder.name != "epub" and node["key"]:
        translator.body.append(f"</{node['tag']}>\n")


def _pass(translator, node):
    """Leave the children of a widget to stand alone."""


def _shown(env, docname):
    """Return the widgets of a page whose arrays it has: {tag: key}."""
    widgets = env.metadata.get(docname, {}).get(FOLDER, {})
    return {tag: key for tag, key in widgets.items() if key}


def _facts(app, tag, key):
    """Read what a page has to know of the files of a widget."""
    folder = data_folder(Path(app.srcdir), tag, key)
    return json.loads((folder / widget_data.FACTS).read_text("utf-8"))


def data_folder(root, tag, key):
    """Return the folder of what a widget shows, which may not be there yet."""
    return root / CACHE / tag / key


def key_of(tag):
    """Digest the code that computes what a widget shows, and what that reads."""
    from cnnbook import networks, storage

    digest = hashlib.sha256()
    for part in _parts_behind(tag):
        digest.update(storage.digest_of_syntax(part))
    needed = _modules_behind(tag)
    digest.update(stamps.content_of(needed))
    if READS_SHIPPED in needed:
        for file in sorted(networks.SHIPPED.parent.glob("*.keras")):
            digest.update(file.name.encode() + b"\0" + file.read_bytes())
    digest.update(str(storage.versions()).encode())  # they decide what is learned
    return digest.hexdigest()[:16]


def jobs(root, texts):
    """List what computes the arrays that pages need.

    Parameters
    ----------
    root : pathlib.Path
    texts : iterable of str
        The sources of the pages.

    Returns
    -------
    jobs : list of Job
        One for all, as most run a network, and TensorFlow takes seconds to load; none
        where everything is there already.
    """
    placed = {tag for text in texts for tag in PLACED.findall(text)}
    if not placed:
        return []
    from cnnbook.widgets import registry

    folders, needs = [], set()
    for tag in sorted(placed & registry.ELEMENTS.keys()):
        folder = data_folder(root, tag, key_of(tag))
        if not folder.exists():
            folders.append(str(folder))
            needs |= {*training.commands_for(_modules_behind(tag))}
    if not folders:
        return []
    paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    program = Program(  # a process of its own gives its memory back
        [sys.executable, "-m", "cnnbook_sphinx.widget_data", *folders],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
    )
    run = partial(_compute, program)
    return [Job("what interactive figures show", run, program.stop, frozenset(needs))]


def are_due(env, docname, *, may_execute):
    """Tell whether a page was read with other arrays than there are or will be."""
    root = Path(env.srcdir)
    for tag, key in env.metadata[docname].get(FOLDER, {}).items():
        now = key_of(tag)
        if key != now and (may_execute or data_folder(root, tag, now).exists()):
            return True
    return False


def _modules_behind(tag):
    """Find the modules of the package behind what a widget shows."""
    from cnnbook import storage

    code = "\n".join(_parts_behind(tag))
    return storage.modules_behind(Path(storage.__file__).parents[2], code)


def _parts_behind(tag):
    """Cut from `widget_data` what writes any widget, and what computes this one."""
    from cnnbook import storage
    from cnnbook.widgets import registry

    code = Path(widget_data.__file__).read_text("utf-8")
    names = ("make", registry.ELEMENTS[tag].maker)
    return [storage.part_for(code, name) for name in names]


def _compute(program):
    """Run `widget_data`."""
    lines = []
    if program.run(lines.append):
        said = "\n".join(lines)
        raise JobError(f"the arrays of widgets cannot be computed:\n{said}")
