"""When a process that has died may start again: soon, but not in a loop that takes a whole core."""

import math
import time
from collections.abc import Callable

LIVED = 10.0
"""Seconds after which a process has lived long enough that its death says nothing of the next."""
FIRST, LONGEST = 0.5, 30.0
"""Seconds of the first pause of a process that dies young, and of the longest."""


class Restarts:
    """Pauses between the starts of processes, by name. They double while a process dies young."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._started: dict[str, float] = {}
        self._pause: dict[str, float] = {}
        self._due: dict[str, float] = {}

    def started(self, name: str) -> None:
        """Note that a process starts now."""
        self._started[name] = self._now()
        self._due.pop(name, None)

    def may_start(self, name: str) -> bool:
        """Return whether a process that has died may start again now. Ask until it may."""
        now = self._now()
        if name not in self._due:
            young = now - self._started.get(name, -math.inf) < LIVED
            self._pause[name] = min(LONGEST, max(FIRST, 2 * self._pause.get(name, 0.0))) if young else 0.0
            self._due[name] = now + self._pause[name]
        return now >= self._due[name]
