"""A file that was asked for over HTTP, and whose answer is read as it comes: one thread does so for many at once."""

import http.client
import socket
import ssl
from collections.abc import Callable, Mapping

from pileus.download.source import NotSmall, SmallFile
from pileus.edges.connections import Pulse
from pileus.edges.providers.connection_pool import ConnectionPool
from pileus.edges.providers.http_answer import Answer, Headers, head_end, parse_head
from pileus.edges.providers.http_body import HttpResponse, checksum_of, modified_of
from pileus.edges.providers.http_connection import HttpConnection

NOTHING = Headers()
USUAL_HEAD = 4096
"""Bytes in which the head of a small file's answer must lie."""


class AskedFile:
    """See Asked."""

    __slots__ = (
        "_begin", "_came", "_end", "_headers", "_here", "_opened", "_pool", "_room", "_sock", "_tls", "_words",
        "connection", "sent", "url",
    )  # fmt: skip

    def __init__(
        self,
        pool: ConnectionPool[HttpConnection],
        connection: HttpConnection,
        url: str,
        sent: Mapping[str, str],
        words: bytes,
        opened: Callable[["AskedFile", Pulse | None], HttpResponse],
    ) -> None:
        """Send the request `words`, with the credentials `sent`. `opened`: opens it when it is not a small file.

        Raises OSError, such as where the connection was closed while it was idle.
        """
        assert connection.sock is not None
        self.connection, self.url, self.sent = connection, url, sent
        self._pool, self._opened, self._sock, self._words = pool, opened, connection.sock, words
        self._room, self._here = memoryview(b""), 0
        """Where the answer is while it is read, and its bytes so far; `_came` holds them between two reads."""
        self._came = b""
        self._headers = NOTHING
        self._begin = self._end = 0
        """First byte of the file in what came, and the one after its last; 0 before the head is here."""
        self._tls = isinstance(self._sock, ssl.SSLSocket)
        if self._tls and self._sock.gettimeout() != 0:
            self._sock.settimeout(0)
        if self._sock.send(words) < len(words):
            raise BlockingIOError

    def fileno(self) -> int:
        """See Asked."""
        return self._sock.fileno()

    def read(self, room: memoryview) -> SmallFile | None:
        """See Asked."""
        self._room, self._here = room, len(self._came)
        room[: self._here] = self._came
        try:
            while True:
                count = self._receive(room[self._here :])
                self._here += count
                if count == 0 or not self._is_small():
                    break
                if self._here == self._end:
                    return self._whole()
        except (BlockingIOError, ssl.SSLWantReadError):
            self.hold()
            return None
        except (OSError, http.client.HTTPException):
            pass  # `open` meets it again, and says what it is
        self.hold()
        raise NotSmall

    def hold(self) -> None:
        """See Asked."""
        self._came = bytes(self._room[: self._here])

    def _receive(self, room: memoryview) -> int:
        if self._tls:
            return self._sock.recv_into(room, len(room))
        return self._sock.recv_into(room, len(room), socket.MSG_DONTWAIT)

    def _is_small(self) -> bool:
        """Return whether what came can be a small file, as far as it is known."""
        if not self._end:
            text = bytes(self._room[: min(self._here, USUAL_HEAD)])
            end = head_end(text)
            if end < 0:
                return self._here < USUAL_HEAD
            answer = parse_head(text[:end], end, "GET")
            if answer.status != 200 or not answer.length or answer.will_close or "set-cookie" in answer.headers.fields:
                return False
            self._headers, self._begin, self._end = answer.headers, end, end + answer.length
        return self._here <= self._end <= len(self._room) and not self.connection.lease.lost

    def _whole(self) -> SmallFile:
        told = self._headers
        content = self._room[self._begin : self._end]
        kind, modified = told.get("Content-Type") or None, modified_of(told.get("Last-Modified"))
        return SmallFile(content, kind, checksum_of(told), modified)

    def answer(self, pulse: Pulse | None) -> Answer:
        """Return the head of the answer. Raises as HttpConnection.ask."""
        return self.connection.go_on(self._words, self._came, pulse)

    def open(self, pulse: Pulse | None) -> HttpResponse:
        """See Asked."""
        return self._opened(self, pulse)

    def done(self) -> None:
        """See Asked."""
        self._pool.give_back(self.connection)

    def close(self) -> None:
        """See Asked."""
        self.connection.break_off()
        self._pool.drop(self.connection)
