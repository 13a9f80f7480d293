"""One claimed partition while it is worked on: the heartbeat, the end, and the answer."""

import logging
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pileus import lifecycle
from pileus.backfills.end import count_failure
from pileus.edges.connections import Lease
from pileus.edges.queues import Message, Queues
from pileus.errors import Cancelled, Conflict, HandedBack, NoSpace, PileusError, StoreError
from pileus.lifecycle.partition import Entry, Failure
from pileus.messages import GroupTask
from pileus.models import State
from pileus.pace import Pace
from pileus.tasks.process_group import TaskControl
from pileus.wiring import Edges

log = logging.getLogger("pileus.worker")
HEARD_SECONDS = 1.5
"""Seconds between two checks that the backfill still runs."""
LATER_SECONDS = 30
"""Seconds until a group is tried again that lacked something, such as space on the volume or an answer of AWS."""
TRIES = 5


@dataclass
class Job:
    """One claimed partition while a worker works on it."""

    message: Message
    task: GroupTask
    entry: Entry
    slot: Lease | None = None
    """One of the `max_running` places of its backfill; None where there is no limit."""
    cancelled: threading.Event = field(default_factory=threading.Event)
    """Set when the work should stop, whatever the cause."""
    cause: str = ""
    """Why the work stops; empty while it goes on. `stop`: this worker ends. `later`: something that the work needs is
    missing now. `lost`: another worker has the claim. `backfill`: the backfill was stopped."""
    done: threading.Event = field(default_factory=threading.Event)
    here: dict[str, int] = field(default_factory=dict)
    """Bytes so far, by file."""

    def stop(self, cause: str) -> None:
        """Ask the work to stop. Only the first cause is kept."""
        self.cause = self.cause or cause
        self.cancelled.set()

    def progress(self, name: str, size: int) -> None:
        """Note how many bytes of a file have arrived."""
        self.here[name] = size

    @property
    def claim(self) -> str:
        """Return the token of the claim."""
        return self.entry.claim or ""

    @property
    def downloaded(self) -> int:
        """Return the bytes that have arrived."""
        return sum(self.here.copy().values())

    @property
    def named(self) -> dict[str, Any]:
        """Return the fields that each log line about the job carries."""
        return {"partition": self.entry.partition.key, "run": self.entry.run, "attempt": self.entry.attempt}


class Work:
    """Does one job after another, each with a heartbeat in a second thread."""

    def __init__(
        self,
        edges: Edges,
        queues: Queues,
        task: Callable[[Mapping[str, Any], TaskControl], Mapping[str, Any]],
        visibility: int,
        pulse: Callable[[], None],
        pace: Pace,
    ) -> None:
        self._edges, self._queues, self._task, self._pulse, self._pace = edges, queues, task, pulse, pace
        self._visibility = visibility
        self.stopping = threading.Event()
        self._job: Job | None = None

    def stop(self) -> None:
        """Take no new job, and return the present one to the queue within seconds."""
        self.stopping.set()
        if job := self._job:
            job.stop("stop")

    def do(self, job: Job) -> None:
        """Do one job: work, record its end, answer its token. Raises StoreError when the stack cannot be reached at the
        end.
        """
        self._job = job
        if self.stopping.is_set():
            job.stop("stop")
        if job.cause:
            self._job = None
            self._answer(job, None, None, 0.0)
            return
        beating = self._pace.spawn(lambda: self._beat(job), "heartbeat")
        started = self._edges.now()
        try:
            result, failure = self._result(job)
        finally:
            job.done.set()
            beating.join()
            self._job = None
        self._answer(job, result, failure, self._edges.now() - started)

    def _result(self, job: Job) -> tuple[Mapping[str, Any] | None, Failure | None]:
        """Return the answer of the task, or its failure. Sets the cause of the job when the group should be tried
        again.
        """
        try:
            return self._task(job.message.task, TaskControl(job.progress, job.cancelled, job.claim)), None
        except Conflict as error:
            job.stop("lost")
            return None, _failure(error)
        except (HandedBack, Cancelled) as error:
            job.stop("stop")
            return None, _failure(error)
        except PileusError as error:
            if isinstance(error, NoSpace) or (isinstance(error, StoreError) and error.retryable):
                job.stop("later")
            return None, _failure(error)
        except Exception as error:  # a defect fails its partition, visibly, and the worker goes on
            log.exception("unexpected error", extra=job.named)
            return None, Failure(type(error).__name__, str(error), _place(error))

    def _answer(self, job: Job, result: Mapping[str, Any] | None, failure: Failure | None, seconds: float) -> None:
        if result is not None:
            facts = {"manifest": result["manifest"], "downloaded": result["downloaded"], "seconds": round(seconds, 3)}
            if self._finish(job, State.succeeded, **facts):
                self._queues.succeed(job.message, result)
                self._queues.delete(job.message)
        elif job.cause == "lost":
            log.warning("claim lost", extra=job.named)
        elif job.cause == "backfill":
            self._finish(job, State.cancelled)
            self._queues.fail(job.message, Failure("Cancelled", "the backfill was stopped", job.entry.run))
            self._queues.delete(job.message)
        elif job.cause in ("stop", "later"):
            self._hand_back(job, failure, seconds=0 if job.cause == "stop" else LATER_SECONDS)
        elif failure is not None:
            facts = {"failure": failure, "downloaded": job.downloaded, "seconds": round(seconds, 3)}
            if self._finish(job, State.failed, **facts):
                count_failure(self._edges, job.entry.run)
                self._queues.fail(job.message, failure)
                self._queues.delete(job.message)

    def _finish(self, job: Job, state: State, **facts: Any) -> bool:
        """Record the end in the index. Return False when the claim was lost: the worker that has it records the end."""
        ended = self._move(job, lambda entry: lifecycle.finish(entry, job.claim, state, now=self._edges.now(), **facts))
        level = logging.INFO if state is State.succeeded else logging.WARNING
        facts = {key: str(value) for key, value in facts.items()}
        log.log(level, "%s" if ended else "%s, but the claim was lost", state, extra=facts | job.named)
        return ended

    def _hand_back(self, job: Job, why: Failure | None, *, seconds: int) -> None:
        if not self._move(job, lambda entry: lifecycle.release(entry, job.claim, now=self._edges.now())):
            log.warning("claim lost", extra=job.named)
            return
        self._queues.hold(job.message, seconds)
        log.info("handed back", extra=job.named | {"why": str(why or "told to stop")})

    def _move(self, job: Job, step: Callable[[Entry], Entry | None]) -> bool:
        """Store what `step` makes of the entry. Return False when another worker has the claim."""
        for _ in range(TRIES):
            following = step(job.entry)
            if following is None:
                return False
            try:
                job.entry = self._edges.index.put(following)
            except Conflict:
                stored = self._edges.index.entry(job.entry.partition)
                if stored is None or stored.claim != job.claim or stored.state is not State.running:
                    return False
                job.entry = stored  # our earlier write was stored, but its answer was lost
            else:
                return True
        return False

    def _beat(self, job: Job) -> None:
        """Renew message, token and lease until the job is done. Stop a job whose claim, place or backfill is gone."""
        renewed = self._edges.now()
        while not self._pace.wait(job.done, min(HEARD_SECONDS, self._visibility / 3)):
            try:
                self._queues.settle()
                backfill = self._edges.index.backfill(job.task.backfill)
                if backfill is not None and not backfill.runs(job.task.run_name):
                    job.stop("backfill")
                if self._edges.now() - renewed >= self._visibility / 3:
                    self._pulse()
                    self._renew(job)
                    if job.slot is not None and job.slot.lost:
                        job.stop("later")  # another group has its place now
                    renewed = self._edges.now()
            except StoreError as error:
                log.warning("heartbeat failed", extra={"error": str(error)} | job.named)

    def _renew(self, job: Job) -> None:
        """Renew the message's visibility, the token's heartbeat and the lease of the claim."""
        self._queues.keep(job.message, self._visibility)
        self._queues.beat(job.message)

        def step(entry: Entry) -> Entry | None:
            now = self._edges.now()
            return lifecycle.renew(entry, job.claim, lease=now + self._visibility, now=now, downloaded=job.downloaded)

        if not self._move(job, step):
            job.stop("lost")


def _failure(error: PileusError) -> Failure:
    return Failure(type(error).__name__, error.message, error.where)


def _place(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{last.filename.rpartition('/')[2]}:{last.lineno}"
