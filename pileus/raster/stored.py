"""How the numbers of a band are stored, and which values they stand for."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pileus.errors import RasterError


@dataclass(frozen=True, slots=True)
class Stored:
    """A stored number stands for the value `number * factor + offset`.

    This is `scale_factor` and `add_offset` of the CF conventions (https://cfconventions.org, section 8.1), and the
    scale and offset of a GeoTIFF.
    """

    nodata: float | None = None
    """Stored number of pixels that do not count; None where there is none but NaN, which never counts."""
    factor: float = 1.0
    offset: float = 0.0
    low: float = -math.inf
    """Least value that a pixel can have; less does not count."""
    high: float = math.inf
    unit: str = ""
    """Of the values; empty where it is not known."""
    said: str = ""
    """Unit that the file says, where the collection says another."""

    @classmethod
    def of(cls, dataset: Any, number: int, where: str, unit: str = "") -> "Stored":
        """Return what an open rasterio dataset says of a band, from 1. Raises RasterError for a factor that is 0 or no
        number.
        """
        factor, offset = float(dataset.scales[number - 1]), float(dataset.offsets[number - 1])
        if not (math.isfinite(factor) and math.isfinite(offset)) or factor == 0:
            raise RasterError(f"has a scale of {factor} and an offset of {offset}: expected numbers", where=where)
        nodata = dataset.nodatavals[number - 1]
        return cls(None if nodata is None or math.isnan(nodata) else nodata, factor, offset, unit=unit)

    @property
    def scaled(self) -> bool:
        """Return whether a value differs from its stored number."""
        return (self.factor, self.offset) != (1, 0)

    def value(self, number: Any) -> Any:
        """Return the value of a stored number, or of each of an array: as float64, or as it is where nothing is scaled.

        >>> Stored(factor=0.1, offset=220).value(np.array([0, 586], "u2")).tolist()
        [220.0, 278.6]
        """
        return np.asarray(number, np.float64) * self.factor + self.offset if self.scaled else number

    def values(self, numbers: NDArray[Any]) -> NDArray[np.float64]:
        """Return the values of stored numbers (floats) as float64, NaN where a pixel does not count.

        >>> Stored(nodata=9, factor=2, high=6).values(np.array([1.0, 9, 4, 3])).tolist()
        [2.0, nan, nan, 6.0]
        """
        values = np.array(self.value(numbers), np.float64)
        bad = (values < self.low) | (values > self.high)
        if self.nodata is not None:
            bad |= numbers == numbers.dtype.type(self.nodata)
        values[bad] = np.nan
        return values

    def limits(self, low: float, high: float) -> tuple[float, float]:
        """Return the least and the greatest number whose value lies from `low` to `high`, both included.

        >>> Stored(factor=-2).limits(-10, 6)
        (-3.0, 5.0)
        """
        if not self.scaled:
            return low, high
        if self.factor > 0:
            return self._edge(low, lambda value: value >= low, -1), self._edge(high, lambda value: value <= high, 1)
        return self._edge(high, lambda value: value <= high, -1), self._edge(low, lambda value: value >= low, 1)

    def number(self, value: float) -> float:
        """Return the number that stands for a value, rounded as float64 is."""
        return (value - self.offset) / self.factor

    def _edge(self, limit: float, lies: Callable[[float], bool], outwards: int) -> float:
        """Return the outermost number whose value lies within a limit, where division alone is off by last digits."""
        near = self.number(limit)
        if not math.isfinite(near):
            return near
        wide = 4 * (math.ulp(near) + (math.ulp(limit) + math.ulp(self.offset)) / abs(self.factor))
        within, beyond = near - outwards * wide, near + outwards * wide
        while (middle := (within + beyond) / 2) not in (within, beyond):
            if lies(middle * self.factor + self.offset):
                within = middle
            else:
                beyond = middle
        return within


def physical(values: NDArray[Any], stored: Stored) -> NDArray[Any]:
    """Return the values of stored numbers for people: float32 where the numbers have up to 16 bits, else float64."""
    if not stored.scaled:
        return values
    kind = np.float32 if values.dtype.itemsize <= 2 else np.float64
    return np.asarray(stored.value(values), kind)
