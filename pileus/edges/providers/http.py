"""Protocols http and https: index pages, lists of URLs, and files.

The standard library's client sends the request and reads the head; the body is then read from the socket itself,
with one system call for up to a block, which is several times faster than through the client's layers.
"""

import socket
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from http.cookiejar import CookieJar
from typing import IO
from urllib.parse import urljoin
from urllib.request import Request

from pileus.documents import Provider
from pileus.download.source import Limits
from pileus.download.transfer import BLOCK, Transfer, persistently
from pileus.edges.connections import Connections
from pileus.edges.providers.address import Origin, base_of, limits_of, origin_of, shown, target_of
from pileus.edges.providers.asked_file import AskedFile
from pileus.edges.providers.connection_pool import ConnectionPool
from pileus.edges.providers.faults import status_error, translated
from pileus.edges.providers.http_answer import Answer, fields_of, request
from pileus.edges.providers.http_body import HttpResponse
from pileus.edges.providers.http_connection import FAULTS, Dialler, HttpConnection
from pileus.edges.providers.index_page import parse_index_page
from pileus.edges.providers.listing_limits import ListingLimits, Timely, number_of
from pileus.edges.providers.reach import Reach
from pileus.edges.providers.signin import is_signed, sign_in
from pileus.edges.providers.url_list import parse_url_list
from pileus.edges.secrets import Secrets
from pileus.errors import Changed, DocumentError, NotAListing, Refused, Unreachable
from pileus.models import Listed, Problem
from pileus.names import FileName, shown_name
from pileus.version import __version__

REDIRECTS = (301, 302, 303, 307, 308)
MOST_REDIRECTS = 10
UNASKED = (400, 403, 405, 501)
"""Answers to HEAD that say nothing about the file."""
HEADERS = {"User-Agent": f"pileus/{__version__}", "Accept": "*/*", "Accept-Encoding": "identity"}


class HttpEdge:
    """A ProviderEdge over HTTP."""

    def __init__(self, provider: Provider, secrets: Secrets, connections: Connections) -> None:
        self._base = base_of(provider)
        self._listed = {host.lower() for host in provider.allowedRedirects}
        self._has_credentials = provider.signs_in
        context = _context(provider)
        reach = Reach.of(provider, self._base.origin.host)
        self._dialler = Dialler(context, provider.connect_seconds, secrets.environ, reach)
        self._sign_in = sign_in(provider, secrets, self._to_sign_in(provider, context, secrets.environ), self.now)
        self._cookies: dict[Origin, CookieJar] = {}
        self._usual: dict[Origin, tuple[Mapping[str, str], str]] = {}
        self._pool = ConnectionPool(
            provider.id,
            provider.globalConnectionLimit,
            connections,
            lambda lease: HttpConnection(lease, self._dialler, provider.read_seconds),
        )
        self.limits: Limits = limits_of(provider)

    @staticmethod
    def _to_sign_in(
        provider: Provider, context: ssl.SSLContext, environ: Mapping[str, str]
    ) -> Callable[[Origin], socket.socket]:
        """Return what connects to a sign-in service, which the document names and so may be where it says."""

        def dial(origin: Origin) -> socket.socket:
            reach = Reach.of(provider, origin.host)
            return Dialler(context, provider.connect_seconds, environ, reach)(origin)

        return dial

    def now(self) -> float:
        return time.monotonic()

    def list(self, path: str) -> Iterator[Listed | Problem]:
        """See Lister. A `path` that ends like a list of URLs is one."""
        url = self._base.url(self._base.folder(path), encoded=True)
        with tempfile.SpooledTemporaryFile(max_size=8 << 20) as page:
            # Read whole before the first entry is used, so that no connection is held meanwhile.
            limits = ListingLimits(self.limits, self.now, shown(url))
            index = Listed(FileName("index.html"), url)
            transfer = Transfer(self, index, Timely(limits), restart=lambda: _empty(page))
            block = memoryview(bytearray(BLOCK))
            try:
                while count := transfer.readinto(block):
                    limits.came(count)
                    page.write(block[:count])
            finally:
                transfer.close()
                self.rest()
            page.seek(0)
            kind = (transfer.content_type or "text/html").partition(";")[0].strip().lower()
            if kind == "text/plain":
                entries = parse_url_list(page.read(), transfer.url)
            elif kind in ("text/html", "application/xhtml+xml"):
                entries = parse_index_page(page, transfer.url)
            else:
                told = shown_name(kind)
                raise NotAListing(f"expected an index page or a list of URLs, got {told}", where=shown(transfer.url))
            for entry in entries:
                limits.entry()
                yield entry

    def describe(self, file: Listed) -> Listed:
        """See Lister. Asks with HEAD; a provider that does not answer it leaves the file as it was."""
        connection, answer, url = persistently(
            lambda: self._exchange("HEAD", file.url, {}, None, expect=(200, *UNASKED)), self
        )
        response = HttpResponse(connection, answer, url, self._pool.give_back)
        response.abandon()
        if answer.status != 200:
            return file
        length = answer.headers.get("Content-Length")
        etag = answer.headers.get("ETag").removeprefix("W/").strip('"')
        modified = datetime.fromtimestamp(response.modified, UTC).isoformat() if response.modified else None
        return replace(
            file,
            size=file.size if (told := number_of(length)) is None else told,
            modified=file.modified or modified,
            etag=etag or file.etag,
        )

    def open(
        self, url: str, offset: int = 0, validator: str | None = None, *, pulse: Callable[[], None] | None = None
    ) -> HttpResponse:
        """See Opener."""
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        if offset and validator:
            headers["If-Range"] = validator
        return self.open_with(url, headers, pulse)

    def open_range(self, url: str, start: int, end: int, *, pulse: Callable[[], None] | None = None) -> HttpResponse:
        """See RangeOpener."""
        response = self.open_with(url, {"Range": f"bytes={start}-{end - 1}"}, pulse)
        response.validator = response.version  # it is compared, and never sent
        return response

    def ask(self, url: str) -> AskedFile | None:
        """See Asker. The first request over a connection is `open`'s, which waits: for a lease, the host and TLS."""
        origin = origin_of(url)
        if not self._sign_in.at_hand:
            return None
        connection = self._pool.take_idle(lambda idle: idle.leads_to(origin))
        if connection is None:
            return None
        try:
            sent = self._headers(url)
            words = request("GET", self._dialler.target(origin, target_of(url)), self._fields(origin, sent))
            return AskedFile(self._pool, connection, url, sent, words, self._open_asked)
        except (OSError, HTTPException, UnicodeError):
            self._pool.drop(connection)
            return None  # `open` meets it again, and says what it is
        except BaseException:
            self._pool.drop(connection)
            raise

    def _fields(self, origin: Origin, sent: Mapping[str, str]) -> str:
        """Return the header lines for a place; most requests to it have the same."""
        if (known := self._usual.get(origin)) and known[0] == sent:
            return known[1]
        fields = fields_of({"Host": origin.authority, **HEADERS, **sent})
        self._usual[origin] = sent, fields
        return fields

    def _open_asked(self, asked: AskedFile, pulse: Callable[[], None] | None) -> HttpResponse:
        return self.open_with(asked.url, {}, pulse, asked)

    def open_with(
        self, url: str, headers: Mapping[str, str], pulse: Callable[[], None] | None, asked: AskedFile | None = None
    ) -> HttpResponse:
        """`open`, with the headers that say from where and on what condition; `asked`: what was sent already."""
        expect = (200, 206) if "Range" in headers else (200,)
        connection, answer, final = self._exchange("GET", url, headers, pulse, expect, asked)
        try:
            with translated(FAULTS, final):
                return HttpResponse(connection, answer, final, self._pool.give_back)
        except BaseException:
            self._pool.drop(connection)
            raise

    def rest(self) -> None:
        """See Opener."""
        self._pool.rest()

    def close(self) -> None:
        """See ProviderEdge."""
        self.rest()

    def _exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        pulse: Callable[[], None] | None,
        expect: tuple[int, ...],
        asked: AskedFile | None = None,
    ) -> tuple[HttpConnection, Answer, str]:
        """Ask, sign in and follow redirects until an answer of an expected status comes."""
        renewed = False
        with self._pool.lent(pulse, asked.connection if asked else None) as connection:
            for _ in range(MOST_REDIRECTS):
                sent = asked.sent if asked else self._headers(url)
                with translated(FAULTS, url):
                    if asked:
                        answer = asked.answer(pulse)
                    else:
                        answer = self._ask(connection, method, url, {**HEADERS, **headers, **sent}, pulse)
                    self._keep_cookies(answer, url)
                asked = None
                if answer.status in expect:
                    return connection, answer, url
                _drain(connection, answer)
                location = answer.headers.get("Location")
                if answer.status in REDIRECTS and location:
                    url = self._follow(url, location)
                elif answer.status == 401 and not renewed and self._sign_in.renew(sent):
                    renewed = True
                elif answer.status in (412, 416):
                    raise Changed("the file is not the one that was begun", where=shown(url))
                else:
                    raise status_error(answer.status, answer.reason, url, _retry_after(answer))
            raise Unreachable(f"redirected {MOST_REDIRECTS} times", where=shown(url))

    def _ask(
        self,
        connection: HttpConnection,
        method: str,
        url: str,
        headers: Mapping[str, str],
        pulse: Callable[[], None] | None,
    ) -> Answer:
        origin = origin_of(url)
        return connection.ask(origin, method, self._dialler.target(origin, target_of(url)), headers, pulse)

    def _keep_cookies(self, answer: Answer, url: str) -> None:
        if "Set-Cookie" in answer.headers:
            # A jar for each scheme, host and port: cookies know no ports.
            jar = self._cookies.setdefault(origin_of(url), CookieJar())
            jar.extract_cookies(answer, Request(url))  # type: ignore[arg-type]

    def _headers(self, url: str) -> dict[str, str]:
        """Credentials and cookies for a URL; none for a host that is not trusted with them."""
        origin = origin_of(url)
        home = origin == self._base.origin
        headers = (
            {}
            if not (home or self._trusts(origin)) or is_signed(url)
            else dict(self._sign_in.headers(origin, home=home))
        )
        if origin in self._cookies:
            request = Request(url)
            self._cookies[origin].add_cookie_header(request)
            if cookie := request.get_header("Cookie"):
                headers["Cookie"] = cookie
        return headers

    def _trusts(self, origin: Origin) -> bool:
        encrypted = origin.scheme == "https" or self._base.origin.scheme == "http"
        return encrypted and str(origin).lower() in self._listed

    def _follow(self, url: str, location: str) -> str:
        """Return where a redirect leads. Raises Refused when a provider with credentials leaves its hosts."""
        target = urljoin(url, location)
        origin = origin_of(target)
        if origin.scheme not in ("http", "https"):
            raise Refused(f"redirects to {origin.scheme}://, which is not followed", where=shown(url))
        if self._has_credentials and origin != self._base.origin and not self._trusts(origin):
            raise Refused(f"redirects to {origin}, which allowedRedirects does not list", where=shown(url))
        return target


def _context(provider: Provider) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=provider.ca_file)
    except OSError as exc:
        detail = exc.strerror or "not a PEM file"
        raise DocumentError(
            f"ca_file: {provider.ca_file} cannot be read: {detail}", where=f"provider {provider.id}"
        ) from exc


def _empty(page: IO[bytes]) -> None:
    page.seek(0)
    page.truncate()


def _drain(connection: HttpConnection, answer: Answer) -> None:
    """Leave the connection usable when the whole body, which nobody wants, came with the head; else close it."""
    if answer.length != len(answer.rest) or answer.will_close:
        connection.break_off()


def _retry_after(answer: Answer) -> float | None:
    """Seconds, from a number or a date.  None where there is neither."""
    told = answer.headers.get("Retry-After").strip()
    if (seconds := number_of(told)) is not None:
        return float(seconds)
    try:
        date = parsedate_to_datetime(answer.headers.get("Date"))
        return max(0.0, (parsedate_to_datetime(told) - date).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None
