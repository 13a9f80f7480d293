"""Which pixels count: one rule for statistics, clips and pictures."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pileus.documents import Process
from pileus.documents.valid import bit_places
from pileus.errors import RasterError
from pileus.raster.packed import as_float
from pileus.raster.stored import Stored


@dataclass(frozen=True, slots=True)
class Validity:
    """Which stored numbers of a band count: low <= number <= high, neither `nodata` nor `zero`; NaN never does."""

    low: float = -np.inf
    high: float = np.inf
    nodata: float = np.nan
    """NaN: none."""
    zero: float = np.nan
    """The number of the value 0, where that does not count; NaN: it does."""

    def limits(self, dtype: Any) -> tuple[Any, Any, Any, Any]:
        """Return low, high, nodata and zero as `dtype`, the limits moved inwards where `dtype` cannot hold them."""
        low, high = dtype.type(self.low), dtype.type(self.high)
        if float(low) < self.low:
            low = np.nextafter(low, dtype.type(np.inf))
        if float(high) > self.high:
            high = np.nextafter(high, dtype.type(-np.inf))
        with np.errstate(over="ignore"):
            return low, high, dtype.type(self.nodata), dtype.type(self.zero)

    def valid(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Return which values count, in the same way as the kernel.

        >>> Validity(low=1, nodata=3).valid(np.array([0, 1, 3, 4, np.nan])).tolist()
        [False, True, False, True, False]
        """
        found = as_float(values)
        low, high, skip, zero = self.limits(found.dtype)
        good: NDArray[np.bool_] = (found >= low) & (found <= high) & (found != skip) & (found != zero)
        return good


def validity_of(process: Process, stored: Stored) -> Validity:
    """Return the rule for the numbers of a measured band."""
    low, high = process.range.ends if process.range else (-np.inf, np.inf)
    return _rule(stored, low, high, zero=process.zero_is_nodata)


def _rule(stored: Stored, low: float, high: float, *, zero: bool = False) -> Validity:
    """Return the rule that lets values from `low` to `high` count, as far as the band can have them."""
    least, greatest = stored.limits(max(low, stored.low), min(high, stored.high))
    skip = np.nan if stored.nodata is None else stored.nodata
    return Validity(least, greatest, skip, stored.number(0) if zero else np.nan)


def lets_count(
    process: Process, band: str, mask: NDArray[Any], stored: Stored, where: str | None = None
) -> NDArray[np.bool_]:
    """Return where the conditions (`meta.process.valid`) on a band allow pixels to count. Where that band itself has
    its nodata value or NaN, none counts.

    Raises RasterError for bits of numbers that are not whole.
    """
    good = np.ones(mask.shape, np.bool_)
    for condition in process.valid:
        if condition.band != band:
            continue
        good &= _fits(_rule(stored, *condition.limits.ends), mask)
        if condition.among:
            numbers = np.array([stored.number(value) for value in condition.among])
            good &= np.isin(mask, np.rint(numbers) if mask.dtype.kind in "ui" else numbers.astype(mask.dtype))
        for place, values in condition.bits.items():
            if mask.dtype.kind not in "ui":
                raise RasterError(f"has {band} as {mask.dtype}: bits are those of whole numbers", where=where)
            good &= _bits(mask, place, values)
    return good


def _fits(rule: Validity, mask: NDArray[Any]) -> NDArray[np.bool_]:
    """Return where numbers keep a rule without a zero: as `Validity.valid`, and whole numbers without making floats of
    them.
    """
    if mask.dtype.kind not in "ui":
        return rule.valid(mask)
    least, most = (int(end) for end in (np.iinfo(mask.dtype).min, np.iinfo(mask.dtype).max))
    if not (rule.low <= most and rule.high >= least):
        return np.zeros(mask.shape, np.bool_)
    low, high = math.ceil(max(rule.low, least)), math.floor(min(rule.high, most))
    good = mask >= low if low > least else np.ones(mask.shape, np.bool_)
    if high < most:
        good &= mask <= high
    if least <= rule.nodata <= most and rule.nodata == int(rule.nodata):
        good &= mask != int(rule.nodata)
    return good


def all_of(masks: Sequence[NDArray[np.bool_] | None]) -> NDArray[np.uint8] | None:
    """Return where all masks let pixels count, as 1 and 0; None where there is none."""
    there = [mask for mask in masks if mask is not None]
    return reduce(np.logical_and, there).view(np.uint8) if there else None


def _bits(mask: NDArray[Any], place: str, values: int | tuple[int, ...]) -> NDArray[np.bool_]:
    first, last = bit_places(place)
    found = (mask.view(f"u{mask.itemsize}") >> first) & ((1 << (last - first + 1)) - 1)
    return np.isin(found, values)
