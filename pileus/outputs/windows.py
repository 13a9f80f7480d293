"""The pixels around each zone: one window of a group's mosaic for each zone and band, across tile borders.

They are taken from the tiles while these are measured.
"""

import math
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.transform import Affine

from pileus.documents import Process
from pileus.errors import RasterError
from pileus.raster.grid import BAND_ROWS, Box, Grid, Needed, Stretches, covering
from pileus.raster.stored import Stored, physical
from pileus.zonal.compile import on_grid
from pileus.zonal.validity import lets_count, validity_of
from pileus.zonal.zones import Zones

MARGIN = 4
"""Least pixels of surroundings on each side."""
LARGEST = 100_000_000
"""Most pixels of a window; a larger zone gets no window, and a note says so."""
SMALL = 1 << 16
"""A window of fewer pixels is kept in memory."""


@dataclass(frozen=True)
class Window:
    """Pixels of one band around one zone."""

    zone: str
    name: str
    band: str
    values: NDArray[Any]
    """(rows, columns), in the raster's own type unless its numbers are scaled; as stored 0 where no tile has the
    pixel."""
    valid: NDArray[np.bool_]
    """(rows, columns): False where nothing was observed, by the collection's rules, or no tile is there."""
    transform: Affine
    crs: str
    """WKT."""
    outline: Any
    """The zone, a shapely MultiPolygon in `crs`."""


@dataclass(frozen=True, slots=True)
class _Tile:
    """The boxes on one tile."""

    grid: Grid
    row: int
    """Row of the mosaic at which it begins."""
    column: int
    boxes: dict[int, Box]
    """By zone, in the tile's own rows and columns; those of the mosaic count from the first grid's upper left pixel."""
    bands: dict[int, list[int]]
    """The zones whose boxes touch each band of rows."""
    needed: Needed


class Mosaic:
    """The pixels of all windows of one group, taken tile by tile while the group is measured: an `Observer`.

    `notes` and `scratch_bytes` are complete when the last tile is measured.
    """

    def __init__(self, process: Process, zones: Zones, scratch: Path) -> None:
        self.notes: list[str] = []
        self.scratch_bytes = 0
        self._process, self._zones, self._scratch = process, zones, scratch
        self._grid: Grid | None = None
        self._shapes: Any = None
        self._boxes: dict[int, Box] = {}
        self._tile: _Tile | None = None
        self._pixels: dict[str, dict[int, NDArray[Any]]] = defaultdict(dict)
        self._filled: dict[str, dict[int, NDArray[np.bool_]]] = defaultdict(dict)
        self._stored: dict[str, Stored] = {}
        self._one = threading.Lock()

    def needed(self, band: str, grid: Grid, stored: Stored, where: str) -> Needed:
        """Return the pixels of a tile that lie in any box. Raises RasterError for a tile of another grid, or whose
        numbers stand for other values.
        """
        if self._grid is None:
            self._begin(grid)
        if self._stored.setdefault(band, stored) != stored:
            raise RasterError(
                "has another nodata, scale or offset than its group's other tiles: no window over both", where=where
            )
        if self._tile is None or self._tile.grid != grid:
            row, column = self._offset(grid, where)
            self._tile = _tile(grid, row, column, self._boxes)
        return self._tile.needed

    def take(self, band: str, grid: Grid, number: int, first: int, rows: NDArray[Any]) -> None:
        """Put the pixels of one band of rows into the windows, where no tile before had any."""
        tile = self._tile
        assert tile is not None
        assert tile.grid == grid
        with self._one:
            for zone in tile.bands.get(number, ()):
                box, whole = tile.boxes[zone], self._boxes[zone]
                top, bottom = max(box.top, number * BAND_ROWS), min(box.bottom, (number + 1) * BAND_ROWS)
                pixels, filled = self._room(band, zone, rows.dtype)
                into = (
                    slice(top + tile.row - whole.top, bottom + tile.row - whole.top),
                    slice(box.left + tile.column - whole.left, box.right + tile.column - whole.left),
                )
                np.copyto(pixels[into], rows[top - first : bottom - first, box.left : box.right], where=~filled[into])
                filled[into] = True

    def _begin(self, grid: Grid) -> None:
        self._grid = grid
        zones = self._zones
        self._shapes = on_grid(zones, grid)
        for number, bounds in enumerate(shapely.bounds(self._shapes)):
            box = _box(grid, *map(float, bounds))
            if box.pixels > LARGEST:
                zone = zones.ids[number]
                self.notes.append(f"zone {zone}: its window has {box.pixels:,} pixels: no clip and no picture")
            else:
                self._boxes[number] = box

    def _offset(self, grid: Grid, where: str) -> tuple[int, int]:
        """Return row and column of the mosaic at which a tile begins."""
        first = self._grid
        assert first is not None
        if grid.crs != first.crs or not grid.like(first) or (grid.dy < 0) != (first.dy < 0):
            raise RasterError("lies on another grid than its group's other tiles: no window over both", where=where)
        return round((grid.north - first.north) / first.dy), round((grid.west - first.west) / first.dx)

    def _room(self, band: str, zone: int, dtype: Any) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Return the arrays of a window, in a file of the scratch folder, because all zones together may not fit in
        memory.
        """
        pixels, filled = self._pixels[band], self._filled[band]
        if zone not in pixels:
            box = self._boxes[zone]
            shape = (box.bottom - box.top, box.right - box.left)
            pixels[zone], filled[zone] = self._array(shape, dtype), self._array(shape, np.bool_)
        return pixels[zone], filled[zone]

    def _array(self, shape: tuple[int, int], dtype: Any) -> NDArray[Any]:
        if shape[0] * shape[1] < SMALL:
            return np.zeros(shape, dtype)
        with tempfile.TemporaryFile(dir=self._scratch) as file:
            array = np.memmap(file, dtype=dtype, mode="w+", shape=shape)
        self.scratch_bytes += array.nbytes
        return array

    def windows(self, band: str) -> Iterator[Window]:
        """Yield, once, the window of each zone that has a pixel of the band on some tile."""
        for zone in sorted(self._filled[band]):
            filled = self._filled[band].pop(zone)
            values = self._pixels[band][zone] if band in self._process.masks else self._pixels[band].pop(zone)
            rows, columns = _extent(filled)
            valid = (filled & self._valid(band, zone, values))[rows, columns]
            shown = physical(values[rows, columns], self._stored[band])
            yield self._window(band, zone, shown, valid, rows.start, columns.start)

    def _valid(self, band: str, zone: int, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Return the collection's rules of validity, as the statistics apply them."""
        valid = validity_of(self._process, self._stored[band]).valid(values)
        for name in self._process.masks:
            mask = self._pixels[name].get(zone)
            valid &= mask is not None and lets_count(self._process, name, mask, self._stored[name])
        return valid

    def _window(
        self, band: str, zone: int, values: NDArray[Any], valid: NDArray[np.bool_], row: int, column: int
    ) -> Window:
        grid, box, zones = self._grid, self._boxes[zone], self._zones
        assert grid is not None
        west, north = grid.west + (box.left + column) * grid.dx, grid.north + (box.top + row) * grid.dy
        affine = Affine(grid.dx, 0, west, 0, grid.dy, north)
        outline = self._shapes[zone]
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


def _tile(grid: Grid, row: int, column: int, boxes: dict[int, Box]) -> _Tile:
    """Return the boxes on a tile that begins at (row, column) of the mosaic."""
    here = {zone: _shifted(box, row, column, grid) for zone, box in boxes.items()}
    here = {zone: box for zone, box in here.items() if box.bottom > box.top and box.right > box.left}
    bands: dict[int, list[int]] = defaultdict(list)
    for zone, box in here.items():
        for number in range(box.top // BAND_ROWS, (box.bottom - 1) // BAND_ROWS + 1):
            bands[number].append(zone)
    needed = covering(_rows(number, [here[zone] for zone in bands.get(number, ())]) for number in range(grid.bands))
    return _Tile(grid, row, column, here, bands, needed)


def _rows(number: int, boxes: Sequence[Box]) -> Stretches:
    """Return the rows of boxes in one band of rows.

    >>> row, col, length = _rows(0, [Box(1, 2, 3, 5), Box(2, 4, 70, 6)])
    >>> row[:3].tolist(), col[:3].tolist(), length[:3].tolist(), row[-1].item()
    ([1, 2, 2], [2, 2, 4], [3, 3, 2], 63)
    """
    edges = np.array([(box.top, box.left, box.bottom, box.right) for box in boxes], np.int64).reshape(-1, 4)
    top, bottom = np.maximum(edges[:, 0], number * BAND_ROWS), np.minimum(edges[:, 2], (number + 1) * BAND_ROWS)
    height = bottom - top
    row = np.arange(height.sum()) + np.repeat(top - np.cumsum(height) + height, height)
    return row, np.repeat(edges[:, 1], height), np.repeat(edges[:, 3] - edges[:, 1], height)


def _extent(filled: NDArray[np.bool_]) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(filled.any(axis=1)), np.flatnonzero(filled.any(axis=0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
