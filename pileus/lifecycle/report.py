"""What subscribers are told: a run has ended or was paused, or a partition has failed. docs/reports.md documents it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from pileus.lifecycle.backfill import Backfill
from pileus.lifecycle.partition import Entry, Failure
from pileus.typed import check_types

FORMAT = 1
"""Version of the message. It grows when a field is removed or means something else; a new field is no new version."""
REASON = 1000
"""Longest reason, in characters: ten messages travel in one request of at most 256 KiB."""
ATTRIBUTES = ("kind", "state", "collection", "backfill")
"""Fields that a message carries as attributes too, so that a subscription can filter by them."""


@dataclass(frozen=True, slots=True)
class Report:
    """One message. It may arrive more than once, each time with the same `id`."""

    id: str
    """The same for each repetition of a message, and for no other message of the stack."""
    kind: Literal["backfill", "partition"]
    """What it is about: the run of a backfill, or one partition of it."""
    backfill: str
    """Id of the backfill."""
    run: int
    """Number of the run: each resume and retry begins another."""
    collection: str
    """Name of the collection's template."""
    version: str
    """Version of the collection."""
    state: Literal["succeeded", "incomplete", "failed", "cancelled", "paused"]
    """What the run came to; `failed` for a partition."""
    first: str
    """First period of the backfill, ISO 8601."""
    last: str
    """Last period of the backfill, included, ISO 8601."""
    time: str
    """When it ended, ISO 8601 UTC. Of a pause: when it was told."""
    reason: str = ""
    """Why, in one line of at most 1,000 characters; empty where the counts say all."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """Partitions by state, of a backfill only. When it was stopped: as they were at that moment."""
    period: str | None = None
    """Period of the partition, ISO 8601."""
    group: str | None = None
    """Group of the partition; `*` for a point in time whose files could not be listed."""
    error: str | None = None
    """Type of the partition's error, such as `Corrupt`."""
    attempt: int | None = None
    """Times that workers took the partition in this run; 0: it failed before a worker had it."""
    format: int = FORMAT
    """Version of this message."""

    @property
    def subject(self) -> str:
        """Return a line for a person."""
        if self.kind == "partition":
            return f"Partition {self.collection}/{self.version}/{self.period}/{self.group} failed"
        return f"Backfill {self.backfill} {self.state}"

    @property
    def event(self) -> str:
        """Return the `detail-type` of its event."""
        if self.kind == "partition":
            return "Pileus Partition Failed"
        return "Pileus Backfill Paused" if self.state == "paused" else "Pileus Backfill Ended"

    @property
    def attributes(self) -> dict[str, str]:
        """Return what a subscription can filter by."""
        return {name: getattr(self, name) for name in ATTRIBUTES}

    def to_json(self) -> dict[str, Any]:
        value = {name: getattr(self, name) for name in self.__slots__}
        value["counts"] = dict(self.counts)
        if self.kind == "partition":
            del value["counts"]
        return {name: item for name, item in value.items() if item is not None}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Report":
        """Return the message. Fields that it does not know are left out. Raises ValueError for anything else."""
        try:
            found = cls(**{name: value[name] for name in cls.__slots__ if name in value})
            check_types(found)
            return found
        except (TypeError, KeyError) as exc:
            raise ValueError(f"not a report: {exc}") from exc


def of_run(backfill: Backfill, counts: Mapping[str, int], *, now: str) -> Report:
    """Return the report of a run that has ended, was stopped or was paused. `now`: ISO 8601."""
    return Report(
        id=f"{backfill.run_name}/{backfill.state}",
        kind="backfill",
        state="failed" if backfill.state == "running" else backfill.state,
        time=backfill.ended or now,
        reason=(backfill.problem or "")[:REASON],
        counts=counts,
        **_of(backfill),
    )


def of_failure(backfill: Backfill, entry: Entry) -> Report:
    """Return the report of a partition that has failed in a run of the backfill."""
    failure = entry.failure or Failure("Unknown", entry.reason)
    return Report(
        id=f"{entry.run}/{entry.partition.period}/{entry.partition.group}",
        kind="partition",
        state="failed",
        time=datetime.fromtimestamp(entry.updated, UTC).isoformat(timespec="milliseconds"),
        reason=f"{failure.where + ': ' if failure.where else ''}{failure.message}"[:REASON],
        period=entry.partition.period,
        group=entry.partition.group,
        error=failure.type,
        attempt=entry.attempt,
        **_of(backfill) | {"run": entry.number},
    )


def _of(backfill: Backfill) -> dict[str, Any]:
    return {name: getattr(backfill, name) for name in ("run", "collection", "version", "first", "last")} | {
        "backfill": backfill.id
    }
