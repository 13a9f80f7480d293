"""The head of an HTTP/1.1 exchange: a request written, an answer read. A tenth of the time of the library's."""

import http.client
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

MOST = 1 << 18
"""Bytes of the longest head that is read."""
_UNSAFE = re.compile(r"[\x00-\x20\x7f]")
_LENGTH = re.compile(r"[0-9]{1,18}")
_BREAK = re.compile(r"[\r\n\x00]")


class Headers:
    """Fields of an answer, by name in any case."""

    def __init__(self) -> None:
        self.fields: dict[str, list[str]] = {}
        """By lower name."""

    def add(self, name: str, value: str) -> None:
        self.fields.setdefault(name.lower(), []).append(value)

    def get(self, name: str, default: str = "") -> str:
        """Return the first field of this name."""
        found = self.fields.get(name.lower())
        return found[0] if found else default

    def get_all(self, name: str, default: list[str] | None = None) -> list[str]:
        """Return all of them, as a cookie jar asks."""
        return self.fields.get(name.lower(), default or [])

    def __contains__(self, name: str) -> bool:
        return name.lower() in self.fields


@dataclass(slots=True)
class Answer:
    """The head of an answer."""

    status: int
    reason: str
    headers: Headers
    rest: bytes
    """What was read beyond the head."""
    length: int | None = None
    """Bytes of the body; None where the head does not say."""
    chunked: bool = False
    will_close: bool = False
    """Whether the connection ends with this body."""

    def info(self) -> Headers:
        """As a cookie jar asks."""
        return self.headers


def fields_of(headers: Mapping[str, str]) -> str:
    """Return the lines of a request's headers. Raises InvalidURL for what would break out of its line.

    >>> fields_of({"Host": "x.org"})
    'Host: x.org\\r\\n'
    """
    for name, value in headers.items():
        if _BREAK.search(value):
            raise http.client.InvalidURL(f"a line break in {name}")
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items())


def request(method: str, target: str, fields: str) -> bytes:
    """Return a request without a body. Raises InvalidURL for what would break out of its line, UnicodeError.

    >>> request("GET", "/a", fields_of({"Host": "x.org"}))
    b'GET /a HTTP/1.1\\r\\nHost: x.org\\r\\n\\r\\n'
    """
    if _UNSAFE.search(target):
        raise http.client.InvalidURL("a control character or a space")
    return f"{method} {target} HTTP/1.1\r\n{fields}\r\n".encode("latin-1")


def head_end(text: bytes) -> int:
    """Return where the body begins, -1 while the head is not whole. Raises BadStatusLine, LineTooLong."""
    if not b"HTTP/".startswith(text[:5]) and not text.startswith(b"HTTP/"):
        raise http.client.BadStatusLine(repr(text[:20]))
    end = text.find(b"\r\n\r\n")
    if end < 0 and len(text) > MOST:
        raise http.client.LineTooLong("head")
    return end + 4 if end >= 0 else -1


@lru_cache(512)
def _field(line: str) -> tuple[str, str] | None:
    """Return name and value of a line: the answers of one provider have most of their lines in common."""
    name, colon, value = line.partition(":")
    return (name.lower(), value.strip()) if colon and name == name.strip() else None


def parse_head(text: bytes, end: int, method: str) -> Answer:
    """Read the head that ends at `end`. Raises BadStatusLine.

    >>> answer = parse_head(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nhi", 38, "GET")
    >>> answer.status, answer.length, answer.rest
    (200, 2, b'hi')
    """
    first, *lines = text[: end - 4].decode("latin-1").split("\r\n")
    version, _, told = first.partition(" ")
    code, _, reason = told.strip().partition(" ")
    if not (code.isascii() and code.isdecimal() and len(code) == 3):
        raise http.client.BadStatusLine(first[:40])
    headers = Headers()
    fields = headers.fields
    for line in lines:
        if found := _field(line):
            fields.setdefault(found[0], []).append(found[1])
    answer = Answer(int(code), reason, headers, text[end:])
    answer.chunked = "transfer-encoding" in fields and "chunked" in fields["transfer-encoding"][0].lower()
    lengths = fields.get("content-length")
    if method == "HEAD" or answer.status in (204, 304) or answer.status < 200:
        answer.length, answer.chunked = 0, False
    elif not answer.chunked and lengths and lengths[0]:
        if not _LENGTH.fullmatch(lengths[0]) or len(set(lengths)) > 1:
            raise http.client.BadStatusLine(f"Content-Length: {lengths[0][:40]}")
        answer.length = int(lengths[0])
    connection = fields["connection"][0].lower() if "connection" in fields else ""
    answer.will_close = (
        "close" in connection
        or (version == "HTTP/1.0" and "keep-alive" not in connection)
        or (answer.length is None and not answer.chunked)
    )
    return answer
