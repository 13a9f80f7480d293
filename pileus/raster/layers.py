"""Raster: bands of GeoTIFFs and of anything else that rasterio opens, as packed pixels.

Packed pixels are those of one band of `BAND_ROWS` rows that a zone needs, in the order of the zone index. A layer
gives them in one of three ways:

1. `FileLayer`: strips that are not compressed, in a file: only the needed stretches are read, without a library.
2. `WindowLayer`: anything else in a file: rasterio windows over the blocks that hold zones.
3. `stream_layer.StreamLayer`: strips that are not compressed, in a stream: read once, from front to back.
"""

import os
import struct
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
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import MemoryFile
from rasterio.session import DummySession
from rasterio.windows import Window

from pileus.errors import RasterError
from pileus.raster.grid import BAND_ROWS, Grid, Needed
from pileus.raster.jit import compiled
from pileus.raster.signatures import Kind, kind_of
from pileus.raster.tiff import Head, NotPlain, Strips, read_strips


@compiled
def _pack(
    rows: Any,
    first_row: int,
    left: int,
    stretch_row: Any,
    stretch_col: Any,
    stretch_len: Any,
    stretch_at: Any,
    first: int,
    last: int,
    out: Any,
) -> None:
    for s in range(first, last):
        row, col, at = stretch_row[s] - first_row, stretch_col[s] - left, stretch_at[s]
        if 0 <= col < rows.shape[1]:
            out[at : at + stretch_len[s]] = rows[row, col : col + stretch_len[s]]


def pack(needed: Needed, band: int, rows: NDArray[Any], first_row: int) -> NDArray[Any]:
    """Return the needed pixels of a band from whole rows (rows, width), of which the first is `first_row`."""
    out = np.empty(needed.pixels(band), rows.dtype)
    pack_window(needed, band, rows, first_row, 0, out)
    return native(out)


def pack_window(needed: Needed, band: int, window: NDArray[Any], first_row: int, left: int, out: NDArray[Any]) -> None:
    """Put the needed pixels that a window (rows, columns) holds into the packed pixels of a band.

    `first_row`, `left`: the window's upper left pixel. No stretch may be partly in the window.
    """
    raw, which = f"u{window.dtype.itemsize}", needed.stretches(band, band)
    stretches = (needed.row, needed.col, needed.length, needed.at)
    _pack(window.view(raw), first_row, left, *stretches, which.start, which.stop, out.view(raw))


def native(values: NDArray[Any]) -> NDArray[Any]:
    """Return the array in this machine's byte order."""
    return values if values.dtype.isnative else values.astype(values.dtype.newbyteorder("="))


@dataclass(frozen=True)
class FileLayer:
    """Uncompressed strips in a file."""

    grid: Grid
    nodata: float | None
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
            with _shut():
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
    nodata: float | None
    path: str
    kind: Kind
    number: int
    """Of the band, from 1."""
    block: tuple[int, int]
    """Rows and columns of a block."""
    where: str
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
        together = max(1, min(self.block[0], 1024) // BAND_ROWS)
        groups: dict[int, list[int]] = {}
        for band in needed.bands():
            groups.setdefault(band // together, []).append(band)
        return list(groups.values())

    def read(self, handles: "Handles", needed: Needed, unit: list[int]) -> list[NDArray[Any]]:
        """Return the packed pixels of each band of a unit. Raises RasterError."""
        first, last = needed.rows(unit[0])[0], needed.rows(unit[-1])[1]
        stretches = needed.stretches(unit[0], unit[-1])
        lefts, lengths = needed.col[stretches], needed.length[stretches]
        dataset = handles.get()
        dtype = dataset.dtypes[self.number - 1]
        packed = [np.empty(needed.pixels(band), dtype) for band in unit]
        for left, right in _blocks(lefts, lefts + lengths, self.block[1], self.grid.width):
            window = Window(left, first, right - left, last - first)
            try:
                pixels = dataset.read(self.number, window=window)
            except RasterioError as exc:
                raise RasterError(
                    f"cannot be read: {' '.join(str(exc.__cause__ or exc).split())}", where=self.where
                ) from exc
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


def _shut() -> rasterio.Env:
    """Return GDAL's settings for foreign files: no files beside one, and no credentials."""
    # Without a session given, every opening would look for AWS credentials.
    return rasterio.Env(DummySession(), GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR", GDAL_PAM_ENABLED="NO")


@contextmanager
def opened(source: Path | str | MemoryFile, kind: Kind, where: str) -> Iterator[Any]:
    """An open rasterio dataset of one kind. Raises RasterError for what GDAL cannot open."""
    with warnings.catch_warnings(), _shut():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        try:
            if isinstance(source, MemoryFile):
                dataset = source.open(driver=kind.driver)
            else:
                dataset = rasterio.open(source, driver=kind.driver)
        except RasterioError as exc:
            raise RasterError(f"cannot be opened as a raster: {' '.join(str(exc).split())}", where=where) from exc
        with dataset:
            yield dataset


def open_file(path: Path | str, band: str | None, where: str, kind: Kind | None = None) -> FileLayer | WindowLayer:
    """Return a layer over one band of a raster file.

    `band`: None for the only one, a number from 1, or a band's description; `kind`: of a file in memory. Raises
    RasterError.
    """
    kind = kind or kind_of(Path(path), where)
    with opened(path, kind, where) as dataset:
        number = _band_number(dataset, band, where)
        grid, nodata = Grid.of(dataset, where), dataset.nodatavals[number - 1]
        if np.dtype(dataset.dtypes[number - 1]).kind not in "uif":
            raise RasterError(f"has values of type {dataset.dtypes[number - 1]}: expected real numbers", where=where)
        block = dataset.block_shapes[number - 1]
        plain = dataset.driver == "GTiff" and dataset.count == 1
    if plain and Path(path).is_file():
        size = Path(path).stat().st_size
        with Path(path).open("rb") as file:
            try:
                strips = read_strips(Head(file.read))
            except (NotPlain, KeyError, struct.error):
                pass
            else:
                if strips.end > size:
                    raise RasterError(
                        f"is cut: its last strip ends at byte {strips.end:,}, the file at {size:,}",
                        where=where,
                    )
                return FileLayer(grid, nodata, strips, Path(path), where)
    return WindowLayer(grid, nodata, str(path), kind, number, block, where)


def _band_number(dataset: Any, band: str | None, where: str) -> int:
    if band is None:
        if dataset.count > 1:
            raise RasterError(f"has {dataset.count} bands: name one", where=where)
        return 1
    if band in dataset.descriptions:
        return int(dataset.descriptions.index(band)) + 1
    if band.isdigit() and 1 <= int(band) <= dataset.count:
        return int(band)
    named = ", ".join(d or str(n) for n, d in enumerate(dataset.descriptions, 1))
    raise RasterError(f"has no band {band!r}: its bands are {named}", where=where)
