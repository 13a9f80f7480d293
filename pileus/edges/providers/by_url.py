"""Files by their URLs alone, where no provider document describes the place."""

from contextlib import closing
from urllib.parse import urlsplit

from pileus.documents import Provider, parse_value
from pileus.download.fetch import open_stream
from pileus.edges.providers import connect
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
