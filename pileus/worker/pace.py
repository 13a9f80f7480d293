"""How a worker waits and does two things at once: in threads, or as a simulation wants it."""

import threading
from collections.abc import Callable
from typing import Protocol


class Task(Protocol):
    """Something that runs beside the caller."""

    def join(self) -> None:
        """Wait for its end."""


class Pace(Protocol):
    """Waiting and running beside."""

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait until `event` is set, for `seconds` at most. Whether it is set."""

    def spawn(self, work: Callable[[], None], name: str) -> Task:
        """Begin `work` beside the caller."""


class Threads:
    """Real time and real threads."""

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """See Pace."""
        return event.wait(seconds)

    def spawn(self, work: Callable[[], None], name: str) -> Task:
        """See Pace."""
        thread = threading.Thread(target=work, name=name, daemon=True)
        thread.start()
        return thread
