"""The public keys of an issuer of tokens, as it publishes them: a JSON Web Key Set."""

import time
from collections.abc import Iterator
from typing import Any, Protocol

from pileus.errors import StoreError, Unavailable
from pileus.strict_json import parse_json
from pileus.version import __version__

CONNECT_SECONDS, READ_SECONDS, SECONDS = 3.0, 3.0, 5.0
"""Longest time for a connection, between two bytes, and for all of it."""
LONGEST = 256 * 1024
"""Bytes. Issuers publish a few keys, each about 2 kB with its certificate."""
PART = 16 * 1024
HEADERS = {"User-Agent": f"pileus/{__version__}", "Accept": "application/json", "Accept-Encoding": "identity"}


class KeySets(Protocol):
    """Where an issuer's keys are fetched."""

    def fetch(self) -> list[dict[str, Any]]:
        """Return the keys as RFC 7517 writes them. Raises StoreError when they cannot be had."""


class HttpsKeySets:
    """Keys at an address.

    Only https, no redirects, and within limits of time and size. `allow_http`: for specs, whose servers are on the
    loopback interface. Raises ValueError for another address.
    """

    def __init__(self, url: str, *, allow_http: bool = False) -> None:
        if not url.startswith("https://") and not (allow_http and url.startswith("http://")):
            raise ValueError(f"{url}: expected an address with https")
        self._url = url

    def fetch(self) -> list[dict[str, Any]]:
        import requests  # the first token pays for it, not the start
        from urllib3.exceptions import HTTPError

        until = time.monotonic() + SECONDS
        how: Any = {"timeout": (CONNECT_SECONDS, READ_SECONDS), "stream": True, "allow_redirects": False}
        try:
            with requests.get(self._url, headers=HEADERS, auth=_as_it_is, **how) as answer:
                if answer.status_code != 200:
                    raise Unavailable(f"answered {answer.status_code}, expected 200", where=self._url)
                body = b"".join(self._parts(answer.raw, until))
        except (requests.RequestException, HTTPError, OSError) as exc:
            raise Unavailable(f"the issuer's keys cannot be fetched: {type(exc).__name__}", where=self._url) from exc
        return self._keys(body)

    def _parts(self, raw: Any, until: float) -> Iterator[bytes]:
        """Yield what arrives, up to the limits."""
        size = 0
        while part := raw.read1(PART):
            size += len(part)
            if size > LONGEST:
                raise StoreError(f"expected keys of at most {LONGEST:,} bytes", where=self._url)
            if time.monotonic() > until:
                raise Unavailable(f"the issuer's keys did not arrive in {SECONDS:g} s", where=self._url)
            yield part

    def _keys(self, body: bytes) -> list[dict[str, Any]]:
        try:
            found = parse_json(body)
        except ValueError as exc:
            raise StoreError(f"the issuer's keys are not JSON: {exc}", where=self._url) from exc
        keys = found.get("keys") if isinstance(found, dict) else None
        if not isinstance(keys, list):
            raise StoreError("expected a key set: an object with a list of keys", where=self._url)
        return [key for key in keys if isinstance(key, dict)]


def _as_it_is(request: Any) -> Any:
    """Return a request without the password that a .netrc may have."""
    return request
