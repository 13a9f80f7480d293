"""A worker of a Step Functions activity: takes a task, has a process of its own do it, and answers its token.

What happens with a task:

1. It returns or raises: the token is answered. An answer that is too long is a failure that says so.
2. The workflow does not wait for it any more: the work is stopped, and nothing is answered.
3. The worker is told to stop: the work is stopped, and the token is answered with the error HandedBack, which the
   state's Retry may name.
4. The worker dies: the state hears no heartbeat and fails with States.HeartbeatTimeout, which its Retry may name.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import Any

from pileus.edges.activities import Activities, ActivityTask
from pileus.errors import HandedBack, PileusError, StoreError
from pileus.lifecycle.partition import Failure
from pileus.pace import Pace, Threads
from pileus.strict_json import parse_json
from pileus.worker.child_process import TaskFailed

log = logging.getLogger("pileus.worker")
ANSWER = 256 * 1024
"""Bytes of an answer that Step Functions takes."""
GRACE = 10.0
"""Seconds for which a worker that is told to stop waits for the answer of its poll, which may bring a task."""
Run = Callable[[Any, threading.Event], str]
"""Does one event, until the flag is set. Returns the answer's JSON; raises HandedBack soon after the flag is set."""


class ActivityWorker:
    """Does the tasks of one activity, one after the other. `beat_seconds`: between two heartbeats."""

    def __init__(
        self, activities: Activities, run: Run, *, beat_seconds: float, grace: float = GRACE, pace: Pace | None = None
    ) -> None:
        self._activities, self._run_event = activities, run
        self._beat_seconds, self._grace = beat_seconds, grace
        self._pace = pace or Threads()
        self._came: queue.SimpleQueue[ActivityTask | StoreError | None] = queue.SimpleQueue()
        self._polling = False
        self.stopping = threading.Event()
        self._cancelled = threading.Event()

    def stop(self) -> None:
        """Take no new task, and hand the present one back. Safe in a signal handler."""
        self.stopping.set()
        self._cancelled.set()

    def run(self, *, until_idle: bool = False) -> int:
        """Work until told to stop (with `until_idle`, until a poll brings nothing). Return the number of tasks taken.

        Raises StoreError that no second try would change, such as an activity that does not exist.
        """
        taken, pause = 0, 0.5
        while (came := self._next()) is not self:
            if isinstance(came, ActivityTask):
                taken += 1
                self._handle(came)
                pause = 0.5
            elif isinstance(came, StoreError):
                if not came.retryable:
                    raise came
                log.warning("waiting for Step Functions", extra={"error": str(came), "seconds": pause})
                self._pace.wait(self.stopping, pause)
                pause = min(pause * 2, 30)
            elif until_idle:
                break
        return taken

    def _next(self) -> "ActivityTask | StoreError | ActivityWorker | None":
        """Return what the next poll brings; this worker itself when it is to end."""
        if self.stopping.is_set() and not self._polling:
            return self
        if not self._polling:
            self._polling = True
            threading.Thread(target=self._poll, daemon=True, name="poll").start()
        ends = None
        while True:
            try:
                came = self._came.get(timeout=0.1)
            except queue.Empty:
                now = time.monotonic()
                ends = ends or (now + self._grace if self.stopping.is_set() else None)
                if ends is not None and now > ends:
                    return self
                continue
            self._polling = False
            return came

    def _poll(self) -> None:
        try:
            self._came.put(self._activities.take())
        except StoreError as error:
            self._came.put(error)

    def _handle(self, task: ActivityTask) -> None:
        """Do one task and answer it. An answer that cannot be given is logged: the state's limits end the task."""
        self._cancelled = threading.Event()
        if self.stopping.is_set():
            self._cancelled.set()
        done, over = threading.Event(), threading.Event()
        beating = self._pace.spawn(lambda: self._beat(task, done, over), "heartbeat")
        try:
            answer = self._answer(task)
        finally:
            done.set()
            beating.join()
        try:
            self._tell(task, answer, over=over.is_set())
        except StoreError as error:
            log.error("the answer cannot be given", extra={"error": str(error)})

    def _answer(self, task: ActivityTask) -> str | Failure:
        try:
            if self._cancelled.is_set():
                raise HandedBack("told to stop")
            said = self._run_event(parse_json(task.input), self._cancelled)
        except ValueError as error:
            return Failure("UsageError", f"the input is not JSON: {error}")
        except HandedBack:
            return Failure("HandedBack", "the worker was told to stop before the task was done")
        except PileusError as error:
            kind = error.kind if isinstance(error, TaskFailed) else type(error).__name__
            return Failure(kind, error.message, error.where)
        if (size := len(said.encode())) > ANSWER:
            why = f"the answer has {size:,} bytes, and {ANSWER:,} are the most: let ReplaceConfig put it into S3"
            return Failure("AnswerTooLong", why)
        return said

    def _tell(self, task: ActivityTask, answer: str | Failure, *, over: bool) -> None:
        if over:
            log.warning("stopped: nobody waits for it any more")
        elif isinstance(answer, str):
            waits = self._activities.succeed(task.token, answer)
            log.info("succeeded" if waits else "succeeded, but nobody waits for it any more")
        else:
            self._activities.fail(task.token, answer)
            log.warning("handed back" if answer.type == "HandedBack" else "failed", extra={"error": str(answer)})

    def _beat(self, task: ActivityTask, done: threading.Event, over: threading.Event) -> None:
        """Send heartbeats until the task is done; stop the work when the workflow does not wait."""
        while not self._pace.wait(done, self._beat_seconds):
            try:
                if not self._activities.beat(task.token):
                    over.set()
                    self._cancelled.set()
            except StoreError as error:
                log.warning("heartbeat failed", extra={"error": str(error)})
