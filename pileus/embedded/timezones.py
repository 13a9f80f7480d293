"""Time zones for the embedded scheduler, which reads every cron expression in UTC.

At each tick, a schedule in another zone is replaced by its next firing in UTC.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from pileus.documents.schedule import Cron, parse
from pileus.errors import UsageError


def in_zones(tick: Callable[[], None], schedules: Any, last_fired: dict[Any, float]) -> Callable[[], None]:
    """Return `tick`, for schedules in any zone. `schedules`: by key; `last_fired`: Unix time by the same keys."""

    def ticking() -> None:
        with _in_utc(schedules, last_fired):
            tick()

    return ticking


@contextmanager
def _in_utc(schedules: Any, last_fired: dict[Any, float]) -> Iterator[None]:
    zoned = [(key, item) for key, item in list(schedules.items()) if item["ScheduleExpressionTimezone"] != "UTC"]
    before = [(item, item["ScheduleExpression"]) for _, item in zoned]
    for key, item in zoned:
        since = datetime.fromtimestamp(last_fired.get(key, time.time()), UTC)
        item["ScheduleExpression"] = in_utc(item["ScheduleExpression"], item["ScheduleExpressionTimezone"], since)
    try:
        yield
    finally:
        for item, expression in before:
            item["ScheduleExpression"] = expression


def in_utc(expression: str, zone: str, since: datetime) -> str:
    """Return a cron expression for the next firing after `since`, in UTC. Other expressions are returned unchanged.

    >>> in_utc("cron(0 6 * * ? *)", "Europe/Berlin", datetime(2026, 7, 1, 12, tzinfo=UTC))
    'cron(0 4 2 7 ? 2026)'
    """
    try:
        when = parse(expression)
        moment = next(when.after(since, ZoneInfo(zone)), None) if isinstance(when, Cron) else None
    except (UsageError, OSError, ValueError):
        return expression  # not made by us
    return f"cron({moment.minute} {moment.hour} {moment.day} {moment.month} ? {moment.year})" if moment else expression
