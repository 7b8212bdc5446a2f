"""Make room for pictures side by side."""

import math
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from cnnbook.checks import check_whole
from cnnbook.figures.style import WIDTH


def panels(
    count: int, columns: int, aspect: float = 1.0, height_of_title: float = 0.0
) -> tuple[Figure, Any]:
    """Make axes without frames for so many pictures, larger the fewer they are.

    Parameters
    ----------
    count : int
    columns : int
        Pictures in a row, at most.
    aspect : float
        Height of a picture over its width.
    height_of_title : float
        Room above each picture, in inches.

    Returns
    -------
    figure : matplotlib.figure.Figure
    axes : sequence of matplotlib.axes.Axes
        One for each picture.

    Raises
    ------
    ValueError
        If ``columns`` is no whole number from 1.
    """
    check_whole(columns, "columns")
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    side = min(WIDTH / columns, 3)
    size = side * columns, (side * aspect + height_of_title) * rows
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis in axes.flat[count:]:
        axis.remove()
    return figure, axes.flat[:count]
