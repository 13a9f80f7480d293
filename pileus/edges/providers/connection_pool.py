"""Connections to one provider, each with a lease of its budget, kept open between uses."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar

from pileus.edges.connections import Connections, Lease, Pulse


class PooledConnection(Protocol):
    """At most one connection, and the lease for it. For one thread at a time."""

    lease: Lease

    @property
    def alive(self) -> bool:
        """Whether there is a connection that can be used again."""
        ...

    def hang_up(self) -> None:
        """Close the connection; the lease stays."""
        ...


L = TypeVar("L", bound=PooledConnection)


class ConnectionPool(Generic[L]):
    """The connections to one provider. May be used by several threads."""

    def __init__(self, provider: str, limit: int, connections: Connections, make: Callable[[Lease], L]) -> None:
        self._provider, self._limit, self._connections, self._make = provider, limit, connections, make
        self._lock = threading.Lock()
        self._idle: list[L] = []

    def take(self, pulse: Pulse | None) -> L:
        """Return an idle connection, or a new one when the budget allows. Raises what `pulse` raises."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return self._make(self._connections.acquire(self._provider, self._limit, pulse))

    def take_idle(self, fits: Callable[[L], bool]) -> L | None:
        """Return the connection that was given back last, None where there is none or it does not fit."""
        with self._lock:
            return self._idle.pop() if self._idle and fits(self._idle[-1]) else None

    @contextmanager
    def lent(self, pulse: Pulse | None, taken: L | None = None) -> Iterator[L]:
        """Lend a connection, or `taken`; the caller returns it with `give_back`. It is closed if the block raises."""
        connection = self.take(pulse) if taken is None else taken
        try:
            yield connection
        except BaseException:
            self.drop(connection)
            raise

    def give_back(self, connection: L) -> None:
        """Keep the connection for the next use, or close it when somebody else waits for a connection."""
        if not connection.alive or connection.lease.contended:
            self.drop(connection)
            return
        with self._lock:
            self._idle.append(connection)

    def drop(self, connection: L) -> None:
        """Close the connection and give its lease back."""
        connection.hang_up()
        connection.lease.release()

    def rest(self) -> None:
        """Drop idle lines."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            self.drop(connection)
