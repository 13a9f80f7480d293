"""What a worker does with the message of a part of a graph. Its run belongs to its execution, so the message is the
claim: whoever has received it works on it. Two that have it make the same objects.

1. It is no such message: its token is answered as failed, and it moves to the dead-letter queue.
2. Its run has ended, was stopped, or was begun again: the token is answered as failed and the message deleted.
3. Several workers in a row died while they worked on it: the run fails, and the message moves to the dead-letter queue.
4. Its operations are done: the token is answered, and the message deleted. An operation that fails fails the run, and
   whoever works on another part of it stops within two seconds.
5. The worker is told to stop, or something that it needs is missing now: another worker gets the message.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pileus.edges.queues import Message, Queues
from pileus.errors import Conflict, HandedBack, NoSpace, PileusError, StoreError, UsageError
from pileus.graphs.record import begin
from pileus.lifecycle.partition import Failure
from pileus.messages import PartTask
from pileus.pace import Pace
from pileus.runs.end import fail
from pileus.tasks.worker_state import TaskControl
from pileus.wiring import Edges

log = logging.getLogger("pileus.worker")
HEARD_SECONDS = 1.5
"""Seconds between two checks that the run goes on."""
LATER_SECONDS = 30
"""Seconds until a part is tried again that lacked something, such as space on the volume or an answer of AWS."""
Task = Callable[[Mapping[str, Any], TaskControl], Mapping[str, Any]]


@dataclass
class _Part:
    """One message while this worker works on it."""

    message: Message
    task: PartTask
    cancelled: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)
    attempt: int = 0
    """Times that workers began it and did not hand it back, this one included."""
    over: bool = False
    """Whether nobody waits for it any more."""

    @property
    def named(self) -> dict[str, Any]:
        """Return the fields that each log line about it carries."""
        of = {"request": self.task.subject.key, "run": self.task.run_name, "attempt": self.attempt}
        return of | {"round": self.task.round, "part": self.task.part}


class Parts:
    """Handles messages of parts of graphs. `task`: does one."""

    def __init__(
        self, edges: Edges, queues: Queues, task: Task, visibility: int, pulse: Callable[[], None], pace: Pace
    ) -> None:
        self._edges, self._queues, self._task, self._pace = edges, queues, task, pace
        self._visibility, self._pulse = visibility, pulse
        self._deaths = int(edges.stack.deaths)
        self._stopping = threading.Event()
        self._present: _Part | None = None

    def stop(self) -> None:
        """Return the present message to its queue within seconds. Safe in a signal handler."""
        self._stopping.set()
        if present := self._present:
            present.cancelled.set()

    def handle(self, message: Message) -> None:
        """Handle one message in any state. Raises StoreError when the stack cannot be reached."""
        try:
            part = _Part(message, PartTask.from_json(message.task))
        except UsageError as error:
            self._queues.fail(message, Failure("UsageError", error.message))
            self._queues.bury(message)
            return
        if self._is_over(part.task):
            self._void(part)
            return
        part.attempt = begin(self._edges, part.task)
        if part.attempt > self._deaths:
            self._bury(part)
        else:
            self._do(part)

    def _is_over(self, task: PartTask) -> bool:
        stored = self._edges.index.entry(task.subject)
        return stored is None or stored.run != task.run_name or stored.state.ended

    def _do(self, part: _Part) -> None:
        """Work on a message, with a heartbeat in a second thread, and answer it."""
        self._present = part
        if self._stopping.is_set():
            part.cancelled.set()
        beating = self._pace.spawn(lambda: self._beat(part), "heartbeat")
        try:
            answer = self._answer(part)
        finally:
            part.done.set()
            beating.join()
            self._present = None
        if part.over:
            self._void(part)
        elif isinstance(answer, Failure):
            self._fail(part, answer)
        elif isinstance(answer, int):
            begin(self._edges, part.task, -1)
            self._queues.hold(part.message, answer)
            log.info("handed back", extra=part.named)
        else:
            self._queues.succeed(part.message, answer)
            log.info("succeeded", extra=part.named | {"made": answer.get("made")})

    def _answer(self, part: _Part) -> Mapping[str, Any] | Failure | int:
        """Return what the task returned, its failure, or after how many seconds it should be tried again."""
        try:
            return self._task(part.message.task, TaskControl(cancelled=part.cancelled))
        except HandedBack:
            return 0
        except PileusError as error:
            if isinstance(error, NoSpace | Conflict) or (isinstance(error, StoreError) and error.retryable):
                log.warning("tried again later", extra=part.named | {"error": str(error)})
                return LATER_SECONDS
            return Failure.of(error)
        except Exception as error:  # a defect fails its run, visibly, and the worker goes on
            log.exception("unexpected error", extra=part.named)
            return Failure.of(error)

    def _beat(self, part: _Part) -> None:
        """Keep message and token alive until the part is done; stop the work when its run is over."""
        renewed = self._edges.now()
        while not self._pace.wait(part.done, min(HEARD_SECONDS, self._visibility / 3)):
            try:
                self._queues.settle()
                over = self._is_over(part.task)
                if not over and self._edges.now() - renewed >= self._visibility / 3:
                    self._pulse()
                    self._queues.keep(part.message, self._visibility)
                    over = not self._queues.beat(part.message)
                    renewed = self._edges.now()
                if over:
                    part.over = True
                    part.cancelled.set()
            except StoreError as error:
                log.warning("heartbeat failed", extra={"error": str(error)} | part.named)

    def _void(self, part: _Part) -> None:
        """Answer and delete a message that nobody waits for."""
        log.info("its run is over", extra=part.named)
        self._queues.fail(part.message, Failure("Cancelled", "its run is over", part.task.run_name))
        self._queues.delete(part.message)

    def _fail(self, part: _Part, failure: Failure) -> None:
        """Fail the run at once, so that the other parts stop, and answer the token."""
        log.warning("failed", extra=part.named | {"error": str(failure)})
        fail(self._edges, part.task.subject, part.task.run, failure)
        self._queues.fail(part.message, failure)
        self._queues.delete(part.message)

    def _bury(self, part: _Part) -> None:
        """Fail a run on one of whose parts several workers died, and move the message to the dead-letter queue."""
        failure = Failure("WorkerLost", f"{self._deaths} workers in a row died on it", part.task.subject.key)
        fail(self._edges, part.task.subject, part.task.run, failure)
        self._queues.fail(part.message, failure)
        self._queues.bury(part.message)
