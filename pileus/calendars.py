"""The units of time, and how each divides the calendar.

| unit | archives write | ISO 8601, or in its manner | from, to |
|---|---|---|---|
| day | `20150131` | `2015-01-31` | |
| week | `2015W05` | `2015-W05` | Monday, Sunday; week 1 has the year's first Thursday |
| dekad | `2015011` (also `2015.01.1`) | `2015-01-D1` | days 1 to 10, 11 to 20, 21 to the end of the month |
| month | `201501` | `2015-01` | |
| quarter | `2015Q1` | `2015-Q1` | January to March, and so on |
| season | `2015DJF` | `2015-S1-DJF` | three months; DJF has the year of its January, and starts in December |
| year | `2015` | `2015` | |

The second form names partitions. In it, the texts of one unit are in the order of time.
"""

from collections.abc import Callable, Mapping
from datetime import date
from enum import StrEnum
from typing import NamedTuple


class Unit(StrEnum):
    """The length of one step of a span."""

    day = "day"
    week = "week"
    dekad = "dekad"
    month = "month"
    quarter = "quarter"
    season = "season"
    year = "year"


SEASONS = ("DJF", "MAM", "JJA", "SON")
"""The meteorological seasons of a year, by the first letters of their months."""


class Calendar(NamedTuple):
    """How a unit divides the calendar. Its periods are numbered without a gap."""

    number: Callable[[date], int]
    """The number of the period that holds a day."""
    start: Callable[[int], date]
    """The first day of a period. Raises ValueError or OverflowError outside the calendar."""
    iso: Callable[[date], str]
    """The period that starts on a day, as partitions name it."""
    pattern: str
    """What people and archives write, whole; its groups are what `read` takes."""
    read: Callable[..., date]
    """The first day, from the groups of `pattern`. Raises ValueError where there is none."""
    example: str


def _months(count: int, before: int = 0) -> tuple[Callable[[date], int], Callable[[int], date]]:
    """Return `number` and `start` of a unit of `count` months; `before`: months by which it starts before January."""

    def number(day: date) -> int:
        return (12 * day.year + day.month - 1 + before) // count

    def start(number: int) -> date:
        year, month = divmod(number * count - before, 12)
        return date(year, month + 1, 1)

    return number, start


def _season_iso(start: date) -> str:
    number = _months(3, 1)[0](start)
    return f"{number // 4:04}-S{number % 4 + 1}-{SEASONS[number % 4]}"


_YEAR, _TWO = "([0-9]{4})", "([0-9]{2})"
CALENDARS: Mapping[Unit, Calendar] = {
    Unit.day: Calendar(
        date.toordinal,
        date.fromordinal,
        date.isoformat,
        f"{_YEAR}-?{_TWO}-?{_TWO}",
        lambda year, month, day: date(int(year), int(month), int(day)),
        "20150131",
    ),
    Unit.week: Calendar(
        lambda day: (day.toordinal() - 1) // 7,  # 0001-01-01 was a Monday
        lambda number: date.fromordinal(7 * number + 1),
        lambda start: "{:04}-W{:02}".format(*start.isocalendar()[:2]),
        f"{_YEAR}-?W{_TWO}",
        lambda year, week: date.fromisocalendar(int(year), int(week), 1),
        "2015W05",
    ),
    Unit.dekad: Calendar(
        lambda day: 3 * (12 * day.year + day.month - 1) + min((day.day - 1) // 10, 2),
        lambda number: date(number // 36, number % 36 // 3 + 1, 10 * (number % 3) + 1),
        lambda start: f"{start.isoformat()[:7]}-D{start.day // 10 + 1}",
        f"{_YEAR}[-.]?{_TWO}[-.]?D?([1-3])",
        lambda year, month, dekad: date(int(year), int(month), 10 * int(dekad) - 9),
        "2015011",
    ),
    Unit.month: Calendar(
        *_months(1),
        lambda start: start.isoformat()[:7],
        f"{_YEAR}-?{_TWO}",
        lambda year, month: date(int(year), int(month), 1),
        "201501",
    ),
    Unit.quarter: Calendar(
        *_months(3),
        lambda start: f"{start.isoformat()[:4]}-Q{start.month // 3 + 1}",
        f"{_YEAR}-?Q([1-4])",
        lambda year, quarter: date(int(year), 3 * int(quarter) - 2, 1),
        "2015Q1",
    ),
    Unit.season: Calendar(
        *_months(3, 1),
        _season_iso,
        f"{_YEAR}-?(DJF|MAM|JJA|SON|S1-DJF|S2-MAM|S3-JJA|S4-SON)",
        lambda year, season: _months(3, 1)[1](4 * int(year) + SEASONS.index(season[-3:])),
        "2015DJF",
    ),
    Unit.year: Calendar(
        *_months(12),
        lambda start: start.isoformat()[:4],
        _YEAR,
        lambda year: date(int(year), 1, 1),
        "2015",
    ),
}
