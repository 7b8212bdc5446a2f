"""Any picture is read as its file says, worked out here in NumPy, or is refused."""

import colorsys
import io
import struct

import numpy as np
import pytest
from PIL import Image

from cnnbook import pictures
from tests.conformance.picture_files import (
    GREY,
    GREY_ALPHA,
    PALETTE,
    RGB,
    RGB_ALPHA,
    png,
    tiff,
)

EXACT = 1e-6
ROUNDED = 1.5 / 255  # where Pillow computes with bytes
UPPER_BITS = 2 / 255  # where it reads 16 bits as 8, and composes them
LOSSY = 5 / 255  # of files that do not keep every pixel

RNG = np.random.default_rng(0)
ROWS, COLUMNS = 5, 7


def numbers(below, channels=None):
    """Random whole numbers: (H, W) or (H, W, C)."""
    shape = (ROWS, COLUMNS) if channels is None else (ROWS, COLUMNS, channels)
    return RNG.integers(0, below, shape).astype(np.uint32)


def on_white(colour, opacity):
    """Lay a colour (H, W, 3) or grey (H, W) on white, both in [0, 1]."""
    if colour.ndim == 3:
        opacity = opacity[..., None]
    return colour * opacity + 1 - opacity


def written(picture, file_format, **options):
    """Write a PIL image into bytes."""
    file = io.BytesIO()
    picture.save(file, format=file_format, **options)
    return file.getvalue()


def of_mode(mode, values):
    """Make a PIL image of any mode from its numbers: (H, W) or (H, W, C)."""
    kinds = {"I": "<i4", "F": "<f4", "I;16": "<u2", "I;16B": ">u2"}
    content = np.ascontiguousarray(values, kinds.get(mode, np.uint8)).tobytes()
    return Image.frombytes(mode, values.shape[1::-1], content)


def with_palette(picture, colours, mode="RGB"):
    """Give a PIL image the colours of its numbers: (256, 3) or (256, 4)."""
    picture.putpalette(colours.astype(np.uint8).ravel().tolist(), mode)
    return picture


def with_note(picture, **note):
    """Give a PIL image what a file says besides its pixels."""
    picture.info.update(note)
    return picture


BYTES = numbers(256)
ALPHA = numbers(256)
COLOURS = numbers(256, 3)
DEEP = numbers(2**16)
DEEP_COLOURS = numbers(2**16, 3)
FLOATS = RNG.random((ROWS, COLUMNS)).astype(np.float32)
BOOLS = numbers(2)
TABLE = RNG.integers(0, 256, (256, 3))
TABLE_OPACITY = RNG.integers(0, 256, 256)
FOUR = np.dstack([COLOURS, ALPHA])
KEY = int(BYTES[2, 3])

grey, opacity, colours = BYTES / 255, ALPHA / 255, COLOURS / 255
palette = TABLE[BYTES] / 255
keyed = np.where(BYTES == KEY, 1, grey)
keyed_palette = np.where((BYTES == KEY)[..., None], 1, palette)
# What is stored after each colour has been multiplied by its opacity.
STORED_GREY = (BYTES * ALPHA // 255).astype(int)
STORED = (COLOURS * ALPHA[..., None] // 255).astype(int)


def of_cmyk(inks):
    """Print: the paper shows what cyan, magenta, yellow and black leave of it."""
    return (1 - inks[..., :3] / 255) * (1 - inks[..., 3:] / 255)


def of_ycbcr(bytes_):
    """JFIF's formula, from ITU-R BT.601."""
    y, blue, red = np.moveaxis(bytes_ - np.array([0.0, 128, 128]), -1, 0)
    red, blue = y + 1.402 * red, y + 1.772 * blue
    green = (y - 0.299 * red - 0.114 * blue) / 0.587
    return np.stack([red, green, blue], axis=-1).clip(0, 255) / 255


def of_hsv(bytes_):
    """Hue, saturation and value, each a byte."""
    return np.apply_along_axis(lambda hsv: colorsys.hsv_to_rgb(*hsv), -1, bytes_ / 255)


def of_lab(bytes_):
    """CIE 1976 under D50, to sRGB by Bradford's adaptation (ICC)."""
    light, a, b = np.moveaxis(bytes_.astype(np.uint8), -1, 0)
    light, a, b = light / 2.55, a.view(np.int8) / 1, b.view(np.int8) / 1
    f = np.stack([(light + 16) / 116 + a / 500, (light + 16) / 116], axis=-1)
    f = np.dstack([f, f[..., 1] - b / 200])
    white = [0.9642, 1, 0.8249]
    xyz = white * np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29))
    to_linear = [
        [3.1338561, -1.6168667, -0.4906146],
        [-0.9787684, 1.9161415, 0.0334540],
        [0.0719453, -0.2289914, 1.4052427],
    ]
    linear = (xyz @ np.transpose(to_linear)).clip(0, 1)
    return np.where(
        linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear
    )


# Colours that a screen can show: not too dark, and not too far from grey.
LAB = np.dstack([numbers(128) + 80, numbers(32) - 16, numbers(32) - 16])

# Every mode of Pillow: how a picture is made, what it shows, and how exactly.
MODES = {
    "1": (lambda: Image.fromarray(BOOLS == 1), BOOLS, EXACT),
    "L": (lambda: of_mode("L", BYTES), grey, EXACT),
    "L with a transparent grey": (
        lambda: with_note(of_mode("L", BYTES), transparency=KEY),
        keyed,
        EXACT,
    ),
    "LA": (
        lambda: of_mode("LA", np.dstack([BYTES, ALPHA])),
        on_white(grey, opacity),
        EXACT,
    ),
    "La": (
        lambda: of_mode("La", np.dstack([STORED_GREY, ALPHA])),
        STORED_GREY / 255 + 1 - opacity,
        ROUNDED,
    ),
    "P": (lambda: with_palette(of_mode("P", BYTES), TABLE), palette, EXACT),
    "P with a transparent colour": (
        lambda: with_note(with_palette(of_mode("P", BYTES), TABLE), transparency=KEY),
        keyed_palette,
        EXACT,
    ),
    "P with opacities": (
        lambda: with_note(
            with_palette(of_mode("P", BYTES), TABLE),
            transparency=bytes(TABLE_OPACITY.tolist()),
        ),
        on_white(palette, TABLE_OPACITY[BYTES] / 255),
        EXACT,
    ),
    "P of RGBA": (
        lambda: with_palette(
            of_mode("P", BYTES), np.column_stack([TABLE, TABLE_OPACITY]), "RGBA"
        ),
        on_white(palette, TABLE_OPACITY[BYTES] / 255),
        EXACT,
    ),
    "PA": (
        lambda: with_palette(of_mode("PA", np.dstack([BYTES, ALPHA])), TABLE),
        on_white(palette, opacity),
        EXACT,
    ),
    "RGB": (lambda: of_mode("RGB", COLOURS), colours, EXACT),
    "RGB with a transparent colour": (
        lambda: with_note(
            of_mode("RGB", COLOURS), transparency=tuple(COLOURS[1, 2].tolist())
        ),
        np.where((COLOURS == COLOURS[1, 2]).all(-1, keepdims=True), 1, colours),
        EXACT,
    ),
    "RGBA": (lambda: of_mode("RGBA", FOUR), on_white(colours, opacity), EXACT),
    "RGBa": (
        lambda: of_mode("RGBa", np.dstack([STORED, ALPHA])),
        STORED / 255 + 1 - opacity[..., None],
        ROUNDED,
    ),
    "RGBX": (lambda: of_mode("RGBX", FOUR), colours, EXACT),
    "CMYK": (lambda: of_mode("CMYK", FOUR), of_cmyk(FOUR), ROUNDED),
    "YCbCr": (lambda: of_mode("YCbCr", COLOURS), of_ycbcr(COLOURS), ROUNDED),
    "LAB": (lambda: of_mode("LAB", LAB), of_lab(LAB), LOSSY),
    "HSV": (lambda: of_mode("HSV", COLOURS), of_hsv(COLOURS), ROUNDED),
    "I": (lambda: of_mode("I", DEEP), DEEP / 65535, EXACT),
    "I;16": (lambda: of_mode("I;16", DEEP), DEEP / 65535, EXACT),
    "I;16B": (lambda: of_mode("I;16B", DEEP), DEEP / 65535, EXACT),
    "F": (lambda: of_mode("F", FLOATS), FLOATS, EXACT),
}

# What the notes 1 to 8 of Exif ask for.
TURNS = {
    1: lambda image: image,
    2: np.fliplr,
    3: lambda image: np.rot90(image, 2),
    4: np.flipud,
    5: lambda image: np.flipud(np.rot90(image)),
    6: lambda image: np.rot90(image, -1),
    7: lambda image: np.fliplr(np.rot90(image)),
    8: np.rot90,
}


def chunk(name, *values):
    """A chunk of PNG, of numbers of two bytes."""
    return name, struct.pack(f">{len(values)}H", *values)


def png_grey(bits):
    """A grey PNG of so many bits, and what it shows."""
    values = numbers(2**bits)
    return png(GREY, bits, values), values / (2**bits - 1), EXACT


def png_key(bits):
    """A grey PNG of so many bits, of which one grey is transparent."""
    values = numbers(2**bits)
    key = values[3, 2]
    shown = np.where(values == key, 1, values / (2**bits - 1))
    return png(GREY, bits, values, before=[chunk(b"tRNS", key)]), shown, EXACT


def png_palette(bits, see_through=False):
    """A PNG of so many bits with a palette, and perhaps an opacity for each colour."""
    values = numbers(2**bits)
    before = [(b"PLTE", bytes(TABLE[: 2**bits].ravel().tolist()))]
    shown = TABLE[values] / 255
    if see_through:
        before += [(b"tRNS", bytes(TABLE_OPACITY[: 2**bits].tolist()))]
        shown = on_white(shown, TABLE_OPACITY[values] / 255)
    return png(PALETTE, bits, values, before=before), shown, EXACT


def tiff_grey(bits, black_is=0, order="<"):
    """A grey TIFF of so many bits."""
    values, white = numbers(2**bits), 2**bits - 1
    shown = abs(black_is - values / white)
    return tiff(values, bits, black_is=black_is, order=order), shown, EXACT


def tiff_signed(bits, order="<"):
    """A grey TIFF of numbers with a sign, none of them negative."""
    values, white = numbers(2 ** (bits - 1)).astype(int), 2 ** (bits - 1) - 1
    return tiff(values, bits, order=order), values / white, EXACT


def pgm(white):
    """A grey PGM that says what is white."""
    values = numbers(white + 1)
    text = " ".join(map(str, values.ravel()))
    shown = values / white
    within = ROUNDED if white < 256 else 1 / 65535
    return f"P2 {COLUMNS} {ROWS} {white}\n{text}\n".encode(), shown, within


def gif_of_a_part():
    """A GIF whose only frame is smaller than the picture, with no clear colour."""
    frame = written(with_palette(of_mode("P", BYTES), TABLE), "GIF")
    shown = np.ones((ROWS + 2, COLUMNS + 3, 3))
    shown[:ROWS, :COLUMNS] = palette
    return frame[:6] + struct.pack("<2H", COLUMNS + 3, ROWS + 2) + frame[10:], shown


def animated(file_format, **options):
    """A film of two pictures, of which the first is to be seen."""
    later = [of_mode("RGBA", FOUR[::-1])]
    first = of_mode("RGBA", FOUR)
    return written(
        first, file_format, save_all=True, append_images=later, **options
    ), on_white(colours, opacity)


def without_adobes_mark(jpeg):
    """Take out of a JPEG the segment that says it is Adobe's."""
    start = jpeg.index(b"\xff\xee")
    return (
        jpeg[:start] + jpeg[start + 2 + struct.unpack_from(">H", jpeg, start + 2)[0] :]
    )


# Even parts, of which lossy formats keep the colour.
SOLID = np.kron(RNG.integers(0, 256, (2, 3, 4)), np.ones((16, 16, 1), int))
solid = of_mode("RGB", SOLID[..., :3])
INKS = np.kron(RNG.integers(0, 256, (2, 3, 4)), np.ones((16, 16, 1), int))
PROFILE = b"\0\0\2\0lcms, but cut short"
UPPER = DEEP_COLOURS / 65535
DEEP_ALPHA = DEEP / 65535
DEEP_FOUR = np.dstack([DEEP_COLOURS, DEEP])
STORED_DEEP = np.dstack([DEEP_COLOURS * DEEP_ALPHA[..., None], DEEP]).astype(np.uint32)
KEYED = COLOURS[1, 2]
keyed_colours = np.where((COLOURS == KEYED).all(-1, keepdims=True), 1, colours)
lossless = {"lossless": True, "exact": True}
whole_colour = {"quality": 100, "subsampling": "4:4:4"}

# Every kind of file: its bytes, what it shows, and how exactly.
FILES = {
    "PNG, 1 bit": png_grey(1),
    "PNG, 2 bits": png_grey(2),
    "PNG, 4 bits": png_grey(4),
    "PNG, 8 bits": png_grey(8),
    "PNG, 16 bits": png_grey(16),
    "PNG, 1 bit, a transparent grey": png_key(1),
    "PNG, 2 bits, a transparent grey": png_key(2),
    "PNG, 4 bits, a transparent grey": png_key(4),
    "PNG, 8 bits, a transparent grey": png_key(8),
    "PNG, 16 bits, a transparent grey": png_key(16),
    "PNG, grey and opacity": (
        png(GREY_ALPHA, 8, np.dstack([BYTES, ALPHA])),
        on_white(grey, opacity),
        EXACT,
    ),
    "PNG, grey and opacity, 16 bits": (
        png(GREY_ALPHA, 16, np.dstack([DEEP, DEEP[::-1]])),
        on_white(DEEP / 65535, DEEP[::-1] / 65535),
        UPPER_BITS,
    ),
    "PNG, palette, 1 bit": png_palette(1),
    "PNG, palette, 2 bits": png_palette(2),
    "PNG, palette, 4 bits": png_palette(4),
    "PNG, palette, 8 bits": png_palette(8),
    "PNG, palette and opacities, 1 bit": png_palette(1, see_through=True),
    "PNG, palette and opacities, 2 bits": png_palette(2, see_through=True),
    "PNG, palette and opacities, 4 bits": png_palette(4, see_through=True),
    "PNG, palette and opacities, 8 bits": png_palette(8, see_through=True),
    "PNG, RGB": (png(RGB, 8, COLOURS), colours, EXACT),
    "PNG, RGB, a transparent colour": (
        png(RGB, 8, COLOURS, before=[chunk(b"tRNS", *KEYED)]),
        keyed_colours,
        EXACT,
    ),
    "PNG, RGB, 16 bits": (png(RGB, 16, DEEP_COLOURS), UPPER, UPPER_BITS),
    "PNG, RGBA": (png(RGB_ALPHA, 8, FOUR), on_white(colours, opacity), EXACT),
    "PNG, RGBA, 16 bits": (
        png(RGB_ALPHA, 16, DEEP_FOUR),
        on_white(UPPER, DEEP_ALPHA),
        UPPER_BITS,
    ),
    "PNG, interlaced": (png(RGB, 8, COLOURS, interlaced=True), colours, EXACT),
    "PNG, interlaced, 16 bits": (
        png(GREY, 16, DEEP, interlaced=True),
        DEEP / 65535,
        EXACT,
    ),
    "PNG with a gamma, which is not applied": (
        png(RGB, 8, COLOURS, before=[(b"gAMA", struct.pack(">I", 100_000))]),
        colours,
        EXACT,
    ),
    "PNG with a background, which is not used": (
        png(RGB_ALPHA, 8, FOUR, before=[chunk(b"bKGD", 9, 99, 199)]),
        on_white(colours, opacity),
        EXACT,
    ),
    "PNG with a profile, which is not applied": (
        written(of_mode("RGB", COLOURS), "PNG", icc_profile=PROFILE),
        colours,
        EXACT,
    ),
    "PNG, animated": (*animated("PNG"), EXACT),
    "PNG, animated, first frame cleared": (*animated("PNG", disposal=1), EXACT),
    "GIF": (
        written(with_palette(of_mode("P", BYTES), TABLE), "GIF"),
        palette,
        EXACT,
    ),
    "GIF, a transparent colour": (
        written(with_palette(of_mode("P", BYTES), TABLE), "GIF", transparency=KEY),
        keyed_palette,
        EXACT,
    ),
    "GIF, a frame smaller than the picture": (*gif_of_a_part(), EXACT),
    "GIF, animated, first frame cleared": (
        written(
            with_palette(of_mode("P", BYTES), TABLE),
            "GIF",
            save_all=True,
            append_images=[of_mode("L", BYTES)],
            disposal=2,
        ),
        palette,
        EXACT,
    ),
    "WebP": (written(of_mode("RGB", COLOURS), "WEBP", **lossless), colours, EXACT),
    "WebP, RGBA": (
        written(of_mode("RGBA", FOUR), "WEBP", **lossless),
        on_white(colours, opacity),
        EXACT,
    ),
    "WebP, lossy": (  # which halves the resolution of colours
        written(of_mode("L", SOLID[..., 0]), "WEBP", quality=100),
        SOLID[..., 0] / 255,
        LOSSY,
    ),
    "WebP, animated": (*animated("WEBP", **lossless), EXACT),
    "AVIF": (written(solid, "AVIF", **whole_colour), SOLID[..., :3] / 255, LOSSY),
    "AVIF, RGBA": (
        written(of_mode("RGBA", SOLID), "AVIF", **whole_colour),
        on_white(SOLID[..., :3] / 255, SOLID[..., 3] / 255),
        LOSSY,
    ),
    "JPEG": (written(solid, "JPEG", **whole_colour), SOLID[..., :3] / 255, LOSSY),
    "JPEG, grey": (
        written(of_mode("L", SOLID[..., 0]), "JPEG", **whole_colour),
        SOLID[..., 0] / 255,
        LOSSY,
    ),
    "JPEG, progressive": (
        written(solid, "JPEG", **whole_colour, progressive=True),
        SOLID[..., :3] / 255,
        LOSSY,
    ),
    "JPEG, RGB": (
        written(solid, "JPEG", **whole_colour, keep_rgb=True),
        SOLID[..., :3] / 255,
        LOSSY,
    ),
    "JPEG with a profile, which is not applied": (
        written(solid, "JPEG", **whole_colour, icc_profile=PROFILE),
        SOLID[..., :3] / 255,
        LOSSY,
    ),
    "JPEG, CMYK, Adobe's, which stores what is left of white": (
        written(of_mode("CMYK", INKS), "JPEG", **whole_colour),
        of_cmyk(INKS),
        LOSSY,
    ),
    "JPEG, CMYK without Adobe's mark, which programs take for Adobe's": (
        without_adobes_mark(written(of_mode("CMYK", INKS), "JPEG", **whole_colour)),
        of_cmyk(INKS),
        LOSSY,
    ),
    "JPEG 2000": (written(of_mode("RGB", COLOURS), "JPEG2000"), colours, EXACT),
    "JPEG 2000, RGBA": (
        written(of_mode("RGBA", FOUR), "JPEG2000"),
        on_white(colours, opacity),
        EXACT,
    ),
    "JPEG 2000, 16 bits": (
        written(of_mode("I;16", DEEP), "JPEG2000"),
        DEEP / 65535,
        EXACT,
    ),
    "TIFF, 1 bit": tiff_grey(1),
    "TIFF, 1 bit, 0 is white": tiff_grey(1, black_is=1),
    "TIFF, 4 bits": tiff_grey(4),
    "TIFF, 8 bits": tiff_grey(8),
    "TIFF, 8 bits, 0 is white": tiff_grey(8, black_is=1),
    "TIFF, 12 bits": tiff_grey(12),
    "TIFF, 16 bits": tiff_grey(16),
    "TIFF, 16 bits, high byte first": tiff_grey(16, order=">"),
    "TIFF, 16 bits, 0 is white": tiff_grey(16, black_is=1),
    "TIFF, 8 bits with a sign": tiff_signed(8),
    "TIFF, 16 bits with a sign": tiff_signed(16),
    "TIFF, 16 bits with a sign, high byte first": tiff_signed(16, order=">"),
    "TIFF, 32 bits of which 16 are used": (tiff(DEEP, 32), DEEP / 65535, EXACT),
    "TIFF, 32 bits with a sign, of which 16 are used": (
        tiff(DEEP.astype(int), 32, order=">"),
        DEEP / 65535,
        EXACT,
    ),
    "TIFF, floats": (tiff(FLOATS, 32), FLOATS, EXACT),
    "TIFF, floats, high byte first": (tiff(FLOATS, 32, order=">"), FLOATS, EXACT),
    "TIFF, floats, 0 is white": (tiff(FLOATS, 32, black_is=1), 1 - FLOATS, EXACT),
    "TIFF, palette": (
        tiff(BYTES, 8, photometric=3, t320=(TABLE.T * 257).ravel().tolist()),
        palette,
        EXACT,
    ),
    "TIFF, RGB": (tiff(COLOURS, 8, photometric=2), colours, EXACT),
    "TIFF, RGB, compressed": (
        written(of_mode("RGB", COLOURS), "TIFF", compression="tiff_lzw"),
        colours,
        EXACT,
    ),
    "TIFF, RGB, 16 bits": (tiff(DEEP_COLOURS, 16, photometric=2), UPPER, UPPER_BITS),
    "TIFF, RGB and opacity": (
        tiff(FOUR, 8, photometric=2, t338=[2]),
        on_white(colours, opacity),
        EXACT,
    ),
    "TIFF, RGB times opacity": (
        tiff(np.dstack([STORED.astype(np.uint32), ALPHA]), 8, photometric=2, t338=[1]),
        STORED / 255 + 1 - opacity[..., None],
        ROUNDED,
    ),
    "TIFF, RGB times opacity, 16 bits": (
        tiff(STORED_DEEP, 16, photometric=2, t338=[1], order=">"),
        on_white(UPPER, DEEP_ALPHA),
        2 * UPPER_BITS,
    ),
    "TIFF, RGB and something else": (
        tiff(FOUR, 8, photometric=2, t338=[0]),
        colours,
        EXACT,
    ),
    "TIFF, grey and opacity": (
        tiff(np.dstack([BYTES, ALPHA]), 8, t338=[2]),
        on_white(grey, opacity),
        EXACT,
    ),
    "TIFF, grey times opacity": (
        tiff(np.dstack([STORED_GREY.astype(np.uint32), ALPHA]), 8, t338=[1]),
        STORED_GREY / 255 + 1 - opacity,
        ROUNDED,
    ),
    "TIFF, CMYK": (tiff(FOUR, 8, photometric=5), of_cmyk(FOUR), ROUNDED),
    "TIFF, YCbCr": (tiff(COLOURS, 8, photometric=6), of_ycbcr(COLOURS), ROUNDED),
    "TIFF, LAB": (written(of_mode("LAB", LAB), "TIFF"), of_lab(LAB), LOSSY),
    "PGM, white is 7": pgm(7),
    "PGM, white is 1023": pgm(1023),
    "PGM, 16 bits": (written(of_mode("I;16", DEEP), "PPM"), DEEP / 65535, EXACT),
    "PFM": (written(of_mode("F", FLOATS), "PPM"), FLOATS, EXACT),
    "BMP": (written(of_mode("RGB", COLOURS), "BMP"), colours, EXACT),
    "BMP, palette": (
        written(with_palette(of_mode("P", BYTES), TABLE), "BMP"),
        palette,
        EXACT,
    ),
    "TGA, RGBA": (
        written(of_mode("RGBA", FOUR), "TGA", compression="tga_rle"),
        on_white(colours, opacity),
        EXACT,
    ),
    "QOI, RGBA": (
        written(of_mode("RGBA", FOUR), "QOI"),
        on_white(colours, opacity),
        EXACT,
    ),
    "ICO, RGBA": (
        written(of_mode("RGBA", SOLID), "ICO", sizes=[(48, 32)]),
        on_white(SOLID[..., :3] / 255, SOLID[..., 3] / 255),
        EXACT,
    ),
    "PCX": (written(of_mode("RGB", COLOURS), "PCX"), colours, EXACT),
    "SGI, RGBA": (
        written(of_mode("RGBA", FOUR), "SGI"),
        on_white(colours, opacity),
        EXACT,
    ),
    "DDS, RGBA": (
        written(of_mode("RGBA", FOUR), "DDS"),
        on_white(colours, opacity),
        EXACT,
    ),
    "SPIDER, floats": (written(of_mode("F", FLOATS), "SPIDER"), FLOATS, EXACT),
}


def as_shown(shown):
    """Give a grey its three equal channels: (H, W, 3)."""
    return shown if shown.ndim == 3 else np.repeat(shown[..., None], 3, axis=-1)


def check(source, shown, within):
    image = pictures.load_image(source)
    assert image.dtype == np.float32 and image.flags.c_contiguous
    assert image.min() >= 0 and image.max() <= 1
    assert image.shape == as_shown(shown).shape
    np.testing.assert_allclose(image, as_shown(shown), rtol=0, atol=within)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("note", TURNS)
def test_a_picture_of_any_mode_is_shown_upright_on_white(mode, note):
    make, shown, within = MODES[mode]
    picture = make()
    picture.getexif()[0x0112] = note
    check(picture, TURNS[note](np.asarray(shown)), within)


@pytest.mark.parametrize("kind", FILES)
def test_a_file_of_any_kind_shows_what_it_says(kind):
    check(*FILES[kind])


def turned(file_format, note):
    """A picture with a note of how to turn it."""
    options = {"TIFF": {}, "PNG": {}, "WEBP": lossless}.get(file_format, whole_colour)
    exif = Image.Exif()
    exif[0x0112] = note
    return written(solid, file_format, exif=exif, **options)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("note", TURNS)
def test_a_file_of_any_format_is_turned_as_its_note_asks(file_format, note):
    check(turned(file_format, note), TURNS[note](SOLID[..., :3] / 255), LOSSY)


def exif(*entries):
    """An Exif note of entries (tag, type, count, four bytes)."""
    content = b"".join(struct.pack(">2HI4s", *entry) for entry in entries)
    return b"MM\0*" + struct.pack(">IH", 8, len(entries)) + content + bytes(4)


SIDEWAYS = (0x0112, 3, 1, b"\0\6\0\0")
DAMAGED = {
    "not Exif": (b"garbage" * 4, 1),
    "cut in its head": (exif(SIDEWAYS)[:5], 1),
    "cut in an entry": (exif(SIDEWAYS)[:15], 1),
    "its entries lie elsewhere": (b"MM\0*\xff\xff\xff\xff" + bytes(20), 1),
    "a note that is no number": (exif((0x0112, 2, 2, b"6\0\0\0")), 1),
    "a note that is 9": (exif((0x0112, 3, 1, b"\0\x09\0\0")), 1),
    "a width that is no number": (exif((0x0100, 2, 1, b"x\0\0\0"), SIDEWAYS), 6),
}


def with_exif(file_format, content):
    """A picture with these bytes as its Exif, whatever they are."""
    if file_format == "PNG":
        values = SOLID[..., :3].astype(np.uint32)
        return png(RGB, 8, values, before=[(b"eXIf", content)])
    if file_format != "AVIF":
        options = lossless if file_format == "WEBP" else whole_colour
        return written(solid, file_format, exif=b"Exif\0\0" + content, **options)
    note = Image.Exif()
    note[0x010E] = "x" * len(content)
    whole = written(solid, "AVIF", **whole_colour, exif=note)
    start = whole.index(note.tobytes()[6:])
    return whole[:start] + content + whole[start + len(content) :]


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # that Exif is damaged
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("damage", DAMAGED)
def test_a_picture_is_read_though_its_exif_is_damaged(file_format, damage):
    content, note = DAMAGED[damage]
    if file_format == "AVIF":
        note = 1  # it has a note of its own, besides Exif
    shown = TURNS[note](SOLID[..., :3] / 255)
    check(with_exif(file_format, content), shown, LOSSY)


def claiming(rows, columns, start, data, packing):
    """Overwrite the size that a file claims."""
    size = struct.pack(packing, columns, rows)
    return data[:start] + size + data[start + len(size) :]


jpeg, gif, bmp = (written(solid, name) for name in ("JPEG", "GIF", "BMP"))

# What cannot be read right: a picture, and what the refusal says.
REFUSED = {
    "no bytes": (b"", "there are none"),
    "no picture": (b"a letter", "not a picture in a format that Pillow knows; if"),
    "PNG that claims too much": (
        png(GREY, 8, BYTES, claims=(60_000, 60_000)),
        "more pixels than the 89,478,485 .* smaller first",
    ),
    "GIF that claims too much": (
        claiming(65_535, 65_535, 6, gif, "<2H"),
        "more pixels than the 89,478,485 .* smaller first",
    ),
    "BMP that claims too much": (
        claiming(65_535, 65_535, 18, bmp, "<2i"),
        "more pixels than the 89,478,485 .* smaller first",
    ),
    "JPEG that claims too much": (
        claiming(65_000, 65_000, jpeg.index(b"\xff\xc0") + 5, jpeg, ">2H"),
        "more pixels than the 89,478,485 .* smaller first",
    ),
    "PNG, a transparent colour of 16 bits": (
        png(RGB, 16, DEEP_COLOURS, before=[chunk(b"tRNS", 1, 2, 3)]),
        "has 16 bits, of which Pillow reads 8; save it",
    ),
    "TIFF, 16 bits in planes": (
        tiff(DEEP_COLOURS, 16, photometric=2, t284=[2]),
        "separate planes, .*; save it interleaved, or with 8 bits",
    ),
    "TIFF, negative numbers of 8 bits": (
        tiff(np.full((2, 2), -100), 8),
        "whole numbers from -100 to -100, of which 0 must be black and 127 white",
    ),
    "TIFF, negative numbers of 16 bits": (
        tiff(np.full((2, 2), -100), 16),
        "from -100 to -100, of which 0 must be black and 32,767 white; scale",
    ),
    "TIFF, 32 bits": (
        tiff(np.full((2, 2), 4_000_000_000, np.uint32), 32),
        "to 4,000,000,000, of which 0 must be black and 65,535 white; scale",
    ),
    "I above 16 bits": (
        of_mode("I", np.full((2, 2), 65_536)),
        "to 65,536,.*65,535 white",
    ),
    "I below 0": (of_mode("I", np.full((2, 2), -1)), "whole numbers from -1 to -1"),
    "F above 1": (of_mode("F", FLOATS * 255), r"floats .* in \[0, 1\]; scale"),
    "F below 0": (of_mode("F", -FLOATS), r"floats .* in \[0, 1\]; scale"),
    "F, not a number": (of_mode("F", FLOATS * np.nan), r"from nan .* in \[0, 1\]"),
    "FITS, 16 bits": (
        b"".join(
            line.ljust(80).encode()
            for line in [
                "SIMPLE  =                    T",
                "BITPIX  =                   16",
                "NAXIS   =                    2",
                "NAXIS1  =                    2",
                "NAXIS2  =                    2",
                "END",
            ]
        ).ljust(2880)
        + bytes(2880),
        "FITS .* scale them to floats and pass the array",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_read_right_is_refused_in_one_sentence(kind):
    source, reason = REFUSED[kind]
    with pytest.raises(ValueError, match=f"^cannot read the .*: .*{reason}") as caught:
        pictures.load_image(source)
    assert "\n" not in str(caught.value) and ". " not in str(caught.value)


@pytest.mark.parametrize("kept", [0.3, 0.7, 0.95])
@pytest.mark.parametrize(
    "file_format",
    "AVIF BMP DDS GIF ICO JPEG JPEG2000 PCX PNG PPM QOI SGI TGA TIFF WEBP".split(),
)
def test_a_truncated_file_of_any_format_is_refused(file_format, kept):
    noise = np.random.default_rng(1).integers(0, 256, (48, 48, 3))
    data = written(of_mode("RGB", noise), file_format)
    with pytest.raises(ValueError, match=r"^cannot read the picture given as bytes: ."):
        pictures.load_image(data[: int(kept * len(data))])


@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "GIF", "BMP", "WEBP"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (400, 3), (3, 400)])
def test_a_picture_may_have_any_number_of_rows_and_columns(file_format, shape):
    values = np.arange(np.prod(shape)).reshape(shape) % 256
    options = lossless if file_format == "WEBP" else {}
    check(written(of_mode("L", values), file_format, **options), values / 255, EXACT)
