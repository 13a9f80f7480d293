"""From accumulators to columns of statistics."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pileus.statistics import statistic_of
from pileus.zonal.kernel import ANCHOR, AREA, COUNT, HIGH, LOW, M2, M3, M4, MEAN, WEIGHT
from pileus.zonal.quantiles import Sample, percentile

Column = NDArray[np.float64]


class AccumulatedMoments:
    """The columns that the formulas of `pileus.statistics` are given; see `Moments` there."""

    def __init__(self, acc: Column, totals: Column, whole: Column, samples: Mapping[int, Sample]) -> None:
        """Take accumulators (zones, COLUMNS), coverage of the zones on the grids (zones, 2), their sizes in pixels and
        values by zone.
        """
        some = acc[:, COUNT] > 0
        infinite = some & np.isinf(acc[:, [LOW, HIGH]]).any(axis=1)
        self._samples = samples
        self.count, self.area, self.weight, self.pixels = acc[:, COUNT], acc[:, AREA], acc[:, WEIGHT], totals[:, 0]
        self.whole = whole
        self.min, self.max = (np.where(some, acc[:, which], np.nan) for which in (LOW, HIGH))
        ends = np.where(np.isinf(acc[:, [LOW, HIGH]]), acc[:, [LOW, HIGH]], 0).sum(axis=1)
        self.mean = np.where(infinite, ends, np.where(some, acc[:, ANCHOR] + acc[:, MEAN], np.nan))
        self.variance = np.where(infinite, np.nan, acc[:, M2] / self.weight)
        self.third, self.fourth = acc[:, M3] / self.weight, acc[:, M4] / self.weight

    def percentile(self, percent: float) -> Column:
        """Return the percentile of each zone; NaN where it has no valid pixel."""
        values = np.full(len(self.count), np.nan)
        for zone, sample in self._samples.items():
            values[zone] = percentile(sample, percent)
        return values


def statistics(
    acc: Column, totals: Column, whole: Column, samples: Mapping[int, Sample], stats: Sequence[str]
) -> dict[str, pa.Array]:
    """Return each of `stats` as a float64 column with a row per zone; null where it is not defined.

    `acc`: (zones, COLUMNS); `totals`: (zones, 2), the zones' coverage on the grids in pixels and m2; `whole`: their
    sizes in pixels, on the grids and beyond; `samples`: values by row, needed for percentiles only. The definitions are
    in `pileus.statistics`; stddev is exactextract's `stdev` and numpy's `std`; skew and kurtosis are scipy's with
    bias=True, and null where stddev is 0. Infinite values make sum and mean infinite (or null, where both signs occur)
    and the higher moments null.
    """
    with np.errstate(all="ignore"):
        moments = AccumulatedMoments(acc, totals, whole, samples)
        return {stat: _nullable(statistic_of(stat).formula(moments)) for stat in stats}


def _nullable(values: Column) -> pa.Array:
    return pa.array(values, pa.float64(), mask=np.isnan(values))
