"""The end of partitions, runs and backfills: noted once, and written to S3 for good."""

import json
from collections.abc import Iterable
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
from pileus.edges.index import Brief, change, change_backfill
from pileus.errors import Conflict, NotFound, StoreError
from pileus.lifecycle.backfill import Backfill, State, backfill_of
from pileus.lifecycle.partition import Entry, Failure
from pileus.models import Partition
from pileus.models import State as PartitionState
from pileus.outputs.commit import claims, clean, fence
from pileus.wiring import Edges

TRIES = 20
"""Times that a backfill is written to S3 while others write it too."""


def keep(edges: Edges, backfill: Backfill) -> Backfill:
    """Write the backfill as the index has it now to S3, from where it comes back when that is lost.

    Returns what was written: a writer that was held up does not write over a newer state. Raises StoreError when the
    index knows no such backfill any more.
    """
    url = edges.internal(f"backfills/{backfill.id}/backfill.json")
    for _ in range(TRIES):
        try:
            tag: str | None = edges.store.tagged(url)[1]
        except NotFound:
            tag = None
        now = edges.index.backfill(backfill.id)  # after the tag: whoever changes it later writes later too
        if now is None:
            raise StoreError("the index was lost meanwhile: try again when it is back", where=backfill.id)
        with suppress(Conflict):
            edges.store.swap(url, json.dumps(now.to_json()).encode(), tag, "application/json")
            return now
    raise StoreError(f"changed {TRIES} times while it was written to S3", where=backfill.id)


def iso(edges: Edges) -> str:
    return datetime.fromtimestamp(edges.now(), UTC).isoformat(timespec="milliseconds")


def held(edges: Edges, backfill: Backfill) -> list[Brief]:
    """Return the partitions of an ended run that a worker still works on; it hands them back within seconds."""
    return [
        one
        for one in edges.index.briefs(backfill.collection, backfill.version, backfill.first, backfill.last)
        if one.state is PartitionState.running and one.lease > edges.now() and one.backfill == backfill.id
    ]


def end(edges: Edges, id: str, run: int, *, stopped: str | None = None) -> dict[str, Any]:
    """Record the end of a run: write the outcome of each of its partitions, and return the state.

    `stopped`: the status of an execution that ended outside our hands; the backfill is then cancelled or failed.
    """
    backfill = edges.index.backfill(id)
    if backfill is None or backfill.run != run or backfill.state == "paused" or backfill.closed:
        return {"backfill": id, "run": run, "state": "ended before"}
    if backfill.over:
        return {"backfill": id, "run": run, "state": close_stopped(edges, backfill).state}
    state: State | None = ("cancelled" if stopped == "ABORTED" else "failed") if stopped else None
    kept = record.closed(edges, id, run)
    found = kept.outcomes if kept else None
    if found is None:
        found = outcomes(edges, replace(backfill, state=state or backfill.state), final=True)
        record.close(edges, backfill, found)
    problem = f"its execution ended {stopped}" if stopped else None
    came_to: State = state or verdict(found)

    def step(now: Backfill) -> Backfill | None:
        if not now.runs(backfill.run_name):
            return None
        return replace(now, state=came_to, ended=iso(edges), problem=problem, closed=True)

    ended = change_backfill(edges.index, id, step)
    if ended is not None:
        mark_unlisted(edges, ended, found)
        keep(edges, ended)
        edges.reports.tell(f"Backfill {id} {ended.state}", ended.to_json())
    return {"backfill": id, "run": run, "state": ended.state if ended else "ended before"}


def close_stopped(edges: Edges, backfill: Backfill) -> Backfill:
    """Record the end of a stopped run, unless a worker still works on one of its partitions."""
    if held(edges, backfill):
        return backfill
    _take_back(edges, backfill)
    found = outcomes(edges, backfill, final=True)
    record.close(edges, backfill, found)
    closed = change_backfill(
        edges.index,
        backfill.id,
        lambda now: replace(now, closed=True) if (now.run, now.over) == (backfill.run, True) else None,
    )
    if closed is None:
        return find(edges, backfill.id)
    mark_unlisted(edges, closed, found)
    keep(edges, closed)
    return closed


def _take_back(edges: Edges, backfill: Backfill) -> None:
    """Fence the workers of a stopped run that are gone, and publish whole what they committed."""
    place = (backfill.collection, backfill.version, backfill.first, backfill.last)
    for one in list(edges.index.briefs(*place)):
        if one.state is PartitionState.running and one.run == backfill.run_name:
            _fenced(edges, Partition(backfill.collection, backfill.version, one.period, one.group), one.run, None)
    for partition, claim in claims(edges.store, edges.stack.internal):
        mine = (partition.collection, partition.version) == (backfill.collection, backfill.version)
        if mine and backfill.first <= partition.period <= backfill.last:
            clean(edges.place(partition), claim)


def give_up(edges: Edges, partition: Partition, run: str, failure: Failure) -> Entry | None:
    """End a partition that no worker ends; the entry as it is then, None where the run has nothing to end there.

    It failed, unless a worker has committed its result and died before it could say so.
    """
    ended = _fenced(edges, partition, run, failure)
    if ended is not None and ended.state is PartitionState.failed:
        count_failure(edges, run)
    return ended


def _fenced(edges: Edges, partition: Partition, run: str, failure: Failure | None) -> Entry | None:
    """Fence whoever has the partition; it succeeded if that is committed, else it failed where there is a failure."""
    stored = edges.index.entry(partition)
    if stored is None or stored.run != run or stored.state.ended:
        return None
    place = edges.place(partition)
    before = fence(place, uuid4().hex).before
    made = before is not None and (before.run_name, before.fingerprint) == (run, stored.fingerprint)

    def step(entry: Entry | None) -> Entry | None:
        ended = lifecycle.give_up(entry, run, failure or Failure("", ""), now=edges.now())
        if ended is None or not made:
            return ended if failure else None
        return replace(ended, state=PartitionState.succeeded, failure=None, manifest=place.manifest)

    return change(edges.index, partition, step)


def mark_unlisted(edges: Edges, backfill: Backfill, found: Iterable[Outcome]) -> None:
    """Note points in time that were promised and never listed, so that a selection of what failed finds them."""
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


def count_failure(edges: Edges, run: str) -> None:
    """Count one more failed partition of the run. End the backfill when more failed than it allows."""

    def step(now: Backfill) -> Backfill | None:
        if now.max_failures is None or not now.runs(run):
            return None
        counted = replace(now, failures=now.failures + 1)
        if counted.failures <= now.max_failures:
            return counted
        problem = f"stopped: {counted.failures} partitions failed, {now.max_failures} are allowed"
        return replace(counted, state="failed", ended=iso(edges), problem=problem)

    counted = change_backfill(edges.index, backfill_of(run), step)
    if counted is not None and counted.over:
        keep(edges, counted)


def fail_point(edges: Edges, backfill: Backfill, period: str, failure: Failure) -> dict[str, Any]:
    """Mark a point in time that could not be listed as failed, unless its run is over."""
    wanted = Entry(whole_point(backfill, period), PartitionState.failed, backfill.run_name)

    def step(stored: Entry | None) -> Entry | None:
        return lifecycle.fail(stored, wanted, failure, now=edges.now(), live=False)

    if change(edges.index, wanted.partition, step):
        count_failure(edges, backfill.run_name)
    return {"partition": wanted.partition.key, "state": "failed"}


def fail_group(edges: Edges, wanted: Entry, failure: Failure) -> dict[str, Any]:
    """Mark a group that the workflow gave up as failed, unless its run is over. `wanted`: as it was queued."""
    backfill, partition = edges.index.backfill(wanted.backfill), wanted.partition
    if backfill is None or not backfill.runs(wanted.run):
        return {"partition": partition.key, "state": "ended before"}  # given up because its backfill was stopped
    stored = edges.index.entry(partition)
    if stored is not None and stored.run != wanted.run:  # it waited for another run's end
        if ended := record.ended_in(edges, backfill.id, backfill.run, partition):
            return {"partition": partition.key, "state": str(ended.state)}
        record.note_ended(edges, wanted, PartitionState.failed, failure=failure)
        count_failure(edges, wanted.run)
        return {"partition": partition.key, "state": "failed"}
    ended_now = give_up(edges, partition, wanted.run, failure)
    return {"partition": partition.key, "state": str(ended_now.state) if ended_now else "ended before"}
