"""The heartbeat of a job: renews the lease of its claim, its message and its token while the work goes on."""

import logging
from collections.abc import Callable

from pileus import lifecycle
from pileus.edges.queues import Queues
from pileus.errors import StoreError
from pileus.lifecycle.partition import Entry
from pileus.pace import Pace
from pileus.wiring import Edges
from pileus.worker.job import Job, move

log = logging.getLogger("pileus.worker")
HEARD_SECONDS = 1.5
"""Seconds between two checks that the backfill, or the request, still runs."""


class Heartbeat:
    """Renews one job at a time, in a thread beside the work."""

    def __init__(self, edges: Edges, queues: Queues, visibility: int, pulse: Callable[[], None], pace: Pace) -> None:
        self._edges, self._queues, self._pulse, self._pace = edges, queues, pulse, pace
        self._visibility = visibility

    def run(self, job: Job) -> None:
        """Renew message, token and lease until the job is done. Stop a job whose claim, place or backfill is gone."""
        renewed = self._edges.now()
        while not self._pace.wait(job.done, min(HEARD_SECONDS, self._visibility / 3)):
            try:
                self._queues.settle()
                self._look(job)
                if self._edges.now() - renewed >= self._visibility / 3:
                    self._pulse()
                    self._renew(job)
                    if job.slot is not None and job.slot.lost:
                        job.stop("later")  # another group has its place now
                    renewed = self._edges.now()
            except StoreError as error:
                log.warning("heartbeat failed", extra={"error": str(error)} | job.named)

    def _look(self, job: Job) -> None:
        """Stop a job whose backfill was stopped, or a request that was."""
        if job.entry.subject.kind == "request":
            if not lifecycle.claimed(self._edges.index.entry(job.entry.subject), job.claim):
                job.stop("lost")
            return
        backfill = self._edges.index.backfill(job.entry.backfill)
        if backfill is not None and not backfill.runs(job.entry.run):
            job.stop("backfill")

    def _renew(self, job: Job) -> None:
        """Renew the message's visibility, the token's heartbeat and the lease of the claim."""
        self._queues.keep(job.message, self._visibility)
        self._queues.beat(job.message)

        def step(entry: Entry) -> Entry | None:
            now = self._edges.now()
            return lifecycle.renew(entry, job.claim, lease=now + self._visibility, now=now, downloaded=job.downloaded)

        if not move(self._edges, job, step):
            job.stop("lost")
