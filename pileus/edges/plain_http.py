"""Requests to an AWS on this machine, over plain HTTP: what `botocore` sends and reads, in half the time.

Botocore sends through urllib3 and http.client, which are made for every server and proxy, and parse the headers of an
answer as those of an e-mail. A partition makes some fifteen requests, so on one machine that is most of its time. Only
answers that are read whole go this way: the body of an object is streamed as everywhere.
"""

import io
import select
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

HERE = ("127.0.0.1", "localhost")
LINE = 1 << 16
"""Longest line of an answer's head, in bytes."""


def is_here(endpoint: str | None) -> bool:
    """Return whether an address is of plain HTTP on this machine.

    >>> is_here("http://127.0.0.1:4566"), is_here("https://127.0.0.1:4566"), is_here(None)
    (True, False, False)
    """
    parts = urlsplit(endpoint or "")
    return parts.scheme == "http" and parts.hostname in HERE


class PlainHttp:
    """Sends requests of one client; a handler of botocore's event `before-send`. Connections are kept for the next.

    `patience`: seconds for an answer. Safe in threads.
    """

    def __init__(self, endpoint: str, patience: float) -> None:
        parts = urlsplit(endpoint)
        self._endpoint, self._patience = endpoint, patience
        self._address = (parts.hostname or HERE[0], parts.port or 80)
        self._host = parts.netloc
        self._idle: list[_Connection] = []

    def __call__(self, request: Any, **_: Any) -> Any:
        """Return the answer as botocore's AWSResponse; None for a request that botocore is to send itself.

        Raises botocore's errors of connections, which it tries again.
        """
        from botocore.awsrequest import AWSResponse
        from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError

        body = b"" if request.body is None else request.body
        place = urlsplit(request.url)
        if request.stream_output or not isinstance(body, bytes | bytearray) or place.netloc != self._host:
            return None
        try:
            connection = self._connection()
        except OSError as exc:
            raise EndpointConnectionError(endpoint_url=self._endpoint, error=exc) from exc
        try:
            target = f"{place.path or '/'}?{place.query}" if place.query else place.path or "/"
            connection.send(request.method, target, self._host, request.headers, body)
            status, headers, answer = connection.receive(request.method)
        except TimeoutError as exc:
            connection.close()
            raise ReadTimeoutError(endpoint_url=self._endpoint, error=exc) from exc
        except (OSError, ValueError) as exc:
            connection.close()
            raise ConnectionClosedError(endpoint_url=self._endpoint, request=request, error=exc) from exc
        if headers.get("connection", "").lower() == "close":
            connection.close()
        else:
            self._idle.append(connection)
        return AWSResponse(request.url, status, headers, _Whole(answer))  # type: ignore[arg-type] # it makes its own of them

    def _connection(self) -> "_Connection":
        """Return one that the server has not closed meanwhile, or a new one."""
        while self._idle:
            try:
                kept = self._idle.pop()
            except IndexError:  # another thread took it
                break
            if kept.is_open:
                return kept
            kept.close()
        return _Connection(self._address, self._patience)


class _Connection:
    """One connection, for one request at a time."""

    def __init__(self, address: tuple[str, int], patience: float) -> None:
        self._socket = socket.create_connection(address, patience)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._answers = self._socket.makefile("rb")

    @property
    def is_open(self) -> bool:
        """Whether nothing has come since the last answer: what comes then is the end."""
        waiting = select.poll()
        waiting.register(self._socket, select.POLLIN)
        return not waiting.poll(0)

    def close(self) -> None:
        self._answers.close()
        self._socket.close()

    def send(self, method: str, target: str, host: str, headers: Any, body: bytes | bytearray) -> None:
        lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", "Accept-Encoding: identity"]
        for name, value in headers.items():
            text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
            if "\r" in text or "\n" in text:
                raise ValueError(f"a line break in the header {name}")
            lines.append(f"{name}: {text}")
        if "Content-Length" not in headers:
            lines.append(f"Content-Length: {len(body)}")
        self._socket.sendall("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)

    def receive(self, method: str) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers by lower-case name, and body. Raises OSError, ValueError for what is no answer."""
        status, headers = self._head()
        while status // 100 == 1:
            status, headers = self._head()
        if method == "HEAD" or status in (204, 304):
            return status, headers, b""
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return status, headers, b"".join(self._chunks())
        if "content-length" in headers:
            return status, headers, self._exactly(int(headers["content-length"]))
        return status, headers | {"connection": "close"}, self._answers.read()

    def _head(self) -> tuple[int, dict[str, str]]:
        first = self._answers.readline(LINE)
        if not first:
            raise ConnectionResetError("the connection was closed before an answer")
        headers = {}
        while (line := self._answers.readline(LINE)) not in (b"\r\n", b"\n"):
            if not line:
                raise ConnectionResetError("the connection was closed within an answer")
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        return int(first.split(None, 2)[1]), headers

    def _exactly(self, count: int) -> bytes:
        found = self._answers.read(count)
        if len(found) != count:
            raise ConnectionResetError("the connection was closed within an answer")
        return found

    def _chunks(self) -> Iterator[bytes]:
        while count := int(self._answers.readline(LINE).partition(b";")[0], 16):
            yield self._exactly(count)
            self._answers.readline(LINE)
        while self._answers.readline(LINE) not in (b"\r\n", b"\n", b""):
            continue


class _Whole(io.BytesIO):
    """A body that has arrived whole, as botocore reads it from urllib3."""

    def stream(self) -> Iterator[bytes]:
        yield self.getvalue()
