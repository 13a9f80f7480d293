"""The state of a backfill at one moment: the outcome of each of its partitions."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from pileus.backfills import record
from pileus.backfills.record import DETAILS, Aside, Outcome
from pileus.edges.index import Brief, brief
from pileus.errors import Unknown
from pileus.lifecycle.backfill import Backfill
from pileus.lifecycle.backfill import State as BackfillState
from pileus.lifecycle.partition import Entry, seen_from
from pileus.models import Partition, State
from pileus.near import unknown
from pileus.wiring import Edges

WHOLE_POINT = "*"
"""Group of the partition that stands for a point in time whose files could not be listed."""
NEVER = "never ran"
WORST_FIRST = (
    State.failed,
    State.running,
    State.queued,
    State.waiting,
    State.cancelled,
    State.planned,
    State.succeeded,
    State.skipped,
)
DONE = (State.succeeded, State.skipped)
ENDED = frozenset(state for state in State if state.ended)
TROUBLE = (State.failed, State.waiting, State.running)


@dataclass(frozen=True, slots=True)
class Cell:
    """One point in time and the states of its groups."""

    period: str
    counts: Counter[State]

    @property
    def state(self) -> State:
        """Return the state that needs attention most among its groups."""
        return next(state for state in WORST_FIRST if self.counts[state])

    @property
    def told(self) -> str:
        """Return the counts as text: `2015-01: 5 succeeded, 1 failed`."""
        return f"{self.period}: {', '.join(f'{count} {state}' for state, count in sorted(self.counts.items()))}"

    def to_json(self) -> dict[str, Any]:
        return {"period": self.period, "state": str(self.state), "groups": dict(self.counts)}


@dataclass(frozen=True, slots=True)
class Status:
    """A backfill at one moment."""

    backfill: Backfill
    outcomes: Sequence[Outcome] = field(repr=False)
    """In order of time."""
    files: Sequence[Aside] = field(default=(), repr=False)
    """Files that grouping set aside in the present run."""

    @property
    def counts(self) -> Counter[State]:
        return Counter(one.state for one in self.outcomes)

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Return all points in time, in order."""
        counts: dict[str, Counter[State]] = {}
        for one in self.outcomes:
            counts.setdefault(one.period, Counter())[one.state] += 1
        return tuple(Cell(*item) for item in sorted(counts.items()))

    @property
    def trouble(self) -> Iterator[Outcome]:
        """Return the partitions that failed, wait or run."""
        return (one for one in self.outcomes if one.state in TROUBLE)

    @property
    def bytes_done(self) -> int:
        """Return the bytes that were downloaded for this backfill."""
        return sum(one.downloaded for one in self.outcomes)

    @property
    def bytes_wanted(self) -> int:
        """Return the bytes to download, as far as they are known."""
        return sum(max(one.size, one.downloaded) for one in self.outcomes if one.state is not State.skipped)

    @property
    def periods(self) -> tuple[int, int]:
        """Return the number of points in time that have ended, and of all."""
        open_ = {one.period for one in self.outcomes if not one.state.ended}
        every = {one.period for one in self.outcomes}
        return len(every) - len(open_), len(every)

    def _repr_html_(self) -> str:
        from pileus.backfills.status_page import fragment

        return fragment(self)

    def to_json(self) -> dict[str, Any]:
        return self.backfill.to_json() | {
            "counts": {str(state): count for state, count in self.counts.items()},
            "bytes": {"done": self.bytes_done, "wanted": self.bytes_wanted},
            "partitions": [one.to_json(self.backfill) for one in self.outcomes],
            "files_set_aside": [{"period": period} | problem.to_json() for period, problem in self.files],
        }


def to_record(found: Status) -> bytes:
    """Return a status as the JSON of a record; `from_record` is its inverse."""
    return record.written(found.backfill, found.outcomes, found.files)


def from_record(body: bytes) -> Status:
    """Return the status that `to_record` wrote."""
    kept = record.read_record(body)
    return Status(Backfill.from_json(json.loads(body)["backfill"]), kept.outcomes, kept.files)


def find(edges: Edges, id: str) -> Backfill:
    """Return the backfill. Raises Unknown when there is none."""
    backfill = edges.index.backfill(id)
    if backfill is None:
        raise Unknown(f"there is no backfill {id!r}: `pileus backfills` lists them")
    return backfill


def status(edges: Edges, id: str, *, whole: bool = False, files: bool = False) -> Status:
    """Return the backfill as it is now.

    `whole`: with all details of each partition. `files`: with the files that grouping set aside, also before the record
    is written, which takes a request for each point in time that has any. Raises Unknown when there is none.
    """
    return status_of(edges, find(edges, id), whole=whole, files=files)


def status_of(edges: Edges, backfill: Backfill, *, whole: bool = False, files: bool = False) -> Status:
    """Return the same of a backfill that was read just before."""
    if backfill.closed and (kept := record.closed(edges, backfill.id, backfill.run)) is not None:
        return Status(backfill, kept.outcomes, kept.files)
    aside = record.files_aside(edges, backfill) if files else ()
    return Status(backfill, outcomes(edges, backfill, whole=whole), aside)


def named(found: Status, names: Iterable[str]) -> tuple[str, ...]:
    """Return the points in time and partitions that a person named, as `2015-01` or `2015-01/GROUP`; a key is one too.

    Raises Unknown, with the near ones, for one that the backfill does not have.
    """
    points = {one.period for one in found.outcomes}
    partitions = {f"{one.period}/{one.group}" for one in found.outcomes}
    keys = {one.key(found.backfill): f"{one.period}/{one.group}" for one in found.outcomes}
    chosen = []
    for name in names:
        if name not in points | partitions and name not in keys:
            raise Unknown(unknown(f"partition of {found.backfill.id}", name, points if "/" not in name else partitions))
        chosen.append(keys.get(name, name))
    return tuple(dict.fromkeys(chosen))


def outcomes(edges: Edges, backfill: Backfill, *, whole: bool = False, final: bool = False) -> list[Outcome]:
    """Return the outcome of every partition of the backfill as it is now, in order of time.

    1. The outcome of an earlier run of this backfill stands until the present run has another.
    2. The index has the partitions that this backfill queued. A point in time that the present run could not list, or
       found empty, is listed beside the groups that an earlier run found there.
    3. With `final`, for a run that has ended: what the run wrote to S3. Without it, a success of another run counts as
       up to date.
    4. A point in time without any of these is planned; with `final`, it never ran.
    """
    before = record.closed(edges, backfill.id, backfill.run - 1)
    rows = {(one.period, one.group): one for one in (before.outcomes if before else ())}
    fresh: dict[tuple[str, str], Outcome] = {}
    others: list[Brief] = []
    unlisted = set()
    now, mine, present = edges.now(), f"{backfill.id}/", backfill.run_name
    for one, details in _index(edges, backfill, whole=whole or final):
        if one.run.startswith(mine):
            fresh[one.period, one.group] = _mine(backfill, one, details, now)
            if one.group == WHOLE_POINT and one.run == present:
                unlisted.add(one.period)
        else:
            others.append(one)
    if final:
        fresh |= {key: one for key, one in _written(edges, backfill) if key not in fresh}
    else:
        fresh |= {key: one for key, one in _others(edges, backfill, others) if key not in rows | fresh}
    return _together(backfill, rows, fresh, unlisted, final=final)


def _index(edges: Edges, backfill: Backfill, *, whole: bool) -> Iterator[tuple[Brief, dict[str, Any]]]:
    """Yield the entries of its points in time from the index: in brief, and with `whole` with their details."""
    place = (backfill.collection, backfill.version, backfill.first, backfill.last)
    mine = {period.iso for period in backfill.periods} if backfill.spans else None
    if not whole:
        yield from ((one, {}) for one in edges.index.briefs(*place) if mine is None or one.period in mine)
        return
    for entry in edges.index.entries(*place):
        if mine is None or entry.partition.period in mine:
            yield brief(entry), _details(entry)


def _details(entry: Entry) -> dict[str, Any]:
    value = entry.to_json()
    return {name: value[name] for name in DETAILS if name in value}


def _mine(backfill: Backfill, one: Brief, details: dict[str, Any], now: float) -> Outcome:
    if one.state in ENDED:
        state = one.state
    else:
        state = seen_from(one, backfill.id, run_ended=not backfill.runs(one.run), now=now)
    if state is State.cancelled and backfill.state == "paused":
        state = State.planned  # it will be done when the backfill is resumed
    return Outcome(one.period, one.group, state, one.why, one.size, one.downloaded, details)


def _others(edges: Edges, backfill: Backfill, others: Iterable[Brief]) -> Iterator[tuple[tuple[str, str], Outcome]]:
    """Yield the partitions that other runs made or work on. Asks once for each run whether it is over."""
    over: dict[str, bool] = {}
    for one in others:
        if not one.state.ended and one.run not in over:
            owner = edges.index.backfill(one.backfill)
            over[one.run] = owner is None or not owner.runs(one.run)
        state = seen_from(one, backfill.id, run_ended=over.get(one.run, True), now=edges.now())
        if state is State.planned and backfill.over:
            continue  # this backfill has not looked at it
        why = f"after {one.run}" if state is State.queued else ""
        yield (one.period, one.group), Outcome(one.period, one.group, state, why)


def _written(edges: Edges, backfill: Backfill) -> Iterator[tuple[tuple[str, str], Outcome]]:
    """Yield what the run wrote to S3. The ends come last: they replace what else is known of a group."""
    for one in record.asides(edges, backfill):
        yield (one.period, one.group), one
    for entry in record.ends(edges, backfill):
        told = brief(entry)
        ended = Outcome(told.period, told.group, told.state, told.why, told.size, told.downloaded, _details(entry))
        yield (told.period, told.group), ended


def _together(
    backfill: Backfill,
    rows: dict[tuple[str, str], Outcome],
    fresh: dict[tuple[str, str], Outcome],
    unlisted: Set[str],
    *,
    final: bool,
) -> list[Outcome]:
    listed = {period for period, group in fresh if group != WHOLE_POINT} - unlisted
    merged = {key: one for key, one in rows.items() if key[1] != WHOLE_POINT or key[0] not in listed}
    for key, one in fresh.items():
        if key in merged and one.state is State.skipped and merged[key].state is State.succeeded:
            continue  # made by an earlier run of this very backfill
        if key[1] != WHOLE_POINT or key[0] not in listed:
            merged[key] = one
    known = {period for period, _ in merged}
    periods = backfill.periods
    for period in periods if len(known) < len(periods) else ():
        if period.iso not in known:
            merged[period.iso, WHOLE_POINT] = _unseen(backfill, period.iso, final=final)
    return [_settled(backfill, merged[key]) if final else merged[key] for key in sorted(merged)]


def _unseen(backfill: Backfill, period: str, *, final: bool) -> Outcome:
    if backfill.state == "cancelled" or (final and backfill.state == "paused"):
        return Outcome(period, WHOLE_POINT, State.cancelled, "cancelled before it was listed")
    if backfill.state == "failed" or final:
        return Outcome(period, WHOLE_POINT, State.failed if final else State.cancelled, NEVER)
    return Outcome(period, WHOLE_POINT, State.planned)


def _settled(backfill: Backfill, one: Outcome) -> Outcome:
    """Return the outcome for a run that has ended: a partition that has not ended by now never ran."""
    if one.state.ended:
        return one
    if backfill.state in ("cancelled", "paused"):
        return one._replace(state=State.cancelled, why=one.why or "cancelled before it ran")
    return one._replace(state=State.failed, why=NEVER)


def verdict(found: Iterable[Outcome]) -> BackfillState:
    """Return the state of a run that ended by itself: it succeeded only if every partition did or was up to date."""
    states = {one.state for one in found}
    if states <= set(DONE):
        return "succeeded"
    return "incomplete" if states <= {*DONE, State.waiting} else "failed"


def whole_point(backfill: Backfill, period: str) -> Partition:
    """Return the partition that stands for a whole point in time."""
    return Partition(backfill.collection, backfill.version, period, WHOLE_POINT)
