"""Packed pixels: those of one band of `BAND_ROWS` rows that a zone needs, in the order of the zone index."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pileus.raster.grid import Needed
from pileus.raster.jit import compiled


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


def spread(needed: Needed, band: int, packed: NDArray[Any], width: int) -> NDArray[Any]:
    """Return whole rows from the packed pixels of a band, the inverse of `pack`: (rows, width), of which the first is
    the first that is needed. Other pixels than the needed ones may have any value.
    """
    first, last = needed.rows(band)
    rows = np.empty((last - first, width), packed.dtype)
    raw, which = f"u{packed.itemsize}", needed.stretches(band, band)
    into = (needed.row[which] - np.int32(first)) * np.int32(width) + needed.col[which]
    none, count = np.zeros(len(into), np.int32), len(into)
    columns = (none, needed.at[which], needed.length[which], into)
    _pack(packed.view(raw)[np.newaxis], 0, 0, *columns, 0, count, rows.reshape(-1).view(raw))
    return rows


def float_of(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the float that holds every number of a type, and NaN: float32 up to 16 bits, else float64."""
    small = dtype == np.float32 or dtype.itemsize <= 2
    return np.dtype(np.float32 if small else np.float64)


def as_float(values: NDArray[Any]) -> NDArray[Any]:
    """Return float32 where that holds every value of the type, else float64."""
    return values.astype(float_of(values.dtype), copy=False)


def native(values: NDArray[Any]) -> NDArray[Any]:
    """Return the array in this machine's byte order."""
    return values if values.dtype.isnative else values.astype(values.dtype.newbyteorder("="))
