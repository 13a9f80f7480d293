"""The worker: takes one group at a time from the queues, keeps its claim alive, and answers for it.

What becomes of a message, in order:
1. The partition has ended in this run, or the run is over: the token is answered and the message deleted.
2. Another worker has the partition: the message is held until that claim would run out.
3. Too many workers died on it: the partition fails and the message goes to the dead letters.
4. As many groups as the backfill allows are running: the message is held for a while.
5. The partition is claimed. It succeeds, fails or is cancelled, the token is answered, the message deleted; or the
   worker is told to stop, and claim and message go back for the next worker at once.
"""

import logging
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pileus import lifecycle
from pileus.backfills.control import count_failure
from pileus.edges.index import change
from pileus.edges.queues import QUEUES, Message, Queues
from pileus.errors import Busy, Cancelled, Conflict, HandedBack, NoSpace, PileusError, StoreError
from pileus.lifecycle.backfill import Backfill, backfill_of, run_name
from pileus.lifecycle.partition import Entry, Failure
from pileus.models import Partition, State
from pileus.tasks.process_group import Watch
from pileus.wiring import Edges

log = logging.getLogger("pileus.worker.loop")
FULL_SECONDS = 5
"""How long a message is held when its backfill runs as many groups as it may."""
Task = Callable[[Mapping[str, Any], Watch], Mapping[str, Any]]


@dataclass
class Job:
    """One claimed partition while it is worked on."""

    message: Message
    entry: Entry
    cancelled: threading.Event = field(default_factory=threading.Event)
    """Set when the work should stop, whatever the cause."""
    cause: str = ""
    """Why: `stop`, `lost` or `backfill`."""
    done: threading.Event = field(default_factory=threading.Event)
    here: dict[str, int] = field(default_factory=dict)
    """Bytes so far, by file."""

    def stop(self, cause: str) -> None:
        self.cause = self.cause or cause
        self.cancelled.set()

    def progress(self, name: str, size: int) -> None:
        self.here[name] = size

    @property
    def downloaded(self) -> int:
        """Bytes so far."""
        return sum(self.here.copy().values())


class Worker:
    """One worker of a stack. `name` must be its own; `task` does the work of one message; `pulse` is called
    every now and then while it lives."""

    def __init__(
        self, edges: Edges, queues: Queues, task: Task, *, name: str, pulse: Callable[[], None] = lambda: None
    ) -> None:
        self._edges = edges
        self._queues = queues
        self._task = task
        self._name = name
        self._pulse = pulse
        self._visibility = int(edges.stack.visibility)
        self._deaths = int(edges.stack.deaths)
        self._known: Backfill | None = None
        """The backfill of the last claim, as of then."""
        self._looked = 0.0
        """When `ingest` was last found empty, Unix time."""
        self.stopping = threading.Event()
        self._job: Job | None = None

    def stop(self) -> None:
        """Take nothing new, and hand back what is under way within seconds. Safe in a signal handler."""
        self.stopping.set()
        if job := self._job:
            job.stop("stop")

    def run(self, *, wait_seconds: int = 1, until_idle: bool = False) -> int:
        """Work until told to stop (or, with `until_idle`, until both queues are empty). The number of messages taken.

        While a queue cannot be reached it tries again, ever more slowly up to half a minute.
        """
        taken, pause = 0, 0.5
        while not self.stopping.is_set():
            self._pulse()
            try:
                message = self._next(wait_seconds)
                if message is None and until_idle:
                    break
                if message is not None:
                    taken += 1
                    self.handle(message)
                pause = 0.5
            except StoreError as error:
                log.warning("waiting for the stack", extra={"error": str(error), "seconds": pause})
                self.stopping.wait(pause)
                pause = min(pause * 2, 30)
        return taken

    def _next(self, wait_seconds: int) -> Message | None:
        """The next message: of `ingest` if there is one, looked for once a poll while `backfill` is busy."""
        ingest, backfill = QUEUES
        message = None
        if self._edges.now() - self._looked >= wait_seconds:
            message = self._queues.receive(ingest, 0)
            self._looked = 0.0 if message else self._edges.now()
        return message or self._queues.receive(backfill, wait_seconds)

    def handle(self, message: Message) -> None:
        """Deal with one message, whatever its state. Raises StoreError when the stack cannot be reached."""
        config = message.task["config"]
        partition, run = Partition.parse(config["partition"]), run_name(config["backfill"], config["run"])
        if "entry" in config and self._take(message, Entry.from_json(config["entry"]), run):
            return  # the usual case: nobody has touched it since it was queued
        while True:
            stored = self._edges.index.entry(partition)
            if self._take(message, stored, run):
                return
            backfill, claimed = self._edges.index.backfill(config["backfill"]), self._claim(stored, run)
            if claimed is None or backfill is None or not backfill.runs(run):
                self._settle(message, stored, run)
                return
            if claimed.attempt > self._deaths:
                self._bury(message, partition, run)
                return

    def _take(self, message: Message, stored: Entry | None, run: str) -> bool:
        """Claim the partition and work on it, or hold the message until there is room.

        False when it is not ours to take, as `stored` and the backfill are known, or they are not so any more.
        """
        claimed, backfill = self._claim(stored, run), self._running(run)
        if claimed is None or claimed.attempt > self._deaths or backfill is None or not backfill.runs(run):
            return False
        with self._slot(backfill) as free:
            if not free:
                self._queues.hold(message, FULL_SECONDS)
                return True
            try:
                self._edges.index.put(claimed, under=backfill)
            except Conflict:
                self._known = None
                return False
            self._work(Job(message, claimed))
            return True

    def _claim(self, stored: Entry | None, run: str) -> Entry | None:
        now = self._edges.now()
        return lifecycle.claim(stored, run, self._name, lease=now + self._visibility, now=now)

    def _running(self, run: str) -> Backfill | None:
        """The backfill of `run`. While it was running when last read it is not read again: the claim checks it."""
        if self._known is None or not self._known.runs(run):
            self._known = self._edges.index.backfill(backfill_of(run))
        return self._known

    def _bury(self, message: Message, partition: Partition, run: str) -> None:
        failure = Failure("WorkerLost", f"{self._deaths} workers in a row died on it", partition.key)
        given_up = change(
            self._edges.index, partition, lambda entry: lifecycle.give_up(entry, run, failure, now=self._edges.now())
        )
        if given_up:
            count_failure(self._edges, run)
        self._queues.fail(message, failure)
        self._queues.bury(message)

    @contextmanager
    def _slot(self, backfill: Backfill) -> Iterator[bool]:
        """Whether one more group of the backfill may run now; if so, it counts while the block runs."""
        if backfill.max_running is None:
            yield True
            return
        try:
            lease = self._edges.connections.acquire(f"backfill {backfill.id}", backfill.max_running, _do_not_wait)
        except Busy:
            yield False
            return
        with lease:
            yield True

    def _settle(self, message: Message, entry: Entry | None, run: str) -> None:
        """The partition is not ours to take: answer for it if it has ended, wait if another worker has it."""
        now = self._edges.now()
        if entry is not None and entry.run == run and entry.state is State.running and entry.lease > now:
            self._queues.hold(message, int(entry.lease - now) + 1)
            return
        if entry is not None and entry.run == run and entry.state is State.succeeded:
            self._queues.succeed(message, {"manifest": entry.manifest})
        else:
            why = entry.failure if entry and entry.run == run and entry.failure else None
            self._queues.fail(message, why or Failure("Cancelled", "its run is over", run))
        self._queues.delete(message)

    def _work(self, job: Job) -> None:
        self._job = job
        if self.stopping.is_set():
            job.stop("stop")
        beating = threading.Thread(target=self._beat, args=(job,), name="heartbeat", daemon=True)
        beating.start()
        started = self._edges.now()
        try:
            result: Mapping[str, Any] | None = self._task(job.message.task, Watch(job.progress, job.cancelled))
            failure = None
        except (HandedBack, Cancelled, NoSpace) as error:
            result, failure = None, _failure(error)
            job.stop("space" if isinstance(error, NoSpace) else "stop")
        except PileusError as error:
            result, failure = None, _failure(error)
        except Exception as error:  # a defect fails its partition in the open, and the worker lives on
            log.exception("unexpected error", extra={"partition": job.entry.partition.key})
            result, failure = None, Failure(type(error).__name__, str(error), _place(error))
        finally:
            job.done.set()
            beating.join()
            self._job = None
        self._answer(job, result, failure, self._edges.now() - started)

    def _answer(self, job: Job, result: Mapping[str, Any] | None, failure: Failure | None, seconds: float) -> None:
        if result is not None:
            facts = {"manifest": result["manifest"], "downloaded": result["downloaded"], "seconds": round(seconds, 3)}
            if self._finish(job, State.succeeded, **facts):
                self._queues.succeed(job.message, result)
                self._queues.delete(job.message)
        elif job.cause == "lost":
            log.warning("claim lost", extra={"partition": job.entry.partition.key})
        elif job.cause == "backfill":
            self._finish(job, State.cancelled)
            self._queues.fail(job.message, Failure("Cancelled", "the backfill was stopped", job.entry.run))
            self._queues.delete(job.message)
        elif job.cause in ("stop", "space"):
            self._hand_back(job, seconds=0 if job.cause == "stop" else 30)
        elif failure is not None:
            facts = {"failure": failure, "downloaded": job.downloaded, "seconds": round(seconds, 3)}
            if self._finish(job, State.failed, **facts):
                count_failure(self._edges, job.entry.run)
                self._queues.fail(job.message, failure)
                self._queues.delete(job.message)

    def _finish(self, job: Job, state: State, **facts: Any) -> bool:
        """Note the end in the index; False when the claim was lost, and the end is another's to tell."""
        ended = lifecycle.finish(job.entry, self._name, state, now=self._edges.now(), **facts)
        try:
            if ended is not None:
                self._edges.index.put(ended)
        except Conflict:
            ended = None
        level = logging.INFO if state is State.succeeded else logging.WARNING
        facts = {key: str(value) for key, value in facts.items()}
        log.log(level, "%s" if ended else "%s, but the claim was lost", state, extra=facts | _named(job))
        return ended is not None

    def _hand_back(self, job: Job, *, seconds: int) -> None:
        released = lifecycle.release(job.entry, self._name, now=self._edges.now())
        try:
            if released is not None:
                self._edges.index.put(released)
        except Conflict:
            log.warning("claim lost", extra=_named(job))
            return
        self._queues.hold(job.message, seconds)
        log.info("handed back", extra=_named(job))

    def _beat(self, job: Job) -> None:
        """Keep message, token and claim alive until the job is done; stop it when it should not go on."""
        while not job.done.wait(self._visibility / 3):
            self._pulse()
            try:
                self._queues.hold(job.message, self._visibility)
                self._queues.beat(job.message)
                self._renew(job)
            except StoreError as error:
                log.warning("heartbeat failed", extra={"error": str(error)} | _named(job))

    def _renew(self, job: Job) -> None:
        backfill = self._edges.index.backfill(job.entry.backfill)
        if backfill is not None and not backfill.runs(job.entry.run):
            job.stop("backfill")
            return
        now = self._edges.now()
        renewed = lifecycle.renew(
            job.entry, self._name, lease=now + self._visibility, now=now, downloaded=job.downloaded
        )
        assert renewed is not None  # the entry is ours until the index says otherwise
        try:
            self._edges.index.put(renewed)
            job.entry = renewed
        except Conflict:
            job.stop("lost")


def _do_not_wait() -> None:
    raise Busy("as many groups as the backfill allows are running")


def _failure(error: PileusError) -> Failure:
    return Failure(type(error).__name__, error.message, error.where)


def _place(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{last.filename.rpartition('/')[2]}:{last.lineno}"


def _named(job: Job) -> dict[str, Any]:
    return {"partition": job.entry.partition.key, "run": job.entry.run, "attempt": job.entry.attempt}
