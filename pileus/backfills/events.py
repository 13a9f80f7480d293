"""What has happened to a backfill between two looks at it."""

from collections.abc import Iterator
from dataclasses import dataclass

from pileus.backfills.status import Status
from pileus.models import State


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened."""

    kind: str
    """`run`: a new run began. `backfill`: the backfill's own state changed. Else the new state of a partition, or
    `retried`: it failed before, or was taken back from a worker, and is queued or runs again."""
    period: str = ""
    """Point in time, ISO 8601; empty where it is of the whole backfill."""
    group: str = ""
    text: str = ""
    """One line: the reason, or what began."""

    def to_json(self) -> dict[str, str]:
        return {name: value for name in self.__slots__ if (value := getattr(self, name))}


def changes(before: Status | None, after: Status) -> list[Event]:
    """Return what happened from one status to a later one of the same backfill, in order of time and partition.

    `before`: None at the first look, which tells nothing of partitions.
    """
    backfill = after.backfill
    found: list[Event] = []
    if before is None or before.backfill.run != backfill.run:
        found.append(Event("run", text=f"run {backfill.run} of {backfill.id} began"))
    if before is not None:
        found += _partitions(before, after)
    if (before.backfill.state if before else "running") != backfill.state:
        found.append(Event("backfill", text=f"{backfill.state}{': ' + backfill.problem if backfill.problem else ''}"))
    return found


def _partitions(before: Status, after: Status) -> Iterator[Event]:
    known = {(one.period, one.group): one.state for one in before.outcomes}
    for one in after.outcomes:
        then = known.get((one.period, one.group), State.planned)
        if then is not one.state and one.state is not State.planned:
            again = one.state in (State.queued, State.running) and then in (State.failed, State.running)
            yield Event("retried" if again else str(one.state), one.period, one.group, one.why)
