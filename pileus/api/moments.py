"""Moments and spans of time as the standards of OGC and STAC write them in requests (RFC 3339)."""

import re
from datetime import UTC, datetime, timedelta

from pileus.errors import UsageError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)")


def span(text: str) -> tuple[int | None, int | None]:
    """Return first and last moment in microseconds since 1970; None where it is open. Raises UsageError.

    >>> span("1970-01-01T00:00:01Z/..")
    (1000000, None)
    """
    ends = [None if part in ("", "..") else moment(part) for part in text.split("/")]
    if len(ends) > 2 or not any(end is not None for end in ends):
        raise UsageError("datetime: expected a moment, or FIRST/LAST of which one may be open")
    first, last = ends[0], ends[-1]
    if first is not None and last is not None and first > last:
        raise UsageError("datetime: the first moment is after the last")
    return first, last


def moment(text: str) -> int:
    """Return a moment of RFC 3339 in microseconds since 1970. Raises UsageError.

    >>> moment("1970-01-01T01:00:00.0000019+01:00")
    1
    """
    found = _MOMENT.fullmatch(text)
    try:
        if not found:
            raise ValueError
        day, clock, fraction, zone = found.groups()
        zone = "+00:00" if zone in "Zz" else zone
        read = datetime.fromisoformat(f"{day}T{clock}.{(fraction or '0')[:6]:0<6}{zone}").astimezone(UTC)
        return (read - EPOCH) // timedelta(microseconds=1)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"datetime: {text[:60]!r} is not a moment: expected one as 2015-01-31T00:00:00Z") from error
