"""The photo lab computes what Keras and the package compute, on photos of the reader's.

The page is of these tests' own, with the classifier that comes with the package; other
networks come as files, as readers bring them.
"""

import functools
import io
import json
from urllib.parse import parse_qsl

import numpy as np
import pytest
from PIL import Image

from cnnbook import explanations, maps, networks, pictures, widgets
from cnnbook.widgets import embedding
from tests.browser.screens import as_in_the_book, page_of, put_code, violations
from tests.browser.serving import served
from tests.browser.test_pages import PHONE

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("photo-lab")]

TAG = "photo-lab"
OFF = "block1_relu%3D3%26block1_relu%3D13%26block2_relu%3D5"


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


CAT = (pictures.model_cat((96, 96)) * 255).round().astype(np.uint8)
PICTURES = {"the cat": CAT, "noise": noise(40, 60, 3)}


@pytest.fixture(scope="module")
def classifier():
    return networks.load_classifier()


@pytest.fixture(scope="module")
def halved(classifier):
    """The classifier with its weights rounded as they travel."""
    import keras

    network = keras.models.clone_model(classifier)
    network.set_weights(
        [w.astype("float16").astype("float32") for w in classifier.get_weights()]
    )
    network.class_names = classifier.class_names
    return network


def farm(last="softmax", classes=3, channels=3, first=()):
    """A network of another make: other sizes, and three classes; white is not said."""
    import keras

    from tests.networks.test_export import alive

    network = alive(
        keras.Sequential(
            [
                keras.Input((24, 32, channels)),
                *first,
                keras.layers.Conv2D(5, 3, name="conv"),
                keras.layers.ReLU(name="relu"),
                keras.layers.MaxPooling2D(2, name="pool"),
                keras.layers.Dropout(0.5),
                keras.layers.Flatten(),
                keras.layers.Dense(classes, activation=last, name="end"),
            ]
        )
    )
    if classes == 3:
        network.class_names = ("ant", "bee", "cow")
    return network


@pytest.fixture(scope="module")
def folder(tmp_path_factory, classifier):
    folder = tmp_path_factory.mktemp("lab")
    widget = widgets.photo_lab(classifier, PICTURES)
    (folder / f"{TAG}.html").write_text(page_of(as_in_the_book(widget)))
    put_code(folder, TAG)
    for kind, arrays in widget.data.items():
        (folder / f"{kind}.js").write_text(embedding.data_script(kind, arrays))
    return folder


@pytest.fixture(scope="module")
def address(folder):
    with served(folder) as address:
        yield address


@pytest.fixture
def lab(open_page):
    """Open the lab, once its network has answered."""

    def open_lab(state="", **options):
        screen = open_page(TAG, state, **options)
        answered(screen)
        return screen

    return open_lab


@pytest.fixture
def same_lab(lab):
    """Open the lab, on a page that tests share which bring no more than photos."""
    return functools.partial(lab, anew=False)


def answered(screen):
    """Wait until what is shown belongs to the state."""
    screen.says()
    screen.page.wait_for_function(
        """tag => {
          const { asked } = document.querySelector(tag);
          return asked.answers || asked.error;
        }""",
        arg=TAG,
    )
    screen.says()


def encoded(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def upload(screen, name, data, label="Your own, which stays"):
    file = {"name": name, "mimeType": "image/jpeg", "buffer": data}
    before = screen.widget.evaluate("lab => { lab.askedBefore = lab.asked }")
    assert before is None
    screen.widget.get_by_label(label).set_input_files(file)
    screen.page.wait_for_function(
        """tag => {
          const lab = document.querySelector(tag);
          const alert = lab.shadowRoot.querySelector("[role=alert]");
          return lab.asked !== lab.askedBefore || alert.textContent;
        }""",
        arg=TAG,
    )
    answered(screen)


def bring(screen, network, tmp_path, name="farm", **options):
    path = tmp_path / f"{name}.js"
    networks.export_network(network, path, **options)
    upload(screen, path.name, path.read_bytes(), "Your own network")


def given(screen):
    """The numbers that the network gets."""
    shape, data = screen.widget.evaluate(
        "lab => [lab.image.shape, [...lab.image.data]]"
    )
    return np.array(data).reshape(shape)


def shares(screen):
    """The probabilities that are shown, as it is and with channels off."""
    panels = screen.widget.evaluate(
        """lab => [...lab.status.children].map((panel) =>
          [...panel.querySelectorAll(".bar")].map((bar) =>
            [bar.firstChild.textContent, bar.querySelector("b").textContent]))"""
    )
    return [
        {name: float(share.rstrip("%")) / 100 for name, share in panel}
        for panel in panels
    ]


def shown(network, image, names):
    answers = explanations.class_probabilities(network, image[None])[0]
    return {
        name: pytest.approx(share, abs=6e-4)
        for name, share in zip(names, answers, strict=True)
    }


def explained(screen):
    screen.widget.get_by_role("button", name="Hide part by part").click()
    screen.page.wait_for_function(
        "tag => document.querySelector(tag).drops", arg=TAG, timeout=60_000
    )
    return np.array(screen.widget.evaluate("lab => [...lab.drops]"))


# --- Photos


def test_the_lab_opens_with_the_cat_and_with_what_keras_says_of_her(lab, halved):
    screen = lab()
    np.testing.assert_allclose(given(screen), CAT / 255, atol=1e-6)
    assert shares(screen) == [shown(halved, CAT / 255, ("cat", "dog"))]


@pytest.mark.parametrize(
    "shape", [(300, 451, 3), (96, 97, 3), (20, 30, 3), (700, 130, 3), (1000, 1024, 3)]
)
def test_a_photo_is_cut_and_resized_as_the_package_does_it(same_lab, halved, shape):
    """To the last digit, whatever its size up to 1,024 pixels."""
    screen, photo = same_lab(), Image.fromarray(noise(*shape))
    upload(screen, "a.png", encoded(photo, "png"))
    expected = pictures.load_image(photo, (96, 96))
    np.testing.assert_allclose(given(screen), expected, atol=1e-5)
    assert shares(screen) == [shown(halved, expected, ("cat", "dog"))]
    assert screen.chosen("Picture") == "own"


def test_a_jpeg_is_read_as_the_package_reads_it(same_lab):
    data = encoded(Image.fromarray(CAT).resize((400, 300)), "jpeg")
    screen = same_lab()
    upload(screen, "a.jpg", data)
    assert np.abs(given(screen) - pictures.load_image(data, (96, 96))).max() < 0.03


def test_what_is_transparent_in_a_png_is_white(same_lab):
    pixels = np.dstack([CAT, np.full((96, 96), 255, np.uint8)])
    pixels[:40, :, 3] = 0
    pixels[40:60, :, 3] = 128
    data = encoded(Image.fromarray(pixels), "png")
    screen = same_lab()
    upload(screen, "a.png", data)
    np.testing.assert_allclose(
        given(screen), pictures.load_image(data, (96, 96)), atol=0.01
    )
    assert (given(screen)[:40] == 1).all()


@pytest.mark.parametrize("turned", [3, 6, 8])
def test_a_photo_taken_with_the_camera_turned_stands_upright(same_lab, turned):
    exif = Image.Exif()
    exif[0x0112] = turned
    photo = Image.fromarray(CAT).resize((160, 120))
    data = encoded(photo, "jpeg", exif=exif, quality=95)
    screen = same_lab()
    upload(screen, "a.jpg", data)
    assert np.abs(given(screen) - pictures.load_image(data, (96, 96))).max() < 0.03


def test_a_photo_of_twelve_megapixels_is_averaged_down(same_lab):
    large = Image.fromarray(CAT).resize((4000, 3000), Image.Resampling.BICUBIC)
    data = encoded(large, "jpeg", quality=90)
    screen = same_lab()
    upload(screen, "large.jpg", data)
    off = np.abs(given(screen) - pictures.load_image(data, (96, 96)))
    assert off.mean() < 0.01


@pytest.mark.parametrize(
    ("name", "data", "label"),
    [
        ("letter.txt", b"Dear cat,", "Your own, which stays"),
        ("broken.jpg", encoded(Image.fromarray(CAT), "jpeg")[:80], "Your own, which"),
        ("empty.png", b"", "Your own, which stays"),
        ("photo.png", b"no", "Your own network"),
    ],
)
def test_a_file_that_is_no_picture_is_called_so_and_all_stays(
    same_lab, name, data, label
):
    screen = same_lab("stride=16")
    before = shares(screen)
    upload(screen, name, data, label)
    assert screen.alert() == [f"“{name}” is not a picture that this browser can read."]
    assert shares(screen) == before
    assert screen.widget.get_by_role("status").first.is_visible()
    screen.choose("Order", "strength")
    assert screen.alert() == []


# --- Maps, and channels that are switched off


def test_the_sheet_has_the_maps_of_every_layer(same_lab, halved):
    screen = same_lab()
    found = maps.feature_maps(halved, CAT[None] / 255)
    select = screen.widget.get_by_role("combobox", name="Layer")
    listed = select.locator("option").evaluate_all("all => all.map(one => one.value)")
    assert listed[1:] == list(found)
    for layer in ("block1_relu", "block2_pool", "block3_conv"):
        answers = found[layer]
        screen.choose("Layer", layer)
        answered(screen)
        values = screen.widget.evaluate(
            "lab => [...lab.asked.answers.at(-1).outputs[lab.state.layer].data]"
        )
        ours = np.array(values).reshape(answers.shape[1:])
        np.testing.assert_allclose(ours, answers[0], atol=1e-4 * np.abs(answers).max())


def test_without_channels_the_answer_is_keras_s_without_them(same_lab, halved):
    without = networks.knock_out(halved, "block1_relu", [3, 13])
    without = networks.knock_out(without, "block2_relu", 5)
    screen = same_lab(f"silent={OFF}&layer=block2_relu")
    names = ("cat", "dog")
    assert shares(screen) == [
        shown(halved, CAT / 255, names),
        shown(without, CAT / 255, names),
    ]
    assert shares(screen)[0] != shares(screen)[1]
    left = maps.feature_maps(without, CAT[None] / 255)["block2_relu"][0]
    values = screen.widget.evaluate(
        "lab => [...lab.asked.answers.at(-1).outputs[lab.state.layer].data]"
    )
    np.testing.assert_allclose(np.reshape(values, left.shape), left, atol=1e-4)
    screen.widget.get_by_role("button", name="All on").click()
    answered(screen)
    assert len(shares(screen)) == 1


def test_the_keyboard_switches_channels_off_and_on(same_lab):
    screen = same_lab()
    screen.canvas("Channels").focus()
    for key, state in (
        ("ArrowRight", ""),
        ("Enter", "block1_relu=1"),
        ("ArrowRight", "block1_relu=1"),
        ("Space", "block1_relu=1&block1_relu=2"),
        ("ArrowLeft", "block1_relu=1&block1_relu=2"),
        ("Enter", "block1_relu=2"),
    ):
        screen.page.keyboard.press(key)
        answered(screen)
        assert screen.widget.evaluate("lab => lab.state.silent") == state
    assert len(shares(screen)) == 2


@pytest.mark.parametrize("by", ["mouse", "finger"])
def test_a_channel_is_switched_off_by_mouse_and_by_finger(lab, by):
    options = {} if by == "mouse" else {"viewport": PHONE, "has_touch": True}
    screen = lab(**options)
    canvas, place = screen.canvas("Channels"), {"x": 100, "y": 30}
    press = canvas.click if by == "mouse" else canvas.tap
    press(position=place)
    answered(screen)
    assert screen.widget.evaluate("lab => lab.state.silent") == "block1_relu=1"
    press(position=place)
    answered(screen)
    assert screen.widget.evaluate("lab => lab.state.silent") == ""


def test_another_layer_starts_at_a_channel_that_it_has(same_lab):
    screen = same_lab("layer=block3_relu&channel=40")
    screen.choose("Layer", "block1_relu")
    answered(screen)
    assert screen.widget.evaluate("lab => lab.state.channel") == 0
    screen.canvas("Channels").press("Enter")
    answered(screen)
    assert screen.alert() == []
    assert screen.widget.evaluate("lab => lab.state.silent") == "block1_relu=0"


def test_a_click_behind_the_last_channel_switches_nothing(same_lab):
    screen = same_lab()
    box = screen.canvas("Channels").bounding_box()
    end = {"x": box["width"] - 5, "y": box["height"] - 30}
    screen.canvas("Channels").click(position=end)
    answered(screen)
    assert screen.widget.evaluate("lab => lab.state.silent") == ""


def test_another_network_may_come_while_parts_are_hidden(lab, tmp_path):
    import keras

    screen = lab()
    screen.widget.get_by_role("button", name="Hide part by part").click()
    bring(screen, farm(first=[keras.layers.Rescaling(1 / 255)]), tmp_path)
    assert "3 classes" in screen.text()
    assert screen.alert() == []


# --- Hidden parts


@pytest.mark.parametrize(
    ("state", "target", "baseline"),
    [
        ("window=24&stride=24", "cat", CAT.mean(axis=(0, 1)) / 255),
        ("window=40&stride=17&target=1&hide=grey", "dog", 0.5),
        (f"window=30&stride=33&silent={OFF}", "cat", CAT.mean(axis=(0, 1)) / 255),
    ],
)
def test_hiding_parts_gives_the_occlusion_map_of_the_package(
    lab, halved, state, target, baseline
):
    screen, network = lab(state), halved
    if "silent" in state:
        network = networks.knock_out(network, "block1_relu", [3, 13])
        network = networks.knock_out(network, "block2_relu", 5)
        network.class_names = halved.class_names
    window, stride = (int(part.split("=")[1]) for part in state.split("&")[:2])
    expected = explanations.occlusion_map(
        network, CAT[None] / 255, target, window=window, stride=stride,
        baseline=baseline,
    )  # fmt: skip
    drops = explained(screen).reshape(expected.values.shape[1:])
    np.testing.assert_allclose(drops, expected.values[0], atol=2e-3)
    said = screen.says()
    assert f"The score of {target}, " in said
    row, column = np.unravel_index(expected.values.argmax(), expected.values.shape)[1:]
    assert f"rows from {row * stride} and columns from {column * stride} " in said


def test_hiding_can_be_stopped_and_a_change_stops_it(lab):
    screen = lab("window=8&stride=2")
    button = screen.widget.get_by_role("button", name="Hide part by part")
    places = "lab => lab.done.value"
    for stop in (
        lambda: screen.widget.get_by_role("button", name="Stop").click(),
        lambda: screen.choose("Hide with", "grey"),
    ):
        button.click()
        screen.wait_for("lab => lab.done.value > 0")
        stop()
        answered(screen)
        assert button.is_visible()
        done = screen.widget.evaluate(places)
        screen.page.wait_for_timeout(200)
        assert screen.widget.evaluate(places) == done
    assert not screen.widget.evaluate("lab => lab.drops")


def test_the_page_answers_while_parts_are_hidden(lab):
    screen = lab("window=8&stride=2")
    screen.widget.get_by_role("button", name="Hide part by part").click()
    longest = screen.page.evaluate(
        """async () => {
          let longest = 0, last = performance.now();
          for (let n = 0; n < 30; n++) {
            await new Promise(requestAnimationFrame);
            longest = Math.max(longest, performance.now() - last);
            last = performance.now();
          }
          return longest;
        }"""
    )
    assert longest < 250


# --- Networks of the reader's own


def test_an_own_network_is_loaded_and_runs_as_in_keras(lab, tmp_path):
    screen, network = lab(), farm()
    bring(screen, network, tmp_path)
    assert "farm: 24 × 32 × 3 numbers, 3 classes" in screen.text()
    image = pictures.load_image(CAT, (24, 32))
    assert "Say what white is to this network, 1 or 255" in screen.alert()[0]
    screen.choose("White is", "1")
    answered(screen)
    assert screen.alert() == []
    np.testing.assert_allclose(given(screen), image, atol=1e-6)
    assert shares(screen) == [shown(network, image, network.class_names)]
    screen.choose("White is", "255")
    answered(screen)
    assert shares(screen) == [shown(network, image * 255, network.class_names)]
    select = screen.widget.get_by_role("combobox", name="Layer")
    listed = select.locator("option").evaluate_all("all => all.map(one => one.value)")
    assert listed[-3:] == ["conv", "relu", "pool"]


@pytest.mark.parametrize(
    ("last", "classes"),
    [("softmax", 3), ("linear", 3), ("sigmoid", 1), ("linear", 1), ("sigmoid", 3)],
)
def test_scores_are_explained_whatever_the_network_ends_in(
    lab, tmp_path, last, classes
):
    screen, network = lab(), farm(last, classes)
    bring(screen, network, tmp_path)
    screen.choose("White is", "255")
    screen.choose("Class", "1")
    screen.widget.get_by_label("Window").fill("8")
    screen.widget.get_by_label("Stride").fill("5")
    answered(screen)
    image = pictures.load_image(CAT, (24, 32))[None] * 255
    expected = explanations.occlusion_map(
        network, image, 1, window=8, stride=5, baseline=image.mean(axis=(0, 1, 2))
    ).values[0]
    drops = explained(screen).reshape(expected.shape)
    np.testing.assert_allclose(drops, expected, atol=1e-3 * np.abs(expected).max())
    names = getattr(network, "class_names", ("0", "1"))
    assert shares(screen) == [shown(network, image[0], names)]


def test_what_stands_behind_the_probabilities_changes_nothing_or_is_refused(
    lab, tmp_path
):
    import keras

    network = farm(first=[keras.layers.Rescaling(1 / 255)])
    screen, before = lab(), None
    behind = {"dropout": keras.layers.Dropout(0.5), "half": keras.layers.Rescaling(0.5)}
    for name, layer in {"plain": keras.layers.Identity(), **behind}.items():
        longer = keras.Model(network.inputs, layer(network.outputs[0]))
        networks.export_network(longer, tmp_path / f"{name}.js")
        upload(
            screen,
            f"{name}.js",
            (tmp_path / f"{name}.js").read_bytes(),
            "Your own network",
        )
        if name == "half":
            (sentence,) = screen.alert()
            assert sentence.startswith("This network changes its probabilities further")
        else:
            answered(screen)
            assert before in (None, shares(screen))
            before = shares(screen)
    image = pictures.load_image(CAT, (24, 32)) * 255
    assert before == [shown(network, image, ("0", "1", "2"))]


def test_a_network_whose_first_layers_tell_is_not_asked_what_white_is(lab, tmp_path):
    import keras

    screen, network = lab(), farm(first=[keras.layers.Rescaling(1 / 255)])
    bring(screen, network, tmp_path)
    answered(screen)
    image = pictures.load_image(CAT, (24, 32)) * 255
    np.testing.assert_allclose(given(screen), image, atol=1e-4)
    assert shares(screen) == [shown(network, image, network.class_names)]
    assert screen.widget.get_by_label("White is").is_hidden()


def test_a_network_of_grey_pictures_gets_grey_ones(lab, tmp_path):
    screen, network = lab(), farm(channels=1)
    bring(screen, network, tmp_path, dtype="float16")
    screen.choose("White is", "1")
    answered(screen)
    grey = pictures.as_grey(pictures.load_image(CAT, (24, 32)))
    np.testing.assert_allclose(given(screen), grey, atol=1e-6)


def test_a_file_that_holds_no_such_network_is_called_so(lab, tmp_path):
    import keras

    screen = lab()
    before = shares(screen)
    answers = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3)])
    networks.export_network(answers, tmp_path / "maps.js")
    whole = (tmp_path / "maps.js").read_text()
    for text, sentence in (
        (whole, "This network does not give scores to photos."),
        (whole[:-9], "This is no whole file of a network exported by cnnbook."),
        ("alert('hello')", "This is no whole file of a network exported by cnnbook."),
        (
            'cnnbook.register({"format":9});',
            "This page cannot read this network; export it anew.",
        ),
        ("cnnbook.register(3);", "This page cannot read this network; export it anew."),
    ):
        upload(screen, "own.js", text.encode(), "Your own network")
        assert screen.alert() == [sentence]
        assert shares(screen) == before
        screen.widget.evaluate("lab => lab.set({})")
        answered(screen)
        assert screen.alert() == []


def test_a_network_can_be_dropped_and_is_not_run_as_a_script(lab, tmp_path):
    screen = lab()
    networks.export_network(farm(), tmp_path / "farm.js")
    screen.page.evaluate(
        """([tag, data]) => {
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(new File([data], "farm.js"));
          const drop = new DragEvent("drop", { dataTransfer });
          document.querySelector(tag).dispatchEvent(drop);
          cnnbook.register = () => { throw new Error("run"); };
        }""",
        [TAG, (tmp_path / "farm.js").read_text()],
    )
    screen.wait_for("lab => lab.names[0] === 'ant'")
    screen.choose("White is", "255")
    answered(screen)
    assert set(shares(screen)[0]) == {"ant", "bee", "cow"}


# --- Links


STATE = (
    "layer=block2_relu&order=strength&channel=4&silent=block1_relu%3D3%26block2_relu%3D5"
    "&target=1&window=20&stride=10&hide=grey"
)


@pytest.mark.parametrize("origin", ["http", "file"])
def test_a_link_brings_everything_back_but_the_photo(lab, folder, address, origin):
    origin = address if origin == "http" else f"{folder.as_uri()}/"
    screen = lab(STATE, origin=origin)
    for name, value in parse_qsl(STATE):
        kept = screen.widget.evaluate("(lab, name) => lab.state[name]", name)
        assert str(kept) == value
    screen.widget.evaluate("lab => lab.set({})")
    assert sorted(screen.saved().split("?")[1].split("&")) == sorted(STATE.split("&"))
    assert len(shares(screen)) == 2


def test_a_link_to_an_own_network_holds_once_that_is_loaded(lab, tmp_path):
    screen = lab("layer=pool&silent=conv%3D2")
    assert screen.alert() == ["There is no “pool” under “Layer”."]
    bring(screen, farm(), tmp_path)
    screen.choose("White is", "255")
    answered(screen)
    assert screen.alert() == []
    assert screen.chosen("Layer") == "pool"
    assert len(shares(screen)) == 2


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ("window=0", "Window must be a whole number from 1 to 512; it is 0."),
        ("window=97", "A window of 97 pixels does not fit into 96 with 0 of padding."),
        ("stride=0", "Stride must be a whole number from 1 to 512; it is 0."),
        ("layer=logits", "There is no “logits” under “Layer”."),
        ("target=7", "There is no “7” under “Class”."),
        ("silent=block1_relu%3D99", "There is no channel 99; there are 16."),
        ("silent=block1_relu%3Dx", "There is no channel NaN; there are 16."),
        ("silent=cat", 'There is no layer "cat"; there are '),
        ("picture=own", "Choose a file: your pictures stay with you, so no link "),
    ],
)
def test_a_link_to_what_cannot_be_gives_one_sentence(lab, state, sentence):
    screen = lab(state)
    [alert] = screen.alert()
    assert alert.startswith(sentence)
    assert not screen.widget.get_by_role("status").first.is_visible()
    assert screen.widget.get_by_role("combobox").first.is_visible()
    screen.widget.get_by_role("button", name="Hide part by part").click()
    assert screen.widget.evaluate("lab => lab.done.value") == 0
    screen.widget.get_by_role("button", name="All on").click()
    screen.widget.evaluate("lab => lab.set({ ...lab.first })")
    answered(screen)
    assert screen.alert() == []


# --- Every reader


def test_the_lab_fits_a_phone_and_offers_its_camera(same_lab):
    screen = same_lab(f"silent={OFF}", viewport=PHONE, has_touch=True, is_mobile=True)
    assert screen.page.evaluate("document.documentElement.scrollWidth") == 360
    camera = screen.widget.get_by_label("Take one")
    assert camera.is_visible()
    assert camera.get_attribute("capture") == "environment"
    for part in screen.widget.locator("button, select, input").all():
        if part.is_visible():
            assert part.bounding_box()["height"] >= 31


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("state", [f"silent={OFF}", "stride=0"])
def test_the_lab_is_accessible(same_lab, state, colours):
    screen = same_lab(state, color_scheme=colours)
    found = violations(screen.page)
    assert not found, json.dumps(found, indent=2)[:3000]


def test_a_notebook_gets_the_lab_as_one_piece(browser, folder, tmp_path, classifier):
    html = widgets.photo_lab(classifier)._repr_html_()
    (tmp_path / "notebook.html").write_text(page_of(html))
    page = browser.new_page()
    page.goto((tmp_path / "notebook.html").as_uri())
    page.locator(TAG).get_by_text("As it is").wait_for()
    page.close()
