"""Raster: bands of GeoTIFFs and of anything else that rasterio opens, as packed pixels, in one of three ways:

1. `FileLayer`: strips that are not compressed, in a file: only the needed stretches are read, without a library.
2. `WindowLayer`: anything else in a file: rasterio windows over the blocks that hold zones.
3. `stream_layer.StreamLayer`: strips that are not compressed, in a stream: read once, from front to back.
"""

import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, Interleaving, MaskFlags
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile
from rasterio.session import DummySession
from rasterio.windows import Window

from pileus.errors import RasterError
from pileus.names import one_line
from pileus.raster.gdal import SETTINGS, foreign
from pileus.raster.grid import BAND_ROWS, Grid, Needed
from pileus.raster.packed import float_of, native, pack, pack_window
from pileus.raster.signatures import Kind, kind_of
from pileus.raster.stored import Stored
from pileus.raster.tiff import Head, NotPlain, Strips, read_strips

BLOCK_BYTES = 512 << 20
"""Most bytes of a block: GDAL unpacks a block as a whole, for all bands that lie in it."""
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

    def __init__(self, path: str, kind: Kind) -> None:
        self._path, self._kind = path, kind
        self._local = threading.local()
        self._opened: list[Any] = []

    def get(self) -> Any:
        if not hasattr(self._local, "dataset"):
            with rasterio.Env(DummySession(), **SETTINGS):
                self._local.dataset = rasterio.open(self._path, driver=self._kind.driver)
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
    kind: Kind
    number: int
    """Of the band, from 1."""
    block: tuple[int, int]
    """Rows and columns of a block."""
    where: str
    masked: bool = False
    """Whether the file has a mask or an alpha band. Where that is 0, pixels become NaN, and integers floats."""
    engine: ClassVar[str] = "windowed"

    @contextmanager
    def open(self) -> Iterator["Handles"]:
        """Yield a handle for each thread: GDAL's handles cannot be shared."""
        handles = Handles(self.path, self.kind)
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
        stretches = needed.stretches(unit[0], unit[-1])
        lefts, lengths = needed.col[stretches], needed.length[stretches]
        with foreign(RasterError, "cannot be opened as a raster", self.where):
            dataset = handles.get()
        dtype = np.dtype(dataset.dtypes[self.number - 1])
        dtype = float_of(dtype) if self.masked else dtype
        packed = [np.empty(needed.pixels(band), dtype) for band in unit]
        for left, right in _blocks(lefts, lefts + lengths, self.block[1], self.grid.width):
            window = Window(left, first, right - left, last - first)
            with foreign(RasterError, "cannot be read", self.where):
                pixels = dataset.read(self.number, window=window)
                if self.masked:
                    seen = dataset.read_masks(self.number, window=window) != 0
                    pixels = np.where(seen, pixels.astype(dtype), np.nan)
            for band, out in zip(unit, packed, strict=True):
                pack_window(needed, band, pixels, first, left, out)
        return packed


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


@contextmanager
def opened(source: Path | str | MemoryFile, kind: Kind, where: str) -> Iterator[Any]:
    """Yield an open rasterio dataset of one kind. Raises RasterError for what GDAL cannot open or describe."""
    # Without a session given, every opening would look for AWS credentials.
    with warnings.catch_warnings(), rasterio.Env(DummySession(), **SETTINGS):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with foreign(RasterError, "cannot be opened as a raster", where):
            opening = source.open if isinstance(source, MemoryFile) else partial(rasterio.open, source)
            with opening(driver=kind.driver) as dataset:
                yield dataset


def open_file(path: Path | str, band: str | None, where: str, kind: Kind | None = None) -> FileLayer | WindowLayer:
    """Return a layer over one band of a raster file.

    `band`: None for the only one, a number from 1, or a band's description; `kind`: of a file in memory. Raises
    RasterError.
    """
    kind = kind or kind_of(Path(path), where)
    with opened(path, kind, where) as dataset:
        number = _band_number(dataset, band, where)
        grid, stored = Grid.of(dataset, where), Stored.of(dataset, number, where)
        if np.dtype(dataset.dtypes[number - 1]).kind not in "uif":
            raise RasterError(f"has values of type {dataset.dtypes[number - 1]}: expected real numbers", where=where)
        block, masked = _block(dataset, number, where), MaskFlags.per_dataset in dataset.mask_flag_enums[number - 1]
        strips = _strips(path, dataset)
    if strips is None:
        return WindowLayer(grid, stored, str(path), kind, number, block, where, masked)
    size = Path(path).stat().st_size
    if strips.end > size:
        raise RasterError(f"is cut: its last strip ends at byte {strips.end:,}, the file at {size:,}", where=where)
    return FileLayer(grid, stored, strips, Path(path), where)


def _strips(path: Path | str, dataset: Any) -> Strips | None:
    """Return where the rows of a file on disk lie; None where only the library can read it."""
    if dataset.driver != "GTiff" or dataset.count > 1 or not Path(path).is_file():
        return None
    with Path(path).open("rb") as file:
        try:
            strips = read_strips(Head(file.read))
        except NotPlain:
            return None
    return strips if strips.fits(dataset) else None


def _block(dataset: Any, number: int, where: str) -> tuple[int, int]:
    """Return rows and columns of a block. Raises RasterError for one that needs too much memory when it is unpacked."""
    rows, columns = dataset.block_shapes[number - 1]
    bands = dataset.count if dataset.interleaving == Interleaving.pixel else 1
    size = rows * columns * bands * np.dtype(dataset.dtypes[number - 1]).itemsize
    if size > BLOCK_BYTES:
        raise RasterError(
            f"has blocks of {rows:,} x {columns:,} pixels and {size:,} bytes: expected at most {BLOCK_BYTES:,}",
            where=where,
        )
    return rows, columns


def value_bands(dataset: Any) -> list[int]:
    """Return the numbers, from 1, of an open dataset's bands but for the alpha band."""
    return [number for number, holds in enumerate(dataset.colorinterp, 1) if holds is not ColorInterp.alpha]


def _band_number(dataset: Any, band: str | None, where: str) -> int:
    if band is None:
        alone = value_bands(dataset)
        if len(alone) != 1:
            raise RasterError(f"has {dataset.count} bands: name one", where=where)
        return alone[0]
    if band in dataset.descriptions:
        return int(dataset.descriptions.index(band)) + 1
    if band.isdecimal() and len(band) < 6 and 1 <= int(band) <= dataset.count:
        return int(band)
    named = ", ".join(d or str(n) for n, d in enumerate(dataset.descriptions, 1))
    raise RasterError(f"has no band {band!r}: its bands are {one_line(named)}", where=where)
