"""Points in time: the months, days or years that a template is expanded over.

A point in time is written as the archives write it: `201501` for a month, `20150131` for a day, `2015` for a
year. People may also write `2015-01` and `2015-01-31`, or relative to today: `now`, `-2 months`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from pileus.errors import UsageError

_RELATIVE = re.compile(r"([+-][0-9]{1,9})\s*(day|month|year)s?$")


class Unit(StrEnum):
    """The length of one step of a span."""

    day = "day"
    month = "month"
    year = "year"


_DIGITS = {Unit.day: 8, Unit.month: 6, Unit.year: 4}
_EXAMPLE = {Unit.day: "20150131", Unit.month: "201501", Unit.year: "2015"}


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """One day, month or year. `start`: its first day."""

    start: date
    unit: Unit

    @property
    def point(self) -> str:
        """As archives write it.

        >>> Period(date(2015, 1, 1), Unit.month).point
        '201501'
        """
        return self.iso.replace("-", "")

    @property
    def iso(self) -> str:
        """As ISO 8601 writes it.

        >>> Period(date(2015, 1, 1), Unit.month).iso
        '2015-01'
        """
        length = {Unit.day: 10, Unit.month: 7, Unit.year: 4}[self.unit]
        return self.start.isoformat()[:length]

    def shift(self, steps: int) -> "Period":
        """Return the period `steps` units later (earlier if negative).

        >>> Period(date(2015, 1, 1), Unit.month).shift(-1).point
        '201412'
        """
        return Period(_shift(self.start, steps, self.unit), self.unit)

    @classmethod
    def containing(cls, day: date, unit: Unit) -> "Period":
        """Return the period of length `unit` that holds `day`."""
        if unit is Unit.year:
            day = day.replace(month=1, day=1)
        elif unit is Unit.month:
            day = day.replace(day=1)
        return cls(day, unit)

    @classmethod
    def parse(cls, text: str, unit: Unit, today: date) -> "Period":
        """Read a point in time: absolute with or without dashes, `now`, or relative such as `-2 months`.

        An absolute point finer than `unit` is refused, because silently widening it would hide a mistake.
        Raises UsageError, naming what was expected.

        >>> Period.parse("2015-01", Unit.month, date.today()).point
        '201501'
        >>> Period.parse("-2 months", Unit.month, date(2015, 1, 31)).point
        '201411'
        """
        text = text.strip()
        if text == "now":
            return cls.containing(today, unit)
        if relative := _RELATIVE.match(text):
            moved = _shift(cls.containing(today, Unit(relative[2])).start, int(relative[1]), Unit(relative[2]))
            return cls.containing(moved, unit)
        digits = text.replace("-", "")
        plain = re.fullmatch(r"[0-9]{4}(-?[0-9]{2}(-?[0-9]{2})?)?", text)
        if not plain or len(digits) != _DIGITS[unit]:
            raise UsageError(
                f"{text[:60]!r} is not a {unit}: expected {_EXAMPLE[unit]}, 'now' or relative such as '-2 {unit}s'"
            )
        try:
            return cls(date(int(digits[:4]), int(digits[4:6] or 1), int(digits[6:8] or 1)), unit)
        except ValueError as exc:
            raise UsageError(f"{text[:60]!r} is not a {unit}: {exc}") from exc


def _shift(day: date, steps: int, unit: Unit) -> date:
    try:
        if unit is Unit.day:
            return day + timedelta(days=steps)
        months = day.year * 12 + day.month - 1 + steps * (12 if unit is Unit.year else 1)
        return date(months // 12, months % 12 + 1, 1)
    except (ValueError, OverflowError) as exc:
        raise UsageError(f"{steps} {unit}s from {day} leaves the calendar") from exc


def count(first: Period, last: Period) -> int:
    """Return the number of periods from `first` to `last`, both included.

    >>> count(Period(date(2014, 12, 1), Unit.month), Period(date(2015, 3, 1), Unit.month))
    4
    """
    if first.unit is Unit.day:
        return (last.start - first.start).days + 1
    years = last.start.year - first.start.year
    return 1 + (years if first.unit is Unit.year else 12 * years + last.start.month - first.start.month)


def span(first: Period, last: Period) -> Iterator[Period]:
    """Yield every period from `first` to `last`, both included.

    Raises UsageError when `first` comes after `last`.

    >>> jan, mar = (Period(date(2015, m, 1), Unit.month) for m in (1, 3))
    >>> [p.point for p in span(jan, mar)]
    ['201501', '201502', '201503']
    """
    if first.start > last.start:
        raise UsageError(f"the span starts at {first.point}, after its end {last.point}")
    period = first
    while period.start < last.start:
        yield period
        period = period.shift(1)
    yield last
