"""A picture is cut, stretched or filled up to a size, and says when little is left."""

import io
import warnings

import numpy as np
import pytest
from PIL import Image
from skimage import transform

from cnnbook import pictures


@pytest.fixture
def wide(rng):
    """A smooth picture, twice as wide as high."""
    smooth = transform.resize(rng.random((6, 12, 3)), (60, 120), order=3, clip=True)
    return smooth.clip(0, 1).astype("float32")


def pillows(image, size, box=None):
    """Resize all of an image, or what is in a box, channel by channel."""
    channels = [
        Image.fromarray(channel).resize(size[::-1], Image.Resampling.BICUBIC, box)
        for channel in np.ascontiguousarray(np.moveaxis(image, -1, 0))
    ]
    return np.stack(channels, axis=-1).clip(0, 1)


def test_a_crop_is_the_default_and_the_middle_of_the_picture(wide):
    cut = pictures.load_image(wide, (20, 20))
    np.testing.assert_array_equal(cut, pictures.load_image(wide, (20, 20), fit="crop"))
    np.testing.assert_array_equal(cut, pillows(wide, (20, 20), (30, 0, 90, 60)))


@pytest.mark.parametrize("size", [(20, 20), (90, 30), (120, 240)])
def test_stretched_it_is_all_there_and_out_of_proportion(wide, size):
    stretched = pictures.load_image(wide, size, fit="stretch")
    np.testing.assert_array_equal(stretched, pillows(wide, size))


@pytest.mark.slow
def test_stretching_is_what_keras_does_when_it_loads_a_picture(wide, tmp_path):
    import keras

    path = tmp_path / "wide.png"
    Image.fromarray((wide * 255).round().astype("uint8")).save(path)
    theirs = keras.utils.load_img(path, target_size=(90, 30), interpolation="bicubic")
    ours = pictures.load_image(path, (90, 30), fit="stretch")
    np.testing.assert_allclose(ours, np.asarray(theirs) / 255, atol=2 / 255)


@pytest.mark.parametrize(
    ("size", "rows", "columns"),
    [
        ((30, 30), slice(7, 22), slice(0, 30)),  # 15 rows of 30, and black above
        ((30, 80), slice(0, 30), slice(10, 70)),
        ((30, 60), slice(0, 30), slice(0, 60)),
    ],
)
def test_padded_it_is_all_there_in_the_middle_of_a_black_picture(
    wide, size, rows, columns
):
    padded = pictures.load_image(wide, size, fit="pad")
    inside = np.zeros(size, bool)
    inside[rows, columns] = True
    shape = rows.stop - rows.start, columns.stop - columns.start
    np.testing.assert_array_equal(padded[rows, columns], pillows(wide, shape))
    assert (padded[~inside] == 0).all()


@pytest.mark.parametrize("fit", ["stretch", "pad"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (400, 3)])
def test_all_of_a_thin_picture_is_shown_without_a_word(fit, shape):
    image = pictures.load_image(np.ones(shape), (96, 48), fit=fit)
    assert image.shape == (96, 48, 3) and image.max() == 1


@pytest.mark.parametrize("fit", ["crop", "stretch", "pad"])
def test_without_a_size_a_picture_keeps_its_own(wide, fit):
    np.testing.assert_array_equal(pictures.load_image(wide, fit=fit), wide)


@pytest.mark.parametrize("fit", ["fill", None, True])
@pytest.mark.parametrize("size", [None, (8, 8)])
def test_another_way_to_fit_is_refused(wide, fit, size):
    with pytest.raises(ValueError, match='"crop", "stretch" or "pad"; got '):
        pictures.load_image(wide, size, fit=fit)


@pytest.mark.parametrize(
    ("shape", "size", "left"),
    [
        ((3, 400), (96, 96), r"leaves 3 × 3 \(0\.8%\); pass fit=\"pad\" or fit="),
        ((400, 30), (96, 96), r"leaves 30 × 30 \(7\.5%\); pass fit=\"pad\" or fit="),
        ((60, 60), (10, 200), r"leaves 3 × 60 \(5\.0%\); pass fit=\"pad\" or fit="),
        ((1, 1), (96, 96), r"leaves 1 × 1 \(100\.0%\); pass a larger picture$"),
        ((2, 3), (96, 96), r"leaves 2 × 2 \(66\.7%\); pass a larger picture$"),
    ],
)
def test_a_crop_that_leaves_almost_nothing_says_how_much(shape, size, left):
    whole = f"of the {shape[0]} × {shape[1]} pixels of the array, a crop .*"
    with pytest.warns(UserWarning, match=whole + left) as caught:
        image = pictures.load_image(np.ones(shape), size)
    assert image.shape == (*size, 3)
    assert [warning.filename for warning in caught] == [__file__]


def test_such_a_warning_names_the_file(tmp_path):
    path = tmp_path / "line.png"
    Image.new("L", (400, 3)).save(path)
    with pytest.warns(UserWarning, match=r"pixels of .*line\.png, a crop"):
        pictures.load_image(path, (96, 96))
    file = io.BytesIO(path.read_bytes())
    with pytest.warns(UserWarning, match="pixels of the picture file, a crop"):
        pictures.load_image(file, (96, 96))


@pytest.mark.parametrize(
    ("shape", "size"), [((60, 90), (96, 96)), ((3, 4), (3, 3)), ((40, 360), (96, 96))]
)
def test_a_crop_that_leaves_something_goes_without_a_word(shape, size):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pictures.load_image(np.ones(shape), size)
