"""Build the book, open it in a browser, and build it again after every edit.

This is sphinx-autobuild's live reload around the very command of ``make book``, so
that the configuration stays in one place.  Usage: ``make serve``; Ctrl-C ends it.
"""

import subprocess
import sys
from pathlib import Path

import uvicorn
from sphinx_autobuild.filter import IgnoreFilter
from sphinx_autobuild.middleware import JavascriptInjectorMiddleware
from sphinx_autobuild.server import RebuildServer
from sphinx_autobuild.utils import find_free_port, open_browser
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount, WebSocketRoute
from starlette.staticfiles import StaticFiles

ROOT = Path(__file__).resolve().parents[1]
HTML = ROOT / "_build" / "html"
WATCHED = [ROOT / name for name in ("book", "cnnbook", "_config.yml", "_toc.yml")]
NOT_SOURCE = [r"__pycache__|\.ipynb_checkpoints|~$|\.sw.$"]


def build(changed_paths=()):
    """Build the book; a build that fails leaves the last good pages in place."""
    for path in changed_paths:
        print(f"changed: {Path(path).relative_to(ROOT)}")
    jupyter_book = Path(sys.executable).with_name("jupyter-book")
    subprocess.run([jupyter_book, "build", ROOT, "-n", "--keep-going"], check=False)


def main():
    """Serve the book until the reader stops it."""
    build()
    HTML.mkdir(parents=True, exist_ok=True)
    address = f"127.0.0.1:{(port := find_free_port())}"
    watcher = RebuildServer(WATCHED, IgnoreFilter([], NOT_SOURCE), build)
    app = Starlette(
        routes=[
            WebSocketRoute("/websocket-reload", watcher),
            Mount("/", app=StaticFiles(directory=HTML, html=True)),
        ],
        middleware=[Middleware(JavascriptInjectorMiddleware, ws_url=address)],
        lifespan=watcher.lifespan,
    )
    print(
        f"\nThe book is at http://{address} and follows your edits; Ctrl-C ends this."
    )
    open_browser(address, delay=0)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    main()
