"""What a download needs of a provider: its limits, an opener of URLs, and the bodies; and when to stop."""

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from pileus.errors import HandedBack, PileusError

Progress = Callable[[str, int], None]
"""Called with the name of a file and the bytes that have arrived; from several threads, about once a block."""
Inspect = Callable[[str, bytes], None]
"""Called with the name of a file and its first bytes, as soon as they are here; what it raises fails the file."""
Announced = Callable[[str, int | None], None]
"""Called with the name of a file and its size in bytes, None if unknown, when it begins or continues."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a provider may take, and how often a failed request is repeated."""

    read_seconds: float = 60
    """Longest time without a byte."""
    total_seconds: float = 6 * 3600
    """Longest time for one file, with waits and retries."""
    min_bytes_per_second: float = 1000
    """Slowest speed; 0: none."""
    pace_seconds: float = 60
    """Time over which the slowest speed is measured."""
    attempts: int = 8
    """Failures in a row without a new byte after which a file fails."""
    backoff_seconds: float = 0.5
    """Longest wait after the first failure; it doubles with each. The wait is random, from half of it to all."""
    backoff_max_seconds: float = 60
    listing_bytes: int = 256 << 20
    """Most bytes of one listing; an index page of a million entries has about 70 MB."""
    listing_entries: int = 2_000_000
    """Most entries of one listing, folders among them."""
    listing_seconds: float = 1800
    """Longest time in which one listing comes."""

    def backoff(self, failures: int) -> float:
        """Return the seconds to wait after so many failures in a row: doubled each time, random in the upper half.

        >>> 0.25 <= Limits().backoff(1) <= 0.5 and 30 <= Limits().backoff(20) <= 60
        True
        """
        longest = min(self.backoff_max_seconds, self.backoff_seconds * 2.0 ** min(failures - 1, 30))
        return longest * random.uniform(0.5, 1)


class Response(Protocol):
    """An opened body."""

    offset: int
    """First byte of the body in the file: what was asked for, or 0 where the provider cannot continue."""
    size: int | None
    """Bytes of the whole file; None where the provider does not say."""
    validator: str | None
    """Entity tag or date that changes with the file, for the next request; None: the file cannot be continued."""
    checksum: str | None
    """`algorithm:hex` of the whole file; None where the provider does not say."""
    content_type: str | None
    """As in HTTP; None where the provider does not say."""
    url: str
    """Address of the body, after redirects."""
    modified: float | None
    """Seconds since 1970; None where the provider does not say."""

    def readinto(self, buffer: memoryview) -> int | None:
        """Read into the buffer, and return the number of bytes. 0: the announced end. None: nothing came for about a
        second.

        Raises Truncated (ended before the announced size), Corrupt (more than announced), Unreachable.
        """
        ...

    def close(self) -> None:
        """Return the connection to the pool, or close it when the body was not read to its end."""
        ...


@runtime_checkable
class ZeroCopyResponse(Response, Protocol):
    """A body that the kernel can write into a file, so that the bytes do not pass through this process."""

    @property
    def can_copy_to(self) -> bool:
        """Return whether that is possible for the next bytes."""
        ...

    def copy_to(self, fd: int, most: int) -> int | None:
        """Do as `readinto`, but write at most `most` bytes to the file `fd`. Raises what writing raises."""
        ...


class NotSmall(Exception):
    """An answer is not a small file that came whole: it is large, late, an error or another address. Open it."""


@dataclass(slots=True)
class SmallFile:
    """A file that came whole with its answer."""

    content: memoryview
    """Its bytes, until the room that they are in is used again."""
    content_type: str | None
    checksum: str | None
    modified: float | None
    """See Response for these."""


class Asked(Protocol):
    """A file that was asked for, and whose answer is awaited. For one thread at a time."""

    def fileno(self) -> int:
        """Return the descriptor that can be read when something has come."""
        ...

    def read(self, room: memoryview) -> SmallFile | None:
        """Read what has come, without waiting; None while the file is not whole. Raises NotSmall."""
        ...

    def hold(self) -> None:
        """Keep what came for `open`, before the room is used again."""
        ...

    def open(self, pulse: Callable[[], None] | None) -> Response:
        """Do as `Opener.open` with what was asked for. Nothing else is done with it afterwards."""
        ...

    def done(self) -> None:
        """Return the connection to the pool, after a file that came whole."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class Opener(Protocol):
    """What a transfer needs of a provider."""

    @property
    def limits(self) -> Limits: ...

    def open(
        self, url: str, offset: int = 0, validator: str | None = None, *, pulse: Callable[[], None] | None = None
    ) -> Response:
        """Open `url` at byte `offset`, if it is still the file that `validator` names.

        `pulse` is called about every second while waiting; what it raises ends the wait. Raises NotFound, Refused,
        Unreachable, Busy, Changed (nothing at `offset` any more).
        """
        ...

    def now(self) -> float:
        """Return seconds on a clock that never goes back."""
        ...

    def rest(self) -> None:
        """Close idle connections and release their leases. The edge stays usable."""
        ...


@runtime_checkable
class Asker(Opener, Protocol):
    """A provider that can be asked for several files before their answers come, by one thread."""

    def ask(self, url: str) -> Asked | None:
        """Ask for a whole file over a connection that is open and idle, and do not wait. None where none is.

        Raises what `open` raises.
        """
        ...


class Cancellation:
    """Tells waiting code when to stop. `reason` makes the error to raise when `cancelled` is set."""

    def __init__(
        self, cancelled: threading.Event | None = None, reason: Callable[[], PileusError] | None = None
    ) -> None:
        self.cancelled = cancelled or threading.Event()
        self.reason = reason or (lambda: HandedBack("stopped while downloading"))

    def check(self) -> None:
        """Raise the reason when cancelled."""
        if self.cancelled.is_set():
            raise self.reason()

    def wait(self, seconds: float) -> None:
        """Sleep for `seconds`; raise the reason as soon as cancelled."""
        self.cancelled.wait(seconds)
        self.check()
