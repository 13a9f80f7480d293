"""Who may do what: each route names a role, and a request shows who asks.

    read < operate < admin

A request shows a token as `Authorization: Bearer TOKEN`, or as the cookie that the page's sign-in sets. With a cookie,
whatever changes something must also carry the header X-Pileus-Request, which no foreign page can send.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from fastapi import Depends, Request

from pileus.api.roles import Role
from pileus.errors import PileusError

COOKIE = "pileus"
"""Name of the cookie that holds the token of a browser, before the port: a cookie is shared by all ports of a host."""
ASKED = "X-Pileus-Request"
"""Header of a page's own requests: a foreign page would first have to ask this server for leave, and gets none."""
SAFE = ("GET", "HEAD", "OPTIONS")


class NotSignedIn(PileusError):
    """Nobody is named, or by a token that is wrong or has expired."""


class Forbidden(PileusError):
    """It is known who asks, and they may not."""


class TooMany(PileusError):
    """Too many requests, or wrong tokens, from one place. `wait`: seconds until the next is answered."""

    def __init__(self, message: str, wait: float) -> None:
        super().__init__(message)
        self.wait = wait


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks."""

    name: str
    role: Role


class Authority(Protocol):
    """Knows tokens."""

    def principal(self, token: str) -> Principal | None:
        """Return who has this token; None where nobody has. In time that tells nothing of other tokens.

        Raises Forbidden where it is known who has it, and they have no role.
        """


def allow(role: Role) -> Any:
    """Return the dependency of a route that asks for at least `role`. Raises NotSignedIn and Forbidden."""

    def check(request: Request) -> Principal:
        asks = signed_in(request)
        if asks.role < role:
            raise Forbidden(f"{asks.name} has the role {asks.role.name}: this needs {role.name}")
        return asks

    check.role = role  # type: ignore[attr-defined]
    return Depends(check)


def signed_in(request: Request) -> Principal:
    """Return who asks, looked up once for each request. Raises NotSignedIn, Forbidden and TooMany."""
    known: Principal | None = getattr(request.state, "principal", None)
    if known is not None:  # looked up before, or the gateway has checked a signature: see lambda_handler.py
        return known
    token, by_cookie = token_of(request)
    if not token:
        request.app.state.lockout.check(_place(request))
        raise NotSignedIn("sign in: send Authorization: Bearer TOKEN; `pileus token add` makes one")
    asks = holder_of(request, token)
    if asks is None:
        raise NotSignedIn("the token is wrong, or has expired")
    if by_cookie and request.method not in SAFE and ASKED not in request.headers:
        raise Forbidden(f"a request of the page carries the header {ASKED}")
    request.state.principal = asks
    return asks


def holder_of(request: Request, token: str) -> Principal | None:
    """Return who has a token; None where nobody has: that counts against the place that asks. Raises TooMany while the
    place is locked out.
    """
    lockout, place = request.app.state.lockout, _place(request)
    lockout.check(place)
    asks: Principal | None = request.app.state.authority.principal(token)
    if asks is None:
        lockout.failed(place)
    return asks


def _place(request: Request) -> str:
    return request.client.host if request.client else ""


def token_of(request: Request) -> tuple[str, bool]:
    """Return the token that a request shows, and whether a cookie holds it. A header comes first."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() == "bearer" and token.strip():
        return token.strip(), False
    return request.cookies.get(cookie_of(request), ""), True


def cookie_of(request: Request) -> str:
    """Return the name of the cookie that holds the token of a browser."""
    return f"{COOKIE}-{request.url.port}" if request.url.port else COOKIE


def role_of(route: Any) -> Role | None:
    """Return the role that a route asks for; None where it is public."""
    found = [d.call.role for d in route.dependant.dependencies if hasattr(d.call, "role")]
    return max(found) if found else None


Reader = Annotated[Principal, allow(Role.read)]
Operator = Annotated[Principal, allow(Role.operate)]
