"""Refuse, with one sentence, what no function can work with."""

import math
from typing import TypeGuard

import numpy as np


def is_whole(
    value: object, least: int = 0, most: float = math.inf
) -> TypeGuard[int | np.integer]:
    """Tell whether a value is a whole number, and no truth value, within bounds."""
    if not isinstance(value, int | np.integer) or isinstance(value, bool):
        return False
    return bool(least <= value <= most)


def check_whole(value: object, name: str, *, least: int = 1) -> int:
    """Return a value as an int; ValueError unless it is whole and at least so much."""
    if not is_whole(value, least):
        raise ValueError(
            f"{name} must be a whole number of at least {least}; got {value!r}"
        )
    return int(value)
