"""Statuses of backfills that many readers share: each is read once, however many ask."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from pileus.backfills.progress import Pace, Progress
from pileus.backfills.status import Status
from pileus.client.answers import BackfillAnswer

FRESH = 1.0
"""Seconds for which a status is fresh, or four times as long as reading it took."""
OVER = 15.0
"""Seconds for which that of a backfill that has ended is."""
STALE = 10.0
"""Seconds for which an old one is answered while a new one is read."""
KEPT = 50
"""Backfills whose status is kept."""


@dataclass(frozen=True)
class Snapshot:
    """A backfill as it was at one moment."""

    status: Status
    progress: Progress
    at: float
    """When its reading began, by the clock."""
    until: float
    """When it is no longer fresh."""

    @cached_property
    def answer(self) -> BackfillAnswer:
        """Return its summary."""
        return BackfillAnswer.of(self.status, self.progress)

    @cached_property
    def summary(self) -> str:
        """Return the same as JSON, written once: hundreds may ask in a second."""
        return self.answer.model_dump_json()


class Snapshots:
    """Keeps the last status of each backfill. For several threads.

    `read`: returns the status of a backfill by its id.
    """

    def __init__(self, read: Callable[[str], Status], clock: Callable[[], float] = time.monotonic) -> None:
        self._read, self._clock = read, clock
        self._seen: OrderedDict[str, Snapshot] = OrderedDict()
        self._locks: dict[str, threading.Lock] = {}
        self._paces: dict[str, Pace] = {}
        self._lock = threading.Lock()

    def get(self, id: str) -> Snapshot:
        """Return one that is fresh, or up to STALE seconds old while another thread reads. Raises Unknown."""
        now = self._clock()
        with self._lock:
            seen = self._seen.get(id)
            if seen is not None and now < seen.until:
                return seen
            reading = self._locks.setdefault(id, threading.Lock())
        mine = reading.acquire(blocking=seen is None or now - seen.at > STALE)
        if not mine:
            assert seen is not None
            return seen
        try:
            return self._again(id, now)
        finally:
            reading.release()

    def fresh(self, id: str) -> Snapshot | None:
        """Return one that need not be read, for answers that wait for nothing; None where there is none."""
        with self._lock:
            seen = self._seen.get(id)
            return seen if seen is not None and self._clock() < seen.until else None

    def forget(self, id: str) -> None:
        """Read it anew when it is next asked for: it was changed."""
        with self._lock:
            self._seen.pop(id, None)

    def _again(self, id: str, asked: float) -> Snapshot:
        with self._lock:
            seen = self._seen.get(id)
        if seen is not None and seen.at >= asked:  # another thread has read it while this one waited
            return seen
        began = self._clock()
        status = self._read(id)
        took = self._clock() - began
        fresh = OVER if status.backfill.over else max(FRESH, 4 * took)
        with self._lock:
            progress = self._paces.setdefault(id, Pace()).progress(began, status)
            found = self._seen[id] = Snapshot(status, progress, began, self._clock() + fresh)
            self._seen.move_to_end(id)
            while len(self._seen) > KEPT:
                gone, _ = self._seen.popitem(last=False)
                self._locks.pop(gone, None)
                self._paces.pop(gone, None)
        return found
