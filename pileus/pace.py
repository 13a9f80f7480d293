"""How code waits, reads a clock and does two things at once: with real threads, or as a simulation wants it."""

import threading
import time
from collections.abc import Callable
from typing import Any, Protocol


class Beside(Protocol):
    """Something that runs beside the caller."""

    def join(self) -> None:
        """Wait for its end."""


class Lock(Protocol):
    """Held by one thread at a time."""

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Whether it was taken; waits for `timeout` seconds at most, or for as long as it takes (-1)."""

    def release(self) -> None:
        """Let the next one in."""

    def __enter__(self) -> Any: ...

    def __exit__(self, *error: Any) -> Any: ...


class Pace(Protocol):
    """Waiting, a clock, and running beside."""

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait until `event` is set, for `seconds` at most. Whether it is set."""

    def spawn(self, work: Callable[[], None], name: str) -> Beside:
        """Begin `work` beside the caller."""

    def clock(self) -> float:
        """Seconds that have passed since some moment: for differences within this process alone."""

    def lock(self) -> Lock:
        """A new lock, free."""


class Threads:
    """Real time and real threads."""

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """See Pace."""
        return event.wait(seconds)

    def spawn(self, work: Callable[[], None], name: str) -> Beside:
        """See Pace."""
        thread = threading.Thread(target=work, name=name, daemon=True)
        thread.start()
        return thread

    def clock(self) -> float:
        """See Pace. Runs on while the process is stopped."""
        return time.monotonic()

    def lock(self) -> Lock:
        """See Pace."""
        return threading.Lock()
