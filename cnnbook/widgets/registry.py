"""All interactive figures: the element of each, its scripts, and what it takes."""

from dataclasses import dataclass
from pathlib import Path

STATIC = Path(__file__).with_name("static")


@dataclass(frozen=True)
class Element:
    """What one kind of interactive figure consists of.

    Attributes
    ----------
    tag : str
        Name of the HTML element, and of the script that defines it.
    sets : tuple of str
        Which sets of data it takes, as attributes of the element.
    parts : tuple of str
        Scripts that it shares with some others, beside those that all share.
    loads_later : bool
        Whether it loads further sets when it needs them.
    """

    tag: str
    sets: tuple[str, ...]
    parts: tuple[str, ...] = ()
    loads_later: bool = False

    @property
    def maker(self) -> str:
        """Name of the function in `widgets` that makes one, its still picture too.

        The Sphinx extension has a function of the same name, which gives it the data
        that the book shows.
        """
        return self.tag.replace("-", "_")

    @property
    def scripts(self) -> list[Path]:
        """Its scripts in the order in which a page needs them.

        Data come before the last, which starts the widgets.
        """
        names = ("cnn", "widget", *self.parts, self.tag)
        return [STATIC / f"{name}.js" for name in names]


ELEMENTS = {
    element.tag: element
    for element in (
        Element("convolution-playground", ("pictures", "filters")),
        Element("pooling-playground", ("pictures",)),
        Element("activation-explorer", ("maps",)),
        Element("kernel-trainer", ("lesson",)),
        Element("fully-connected-explorer", ("pictures", "network")),
        Element("training-scrubber", ("training",)),
        Element("photo-lab", ("pictures", "network"), ("sheet",)),
        Element(
            "feature-map-explorer",
            ("pictures", "network", "chains"),
            ("sheet",),
            loads_later=True,
        ),
    )
}
