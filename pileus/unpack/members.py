"""Unpack: the members of an archive, one after the other, while its bytes are read.

The first bytes say what a stream holds, not its name: tar, tar in gzip, one file in gzip (of any kind, unless the name
says tar), zip, or a plain TIFF. No file is ever written under a name from an archive. An archive with a dangerous
member (`../`, an absolute path, a link, a device, more members or bytes than the limits) is refused as a whole.
"""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import BinaryIO

from pileus.errors import ArchiveError
from pileus.stopping import Check, go_on
from pileus.unpack.member import Gate, Member, UnpackLimits
from pileus.unpack.streams import CHUNK, Forward, Gunzip, Pushback, Reader, Rest, Whole
from pileus.unpack.tars import looks_like_tar, tar_members
from pileus.unpack.zips import zip_members

TARS = (".tgz", ".tar.gz")
FORWARD = (*TARS, ".tar", ".gz")
"""Endings of the names of archives that can be read from front to back."""
GZIP, ZIP, TIFFS = b"\x1f\x8b", b"PK\x03\x04", (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


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
            yield zip_members(whole, name, Gate(name, limits), check)
    elif head[:2] == GZIP:
        with closing(Gunzip(unread)) as gunzip:
            yield _inside(
                gunzip, name.removesuffix(".gz"), name, limits, check, anything=not name.lower().endswith(TARS)
            )
    else:
        yield _inside(unread, name, name, limits, check, anything=False)


def _head(reader: Reader, size: int = 512) -> bytes:
    data = bytearray(size)
    done = 0
    while done < size and (n := reader.readinto(memoryview(data)[done:])):
        done += n
    return bytes(data[:done])


def _inside(
    reader: Reader, inner: str, name: str, limits: UnpackLimits, check: Check, *, anything: bool
) -> Iterator[Member]:
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
        if not anything and first[:4] not in TIFFS:
            raise ArchiveError("is neither tar, gzip, zip nor TIFF", where=name)
        yield Member(inner, None, unread, name)
        unread.drain()
        return
    yield from tar_members(unread, name, Gate(name, limits))


def is_archive(path: Path) -> bool:
    """Return whether a file's first bytes are those of a gzip, a zip or a tar. Raises OSError."""
    with path.open("rb") as file:
        head = file.read(512)
    return head[:2] == GZIP or head[:4] == ZIP or (head[:4] not in TIFFS and looks_like_tar(head))


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
