"""The audit log: who asked for each change, and what became of it."""

import json
import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pileus.api.access import SAFE

log = logging.getLogger("pileus.audit")


class Audit:
    """Writes a line of JSON for each request that may change something, and for each that was refused."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        scope.setdefault("state", {})  # who asks is noted in it, by whoever looks that up
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            if scope["method"] not in SAFE or status in (401, 403, 429):
                _write(scope, status)
        return None


def _write(scope: Scope, status: int) -> None:
    asks = scope["state"].get("principal")
    client = scope.get("client")
    line = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "who": asks.name if asks else None,
        "role": asks.role.name if asks else None,
        "from": client[0] if client else None,
        "did": f"{scope['method']} {scope['path']}",
        "status": status,
    }
    log.info(json.dumps(line))
