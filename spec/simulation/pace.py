"""Waiting and threads of code that runs in a simulation; see pileus.worker.pace."""

import threading
from collections.abc import Callable

from spec.simulation.schedule import Schedule, Thread


class Pace:
    """Waiting and threads for code that runs in a simulation."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule

    def wait(self, event: threading.Event, seconds: float) -> bool:
        return self._schedule.wait(event, seconds)

    def spawn(self, run: Callable[[], None], name: str) -> "Joinable":
        me = self._schedule._me()
        return Joinable(self._schedule, self._schedule.spawn(me.process, f"{me.process.name} {name}", run))


class Joinable:
    """A started thread."""

    def __init__(self, schedule: Schedule, thread: Thread) -> None:
        self._schedule, self._thread = schedule, thread

    def join(self) -> None:
        """Wait for its end."""
        self._schedule.join(self._thread)
