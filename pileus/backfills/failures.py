"""Failures outside a worker's task: of a point in time, of a group, of a partition; and the stop after too many.

A backfill with `max_failures` is stopped by `count_failure` when more partitions than that have failed.
"""

from dataclasses import replace
from typing import Any

from pileus import lifecycle
from pileus.backfills import record
from pileus.backfills.end import fenced, iso, keep
from pileus.backfills.status import whole_point
from pileus.edges.index import change, change_backfill
from pileus.lifecycle.backfill import Backfill, backfill_of
from pileus.lifecycle.partition import Entry, Failure
from pileus.models import Partition
from pileus.models import State as PartitionState
from pileus.wiring import Edges


def count_failure(edges: Edges, run: str) -> None:
    """Count one more failed partition of the run. Stop the backfill when it has more failures than `max_failures`."""

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
    """Mark a point in time whose files could not be listed as failed, unless its run is over. Return the JSON of its
    state.
    """
    wanted = Entry(whole_point(backfill, period), PartitionState.failed, backfill.run_name)

    def step(stored: Entry | None) -> Entry | None:
        return lifecycle.fail(stored, wanted, failure, now=edges.now(), live=False)

    if change(edges.index, wanted.partition, step):
        count_failure(edges, backfill.run_name)
    return {"partition": wanted.partition.key, "state": "failed"}


def fail_group(edges: Edges, wanted: Entry, failure: Failure) -> dict[str, Any]:
    """Mark a group that the workflow gave up as failed, unless its run is over. Return the JSON of its state.

    `wanted`: the entry as it was when the group was queued.
    """
    backfill, partition = edges.index.backfill(wanted.backfill), wanted.partition
    if backfill is None or not backfill.runs(wanted.run):
        return {
            "partition": partition.key,
            "state": "ended before",
        }  # the workflow gave it up because the backfill was stopped
    stored = edges.index.entry(partition)
    if stored is not None and stored.run != wanted.run:  # it was queued behind another run
        if ended := record.ended_in(edges, backfill.id, backfill.run, partition):
            return {"partition": partition.key, "state": str(ended.state)}
        record.note_ended(edges, wanted, PartitionState.failed, failure=failure)
        count_failure(edges, wanted.run)
        return {"partition": partition.key, "state": "failed"}
    ended_now = give_up(edges, partition, wanted.run, failure)
    return {"partition": partition.key, "state": str(ended_now.state) if ended_now else "ended before"}


def give_up(edges: Edges, partition: Partition, run: str, failure: Failure) -> Entry | None:
    """End a partition that no worker will end. Return its entry, None when this run has nothing to end there.

    The partition fails, unless a worker committed its result and died before it recorded that.
    """
    ended = fenced(edges, partition, run, failure)
    if ended is not None and ended.state is PartitionState.failed:
        count_failure(edges, run)
    return ended
