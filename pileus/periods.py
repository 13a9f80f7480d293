"""Points in time: the periods that a template is expanded over, each a day, a week, ... or a year.

`pileus.calendars` says how each unit is written. People may write a point as archives or as partitions do, or relative
to today: `now`, `-2 months`.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import chain, islice

from pileus.calendars import CALENDARS, Unit
from pileus.errors import UsageError

__all__ = ["Period", "Periods", "Unit", "is_absolute", "parse_period", "span"]

_LEFT_OUT = re.compile("-(S[1-4]-|D)?")
"""What `iso` has and `point` has not."""
_RELATIVE = re.compile(rf"([+-][0-9]{{1,9}})\s*({'|'.join(Unit)})s?$")


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """One day, week, ..., year. `start`: its first day."""

    start: date
    unit: Unit

    @property
    def iso(self) -> str:
        """As ISO 8601 writes it, or in its manner: the name of the period in keys and tables.

        >>> Period(date(2015, 1, 1), Unit.month).iso, Period(date(2014, 12, 1), Unit.season).iso
        ('2015-01', '2015-S1-DJF')
        """
        return CALENDARS[self.unit].iso(self.start)

    @property
    def point(self) -> str:
        """As archives write it.

        >>> Period(date(2015, 1, 1), Unit.month).point, Period(date(2014, 12, 1), Unit.season).point
        ('201501', '2015DJF')
        """
        return _LEFT_OUT.sub("", self.iso)

    @property
    def year(self) -> str:
        """The year in its name, four digits: of a week that of ISO 8601, of a season that of its last month."""
        return self.iso[:4]

    @property
    def end(self) -> date:
        """Its last day.

        >>> Period(date(2016, 2, 21), Unit.dekad).end
        datetime.date(2016, 2, 29)
        """
        try:
            return CALENDARS[self.unit].start(self.number + 1) - timedelta(days=1)
        except (ValueError, OverflowError):  # the calendar ends
            return date.max

    @property
    def number(self) -> int:
        """Its place among all periods of its unit."""
        return CALENDARS[self.unit].number(self.start)

    @classmethod
    def numbered(cls, unit: Unit, number: int) -> "Period":
        """Inverse of `number`. Raises UsageError outside the calendar."""
        try:
            start = CALENDARS[unit].start(number)
        except (ValueError, OverflowError) as exc:
            raise UsageError(f"a {unit} would lie outside the calendar, which has the years 1 to 9999") from exc
        if unit is Unit.season and number // 4 > date.max.year:
            raise UsageError("a season would lie outside the calendar, which has the years 1 to 9999")
        return cls(start, unit)

    def shift(self, steps: int) -> "Period":
        """Return the period `steps` units later (earlier if negative). Raises UsageError outside the calendar.

        >>> Period(date(2015, 1, 1), Unit.month).shift(-1).point
        '201412'
        """
        try:
            return Period.numbered(self.unit, self.number + steps)
        except UsageError as exc:
            raise UsageError(f"{steps} {self.unit}s from {self.start} leaves the calendar") from exc

    @classmethod
    def containing(cls, day: date, unit: Unit) -> "Period":
        """Return the period of length `unit` that holds `day`."""
        return cls.numbered(unit, CALENDARS[unit].number(day))

    @classmethod
    def parse(cls, text: str, unit: Unit, today: date) -> "Period":
        """Read a point in time: absolute as archives or ISO 8601 write it, `now`, or relative such as `-2 months`.

        An absolute point of another unit is refused, because silently widening it would hide a mistake.
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
            moved = cls.containing(today, Unit(relative[2])).shift(int(relative[1]))
            return cls.containing(moved.start, unit)
        calendar = CALENDARS[unit]
        if not (found := re.fullmatch(calendar.pattern, text)):
            raise UsageError(
                f"{text[:60]!r} is not a {unit}: expected {calendar.example}, 'now' or relative such as '-2 {unit}s'"
            )
        try:
            return cls(calendar.read(*found.groups()), unit)
        except ValueError as exc:
            raise UsageError(f"{text[:60]!r} is not a {unit}: {exc}") from exc


def is_absolute(text: str) -> bool:
    """Return whether a point in time does not move with the day.

    >>> is_absolute("201501"), is_absolute("-2 months")
    (True, False)
    """
    return text.strip() != "now" and not _RELATIVE.match(text.strip())


def parse_period(text: str) -> Period:
    """Return the period that partitions name by `text`. Inverse of `Period.iso`. Raises UsageError.

    >>> parse_period("2015-01").unit, parse_period("2015-W05").unit
    (<Unit.month: 'month'>, <Unit.week: 'week'>)
    """
    for unit, calendar in CALENDARS.items():
        if re.fullmatch(calendar.pattern, text):
            found = Period.parse(text, unit, date.min)
            if found.iso == text:
                return found
    raise UsageError(f"{text[:60]!r} is not a period: expected one as 2015-01")


def span(first: Period, last: Period) -> Iterator[Period]:
    """Yield every period from `first` to `last`, both included.

    Raises UsageError when `first` comes after `last`.

    >>> jan, mar = (Period(date(2015, m, 1), Unit.month) for m in (1, 3))
    >>> [p.point for p in span(jan, mar)]
    ['201501', '201502', '201503']
    """
    yield from Periods.of(first, last)


@dataclass(frozen=True, slots=True)
class Periods:
    """Periods of one unit, in order of time, each once.

    >>> months = Periods.parse(["2015-01/2015-03", "2015-05"], Unit.month)
    >>> len(months), [period.point for period in months]
    (4, ['201501', '201502', '201503', '201505'])
    """

    unit: Unit
    runs: tuple[range, ...]
    """Their numbers: none is empty, they are in order, and no two of them touch."""

    @classmethod
    def of(cls, first: Period, last: Period) -> "Periods":
        """Return all from `first` to `last`, both included. Raises UsageError when `first` comes after `last`."""
        if first.start > last.start:
            raise UsageError(f"the span starts at {first.point}, after its end {last.point}")
        return cls(first.unit, (range(first.number, last.number + 1),))

    @classmethod
    def these(cls, unit: Unit, spans: Iterable["Periods"]) -> "Periods":
        """Return all that are in any of `spans`."""
        runs: list[range] = []
        for run in sorted(chain.from_iterable(one.runs for one in spans), key=lambda run: run.start):
            if runs and run.start <= runs[-1].stop:
                runs[-1] = range(runs[-1].start, max(runs[-1].stop, run.stop))
            else:
                runs.append(run)
        return cls(unit, tuple(runs))

    @classmethod
    def parse(cls, texts: Iterable[str], unit: Unit, today: date = date.min) -> "Periods":
        """Return the periods that texts name: a point in time each, or the two ends of a span, `201506/201508`.

        Raises UsageError.
        """

        def one(text: str) -> Periods:
            first, slash, last = text.partition("/")
            return cls.of(*(Period.parse(end, unit, today) for end in (first, last if slash else first)))

        return cls.these(unit, map(one, texts))

    def to_texts(self) -> tuple[str, ...]:
        """Return what `parse` reads: a text for each run of neighbours."""
        ends = ((Period.numbered(self.unit, at).iso for at in {run[0]: 0, run[-1]: 0}) for run in self.runs)
        return tuple("/".join(pair) for pair in ends)

    def __len__(self) -> int:
        return sum(map(len, self.runs))

    def __iter__(self) -> Iterator[Period]:
        return (Period.numbered(self.unit, number) for number in chain.from_iterable(self.runs))

    def __contains__(self, period: Period) -> bool:
        at = bisect_right(self.runs, period.number, key=lambda run: run.start) - 1
        return period.unit is self.unit and at >= 0 and period.number in self.runs[at]

    @property
    def first(self) -> Period:
        return Period.numbered(self.unit, self.runs[0][0])

    @property
    def last(self) -> Period:
        return Period.numbered(self.unit, self.runs[-1][-1])

    def between(self, first: Period, last: Period) -> "Periods":
        """Return those from `first` to `last`, both included."""
        return Periods(self.unit, tuple(_within(self.runs, first.number, last.number + 1)))

    def without(self, others: "Periods") -> "Periods":
        """Return those that are not in `others`."""
        left = []
        for run in self.runs:
            start = run.start
            for out in _within(others.runs, run.start, run.stop):
                left.append(range(start, out.start))
                start = out.stop
            left.append(range(start, run.stop))
        return Periods(self.unit, tuple(filter(len, left)))


def _within(runs: Sequence[range], start: int, stop: int) -> Iterator[range]:
    """Yield what the runs have from `start` to before `stop`."""
    begin = bisect_right(runs, start, key=lambda run: run.stop)
    for run in islice(runs, begin, None):
        if run.start >= stop:
            return
        yield range(max(run.start, start), min(run.stop, stop))
