"""Parts: the bytes of a remote file that somebody needs, in a file on disk that is empty between them."""

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, runtime_checkable

from pileus.download.partial_file import told_when_full
from pileus.download.source import Cancellation, Opener, Response
from pileus.download.transfer import BLOCK, Transfer, persistently
from pileus.errors import Changed, Corrupt, Truncated
from pileus.models import Listed

Range = tuple[int, int]
"""First byte, and the one after the last."""
GAP = 64 << 10
"""Bytes between two ranges that are fetched with them: another request takes longer."""
MOST = 50_000
"""Most ranges of one message."""
LARGEST = 8 << 20
"""Most bytes of one request; larger ranges are fetched in parallel."""


@runtime_checkable
class RangeOpener(Opener, Protocol):
    """A provider that gives parts of files."""

    def open_range(self, url: str, start: int, end: int, *, pulse: Callable[[], None] | None = None) -> Response:
        """Open the bytes from `start` up to `end` of `url`. Who asks compares the body's `validator`.

        The body's `offset` is 0 where the provider gives whole files alone. Raises as `open`.
        """
        ...


class Parts:
    """One remote file. May be asked by one thread at a time; it fetches with several."""

    def __init__(
        self, edge: Opener, file: Listed, path: Path, cancellation: Cancellation | None = None, *, parallel: int = 6
    ) -> None:
        """Make the file at `path`. `file`: as listed; its size is asked for where the listing does not say it."""
        self._edge, self._file, self._path = edge, file, path
        self._cancellation, self._parallel = cancellation or Cancellation(), parallel
        self._here: list[Range] = []
        self._validator: str | None = None
        self._one = threading.Lock()
        self._proved = False
        """Whether the provider has given a part that does not begin the file. Before that, one is asked for alone."""
        self.size: int | None = file.size
        """Bytes of the whole file; None until the provider has said it."""
        self.moved = 0
        """Bytes that were fetched."""
        path.touch()
        if self.size is not None:
            os.truncate(path, self.size)

    def bring(self, wanted: Iterable[Range]) -> None:
        """Fetch what is not here of some ranges. What lies beyond the file's end is left out.

        Raises what an opener raises, Changed when the file is another than at first, NoSpace, and the cancellation's
        reason.
        """
        with told_when_full(self._path):
            self._bring(wanted)

    def _bring(self, wanted: Iterable[Range]) -> None:
        if self.size is None:
            self._fetch_first()
        size = self.size or 0
        lacking = list(_split(_lacking(joined((a, min(b, size)) for a, b in wanted), self._here)))
        if not lacking:
            return
        given, rest = True, lacking
        if not self._proved:
            given, rest = self._fetch(lacking[-1]), lacking[:-1]
            self._proved = given and lacking[-1][0] > 0
        if given and rest:
            with ThreadPoolExecutor(min(self._parallel, len(rest))) as pool:
                given = all(list(pool.map(self._fetch, rest)))
        if not given:
            self._fetch_whole()
        self._here = list(joined([*self._here, *lacking], 0)) if given else [(0, size)]

    def _fetch_first(self) -> None:
        """Fetch the beginning, with which the provider says the size."""
        if not self._fetch((0, GAP)):
            self._fetch_whole()
        if self.size is None:
            raise Corrupt("the provider does not say its size, so no part of it can be read", where=self._file.url)
        self._here = list(joined([*self._here, (0, min(GAP, self.size))], 0))

    def _fetch(self, part: Range) -> bool:
        """Fetch one range. Return False where the provider gives whole files alone."""
        done = persistently(lambda: self._once(*part), self._edge, self._cancellation)
        if isinstance(done, Changed):  # asking again would not help
            raise done
        return done

    def _once(self, start: int, end: int) -> bool | Changed:
        edge, where, check = self._edge, self._file.url, self._cancellation.check
        if not isinstance(edge, RangeOpener):
            return False
        response = edge.open_range(where, start, end, pulse=check)
        try:
            if changed := self._accept(response):
                return changed
            if response.offset != start or response.size is None:
                return False
            self._write(response, start, min(end, response.size or end))
        finally:
            response.close()
        return True

    def _accept(self, response: Response) -> Changed | None:
        """Return the error of a body that is of another file than those before."""
        with self._one:
            if self.size is None and response.size is not None:
                self.size = response.size
                os.truncate(self._path, self.size)
            if response.size not in (None, self.size):
                return Changed(f"has {response.size:,} bytes, and had {self.size:,}", where=self._file.url)
            if self._validator is not None and response.validator != self._validator:
                return Changed("the file changed between two of its parts", where=self._file.url)
            self._validator = response.validator
            return None

    def _write(self, response: Response, start: int, end: int) -> None:
        block = memoryview(bytearray(min(BLOCK, end - start)))
        with self._path.open("r+b", buffering=0) as file:
            file.seek(start)
            while start < end:
                self._cancellation.check()
                count = response.readinto(block[: end - start])
                if count == 0:
                    raise Truncated(f"ended {end - start} bytes early", where=self._file.url)
                file.write(block[: count or 0])
                start += count or 0
                with self._one:
                    self.moved += count or 0

    def _fetch_whole(self) -> None:
        """Fetch the file from its first byte to its last, where the provider gives no parts."""
        block = memoryview(bytearray(BLOCK))
        with self._path.open("r+b", buffering=0) as file:
            transfer = Transfer(self._edge, self._file, self._cancellation, restart=lambda: _empty(file.fileno()))
            try:
                while count := transfer.readinto(block):
                    file.write(block[:count])
                    self.moved += count
            finally:
                transfer.close()
            self.size = transfer.position
            self._here = [(0, self.size)]


def _empty(descriptor: int) -> None:
    os.truncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)


def joined(ranges: Iterable[Range], gap: int = GAP) -> list[Range]:
    """Return ranges in order, as one where they overlap, touch or lie no more than `gap` bytes apart.

    >>> joined([(10, 20), (0, 5), (20, 30)], 0), joined([(0, 5), (9, 12)], 4)
    ([(0, 5), (10, 30)], [(0, 12)])
    """
    found: list[Range] = []
    for start, end in sorted((a, b) for a, b in ranges if b > a):
        if found and start <= found[-1][1] + gap:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return found


def few(ranges: Iterable[Range]) -> list[Range]:
    """Return ranges as no more than `MOST`, which hold them all."""
    found, gap = joined(ranges), GAP
    while len(found) > MOST:
        gap *= 2
        found = joined(found, gap)
    return found


def _lacking(wanted: Sequence[Range], here: Sequence[Range]) -> list[Range]:
    """Return what of some ranges is not here; both are in order.

    >>> _lacking([(0, 10), (20, 30)], [(2, 4), (25, 40)])
    [(0, 2), (4, 10), (20, 25)]
    """
    found: list[Range] = []
    for start, end in wanted:
        for a, b in here:
            if b <= start or a >= end:
                continue
            if a > start:
                found.append((start, a))
            start = b
        if start < end:
            found.append((start, end))
    return found


def _split(ranges: Iterable[Range]) -> Iterable[Range]:
    """Return ranges of at most `LARGEST` bytes."""
    return ((at, min(at + LARGEST, end)) for start, end in ranges for at in range(start, end, LARGEST))
