"""HTTP connections, each with a lease of the provider's budget, kept open between requests."""

import http.client
import socket
import ssl
import struct
import time
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import SplitResult, urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

from pileus.edges.connections import Lease, Pulse
from pileus.edges.providers.address import Origin
from pileus.edges.providers.faults import Fault
from pileus.edges.providers.http_answer import Answer, fields_of, head_end, parse_head, request
from pileus.edges.providers.kernel_copy import KernelPipe
from pileus.edges.providers.reach import Reach
from pileus.errors import Refused, Truncated, Unreachable, UsageError

FAULTS: tuple[Fault, ...] = (
    (ssl.SSLCertVerificationError, Refused, "its certificate is not trusted (ca_file names another authority)"),
    (ssl.SSLError, Unreachable, "TLS failed: {detail}"),
    (socket.gaierror, Unreachable, "the host name is not known"),
    (TimeoutError, Unreachable, "no answer in time"),
    (http.client.IncompleteRead, Truncated, "the body ended early"),
    (http.client.InvalidURL, UsageError, "not a URL"),
    (http.client.RemoteDisconnected, Unreachable, "hung up without an answer"),
    (http.client.HTTPException, Unreachable, "the answer is not HTTP: {detail}"),
    (UnicodeError, UsageError, "not a URL"),
    (OSError, Unreachable, "the connection failed: {detail}"),
)
STALE = (ConnectionError, http.client.BadStatusLine, ssl.SSLError)
"""How a connection ends that the server closed while it was idle."""
BUFFER = 1 << 16
PATIENCE = 1.0
"""Seconds of the longest wait in one read."""
SECOND = struct.pack("@ll", 1, 0)
"""The same for the kernel."""
LONGEST_HEAD = 120.0
"""Seconds in which a head that has begun must be whole, unless `read_seconds` is more."""
MOST_INTERIM = 100
"""Answers such as 100 Continue before the one that counts."""
FAREWELL = 0.5
"""Seconds that a server gets to close its side."""


class HttpConnection:
    """One connection at most, and the lease for it. For one thread at a time."""

    def __init__(self, lease: Lease, dial: "Dialler", read_seconds: float) -> None:
        self.lease = lease
        self.sock: socket.socket | None = None
        self._dial, self._read_seconds = dial, read_seconds
        self._origin: Origin | None = None
        self._pipe: KernelPipe | None = None

    def ask(self, origin: Origin, method: str, target: str, headers: Mapping[str, str], pulse: Pulse | None) -> Answer:
        """Send a request and read the head of the answer. A stale connection is replaced once.

        Raises what FAULTS translates, and what `pulse` raises.
        """
        words = request(method, target, fields_of({"Host": origin.authority, **headers}))
        if origin != self._origin:
            self.hang_up()
        return self._ask(origin, words, method, pulse)

    def leads_to(self, origin: Origin) -> bool:
        """Return whether a connection to this place is open."""
        return self.sock is not None and self._origin == origin

    def go_on(self, words: bytes, came: bytes, pulse: Pulse | None) -> Answer:
        """Do as `ask` with a GET that was sent over the open connection, and of whose answer `came` was read."""
        assert self._origin is not None
        return self._ask(self._origin, words, "GET", pulse, came)

    def _ask(self, origin: Origin, words: bytes, method: str, pulse: Pulse | None, came: bytes | None = None) -> Answer:
        """`came`: what was read of the answer; None where nothing was sent."""
        if self.sock is not None:
            try:
                if self.sock.gettimeout() == 0:
                    self.sock.settimeout(PATIENCE)
                if came is None:
                    self.sock.sendall(words)
                return self._head(self.sock, method, pulse, came or b"")
            except STALE:
                self.break_off()
        if pulse:
            pulse()
        self.sock, self._origin = self._dial(origin), origin
        self.sock.sendall(words)
        answer = self._head(self.sock, method, pulse, b"")
        self._dial.remember(origin, self.sock)
        return answer

    def _head(self, sock: socket.socket, method: str, pulse: Pulse | None, came: bytes) -> Answer:
        waited, asked, begun, interim = 0.0, time.monotonic(), bool(came), 0
        while True:
            while came and (end := head_end(came)) > 0:
                answer = parse_head(came, end, method)
                if answer.status >= 200:
                    return answer
                came, interim = answer.rest, interim + 1  # 100 Continue and its like
                if interim > MOST_INTERIM:
                    raise http.client.BadStatusLine(f"{interim} answers on the way")
            if begun and time.monotonic() - asked >= max(self._read_seconds, LONGEST_HEAD):
                raise TimeoutError
            block = receive(sock, BUFFER)
            if block is None:
                waited += 1
                if pulse:
                    pulse()
                if waited >= self._read_seconds:
                    raise TimeoutError
                continue
            if not block:
                raise http.client.RemoteDisconnected(f"after {len(came)} bytes")
            came, begun = came + block, True

    @property
    def alive(self) -> bool:
        """Whether there is a connection."""
        return self.sock is not None

    @property
    def pipe(self) -> KernelPipe:
        """The way of its bytes into a file; empty between two answers."""
        if self._pipe is None:
            self._pipe = KernelPipe()
        return self._pipe

    def hang_up(self) -> None:
        """Close the connection; the lease stays.

        Waits a moment for the server to close its side, so that it has counted one less when the lease goes back.
        """
        if self.sock is not None:
            with suppress(OSError):
                self.sock.shutdown(socket.SHUT_WR)
                self.sock.settimeout(FAREWELL)
                self.sock.recv(1)
        self.break_off()

    def break_off(self) -> None:
        """Close at once, in the middle of a body."""
        if self.sock is not None:
            self.sock.close()
        if self._pipe is not None:
            self._pipe.close()
        self.sock, self._origin, self._pipe = None, None, None


def receive(sock: socket.socket, most: int) -> bytes | None:
    """Return what has come; empty at the end; None when nothing came for a second."""
    try:
        return sock.recv(most)
    except (BlockingIOError, TimeoutError, ssl.SSLWantReadError):
        return None


class Dialler:
    """Opens connections: with the provider's authority, and through a proxy where the environment names one."""

    def __init__(
        self, context: ssl.SSLContext, connect_seconds: float, environ: Mapping[str, str], reach: Reach
    ) -> None:
        self._context, self._seconds, self._environ, self._reach = context, connect_seconds, environ, reach
        self._proxies: dict[Origin, SplitResult | None] = {}
        self._sessions: dict[Origin, ssl.SSLSession] = {}
        """Sessions of TLS that the next connection to a place goes on with: half a handshake, on both sides."""

    def __call__(self, origin: Origin) -> socket.socket:
        proxy = self._proxy(origin)
        host, port = (proxy.hostname or "", proxy.port or 3128) if proxy else (origin.host, origin.port)
        client = http.client.HTTPConnection(host, port, timeout=self._seconds)
        if proxy and origin.scheme == "https":
            client.set_tunnel(origin.host, origin.port)
        if proxy:
            self._reach.check_literal(origin.host)
        else:
            client._create_connection = self._connect  # type: ignore[attr-defined]
        try:
            client.connect()
            sock: socket.socket = client.sock
            if origin.scheme == "https":
                known = self._sessions.get(origin)
                sock = self._context.wrap_socket(sock, server_hostname=origin.host, session=known)
                sock.settimeout(PATIENCE)
                return sock
        except BaseException:
            client.close()
            raise
        # The kernel keeps time: a read is one system call, where Python would make it two.
        sock.settimeout(None)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, SECOND)
        return sock

    def remember(self, origin: Origin, sock: socket.socket) -> None:
        """Take note of the session of a connection that has given an answer, for the next connection to the place."""
        if isinstance(sock, ssl.SSLSocket) and (session := sock.session) and session.has_ticket:
            self._sessions[origin] = session

    def _connect(self, place: tuple[str, int], *_: object) -> socket.socket:
        """Connect as http.client asks, within reach."""
        return self._reach.connect(place[0], place[1], self._seconds)

    def target(self, origin: Origin, path: str) -> str:
        """Return what the request line names: a proxy for http wants the whole URL."""
        return origin.url + path if origin.scheme == "http" and self._proxy(origin) else path

    def _proxy(self, origin: Origin) -> SplitResult | None:
        if origin not in self._proxies:
            self._proxies[origin] = self._find_proxy(origin)
        return self._proxies[origin]

    def _find_proxy(self, origin: Origin) -> SplitResult | None:
        name = f"{origin.scheme}_proxy"
        value = self._environ.get(name) or (self._environ.get(name.upper()) if origin.scheme == "https" else None)
        bypass = {"no": self._environ.get("no_proxy") or self._environ.get("NO_PROXY") or ""}
        if not value or proxy_bypass_environment(origin.host, bypass):
            return None
        return urlsplit(value if "://" in value else f"http://{value}")
