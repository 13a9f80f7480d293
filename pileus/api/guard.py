"""What surrounds every request: its Host, its size, its rate, the headers of its answer. Pure ASGI, so that nothing is
buffered that streams.
"""

import time
from collections.abc import Callable, Mapping
from http import HTTPStatus

from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pileus.api.access import Forbidden, TooMany
from pileus.api.problems import problem, told
from pileus.errors import PileusError

LONGEST = 10 * 1024 * 1024
"""Bytes of a request's body."""
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
}
KEPT = 10_000
"""Places whose rate is remembered; those that were seen longest ago are forgotten first."""


class Guard:
    """Refuses what no route should see.

    1. A Host that is not one of `hosts` is 403 (None: any is good, as behind a gateway that has checked it): a foreign
       name that resolves here is refused.
    2. A request that changes something, from a page of another origin, is 403.
    3. A body over `longest` bytes is 413, also one whose length is not announced. `longer`: bytes by path, for some.
    4. More than `rate` requests a second from one place, over a while, are 429.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Callable[[], set[str] | None],
        longest: int = LONGEST,
        rate: float,
        longer: Mapping[str, int] | None = None,
    ) -> None:
        self._app, self._hosts, self._longest, self._longer = app, hosts, longest, longer or {}
        self._buckets = Buckets(rate, 2 * rate)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        try:
            self._check(scope)
        except PileusError as error:
            await told(error)(scope, receive, _with_headers(send))
            return None
        longest = max(self._longest, self._longer.get(scope["path"], 0))
        too_long = _Length(receive, longest)
        if too_long.announced(scope):
            await _too_long(longest)(scope, receive, _with_headers(send))
            return None
        return await self._app(scope, too_long.receive, _with_headers(send))

    def _check(self, scope: Scope) -> None:
        client = scope.get("client")
        self._buckets.take(client[0] if client else "")
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        hosts = self._hosts()
        if hosts is not None and headers.get("host") not in hosts:
            raise Forbidden(
                "this server answers to other names: see `pileus serve --host`, or `api.domain_names` on AWS"
            )
        origin = headers.get("origin")
        foreign = origin is not None and origin.partition("://")[2] != headers.get("host")
        if foreign and scope["method"] not in ("GET", "HEAD"):
            raise Forbidden("the request comes from another page")


class Buckets:
    """A bucket of tokens for each place: `rate` flow in a second, `most` are kept."""

    def __init__(self, rate: float, most: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._most, self._clock = rate, most, clock
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, place: str) -> None:
        """Take one. Raises TooMany when none is left."""
        now = self._clock()
        left, then = self._left.pop(place, (self._most, now))
        left = min(self._most, left + (now - then) * self._rate)
        if len(self._left) >= KEPT:
            del self._left[next(iter(self._left))]
        self._left[place] = (left - 1 if left >= 1 else left), now
        if left < 1:
            raise TooMany("too many requests", (1 - left) / self._rate)


class Lockout:
    """Wrong tokens from one place: after `most` in `seconds` nothing from there is looked at for `seconds`."""

    def __init__(self, most: int = 10, seconds: float = 60, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._seconds, self._clock = most, seconds, clock
        self._wrong: dict[str, list[float]] = {}

    def check(self, place: str) -> None:
        """Raises TooMany while the place is locked out."""
        recent = self._recent(place)
        if len(recent) >= self._most:
            raise TooMany("too many wrong tokens from this address", recent[-1] + self._seconds - self._clock())

    def failed(self, place: str) -> None:
        """Note a wrong token."""
        recent = self._recent(place)
        if place not in self._wrong and len(self._wrong) >= KEPT:
            del self._wrong[next(iter(self._wrong))]
        self._wrong[place] = [*recent, self._clock()][-self._most :]

    def _recent(self, place: str) -> list[float]:
        return [at for at in self._wrong.get(place, ()) if self._clock() - at < self._seconds]


class _Length:
    """Counts the bytes of a body as they come."""

    def __init__(self, receive: Receive, most: int) -> None:
        self._receive, self._most, self._seen = receive, most, 0

    def announced(self, scope: Scope) -> bool:
        """Return whether the request says itself that it is too long."""
        said = dict(scope["headers"]).get(b"content-length", b"0")
        return said.isdigit() and int(said) > self._most

    async def receive(self) -> Message:
        """Return the next part. Raises HTTPException, which every reader of a body lets through."""
        message = await self._receive()
        self._seen += len(message.get("body", b""))
        if self._seen > self._most:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _told_length(self._most))
        return message


def _too_long(most: int) -> JSONResponse:
    return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "TooLong", _told_length(most))


def _told_length(most: int) -> str:
    return f"expected a body of at most {most:,} bytes"


def _with_headers(send: Send) -> Send:
    """Return `send` with the headers that each answer has."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            there = {name.lower() for name, _ in message["headers"]}
            more = {**HEADERS, "Cache-Control": "no-store"}
            message["headers"] = [
                *message["headers"],
                *((n.lower().encode(), v.encode()) for n, v in more.items() if n.lower().encode() not in there),
            ]
        await send(message)

    return sending
