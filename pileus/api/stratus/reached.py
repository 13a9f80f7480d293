"""What the routes reach: the service that the app was made with, as `app.state.graphs`."""

from typing import Annotated

from fastapi import Depends, Request

from pileus.api.access import ASKED, SAFE, Forbidden, token_of
from pileus.stratus.service import Service


def _of(request: Request) -> Service:
    found: Service = request.app.state.graphs
    return found


def _by_program(request: Request) -> None:
    """Raise Forbidden for a GET that starts something and that a foreign page may have made a browser send."""
    token, by_cookie = token_of(request)
    if token and by_cookie and request.method in SAFE and ASKED not in request.headers:
        raise Forbidden(f"a request of the page carries the header {ASKED}")


Graphs = Annotated[Service, Depends(_of)]
BY_PROGRAM = Depends(_by_program)
