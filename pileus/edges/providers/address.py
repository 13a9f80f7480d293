"""Addresses: from a provider's host and a collection's path to URLs, and what may be shown of them."""

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, urlsplit, urlunsplit

from pileus.documents import Provider
from pileus.download.source import Limits
from pileus.errors import DocumentError, UsageError
from pileus.protocols import REGISTERED, usual_port

LISTS = (".txt", ".lst", ".list", ".urls")
"""Endings of a provider path that is a list of URLs in place of a folder."""
SAFE = "/%:@!$&'()*+,;=~-._"
_PLAIN = re.compile(r"https?://[A-Za-z0-9.:-]+(/[A-Za-z0-9/._~-]*)")
"""A URL whose path stands in a request as it is."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port: what credentials belong to."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        return self.host if self.port == usual_port(self.scheme) else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}"

    @property
    def authority(self) -> str:
        """Host and port, as a request names them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == usual_port(self.scheme) else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Base:
    """Where a provider's paths begin."""

    origin: Origin
    path: str
    """Folder that relative paths are joined to; begins with `/`."""

    def folder(self, path: str) -> str:
        """Absolute path of a folder, ending with `/`, or of a list of URLs.

        1. A path that begins with `/` replaces the path of the host.
        2. Any other path is joined to it.

        >>> base = Base(Origin("https", "x.org", 443), "/old/")
        >>> base.folder("v10/201501"), base.folder("/v10"), base.folder(""), base.folder("urls.txt")
        ('/old/v10/201501/', '/v10/', '/old/', '/old/urls.txt')
        """
        joined = path if path.startswith("/") else f"{self.path.rstrip('/')}/{path}"
        if joined.lower().endswith(LISTS):
            return joined
        return joined.rstrip("/") + "/"

    def url(self, path: str, *, encoded: bool = False) -> str:
        """`encoded`: percent signs of `path` are escapes already."""
        return self.origin.url + quote(path, safe=SAFE if encoded else SAFE.replace("%", ""))


def base_of(provider: Provider) -> Base:
    """Read a provider's host: bare, with a port, or a whole URL. Raises DocumentError.

    >>> base_of(Provider(id="x", protocol="https", host="x.org:8443")).origin
    Origin(scheme='https', host='x.org', port=8443)
    """
    where = f"provider {provider.id}"
    text = provider.host if "://" in provider.host else f"{provider.protocol}://{provider.host}"
    try:
        split = urlsplit(text)
        port = provider.port or split.port or usual_port(provider.protocol)
    except ValueError as exc:
        raise DocumentError(f"host: {provider.host!r} is not a host: {exc}", where=where) from exc
    if split.username is not None or split.password is not None:
        raise DocumentError("host: holds a user name or a password: they belong in credentials", where=where)
    if not split.hostname or any(character.isspace() for character in split.hostname):
        raise DocumentError(f"host: {provider.host!r} is not a host", where=where)
    if port is None:
        raise DocumentError(f"port: required, because protocol {provider.protocol} has no usual one", where=where)
    return Base(Origin(split.scheme, split.hostname, port), split.path or "/")


def origin_of(url: str) -> Origin:
    """Raises UsageError for a URL without a host or of a scheme that has no port."""
    mark = url.find("://")
    end = url.find("/", mark + 3) if mark > 0 else -1
    try:
        return _origin(url[:end] if end > 0 else url)
    except UsageError as exc:
        exc.where = shown(url)
        raise


@lru_cache(256)
def _origin(url: str) -> Origin:
    """`url`: its beginning up to the path is enough."""
    try:
        split = urlsplit(url)
        port = split.port or usual_port(split.scheme)
    except ValueError as exc:
        raise UsageError(f"not a URL: {exc}", where=shown(url)) from exc
    if port is None:
        with_ports = [name for name, protocol in REGISTERED.items() if protocol.port is not None]
        raise UsageError(f"expected a URL with one of {', '.join(with_ports)}", where=shown(url))
    return Origin(split.scheme, split.hostname or "", port)


def target_of(url: str) -> str:
    """Return what a request names of a URL: path and query.

    >>> target_of("https://x.org/v1/a.tif"), target_of("https://x.org/a b?c=1#d"), target_of("https://x.org")
    ('/v1/a.tif', '/a%20b?c=1', '/')
    """
    if plain := _PLAIN.fullmatch(url):
        return plain[1]
    split = urlsplit(url)
    return quote(split.path or "/", safe=SAFE) + (f"?{split.query}" if split.query else "")


def shown(url: str) -> str:
    """Return a URL for a person: without user, password and query, which may hold secrets.

    >>> shown("https://me:pw@x.org/a.tgz?X-Amz-Signature=1")
    'https://x.org/a.tgz'
    """
    split = urlsplit(url)
    return urlunsplit((split.scheme, split.netloc.rpartition("@")[2], split.path, "", ""))


def limits_of(provider: Provider) -> Limits:
    return Limits(
        attempts=provider.attempts,
        read_seconds=provider.read_seconds,
        total_seconds=provider.file_seconds,
        min_bytes_per_second=provider.min_bytes_per_second,
    )
