"""gippy's pixels: the rule `gippy`, which counts as the classic statistics did.

For each zone and raster gippy's `cookie_cutter` makes a raster of its own. It starts at the zone's upper left corner
and has a whole number of pixels over the zone's extent, so that they are a little smaller than the raster's. A new
pixel takes the value of the old one under its middle, if the middle of that one lies in the zone. So an old pixel
counts once, twice where two new middles lie in its row or column, four times where in both, or not at all. Pixels that
count several times stand in the index as several runs.

Each number is made as gippy 1.0.3 (GIP/GeoAlgorithms.cpp, GIP/GeoResource.cpp) and GDAL's warper make it, so that new
middles on the border of two old pixels fall to the same one.
"""

import math
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from pileus.raster.grid import Grid
from pileus.zonal.rasterize import Runs, burn

NUDGE = 1e-10
"""Share of a pixel by which GDAL's warper moves a middle to the right and down before it takes the pixel there."""


def burn_as_gippy(geometry: Any, grid: Grid) -> Runs:
    """Return runs (row, column, length), as many of each pixel as gippy counts it, ordered by row and column."""
    cols, rows = _taken(shapely.bounds(geometry), grid)
    if not cols.any() or not rows.any():
        return (np.empty(0, np.int32),) * 3
    placed = shapely.transform(geometry, lambda points: _in_pixels(points, grid))
    unit = Grid(grid.width, grid.height, 0, 0, 1, 1, grid.crs)
    return _repeated(burn(placed, shapely.bounds(placed), unit, all_touched=False), cols, rows)


def _taken(bounds: Any, grid: Grid) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how many middles of gippy's new pixels lie in each column, and in each row, of the grid."""
    left, low, right, top = map(float, bounds)
    west, south, east, north = grid.bounds
    width, height = float(np.float32(grid.dx)), float(np.float32(abs(grid.dy)))  # gippy takes them as float
    x0 = left + math.floor((max(left, west) - left) / width) * width
    y1 = top - math.floor((top - min(top, north)) / height) * height
    x, y = min(right, east) - x0, y1 - max(low, south)
    y1 = max(low, south) + y  # gippy hands over the lower corner and the size
    columns = _middles(x0, x, math.ceil(x / width), 1)
    rows = _middles(y1, y, math.ceil(y / height), -1)
    return _counted(columns, grid.west, grid.dx, grid.width), _counted(rows, grid.north, grid.dy, grid.height)


def _middles(start: float, size: float, count: int, way: int) -> Any:
    """Return the middles of `count` pixels from `start` on, to the right or down."""
    return start + (np.arange(max(count, 0)) + 0.5) * (way * (size / max(count, 1)))


def _counted(middles: Any, start: float, step: float, size: int) -> NDArray[np.int64]:
    """Return how many middles lie in each of `size` pixels, as GDAL's inverse of a geotransform places them."""
    placed = _placed(middles, start, step)
    inside = placed[(placed >= 0) & (placed + NUDGE <= size)]
    return np.bincount(np.minimum(np.floor(inside + NUDGE).astype(np.int64), size - 1), minlength=size)


def _placed(values: Any, start: float, step: float) -> Any:
    return -start / step + values * (1 / step)


def _in_pixels(points: Any, grid: Grid) -> Any:
    """Return x and y in pixels with the 15 digits that the text of gippy's outline has."""
    placed = np.column_stack(
        [_placed(points[:, 0], grid.west, grid.dx), _placed(points[:, 1], grid.north, grid.dy)]
    )  # fmt: skip
    return np.array([float(f"{value:.15g}") for value in placed.ravel()]).reshape(placed.shape)


def _repeated(runs: Runs, cols: Any, rows: Any) -> Runs:
    """Return the runs, each pixel as often as its row's count times its column's."""
    row, col, length = runs
    parts = []
    for least in range(1, int(cols.max()) + 1):
        edges = np.flatnonzero(np.diff(np.r_[0, cols >= least, 0]))
        for start, end in edges.reshape(-1, 2):
            first, last = np.maximum(col, start), np.minimum(col + length, end)
            times = np.where(last > first, rows[row], 0)
            parts.append(tuple(np.repeat(column, times) for column in (row, first, last - first)))
    row, col, length = (np.concatenate(column).astype(np.int32) for column in zip(*parts, strict=True))
    order = np.lexsort((col, row))
    return row[order], col[order], length[order]
