"""The end of partitions, runs and backfills: recorded once in the index, and written to S3."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import uuid4

from pileus import lifecycle
from pileus.backfills import record
from pileus.backfills.record import Outcome
from pileus.backfills.status import WHOLE_POINT, find, outcomes, verdict, whole_point
from pileus.backfills.tell import tell_owed, tell_run
from pileus.edges.index import Brief, change, change_backfill
from pileus.edges.store import revise
from pileus.errors import Conflict, StoreError, Unavailable, Unknown
from pileus.lifecycle.backfill import Backfill, State
from pileus.lifecycle.partition import Entry, Failure
from pileus.models import Partition
from pileus.models import State as PartitionState
from pileus.outputs.commit import claims, clean, fence
from pileus.wiring import Edges

TRIES = 20
"""How often a partition is fenced while workers claim it."""


def keep(edges: Edges, backfill: Backfill) -> Backfill:
    """Copy the backfill from the index to S3, and return what was written. Recovery reads this copy when the index is
    lost.

    A slow writer never overwrites a newer state. Raises StoreError when the index has no such backfill any more.
    """

    def step(_: bytes | None) -> bytes:
        now = edges.index.backfill(backfill.id)  # read after the tag: who changes it later also writes it later
        if now is None:
            raise StoreError("the index was lost: try again when it is back", where=backfill.id)
        return json.dumps(now.to_json()).encode()

    _, body, _ = revise(edges.store, edges.internal(f"backfills/{backfill.id}/backfill.json"), step)
    return Backfill.from_json(json.loads(body))


def iso(edges: Edges) -> str:
    """Return the present time in ISO 8601."""
    return datetime.fromtimestamp(edges.now(), UTC).isoformat(timespec="milliseconds")


def held(edges: Edges, backfill: Backfill) -> list[Brief]:
    """Return the partitions of an ended run that a worker still has. The worker returns them to the queue within
    seconds.
    """
    return [
        one
        for one in edges.index.briefs(backfill.collection, backfill.version, backfill.first, backfill.last)
        if one.state is PartitionState.running and one.lease > edges.now() and one.backfill == backfill.id
    ]


def end(edges: Edges, id: str, run: int, *, stopped: str | None = None, why: Failure | None = None) -> dict[str, Any]:
    """End a run: write the outcome of each of its partitions, and return the JSON of its state.

    `stopped`: the status of an execution that somebody stopped in Step Functions, or that failed there; the backfill is
    then cancelled or failed. `why`: its error, where that is known.
    """
    backfill = edges.index.backfill(id)
    if backfill is not None and backfill.run == run and backfill.untold:
        backfill = report(edges, backfill)
        if backfill.closed:
            return {"backfill": id, "run": run, "state": backfill.state}
    if backfill is None or backfill.run != run or backfill.state == "paused" or backfill.closed:
        return {"backfill": id, "run": run, "state": "ended before"}
    if backfill.over:
        return {"backfill": id, "run": run, "state": close_stopped(edges, backfill).state}
    state: State | None = ("cancelled" if stopped == "ABORTED" else "failed") if stopped else None
    kept = record.closed(edges, id, run)
    found = kept.outcomes if kept else None
    if found is None:
        _publish_left(edges, backfill)
        found = outcomes(edges, replace(backfill, state=state or backfill.state), final=True)
        record.close(edges, backfill, found)
    tell_owed(edges, backfill)
    problem = f"its execution ended {stopped}{f': {why}' if why else ''}" if stopped else None
    came_to: State = state or verdict(found)

    def step(now: Backfill) -> Backfill | None:
        if not now.runs(backfill.run_name):
            return None
        return replace(now, state=came_to, ended=iso(edges), problem=problem, closed=True, untold=True)

    ended = change_backfill(edges.index, id, step)
    if ended is not None:
        mark_unlisted(edges, ended, found)
        keep(edges, ended)
        report(edges, ended, found)
    return {"backfill": id, "run": run, "state": ended.state if ended else "ended before"}


def report(edges: Edges, backfill: Backfill, found: Sequence[Outcome] | None = None) -> Backfill:
    """Tell the topic that a run has ended, was stopped or was paused. Return the backfill, which owes no report any
    more.

    `found`: its outcomes, where they are known. A process that dies in between leaves the report owed: `end`,
    `settle`, and whatever changes its state tell it then, so it is told at least once. Raises StoreError.
    """
    if found is None:
        kept = record.closed(edges, backfill.id, backfill.run) if backfill.closed else None
        found = kept.outcomes if kept else outcomes(edges, backfill)
    counts = Counter(str(one.state) for one in found)
    tell_run(edges, backfill, counts, now=iso(edges))
    owed = (backfill.run, backfill.state, True)
    told = change_backfill(
        edges.index,
        backfill.id,
        lambda now: replace(now, untold=False) if (now.run, now.state, now.untold) == owed else None,
    )
    if told is None:
        return find(edges, backfill.id)
    return keep(edges, told)


def report_owed(edges: Edges, backfill: Backfill) -> Backfill:
    """Do as `report`, where a report is owed. Return the backfill as it is then."""
    return report(edges, backfill) if backfill.untold else backfill


def report_stop(edges: Edges, backfill: Backfill) -> None:
    """Tell that a run was stopped or paused. While the topic cannot be reached the report stays owed: a stop does not
    wait for it. Nor does it wait for an index that was lost meanwhile: who rebuilds it tells what is owed.
    """
    with suppress(Unavailable, Unknown):
        report_owed(edges, backfill)


def close_stopped(edges: Edges, backfill: Backfill) -> Backfill:
    """Record the end of a stopped run, unless a worker still works on one of its partitions."""
    backfill = report_owed(edges, backfill)
    if held(edges, backfill):
        return backfill
    _take_back(edges, backfill)
    found = outcomes(edges, backfill, final=True)
    record.close(edges, backfill, found)
    tell_owed(edges, backfill)
    closed = change_backfill(
        edges.index,
        backfill.id,
        lambda now: replace(now, closed=True) if (now.run, now.over) == (backfill.run, True) else None,
    )
    if closed is None:
        return find(edges, backfill.id)
    mark_unlisted(edges, closed, found)
    keep(edges, closed)
    return report_owed(edges, closed)


def _take_back(edges: Edges, backfill: Backfill) -> None:
    """Fence the dead and the silent workers of a stopped run, and publish what they committed.

    To fence a worker is to claim its partition, so that it cannot commit any more.
    """
    place = (backfill.collection, backfill.version, backfill.first, backfill.last)
    for one in list(edges.index.entries(*place)):
        if one.run != backfill.run_name:
            continue
        if one.state is PartitionState.running:
            fenced(edges, one.partition, one.run, None)
        elif one.has_silent_claims:
            fence(edges.place(one.partition), uuid4().hex)
    _publish_left(edges, backfill)


def _publish_left(edges: Edges, backfill: Backfill) -> None:
    """Publish what workers have committed in the span and not published whole; delete what cannot be committed."""
    for partition, claim in claims(edges.store, edges.stack.internal):
        mine = (partition.collection, partition.version) == (backfill.collection, backfill.version)
        if mine and backfill.first <= partition.period <= backfill.last:
            clean(edges.place(partition), claim)


def fenced(edges: Edges, partition: Partition, run: str, failure: Failure | None) -> Entry | None:
    """Fence the worker that has the partition, and end the partition. Return its entry, None when nothing ended.

    It succeeded when the worker had committed. Else it failed with `failure`; where `failure` is None it is left alone.
    The claim goes before the fence, so that a worker that has claimed and not fenced yet cannot fence any more. Raises
    StoreError when workers claim the partition again and again.
    """
    for _ in range(TRIES):
        stored = edges.index.entry(partition)
        voided = lifecycle.void(stored, run, now=edges.now()) if stored else None
        if voided is None:
            return None
        with suppress(Conflict):
            if voided is not stored:
                voided = edges.index.put(voided)
            place = edges.place(partition)
            before = fence(place, uuid4().hex).before
            made = before is not None and (before.run_name, before.fingerprint) == (run, voided.fingerprint)
            ended = lifecycle.give_up(voided, run, failure or Failure("", ""), now=edges.now())
            if ended is None or not (made or failure):
                return None
            if made:
                ended = replace(ended, state=PartitionState.succeeded, failure=None, manifest=place.manifest)
            return edges.index.put(ended)
    raise StoreError(f"claimed {TRIES} times while it was ended", where=partition.key)


def mark_unlisted(edges: Edges, backfill: Backfill, found: Iterable[Outcome]) -> None:
    """Mark in the index each point in time that the run never listed as failed, so that `--select failed` finds it."""
    for one in found:
        if one.group != WHOLE_POINT or one.state not in (PartitionState.cancelled, PartitionState.failed):
            continue
        entry = Entry(whole_point(backfill, one.period), one.state, backfill.run_name, reason=one.why)
        if edges.index.entry(entry.partition) is None:
            change(edges.index, entry.partition, partial(_where_none_is, replace(entry, updated=edges.now())))


def _where_none_is(entry: Entry, stored: Entry | None) -> Entry | None:
    return None if stored else entry


def is_live(edges: Edges, entry: Entry | None) -> bool:
    """Return whether the run that last queued the partition may still work on it."""
    if entry is None or entry.state.ended:
        return False
    owner = edges.index.backfill(entry.backfill)
    return owner is not None and owner.runs(entry.run)
