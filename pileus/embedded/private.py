"""The border of the embedded AWS: only who has this run's token is answered, and no web page ever is.

MiniStack answers everybody who reaches its port: other users of the machine, and through a browser every web page.
So each request must carry the session token that `pileus up` made for this run, which only the user can read.
MiniStack hands the token of its own environment to the Lambdas that it runs.
"""

import hmac
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import parse_qs

from pileus.edges.aws import Credentials

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

HOSTS = ("127.0.0.1", "localhost", "[::1]")
"""Names under which it may be asked: a web page that points its own name here, says that name."""
HEALTH = "/_ministack/health"


def new_credentials() -> Credentials:
    """Return the credentials of one run. Their token has 256 random bits; MiniStack makes no use of the rest."""
    return Credentials("test", "test", secrets.token_urlsafe(32))


class Private:
    """An ASGI application that passes on the requests of those who know `token`, and refuses all others with 403."""

    def __init__(self, application: Application, token: str) -> None:
        self._application = application
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification: https://asgi.readthedocs.io/en/latest/specs/www.html."""
        if scope["type"] == "lifespan":
            await self._application(scope, receive, send)
            return
        why = self._refusal(scope) if scope["type"] == "http" else "only HTTP is answered"
        if why:
            await _refuse(scope, send, why)
        else:
            await self._application(scope, receive, _without_cors(send))

    def _refusal(self, scope: Scope) -> str | None:
        """Return why a request is refused; None for one that is answered."""
        headers = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if host.rpartition(":")[0] not in HOSTS and host not in HOSTS:
            return "this name is not the embedded AWS's"
        if b"origin" in headers or b"sec-fetch-site" in headers:
            return "web pages are not answered"
        if scope["path"] == HEALTH and scope["method"] == "GET":
            return None
        said = _token_of(headers, scope["query_string"])
        return None if hmac.compare_digest(said, self._token) else "the session token is not that of this stack"


def _token_of(headers: Mapping[bytes, bytes], query: bytes) -> bytes:
    """Return the session token of a signed request, or of a signed address; empty where there is none."""
    signed = {name.lower(): values[0] for name, values in parse_qs(query).items()} if query else {}
    return headers.get(b"x-amz-security-token") or signed.get(b"x-amz-security-token", b"")


async def _refuse(scope: Scope, send: Send, why: str) -> None:
    if scope["type"] != "http":
        await send({"type": "websocket.close", "code": 1008, "reason": why})
        return
    if any(name == b"x-amz-target" for name, _ in scope["headers"]):
        kind, body = b"application/x-amz-json-1.1", json.dumps({"__type": "AccessDenied", "message": why})
    else:
        kind, body = b"application/xml", f"<Error><Code>AccessDenied</Code><Message>{why}</Message></Error>"
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body.encode()})


def _without_cors(send: Send) -> Send:
    """Return a `send` that leaves out what would let a web page read the answer."""

    async def sent(event: Any) -> None:
        if event["type"] == "http.response.start":
            kept = [(name, value) for name, value in event["headers"] if not _is_cors(name)]
            event = {**event, "headers": kept}
        await send(event)

    return sent


def _is_cors(name: bytes) -> bool:
    return name.lower().startswith(b"access-control-")
