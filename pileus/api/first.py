"""Who asks is looked at before a body is read: a stranger's megabytes are not parsed."""

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from pileus.api.access import SAFE, signed_in
from pileus.api.problems import told
from pileus.errors import PileusError


class SignedInFirst:
    """Refuses whatever may change something, and comes from nobody that is known. Its route then asks for the role."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and scope["method"] not in SAFE:
            try:
                await run_in_threadpool(signed_in, Request(scope))  # an issuer's keys may have to be fetched
            except PileusError as error:
                return await told(error)(scope, receive, send)
        return await self._app(scope, receive, send)
