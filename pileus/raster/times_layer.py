"""Fields of several times in one file, of which one is made: their mean, sum, least or greatest value."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from pileus.raster.grid import Grid, Needed
from pileus.raster.layers import Handles, WindowLayer
from pileus.raster.packed import as_float
from pileus.raster.stored import Stored

MOST_TIMES = 10_000
"""Most times that are measured each: an hour for each of a year, and more."""


@dataclass(frozen=True)
class TimesLayer:
    """One band made of the fields of several times. Its pixels are values: NaN where there is none."""

    first: WindowLayer
    """The field of the first time."""
    numbers: tuple[int, ...]
    """Of the fields, from 1."""
    how: Literal["mean", "sum", "min", "max"]
    engine: ClassVar[str] = "times"

    @property
    def grid(self) -> Grid:
        return self.first.grid

    @property
    def stored(self) -> Stored:
        return Stored(unit=self.first.stored.unit)

    @contextmanager
    def open(self) -> Iterator[Handles]:
        """Yield a handle for each thread."""
        with self.first.open() as handles:
            yield handles

    def units(self, needed: Needed) -> list[list[int]]:
        """Yield the bands of rows that are best read together."""
        return self.first.units(needed)

    def read(self, handles: Handles, needed: Needed, unit: list[int]) -> list[NDArray[np.float64]]:
        """Return the packed values of each band of rows of a unit, as float64. Raises RasterError.

        `mean`, `min` and `max` are those of the times for which a pixel has a value; `sum` is NaN where one lacks.
        """
        folds = [Fold(self.how, needed.pixels(band)) for band in unit]
        for number in self.numbers:
            layer = replace(self.first, number=number)
            for fold, pixels in zip(folds, layer.read(handles, needed, unit), strict=True):
                fold.add(self.first.stored.values(as_float(pixels)))
        return [fold.result() for fold in folds]


@dataclass(frozen=True)
class EachLayer:
    """The fields of several times, each a layer of its own."""

    times: Mapping[datetime, WindowLayer]

    @property
    def grid(self) -> Grid:
        return next(iter(self.times.values())).grid


def by_time(layer: Any) -> list[tuple[datetime | None, Any]]:
    """Return the layers of each time of a band; one without a time where there is no more."""
    return list(layer.times.items()) if isinstance(layer, EachLayer) else [(None, layer)]


class Fold:
    """One value for each pixel of those of several times."""

    def __init__(self, how: Literal["mean", "sum", "min", "max"], pixels: int) -> None:
        self._how = how
        start = {"min": np.inf, "max": -np.inf}.get(how, 0.0)
        self._value, self._times, self._all = np.full(pixels, start), np.zeros(pixels, np.int64), 0

    def add(self, values: NDArray[np.float64]) -> None:
        """Take the values of one time; NaN where there is none."""
        there = ~np.isnan(values)
        self._all += 1
        self._times += there
        fold = {"min": np.minimum, "max": np.maximum}.get(self._how, np.add)
        fold(self._value, values, out=self._value, where=there)

    def result(self) -> NDArray[np.float64]:
        """Return the value of each pixel."""
        least = self._all if self._how == "sum" else 1
        total = self._value / np.maximum(self._times, 1) if self._how == "mean" else self._value
        return np.where(self._times >= least, total, np.nan)
