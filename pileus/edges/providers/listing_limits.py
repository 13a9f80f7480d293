"""What one listing may cost: bytes, entries and time. Every protocol counts here while a listing comes."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pileus.download.source import Cancellation, Limits
from pileus.edges.providers.time_limit import cut_after
from pileus.errors import NotAListing

DIGITS = 18
"""Digits of the longest number that is a size."""


class ListingLimits:
    """Counts one listing. `now`: a clock in seconds; `where`: the listing, for messages."""

    def __init__(self, limits: Limits, now: Callable[[], float], where: str) -> None:
        self._limits, self._now, self._where = limits, now, where
        self._end = now() + limits.listing_seconds
        self._bytes = self._entries = 0
        self._cut = threading.Event()

    def came(self, count: int) -> None:
        """Note bytes that came. Raises NotAListing when there are too many, or it takes too long."""
        self._bytes += count
        if self._bytes > self._limits.listing_bytes:
            most = f"{self._limits.listing_bytes:,}"
            raise NotAListing(f"the listing is longer than {most} bytes, the most that is read", where=self._where)
        self.check_time()

    def entry(self) -> None:
        """Note an entry. Raises NotAListing when there are too many."""
        self._entries += 1
        if self._entries > self._limits.listing_entries:
            most = f"{self._limits.listing_entries:,}"
            raise NotAListing(f"the listing has more than {most} entries, the most that is read", where=self._where)

    def check_time(self) -> None:
        """Raise NotAListing when the listing takes too long."""
        if self._cut.is_set() or self._now() > self._end:
            raise self._late()

    @contextmanager
    def cutting(self, cut: Callable[[], None]) -> Iterator[None]:
        """Call `cut` when the time is over, to end a read that waits; what the block then raises is NotAListing."""

        def late() -> None:
            self._cut.set()
            cut()

        with cut_after(self._end - self._now(), late, self._late):
            yield

    def _late(self) -> NotAListing:
        seconds = f"{self._limits.listing_seconds:,.0f}"
        return NotAListing(f"the listing did not end within {seconds} seconds", where=self._where)


class Timely(Cancellation):
    """Ends a transfer when its listing takes too long."""

    def __init__(self, limits: ListingLimits) -> None:
        super().__init__()
        self._limits = limits

    def check(self) -> None:
        """See Cancellation. Raises NotAListing."""
        self._limits.check_time()


def number_of(text: str) -> int | None:
    """Return the size that a stranger tells; None for what is no size of a file.

    >>> number_of("268804"), number_of("9" * 5000), number_of("-1"), number_of("")
    (268804, None, None, None)
    """
    return int(text) if len(text) <= DIGITS and text.isascii() and text.isdecimal() else None
