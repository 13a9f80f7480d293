"""Which bytes of a GeoTIFF hold the pixels that are needed: its directories first, then blocks or stretches of rows."""

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pileus.raster.grid import Needed
from pileus.raster.layers import FileLayer, WindowLayer, block_columns, unrolled
from pileus.raster.signatures import GEOTIFF

Ranges = Iterable[tuple[int, int]]
"""First byte, and the one after the last."""
Bring = Callable[[Ranges], None]
"""Fetches bytes of a file that is not whole here."""
HEAD = 64 << 10
"""Bytes that are fetched first: all directories of a cloud-optimised file, as a rule."""
MOST_DIRECTORIES = 64
MOST_BYTES = 256 << 20
"""Most bytes of one directory's values."""
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_WHOLE = {3: "u2", 4: "u4", 13: "u4", 16: "u8", 18: "u8"}
"""Types of whole numbers."""
_SUBFILE, _WIDTH, _HEIGHT, _STRIPS, _SAMPLES, _ROWS, _COUNTS, _PLANAR = 254, 256, 257, 273, 277, 278, 279, 284
_TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_COUNTS = 322, 323, 324, 325
_MASK = 4


@dataclass(frozen=True)
class Directory:
    """One image of a TIFF: where its blocks lie."""

    mask: bool
    """Whether it is the mask of another."""
    width: int
    height: int
    block: tuple[int, int]
    """Rows and columns."""
    planes: int
    """1, or the number of bands where each lies apart."""
    offsets: NDArray[np.int64]
    counts: NDArray[np.int64]

    def ranges(self, band: int, rows: tuple[int, int], columns: tuple[int, int]) -> Ranges:
        """Yield the bytes of the blocks of a band, from 1, that hold some rows and columns; ends excluded."""
        down, across = -(-self.height // self.block[0]), -(-self.width // self.block[1])
        plane = (band - 1) * down * across if self.planes > 1 else 0
        for row in range(rows[0] // self.block[0], -(-rows[1] // self.block[0])):
            for column in range(columns[0] // self.block[1], -(-columns[1] // self.block[1])):
                number = plane + row * across + column
                if number < len(self.offsets) and self.counts[number]:
                    start = int(self.offsets[number])
                    yield start, start + int(self.counts[number])


class NoTiff(Exception):
    """Its directories cannot be read: the whole file is needed, and GDAL says what is wrong with it."""


def directories(path: Path, bring: Bring) -> list[Directory]:
    """Return the images of a TIFF of which the first `HEAD` bytes are here; fetch what else is read of it: that is what
    GDAL reads when it opens the file. Raises NoTiff.
    """
    try:
        return list(_directories(path, bring))
    except (ArithmeticError, LookupError, TypeError, ValueError, struct.error) as exc:
        raise NoTiff from exc


def _directories(path: Path, bring: Bring) -> Iterator[Directory]:
    with path.open("rb", buffering=0) as file:  # a buffer would hold bytes from before they were fetched

        def read(at: int, size: int) -> bytes:
            if size > MOST_BYTES:
                raise NoTiff
            if at + size > HEAD:
                bring([(at, at + size)])
            file.seek(at)
            return file.read(size)

        head = read(0, 16)
        order = {b"II": "<", b"MM": ">"}[head[:2]]
        big = struct.unpack_from(order + "H", head, 2)[0] == 43
        pointer, counter, entry = (order + form for form in (("Q", "Q", "HHQ") if big else ("I", "H", "HHI")))
        inline, size = struct.calcsize(pointer), struct.calcsize(entry) + struct.calcsize(pointer)
        at, seen = struct.unpack_from(pointer, head, inline)[0], set[int]()
        while at:
            if at in seen or len(seen) == MOST_DIRECTORIES:
                raise NoTiff
            seen.add(at)
            start = at + struct.calcsize(counter)
            end = struct.unpack(counter, read(at, start - at))[0] * size
            body, tags = read(start, end + inline), {}
            for place in range(0, end, size):
                tag, kind, number = struct.unpack_from(entry, body, place)
                length, value = _SIZES[kind] * number, body[place + size - inline : place + size]
                raw = value[:length] if length <= inline else read(struct.unpack(pointer, value)[0], length)
                tags[tag] = np.frombuffer(raw, f"{order}{_WHOLE[kind]}").astype(np.int64) if kind in _WHOLE else None
            yield _directory(tags)
            at = struct.unpack_from(pointer, body, end)[0]


def _directory(tags: dict[int, Any]) -> Directory:
    tiled = _TILES in tags
    width, height = int(tags[_WIDTH][0]), int(tags[_HEIGHT][0])
    rows = int(tags[_ROWS][0]) if _ROWS in tags else height
    block = (int(tags[_TILE_HEIGHT][0]), int(tags[_TILE_WIDTH][0])) if tiled else (min(rows, height), width)
    samples, apart = (int(tags[tag][0]) if tag in tags else 1 for tag in (_SAMPLES, _PLANAR))
    offsets, counts = tags[_TILES if tiled else _STRIPS], tags[_TILE_COUNTS if tiled else _COUNTS]
    mask = bool(int(tags[_SUBFILE][0]) & _MASK) if _SUBFILE in tags else False
    if min(width, height, *block) < 1 or len(offsets) != len(counts):
        raise NoTiff
    return Directory(mask, width, height, block, samples if apart == 2 else 1, offsets, counts)


def is_ranged(head: bytes) -> bool:
    """Return whether a file that begins so is read in parts."""
    return head.startswith(GEOTIFF.starts)


def needed_ranges(layer: Any, needed: Needed, images: Sequence[Directory]) -> list[tuple[int, int]]:
    """Return the bytes that a layer reads of a file for some pixels. Raises NoTiff for a layer of another kind."""
    if isinstance(layer, FileLayer):
        return list(_stretches(layer, needed))
    if not isinstance(layer, WindowLayer) or layer.driver != "GTiff" or not images:
        raise NoTiff
    first = images[0]
    alike = (first.width, first.height)
    masks = [image for image in images if image.mask and (image.width, image.height) == alike]
    found: list[tuple[int, int]] = []
    # An alpha band may be any of the planes.
    blocks = [(first, band) for band in (range(1, first.planes + 1) if layer.masked else [layer.number])]
    blocks += [(image, 1) for image in masks]
    for rows, columns in _windows(layer, needed):
        for image, band in blocks:
            found += image.ranges(band, rows, columns)
    return found


def _stretches(layer: FileLayer, needed: Needed) -> Iterator[tuple[int, int]]:
    size = layer.strips.dtype.itemsize
    for row, column, length in zip(needed.row.tolist(), needed.col.tolist(), needed.length.tolist(), strict=True):
        start = layer.strips.offset(row) + column * size
        yield start, start + length * size


def _windows(layer: WindowLayer, needed: Needed) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Yield rows and columns of the file that a layer reads."""
    for unit in layer.units(needed):
        first, last = needed.rows(unit[0])[0], needed.rows(unit[-1])[1]
        for left, right in block_columns(layer, needed, unit):
            for columns in unrolled(left, right, layer.roll, layer.grid.width):
                yield (first, last), columns
