"""What this book's build does that Jupyter Book does not.

One module an idea; each says at its head what would go wrong without it.
"""

from cnnbook_sphinx import (
    accessibility,
    execution,
    footnotes,
    mathml,
    pictures,
    verdict,
    widgets,
)


def setup(app):
    """Connect every part to the build; Sphinx calls this."""
    parts = execution, mathml, pictures, footnotes, accessibility, verdict, widgets
    for part in parts:
        part.setup(app)
    # What parts note about a page in `env.metadata` would be lost in other processes.
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": True}
