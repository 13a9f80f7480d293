"""Sign-in to HTTP providers. What is sent where:

1. To the provider's own host: its credentials.
2. To a host in `allowedRedirects`: the same, but never next to a signature in the URL, which would be refused.
   With `earthdata` the user name and password go to these hosts only, and the provider knows us by its cookie.
3. With `netrc`: to either of them, what the file holds for that very host.
4. To any other host: nothing. A provider with credentials may not redirect there at all.
"""

import base64
import netrc
import re
import threading
from collections.abc import Callable, Mapping
from socket import socket
from typing import Protocol
from urllib.parse import urlsplit

from pileus.documents import Credentials, Provider, SecretRef
from pileus.edges.providers.address import Origin, shown
from pileus.edges.providers.faults import BUSY
from pileus.edges.providers.form_post import post_form
from pileus.edges.providers.login import plain_login, read_netrc
from pileus.edges.secrets import Secret, Secrets
from pileus.errors import Busy, DocumentError, Refused
from pileus.strict_json import parse_json

SIGNATURES = ("x-amz-signature=", "signature=", "x-goog-signature=", "sig=")
Dial = Callable[[Origin], socket]
"""Opens a connection."""
EARLY = 30.0
"""Seconds before its end at which a token is replaced."""


class SignIn(Protocol):
    """Makes the headers that authenticate a request."""

    def headers(self, origin: Origin, *, home: bool) -> Mapping[str, str]:
        """Headers for a trusted origin; `home`: it is the provider itself. Raises Refused, Unreachable, Busy."""
        ...

    def renew(self, sent: Mapping[str, str]) -> bool:
        """Take note that the provider refused `sent`. Return whether another try has other headers."""
        ...

    @property
    def at_hand(self) -> bool:
        """Return whether `headers` has its answer without asking a service for it."""
        ...


class Anonymous:
    """No credentials."""

    def headers(self, origin: Origin, *, home: bool) -> Mapping[str, str]:  # noqa: ARG002
        return {}

    def renew(self, sent: Mapping[str, str]) -> bool:  # noqa: ARG002
        return False

    @property
    def at_hand(self) -> bool:
        return True


class Fixed(Anonymous):
    """The same header each time: basic and bearer. `elsewhere`: only to hosts that redirects lead to."""

    def __init__(self, authorization: Secret, *, elsewhere: bool = False) -> None:
        self._authorization, self._elsewhere = authorization, elsewhere

    def headers(self, origin: Origin, *, home: bool) -> Mapping[str, str]:  # noqa: ARG002
        return {} if home and self._elsewhere else {"Authorization": self._authorization.reveal()}


class Netrc(Anonymous):
    """User and password from a `.netrc` file, by host."""

    def __init__(self, hosts: netrc.netrc) -> None:
        self._hosts = hosts

    def headers(self, origin: Origin, *, home: bool) -> Mapping[str, str]:  # noqa: ARG002
        entry = self._hosts.authenticators(origin.host)
        return {"Authorization": basic(entry[0], entry[2] or "").reveal()} if entry else {}


class OAuth2:
    """A bearer token from a token URL, by the password or the client credentials grant, refreshed in time."""

    def __init__(
        self,
        url: str,
        form: Callable[[], dict[str, str]],
        client: Callable[[], dict[str, str]],
        dial: Dial,
        now: Callable[[], float],
    ) -> None:
        self._url, self._form, self._client, self._dial, self._now = url, form, client, dial, now
        self._lock = threading.Lock()
        self._token: str | None = None
        self._refresh: str | None = None
        self._ends = 0.0

    def headers(self, origin: Origin, *, home: bool) -> Mapping[str, str]:  # noqa: ARG002
        with self._lock:
            if self._token is None or self._now() >= self._ends:
                self._fetch()
            return {"Authorization": f"Bearer {self._token}"}

    def renew(self, sent: Mapping[str, str]) -> bool:
        with self._lock:
            if sent.get("Authorization") == f"Bearer {self._token}":
                self._token = None
        return True

    @property
    def at_hand(self) -> bool:
        return self._token is not None and self._now() < self._ends

    def _fetch(self) -> None:
        if self._refresh is not None:
            try:
                self._ask({"grant_type": "refresh_token", "refresh_token": self._refresh, **self._client()})
                return
            except Refused:
                self._refresh = None
        self._ask({**self._form(), **self._client()})

    def _ask(self, form: dict[str, str]) -> None:
        status, body = post_form(self._dial, self._url, form)
        if status in BUSY:
            raise Busy(f"sign-in answered {status}", where=shown(self._url))
        try:
            value = parse_json(body)
        except ValueError:
            value = {}
        token = value.get("access_token") if isinstance(value, dict) else None
        if status != 200 or not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token):
            # Only the code of RFC 6749 is told: a description may repeat what was sent.
            code = str(value.get("error", "no token")) if isinstance(value, dict) else "no token"
            code = code if re.fullmatch(r"[a-z_ ]{1,40}", code) else "no token"
            raise Refused(f"sign-in answered {status}: {code}", where=shown(self._url))
        lasts = value.get("expires_in")
        told = re.fullmatch(r"[0-9]{1,9}(\.[0-9]{0,9})?", str(lasts)) if isinstance(lasts, int | float | str) else None
        lasts = float(told[0]) if told else 300.0
        refresh = value.get("refresh_token")
        self._token, self._refresh = token, refresh if isinstance(refresh, str) else self._refresh
        self._ends = self._now() + max(lasts - EARLY, lasts / 2)


def basic(user: str, password: str) -> Secret:
    return Secret("Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())


def is_signed(url: str) -> bool:
    """Return whether the URL is signed, and so needs no credentials.

    >>> is_signed("https://b.s3.amazonaws.com/k?X-Amz-Signature=ab"), is_signed("https://x.org/k")
    (True, False)
    """
    if "?" not in url:
        return False
    query = urlsplit(url).query.lower()
    return any(query.startswith(name) or f"&{name}" in query for name in SIGNATURES)


def sign_in(provider: Provider, secrets: Secrets, dial: Dial, now: Callable[[], float]) -> SignIn:
    """Return the sign-in that the provider's credentials ask for. Secrets are read at once, so that a missing one is
    told before anything is sent. Raises DocumentError.
    """
    credentials = provider.credentials
    if credentials is None:
        login = plain_login(provider)
        return Fixed(basic(*login.reveal())) if login else Anonymous()
    where = f"provider {provider.id}: credentials"

    def secret(name: str) -> str:
        ref: SecretRef | None = getattr(credentials, name)
        if ref is None:
            raise DocumentError(f"{name}: required, and missing", where=where)
        return secrets.resolve(ref, f"{where}.{name}").reveal()

    match credentials.type:
        case "basic" | "earthdata":
            authorization = basic(secret("username"), secret("password"))
            return Fixed(authorization, elsewhere=credentials.type == "earthdata")
        case "bearer":
            return Fixed(Secret(f"Bearer {secret('token')}"))
        case "netrc":
            return Netrc(read_netrc(secrets, where))
        case "oauth2_password" | "oauth2_client":
            return _oauth2(credentials, secret, dial, now)
        case other:
            raise DocumentError(f"type: {other} is not for protocol {provider.protocol}", where=where)


def _oauth2(credentials: Credentials, secret: Callable[[str], str], dial: Dial, now: Callable[[], float]) -> OAuth2:
    url = credentials.token_url or ""
    scope = {"scope": credentials.scope} if credentials.scope else {}

    def client() -> dict[str, str]:
        names = [name for name in ("client_id", "client_secret") if getattr(credentials, name) is not None]
        return {name: secret(name) for name in names}

    def form() -> dict[str, str]:
        if credentials.type == "oauth2_client":
            return {"grant_type": "client_credentials", **scope}
        return {"grant_type": "password", "username": secret("username"), "password": secret("password"), **scope}

    form(), client()
    return OAuth2(url, form, client, dial, now)
