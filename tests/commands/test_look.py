"""Photos are looked at from a shell, with our network or any other."""

import json
import re

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from matplotlib.figure import Figure
from PIL import Image

from cnnbook import commands, explanations, figures, pictures
from cnnbook.networks import SHIPPED, image_size, load_network, save_classifier


@pytest.fixture
def photo(tmp_path, rng):
    path = tmp_path / "photo.png"
    Image.fromarray(rng.integers(0, 255, (60, 80, 3), np.uint8)).save(path)
    return path


@pytest.fixture
def other(tmp_path):
    """A network of another make, whose white is 255."""
    model = keras.Sequential(
        [
            keras.Input((24, 24, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(4, 3, activation="relu", name="conv"),
            keras.layers.Flatten(),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    path = tmp_path / "other.keras"
    save_classifier(model, path, class_names=("ant", "bee", "cow"))
    return path


@pytest.fixture
def any_size():
    """A network for images of any size, that takes numbers as ours does."""
    return keras.Sequential(
        [
            keras.Input((None, None, 3), name=pictures.INTENSITIES),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )


@pytest.fixture
def silent(tmp_path):
    """A network of which nobody can tell what white is to it; saved."""
    model = keras.Sequential(
        [
            keras.Input((24, 24, 3)),
            keras.layers.Conv2D(4, 3),
            keras.layers.Flatten(),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
    model.save(tmp_path / "silent.keras")
    return tmp_path / "silent.keras"


# As what our networks are shown photos, unless something else is said.
SHOWN_AS_OURS = {"rows": 96, "columns": 96, "channels": 3, "fit": "crop", "white": 1}


def size_of(path):
    with Image.open(path) as picture:
        return picture.size


def run(*arguments):
    return CliRunner().invoke(commands.main, [str(part) for part in arguments])


def document(result):
    """What a strict reader of JSON finds on stdout, where there is nothing else."""

    def refuse(constant):
        raise ValueError(f"{constant} is not JSON")

    assert result.exit_code == 0, result.output
    return json.loads(result.stdout, parse_constant=refuse)


def test_predict_gives_the_probabilities_of_the_classes_by_name(photo):
    result = run("predict", photo, photo)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert len(lines) == 2
    assert "cat" in lines[0]
    assert "dog" in lines[0]
    shares = [float(word[:-1]) for word in lines[0].split() if word.endswith("%")]
    assert sum(shares) == pytest.approx(100, abs=0.2)


def test_predict_as_json_has_every_number_in_full(photo, other):
    found = document(run("predict", photo, photo, "--json"))
    network = load_network(SHIPPED)
    batch = np.stack([pictures.load_image(photo, network.input_shape[1:3])] * 2)
    expected, _ = explanations.class_probabilities(network, batch).tolist()
    likeliest = expected.index(max(expected))
    assert found == {
        "network": str(SHIPPED),
        "class_names": ["cat", "dog"],
        "shown_as": SHOWN_AS_OURS,
        "photos": [
            {
                "photo": str(photo),
                "class": likeliest,
                "class_name": ["cat", "dog"][likeliest],
                "probability": max(expected),
                "probabilities": expected,
            }
        ]
        * 2,
    }
    theirs = document(
        run("predict", photo, "--model", other, "--white", "255", "--json")
    )
    assert theirs["network"] == str(other)
    assert theirs["class_names"] == ["ant", "bee", "cow"]
    assert sum(theirs["photos"][0]["probabilities"]) == pytest.approx(1)


def test_the_size_of_images_is_read_from_the_file_where_it_has_one(
    other, any_size, tmp_path
):
    assert image_size(SHIPPED) == load_network(SHIPPED).input_shape[1:3]
    assert image_size(other) == (24, 24)
    any_size.save(tmp_path / "any.keras")
    assert image_size(tmp_path / "any.keras") is None
    (tmp_path / "damaged.keras").write_bytes(other.read_bytes()[:300])
    assert image_size(tmp_path / "damaged.keras") is None


def test_a_network_for_images_of_any_size_takes_a_photo_as_it_is(
    photo, any_size, tmp_path
):
    any_size.save(tmp_path / "any.keras")
    found = document(run("predict", photo, "--model", tmp_path / "any.keras", "--json"))
    (expected,) = explanations.class_probabilities(
        any_size, pictures.load_image(photo)[None]
    ).tolist()
    assert found["photos"][0]["probabilities"] == expected
    assert found["class_names"] == ["0", "1"]


def test_an_answer_that_is_no_number_is_refused(photo, other, tmp_path):
    network = load_network(other)
    network.layers[-1].bias.assign([0, np.nan, 0])
    save_classifier(network, tmp_path / "damaged.keras")
    arguments = ["--model", tmp_path / "damaged.keras"]
    for command in ("predict", "explain"):
        result = run(command, photo, *arguments, "--json")
        assert (result.exit_code, result.stdout) == (1, "")
        assert f"the network's answer to {photo} is not finite" in result.stderr


@pytest.fixture
def averaged(tmp_path):
    """The file of an average of two networks that end in softmax, and the network."""
    image = keras.Input((24, 24, 3), name=pictures.INTENSITIES)
    conv = keras.layers.Conv2D(4, 3, activation="relu", name="conv")(image)
    features = keras.layers.GlobalAveragePooling2D()(conv)
    two = [keras.layers.Dense(3, activation="softmax")(features) for _ in "ab"]
    model = keras.Model(image, keras.layers.Average()(two))
    save_classifier(model, tmp_path / "averaged.keras", class_names=("a", "b", "c"))
    return tmp_path / "averaged.keras", model


def test_what_the_layers_do_not_show_is_asked_and_can_be_said(
    photo, averaged, tmp_path
):
    file, model = averaged
    refused = run("predict", photo, "--model", file, "--json")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "--probabilities" in refused.stderr
    said = ["--model", file, "--probabilities", "softmax", "--json"]
    found = document(run("predict", photo, *said))["photos"][0]
    own = model.predict(pictures.load_image(photo, (24, 24))[None], verbose=0)[0]
    np.testing.assert_allclose(found["probabilities"], own, rtol=1e-5)
    drawn = ["--out", tmp_path / "drawn.png", "--method", "saliency", "--target", "b"]
    explained = document(run("explain", photo, *said, *drawn))
    assert explained["probability"] == pytest.approx(own[1], rel=1e-5)
    assert explained["logit"] == pytest.approx(np.log(own[1]), rel=1e-4)


def test_classes_answered_for_themselves_are_printed_with_their_own_probabilities(
    photo, tmp_path
):
    image = keras.Input((24, 24, 3), name=pictures.INTENSITIES)
    dense = keras.layers.Dense(3, kernel_initializer="zeros")
    model = keras.Model(image, dense(keras.layers.GlobalAveragePooling2D()(image)))
    dense.bias.assign([np.log(9), np.log(4), np.log(1 / 4)])
    save_classifier(model, tmp_path / "tags.keras", class_names=("cat", "dog", "cow"))
    said = ["--model", tmp_path / "tags.keras", "--logits", "sigmoid"]
    result = run("predict", photo, *said)
    assert result.exit_code == 0, result.output
    words = result.stdout.split()
    assert words[-6:] == ["cat", "90.0%", "dog", "80.0%", "cow", "20.0%"]


def test_a_network_that_does_not_tell_is_asked_what_white_is(photo, silent):
    for command in ("predict", "maps", "explain"):
        refused = run(command, photo, "--model", silent)
        assert refused.exit_code == 1
        assert "--white 1 or --white 255" in refused.stderr
        assert "nothing before 'conv2d" in refused.stderr
        assert "Traceback" not in refused.output
    network, image = load_network(silent), pictures.load_image(photo, (24, 24))
    for white in (1, 255):
        found = document(
            run("predict", photo, "--model", silent, "--white", white, "--json")
        )
        assert found["shown_as"]["white"] == white
        np.testing.assert_allclose(
            found["photos"][0]["probabilities"],
            network.predict(image[None] * white, verbose=0)[0],
            atol=1e-6,
        )


def test_what_the_first_layers_say_of_white_need_not_be_said_and_cannot_be_denied(
    photo, other
):
    expected = load_network(other).predict(
        pictures.load_image(photo, (24, 24))[None] * 255, verbose=0
    )
    for given in ([], ["--white", "255"]):
        result = run("predict", photo, "--model", other, *given, "--json")
        found = document(result)
        assert found["shown_as"]["white"] == 255
        np.testing.assert_allclose(
            [found["photos"][0]["probabilities"]], expected, atol=1e-6
        )
    told = run("predict", photo, "--model", other)
    assert {"ant", "bee", "cow"} <= set(told.stdout.split())
    assert (
        "Photos were shown to the network cropped to 24 × 24, white as 255 (its first "
        "layers turn 0 to 255 into 0 to 1)." in told.stderr
    )
    denied = run("predict", photo, "--model", other, "--white", "1")
    assert (denied.exit_code, denied.stdout) == (1, "")
    assert "white is said to be 1, but" in denied.stderr
    assert "takes numbers from 0 to 255" in denied.stderr


def test_white_that_was_said_once_is_kept_in_the_file(photo, silent, tmp_path):
    network = load_network(silent)
    assert network.white is None
    network.white = 255
    save_classifier(network, tmp_path / "said.keras")
    assert load_network(tmp_path / "said.keras").white == 255
    told = run("predict", photo, "--model", tmp_path / "said.keras")
    assert "white as 255 (so it was said)" in told.stderr


@pytest.mark.parametrize("fit", ["crop", "stretch", "pad"])
def test_photos_are_fitted_as_asked(photo, other, tmp_path, fit):
    image = pictures.load_image(photo, (24, 24), fit=fit)
    expected = load_network(other).predict(image[None] * 255, verbose=0)
    chosen = ["--model", other, "--fit", fit]
    found = document(run("predict", photo, *chosen, "--json"))
    assert found["shown_as"]["fit"] == fit
    np.testing.assert_allclose(
        [found["photos"][0]["probabilities"]], expected, atol=1e-6
    )
    words = {"crop": "cropped", "stretch": "stretched", "pad": "padded with black"}
    for command in ("predict", "maps", "explain"):
        out = [] if command == "predict" else ["--out", tmp_path / f"{command}.png"]
        result = run(command, photo, *chosen, *out)
        assert result.exit_code == 0, result.output
        assert f"{words[fit]} to 24 × 24" in result.stderr
        text = " ".join(run(command, "--help").stdout.split())
        assert "centred part of it is cut out" in text


@pytest.mark.parametrize(
    "mode", ["RGB", "L"]
)  # a photo, and one that is grey on the disk
def test_a_network_of_one_channel_gets_grey_as_the_loaders_of_keras_make_it(
    photo, tmp_path, mode
):
    layers = [
        keras.Input((60, 80, 1)),
        keras.layers.Rescaling(1 / 255),
        keras.layers.Flatten(),
        keras.layers.Dense(3, activation="softmax"),
    ]
    network = keras.Sequential(layers)
    network.save(tmp_path / "grey.keras")
    with Image.open(photo) as picture:
        picture.convert(mode).save(photo)
    loaded = keras.utils.load_img(photo, color_mode="grayscale")
    expected = network.predict(keras.utils.img_to_array(loaded)[None], verbose=0)
    result = run("predict", photo, "--model", tmp_path / "grey.keras", "--json")
    found = document(result)
    assert found["shown_as"]["channels"] == 1
    # Keras rounds greys to whole numbers.
    np.testing.assert_allclose(
        [found["photos"][0]["probabilities"]], expected, atol=0.01
    )
    told = run("predict", photo, "--model", tmp_path / "grey.keras")
    assert "as grey, since it takes one channel" in told.stderr


@pytest.mark.parametrize("channels", [2, 4, 5])
def test_a_network_of_other_channels_is_refused_in_a_sentence(
    photo, tmp_path, channels
):
    path = tmp_path / "other.keras"
    keras.Sequential(
        [
            keras.Input((8, 8, channels)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ]
    ).save(path)
    result = run("predict", photo, "--model", path)
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"takes images of {channels} channels; photos have 3, or 1" in result.stderr


def test_a_network_of_bytes_gets_whole_numbers(photo, tmp_path):
    image = keras.Input((60, 80, 3), dtype="uint8")
    scores = keras.layers.Dense(2, activation="softmax")(
        keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(image))
    )
    network = keras.Model(image, scores)
    network.save(tmp_path / "bytes.keras")
    with Image.open(photo) as picture:
        expected = network.predict(np.asarray(picture)[None], verbose=0)
    found = document(
        run("predict", photo, "--model", tmp_path / "bytes.keras", "--json")
    )
    np.testing.assert_allclose(
        [found["photos"][0]["probabilities"]], expected, atol=1e-6
    )


def test_code_in_a_file_runs_only_if_it_is_trusted(photo, tmp_path):
    path = tmp_path / "code.keras"
    layers = [
        keras.Input((8, 8, 3)),
        keras.layers.Lambda(lambda x: x / 255),
        keras.layers.Flatten(),
        keras.layers.Dense(2, activation="softmax"),
    ]
    network = keras.Sequential(layers)
    network.save(path)
    for command in (["predict", photo, "--model"], ["export"]):
        result = run(*command, path)
        assert (result.exit_code, result.stdout) == (1, "")
        assert "load_network(path, safe_mode=False), or --trust-code" in result.stderr
        assert "only for files whose makers you trust" in " ".join(
            run(command[0], "--help").stdout.split()
        )
    found = document(run("predict", photo, "--model", path, "--trust-code", "--json"))
    image = pictures.load_image(photo, (8, 8))[None] * 255
    np.testing.assert_allclose(
        [found["photos"][0]["probabilities"]],
        network.predict(image, verbose=0),
        atol=1e-6,
    )


@pytest.mark.parametrize("command", ["maps", "explain"])
def test_no_picture_is_written_over_what_the_command_reads(
    photo, other, tmp_path, monkeypatch, command
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link.png").symlink_to(photo)
    (tmp_path / "hard.png").hardlink_to(photo)
    (tmp_path / "model.png").symlink_to(other)
    before = photo.read_bytes(), other.read_bytes()
    for out in (photo, "photo.png", "link.png", "hard.png", "model.png"):
        for force in ([], ["--force"]):
            result = run(command, photo, "--model", other, "--out", out, *force)
            assert (result.exit_code, result.stdout) == (1, "")
            assert "which would be lost; choose another --out" in result.stderr
    assert run(command, "link.png", "--out", photo, "--force").exit_code == 1
    assert (photo.read_bytes(), other.read_bytes()) == before


@pytest.mark.parametrize("command", ["maps", "explain"])
def test_a_picture_that_is_there_is_replaced_only_by_force(photo, tmp_path, command):
    out = tmp_path / "out.png"
    out.write_text("mine")
    refused = run(command, photo, "--out", out)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert f"{out} is there already; choose another --out" in refused.stderr
    assert out.read_text() == "mine"
    forced = run(command, photo, "--out", out, "--force")
    assert forced.exit_code == 0, forced.output
    assert size_of(out) > (100, 100)


def test_maps_are_drawn_to_a_file(photo, other, tmp_path):
    out = tmp_path / "maps.png"
    ours = run("maps", photo, "--out", out)
    assert "16 maps of block1_relu" in ours.stdout
    assert size_of(out) > (200, 200)
    theirs = run("maps", photo, "--model", other, "--out", out, "--force")
    assert "4 maps of conv" in theirs.stdout
    unknown = run("maps", photo, "--layer", "block9", "--out", out, "--force")
    assert "no layer 'block9'" in unknown.stderr


@pytest.mark.parametrize(
    ("layers", "drawn"),
    [
        ([keras.layers.Conv2D(4, 3, name="conv"), keras.ops.silu], "silu"),
        (
            [
                keras.layers.Conv2D(4, 3, name="conv"),
                keras.layers.Conv2D(5, 3, name="grelu"),
            ],
            "4 maps of conv",
        ),
    ],
)
def test_maps_are_drawn_behind_the_activation_whatever_its_name(
    photo, tmp_path, layers, drawn
):
    image = maps = keras.Input((24, 24, 3))
    for layer in layers:
        maps = layer(maps)
    maps = keras.layers.Dense(2)(keras.layers.Flatten()(maps))
    keras.Model(image, maps).save(tmp_path / "own.keras")
    given = ["--model", tmp_path / "own.keras", "--white", "1"]
    result = run("maps", photo, *given, "--out", tmp_path / "maps.png")
    assert result.exit_code == 0, result.output
    assert drawn in result.stdout


def test_explain_draws_the_methods_asked_for_and_says_what_they_are(
    photo, other, tmp_path
):
    out = tmp_path / "explained.png"
    result = run(
        "explain", photo, "--method", "grad-cam,occlusion", "--target", "dog",
        "--out", out,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "dog: probability" in result.stdout
    assert "Grad-CAM at block3_relu for dog" in result.stdout
    assert "occlusion for dog, in logits" in result.stdout
    assert size_of(out) > (200, 100)
    result = run(
        "explain", photo, "--model", other, "--white", "255", "--method", "hires-cam",
        "--layer", "conv", "--target", "2", "--out", out, "--force",
    )  # fmt: skip
    assert "HiResCAM at conv for cow" in result.stdout


def test_explain_as_json_says_all_but_the_maps(photo, tmp_path):
    out = tmp_path / "explained.png"
    found = document(
        run("explain", photo, "--method", "grad-cam", "--target", "dog",
            "--out", out, "--json")
    )  # fmt: skip
    assert size_of(out) > (200, 100)
    network = load_network(SHIPPED)
    batch = pictures.load_image(photo, network.input_shape[1:3])[None]
    probability = explanations.class_probabilities(network, batch)[0, 1]
    expected = explanations.grad_cam(network, batch, "dog")
    assert found == {
        "network": str(SHIPPED),
        "photo": str(photo),
        "shown_as": SHOWN_AS_OURS,
        "class": 1,
        "class_name": "dog",
        "probability": pytest.approx(float(probability)),
        "logit": pytest.approx(float(expected.score[0])),
        "image_size": [96, 96],
        "picture": str(out),
        "explanations": [
            {
                "method": "grad-cam",
                "layer": "block3_relu",
                "units": expected.units,
                "signed": False,
                "map_size": [24, 24],
                "lowest": pytest.approx(float(expected.values.min())),
                "highest": pytest.approx(float(expected.values.max())),
            }
        ],
    }


def test_explain_says_how_exact_each_method_is(photo, tmp_path):
    given = [photo, "--out", tmp_path / "explained.png", "--target", "dog", "--method"]
    names = "integrated-gradients,smooth-grad,grad-cam"
    result = run("explain", *given, names)
    assert result.exit_code == 0, result.output
    _, walked, drawn, exact, _ = result.stdout.splitlines()
    number = r"−?\d\.\d\d"
    assert re.search(
        rf"in logits; logit of the baseline {number}; adds up to {number} of {number}$",
        walked,
    )
    assert re.search(r"; standard error \S+$", drawn)
    assert exact.endswith("in weighted activations")
    walked, drawn, exact = document(run("explain", *given, names, "--force", "--json"))[
        "explanations"
    ]
    assert walked["converged"] is True and isinstance(walked["gap"], float)
    assert drawn["standard_error"] > 0 and "gap" not in drawn
    assert not {"gap", "converged", "standard_error"} & exact.keys()


def test_explain_says_what_the_network_gives_to_the_baseline(photo, tmp_path):
    given = [photo, "--out", tmp_path / "explained.png", "--target", "dog", "--method"]
    names = "occlusion,lime,integrated-gradients,saliency"
    found = document(run("explain", *given, names, "--json"))["explanations"]
    covered, cut, walked, slopes = found
    # By default black stands in the place of pixels, of LIME's patches their mean.
    black = load_network(SHIPPED)(np.zeros((1, 96, 96, 3), np.float32))
    expected = pytest.approx(float(black[0, 1]), abs=1e-4)
    assert covered["baseline_logit"] == walked["baseline_logit"] == expected
    assert cut["baseline_logit"] != expected and "baseline_logit" not in slopes
    said = run("explain", *given, names, "--force").stdout
    logit = f"{walked['baseline_logit']:.2f}".replace("-", "−")
    assert said.count(f"; logit of the baseline {logit}") == 2
    assert said.count("logit of the baseline") == 3


def test_maps_below_zero_are_said_to_be_drawn_with_signs(photo, tmp_path):
    out = tmp_path / "maps.png"
    assert (
        "(blue below zero"
        in run("maps", photo, "--layer", "block1_conv", "--out", out).stdout
    )
    plain = run("maps", photo, "--out", out, "--force")
    assert plain.exit_code == 0 and "below zero" not in plain.stdout


def test_a_number_that_json_cannot_write_is_null(photo, tmp_path, monkeypatch):
    monkeypatch.setattr(
        explanations,
        "explain",
        lambda method, network, batch, target, **options: explanations.Explanation(
            values=np.full((1, 96, 96), [np.inf] * 95 + [2]),
            method=method,
            target="cat",
            layer=None,
            score=np.array([np.inf]),
            units="logits",
            image_size=(96, 96),
            signed=False,
        ),
    )
    monkeypatch.setattr(figures, "explanations_over_photo", lambda *_: Figure())
    out = tmp_path / "explained.png"
    found = document(run("explain", photo, "--method", "lime", "--out", out, "--json"))
    assert found["logit"] is None
    assert found["explanations"][0]["lowest"] == 2
    assert found["explanations"][0]["highest"] is None


def test_help_lists_every_method_of_the_package_and_which_take_a_layer():
    text = " ".join(run("explain", "--help").stdout.split())
    (_, listed) = text.split("Methods: ")
    for name, method in explanations.METHODS.items():
        kind = "for and against" if method.signed else "amounts alone"
        assert f"{name} {kind}" in listed
    takers = [name for name in explanations.METHODS if name.endswith(("cam", "++"))]
    assert listed.count("takes --layer") == len(takers)


def test_all_methods_are_drawn_each_with_the_bar_and_the_layer_that_it_takes(
    photo, tmp_path, monkeypatch
):
    asked = {}

    def explain(method, network, batch, target, **options):
        asked[method] = options
        return explanations.Explanation(
            np.ones((1, 9, 9)), method, 0, None, np.ones(1), "logits", (9, 9), False
        )

    monkeypatch.setattr(explanations, "explain", explain)
    monkeypatch.setattr(figures, "explanations_over_photo", lambda *_: Figure())
    out = tmp_path / "out.png"
    assert run("explain", photo, "--method", "all", "--out", out).exit_code == 0
    assert list(asked) == list(explanations.METHODS)
    with_bar = {name for name, options in asked.items() if options}
    assert with_bar == {"occlusion", "lime", "ablation-cam"}
    chosen = ["--method", "ablation-cam", "--layer", "any"]
    run("explain", photo, *chosen, "--out", out, "--force")
    assert asked["ablation-cam"] == {"progress": True, "layer": "any"}


def test_a_class_without_a_name_is_asked_for_by_its_number(photo, silent, tmp_path):
    out = tmp_path / "explained.png"
    asked = ["--model", silent, "--white", "1", "--method", "saliency", "--out", out]
    for target in "01":
        result = run("explain", photo, *asked, "--target", target, "--force")
        assert result.exit_code == 0, result.output
        assert f"saliency for {target}" in result.stdout
    result = run("explain", photo, *asked, "--target", "2", "--force")
    assert "there is no class 2; classes are 0 to 1" in result.stderr


def test_without_a_target_the_likeliest_class_is_explained(photo, other, tmp_path):
    out = tmp_path / "explained.png"
    result = run("explain", photo, "--method", "saliency", "--out", out)
    shares = run("predict", photo).stdout.split()
    likeliest = shares[1]
    assert f"saliency for {likeliest}" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--method", "magic"],
            "no method 'magic'; there are " + next(iter(explanations.METHODS)),
        ),
        (["--target", "horse"], "no class 'horse'; classes are 0 to 1, named cat, dog"),
        (["--method", "grad-cam", "--layer", "logits"], "'logits' has no maps"),
        (["--method", "grad-cam", "--layer", ""], "no layer ''"),
        (["--method", "grad-cam,saliency", "--layer", "block1_relu"], "to saliency"),
        (["--model", "none.keras"], "there is no network none.keras"),
    ],
)
def test_what_cannot_be_explained_is_refused_in_one_line(
    photo, tmp_path, arguments, message
):
    result = run("explain", photo, "--out", tmp_path / "out.png", *arguments)
    assert result.exit_code == 1
    assert message in result.stderr
    assert not (tmp_path / "out.png").exists()
