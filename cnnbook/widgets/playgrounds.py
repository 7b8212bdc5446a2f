"""Interactive figures of arrays already computed, for notebooks and for the book.

A notebook shows what these functions return as HTML that holds everything it needs:
scripts, arrays, and a still picture for readers without JavaScript.  No function runs
a model.
"""

import numpy as np
import numpy.typing as npt

from cnnbook.figures import diagrams, sheets
from cnnbook.layers import activation_functions, learning, operations
from cnnbook.pictures import images
from cnnbook.widgets.embedding import Widget

# Of a side: each pixel is seen, and all of them travel with the page.
MOST_PIXELS = 128
MOST_WRITTEN = 8  # where each number is written out

_STEP = np.array([[0, 0, 1, 1, 1]] * 5)
_UPRIGHT = np.array([[-1, 0, 1]] * 3)[:, :, None, None]


def convolution_playground(
    pictures: dict[str, np.ndarray] | None = None,
    filters: npt.ArrayLike | None = None,
    biases: npt.ArrayLike | None = None,
) -> Widget:
    """Lay kernels, which the reader edits, on pictures, and write the sums out.

    Parameters
    ----------
    pictures : dict of str to ndarray of shape (H, W, 3), optional
        Pictures by name: uint8, or floats in [0, 1]; at most 128 pixels a side.  By
        default the model cat.  The reader can choose a file as well.
    filters : ndarray of shape (K, K, C, F), optional
        Kernels of a network, to choose from: C is 1 or 3, K at most 7.  Their weights
        are rounded to three digits.
    biases : ndarray of shape (F,), optional
        Zero by default.

    Returns
    -------
    widget : Widget

    Raises
    ------
    ValueError
        If an array has another shape or other numbers.

    Examples
    --------
    >>> widget = convolution_playground(filters=np.ones((3, 3, 1, 2)))
    >>> widget._repr_html_().startswith("<convolution-playground ")
    True
    """
    pictures = checked_pictures(pictures)
    data = {"pictures": pictures, "filters": _checked_filters(filters, biases)}
    grey = _grey_of_first(pictures)[None, :, :, None]
    edges = operations.conv2d(grey, _UPRIGHT)[0, :, :, 0]
    still = sheets.photo_beside_map(next(iter(pictures.values())) / 255, edges)
    alt = "A picture, and beside it the same with its upright edges in orange and blue."
    return Widget("convolution-playground", data, still, alt)


def pooling_playground(pictures: dict[str, np.ndarray] | None = None) -> Widget:
    """Show max pooling beside average pooling, and what a shift changes in each.

    Parameters
    ----------
    pictures : dict of str to ndarray of shape (H, W, 3), optional
        As for `convolution_playground`.

    Returns
    -------
    widget : Widget

    Raises
    ------
    ValueError
        If a picture has another shape or other numbers.

    Examples
    --------
    >>> pooling_playground().tag
    'pooling-playground'
    """
    pictures = checked_pictures(pictures)
    grey = _grey_of_first(pictures)[None, :, :, None]
    edges = activation_functions.relu(operations.conv2d(grey, _UPRIGHT))
    window = min(4, *edges.shape[1:3])
    pooled = (
        pool(edges, window=window)
        for pool in (operations.max_pool2d, operations.avg_pool2d)
    )
    still = sheets.feature_map_grid(
        [m[0, :, :, 0] for m in (edges, *pooled)],
        ["the map", "largest of each window", "average of each window"],
        limits=(0, float(edges.max()) or 1.0),
    )
    alt = "A map of edges, bold after max pooling and faint after average pooling."
    return Widget("pooling-playground", {"pictures": pictures}, still, alt)


def activation_explorer(maps: dict[str, np.ndarray] | None = None) -> Widget:
    """Show the activation functions, their slopes, and what they do to feature maps.

    Parameters
    ----------
    maps : dict of str to ndarray of shape (H, W), optional
        Feature maps by name, at most 128 numbers a side.  By default the upright edges
        of the model cat.

    Returns
    -------
    widget : Widget

    Raises
    ------
    ValueError
        If a map has another shape, or numbers that are not finite.

    Examples
    --------
    >>> list(activation_explorer({"noise": np.zeros((8, 8))}).data["maps"])
    ['noise']
    """
    if maps is None:
        grey = _grey_of_first(checked_pictures(None))[None, :, :, None]
        maps = {"upright edges": operations.conv2d(grey, _UPRIGHT)[0, :, :, 0]}
    maps = {name: _checked(values, "(H, W)", name) for name, values in maps.items()}
    first = next(iter(_checked_names(maps, "maps").values()))
    still = sheets.feature_map_grid(
        [first, activation_functions.relu(first)],
        ["before ReLU", "after"],
        columns=2,
        signed=True,
    )
    alt = "A feature map before ReLU, and after: what was below zero is gone."
    return Widget("activation-explorer", {"maps": maps}, still, alt)


def kernel_trainer(
    picture: npt.ArrayLike = _STEP, kernel: npt.ArrayLike = _UPRIGHT[:, :, 0, 0]
) -> Widget:
    """Let a kernel learn to give the map of another, at the reader's learning rate.

    It starts from zero, and learns as by `layers.gradient_descent`.

    Parameters
    ----------
    picture : ndarray of shape (H, W)
        Numbers from -1 to 1, at most 8 a side, which are written out.  By default 5 × 5
        with one upright edge.
    kernel : ndarray of shape (K_h, K_w)
        The one whose map is wanted: numbers from -9 to 9, no more than the picture has.
        By default it finds upright edges.

    Returns
    -------
    widget : Widget

    Raises
    ------
    ValueError
        If an array has another shape, other numbers, or none but zeros.

    Examples
    --------
    >>> kernel_trainer().tag
    'kernel-trainer'
    """
    pixels, weights = _lesson(picture, kernel)
    data = {"facts": {"picture": pixels.tolist(), "kernel": weights.tolist()}}
    image, weights = pixels[None, :, :, None], weights[:, :, None, None]
    wanted = operations.conv2d(image, weights)
    learned, _ = learning.gradient_descent(
        image, 0 * weights, wanted, learning_rate=0.1, steps=10
    )
    grids = {
        "the picture": pixels,
        "the map wanted": wanted[0, :, :, 0],
        "after 1 step": learned[1, :, :, 0, 0],
        "after 10 steps": learned[10, :, :, 0, 0],
    }
    still = diagrams.number_grids(grids, columns=4)
    alt = (
        "Four grids of numbers: a picture, the map that is wanted, and a kernel after "
        "one step of learning and after ten."
    )
    return Widget("kernel-trainer", {"lesson": data}, still, alt)


# What arrays can be shown.


def checked_pictures(
    pictures: dict[str, np.ndarray] | None,
) -> dict[str, npt.NDArray[np.uint8]]:
    """Return pictures as bytes, each of shape (H, W, 3)."""
    if pictures is None:
        pictures = {"Chelsea, the cat": images.model_cat((96, 96))}
    checked = {}
    for name, picture in _checked_names(pictures, "pictures").items():
        picture = np.asarray(picture)
        shape = picture.shape
        if picture.ndim != 3 or shape[-1] != 3 or min(shape) < 3:
            raise ValueError(
                f"picture {name!r} must have shape (H, W, 3), H and W at least 3; got "
                f"shape {shape}; pictures.load_image reads any file as such an array"
            )
        if picture.dtype != np.uint8:
            picture = _checked(picture, "(H, W, 3)", name)
            if picture.min() < 0 or picture.max() > 1:
                raise ValueError(
                    f"picture {name!r} must be uint8 or lie in [0, 1]; got numbers "
                    f"from {picture.min():g} to {picture.max():g}"
                )
            picture = np.round(picture * 255).astype(np.uint8)
        checked[name] = _checked(picture, "(H, W, 3)", name)
    return checked


def _checked_filters(filters, biases):
    """Return kernels and biases as a set of arrays, empty where there are none."""
    if filters is None:
        return {}
    filters = np.asarray(filters, np.float64)
    tall, wide, channels, count = filters.shape if filters.ndim == 4 else (0,) * 4
    if not (tall == wide in range(1, 8) and channels in (1, 3) and count):
        raise ValueError(
            "filters must have shape (K, K, C, F) with K at most 7 and C 1 or 3; got "
            f"shape {filters.shape}"
        )
    biases = np.zeros(count) if biases is None else np.asarray(biases, np.float64)
    if biases.shape != (count,):
        raise ValueError(f"biases must have shape ({count},); got shape {biases.shape}")
    arrays = {"kernel": filters, "bias": biases}
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise ValueError(f"the {name} of the filters must be finite everywhere")
    return arrays


def _lesson(picture, kernel):
    """Return a picture and a kernel that a lesson can show; ValueError otherwise."""
    picture, kernel = (
        _checked(array, shape, name).astype(np.float64)
        for array, shape, name in (
            (picture, "(H, W)", "picture"),
            (kernel, "(K_h, K_w)", "kernel"),
        )
    )
    if (
        max(picture.shape) > MOST_WRITTEN
        or (np.array(kernel.shape) > picture.shape).any()
    ):
        raise ValueError(
            f"the picture must have at most {MOST_WRITTEN} rows and columns, and the "
            f"kernel no more than the picture; got shapes {picture.shape} and "
            f"{kernel.shape}"
        )
    for array, most, name in ((picture, 1, "picture"), (kernel, 9, "kernel")):
        if np.abs(array).max() > most:
            raise ValueError(
                f"the {name} must hold numbers from -{most} to {most}; got some from "
                f"{array.min():g} to {array.max():g}"
            )
    if not (picture.any() and kernel.any()):
        raise ValueError(
            "the picture and the kernel must each hold a number other than 0, or there "
            "is nothing to learn"
        )
    return picture, kernel


def _checked(array, shape, name):
    """Return an array that a widget can show; ValueError says what is wrong."""
    array = np.asarray(array)
    if array.dtype != np.uint8:
        array = array.astype(np.float64)
    if array.ndim != len(shape.split(",")) or not array.size:
        raise ValueError(f"{name!r} must have shape {shape}; got shape {array.shape}")
    if max(array.shape[:2]) > MOST_PIXELS:
        raise ValueError(
            f"{name!r} must have at most {MOST_PIXELS} rows and columns; got shape "
            f"{array.shape}; pictures.load_image(source, (96, 96)) makes it smaller"
        )
    if not np.isfinite(array).all():
        raise ValueError(f"{name!r} must be finite everywhere")
    return array


def _checked_names(arrays, what):
    """Return a dict of names and arrays; ValueError if it is another thing or empty."""
    if not isinstance(arrays, dict) or not arrays:
        raise ValueError(
            f"{what} must be a dict of names and arrays, at least one; got "
            f"{type(arrays).__name__}"
        )
    return arrays


def _grey_of_first(pictures):
    return next(iter(pictures.values())).mean(axis=-1) / 255
