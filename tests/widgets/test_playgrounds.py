"""Widgets are whole pieces of HTML; arrays that cannot be shown are refused."""

import base64
import functools
import io
import json
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from cnnbook import layers, networks, widgets
from cnnbook.widgets import embedding, markup, registry

pytestmark = pytest.mark.xdist_group("widgets")

MAKERS = {
    "convolution-playground": widgets.convolution_playground,
    "pooling-playground": widgets.pooling_playground,
    "activation-explorer": widgets.activation_explorer,
    "kernel-trainer": widgets.kernel_trainer,
    "photo-lab": widgets.photo_lab,
    "feature-map-explorer": widgets.feature_map_explorer,
    "fully-connected-explorer": widgets.fully_connected_explorer,
    "training-scrubber": lambda: widgets.training_scrubber(*small_training()),
}

each_widget = pytest.mark.parametrize("tag", MAKERS)


def small_training():
    network = networks.build_classifier((16, 16, 3), filters=(2, 4))
    picture = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    return network, {epoch: network.get_weights() for epoch in (0, 1)}, picture


@functools.cache
def written(tag):
    """Return a widget's piece of HTML, made once."""
    return MAKERS[tag]()._repr_html_()


@pytest.fixture(autouse=True)
def every_figure_is_closed():
    yield
    assert plt.get_fignums() == []


def shared(html):
    """The sets of arrays in a piece of HTML, as a page would read them."""
    found = re.findall(r'cnnbook\.share\("([\w-]+)", (\{.*?\})\);', html)
    return {name: json.loads(arrays) for name, arrays in found}


def unpacked(stored):
    numbers = np.frombuffer(base64.b64decode(stored["data"]), stored["dtype"])
    return numbers.reshape(stored["shape"]) * stored["scale"]


# --- HTML


def test_every_widget_has_a_script_and_a_function():
    assert set(MAKERS) == set(registry.ELEMENTS)
    for tag, element in registry.ELEMENTS.items():
        assert element.tag == tag
        assert all(script.is_file() for script in element.scripts)
        assert f'cnnbook.define("{tag}"' in element.scripts[-1].read_text("utf-8")
        assert getattr(widgets, element.maker).__doc__


@each_widget
def test_a_widget_is_one_piece_of_html_that_loads_nothing(tag):
    html = written(tag)
    assert html.startswith(f"<{tag} ")
    assert html.count("<script>") == html.count("</script>")
    assert not re.search(r'(src|href)="(?!data:)', html)
    assert not re.search(r"\b(import|fetch|XMLHttpRequest|eval)\s*\(", html)
    assert "http" not in html.replace("http://www.w3.org/2000/svg", "")


@each_widget
def test_a_widget_names_the_arrays_that_come_with_it(tag):
    html = written(tag)
    named = re.findall(r'data-\w+="([\w-]+)"', html.split(">")[0])
    assert len(named) == len(registry.ELEMENTS[tag].sets)
    assert set(named) == set(shared(html))


@each_widget
def test_without_scripts_there_is_a_picture_with_words(tag):
    html = written(tag)
    source, width, height, alt = re.search(
        r'<img src="data:image/webp;base64,([^"]+)" width="(\d+)" height="(\d+)" '
        r'alt="([^"]+)"',
        html,
    ).groups()
    with Image.open(io.BytesIO(base64.b64decode(source))) as picture:
        assert picture.size == (int(width), int(height))
        assert len(set(picture.convert("L").tobytes())) > 50  # not blank
    assert len(alt.split()) > 5
    assert f"<p>{embedding.WITHOUT_SCRIPTS}</p></{tag}>" in html


def test_names_cannot_break_out_of_the_page():
    name = '</script><script>alert("x")</script>'
    html = widgets.activation_explorer({name: np.zeros((4, 4))})._repr_html_()
    assert "</script><script>alert" not in html
    [arrays] = shared(html).values()
    assert list(arrays) == [name]


# --- Arrays


def test_bytes_arrive_as_they_are(rng):
    picture = rng.integers(0, 256, (5, 7, 3), np.uint8)
    html = widgets.pooling_playground({"noise": picture})._repr_html_()
    [arrays] = shared(html).values()
    np.testing.assert_allclose(unpacked(arrays["noise"]), picture / 255, rtol=1e-12)


def test_pictures_of_floats_are_rounded_to_bytes(rng):
    picture = rng.random((5, 7, 3), np.float32)
    widget = widgets.pooling_playground({"noise": picture})
    stored = widget.data["pictures"]["noise"]
    assert stored.dtype == np.uint8
    assert np.abs(stored / 255 - picture).max() <= 0.5 / 255 + 1e-6


@pytest.mark.parametrize("size", [1e-6, 1, 1e6])
def test_other_numbers_arrive_within_a_thirty_thousandth_of_the_largest(rng, size):
    values = size * rng.normal(size=(6, 5))
    html = widgets.activation_explorer({"noise": values})._repr_html_()
    [arrays] = shared(html).values()
    off = np.abs(unpacked(arrays["noise"]) - values).max()
    assert off <= np.abs(values).max() / 60_000


def test_the_filters_of_a_network_come_along(rng):
    filters, biases = rng.normal(size=(3, 3, 3, 2)), np.array([1.0, -2.0])
    widget = widgets.convolution_playground(filters=filters, biases=biases)
    assert widget.data["filters"]["kernel"].shape == (3, 3, 3, 2)
    np.testing.assert_array_equal(widget.data["filters"]["bias"], biases)
    without = widgets.convolution_playground(filters=filters)
    np.testing.assert_array_equal(without.data["filters"]["bias"], [0, 0])


def test_the_default_map_holds_the_upright_edges_of_the_cat():
    values = widgets.activation_explorer().data["maps"]["upright edges"]
    picture = widgets.pooling_playground().data["pictures"]["Chelsea, the cat"]
    kernel = np.array([[-1, 0, 1]] * 3)[:, :, None, None]
    grey = picture.mean(axis=-1)[None, :, :, None] / 255
    np.testing.assert_allclose(values, layers.conv2d(grey, kernel)[0, :, :, 0])


def test_the_lesson_arrives_to_the_last_digit():
    picture, kernel = np.array([[0.1, -0.7, 1 / 3]]), np.array([[2.2, -1e-9]])
    [sets] = shared(widgets.kernel_trainer(picture, kernel)._repr_html_()).values()
    assert sets["facts"] == {"picture": picture.tolist(), "kernel": kernel.tolist()}


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (
            lambda: widgets.pooling_playground({}),
            "pictures must be a dict of names and arrays, at least one; got dict",
        ),
        (
            lambda: widgets.pooling_playground(np.zeros((8, 8, 3))),
            "pictures must be a dict of names and arrays, at least one; got ndarray",
        ),
        (
            lambda: widgets.pooling_playground({"a": np.zeros((8, 8))}),
            r"'a' must have shape \(H, W, 3\), H and W at least 3; got shape \(8, 8\)",
        ),
        (
            lambda: widgets.pooling_playground({"a": np.zeros((0, 8, 3))}),
            r"H and W at least 3; got shape \(0, 8, 3\)",
        ),
        (
            lambda: widgets.convolution_playground({"a": np.zeros((2, 8, 3))}),
            r"H and W at least 3; got shape \(2, 8, 3\)",
        ),
        (
            lambda: widgets.pooling_playground({"a": np.full((8, 8, 3), 9.0)}),
            r"'a' must be uint8 or lie in \[0, 1\]; got numbers from 9 to 9",
        ),
        (
            lambda: widgets.pooling_playground({"a": np.full((8, 8, 3), np.nan)}),
            "'a' must be finite everywhere",
        ),
        (
            lambda: widgets.pooling_playground({"a": np.zeros((300, 8, 3))}),
            r"'a' must have at most 128 rows and columns; got shape \(300, 8, 3\)",
        ),
        (
            lambda: widgets.activation_explorer({"a": np.zeros((8, 8, 2))}),
            r"'a' must have shape \(H, W\); got shape \(8, 8, 2\)",
        ),
        (
            lambda: widgets.activation_explorer({"a": [[np.inf]]}),
            "'a' must be finite everywhere",
        ),
        (
            lambda: widgets.convolution_playground(filters=np.zeros((3, 3, 4, 2))),
            r"filters must have shape \(K, K, C, F\) .* got shape \(3, 3, 4, 2\)",
        ),
        (
            lambda: widgets.convolution_playground(filters=np.zeros((9, 9, 3, 2))),
            r"with K at most 7 and C 1 or 3; got shape \(9, 9, 3, 2\)",
        ),
        (
            lambda: widgets.convolution_playground(
                filters=np.zeros((3, 3, 3, 2)), biases=np.zeros(3)
            ),
            r"biases must have shape \(2,\); got shape \(3,\)",
        ),
        (
            lambda: widgets.convolution_playground(
                filters=np.full((3, 3, 3, 2), np.nan)
            ),
            "the kernel of the filters must be finite everywhere",
        ),
        (
            lambda: widgets.kernel_trainer(np.eye(9)),
            r"at most 8 rows and columns, .* got shapes \(9, 9\) and \(3, 3\)",
        ),
        (
            lambda: widgets.kernel_trainer(np.eye(3), np.ones((2, 4))),
            r"no more than the picture; got shapes \(3, 3\) and \(2, 4\)",
        ),
        (
            lambda: widgets.kernel_trainer(np.full((4, 4), 255, np.uint8)),
            "the picture must hold numbers from -1 to 1; got some from 255 to 255",
        ),
        (
            lambda: widgets.kernel_trainer(kernel=[[1, -10]]),
            "the kernel must hold numbers from -9 to 9; got some from -10 to 1",
        ),
        (lambda: widgets.kernel_trainer(np.zeros((4, 4))), "there is nothing to learn"),
        (lambda: widgets.kernel_trainer(kernel=[[0]]), "there is nothing to learn"),
        (
            lambda: widgets.kernel_trainer([[np.nan]], [[1]]),
            "'picture' must be finite everywhere",
        ),
        (
            lambda: widgets.kernel_trainer(np.ones((4, 4, 1))),
            r"'picture' must have shape \(H, W\)",
        ),
    ],
)
def test_arrays_that_cannot_be_shown_are_refused(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()


# --- Scripts


def test_readers_get_the_scripts_without_comments_and_with_every_word():
    for script in registry.STATIC.glob("*.js"):
        bare = re.sub(r"(?<!\S)//.*|/\*.*?\*/", "", script.read_text("utf-8"))
        assert bare != script.read_text("utf-8")
        assert re.findall(r"\w+", markup.served(script)) == re.findall(r"\w+", bare)


def test_every_text_in_the_scripts_reaches_readers_as_it_is_written():
    for script in registry.STATIC.glob("*.js"):
        texts = texts_in(script.read_text("utf-8"))
        assert texts
        assert texts == texts_in(markup.served(script))
        # Spaces of a template literal inside another one would be lost.
        cut = [text for text in texts if text.count("{") != text.count("}")]
        assert not cut, f"{script.name} nests template literals: {cut}"


def texts_in(code):
    """All literals in quotes, of which none is taken to hold another."""
    quoted = (rf"{quote}(?:\\.|[^{quote}\\])*{quote}" for quote in "\"'`")
    found = re.findall("|".join([*quoted, r"//.*", r"/\*[^*]*\*/"]), code)
    return [text for text in found if not text.startswith("/")]


def test_no_set_of_data_is_called_like_a_script_beside_which_it_lies():
    sets = {kind for element in registry.ELEMENTS.values() for kind in element.sets}
    assert not sets & {script.stem for script in registry.STATIC.glob("*.js")}
