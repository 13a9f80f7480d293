"""Files by their URLs alone, where no provider document describes the place."""

from collections.abc import Iterable
from contextlib import closing
from urllib.parse import urlsplit

from pileus.documents import Provider, parse_value
from pileus.download.fetch import open_stream
from pileus.edges.providers import connect
from pileus.edges.providers.address import base_of, origin_of
from pileus.edges.secrets import Secrets
from pileus.errors import UsageError
from pileus.protocols import REGISTERED


def provider_of(url: str, name: str) -> Provider:
    """Return the provider of a URL that no document describes. Raises UsageError for another scheme."""
    try:
        split = urlsplit(url)
    except ValueError as exc:
        raise UsageError(f"not a URL: {exc}", where=url) from exc
    if split.scheme not in REGISTERED:
        raise UsageError(f"expected a URL with one of {', '.join(REGISTERED)}", where=url)
    value = {"id": name, "protocol": split.scheme, "host": split.netloc, "globalConnectionLimit": 64}
    return parse_value(Provider, value, url)


def read_url(url: str, secrets: Secrets) -> bytes:
    """Return the bytes of a file that needs no sign-in. Raises what a transfer raises."""
    with closing(connect(provider_of(url, "site"), secrets=secrets)) as edge, open_stream(url, edge) as stream:
        return stream.read()


def provider_at(url: str, providers: Iterable[Provider]) -> Provider | None:
    """Return the first of some providers whose host (http, https) or bucket (s3) an address is at; None where there is
    none.
    """
    parts = urlsplit(url)
    for one in providers:
        if one.protocol != parts.scheme or one.protocol not in ("http", "https", "s3"):
            continue
        if one.protocol == "s3":
            here = urlsplit(one.host).netloc if "://" in one.host else one.host.partition("/")[0]
            if here == parts.netloc:
                return one
        elif base_of(one).origin == origin_of(url):
            return one
    return None
