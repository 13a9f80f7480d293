"""The kernel: one pass over the needed pixels of a band, and the merging of what it finds.

Moments are kept as weight, mean and the sums of the 2nd, 3rd and 4th powers of the distance to the mean; the mean as
its distance to an anchor, a value of the zone, because for 1e9 plus small noise the mean itself has too few digits.
Inside one row of one zone plain sums of the distances to a value near the mean are taken. Rows, bands, tiles and
workers are then joined by the pairwise formulas of P. Pebay, "Formulas for Robust, One-Pass Parallel Computation of
Covariances and Arbitrary-Order Statistical Moments", Sandia report SAND2008-6212 (2008), equations 2.1 and 3.1 with
weights for counts.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pileus.raster.jit import compiled, compiled_inline, compiled_sums
from pileus.raster.packed import as_float
from pileus.raster.stored import Stored
from pileus.zonal.index import ZoneIndex
from pileus.zonal.validity import Validity

COUNT, AREA, WEIGHT, ANCHOR, MEAN, M2, M3, M4, LOW, HIGH = range(10)
"""Columns of an accumulator: sum of coverage fractions of valid pixels; the same in m2; sum of the weights used; a
value near the mean, and the mean less that; sums of weighted powers of the distance to the mean; least and greatest
valid value."""
COLUMNS = 10


def scaled(acc: NDArray[np.float64], stored: Stored) -> NDArray[np.float64]:
    """Return the accumulators of values from those of their stored numbers. Central moments scale with powers of the
    factor, so nothing is lost.
    """
    if not stored.scaled:
        return acc
    made, factor = acc.copy(), stored.factor
    made[:, ANCHOR] = acc[:, ANCHOR] * factor + stored.offset
    for column, power in ((MEAN, 1), (M2, 2), (M3, 3), (M4, 4)):
        made[:, column] = acc[:, column] * factor**power
    ends = acc[:, [LOW, HIGH]] * factor + stored.offset
    made[:, [LOW, HIGH]] = ends if factor > 0 else ends[:, ::-1]
    return made


def empty(zones: int) -> NDArray[np.float64]:
    """Return accumulators (zones, COLUMNS) without any value."""
    acc = np.zeros((zones, COLUMNS))
    acc[:, LOW], acc[:, HIGH] = np.inf, -np.inf
    return acc


@compiled
def merge(into: Any, other: Any, rows: Any) -> None:
    """Join accumulators: `other[i]` into `into[rows[i]]`."""
    for i in range(rows.size):
        a, b = into[rows[i]], other[i]
        a[COUNT] += b[COUNT]
        a[AREA] += b[AREA]
        a[LOW], a[HIGH] = min(a[LOW], b[LOW]), max(a[HIGH], b[HIGH])
        _join(a, b[WEIGHT], b[ANCHOR], b[MEAN], b[M2], b[M3], b[M4])


@compiled_inline
def _join(a: Any, weight: float, anchor: float, mean: float, m2: float, m3: float, m4: float) -> None:
    if weight == 0:
        return
    wa = a[WEIGHT]
    if wa == 0:
        a[WEIGHT], a[ANCHOR], a[MEAN], a[M2], a[M3], a[M4] = weight, anchor, mean, m2, m3, m4
        return
    total = wa + weight
    delta = (anchor - a[ANCHOR]) + (mean - a[MEAN])
    fa, fb = wa / total, weight / total
    step = delta * delta * wa * fb
    a[M4] += (
        m4
        + step * delta * delta * (fa * fa - fa * fb + fb * fb)
        + 6 * delta * delta * (fa * fa * m2 + fb * fb * a[M2])
        + 4 * delta * (fa * m3 - fb * a[M3])
    )
    a[M3] += m3 + step * delta * (fa - fb) + 3 * delta * (fa * m2 - fb * a[M2])
    a[M2] += m2 + step
    a[MEAN] += delta * fb
    a[WEIGHT] = total


@compiled_sums
def _plain(
    values: Any, keys: Any, shift: float, low: Any, high: Any, skip: Any, zero: Any, top: Any, bottom: Any
) -> Any:
    """Sums over wholly covered pixels: how many, powers of the distance to `shift`, least and greatest key.

    A key is a value's bits, the lower ones turned for negatives, so that whole numbers sort as the values do. Minima
    of whole numbers need no leave to ignore NaN, and the loop becomes vector instructions.
    """
    n, s1, s2, s3, s4 = 0, 0.0, 0.0, 0.0, 0.0
    least, most = top, bottom
    for i in range(values.size):
        x, k = values[i], keys[i]
        ok = (x >= low) & (x <= high) & (x != skip) & (x != zero)
        d = np.float64(x) - shift if ok else 0.0
        d2 = d * d
        n += ok
        s1 += d
        s2 += d2
        s3 += d2 * d
        s4 += d2 * d2
        k = k if k >= 0 else k ^ top
        least = min(least, k if ok else top)
        most = max(most, k if ok else bottom)
    return n, s1, s2, s3, s4, least, most


@compiled_sums
def _masked(
    values: Any, keys: Any, valid: Any, shift: float, low: Any, high: Any, skip: Any, zero: Any, top: Any, bottom: Any
) -> Any:
    """Do as `_plain` where `valid` is not 0. It is a second loop, because one more array halves the speed."""
    n, s1, s2, s3, s4 = 0, 0.0, 0.0, 0.0, 0.0
    least, most = top, bottom
    for i in range(values.size):
        x, k = values[i], keys[i]
        ok = (x >= low) & (x <= high) & (x != skip) & (x != zero) & (valid[i] != 0)
        d = np.float64(x) - shift if ok else 0.0
        d2 = d * d
        n += ok
        s1 += d
        s2 += d2
        s3 += d2 * d
        s4 += d2 * d2
        k = k if k >= 0 else k ^ top
        least = min(least, k if ok else top)
        most = max(most, k if ok else bottom)
    return n, s1, s2, s3, s4, least, most


@compiled
def _finite(values: Any, valid: Any, masked: bool, low: Any, high: Any, skip: Any, zero: Any) -> Any:
    """Return the first valid finite value, else 0."""
    for i in range(values.size):
        x = values[i]
        if x >= low and x <= high and x != skip and x != zero and (not masked or valid[i] != 0) and np.isfinite(x):
            return np.float64(x)
    return 0.0


@compiled
def _shift(
    run_at: Any, run_len: Any, part_at: Any, span: Any, values: Any, valid: Any, masked: bool, limits: Any
) -> Any:
    """Return a value to measure distances from: the first valid and finite one, in the runs or else in the parts."""
    low, high, skip, zero, _, _ = limits
    found = 0.0
    for r in range(span[0], span[1]):
        at, end = run_at[r], run_at[r] + np.uint32(run_len[r])
        found = _finite(values[at:end], valid[at:end], masked, low, high, skip, zero)
        if found != 0:
            return found
    for p in range(span[2], span[3]):
        at = part_at[p]
        found = _finite(values[at : at + 1], valid[at : at + 1], masked, low, high, skip, zero)
        if found != 0:
            return found
    return found


@compiled_inline
def _sum_entry(
    run_at: Any,
    run_len: Any,
    part_at: Any,
    part_share: Any,
    span: Any,
    values: Any,
    keys: Any,
    valid: Any,
    masked: bool,
    shift: float,
    limits: Any,
) -> Any:
    """Sums over one zone in one row: of shares, of powers of the distance to `shift`, least and greatest key.

    `span`: first and last run, first and last part.
    """
    low, high, skip, zero, top, bottom = limits
    c, s1, s2, s3, s4 = 0.0, 0.0, 0.0, 0.0, 0.0
    least, most = top, bottom
    for r in range(span[0], span[1]):
        at, end = run_at[r], run_at[r] + np.uint32(run_len[r])
        x, k = values[at:end], keys[at:end]
        if masked:
            n, r1, r2, r3, r4, lo, hi = _masked(x, k, valid[at:end], shift, low, high, skip, zero, top, bottom)
        else:
            n, r1, r2, r3, r4, lo, hi = _plain(x, k, shift, low, high, skip, zero, top, bottom)
        c, s1, s2, s3, s4 = c + n, s1 + r1, s2 + r2, s3 + r3, s4 + r4
        least, most = min(least, lo), max(most, hi)
    for p in range(span[2], span[3]):
        at, share = part_at[p], np.float64(part_share[p])
        x = values[at]
        if x >= low and x <= high and x != skip and x != zero and (not masked or valid[at] != 0):
            d = np.float64(x) - shift
            w = share * d
            c, s1, s2, s3, s4 = c + share, s1 + w, s2 + w * d, s3 + w * d * d, s4 + w * d * d * d
            k = keys[at]
            k = k if k >= 0 else k ^ top
            least, most = min(least, k), max(most, k)
    return c, s1, s2, s3, s4, least, most


@compiled
def measure_band(
    first: int,
    last: int,
    index: Any,
    areas: Any,
    by_area: bool,
    values: Any,
    keys: Any,
    valid: Any,
    masked: bool,
    limits: Any,
    acc: Any,
    ends: Any,
) -> None:
    """Measure slots first..last of one band into `acc`, (last - first, COLUMNS) and empty, all but LOW and HIGH.

    `ends`, (last - first, 2): receives the least and greatest key. `index`: slot_entries, entry_row, entry_runs,
    entry_parts, run_at, run_len, part_at, part_share. `values`: packed pixels, float32 or float64; `keys`: the same
    memory as whole numbers; `valid`: 0 or 1 a pixel, read only if `masked`. `limits`: low, high, skip, zero and the
    greatest and least key. A value counts if low <= value <= high and it is neither `skip` nor `zero`; NaN never does.
    """
    slot_entries, entry_row, entry_runs, entry_parts, run_at, run_len, part_at, part_share = index
    for slot in range(first, last):
        a = acc[slot - first]
        least, most = limits[4], limits[5]
        for e in range(slot_entries[slot], slot_entries[slot + 1]):
            span = (entry_runs[e], entry_runs[e + 1], entry_parts[e], entry_parts[e + 1])
            shift = a[ANCHOR] + a[MEAN]
            if a[WEIGHT] == 0 or not np.isfinite(shift):
                shift = _shift(run_at, run_len, part_at, span, values, valid, masked, limits)
            c, s1, s2, s3, s4, lo, hi = _sum_entry(
                run_at, run_len, part_at, part_share, span, values, keys, valid, masked, shift, limits
            )
            if c == 0:
                continue
            least, most = min(least, lo), max(most, hi)
            mu = s1 / c
            m2 = max(s2 - mu * s1, 0.0)
            m3 = s3 - 3 * mu * s2 + 2 * mu * mu * s1
            m4 = max(s4 - 4 * mu * s3 + 6 * mu * mu * s2 - 3 * mu * mu * mu * s1, 0.0)
            area = areas[entry_row[e]]
            weight = area if by_area else 1.0
            a[COUNT] += c
            a[AREA] += c * area
            _join(a, c * weight, shift, mu, m2 * weight, m3 * weight, m4 * weight)
        ends[slot - first, 0], ends[slot - first, 1] = least, most


NO_MASK = np.zeros(0, np.uint8)


def accumulate_band(
    index: ZoneIndex,
    band: int,
    packed: NDArray[Any],
    valid: NDArray[np.uint8] | None,
    validity: Validity,
    areas: NDArray[np.float64],
    by_area: bool,
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Measure one band: the zones it holds, and an accumulator for each.

    `packed`: the needed pixels of the band; `valid`: 1 where the mask lets a pixel count; `areas`: m2 of a pixel, by
    row. Safe to call from several threads.
    """
    values = as_float(packed)
    keys = values.view(f"i{values.itemsize}")
    whole = np.iinfo(keys.dtype)
    first, last = int(index.band_slots[band]), int(index.band_slots[band + 1])
    acc = empty(last - first)
    ends = np.empty((last - first, 2), keys.dtype)
    limits = (*validity.limits(values.dtype), keys.dtype.type(whole.max), keys.dtype.type(whole.min))
    mask = NO_MASK if valid is None else valid
    columns = columns_of(index)
    measure_band(first, last, columns, areas, by_area, values, keys, mask, valid is not None, limits, acc, ends)
    found = acc[:, COUNT] > 0
    ends = np.where(ends >= 0, ends, ends ^ whole.max).astype(keys.dtype)
    extremes = ends.view(values.dtype).astype(np.float64)
    acc[found, LOW], acc[found, HIGH] = extremes[found, 0], extremes[found, 1]
    return index.slot_zone[first:last], acc


def columns_of(index: ZoneIndex) -> tuple[NDArray[Any], ...]:
    """Return what the kernels need of an index."""
    return (
        index.slot_entries, index.entry_row, index.entry_runs, index.entry_parts,
        index.run_at, index.run_len, index.part_at, index.part_share,
    )  # fmt: skip
