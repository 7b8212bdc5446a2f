"""Classes are named as Keras names them, and what is missing for that is said."""

import numpy as np
import pytest

from cnnbook import networks, storage
from tests.networks.vgg_files import (
    TOP,
    empty_vgg19,
    publish,
    write_class_index,
    write_file,
)

TABBY, TIGER_CAT, EGYPTIAN_CAT = 281, 282, 285
NAMES = {"281": "tabby", "282": "tiger_cat", "285": "Egyptian_cat", "134": "crane"}


@pytest.fixture(autouse=True)
def keras_home(monkeypatch, tmp_path):
    """An empty cache of Keras's, and no weights chosen."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.delenv("CNNBOOK_VGG19_WEIGHTS", raising=False)
    return tmp_path / "keras"


@pytest.fixture
def class_index(monkeypatch, tmp_path):
    index = write_class_index(tmp_path / "classes.json", NAMES)
    publish(monkeypatch, "imagenet-classes", index)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Weights files of VGG19's layout without and with its top, all zeros."""
    folder = tmp_path_factory.mktemp("weights")
    top = {name: [shape, shape[1:]] for name, shape in TOP.items()}
    return {
        "vgg19": write_file(folder / "notop.h5", empty_vgg19()),
        "vgg19-top": write_file(folder / "full.h5", empty_vgg19() | top),
    }


def unmoved(probabilities, activation="softmax", name=None):
    """A model with these probabilities for a few classes, whatever it sees."""
    import keras
    from keras import layers

    rest = (1 - sum(probabilities.values())) / (1000 - len(probabilities))
    wanted = np.full(1000, rest)
    wanted[list(probabilities)] = list(probabilities.values())
    end = layers.Dense(1000, activation)
    model = keras.Sequential([keras.Input((2, 2, 3), name=name), layers.Flatten(), end])
    end.set_weights([np.zeros((12, 1000)), np.log(wanted)])
    return model


CAT = np.full((2, 2, 3), 0.5, "float32")


# The names


def test_names_come_in_the_order_of_the_numbers_with_spaces(class_index):
    names = networks.imagenet_classes()
    assert len(names) == 1000
    assert names[TABBY : EGYPTIAN_CAT + 1] == (
        "tabby", "tiger cat", "class 283", "class 284", "Egyptian cat",
    )  # fmt: skip
    assert (names[0], names[10], names[999]) == ("class 0", "class 10", "class 999")


def test_without_the_file_the_error_says_what_to_fetch():
    with pytest.raises(
        FileNotFoundError, match=r"`cnnbook fetch imagenet-classes` \(35 kB\)"
    ):
        networks.imagenet_classes()


def test_a_file_that_keras_did_not_publish_is_refused(keras_home):
    (keras_home / "models").mkdir(parents=True)
    write_class_index(storage.destination(storage.REGISTRY["imagenet-classes"]))
    with pytest.raises(
        ValueError, match=r"not the file that Keras.*`cnnbook fetch imagenet-classes`"
    ):
        networks.imagenet_classes()


# The strongest classes


def test_the_most_probable_classes_come_first_with_their_probabilities(class_index):
    model = unmoved({TIGER_CAT: 0.25, EGYPTIAN_CAT: 0.125, TABBY: 0.5})
    names, probabilities = zip(*networks.top_classes(model, CAT, 3), strict=True)
    assert names == ("tabby", "tiger cat", "Egyptian cat")
    np.testing.assert_allclose(probabilities, (0.5, 0.25, 0.125), rtol=1e-5)


def test_five_classes_are_named_unless_another_number_is_asked_for(class_index):
    model = unmoved({TABBY: 0.5})
    five = networks.top_classes(model, CAT)
    assert [name for name, _ in five] == [
        "tabby", "class 0", "class 1", "class 2", "class 3",
    ]  # fmt: skip
    everything = networks.top_classes(model, CAT, 1000)
    assert sum(probability for _, probability in everything) == pytest.approx(1)
    assert sorted(name for name, _ in everything) == sorted(networks.imagenet_classes())


def test_the_picture_decides(class_index):
    """Red speaks for the tabby, blue for the tiger cat: e⁴ to 1 over 998 others."""
    model = unmoved({})
    kernel = np.zeros((2, 2, 3, 1000))
    kernel[:, :, 0, TABBY] = kernel[:, :, 2, TIGER_CAT] = 1
    model.layers[-1].set_weights([kernel.reshape(12, 1000), np.zeros(1000)])
    for channel, name in ((0, "tabby"), (2, "tiger cat")):
        image = np.zeros((2, 2, 3))
        image[..., channel] = 1
        ((best, probability),) = networks.top_classes(model, image, 1)
        assert best == name
        assert probability == pytest.approx(np.exp(4) / (np.exp(4) + 999), rel=1e-5)


def test_half_precision_changes_no_name(class_index):
    import keras

    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = unmoved({TABBY: 0.5, EGYPTIAN_CAT: 0.25})
    finally:
        keras.config.set_dtype_policy("float32")
    (tabby, half), (egyptian, quarter) = networks.top_classes(model, CAT, 2)
    assert (tabby, egyptian) == ("tabby", "Egyptian cat")
    # Most logits lie near -8, where neighbouring numbers are 1/128 apart.
    np.testing.assert_allclose((half, quarter), (0.5, 0.25), rtol=1 / 128)


def test_a_network_without_classes_is_told_how_to_get_them(class_index):
    with pytest.raises(
        ValueError, match=r"\(None, None, None, 512\).*include_top=True"
    ):
        networks.top_classes(networks.load_vgg19("untrained"), np.zeros((32, 32, 3)))


def test_logits_are_not_taken_for_probabilities(class_index):
    with pytest.raises(ValueError, match=r"must give probabilities; .* softmax"):
        networks.top_classes(unmoved({TABBY: 0.5}, activation=None), CAT)


def test_a_picture_that_is_not_a_number_has_no_classes(class_index):
    model = unmoved({TABBY: 0.5})
    with pytest.raises(ValueError, match="add up to nan"):
        networks.top_classes(model, np.full((2, 2, 3), np.nan))


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (CAT[None], r"got shape \(1, 2, 2, 3\): of a batch, pass images\[0\]"),
        (CAT[:1], r"takes images of shape \(N, 2, 2, 3\); got shape \(1, 1, 2, 3\)"),
        (255 * CAT, "divide by 255"),
    ],
)
def test_a_picture_that_does_not_fit_is_refused(class_index, image, message):
    model = unmoved({TABBY: 0.5}, name="intensities")
    with pytest.raises(ValueError, match=message):
        networks.top_classes(model, image)


@pytest.mark.parametrize("count", [0, -1, 1001, 2.5, 5.0, "5", None])
def test_a_count_that_is_none_is_refused(class_index, count):
    with pytest.raises(ValueError, match="from 1 to 1,000; got"):
        networks.top_classes(unmoved({TABBY: 0.5}), CAT, count)


# What is missing


def test_on_a_bare_machine_the_full_weights_are_missing():
    assert networks.before_imagenet() == "run `cnnbook fetch vgg19-top` (575 MB)"


def test_weights_without_the_top_leave_the_full_ones_missing(files, monkeypatch):
    publish(monkeypatch, "vgg19", files["vgg19"])
    assert networks.before_imagenet() == "run `cnnbook fetch vgg19-top` (575 MB)"


def test_a_download_cut_short_is_still_missing(class_index):
    storage.destination(storage.REGISTRY["vgg19-top"]).write_bytes(b"\x89HDF\r\n\x1a\n")
    assert networks.before_imagenet() == "run `cnnbook fetch vgg19-top` (575 MB)"


def test_only_the_names_may_be_missing(files, monkeypatch):
    publish(monkeypatch, "vgg19-top", files["vgg19-top"])
    assert networks.before_imagenet() == "run `cnnbook fetch imagenet-classes` (35 kB)"


def test_nothing_is_missing_when_full_weights_and_names_are_here(
    class_index, files, monkeypatch
):
    publish(monkeypatch, "vgg19-top", files["vgg19-top"])
    assert networks.before_imagenet() == ""


def test_a_chosen_full_file_serves_as_well_as_keras_s(class_index, files, monkeypatch):
    monkeypatch.setenv("CNNBOOK_VGG19_WEIGHTS", str(files["vgg19-top"]))
    assert networks.before_imagenet() == ""


def test_a_chosen_file_without_the_top_hides_the_full_one(
    class_index, files, monkeypatch
):
    """As for load_vgg19, what the reader chose comes first."""
    publish(monkeypatch, "vgg19-top", files["vgg19-top"])
    monkeypatch.setenv("CNNBOOK_VGG19_WEIGHTS", str(files["vgg19"]))
    with pytest.raises(ValueError, match="no class head"):
        networks.load_vgg19(include_top=True)
    assert networks.before_imagenet() == (
        "unset `CNNBOOK_VGG19_WEIGHTS`, whose file has no class head, and run "
        "`cnnbook fetch vgg19-top` (575 MB)"
    )


@pytest.mark.parametrize("content", [None, b"not weights"])
def test_a_chosen_file_that_is_unusable_has_no_classes(
    class_index, monkeypatch, tmp_path, content
):
    monkeypatch.setenv("CNNBOOK_VGG19_WEIGHTS", str(tmp_path / "mine.h5"))
    if content:
        (tmp_path / "mine.h5").write_bytes(content)
    assert networks.before_imagenet().startswith("unset `CNNBOOK_VGG19_WEIGHTS`")


def test_a_chosen_full_file_needs_the_names_too(files, monkeypatch):
    monkeypatch.setenv("CNNBOOK_VGG19_WEIGHTS", str(files["vgg19-top"]))
    assert networks.before_imagenet() == "run `cnnbook fetch imagenet-classes` (35 kB)"
