"""A worker: takes one message at a time, owns its partition while it works, and answers its token.

What happens with a message of a group (`pileus.worker.requests` says it of a request, `pileus.worker.parts` of a part
of a graph):

1. It is not a task of Pileus: the worker answers its token as failed, and moves it to the dead-letter queue.
2. Its run is over (its backfill was stopped, paused, resumed or retried): the worker answers the token as failed and
   deletes the message.
3. Another worker has the partition: the message is hidden until the lease of that claim would end.
4. Another run has the partition: the message is hidden until that run has ended it. If the fingerprints agree, this
   run takes the result; else the partition is queued for this run, and claimed.
5. Several workers in a row died while they worked on it: the partition fails, and the message moves to the
   dead-letter queue.
6. The backfill runs as many groups as it allows: the message is hidden for some seconds.
7. The worker claims the partition. It succeeds, fails or is cancelled; the worker answers the token and deletes the
   message. A worker that is told to stop releases the claim and makes the message visible at once.
"""

import logging
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any
from uuid import uuid4

from pileus import lifecycle
from pileus.backfills.end import is_live
from pileus.backfills.failures import give_up
from pileus.backfills.limits import admit
from pileus.backfills.record import ended_in, note_ended, replacing
from pileus.edges.connections import Lease
from pileus.edges.queues import QUEUES, Message, Queues
from pileus.errors import Busy, Conflict, StoreError, UsageError
from pileus.lifecycle.backfill import Backfill, backfill_of
from pileus.lifecycle.partition import Entry, Failure
from pileus.messages import GroupTask, PartTask, RequestTask
from pileus.models import State
from pileus.pace import Pace, Threads
from pileus.tasks.worker_state import TaskControl
from pileus.wiring import Edges
from pileus.worker.job import Job
from pileus.worker.parts import Parts
from pileus.worker.polling import poll
from pileus.worker.requests import Requests
from pileus.worker.work import Work

log = logging.getLogger("pileus.worker")
FULL_SECONDS = 5
"""Seconds for which a message is hidden when its backfill runs as many groups as it may."""
FOLLOW_SECONDS = 5
"""Seconds for which a message is hidden while another run has its partition."""
TRIES = 100
"""How often one message is read again because its partition changed in the meantime."""
Task = Callable[[Mapping[str, Any], TaskControl], Mapping[str, Any]]


class Worker:
    """One worker of a stack.

    `name`: unique among the workers. `task`: does the work of one message. `pulse`: called often while the worker
    lives. `ended`: told each partition that has succeeded or failed here.
    """

    def __init__(
        self,
        edges: Edges,
        queues: Queues,
        task: Task,
        *,
        name: str,
        pulse: Callable[[], None] = lambda: None,
        pace: Pace | None = None,
        token: Callable[[], str] = lambda: uuid4().hex,
        ended: Callable[[Entry], None] = lambda _: None,
    ) -> None:
        self._edges = edges
        self._queues = queues
        self._name = name
        self._token = token
        self._pulse = pulse
        self._pace = pace or Threads()
        self._visibility = int(edges.stack.visibility)
        self._deaths = int(edges.stack.deaths)
        self._work = Work(edges, queues, task, self._visibility, pulse, self._pace, ended)
        self._requests = Requests(edges, queues, self._work.do, name, token)
        self._parts = Parts(edges, queues, task, self._visibility, pulse, self._pace)
        self._known: Backfill | None = None
        """The backfill of the last claim, as it was then."""
        self._looked = 0.0
        """When `ingest` was last found empty, Unix time."""
        self.stopping = self._work.stopping

    def stop(self) -> None:
        """Take no new message, and return the present one to its queue within seconds. Safe in a signal handler."""
        self._work.stop()
        self._parts.stop()

    def run(self, *, wait_seconds: int = 1, until_idle: bool = False) -> int:
        """Work until told to stop (with `until_idle`, until both queues are empty). Return the number of messages
        taken.

        While a queue cannot be reached, it tries again after pauses that double up to 30 seconds.
        """
        return poll(
            self._queues,
            lambda: self._next(wait_seconds),
            self.handle,
            stopping=self.stopping,
            pulse=self._pulse,
            pace=self._pace,
            until_idle=until_idle,
        )

    def _next(self, wait_seconds: int) -> Message | None:
        """Return the next message. `ingest` comes first, but is polled once in `wait_seconds` while `backfill` has
        messages.
        """
        ingest, backfill = QUEUES
        message = None
        if self._edges.now() - self._looked >= wait_seconds:
            message = self._queues.receive(ingest, 0)
            self._looked = 0.0 if message else self._edges.now()
        return message or self._queues.receive(backfill, wait_seconds)

    def handle(self, message: Message) -> None:
        """Handle one message in any state. Raises StoreError when the stack cannot be reached."""
        if PartTask.is_one(message.task):
            self._parts.handle(message)
            return
        if RequestTask.is_one(message.task):
            self._requests.handle(message)
            return
        try:
            task = GroupTask.from_json(message.task)
        except UsageError as error:
            self._queues.fail(message, Failure("UsageError", error.message))
            self._queues.bury(message)
            return
        stored = task.entry if task.entry.tag else self._edges.index.entry(task.partition)
        for _ in range(TRIES):
            try:
                if self._dealt_with(message, task, stored):
                    return
            except Conflict:
                self._known = None
            stored = self._edges.index.entry(task.partition)
        raise StoreError(f"changed {TRIES} times while its message was handled", where=task.partition.key)

    def _dealt_with(self, message: Message, task: GroupTask, stored: Entry | None) -> bool:
        """Return whether the message is finished, given its partition as `stored`; False: read the partition again.

        Raises Conflict when the partition has changed.
        """
        run, now = task.run_name, self._edges.now()
        backfill = self._running(run)
        if backfill is None or not backfill.runs(run):
            return self._void(message, run)
        if stored is None or stored.run != run:
            return self._follow(message, task, stored)
        if stored.state.ended:
            self._answer(message, stored)
            return True
        claimed = self._claim(stored, run)
        if claimed is None:
            self._queues.hold(message, max(1, int(stored.lease - now) + 1))
            return True
        if claimed.attempt > self._deaths:
            self._bury(message, task)
            return True
        try:
            slot = self._slot(backfill)
        except Busy:
            self._queues.hold(message, FULL_SECONDS)
            return True
        with slot or nullcontext():
            self._do(Job(message, task, self._edges.index.put(claimed), slot))
        return True

    def _do(self, job: Job) -> None:
        """Work on a claimed partition, unless its run was stopped just before the claim, or may not cost more."""
        known = self._known
        job.priced = known is not None and known.spending is not None
        if known is not None and job.priced:
            try:
                self._known = admit(self._edges, known, job.task.run_name, job.claim)
            except StoreError:  # so many workers begin at once that this one never came to write
                job.stop("later")
        else:
            self._known = self._edges.index.backfill(job.entry.backfill)
        if self._known is None or not self._known.runs(job.task.run_name):
            job.stop("backfill")
        self._work.do(job)

    def _follow(self, message: Message, task: GroupTask, stored: Entry | None) -> bool:
        """Handle a message whose partition another run has: wait for that run, take its result, or queue it for this
        run.
        """
        self._known = self._edges.index.backfill(task.backfill)  # the other run may be a later one of this backfill
        if self._known is None or not self._known.runs(task.run_name):
            return self._void(message, task.run_name)
        if outcome := ended_in(self._edges, task.backfill, task.run, task.partition):
            self._answer(message, outcome)
            return True
        if stored and lifecycle.busy(stored, now=self._edges.now(), live=is_live(self._edges, stored)):
            self._queues.hold(message, FOLLOW_SECONDS)
            return True
        if stored and stored.state is State.succeeded and stored.fingerprint == task.entry.fingerprint:
            note_ended(self._edges, task.entry, State.skipped, f"{stored.run} made it", manifest=stored.manifest)
            self._queues.succeed(message, {"manifest": stored.manifest})
            return True
        queue = lifecycle.queue(stored, task.entry, now=self._edges.now(), live=False)
        if queued := replacing(self._edges, stored, queue):
            self._edges.index.put(queued)
        return False

    def _void(self, message: Message, run: str) -> bool:
        """Answer and delete a message whose run is over. Return True: it is finished."""
        self._queues.fail(message, Failure("Cancelled", "its run is over", run))
        self._queues.delete(message)
        return True

    def _answer(self, message: Message, entry: Entry) -> None:
        """Answer and delete a message whose partition has ended in its run."""
        if entry.state in (State.succeeded, State.skipped):
            self._queues.succeed(message, {"manifest": entry.manifest})
            return
        self._queues.fail(message, entry.failure or Failure("Cancelled", "its run is over", entry.run))
        self._queues.delete(message)

    def _claim(self, stored: Entry, run: str) -> Entry | None:
        now = self._edges.now()
        return lifecycle.claim(stored, run, self._name, self._token(), lease=now + self._visibility, now=now)

    def _running(self, run: str) -> Backfill | None:
        """Return the backfill of `run`.

        It is read again only when it was not running at the last read: `_do` reads it after the claim.
        """
        if self._known is None or not self._known.runs(run):
            self._known = self._edges.index.backfill(backfill_of(run))
        return self._known

    def _bury(self, message: Message, task: GroupTask) -> None:
        """Fail a partition on which several workers died, and move its message to the dead-letter queue."""
        failure = Failure("WorkerLost", f"{self._deaths} workers in a row died on it", task.partition.key)
        ended = give_up(self._edges, task.partition, task.run_name, failure)
        if ended is not None and ended.state is State.succeeded:
            self._answer(message, ended)
            return
        self._queues.fail(message, failure)
        self._queues.bury(message)

    def _slot(self, backfill: Backfill) -> Lease | None:
        """Return one of the `max_running` places of the backfill; None where there is no limit. Raises Busy when all
        are taken.
        """
        if backfill.max_running is None:
            return None
        return self._edges.connections.acquire(f"backfill {backfill.id}", backfill.max_running, _do_not_wait)


def _do_not_wait() -> None:
    raise Busy("as many groups as the backfill allows are running")
