"""The pixels around each zone, from a group's archives: one window of the mosaic for each zone and band, across tile
borders.
"""

import math
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.transform import Affine

from pileus.documents import Process
from pileus.errors import RasterError
from pileus.raster.formats import Layer
from pileus.raster.grid import BAND_ROWS, Grid, Needed
from pileus.raster.member_layers import MemberLayers, member_band, read_packed
from pileus.raster.stream_layer import StreamLayer
from pileus.stopping import Check, go_on
from pileus.unpack.member import Member
from pileus.unpack.members import members
from pileus.zonal.compile import SAME_PLACE
from pileus.zonal.reproject import reproject
from pileus.zonal.validity import lets_count, validity_of
from pileus.zonal.zones import Zones

MARGIN = 4
"""Least pixels of surroundings on each side."""
LARGEST = 100_000_000
"""Most pixels of a window; a larger zone gets no window, and a note says so."""


@dataclass(frozen=True)
class Window:
    """Pixels of one band around one zone."""

    zone: str
    name: str
    band: str
    values: NDArray[Any]
    """(rows, columns), in the raster's own type; 0 where `valid` is False and no tile has the pixel."""
    valid: NDArray[np.bool_]
    """(rows, columns): False where nothing was observed, by the collection's rules, or no tile is there."""
    transform: Affine
    crs: str
    """WKT."""
    outline: Any
    """The zone, a shapely MultiPolygon in `crs`."""


@dataclass(frozen=True, slots=True)
class Box:
    """Rows and columns of one zone on the mosaic, counted from the first grid's upper left pixel; ends excluded."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def pixels(self) -> int:
        return (self.bottom - self.top) * (self.right - self.left)


@dataclass
class Windows:
    """The windows of one group, in a scratch folder. Iterate once; after that `notes` is complete."""

    process: Process
    zones: Zones
    scratch: Path
    check: Check = go_on
    """Called before each read; what it raises ends the work."""
    notes: list[str] = field(default_factory=list)

    def of(self, archives: Iterable[tuple[str, Path]]) -> Iterator[Window]:
        """Return the windows by zone and band. `archives`: name and path of each. Raises what reading them raises."""
        with ExitStack() as stack:
            mosaic = _Mosaic(self, stack)
            for name, path in archives:
                mosaic.take(name, path)
            yield from mosaic.windows()


class _Mosaic:
    """The pixels of all windows, filled tile by tile."""

    def __init__(self, order: Windows, stack: ExitStack) -> None:
        self.order, self.stack = order, stack
        self.layers = MemberLayers(order.scratch, stack)
        process = order.process
        self.mask = process.valid.band if process.valid else None
        self.wanted = [*process.bands, *([self.mask] if self.mask and self.mask not in process.bands else [])]
        self.grid: Grid | None = None
        self.shapes: Any = None
        self.boxes: dict[int, Box] = {}
        self.pixels: dict[str, dict[int, NDArray[Any]]] = {}
        self.filled: dict[str, dict[int, NDArray[np.bool_]]] = {}
        self.nodata: dict[str, float | None] = {}

    def take(self, name: str, path: Path) -> None:
        """Read one archive."""

        def spool() -> Any:
            return self.stack.enter_context(tempfile.TemporaryFile(dir=self.order.scratch))

        with path.open("rb", buffering=0) as file, members(file, name, spool=spool, check=self.order.check) as every:
            for member in every:
                if band := member_band(member.name, self.wanted, self.order.process.bands):
                    self._member(member, band)

    def _member(self, member: Member, band: str) -> None:
        layer, _ = self.layers.open(member)
        if self.grid is None:
            self._begin(layer.grid)
        row, column = self._offset(layer.grid, member.where)
        here = {n: _shifted(box, row, column, layer.grid) for n, box in self.boxes.items()}
        here = {n: box for n, box in here.items() if box.bottom > box.top and box.right > box.left}
        self.nodata.setdefault(band, layer.nodata)
        if here:
            self._fill(layer, band, here, row, column)

    def _begin(self, grid: Grid) -> None:
        self.grid = grid
        zones = self.order.zones
        self.shapes = reproject(zones.geometries, zones.crs, grid.crs, tolerance=grid.dx * SAME_PLACE)
        for number, bounds in enumerate(shapely.bounds(self.shapes)):
            box = _box(grid, *map(float, bounds))
            if box.pixels > LARGEST:
                zone = zones.ids[number]
                self.order.notes.append(f"zone {zone}: its window has {box.pixels:,} pixels: no clip and no picture")
            else:
                self.boxes[number] = box

    def _offset(self, grid: Grid, where: str) -> tuple[int, int]:
        """Return row and column of the mosaic at which a tile begins."""
        first = self.grid
        assert first is not None
        if (grid.crs, round(grid.dx / first.dx, 6), round(grid.dy / first.dy, 6)) != (first.crs, 1, 1):
            raise RasterError("lies on another grid than its group's other tiles: no window over both", where=where)
        return round((grid.north - first.north) / first.dy), round((grid.west - first.west) / first.dx)

    def _fill(
        self,
        layer: StreamLayer | Layer,
        band: str,
        here: dict[int, Box],
        row: int,
        column: int,
    ) -> None:
        needed = needed_of(list(here.values()), layer.grid)
        for number, packed in read_packed(layer, needed):
            top, bottom = number * BAND_ROWS, min((number + 1) * BAND_ROWS, layer.grid.height)
            dense = _dense(needed, number, packed, bottom - top, layer.grid.width)
            for zone, box in here.items():
                first, last = max(box.top, top), min(box.bottom, bottom)
                if first >= last:
                    continue
                whole = self.boxes[zone]
                pixels, filled = self._room(band, zone, whole, packed.dtype)
                rows = slice(first + row - whole.top, last + row - whole.top)
                columns = slice(box.left + column - whole.left, box.right + column - whole.left)
                pixels[rows, columns] = dense[first - top : last - top, box.left : box.right]
                filled[rows, columns] = True

    def _room(self, band: str, zone: int, box: Box, dtype: Any) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Return the arrays of a window, in a file of the scratch folder, because all zones together may not fit in
        memory.
        """
        pixels, filled = self.pixels.setdefault(band, {}), self.filled.setdefault(band, {})
        if zone not in pixels:
            shape = (box.bottom - box.top, box.right - box.left)
            for into, kind in ((pixels, dtype), (filled, np.bool_)):
                into[zone] = _scratch(self.order.scratch, shape, kind)
        return pixels[zone], filled[zone]

    def windows(self) -> Iterator[Window]:
        """Yield each zone and band that has a pixel on some tile."""
        for band in self.order.process.bands:
            for zone in sorted(self.pixels.get(band, {})):
                values, filled = self.pixels[band].pop(zone), self.filled[band].pop(zone)
                rows, columns = _extent(filled)
                valid = (filled & self._valid(band, zone, values))[rows, columns]
                yield self._window(band, zone, values[rows, columns], valid, rows.start, columns.start)

    def _valid(self, band: str, zone: int, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Return the collection's rules of validity, as the statistics apply them."""
        process = self.order.process
        valid = validity_of(process, self.nodata.get(band)).valid(values)
        if process.valid:
            mask = values if process.valid.band == band else self.pixels.get(process.valid.band, {}).get(zone)
            valid &= np.zeros(values.shape, bool) if mask is None else lets_count(process, mask)
        return valid

    def _window(
        self, band: str, zone: int, values: NDArray[Any], valid: NDArray[np.bool_], row: int, column: int
    ) -> Window:
        grid, box, zones = self.grid, self.boxes[zone], self.order.zones
        assert grid is not None
        west, north = grid.west + (box.left + column) * grid.dx, grid.north + (box.top + row) * grid.dy
        affine = Affine(grid.dx, 0, west, 0, grid.dy, north)
        outline = self.shapes[zone]
        return Window(zones.ids[zone], zones.names[zone], band, values, valid, affine, grid.crs, outline)


def _box(grid: Grid, west: float, south: float, east: float, north: float) -> Box:
    rows = sorted(((north - grid.north) / grid.dy, (south - grid.north) / grid.dy))
    columns = (west - grid.west) / grid.dx, (east - grid.west) / grid.dx
    margin = max(MARGIN, math.ceil(max(rows[1] - rows[0], columns[1] - columns[0]) * 0.05))
    top, bottom = math.floor(rows[0]) - margin, math.ceil(rows[1]) + margin
    return Box(top, math.floor(columns[0]) - margin, bottom, math.ceil(columns[1]) + margin)


def _shifted(box: Box, row: int, column: int, grid: Grid) -> Box:
    """Return the part of a box on a tile that begins at (row, column), in the tile's own rows and columns."""
    return Box(
        max(0, box.top - row),
        max(0, box.left - column),
        min(grid.height, box.bottom - row),
        min(grid.width, box.right - column),
    )


def needed_of(boxes: Sequence[Box], grid: Grid) -> Needed:
    """Return the pixels of a grid that lie in any box.

    >>> grid = Grid(10, 4, 0, 4, 1, -1, "")
    >>> needed = needed_of([Box(1, 2, 3, 5), Box(2, 4, 4, 6)], grid)
    >>> needed.row.tolist(), needed.col.tolist(), needed.length.tolist(), needed.at.tolist()
    ([1, 2, 3], [2, 2, 4], [3, 4, 2], [0, 3, 7])
    """
    edges = sorted({edge for box in boxes for edge in (box.top, box.bottom)})
    rows, columns, lengths = [], [], []
    for top, bottom in pairwise(edges):
        spans = _merged([(box.left, box.right) for box in boxes if box.top <= top < box.bottom])
        for at in range(top, bottom):
            for left, right in spans:
                rows.append(at)
                columns.append(left)
                lengths.append(right - left)
    row, length = np.array(rows, np.int32), np.array(lengths, np.int64)
    starts = np.searchsorted(row, np.arange(grid.bands + 1) * BAND_ROWS).astype(np.int64)
    before = np.concatenate([[0], np.cumsum(length)])
    at_band = before[starts[np.minimum(row // BAND_ROWS, grid.bands - 1)]] if len(row) else before[:0]
    return Needed(
        row,
        np.array(columns, np.int32),
        length.astype(np.int32),
        (before[:-1] - at_band).astype(np.int32),
        starts,
    )


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for left, right in sorted(spans):
        if merged and left <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(right, merged[-1][1]))
        else:
            merged.append((left, right))
    return merged


def _dense(needed: Needed, band: int, packed: NDArray[Any], rows: int, width: int) -> NDArray[Any]:
    dense = np.zeros((rows, width), packed.dtype)
    which = needed.stretches(band, band)
    columns = (needed.row[which] - band * BAND_ROWS, needed.col[which], needed.length[which], needed.at[which])
    for row, column, length, at in zip(*(array.tolist() for array in columns), strict=True):
        dense[row, column : column + length] = packed[at : at + length]
    return dense


def _extent(filled: NDArray[np.bool_]) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(filled.any(axis=1)), np.flatnonzero(filled.any(axis=0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _scratch(folder: Path, shape: tuple[int, int], dtype: Any) -> NDArray[Any]:
    if shape[0] * shape[1] < 1 << 16:
        return np.zeros(shape, dtype)
    with tempfile.TemporaryFile(dir=folder) as file:
        return np.memmap(file, dtype=dtype, mode="w+", shape=shape)
