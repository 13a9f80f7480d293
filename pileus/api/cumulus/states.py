"""States of Pileus in Cumulus's words, and moments as it counts them."""

from datetime import datetime

from pileus.models import State

GRANULE: dict[State, str] = {
    State.planned: "queued",
    State.waiting: "queued",
    State.queued: "queued",
    State.running: "running",
    State.succeeded: "completed",
    State.skipped: "completed",
    State.failed: "failed",
    State.cancelled: "failed",
}
OPERATION: dict[str, str] = {"completed": "SUCCEEDED", "failed": "TASK_FAILED", "running": "RUNNING"}
"""State of an asynchronous operation, by that of its execution."""


def of_granule(state: State | None) -> str | None:
    """Return the status of a granule; None where what last worked on it is gone."""
    return GRANULE[state] if state else None


def of_execution(state: State) -> str:
    """Return the status of an execution, which has begun when it is queued.

    >>> of_execution(State.queued), of_execution(State.cancelled)
    ('running', 'failed')
    """
    told = GRANULE[state]
    return "running" if told == "queued" else told


def milliseconds(moment: str | None) -> int | None:
    """Return milliseconds since 1970 of an ISO 8601 moment.

    >>> milliseconds("1970-01-01T00:00:01.500+00:00")
    1500
    """
    return round(datetime.fromisoformat(moment).timestamp() * 1000) if moment else None
