"""What no function can work with is refused with one sentence."""

import numpy as np
import pytest

from cnnbook.checks import check_whole, is_whole


@pytest.mark.parametrize("number", [3, np.int64(3), np.uint8(3)])
def test_whole_numbers_of_python_and_numpy_are_alike(number):
    assert is_whole(number, 3, 3)
    assert type(check_whole(number, "count")) is int


@pytest.mark.parametrize("other", [True, 3.0, "3", None, (3, 3), np.array(3)])
def test_neither_truth_values_nor_what_looks_like_a_number_counts_as_whole(other):
    with pytest.raises(ValueError, match="count must be a whole number of at least 0"):
        check_whole(other, "count", least=0)


def test_both_bounds_count_as_inside():
    assert [is_whole(number, 1, 3) for number in range(5)] == [0, 1, 1, 1, 0]
