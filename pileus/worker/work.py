"""The work on one claimed partition or request: do its task, record its end, and answer its token."""

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

from pileus import lifecycle
from pileus.backfills.failures import note_failure
from pileus.backfills.limits import measure
from pileus.edges.queues import Queues
from pileus.errors import Cancelled, Conflict, HandedBack, NoSpace, PileusError, StoreError
from pileus.lifecycle.partition import Entry, Failure
from pileus.lifecycle.timing import whole
from pileus.messages import RequestTask
from pileus.models import State
from pileus.pace import Pace
from pileus.runs.record import keep
from pileus.tasks.worker_state import TaskControl
from pileus.timing import Recorder
from pileus.wiring import Edges
from pileus.worker.heartbeat import Heartbeat
from pileus.worker.job import Job, move

log = logging.getLogger("pileus.worker")
LATER_SECONDS = 30
"""Seconds until a group is tried again that lacked something, such as space on the volume or an answer of AWS."""


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
        ended: Callable[[Entry], None],
    ) -> None:
        """`ended`: told each partition that has succeeded or failed here."""
        self._edges, self._queues, self._task, self._pace, self._ended = edges, queues, task, pace, ended
        self._heartbeat = Heartbeat(edges, queues, visibility, pulse, pace)
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
        beating = self._pace.spawn(lambda: self._heartbeat.run(job), "heartbeat")
        started = self._edges.now()
        job.timing = Recorder(self._pace.clock, started)
        try:
            result, failure = self._result(job)
        finally:
            job.done.set()
            beating.join()
            self._job = None
        seconds = self._edges.now() - started
        self._answer(job, result, failure, seconds)
        if job.priced and not job.cause:
            measure(self._edges, job.entry.run, seconds)

    def _result(self, job: Job) -> tuple[Mapping[str, Any] | None, Failure | None]:
        """Return the answer of the task, or its failure. Sets the cause of the job when the group should be tried
        again.
        """
        try:
            return self._task(job.message.task, self._control(job)), None
        except Conflict as error:
            job.stop("lost")
            return None, Failure.of(error)
        except (HandedBack, Cancelled) as error:
            job.stop("stop")
            return None, Failure.of(error)
        except PileusError as error:
            if isinstance(error, NoSpace) or (isinstance(error, StoreError) and error.retryable):
                job.stop("later")
            return None, Failure.of(error)
        except Exception as error:  # a defect fails its partition, visibly, and the worker goes on
            log.exception("unexpected error", extra=job.named)
            return None, Failure.of(error)

    def _control(self, job: Job) -> TaskControl:
        def claimed() -> bool:
            return lifecycle.claimed(self._edges.index.entry(job.entry.subject), job.claim)

        return TaskControl(job.progress, job.cancelled, job.claim, claimed, job.timing)

    def _answer(self, job: Job, result: Mapping[str, Any] | None, failure: Failure | None, seconds: float) -> None:
        if result is not None:
            facts = {"manifest": result["manifest"], "downloaded": result["downloaded"], "seconds": round(seconds, 3)}
            facts |= _timed(job)
            if self._finish(job, State.succeeded, **facts):
                self._queues.succeed(job.message, result)
        elif job.cause == "lost":
            log.warning("claim lost", extra=job.named)
        elif job.cause == "backfill":
            self._finish(job, State.cancelled)
            self._queues.fail(job.message, Failure("Cancelled", "the backfill was stopped", job.entry.run))
            self._queues.delete(job.message)
        elif job.cause in ("stop", "later"):
            self._hand_back(job, failure, seconds=0 if job.cause == "stop" else LATER_SECONDS)
        elif failure is not None:
            facts = {"failure": failure, "downloaded": job.downloaded, "seconds": round(seconds, 3)} | _timed(job)
            if self._finish(job, State.failed, **facts):
                if job.entry.subject.kind == "partition":
                    note_failure(self._edges, job.entry)
                self._queues.fail(job.message, failure)
                self._queues.delete(job.message)

    def _finish(self, job: Job, state: State, **facts: Any) -> bool:
        """Record the end in the index. Return False when the claim was lost: the worker that has it records the end."""
        ended = move(
            self._edges, job, lambda entry: lifecycle.finish(entry, job.claim, state, now=self._edges.now(), **facts)
        )
        level = logging.INFO if state is State.succeeded else logging.WARNING
        if ended and isinstance(job.task, RequestTask):
            keep(self._edges, job.task.subject)
        if ended and job.entry.subject.kind == "partition" and state is not State.cancelled:
            self._ended(job.entry)
        facts = {key: str(value) for key, value in facts.items()}
        log.log(level, "%s" if ended else "%s, but the claim was lost", state, extra=facts | job.named)
        return ended

    def _hand_back(self, job: Job, why: Failure | None, *, seconds: int) -> None:
        if not move(self._edges, job, lambda entry: lifecycle.release(entry, job.claim, now=self._edges.now())):
            log.warning("claim lost", extra=job.named)
            return
        self._queues.hold(job.message, seconds)
        log.info("handed back", extra=job.named | {"why": str(why or "told to stop")})


def _timed(job: Job) -> dict[str, Any]:
    """Return where the time of a partition went, as a field of its entry. Requests have none."""
    if job.entry.subject.kind != "partition":
        return {}
    return {"timing": whole(job.entry, job.timing.told()).to_json()}
