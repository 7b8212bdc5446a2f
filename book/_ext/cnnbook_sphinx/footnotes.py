"""Let every docstring number its references from 1.

One page shows the docstrings of many functions, and a page can hold only one footnote
of each name.  The references of a docstring, a line or two away, are shown as a list.
"""

import re

CITED = re.compile(r"\[(\d+)\]_")
LISTED = re.compile(r"^\.\. \[(\d+)\] ")


def setup(app):
    """Rewrite docstrings as autodoc reads them."""
    # Before napoleon, which takes the sections apart.
    app.connect("autodoc-process-docstring", to_list, priority=400)


def to_list(app, what, name, obj, options, lines):
    """Turn ``[1]_`` into plain text and ``.. [1]`` into an item of a list, in place."""
    lines[:] = [LISTED.sub(r"\1. ", CITED.sub(r"[\1]", line)) for line in lines]
