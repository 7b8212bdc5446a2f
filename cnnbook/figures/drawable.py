"""Refuse what cannot be drawn, with one sentence that says what can.

Otherwise the answer would come from deep inside Matplotlib.
"""

from collections.abc import Sequence, Sized

import numpy as np
import numpy.typing as npt

Numbers = Sequence[float] | np.ndarray  # one after the other
Window = tuple[slice, slice]  # its rows and columns


def check_shape(
    array: npt.ArrayLike, shape: str, name: str, advice: str = "no side may be 0"
) -> np.ndarray:
    """Return an array of a shape such as "(H, W, 3)", or say what came instead."""
    array = np.asarray(array)
    letters, sizes = shape.strip("(),").split(", "), {"3": 3}
    pairs = zip(letters, array.shape, strict=False)
    alike = all(sizes.setdefault(letter, side) == side for letter, side in pairs)
    if array.ndim != len(letters) or not array.size or not alike:
        raise ValueError(
            f"{name} must have shape {shape}; got shape {array.shape}; {advice}"
        )
    return array


def check_intensities(array: np.ndarray, name: str) -> None:
    """Insist on numbers in [0, 1]; Matplotlib would clip others to white or black."""
    low, high = np.min(array), np.max(array)
    if not (low >= 0 and high <= 1):  # so that not-a-number fails as well
        raise ValueError(
            f"{name} must lie in [0, 1] to be drawn; got numbers from {low:g} to "
            f"{high:g}; of a model that takes 0 to 255, divide them by 255"
        )


def check_count(given: Sized | None, count: int, name: str) -> None:
    """Insist on one title, label or colour for each thing drawn; None is fine too."""
    if given is not None and len(given) != count:
        raise ValueError(f"{name} must have {count} items, one each; got {len(given)}")


def check_some(given: Sized, name: str, what: str) -> None:
    """Insist on something to draw: at least one curve, bar or map."""
    if not len(given):
        raise ValueError(f"{name} must hold at least one {what}; got none")


def check_window(window: Window, shape: Sequence[int]) -> None:
    """Insist on (rows, columns), two slices inside a picture."""
    inside = len(window) == 2 and all(
        isinstance(part, slice)
        and part.start in range(side)
        and part.stop in range(part.start + 1, side + 1)
        for part, side in zip(window, shape, strict=False)
    )
    if not inside:
        raise ValueError(
            "a window must be (rows, columns), two slices with start and stop inside "
            f"the picture of {shape[0]} × {shape[1]} pixels; got {window}"
        )
