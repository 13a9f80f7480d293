"""Entity tags: a JSON answer that has not changed since the asker's is 304, without a body."""

import hashlib

from starlette.types import ASGIApp, Message, Receive, Scope, Send

JSON = (b"application/json", b"application/geo+json", b"application/schema+json")
OF_A_BODY = (b"content-length", b"content-type")


class ETags:
    """Adds an entity tag to each whole JSON answer to GET, and compares If-None-Match with it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            return await self._app(scope, receive, send)
        return await self._app(scope, receive, _Answer(scope, send).send)


class _Answer:
    def __init__(self, scope: Scope, send: Send) -> None:
        self._asked = dict(scope["headers"]).get(b"if-none-match", b"")
        self._send = send
        self._held: Message | None = None

    async def send(self, message: Message) -> None:
        """Hold the start of an answer until its body is there, if it comes in one piece."""
        if message["type"] == "http.response.start" and message["status"] == 200:
            kind = dict(message["headers"]).get(b"content-type", b"")
            if kind.startswith(JSON):
                self._held = message
                return
        if self._held is not None and message["type"] == "http.response.body":
            start, self._held = self._held, None
            if not message.get("more_body"):
                tag = b'"' + hashlib.sha256(message.get("body", b"")).hexdigest()[:32].encode() + b'"'
                start["headers"] = [*start["headers"], (b"etag", tag)]
                if tag in [one.strip().removeprefix(b"W/") for one in self._asked.split(b",")]:
                    start["status"] = 304
                    start["headers"] = [(n, v) for n, v in start["headers"] if n not in OF_A_BODY]
                    message = {**message, "body": b""}
            await self._send(start)
        await self._send(message)
