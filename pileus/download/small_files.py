"""Small files that came whole: checked and written at once, where a larger file takes a transfer and a partial file."""

import os
import uuid
from contextlib import suppress
from pathlib import Path

from pileus.download.checksum import Checksum, is_page, looks_wrong
from pileus.download.partial_file import partial_name
from pileus.download.source import Announced, Inspect, Progress, SmallFile
from pileus.download.transfer import BLOCK
from pileus.errors import PileusError
from pileus.models import Archive, Granule

MOST = BLOCK
"""Bytes of the largest small file, with the head of its answer."""


class SmallFiles:
    """The small files of one folder. For one thread.

    What is wrong with a file is not said here: a transfer gets it then, checks the same, and raises what it is.
    """

    def __init__(
        self, folder: Path, progress: Progress | None, announced: Announced | None, inspect: Inspect | None
    ) -> None:
        self._folder, self._progress, self._announced, self._inspect = folder, progress, announced, inspect
        self._present = set(os.listdir(folder))  # noqa: PTH208 - names alone
        # Strings: making a Path would take as long as writing a small file. One name: what a killed process leaves
        # behind is one file.
        self._place, self._partial = str(folder), f"{folder}/{partial_name(uuid.uuid4().hex)}"

    def may_be(self, granule: Granule) -> bool:
        """Return whether a file can be small, and nothing of it is here."""
        file = granule.file
        return (
            file.sidecar is None
            and (file.size is None or file.size < MOST)
            and file.name not in self._present
            and partial_name(file.name) not in self._present
        )

    def is_right(self, granule: Granule, small: SmallFile) -> bool:
        """Return whether a file passes what a Transfer checks, and what `inspect` does."""
        file, content = granule.file, small.content
        if file.size not in (None, len(content)) or is_page(small.content_type, file.name):
            return False
        if looks_wrong(file.name, content):
            return False
        if file.checksum or small.checksum:
            checksum = Checksum(file.checksum)
            checksum.expect(small.checksum)
            checksum.update(content)
            if checksum.wrong():
                return False
        try:
            if self._inspect:
                self._inspect(file.name, bytes(content[:512]))
        except PileusError:
            return False
        return True

    def write(self, granule: Granule, small: SmallFile) -> Archive | None:
        """Write a file, and return its archive; None where it cannot be written."""
        name, size = granule.file.name, len(small.content)
        if self._announced:
            self._announced(name, size)
        try:
            self._put(f"{self._place}/{name}", small)
        except OSError:
            with suppress(OSError):
                os.unlink(self._partial)  # noqa: PTH108 - see above
            return None
        if self._progress:
            self._progress(name, size)
        return Archive(granule, self._folder / name, size)

    def _put(self, target: str, small: SmallFile) -> None:
        descriptor = os.open(self._partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            left = small.content
            while left:
                left = left[os.write(descriptor, left) :]
            if small.modified is not None:
                os.utime(descriptor, (small.modified, small.modified))
        finally:
            os.close(descriptor)
        os.replace(self._partial, target)  # noqa: PTH105 - see above
