"""Several archives at once: which may begin, and what each must know of those before it.

The result never depends on how many are read at once. A source that wants to know which pixels those before it have
waits until they have said so, or have ended.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from pileus.stopping import Check, go_on

T = TypeVar("T")
POLL = 0.2
"""Seconds between two looks whether a source may begin."""
LAST = 1 << 30
"""Place of what is read after all archives."""


class Gate(Protocol):
    """Says how many sources may be read at once."""

    def begin(self, name: str) -> bool:
        """Return whether a source may begin now; if no other is being read, it may."""
        ...

    def end(self, name: str) -> None:
        """Note that a source has ended."""
        ...


class Open:
    """A gate that lets all begin."""

    def begin(self, _name: str) -> bool:
        """Return True."""
        return True

    def end(self, _name: str) -> None:
        """Do nothing."""


class _Stopped(Exception):
    """Another source has failed."""


class Lanes:
    """Reads sources, several at once, and knows their order."""

    def __init__(
        self,
        most: int = 1,
        gate: Gate | None = None,
        check: Check = go_on,
        room: Callable[[], bool] = lambda: True,
    ) -> None:
        """`most`: how many at once. `check`: what it raises ends all. `room`: whether there is memory for one more."""
        self.most, self._gate, self._check, self._room = most, gate or Open(), check, room
        self._lock, self._changed = threading.Lock(), threading.Condition()
        self._here = threading.local()
        self._said: dict[Any, dict[int, list[Any]]] = defaultdict(lambda: defaultdict(list))
        self._begun, self._ended = 0, set[int]()
        self._failed: BaseException | None = None

    def check(self) -> None:
        """Raise what ends the work of this thread."""
        self._check()
        if self._failed is not None and self.place != LAST:
            raise _Stopped

    @property
    def place(self) -> int:
        """Place, in the order of the sources, of the one that this thread reads; LAST where it reads none."""
        place: int = getattr(self._here, "place", LAST)
        return place

    def do(self, names: Sequence[str], work: Callable[[int], T]) -> list[T]:
        """Return the results of `work`, called with the place of each source. They begin in order. After a failure no
        other begins; it is raised when those that run have ended, which their checks make them do.
        """
        results: dict[int, T] = {}

        def lane() -> None:
            try:
                while (place := self._next(names)) is not None:
                    with self._at(place, names[place]):
                        results[place] = work(place)
            except _Stopped:
                pass
            except BaseException as exc:  # noqa: BLE001  (it is raised again below, in the thread that waits)
                self._failed = self._failed or exc

        if self.most == 1 or len(names) < 2:
            lane()
        else:
            with ThreadPoolExecutor(min(self.most, len(names)), "lane") as pool:
                for _ in range(min(self.most, len(names))):
                    pool.submit(lane)
        if self._failed is not None:
            raise self._failed
        return [results[place] for place in sorted(results)]

    def _next(self, names: Sequence[str]) -> int | None:
        """Return the place of the next source, when it may begin; None where none is left."""
        with self._lock:
            while self._begun < len(names) and self._failed is None:
                self._check()
                alone = self._begun == len(self._ended)
                if (alone or self._room()) and self._gate.begin(names[self._begun]):
                    self._begun += 1
                    return self._begun - 1
                time.sleep(POLL)
            return None

    @contextmanager
    def _at(self, place: int, name: str) -> Iterator[None]:
        self._here.place = place
        try:
            yield
        finally:
            del self._here.place
            with self._changed:
                self._ended.add(place)
                self._changed.notify_all()
            self._gate.end(name)

    def say(self, key: Any, value: Any) -> None:
        """Note what the source of this thread has of `key`."""
        with self._changed:
            self._said[key][self.place].append(value)
            self._changed.notify_all()

    def said(self, key: Any) -> list[Any]:
        """Return what the sources up to this one have said of `key`, in their order. Waits for those before it."""
        with self._changed:
            said = self._said[key]
            while any(place not in said and place not in self._ended for place in range(min(self.place, self._begun))):
                self._changed.wait(POLL)
                self.check()
            return [one for place in sorted(said) if place <= self.place for one in said[place]]
