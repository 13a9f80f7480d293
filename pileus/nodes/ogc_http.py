"""One server of OGC API - Processes, over HTTP, which is trusted with nothing but an answer.

1. Only the server of the settings is asked. A redirect, a job or a result of it is followed where it leads to the same
   scheme, host and port; a result elsewhere is fetched over public addresses alone, and without our token.
2. JSON may have 16 MiB, a result 4 GiB. A file of this machine is never opened.
"""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests

from pileus.edges.providers.reach import is_private_host
from pileus.errors import DamagedObject, HandedBack, NotFound, OperationFailed, Refused, TransferError, UsageError
from pileus.nodes.fetch import fetch_file
from pileus.nodes.node import NodeLost
from pileus.public_url import public_url
from pileus.strict_json import parse_json
from pileus.version import __version__

PATIENCE = (5, 60)
"""Seconds to connect, and between two bytes of an answer."""
MOST_JSON = 16 << 20
MOST_RESULT = 4 << 30
MOST_REDIRECTS = 5
BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer whose body is in a file."""

    status: int
    media_type: str
    """Without parameters, in small letters."""
    location: str
    """Address of a job; empty: none."""
    body: Path

    def json(self) -> Any:
        """Return its JSON. Raises DamagedObject."""
        return _json(self.body.read_bytes()[: MOST_JSON + 1], self.body.name)


class OgcServer:
    """Asks one server. Raises NodeLost where there is no answer, and for answers that say that another try may help."""

    def __init__(self, url: str, token: str) -> None:
        """Raises UsageError for what is no address of a server."""
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise UsageError("expected the address of an OGC API, such as https://example.org/ogcapi", where=url)
        self.url = url.rstrip("/")
        self._headers = {"User-Agent": f"pileus/{__version__}"} | (
            {"Authorization": f"Bearer {token}"} if token else {}
        )

    def json(self, path: str) -> Any:
        """Return the JSON at a path, or at an address of the same server."""
        with self._ask("GET", self.within(path), {"Accept": "application/json"}) as answer:
            content = b"".join(_bounded(answer, MOST_JSON))
            return _json(content, public_url(answer.url))

    def post(self, path: str, value: Any, headers: Mapping[str, str], body: Path) -> Answer:
        """Send JSON, and return the answer, its body in a file. It is sent once."""
        with self._ask("POST", self.within(path), headers, value) as answer:
            return self._kept(answer, body)

    def get(self, url: str, body: Path, stopping: threading.Event) -> Answer:
        """Return what is at an address, of this server or elsewhere, its body in a file."""
        if self._same(urljoin(f"{self.url}/", url)):
            with self._ask("GET", self.within(url), {"Accept": "*/*"}) as answer:
                return self._kept(answer, body, stopping)
        if urlsplit(url).scheme not in ("http", "https"):
            raise Refused("a result is at an address that is none of HTTP", where=url)
        if is_private_host(urlsplit(url).hostname or ""):
            raise Refused("a result is at a private address of another server", where=url)
        fetch_file(url, body, MOST_RESULT, _too_long(MOST_RESULT), stopping, private=False)
        return Answer(200, "", "", body)

    def delete(self, url: str) -> None:
        """Delete a job."""
        self._ask("DELETE", self.within(url), {}).close()

    def within(self, path: str) -> str:
        """Return the address of a path. Raises Refused for one of another server."""
        ours = path.startswith("/") and not path.startswith("//") and not self._is_absolute(path)
        url = self.url + path if ours else urljoin(f"{self.url}/", path)
        if not self._same(url):
            raise Refused(f"leads to another server than {public_url(self.url)}", where=url)
        return url

    def _is_absolute(self, path: str) -> bool:
        """Return whether a path begins as that of the server's own address does: it is one from the root then."""
        root = urlsplit(self.url).path
        return bool(root) and path.startswith(f"{root}/")

    def _same(self, url: str) -> bool:
        ours, theirs = urlsplit(self.url), urlsplit(url)
        return (ours.scheme, ours.netloc.lower()) == (theirs.scheme, theirs.netloc.lower())

    def _ask(self, method: str, url: str, headers: Mapping[str, str], value: Any = None) -> requests.Response:
        for _ in range(MOST_REDIRECTS):
            try:
                session = requests.Session()
                session.trust_env = False  # a .netrc would send a password
                more: dict[str, Any] = {"timeout": PATIENCE, "allow_redirects": False, "stream": True}
                answer = session.request(method, url, headers={**self._headers, **headers}, json=value, **more)
            except requests.RequestException as error:
                raise NodeLost(f"does not answer: {type(error).__name__}", where=public_url(url)) from error
            if answer.status_code not in (301, 302, 303, 307, 308) or method != "GET":
                return _fine(answer)
            answer.close()
            url = self.within(urljoin(url, answer.headers.get("Location", "")))
        raise Refused(f"more than {MOST_REDIRECTS} redirects", where=url)

    def _kept(self, answer: requests.Response, body: Path, stopping: threading.Event | None = None) -> Answer:
        with body.open("wb") as file:
            for block in _bounded(answer, MOST_RESULT):
                if stopping is not None and stopping.is_set():
                    raise HandedBack("told to stop")
                file.write(block)
        media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        return Answer(answer.status_code, media_type, answer.headers.get("Location", ""), body)


def _fine(answer: requests.Response) -> requests.Response:
    """Return an answer that is none of an error. Raises what it tells."""
    if answer.status_code < 300:
        return answer
    with answer:
        try:
            told = _json(b"".join(_bounded(answer, 100_000)), answer.url)
            why = str(told.get("detail") or told.get("description") or told.get("title") or told.get("code"))[:300]
        except (AttributeError, DamagedObject, TransferError):
            why = ""
    said = f"status {answer.status_code}{': ' + why if why else ''}"
    if answer.status_code in (401, 403):
        raise Refused(said, where=public_url(answer.url))
    if answer.status_code == 404:
        raise NotFound(said, where=public_url(answer.url))
    if answer.status_code in (429, 502, 503, 504):
        raise NodeLost(said, where=public_url(answer.url))
    raise OperationFailed(said, where=public_url(answer.url))


def _bounded(answer: requests.Response, most: int) -> Any:
    """Yield the body of an answer, up to `most` bytes and for up to an hour."""
    moved, until = 0, time.monotonic() + 3600
    try:
        for block in answer.iter_content(BLOCK):
            moved += len(block)
            if moved > most:
                raise TransferError(_too_long(most), where=public_url(answer.url))
            if time.monotonic() > until:
                raise TransferError("took more than an hour", where=public_url(answer.url))
            yield block
    except requests.RequestException as error:
        raise NodeLost(f"the answer broke off: {type(error).__name__}", where=public_url(answer.url)) from error


def _too_long(most: int) -> str:
    return f"an answer of more than {most:,} bytes"


def _json(content: bytes, where: str) -> Any:
    if len(content) > MOST_JSON:
        raise TransferError(_too_long(MOST_JSON), where=where)
    try:
        return parse_json(content)
    except ValueError as error:
        raise DamagedObject(f"an answer of an OGC API: {error}", where=where) from error
