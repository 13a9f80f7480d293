"""A proxy before the embedded AWS that lets requests fail: refused, cut off, or done with the answer lost."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

Fault = Literal["503", "drop", "lose"]
"""The request is refused; the connection is cut before it is done; it is done, and its answer is lost."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request on its way."""

    name: str
    """The operation of services that say it (`PutItem`), else method and path (`PUT /bucket/key`)."""
    body: bytes


@dataclass
class Proxy:
    """What is between. `fault`: asked for each request what befalls it; None: nothing."""

    port: int
    fault: Callable[[Request], Fault | None] = lambda request: None
    struck: list[str] = field(default_factory=list)
    """Names of the requests that were struck."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def proxy(target: int) -> Iterator[Proxy]:
    """A proxy before the server on port `target` of this machine."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            operation = (self.headers.get("X-Amz-Target") or "").rpartition(".")[2]
            request = Request(operation or f"{self.command} {self.path}", body)
            fault = made.fault(request)
            if fault is not None:
                made.struck.append(request.name)
            if fault == "503":
                self.send_response(503)
                self.send_header("Content-Length", "0")
                self.end_headers()
            elif fault == "drop":
                self.close_connection = True
            else:
                self._forward(body, answer=fault is None)

        def _forward(self, body: bytes, *, answer: bool) -> None:
            connection = HTTPConnection("127.0.0.1", target, timeout=60)
            try:
                connection.request(self.command, self.path, body, dict(self.headers))
                got = connection.getresponse()
                content = got.read()
            except OSError:
                answer = False
            finally:
                connection.close()
            if not answer:
                self.close_connection = True
                return
            self.send_response_only(got.status, got.reason)
            for name, value in got.getheaders():
                if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                    self.send_header(name, value)
            length = got.getheader("Content-Length") if self.command == "HEAD" else str(len(content))
            self.send_header("Content-Length", length or "0")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass

        def log_message(self, *args: object) -> None:
            """Quiet."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

        def handle_error(self, *args: object) -> None:
            """Clients that hang up are part of the plan."""

    server = Server(("127.0.0.1", 0), Handler)
    made = Proxy(server.server_address[1])
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield made
    finally:
        server.shutdown()
        with suppress(OSError):
            server.server_close()
