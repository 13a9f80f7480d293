"""Compile zones onto a grid: from polygons to a zone index."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.crs import CRS

from pileus.errors import ZonesError
from pileus.raster.grid import BAND_ROWS, Grid
from pileus.raster.jit import compiled
from pileus.stopping import Check, go_on
from pileus.zonal.coverage import PIECES, STEP, TooFine, Traced, entries, trace
from pileus.zonal.cut_grid import burn_as_gippy
from pileus.zonal.index import CoverageRule, ZoneIndex
from pileus.zonal.rasterize import burn
from pileus.zonal.reproject import reproject
from pileus.zonal.zones import Zones

SAME_PLACE = 1e-6
"""Share of a pixel by which reprojection may move a zone that then keeps its coordinates."""
STRAIGHT = 1e-5
"""Share of a pixel by which an edge of a reprojected zone may lie from its curve."""
GAP = 24
"""Most pixels between two needed stretches of a row that are packed too, because that is faster than a gap."""


def compile_index(
    zones: Zones,
    grid: Grid,
    rule: CoverageRule = "exact",
    *,
    threads: int = 2,
    where: str = "zones",
    check: Check = go_on,
) -> ZoneIndex:
    """Return the index: which pixels of `grid` each zone covers. Raises ZonesError when zones cannot be brought to its
    CRS, or one has too fine an outline.
    """
    geometries, notes = _in_crs(zones, grid, where)
    whole = shapely.area(geometries) / abs(grid.dx * grid.dy)
    geometries, numbers = _placed(geometries, grid)
    exact = rule == "exact"
    try:
        traced = _trace(geometries, numbers, grid, threads, check) if exact else _burn(geometries, numbers, grid, rule)
    except TooFine as exc:
        raise ZonesError(
            f"zone {zones.ids[exc.args[0]]!r} has an outline too fine for the grid: it crosses the borders of pixels "
            f"more than {PIECES:,} times",
            where=where,
        ) from exc
    return _assemble(traced, whole, grid, notes)


def on_grid(zones: Zones, grid: Grid, where: str = "zones") -> Any:
    """Return the geometries in the coordinate system of a grid, their edges as curved as they are there."""
    limits = {"tolerance": grid.dx * SAME_PLACE, "curve": grid.dx * STRAIGHT}
    return reproject(zones.geometries, zones.crs, grid.crs, **limits, where=where)


def _in_crs(zones: Zones, grid: Grid, where: str) -> tuple[Any, tuple[str, ...]]:
    moved = on_grid(zones, grid, where)
    if moved is zones.geometries:
        return moved, ()
    source, target = CRS.from_user_input(zones.crs), CRS.from_user_input(grid.crs)
    note = f"zones reprojected from {source.to_string()[:40]} to {target.to_string()[:40]}"
    return shapely.orient_polygons(moved), (note,)


def _placed(geometries: Any, grid: Grid) -> tuple[Any, NDArray[np.int32]]:
    """Return the geometries that meet the grid and their numbers. Those in degrees are also tried 360 degrees away.

    That is done only for zones or grids that leave -180..180. Elsewhere it could only add slivers, because a raster's
    last pixel may reach half a pixel beyond 180.
    """
    bounds = shapely.bounds(geometries)
    west, south, east, north = grid.bounds
    beyond = np.zeros(len(geometries), bool)
    if grid.geographic:
        wide = west < -180 - grid.dx or east > 180 + grid.dx
        beyond = wide | (bounds[:, 0] < -180) | (bounds[:, 2] > 180)
    shapes, numbers = [], []
    for turn in (-360.0, 0.0, 360.0):
        meets = (bounds[:, 0] + turn < east) & (bounds[:, 2] + turn > west)
        meets &= (bounds[:, 1] < north) & (bounds[:, 3] > south)
        if turn:
            meets &= beyond
        which = np.flatnonzero(meets)
        chosen = geometries[which]
        if turn and len(which):
            chosen = shapely.transform(chosen, lambda c, turn=turn: c + np.array([turn, 0.0]))
        shapes.append(chosen)
        numbers.append(which)
    return np.concatenate(shapes), np.concatenate(numbers).astype(np.int32)


def _pixel_coordinates(geometries: Any, grid: Grid) -> tuple[Any, Any, Any, Any]:
    """Return x and y in pixels, where each ring starts, and where the rings of each zone start."""
    _, coordinates, (rings, polygons, multis) = shapely.to_ragged_array(geometries)
    xs = np.round((coordinates[:, 0] - grid.west) / grid.dx * STEP) / STEP
    ys = np.round((coordinates[:, 1] - grid.north) / grid.dy * STEP) / STEP
    return xs, ys, rings.astype(np.int64), polygons[multis].astype(np.int64)


def _trace(geometries: Any, numbers: Any, grid: Grid, threads: int, check: Check) -> Traced:
    if len(geometries) == 0:
        geometries, numbers = np.array([shapely.MultiPolygon()]), np.zeros(1, np.int32)
    xs, ys, rings, zone_rings = _pixel_coordinates(geometries, grid)
    turn = 1.0 if grid.dy < 0 else -1.0
    weight = rings[zone_rings]  # vertices before each zone, to make chunks of equal work
    chunks = min(max(4 * threads, len(geometries) // 500), len(geometries)) if threads > 1 else 1
    cuts = np.unique(np.r_[0, np.searchsorted(weight, np.linspace(0, weight[-1], chunks + 1))[1:-1], len(geometries)])

    def one(first: int, last: int) -> Traced:
        check()
        ends = zone_rings[first : last + 1]
        return trace(xs, ys, rings, ends, numbers[first:last], grid.width, grid.height, turn)

    with ThreadPoolExecutor(max(1, threads)) as pool:
        return _joined(list(pool.map(one, cuts[:-1], cuts[1:])))


def _joined(pieces: list[Traced]) -> Traced:
    """Return several lists of entries as one, one after the other."""

    def ends(name: str) -> Any:
        sizes = [np.diff(getattr(piece, name)) for piece in pieces]
        return np.r_[0, np.cumsum(np.concatenate(sizes), dtype=np.int64)]

    def column(name: str) -> Any:
        return np.concatenate([getattr(piece, name) for piece in pieces])

    return Traced(
        column("zone"),
        column("row"),
        ends("runs"),
        ends("parts"),
        *(column(name) for name in ("run_col", "run_len", "part_col", "part_share")),
    )


def _burn(geometries: Any, numbers: Any, grid: Grid, rule: CoverageRule) -> Traced:
    bounds = shapely.bounds(geometries).reshape(-1, 4)
    columns: list[list[Any]] = [[np.empty(0, np.int32)] for _ in range(4)]
    for geometry, zone, (x0, y0, x1, y1) in zip(geometries, numbers, bounds, strict=True):
        if rule == "gippy":
            row, col, length = burn_as_gippy(geometry, grid)
        else:
            ys = sorted(((y0 - grid.north) / grid.dy, (y1 - grid.north) / grid.dy))
            pixels = ((x0 - grid.west) / grid.dx, ys[0], (x1 - grid.west) / grid.dx, ys[1])
            row, col, length = burn(geometry, pixels, grid, rule == "all_touched")
        for column, values in zip(columns, (np.full(len(row), zone, np.int32), row, col, length), strict=True):
            column.append(values)
    zone, row, col, length = map(np.concatenate, columns)
    return entries(zone, row, col, length, np.ones(len(zone), np.float32))


def _assemble(traced: Traced, whole: NDArray[np.float64], grid: Grid, notes: tuple[str, ...]) -> ZoneIndex:
    zone, row, runs, parts = traced.zone, traced.row, traced.runs, traced.parts
    run_len, part_share = traced.run_len, traced.part_share
    totals = _totals(zone, row, runs, parts, run_len, part_share, grid.cell_areas(), len(whole))
    by_row = np.argsort(row, kind="stable")
    stretches, run_at, part_at = _number(
        row, runs, parts, traced.run_col, run_len, traced.part_col, by_row, grid.width, BAND_ROWS
    )
    stretch_row, stretch_col, stretch_len, stretch_at = stretches
    band = row // BAND_ROWS
    order = np.lexsort((row, zone, band))
    run_starts, run_at, run_len = _reordered(order, runs, run_at, run_len)
    part_starts, part_at, part_share = _reordered(order, parts, part_at, part_share)
    zone, row, band = zone[order], row[order], band[order]
    new = np.r_[True, (zone[1:] != zone[:-1]) | (band[1:] != band[:-1])] if len(zone) else np.empty(0, bool)
    starts = np.flatnonzero(new)
    bands = np.arange(grid.bands + 1)
    return ZoneIndex(
        zones=totals,
        whole=whole,
        stretch_row=stretch_row,
        stretch_col=stretch_col,
        stretch_len=stretch_len,
        stretch_at=stretch_at,
        band_stretches=np.searchsorted(stretch_row, bands * BAND_ROWS).astype(np.int64),
        band_slots=np.searchsorted(band[starts], bands).astype(np.int64),
        slot_zone=zone[starts],
        slot_entries=np.r_[starts, len(zone)].astype(np.int64),
        entry_row=row,
        entry_runs=run_starts,
        entry_parts=part_starts,
        run_at=run_at,
        run_len=run_len,
        part_at=part_at,
        part_share=part_share,
        notes=notes,
    )


def _reordered(order: Any, starts: Any, first: Any, second: Any) -> tuple[Any, Any, Any]:
    """Return two ragged columns with their rows in another order, and where the rows start then."""
    sizes = np.diff(starts)[order]
    after = np.r_[0, np.cumsum(sizes)].astype(np.int64)
    take = np.repeat(starts[:-1][order] - after[:-1], sizes) + np.arange(after[-1])
    return after, first[take], second[take]


def _totals(zone: Any, row: Any, runs: Any, parts: Any, run_len: Any, part_share: Any, areas: Any, count: int) -> Any:
    """Return (zones, 2): coverage of each zone in pixels and in square metres."""
    full = np.r_[0, np.cumsum(run_len, dtype=np.int64)]
    covered = (full[runs[1:]] - full[runs[:-1]]).astype(np.float64)
    some = np.flatnonzero(parts[1:] > parts[:-1])
    if len(some):
        covered[some] += np.add.reduceat(part_share.astype(np.float64), parts[:-1][some])
    pixels = np.bincount(zone, covered, count)
    metres = np.bincount(zone, covered * areas[row], count)
    return np.column_stack([pixels, metres])


@compiled
def _number(
    row: Any, runs: Any, parts: Any, run_col: Any, run_len: Any, part_col: Any, by_row: Any, width: int, band_rows: int
) -> Any:
    """Number the needed pixels. Return the stretches, and the packed number of every run and part."""
    run_at = np.empty(run_col.size, np.uint32)
    part_at = np.empty(part_col.size, np.uint32)
    stretches = np.empty((4, 1024), np.int32)
    n = 0
    needed, near = np.zeros(width, np.uint8), np.zeros(width // 64 + 1, np.uint8)
    number = np.empty(width, np.int32)
    i, band, packed = 0, -1, 0
    while i < by_row.size:
        this = row[by_row[i]]
        if this // band_rows != band:
            band, packed = this // band_rows, 0
        j, low, high = i, width, 0
        while j < by_row.size and row[by_row[j]] == this:
            entry = by_row[j]
            for k in range(runs[entry], runs[entry + 1]):
                needed[run_col[k] : run_col[k] + run_len[k]] = 1
                near[run_col[k] // 64 : (run_col[k] + run_len[k] - 1) // 64 + 1] = 1
                low, high = min(low, run_col[k]), max(high, run_col[k] + run_len[k])
            for k in range(parts[entry], parts[entry + 1]):
                needed[part_col[k]] = 1
                near[part_col[k] // 64] = 1
                low, high = min(low, part_col[k]), max(high, part_col[k] + 1)
            j += 1
        c = low
        while c < high:
            if needed[c] == 0:
                # Where zones lie far apart, 64 columns are passed over at once.
                c = c + 1 if near[c // 64] else (c // 64 + 1) * 64
                continue
            start, end, free = c, c, 0
            while c < high and free <= GAP:
                if needed[c] != 0:
                    end, free = c + 1, 0
                else:
                    free += 1
                c += 1
            c = end
            if n == stretches.shape[1]:
                larger = np.empty((4, 2 * n), np.int32)
                larger[:, :n] = stretches
                stretches = larger
            stretches[0, n], stretches[1, n], stretches[2, n], stretches[3, n] = this, start, end - start, packed
            n += 1
            for at in range(start, end):
                number[at] = packed + at - start
            packed += end - start
        for k in range(i, j):
            entry = by_row[k]
            for r in range(runs[entry], runs[entry + 1]):
                run_at[r] = number[run_col[r]]
            for p in range(parts[entry], parts[entry + 1]):
                part_at[p] = number[part_col[p]]
        needed[low:high] = 0
        near[low // 64 : high // 64 + 1] = 0
        i = j
    out = stretches[:, :n].copy()
    return (out[0], out[1], out[2], out[3]), run_at, part_at
