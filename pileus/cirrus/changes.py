"""Changes of payloads, counted an hour and a day, as Cirrus's read API tells them."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pileus.cirrus.rows import STATES
from pileus.cirrus.states import step_state
from pileus.lifecycle.partition import Entry

HOUR, DAY = 3600, 86_400
HOURS, DAYS = 36, 60
"""Periods that are told: of hours, and of days."""


@dataclass(frozen=True, slots=True)
class Change:
    """One payload came to one state."""

    time: float
    """Unix time."""
    state: str
    """As Cirrus names it."""
    workflow: str
    payload: str


def changes_of(entry: Entry, workflow: str) -> list[Change]:
    """Return the changes that a payload's entry remembers: its last twenty."""
    found = ((step.time, step_state(step)) for step in entry.past)
    return [Change(time, state, workflow, entry.subject.key) for time, state in found if state]


def transitions(changes: Iterable[Change], *, now: float, after: float) -> dict[str, Any]:
    """Return the changes of the last 60 days by day, of the last 36 hours by hour, and of the last 60 minutes and the
    60 before them.

    `after`: Unix time after which the changes are complete. A period that does not begin later is left out, and so is
    one in which nothing changed.
    """
    known = [one for one in changes if one.time <= now]
    today, hour = now // DAY * DAY, now // HOUR * HOUR

    def told(begin: Callable[[float], float], interval: str, first: float) -> list[dict[str, Any]]:
        periods: dict[float, list[Change]] = defaultdict(list)
        for one in known:
            if (at := begin(one.time)) >= first and at > after:
                periods[at].append(one)
        return [_period(at, interval, periods[at]) for at in sorted(periods)]

    return {
        "daily": told(lambda at: at // DAY * DAY, "day", today - (DAYS - 1) * DAY),
        "hourly": told(lambda at: at // HOUR * HOUR, "hour", hour - (HOURS - 1) * HOUR),
        "hourly_rolling": told(lambda at: now - ((now - at) // HOUR + 1) * HOUR, "hour", now - 2 * HOUR),
    }


def _period(at: float, interval: str, changes: list[Change]) -> dict[str, Any]:
    by_workflow: dict[str, Counter[str]] = defaultdict(Counter)
    payloads: dict[str, set[str]] = defaultdict(set)
    for one in changes:
        by_workflow[one.workflow][one.state] += 1
        payloads[one.state].add(one.payload)
    counts: Counter[str] = sum(by_workflow.values(), Counter())
    told = datetime.fromtimestamp(at, UTC)
    return {
        "period": f"{told:%Y-%m-%d}" if interval == "day" else f"{told:%Y-%m-%dT%H:%M:%SZ}",
        "interval": interval,
        "states": [{"state": state, "unique_count": len(payloads[state]), "count": counts[state]} for state in STATES],
        "workflows": {name: dict(sorted(found.items())) for name, found in sorted(by_workflow.items())},
    }
