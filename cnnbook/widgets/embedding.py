"""Write interactive figures as HTML: an element, its styles, its scripts, and data.

A notebook gets one piece that holds everything it needs.  The book's Sphinx extension
puts the same parts into files, which its pages link to.
"""

import base64
import hashlib
import html
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import rjsmin
from matplotlib.figure import Figure
from PIL import Image

STATIC = Path(__file__).with_name("static")
STYLES = STATIC / "widget.css"  # of all widgets

# Which sets of data each widget takes, as attributes of its element.
TAKES = {
    "convolution-playground": ("pictures", "filters"),
    "pooling-playground": ("pictures",),
    "activation-explorer": ("maps",),
    "fully-connected-explorer": ("pictures", "network"),
    "training-scrubber": ("training",),
    "photo-lab": ("pictures", "network"),
    "feature-map-explorer": ("pictures", "network", "chains"),
}

# Those that load further sets when they need them.
LATER = {"feature-map-explorer"}

# Those that show all channels of a layer.
SHEETS = {"feature-map-explorer", "photo-lab"}

WITHOUT_SCRIPTS = "This figure answers to you where JavaScript is on."


@dataclass(frozen=True)
class Widget:
    """An interactive figure, which a notebook shows by itself.

    Attributes
    ----------
    tag : str
        Name of the HTML element, one of `TAKES`.
    data : dict of str to dict
        For each set that the element takes, what it holds by name: arrays, or objects
        that JSON can write.
    still : matplotlib.figure.Figure
        What is seen without JavaScript.
    alt : str
        The same in words.
    later : dict of str to dict
        Sets that the element loads when it needs them, from scripts of these names in a
        folder that the book tells it.
    """

    tag: str
    data: dict[str, dict[str, Any]]
    still: Figure
    alt: str
    later: dict[str, dict[str, Any]] = field(default_factory=dict)

    def _repr_html_(self):
        """Return the widget as one piece of HTML that loads nothing."""
        sets, code = {}, []
        for kind, things in self.data.items():
            # Two widgets in a notebook may show different things.
            digest = hashlib.sha256(data_script("", things).encode()).hexdigest()
            sets[kind] = f"{kind}-{digest[:8]}"
            code.append(data_script(sets[kind], things))
        *shared, own = map(served, scripts_of(self.tag))
        scripts = "".join(f"<script>{text}</script>" for text in [*shared, *code, own])
        picture, width, height = still_picture(self.still)
        source = address("image/webp", picture)
        inside = image(source, width, height, self.alt) + f"<p>{WITHOUT_SCRIPTS}</p>"
        tag = opening(self.tag, sets, address("text/css", STYLES.read_bytes()))
        return tag + inside + f"</{self.tag}>{scripts}"


def scripts_of(tag: str) -> list[Path]:
    """List the scripts of a widget in the order in which a page needs them.

    Data come before the last, which starts the widgets.

    Parameters
    ----------
    tag : str
        One of `TAKES`.

    Returns
    -------
    scripts : list of pathlib.Path

    Examples
    --------
    >>> [file.name for file in scripts_of("pooling-playground")]
    ['cnn.js', 'widget.js', 'pooling-playground.js']
    """
    shared = ("cnn", "widget", "sheet") if tag in SHEETS else ("cnn", "widget")
    return [STATIC / f"{name}.js" for name in (*shared, tag)]


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


def data_script(name: str, things: Mapping[str, Any]) -> str:
    """Write a script that gives data to the widgets of a page.

    Arrays of bytes stay as they are and count as parts of 255; other arrays are kept
    in 16 bits, as multiples of a 32,767th of the largest.  What is no array, such as
    an exported network, is written as it is.

    Parameters
    ----------
    name : str
        Of the set.
    things : dict of str to ndarray or object

    Returns
    -------
    script : str

    Examples
    --------
    >>> print(data_script("pictures", {"dot": np.zeros((1, 1, 3), "uint8")}))
    cnnbook.share("pictures", {"dot": {"shape": [1, 1, 3], "dtype": "uint8",
    "scale": 0.00392156862745098, "data": "AAAA"}});
    """
    stored = {}
    for label, array in things.items():
        if not isinstance(array, np.ndarray):
            stored[label] = array
            continue
        if array.dtype == np.uint8:
            numbers, scale = array, 1 / 255
        else:
            scale = float(np.abs(array).max(initial=0)) / 32767 or 1.0
            numbers = np.round(array / scale).astype("<i2")
        stored[label] = {
            "shape": list(array.shape),
            "dtype": numbers.dtype.name,
            "scale": scale,
            "data": base64.b64encode(numbers.tobytes()).decode("ascii"),
        }
    texts = (json.dumps(thing).replace("<", "\\u003c") for thing in (name, stored))
    return f"cnnbook.share({', '.join(texts)});"


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


def still_picture(figure: Figure) -> tuple[bytes, int, int]:
    """Draw a figure as WebP, at the size at which it is shown.

    Parameters
    ----------
    figure : matplotlib.figure.Figure

    Returns
    -------
    picture : bytes
    width, height : int
    """
    drawn, written = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=100)
    with Image.open(drawn) as picture:
        picture.convert("RGB").save(written, format="webp", quality=85)
        return written.getvalue(), *picture.size
