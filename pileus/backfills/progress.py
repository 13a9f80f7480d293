"""How fast a backfill goes on, and when it may end: from what was seen in the last minutes."""

from collections import deque
from dataclasses import dataclass, field

from pileus.backfills.status import Status
from pileus.models import State

WINDOW = 180.0
"""Seconds that a rate is measured over."""
BASIS = 3
"""Partitions that must have ended within them before a time is told: fewer tell nothing."""
OPEN = (State.planned, State.queued, State.running)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a backfill is, how fast, and how long it may still take."""

    ended: int
    """Partitions."""
    total: int
    """Partitions, as far as they are known: a point in time that was not looked at counts one."""
    running: tuple[str, ...]
    """Points in time of which something runs, in order."""
    per_minute: float | None = None
    """Partitions that end in a minute; None: not known yet."""
    bytes_per_minute: float | None = None
    seconds_left: float | None = None
    """None: not known yet, or nothing is left."""


@dataclass
class Pace:
    """Remembers when how much was done."""

    _seen: deque[tuple[float, int, int]] = field(default_factory=deque)
    """Time in seconds, partitions ended, bytes."""
    _run: int = 0

    def progress(self, now: float, found: Status) -> Progress:
        """Return the progress at a status that was read at `now` (seconds of any clock that does not go back)."""
        ended = sum(one.state not in OPEN for one in found.outcomes)
        running = tuple(sorted({one.period for one in found.outcomes if one.state is State.running}))
        if found.backfill.run != self._run or (self._seen and ended < self._seen[-1][1]):
            self._run = found.backfill.run
            self._seen.clear()
        self._seen.append((now, ended, found.bytes_done))
        while len(self._seen) > 2 and self._seen[1][0] <= now - WINDOW:
            self._seen.popleft()
        then, before, bytes_before = self._seen[0]
        told = Progress(ended, len(found.outcomes), running)
        if found.backfill.over or now <= then or ended - before < BASIS:
            return told
        minutes, left = (now - then) / 60, len(found.outcomes) - ended
        rate = (ended - before) / minutes
        bytes_rate = (found.bytes_done - bytes_before) / minutes
        return Progress(ended, len(found.outcomes), running, rate, bytes_rate, 60 * left / rate if left else None)
