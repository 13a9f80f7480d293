"""A web server that misbehaves on purpose: a plan says for each request what goes wrong, if anything."""

import hashlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

FAULTS = (
    "reset",
    "stall",
    "truncated",
    "too long",
    "too short",
    "500",
    "502",
    "503",
    "503 later",
    "429",
    "redirect loop",
    "page",
    "disguised page",
    "old version",
    "hangs up",
    "not HTTP",
    "trickle",
)
"""What `plan` may answer; and `slow`, which is none: the answer comes after a quarter of a second."""


@dataclass
class Faulty:
    """A running server."""

    port: int
    files: dict[str, bytes]
    """By path; may be changed while it runs."""
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    """Method, path and Range of each request."""
    met: list[str] = field(default_factory=list)
    """Faults so far."""
    connections: int = 0
    """Open now, idle ones too."""
    most: int = 0
    """Open at once, at most."""

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"


@contextmanager
def faulty(files: Mapping[str, bytes], plan: Callable[[str], str | None]) -> Iterator[Faulty]:
    """Serve `files` by path, with entity tags and ranges; `plan(path)` names the fault of a request, or None."""
    over = threading.Event()
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            with lock:
                site.connections += 1
                site.most = max(site.most, site.connections)
            super().setup()

        def finish(self) -> None:
            with lock:
                site.connections -= 1
            super().finish()

        def do_GET(self) -> None:
            path = unquote(self.path)
            with lock:
                site.asked.append((self.command, path, self.headers.get("Range")))
                fault = plan(path) if path in site.files else None
                if fault:
                    site.met.append(fault)
            body = site.files.get(path)
            if body is None:
                self.answer(404, b"nothing is here", {"Content-Type": "text/html"})
                return
            getattr(self, f"do_{(fault or 'well').replace(' ', '_')}")(body)

        do_HEAD = do_GET

        def do_well(self, body: bytes) -> None:
            status, headers, part = self.part(body)
            self.answer(status, part, headers)

        def do_slow(self, body: bytes) -> None:
            over.wait(0.25)
            self.do_well(body)

        def part(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
            etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
            wanted = self.headers.get("Range", "")
            start = int(wanted.removeprefix("bytes=").partition("-")[0] or 0) if wanted else 0
            headers = {"ETag": etag, "Content-Type": "application/octet-stream"}
            if start and self.headers.get("If-Range", etag) == etag:
                if start >= len(body):
                    return 416, headers, b""
                return 206, headers | {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"}, body[start:]
            return 200, headers, body

        def answer(self, status: int, body: bytes, headers: Mapping[str, str], *, length: int | None = None) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body) if length is None else length))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def leave(self) -> None:
            self.close_connection = True

        def half(self, body: bytes) -> None:
            status, headers, part = self.part(body)
            self.answer(status, part[: len(part) // 2], headers, length=len(part))
            self.wfile.flush()
            self.leave()

        def do_reset(self, body: bytes) -> None:
            self.half(body)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

        def do_stall(self, body: bytes) -> None:
            self.half(body)
            # Until the client has had enough.
            self.connection.settimeout(0.1)
            while not over.is_set():
                with suppress(TimeoutError):
                    if not self.connection.recv(1):
                        return

        def do_trickle(self, body: bytes) -> None:
            status, headers, part = self.part(body)
            self.answer(status, b"", headers, length=len(part))
            for byte in part:
                if over.wait(0.05):
                    return
                self.wfile.write(bytes([byte]))
                self.wfile.flush()

        def do_truncated(self, body: bytes) -> None:
            self.half(body)

        def do_too_long(self, body: bytes) -> None:
            status, headers, part = self.part(body)
            self.answer(status, part, headers, length=len(part) + 10)
            self.leave()

        def do_too_short(self, body: bytes) -> None:
            status, headers, part = self.part(body)
            self.answer(status, part, headers, length=max(len(part) - 10, 0))
            self.leave()

        def do_500(self, body: bytes) -> None:
            self.answer(500, b"<html>oops</html>", {"Content-Type": "text/html"})

        def do_502(self, body: bytes) -> None:
            self.answer(502, b"", {})

        def do_503(self, body: bytes) -> None:
            self.answer(503, b"busy", {})

        def do_503_later(self, body: bytes) -> None:
            self.answer(503, b"busy", {"Retry-After": "0"})

        def do_429(self, body: bytes) -> None:
            self.answer(429, b"", {"Retry-After": "0"})

        def do_redirect_loop(self, body: bytes) -> None:
            self.answer(302, b"", {"Location": self.path})

        def do_page(self, body: bytes) -> None:
            self.answer(200, b"<html>please sign in</html>", {"Content-Type": "text/html"})

        def do_disguised_page(self, body: bytes) -> None:
            self.answer(200, b"<html>please sign in</html>", {"Content-Type": "application/octet-stream"})

        def do_old_version(self, body: bytes) -> None:
            self.half(body[:4] + bytes(255 - byte for byte in body[4:]))

        def do_hangs_up(self, body: bytes) -> None:
            self.leave()

        def do_not_HTTP(self, body: bytes) -> None:
            self.wfile.write(b"220 this is something else\r\n")
            self.leave()

        def log_message(self, *args: object) -> None:
            """Quiet."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, *args: object) -> None:
            """Clients that hang up are part of the plan."""

    server = Server(("127.0.0.1", 0), Handler)
    site = Faulty(server.server_address[1], dict(files))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        over.set()
        server.shutdown()
        server.server_close()
