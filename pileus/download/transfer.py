"""Transfer: the bytes of one URL in order, over one connection or several.

What a transfer checks, in this order:

1. A continued body must begin at the requested byte, belong to the same file (entity tag or date) and have the same
   total size. Otherwise the file has changed, and its parts are not joined.
2. A web page in place of an archive is refused at its first bytes.
3. A body that ends early, stops or becomes too slow is continued on a new connection.
4. At the end, size and checksum must agree with all that the provider said about them.
"""

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterator
from typing import TypeVar

from pileus.download.checksum import Checksum, is_page, looks_wrong, parse_sidecar
from pileus.download.source import Cancellation, Opener, Response, ZeroCopyResponse
from pileus.errors import (
    Busy,
    Changed,
    Corrupt,
    NoSpace,
    PileusError,
    ProviderError,
    TooSlow,
    TransferError,
    Unreachable,
)
from pileus.models import Listed

T = TypeVar("T")
BLOCK = 1 << 18
"""Bytes read and written at once: ten of them fit into a processor's cache."""
PORTION = 1 << 20
"""Bytes that the kernel writes to a file at once."""
SIDECAR_BYTES = 1 << 16
PAUSE = 1.0
"""Seconds between two reads that are a pause of the reader."""


class _Final(Exception):
    """Carries an error that is of a retryable kind, but is raised at once: retrying would not help now."""

    def __init__(self, error: PileusError) -> None:
        super().__init__(error)
        self.error = error


class Transfer:
    """The bytes of one file. For one thread at a time.

    `restart` is called when the file begins again and the bytes so far must be deleted. Without `restart`, as in a
    stream whose bytes were already used, the same bytes are skipped if the file is proved to be the same; else Changed
    is raised. `announced` is called with the size at each connection, None if unknown; `inspect` with the first bytes,
    and what it raises ends the transfer.
    """

    def __init__(
        self,
        edge: Opener,
        file: Listed,
        cancellation: Cancellation,
        *,
        restart: Callable[[], None] | None = None,
        announced: Callable[[int | None], None] | None = None,
        inspect: Callable[[bytes], None] | None = None,
    ) -> None:
        self._edge, self._file, self._cancellation, self._restart = edge, file, cancellation, restart
        self._announced, self._inspect = announced, inspect
        self._response: Response | None = None
        self._checksum = Checksum(file.checksum)
        self._sidecar_read = file.sidecar is None
        self._prefix = None if restart else hashlib.sha256()
        self._failures = 0
        self._furthest = -1
        self.ended = False
        """Whether all bytes were read, and size and checksum verified."""
        self._left_at: float | None = None
        self._begun = edge.now()
        self._pace: deque[tuple[float, int]] = deque()
        self._quiet_since = 0.0
        self.position = 0
        self.size: int | None = None
        """Bytes of the file; None until the provider has said."""
        self.validator: str | None = None
        self.modified: float | None = None
        self.url = file.url
        """Address of the file, after redirects."""
        self.content_type: str | None = None

    def resume(self, position: int, size: int, validator: str, begun: Callable[[], Iterator[memoryview]]) -> None:
        """Begin at `position` of a file whose first bytes an earlier process downloaded; `begun` reads them."""
        self.position, self.size, self.validator = position, size, validator
        self._checksum.begin_with(begun)

    def readinto(self, view: memoryview) -> int:
        """Read some bytes, and return their number; 0 at the end, after all is verified. Raises Changed, see above."""
        return self._next(lambda: self._read(view))

    def write_to(self, fd: int, view: memoryview) -> int:
        """Read some bytes, write them to the file `fd`, and return their number; 0 at the end, after all is verified.

        The bytes pass through `view`; where no checksum needs them, the kernel copies them alone. Raises what readinto
        raises, and what writing raises.
        """
        return self._next(lambda: self._pass_on(fd, view))

    def _next(self, go_on: Callable[[], int | None]) -> int:
        self._pass_over_pause()
        while not self.ended:
            try:
                self._cancellation.check()
                if self._response is None and not self._open():
                    self._finish()
                elif (count := go_on()) is not None:
                    self._left_at = self._edge.now()
                    return count
            except _Final as final:
                self.close()
                raise final.error from final
            except PileusError as error:
                self.close()
                self._endure(error)
        return 0

    def _pass_over_pause(self) -> None:
        """Do not count the time in which nobody read: a reader may be slower than the provider."""
        pause = 0.0 if self._left_at is None else self._edge.now() - self._left_at
        if pause >= PAUSE:
            self._begun += pause
            self._quiet_since += pause
            self._pace = deque((then + pause, position) for then, position in self._pace)

    def close(self) -> None:
        """Close the connection. The bytes so far stay."""
        if self._response is not None:
            self._response.close()
            self._response = None

    def _open(self) -> bool:
        """Connect, at the byte where the last connection ended. Return False when all bytes are here."""
        if not self._sidecar_read:
            self._checksum.expect(self._read_sidecar())
            self._sidecar_read = True
        if self.position and self.position == self.size:
            return False
        validator = self.validator if self.position else None
        asked = self.position if validator else 0
        self._quiet_since = self._edge.now()
        self._pace.clear()
        self._response = self._edge.open(self._file.url, asked, validator, pulse=self._cancellation.check)
        self._accept(self._response, asked)
        return True

    def _accept(self, response: Response, asked: int) -> None:
        if response.offset == 0 and is_page(response.content_type, self._file.name):
            raise Busy("a web page came in place of the file", where=self._file.url)
        if response.offset not in (0, asked):
            raise Changed(f"asked for byte {asked}, got byte {response.offset}", where=self._file.url)
        if self.position:
            same = response.size == self.size and response.validator == self.validator
            if not same:
                raise Changed("the file changed between two connections", where=self._file.url)
            if response.offset == 0:
                self._begin_again(response)
        if response.size is not None and self._file.size not in (None, response.size):
            raise Corrupt(f"{response.size} bytes announced, {self._file.size} listed", where=self._file.url)
        self.size, self.validator, self.modified = response.size, response.validator, response.modified
        self.url, self.content_type = response.url, response.content_type
        self._checksum.expect(response.checksum)
        if self._announced:
            self._announced(self.size)
        if self.validator:
            self._prefix = None

    def _begin_again(self, response: Response) -> None:
        """Handle a provider that sends the file from its first byte again: delete the bytes so far, or skip the same
        bytes.
        """
        if self._restart is not None:
            self._forget(self._restart)
            return
        seen = hashlib.sha256()
        block, left = memoryview(bytearray(BLOCK)), self.position
        while left:
            self._cancellation.check()
            count = response.readinto(block[:left])
            self._check_pace(count or 0)
            if count == 0:
                break
            seen.update(block[: count or 0])
            left -= count or 0
        if left or (self._prefix is not None and seen.digest() != self._prefix.digest()):
            raise Changed("the file changed while it was being read", where=self._file.url)

    def _forget(self, restart: Callable[[], None]) -> None:
        restart()
        self.position, self.size, self.validator = 0, None, None
        self._checksum.begin()

    def _read(self, view: memoryview) -> int | None:
        assert self._response is not None
        count = self._response.readinto(view)
        if count == 0:
            self._finish()
            return 0
        self._check_pace(count or 0)
        if count is None:
            return None
        block = view[:count]
        if self.position == 0 and (wrong := looks_wrong(self._file.name, block)):
            raise Corrupt(wrong, where=self._file.url)
        if self.position == 0 and self._inspect:
            self._inspect(bytes(block[:512]))
        self._checksum.update(block)
        if self._prefix is not None:
            self._prefix.update(block)
        self._advance(count)
        return count

    def _pass_on(self, fd: int, view: memoryview) -> int | None:
        unseen = self.position and self._prefix is None and self._checksum.idle
        if unseen and isinstance(self._response, ZeroCopyResponse) and self._response.can_copy_to:
            count = self._response.copy_to(fd, PORTION)
            self._checksum.skip()
            self._advance(count or 0)  # they are in the file, even if the speed check fails
            self._check_pace(count or 0)
            return count
        count = self._read(view)
        block = view[: count or 0]
        while block:
            block = block[os.write(fd, block) :]
        return count

    def _advance(self, count: int) -> None:
        self.position += count
        if self.position > self._furthest:
            self._furthest, self._failures = self.position, 0

    def _check_pace(self, count: int) -> None:
        """Raise Unreachable after too long a silence, TooSlow below the slowest speed or after the total time."""
        now, limits, where = self._edge.now(), self._edge.limits, self._file.url
        if count:
            self._quiet_since = now
        if now - self._quiet_since >= limits.read_seconds:
            raise Unreachable(f"no byte for {limits.read_seconds:g} seconds", where=where)
        if now - self._begun > limits.total_seconds:
            raise _Final(TooSlow(f"not here after {limits.total_seconds:g} seconds", where=where))
        if not self._pace or now - self._pace[-1][0] >= 1:
            self._pace.append((now, self.position))
        if now - self._pace[0][0] >= limits.pace_seconds:
            then, position = self._pace.popleft()
            speed = (self.position - position) / (now - then)
            if speed < limits.min_bytes_per_second:
                slowest = f"under the minimum of {limits.min_bytes_per_second:g}"
                raise TooSlow(f"{speed:.0f} bytes a second, {slowest}", where=where)

    def _finish(self) -> None:
        """Check size and checksum of the whole file. Raises Corrupt."""
        self.close()
        where = self._file.url
        for said, by in ((self.size, "announced"), (self._file.size, "listed")):
            if said is not None and said != self.position:
                raise Corrupt(f"{self.position} bytes came, {said} were {by}", where=where)
        if wrong := self._checksum.wrong():
            raise Corrupt(wrong, where=where)
        self.ended = True

    def _read_sidecar(self) -> str:
        url = self._file.sidecar or ""
        response = self._edge.open(url, pulse=self._cancellation.check)
        self._quiet_since = self._edge.now()
        try:
            text, block = b"", memoryview(bytearray(SIDECAR_BYTES))
            while (count := response.readinto(block)) != 0 and len(text) <= SIDECAR_BYTES:
                self._cancellation.check()
                self._check_pace(count or 0)
                text += block[: count or 0]
        finally:
            response.close()
        return parse_sidecar(text, url, self._file.name)

    def _endure(self, error: PileusError) -> None:
        """Wait before another try. Raises `error` when another try cannot help."""
        if isinstance(error, NoSpace) or not (error.retryable and isinstance(error, ProviderError | TransferError)):
            raise error
        if isinstance(error, Changed | Corrupt) and self.position:
            if self._restart is None:
                raise error
            self._forget(self._restart)
        self._failures += 1
        limits = self._edge.limits
        told = error.retry_after if isinstance(error, Busy) and error.retry_after is not None else 0.0
        left = limits.total_seconds - (self._edge.now() - self._begun)
        if self._failures >= limits.attempts or told > left:
            raise error
        self._cancellation.wait(max(told, limits.backoff(self._failures)))


def persistently(ask: Callable[[], T], edge: Opener, cancellation: Cancellation | None = None) -> T:
    """Return the result of `ask`, repeated after errors that are temporary.

    Raises the last such error after too many; every other error at once.
    """
    cancellation, failures = cancellation or Cancellation(), 0
    while True:
        try:
            return ask()
        except (ProviderError, TransferError) as error:
            failures += 1
            if not error.retryable or failures >= edge.limits.attempts:
                raise
            told = (error.retry_after or 0.0) if isinstance(error, Busy) else 0.0
            cancellation.wait(max(told, edge.limits.backoff(failures)))
