"""Write PNG and TIFF files by hand, of kinds that Pillow does not write."""

import struct
import zlib

import numpy as np

# Of the seven passes of an interlaced PNG: first row, first column, and steps.
PASSES = [
    (0, 0, 8, 8),
    (0, 4, 8, 8),
    (4, 0, 8, 4),
    (0, 2, 4, 4),
    (2, 0, 4, 2),
    (0, 1, 2, 2),
    (1, 0, 2, 1),
]
GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6  # PNG's kinds of colour


def packed(numbers, bits, order=">"):
    """Lay rows of numbers side by side in as few bytes as they need: (H, bytes)."""
    rows = np.asarray(numbers).reshape(len(numbers), -1)
    if bits >= 8 and bits != 12:
        kind = "f" if rows.dtype.kind == "f" else "i" if rows.min() < 0 else "u"
        return np.ascontiguousarray(rows, f"{order}{kind}{bits // 8}").view(np.uint8)
    digits = rows[..., None] >> np.arange(bits - 1, -1, -1) & 1
    return np.packbits(digits.astype(bool).reshape(len(rows), -1), axis=1)


def png(kind, bits, numbers, *, before=(), interlaced=False, claims=None):
    """Write numbers (H, W) or (H, W, C), after chunks given as (name, content).

    It may claim to have other numbers of rows and columns.
    """
    rows, columns = claims or numbers.shape[:2]
    parts = (
        [numbers[top::down, left::right] for top, left, down, right in PASSES]
        if interlaced
        else [numbers]
    )
    lines = [row for part in parts if part.size for row in packed(part, bits)]
    # Before each line stands how it is filtered: not at all.
    pixels = zlib.compress(b"".join(b"\0" + line.tobytes() for line in lines))
    header = struct.pack(">2I5B", columns, rows, bits, kind, 0, 0, interlaced)
    chunks = [(b"IHDR", header), *before, (b"IDAT", pixels), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
        for name, content in chunks
    )


def tiff(numbers, bits, *, black_is=0, photometric=None, order="<", **tags):
    """Write numbers (H, W) or (H, W, C); further tags are t and their number.

    Whether numbers are floats or have signs is told by their type.
    """
    rows, columns, channels = *numbers.shape[:2], numbers[0, 0].size
    pixels = packed(numbers, bits, order).tobytes()
    photometric = (not black_is) if photometric is None else photometric
    sample = {"f": 3, "i": 2}.get(numbers.dtype.kind, 1)
    shorts = {
        258: [bits] * channels,
        262: [int(photometric)],
        277: [channels],
        339: [sample] * channels,
        **{int(name[1:]): value for name, value in tags.items()},
    }
    longs = {256: [columns], 257: [rows], 273: [8], 278: [rows], 279: [len(pixels)]}
    entries, after = b"", b""
    numbers_of = sorted((longs | shorts).items())
    start = 8 + len(pixels)
    end = start + 2 + 12 * len(numbers_of) + 4
    for tag, values in numbers_of:
        letter, kind = ("I", 4) if tag in longs else ("H", 3)
        content = struct.pack(f"{order}{len(values)}{letter}", *values)
        if len(content) > 4:
            content, place = b"", struct.pack(f"{order}I", end + len(after))
            after += struct.pack(f"{order}{len(values)}{letter}", *values)
        else:
            place = content.ljust(4, b"\0")
        entries += struct.pack(f"{order}2HI", tag, kind, len(values)) + place
    head = b"II*\0" if order == "<" else b"MM\0*"
    directory = struct.pack(f"{order}H", len(numbers_of)) + entries + bytes(4)
    return head + struct.pack(f"{order}I", start) + pixels + directory + after
