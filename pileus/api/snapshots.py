"""Statuses of backfills that many readers share: each is read once, however many ask."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

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


@dataclass(slots=True)
class _Seen:
    status: Status
    progress: Progress
    at: float
    until: float
    summary: str = ""
    """JSON, written when it is first asked for: hundreds may ask in a second."""


class Snapshots:
    """Keeps the last status of each backfill. For several threads.

    `read`: returns the status of a backfill by its id.
    """

    def __init__(self, read: Callable[[str], Status], clock: Callable[[], float] = time.monotonic) -> None:
        self._read, self._clock = read, clock
        self._seen: OrderedDict[str, _Seen] = OrderedDict()
        self._locks: dict[str, threading.Lock] = {}
        self._paces: dict[str, Pace] = {}
        self._lock = threading.Lock()

    def get(self, id: str) -> Status:
        """Return a status that is fresh, or up to STALE seconds old while another thread reads. Raises Unknown."""
        now = self._clock()
        with self._lock:
            seen = self._seen.get(id)
            if seen is not None and now < seen.until:
                return seen.status
            reading = self._locks.setdefault(id, threading.Lock())
        mine = reading.acquire(blocking=seen is None or now - seen.at > STALE)
        if not mine:
            assert seen is not None
            return seen.status
        try:
            return self._again(id, now)
        finally:
            reading.release()

    def fresh(self, id: str) -> Status | None:
        """Return the status where it need not be read, for answers that wait for nothing."""
        with self._lock:
            seen = self._seen.get(id)
            return seen.status if seen is not None and self._clock() < seen.until else None

    def answer(self, id: str) -> BackfillAnswer:
        """Return the summary of a backfill. Raises Unknown."""
        found = self.get(id)
        with self._lock:
            seen = self._seen.get(id)
        return BackfillAnswer.of(found, seen.progress if seen is not None else None)

    def summary(self, id: str) -> str:
        """Return the same as JSON. Raises Unknown."""
        with self._lock:
            seen = self._seen.get(id)
        if seen is None or self._clock() >= seen.until:
            self.get(id)
            with self._lock:
                seen = self._seen.get(id)
        if seen is None:  # it was forgotten meanwhile
            return self.answer(id).model_dump_json()
        if not seen.summary:
            seen.summary = BackfillAnswer.of(seen.status, seen.progress).model_dump_json()
        return seen.summary

    def is_fresh(self, id: str) -> bool:
        """Return whether asking for it waits for nothing."""
        return self.fresh(id) is not None

    def forget(self, id: str) -> None:
        """Read it anew when it is next asked for: it was changed."""
        with self._lock:
            self._seen.pop(id, None)

    def _again(self, id: str, asked: float) -> Status:
        with self._lock:
            seen = self._seen.get(id)
        if seen is not None and seen.at >= asked:  # another thread has read it while this one waited
            return seen.status
        began = self._clock()
        status = self._read(id)
        took = self._clock() - began
        fresh = OVER if status.backfill.over else max(FRESH, 4 * took)
        with self._lock:
            progress = self._paces.setdefault(id, Pace()).progress(began, status)
            self._seen[id] = _Seen(status, progress, began, self._clock() + fresh)
            self._seen.move_to_end(id)
            while len(self._seen) > KEPT:
                gone, _ = self._seen.popitem(last=False)
                self._locks.pop(gone, None)
                self._paces.pop(gone, None)
        return status
