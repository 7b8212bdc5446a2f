"""Interactive figures as HTML: an element, its styles, its scripts, and its data.

A notebook gets one piece that holds everything it needs.  The book's Sphinx extension
puts the same parts into files, which its pages link to.
"""

import base64
import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from cnnbook.widgets.markup import STYLES, address, image, opening, served
from cnnbook.widgets.registry import ELEMENTS

WITHOUT_SCRIPTS = "This figure answers to you where JavaScript is on."


@dataclass(frozen=True)
class Widget:
    """An interactive figure, which a notebook shows by itself.

    Attributes
    ----------
    tag : str
        Name of the HTML element, one of `registry.ELEMENTS`.
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
        data = named_scripts(self.data)
        sets = {kind: name for kind, (name, _) in data.items()}
        code = [script for _, script in data.values()]
        *shared, own = map(served, ELEMENTS[self.tag].scripts)
        scripts = "".join(f"<script>{text}</script>" for text in [*shared, *code, own])
        picture, width, height = still_picture(self.still)
        source = address("image/webp", picture)
        inside = image(source, width, height, self.alt) + f"<p>{WITHOUT_SCRIPTS}</p>"
        tag = opening(self.tag, sets, address("text/css", STYLES.read_bytes()))
        return tag + inside + f"</{self.tag}>{scripts}"


def named_scripts(
    sets: Mapping[str, Mapping[str, Any]],
) -> dict[str, tuple[str, str]]:
    """Write sets of data as scripts, and name each by what it holds.

    So pages and notebooks that show different things can lie side by side, and those
    that show the same can share it.

    Parameters
    ----------
    sets : dict of str to dict
        As in `Widget.data`.

    Returns
    -------
    scripts : dict of str to (str, str)
        The name of each set, and its script.

    Examples
    --------
    >>> for name, script in named_scripts({"facts": {"n": 1}}).values():
    ...     print(name, script)
    facts-f4fc9301 cnnbook.share("facts-f4fc9301", {"n": 1});
    """
    scripts = {}
    for kind, things in sets.items():
        digest = hashlib.sha256(data_script("", things).encode()).hexdigest()
        name = f"{kind}-{digest[:8]}"
        scripts[kind] = name, data_script(name, things)
    return scripts


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
