"""Requests to the HTTP API: JSON in and out, and its problems as the errors that they were."""

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO
from urllib.parse import quote

import requests

from pileus import errors
from pileus.client.remote.signature import Signature, asks_for_one
from pileus.errors import PileusError, Refused, StoreError, Unreachable, UsageError
from pileus.models import safe
from pileus.version import __version__

TRIES = 4
"""How often reading is tried where the server cannot be reached, or has too much to do."""
PATIENCE = (5, 120)
"""Seconds to connect, and between two bytes of an answer."""
PAGE = 1000
BLOCK = 1 << 20
RETRIED = (429, 502, 503, 504)


class Http:
    """Asks one server. Raises the server's error, Unreachable where there is no answer."""

    def __init__(self, url: str, token: str) -> None:
        """Raises UsageError for what is no address of a server."""
        if not url.startswith(("http://", "https://")):
            raise UsageError("expected the address of `pileus serve`, such as http://127.0.0.1:8765", where=url)
        self._url = url.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False  # a .netrc would send its own password in place of the token
        if asks_for_one(url):
            self._session.auth = Signature(url)
        else:
            self._session.headers["Authorization"] = f"Bearer {token}"
        self._session.headers["User-Agent"] = f"pileus/{__version__}"
        self._tags: dict[str, tuple[str, bytes]] = {}

    def __repr__(self) -> str:
        return f"Http({self._url!r})"

    def read(self, path: str, *, accept: str = "application/json", **query: Any) -> bytes:
        """Return the bytes of an answer. Tried again where trying may help; what has not changed is not sent again."""
        asked = {name: value for name, value in query.items() if value not in (None, (), [], False)}
        key = f"{path} {sorted(asked.items())} {accept}"
        tag, kept = self._tags.get(key, ("", b""))
        headers = {"Accept": accept} | ({"If-None-Match": tag} if tag else {})
        for attempt in range(TRIES):
            try:
                answer = self._ask("GET", path, params=asked, headers=headers)
            except (Unreachable, StoreError, errors.Busy):
                if attempt == TRIES - 1:
                    raise
                time.sleep(0.2 * 2**attempt)
                continue
            if answer.status_code == 304:
                return kept
            if "ETag" in answer.headers:
                self._tags = {key: (answer.headers["ETag"], answer.content)}  # the last alone: a poll asks for one
            return answer.content
        raise AssertionError

    def json(self, path: str, **query: Any) -> Any:
        """Return the JSON of an answer."""
        return json.loads(self.read(path, **query))

    def pages(self, path: str, **query: Any) -> Iterator[Any]:
        """Yield the items of all pages of a list."""
        cursor = None
        while True:
            page = self.json(path, limit=PAGE, cursor=cursor, **query)
            yield from page["items"]
            if (cursor := page["next"]) is None:
                return

    def pieces(self, path: str, *, accept: str, **query: Any) -> Iterator[bytes]:
        """Return the bytes of an answer piece by piece. It is asked for at once, and once."""
        asked = {name: value for name, value in query.items() if value is not None}
        answer = self._ask("GET", path, params=asked, headers={"Accept": accept}, stream=True)
        return _pieces(answer, self._url)

    def change(
        self, method: str, path: str, value: Any = None, *, body: bytes | BinaryIO | None = None, **query: Any
    ) -> Any:
        """Return the JSON of the answer to a request that changes something. It is sent once."""
        sent = {"data": body} if body is not None else {"json": value}
        asked = {name: item for name, item in query.items() if item not in (None, False)}
        return self._ask(method, path, params=asked, **sent).json()

    def _ask(self, method: str, path: str, **more: Any) -> requests.Response:
        try:
            answer = self._session.request(method, self._url + path, timeout=PATIENCE, allow_redirects=False, **more)
        except requests.RequestException as exc:
            raise Unreachable(f"the server does not answer: {type(exc).__name__}", where=self._url) from exc
        if answer.status_code >= 300 and answer.status_code != 304:
            raise _error(answer, self._url)
        return answer


def _pieces(answer: requests.Response, url: str) -> Iterator[bytes]:
    with answer:
        try:
            yield from answer.iter_content(BLOCK)
        except requests.RequestException as exc:
            raise Unreachable(f"the answer broke off: {type(exc).__name__}", where=url) from exc


def segment(name: str) -> str:
    """Return a name as one segment of a path."""
    return quote(safe(name), safe="")


def _error(answer: requests.Response, url: str) -> PileusError:
    """Return the error that the server told of."""
    try:
        told: Mapping[str, Any] = answer.json()
        kind, message, where = told["type"].rpartition(":")[2], str(told["detail"]), told.get("where")
    except (ValueError, LookupError, TypeError, AttributeError):
        if answer.status_code in (401, 403):  # a gateway's
            return Refused(f"refused before Pileus was asked: status {answer.status_code}", where=url)
        return Unreachable(f"not an answer of Pileus: status {answer.status_code}", where=url)
    if answer.status_code in (401, 403):
        return Refused(message, where=url)
    if answer.status_code in RETRIED and kind not in errors.BY_NAME:
        return errors.Busy(message, where=where)
    return errors.BY_NAME.get(kind, UsageError if answer.status_code < 500 else StoreError)(message, where=where)
