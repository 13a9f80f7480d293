"""Where the time of a partition goes: when each hop began, how long it took, and the bytes that it moved.

Hops may overlap: a connection is waited for while other files of the group download.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")
HOPS = {
    "listing": "listing its point in time at the provider",
    "queue": "waiting in the queue for a worker",
    "space": "waiting for space on the scratch volume",
    "zones": "reading the zones, the first time",
    "connection": "waiting for one of the provider's connections",
    "download": "downloading",
    "compile": "making the index of the zones",
    "measure": "measuring",
    "task": "the task of the collection",
    "payload": "the task of a payload",
    "write": "drawing and staging the outputs",
    "commit": "committing the manifest",
    "publish": "copying the outputs to their places",
}
"""Hops in the order of the data, and what each of them is."""
BEFORE = ("listing", "queue")
"""Hops before a worker takes the partition."""


class Hop(NamedTuple):
    """One hop of one partition."""

    start: float
    """Seconds from the beginning of the timing; below 0 for what came before."""
    seconds: float
    """Time in which at least one thread was in it."""
    bytes: int = 0
    span: float = 0.0
    """Seconds from its first beginning to its last end; 0: as long as `seconds`."""

    @property
    def end(self) -> float:
        """Return when it ended, in seconds from the beginning of the timing."""
        return self.start + (self.span or self.seconds)

    def to_json(self) -> list[float]:
        value = [round(self.start, 3), round(self.seconds, 3), self.bytes, round(self.span, 3)]
        return value if self.span else value[: 3 if self.bytes else 2]


@dataclass(frozen=True, slots=True)
class Timing:
    """The hops of one partition."""

    began: float
    """Unix time of its beginning: when the worker took it."""
    hops: Mapping[str, Hop]

    def to_json(self) -> dict[str, Any]:
        """Return it as short as records keep it.

        >>> Timing(1.5, {"download": Hop(0, 2, 10), "connection": Hop(0, 1, 0, 2)}).to_json()
        {'began': 1.5, 'steps': {'download': [0, 2, 10], 'connection': [0, 1, 0, 2]}}
        """
        return {"began": round(self.began, 3), "steps": {name: hop.to_json() for name, hop in self.hops.items()}}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Timing | None":
        """Return what `to_json` wrote; None for a record that has no timing."""
        if not value:
            return None
        return cls(value["began"], {name: Hop(*hop) for name, hop in value["steps"].items()})

    def moved_to(self, began: float) -> "Timing":
        """Return the same hops, told from another beginning."""
        gone = began - self.began
        return Timing(began, {name: hop._replace(start=hop.start - gone) for name, hop in self.hops.items()})

    def with_hops(self, more: Mapping[str, Hop]) -> "Timing":
        """Return it with more hops, in the order of the data."""
        every = {**self.hops, **more}
        return Timing(self.began, {name: every[name] for name in (*HOPS, *every) if name in every})


def covered(hops: Sequence[Hop]) -> float:
    """Return the seconds in which at least one of the hops was going on.

    >>> covered([Hop(0, 2), Hop(1, 2), Hop(5, 1)])
    4.0
    """
    total, until = 0.0, float("-inf")
    for hop in sorted(hops):
        total += max(0.0, hop.end - max(hop.start, until))
        until = max(until, hop.end)
    return total


@dataclass
class _Going:
    """What is known of one hop so far."""

    start: float
    end: float
    seconds: float = 0.0
    bytes: int = 0
    threads: int = 0
    opened: float = 0.0


@dataclass
class Recorder:
    """Records the hops of one partition. Several threads may use it.

    `clock`: seconds of any clock that does not go back. `began`: Unix time of now.
    """

    clock: Callable[[], float] = time.monotonic
    began: float = field(default_factory=time.time)

    def __post_init__(self) -> None:
        self._zero = self.clock()
        self._lock = threading.Lock()
        self._hops: dict[str, _Going] = {}

    def now(self) -> float:
        """Return the seconds since its beginning."""
        return self.clock() - self._zero

    @contextmanager
    def hop(self, name: str) -> Iterator[None]:
        """Record the time of a block, whether it ends or raises. Of blocks that overlap the time counts once."""
        with self._lock:
            now = self.now()
            going = self._hops.setdefault(name, _Going(now, now))
            if going.threads == 0:
                going.opened = now
            going.threads += 1
        try:
            yield
        finally:
            with self._lock:
                going.end = self.now()
                going.threads -= 1
                if going.threads == 0:
                    going.seconds += going.end - going.opened

    @contextmanager
    def entering(self, name: str, context: AbstractContextManager[T]) -> Iterator[T]:
        """Record how long it takes to enter `context`, and be it."""
        with ExitStack() as held:
            with self.hop(name):
                entered = held.enter_context(context)
            yield entered

    def note(self, name: str, start: float, seconds: float) -> None:
        """Record a hop that was measured elsewhere. `start`: as `now` told it."""
        with self._lock:
            going = self._hops.setdefault(name, _Going(start, start))
            going.start, going.end = min(start, going.start), max(start + seconds, going.end)
            going.seconds += seconds

    def moved(self, name: str, size: int) -> None:
        """Add bytes to a hop. One that has no time yet begins now."""
        with self._lock:
            now = self.now()
            self._hops.setdefault(name, _Going(now, now)).bytes += size

    def told(self) -> Timing:
        """Return what was recorded so far. A block that still goes on counts until now."""
        with self._lock:
            now = self.now()
            found = {name: _hop(going, now) for name, going in self._hops.items()}
        return Timing(self.began, {}).with_hops({name: hop for name, hop in found.items() if hop.seconds or hop.bytes})


def _hop(going: _Going, now: float) -> Hop:
    end = now if going.threads else going.end
    seconds = going.seconds + (now - going.opened if going.threads else 0.0)
    span = end - going.start
    seconds, span = round(seconds, 3), round(span, 3)
    return Hop(round(going.start, 3), seconds, going.bytes, span if span > seconds else 0.0)
