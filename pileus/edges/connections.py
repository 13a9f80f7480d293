"""The connection budget: all workers together never open more connections to a provider than its limit.

A worker takes a lease before it opens a connection, and releases it after it has closed the connection.
`LocalConnections` counts in one process; `SharedConnections` over several.
"""

import threading
import uuid
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from pileus.timing import Recorder

Pulse = Callable[[], None]
"""Called about every second while waiting; what it raises ends the wait."""


class Lease:
    """The right to one connection. A context manager: leaving it releases the lease."""

    def __init__(
        self,
        release: Callable[["Lease"], None],
        contended: Callable[[], bool],
        lost: Callable[["Lease"], bool] = lambda _: False,
    ) -> None:
        self.id = uuid.uuid4().hex
        self._release, self._contended, self._lost = release, contended, lost

    @property
    def lost(self) -> bool:
        """Return whether it expired before it was renewed; then the connection must be closed."""
        return self._lost(self)

    @property
    def contended(self) -> bool:
        """Return whether a worker with fewer connections waits for this one; then release it after the present file."""
        return self.lost or self._contended()

    def release(self) -> None:
        """Release it. A second call does nothing."""
        self._release(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class Connections(Protocol):
    """A budget of connections."""

    def acquire(self, provider: str, limit: int, pulse: Pulse | None = None) -> Lease:
        """Wait for one of the `limit` connections to `provider`, and return its lease. Raises what `pulse` raises."""
        ...


@dataclass(frozen=True, slots=True)
class TimedConnections:
    """A budget of connections that records how long each is waited for."""

    connections: Connections
    timing: Recorder

    def acquire(self, provider: str, limit: int, pulse: Pulse | None = None) -> Lease:
        """See Connections."""
        with self.timing.hop("connection"):
            return self.connections.acquire(provider, limit, pulse)


class LocalConnections:
    """The budget of one process, in the order of the requests."""

    def __init__(self) -> None:
        self._turn = threading.Condition()
        self._held: dict[str, set[str]] = defaultdict(set)
        self._waiting: dict[str, list[object]] = defaultdict(list)

    def acquire(self, provider: str, limit: int, pulse: Pulse | None = None) -> Lease:
        held, waiting, me = self._held[provider], self._waiting[provider], object()

        def release(lease: Lease) -> None:
            with self._turn:
                held.discard(lease.id)
                self._turn.notify_all()

        with self._turn:
            waiting.append(me)
            try:
                while waiting[0] is not me or len(held) >= limit:
                    self._turn.wait(1)
                    if pulse:
                        pulse()
                lease = Lease(release, lambda: bool(waiting))
                held.add(lease.id)
            finally:
                waiting.remove(me)
                self._turn.notify_all()
        return lease
