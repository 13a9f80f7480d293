"""A provider in memory, whose connections break where they are told to: for specs and experiments."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from pileus.download.source import Limits
from pileus.errors import Changed, NotFound, Truncated
from pileus.models import Listed, Problem, listed


class MemoryEdge:
    """A ProviderEdge over `files` (bytes by name). The n-th body ends after the n-th of `cuts` bytes, if there is one.

    `ranges`: whether a body can begin later than at byte 0. `validators`: whether bodies name their version.
    """

    def __init__(
        self, files: Mapping[str, bytes], *, cuts: Iterable[int] = (), ranges: bool = True, validators: bool = True
    ) -> None:
        self.files = dict(files)
        self.opened: list[tuple[str, int]] = []
        """URL and first byte of each body so far."""
        self.limits = replace(Limits(), backoff_seconds=0.0)
        self._cuts, self._ranges, self._validators = iter(cuts), ranges, validators

    def now(self) -> float:
        return time.monotonic()

    def list(self, path: str) -> Iterator[Listed | Problem]:
        """See Lister. Names are as long as their paths."""
        folder = f"{path.strip('/')}/" if path.strip("/") else ""
        found = [name for name in self.files if name.startswith(folder) and "/" not in name.removeprefix(folder)]
        if not found:
            raise NotFound("nothing is there", where=f"memory:{folder}")
        for name in found:
            yield listed(name.removeprefix(folder), f"memory:{name}", len(self.files[name]))

    def describe(self, file: Listed) -> Listed:
        """See Lister."""
        return file

    def open(
        self, url: str, offset: int = 0, validator: str | None = None, *, pulse: Callable[[], None] | None = None
    ) -> "MemoryResponse":
        """See Opener."""
        if pulse:
            pulse()
        name = url.removeprefix("memory:")
        if name not in self.files:
            raise NotFound("nothing is there", where=url)
        response = MemoryResponse(url, self.files[name], offset if self._ranges else 0, next(self._cuts, None))
        if not self._validators:
            response.validator = None
        if validator is not None and validator != response.validator:
            raise Changed("the file is not the one that was begun", where=url)
        self.opened.append((url, response.offset))
        return response

    def open_range(
        self, url: str, start: int, end: int, *, pulse: Callable[[], None] | None = None
    ) -> "MemoryResponse":
        """See RangeOpener."""
        response = self.open(url, start, pulse=pulse)
        if self._ranges:
            response.end_at(end)
        return response

    def rest(self) -> None:
        """See Opener."""

    def close(self) -> None:
        """See ProviderEdge."""


class MemoryResponse:
    """See Response."""

    def __init__(self, url: str, body: bytes, offset: int, cut: int | None) -> None:
        self.url, self.offset, self.size = url, offset, len(body)
        self.validator: str | None = f"{hash(body):x}"
        self.checksum: str | None = None
        self.content_type: str | None = None
        self.modified: float | None = None
        self._rest = memoryview(body)[offset:]
        self._until_cut = cut

    def end_at(self, end: int) -> None:
        """Leave out what comes after a byte of the file."""
        self._rest = self._rest[: max(0, end - self.offset)]

    def readinto(self, buffer: memoryview) -> int | None:
        """See Response."""
        if self._until_cut == 0 and self._rest:
            raise Truncated("cut", where=self.url)
        most = len(buffer) if self._until_cut is None else min(self._until_cut, len(buffer))
        block, self._rest = self._rest[:most], self._rest[most:]
        buffer[: len(block)] = block
        if self._until_cut is not None:
            self._until_cut -= len(block)
        return len(block)

    def close(self) -> None:
        """See Response."""
