"""Streams: the files of a group as streams that are read once, while they arrive. Nothing is written to a disk."""

import io
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, BinaryIO, cast

from pileus.download.source import Cancellation, Inspect, Opener, Progress
from pileus.download.transfer import BLOCK, Transfer
from pileus.errors import Corrupt
from pileus.models import Granule


class Streams:
    """The files of one group, each a stream. Several threads may open and read streams at once.

    A stream goes on at the same byte after a disconnect. Its end is reached only after size and checksum are verified.
    """

    def __init__(
        self,
        edge: Opener,
        cancelled: threading.Event | None = None,
        *,
        progress: Progress | None = None,
        inspect: Inspect | None = None,
    ) -> None:
        self._edge, self._progress, self._inspect = edge, progress, inspect
        self._closed = threading.Event()
        self._cancellation = _UntilClosed(cancelled, self._closed)
        self._opened: list[Stream] = []
        self._begun = 0.0

    def open(self, granule: Granule) -> BinaryIO:
        """Return a stream of a granule. Reading raises what a Transfer raises, and what `inspect` raises."""
        name = granule.file.name
        inspect = partial(self._inspect, name) if self._inspect else None
        transfer = Transfer(self._edge, granule.file, self._cancellation, inspect=inspect)
        self._begun = self._begun or self._edge.now()
        self._opened.append(Stream(name, transfer, self._progress, self._edge.now))
        return cast(BinaryIO, self._opened[-1])

    @property
    def arrived(self) -> int:
        """Bytes of all streams so far."""
        return sum(stream.transfer.position for stream in list(self._opened))

    @property
    def seconds(self) -> float:
        """Seconds from the first opening to the last byte."""
        return max((stream.last for stream in self._opened), default=self._begun) - self._begun

    def check_ends(self) -> None:
        """Raise Corrupt where a stream was not read to its end, and so was not verified."""
        for stream in self._opened:
            if not stream.transfer.ended:
                raise Corrupt("was not read to its end", where=stream.transfer.url)

    def verify(self, where: str | None) -> None:
        """Read what is left of the file that an error is about: bytes that were damaged, or changed, on their way are
        told from a damaged archive. Raises what a Transfer raises.
        """
        block = bytearray(BLOCK)
        for stream in self._opened:
            if (where or "").startswith(stream.name):
                while stream.readinto(block):
                    pass

    def close(self) -> None:
        """End all reading; readers close their streams."""
        self._closed.set()
        self._edge.rest()


class Stream(io.RawIOBase):
    """The bytes of one transfer as a file object."""

    def __init__(
        self, name: str, transfer: Transfer, progress: Progress | None = None, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.name, self.transfer, self._progress, self._now = name, transfer, progress, now
        self._turn = threading.Lock()
        self.last = now()
        """When it was read last; or opened, before that."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Read some bytes, and return their number; 0 at the end, after all is verified. Raises what Transfer does."""
        with self._turn:
            try:
                count = self.transfer.readinto(memoryview(buffer).cast("B"))
            finally:
                self.last = self._now()
        if count and self._progress:
            self._progress(self.name, self.transfer.position)
        return count

    def close(self) -> None:
        """Close the connection."""
        with self._turn:
            self.transfer.close()
        super().close()


class _UntilClosed(Cancellation):
    def __init__(self, cancelled: threading.Event | None, closed: threading.Event) -> None:
        super().__init__(cancelled)
        self._closed = closed

    def check(self) -> None:
        super().check()
        if self._closed.is_set():
            raise self.reason()
