"""Files that come to a ZeroMQ node and go from it in pieces: how far each is, with a limit on how many and how long."""

import re
import secrets
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pileus.errors import Conflict, DocumentError, NotFound, Unavailable
from pileus.nodes.zeromq_messages import PIECE

MOST = 64
"""Files at one time, in each direction."""
IDLE = 600
"""Seconds after which a file that nobody asked for is let go."""
LARGEST_UPLOAD = 16 << 30
"""Bytes."""
_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(slots=True)
class _Sent:
    pieces: Iterator[bytes]
    number: int = -1
    piece: bytes = b""
    following: bytes | None = b""
    last: bool = False
    used: float = field(default_factory=time.monotonic)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Sending:
    """Results on their way. Each is read once, from its beginning; the latest piece can be asked for again."""

    def __init__(self) -> None:
        self._sent: dict[str, _Sent] = {}
        self._lock = threading.Lock()

    def begin(self, content: Iterator[bytes]) -> str:
        """Return the id of a file to send. Raises Unavailable where there are too many."""
        with self._lock:
            for id in _idle(self._sent):
                del self._sent[id]
            if len(self._sent) >= MOST:
                raise Unavailable(f"{MOST} results are being read: ask again later")
            id = secrets.token_hex(16)
            self._sent[id] = _Sent(in_pieces(content))
            return id

    def piece(self, id: str, number: int) -> tuple[bytes, bool]:
        """Return a piece, counted from 0, and whether it is the last. Raises NotFound; Conflict out of order."""
        with self._lock:
            sent = self._sent.get(id)
        if sent is None:
            raise NotFound("no such result is being read: ask for it again")
        with sent.lock:
            if number not in (sent.number, sent.number + 1) or (number > sent.number and sent.last):
                raise Conflict(f"piece {number:,} after piece {sent.number:,}")
            if number > sent.number:
                if sent.number < 0:
                    sent.following = next(sent.pieces, None)
                sent.piece, sent.following = sent.following or b"", next(sent.pieces, None)
                sent.number, sent.last = number, sent.following is None
            sent.used = time.monotonic()
        return sent.piece, sent.last


@dataclass(slots=True)
class _Coming:
    path: Path
    size: int
    length: int = 0
    used: float = field(default_factory=time.monotonic)


class Coming:
    """Files on their way here. `folder`: where they lie until they are whole; it is theirs alone."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._coming, self._lock = folder, dict[str, _Coming](), threading.Lock()

    def take(self, id: str, size: int, offset: int, piece: bytes) -> tuple[int, Path | None]:
        """Keep a piece; return how many bytes are here, and the file once it is whole: it is the caller's then.

        Raises DocumentError for an id that is none or a size that is no file's; Conflict for a piece that does not
        follow; Unavailable where there are too many.
        """
        if not _ID.fullmatch(id):
            raise DocumentError("an upload: expected 32 hexadecimal digits in place of rid")
        if not 0 < size <= LARGEST_UPLOAD or not 0 < len(piece) <= size - offset:
            raise DocumentError(f"an upload: expected up to {LARGEST_UPLOAD:,} bytes in pieces that are not empty")
        with self._lock:
            coming = self._coming.get(id) or self._begin(id, size)
            if (coming.size, coming.length) != (size, offset):
                raise Conflict(
                    f"an upload: byte {coming.length:,} of {coming.size:,} follows, not {offset:,} of {size:,}"
                )
            with coming.path.open("ab") as file:
                file.write(piece)
            coming.length, coming.used = offset + len(piece), time.monotonic()
            if coming.length < size:
                return coming.length, None
            del self._coming[id]
            return coming.length, coming.path

    def _begin(self, id: str, size: int) -> _Coming:
        for old in _idle(self._coming):
            self._coming.pop(old).path.unlink(missing_ok=True)
        if len(self._coming) >= MOST:
            raise Unavailable(f"{MOST} files are being sent: try again later")
        coming = self._coming[id] = _Coming(self._folder / id, size)
        coming.path.write_bytes(b"")
        return coming


def in_pieces(content: Iterator[bytes]) -> Iterator[bytes]:
    """Return bytes in pieces that fit into a message.

    >>> [len(piece) for piece in in_pieces(iter([b"x" * (PIECE + 1), b"", b"y"]))]
    [1048576, 1, 1]
    """
    for block in content:
        for start in range(0, len(block), PIECE):
            yield block[start : start + PIECE]


def _idle(files: dict[str, _Sent] | dict[str, _Coming]) -> list[str]:
    now = time.monotonic()
    return [id for id, one in files.items() if now - one.used > IDLE]
