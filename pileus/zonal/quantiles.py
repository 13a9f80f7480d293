"""Percentiles: exact for zones of up to `EXACT` pixels, a sketch with a stated error beyond.

Exact: with the N valid pixels of a zone in ascending order, weights w and C the weight before a pixel, pixel k
(from 0) stands at S(k) = k w(k) + (N - 1) C(k); the value at q S(N) is interpolated linearly between the two pixels
around it. With equal weights that is numpy's `percentile` (R's type 7). With coverage fractions it is exactextract's
`quantile` where no value occurs twice; of equal values exactextract first makes one pixel with the weight of all, which
moves its points of interpolation.

Sketch: a histogram over the leading 19 bits of the float32 value (sign, exponent, 10 bits of mantissa). A bin is at
most 2^-10 of its value wide and its middle is given, so the error is at most 2^-11 (0.05 %) of a value at that rank.
Histograms add up, in any order to the same result.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pileus.raster.jit import compiled
from pileus.raster.packed import as_float
from pileus.raster.stored import Stored
from pileus.zonal.index import ZoneIndex
from pileus.zonal.kernel import NO_MASK, columns_of
from pileus.zonal.validity import Validity

EXACT = 1_000_000
"""Most pixels of a zone whose percentiles are exact."""
BUDGET = 64_000_000
"""Pixels kept for exact percentiles in all; the largest zones beyond it are sketched."""
DROPPED = 13
"""Low bits of a float32 that the sketch ignores."""


@dataclass(frozen=True)
class Sample:
    """Values of one zone, or of a part of it."""

    whole: NDArray[Any]
    """Values with weight 1."""
    partial: NDArray[Any]
    weights: NDArray[np.float64]
    """Weights of `partial`."""
    bins: NDArray[np.int64]
    """Keys of the histogram, ascending; empty while the zone is exact."""
    counts: NDArray[np.float64]


def exact_zones(index: ZoneIndex) -> NDArray[np.bool_]:
    """Return which zones are kept exactly. Only their coverage decides: the order of the work changes nothing."""
    pixels = index.zones[:, 0]
    order = np.argsort(pixels, kind="stable")
    within = np.empty(len(pixels), bool)
    within[order] = np.cumsum(pixels[order]) <= BUDGET
    return within & (pixels <= EXACT)


@compiled
def _gather(
    first: int, last: int, index: Any, areas: Any, by_area: bool, values: Any, valid: Any, masked: bool, limits: Any
) -> Any:
    """Valid values of slots first..last with their weights, and where each slot's end."""
    slot_entries, entry_row, entry_runs, entry_parts, run_at, run_len, part_at, part_share = index
    low, high, skip, zero = limits
    size = 0
    for e in range(slot_entries[first], slot_entries[last]):
        size += entry_parts[e + 1] - entry_parts[e]
        for r in range(entry_runs[e], entry_runs[e + 1]):
            size += run_len[r]
    found, weights = np.empty(size, values.dtype), np.empty(size)
    ends = np.empty(last - first, np.int64)
    n = 0
    for slot in range(first, last):
        for e in range(slot_entries[slot], slot_entries[slot + 1]):
            unit = areas[entry_row[e]] if by_area else 1.0
            for r in range(entry_runs[e], entry_runs[e + 1]):
                for at in range(run_at[r], run_at[r] + np.uint32(run_len[r])):
                    x = values[at]
                    if x >= low and x <= high and x != skip and x != zero and (not masked or valid[at] != 0):
                        found[n], weights[n] = x, unit
                        n += 1
            for p in range(entry_parts[e], entry_parts[e + 1]):
                at = part_at[p]
                x = values[at]
                if x >= low and x <= high and x != skip and x != zero and (not masked or valid[at] != 0):
                    found[n], weights[n] = x, unit * np.float64(part_share[p])
                    n += 1
        ends[slot - first] = n
    return found[:n], weights[:n], ends


def gather(
    index: ZoneIndex,
    band: int,
    packed: NDArray[Any],
    valid: NDArray[np.uint8] | None,
    validity: Validity,
    areas: NDArray[np.float64],
    by_area: bool,
    exact: NDArray[np.bool_],
    stored: Stored,
) -> list[Sample]:
    """Return the valid values of each slot of one band.

    Arguments as in `accumulate_band`; `exact`: as `exact_zones` says; `stored`: which values the numbers stand for.
    """
    values = as_float(packed)
    first, last = int(index.band_slots[band]), int(index.band_slots[band + 1])
    mask, limits = NO_MASK if valid is None else valid, validity.limits(values.dtype)
    columns = columns_of(index)
    found, weights, ends = _gather(
        first, last, columns, areas, by_area, values, mask, valid is not None, limits
    )  # fmt: skip
    found = stored.value(found)
    starts = np.r_[0, ends]
    samples = []
    for slot, (start, end) in enumerate(pairwise(starts)):
        sample = _sample(found[start:end], weights[start:end])
        samples.append(sample if exact[index.slot_zone[first + slot]] else _sketched(sample))
    return samples


def _sample(values: NDArray[Any], weights: NDArray[np.float64]) -> Sample:
    one = weights == 1
    none = np.empty(0, np.int64)
    return Sample(values[one], values[~one], weights[~one], none, np.empty(0))


def _sketched(sample: Sample) -> Sample:
    """Return the same values as a histogram."""
    values = np.concatenate([sample.whole, sample.partial])
    weights = np.r_[np.ones(len(sample.whole)), sample.weights, sample.counts]
    with np.errstate(over="ignore"):
        bits = values.astype(np.float32).view(np.int32)
    keys = np.where(bits >= 0, bits, bits ^ np.int32(0x7FFFFFFF)) >> DROPPED
    bins, place = np.unique(np.r_[keys.astype(np.int64), sample.bins], return_inverse=True)
    nothing = np.empty(0, values.dtype)
    return Sample(nothing, nothing, np.empty(0), bins, np.bincount(place, weights, len(bins)).astype(np.float64))


def joined(samples: Iterable[Sample]) -> Sample:
    """Return several parts of one zone as one; a sketch where any of them is one."""
    columns = [list(c) for c in zip(*((s.whole, s.partial, s.weights, s.bins, s.counts) for s in samples), strict=True)]
    if not columns:
        return _sample(np.empty(0, np.float32), np.empty(0))
    sample = Sample(*(np.concatenate(column) for column in columns))
    return _sketched(sample) if len(sample.bins) else sample


def percentile(sample: Sample, percent: float) -> float:
    """Return the value below which `percent` of the weight lies; NaN of nothing.

    >>> percentile(_sample(np.array([4.0, 1.0, 2.0, 3.0]), np.ones(4)), 25)
    1.75
    """
    if len(sample.bins):
        return _from_bins(sample, percent / 100)
    values = np.r_[sample.whole, sample.partial].astype(np.float64)
    if not len(values):
        return float("nan")
    weights = np.r_[np.ones(len(sample.whole)), sample.weights]
    order = np.lexsort((weights, values))
    values, weights = values[order], weights[order]
    before = np.r_[0, np.cumsum(weights)[:-1]]
    places = np.arange(len(values)) * weights + (len(values) - 1) * before
    target = percent / 100 * float(weights.sum()) * (len(values) - 1)
    return float(np.interp(target, places, values))


def _from_bins(sample: Sample, share: float) -> float:
    upto = np.cumsum(sample.counts)
    key = int(sample.bins[min(np.searchsorted(upto, share * upto[-1]), len(upto) - 1)])
    ends = np.array([key << DROPPED, (key << DROPPED) + (1 << DROPPED) - 1], np.int32)
    bits = np.where(ends >= 0, ends, ends ^ np.int32(0x7FFFFFFF)).astype(np.int32)
    low, high = bits.view(np.float32).astype(np.float64)
    if not np.isfinite([low, high]).all():
        return float(low if np.isinf(low) else high)
    return float((low + high) / 2) if max(abs(low), abs(high)) > 1e-37 else 0.0
