"""Figures show the arrays they are given, in the right order and colours."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib import colors
from matplotlib.backends.backend_agg import FigureCanvasAgg

from cnnbook import figures


@pytest.fixture(autouse=True)
def every_figure_is_returned_closed():
    before = dict(plt.rcParams)
    yield
    assert plt.get_fignums() == []
    assert dict(plt.rcParams) == before  # the book's style is not forced on others


def texts(axis):
    return [text.get_text() for text in axis.texts if text.get_text()]


def test_photo_grid_titles_each_picture_and_leaves_no_empty_axes(rng):
    photos = rng.random((5, 8, 8, 3))
    figure = figures.photo_grid(photos, list("abcde"), columns=3)
    assert [axis.get_title() for axis in figure.axes] == list("abcde")
    for axis, photo in zip(figure.axes, photos, strict=True):
        np.testing.assert_array_equal(axis.images[0].get_array(), photo)


@pytest.mark.parametrize("shape", [(8, 8, 3), (2, 8, 8, 1), (0, 8, 8, 3)])
def test_photo_grid_refuses_what_is_not_a_batch_of_pictures(shape):
    with pytest.raises(ValueError, match=r"images must have shape \(N, H, W, 3\)"):
        figures.photo_grid(np.zeros(shape))


def test_signed_maps_are_centred_on_zero_and_zero_is_white(rng):
    maps = rng.normal(2, 1, size=(9, 9, 2))
    figure = figures.feature_map_grid(maps, signed=True)
    for axis in figure.axes:
        low, high = axis.images[0].get_clim()
        assert low == -high
        assert axis.images[0].to_rgba([0.0], bytes=True)[0, :3].min() >= 254


def test_amounts_start_at_zero_and_end_at_the_largest_value():
    maps = np.stack([np.full((4, 4), 3.0), np.full((4, 4), 5.0)], axis=-1)
    figure = figures.feature_map_grid(maps)
    assert [axis.images[0].get_clim() for axis in figure.axes] == [(0, 3), (0, 5)]
    figure = figures.feature_map_grid(maps, limits=(0, 5))
    assert [axis.images[0].get_clim() for axis in figure.axes] == [(0, 5), (0, 5)]


def sheet_tiles(figure, height, width, count):
    """Cut a sheet of one row into its tiles again."""
    sheet = figure.axes[0].images[0].get_array()
    step = (sheet.shape[1] + 2) // count
    return [sheet[:, i * step : (i + 1) * step - 2] for i in range(count)]


def test_a_sheet_shows_the_strongest_map_first_and_the_silent_last():
    maps = np.zeros((4, 4, 3))
    maps[0, 0, 0] = 1  # weak: one value
    maps[..., 2] = 1  # strong: all values; map 1 is silent
    figure = figures.feature_map_sheet(maps, columns=3)
    strong, weak, silent = sheet_tiles(figure, 4, 4, 3)
    yellow = np.array(plt.get_cmap("viridis")(1.0, bytes=True)[:3])
    purple = np.array(plt.get_cmap("viridis")(0.0, bytes=True)[:3])
    assert np.all(strong == yellow)
    assert np.all(weak[0, 0] == yellow) and np.all(weak[-1, -1] == purple)
    assert np.all(silent == purple)
    assert len(figure.axes[0].lines) == 1  # one cross, over the silent one
    cross = figure.axes[0].lines[0].get_xdata()
    assert np.nanmin(cross) > 2 * strong.shape[1]


BLUE, WHITE, ORANGE = (0, 114, 178), (255, 255, 255), (230, 159, 0)


def test_a_sheet_of_maps_with_negative_values_is_blue_below_zero_and_orange_above():
    maps = np.zeros((4, 4, 4))
    maps[..., 0] = 3
    maps[..., 1] = -1
    maps[:2, :, 2] = 0.01  # a weak one has its own scale
    maps[2:, :, 2] = -0.01 / 4
    figure = figures.feature_map_sheet(maps, columns=4)

    above, below, both, silent = sheet_tiles(figure, 4, 4, 4)

    def shows(tile, colour):
        return np.abs(tile.astype(int) - colour).max() <= 1

    assert shows(above, ORANGE) and shows(below, BLUE) and shows(silent, WHITE)
    half = len(both) // 2
    assert shows(both[: half - 1], ORANGE)
    # A quarter of the largest, so that the root makes it half as strong.
    assert shows(both[half + 1 :], (np.array(BLUE) + WHITE) / 2)
    (cross,) = figure.axes[0].lines  # over the silent one, on white
    assert cross.get_color() != "white"


def test_on_a_sheet_strength_counts_without_its_sign_and_gaps_can_be_seen():
    maps = np.stack([np.full((4, 4), value) for value in (1.0, -3.0, 2.0)], axis=-1)
    figure = figures.feature_map_sheet(maps, columns=3)
    first, second, third = sheet_tiles(figure, 4, 4, 3)
    assert first[0, 0].tolist() == list(BLUE)
    assert np.all(second == third)
    sheet = figure.axes[0].images[0].get_array()
    assert np.all(sheet[:, first.shape[1]] < 230)
    sheet = figures.feature_map_sheet(maps, columns=2).axes[0].images[0].get_array()
    assert np.all(sheet[-1, -1] == 255)  # an empty place stays as white as the page


def test_maps_with_negative_values_are_drawn_with_signs_unasked():
    maps = np.stack([np.full((4, 4), -1.0), np.eye(4)], axis=-1)
    low, high = figures.feature_map_grid(maps).axes
    for axis in (low, high):
        assert axis.images[0].get_clim() == (-1, 1)
        assert axis.images[0].to_rgba([0.0], bytes=True)[0, :3].min() >= 254
    shown = low.images[0].to_rgba(low.images[0].get_array(), bytes=True)[0, 0, :3]
    assert shown.tolist() == list(BLUE)
    # What a caller cuts off is cut off.
    (axis,) = figures.feature_map_grid(maps[..., :1], limits=(0, 2)).axes
    assert axis.images[0].get_clim() == (0, 2)
    assert axis.images[0].cmap.name == "viridis"


def test_a_map_that_is_zero_everywhere_says_so():
    empty, other = figures.feature_map_grid([np.zeros((4, 4)), np.eye(4)]).axes
    assert texts(empty) == ["0 everywhere"] and texts(other) == []
    for values, said in ((np.zeros((2, 2)), ["0 everywhere"]), (-np.eye(2), [])):
        _, axis = figures.photo_beside_map(PHOTO, values).axes
        assert texts(axis) == said


@pytest.mark.parametrize("count", [1, 2, 16, 32, 64, 96, 128, 256, 512])
def test_a_sheet_of_a_round_number_of_maps_has_no_empty_places(count):
    sheet = figures.feature_map_sheet(np.ones((2, 2, count))).axes[0].images[0]
    assert not np.all(sheet.get_array()[-1, -1] == 255)


def test_a_sheet_of_512_maps_needs_a_single_pair_of_axes(rng):
    figure = figures.feature_map_sheet(rng.random((14, 14, 512)))
    assert len(figure.axes) == 1


def test_a_kernel_of_zeros_is_grey_and_a_red_one_is_red():
    kernels = np.zeros((3, 3, 3, 2))
    kernels[..., 0, 1] = 1  # answers to red alone
    grey, red = (
        axis.images[0].get_array() for axis in figures.kernel_grid(kernels).axes
    )
    np.testing.assert_array_equal(grey, 0.5)
    np.testing.assert_array_equal(red[0, 0], [1, 0.5, 0.5])


def test_kernels_of_deeper_layers_have_no_colours_and_are_refused():
    with pytest.raises(ValueError, match="to be shown as colours"):
        figures.kernel_grid(np.zeros((3, 3, 64, 8)))


def test_window_products_writes_the_products_and_their_sum():
    image = np.array([[1, 2, 0], [0, 1, 3], [2, 0, 1]])
    kernel = np.array([[1, 0], [-1, 2]])
    figure = figures.window_products(image, kernel, (0, 1))
    *_, products = figure.axes
    assert texts(products)[:4] == ["2", "0", "−1", "6"]
    assert products.get_xlabel() == "sum: 7"


@pytest.mark.parametrize(
    ("geometry", "count"),
    [({"stride": 1}, 5), ({"stride": 2}, 3), ({"stride": 2, "padding": 1}, 4)],
)
def test_window_places_draws_one_bar_for_each_output(geometry, count):
    from cnnbook import layers

    figure = figures.window_places(7, 3, **geometry)
    bars = [text for text in texts(figure.axes[0]) if text.startswith("output")]
    assert len(bars) == count == layers.output_size(7, 3, **geometry)


def test_numbers_are_written_short_with_a_true_minus_and_no_negative_zero():
    figure = figures.window_products(
        np.array([[-0.0, 0.126]]), np.array([[1, -1]]), (0, 0)
    )
    assert texts(figure.axes[2])[:2] == ["0", "−0.13"]


def test_number_grids_write_each_array_on_its_own_scale():
    grids = {"weights": np.array([[-0.5, 0, 0.25]]), "map": np.array([[8.0], [4.0]])}
    figure = figures.number_grids(grids, columns=3)
    weights, answers, nothing = figure.axes
    assert (weights.get_title(), answers.get_title()) == ("weights", "map")
    assert texts(weights)[:3] == ["−0.5", "0", "0.25"]
    assert texts(answers)[:2] == ["8", "4"]
    assert not nothing.axison
    lowest, middle, half = (patch.get_facecolor() for patch in weights.patches)
    full, half_as_well = (patch.get_facecolor() for patch in answers.patches)
    np.testing.assert_allclose(middle, 1, atol=0.01)
    np.testing.assert_allclose(half, half_as_well)
    assert colors.to_hex(full).upper() == figures.CAT
    assert colors.to_hex(lowest).upper() == figures.DOG


def test_pooling_blocks_gives_a_window_and_its_result_the_same_shade():
    values = np.arange(16.0).reshape(4, 4)
    figure = figures.pooling_blocks(values, [values[1::2, 1::2]], titles=("a", "b"))
    before, after = (
        [colors.to_hex(patch.get_facecolor()) for patch in axis.patches]
        for axis in figure.axes
    )
    assert before[0] == before[5] == after[0] != before[2] == after[1]


def test_image_as_numbers_writes_brightness_from_0_to_255():
    image = np.zeros((6, 6, 3))
    image[2, 3] = 1
    figure = figures.image_as_numbers(image, (slice(2, 4), slice(2, 4)))
    assert texts(figure.axes[1]) == ["0", "255", "0", "0"]


def test_layer_stack_writes_every_name_and_shape():
    rows = [
        {"name": "in", "kind": "input", "shape": (8, 8, 3), "note": "the photo"},
        {"name": "out", "kind": "fully connected", "shape": (2,), "note": ""},
    ]
    assert texts(figures.layer_stack(rows).axes[0]) == [
        "8 × 8 × 3", "in", "the photo", "2", "out",
    ]  # fmt: skip


def test_votes_put_cats_first_and_add_up_what_is_not_shown():
    contributions = np.array([0.1, -3.0, 2.0, 0.2, -0.1])
    figure = figures.votes(contributions, ("cat", "dog"), top=1)
    (axis,) = figure.axes
    assert [label.get_text() for label in axis.get_yticklabels()] == [
        "feature 2", "3 others", "feature 1",
    ]  # fmt: skip
    np.testing.assert_allclose([bar.get_width() for bar in axis.patches], [2, 0.2, -3])
    assert sum(bar.get_width() for bar in axis.patches) == pytest.approx(
        contributions.sum()
    )


def test_confusion_matrix_writes_counts_and_shares_of_each_true_class():
    figure = figures.confusion_matrix([[3, 1], [0, 0]], ("cat", "dog"))
    assert texts(figure.axes[0]) == ["3\n75%", "1\n25%", "0\n0%", "0\n0%"]


def test_bars_write_their_values():
    figure = figures.bars({"a": 0.5, "b": 0.25}, axis_label="share", share=True)
    assert texts(figure.axes[0]) == ["50%", "25%"]


def test_curves_are_labelled_at_their_end_not_in_a_legend():
    history = {"accuracy": [0.5, 0.9], "val_accuracy": [0.5, 0.7]}
    figure = figures.training_curves(history, chance=0.5)
    (axis,) = figure.axes
    assert sorted(texts(axis)) == ["guessing", "training", "validation"]
    assert axis.get_legend() is None
    figure = figures.lines([1, 2], {"max": [0, 1]}, x_label="shift", y_label="change")
    assert texts(figure.axes[0]) == ["max"]


def test_names_of_curves_that_end_at_the_same_point_do_not_overlap():
    curves = {"one": [0, 1], "two": [1, 1], "three": [0.5, 1]}
    figure = figures.lines([1, 2], curves, x_label="x", y_label="y")
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [text.get_window_extent(renderer) for text in figure.axes[0].texts]
    assert not any(a.overlaps(b) for a in boxes for b in boxes if a is not b)


def test_functions_share_one_scale():
    x = np.linspace(-1, 1, 5)
    figure = figures.functions(x, {"a": x, "b": 3 * x})
    assert len({axis.get_ylim() for axis in figure.axes[:2]}) == 1


def test_a_signed_map_over_a_photo_covers_the_whole_photo():
    figure = figures.photo_beside_map(np.zeros((20, 30, 3)), np.array([[1.0, -1.0]]))
    photo, votes = figure.axes[1].images
    assert photo.get_extent() == votes.get_extent()
    assert votes.get_clim() == (-1, 1)


def test_windows_are_outlined_where_they_are():
    figure = figures.photo_with_windows(
        np.zeros((20, 30, 3)), [(slice(2, 6), slice(10, 15))], ["here"]
    )
    outline = figure.axes[0].patches[-1]
    assert (outline.get_xy(), outline.get_width(), outline.get_height()) == (
        (9.5, 1.5), 5, 4,
    )  # fmt: skip
    assert texts(figure.axes[0]) == ["here"]


PHOTO, MAPS = np.zeros((8, 8, 3)), np.ones((4, 4, 3))
ROW = {"name": "in", "kind": "input", "shape": (8, 8, 3), "note": ""}
WINDOW = (slice(0, 2), slice(0, 2))


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: figures.photo_grid([PHOTO], ["a", "b"]), "titles must have 1"),
        (lambda: figures.photo_grid([PHOTO] * 2, list("ab"), colours=["red"]), "colou"),
        (lambda: figures.photo_grid([PHOTO], columns=0), "columns must be a whole"),
        (lambda: figures.photo_with_windows(PHOTO[None], []), r"pass images\[0\]"),
        (lambda: figures.photo_with_windows(PHOTO, [WINDOW], []), "labels must have 1"),
        (
            lambda: figures.photo_with_windows(PHOTO, [(slice(4, 9), slice(0, 2))]),
            "inside the picture of 8 × 8",
        ),
        (
            lambda: figures.photo_with_windows(PHOTO, [(slice(None), slice(0, 2))]),
            "two slices with start and stop",
        ),
        (lambda: figures.photo_beside_map(PHOTO[None], PHOTO[..., 0]), r"images\[0\]"),
        (lambda: figures.photo_beside_map(PHOTO, PHOTO), r"shape \(H', W'\)"),
        (lambda: figures.feature_map_grid(MAPS[None]), r"pass maps\[0\]"),
        (lambda: figures.feature_map_grid([MAPS, MAPS]), r"each of the maps must have"),
        (lambda: figures.feature_map_grid([]), "at least one map"),
        (lambda: figures.feature_map_grid(MAPS, ["a"]), "titles must have 3"),
        (lambda: figures.feature_map_grid(MAPS, columns=0), "columns must be a whole"),
        (lambda: figures.feature_map_sheet(MAPS[None]), r"pass maps\[0\]"),
        (lambda: figures.feature_map_sheet(MAPS[..., :0]), r"got shape \(4, 4, 0\)"),
        (lambda: figures.feature_map_sheet(MAPS, columns=0), "columns must be a whole"),
        (lambda: figures.feature_map_sheet(MAPS, silent=[True]), "silent must have 3"),
        (lambda: figures.functions([0, 1], {}), "at least one curve"),
        (
            lambda: figures.functions([0, 1], {"a": [1]}),
            "the values of 'a' must have 2",
        ),
        (lambda: figures.functions([0], {"a": [1]}, columns=0), "columns must be"),
        (
            lambda: figures.training_curves({"loss": [1], "accuracy": [1]}),
            "must hold 'val_accuracy'.*it holds loss, accuracy",
        ),
        (lambda: figures.training_curves({}), "it holds nothing"),
        (lambda: figures.confusion_matrix([[1, 2]], ["a"]), r"shape \(K, K\)"),
        (
            lambda: figures.confusion_matrix([[1]], ["a", "b"]),
            "class_names must have 1",
        ),
        (lambda: figures.bars({}, axis_label=""), "at least one bar"),
        (
            lambda: figures.bars({"a": 1}, axis_label="", colours=[]),
            "colours must have 1",
        ),
        (
            lambda: figures.lines(
                [0], {n: [1] for n in "abcde"}, x_label="", y_label=""
            ),
            "5 curves need as many colours; got 4",
        ),
        (
            lambda: figures.lines([0, 1], {"a": [1]}, x_label="", y_label=""),
            "the values of 'a' must have 2",
        ),
        (lambda: figures.votes([1, -1], ("a", "b"), top=0), "top must be a whole"),
        (lambda: figures.votes([1, -1], ("a", "b"), names=["x"]), "^names must have 2"),
        (lambda: figures.votes([1, -1], ("a", "b", "c")), "class_names must have 2"),
        (lambda: figures.votes(MAPS, ("a", "b")), r"shape \(D,\)"),
        (lambda: figures.image_as_numbers(PHOTO[None], WINDOW), r"pass images\[0\]"),
        (
            lambda: figures.image_as_numbers(PHOTO, (slice(3, 3), slice(0, 2))),
            "a window must be",
        ),
        (
            lambda: figures.window_products(np.eye(3), np.eye(2), (2, 0)),
            "inside the picture of 3 × 3",
        ),
        (lambda: figures.window_products(PHOTO, np.eye(2), (0, 0)), r"\(H, W\)"),
        (lambda: figures.number_grids({}), "grids must hold at least one array"),
        (lambda: figures.number_grids({"a": [1, 2]}), r"a must have shape \(H, W\)"),
        (
            lambda: figures.number_grids({"a": [[1]]}, columns=0),
            "columns must be a whole",
        ),
        (lambda: figures.window_places(3, 4), "does not fit into 3"),
        (lambda: figures.window_places(3, 2, stride=0), "stride must be a whole"),
        (lambda: figures.window_places(3, 2, padding=-1), "padding must be a whole"),
        (
            lambda: figures.pooling_blocks(np.eye(4), [np.eye(2)]),
            "titles must have 2 items, one each; got 3",
        ),
        (
            lambda: figures.pooling_blocks(np.eye(4), [np.eye(3)], titles=("a", "b")),
            r"make shape \(2, 2\) of \(4, 4\)",
        ),
        (
            lambda: figures.layer_stack([ROW | {"kind": "dense"}]),
            "kind of layer 'in' must be one of input, .* got 'dense'",
        ),
        (lambda: figures.layer_stack([ROW | {"shape": (3,)}]), "at least one layer"),
        (lambda: figures.layer_stack([]), "at least one layer"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_a_reason(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()


def test_as_many_curves_are_drawn_as_there_are_colours():
    curves = {name: [0, i] for i, name in enumerate("abcde")}
    colours = ["C0", "C1", "C2", "C3", "C4"]
    figure = figures.lines([0, 1], curves, x_label="", y_label="", colours=colours)
    assert sorted(texts(figure.axes[0])) == list("abcde")
