"""The HTML around an interactive figure: its tag, its still picture, its scripts.

Who only puts pages together needs no library for arrays or drawings.
"""

import base64
import html
from collections.abc import Mapping
from pathlib import Path

import rjsmin

from cnnbook.widgets.registry import STATIC

STYLES = STATIC / "widget.css"  # of all widgets


def served(script: Path) -> str:
    """Read a script as readers get it: comments and needless space stay behind.

    Parameters
    ----------
    script : pathlib.Path

    Returns
    -------
    text : str
    """
    return rjsmin.jsmin(script.read_text("utf-8")) + "\n"


def address(kind: str, content: bytes) -> str:
    """Write an address that holds what it leads to.

    Parameters
    ----------
    kind : str
        The media type.
    content : bytes

    Returns
    -------
    url : str

    Examples
    --------
    >>> address("text/css", b"p { margin: 0 }")
    'data:text/css;base64,cCB7IG1hcmdpbjogMCB9'
    """
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def opening(
    tag: str, sets: Mapping[str, str], styles: str, *, name: str = "", **options: str
) -> str:
    """Write the tag that opens a widget.

    Parameters
    ----------
    tag : str
    sets : dict of str to str
        The name of the set that each attribute stands for.
    styles : str
        The address of `STYLES`.
    name : str
        Its id.  A widget that has one keeps its state in the address of the page.
    **options : str
        Other attributes.

    Returns
    -------
    html : str

    Examples
    --------
    >>> opening("pooling-playground", {"pictures": "cats"}, "widget.css", name="pools")
    '<pooling-playground data-pictures="cats" styles="widget.css" id="pools">'
    """
    attributes = {f"data-{kind}": value for kind, value in sets.items()}
    attributes |= {"styles": styles} | ({"id": name} if name else {}) | options
    written = (f'{key}="{html.escape(value)}"' for key, value in attributes.items())
    return f"<{' '.join([tag, *written])}>"


def image(source: str, width: int, height: int, alt: str) -> str:
    """Write an image that is fetched when it is seen.

    Parameters
    ----------
    source : str
    width, height : int
    alt : str

    Returns
    -------
    html : str

    Examples
    --------
    >>> image("a.webp", 3, 2, "Two")
    '<img src="a.webp" width="3" height="2" alt="Two" loading="lazy" decoding="async">'
    """
    values = {"src": source, "width": width, "height": height, "alt": alt}
    written = " ".join(f'{k}="{html.escape(str(v))}"' for k, v in values.items())
    return f'<img {written} loading="lazy" decoding="async">'
