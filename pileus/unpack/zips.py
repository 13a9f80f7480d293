"""Zip: its members in order, from a file that can be read at random.

The directory is checked before a member is opened: how large it is, that no two members share bytes of the file, and
that each is packed in a way that needs little memory.
"""

import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO, cast

from pileus.errors import ArchiveError
from pileus.names import one_line
from pileus.stopping import Check
from pileus.unpack.member import Gate, Member
from pileus.unpack.streams import Forward, Whole

DIRECTORY = 4 << 20
"""Most bytes of a zip's directory: more than a thousand members need."""
_LOCAL = 30
"""Bytes of a member's own header, without its name."""
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_UNSOUND = (
    zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, struct.error, zlib.error, ValueError, LookupError,
    OverflowError, AttributeError,
)  # fmt: skip
"""What Python's zipfile raises for damaged files."""


class _Within:
    """A file of which no part outside is asked for, and no large part at once."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = file.seek(0, os.SEEK_END)

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        at = offset + (0, self._file.tell(), self._size)[whence]
        if not 0 <= at <= self._size:
            raise zipfile.BadZipFile("it names a place outside the file")
        return self._file.seek(at)

    def read(self, size: int = -1) -> bytes:
        if size > DIRECTORY:
            raise zipfile.BadZipFile(f"its directory claims {size:,} bytes")
        return self._file.read(size)


def zip_members(file: BinaryIO, archive: str, gate: Gate, check: Check) -> Iterator[Member]:
    """Yield the members of a zip. Raises ArchiveError."""
    try:
        with zipfile.ZipFile(_Within(file)) as whole:
            every = whole.infolist()
            for info in every:
                gate.admit(info.filename, info.file_size, _kind(info))
            _refuse_overlaps(every, whole.start_dir, gate)
            for info in every:
                if info.is_dir():
                    continue
                where = f"{archive}: {one_line(info.filename)}"
                with whole.open(info) as member:
                    stream = Forward(Whole(cast(BinaryIO, member)), where, info.file_size, check)
                    yield Member(info.filename, info.file_size, stream, where)
                    stream.drain()
                    if stream.at < info.file_size:
                        raise ArchiveError(f"is cut: holds {stream.at:,} of {info.file_size:,} bytes", where=where)
    except _UNSOUND as exc:
        raise ArchiveError(f"is not a sound zip: {one_line(str(exc)) or type(exc).__name__}", where=archive) from exc


def _kind(info: zipfile.ZipInfo) -> str | None:
    """Return what a member is, when it is not a plain file or folder."""
    if info.flag_bits & 1:
        return "encrypted"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "a link"
    return None if info.compress_type in _METHODS else "packed in a way other than stored or deflated"


def _refuse_overlaps(every: list[zipfile.ZipInfo], directory: int, gate: Gate) -> None:
    """Raise ArchiveError when two members share bytes: a small file could then unpack to any size."""
    spans = sorted((info.header_offset, info.header_offset + _LOCAL + info.compress_size) for info in every)
    for (_, end), (start, _) in zip(spans, [*spans[1:], (directory, 0)], strict=True):
        if end > start:
            raise gate.refused("holds members that overlap in the file")
