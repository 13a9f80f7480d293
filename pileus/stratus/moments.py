"""Moments as requests write them: ISO 8601, as far as it is given. Needs no extra."""

import re
from datetime import UTC, datetime

from pileus.errors import DocumentError

MOMENT = re.compile(
    r"(?P<year>[+-]\d{4,6}|\d{4})(?:-?(?P<month>\d\d)(?:-?(?P<day>\d\d)"
    r"(?:[T ](?P<hour>\d\d)(?::?(?P<minute>\d\d)(?::?(?P<second>\d\d)(?:[.,](?P<micro>\d{1,6})\d*)?)?)?"
    r"(?P<zone>Z|[+-]\d\d(?::?\d\d)?)?)?)?)?"
)
"""ISO 8601, as far as it is given: `2015`, `2015-02`, `2015-02-03T04:05+01:00`."""
PARTS = ("year", "month", "day", "hour", "minute", "second", "micro")


def moment(text: str, at: str) -> tuple[int, ...]:
    """Return year, month and so on, in UTC, as far as they are given. Raises DocumentError.

    >>> moment("2015-02", ""), moment("2015-02-03T00:30+01:00", "")
    ((2015, 2), (2015, 2, 2, 23, 30))
    """
    found = MOMENT.fullmatch(text.strip().upper())
    wrong = DocumentError(f"{at}: expected a moment such as 2015-02-03T04:05:06Z, not {text[:40]!r}")
    if not found:
        raise wrong
    given = tuple(
        int(found[part].ljust(6, "0") if part == "micro" else found[part]) for part in PARTS if found[part] is not None
    )
    if any(value > most for value, most in zip(given[1:], (12, 31, 23, 59, 60), strict=False)) or 0 in given[1:3]:
        raise wrong
    zone = found["zone"]
    if zone is None or zone == "Z" or not any(int(digit) for digit in re.findall(r"\d", zone)):
        return given
    try:
        there = datetime(*(given + (0,) * (7 - len(given))), tzinfo=datetime.strptime(zone, "%z").tzinfo)  # type: ignore[misc,arg-type]
    except ValueError as error:
        raise wrong from error
    here = there.astimezone(UTC)
    return (here.year, here.month, here.day, here.hour, here.minute, here.second, here.microsecond)[: len(given)]
