"""Refuse, with one sentence, what no function can work with."""

import numpy as np


def check_whole(value: object, name: str, *, least: int = 1) -> None:
    """Raise ValueError unless a value is a whole number of at least so much."""
    if not isinstance(value, int | np.integer) or value < least:
        raise ValueError(
            f"{name} must be a whole number of at least {least}; got {value!r}"
        )
