"""Draw formulas as MathML, which every current browser does by itself.

MathJax would add two megabytes of JavaScript to each page, and comes from another
host by default.  Equation numbers, labels and links stay as Sphinx makes them.
"""

import re

from docutils import nodes
from math_core import LatexError, LatexToMathML
from sphinx.errors import SphinxError
from sphinx.util.math import get_node_equation_number
from sphinx.util.nodes import get_node_line

# The LaTeX goes along as an annotation, so that a formula can be copied as such.
CONVERTER = LatexToMathML(annotation=True, fancy_error=False)

# Environments that number their own lines; Sphinx has numbered them already.
NUMBERED = re.compile(r"\\(begin|end)\{(align|alignat|equation|gather|multline)\}")


# The last class is for the theme's script: it lets the keyboard scroll boxes so marked
# where they overflow, as long formulas do on a phone.
BOX = "math notranslate nohighlight pst-scrollable-table-container"


class FormulaError(SphinxError):
    """A formula cannot be written as MathML."""

    category = "Formula error"


def setup(app):
    """Register the renderer that ``html_math_renderer: mathml`` names."""
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math_block, None))


def to_mathml(latex, *, display):
    """Convert one formula.

    Parameters
    ----------
    latex : str
    display : bool
        On a line of its own, rather than inside a sentence.

    Returns
    -------
    mathml : str
        One ``<math>`` element.

    Raises
    ------
    ValueError
        If the formula is not LaTeX that can be drawn.
    """
    latex = NUMBERED.sub(r"\\\1{\2*}", latex).strip()
    try:
        return CONVERTER.convert_with_local_state(latex, displaystyle=display)
    except LatexError as error:
        raise ValueError(str(error).strip()) from error


def visit_math(translator, node):
    """Write a formula inside a sentence."""
    box = translator.starttag(node, "span", "", CLASS=BOX)
    translator.body.append(f"{box}{_mathml(translator, node, display=False)}</span>")
    raise nodes.SkipNode


def visit_math_block(translator, node):
    """Write a formula on its own line, its number beside it."""
    box = translator.starttag(node, "div", CLASS=BOX)
    translator.body.append(box + _mathml(translator, node, display=True))
    if node["number"]:
        number = get_node_equation_number(translator, node)
        translator.body.append(f'<span class="eqno">({number})')
        translator.add_permalink_ref(node, "Link to this equation")
        translator.body.append("</span>")
    translator.body.append("</div>\n")
    raise nodes.SkipNode


def _mathml(translator, node, *, display):
    """Convert a node's formula, or stop the build with its page and its text."""
    try:
        return to_mathml(node.astext(), display=display)
    except ValueError as error:
        page = translator.builder.env.doc2path(translator.builder.current_docname)
        line = get_node_line(node)
        raise FormulaError(
            f"{page}{f':{line}' if line else ''}: cannot draw this formula:\n"
            f"{node.astext()}\n{error}"
        ) from error
