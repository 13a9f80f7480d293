"""Which pixels count: one rule for statistics, clips and pictures."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pileus.documents import Process


@dataclass(frozen=True, slots=True)
class Validity:
    """Which values of a band count: low <= value <= high, neither nodata nor (where asked) zero; NaN never does."""

    low: float = -np.inf
    high: float = np.inf
    nodata: float = np.nan
    """NaN: none."""
    zero_is_nodata: bool = False

    def limits(self, dtype: Any) -> tuple[Any, Any, Any, Any]:
        """Return low, high, nodata and zero as `dtype`, the limits moved inwards where `dtype` cannot hold them."""
        low, high = dtype.type(self.low), dtype.type(self.high)
        if float(low) < self.low:
            low = np.nextafter(low, dtype.type(np.inf))
        if float(high) > self.high:
            high = np.nextafter(high, dtype.type(-np.inf))
        with np.errstate(over="ignore"):
            return low, high, dtype.type(self.nodata), dtype.type(0 if self.zero_is_nodata else np.nan)

    def valid(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Return which values count, in the same way as the kernel.

        >>> Validity(low=1, nodata=3).valid(np.array([0, 1, 3, 4, np.nan])).tolist()
        [False, True, False, True, False]
        """
        found = as_float(values)
        low, high, skip, zero = self.limits(found.dtype)
        good: NDArray[np.bool_] = (found >= low) & (found <= high) & (found != skip) & (found != zero)
        return good


def validity_of(process: Process, nodata: float | None) -> Validity:
    """Return the rule for a band. `nodata`: the raster's own, which the collection may override."""
    low, high = process.range or (-np.inf, np.inf)
    skip = process.nodata if process.nodata is not None else nodata
    return Validity(low, high, np.nan if skip is None else skip, process.zero_is_nodata)


def lets_count(process: Process, mask: NDArray[Any]) -> NDArray[np.bool_]:
    """Return where a mask band (`meta.process.valid`) allows pixels to count; everywhere, where the process has no
    mask.
    """
    return mask >= (process.valid.min if process.valid else -np.inf)


def as_float(values: NDArray[Any]) -> NDArray[Any]:
    """Return float32 where that holds every value of the type, else float64."""
    if values.dtype in (np.float32, np.float64):
        return values
    small = values.dtype.itemsize <= 2
    return values.astype(np.float32 if small else np.float64)
