"""The training scrubber shows what Keras computes with each checkpoint's weights."""

import json
import re

import numpy as np
import pytest

from cnnbook import maps, widgets
from cnnbook.widgets import embedding, markup
from tests.browser.screens import (
    as_in_the_book,
    numbers_in,
    page_of,
    put_code,
    violations,
)
from tests.browser.serving import served
from tests.browser.test_pages import PHONE

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("training-scrubber")]

TAG = "training-scrubber"
BARE = "bare"  # the page of another network, without a history
PICTURE = np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8)
EPOCHS = (0, 1, 2, 5)
HISTORY = {
    "loss": [0.9, 0.6, 0.5, 0.45, 0.4],
    "accuracy": [0.5, 0.6, 0.7, 0.75, 0.8],
    "val_loss": [1.25, 0.8, 0.7, 0.6, 0.5],
    "val_accuracy": [0.4, 0.5, 0.6, 0.65, 0.7],
}
# As widget.js has them.
VIRIDIS = np.array(
    [
        *([68, 1, 84], [71, 45, 123], [59, 82, 139], [44, 114, 142], [33, 145, 140]),
        *([40, 174, 128], [94, 201, 98], [173, 220, 48], [253, 231, 37]),
    ]
)
SIGNED = np.array([[0, 114, 178], [255, 255, 255], [230, 159, 0]])


def network(activation="relu", channels=3):
    import keras

    model = keras.Sequential(
        [
            keras.Input((24, 24, channels)),
            keras.layers.Conv2D(10, 3, activation=activation, name="conv"),
            keras.layers.MaxPooling2D(2, name="pool"),
            keras.layers.Flatten(),
            keras.layers.Dense(2, name="end"),
        ]
    )
    model.class_names, model.white = ("cat", "dog"), 1
    return model


@pytest.fixture(scope="module")
def model():
    return network()


def weights_of(model, *epochs):
    from tests.networks.test_export import alive

    return {epoch: alive(model, seed=epoch).get_weights() for epoch in epochs}


@pytest.fixture(scope="module")
def checkpoints(model):
    return weights_of(model, *EPOCHS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, model, checkpoints):
    folder = tmp_path_factory.mktemp("scrubber")
    bent = network("tanh", channels=1)
    kept = weights_of(bent, 3, 7)
    for name, widget in (
        (TAG, widgets.training_scrubber(model, checkpoints, PICTURE, HISTORY)),
        (BARE, widgets.training_scrubber(bent, kept, PICTURE)),
    ):
        page = page_of(as_in_the_book(widget)).replace("training.js", f"{name}-t.js")
        (folder / f"{name}.html").write_text(page)
        script = embedding.data_script("training", widget.data["training"])
        (folder / f"{name}-t.js").write_text(script)
    put_code(folder, TAG)
    return folder


@pytest.fixture(scope="module")
def address(folder):
    with served(folder) as address:
        yield address


def tiles(screen):
    """The pixels of all pictures on each sheet, by its title."""
    screen.says()
    sheets = screen.widget.evaluate(
        """widget => [...widget.shadowRoot.querySelectorAll(".tiles")].map((sheet) => [
          sheet.parentNode.querySelector("b").textContent,
          [...sheet.children].map((canvas) => {
            const { width, height } = canvas, pen = canvas.getContext("2d");
            return [height, width, [...pen.getImageData(0, 0, width, height).data]];
          }),
        ])"""
    )
    return {
        title: [np.reshape(pixels, (h, w, 4))[..., :3] for h, w, pixels in pictures]
        for title, pictures in sheets
    }


def limits(screen):
    parts = "scale => [...scale.childNodes].map((part) => part.textContent).join(' ')"
    return numbers_in(screen.widget.locator(".scale").evaluate(parts))


def coloured(parts, stops):
    places = np.linspace(0, 1, len(stops))
    return np.stack([np.interp(parts, places, stops[:, c]) for c in range(3)], -1)


def slider(screen):
    return screen.widget.get_by_role("slider", name="Checkpoint")


def computed(model, weights):
    """Maps and probabilities by Keras, with these weights."""
    import keras

    before = model.get_weights()
    model.set_weights(weights)
    image = PICTURE[None].astype("float32") / 255
    answers = maps.feature_maps(model, image, "pool")["pool"][0].copy()
    shares = np.asarray(keras.ops.softmax(model(image)))[0]
    model.set_weights(before)
    return answers, shares


# --- What is shown


@pytest.mark.parametrize("step", range(len(EPOCHS)))
def test_each_step_shows_the_maps_and_probabilities_of_its_weights(
    look_at, model, checkpoints, step
):
    screen = look_at(TAG, f"step={step}")
    everything = [computed(model, checkpoints[epoch]) for epoch in EPOCHS]
    answers, shares = everything[step]
    epoch, last, *said = numbers_in(screen.says())
    assert (epoch, last) == (EPOCHS[step], 5)
    assert said == pytest.approx(100 * shares, abs=0.051)
    ends = everything[-1][0].mean(axis=(0, 1))
    shown = sorted(np.argsort(-ends)[:8])  # of ten
    high = max(answers[..., shown].max() for answers, _ in everything)
    pictures = tiles(screen)["Maps of pool"]
    assert len(pictures) == 8
    for picture, channel in zip(pictures, shown, strict=True):
        expected = coloured(answers[..., channel] / high, VIRIDIS)
        # Numbers are rounded to 255ths, colours to one of 257.
        assert np.abs(picture - expected).max() <= 3
    assert limits(screen) == pytest.approx([0, high], rel=6e-3)


@pytest.mark.parametrize("step", range(len(EPOCHS)))
def test_each_step_shows_the_filters_on_one_scale(look_at, checkpoints, step):
    kernels = np.stack([checkpoints[epoch][0] for epoch in EPOCHS])
    expected = 255 * (0.5 + kernels / (2 * np.abs(kernels).max()))
    pictures = tiles(look_at(TAG, f"step={step}"))["Filters of conv; grey is 0"]
    assert len(pictures) == 10
    for number, picture in enumerate(pictures):
        assert np.abs(picture - expected[step, ..., number]).max() <= 1


@pytest.mark.parametrize(("step", "marked"), [(0, 0), (1, 20), (2, 40), (3, 100)])
def test_the_curves_are_marked_at_the_epoch(look_at, step, marked):
    screen = look_at(TAG, f"step={step}")
    screen.says()
    panels = screen.widget.locator(".pair .panel").all()
    tops = {"loss": 1.25, "accuracy": 0.8}
    for panel, (measure, top) in zip(panels, tops.items(), strict=True):
        title, *values = panel.inner_text().splitlines()
        assert title == f"{measure.capitalize()}, 0 to {top}"
        axes, *curves = panel.locator("path").all()
        assert f"M{marked},0V60" in axes.get_attribute("d")
        keys = measure, f"val_{measure}"
        for curve, value, key in zip(curves, filter(None, values), keys, strict=True):
            points = np.reshape(numbers_in(curve.get_attribute("d")), (-1, 2))
            np.testing.assert_allclose(points[:, 0], [20, 40, 60, 80, 100])
            heights = 60 * (1 - np.array(HISTORY[key]) / top)
            np.testing.assert_allclose(points[:, 1], heights, atol=0.06)
            if step:
                assert numbers_in(value) == [HISTORY[key][EPOCHS[step] - 1]]
            else:
                assert value.endswith("–")


def test_maps_with_signs_and_grey_pictures_are_shown_too(look_at):
    screen = look_at(TAG, page=BARE)
    assert screen.widget.locator("svg").count() == 0  # there is no history
    low, high = limits(screen)
    assert low == -high < 0
    sheets = tiles(screen)
    for picture in sheets["Filters of conv; grey is 0"]:
        assert np.ptp(picture, axis=-1).max() == 0
    pixels = np.concatenate([p.reshape(-1, 3) for p in sheets["Maps of pool"]])
    on_the_ramp = coloured(np.linspace(0, 1, 256), SIGNED)
    off = np.abs(pixels[:, None] - on_the_ramp).max(axis=-1).min(axis=-1)
    assert off.max() <= 2


# --- Moving through it


def test_the_slider_goes_by_keyboard_mouse_and_touch(open_page):
    screen = open_page(TAG)
    slider(screen).focus()
    for key, epoch in (("ArrowRight", 1), ("ArrowUp", 2), ("End", 5), ("Home", 0)):
        screen.page.keyboard.press(key)
        assert screen.says().startswith(f"After {epoch} of 5 epochs")
        assert slider(screen).get_attribute("aria-valuetext") == screen.says()
    box = slider(screen).bounding_box()
    screen.page.mouse.click(box["x"] + box["width"] - 3, box["y"] + box["height"] / 2)
    assert screen.says().startswith("After 5 of 5 epochs")
    touched = open_page(TAG, viewport=PHONE, has_touch=True, is_mobile=True)
    box = slider(touched).bounding_box()
    assert box["height"] >= 32
    touched.page.touchscreen.tap(
        box["x"] + box["width"] - 3, box["y"] + box["height"] / 2
    )
    assert touched.says().startswith("After 5 of 5 epochs")


def test_it_plays_to_the_end_and_can_be_paused(open_page):
    screen = open_page(TAG)
    button = screen.widget.get_by_role("button")
    assert button.inner_text() == "Play"
    button.click()
    assert screen.says().startswith("After 1 of 5 epochs")
    assert button.inner_text() == "Pause"
    screen.page.wait_for_timeout(1200)
    assert screen.says().startswith("After 2 of 5 epochs")
    button.press("Enter")
    screen.page.wait_for_timeout(1200)
    assert screen.says().startswith("After 2 of 5 epochs")
    button.click()
    assert screen.says().startswith("After 5 of 5 epochs")
    assert button.inner_text() == "Play"  # it has stopped
    button.click()
    assert screen.says().startswith("After 0 of 5 epochs")  # and starts again


def test_where_motion_is_reduced_a_press_is_a_step(open_page):
    screen = open_page(TAG, reduced_motion="reduce")
    button = screen.widget.get_by_role("button", name="Next")
    for epoch in (1, 2, 5, 0):
        button.click()
        assert screen.says().startswith(f"After {epoch} of 5 epochs")
    screen.page.wait_for_timeout(1200)
    assert screen.says().startswith("After 0 of 5 epochs")


# --- Links


@pytest.mark.parametrize("origin", ["http", "file"])
def test_a_link_brings_the_step_back(open_page, folder, address, origin):
    origin = address if origin == "http" else f"{folder.as_uri()}/"
    screen = open_page(TAG, origin=origin)
    slider(screen).focus()
    screen.page.keyboard.press("End")
    state = screen.saved().split("?")[1]
    assert state == "step=3"
    assert open_page(TAG, state, origin=origin).text() == screen.text()


@pytest.mark.parametrize(
    ("step", "got"), [("4", "4"), ("-1", "-1"), ("1.5", "1.5"), ("cats", "missing")]
)
def test_a_link_to_what_cannot_be_gives_one_sentence(open_page, step, got):
    screen = open_page(TAG, f"step={step}")
    assert screen.alert() == [
        f"Checkpoint must be a whole number from 0 to 3; it is {got}."
    ]
    screen.widget.get_by_role("button").click()
    assert screen.alert() == []
    slider(screen).focus()
    screen.page.keyboard.press("Home")
    screen.page.keyboard.press("ArrowRight")
    assert screen.says().startswith("After 1 of 5 epochs")


# --- Every reader


def test_it_fits_a_phone(look_at):
    screen = look_at(TAG, viewport=PHONE, has_touch=True, is_mobile=True)
    assert screen.page.evaluate("document.documentElement.scrollWidth") == 360
    assert screen.widget.get_by_role("button").bounding_box()["height"] >= 32


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("state", ["", "step=2", "step=9"])
def test_it_is_accessible(look_at, colours, state):
    screen = look_at(TAG, state, color_scheme=colours)
    found = violations(screen.page)
    assert not found, json.dumps(found, indent=2)[:3000]


def test_it_prints_and_nothing_moves_by_itself(open_page):
    screen = open_page(TAG, kept=False)
    says = screen.says()
    screen.page.wait_for_timeout(1200)
    assert screen.says() == says
    assert not re.search("transition|animation", markup.STYLES.read_text())
    screen.page.emulate_media(media="print")
    assert screen.widget.locator("canvas").first.is_visible()
    assert len(screen.page.pdf()) > 10_000


def test_without_javascript_the_text_is_read(browser, address):
    page = browser.new_page(java_script_enabled=False)
    page.goto(f"{address}{TAG}.html")
    assert page.get_by_text("See the figure.").is_visible()
    page.close()
