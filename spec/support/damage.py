"""Damage done to sound files, with knowledge of their fields; for fuzz specs."""

import gzip
import random
import struct
import zlib
from collections.abc import Callable

from spec.support.hostile_archives import summed

NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFE, 1 << 62)
MARKS = (b"PK\1\2", b"PK\3\4", b"PK\5\6")


def bits(data: bytearray, chance: random.Random) -> bytearray:
    """Change a few single bytes."""
    for _ in range(chance.randint(1, 6)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    return data


def cut(data: bytearray, chance: random.Random) -> bytearray:
    return data[: chance.randint(1, len(data))]


def doubled(data: bytearray, chance: random.Random) -> bytearray:
    """Repeat a part, or put it elsewhere."""
    start = chance.randrange(len(data))
    part = data[start : start + chance.choice((1, 12, 46, 512, 1024))]
    at = chance.randrange(len(data))
    return data[:at] + part * chance.choice((1, 1, 2, 40)) + data[at:]


def number(data: bytearray, chance: random.Random) -> bytearray:
    """Put an extreme number somewhere."""
    form = chance.choice(["<H", "<I", "<Q", ">H", ">I", ">Q"])
    value = chance.choice(NUMBERS) & ((1 << (8 * struct.calcsize(form))) - 1)
    return _put(data, chance.randrange(len(data)), struct.pack(form, value))


def _put(data: bytearray, at: int, part: bytes) -> bytearray:
    data[at : at + len(part)] = part
    return data


def tar_field(data: bytearray, chance: random.Random) -> bytearray:
    """Change a field of a tar header, and make its checksum right."""
    heads = [at for at in range(0, len(data) - 511, 512) if data[at + 257 : at + 262] == b"ustar"]
    if not heads:
        return bits(data, chance)
    at = chance.choice(heads)
    for _ in range(chance.randint(1, 3)):
        start, size = chance.choice(
            ((0, 100), (100, 8), (124, 12), (124, 12), (136, 12), (156, 1), (157, 100), (345, 155))
        )
        letter = chance.choice(b"01234567LKxgXSDVMNA").to_bytes(1, "big")
        noise = bytes(chance.randrange(256) for _ in range(size))
        extremes = (b"\xff" * size, b"\x80".ljust(size, b"\xff"), b"7" * size, bytes(size))
        kinds = (noise, letter.ljust(size, b"/"), *extremes)
        _put(data, at + start, chance.choice(kinds))
    data[at : at + 512] = summed(data[at : at + 512])
    return data


def zip_field(data: bytearray, chance: random.Random) -> bytearray:
    """Change a field of a zip's headers."""
    mark = chance.choice(MARKS)
    places = [at for at in range(len(data) - 3) if data[at : at + 4] == mark]
    if not places:
        return number(data, chance)
    value = chance.choice((*NUMBERS, chance.randrange(1 << 16)))
    at = chance.choice(places) + chance.choice(range(4, 46, 2))
    form = chance.choice(("<H", "<I"))
    return _put(data, at, struct.pack(form, value & ((1 << (8 * struct.calcsize(form))) - 1)))


def in_gzip(data: bytearray, chance: random.Random) -> bytearray:
    """Damage what is inside a gzip, and pack it again."""
    if data[:2] != b"\x1f\x8b":
        return bits(data, chance)
    try:
        inside = bytearray(gzip.decompress(bytes(data)))
    except (OSError, EOFError, zlib.error):
        return bits(data, chance)
    return bytearray(gzip.compress(bytes(chance.choice((tar_field, bits, doubled, cut))(inside, chance)), 1))


ARCHIVES: tuple[Callable[[bytearray, random.Random], bytearray], ...] = (
    bits, cut, doubled, number, tar_field, tar_field, zip_field, zip_field, in_gzip, in_gzip,
)  # fmt: skip


def damaged(
    seed: bytes, chance: random.Random, ways: tuple[Callable[[bytearray, random.Random], bytearray], ...]
) -> bytes:
    """Return a file to which one to three of the `ways` were done."""
    data = bytearray(seed)
    for _ in range(chance.randint(1, 3)):
        if data:
            data = chance.choice(ways)(data, chance)
    return bytes(data)


def tiff_field(data: bytearray, chance: random.Random) -> bytearray:
    """Change a field of an entry in a TIFF's first directory, or its values."""
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    if len(data) < 16:
        return bits(data, chance)
    (at,) = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)
    size, start = (20, at + 8) if big else (12, at + 2)
    if start + size > len(data):
        return number(data, chance)
    place = start + size * chance.randrange(max(1, min(24, (len(data) - start) // size)))
    value = chance.choice((*NUMBERS, chance.randrange(1 << 16)))
    offset, form = chance.choice(((0, "H"), (2, "H"), (4, "I"), (8, "I"), (8, "H"), (4, "Q") if big else (8, "I")))
    extreme = struct.pack(order + "d", chance.choice((float("nan"), float("inf"), -1e308, 1e308, 5e-324, 0.0, -1.0)))
    if chance.random() < 0.2:
        return _put(data, chance.randrange(0, len(data), 2), extreme)
    return _put(data, place + offset, struct.pack(order + form, value & ((1 << (8 * struct.calcsize(form))) - 1)))


RASTERS: tuple[Callable[[bytearray, random.Random], bytearray], ...] = (
    bits, cut, doubled, number, tiff_field, tiff_field, tiff_field, tiff_field,
)  # fmt: skip
