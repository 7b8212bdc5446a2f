"""The built book on a local server, and the browser that opens it.

The page checks and the benchmark of the pages share these.
"""

import os
import shutil
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SITE = Path(__file__).parents[2] / "_build" / "html"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")

# A page is to be judged by what it asks for, so the browser asks for nothing by itself.
LAUNCH_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find_browser():
    """Return the browser's program, None where there is none."""
    named = os.environ.get("CNNBOOK_CHROMIUM")
    found = [named] if named else [shutil.which(name) for name in BROWSERS]
    return next(filter(None, found), None)


@contextmanager
def served(folder):
    """Serve a folder while the block runs, and yield its address."""
    handler = partial(_QuietHandler, directory=folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()


class _QuietHandler(SimpleHTTPRequestHandler):
    """Serve files without a line for each on the terminal."""

    def log_message(self, *args):
        pass
