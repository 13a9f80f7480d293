"""Which pixels count: one rule for statistics, clips and pictures."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pileus.documents import Process
from pileus.raster.packed import float_of
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
    """Return the rule for the numbers of a band. The collection may override the raster's own nodata."""
    low, high = stored.limits(*(process.range or (-np.inf, np.inf)))
    skip = process.nodata if process.nodata is not None else stored.nodata
    zero = stored.number(0) if process.zero_is_nodata else np.nan
    return Validity(low, high, np.nan if skip is None else skip, zero)


def lets_count(process: Process, mask: NDArray[Any], stored: Stored) -> NDArray[np.bool_]:
    """Return where a mask band (`meta.process.valid`) allows pixels to count; everywhere, where the process has no
    mask. Where the mask itself has its nodata value or NaN, none counts.
    """
    if process.valid is None:
        return np.ones(mask.shape, np.bool_)
    low, high = stored.limits(process.valid.min, np.inf)
    good: NDArray[np.bool_] = mask <= high if stored.factor < 0 else mask >= low
    return good if stored.nodata is None else good & (mask != stored.nodata)


def as_float(values: NDArray[Any]) -> NDArray[Any]:
    """Return float32 where that holds every value of the type, else float64."""
    return values.astype(float_of(values.dtype), copy=False)
