"""Portraits of channels show every patch in its place, and what is odd about whom."""

import time

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import PatchCollection

from cnnbook.figures import WIDTH, audit_squares, patch_rows
from cnnbook.maps import Channel


@pytest.fixture(autouse=True)
def every_figure_is_returned_closed():
    before = dict(plt.rcParams)
    yield
    assert plt.get_fignums() == []
    assert dict(plt.rcParams) == before


def sheet_of(figure):
    return figure.axes[0].images[0].get_array()[..., :3]


def places(figure, rows, count):
    """Find where each patch was drawn, by the frames around them: (y, x) slices."""
    frame = (sheet_of(figure) == 190).all(axis=-1)

    def runs(line):
        changes = np.flatnonzero(np.diff(np.concatenate([[0], line, [0]])))
        return [slice(*pair) for pair in changes.reshape(-1, 2)]

    down, across = runs(frame.any(axis=1)), runs(frame.any(axis=0))
    assert len(down) == rows and len(across) == count
    return [[(y, x) for x in across] for y in down]


def middle(sheet, place):
    y, x = place
    return sheet[(y.start + y.stop) // 2, (x.start + x.stop) // 2].tolist()


def plain(colours, size=(5, 5)):
    """Patches each of one colour."""
    colours = np.asarray(colours, float)
    return np.broadcast_to(
        colours[:, :, None, None], (*colours.shape[:2], *size, colours.shape[2])
    )


RED, GREEN, BLUE, BLACK = [1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]


def test_a_row_is_a_filter_and_its_patches_go_from_left_to_right():
    figure = patch_rows(plain([[RED, GREEN, BLUE], [BLUE, RED, BLACK]]), ["one", "two"])

    tiles, sheet = places(figure, 2, 3), sheet_of(figure)
    seen = [[middle(sheet, place) for place in row] for row in tiles]
    assert seen == (255 * np.array([[RED, GREEN, BLUE], [BLUE, RED, BLACK]])).tolist()
    (axis,) = figure.axes
    assert [label.get_text() for label in axis.get_yticklabels()] == ["one", "two"]
    for y, row in zip(axis.get_yticks(), tiles, strict=True):
        assert row[0][0].start < y < row[0][0].stop  # each name beside its row


def test_small_patches_are_enlarged_into_squares_and_large_ones_averaged():
    checks = np.indices((2, 2)).sum(axis=0) % 2
    figure = patch_rows(checks[None, None, ..., None], [""])
    ((place,),) = places(figure, 1, 1)
    tile = sheet_of(figure)[place][1:-1, 1:-1, 0]
    assert set(np.unique(tile)) == {0, 255}
    assert tile[0, 0] == tile[-1, -1] == 0 and tile[0, -1] == tile[-1, 0] == 255

    side = 10 * len(tile)  # ten times finer than can be drawn
    fine = np.indices((side, side)).sum(axis=0) % 2
    figure = patch_rows(fine[None, None, ..., None], [""])
    assert np.ptp(sheet_of(figure)[place][1:-1, 1:-1]) <= 1


def test_what_sticks_out_of_the_image_is_light_grey():
    patches = np.zeros((1, 1, 4, 4, 3))
    patches[..., :2, :, :] = np.nan

    figure = patch_rows(patches, ["above"])

    ((place,),) = places(figure, 1, 1)
    tile = sheet_of(figure)[place][1:-1, 1:-1]
    assert (tile[0] == 219).all() and (tile[-1] == 0).all()


def test_the_line_below_a_patch_is_as_long_as_its_answer():
    patches = plain([[BLACK, BLACK, BLACK]])
    figure = patch_rows(patches, [""], np.array([[8.0, 4.0, 2.0]]))

    (row,) = places(figure, 1, 3)
    below = (sheet_of(figure)[row[0][0].stop :] == 90).all(axis=-1).any(axis=0)
    widths = [below[x].sum() / (x.stop - x.start) for _, x in row]
    assert widths == pytest.approx([1, 0.5, 0.25], abs=0.02)
    assert below.sum() == sum(below[x].sum() for _, x in row)  # and none elsewhere


def test_a_patch_that_excites_nothing_is_pale_and_crossed_out():
    values = np.array([[2.0, 1.0, 0.0], [0.0, -1.0, -2.0]])
    figure = patch_rows(plain([[BLACK] * 3] * 2), ["some", "none"], values)

    sheet = sheet_of(figure)
    step = sheet.shape[1] / 3
    shades = [sheet[20, round((n + 0.5) * step), 0] for n in range(3)]
    assert shades[:2] == [0, 0] and shades[2] >= 190
    crosses = figure.axes[0].lines[0].get_xydata().reshape(-1, 6, 2)
    centres = np.nanmean(crosses, axis=1) / sheet.shape[1::-1]
    assert centres[:, 0] == pytest.approx([5 / 6, 1 / 6, 1 / 2, 5 / 6], abs=0.02)
    assert (centres[:, 1] > 0.5).tolist() == [False, True, True, True]


def test_without_values_no_patch_is_crossed_out():
    figure = patch_rows(plain([[BLACK]]), ["dark"])
    assert not figure.axes[0].lines[0].get_xdata().size


def test_a_pattern_stands_in_front_of_its_row():
    patterns = np.zeros((2, 8, 8, 3))
    patterns[0, ..., 1], patterns[1, ..., 2] = 1, 1

    figure = patch_rows(plain([[RED, RED]] * 2), ["a", "b"], patterns=patterns)

    tiles, sheet = places(figure, 2, 2), sheet_of(figure)
    for (y, x), colour in zip((row[0] for row in tiles), (GREEN, BLUE), strict=True):
        made = sheet[(y.start + y.stop) // 2, (x.stop - x.start) // 2]
        assert made.tolist() == [255 * part for part in colour]
        assert (sheet[y, x.start - 5] == 255).all()  # set apart from the patches


def test_a_wide_picture_keeps_its_shape():
    pattern = np.zeros((1, 4, 8, 3))
    sheet = sheet_of(patch_rows(plain([[RED]]), [""], patterns=pattern))
    made = (sheet == 0).all(axis=-1)
    tall, wide = made.any(axis=1).sum(), made.any(axis=0).sum()
    assert wide / tall == pytest.approx(2, rel=0.02)


@pytest.mark.parametrize("count", [1, 9, 16])
@pytest.mark.parametrize("name", ["7", "block3_relu, filter 63"])
def test_a_dot_of_the_sheet_is_a_dot_of_the_figure(count, name):
    figure = patch_rows(plain([[RED] * count] * 2), [name] * 2)

    box = figure.axes[0].get_window_extent()
    rows, columns = sheet_of(figure).shape[:2]
    assert (box.width, box.height) == pytest.approx((columns, rows), abs=0.01)
    assert figure.get_figwidth() <= WIDTH + 0.01
    label = figure.axes[0].get_yticklabels()[0].get_window_extent()
    assert -1 <= label.x0 and label.x1 <= box.x0  # there is room for the name


@pytest.mark.parametrize(("count", "name"), [(100, "many"), (2, "long" * 20)])
def test_where_the_page_is_too_narrow_the_figure_is_wider(count, name):
    figure = patch_rows(plain([[RED] * count]), [name])

    (row,) = places(figure, 1, count)
    assert all(x.stop - x.start > 10 for _, x in row)


@pytest.mark.slow
def test_many_patches_are_one_picture_and_quickly_drawn(rng):
    patches = rng.random((64, 9, 34, 34, 3))
    names = [f"filter {number}" for number in range(64)]
    patch_rows(patches[:1], names[:1])  # fonts are loaded

    start = time.process_time()
    figure = patch_rows(patches, names, rng.random((64, 9)))

    assert len(figure.axes) == len(figure.axes[0].images) == 1
    assert time.process_time() - start < 5  # a second, on a machine that is free


@pytest.mark.parametrize("dtype", [np.uint8, float])
def test_grey_patches_and_bytes_are_drawn_too(dtype):
    grey = np.full((1, 1, 5, 5, 1), 51 if dtype is np.uint8 else 0.2, dtype)
    figure = patch_rows(grey, [""])
    assert middle(sheet_of(figure), places(figure, 1, 1)[0][0]) == [51, 51, 51]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"patches": np.zeros((2, 5, 5, 3))}, r"shape \(F, n, h, w, C\); got shape"),
        (
            {"patches": np.zeros((2, 3, 5, 5, 2))},
            "patches must have one channel or thr",
        ),
        ({"patches": np.full((2, 3, 5, 5, 3), 9.5)}, r"patches.*\[0, 1\].*9.5 to 9.5"),
        ({"names": ["one"]}, "names must have 2 items, one each; got 1"),
        ({"values": np.zeros((3, 2))}, r"values must have shape \(2, 3\).*\(3, 2\)"),
        ({"patterns": np.zeros((8, 8, 3))}, r"patterns must have shape \(F, H, W, C\)"),
        ({"patterns": np.zeros((3, 8, 8, 3))}, "patterns must have 2 items"),
        ({"patterns": np.full((2, 8, 8, 3), -1.0)}, r"patterns.*\[0, 1\].*-1 to -1"),
    ],
)
def test_what_makes_no_rows_is_an_error_that_helps(change, message):
    given = {"patches": np.zeros((2, 3, 5, 5, 3)), "names": ["one", "two"], **change}
    with pytest.raises(ValueError, match=message):
        patch_rows(**given)


# The audit


def channel(number, share=0.5, **kinds):
    """A row of an audit of which only these matter."""
    flags = {"silent": False, "always_on": False, "near_duplicate": False, **kinds}
    return Channel(number, share, share, 1.0, 2.0, None, None, **flags)


def squares_of(figure):
    """Return the squares' centres and the shares they stand for."""
    squares = figure.axes[0].collections[0]
    boxes = [path.get_extents() for path in squares.get_paths()]
    centres = [((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2) for box in boxes]
    return np.array(centres), squares


def test_every_channel_is_a_square_whose_colour_is_its_share():
    shares = [0.0, 0.25, 1.0]
    figure = audit_squares({"conv": [channel(n, s) for n, s in enumerate(shares)]})

    centres, squares = squares_of(figure)
    assert (np.diff(centres[:, 0]) == 1).all() and np.ptp(centres[:, 1]) == 0
    colours = plt.get_cmap("viridis")(shares)
    np.testing.assert_array_equal(squares.get_facecolor(), colours)


def test_layers_follow_one_another_and_break_their_rows_at_32():
    audits = {
        "one": [channel(number) for number in range(70)],
        "two": [channel(number) for number in range(3)],
    }
    figure = audit_squares(audits)

    one, two = np.split(squares_of(figure)[0], [70])
    assert [len(one[one[:, 1] == y]) for y in np.unique(one[:, 1])] == [32, 32, 6]
    assert two[:, 1].min() > one[:, 1].max() + 1
    texts = figure.axes[0].texts
    assert [t.get_text() for t in texts] == ["one: 70 channels", "two: 3 channels"]
    assert texts[0].get_position()[1] < one[0, 1]
    assert one[-1, 1] < texts[1].get_position()[1] < two[0, 1]


def test_silent_channels_are_crossed_duplicates_dotted_and_the_ever_active_framed():
    audits = {
        "conv": [
            channel(0),
            channel(1, 0.0, silent=True),
            channel(2, near_duplicate=True),
            channel(3, near_duplicate=True, always_on=True),
        ]
    }
    figure = audit_squares(audits)

    axis, (centres, _) = figure.axes[0], squares_of(figure)
    crosses, dots = axis.lines
    assert np.nanmean(crosses.get_xydata(), axis=0) == pytest.approx(centres[1])
    np.testing.assert_allclose(dots.get_xydata(), centres[2:])
    _, frames = (c for c in axis.collections if isinstance(c, PatchCollection))
    (frame,) = (path.get_extents() for path in frames.get_paths())
    assert (frame.x0 + frame.x1) / 2 == pytest.approx(centres[3, 0])
    assert axis.texts[0].get_text() == (
        "conv: 4 channels, 1 silent, 2 near-duplicate, 1 always on"
    )
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "silent",
        "near-duplicate",
        "always on",
    ]


def test_the_key_explains_only_what_there_is():
    audit = [channel(0), channel(1, near_duplicate=True)]
    (legend,) = audit_squares({"conv": audit}).legends
    assert [text.get_text() for text in legend.get_texts()] == ["near-duplicate"]
    assert not audit_squares({"conv": audit[:1]}).legends


@pytest.mark.parametrize("counts", [[1], [16, 32, 64], [512] * 4])
def test_squares_are_square_and_nothing_is_cut_off(counts):
    audits = {
        f"layer{n}": [channel(i, silent=True) for i in range(count)]
        for n, count in enumerate(counts)
    }
    figure = audit_squares(audits)

    squares = figure.axes[0].collections[0]
    box = figure.axes[0].transData.transform_bbox(squares.get_paths()[0].get_extents())
    assert box.width == pytest.approx(abs(box.height))
    inside = figure.bbox.padded(1)
    for artist in (*figure.axes[0].texts, figure.legends[0], figure.axes[1].xaxis):
        own = artist.get_window_extent()
        assert inside.x0 <= own.x0 and own.x1 <= inside.x1
        assert inside.y0 <= own.y0 and own.y1 <= inside.y1


@pytest.mark.parametrize("audits", [{}, {"conv": []}])
def test_nothing_to_show_is_an_error(audits):
    with pytest.raises(ValueError, match="at least one layer, and each layer at least"):
        audit_squares(audits)


@pytest.mark.parametrize(
    ("audits", "message"),
    [
        ([None], r"of one layer, pass \{name: audits\[name\]\}"),
        ({"a": [None] * 4000, "b": [None] * 97}, "hold 4,097 channels, more than"),
    ],
)
def test_audits_that_cannot_be_shown_say_what_to_pass(audits, message):
    with pytest.raises(ValueError, match=message):
        audit_squares(audits)
