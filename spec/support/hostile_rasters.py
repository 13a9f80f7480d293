"""Small TIFFs that lie about their pixels or their place, and sound ones that a fuzz spec damages."""

import math
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from rasterio import Affine
from rasterio.io import MemoryFile

SCALE, TIEPOINT, WIDTH, HEIGHT, BITS, STRIPS, ROWS, COUNTS = 33550, 33922, 256, 257, 258, 273, 278, 279
COMPRESSION, SAMPLES, TILE_WIDTH, TILE_HEIGHT, GEOKEYS = 259, 277, 322, 323, 34735
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}


def tiff(values: Any = None, **options: Any) -> bytes:
    """Return a sound GeoTIFF of values (rows, columns), or (bands, rows, columns)."""
    values = np.arange(1, 10, dtype="f4").reshape(3, 3) if values is None else values
    bands = values if values.ndim == 3 else values[np.newaxis]
    place = Affine(1, 0, 0, 0, -1, bands.shape[1])
    with MemoryFile() as memory:
        with memory.open(driver="GTiff", count=len(bands), height=bands.shape[1], width=bands.shape[2],
                         dtype=bands.dtype, crs="EPSG:4326", transform=place, **options) as file:  # fmt: skip
            file.write(bands)
        return bytes(memory.read())


def sparse(side: int) -> bytes:
    """Return a TIFF of side x side pixels without one of them in it."""
    with MemoryFile() as memory:
        with memory.open(driver="GTiff", count=1, height=side, width=side, dtype="u1", crs="EPSG:4326", tiled=True,
                         blockxsize=16384, blockysize=16384, SPARSE_OK="TRUE", BIGTIFF="YES",
                         transform=Affine(3 / side, 0, 0, 0, -3 / side, 3)):  # fmt: skip
            pass
        return bytes(memory.read())


def entries(data: bytes) -> Iterator[tuple[int, int, int, int, int]]:
    """Yield tag, type, count, place of the entry and place of its values, of the first directory of a classic TIFF."""
    order = "<" if data[:2] == b"II" else ">"
    (at,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, at)
    for place in range(at + 2, at + 2 + 12 * count, 12):
        tag, kind, n = struct.unpack_from(order + "HHI", data, place)
        inside = n * SIZES.get(kind, 1) <= 4
        yield tag, kind, n, place, place + 8 if inside else struct.unpack_from(order + "I", data, place + 8)[0]


def put(data: bytes, tag: int, form: str, *values: float) -> bytes:
    """Return a TIFF in which the first values of a tag are others."""
    for one, _, _, _, at in entries(data):
        if one == tag:
            return data[:at] + struct.pack(form, *values) + data[at + struct.calcsize(form) :]
    raise AssertionError(f"no tag {tag}")


def counted(data: bytes, tag: int, count: int) -> bytes:
    """Return a TIFF in which a tag claims another number of values."""
    place = next(place for one, _, _, place, _ in entries(data) if one == tag)
    return data[: place + 4] + struct.pack("<I", count) + data[place + 8 :]


def bomb() -> bytes:
    """Return a TIFF of one deflated strip that claims 4 GiB."""
    data = tiff(np.zeros((64, 64), "u1"), compress="deflate", blockysize=64)
    wide = put(put(data, WIDTH, "<H", 65535), HEIGHT, "<H", 65535)
    return put(wide, ROWS, "<H", 65535)


def rasters() -> dict[str, tuple[bytes, str]]:
    """Return hostile TIFFs by what they are, and what is said about each."""
    one, packed = tiff(), tiff(compress="deflate")
    nan, inf = math.nan, math.inf
    return {
        "a place that is no number": (put(one, TIEPOINT, "<6d", 0, 0, 0, nan, 3, 0), "is not a number|georeference"),
        "a place at infinity": (put(one, TIEPOINT, "<6d", 0, 0, 0, inf, 3, 0), "is not a number"),
        "pixels of no number": (put(one, SCALE, "<3d", nan, 1, 0), "is not a number|georeference"),
        "infinite pixels": (put(one, SCALE, "<3d", inf, 1, 0), "is not a number|georeference"),
        "pixels of width 0": (put(one, SCALE, "<3d", 0, 1, 0), "coordinate reference|pixels of width 0"),
        "pixels of height 0": (put(one, SCALE, "<3d", 1, 0, 0), "coordinate reference|height"),
        "pixels of 1e308": (put(one, SCALE, "<3d", 1e308, 1, 0), "infinitely far away"),
        "pixels of 1e-300 at 1": (put(put(one, SCALE, "<3d", 1e-300, 1, 0), TIEPOINT, "<6d", 0, 0, 0, 1, 3, 0),
                                  "too small for their place"),
        "a terapixel that is not there": (sparse(1_000_000), "has 1,000,000 x 1,000,000 pixels: expected at most"),
        "a strip of 4 GiB": (bomb(), "has blocks of 65,535 x 65,535 pixels|cannot be"),
        "no width": (put(one, WIDTH, "<H", 0), "cannot be opened as a raster"),
        "no rows in a strip": (put(one, ROWS, "<H", 0), "cannot be|is cut"),
        "two billion strips": (counted(one, STRIPS, 1 << 31), "cannot be|is cut"),
        "no strips": (counted(one, STRIPS, 0), "cannot be"),
        "strips beyond the end": (put(one, STRIPS, "<I", 0x7FFFFFFF), "is cut|cannot be"),
        "65,535 samples": (put(one, SAMPLES, "<H", 65535), "cannot be|has no band|has 65535 bands"),
        "an unknown packing": (put(packed, COMPRESSION, "<H", 60000), "cannot be"),
        "a damaged strip": (packed[: packed.index(zlib.compress(b"")[:2])] + b"\xff" * 12, "cannot be"),
        "a system that is none": (put(one, GEOKEYS, "<4H", 1, 1, 0, 65535), "cannot be|coordinate reference"),
        "a directory at its own place": (one[:4] + struct.pack("<I", 4) + one[8:], "cannot be opened as a raster"),
        "a head alone": (b"II*\0" + bytes(4), "cannot be opened as a raster"),
        "a big head alone": (b"II+\0\x08\0\0\0" + b"\xff" * 8, "cannot be opened as a raster"),
    }  # fmt: skip


def _many(size: int, kind: str = "u2") -> Any:
    return np.arange(size * size, dtype=kind).reshape(size, size)


SEEDS: dict[str, Callable[[], bytes]] = {
    "strips": lambda: tiff(_many(40), blockysize=8),
    "large ends first": lambda: tiff(_many(20, "f4"), ENDIANNESS="BIG"),
    "BigTIFF": lambda: tiff(_many(20, "f8"), BIGTIFF="YES"),
    "deflate": lambda: tiff(_many(40), compress="deflate", predictor=2),
    "LZW tiles": lambda: tiff(_many(40), compress="lzw", tiled=True, blockxsize=16, blockysize=16),
    "two bands": lambda: tiff(np.stack([_many(10), _many(10)]), compress="zstd"),
}
"""Sound TIFFs that a fuzz spec damages."""
