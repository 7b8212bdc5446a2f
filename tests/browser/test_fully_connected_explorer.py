"""The fully connected explorer counts the votes that Keras counts.

The pages are of these tests' own: one with the classifier that comes with the package,
and one with a network of another make.
"""

import io
import json
import re
from decimal import Decimal

import numpy as np
import pytest
from PIL import Image

from cnnbook import maps, networks, pictures, widgets
from cnnbook.widgets import embedding
from tests.browser.screens import (
    MINUS,
    as_in_the_book,
    numbers_in,
    page_of,
    put_code,
    violations,
)
from tests.browser.serving import served
from tests.browser.test_pages import PHONE

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("fully-connected-explorer")]

TAG = "fully-connected-explorer"
OTHER = "other"  # the page of the other network
CAT = (pictures.model_cat((96, 96)) * 255).round().astype(np.uint8)
NOISE = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)
PICTURES = {"the cat": CAT, "noise": NOISE}
SIDES = "cat", "dog"


def halved(network):
    """The network with its weights rounded as they travel."""
    import keras

    copy = keras.models.clone_model(network)
    rounded = (w.astype("float16").astype("float32") for w in network.get_weights())
    copy.set_weights([*rounded])
    return copy


@pytest.fixture(scope="module")
def classifier():
    return halved(networks.load_classifier())


@pytest.fixture(scope="module")
def garden():
    """Grey pictures of bytes, a pooling over everything, three classes, and no bias."""
    import keras

    from tests.networks.test_export import alive

    network = alive(
        keras.Sequential(
            [
                keras.Input((20, 30, 1)),
                keras.layers.Rescaling(1 / 255),
                keras.layers.Conv2D(5, 3, activation="tanh", name="conv"),
                keras.layers.GlobalAveragePooling2D(),
                keras.layers.Dropout(0.5),
                keras.layers.Dense(3, activation="softmax", use_bias=False, name="end"),
            ]
        )
    )
    network.get_layer("end").kernel.assign(20 * network.get_layer("end").kernel)
    network.class_names = ("ant", "bee", "cow")
    return network


@pytest.fixture(scope="module")
def folder(tmp_path_factory, garden):
    folder = tmp_path_factory.mktemp("votes")
    for name, widget in (
        (TAG, widgets.fully_connected_explorer(pictures=PICTURES)),
        (OTHER, widgets.fully_connected_explorer(garden, PICTURES)),
    ):
        page = page_of(as_in_the_book(widget)).replace("network.js", f"{name}-n.js")
        page = page.replace("pictures.js", f"{name}-p.js")
        (folder / f"{name}.html").write_text(page)
        for kind, things in widget.data.items():
            script = embedding.data_script(kind, things)
            (folder / f"{name}-{kind[0]}.js").write_text(script)
    put_code(folder, TAG)
    return folder


@pytest.fixture(scope="module")
def address(folder):
    with served(folder) as address:
        yield address


def counted(network, picture, silent=()):
    """Votes, scores and probabilities by Keras, when channels of the maps are zero."""
    import keras

    answers = maps.feature_maps(network, picture[None] / 255, "block3_pool")
    answers = answers["block3_pool"].copy()
    answers[..., list(silent)] = 0
    logits = network.get_layer("logits")
    scores = np.asarray(logits(answers.reshape(1, -1)))[0]
    weights = np.asarray(logits.kernel).reshape(*answers.shape[1:], -1)
    votes = np.einsum("xyc,xyck->ck", answers[0], weights)
    return votes, scores, np.asarray(keras.ops.softmax(scores[None]))[0]


def rows(screen):
    """The filters in the order shown: {number: vote}."""
    screen.says()
    texts = screen.widget.locator(".votes .bar").all_inner_texts()
    return {int(number): vote for number, vote in map(numbers_in, texts)}


def verdicts(screen):
    """What all filters say, and those that are on: the sums and the shares of each."""
    screen.says()
    answers = []
    for part in screen.widget.locator(".panels .panel").all()[1:]:
        text = part.inner_text().replace(MINUS, "-")
        sums = re.findall(r"bias (\S+) \+ votes (\S+) = (\S+)", text)
        shares = [float(share) for share in re.findall(r"([\d.]+)%", text)]
        answers.append(([tuple(map(Decimal, parts)) for parts in sums], shares))
    return answers


def box(screen, number):
    return screen.widget.get_by_role("checkbox", name=f"filter {number}", exact=True)


# --- The votes


@pytest.mark.parametrize("name", PICTURES)
def test_every_filter_has_the_vote_that_keras_gives_it(look_at, classifier, name):
    screen = look_at(TAG, f"picture={name.replace(' ', '+')}")
    votes, *_ = counted(classifier, PICTURES[name])
    shown = rows(screen)
    lead = votes[:, 0] - votes[:, 1]
    assert sorted(shown) == [*range(64)]
    assert [*shown.values()] == pytest.approx(lead[[*shown]], rel=6e-3, abs=2e-4)
    assert np.all(np.diff(np.abs(lead[[*shown]])) <= 1e-5)  # the strongest first


def test_the_bars_run_to_the_side_that_they_speak_for(look_at):
    screen = look_at(TAG)
    shown = rows(screen)
    longest = max(map(abs, shown.values()))
    bars = screen.widget.locator(".votes i").evaluate_all(
        """bars => bars.map(bar => {
          const { left, right } = bar.getBoundingClientRect();
          return [left, right, getComputedStyle(bar).backgroundColor];
        })"""
    )
    middle, end, _ = bars[[*shown.values()].index(max(shown.values()))]
    room = (end - middle) * longest / max(shown.values())
    for vote, (left, right, colour) in zip(shown.values(), bars, strict=True):
        length = room * vote / longest
        assert left == pytest.approx(middle + min(length, 0), abs=2)
        assert right == pytest.approx(middle + max(length, 0), abs=2)
        if abs(vote) > 1e-3:
            assert colour == ("rgb(230, 159, 0)" if vote > 0 else "rgb(0, 114, 178)")


@pytest.mark.parametrize("off", ["", "33", "3_12_47", "_".join(map(str, range(64)))])
@pytest.mark.parametrize("name", PICTURES)
def test_scores_and_probabilities_are_keras_s_before_and_after(
    look_at, classifier, name, off
):
    screen = look_at(TAG, f"picture={name.replace(' ', '+')}&off={off}")
    silent = [int(number) for number in off.split("_") if number]
    for (sums, shares), none in zip(verdicts(screen), ((), silent), strict=True):
        _, scores, expected = counted(classifier, PICTURES[name], none)
        assert [float(end) for *_, end in sums] == pytest.approx(
            [*scores, scores[0] - scores[1]], abs=2e-3
        )
        assert shares == pytest.approx(100 * expected, abs=0.1)
    winner = SIDES[int(counted(classifier, PICTURES[name], silent)[1].argmax())]
    assert screen.says() == f"{len(silent)} switched off: {winner}"


def test_the_sums_add_up_to_the_last_digit(look_at):
    screen = look_at(TAG, "off=3_12_47_60_1_2")
    for sums, _ in verdicts(screen):
        assert len(sums) == 3
        for bias, votes, score in sums:
            assert bias + votes == score


# --- Switching off


def test_a_filter_is_switched_off_and_on_by_mouse_key_and_touch(open_page):
    screen = open_page(TAG)
    for act in (
        lambda: box(screen, 47).click(),
        lambda: box(screen, 47).press("Space"),
    ):
        act()
        assert box(screen, 47).is_checked() == screen.says().startswith("0 ")
        focused = "box => box.getRootNode().activeElement === box"
        assert box(screen, 47).evaluate(focused)
    touched = open_page(TAG, viewport=PHONE, has_touch=True, is_mobile=True)
    touched.widget.get_by_text("filter 47", exact=True).tap()
    assert touched.says().startswith("1 switched off")
    assert not box(touched, 47).is_checked()


def test_the_strongest_go_one_by_one_and_all_come_back(open_page, classifier):
    screen = open_page(TAG)
    order = [*rows(screen)]
    strongest = screen.widget.get_by_role("button", name="Switch the strongest off")
    for count in (1, 2, 3):
        strongest.click()
        assert screen.says().startswith(f"{count} switched off")
        off = [number for number in order if not box(screen, number).is_checked()]
        assert off == order[:count]
    assert [*rows(screen)] == order  # they keep their place
    assert screen.saved().endswith("off=" + "_".join(map(str, order[:3])))
    screen.widget.get_by_role("button", name="All on").press("Enter")
    assert screen.says().startswith("0 switched off")
    assert "off" not in screen.saved()


def test_when_none_is_left_nothing_more_happens(look_at):
    screen = look_at(TAG, "off=" + "_".join(map(str, range(64))))
    says = screen.says()
    screen.widget.get_by_role("button", name="Switch the strongest off").click()
    assert screen.says() == says
    assert screen.alert() == []


# --- Other networks


@pytest.mark.parametrize(("target", "against"), [(0, 1), (2, 0), (1, 2), (1, 1)])
def test_a_network_with_more_classes_is_asked_about_two_of_them(
    look_at, garden, target, against
):
    screen = look_at(TAG, page=OTHER)
    screen.choose("Votes for", str(target))
    screen.choose("against", str(against))
    picture = 255 * pictures.as_grey(pictures.load_image(CAT, (20, 30)))
    travelled = halved(garden)
    answers = maps.feature_maps(travelled, picture[None], "conv")["conv"][0]
    weights = np.asarray(travelled.get_layer("end").kernel)
    votes = answers.mean(axis=(0, 1))[:, None] * weights
    shown = rows(screen)
    lead = votes[:, target] - votes[:, against]
    assert [*shown.values()] == pytest.approx(lead[[*shown]], rel=1e-2, abs=3e-3)
    (sums, shares), _ = verdicts(screen)
    assert [float(end) for *_, end in sums[:3]] == pytest.approx(
        votes.sum(axis=0), abs=0.02
    )
    assert all(bias == 0 for bias, *_ in sums)
    lengths = screen.widget.locator(".votes i").evaluate_all(
        "bars => bars.map(bar => bar.getBoundingClientRect().width)"
    )
    assert max(lengths) > 50 or (target == against and max(lengths) == 0)
    expected = np.asarray(travelled(picture[None]))[0]
    assert shares == pytest.approx(100 * expected, abs=0.3)


# --- Pictures of the reader's own


def png(picture):
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "png")
    return file.getvalue()


@pytest.mark.parametrize("name", [TAG, OTHER])
def test_a_photo_of_any_shape_is_cut_in_its_middle(open_page, classifier, name):
    wide = np.full((96, 300, 3), 255, np.uint8)
    wide[:, 102:198] = CAT
    screen = open_page(TAG, page=name)
    screen.upload("wide.png", png(wide))
    assert screen.chosen("Picture") == "own"
    if name == OTHER:
        canvas = screen.widget.locator(".panel canvas")
        assert canvas.evaluate("canvas => canvas.cells") == [20, 30]
        return
    (sums, _), _ = verdicts(screen)
    _, scores, _ = counted(classifier, CAT)
    assert [float(end) for *_, end in sums[:2]] == pytest.approx(scores, abs=0.01)


def test_the_same_picture_once_more_is_switched_as_before(open_page):
    screen = open_page(TAG, "off=3")
    screen.upload("cat.png", png(CAT))
    assert screen.chosen("Picture") == "own"
    box(screen, 5).click()
    assert screen.says().startswith("2 switched off")
    screen.widget.get_by_role("button", name="All on").click()
    screen.says()
    assert box(screen, 3).is_checked()
    assert box(screen, 5).is_checked()


def test_a_broken_file_is_called_so_and_the_picture_stays(open_page):
    screen = open_page(TAG)
    says = screen.says()
    screen.upload("letter.jpg", b"Dear cat,")
    assert screen.alert() == [
        "“letter.jpg” is not a picture that this browser can read."
    ]
    assert screen.chosen("Picture") == "the cat"
    assert screen.says() == says


# --- Links


@pytest.mark.parametrize("origin", ["http", "file"])
def test_a_link_brings_everything_back(open_page, folder, address, origin):
    origin = address if origin == "http" else f"{folder.as_uri()}/"
    screen = open_page(TAG, origin=origin)
    screen.choose("Picture", "noise")
    screen.says()
    box(screen, 5).click()
    screen.says()
    box(screen, 63).click()
    text = screen.text()
    state = screen.saved().split("?")[1]
    assert sorted(state.split("&")) == ["off=5_63", "picture=noise"]
    assert open_page(TAG, state, origin=origin).text() == text


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ("off=64", "There is no filter 64."),
        ("picture=a+goat", "There is no “a goat” under “Picture”."),
        ("target=7", "There is no “7” under “Votes for”."),
        (
            "picture=own",
            "Choose a file: your pictures stay with you, so no link can bring them "
            "back.",
        ),
    ],
)
def test_a_link_to_what_cannot_be_gives_one_sentence(open_page, state, sentence):
    screen = open_page(TAG, state)
    assert screen.alert() == [sentence]
    assert not screen.widget.get_by_role("status").is_visible()
    screen.choose("Picture", "noise")
    screen.choose("Votes for", "0")
    screen.widget.get_by_role("button", name="All on").click()
    assert screen.says().startswith("0 switched off")
    assert screen.alert() == []


# --- Every reader


def test_it_fits_a_phone_and_its_rows_can_be_hit(look_at):
    screen = look_at(TAG, viewport=PHONE, has_touch=True, is_mobile=True)
    assert screen.page.evaluate("document.documentElement.scrollWidth") == 360
    for label in screen.widget.locator(".votes label").all()[:5]:
        assert label.bounding_box()["height"] >= 32
    for button in screen.widget.get_by_role("button").all():
        assert button.bounding_box()["height"] >= 32


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("state", ["", "off=3_33", "off=99"])
def test_it_is_accessible(look_at, colours, state):
    screen = look_at(TAG, state, color_scheme=colours)
    found = violations(screen.page)
    assert not found, json.dumps(found, indent=2)[:3000]


def test_it_prints_and_nothing_moves_by_itself(open_page):
    screen = open_page(TAG, kept=False)
    assert screen.page.evaluate("document.getAnimations().length") == 0
    screen.page.emulate_media(media="print")
    assert box(screen, 0).is_visible()
    assert len(screen.page.pdf()) > 10_000


def test_without_javascript_the_text_is_read(browser, address):
    page = browser.new_page(java_script_enabled=False)
    page.goto(f"{address}{TAG}.html")
    assert page.get_by_text("See the figure.").is_visible()
    page.close()
