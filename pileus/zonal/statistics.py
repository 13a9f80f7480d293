"""From accumulators to the statistics that people ask for."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pileus.zonal.kernel import ANCHOR, AREA, COUNT, HIGH, LOW, M2, M3, M4, MEAN, WEIGHT

Column = NDArray[np.float64]


def statistics(acc: Column, totals: Column, stats: Sequence[str]) -> dict[str, pa.Array]:
    """Each of `stats` as a float64 column with a row per zone; null where it is undefined.

    `acc`: (zones, COLUMNS); `totals`: (zones, 2), the zones' coverage on the grids in pixels and m2.

    With f the covered share of a pixel, w its weight (f, or f times its area in m2 when weighted by area) and x its
    value, over the valid pixels of the zone:

    - count: sum of f. 0, not null, where there is none.
    - area: sum of f times the pixel's true area, m2. 0 where there is none.
    - valid_share: count / sum of f over all pixels of the zone, 0..1; null where the zone is off the grid.
    - sum: sum of w x. mean: sum of w x / sum of w, unit of x.
    - min, max: over pixels with f > 0.
    - stddev: of the population, sqrt(sum of w (x - mean)^2 / sum of w): exactextract's `stdev`, numpy's `std`.
    - skew: third standardized moment, m3 / m2^1.5 with population moments: scipy.stats.skew with bias=True.
    - kurtosis: excess, m4 / m2^2 - 3: scipy.stats.kurtosis with bias=True.

    skew and kurtosis are null where stddev is 0. Infinite values make sum and mean infinite (or null, where both
    signs occur) and the higher moments null.
    """
    with np.errstate(all="ignore"):
        weight, mean = acc[:, WEIGHT], acc[:, ANCHOR] + acc[:, MEAN]
        ends = np.stack([acc[:, LOW], acc[:, HIGH]])
        some = acc[:, COUNT] > 0
        infinite = some & np.isinf(ends).any(axis=0)
        mean[infinite] = (np.where(np.isinf(ends), ends, 0).sum(axis=0))[infinite]
        variance = np.where(infinite, np.nan, acc[:, M2] / weight)
        varied = some & (variance > 0)
        columns = {
            "count": (acc[:, COUNT], np.ones(len(acc), bool)),
            "area": (acc[:, AREA], np.ones(len(acc), bool)),
            "valid_share": (np.minimum(acc[:, COUNT] / totals[:, 0], 1), totals[:, 0] > 0),
            "sum": (np.where(infinite, mean, mean * weight), some),
            "mean": (mean, some),
            "min": (acc[:, LOW], some),
            "max": (acc[:, HIGH], some),
            "stddev": (np.sqrt(variance), some),
            "skew": (acc[:, M3] / weight / variance**1.5, varied),
            "kurtosis": (acc[:, M4] / weight / variance**2 - 3, varied),
        }
    return {stat: _nullable(*columns[stat]) for stat in stats}


def _nullable(values: Column, defined: NDArray[np.bool_]) -> pa.Array:
    return pa.array(values, pa.float64(), mask=~defined | np.isnan(values))
