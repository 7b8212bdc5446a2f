"""The kernel trainer takes the steps that the package takes, and says how they end."""

import json
import re

import numpy as np
import pytest

from cnnbook import layers, widgets
from cnnbook.widgets import embedding, markup
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

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("kernel-trainer")]

TAG = "kernel-trainer"
OBLONG = "oblong"  # the page of another picture and kernel, no side like another
STEP = np.array([[0, 0, 1, 1, 1]] * 5)
UPRIGHT = np.array([[-1, 0, 1]] * 3)
PICTURE = np.random.default_rng(0).uniform(-1, 1, (4, 6)).round(2)
KERNEL = np.random.default_rng(1).normal(size=(2, 3)).round(2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trainer")
    for name, widget in (
        (TAG, widgets.kernel_trainer()),
        (OBLONG, widgets.kernel_trainer(PICTURE, KERNEL)),
    ):
        page = page_of(as_in_the_book(widget)).replace("lesson.js", f"{name}-data.js")
        (folder / f"{name}.html").write_text(page)
        script = embedding.data_script("lesson", widget.data["lesson"])
        (folder / f"{name}-data.js").write_text(script)
    put_code(folder, TAG)
    return folder


@pytest.fixture(scope="module")
def address(folder):
    with served(folder) as address:
        yield address


def lesson(rate, steps, picture=STEP, kernel=UPRIGHT):
    """Kernels, losses, and the last map and slope, as the package computes them."""
    image, weights = picture[None, :, :, None], kernel[:, :, None, None]
    wanted = layers.conv2d(image, weights)
    kernels, losses = layers.gradient_descent(
        image, 0 * weights, wanted, learning_rate=rate, steps=max(steps, 1)
    )
    slope = layers.squared_error_gradient(image, kernels[steps], wanted)
    answer = layers.conv2d(image, kernels[steps])[0]
    return kernels[steps][:, :, 0, 0], losses, answer[:, :, 0], slope[:, :, 0, 0]


def shown(screen, name):
    """The numbers of a grid, as a screen reader gets them."""
    screen.says()
    label = screen.widget.locator(f'canvas[aria-label^="{name}:"]').first
    text = label.get_attribute("aria-label").split(":")[1]
    return np.array([numbers_in(row) for row in text.split(";")])


def close(numbers):
    return pytest.approx(numbers, rel=6e-3, abs=0.0051)


def button(screen, name):
    return screen.widget.get_by_role("button", name=name, exact=True)


def slider(screen):
    return screen.widget.get_by_role("slider", name="Learning rate")


# --- What is computed


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.19, 0.25])
@pytest.mark.parametrize("steps", [0, 1, 2, 10])
def test_kernel_map_slope_and_loss_are_those_of_the_package(look_at, rate, steps):
    screen = look_at(TAG, f"rate={rate}&step={steps}")
    kernel, losses, answer, slope = lesson(rate, steps)
    said = numbers_in(screen.says())
    assert said[:3] == [rate, steps, three_alike(losses[steps])]
    assert shown(screen, "The kernel") == close(kernel)
    assert shown(screen, "Its map") == close(answer)
    assert shown(screen, "The slope") == close(slope)
    assert shown(screen, "The wanted map").tolist() == [[3, 3, 0]] * 3
    assert shown(screen, "The picture").tolist() == STEP.tolist()


def test_rows_and_columns_are_not_mixed_up(look_at):
    screen = look_at(TAG, "rate=0.3&step=7", page=OBLONG)
    kernel, losses, answer, slope = lesson(0.3, 7, PICTURE, KERNEL)
    assert numbers_in(screen.says())[2] == three_alike(losses[7])
    assert shown(screen, "The kernel") == close(kernel)
    assert shown(screen, "Its map") == close(answer)
    assert shown(screen, "The slope") == close(slope)


def test_the_curve_shows_the_loss_of_each_step(look_at):
    screen = look_at(TAG, "rate=0.1&step=12")
    _, losses, *_ = lesson(0.1, 12)
    screen.says()
    _, curve = screen.widget.locator("svg path").all()
    points = np.reshape(numbers_in(curve.get_attribute("d")), (-1, 2))
    np.testing.assert_allclose(points[:, 0], np.arange(13) * 5, atol=0.01)
    np.testing.assert_allclose(points[:, 1], 60 * (1 - losses / 6), atol=0.01)


@pytest.mark.parametrize(("rate", "falls"), [(0.1, True), (0.19, True), (0.21, False)])
def test_what_is_said_tells_whether_the_rate_is_too_large(look_at, rate, falls):
    screen = look_at(TAG, f"rate={rate}&step=20")
    assert ("too large" in screen.says()) != falls


def test_the_numbers_of_the_chapter_are_those_of_the_widget(look_at):
    screen = look_at(TAG)
    assert numbers_in(screen.says()) == [0.1, 0, 6]
    assert shown(screen, "The slope").tolist() == [[0, -2, -4]] * 3
    button(screen, "Step").click()
    assert numbers_in(screen.says()) == [0.1, 1, 2.64, 6]


# --- Moving through it


def test_it_goes_by_keyboard_mouse_and_touch(open_page):
    screen = open_page(TAG)
    button(screen, "Step").focus()
    for key in ("Enter", "Space"):
        screen.page.keyboard.press(key)
    assert numbers_in(screen.says())[:2] == [0.1, 2]
    slider(screen).focus()
    screen.page.keyboard.press("ArrowRight")
    assert numbers_in(screen.says())[:2] == [0.11, 0]  # another rate starts over
    button(screen, "Step").click()
    button(screen, "Start over").click()
    assert numbers_in(screen.says())[:2] == [0.11, 0]
    touched = open_page(TAG, viewport=PHONE, has_touch=True, is_mobile=True)
    button(touched, "Step").tap()
    assert numbers_in(touched.says())[1] == 1
    box = slider(touched).bounding_box()
    assert box["height"] >= 32
    touched.page.touchscreen.tap(
        box["x"] + box["width"] - 3, box["y"] + box["height"] / 2
    )
    assert numbers_in(touched.says())[:2] == [0.4, 0]


def test_it_plays_and_can_be_paused(open_page):
    screen = open_page(TAG)
    status = screen.widget.get_by_role("status")
    button(screen, "Play").click()
    screen.wait_for("widget => widget.state.step >= 3")
    assert status.get_attribute("aria-live") == "off"
    button(screen, "Pause").press("Enter")
    says = screen.says()
    assert status.get_attribute("aria-live") == "polite"
    screen.page.wait_for_timeout(600)
    assert screen.says() == says


def test_it_stops_by_itself_when_the_loss_runs_away(open_page):
    screen = open_page(TAG, "rate=0.4")
    button(screen, "Play").click()
    screen.wait_for("widget => widget.state.step && !widget.timer")
    _, losses, *_ = lesson(0.4, 30)
    first = int(np.argmax(losses > 1000 * losses[0]))
    assert numbers_in(screen.says())[:2] == [0.4, first]
    assert "too large" in screen.says()
    assert button(screen, "Play").is_visible()


def test_where_motion_is_reduced_nothing_plays(open_page):
    screen = open_page(TAG, reduced_motion="reduce")
    assert not button(screen, "Play").is_visible()
    button(screen, "Step").click()
    assert numbers_in(screen.says())[1] == 1


# --- Links


@pytest.mark.parametrize("origin", ["http", "file"])
def test_a_link_brings_rate_and_step_back(open_page, folder, address, origin):
    origin = address if origin == "http" else f"{folder.as_uri()}/"
    screen = open_page(TAG, origin=origin)
    slider(screen).fill("0.15")
    for _ in range(3):
        button(screen, "Step").click()
        screen.says()
    state = screen.saved().split("?")[1]
    assert state == "rate=0.15&step=3"
    assert open_page(TAG, state, origin=origin).text() == screen.text()


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ("step=201", "The step must be a whole number from 0 to 200; it is 201."),
        ("step=-1", "The step must be a whole number from 0 to 200; it is -1."),
        ("step=1.5", "The step must be a whole number from 0 to 200; it is 1.5."),
        ("step=x", "The step must be a whole number from 0 to 200; it is missing."),
        ("rate=2", "Learning rate must be a number from 0.01 to 0.4; it is 2."),
    ],
)
def test_a_link_to_what_cannot_be_gives_one_sentence(open_page, state, sentence):
    screen = open_page(TAG, state)
    assert screen.alert() == [sentence]
    slider(screen).focus()
    screen.page.keyboard.press("Home")
    screen.page.keyboard.press("ArrowRight")
    button(screen, "Start over").click()
    assert screen.alert() == []


def test_the_longest_lesson_at_the_largest_rate_can_still_be_shown(look_at):
    screen = look_at(TAG, "rate=0.4&step=200")
    _, losses, *_ = lesson(0.4, 200)
    assert screen.alert() == [""] or screen.alert() == []
    assert numbers_in(screen.says().replace("e+", "e"))[2] == three_alike(losses[200])


# --- Every reader


@pytest.mark.parametrize("state", ["", "step=3", "rate=0.4&step=200"])
def test_it_fits_a_phone(look_at, state):
    screen = look_at(TAG, state, viewport=PHONE, has_touch=True, is_mobile=True)
    assert screen.page.evaluate("document.documentElement.scrollWidth") == 360
    for name in ("Step", "Play", "Start over"):
        assert button(screen, name).bounding_box()["height"] >= 32


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("state", ["", "step=2", "step=201", "rate=0.4&step=9"])
def test_it_is_accessible(look_at, colours, state):
    screen = look_at(TAG, state, color_scheme=colours)
    found = violations(screen.page)
    assert not found, json.dumps(found, indent=2)[:3000]


def test_it_prints_and_nothing_moves_by_itself(open_page):
    screen = open_page(TAG, kept=False)
    says = screen.says()
    screen.page.wait_for_timeout(600)
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
