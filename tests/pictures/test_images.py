"""Any picture gives the right pixels, or one clear sentence about why not."""

import io
import warnings

import numpy as np
import pytest
from PIL import Image
from skimage import transform

from cnnbook import pictures

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


@pytest.fixture
def corners():
    """A 20 × 30 picture with one red, green, blue and white quarter."""
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels[:10, :15], pixels[:10, 15:] = RED, GREEN
    pixels[10:, :15], pixels[10:, 15:] = BLUE, WHITE
    return pixels


def encoded(picture, **options):
    """Write a PIL image into bytes."""
    file = io.BytesIO()
    picture.save(file, **{"format": "PNG"} | options)
    return file.getvalue()


def test_path_bytes_file_picture_and_array_give_the_same_pixels(corners, tmp_path):
    path = tmp_path / "corners.png"
    path.write_bytes(encoded(Image.fromarray(corners)))
    expected = corners / np.float32(255)
    with open(path, "rb") as file:
        sources = [path, str(path), path.read_bytes(), file, Image.open(path), corners]
        for source in sources:
            image = pictures.load_image(source)
            assert image.dtype == np.float32
            np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize("mode", ["RGB", "P", "RGBA", "CMYK"])
def test_every_colour_mode_gives_the_same_colours(corners, mode):
    # CMYK has no PNG; TIFF keeps it without loss.
    file_format = "TIFF" if mode == "CMYK" else "PNG"
    data = encoded(Image.fromarray(corners).convert(mode), format=file_format)
    np.testing.assert_array_equal(pictures.load_image(data), corners / np.float32(255))


@pytest.mark.parametrize("mode", ["1", "L"])
def test_a_grey_picture_has_three_equal_channels(mode):
    grey = Image.fromarray(np.array([[0, 255]], np.uint8)).convert(mode)
    expected = np.repeat([[[0.0], [1.0]]], 3, axis=-1)
    np.testing.assert_array_equal(pictures.load_image(encoded(grey)), expected)


def test_sixteen_bits_keep_their_fine_steps():
    ramp = np.array([[0, 1, 32768, 65535]], np.uint16)
    image = pictures.load_image(encoded(Image.fromarray(ramp)))
    np.testing.assert_allclose(image[0, :, 0], ramp[0] / 65535, atol=1e-7)


def test_transparent_parts_are_laid_on_white():
    pixels = np.array([[[255, 0, 0, 255], [255, 0, 0, 0], [0, 0, 0, 51]]], np.uint8)
    image = pictures.load_image(encoded(Image.fromarray(pixels)))
    np.testing.assert_allclose(
        image[0], [[1, 0, 0], [1, 1, 1], [0.8, 0.8, 0.8]], atol=1e-6
    )


def test_a_transparent_palette_colour_is_laid_on_white(corners):
    palette = Image.fromarray(corners).quantize(4)
    red = palette.getpixel((0, 0))
    image = pictures.load_image(encoded(palette, transparency=red))
    np.testing.assert_array_equal(image[0, 0], [1, 1, 1])
    np.testing.assert_array_equal(image[0, -1], [0, 1, 0])


def test_a_photo_taken_sideways_is_turned_upright(corners):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90° clockwise to view
    sideways = Image.fromarray(np.rot90(corners))
    upright = pictures.load_image(encoded(sideways, exif=exif))
    np.testing.assert_array_equal(upright, corners / np.float32(255))


def test_an_animation_gives_its_first_frame(corners):
    frames = [Image.fromarray(corners), Image.fromarray(255 - corners)]
    data = encoded(frames[0], format="GIF", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(pictures.load_image(data), corners / np.float32(255))


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "empty"), (b"not a picture", "not a picture in a format")],
)
def test_a_file_that_is_no_picture_is_named_with_the_reason(tmp_path, content, reason):
    path = tmp_path / "broken.jpg"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"broken\.jpg.*{reason}"):
        pictures.load_image(path)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP"])
@pytest.mark.parametrize("kept", [0.2, 0.5, 0.9])
def test_a_truncated_file_is_named_with_the_reason(tmp_path, file_format, kept):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    data = encoded(Image.fromarray(noise), format=file_format)
    path = tmp_path / "half"
    path.write_bytes(data[: int(kept * len(data))])
    with pytest.raises(ValueError, match=r"cannot read .*half"):
        pictures.load_image(path)


def png_with_a_short_chunk():
    """Write a picture whose pixels are said to be 0 bytes long."""
    data = encoded(Image.new("RGB", (8, 8)))
    start = data.index(b"IDAT")
    return data[: start - 4] + bytes(4) + data[start:]


def avif_of_zeros():
    """Write a picture whose pixels, at the end of the file, are all overwritten."""
    data = encoded(Image.new("RGB", (64, 64), RED), format="AVIF")
    start = data.index(b"mdat") + 4
    return data[:start] + bytes(len(data) - start)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(png_with_a_short_chunk, id="PNG: SyntaxError"),
        pytest.param(avif_of_zeros, id="AVIF: RuntimeError"),
        pytest.param(lambda: b"P6 8 x 255\n" + bytes(192), id="PPM: ValueError"),
        pytest.param(lambda: b"\x01\xda\0\1\0\7" + bytes(506), id="SGI: ValueError"),
    ],
)
def test_whatever_a_decoder_raises_is_one_error_that_names_the_file(tmp_path, content):
    path = tmp_path / "odd.jpg"
    path.write_bytes(content())
    with pytest.raises(ValueError, match=r"^cannot read .*odd\.jpg: .") as caught:
        pictures.load_image(path)
    assert str(caught.value).count("cannot read") == 1


def test_a_path_that_no_disk_can_hold_is_named():
    with pytest.raises(ValueError, match=r"^cannot read a\x00b\.jpg: .*null"):
        pictures.load_image("a\0b.jpg")


@pytest.mark.parametrize("value", [-3.5, 255.0, np.nan])
def test_floats_out_of_range_in_a_file_are_named(tmp_path, value):
    path = tmp_path / "deep.tif"
    Image.fromarray(np.array([[0, value]], np.float32)).save(path)
    with pytest.raises(ValueError, match=r"^cannot read .*deep\.tif: .*in \[0, 1\]"):
        pictures.load_image(path)


def test_reading_leaves_the_warning_filters_alone(corners, monkeypatch):
    # They belong to all threads: to set and restore them in one disturbs the others.
    def refuse(*args, **options):
        raise AssertionError("changed the warning filters")

    for name in ("catch_warnings", "simplefilter", "filterwarnings"):
        monkeypatch.setattr(warnings, name, refuse)
    pictures.load_image(encoded(Image.fromarray(corners)))


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no picture at .*cat\.jpg"):
        pictures.load_image(tmp_path / "cat.jpg")
    with pytest.raises(ValueError, match="it is a folder"):
        pictures.load_image(tmp_path)


@pytest.mark.parametrize("side", [10_001, 20_000])  # Pillow warns, Pillow refuses
def test_a_decompression_bomb_is_refused_before_it_is_unpacked(tmp_path, side):
    path = tmp_path / "bomb.png"
    Image.new("1", (side, side)).save(path)
    assert path.stat().st_size < 100_000
    with pytest.raises(ValueError, match=r"cannot read .*bomb\.png.*pixels"):
        pictures.load_image(path)


def test_where_pillow_only_warns_of_a_bomb_it_is_refused_all_the_same(tmp_path):
    path = tmp_path / "bomb.png"
    Image.new("1", (10_001, 10_001)).save(path)
    with pytest.warns(Image.DecompressionBombWarning):
        with pytest.raises(
            ValueError, match=r"^cannot read .*bomb\.png: 10001 × 10001"
        ):
            pictures.load_image(path)


def test_a_crop_is_centred_and_keeps_the_proportions():
    # A bright square in the middle of a wide picture fills the square crop.
    pixels = np.zeros((40, 100, 3), np.float32)
    pixels[:, 30:70] = 1
    np.testing.assert_array_equal(pictures.load_image(pixels, size=(40, 40)), 1)


def test_resizing_agrees_with_scikit_image(rng):
    smooth = transform.resize(rng.random((8, 8, 3)), (80, 80), order=3, clip=True)
    smooth = smooth.clip(0, 1).astype("float32")
    ours = pictures.load_image(smooth, size=(40, 40))
    theirs = transform.resize(smooth, (40, 40), order=3, anti_aliasing=True)
    np.testing.assert_allclose(ours[2:-2, 2:-2], theirs[2:-2, 2:-2], atol=0.01)


def test_shrinking_does_not_alias():
    fine_stripes = np.tile(np.array([0, 1], np.float32), (64, 32))
    grey = pictures.load_image(fine_stripes, size=(16, 16))
    np.testing.assert_allclose(grey[2:-2, 2:-2], 0.5, atol=0.05)


@pytest.mark.parametrize(
    ("pixels", "reason"),
    [
        (np.zeros((4, 4, 2)), "shape"),
        (np.zeros((0, 4, 3)), "at least one pixel"),
        (np.full((4, 4), 255.0), "Divide 0–255 by 255"),
        (np.full((4, 4), np.nan), r"lie in \[0, 1\]"),
        (np.zeros((4, 4), int), "unsigned integers or floats"),
    ],
)
def test_an_array_that_is_no_image_is_refused(pixels, reason):
    with pytest.raises(ValueError, match=reason):
        pictures.load_image(pixels)


@pytest.mark.parametrize("size", [96, (96,), (0, 96), (96, 9.5), "96"])
def test_a_size_that_is_no_pair_of_lengths_is_refused(size):
    with pytest.raises(ValueError, match=r"size must be two positive whole numbers"):
        pictures.model_cat(size)


def test_a_source_of_another_kind_is_refused():
    with pytest.raises(ValueError, match="got dict"):
        pictures.load_image({})


def test_the_model_cat_is_scikit_images_chelsea():
    from skimage import data

    cat = pictures.model_cat()
    np.testing.assert_array_equal((cat * 255).round().astype("uint8"), data.chelsea())


def test_crops_come_from_each_photo_in_turn_and_the_same_for_a_seed():
    crops = pictures.photo_crops(30, size=(24, 32), seed=1)

    np.testing.assert_array_equal(crops, pictures.photo_crops(30, (24, 32), seed=1))
    assert not np.array_equal(crops, pictures.photo_crops(30, (24, 32), seed=2))
    assert 0 <= crops.min() and crops.max() <= 1
    night = crops[2::3].mean(axis=(1, 2))  # the rocket starts at dusk
    assert (night[:, 2] > night[:, 0]).all()  # more blue than red
    coffee = crops[1::3].mean(axis=(1, 2))
    assert (coffee[:, 0] > coffee[:, 2]).all()  # and coffee is brown


@pytest.mark.parametrize("size", [None, (300, 451), (96, 96), (224, 224), (60, 90)])
def test_the_cats_parts_are_where_they_say_in_a_picture_of_any_size(size):
    cat, parts = pictures.model_cat(size), pictures.model_cat_parts(size)
    assert list(parts) == ["ear", "right eye", "left eye", "nose"]
    red = {name: cat[window].mean(axis=(0, 1)) for name, window in parts.items()}

    # A green eye on either side, between them and below a nose that is far redder.
    for eye in ("right eye", "left eye"):
        assert red["nose"][0] - red["nose"][1] > red[eye][0] - red[eye][1] + 0.05
        assert parts[eye][0].stop < parts["nose"][0].start
        pupil = cat[parts[eye]].mean(axis=-1).min()
        assert pupil < 0.15
    assert parts["right eye"][1].stop < parts["nose"][1].stop < parts["ear"][1].start
    for rows, columns in parts.values():
        assert 0 <= rows.start < rows.stop <= cat.shape[0]
        assert 0 <= columns.start < columns.stop <= cat.shape[1]


def test_parts_outside_a_narrow_picture_are_left_out():
    assert "ear" not in pictures.model_cat_parts((96, 48))
