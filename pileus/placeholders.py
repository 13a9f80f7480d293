"""The placeholders of a template: what stands in double braces, and which of them a unit of time has."""

from collections.abc import Callable, Mapping

from pileus.calendars import SEASONS, Unit
from pileus.periods import Period

VALUES: Mapping[str, Callable[[Period], str]] = {
    "pointInTime": lambda period: period.point,
    "year": lambda period: period.year,
    "month": lambda period: f"{period.start:%m}",
    "day": lambda period: f"{period.start:%d}",
    "doy": lambda period: f"{period.start:%j}",
    "week": lambda period: period.iso[-2:],
    "dekad": lambda period: period.iso[-1:],
    "quarter": lambda period: period.iso[-1:],
    "season": lambda period: SEASONS[period.number % 4],
    "startYear": lambda period: f"{period.start.year:04}",
    "startMonth": lambda period: f"{period.start:%m}",
    "startDay": lambda period: f"{period.start:%d}",
    "startDoy": lambda period: f"{period.start:%j}",
    "endYear": lambda period: f"{period.end.year:04}",
    "endMonth": lambda period: f"{period.end:%m}",
    "endDay": lambda period: f"{period.end:%d}",
    "endDoy": lambda period: f"{period.end:%j}",
}
"""The text of each placeholder of time."""
_CALENDAR_YEAR = frozenset(Unit) - {Unit.week, Unit.season}
"""Units whose periods begin in the year that they are named by."""
_ENDS = ("endYear", "endMonth", "endDay", "endDoy")
_STARTS = ("startYear", "startMonth", "startDay", "startDoy")


def names_of(unit: Unit) -> tuple[str, ...]:
    """Return the placeholders that say something of every period of a unit.

    A week and a season may begin in the year before that of their name, so that `{{year}}{{month}}{{day}}` would be a
    day a year later than they begin: they have `{{startYear}}` and its kin in place of `{{month}}`, `{{day}}` and
    `{{doy}}`.

    >>> names_of(Unit.quarter)[:6]
    ('pointInTime', 'year', 'month', 'day', 'doy', 'quarter')
    """
    first_day = ("month", "day", "doy") if unit in _CALENDAR_YEAR else _STARTS
    own = tuple(name for name in ("week", "dekad", "quarter", "season") if name == unit)
    return ("pointInTime", "year", *first_day, *own, *_ENDS)
