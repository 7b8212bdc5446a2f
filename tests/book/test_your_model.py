"""The commands of the chapter "Your model" do what it says, one after the other."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from cnnbook import commands, explanations, networks, pictures
from cnnbook.commands import cli
from cnnbook.networks import export

# The commands are run once, and take the longest.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("your-model")]

CHAPTER = Path(__file__).parents[2] / "book" / "your-model.md"
TEXT = CHAPTER.read_text("utf-8")
COMMANDS = re.findall(r"^    cnnbook (.*)$", TEXT, re.M)
EACH = 9  # pictures of a class


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the reader stands: a folder of pictures, and a photo."""
    folder = tmp_path_factory.mktemp("own")
    drawn = pictures.draw_pets(2 * EACH, size=48, difficulty=0.2)
    photos = {
        "cat": drawn.images[drawn.labels == 0],
        "dog": drawn.images[drawn.labels == 1],
        "neither": (pictures.photo_crops(EACH, (48, 48)) * 255).astype("uint8"),
    }
    for name, several in photos.items():
        (folder / "pictures" / name).mkdir(parents=True)
        for number, picture in enumerate(several):
            path = folder / "pictures" / name / f"{number}.png"
            Image.fromarray(picture).save(path)
    cat = (pictures.model_cat() * 255).astype("uint8")
    Image.fromarray(cat).save(folder / "cat.jpg")
    return folder


@pytest.fixture(scope="module")
def answers(folder):
    """What each command prints, by its name, run as they stand in the chapter."""
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for command in COMMANDS:
            result = CliRunner().invoke(commands.main, shlex.split(command))
            assert result.exit_code == 0, f"{command}\n{result.output}"
            found[command.split()[0]] = result.stdout
    return found


def test_the_chapter_goes_all_the_way(answers):
    assert list(answers) == ["train", "predict", "maps", "explain", "export"]


def test_the_network_is_trained_on_the_classes_that_the_folders_name(folder, answers):
    network = networks.load_classifier(folder / "my.keras")
    assert network.class_names == ("cat", "dog", "neither")
    assert network.input_shape == (None, 48, 48, 3)
    size = next(p for p in cli.train.params if p.name == "size")
    assert f"shrunk to: {size.default} by default" in " ".join(TEXT.split())
    pets = pictures.load_pets(folder / "pictures", size=48)
    assert {len(pets.validation), len(pets.test)} == {3}  # a tenth of each class
    assert "3 test pictures are right" in answers["train"]
    assert "95% interval" in answers["train"]


def test_the_photo_gets_a_probability_for_each_class(answers):
    shares = dict(re.findall(r"(cat|dog|neither) ([\d.]+)%", answers["predict"]))
    assert sum(map(float, shares.values())) == pytest.approx(100, abs=0.2)
    assert len(shares) == 3


def test_maps_and_explanations_are_drawn(folder, answers):
    assert "32 maps of block2_relu: maps.png" in answers["maps"]
    assert "occlusion for" in answers["explain"]
    assert "HiResCAM at block3_relu for" in answers["explain"]
    for name in ("maps.png", "why.png"):
        with Image.open(folder / name) as picture:
            assert len(set(picture.convert("L").tobytes())) > 50  # not blank


def test_the_exported_network_is_the_trained_one(folder, answers):
    assert "classes cat, dog, neither: my.js" in answers["export"]
    text = (folder / "my.js").read_text()
    written = json.loads(text.removeprefix(export.BEGINNING).removesuffix(export.END))
    network = networks.load_classifier(folder / "my.keras")
    assert written == networks.network_object(network, "my", "float16")
    assert written["classes"] == ["cat", "dog", "neither"]
    assert written["range"] == [0, 1]  # so that the page need not ask


def test_python_gives_the_same_answers_as_the_commands(folder, answers):
    network = networks.load_classifier(folder / "my.keras")
    photo = pictures.load_image(folder / "cat.jpg", size=(48, 48))
    shares = explanations.class_probabilities(network, photo[None])[0]
    for name, share in zip(network.class_names, shares, strict=True):
        assert f"{name} {share:.1%}" in answers["predict"]
    np.testing.assert_allclose(shares.sum(), 1, rtol=1e-5)
