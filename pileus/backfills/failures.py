"""Failures of a point in time, of a group, of a partition. Each is counted and told by whoever writes it."""

from dataclasses import replace
from typing import Any

from pileus import lifecycle
from pileus.backfills import record
from pileus.backfills.end import fenced
from pileus.backfills.limits import count_failure
from pileus.backfills.status import whole_point
from pileus.backfills.tell import note_told, tell_failure
from pileus.edges.index import change
from pileus.lifecycle.backfill import Backfill
from pileus.lifecycle.partition import Entry, Failure
from pileus.models import Partition
from pileus.models import State as PartitionState
from pileus.wiring import Edges


def note_failure(edges: Edges, entry: Entry) -> None:
    """Count a partition that has just failed, and tell that where its backfill asks. `entry`: as it is stored."""
    count_failure(edges, entry.run)
    if (told := tell_failure(edges, entry)).told:
        note_told(edges, told)


def fail_point(edges: Edges, backfill: Backfill, period: str, failure: Failure) -> dict[str, Any]:
    """Mark a point in time whose files could not be listed as failed, unless its run is over. Return the JSON of its
    state.
    """
    wanted = Entry(whole_point(backfill, period), PartitionState.failed, backfill.run_name)

    def step(stored: Entry | None) -> Entry | None:
        return record.replacing(edges, stored, lifecycle.fail(stored, wanted, failure, now=edges.now(), live=False))

    if failed := change(edges.index, wanted.partition, step):
        note_failure(edges, failed)
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
        fail_behind(edges, wanted, failure)
        return {"partition": partition.key, "state": "failed"}
    ended_now = give_up(edges, partition, wanted.run, failure)
    return {"partition": partition.key, "state": str(ended_now.state) if ended_now else "ended before"}


def fail_behind(edges: Edges, wanted: Entry, failure: Failure) -> None:
    """Note in S3 that a partition has failed in the run of `wanted`, while another run has its entry in the index."""
    failed = replace(wanted, state=PartitionState.failed, failure=failure, updated=edges.now())
    record.note_ended(edges, failed)
    count_failure(edges, wanted.run)
    if (told := tell_failure(edges, failed)).told:
        record.note_ended(edges, told)


def give_up(edges: Edges, partition: Partition, run: str, failure: Failure) -> Entry | None:
    """End a partition that no worker will end. Return its entry, None when this run has nothing to end there.

    The partition fails, unless a worker committed its result and died before it recorded that.
    """
    ended = fenced(edges, partition, run, failure)
    if ended is not None and ended.state is PartitionState.failed:
        note_failure(edges, ended)
    return ended
