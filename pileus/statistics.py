"""The statistics there are: one table that documents, measurement and outputs read.

A new statistic is one `register(Statistic(...))`. Documents then accept its name, `zonal` computes it, and its unit
and description stand in the tables. This module imports no array library, because every command reads documents.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pileus.errors import UsageError
from pileus.near import near_names

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Column = NDArray[np.float64]


class Moments(Protocol):
    """What was accumulated over the valid pixels of each zone: float64 columns with a row per zone.

    With f the covered share of a pixel, w its weight (f, or f times its area in m2 when weighted by area) and x its
    value. NaN stands where a zone has no valid pixel, unless the line says otherwise.
    """

    count: "Column"
    """Sum of f. 0 where there is none."""
    area: "Column"
    """Sum of f times the pixel's true area, m2. 0 where there is none."""
    pixels: "Column"
    """Sum of f over all pixels of the zone on the grids, valid or not. 0 where the zone is off the grids."""
    whole: "Column"
    """Size of the zone in pixels, on the grids and beyond."""
    weight: "Column"
    """Sum of w. 0 where there is none."""
    mean: "Column"
    """Sum of w x / sum of w. Infinite where a value is; NaN where both signs of infinity occur."""
    min: "Column"
    """Least x with f > 0."""
    max: "Column"
    """Greatest x with f > 0."""
    variance: "Column"
    """Sum of w (x - mean)^2 / sum of w. NaN where a value is infinite."""
    third: "Column"
    """Sum of w (x - mean)^3 / sum of w."""
    fourth: "Column"
    """Sum of w (x - mean)^4 / sum of w."""

    def percentile(self, percent: float) -> "Column":
        """Return the value below which `percent` of the weight lies. For statistics with `percentiles` only."""
        ...


@dataclass(frozen=True, slots=True)
class Statistic:
    """One statistic: what it is called, what it means, how it is computed."""

    name: str
    """As documents name it, and the column of the tables."""
    unit: str
    """`{unit}` stands for the unit of the band."""
    description: str
    """One line, for the metadata of the tables."""
    formula: Callable[[Moments], "Column"]
    """A value per zone; NaN where it is not defined, which becomes null."""
    percentiles: bool = False
    """Whether the formula asks for percentiles: only then are the values of the zones kept."""


REGISTERED: dict[str, Statistic] = {}
"""By name, in the order that messages list them."""
WHOLE = 1e-6
"""Share of a zone that may be missing from the grid where the zone counts as whole."""
PERCENTILE = re.compile(r"p(\d{1,2}(\.\d+)?|100)")


def register(statistic: Statistic) -> None:
    """Add a statistic. Raises UsageError when its name is taken."""
    if statistic.name in REGISTERED or PERCENTILE.fullmatch(statistic.name):
        raise UsageError(f"statistic {statistic.name!r} is there already: choose another name")
    REGISTERED[statistic.name] = statistic


def statistic_of(name: str) -> Statistic:
    """Return the statistic of this name. Raises UsageError with the near matches and with what there is.

    >>> statistic_of("p99.9").description
    'weighted percentile 99.9'
    """
    if name in REGISTERED:
        return REGISTERED[name]
    if match := PERCENTILE.fullmatch(name):
        percent = float(match[1])
        return Statistic(
            name, "{unit}", f"weighted percentile {match[1]}", lambda m: m.percentile(percent), percentiles=True
        )
    close = near_names(name, REGISTERED)
    guess = f"did you mean {' or '.join(close)}? " if close else ""
    raise UsageError(
        f"unknown statistic {name!r}: {guess}expected one of {', '.join(REGISTERED)}, or a percentile such as p95"
    )


def need_percentiles(names: Iterable[str]) -> bool:
    """Return whether any of these statistics needs the values of the zones."""
    return any(statistic_of(name).percentiles for name in names)


def _skew(m: Moments) -> "Column":
    return m.third / _above_zero(m.variance) ** 1.5


def _kurtosis(m: Moments) -> "Column":
    return m.fourth / _above_zero(m.variance) ** 2 - 3


def _valid_share(m: Moments) -> "Column":
    import numpy as np

    # Shares are rounded to float32, so that their sum may be greater than the whole in its last digit.
    return np.minimum(m.count / m.pixels, 1)


def _coverage_share(m: Moments) -> "Column":
    import numpy as np

    # Shares of pixels are rounded to float32, and a zone that lies whole on the grid has 1.
    share = m.pixels / m.whole
    return np.where(share > 1 - WHOLE, 1, share)


def _above_zero(variance: "Column") -> "Column":
    """Return the variance, NaN where all values are equal: skew and kurtosis are not defined there."""
    import numpy as np

    return np.where(variance > 0, variance, np.nan)


for _statistic in (
    Statistic("count", "pixels", "valid pixels, each by the share of it that lies in the zone", lambda m: m.count),
    Statistic("sum", "{unit} x pixels", "sum of valid pixels, each by its share", lambda m: m.mean * m.weight),
    Statistic("mean", "{unit}", "mean of valid pixels, each by its share", lambda m: m.mean),
    Statistic("min", "{unit}", "least valid pixel", lambda m: m.min),
    Statistic("max", "{unit}", "greatest valid pixel", lambda m: m.max),
    Statistic("stddev", "{unit}", "population standard deviation", lambda m: m.variance**0.5),
    Statistic("skew", "1", "population skewness, third standardized moment", _skew),
    Statistic("kurtosis", "1", "excess kurtosis, fourth standardized moment less 3", _kurtosis),
    Statistic("median", "{unit}", "weighted median", lambda m: m.percentile(50), percentiles=True),
    Statistic("valid_share", "1", "valid pixels over all pixels of the zone on the grid", _valid_share),
    Statistic("coverage_share", "1", "pixels of the zone on the grid over all of the zone", _coverage_share),
    Statistic("area", "m2", "true area of the valid part", lambda m: m.area),
):
    register(_statistic)
