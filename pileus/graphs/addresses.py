"""The addresses that inputs of a request may have on the stack.

https://, http://   a file anywhere: of a populated provider as its document says, else over public addresses only
s3://BUCKET/KEY     an object of this stack's buckets but the internal one, or of a populated provider's bucket
collection:NAME     the statistics of a populated collection: see statistics.py
value:SHA256        a file that somebody has uploaded
given:RESULT        what another operation of the request has made; no user names one
"""

import re
from urllib.parse import urlsplit

from pileus.edges.aws import Stack
from pileus.errors import DocumentError
from pileus.graphs.statistics import Statistics
from pileus.names import is_clean
from pileus.stratus.request import Input

VALUE = re.compile(r"value:([0-9a-f]{64})")
FOREIGN = ("http", "https")


def value_of(uri: str) -> str | None:
    """Return the SHA-256 of an uploaded file's address; None for any other.

    >>> value_of("value:" + "0" * 64) == "0" * 64, value_of("value:x")
    (True, None)
    """
    found = VALUE.fullmatch(uri)
    return found[1] if found else None


def own_buckets(stack: Stack) -> frozenset[str]:
    """Return the buckets of the stack that inputs may be in."""
    named = {one["name"] for one in stack.bucket_map.values() if "name" in one}
    return frozenset({stack.protected, *named} - {stack.internal})


def check_form(one: Input) -> None:
    """Raise DocumentError for an address that no input may have, whatever it leads to."""
    at = f"input {one.id}: uri"
    if one.uri.startswith("value:"):
        if value_of(one.uri) is None:
            raise DocumentError(f"{at}: expected value: and 64 hexadecimal digits")
        return
    if Statistics.of(one.uri) is not None:
        return
    try:
        split = urlsplit(one.uri)
        host, _ = split.hostname, split.port
    except ValueError as exc:
        raise DocumentError(f"{at}: not an address: {exc}") from exc
    if split.scheme not in (*FOREIGN, "s3") or not host or not is_clean(one.uri):
        raise DocumentError(
            f"{at}: expected an address that begins with https://, http://, s3://, collection: or value:"
        )
    if split.username is not None or split.password is not None:
        raise DocumentError(f"{at}: expected an address without a user's name or password")
