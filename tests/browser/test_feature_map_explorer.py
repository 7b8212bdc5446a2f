"""The feature-map explorer shows what Keras computes, and what each number sees.

The pages are of these tests' own: a small network with layers of every kind, and one
whose maps come as pictures.
"""

import functools
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from cnnbook import layers, maps, pictures, widgets
from cnnbook.widgets import chains, embedding
from tests.browser.screens import (
    as_in_the_book,
    numbers_in,
    page_of,
    put_code,
    three_alike,
    violations,
)
from tests.browser.serving import served
from tests.browser.test_pages import PHONE

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("feature-map-explorer")]

TAG = "feature-map-explorer"
SIDES = (40, 56)
CAT = np.round(255 * pictures.model_cat(SIDES)).astype(np.uint8)
NOISE = np.random.default_rng(0).integers(0, 256, (*SIDES, 3), dtype=np.uint8)


OWN = "Choose a file: your pictures stay with you, so no link can bring them back."


def live_network():
    import keras

    from tests.networks.test_export import alive

    network = keras.Sequential(
        [
            keras.Input((*SIDES, 3)),
            keras.layers.Conv2D(6, 3, padding="same", name="conv"),
            keras.layers.ReLU(name="relu"),
            keras.layers.MaxPooling2D(2, name="pool"),
            keras.layers.ZeroPadding2D(((1, 1), (1, 3)), name="pad"),
            keras.layers.Conv2D(
                9, (3, 2), strides=(2, 1), padding="same", name="strided"
            ),
            keras.layers.Conv2D(
                70, 3, dilation_rate=2, activation="relu", name="dilated"
            ),
            keras.layers.BatchNormalization(name="norm"),
            keras.layers.AveragePooling2D(3, strides=2, padding="same", name="average"),
            keras.layers.GlobalMaxPooling2D(name="global"),
            keras.layers.Dense(10, activation="relu", name="hidden"),
            keras.layers.Dense(3, name="logits"),
        ]
    )
    network.class_names, network.white = ("ant", "bee", "cow"), 1
    weights = [w.astype("float16") for w in alive(network).get_weights()]
    weights[1][4] = -99  # no ReLU lets that through
    network.set_weights(weights)
    return network


def recorded_network():
    import keras

    options = {"padding": "same", "activation": "relu"}
    return keras.Sequential(
        [
            keras.Input((None, None, 3)),
            keras.layers.Conv2D(12, 3, **options, name="fine"),
            keras.layers.MaxPooling2D(2, name="halved"),
            keras.layers.Conv2D(20, 3, strides=2, **options, name="coarse"),
        ]
    )


@pytest.fixture(scope="module")
def live():
    return live_network()


def outputs_of(network, picture):
    from tests.networks.test_export import keras_outputs

    return keras_outputs(network, picture)


@pytest.fixture(scope="module")
def outputs(live):
    return outputs_of(live, CAT / 255)


@pytest.fixture(scope="module")
def recorded():
    import keras

    keras.utils.set_random_seed(1)
    network = recorded_network()
    cat = pictures.model_cat((112, 112))
    answers = {"photo": cat[None], **maps.feature_maps(network, cat[None])}
    chain, sets = chains.recorded_chain(network, cat, "large", "Large, with weights.")
    return network, {name: values[0] for name, values in answers.items()}, chain, sets


@pytest.fixture(scope="module")
def folder(tmp_path_factory, live, recorded):
    folder = tmp_path_factory.mktemp("explorer")
    *_, chain, sets = recorded
    photos = {"the cat": CAT, "noise": NOISE}
    widget = widgets.feature_map_explorer(
        live, photos, recorded={"large": chain}, later=sets
    )
    put_code(folder, TAG)
    for name, things in (widget.data | widget.later).items():
        (folder / f"{name}.js").write_text(embedding.data_script(name, things))
    for page, layer in {TAG: "classifier relu", "large": "large coarse"}.items():
        placed = as_in_the_book(widget, folder="", layer=layer)
        (folder / f"{page}.html").write_text(page_of(placed))
    notebook = widgets.feature_map_explorer(pictures=photos)._repr_html_()
    (folder / "notebook.html").write_text(page_of(notebook))
    return folder


@pytest.fixture(scope="module")
def address(folder):
    with served(folder) as address:
        yield address


SETTLE = """async widget => {
  const frame = () => new Promise(requestAnimationFrame);
  await frame();
  await frame();
  while (!widget.asked.map && !widget.asked.error) await frame();
}"""


class Explorer:
    """The widget on a page, each time once the map that it asked for is there."""

    def __init__(self, screen):
        self.screen, self.page = screen, screen.page

    def settle(self):
        self.screen.widget.evaluate(SETTLE)
        return self

    def says(self):
        self.settle()
        return self.screen.says()

    def value(self):
        return float(re.search(r": (?:about )?(.+?)\. It sees", self.minus())[1])

    def minus(self):
        return self.says().replace("−", "-")

    def seen(self):
        """The (rows, columns) that are seen of each layer, by name."""
        self.settle()
        seen = {}
        for step in self.screen.widget.get_by_role("listitem").all_inner_texts():
            name, words = step.strip().split("\n")
            seen[name] = tuple(
                tuple(numbers_in(side.replace("–", " "))) for side in words.split(" × ")
            )
        return seen

    def go(self, layer, **place):
        """Straight to a number; by hand is tested elsewhere."""
        changes = {"layer": layer, **place}
        self.screen.widget.evaluate("(widget, changes) => widget.set(changes)", changes)
        return self.settle()

    def order(self):
        self.settle()
        return self.screen.widget.evaluate("widget => widget.sheet.order")

    def sheet(self):
        return self.screen.canvas("All maps")

    def state(self):
        return self.settle().screen.widget.evaluate("widget => widget.state")


@pytest.fixture
def explore(open_page):
    def open_one(state="", **options):
        return Explorer(open_page(TAG, state, **options)).settle()

    return open_one


@pytest.fixture
def look(explore):
    """Explore, on a page that tests share which change only the widget's state."""
    return functools.partial(explore, anew=False)


def ends(window):
    """The first and the last of each slice, as the page writes them."""
    return tuple(
        (float(side.start), float(side.stop - 1))[: side.stop - side.start]
        for side in window
    )


# --- The network in the page


def test_the_page_and_keras_agree_on_a_number_of_every_layer(look, outputs):
    explorer = look()
    for name, output in outputs.items():
        explorer.go(f"classifier {name}", row=7, column=5, channel=2)
        says = explorer.says()
        if output.ndim == 3:
            row, column = np.minimum((7, 5), np.array(output.shape[:2]) - 1)
            expected = output[row, column, 2]
            assert says.startswith(f"Map 2, row {row}, column {column}, counted from 0")
        else:
            number = re.match(r"Number (\d+)", says)
            expected = output[int(number[1]) if number else 2]  # the last class
        assert explorer.value() == pytest.approx(expected, rel=6e-3, abs=2e-4), name


def test_what_every_layer_sees_is_what_the_package_works_out(look, live, outputs):
    names = list(outputs)
    explorer = look()
    for number, name in enumerate(names[1:], start=1):
        sides = outputs[name].shape[:2] if outputs[name].ndim == 3 else (1, 1)
        for place in {
            (0, 0),
            (sides[0] // 2, sides[1] // 3),
            (sides[0] - 1, sides[1] - 1),
        }:
            explorer.go(f"classifier {name}", row=place[0], column=place[1])
            seen = explorer.seen()
            assert list(seen) == names[number::-1]
            field = maps.receptive_field(live, name)
            assert seen[names[0]] == ends(field.window(*place)), (name, place)


def test_positions_that_see_nothing_but_padding_say_so(look):
    seen = look("layer=classifier pad&row=0&column=30").seen()
    assert seen["pool"] == ((), ())
    assert seen[next(reversed(seen))] == ((), ())


def test_silent_maps_are_counted_and_crossed_out(look, outputs):
    explorer = look("layer=classifier relu")
    silent = maps.silent_channels(outputs["relu"][None])[0]
    assert silent[4]
    assert f"{silent.sum()} of 6 maps are silent" in explorer.screen.text()
    marked = explorer.screen.widget.evaluate(
        "widget => widget.sheet.tiles.map((tile) => tile.isSilent)"
    )
    assert marked == silent.tolist()


def test_the_strongest_maps_come_first(look, outputs):
    explorer = look("layer=classifier dilated")
    expected = maps.strongest(outputs["dilated"], 70).tolist()
    assert explorer.order()[:20] == expected[:20]
    assert explorer.says().startswith(f"Map {expected[0]}, ")
    explorer.screen.choose("Order", "number")
    assert explorer.order() == [*range(70)]
    assert explorer.says().startswith("Map 0, ")


def test_numbers_without_a_map_are_cells_with_the_names_of_classes(explore, outputs):
    explorer = explore("layer=classifier logits&row=0&column=1")
    assert explorer.says().startswith("bee: ")
    assert explorer.screen.map_size("The chosen map") == [1, 3]
    assert not explorer.sheet().is_visible()
    assert f"It sees {SIDES[0]} × {SIDES[1]} pixels" in explorer.says()
    explorer = explore("layer=classifier hidden&row=1&column=3")
    assert explorer.says().startswith("Number 8: ")
    # Batch normalisation travels as factors in half precision.
    assert explorer.value() == pytest.approx(outputs["hidden"][8], rel=0.02)


# --- The network that comes as pictures


def test_recorded_numbers_are_about_right(look, recorded):
    _, answers, _, sets = recorded
    explorer, off = look(), []
    for name, values in answers.items():
        explorer.go(f"large {name}")
        shrunk = layers.avg_pool2d(values[None], max(1, len(values) // 56))[0]
        shown = explorer.screen.widget.evaluate(
            "widget => [widget.asked.map.shape, [...widget.asked.map.data]]"
        )
        read = np.reshape(shown[1], shown[0])
        assert read.shape == shrunk.shape
        off.append(np.abs(read - shrunk) / shrunk.max(axis=(0, 1)).clip(1e-9))
        assert ": about " in explorer.says()
        assert "Large, with weights." in explorer.screen.text()
    assert len(answers) == len(sets) == len(off) == 4
    assert max(part.max() for part in off) < 0.15
    assert max(part.mean() for part in off) < 0.02


def test_a_number_of_a_shrunk_map_sees_what_all_that_it_is_a_mean_of_see(
    look, recorded
):
    network, *_ = recorded
    seen = look("layer=large fine&row=10&column=0").seen()
    assert list(seen) == ["means of 2 × 2", "fine", "photo"]
    field = maps.receptive_field(network, "fine", input_size=(112, 112))
    (first, _), (last, _) = (ends(field.window(row, 0)) for row in (20, 21))
    assert seen["fine"] == ((20, 21), (0, 1))
    assert seen["photo"] == ((first[0], last[1]), (0, 2))


def test_a_layer_of_pictures_is_loaded_when_it_is_opened_and_once(explore):
    explorer, asked = explore(), []
    explorer.page.on("request", lambda request: asked.append(request.url))
    for layer in ("large coarse", "large halved", "classifier conv", "large coarse"):
        explorer.screen.choose("Layer", layer)
        explorer.settle()
    scripts = [
        re.search(r"large-(\w+)-\w{8}\.js", url) for url in asked if ".js" in url
    ]
    assert [script[1] for script in scripts] == ["coarse", "halved"]


def test_pictures_are_read_where_the_page_was_opened_from_a_folder(folder, explore):
    explorer = explore("layer=large halved", origin=f"{folder.as_uri()}/", page="large")
    assert ": about " in explorer.says()


def test_a_layer_that_cannot_be_loaded_is_an_error_of_one_sentence(explore):
    explorer = explore(kept=False)
    explorer.page.route("**/large-*", lambda route: route.abort())
    explorer.screen.choose("Layer", "large coarse")
    explorer.settle()
    assert explorer.screen.alert() == ["The maps of this layer cannot be loaded."]
    complaints = explorer.screen.complaints
    assert all(
        "large-coarse" in text or "Failed to load" in text for text in complaints
    )
    complaints.clear()


def test_a_page_may_open_on_a_layer_of_pictures(explore):
    explorer = explore(page="large")
    assert explorer.screen.chosen("Layer") == "large coarse"
    assert not explorer.screen.widget.get_by_label("Picture").first.is_visible()


# --- By mouse, by keyboard, by touch, by link


def test_maps_and_numbers_are_chosen_by_mouse(explore, outputs):
    explorer = explore("layer=classifier dilated&order=number")
    box = explorer.sheet().bounding_box()
    columns = int(box["width"] // 68)
    side, step = box["width"] / columns, box["height"] / -(-70 // columns)
    explorer.sheet().click(position={"x": 3.5 * side, "y": 1.5 * step})
    assert f"Map {columns + 3}, " in explorer.says()
    box = explorer.screen.canvas("The chosen map").bounding_box()
    rows, columns = outputs["dilated"].shape[:2]
    explorer.page.mouse.move(
        box["x"] + box["width"] * 4.5 / columns, box["y"] + box["height"] * 2.5 / rows
    )
    assert "row 2, column 4," in explorer.says()


def test_maps_and_numbers_are_chosen_by_keyboard(explore):
    explorer = explore("layer=classifier dilated&order=strength&row=0&column=0")
    order = explorer.order()
    explorer.sheet().focus()
    explorer.page.keyboard.press("ArrowRight")
    explorer.page.keyboard.press("ArrowRight")
    first = explorer.state()["channel"]
    explorer.page.keyboard.press("ArrowDown")
    below = explorer.state()["channel"]
    columns = explorer.screen.widget.evaluate(
        "widget => Math.floor(widget.sheet.part.firstChild.clientWidth / 68)"
    )
    assert order.index(below) - order.index(first) == columns
    explorer.screen.canvas("The chosen map").focus()
    explorer.page.keyboard.press("ArrowDown")
    assert f"Map {below}, row 1, column 0," in explorer.says()


def test_another_layer_is_opened_at_the_same_part_of_the_picture(look):
    explorer = look("layer=classifier relu&row=30&column=14")
    explorer.screen.choose("Layer", "classifier pool")
    assert "row 15, column 7," in explorer.says()
    explorer.screen.choose("Layer", "large fine")  # 112 by 112, shown as 56 by 56
    assert "row 43, column 15," in explorer.says()


def test_on_a_phone_tiles_are_large_enough_to_be_tapped(explore):
    explorer = explore(
        "layer=classifier dilated&order=number",
        viewport=PHONE,
        has_touch=True,
        color_scheme="dark",
    )
    box = explorer.sheet().bounding_box()
    side = box["width"] / (box["width"] // 68)
    assert side - 6 >= 56
    explorer.sheet().tap(position={"x": 1.5 * side, "y": 10})
    assert "Map 1, " in explorer.says()
    explorer.screen.canvas("The chosen map").tap(position={"x": 5, "y": 5})
    assert "row 0, column 0," in explorer.says()
    assert explorer.page.evaluate("document.documentElement.scrollWidth") <= 360


def test_a_tile_chosen_by_a_link_is_in_sight_and_stays_when_the_page_is_narrowed(
    explore,
):
    explorer = explore("layer=classifier dilated&channel=69", kept=False)
    sight = """widget => {
      const box = widget.sheet.part.firstChild;
      return [box.scrollTop, box.scrollHeight - box.clientHeight];
    }"""
    before = explorer.sheet().bounding_box()
    at, most = explorer.screen.widget.evaluate(sight)
    assert most - 15 <= at <= most
    explorer.page.set_viewport_size(PHONE)
    tall = """([sheet, height]) => sheet.getBoundingClientRect().height > height"""
    explorer.page.wait_for_function(
        tall, arg=[explorer.sheet().element_handle(), 2 * before["height"]]
    )
    assert explorer.sheet().bounding_box()["width"] <= 360


def test_a_link_brings_back_layer_map_number_and_order(explore):
    explorer = explore()
    explorer.screen.choose("Layer", "large halved")
    explorer.screen.choose("Order", "strength")
    explorer.settle()
    explorer.sheet().focus()
    explorer.page.keyboard.press("ArrowRight")
    explorer.settle()
    explorer.screen.canvas("The chosen map").focus()
    explorer.page.keyboard.press("Shift+ArrowDown")
    before, state = explorer.says(), explorer.state()
    link = explorer.screen.saved()
    other = explore(link.split("?", 1)[1])
    assert other.state() == state
    assert other.says() == before


@pytest.mark.parametrize(
    "state",
    ["channel=999&row=-4&column=1e9", "channel=x&row=x&column=", "channel=2.7&row=0.5"],
)
def test_numbers_that_do_not_exist_become_those_nearest(look, state):
    explorer = look(f"layer=classifier relu&{state}")
    assert re.match(r"Map \d, row \d+, column \d+,", explorer.says())
    assert explorer.screen.alert() == []


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ("layer=classifier attic", "There is no “classifier attic” under “Layer”."),
        ("order=size", "There is no “size” under “Order”."),
        ("picture=own", OWN),
    ],
)
def test_what_a_link_gets_wrong_is_told_in_one_sentence(explore, state, sentence):
    assert explore(state).screen.alert() == [sentence]


# --- Pictures of the reader's own


def test_a_picture_of_the_readers_own_is_cut_and_looked_at(explore, live):
    explorer = explore("layer=classifier conv&row=20&column=20&channel=1")
    file = io.BytesIO()
    Image.new("RGB", (300, 900), (255, 128, 0)).save(file, "png")
    explorer.screen.upload("a.png", file.getvalue())
    colour = np.ones((*SIDES, 3), "float32") * (np.array([255, 128, 0]) / 255)
    expected = outputs_of(live, colour)["conv"][20, 20, 1]
    assert explorer.value() == three_alike(expected)


def test_another_picture_has_other_maps(look, live):
    explorer = look("layer=classifier strided&row=3&column=4&channel=5")
    explorer.screen.choose("Picture", "noise")
    expected = outputs_of(live, NOISE / 255)["strided"][3, 4, 5]
    assert explorer.value() == three_alike(expected)


# --- For everyone

STATES = ["layer=large coarse", "layer=classifier logits", "order=size"]


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("state", STATES)
def test_the_explorer_is_accessible(look, state, colours):
    explorer = look(state, color_scheme=colours)
    found = violations(explorer.page)
    assert not found, json.dumps(found, indent=2)[:3000]


def test_the_explorer_prints_and_nothing_moves_by_itself(explore):
    explorer = explore("layer=large coarse", kept=False)
    assert explorer.page.evaluate("document.getAnimations().length") == 0
    explorer.page.emulate_media(media="print")
    assert explorer.sheet().is_visible()
    assert len(explorer.page.pdf()) > 10_000


def test_without_javascript_the_text_below_is_read(browser, address):
    page = browser.new_page(java_script_enabled=False)
    page.goto(f"{address}{TAG}.html")
    assert page.get_by_text("See the figure.").is_visible()
    page.close()


@pytest.mark.parametrize("origin", ["http", "file"])
def test_a_notebook_shows_the_live_network_alone(explore, folder, address, origin):
    origin = address if origin == "http" else f"{folder.as_uri()}/"
    explorer = explore(page="notebook", origin=origin)
    names = explorer.screen.widget.get_by_label("Layer").locator("option")
    assert all(name.startswith("classifier ") for name in names.all_inner_texts())
    assert "Map 0, " in explorer.says()
