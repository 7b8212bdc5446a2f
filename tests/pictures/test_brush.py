"""Shapes cover the area geometry gives them, wherever the frame puts them."""

import math

import numpy as np
import pytest

from cnnbook.pictures.drawing import brush
from cnnbook.pictures.drawing.brush import Canvas


def painted(canvas):
    """Return how many pixels' worth of white the canvas holds."""
    return float(canvas.colours[0].sum())


@pytest.mark.parametrize(("x", "y"), [(0.5, 0.5), (0.512, 0.477)])
@pytest.mark.parametrize(("wide", "high"), [(1, 1), (1, 0.6), (0.4, 1)])
@pytest.mark.parametrize("angle", [0, 0.7])
def test_an_ellipse_covers_pi_times_the_product_of_its_radii(x, y, wide, high, angle):
    canvas = Canvas(64)
    frame = canvas.frame(x, y, 0.3).at(0, 0, angle)
    patch = frame.patch(-1.1, -1.1, 1.1, 1.1)
    shape = brush.ellipse(patch.u, patch.v, wide, high)
    canvas.paint(patch, shape, (1, 1, 1))
    area = math.pi * wide * high * (0.3 * 64) ** 2
    assert painted(canvas) == pytest.approx(area, rel=0.02)


def test_a_spike_without_bulge_covers_half_its_width_times_its_length():
    canvas = Canvas(128)
    patch = canvas.frame(0.5, 0.8, 0.5).patch(-0.6, -1.3, 0.6, 0.1)
    canvas.paint(patch, brush.spike(patch.u, patch.v, 0.5, 1.2, bulge=0), (1, 1, 1))
    assert painted(canvas) == pytest.approx(0.5 * 1.2 * 64**2, rel=0.02)


def test_a_stroke_covers_its_length_times_its_width_and_two_half_discs():
    canvas = Canvas(128)
    patch = canvas.frame(0.2, 0.5, 0.5).patch(-0.2, -0.2, 1.3, 0.2)
    canvas.paint(patch, brush.stroke(patch.u, patch.v, 1.1, 0.1), (1, 1, 1))
    area = (1.1 * 0.2 + math.pi * 0.1**2) * 64**2
    assert painted(canvas) == pytest.approx(area, rel=0.02)


def test_a_frame_within_a_frame_is_where_trigonometry_puts_it():
    frame = Canvas(100).frame(0.5, 0.5, 0.1).at(2, 0, math.pi / 2).at(1, 0, scale=2)
    # Two units right of the middle; then, turned a quarter, one unit down.
    assert (frame.x, frame.y) == pytest.approx((70, 60))
    assert (frame.ux, frame.uy) == pytest.approx((0, 20))
    assert (frame.vx, frame.vy) == pytest.approx((-20, 0))


def test_a_patch_knows_the_position_of_each_of_its_pixels():
    frame = Canvas(50).frame(0.4, 0.6, 0.2).at(0.1, 0.2, 0.5, squeeze=0.7)
    patch = frame.patch(-1, -1, 1, 1)
    x = frame.x + patch.u * frame.ux + patch.v * frame.vx
    y = frame.y + patch.u * frame.uy + patch.v * frame.vy
    rows, columns = np.mgrid[patch.rows, patch.columns] + 0.5
    np.testing.assert_allclose(x, columns, atol=1e-4)
    np.testing.assert_allclose(y, rows, atol=1e-4)


def test_a_shape_off_the_canvas_paints_nothing():
    canvas = Canvas(32)
    patch = canvas.frame(3, -2, 0.2).patch(-1, -1, 1, 1)
    canvas.paint(patch, brush.ellipse(patch.u, patch.v, 1, 1), (1, 1, 1), part=1)
    assert painted(canvas) == 0
    assert not canvas.owner.any()


def test_a_part_owns_the_pixels_it_covers_by_half_or_more():
    canvas = Canvas(32)
    patch = canvas.frame(0.5, 0.5, 1).patch(-0.5, -0.5, 0.5, 0.5)
    canvas.paint(patch, patch.u - 0.1, (1, 1, 1), part=3)
    np.testing.assert_array_equal(canvas.owner == 3, canvas.colours[0] >= 0.5)


def test_two_joined_shapes_hold_both_and_little_more():
    u, v = np.meshgrid(*2 * [np.linspace(-2, 2, 81)])
    left, right = (brush.ellipse(u + s, v, 0.8, 0.8) for s in (-0.5, 0.5))
    union = brush.join(left, right, 0.2)
    assert (union <= np.minimum(left, right) + 1e-9).all()
    assert (union >= np.minimum(left, right) - 0.2 / 4 - 1e-9).all()


def test_clouds_of_a_constant_are_constant_and_keep_within_the_grids_range(rng):
    np.testing.assert_allclose(brush.clouds(np.full((4, 7), 0.3), 33), 0.3, 1e-6)
    grid = rng.random((5, 9))
    texture = brush.clouds(grid, 40)
    assert texture.shape == (40, 40)
    assert grid.min() <= texture.min() < texture.max() <= grid.max()


@pytest.mark.parametrize("radius", [0.4, 1.0, 2.5])
def test_blur_spreads_a_dot_to_the_given_standard_deviation(radius):
    dot = np.zeros((1, 41, 41))
    dot[0, 20, 20] = 1
    spread = brush.blur(dot, radius)[0]
    offsets = np.arange(41) - 20
    assert spread.sum() == pytest.approx(1)
    assert (spread.sum(0) * offsets**2).sum() == pytest.approx(radius**2)
    assert (spread.sum(1) * offsets**2).sum() == pytest.approx(radius**2)
