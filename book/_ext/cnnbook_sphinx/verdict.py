"""Keep a build that had warnings from passing the next time.

Sphinx remembers the pages it has read, not what it warned of, so that a second build
of the same faulty book reads nothing, warns of nothing and succeeds.  After an error
it forgets the pages by itself.
"""

from pathlib import Path

from sphinx.application import ENV_PICKLE_FILENAME


def setup(app):
    """Connect to the very end of the build."""
    app.connect("build-finished", forget_faulty_pages, priority=999)


def forget_faulty_pages(app, exception):
    """After any warning, make the next build read every page again."""
    if app._warncount:
        Path(app.doctreedir, ENV_PICKLE_FILENAME).unlink(missing_ok=True)
