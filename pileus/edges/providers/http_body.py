"""The body of an HTTP answer, read from the socket itself."""

import base64
import binascii
import re
import socket
import ssl
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from functools import lru_cache

from pileus.edges.providers.address import shown
from pileus.edges.providers.faults import translate
from pileus.edges.providers.http_answer import Answer, Headers
from pileus.edges.providers.http_connection import BUFFER, FAULTS, PATIENCE, HttpConnection, receive
from pileus.edges.providers.kernel_copy import PLENTY, POURS
from pileus.errors import Corrupt, Truncated, Unreachable

_DIGEST = re.compile(r"(sha-256|md5)=:?([A-Za-z0-9+/]+=*)", re.IGNORECASE)
_TELLING = frozenset({"content-md5", "repr-digest", "digest", "x-amz-request-id"})
"""Fields without which a head tells no checksum."""
WORTH = 1 << 19
"""Bytes to come that are worth a pipe."""
MORE = "more bytes came than were announced"


class HttpResponse:
    """See Response."""

    def __init__(
        self, connection: HttpConnection, answer: Answer, url: str, give_back: Callable[[HttpConnection], None]
    ) -> None:
        self._connection, self._answer, self._give_back = connection, answer, give_back
        self.url = url
        headers = answer.headers
        partial = answer.status == 206
        span = (
            re.fullmatch(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)", headers.get("Content-Range"))
            if partial
            else None
        )
        if partial and not span:
            raise Corrupt("a part came that does not say which", where=shown(url))
        self._left = answer.length
        self.offset = int(span[1]) if span else 0
        self.size = (int(span[3]) if span[3] != "*" else None) if span else self._left
        self.validator = _validator(headers)
        self.version = _version(headers)
        """What tells one version of the file from another: Apache's tag of a file is weak for its first second."""
        self.checksum = None if partial else checksum_of(headers)
        self.content_type: str | None = headers.get("Content-Type") or None
        self.modified = modified_of(headers.get("Last-Modified"))
        self._ended = False
        self._chunk: int | None = None
        """Bytes of the chunk that are still to come; None before its head."""
        self._head = memoryview(answer.rest)

    def readinto(self, buffer: memoryview) -> int | None:
        """See Response."""
        self._check_lease()
        if self._left == 0 or self._ended:
            self._refuse_more()
            return 0
        try:
            if self._left is None:
                return self._read_chunk(buffer) if self._answer.chunked else self._read_to_end(buffer)
            count = self._read_some(buffer[: self._left])
        except OSError as exc:
            raise translate(FAULTS, exc, self.url) from exc
        if count == 0:
            raise self._truncated(f"{self._left} bytes")
        if count is not None:
            self._left -= count
        return count

    @property
    def can_copy_to(self) -> bool:
        """See ZeroCopyResponse."""
        plain = not isinstance(self._connection.sock, ssl.SSLSocket)
        return POURS and plain and not self._head and self._left is not None and self._left >= WORTH

    def copy_to(self, fd: int, most: int) -> int | None:
        """See ZeroCopyResponse. An error after some bytes is raised by the next call, when those bytes are counted."""
        self._check_lease()
        copied, count = 0, PLENTY
        while copied < most and count >= PLENTY and self._left:
            count = self._take(most - copied, again=copied > 0)
            self._connection.pipe.give(fd, count)
            self._left -= count
            copied += count
        return copied or None

    def _take(self, most: int, *, again: bool) -> int:
        """Bytes that went into the pipe; 0 when there are none now."""
        assert self._connection.sock is not None
        assert self._left is not None
        try:
            count = self._connection.pipe.take(self._connection.sock, min(most, self._left))
        except BlockingIOError:
            return 0
        except OSError as exc:
            if again:
                return 0
            raise translate(FAULTS, exc, self.url) from exc
        if count == 0 and not again:
            raise self._truncated(f"{self._left} bytes")
        return count

    def _read_some(self, buffer: memoryview) -> int | None:
        """From what came with the head, then from the socket itself: a block in one system call."""
        if self._head:
            count = min(len(self._head), len(buffer))
            buffer[:count], self._head = self._head[:count], self._head[count:]
            return count
        sock = self._connection.sock
        assert sock is not None
        if isinstance(sock, ssl.SSLSocket):
            return _read_tls(sock, buffer)
        try:
            return sock.recv_into(buffer, len(buffer), socket.MSG_WAITALL if self._left is not None else 0)
        except BlockingIOError:
            return None

    def _read_to_end(self, buffer: memoryview) -> int | None:
        count = self._read_some(buffer)
        self._ended = count == 0
        return count

    def _read_chunk(self, buffer: memoryview) -> int | None:
        """Some bytes of the chunk under way, or of the next."""
        while not self._chunk:
            line = self._take_line()
            if line is None:
                return None
            if self._chunk == 0 and not line:
                self._chunk = None  # the line end after a chunk
                continue
            size = line.partition(b";")[0].strip()
            if not re.fullmatch(rb"[0-9a-fA-F]{1,15}", size):
                raise Corrupt("a chunk came that does not tell its size", where=shown(self.url))
            self._chunk = int(size, 16)
            if self._chunk == 0:
                self._ended = True
                return 0
        count = self._read_some(buffer[: self._chunk])
        if count == 0:
            raise self._truncated("a chunk")
        self._chunk -= count or 0
        return count

    def _take_line(self) -> bytes | None:
        """Return the next line between chunks, None when it is not here yet."""
        text = bytes(self._head)
        if b"\r\n" not in text:
            assert self._connection.sock is not None
            more = receive(self._connection.sock, BUFFER)
            if more == b"":
                raise self._truncated("a chunk")
            text += more or b""
        line, found, rest = text.partition(b"\r\n")
        if not found and len(text) > BUFFER:
            raise Corrupt("a chunk came whose first line does not end", where=shown(self.url))
        self._head = memoryview(rest if found else text)
        return line if found else None

    def _check_lease(self) -> None:
        if self._connection.lease.lost:
            raise Unreachable("the lease of the connection ran out", where=shown(self.url))

    def _truncated(self, what: str) -> Truncated:
        return Truncated(f"the connection ended {what} early", where=shown(self.url))

    def _refuse_more(self) -> None:
        """Raises Corrupt when bytes follow the announced end."""
        sock = self._connection.sock
        if self._head and not self._answer.chunked:
            raise Corrupt(MORE, where=shown(self.url))
        if sock is None or self._left is None or isinstance(sock, ssl.SSLSocket) or self._answer.will_close:
            return
        try:
            if sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT):
                raise Corrupt(MORE, where=shown(self.url))
        except OSError:
            return
        self._connection.break_off()

    def abandon(self) -> None:
        """Close an answer without a body."""
        self._left, self._head = 0, memoryview(b"")
        self.close()

    def close(self) -> None:
        """See Response."""
        # After chunks a trailer may follow: such a connection is not used again.
        ended = self._left == 0 and not self._head
        if not ended or self._answer.will_close:
            self._connection.break_off()
        self._give_back(self._connection)


def _read_tls(sock: ssl.SSLSocket, buffer: memoryview) -> int | None:
    """Read until the buffer is full, for about a second: records hold 16 KiB at most, and each block has its price."""
    count, latest = 0, time.monotonic() + PATIENCE
    try:
        while count < len(buffer) and (came := sock.recv_into(buffer[count:])):
            count += came
            if time.monotonic() > latest:
                break
    except (TimeoutError, ssl.SSLWantReadError):
        return count or None
    return count


def _validator(headers: Headers) -> str | None:
    """Return what If-Range may be given: a strong entity tag, else the date."""
    etag = headers.get("ETag").strip()
    if etag.startswith('"') and len(etag) > 2:
        return etag
    return headers.get("Last-Modified") or None


def _version(headers: Headers) -> str | None:
    """Return the entity tag, whether it is weak or strong, else the date."""
    return headers.get("ETag").strip().removeprefix("W/").strip('"') or headers.get("Last-Modified") or None


def checksum_of(headers: Headers) -> str | None:
    """`algorithm:hex` that the head of a whole answer tells.

    1. Content-MD5. 2. Repr-Digest or Digest with sha-256 or md5. 3. The ETag of S3 where it is the MD5: of an
    object that was put at once and is not encrypted with a key of KMS or the customer.
    """
    if _TELLING.isdisjoint(headers.fields):
        return None
    told = [("md5", headers.get("Content-MD5"))]
    digests = headers.get("Repr-Digest") or headers.get("Digest")
    for name, value in _DIGEST.findall(digests):
        told.append((name.lower().replace("-", ""), value))
    for algorithm, value in told:
        try:
            digest = base64.b64decode(value, validate=True)
        except binascii.Error:
            continue
        if len(digest) == {"md5": 16, "sha256": 32}[algorithm]:
            return f"{algorithm}:{digest.hex()}"
    etag = headers.get("ETag").strip('"')
    amazon = "x-amz-request-id" in headers
    encryption = headers.get("x-amz-server-side-encryption", "AES256")
    plain = encryption == "AES256" and "x-amz-server-side-encryption-customer-algorithm" not in headers
    return f"md5:{etag}" if amazon and plain and re.fullmatch(r"[0-9a-f]{32}", etag) else None


@lru_cache(1024)
def modified_of(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except (ValueError, OverflowError):
        return None
