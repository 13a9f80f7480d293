"""Lines: connections to one provider, each with a lease of its budget, kept open between uses."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar

from pileus.edges.connections import Connections, Lease, Pulse


class Line(Protocol):
    """At most one connection, and the lease for it. For one thread at a time."""

    lease: Lease

    @property
    def alive(self) -> bool:
        """Whether there is a connection that can be used again."""
        ...

    def hang_up(self) -> None:
        """Close the connection; the lease stays."""
        ...


L = TypeVar("L", bound=Line)


class Lines(Generic[L]):
    """All lines to one provider. May be used by several threads."""

    def __init__(self, provider: str, limit: int, connections: Connections, make: Callable[[Lease], L]) -> None:
        self._provider, self._limit, self._connections, self._make = provider, limit, connections, make
        self._lock = threading.Lock()
        self._idle: list[L] = []

    def take(self, pulse: Pulse | None) -> L:
        """An idle line, or a new one when the budget allows. Raises what `pulse` raises."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return self._make(self._connections.acquire(self._provider, self._limit, pulse))

    @contextmanager
    def lent(self, pulse: Pulse | None) -> Iterator[L]:
        """A line for the block, which gives it to somebody who gives it back; dropped when the block fails."""
        line = self.take(pulse)
        try:
            yield line
        except BaseException:
            self.drop(line)
            raise

    def give_back(self, line: L) -> None:
        """Keep the line for the next use, or close it when somebody else waits for a connection."""
        if not line.alive or line.lease.contended:
            self.drop(line)
            return
        with self._lock:
            self._idle.append(line)

    def drop(self, line: L) -> None:
        """Close the line and give its lease back."""
        line.hang_up()
        line.lease.release()

    def rest(self) -> None:
        """Drop idle lines."""
        with self._lock:
            idle, self._idle = self._idle, []
        for line in idle:
            self.drop(line)
