"""Which bytes of a GeoTIFF hold the pixels that are needed: its directories first, then blocks or stretches of rows."""

import struct
from collections.abc import Callable, Iterable, Iterator
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
    """Return the images of a TIFF of which only the beginning is here; fetch what is read of it. Raises NoTiff."""
    try:
        return list(_directories(path, bring))
    except (ArithmeticError, LookupError, TypeError, ValueError, struct.error) as exc:
        raise NoTiff from exc


def _directories(path: Path, bring: Bring) -> Iterator[Directory]:
    with path.open("rb", buffering=0) as file:  # a buffer would hold bytes from before they were fetched

        def read(form: str, at: int) -> tuple[Any, ...]:
            size = struct.calcsize(form)
            if size > MOST_BYTES:
                raise NoTiff
            bring([(at, at + size)])
            file.seek(at)
            return struct.unpack(form, file.read(size))

        order = {b"II": "<", b"MM": ">"}[read("2s", 0)[0]]
        big = read(order + "H", 2)[0] == 43
        at = read(order + ("Q" if big else "I"), 8 if big else 4)[0]
        seen: set[int] = set()
        while at:
            if at in seen or len(seen) == MOST_DIRECTORIES:
                raise NoTiff
            seen.add(at)
            count = read(order + ("Q" if big else "H"), at)[0]
            start, size = at + (8 if big else 2), 20 if big else 12
            # The directory as a whole, then its values that lie elsewhere: GDAL reads all of them.
            bring([(start, start + count * size + 8)])
            tags = {}
            for entry in range(start, start + count * size, size):
                tag, kind, number = read(order + ("HHQ" if big else "HHI"), entry)
                tags[tag] = _value(read, bring, order, kind, number, entry + size - (8 if big else 4), big=big)
            yield _directory(tags)
            at = read(order + ("Q" if big else "I"), start + count * size)[0]


def _value(
    read: Callable[[str, int], tuple[Any, ...]], bring: Bring, order: str, kind: int, number: int, at: int, *, big: bool
) -> NDArray[np.int64] | None:
    """Return the whole numbers of a tag; None for one of another kind, which is fetched."""
    length = _SIZES[kind] * number
    if length > MOST_BYTES:
        raise NoTiff
    place = at if length <= (8 if big else 4) else read(order + ("Q" if big else "I"), at)[0]
    bring([(place, place + length)])
    form = {3: "H", 4: "I", 16: "Q", 13: "I", 18: "Q"}.get(kind)
    return np.array(read(f"{order}{number}{form}", place), np.int64) if form else None


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


def needed_ranges(layer: Any, needed: Needed, images: list[Directory]) -> list[tuple[int, int]]:
    """Return the bytes that a layer reads of a file for some pixels. Raises NoTiff for a layer of another kind."""
    if isinstance(layer, FileLayer):
        return list(_stretches(layer, needed))
    if not isinstance(layer, WindowLayer) or layer.driver != "GTiff" or not images:
        raise NoTiff
    first = images[0]
    alike = (first.width, first.height)
    masks = [image for image in images if image.mask and (image.width, image.height) == alike]
    found: list[tuple[int, int]] = []
    for rows, columns in _windows(layer, needed):
        found += first.ranges(layer.number, rows, columns)
        for image in masks:
            found += image.ranges(1, rows, columns)
        for alpha in range(1, first.planes + 1 if layer.masked else 1):
            found += first.ranges(alpha, rows, columns)
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
