"""Exact coverage: the share of each pixel that a polygon covers, by signed areas.

Every edge of a ring is cut where it crosses pixel borders. A piece inside one pixel adds, with the sign of its
direction, its height to that pixel's `cover` (what all pixels further right gain) and the area between itself and
the pixel's right border to the pixel's own `share`. Summing a row from the left gives each pixel's coverage. Holes and
parts need nothing special: their rings are just further edges. The same sum is behind anti-aliased font rendering
(D. Turner's FreeType smooth rasterizer); here in float64 and with fractions instead of grey levels.

Pixel coordinates are rounded to 2^-38 of a pixel. Heights are then exact multiples of that, so that the sums of a
closed ring cancel to exactly zero and no pixel is touched by rounding alone. Fractions are rounded to float32, as
exactextract's are.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pileus.raster.jit import compiled, compiled_inline

STEP = 2.0**38
LEAST = 1e-12
"""Smaller coverage is a rounding error, and counts as none."""
PIECES = 1 << 25
"""Most pieces into which pixel borders may cut one zone: the outline of a continent at 100 m has fewer."""


class TooFine(Exception):
    """A zone has an outline that crosses too many pixel borders. `args[0]`: its number."""


@dataclass(frozen=True)
class Traced:
    """Zones as entries: an entry is one zone in one row, with its runs of whole pixels and its partly covered ones."""

    zone: NDArray[np.int32]
    """Zone of each entry."""
    row: NDArray[np.int32]
    runs: NDArray[np.int64]
    """(entries + 1): where the runs of each entry start."""
    parts: NDArray[np.int64]
    """(entries + 1): where the partly covered pixels of each entry start."""
    run_col: NDArray[np.int32]
    run_len: NDArray[np.int32]
    part_col: NDArray[np.int32]
    part_share: NDArray[np.float32]


@compiled
def _estimate(xs: Any, ys: Any, ring_ends: Any, first: int, last: int, width: int, height: int) -> int:
    """Return about how many pieces the edges of rings first..last are cut into, on a grid; mostly an upper bound."""
    total = 8
    for ring in range(first, last):
        for i in range(ring_ends[ring], ring_ends[ring + 1] - 1):
            total += _steps(xs[i], xs[i + 1], width) + _steps(ys[i], ys[i + 1], height) + 4
    return total


@compiled_inline
def _steps(start: float, end: float, size: int) -> int:
    """Return how many borders of pixels lie between two coordinates, on the grid and one pixel around it."""
    first, last = min(max(start, -1.0), size + 1.0), min(max(end, -1.0), size + 1.0)
    return int(abs(np.floor(last) - np.floor(first)))


@compiled
def _piece(n: int, keys: Any, covers: Any, shares: Any, key: int, cover: float, share: float) -> int:
    """Add a piece, or add to the last one. Return how many there are: beyond the arrays' size they are only counted."""
    if n >= keys.size:
        return n + 1
    if n > 0 and keys[n - 1] == key:
        covers[n - 1] += cover
        shares[n - 1] += share
        return n
    keys[n], covers[n], shares[n] = key, cover, share
    return n + 1


@compiled
def _cut_row(
    n: int, keys: Any, covers: Any, shares: Any, base: int, width: int, xa: float, xb: float, height: float, sign: float
) -> int:
    """Cut one edge inside one row: from x = xa to xb over `height` of the row."""
    left, right = (xa, xb) if xa <= xb else (xb, xa)
    if left >= width:
        return n
    if right <= 0:
        return _piece(n, keys, covers, shares, base, sign * height, sign * height)
    if right == left or np.floor(left) == np.floor(right):
        col = int(np.floor(left))
        mid = (left + right) / 2 - col
        return _piece(n, keys, covers, shares, base + col, sign * height, sign * height * (1 - mid))
    slope = height / (right - left)
    x, done = left, 0.0
    if left < 0:
        x = 0.0
        done = np.round(-left * slope * STEP) / STEP
        n = _piece(n, keys, covers, shares, base, sign * done, sign * done)
    while x < right and x < width:
        col = np.floor(x)
        end = min(col + 1, right)
        upto = height if end == right else np.round((end - left) * slope * STEP) / STEP
        part = upto - done
        n = _piece(n, keys, covers, shares, base + int(col), sign * part, sign * part * (1 - ((x + end) / 2 - col)))
        x, done = end, upto
    return n


@compiled
def _cut(
    xs: Any,
    ys: Any,
    ring_ends: Any,
    first: int,
    last: int,
    width: int,
    height: int,
    turn: float,
    keys: Any,
    covers: Any,
    shares: Any,
) -> int:
    """Cut every edge of rings first..last into pieces, and return how many. A key is row * (width + 1) + column."""
    n = 0
    for ring in range(first, last):
        for i in range(ring_ends[ring], ring_ends[ring + 1] - 1):
            x0, y0, x1, y1 = xs[i], ys[i], xs[i + 1], ys[i + 1]
            sign = turn
            if y0 > y1:
                x0, y0, x1, y1, sign = x1, y1, x0, y0, -turn
            if y0 == y1 or y1 <= 0 or y0 >= height or (x0 >= width and x1 >= width):
                continue
            slope = (x1 - x0) / (y1 - y0)
            top, bottom = max(y0, 0.0), min(y1, float(height))
            ya = top
            xa = x0 if ya == y0 else x0 + (ya - y0) * slope
            while ya < bottom:
                row = np.floor(ya)
                yb = min(row + 1, bottom)
                xb = x1 if yb == y1 else x0 + (yb - y0) * slope
                n = _cut_row(n, keys, covers, shares, int(row) * (width + 1), width, xa, xb, yb - ya, sign)
                ya, xa = yb, xb
    return n


@compiled
def _sweep(n: int, keys: Any, covers: Any, shares: Any, width: int, row: Any, col: Any, length: Any, share: Any) -> int:
    """Sum the pieces of one zone from left to right in each row. Return the number of stretches of equal share.

    It is at most 3 n: what lies before a piece's pixel, the pixel, and what lies after the last of a row, up to the
    right border of the grid.
    """
    order = np.argsort(keys[:n])
    out, i = 0, 0
    while i < n:
        this = keys[order[i]] // (width + 1)
        end_of_row = (this + 1) * (width + 1)
        total, at = 0.0, 0
        while i < n and keys[order[i]] < end_of_row:
            key = keys[order[i]]
            column = key - this * (width + 1)
            out = _stretch(out, row, col, length, share, this, at, column, total)
            here, cover = total, 0.0
            while i < n and keys[order[i]] == key:
                here += shares[order[i]]
                cover += covers[order[i]]
                i += 1
            out = _stretch(out, row, col, length, share, this, column, column + 1, here)
            total += cover
            at = column + 1
        out = _stretch(out, row, col, length, share, this, at, width, total)
    return out


@compiled
def _stretch(
    out: int, row: Any, col: Any, length: Any, share: Any, this: int, first: int, end: int, level: float
) -> int:
    """Add pixels first..end of row `this`, or extend the stretch before them when all are whole."""
    if end <= first or level <= LEAST:
        return out
    fraction = np.float32(min(level, 1.0))
    last = out - 1
    whole = out > 0 and fraction == 1 and share[last] == 1
    if whole and row[last] == this and col[last] + length[last] == first:
        length[last] += end - first
        return out
    row[out], col[out], length[out], share[out] = this, first, end - first, fraction
    return out + 1


@compiled
def _trace(xs: Any, ys: Any, ring_ends: Any, zone_rings: Any, zones: Any, width: int, height: int, turn: float) -> Any:
    """Return stretches (zone, row, column, length, share) of many zones, each from top to bottom, and -1.

    Where a zone has too many pieces, return its place in `zones` instead of -1.
    """
    found, n = np.empty((4, 4096), np.int32), 0
    levels = np.empty(4096, np.float32)
    keys, covers, shares = np.empty(64, np.int64), np.empty(64), np.empty(64)
    for z in range(zone_rings.size - 1):
        first, last = zone_rings[z], zone_rings[z + 1]
        pieces = _estimate(xs, ys, ring_ends, first, last, width, height)
        cut = False
        while not cut:
            if pieces > PIECES:
                return found[:, :0].copy(), levels[:0].copy(), z
            if pieces > keys.size:
                keys, covers, shares = np.empty(pieces, np.int64), np.empty(pieces), np.empty(pieces)
            pieces = _cut(xs, ys, ring_ends, first, last, width, height, turn, keys, covers, shares)
            cut = pieces <= keys.size  # else they were only counted
        if n + 3 * pieces > levels.size:
            size = 2 * levels.size + 3 * pieces
            larger, more = np.empty((4, size), np.int32), np.empty(size, np.float32)
            larger[:, :n], more[:n] = found[:, :n], levels[:n]
            found, levels = larger, more
        new = _sweep(pieces, keys, covers, shares, width, found[1, n:], found[2, n:], found[3, n:], levels[n:])
        found[0, n : n + new] = zones[z]
        n += new
    return found[:, :n].copy(), levels[:n].copy(), -1


def trace(
    xs: Any, ys: Any, ring_ends: Any, zone_rings: Any, zones: Any, width: int, height: int, turn: float
) -> Traced:
    """Return the coverage of many zones, each row by row.

    `xs`, `ys`: pixel coordinates of all rings, multiples of 1 / STEP. `ring_ends[r]`: where ring r starts.
    `zone_rings[z]`: where the rings of zone z start. `zones[z]`: the number of zone z in the entries. `turn`: 1 where
    outer rings go down on their left side in pixel space, -1 where they go up. Raises TooFine.
    """
    stretches, share, too_fine = _trace(xs, ys, ring_ends, zone_rings, zones, width, height, turn)
    if too_fine >= 0:
        raise TooFine(int(zones[too_fine]))
    zone, row, col, length = stretches
    return entries(zone, row, col, length, share)


def entries(zone: Any, row: Any, col: Any, length: Any, share: Any) -> Traced:
    """Return stretches of equal share, ordered by zone and row, as entries."""
    new = np.ones(len(zone), bool)
    new[1:] = (zone[1:] != zone[:-1]) | (row[1:] != row[:-1])
    starts = np.flatnonzero(new)
    whole = share == 1
    parts = np.where(whole, 0, length)
    offsets = np.arange(parts.sum()) - np.repeat(np.cumsum(parts) - parts, parts)
    return Traced(
        zone[starts],
        row[starts],
        np.r_[0, np.cumsum(whole)][np.r_[starts, len(zone)]],
        np.r_[0, np.cumsum(parts)][np.r_[starts, len(zone)]],
        col[whole],
        length[whole],
        (np.repeat(col, parts) + offsets).astype(np.int32),
        np.repeat(share, parts),
    )
