"""The widgets compute what the package computes, by mouse, keyboard, touch and link.

The pages are of these tests' own: one for each widget, as the book places it.
"""

import base64
import io
import json
import re
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from cnnbook import layers, widgets
from cnnbook.widgets import embedding, markup, registry
from tests.browser.screens import (
    MINUS,
    as_in_the_book,
    numbers_in,
    page_of,
    put_code,
    three_alike,
    violations,
)
from tests.browser.serving import served
from tests.browser.test_pages import PHONE

pytestmark = pytest.mark.xdist_group("browser-widgets")

# The others have files of their own.
TAGS = CONVOLUTION, POOLING, ACTIVATION = [*registry.ELEMENTS][:3]
RULES = {  # a kernel of three by three for each name
    "upright edges": [[-1, 0, 1]] * 3,
    "level edges": [[-1] * 3, [0] * 3, [1] * 3],
    "any edge": [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]],
    "blur": [[0.111] * 3] * 3,
    "sharpen": [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
    "emboss": [[-2, -1, 0], [-1, 1, 1], [0, 1, 2]],
    "nothing": [[0, 0, 0], [0, 1, 0], [0, 0, 0]],
}


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


PICTURES = {"noise": noise(30, 40, 3), "more noise": noise(96, 96, 3, seed=1)}
FILTERS = np.random.default_rng(2).normal(size=(3, 3, 3, 4)).round(1)
BIASES = np.array([0.5, -0.5, 0.25, 0.0])
MAP = np.random.default_rng(3).normal(0, 2, (20, 24))


def make_all():
    return [
        widgets.convolution_playground(PICTURES, FILTERS, BIASES),
        widgets.pooling_playground(PICTURES),
        widgets.activation_explorer({"noise": MAP}),
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("widgets")
    everything = make_all()
    for widget in everything:
        (folder / f"{widget.tag}.html").write_text(page_of(as_in_the_book(widget)))
        put_code(folder, widget.tag)
        for kind, arrays in widget.data.items():
            (folder / f"{kind}.js").write_text(embedding.data_script(kind, arrays))
    both = "".join(map(as_in_the_book, everything[:2]))
    (folder / "both.html").write_text(page_of(both))
    notebook = "".join(
        widgets.pooling_playground({name: picture})._repr_html_()
        for name, picture in PICTURES.items()
    )
    (folder / "notebook.html").write_text(page_of(notebook))
    return folder


@pytest.fixture(scope="module")
def address(folder):
    with served(folder) as address:
        yield address


def three_digits(array):
    return np.vectorize(lambda number: float(f"{number:.3g}"))(array)


# --- The convolution playground


def grey(picture):
    return (picture / 255).mean(axis=-1)[None, :, :, None]


@pytest.mark.parametrize("kernel", RULES)
def test_every_kernel_gives_what_the_package_gives(look_at, kernel):
    screen = look_at(CONVOLUTION, f"kernel={kernel}&row=7&column=9")
    weights = np.array(RULES[kernel])[:, :, None, None]
    expected = layers.conv2d(grey(PICTURES["noise"]), weights)[0, 7, 9, 0]
    assert numbers_in(screen.says())[0] == three_alike(expected)


@pytest.mark.parametrize("filter_", range(4))
def test_filters_of_a_network_see_the_colours(look_at, filter_):
    screen = look_at(CONVOLUTION)
    screen.choose("Kernel", f"f{filter_}")
    screen.canvas("The feature map").focus()
    screen.page.keyboard.press("Shift+ArrowUp")
    says = numbers_in(screen.says())
    row, column = (int(number) for number in says[-3:-1])
    weights = three_digits(FILTERS[..., [filter_]])
    maps = layers.conv2d(
        PICTURES["noise"][None] / 255, weights, three_digits(BIASES[[filter_]])
    )
    assert says[-4] == three_alike(maps[0, row, column, 0])


SETTINGS = [
    {"size": 5, "stride": 2, "padding": "0", "dilation": 1},
    {"size": 2, "stride": 3, "padding": "2", "dilation": 1},
    {"size": 3, "stride": 1, "padding": "same", "dilation": 3},
    {"size": 7, "stride": 2, "padding": "same", "dilation": 2},
    {"size": 4, "stride": 5, "padding": "3", "dilation": 4},
    {"size": 1, "stride": 16, "padding": "1", "dilation": 9},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_sizes_and_sums_follow_the_package_for_all_settings(look_at, settings):
    size, stride, padding, dilation = settings.values()
    weights = np.random.default_rng(size).integers(-3, 4, (size, size))
    options = {"stride": stride, "dilation": dilation}
    options["padding"] = padding if padding == "same" else int(padding)
    maps = layers.conv2d(
        grey(PICTURES["noise"]), weights[:, :, None, None] * 1.0, **options
    )[0, :, :, 0]
    place = [side - 1 for side in maps.shape]  # in a corner, on padding
    state = "&".join(f"{name}={value}" for name, value in settings.items())
    listed = "_".join(map(str, weights.ravel()))
    screen = look_at(
        CONVOLUTION,
        f"{state}&kernel=own&weights={listed}&row={place[0]}&column={place[1]}",
    )
    assert screen.map_size("The feature map") == [*maps.shape]
    answer, *shown_place = numbers_in(screen.says())[:3]
    assert answer == three_alike(maps[*place])
    assert shown_place == place
    assert f"= {maps.shape[0]} rows" in screen.text()
    assert f"= {maps.shape[1]} columns" in screen.text()


def test_the_sum_that_is_written_out_adds_up(open_page):
    screen = open_page(CONVOLUTION, "kernel=emboss&padding=1&row=0&column=0&bias=2")
    products = re.findall(rf"({MINUS}?[\d.]+) × ({MINUS}?[\d.]+)", screen.text())
    assert len(products) == 9
    assert [pixel for pixel, _ in products[:3]] == ["0", "0", "0"]  # padding
    total = 2 + sum(a * b for a, b in (numbers_in(" ".join(p)) for p in products))
    bias, answer = numbers_in(screen.says())[:2]
    assert bias == 2
    assert answer == pytest.approx(total, abs=0.02)


def test_the_keyboard_reaches_every_number_of_the_map(look_at):
    screen = look_at(CONVOLUTION, "row=0&column=0")
    screen.canvas("The feature map").focus()
    for keys, place in (
        ("ArrowRight ArrowRight ArrowDown", (1, 2)),
        ("Shift+ArrowDown ArrowLeft", (9, 1)),
        ("ArrowUp Shift+ArrowUp Shift+ArrowUp ArrowLeft ArrowLeft", (0, 0)),
        (" ".join(["Shift+ArrowRight"] * 9), (0, 37)),
    ):
        for key in keys.split():
            screen.page.keyboard.press(key)
            screen.says()
        assert "row {}, column {} ".format(*place) in screen.says()


def test_the_mouse_points_at_the_map_and_at_the_picture(open_page):
    screen = open_page(CONVOLUTION, "stride=2")
    rows, columns = screen.map_size("The feature map")
    box = screen.canvas("The feature map").bounding_box()
    screen.page.mouse.move(
        box["x"] + box["width"] * 3.5 / columns, box["y"] + box["height"] * 2.5 / rows
    )
    assert "row 2, column 3 " in screen.says()
    box = screen.canvas("The picture").bounding_box()
    screen.page.mouse.move(
        box["x"] + box["width"] * 11.5 / 40, box["y"] + box["height"] * 7.5 / 30
    )
    assert "row 3, column 5 " in screen.says()  # the window around row 7, column 11


def test_a_weight_is_edited_by_keyboard_alone(look_at):
    screen = look_at(CONVOLUTION, "row=4&column=4")
    cells = screen.widget.get_by_role("group", name="Kernel").get_by_role("textbox")
    cells.first.focus()
    for key in ("ArrowRight", "ArrowDown", "ArrowRight", "ArrowLeft"):
        screen.page.keyboard.press(key)
    screen.page.keyboard.type("2,5")  # decimal commas are numbers as well
    weights = np.array(RULES["upright edges"], float)
    weights[1, 1] = 2.5
    expected = layers.conv2d(grey(PICTURES["noise"]), weights[:, :, None, None])[
        0, 4, 4, 0
    ]
    assert numbers_in(screen.says())[0] == three_alike(expected)
    assert screen.chosen("Kernel") == "own"
    tabbable = [cell.get_attribute("tabindex") for cell in cells.all()]
    assert tabbable.count("0") == 1


def test_a_pixel_of_the_grid_is_edited(look_at):
    screen = look_at(CONVOLUTION, "picture=grid&kernel=nothing&row=3&column=3")
    cells = screen.widget.get_by_role("group", name="Pixels").get_by_role("textbox")
    assert cells.count() == 81
    cells.nth(4 * 9 + 4).fill("7")
    assert numbers_in(screen.says())[0] == 7


def test_another_size_keeps_an_own_kernel_in_the_middle(look_at):
    screen = look_at(CONVOLUTION, "kernel=own&weights=1_2_3_4_5_6_7_8_9")
    size = screen.widget.get_by_label("Size")
    cells = screen.widget.get_by_role("group", name="Kernel").get_by_role("textbox")
    size.fill("5")
    screen.says()
    values = [cell.input_value() for cell in cells.all()]
    assert values[6:9] == ["1", "2", "3"]
    assert values.count("0") == 16
    size.fill("1")
    screen.says()
    assert [cell.input_value() for cell in cells.all()] == ["5"]


@pytest.mark.parametrize("kernel", ["own&weights=1_2_3_4_5_6_7_8_9", "f1", "blur"])
@pytest.mark.parametrize("wrong", ["", "0", "2.5", "9"])
def test_a_size_that_cannot_be_is_mended_whatever_the_kernel(look_at, kernel, wrong):
    screen = look_at(CONVOLUTION, f"kernel={kernel}")
    size = screen.widget.get_by_label("Size")
    size.fill(wrong)
    assert screen.alert()[0].startswith("Size must be a whole number from 1 to 7; ")
    size.fill("5")
    assert screen.alert() == []
    cells = screen.widget.get_by_role("group", name="Kernel").first
    assert cells.get_by_role("textbox").count() == 25


def test_an_underscore_is_no_number_and_leaves_no_trace(look_at):
    screen = look_at(CONVOLUTION, "picture=grid")
    cell = (
        screen.widget.get_by_role("group", name="Pixels").get_by_role("textbox").first
    )
    cell.fill("0_")
    cell.fill("1")
    assert screen.alert() == []


# --- The pooling playground


@pytest.mark.parametrize(("window", "stride"), [(2, 2), (3, 1), (4, 4), (5, 3)])
def test_pools_give_what_the_package_gives(look_at, window, stride):
    screen = look_at(POOLING, f"window={window}&stride={stride}&row=3&column=2")
    kernel = np.array(RULES["upright edges"])[:, :, None, None]
    edges = layers.relu(layers.conv2d(grey(PICTURES["noise"]), kernel))
    for label, pool in (
        ("Max pooling", layers.max_pool2d),
        ("Average pooling", layers.avg_pool2d),
    ):
        pooled = pool(edges, window=window, stride=stride)[0, :, :, 0]
        assert screen.map_size(label) == [*pooled.shape]
        assert any(
            number == three_alike(pooled[3, 2]) for number in numbers_in(screen.says())
        )


@pytest.mark.parametrize("what", ["edges", "brightness"])
def test_the_changes_after_a_shift_are_those_of_the_chapter(look_at, what):
    screen = look_at(POOLING, f"what={what}&window=3&stride=3")
    slider = screen.widget.get_by_role("slider")
    slider.focus()
    screen.page.keyboard.press("ArrowRight")
    screen.page.keyboard.press("ArrowRight")

    def map_of(picture):
        kernel = np.array(RULES["upright edges"])[:, :, None, None]
        return (
            layers.relu(layers.conv2d(picture, kernel)) if what == "edges" else picture
        )

    still = grey(PICTURES["noise"])
    maps = [map_of(still), map_of(np.roll(still, 2, axis=2))]
    expected = []
    for pool in (lambda m, **_: m, layers.max_pool2d, layers.avg_pool2d):
        before, after = (pool(m, window=3) for m in maps)
        expected.append(100 * np.abs(after - before).mean() / before.mean())
    said = numbers_in(screen.says().split("Shifted by 2")[1])
    assert said == pytest.approx(expected, abs=0.51)


def test_a_pooled_number_is_pointed_at_by_key_and_by_mouse(open_page):
    screen = open_page(POOLING, "row=0&column=0")
    screen.canvas("Average pooling").focus()
    screen.page.keyboard.press("ArrowDown")
    assert screen.says().startswith("Row 1, column 0")
    box = screen.canvas("Max pooling").bounding_box()
    screen.page.mouse.move(box["x"] + box["width"] - 2, box["y"] + box["height"] - 2)
    rows, columns = screen.map_size("Max pooling")
    assert screen.says().startswith(f"Row {rows - 1}, column {columns - 1}")


# --- The activation explorer


FUNCTIONS = {one.keras_name: one.value for one in layers.ACTIVATIONS}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_and_slopes_are_those_of_the_package(look_at, name):
    screen = look_at(ACTIVATION, f"bend={name}")
    function, h = FUNCTIONS[name], 1e-5
    for x in (-4.0, -0.5, 0.75, 3.0):
        screen.widget.get_by_label("x", exact=True).fill(str(x))
        slope = float(function(np.array(x + h)) - function(np.array(x - h))) / (2 * h)
        shown_x, y, shown_slope = numbers_in(screen.says())[:3]
        assert shown_x == x
        assert y == three_alike(float(function(np.array(x))))
        assert shown_slope == pytest.approx(slope, abs=2e-3)
        assert ("saturated" in screen.says()) == (abs(slope) < 0.05)


def test_at_a_corner_the_slope_is_the_one_that_training_takes(look_at):
    screen = look_at(ACTIVATION, "bend=relu&x=0")
    assert numbers_in(screen.says()) == [0, 0, 0]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_share_of_a_map_that_is_saturated_is_right(look_at, name):
    screen = look_at(ACTIVATION, f"bend={name}")
    function, h = FUNCTIONS[name], 1e-4
    flat = np.abs(function(MAP + h) - function(MAP - h)) / (2 * h) < 0.05
    share = re.search(r"(\d+)% lie where", screen.text())
    assert int(share[1]) == pytest.approx(100 * flat.mean(), abs=0.7)
    negative = re.search(r"(\d+)% of the numbers", screen.text())
    assert int(negative[1]) == pytest.approx(100 * (MAP < 0).mean(), abs=0.51)


def test_x_follows_the_slider_the_plot_and_the_map(open_page):
    screen = open_page(ACTIVATION)
    screen.widget.get_by_label("x", exact=True).focus()
    screen.page.keyboard.press("Home")
    assert numbers_in(screen.says())[0] == -6
    box = screen.widget.locator("svg").first.bounding_box()
    screen.page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + 5)
    assert numbers_in(screen.says())[0] == pytest.approx(3, abs=0.05)
    box = screen.canvas("The feature map").bounding_box()
    screen.page.mouse.move(
        box["x"] + box["width"] * 5.5 / 24, box["y"] + box["height"] * 3.5 / 20
    )
    assert numbers_in(screen.says())[0] == pytest.approx(MAP[3, 5], abs=0.02)


def test_two_layers_are_one_until_something_bends_between_them(look_at):
    screen = look_at(ACTIVATION, "a=2&b=-1&c=-1.5&d=0.5")
    assert "One layer does both at once: −3 · x + 2" in screen.text()
    two, one = screen.widget.locator("svg").last.locator("path").all()[1:]
    assert two.get_attribute("d") == one.get_attribute("d")
    screen.choose("f", "relu")
    assert "No single layer does" in screen.text()
    two, one = screen.widget.locator("svg").last.locator("path").all()[1:]
    assert two.get_attribute("d") != one.get_attribute("d")


# --- Pictures of the reader's own


def encoded(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def sizes(screen):
    found = re.search(r"⌊\((\d+) .*⌊\((\d+) ", screen.text())
    return [int(number) for number in found.groups()]


def seen(screen):
    """The pixels under the window, as they stand in the sum."""
    return [float(n) for n in re.findall(r"([\d.]+) × ", screen.text())]


def test_a_jpeg_is_shrunk_and_keeps_its_proportions(open_page):
    screen = open_page(CONVOLUTION)
    screen.upload("a.jpg", encoded(Image.new("RGB", (640, 320), "#808080"), "jpeg"))
    assert sizes(screen) == [48, 96]
    assert seen(screen) == pytest.approx([128 / 255] * 9, abs=0.01)
    assert screen.chosen("Picture") == "own"


def test_what_is_transparent_in_a_png_is_white(open_page):
    screen = open_page(CONVOLUTION)
    screen.upload("a.png", encoded(Image.new("RGBA", (50, 40), (0, 0, 0, 0)), "png"))
    assert sizes(screen) == [40, 50]
    assert seen(screen) == [1] * 9


def test_a_photo_taken_with_the_camera_turned_stands_upright(open_page):
    photo = Image.new("RGB", (90, 60), "black")
    photo.paste("white", (0, 0, 90, 20))  # its top, which becomes the right side
    exif = Image.Exif()
    exif[0x0112] = 6
    screen = open_page(CONVOLUTION, "kernel=nothing&row=40&column=50")
    screen.upload("a.jpg", encoded(photo, "jpeg", exif=exif, quality=95))
    assert sizes(screen) == [90, 60]
    assert seen(screen) == pytest.approx([1] * 9, abs=0.05)


@pytest.mark.slow
def test_a_huge_photo_is_averaged_down_and_not_sampled(open_page):
    stripes = np.zeros((3000, 4200), np.uint8)
    stripes[:, ::2] = 255
    screen = open_page(CONVOLUTION)
    screen.upload("huge.png", encoded(Image.fromarray(stripes), "png"))
    assert sizes(screen) == [69, 96]
    assert seen(screen) == pytest.approx([0.5] * 9, abs=0.03)


@pytest.mark.parametrize("tag", [CONVOLUTION, POOLING])
@pytest.mark.parametrize(
    "data", [b"", b"Dear cat,", encoded(Image.new("1", (9, 9)), "png")[:40]]
)
def test_a_broken_file_is_called_so_and_the_picture_stays(open_page, tag, data):
    screen = open_page(tag)
    screen.upload("letter.jpg", data)
    assert screen.alert() == [
        "“letter.jpg” is not a picture that this browser can read."
    ]
    assert screen.chosen("Picture") == "noise"
    assert screen.widget.get_by_role("status").first.is_visible()
    screen.widget.get_by_label("Stride").fill("3")
    assert screen.alert() == []


def test_a_picture_can_be_dropped(open_page):
    screen = open_page(POOLING)
    data = base64.b64encode(encoded(Image.new("RGB", (20, 30)), "png")).decode()
    screen.page.evaluate(
        """([tag, data]) => {
          const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(new File([bytes], "a.png", { type: "image/png" }));
          const drop = new DragEvent("drop", { dataTransfer });
          document.querySelector(tag).dispatchEvent(drop);
        }""",
        [POOLING, data],
    )
    screen.wait_for("widget => widget.state.picture === 'own'")
    screen.says()
    assert screen.map_size("The map") == [28, 18]


# --- Odd input


@pytest.mark.parametrize(
    ("tag", "label", "value", "sentence"),
    [
        (
            CONVOLUTION,
            "Stride",
            "0",
            "Stride must be a whole number from 1 to 16; it is 0.",
        ),
        (
            CONVOLUTION,
            "Stride",
            "",
            "Stride must be a whole number from 1 to 16; it is missing.",
        ),
        (CONVOLUTION, "Size", "8", "Size must be a whole number from 1 to 7; it is 8."),
        (
            CONVOLUTION,
            "Size",
            "2.5",
            "Size must be a whole number from 1 to 7; it is 2.5.",
        ),
        (
            CONVOLUTION,
            "Dilation",
            "-1",
            "Dilation must be a whole number from 1 to 9; it is -1.",
        ),
        (
            CONVOLUTION,
            "Bias",
            "1000",
            "Bias must be a number from -99 to 99; it is 1000.",
        ),
        (
            POOLING,
            "Window",
            "0",
            "Window must be a whole number from 1 to 96; it is 0.",
        ),
        (
            POOLING,
            "Window",
            "50",
            "A window of 50 pixels does not fit into 28 with 0 of padding.",
        ),
    ],
)
def test_a_setting_that_cannot_be_is_called_so_and_mended(
    look_at, tag, label, value, sentence
):
    screen = look_at(tag)
    field = screen.widget.get_by_label(label)
    good = field.input_value()
    field.fill(value)
    assert screen.alert() == [sentence]
    assert not screen.widget.get_by_role("status").first.is_visible()
    field.fill(good)
    assert screen.alert() == []
    assert screen.widget.get_by_role("status").first.is_visible()


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        (
            "picture=grid&size=7&dilation=2",
            "A window of 13 pixels does not fit into 9 with 0 of padding.",
        ),
        (
            "kernel=own&weights=1_2_x_4_5_6_7_8_9",
            "The kernel must hold numbers; it holds “x”.",
        ),
        ("kernel=own&weights=1_2", "The kernel must hold 9 numbers; it holds 2."),
        ("kernel=toString", "There is no “toString” under “Kernel”."),
        ("picture=a+goat", "There is no “a goat” under “Picture”."),
        ("picture=grid&pixels=1_1", "The grid must hold 81 numbers; it holds 2."),
        ("stride=cats", "Stride must be a whole number from 1 to 16; it is missing."),
        (
            "picture=own",
            "Choose a file: your pictures stay with you, so no link can bring them "
            "back.",
        ),
    ],
)
def test_a_link_to_what_cannot_be_gives_one_sentence(open_page, state, sentence):
    screen = open_page(CONVOLUTION, state)
    assert screen.alert() == [sentence]
    assert screen.map_size("The picture")  # is drawn all the same
    assert screen.widget.get_by_role("textbox").first.is_visible()
    screen.choose("Kernel", "blur")
    assert screen.widget.get_by_label("Stride").is_visible()


def test_a_place_outside_the_map_means_its_edge(look_at):
    screen = look_at(CONVOLUTION, "row=9999&column=-5")
    assert "row 27, column 0 " in screen.says()


# --- Links


@pytest.mark.slow
@pytest.mark.parametrize("origin", ["http", "file"])
def test_a_link_brings_everything_back(open_page, folder, address, origin):
    origin = address if origin == "http" else f"{folder.as_uri()}/"
    screen = open_page(CONVOLUTION, origin=origin)
    for label, value in (("Stride", "2"), ("Size", "5"), ("Dilation", "2")):
        screen.widget.get_by_label(label).fill(value)
    screen.choose("Padding", "same")
    cells = screen.widget.get_by_role("group", name="Kernel").get_by_role("textbox")
    cells.nth(3).fill("-0.25")
    screen.canvas("The feature map").focus()
    screen.page.keyboard.press("Shift+ArrowUp")
    says, link = screen.says(), screen.saved()
    tag, state = link.split("#")[1].split("?")
    assert tag == CONVOLUTION
    again = open_page(CONVOLUTION, state, origin=origin)
    assert again.says() == says
    assert again.text() == screen.text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tag", "state"),
    [
        (POOLING, "picture=more+noise&what=brightness&window=5&stride=2&shift=3&row=4"),
        (ACTIVATION, "bend=tanh&x=-1.25&a=0.5&b=-2&c=2&d=-0.25&between=gelu"),
    ],
)
def test_a_link_sets_every_field(open_page, tag, state):
    screen = open_page(tag, state)
    for pair in state.split("&"):
        name, value = pair.split("=")
        kept = screen.widget.evaluate("(widget, name) => widget.state[name]", name)
        assert str(kept) == value.replace("+", " ")
    screen.page.evaluate("tag => document.querySelector(tag).set({})", tag)
    assert sorted(screen.saved().split("?")[1].split("&")) == sorted(state.split("&"))


@pytest.mark.slow
def test_two_widgets_share_the_address(open_page):
    screen = open_page(CONVOLUTION, page="both")
    screen.page.locator(CONVOLUTION).get_by_label("Stride").fill("3")
    screen.saved()
    screen.page.locator(POOLING).get_by_label("Window").fill("5")
    assert screen.saved().endswith(f"#{CONVOLUTION}?stride=3/{POOLING}?window=5")
    screen.page.locator(CONVOLUTION).get_by_label("Stride").fill("1")
    assert screen.saved().endswith(f"#{POOLING}?window=5")


def test_a_link_followed_on_the_same_page_is_obeyed_and_others_are_ignored(open_page):
    screen = open_page(POOLING, "window=5")
    follow = """link => new Promise(done => {
      addEventListener("hashchange", done);
      location.hash = link;
    })"""
    screen.page.evaluate(follow, "#summary")
    assert screen.widget.get_by_label("Window").input_value() == "5"
    screen.page.evaluate(follow, f"#{POOLING}?window=6")
    assert screen.widget.get_by_label("Window").input_value() == "6"


# --- Every reader


ALL = [
    (CONVOLUTION, ""),
    (CONVOLUTION, "picture=grid"),
    (CONVOLUTION, "kernel=f1"),
    (CONVOLUTION, "size=7"),
    (CONVOLUTION, "stride=0"),
    (POOLING, "shift=2"),
    (POOLING, "picture=grid&window=2&stride=1"),
    (ACTIVATION, "between=relu"),
]


@pytest.mark.parametrize(("tag", "state"), ALL)
def test_a_widget_fits_a_phone_and_answers_to_touch(look_at, tag, state):
    screen = look_at(tag, state, viewport=PHONE, has_touch=True, is_mobile=True)
    assert screen.page.evaluate("document.documentElement.scrollWidth") == 360
    if state == "stride=0":
        return
    canvas = screen.widget.locator("canvas:visible").first
    before = screen.says()
    canvas.tap(position={"x": 20, "y": 20})
    assert screen.says() != before


@pytest.mark.slow
@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize(("tag", "state"), ALL)
def test_a_widget_is_accessible(look_at, tag, state, colours):
    screen = look_at(tag, state, color_scheme=colours)
    found = violations(screen.page)
    assert not found, json.dumps(found, indent=2)[:3000]


@pytest.mark.parametrize("tag", TAGS)
def test_the_tab_key_passes_through_a_widget_in_order(open_page, tag):
    screen = open_page(tag)
    tops = []
    for _ in range(20):
        screen.page.keyboard.press("Tab")
        top = screen.page.evaluate(
            """() => {
              const part = document.activeElement.shadowRoot?.activeElement;
              return part && part.getBoundingClientRect().top + scrollY;
            }"""
        )
        if top is None:  # it has left the widget
            break
        tops.append(top)
    assert len(tops) >= 6
    # What stands side by side need not be of one height.
    assert all(after >= before - 45 for before, after in pairwise(tops))


@pytest.mark.parametrize("tag", TAGS)
def test_nothing_moves_by_itself(open_page, tag):
    """So there is nothing to reduce for readers who want reduced motion."""
    screen = open_page(tag)
    assert screen.page.evaluate("document.getAnimations().length") == 0
    assert not re.search("transition|animation", markup.STYLES.read_text())


@pytest.mark.slow
@pytest.mark.parametrize("tag", TAGS)
def test_without_javascript_the_text_below_the_widget_is_read(browser, address, tag):
    page = browser.new_page(java_script_enabled=False)
    page.goto(f"{address}{tag}.html")
    assert page.get_by_text("See the figure.").is_visible()
    page.close()


@pytest.mark.slow
@pytest.mark.parametrize("end", ["continue_", "abort"])
@pytest.mark.parametrize("tag", TAGS)
def test_the_text_stays_until_the_styles_come_or_cannot(browser, address, tag, end):
    page, held = browser.new_page(), []
    page.route("**/widget.css", lambda route: held.append(route))
    with page.expect_request("**/widget.css"):
        page.goto(f"{address}{tag}.html", wait_until="domcontentloaded")
    text, canvas = page.get_by_text("See the figure."), page.locator(f"{tag} canvas")
    page.evaluate("new Promise(requestAnimationFrame)")
    assert text.is_visible()
    assert not canvas.count()
    [route] = held
    getattr(route, end)()
    canvas.first.wait_for()
    assert not text.is_visible()
    assert page.locator(tag).get_by_role("status").first.inner_text()
    display = page.locator(tag).evaluate("widget => getComputedStyle(widget).display")
    assert display == ("block" if end == "continue_" else "inline")
    page.close()


@pytest.mark.parametrize("tag", TAGS)
def test_without_its_arrays_a_widget_leaves_the_text(open_page, tag):
    screen = open_page(tag)
    screen.page.evaluate(
        """tag => {
          const other = document.querySelector(tag).cloneNode(true);
          for (const kind in other.dataset) other.dataset[kind] = "lost";
          document.body.append(other);
        }""",
        tag,
    )
    texts = screen.page.get_by_text("See the figure.").all()
    assert [text.is_visible() for text in texts] == [False, True]


@pytest.mark.slow
@pytest.mark.parametrize("tag", TAGS)
def test_a_widget_prints(open_page, tag):
    screen = open_page(tag, kept=False)
    screen.page.emulate_media(media="print")
    assert screen.widget.locator("canvas").first.is_visible()
    assert len(screen.page.pdf()) > 10_000


# --- Notebooks


@pytest.mark.slow
@pytest.mark.parametrize("origin", ["http", "file"])
def test_two_widgets_in_a_notebook_show_their_own_arrays(
    open_page, folder, address, origin
):
    origin = address if origin == "http" else f"{folder.as_uri()}/"
    screen = open_page(POOLING, page="notebook", origin=origin)
    first, second = screen.page.locator(POOLING).all()
    assert first.get_by_label("Picture").first.input_value() == "noise"
    assert second.get_by_label("Picture").first.input_value() == "more noise"
    second.get_by_label("Window").fill("2")
    assert "#" not in screen.saved()  # the address is the notebook's


@pytest.mark.slow
def test_a_notebook_may_run_the_scripts_after_it_has_placed_the_element(open_page):
    screen = open_page(POOLING, page="notebook")
    code = widgets.pooling_playground({"late": noise(8, 8, 3)})._repr_html_()
    screen.page.evaluate(
        """code => {
          const output = document.createElement("div");
          output.innerHTML = code;
          document.body.append(output);
          for (const old of output.querySelectorAll("script")) {
            const script = document.createElement("script");
            script.textContent = old.textContent;
            old.replaceWith(script);
          }
        }""",
        code,
    )
    last = screen.page.locator(POOLING).last
    assert last.get_by_label("Picture").first.input_value() == "late"
