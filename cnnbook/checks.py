"""Refuse, with one sentence, what no function can work with."""

import math

import numpy as np


def is_whole(value, least=0, most=math.inf):
    """Tell whether a value is a whole number, and no truth value, within bounds."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    return whole and least <= value <= most


def check_whole(value, name, *, least=1):
    """Return a value as an int; ValueError unless it is whole and at least so much."""
    if not is_whole(value, least):
        raise ValueError(
            f"{name} must be a whole number of at least {least}; got {value!r}"
        )
    return int(value)
