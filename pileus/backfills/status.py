"""What a backfill looks like at one moment."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from pileus.backfills.control import WHOLE_POINT, end, find
from pileus.edges.workflows import Workflows
from pileus.lifecycle.backfill import Backfill
from pileus.lifecycle.partition import Entry, Standing, seen_from
from pileus.models import Partition, State
from pileus.periods import Period, Unit, span
from pileus.wiring import Edges


@dataclass(frozen=True, slots=True)
class Row:
    """One partition as the backfill sees it."""

    partition: Partition
    state: State
    entry: Entry | None
    """None for a point in time that has not been looked at."""

    @property
    def why(self) -> str:
        """One line: the error, what it waits for, or why it is done."""
        if self.entry is None or self.state is State.skipped:
            return ""
        return str(self.entry.failure) if self.entry.failure else self.entry.reason

    def to_json(self) -> dict[str, Any]:
        entry = self.entry.to_json() if self.entry else {}
        kept = (
            "failure",
            "reason",
            "missing",
            "files",
            "size",
            "downloaded",
            "seconds",
            "attempt",
            "manifest",
            "owner",
        )
        return {"partition": self.partition.key, "state": str(self.state)} | {
            key: entry[key] for key in kept if key in entry
        }


@dataclass(frozen=True, slots=True)
class Status:
    """A backfill and all its partitions, in order of time."""

    backfill: Backfill
    rows: tuple[Row, ...]

    @property
    def counts(self) -> Counter[State]:
        return Counter(row.state for row in self.rows)

    @property
    def bytes_done(self) -> int:
        """Downloaded for this backfill."""
        return sum(row.entry.downloaded for row in self._mine())

    @property
    def bytes_wanted(self) -> int:
        """To be downloaded, as far as it is known by now."""
        return sum(max(row.entry.size, row.entry.downloaded) for row in self._mine())

    def _mine(self) -> Iterable[Any]:
        return (row for row in self.rows if row.entry and row.entry.backfill == self.backfill.id)

    @property
    def periods(self) -> tuple[int, int]:
        """Points in time that have ended, and all of them."""
        open_ = {row.partition.period for row in self.rows if not row.state.ended}
        every = {row.partition.period for row in self.rows}
        return len(every) - len(open_), len(every)

    def to_json(self) -> dict[str, Any]:
        return self.backfill.to_json() | {
            "counts": {str(state): count for state, count in self.counts.items()},
            "bytes": {"done": self.bytes_done, "wanted": self.bytes_wanted},
            "partitions": [row.to_json() for row in self.rows],
        }


def status(edges: Edges, id: str) -> Status:
    """The backfill as of now. Raises UsageError when there is none."""
    backfill = find(edges, id)
    entries = edges.index.entries(backfill.collection, backfill.version, backfill.first, backfill.last)
    return look(edges, backfill, entries)


class Runs:
    """Which runs have ended, asked once for each; and what that means to the partitions of one backfill."""

    def __init__(self, edges: Edges, backfill: Backfill) -> None:
        self._edges = edges
        self._backfill = backfill
        self._ended: dict[str, bool] = {}

    def ended(self, entry: Standing) -> bool:
        """Whether the run that the entry names is over."""
        if entry.run not in self._ended:
            mine = entry.backfill == self._backfill.id
            owner = self._backfill if mine else self._edges.index.backfill(entry.backfill)
            self._ended[entry.run] = owner is None or not owner.runs(entry.run)
        return self._ended[entry.run]

    def shown(self, entry: Standing, state: State) -> State:
        """What a paused backfill has not done is planned, not cancelled."""
        mine = entry.backfill == self._backfill.id
        return State.planned if self._backfill.state == "paused" and mine and state is State.cancelled else state


def look(edges: Edges, backfill: Backfill, entries: Iterable[Entry]) -> Status:
    """The state of every partition, those that have no entry yet included."""
    runs, rows, now, seen = Runs(edges, backfill), [], edges.now(), set()
    for entry in entries:
        seen.add(entry.partition.period)
        ended = not entry.state.ended and runs.ended(entry)
        state = seen_from(entry, backfill.id, run_ended=ended, now=now)
        rows.append(Row(entry.partition, runs.shown(entry, state), entry))
    for period in span_of(backfill):
        if period.iso not in seen:
            partition = Partition(backfill.collection, backfill.version, period.iso, WHOLE_POINT)
            rows.append(Row(partition, unseen(backfill), None))
    return Status(backfill, tuple(sorted(rows, key=lambda row: row.partition)))


def unseen(backfill: Backfill) -> State:
    """State of a point in time that was never looked at."""
    return State.cancelled if backfill.state in ("cancelled", "failed") else State.planned


def span_of(backfill: Backfill) -> list[Period]:
    """Its points in time."""
    unit = Unit(backfill.unit)
    first, last = (Period.parse(text, unit, date.min) for text in (backfill.first, backfill.last))
    return list(span(first, last))


def settle(edges: Edges, workflows: Workflows, backfill: Backfill) -> Backfill:
    """A backfill whose execution has ended unnoticed ends in the index too."""
    if backfill.over or backfill.execution is None:
        return backfill
    ended = workflows.status(backfill.execution)
    if ended in ("ABORTED", "FAILED", "TIMED_OUT", "GONE"):
        end(edges, backfill.id, backfill.run, stopped=ended)
        return find(edges, backfill.id)
    return backfill
