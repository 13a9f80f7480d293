"""The connection budget: never more connections to a provider than its limit, over all workers together.

A connection is opened with a lease in hand, and the lease goes back when the connection is closed. Within one
process `LocalConnections` counts; over several, `SharedConnections`.
"""

import threading
import uuid
from collections import defaultdict
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

Pulse = Callable[[], None]
"""Called about every second while waiting; what it raises ends the wait."""


class Lease:
    """The right to one connection. A context manager: leaving gives it back."""

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
        """Whether it ran out before it could be renewed: the connection must be closed."""
        return self._lost(self)

    @property
    def contended(self) -> bool:
        """Whether somebody with fewer connections waits for this one: give it back after the file."""
        return self.lost or self._contended()

    def release(self) -> None:
        """Give it back. Again is harmless."""
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
        """Wait for a connection to `provider`, of which there are `limit`. Raises what `pulse` raises."""
        ...


class LocalConnections:
    """The budget of one process, first come first served."""

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
