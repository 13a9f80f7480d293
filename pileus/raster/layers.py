"""Raster: bands of GeoTIFFs and of anything else that rasterio opens, as packed pixels, in one of four ways:

1. `FileLayer`: strips that are not compressed, in a file: only the needed stretches are read, without a library.
2. `WindowLayer`: anything else in a file: rasterio windows over the blocks that hold zones.
3. `times_layer.TimesLayer`: fields of several times, of which one is made.
4. `stream_layer.StreamLayer`: strips that are not compressed, in a stream: read once, from front to back.

`opening` says which.
"""

import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning
from rasterio.session import DummySession
from rasterio.windows import Window

from pileus.errors import RasterError
from pileus.raster.gdal import SETTINGS, foreign
from pileus.raster.grid import BAND_ROWS, Grid, Needed
from pileus.raster.packed import float_of, native, pack, pack_window
from pileus.raster.stored import Stored
from pileus.raster.tiff import Strips

TOGETHER = 128 << 20
"""Most pixels of whole rows that are read together, where a row of blocks has more."""


@dataclass(frozen=True)
class FileLayer:
    """Uncompressed strips in a file."""

    grid: Grid
    stored: Stored
    strips: Strips
    path: Path
    where: str
    engine: ClassVar[str] = "direct"

    @contextmanager
    def open(self) -> Iterator[int]:
        """Yield a file descriptor that any number of threads may read."""
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def units(self, needed: Needed) -> list[list[int]]:
        """Yield the bands that are best read together."""
        return [[band] for band in needed.bands()]

    def read(self, descriptor: int, needed: Needed, unit: list[int]) -> list[NDArray[Any]]:
        """Return the packed pixels of each band of a unit. Raises RasterError when the file ends too early."""
        return [self._band(descriptor, needed, band) for band in unit]

    def _band(self, descriptor: int, needed: Needed, band: int) -> NDArray[Any]:
        first, last = needed.rows(band)
        stretches = needed.stretches(band, band)
        count, pixels = stretches.stop - stretches.start, needed.pixels(band)
        # One more read costs about as much as copying 16 kB.
        if pixels * self.strips.dtype.itemsize + count * 16384 < (last - first) * self.strips.row_bytes:
            return self._stretches(descriptor, needed, stretches, pixels)
        rows = np.empty((last - first, self.strips.width), self.strips.dtype)
        view = rows.view(np.uint8).data.cast("B")
        for start, end, offset in self.strips.chunks(first, last):
            self._fill(
                descriptor,
                view[(start - first) * self.strips.row_bytes : (end - first) * self.strips.row_bytes],
                offset,
            )
        return pack(needed, band, rows, first)

    def _stretches(self, descriptor: int, needed: Needed, which: slice, pixels: int) -> NDArray[Any]:
        out = np.empty(pixels, self.strips.dtype)
        view, size = out.view(np.uint8).data, self.strips.dtype.itemsize
        columns = (needed.row, needed.col, needed.length, needed.at)
        for row, col, length, at in zip(*(c[which].tolist() for c in columns), strict=True):
            self._fill(descriptor, view[at * size : (at + length) * size], self.strips.offset(row) + col * size)
        return native(out)

    def _fill(self, descriptor: int, view: memoryview, offset: int) -> None:
        while len(view):
            n = os.preadv(descriptor, [view], offset)
            if n == 0:
                raise RasterError(f"is cut: a strip at byte {offset:,} is missing", where=self.where)
            view, offset = view[n:], offset + n


class Handles:
    """One open dataset for each thread."""

    def __init__(self, path: str, driver: str) -> None:
        self._path, self._driver = path, driver
        self._local = threading.local()
        self._opened: list[Any] = []

    def get(self) -> Any:
        if not hasattr(self._local, "dataset"):
            with warnings.catch_warnings(), rasterio.Env(DummySession(), **SETTINGS):
                warnings.simplefilter("ignore", NotGeoreferencedWarning)
                self._local.dataset = rasterio.open(self._path, driver=self._driver)
            self._opened.append(self._local.dataset)
        return self._local.dataset

    def close(self) -> None:
        for dataset in self._opened:
            dataset.close()


@dataclass(frozen=True)
class WindowLayer:
    """One band of anything that rasterio opens."""

    grid: Grid
    stored: Stored
    path: str
    """What rasterio opens: a file, or one variable of it."""
    driver: str
    number: int
    """Of the band, from 1."""
    block: tuple[int, int]
    """Rows and columns of a block."""
    where: str
    masked: bool = False
    """Whether the file has a mask or an alpha band. Where that is 0, pixels become NaN, and integers floats."""
    roll: int = 0
    """Column of the file that is the grid's first; those before it follow the last."""
    engine: ClassVar[str] = "windowed"

    @contextmanager
    def open(self) -> Iterator["Handles"]:
        """Yield a handle for each thread: GDAL's handles cannot be shared."""
        handles = Handles(self.path, self.driver)
        try:
            yield handles
        finally:
            handles.close()

    def units(self, needed: Needed) -> list[list[int]]:
        """Yield the bands that are best read together: those in one row of blocks."""
        rows = min(self.block[0], 1024, TOGETHER // self.grid.width)
        together = max(1, rows // BAND_ROWS)
        groups: dict[int, list[int]] = {}
        for band in needed.bands():
            groups.setdefault(band // together, []).append(band)
        return list(groups.values())

    def read(self, handles: "Handles", needed: Needed, unit: list[int]) -> list[NDArray[Any]]:
        """Return the packed pixels of each band of a unit. Raises RasterError."""
        first, last = needed.rows(unit[0])[0], needed.rows(unit[-1])[1]
        with foreign(RasterError, "cannot be opened as a raster", self.where):
            dataset = handles.get()
        dtype = np.dtype(dataset.dtypes[self.number - 1])
        dtype = float_of(dtype) if self.masked else dtype
        packed = [np.empty(needed.pixels(band), dtype) for band in unit]
        for left, right in block_columns(self, needed, unit):
            pixels = self._pixels(dataset, dtype, first, last, left, right)
            for band, out in zip(unit, packed, strict=True):
                pack_window(needed, band, pixels, first, left, out)
        return packed

    def _pixels(self, dataset: Any, dtype: Any, first: int, last: int, left: int, right: int) -> NDArray[Any]:
        """Return the pixels of a box: (last - first, right - left)."""
        parts = [
            self._window(dataset, dtype, Window(column, first, end - column, last - first))
            for column, end in unrolled(left, right, self.roll, self.grid.width)
        ]
        return parts[0] if len(parts) == 1 else np.hstack(parts)

    def _window(self, dataset: Any, dtype: Any, window: Window) -> NDArray[Any]:
        with foreign(RasterError, "cannot be read", self.where):
            pixels: NDArray[Any] = dataset.read(self.number, window=window)
            if self.masked:
                seen = dataset.read_masks(self.number, window=window) != 0
                pixels = np.where(seen, pixels.astype(dtype), np.nan)
        return pixels


def unrolled(left: int, right: int, roll: int, width: int) -> list[tuple[int, int]]:
    """Return which columns of a file are the columns left..right of a grid that begins at its column `roll`.

    >>> unrolled(0, 3, 2, 4), unrolled(2, 4, 2, 4), unrolled(1, 2, 0, 4)
    ([(2, 4), (0, 1)], [(0, 2)], [(1, 2)])
    """
    start, end = left + roll, right + roll
    if start >= width:
        return [(start - width, end - width)]
    return [(start, end)] if end <= width else [(start, width), (0, end - width)]


def block_columns(layer: WindowLayer, needed: Needed, unit: list[int]) -> list[tuple[int, int]]:
    """Return the stretches of columns that are read for a unit."""
    which = needed.stretches(unit[0], unit[-1])
    lefts, lengths = needed.col[which], needed.length[which]
    return _blocks(lefts, lefts + lengths, layer.block[1], layer.grid.width)


def _blocks(lefts: NDArray[Any], rights: NDArray[Any], block: int, width: int) -> list[tuple[int, int]]:
    """Return the stretches of columns made of whole blocks that hold a needed pixel.

    >>> _blocks(np.array([5, 70]), np.array([8, 75]), 16, 100)
    [(0, 16), (64, 80)]
    """
    count = -(-width // block)
    change = np.zeros(count + 1, np.int64)
    np.add.at(change, lefts // block, 1)
    np.add.at(change, (rights - 1) // block + 1, -1)
    used = np.r_[False, np.cumsum(change[:-1]) > 0, False]
    starts, ends = np.flatnonzero(used[1:] & ~used[:-1]), np.flatnonzero(~used[1:] & used[:-1])
    return [(int(a) * block, min(int(b) * block, width)) for a, b in zip(starts, ends, strict=True)]
