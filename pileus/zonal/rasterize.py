"""Whole pixels: the rules `center` and `all_touched`, by GDAL's rasterizer, as rasterstats uses it."""

from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import rasterize

from pileus.raster.grid import Grid
from pileus.raster.jit import compiled

Runs = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]
"""Row, first column and length of each run of pixels."""
CELLS = 16_000_000
"""Most pixels that are rasterized at once, to limit the memory."""


@compiled
def _runs(mask: Any, row_off: int, col_off: int, out_row: Any, out_col: Any, out_len: Any) -> int:
    n = 0
    for r in range(mask.shape[0]):
        start = -1
        for c in range(mask.shape[1] + 1):
            on = c < mask.shape[1] and mask[r, c] != 0
            if on and start < 0:
                start = c
            elif not on and start >= 0:
                if n < out_row.size:
                    out_row[n], out_col[n], out_len[n] = row_off + r, col_off + start, c - start
                n += 1
                start = -1
    return n


def burn(geometry: Any, pixels: Any, grid: Grid, all_touched: bool) -> Runs:
    """Return runs (row, column, length) of the pixels that `geometry` takes, ordered by row and column.

    `pixels`: bounds of the geometry in pixels (left, top, right, bottom).
    """
    left, top, right, bottom = pixels
    col0, col1 = max(0, int(np.floor(left)) - 1), min(grid.width, int(np.ceil(right)) + 1)
    row0, row1 = max(0, int(np.floor(top)) - 1), min(grid.height, int(np.ceil(bottom)) + 1)
    found: list[tuple[Any, Any, Any]] = []
    if col0 < col1 and row0 < row1:
        step = max(1, CELLS // (col1 - col0))
        for row in range(row0, row1, step):
            shape = (min(step, row1 - row), col1 - col0)
            place = Affine(grid.dx, 0, grid.west + col0 * grid.dx, 0, grid.dy, grid.north + row * grid.dy)
            mask = rasterize([(geometry, 1)], shape, transform=place, all_touched=all_touched, dtype="uint8")
            found.append(_all_runs(mask, row, col0))
    if not found:
        return (np.empty(0, np.int32),) * 3
    return tuple(np.concatenate(column) for column in zip(*found, strict=True))  # type: ignore[return-value]


def _all_runs(mask: Any, row: int, col: int) -> tuple[Any, Any, Any]:
    size = 4 * mask.shape[0] + 64
    while True:
        out = tuple(np.empty(size, np.int32) for _ in range(3))
        n = _runs(mask, row, col, *out)
        if n <= size:
            return out[0][:n], out[1][:n], out[2][:n]
        size = n
