"""Overlays put heat, windows and products where they belong."""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from cnnbook import figures
from cnnbook.explanations import Explanation
from cnnbook.maps import Step


@pytest.fixture(autouse=True)
def every_figure_is_returned_closed():
    before = dict(plt.rcParams)
    yield
    assert plt.get_fignums() == []
    assert dict(plt.rcParams) == before  # the book's style is not forced on others


def outlines(axis):
    """Return each outline of a panel once, as (left, top, width, height)."""
    return [
        (*patch.get_xy(), patch.get_width(), patch.get_height())
        for patch in axis.patches[1::2]  # a dark line below each bright one
    ]


def seen_colours(axis):
    """Return what a panel shows, (rows, columns, 3) at the resolution of the page."""
    canvas = FigureCanvasAgg(axis.figure)
    canvas.draw()
    drawn = np.asarray(canvas.buffer_rgba())[..., :3]
    left, low, right, high = axis.get_window_extent().extents.round().astype(int)
    return drawn[len(drawn) - high : len(drawn) - low, left:right]


def test_heat_is_laid_over_the_grey_photo_and_nothing_hides_it_where_there_is_none():
    red = np.zeros((1, 8, 8, 3))
    red[..., 0] = 0.9
    heat = np.zeros((2, 2))
    heat[0, 1] = 4.0  # the upper right quarter
    (axis,) = figures.heat_over_photos(red, [heat]).axes

    shown = seen_colours(axis).astype(int)

    rows, columns = (np.array(shown.shape[:2]) * [[1], [3]] // 4).T
    grey = round(0.3 * 255)
    assert np.abs(shown[rows[1], columns] - grey).max() <= 2
    assert np.abs(shown[rows[0], columns[0]] - grey).max() <= 2
    bright = np.array(plt.get_cmap("magma")(1.0)[:3]) * 255
    assert np.abs(shown[rows[0], columns[1]] - (0.9 * bright + 0.1 * grey)).max() <= 3


def test_more_heat_is_brighter_and_hides_more():
    heat = np.array([[0.0, 0.01, 0.25, 1.0]])
    (axis,) = figures.heat_over_photos(np.zeros((1, 4, 16, 3)), [heat]).axes
    shown = seen_colours(axis)

    middle = shown[shown.shape[0] // 2].sum(axis=-1, dtype=int)
    brightness = middle[np.arange(1, 8, 2) * len(middle) // 8]

    assert brightness[0] <= 3 and (np.diff(brightness) > 15).all()


def test_each_map_of_heat_has_its_own_scale_and_an_empty_one_is_fine(rng):
    heat = rng.random((4, 4))
    photos = np.zeros((3, 8, 8, 3))

    one, hundredfold, none = figures.heat_over_photos(
        photos, [heat, 100 * heat, 0 * heat]
    ).axes

    np.testing.assert_allclose(
        one.images[1].get_array(), hundredfold.images[1].get_array()
    )
    assert one.images[1].get_array().max() == 1
    assert not none.images[1].get_array().any()
    assert [text.get_text() for text in none.texts] == ["0 everywhere"]
    assert not one.texts


def test_photos_are_titled_and_their_windows_outlined():
    windows = [[(slice(2, 5), slice(1, 7))], []]
    figure = figures.heat_over_photos(
        np.zeros((2, 8, 8, 3)), np.ones((2, 4, 4)), ["a", "b"], windows=windows
    )

    left, right = figure.axes
    assert [axis.get_title() for axis in figure.axes] == ["a", "b"]
    # Pixel (row 2, column 1) begins half a pixel before its centre.
    assert outlines(left) == [(0.5, 1.5, 6, 3)] and outlines(right) == []


@pytest.mark.parametrize(
    ("maps", "options", "message"),
    [
        (np.ones((1, 4, 4)), {}, "maps must have 2 items, one each; got 1"),
        ([np.ones((4, 4)), -np.eye(4)], {}, "none below zero, unless signed; got -1"),
        (np.ones((2, 4, 4, 1)), {}, r"each of the maps must have shape \(H', W'\)"),
        (np.ones((2, 4, 4)), {"titles": ["a"]}, "titles must have 2 items"),
        (np.ones((2, 4, 4)), {"windows": [[]]}, "windows must have 2 items"),
        (
            np.ones((2, 4, 4)),
            {"windows": [[(slice(0, 9), slice(0, 1))], []]},
            "inside the picture of 8 × 8",
        ),
        (np.ones((2, 4, 4)), {"columns": 0}, "columns must be a whole number"),
    ],
)
def test_heat_that_does_not_fit_the_photos_is_refused(maps, options, message):
    with pytest.raises(ValueError, match=message):
        figures.heat_over_photos(np.zeros((2, 8, 8, 3)), maps, **options)


def test_heat_over_a_single_photo_asks_for_a_batch():
    with pytest.raises(ValueError, match=r"\(8, 8, 3\); of one photo, image\[None\]"):
        figures.heat_over_photos(np.zeros((8, 8, 3)), np.ones((1, 4, 4)))


def explanation(values, method="saliency", target="cat", *, signed=False):
    values = np.asarray(values, float)
    size = values.shape[1:]
    return Explanation(
        values, method, target, None, np.zeros(len(values)), "logits", size, signed
    )


def test_signed_heat_is_orange_above_zero_and_blue_below():
    heat = np.array([[0.0, 1.0], [-1.0, 0.0]])
    (axis,) = figures.heat_over_photos(np.zeros((1, 2, 2, 3)), [heat], signed=True).axes
    shown = axis.images[1]
    red, _, blue, _ = np.moveaxis(shown.cmap(shown.norm(shown.get_array())), -1, 0)
    assert red[0, 1] > blue[0, 1]
    assert blue[1, 0] > red[1, 0]


def test_each_photo_stands_beside_its_explanation():
    photos = [np.full((2, 2, 3), 0.2), np.full((2, 2, 3), 0.7)]
    found = [
        explanation([np.eye(2)]),
        explanation([np.eye(2)], "integrated gradients", ("dog",)),
    ]
    axes = figures.photos_beside_explanations(photos, found).axes
    assert [len(axis.images) for axis in axes] == [1, 2, 1, 2]
    for photo, axis in zip(photos, axes[::2], strict=True):
        np.testing.assert_array_equal(axis.images[0].get_array(), photo)
    assert [axis.get_title() for axis in axes] == [
        "",
        "saliency\nfor cat",
        "",
        "integrated\ngradients\nfor dog",
    ]


@pytest.mark.parametrize(
    ("photos", "found", "message"),
    [
        ([np.zeros((2, 2, 3))], [], "explanations must have 1"),
        ([np.zeros((3, 3, 3))], [explanation([np.eye(2)])], r"images of \(2, 2\) pix"),
        ([np.full((2, 2, 3), 2.0)], [explanation([np.eye(2)])], "photos must"),
    ],
)
def test_photos_that_were_not_explained_are_refused(photos, found, message):
    with pytest.raises(ValueError, match=message):
        figures.photos_beside_explanations(photos, found)


def test_explanations_are_titled_as_asked():
    found = [explanation([np.eye(2)]), explanation([np.eye(2)])]
    figure = figures.explanations_over_photo(
        np.zeros((2, 2, 3)), found, ["early", "late"]
    )
    assert [axis.get_title() for axis in figure.axes] == ["early", "late"]
    with pytest.raises(ValueError, match="titles must have 2"):
        figures.explanations_over_photo(np.zeros((2, 2, 3)), found, ["early"])


def below(axis):
    """Return the small print below a picture."""
    return [" ".join(text.get_text().split()) for text in axis.texts]


def test_below_an_explanation_stands_how_far_it_can_be_relied_on():
    exact, drawn, off = (explanation([np.eye(2)]) for _ in range(3))
    drawn = replace(drawn, error=np.full((1, 2, 2), 0.031))
    off = replace(off, gap=np.array([1.5]))
    empty = explanation([np.zeros((2, 2))])
    photo = np.zeros((2, 2, 3))
    axes = figures.explanations_over_photo(photo, [exact, drawn, off, empty]).axes
    assert [below(axis)[-1] for axis in axes] == [
        "score 0.0, map in logits",
        "score 0.0, map in logits, standard error 0.031",
        "score 0.0, map in logits, adds up to 2.00, not 0.50: not converged",
        "score 0.0, map in logits, 0 everywhere",
    ]
    assert below(axes[3])[0] == "0 everywhere"  # on the photo as well
    _, axis = figures.photos_beside_explanations([photo], [off]).axes
    assert "not converged" in below(axis)[-1]


def test_below_an_explanation_stands_the_score_of_what_it_compares_with():
    plain = explanation([np.eye(2)] * 2)
    compared = replace(plain, baseline_score=np.array([0.5, -1.26]))
    photo = np.zeros((2, 2, 3))
    axes = figures.explanations_over_photo(photo, [plain, compared], number=1).axes
    assert [below(axis)[-1] for axis in axes] == [
        "score 0.0, map in logits",
        "score 0.0, of the baseline −1.3, map in logits",
    ]
    _, axis = figures.photos_beside_explanations([photo], [compared]).axes
    assert "of the baseline 0.5" in below(axis)[-1]


def test_where_explanations_say_more_there_is_more_room_and_else_as_much_as_before():
    photo, plain = np.zeros((2, 2, 3)), explanation([np.eye(2)])
    more = replace(plain, gap=np.zeros(1))
    sizes = [
        figures.explanations_over_photo(photo, [found]).get_size_inches()
        for found in (plain, more)
    ]
    assert sizes[0].tolist() == [3, 4] and sizes[1].tolist() == [3, 4.25]


def step(layer, window, contributions, weights=1.0):
    """Make a step whose channels contribute these amounts altogether."""
    shape = [part.stop - part.start for part in window]
    values = np.zeros((*shape, len(contributions)))
    values[:1, :1] = contributions
    weights = np.broadcast_to(weights, values.shape)
    return Step(layer, *window, values, weights, constant=0.0, value=1.0)


@pytest.fixture
def steps():
    return [
        step("end", (slice(1, 2), slice(2, 3)), [0, 0, 7]),
        step("conv", (slice(1, 3), slice(2, 4)), [2, -3, 1, 0]),
        step("skipped", (slice(1, 3), slice(2, 4)), [1, 0]),
        step("photo", (slice(0, 5), slice(2, 8)), [5, 1, 1]),
    ]


def maps_of(rng):
    sizes = {"end": (4, 4, 3), "conv": (4, 4, 4), "photo": (8, 8, 3)}
    return {name: rng.random(size) for name, size in sizes.items()}


def test_a_strip_goes_from_the_photo_to_the_number_and_outlines_each_window(steps, rng):
    figure = figures.trace_strip(steps, maps_of(rng))

    titles = [axis.get_title() for axis in figure.axes]
    assert titles == ["image\n5 × 6", "conv\n2 × 2", "end\n1 × 1"]
    assert [outlines(axis) for axis in figure.axes] == [
        [(1.5, -0.5, 6, 5)],
        [(1.5, 0.5, 2, 2)],
        [(1.5, 0.5, 1, 1)],
    ]


def test_a_strip_shows_the_photo_and_the_channel_that_contributes_most(steps, rng):
    maps = maps_of(rng)

    photo, conv, end = (
        axis.images[0].get_array() for axis in figures.trace_strip(steps, maps).axes
    )

    np.testing.assert_array_equal(photo, maps["photo"])
    np.testing.assert_array_equal(conv, maps["conv"][..., 1])  # -3
    # Three channels, but no photo.
    np.testing.assert_array_equal(end, maps["end"][..., 2])


def test_a_strip_of_a_number_that_is_zero_shows_the_channel_asked_for(rng):
    number = step("end", (slice(1, 2), slice(2, 3)), [0, 0, 0], weights=[0, 1, 0])
    photo = step("photo", (slice(0, 5), slice(2, 8)), [0, 0, 0], weights=0)
    maps = maps_of(rng)
    del maps["conv"]

    _, end = figures.trace_strip([number, photo], maps).axes

    np.testing.assert_array_equal(end.images[0].get_array(), maps["end"][..., 1])


def test_a_strip_of_a_closed_number_says_that_nothing_passes(steps, rng):
    number = replace(steps[0], value=0.0, before=-1.3)
    rest = [replace(one, value=0.0, weights=0 * one.weights) for one in steps[1:]]

    axes = figures.trace_strip([number, *rest], maps_of(rng)).axes

    assert [below(axis) for axis in axes] == [
        ["nothing of it counts"],
        ["nothing of it counts"],
        ["0, since −1.3 is below zero"],
    ]
    assert not any(map(below, figures.trace_strip(steps, maps_of(rng)).axes))


def test_maps_of_a_strip_that_go_below_zero_are_drawn_with_signs(steps, rng):
    maps = maps_of(rng)
    maps["conv"] = maps["conv"] - 0.5
    maps["end"] = np.zeros((4, 4, 3))

    _, conv, end = figures.trace_strip(steps, maps).axes

    low, high = conv.images[0].get_clim()
    assert low == -high and conv.images[0].to_rgba([0.0], bytes=True).min() >= 254
    assert below(end) == ["0 everywhere"]


def test_a_strip_outlines_nothing_where_only_padding_is_seen(steps, rng):
    blank = step("photo", (slice(0, 0), slice(0, 0)), [1, 1, 1])

    photo, *_ = figures.trace_strip([*steps[:-1], blank], maps_of(rng)).axes

    assert photo.get_title() == "image\n0 × 0" and outlines(photo) == []


@pytest.mark.parametrize(
    ("maps", "message"),
    [
        ({}, "some of end, conv, skipped, photo; got none"),
        ({"cnv": np.ones((4, 4, 4))}, "got cnv"),
        ({"conv": np.ones((4, 4))}, r"each of the maps must have shape \(H', W', F\)"),
        ({"conv": np.ones((2, 2, 4))}, "inside the picture of 2 × 2"),
    ],
)
def test_a_strip_of_maps_that_were_not_traced_is_refused(steps, maps, message):
    with pytest.raises(ValueError, match=message):
        figures.trace_strip(steps, maps)


def test_products_are_summed_over_colours_and_centred_on_zero(rng):
    values, weights = rng.random((4, 5, 3)), rng.normal(size=(4, 5, 3))

    patch, kernel, products = figures.products_of_patch(values, weights).axes

    np.testing.assert_array_equal(patch.images[0].get_array(), values)
    summed = sum(values[..., colour] * weights[..., colour] for colour in range(3))
    np.testing.assert_allclose(products.images[0].get_array(), summed)
    low, high = products.images[0].get_clim()
    assert low == -high
    assert products.images[0].to_rgba([0.0], bytes=True)[0, :3].min() >= 254
    assert products.get_title() == f"products: {summed.sum():.3g}".replace("-", "−")
    # Grey is zero, and a colour brighter than grey counts for the number.
    colours = kernel.images[0].get_array()
    np.testing.assert_array_equal(colours > 0.5, weights > 0)


def test_weights_of_zero_are_grey():
    _, kernel, _ = figures.products_of_patch(*np.zeros((2, 3, 3, 3))).axes

    np.testing.assert_array_equal(kernel.images[0].get_array(), 0.5)


@pytest.mark.parametrize(
    ("values", "weights", "message"),
    [
        ((3, 3, 4), (3, 3, 4), "values must have shape .* a patch of a colour photo"),
        ((3, 3, 3), (3, 3), r"weights must have shape \(h, w, 3\)"),
        ((3, 3, 3), (3, 4, 3), r"one for each value; got shapes \(3, 4, 3\) and \(3,"),
    ],
)
def test_weights_that_do_not_lie_on_the_patch_are_refused(values, weights, message):
    with pytest.raises(ValueError, match=message):
        figures.products_of_patch(np.zeros(values), np.zeros(weights))


def test_pictures_of_another_range_are_refused_instead_of_drawn_white():
    bright = np.full((5, 5, 3), 200.0)
    message = r"must lie in \[0, 1\] to be drawn; got numbers from 200 to 200"
    with pytest.raises(ValueError, match=message):
        figures.products_of_patch(bright, bright)
    with pytest.raises(ValueError, match=message):
        figures.heat_over_photos(bright[None], [np.eye(5)])
