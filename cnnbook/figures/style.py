"""How the book's drawings look: colours, width, and one Matplotlib style for all."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec

import matplotlib.pyplot as plt
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

# Okabe and Ito's colours, which colour-blind readers can tell apart.
CAT, DOG = "#E69F00", "#0072B2"
CLASS_COLOURS = (CAT, DOG)
ACCENT, INK, QUIET = "#B3446C", "#222222", "#888888"
# Colour maps, by what they show: amounts from zero up, heat laid over a photo, and
# numbers of either sign, white at zero.
AMOUNTS, HEAT = "viridis", "magma"
SIGNED = LinearSegmentedColormap.from_list("signed", [DOG, "white", CAT])

WIDTH = 6.0  # inches; a page shows it 600 pixels wide
STYLE = Path(__file__).with_name("cnnbook.mplstyle")


P = ParamSpec("P")


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Make a drawing function use the book's style and return a closed figure."""

    @functools.wraps(draw)
    def drawing(*args: P.args, **kwargs: P.kwargs) -> Figure:
        open_before = plt.get_fignums()
        try:
            with plt.style.context(STYLE):
                figure = draw(*args, **kwargs)
                # Lay out now: the style that says how ends with this block.
                figure.draw_without_rendering()
        finally:
            # An open figure would be shown a second time, without its caption.
            for number in set(plt.get_fignums()) - set(open_before):
                plt.close(number)
        return figure

    return drawing
