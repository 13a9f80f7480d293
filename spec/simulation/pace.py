"""Waiting and threads of code that runs in a simulation; see pileus.pace."""

import threading
from collections.abc import Callable

from spec.simulation.schedule import Schedule, Thread


class Pace:
    """Waiting and threads for code that runs in a simulation."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule

    def wait(self, event: threading.Event, seconds: float) -> bool:
        return self._schedule.wait(event, seconds)

    def clock(self) -> float:
        return self._schedule.now

    def lock(self) -> "Lock":
        return Lock(self._schedule)

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


class Lock:
    """Held by one simulated thread at a time; a thread that died holds none."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._holder: Thread | None = None

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Whether it was taken; looks again every millisecond or so, until `timeout` seconds have passed."""
        schedule = self._schedule
        until = schedule.now + timeout if timeout >= 0 else float("inf")
        pause = 0.001
        while self._holder is not None and not self._holder.over:
            if not blocking or schedule.now >= until:
                return False
            schedule.sleep(pause)
            pause = min(2 * pause, 0.1)
        self._holder = schedule.current
        return True

    def release(self) -> None:
        self._holder = None

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *error: object) -> None:
        self.release()
