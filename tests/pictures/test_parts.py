"""How much lies on a part of a picture: shares, areas, margins, and parts not there."""

import numpy as np
import pytest

from cnnbook import pictures


def test_even_votes_fall_on_a_part_as_its_area_is(rng):
    masks = rng.random((5, 12, 12)) < 0.3
    share, area = pictures.share_inside(np.ones((5, 4, 4)), masks)
    np.testing.assert_allclose(share, area)
    np.testing.assert_allclose(area, masks.mean(axis=(1, 2)))


def test_a_margin_lets_the_part_grow_on_all_sides():
    masks = np.zeros((1, 9, 9), bool)
    masks[0, 4, 4] = True
    _, area = pictures.share_inside(np.ones((1, 3, 3)), masks, margin=1)
    assert area[0] == pytest.approx(9 / 81)
    share, _ = pictures.share_inside(np.eye(3)[None] * [0, -2, 0], masks, margin=1)
    assert share[0] == 1  # the middle cell is all there is, and counts as it is long


def test_a_picture_without_the_part_has_no_share():
    share, area = pictures.share_inside(np.ones((1, 2, 2)), np.zeros((1, 4, 4), bool))
    assert np.isnan([share[0], area[0]]).all()


def test_an_empty_map_has_no_share_but_the_part_has_an_area():
    masks = np.eye(4, dtype=bool)[None]
    share, area = pictures.share_inside(np.zeros((1, 2, 2)), masks)
    assert np.isnan(share[0])
    assert area[0] == 0.25


def test_a_map_of_pixels_is_taken_pixel_by_pixel(rng):
    maps, masks = rng.normal(size=(3, 6, 8)), rng.random((3, 6, 8)) < 0.3
    share, area = pictures.share_inside(maps, masks)
    for n in range(3):
        inside = np.abs(maps[n])[masks[n]].sum()
        assert share[n] == pytest.approx(inside / np.abs(maps[n]).sum())
        assert area[n] == masks[n].mean()


@pytest.mark.parametrize("wrong", [-1, 0.5])
def test_a_margin_is_a_whole_number_of_pixels(wrong):
    masks = np.ones((1, 4, 4), bool)
    with pytest.raises(ValueError, match="margin must be a whole number of at least 0"):
        pictures.share_inside(np.ones((1, 2, 2)), masks, margin=wrong)


def test_maps_and_masks_must_belong_together():
    with pytest.raises(ValueError, match="one mask for each map"):
        pictures.share_inside(np.ones((2, 2, 2)), np.ones((3, 4, 4)))
