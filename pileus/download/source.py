"""What downloading needs of a provider: an opener of URLs, the bodies it opens, its limits, and when to stop."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from pileus.errors import HandedBack, PileusError


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a provider may take, and how often it is asked again."""

    read_seconds: float = 60
    """Longest silence."""
    total_seconds: float = 6 * 3600
    """Longest time for one file, waits and retries included."""
    min_bytes_per_second: float = 1000
    """Slowest speed; 0: none."""
    pace_seconds: float = 60
    """Time over which the slowest speed is measured."""
    attempts: int = 8
    """Failures in a row without a new byte after which a file is given up."""
    backoff_seconds: float = 0.5
    """Longest wait after the first failure; doubles with each, the wait is drawn from the upper half."""
    backoff_max_seconds: float = 60


class Response(Protocol):
    """An opened body."""

    offset: int
    """First byte of the body in the file: what was asked for, or 0 where the provider cannot continue."""
    size: int | None
    """Bytes of the whole file; None where the provider does not say."""
    validator: str | None
    """Entity tag or date that changes with the file, as the provider wants it back; None: no continuing."""
    checksum: str | None
    """`algorithm:hex` of the whole file; None where the provider does not say."""
    content_type: str | None
    """As in HTTP; None where the provider does not say."""
    url: str
    """Where the body came from in the end, redirects followed."""
    modified: float | None
    """Seconds since 1970; None where the provider does not say."""

    def readinto(self, buffer: memoryview) -> int | None:
        """Bytes read; 0: the end, as announced; None: nothing came for about a second, ask again.

        Raises Truncated (ended before the announced size), Corrupt (more than announced), Unreachable.
        """
        ...

    def close(self) -> None:
        """Give the connection back, or up when the body was not read to its end."""
        ...


@runtime_checkable
class ZeroCopyResponse(Response, Protocol):
    """A body that can go into a file without passing through this process."""

    @property
    def can_copy_to(self) -> bool:
        """Whether what comes next can."""
        ...

    def copy_to(self, fd: int, most: int) -> int | None:
        """Like `readinto`, of at most `most` bytes, written to the file `fd`. Raises what writing to it raises."""
        ...


class Opener(Protocol):
    """What a transfer needs of a provider."""

    @property
    def limits(self) -> Limits: ...

    def open(
        self, url: str, offset: int = 0, validator: str | None = None, *, pulse: Callable[[], None] | None = None
    ) -> Response:
        """Open `url` from byte `offset`, provided that it still is the file that `validator` names.

        `pulse` is called about every second while waiting; what it raises ends the wait.
        Raises NotFound, Refused, Unreachable, Busy, Changed (nothing at `offset` any more).
        """
        ...

    def now(self) -> float:
        """Seconds on a clock that never goes back."""
        ...

    def rest(self) -> None:
        """Close connections that are idle, and give them back to the budget. The edge stays usable."""
        ...


class Cancellation:
    """Tells waiting code when to stop. `reason` makes the error that a set `cancelled` raises."""

    def __init__(
        self, cancelled: threading.Event | None = None, reason: Callable[[], PileusError] | None = None
    ) -> None:
        self.cancelled = cancelled or threading.Event()
        self.reason = reason or (lambda: HandedBack("stopped while downloading"))

    def check(self) -> None:
        """Raises the reason when cancelled."""
        if self.cancelled.is_set():
            raise self.reason()

    def wait(self, seconds: float) -> None:
        """Sleep, unless cancelled. Raises the reason when cancelled."""
        self.cancelled.wait(seconds)
        self.check()
