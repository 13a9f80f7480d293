"""The dashboard's server: the page, its data, and four actions on backfills, on 127.0.0.1 alone.

Who may do what:
1. The Host header must name this server, or the answer is 403: a foreign name that resolves here is refused.
2. Each path begins with the key of the page's address, which only this user is told: other users of the machine can
   reach the port, and get 403.
3. GET reads. No answer allows another origin to read it.
4. POST acts, and needs the token that only a page of this server can read, JSON, and an Origin that is this server
   or none. With `read_only` it is refused in any case.
"""

import hmac
import secrets
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from pileus.dashboard.page_files import PageFiles, Settle, compact
from pileus.dashboard.static_files import page_files, type_of
from pileus.errors import NotFound, PileusError, StoreError, UnsafeName, UsageError
from pileus.names import FileName
from pileus.wiring import Edges

Action = Callable[[str], Any]
"""Changes the backfill of this id."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
LONGEST = 10_000
"""Bytes of a request's body."""
PATIENCE = 10
"""Seconds for which the rest of a request is waited for."""


class Dashboard(ThreadingHTTPServer):
    """The server. It has its port when it is made; `serve_forever` runs it. Raises OSError when the port is taken."""

    daemon_threads = True

    def __init__(
        self,
        edges: Edges,
        *,
        port: int,
        actions: dict[str, Action],
        read_only: bool,
        settle: Settle | None = None,
        key: str = "",
    ) -> None:
        """`key`: the first part of every path; empty: a new one."""
        super().__init__(("127.0.0.1", port), _Handler)
        self.edges = edges
        self.source = PageFiles(edges, live=True, pictures="pictures/", settle=None if read_only else settle)
        self.actions = {} if read_only else actions
        self.token = secrets.token_urlsafe(32)
        self.key = key or new_key()
        self.static = page_files()

    @property
    def url(self) -> str:
        return f"{self.origin}/{self.key}/"

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def hosts(self) -> set[str]:
        """Return the values that a Host header may have."""
        return {f"{name}:{self.server_port}" for name in ("127.0.0.1", "localhost")}


def new_key() -> str:
    """Return a key for the page's address: 192 random bits."""
    return secrets.token_urlsafe(24)


class _Handler(BaseHTTPRequestHandler):
    server: Dashboard
    protocol_version = "HTTP/1.1"
    server_version = "pileus"
    sys_version = ""
    timeout = PATIENCE

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing: the terminal belongs to the command."""

    def do_GET(self) -> None:
        self._answered(self._get)

    def do_HEAD(self) -> None:
        self._answered(self._get)

    def do_POST(self) -> None:
        self._answered(self._post)

    def _answered(self, act: Callable[[str], tuple[str, bytes]]) -> None:
        """Send what `act` returns for the path, or the error as JSON."""
        try:
            if self.headers.get("Host") not in self.server.hosts:
                raise _Forbidden("this server answers to 127.0.0.1 and localhost alone")
            kind, body = act(self._asked())
            code = HTTPStatus.OK
        except _Forbidden as error:
            kind, body, code = _problem(error, HTTPStatus.FORBIDDEN)
        except NotFound as error:
            kind, body, code = _problem(error, HTTPStatus.NOT_FOUND)
        except UsageError as error:
            kind, body, code = _problem(error, HTTPStatus.BAD_REQUEST)
        except StoreError as error:
            kind, body, code = _problem(error, HTTPStatus.BAD_GATEWAY)
        except PileusError as error:
            kind, body, code = _problem(error, HTTPStatus.INTERNAL_SERVER_ERROR)
        self._send(code, kind, body)

    def _asked(self) -> str:
        """Return the path that is asked for, without the key. Raises NotFound for one that is not plain names."""
        key, _, path = unquote(urlsplit(self.path).path).removeprefix("/").partition("/")
        if not hmac.compare_digest(key.encode(), self.server.key.encode()):
            raise _Forbidden("open the address that `pileus dashboard` has printed")
        try:
            return "/".join(map(FileName, path.split("/"))) if path else ""
        except UnsafeName as error:
            raise NotFound("there is no such file", where=path) from error

    def _send(self, code: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(code)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _get(self, path: str) -> tuple[str, bytes]:
        server = self.server
        name = path or "index.html"
        if name in server.static:
            return type_of(name), server.static[name]
        if path == "live/session.json":
            return _JSON, compact({"token": server.token, "actions": sorted(server.actions)})
        if path.startswith("pictures/"):
            return "image/png", server.edges.store.get(server.edges.protected(path))
        return _JSON, compact(server.source.get(path))

    def _post(self, path: str) -> tuple[str, bytes]:
        """`live/backfills/ID/ACTION`."""
        length = self.headers.get("Content-Length") or "0"
        if not (length.isascii() and length.isdecimal()) or len(length) > 9 or int(length) > LONGEST:
            self.close_connection = True
            raise UsageError(f"expected a body of at most {LONGEST} bytes, and its length")
        self.rfile.read(int(length))
        self._trusted()
        match path.split("/"):
            case ["live", "backfills", id, action] if action in self.server.actions:
                self.server.actions[action](id)
                return _JSON, compact({"id": id, "done": action})
            case ["live", "backfills", _, _] if not self.server.actions:
                raise _Forbidden("this dashboard is read-only")
        raise NotFound("there is no such action", where=path)

    def _trusted(self) -> None:
        origin = self.headers.get("Origin")
        if origin is not None and origin not in {f"http://{host}" for host in self.server.hosts}:
            raise _Forbidden("the request comes from another page")
        if (self.headers.get("Content-Type") or "").split(";")[0] != "application/json":
            raise _Forbidden("expected JSON")
        given = self.headers.get("X-Pileus-Token") or ""
        if not hmac.compare_digest(given.encode(), self.server.token.encode()):
            raise _Forbidden("the token is missing or wrong: load the page again")


class _Forbidden(PileusError):
    pass


_JSON = "application/json; charset=utf-8"


def _problem(error: PileusError, code: HTTPStatus) -> tuple[str, bytes, HTTPStatus]:
    return _JSON, compact({"error": str(error)}), code
