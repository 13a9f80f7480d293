"""TIFF: where the rows of an uncompressed file lie, so that they can be read without a library."""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

HEADER = 64 << 20
"""Bytes that must contain the directory and the strip table of a TIFF; else it is not streamed."""
_TYPES = {1: "B", 2: "s", 3: "H", 4: "I", 5: "II", 6: "b", 8: "h", 9: "i", 12: "d", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _STRIPS, _SAMPLES, _ROWS, _COUNTS = 256, 257, 258, 259, 273, 277, 278, 279
_PLANAR, _TILE, _FORMAT = 284, 322, 339
_KINDS = {1: "u", 2: "i", 3: "f"}


class NotPlain(Exception):
    """A TIFF that needs more than reading its strips: compressed, tiled, several samples, directory at its end."""


@dataclass(frozen=True)
class Strips:
    """Where the rows of an uncompressed one-band TIFF lie."""

    width: int
    height: int
    dtype: np.dtype[Any]
    """With byte order."""
    rows: int
    """Rows in a strip."""
    offsets: NDArray[np.int64]
    counts: NDArray[np.int64]

    @property
    def row_bytes(self) -> int:
        return self.width * self.dtype.itemsize

    @property
    def start(self) -> int:
        """Return the first byte of any strip."""
        return int(self.offsets.min())

    @property
    def end(self) -> int:
        return int((self.offsets + self.counts).max())

    def offset(self, row: int) -> int:
        """Return where in the file a row starts."""
        return int(self.offsets[row // self.rows]) + row % self.rows * self.row_bytes

    @property
    def in_order(self) -> bool:
        """Return whether every strip lies after the one before it."""
        return bool((self.offsets[1:] >= self.offsets[:-1] + self.counts[:-1]).all())

    def fits(self, dataset: Any) -> bool:
        """Return whether a library sees the same pixels in the file, as an open rasterio dataset."""
        seen = (dataset.width, dataset.height, np.dtype(dataset.dtypes[0]))
        return (self.width, self.height, self.dtype.newbyteorder("=")) == seen

    def chunks(self, first: int, last: int) -> Iterator[tuple[int, int, int]]:
        """Yield stretches of rows without a gap in the file: (row, one past the last row, offset)."""
        row = first
        while row < last:
            offset, start = self.offset(row), row
            while row < last and self.offset(row) == offset + (row - start) * self.row_bytes:
                row = min(last, (row // self.rows + 1) * self.rows)
            yield start, row, offset


class Head:
    """The first bytes of a TIFF, read only as far as they are needed."""

    def __init__(self, more: Callable[[int], bytes]) -> None:
        self.data = bytearray()
        self._more = more

    def upto(self, size: int) -> memoryview:
        if size > HEADER:
            raise NotPlain("its directory lies at its end")
        if size > len(self.data):
            self.data += self._more(size - len(self.data))
        if size > len(self.data):
            raise NotPlain("it ends inside its directory")
        return memoryview(self.data)

    def unpack(self, form: str, at: int) -> tuple[Any, ...]:
        return struct.unpack_from(form, self.upto(at + struct.calcsize(form)), at)


def read_strips(head: Head) -> Strips:
    """Read the first directory of a TIFF (TIFF 6.0, section 2; BigTIFF likewise).

    Raises NotPlain, also for a damaged directory: GDAL then says what is wrong with it.
    """
    try:
        return _read_strips(head)
    except (ArithmeticError, LookupError, TypeError, ValueError, struct.error) as exc:
        raise NotPlain("its directory is damaged") from exc


def _read_strips(head: Head) -> Strips:
    order = {b"II": "<", b"MM": ">"}[bytes(head.upto(8)[:2])]
    big = head.unpack(order + "H", 2)[0] == 43
    at = head.unpack(order + "Q", 8)[0] if big else head.unpack(order + "I", 4)[0]
    count = head.unpack(order + ("Q" if big else "H"), at)[0]
    at += 8 if big else 2
    size, inline = (20, 8) if big else (12, 4)
    tags: dict[int, Any] = {}
    for entry in range(at, at + count * size, size):
        tag, kind, n = head.unpack(order + ("HHQ" if big else "HHI"), entry)
        if tag not in (
            _WIDTH,
            _HEIGHT,
            _BITS,
            _COMPRESSION,
            _STRIPS,
            _SAMPLES,
            _ROWS,
            _COUNTS,
            _PLANAR,
            _TILE,
            _FORMAT,
        ):
            continue
        length = struct.calcsize("=" + _TYPES[kind]) * n
        place = entry + size - inline
        if length > inline:
            place = head.unpack(order + ("Q" if big else "I"), place)[0]
        head.upto(place + length)
        tags[tag] = np.frombuffer(bytes(head.data[place : place + length]), order + _TYPES[kind])
    if head.unpack(order + ("Q" if big else "I"), at + count * size)[0]:
        raise NotPlain("it has a second directory, which may hold a mask")
    return _strips(tags, order)


def _strips(tags: dict[int, Any], order: str) -> Strips:
    def one(tag: int, default: int | None = None) -> int:
        if tag not in tags and default is None:
            raise NotPlain("its directory lacks a field")
        return int(tags[tag][0]) if tag in tags else int(default or 0)

    if _TILE in tags or one(_COMPRESSION, 1) != 1 or one(_SAMPLES, 1) != 1:
        raise NotPlain("it is compressed, tiled or has several samples")
    bits, kind = one(_BITS, 1), _KINDS.get(one(_FORMAT, 1))
    if bits not in (8, 16, 32, 64) or kind is None or (kind == "f" and bits < 32):
        raise NotPlain("its samples are of an unusual kind")
    width, height = one(_WIDTH), one(_HEIGHT)
    rows = min(one(_ROWS, height), height)
    if min(width, height, rows) < 1:
        raise NotPlain("it has no pixels")
    offsets, counts = tags[_STRIPS].astype(np.int64), tags[_COUNTS].astype(np.int64)
    strips = Strips(width, height, np.dtype(f"{order}{kind}{bits // 8}"), rows, offsets, counts)
    per_strip = np.full(len(offsets), rows * strips.row_bytes)
    per_strip[-1] = (height - rows * (len(offsets) - 1)) * strips.row_bytes
    if not len(offsets) == len(counts) == -(-height // rows) or (counts < per_strip).any() or (offsets <= 0).any():
        raise NotPlain("its strips are sparse or short")
    return strips
