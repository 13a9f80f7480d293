"""When a schedule fires: `rate(...)` and `cron(...)` as EventBridge Scheduler reads them.

cron has six fields: minutes, hours, day of the month, month, day of the week, year; one of the two days is `?`.
`L` is the last day, `15W` the weekday nearest to the 15th, `6L` the last Friday, `6#3` the third Friday (Sunday is 1).
"""

import re
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator

from pileus.errors import UsageError

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
UNITS = {"minute": 60, "hour": 3600, "day": 86400}
HORIZON = 8 * 366
"""Days that are searched for the next firing: the next 29 February is always within them."""
LONGEST = 256
"""Characters of an expression."""
SLOWEST = 3652 * 86400
"""Seconds of the slowest rate."""
_PART = re.compile(r"(\*|[0-9]+|[A-Z]{3})(?:-([0-9]+|[A-Z]{3}))?(?:/([0-9]+))?")


@dataclass(frozen=True, slots=True)
class Rate:
    """A firing every so many seconds, counted from when the schedule was made."""

    seconds: int

    def after(self, moment: datetime, made: datetime) -> Iterator[datetime]:
        """Yield the firings after `moment`."""
        count = max(0, int((moment - made).total_seconds() // self.seconds)) + 1
        while True:
            yield made + timedelta(seconds=count * self.seconds)
            count += 1


@dataclass(frozen=True, slots=True)
class Cron:
    """A parsed cron expression."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    months: frozenset[int]
    years: frozenset[int]
    kind: Literal["month", "week"]
    """Which of the two days decides."""
    days: str

    def after(self, moment: datetime, zone: ZoneInfo) -> Iterator[datetime]:
        """Yield the firings after `moment`, in UTC. A time that the clock skips in spring does not fire; one that comes
        twice in autumn fires once.

        >>> daily = parse("cron(0 6 * * ? *)")
        >>> assert isinstance(daily, Cron)
        >>> next(daily.after(datetime(2026, 7, 1, 12, tzinfo=UTC), ZoneInfo("Europe/Berlin"))).isoformat()
        '2026-07-02T04:00:00+00:00'
        """
        day = moment.astimezone(zone).date()
        for _ in range(HORIZON):
            if day.year in self.years and day.month in self.months and self._fires_on(day):
                for hour in self.hours:
                    for minute in self.minutes:
                        local = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)
                        fired = local.astimezone(UTC)
                        if fired > moment and fired.astimezone(zone).replace(fold=0) == local:
                            yield fired
            day += timedelta(days=1)

    def _fires_on(self, day: date) -> bool:
        check = _in_month if self.kind == "month" else _in_week
        return any(check(part, day) for part in self.days.split(","))


def parse(text: str) -> Rate | Cron:
    """Read an expression. Raises UsageError, naming the field that is wrong and what was expected.

    A longer one than EventBridge takes is refused, and a rate of more than ten years.

    >>> parse("rate(5 minutes)")
    Rate(seconds=300)
    """
    if len(text) > LONGEST:
        raise UsageError(f"{text[:60]!r}...: is longer than {LONGEST} characters, the most that EventBridge takes")
    if rate := re.fullmatch(r"rate\(([0-9]+) (minute|hour|day)(s?)\)", text):
        count = int(rate[1])
        if count == 0 or (count == 1) == bool(rate[3]):
            raise UsageError(f"{text!r}: expected rate(1 {rate[2]}) or rate(2 {rate[2]}s), with a number above 0")
        seconds = count * UNITS[rate[2]]
        if seconds > SLOWEST:
            raise UsageError(
                f"{text!r}: expected at most {SLOWEST // UNITS[rate[2]]:,} {rate[2]}s, which are ten years"
            )
        return Rate(seconds)
    cron = re.fullmatch(r"cron\((.*)\)", text)
    fields = cron[1].upper().split() if cron else []
    if len(fields) != 6:
        raise UsageError(
            f"{text!r}: expected rate(1 day), or cron() with six fields: "
            "minutes hours day-of-month month day-of-week year"
        )
    minutes, hours, month_days, months, week_days, years = fields
    if (month_days == "?") == (week_days == "?"):
        raise UsageError(f"{text!r}: expected ? for one of day-of-month and day-of-week, and a value for the other")
    _check_days(text, month_days, week_days)
    return Cron(
        tuple(sorted(_numbers(text, "minutes", minutes, 0, 59))),
        tuple(sorted(_numbers(text, "hours", hours, 0, 23))),
        frozenset(_numbers(text, "month", months, 1, 12, MONTHS)),
        frozenset(_numbers(text, "year", years, 1970, 2199)),
        "month" if week_days == "?" else "week",
        month_days if week_days == "?" else week_days,
    )


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
        raise ValueError(f"unknown time zone {name!r}: expected one as Europe/Berlin or UTC") from exc
    return name


Zone = Annotated[str, AfterValidator(_zone)]
"""A time zone that is known, in a document."""


@lru_cache(1024)
def _numbers(text: str, name: str, field: str, low: int, high: int, names: tuple[str, ...] = ()) -> frozenset[int]:
    """Return what a field matches. Raises UsageError."""
    found: set[int] = set()
    for part in field.split(","):
        match = _PART.fullmatch(part)
        if not match or (match[1] == "*" and match[2]):
            raise UsageError(f"{text!r}: {name} {part!r} is not understood")
        first = low if match[1] == "*" else _number(match[1], low, names)
        last = _number(match[2], low, names) if match[2] else high if match[1] == "*" or match[3] else first
        step = int(match[3] or 1)
        if not (low <= first <= last <= high) or step == 0:
            raise UsageError(f"{text!r}: {name} {part!r}: expected {low} to {high}")
        found |= set(range(first, last + 1, step))
    return frozenset(found)


def _number(text: str, low: int, names: tuple[str, ...]) -> int:
    if text.isdecimal():
        return int(text)
    return names.index(text) + low if text in names else -1


def _check_days(text: str, month_days: str, week_days: str) -> None:
    for part in month_days.split(","):
        nearest = re.fullmatch(r"([0-9]+)W", part)
        if month_days == "?" or part in ("L", "LW") or (nearest and 1 <= int(nearest[1]) <= 31):
            continue
        _numbers(text, "day-of-month", part, 1, 31)
    for part in week_days.split(","):
        if week_days == "?" or part == "L":
            continue
        plain = re.fullmatch(r"([0-9]|[A-Z]{3})(?:L|#[1-5])", part)
        _numbers(text, "day-of-week", plain[1] if plain else part, 1, 7, DAYS)


def _in_month(part: str, day: date) -> bool:
    last = monthrange(day.year, day.month)[1]
    if part == "L":
        return day.day == last
    if part == "LW":
        return day == _weekday_near(day.replace(day=last))
    if part.endswith("W"):
        return int(part[:-1]) <= last and day == _weekday_near(day.replace(day=int(part[:-1])))
    return day.day in _numbers(part, "day-of-month", part, 1, 31)


def _weekday_near(day: date) -> date:
    """Return the day from Monday to Friday nearest to `day`, in the same month."""
    shift = {5: -1, 6: 1}.get(day.weekday(), 0)
    near = day + timedelta(days=shift)
    return near if near.month == day.month else day - timedelta(days=2 * shift)


def _in_week(part: str, day: date) -> bool:
    number = day.isoweekday() % 7 + 1
    if part == "L":
        return number == 7
    if part.endswith("L"):
        return number == _number(part[:-1], 1, DAYS) and day.day + 7 > monthrange(day.year, day.month)[1]
    if "#" in part:
        wanted, nth = part.split("#")
        return number == _number(wanted, 1, DAYS) and (day.day - 1) // 7 + 1 == int(nth)
    return number in _numbers(part, "day-of-week", part, 1, 7, DAYS)
