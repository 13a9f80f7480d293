"""Unpack: the members of an archive, one after the other, while its bytes are read.

The first bytes say what a stream holds, not its name: tar, tar in gzip, one file in gzip, zip, or a plain file. No file
is ever written under a name from an archive. An archive with a dangerous member (`../`, an absolute path, a link, a
device, more members or bytes than the limits) is refused as a whole.
"""

import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from pileus.errors import ArchiveError
from pileus.names import printable
from pileus.stopping import Check, go_on
from pileus.unpack.streams import CHUNK, Forward, Gunzip, Part, Pushback, Reader, Rest, Whole

GZIP, ZIP, TIFFS = b"\x1f\x8b", b"PK\x03\x04", (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


@dataclass(frozen=True, slots=True)
class UnpackLimits:
    """Limits that a harmless archive does not reach."""

    members: int = 1000
    unpacked: int = 64 << 30
    """Bytes of all members together."""


@dataclass(frozen=True)
class Member:
    """One file of an archive. Its bytes must be read before the next member is asked for."""

    name: str
    """Name in the archive; checked, and never used as a path."""
    size: int | None
    """Unpacked bytes; None where only the end of the stream says."""
    stream: Forward
    where: str
    """Archive and member, for messages."""


@contextmanager
def members(
    file: BinaryIO,
    name: str,
    *,
    limits: UnpackLimits | None = None,
    spool: Callable[[], BinaryIO] | None = None,
    check: Check = go_on,
) -> Iterator[Iterator[Member]]:
    """Yield the members of the archive in `file`, in order; a plain file is its own single member.

    `name` is the archive's, for messages and for the name of a single gzipped file. `spool` gives a scratch file for a
    zip that cannot be read at random. `check` is called before each read; what it raises ends the reading. After the
    last member the rest of the stream is read, to verify its checksum: results made from the members count only after
    that. Raises ArchiveError.
    """
    limits = limits or UnpackLimits()
    reader = Whole(file)
    head = _head(reader)
    unread = Pushback(head, reader)
    if head[:4] == ZIP:
        with _seekable(file, unread, spool, name) as whole:
            yield _zip(whole, name, limits, check)
    elif head[:2] == GZIP:
        with closing(Gunzip(unread)) as gunzip:
            yield _inside(gunzip, name.removesuffix(".gz"), name, limits, check)
    else:
        yield _inside(unread, name, name, limits, check)


def _head(reader: Reader, size: int = 512) -> bytes:
    data = bytearray(size)
    done = 0
    while done < size and (n := reader.readinto(memoryview(data)[done:])):
        done += n
    return bytes(data[:done])


def _inside(reader: Reader, inner: str, name: str, limits: UnpackLimits, check: Check) -> Iterator[Member]:
    stream = Forward(reader, name, limits.unpacked, check)
    head = bytearray(512)
    done = 0
    while done < 512 and (n := stream.some(memoryview(head)[done:])):
        done += n
    first = bytes(head[:done])
    if done == 0:
        raise ArchiveError("is empty", where=name)
    unread = Forward(Pushback(first, Rest(stream)), name, limits.unpacked)
    if first[:4] in TIFFS or not looks_like_tar(first):
        if first[:4] not in TIFFS:
            raise ArchiveError("is neither tar, gzip, zip nor TIFF", where=name)
        yield Member(inner, None, unread, name)
        unread.drain()
        return
    yield from _tar(unread, name, limits)


def is_archive(path: Path) -> bool:
    """Return whether a file's first bytes are those of a gzip, a zip or a tar. Raises OSError."""
    with path.open("rb") as file:
        head = file.read(512)
    return head[:2] == GZIP or head[:4] == ZIP or (head[:4] not in TIFFS and looks_like_tar(head))


def looks_like_tar(block: bytes) -> bool:
    """Return whether the first 512 bytes of a file are a tar header, or the zeros of an empty tar."""
    if len(block) == 512 and not block.strip(b"\0"):
        return True
    try:
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


class _TarFile:
    """The file object that tarfile needs, over bytes that are read once, from front to back."""

    def __init__(self, stream: Forward) -> None:
        self._stream = stream
        self._target = 0
        self.last = b""
        """The last bytes read: a header, or the zeros that end an archive."""

    def tell(self) -> int:
        return self._target

    def seek(self, position: int) -> None:
        self._target = position

    def read(self, size: int) -> bytes:
        # tarfile reads the byte before the next header to check the length; that byte may have passed.
        if self._target == self._stream.at - 1 and size == 1:
            self._target += 1
            return b"\0"
        self._stream.skip(self._target - self._stream.at)
        data = bytearray(size)
        done = 0
        while done < size and (n := self._stream.some(memoryview(data)[done:])):
            done += n
        self._target = self._stream.at
        self.last = bytes(data[:done])
        return self.last


def _tar(stream: Forward, name: str, limits: UnpackLimits) -> Iterator[Member]:
    file = _TarFile(stream)
    count, total = 0, 0
    try:
        tar = tarfile.open(fileobj=file, mode="r:")  # type: ignore[call-overload]  # noqa: SIM115
        while (info := tar.next()) is not None:
            count, total = count + 1, total + info.size
            _refuse(info.name, _kind(info), count, total, name, limits)
            tar.members.clear()
            if info.isdir():
                continue
            stream.skip(info.offset_data - stream.at)
            where = f"{name}: {printable(info.name)}"
            yield Member(info.name, info.size, Forward(Part(stream, info.size), where, info.size), where)
    except tarfile.TarError as exc:
        raise ArchiveError(f"is not a sound tar: {exc}", where=name) from exc
    if file.last.strip(b"\0") or len(file.last) < 512:
        raise ArchiveError("is cut: its tar has no end mark", where=name)
    stream.drain()


def _kind(info: tarfile.TarInfo) -> str | None:
    """Return what a member is, when it is neither a file nor a folder."""
    if info.issym() or info.islnk():
        return "a link"
    if info.isdev():
        return "a device"
    if info.issparse():
        return "a sparse file"
    return None if info.isfile() or info.isdir() else "of an unknown kind"


def _refuse(member: str, kind: str | None, count: int, total: int, name: str, limits: UnpackLimits) -> None:
    path = PurePosixPath(member.replace("\\", "/"))
    if path.is_absolute() or member[1:2] == ":":
        raise ArchiveError(f"holds {member!r}, an absolute path: refused", where=name)
    if ".." in path.parts:
        raise ArchiveError(f"holds {member!r}, a path that leaves its folder: refused", where=name)
    if kind is not None:
        raise ArchiveError(f"holds {member!r}, {kind}: refused", where=name)
    if count > limits.members:
        raise ArchiveError(f"holds more than {limits.members:,} members: refused", where=name)
    if total > limits.unpacked:
        raise ArchiveError(f"unpacks to more than {limits.unpacked:,} bytes: refused", where=name)


@contextmanager
def _seekable(file: BinaryIO, unread: Reader, spool: Callable[[], BinaryIO] | None, name: str) -> Iterator[BinaryIO]:
    if getattr(file, "seekable", lambda: False)():
        yield file
        return
    if spool is None:
        raise ArchiveError("is a zip in a stream: its directory is at its end, so it needs a scratch file", where=name)
    with spool() as whole:
        buffer = memoryview(bytearray(CHUNK))
        while n := unread.readinto(buffer):
            whole.write(buffer[:n])
        yield whole


def _zip(file: BinaryIO, name: str, limits: UnpackLimits, check: Check) -> Iterator[Member]:
    try:
        with zipfile.ZipFile(file) as archive:
            total = 0
            for count, info in enumerate(archive.infolist(), 1):
                total += info.file_size
                kind = "a link" if stat.S_ISLNK(info.external_attr >> 16) else None
                _refuse(info.filename, "encrypted" if info.flag_bits & 1 else kind, count, total, name, limits)
            for info in archive.infolist():
                if info.is_dir():
                    continue
                where = f"{name}: {printable(info.filename)}"
                with archive.open(info) as member:
                    stream = Forward(Whole(member), where, info.file_size, check)  # type: ignore[arg-type]
                    yield Member(info.filename, info.file_size, stream, where)
                    stream.drain()
    except (zipfile.BadZipFile, NotImplementedError) as exc:
        raise ArchiveError(f"is not a sound zip: {exc}", where=name) from exc
