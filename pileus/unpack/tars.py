"""Tar: its members in order, from a stream that is read once.

Only single headers are parsed by Python's tarfile. It reads long names and PAX headers whole, whatever size they
claim, and follows chains of them without an end; here both are limited.
"""

import tarfile
from collections.abc import Iterator

from pileus.errors import ArchiveError
from pileus.names import one_line
from pileus.unpack.member import Gate, Member
from pileus.unpack.streams import Forward, Part

BLOCK = 512
EXTENSION = 1 << 20
"""Most bytes of a long name or a PAX header."""
CHAIN = 8
"""Most of these before one member."""
_LONG_NAME, _LONG_LINK = tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK
_PAX = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE)
_EXTENSIONS = (_LONG_NAME, _LONG_LINK, *_PAX, tarfile.XGLTYPE)


def looks_like_tar(block: bytes) -> bool:
    """Return whether the first 512 bytes of a file are a tar header, or the zeros of an empty tar."""
    if len(block) == BLOCK and not block.strip(b"\0"):
        return True
    try:
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def tar_members(stream: Forward, archive: str, gate: Gate) -> Iterator[Member]:
    """Yield the members of a tar, and read the rest of the stream. Raises ArchiveError."""
    for info in _headers(stream, archive):
        gate.admit(info.name, info.size, _kind(info))
        if info.isdir():
            continue
        end = stream.at + info.size
        where = f"{archive}: {one_line(info.name)}"
        yield Member(info.name, info.size, Forward(Part(stream, info.size), where, info.size), where)
        stream.skip(end + -info.size % BLOCK - stream.at)
    stream.drain()


def _headers(stream: Forward, archive: str) -> Iterator[tarfile.TarInfo]:
    """Yield the header of each member, with its long name and the PAX facts that matter here, up to the end mark."""
    for_all: dict[str, str] = {}
    own: dict[str, str] = {}
    chain = 0
    while (info := _header(stream, archive)) is not None:
        if info.type not in _EXTENSIONS:
            yield _completed(info, for_all | own, archive)
            own, chain = {}, 0
            continue
        chain += 1
        if chain > CHAIN:
            raise ArchiveError(f"has more than {CHAIN} headers before one member: refused", where=archive)
        if not 0 <= info.size <= EXTENSION:
            raise ArchiveError(f"has a header that claims {info.size:,} bytes: refused", where=archive)
        body = stream.read(info.size)
        stream.skip(-info.size % BLOCK)
        if info.type == _LONG_NAME:
            own["path"] = body.partition(b"\0")[0].decode("utf-8", "surrogateescape")
        elif info.type in _PAX:
            own |= _pax(body, archive)
        elif info.type == tarfile.XGLTYPE:
            for_all |= _pax(body, archive)


def _header(stream: Forward, archive: str) -> tarfile.TarInfo | None:
    """Return the next header; None at the end mark."""
    block, done = bytearray(BLOCK), 0
    while done < BLOCK and (n := stream.some(memoryview(block)[done:])):
        done += n
    if done < BLOCK:
        raise ArchiveError("is cut: its tar has no end mark", where=archive)
    if not block.strip(b"\0"):
        return None
    try:
        return tarfile.TarInfo.frombuf(bytes(block), "utf-8", "surrogateescape")
    except tarfile.HeaderError as exc:
        raise ArchiveError(f"is not a sound tar: {exc}", where=archive) from exc


def _completed(info: tarfile.TarInfo, facts: dict[str, str], archive: str) -> tarfile.TarInfo:
    if any(key.startswith("GNU.sparse.") for key in facts):
        info.type = tarfile.GNUTYPE_SPARSE
    info.name = facts.get("path", info.name).rstrip("/")
    if size := facts.get("size"):
        if not (size.isascii() and size.isdigit() and len(size) <= 20):
            raise ArchiveError("is not a sound tar: a PAX header has a size that is no number", where=archive)
        info.size = int(size)
    return info


def _pax(body: bytes, archive: str) -> dict[str, str]:
    """Return the facts of a PAX header: lines of their length in bytes, a space, `KEY=VALUE`, a line break."""
    facts: dict[str, str] = {}
    at = 0
    while at < len(body) and body[at]:
        length, space, _ = body[at : at + 9].partition(b" ")
        end = at + int(length) if space and length.isdigit() else 0
        key, equals, value = body[at + len(length) + 1 : end - 1].partition(b"=")
        if not at < end <= len(body) or body[end - 1 : end] != b"\n" or not equals:
            raise ArchiveError("is not a sound tar: a PAX header is damaged", where=archive)
        facts[key.decode("utf-8", "surrogateescape")] = value.decode("utf-8", "surrogateescape")
        at = end
    return facts


def _kind(info: tarfile.TarInfo) -> str | None:
    """Return what a member is, when it is neither a file nor a folder."""
    if info.issym() or info.islnk():
        return "a link"
    if info.isdev():
        return "a device"
    if info.issparse() or info.type == tarfile.GNUTYPE_SPARSE:
        return "a sparse file"
    return None if info.isfile() or info.isdir() else "of an unknown kind"
