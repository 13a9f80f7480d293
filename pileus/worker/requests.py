"""What a worker does with the message of a run of a request.

1. It is no such message: its token is answered as failed, and it moves to the dead-letter queue.
2. The run was begun again since, or is gone: the token is answered as failed and the message deleted.
3. The run has ended, was stopped among them: the token is answered accordingly, and the message deleted.
4. Another worker has it: the message is hidden until the lease of that claim would end.
5. Several workers in a row died while they worked on it: the run fails, and the message moves to the dead-letter queue.
6. The worker claims it, works, and ends it, as it does a partition.
"""

from collections.abc import Callable
from dataclasses import replace

from pileus import lifecycle
from pileus.edges.queues import Message, Queues
from pileus.errors import Conflict, StoreError, UsageError
from pileus.lifecycle.partition import Entry, Failure
from pileus.messages import RequestTask
from pileus.models import State
from pileus.runs.end import fail
from pileus.runs.record import keep
from pileus.wiring import Edges
from pileus.worker.job import Job

TRIES = 100
"""How often one message is read again because its run changed in the meantime."""


class Requests:
    """Handles messages of requests. `do` works on a claimed one; `token` makes a claim's."""

    def __init__(
        self, edges: Edges, queues: Queues, do: Callable[[Job], None], name: str, token: Callable[[], str]
    ) -> None:
        self._edges, self._queues, self._do = edges, queues, do
        self._name, self._token = name, token
        self._visibility, self._deaths = int(edges.stack.visibility), int(edges.stack.deaths)

    def handle(self, message: Message) -> None:
        """Handle one message in any state. Raises StoreError when the stack cannot be reached."""
        try:
            task = RequestTask.from_json(message.task)
        except UsageError as error:
            self._queues.fail(message, Failure("UsageError", error.message))
            self._queues.bury(message)
            return
        for _ in range(TRIES):
            claimed = self._claimed(message, task)
            if claimed is None:
                return
            try:
                self._do(Job(message, task, self._edges.index.put(claimed)))
                return
            except Conflict:
                continue
        raise StoreError(f"changed {TRIES} times while its message was handled", where=task.subject.key)

    def _claimed(self, message: Message, task: RequestTask) -> Entry | None:
        """Return the entry with this worker's claim, not yet stored; None where the message is dealt with."""
        stored, now = self._edges.index.entry(task.subject), self._edges.now()
        if stored is None or stored.run != task.run_name:
            self._void(message, task)
            return None
        if stored.state.ended:
            keep(self._edges, task.subject)  # who ended it may have died before it wrote that down
            self._answer(message, stored)
            return None
        lease = now + self._visibility
        claimed = lifecycle.claim(stored, task.run_name, self._name, self._token(), lease=lease, now=now)
        if claimed is None:
            self._queues.hold(message, max(1, int(stored.lease - now) + 1))
            return None
        if claimed.attempt > self._deaths:
            self._bury(message, task)
            return None
        return replace(claimed, extra={"started": now} | claimed.extra)

    def _void(self, message: Message, task: RequestTask) -> None:
        self._queues.fail(message, Failure("Cancelled", "its run is over", task.run_name))
        self._queues.delete(message)

    def _answer(self, message: Message, entry: Entry) -> None:
        """Answer and delete a message whose run has ended."""
        if entry.state is State.succeeded:
            self._queues.succeed(message, {"manifest": entry.manifest})
            return
        self._queues.fail(message, entry.failure or Failure("Cancelled", entry.reason or "it was stopped", entry.run))
        self._queues.delete(message)

    def _bury(self, message: Message, task: RequestTask) -> None:
        """Fail a run on which several workers died, and move its message to the dead-letter queue."""
        failure = Failure("WorkerLost", f"{self._deaths} workers in a row died on it", task.subject.key)
        ended = fail(self._edges, task.subject, task.run, failure)
        if ended is not None and ended.failure != failure:
            self._answer(message, ended) if ended.run == task.run_name else self._void(message, task)
            return
        self._queues.fail(message, failure)
        self._queues.bury(message)
