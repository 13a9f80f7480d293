"""A worker of one task of the project: takes an event from the task's queue, has a process of its own do it, and
answers its token.

What happens with a message:

1. It is not an event of this task, or more workers died on it than may: it moves to the dead-letter queue, and its
   token is answered as failed.
2. The workflow does not wait for it any more: it is deleted.
3. The task returns an answer or raises: the token is answered, and the message deleted.
4. The worker is told to stop: the process is ended, and the message is visible to other workers at once.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

from pileus.edges.queues import Message, SqsQueues
from pileus.errors import HandedBack, PileusError, StoreError
from pileus.lifecycle.partition import Failure
from pileus.pace import Pace, Threads
from pileus.worker.child_process import TaskFailed
from pileus.worker.polling import poll

log = logging.getLogger("pileus.worker")
ANSWER = 256 * 1024
"""Bytes of an answer that Step Functions takes."""
Run = Callable[[Mapping[str, Any], threading.Event], str]
"""Does one event, until the flag is set. Returns the answer's JSON; raises HandedBack soon after the flag is set."""


class TaskWorker:
    """Does the events of one task, one after the other.

    `queues`: has the task's queue, under its name. `deaths`: how many workers in a row may die on one event.
    """

    def __init__(
        self,
        queues: SqsQueues,
        task: str,
        run: Run,
        *,
        visibility: int,
        deaths: int,
        pulse: Callable[[], None] = lambda: None,
        pace: Pace | None = None,
    ) -> None:
        self._queues, self._task, self._run_event = queues, task, run
        self._visibility, self._deaths, self._pulse = visibility, deaths, pulse
        self._pace = pace or Threads()
        self.stopping = threading.Event()
        self._cancelled = threading.Event()

    def stop(self) -> None:
        """Take no new event, and return the present one to its queue. Safe in a signal handler."""
        self.stopping.set()
        self._cancelled.set()

    def run(self, *, wait_seconds: int = 1, until_idle: bool = False) -> int:
        """Work until told to stop (with `until_idle`, until the queue is empty). Return the number of events taken."""
        return poll(
            self._queues,
            lambda: self._queues.receive(self._task, wait_seconds),
            self.handle,
            stopping=self.stopping,
            pulse=self._pulse,
            pace=self._pace,
            until_idle=until_idle,
        )

    def handle(self, message: Message) -> None:
        """Handle one message in any state. Raises StoreError when the stack cannot be reached."""
        event = message.task.get("event") if message.task.get("task") == self._task else None
        if not isinstance(event, Mapping):
            return self._bury(message, Failure("UsageError", f"not an event of the task {self._task}"))
        if message.received > self._deaths:
            why = f"{self._deaths} workers died while they worked on it"
            return self._bury(message, Failure("WorkerDied", why, self._task))
        if not self._queues.beat(message):
            log.info("nobody waits for it any more", extra={"task": self._task})
            return self._queues.delete(message)
        self._answer(message, event)
        return None

    def _answer(self, message: Message, event: Mapping[str, Any]) -> None:
        self._cancelled = threading.Event()
        if self.stopping.is_set():
            self._cancelled.set()
        done, over = threading.Event(), threading.Event()
        answer: str | Failure
        beating = self._pace.spawn(lambda: self._beat(message, done, over), "heartbeat")
        try:
            said = self._run_event(event, self._cancelled)
            too_long = f"the answer has {len(said):,} bytes: {ANSWER:,} are the most"
            answer = said if len(said) <= ANSWER else Failure("AnswerTooLong", too_long)
        except HandedBack:
            answer = Failure("HandedBack", "")
        except PileusError as error:
            kind = error.kind if isinstance(error, TaskFailed) else type(error).__name__
            answer = Failure(kind, error.message, error.where)
        finally:
            done.set()
            beating.join()
        self._tell(message, answer, over=over.is_set())

    def _tell(self, message: Message, answer: str | Failure, *, over: bool) -> None:
        named = {"task": self._task}
        if over:
            log.warning("stopped: nobody waits for it any more", extra=named)
            self._queues.delete(message)
        elif isinstance(answer, str):
            self._queues.succeed_with(message, answer)
            log.info("succeeded", extra=named)
        elif answer.type == "HandedBack":
            self._queues.post_anew(message)
            log.info("handed back", extra=named)
        else:
            self._queues.fail(message, answer)
            self._queues.delete(message)
            log.warning("failed", extra=named | {"error": str(answer)})

    def _beat(self, message: Message, done: threading.Event, over: threading.Event) -> None:
        """Keep message and token alive until the event is done; stop the work when the workflow does not wait."""
        while not self._pace.wait(done, max(1.0, self._visibility / 3)):
            try:
                self._pulse()
                self._queues.keep(message, self._visibility)
                if not self._queues.beat(message):
                    over.set()
                    self._cancelled.set()
            except StoreError as error:
                log.warning("heartbeat failed", extra={"error": str(error), "task": self._task})

    def _bury(self, message: Message, failure: Failure) -> None:
        log.warning("buried", extra={"task": self._task, "error": str(failure)})
        self._queues.fail(message, failure)
        self._queues.bury(message)
