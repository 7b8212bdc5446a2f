"""Send figures out small, at their true size, and only when a reader gets to them.

MyST-NB writes every figure as PNG, at twice the resolution it is shown at, without
width or height: a chapter would weigh megabytes and jump about while it loads.  Here
figures become WebP, without loss where that stays within the budget.

A figure may weigh 150 KB.  A sheet of many maps may weigh 300 KB: its name starts
with ``fig-sheet-``.  More is a warning, and so fails the build.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

from docutils import nodes
from PIL import Image
from sphinx.transforms import SphinxTransform
from sphinx.util import logging

logger = logging.getLogger(__name__)

SHEET_PREFIX = "fig-sheet-"

# Tried in turn when a lossless picture is too large.  Below this, edges get dirty.
QUALITIES = (95, 90, 85, 80)
# Maps of some weights are nearly noise, which weighs a lot and hides dirt well.
SHEET_QUALITIES = (*QUALITIES, 70, 60)

# Bytes, and qualities to stay within them.
FIGURE = 150_000, QUALITIES
SHEET = 300_000, SHEET_QUALITIES

# Figures are drawn at twice the pixels, for screens that have them.
PIXEL_RATIO = 2


def setup(app):
    """Connect to the reading and the writing of pages."""
    app.add_transform(FiguresAsWebP)
    app.add_node(nodes.image, override=True, html=(visit_image, None))
    app.connect("build-finished", remove_unused)


class FiguresAsWebP(SphinxTransform):
    """Replace the PNG of every figure that a cell made by a smaller WebP."""

    # Before Sphinx notes which files a page uses.
    default_priority = 500

    def apply(self, **kwargs):
        """Go through the figures of one page."""
        figures = list(self._figures())
        tasks = {png: (png, *limits) for _, png, *limits in figures}
        with ThreadPoolExecutor() as pool:  # encoding leaves Python's lock alone
            written = pool.map(lambda task: to_webp(*task), tasks.values())
            webps = dict(zip(tasks, written, strict=True))
        for node, png, budget, _ in figures:
            node["uri"] = node["uri"].removesuffix(".png") + ".webp"
            node["pixel_ratio"] = PIXEL_RATIO
            # MyST-NB writes sizes in pixels as a style, which would hold on a phone.
            for side in ("width", "height"):
                if node.get(side, "%")[-1:] != "%":
                    del node[side]
            if (size := webps[png].stat().st_size) > budget:
                logger.warning(
                    "figure %r weighs %d KB and may weigh %d KB; draw it smaller, or "
                    "name a sheet of maps %s...",
                    _figure_name(node) or "without a name",
                    size // 1000,
                    budget // 1000,
                    SHEET_PREFIX,
                    location=node,
                )

    def _figures(self):
        """Yield each figure that a cell made: node, PNG, budget, and qualities."""
        made_by_cells = Path(self.env.mystnb_config.output_folder)
        for node in self.document.findall(nodes.image):
            _, file = self.env.relfn2path(node["uri"], self.env.docname)
            png = Path(file)
            if png.suffix == ".png" and png.parent.resolve() == made_by_cells:
                is_sheet = _figure_name(node).startswith(SHEET_PREFIX)
                yield (node, png, *(SHEET if is_sheet else FIGURE))


def to_webp(png, budget, qualities=QUALITIES):
    """Write a PNG's picture as WebP beside it, if that is not there yet.

    Parameters
    ----------
    png : pathlib.Path
        Named by a hash of its contents, so that its WebP never goes stale.
    budget : int
        Bytes.  Without loss where that fits, else at the best quality that does.
    qualities : sequence of int
        Tried in turn, the last of them whether it fits or not.

    Returns
    -------
    webp : pathlib.Path
    """
    webp = png.with_suffix(".webp")
    if webp.exists() and webp.stat().st_size <= budget:
        return webp
    with Image.open(png) as picture:
        picture.load()
    if picture.mode == "RGBA" and picture.getextrema()[3] == (255, 255):
        picture = picture.convert("RGB")
    for options in (
        {"lossless": True},
        *({"quality": q, "method": 6} for q in qualities),
    ):
        picture.save(webp, **options)
        if webp.stat().st_size <= budget:
            break
    return webp


def visit_image(translator, node):
    """Write an image that reserves its place and is fetched when it is needed."""
    file = Path(translator.builder.srcdir, node["uri"])
    type(translator).visit_image(translator, node)
    attributes = 'loading="lazy" decoding="async"'
    if "width" not in node and "height" not in node and (size := _size(file)):
        width, height = (round(n / node.get("pixel_ratio", 1)) for n in size)
        attributes += f' width="{width}" height="{height}"'
    translator.body[-1] = translator.body[-1].replace("<img ", f"<img {attributes} ", 1)


def remove_unused(app, exception):
    """Delete pictures left in the output that no page shows any longer."""
    if exception or app.builder.format != "html":
        return
    used = {name for _, name in app.env.images.values()}
    for file in Path(app.outdir, app.builder.imagedir).glob("*"):
        if file.name not in used:
            file.unlink()


def _figure_name(node):
    """Return the name of the figure around an image, empty if there is none."""
    while node is not None:
        if isinstance(node, nodes.figure) and node["names"]:
            return node["names"][0]
        node = node.parent
    return ""


def _size(file):
    """Read an image's width and height, None where it is on another host."""
    try:
        if file.suffix == ".svg":
            box = ElementTree.parse(file).getroot().get("viewBox", "")
            return tuple(map(float, box.split()[2:])) or None
        with Image.open(file) as picture:
            return picture.size
    except OSError:
        return None
