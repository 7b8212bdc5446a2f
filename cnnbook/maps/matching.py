"""Which layers of two networks can be compared."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from cnnbook.maps.receptive_fields import receptive_field

if TYPE_CHECKING:
    import keras


def matching_layer(
    model: keras.Model,
    side: float,
    layers: Iterable[str],
    *,
    input_size: tuple[int, int] | None = None,
) -> str:
    """Find the layer whose positions see a window of about a given size.

    Layers of two networks are comparable when they see equally much, whatever their
    number in the row.

    Parameters
    ----------
    model : keras.Model
        As in `receptive_field`.
    side : float
        Rows of the window, in pixels of this model's images.
    layers : iterable of str
        Names to choose from.
    input_size : tuple of int, optional
        As in `receptive_field`.

    Returns
    -------
    layer : str
        The one whose window has the nearest number of rows, by ratio; of several, the
        last.

    Raises
    ------
    ValueError
        As `receptive_field`, or if there is no layer to choose from.

    Examples
    --------
    >>> import keras
    >>> model = keras.Sequential([keras.Input((32, 32, 1)), *(
    ...     keras.layers.Conv2D(1, 3, name=f"conv{n}") for n in (1, 2, 3, 4))])
    >>> matching_layer(model, 8, ["conv1", "conv2", "conv3", "conv4"])  # 3, 5, 7, 9
    'conv4'
    """
    layers = list(layers)
    if not layers:
        raise ValueError("layers must name at least one layer to choose from; got none")
    return min(
        reversed(layers),
        key=lambda layer: abs(
            np.log(receptive_field(model, layer, input_size=input_size).size[0] / side)
        ),
    )
