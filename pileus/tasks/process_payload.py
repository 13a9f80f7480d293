"""ProcessPayload: the payload of a group is handed in once, and its partition follows the payload's run.

A workflow asks again and again, until the partition has ended:

1. The backfill's run is over: the payload that it started is stopped, and the partition cancelled.
2. Another run has the partition: wait for its end. If the fingerprints agree, take the result; else queue it.
3. The backfill runs as many groups as it allows: wait.
4. The partition is queued: claim it, and hand its payload in.
5. The payload's run goes on: wait. It has ended: so does the partition.

The claim has no lease, as that of any run whose owner is an execution: no worker takes such a partition.
"""

import hashlib
import json
import random
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from uuid import uuid4

from pileus import keys, lifecycle, runs
from pileus.backfills.end import is_live
from pileus.backfills.failures import note_failure
from pileus.backfills.limits import admit, measure
from pileus.backfills.record import ended_in, note_ended, replacing
from pileus.cirrus.payload import read_payload
from pileus.edges.index import change
from pileus.edges.store import load
from pileus.edges.workflows import Workflows
from pileus.errors import Conflict, DocumentError, NotFound, UsageError
from pileus.lifecycle.backfill import Backfill
from pileus.lifecycle.partition import Entry, Failure
from pileus.lifecycle.timing import taken_at, whole
from pileus.messages import GroupTask
from pileus.models import Manifest, Output, Partition, State
from pileus.outputs.commit import fence
from pileus.runs import Run
from pileus.runs.payloads import process
from pileus.subject import PayloadId
from pileus.tasks.fetch_task import fetch_task
from pileus.timing import Hop, Timing
from pileus.version import __version__
from pileus.wiring import Edges

KIND = "payload"
"""Kind of a partition's output that is what its payload has put out."""
SHORTEST, LONGEST, FULL = 1, 60, 15
"""Seconds between two looks: at a payload that was just handed in, at one that goes on for minutes, and where another
run or too many groups are in the way.
"""


def process_payload(edges: Edges, workflows: Workflows, task: GroupTask, url: str) -> dict[str, Any]:
    """Do what is next for a group. Return its state, and the seconds after which to ask again; 0: it has ended.

    `url`: where its payload lies. Raises StoreError when the stack cannot be reached, and DamagedObject.
    """
    return _Group(edges, workflows, task, url).next()


def stop_payloads(edges: Edges, workflows: Workflows, backfill: Backfill) -> None:
    """Stop the payloads that a run which was stopped has started, and cancel their partitions."""
    place = (backfill.collection, backfill.version, backfill.first, backfill.last)
    for one in list(edges.index.briefs(*place)):
        if one.state is State.running and one.run == backfill.run_name:
            partition = Partition(backfill.collection, backfill.version, one.period, one.group)
            entry = edges.index.entry(partition)
            if entry is not None and entry.run == backfill.run_name and KIND in entry.extra:
                _stop(edges, workflows, entry)


def _stop(edges: Edges, workflows: Workflows, entry: Entry) -> None:
    """Stop the payload of a partition, if it was started for it, and cancel the partition."""
    followed = entry.extra[KIND]
    if followed.get("started"):
        with suppress(Conflict, NotFound):
            if runs.find(edges, followed["key"]).run == followed["run"]:
                runs.stop(edges, workflows, followed["key"], "its backfill was stopped")
    _finish(edges, entry, State.cancelled, reason="its backfill was stopped")


def _finish(edges: Edges, entry: Entry, state: State, **facts: Any) -> Entry | None:
    """End a partition that is claimed as in `entry`. Return its entry, None where the claim is gone."""
    token = entry.claim or ""
    return change(
        edges.index,
        entry.partition,
        lambda stored: lifecycle.finish(stored, token, state, now=edges.now(), **facts) if stored else None,
    )


def _answer(state: object, wait: int = 0) -> dict[str, Any]:
    return {"state": str(state), "wait": wait}


def _later() -> int:
    """Return seconds about FULL, so that those who wait for one place do not all come back at once."""
    return random.randint(FULL // 2, FULL + FULL // 2)


class _Group:
    """One group whose payload is processed."""

    def __init__(self, edges: Edges, workflows: Workflows, task: GroupTask, url: str) -> None:
        self._edges, self._workflows, self._task, self._url = edges, workflows, task, url

    def next(self) -> dict[str, Any]:
        """Do what is next, and return the answer."""
        edges, task = self._edges, self._task
        backfill, stored = edges.index.backfill(task.backfill), edges.index.entry(task.partition)
        if backfill is None or not backfill.runs(task.run_name):
            return self._over(stored)
        if stored is None or stored.run != task.run_name:
            return self._behind(stored)
        if stored.state.ended:
            return _answer(stored.state)
        if stored.state is not State.running:
            claimed = self._claimed(backfill, stored)
            if claimed is None:
                return _answer(stored.state, _later())
            stored = claimed
        if stored.state.ended:
            return _answer(stored.state)
        if KIND not in stored.extra:
            handed_in = self._handed_in(stored)
            if handed_in is None:
                return _answer(State.failed)
            stored = handed_in
        return self._look(stored)

    def _over(self, stored: Entry | None) -> dict[str, Any]:
        if stored is not None and stored.run == self._task.run_name and not stored.state.ended and KIND in stored.extra:
            _stop(self._edges, self._workflows, stored)
        return _answer(State.cancelled)

    def _behind(self, stored: Entry | None) -> dict[str, Any]:
        """Wait for the run that has the partition, take its result, or queue the partition for this run."""
        edges, task = self._edges, self._task
        if ended := ended_in(edges, task.backfill, task.run, task.partition):
            return _answer(ended.state)
        if stored and lifecycle.busy(stored, now=edges.now(), live=is_live(edges, stored)):
            return _answer(State.queued, _later())
        if stored and stored.state is State.succeeded and stored.fingerprint == task.entry.fingerprint:
            note_ended(edges, task.entry, State.skipped, f"{stored.run} made it", manifest=stored.manifest)
            return _answer(State.skipped)
        if queued := replacing(edges, stored, lifecycle.queue(stored, task.entry, now=edges.now(), live=False)):
            with suppress(Conflict):  # somebody was quicker: the next look sees it
                edges.index.put(queued)
        return _answer(State.queued, SHORTEST)

    def _claimed(self, backfill: Backfill, stored: Entry) -> Entry | None:
        """Claim the partition, and return its entry; None where the backfill runs as many groups as it allows. It is
        cancelled where one more would cost too much.
        """
        edges, run = self._edges, self._task.run_name
        if self._full(backfill, 1):
            return None
        claimed = lifecycle.claim(stored, run, self._payload.key, uuid4().hex, lease=0, now=edges.now())
        if claimed is None:
            return None
        try:
            claimed = edges.index.put(claimed)
        except Conflict:
            return None
        if self._full(backfill, 0):  # who claims last looks last, so never too many pass
            token = claimed.claim or ""
            change(
                edges.index,
                claimed.partition,
                lambda now: lifecycle.release(now, token, now=edges.now()) if now else None,
            )
            return None
        if backfill.spending is not None:
            admitted = admit(edges, backfill, run, claimed.claim or "")
            if admitted is None or not admitted.runs(run):
                return _finish(edges, claimed, State.cancelled, reason="its backfill was stopped") or claimed
        return claimed

    def _full(self, backfill: Backfill, more: int) -> bool:
        """Return whether the groups that run, and so many more, are more than the backfill allows."""
        if backfill.max_running is None:
            return False
        place = (backfill.collection, backfill.version, backfill.first, backfill.last)
        here = [one for one in self._edges.index.briefs(*place) if one.run == backfill.run_name]
        return sum(one.state is State.running for one in here) + more > backfill.max_running

    @cached_property
    def _payload(self) -> PayloadId:
        return read_payload(self._document).id

    @cached_property
    def _document(self) -> dict[str, Any]:
        return load(self._edges.store, self._url, lambda body: dict(json.loads(body)))

    def _handed_in(self, stored: Entry) -> Entry | None:
        """Hand the payload in, and return the partition, which follows it; None where it cannot be processed.

        A payload that somebody else has processed is not processed again for a partition that is new.
        """
        edges, document, id = self._edges, self._document, self._payload
        known = edges.index.entry(id)
        again = self._task.again or stored.manifest is not None or (known is not None and known.state is State.failed)
        try:
            found = process(edges, self._workflows, document, replace=again)
        except (DocumentError, UsageError) as error:
            self._fail(stored, Failure.of(error), 0.0)
            return None
        return self._note(stored, {"key": id.key, "run": found.run.run, "started": found.started})

    def _look(self, stored: Entry) -> dict[str, Any]:
        """Let the partition end as the payload's run has, or say when to look again."""
        run = runs.settle(self._edges, self._workflows, stored.extra[KIND]["key"])
        if run.ended is None:
            begun = datetime.fromisoformat(run.created or run.updated)
            age = self._edges.now() - begun.timestamp()
            return _answer(State.running, int(min(LONGEST, max(SHORTEST, age / 4))))
        if run.state is State.succeeded:
            return self._succeed(stored, run)
        if run.state is State.cancelled:
            _finish(self._edges, stored, State.cancelled, reason=run.reason, **_timed(stored, run.seconds))
            return _answer(State.cancelled)
        self._fail(stored, run.failure or Failure("PayloadFailed", run.reason, run.key), run.seconds)
        return _answer(State.failed)

    def _note(self, stored: Entry, followed: dict[str, Any]) -> Entry | None:
        """Note what the partition follows. Return its entry, None where the claim is gone."""

        def step(now: Entry | None) -> Entry | None:
            if now is None or not lifecycle.claimed(now, stored.claim or ""):
                return None
            return replace(now, extra={**now.extra, KIND: followed})

        return change(self._edges.index, stored.partition, step)

    def _fail(self, stored: Entry, failure: Failure, seconds: float) -> None:
        ended = _finish(self._edges, stored, State.failed, failure=failure, **_timed(stored, seconds))
        if ended is not None:
            note_failure(self._edges, ended)
            self._measure(seconds)

    def _succeed(self, stored: Entry, run: Run) -> dict[str, Any]:
        """Commit what the payload has put out as the partition's output."""
        edges, token = self._edges, stored.claim or ""
        place = edges.place(stored.partition)
        body = edges.store.get(str(run.output))
        key = keys.task_key(stored.partition, KIND, "output.json")
        output = Output(edges.protected(key), len(body), hashlib.sha256(body).hexdigest(), KIND)

        def claimed() -> bool:
            return lifecycle.claimed(edges.index.entry(stored.partition), token)

        try:
            held = fence(place, token, fresh=stored.manifest is None, claimed=claimed)
            staged = held.stage(output.url)
            edges.store.put(staged, body, "application/json")
            held.publish(held.commit(self._manifest(stored, run, output)), (staged,))
        except Conflict:
            return _answer(stored.state, SHORTEST)  # somebody has taken the claim: the next look sees who
        _finish(edges, stored, State.succeeded, manifest=place.manifest, **_timed(stored, run.seconds))
        self._measure(run.seconds)
        return _answer(State.succeeded)

    def _manifest(self, stored: Entry, run: Run, output: Output) -> Manifest:
        task = fetch_task(self._edges, self._task)
        return Manifest(
            partition=stored.partition,
            fingerprint=task.entry.fingerprint or "",
            inputs=task.group.granules,
            parameters={"payload": run.key, "execution": run.run, "process": self._document["process"]},
            outputs=(output,),
            code=__version__,
            finished=datetime.fromtimestamp(self._edges.now(), UTC).isoformat(timespec="seconds"),
            seconds={"payload": run.seconds},
            backfill=task.backfill,
            run=task.run,
        )

    def _measure(self, seconds: float) -> None:
        backfill = self._edges.index.backfill(self._task.backfill)
        if backfill is not None and backfill.spending is not None:
            measure(self._edges, self._task.run_name, seconds)


def _timed(stored: Entry, seconds: float) -> dict[str, Any]:
    """Return how long the payload took, as fields of its partition's entry."""
    taken = taken_at(stored)
    if taken is None:
        return {"seconds": seconds}
    recorded = Timing(taken, {"payload": Hop(0, seconds)} if seconds else {})
    return {"seconds": seconds, "timing": whole(stored, recorded).to_json()}
