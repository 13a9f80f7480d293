"""Who has an access token of an issuer (OIDC, such as Cognito): its signature, and what it says.

A token counts when

1. its header names one of the algorithms of the settings (never HS256 or none), and the id of a key of the issuer
   which is of that kind;
2. its signature is that key's;
3. `iss` is the issuer, and `aud` has one of the audiences; without `aud`, `client_id` is one;
4. `token_use`, where it has one, is `access`;
5. it has an end (`exp`) that is not past, and no beginning (`nbf`, `iat`) that is to come; clocks may differ by LEEWAY.

What a header says of where keys are (`jku`, `jwk`, `x5u`) is never looked at.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import JWSRegistry

from pileus.api.access import Forbidden, Principal
from pileus.api.sign_in import SignIn
from pileus.edges.key_set import KeySets
from pileus.errors import StoreError
from pileus.names import one_line

log = logging.getLogger(__name__)
LEEWAY = 30.0
"""Seconds by which the issuer's clock may differ."""
LONGEST = 16 * 1024
"""Characters of a token."""
LONGEST_HEADER = 4096
"""Characters of its header."""
AGAIN = 60.0
"""Seconds between two attempts to fetch keys, where a token names an unknown one."""
SOON = 5.0
"""The same while there are no keys at all."""
OLD = 3600.0
"""Seconds after which keys are fetched again: the issuer may have withdrawn one."""
LEAST_BITS = 2048
"""Of an RSA key."""
SCOPES = ("scope", "scp")
"""Claims whose text is a list of words."""
NAMES = ("username", "sub")
"""Claims that name who has the token; the first that is there counts."""
Key = RSAKey | ECKey
Clock = Callable[[], float]


class KeyRing:
    """The keys of an issuer by their ids, fetched when they are needed. For several threads.

    A fetch that fails keeps the keys there are. `clock`: monotonic seconds.
    """

    def __init__(self, source: KeySets, clock: Clock = time.monotonic) -> None:
        self._source, self._clock = source, clock
        self._keys: Mapping[str, Key] = {}
        self._fetched, self._tried = -OLD, -OLD
        self._fetching = threading.Lock()

    def key(self, id: str) -> Key | None:
        """Return a key; None where the issuer has none of this id. Raises StoreError where there are no keys yet, and
        they cannot be fetched.
        """
        known = self._keys
        if id not in known:
            with self._fetching:
                if id not in self._keys:  # another thread may just have fetched it
                    self._refresh(AGAIN if self._keys else SOON)
            known = self._keys
        elif self._clock() - self._fetched > OLD and self._fetching.acquire(blocking=False):
            try:  # the others go on with the keys there are
                self._refresh(AGAIN)
            finally:
                self._fetching.release()
            known = self._keys
        if not known:
            raise StoreError("the issuer's keys cannot be fetched: nobody can sign in now")
        return known.get(id)

    def _refresh(self, pause: float) -> None:
        """Fetch the keys, unless that was tried in the last `pause` seconds."""
        now = self._clock()
        if now - self._tried < pause:
            return
        self._tried = now
        try:
            found = imported(self._source.fetch())
        except StoreError as error:
            log.warning("the issuer's keys stay as they are: %s", error)
            return
        if found:
            self._keys, self._fetched = found, now


def imported(keys: list[dict[str, Any]]) -> dict[str, Key]:
    """Return the keys that can prove a signature, by their ids: of RSA with 2048 bits or more, or of the curve P-256.

    Others, those without an id, and those for something else than signatures are left out.
    """
    found: dict[str, Key] = {}
    for one in keys:
        id, use = one.get("kid"), one.get("use", "sig")
        kind = one.get("kty")
        if not isinstance(id, str) or not id or use != "sig" or kind not in ("RSA", "EC"):
            continue
        try:
            public = {name: value for name, value in one.items() if name in ("kty", "n", "e", "crv", "x", "y", "alg")}
            key: Key = RSAKey.import_key(public) if kind == "RSA" else ECKey.import_key(public)
            strong = key.curve_name == "P-256" if isinstance(key, ECKey) else key.raw_value.key_size >= LEAST_BITS
        except (JoseError, ValueError, TypeError, KeyError):
            continue
        if strong:
            found[id] = key
    return found


class JwtAuthority:
    """Knows the tokens of one issuer. `clock`: Unix time."""

    def __init__(self, sign_in: SignIn, keys: KeyRing, clock: Clock = time.time) -> None:
        self._sign_in, self._keys, self._clock = sign_in, keys, clock

    def principal(self, token: str) -> Principal | None:
        """Return who has this token; None where it does not count.

        Raises Forbidden for one that counts and whose groups have no role; StoreError where the issuer's keys cannot
        be had.
        """
        claims = self._proved(token)
        if claims is None or not self._holds(claims):
            return None
        name = next((one_line(claims[of])[:100] for of in NAMES if _text(claims.get(of))), "")
        if not name:
            return None
        role = self._sign_in.role_of(groups_of(claims, self._sign_in.groups_claim))
        if role is None:
            raise Forbidden(f"{name} is in no group that has a role here ({self._sign_in.groups_claim})")
        return Principal(name, role)

    def _proved(self, token: str) -> dict[str, Any] | None:
        """Return the claims of a token that its issuer has signed; None for any other."""
        if len(token) > LONGEST or not token.isascii():
            return None
        header = header_of(token)
        algorithm, id = header.get("alg"), header.get("kid")
        if algorithm not in self._sign_in.algorithms or not _text(id):
            return None
        key = self._keys.key(str(id))
        if key is None or key.get("alg") not in (None, algorithm):
            return None
        try:
            return dict(jwt.decode(token, key, registry=_registry(str(algorithm))).claims)
        except (JoseError, ValueError, TypeError, RecursionError):
            return None

    def _holds(self, claims: Mapping[str, Any]) -> bool:
        """Return whether what a token says makes it one for here and now."""
        now, audience = self._clock(), claims.get("aud", claims.get("client_id"))
        meant = audience if isinstance(audience, list) else [audience]
        begins = [claims[name] for name in ("nbf", "iat") if name in claims]
        return (
            claims.get("iss") == self._sign_in.issuer
            and any(one in self._sign_in.audience for one in meant if isinstance(one, str))
            and claims.get("token_use", "access") == "access"
            and _moment(claims.get("exp"))
            and now < claims["exp"] + LEEWAY
            and all(_moment(begin) and begin - LEEWAY <= now for begin in begins)
        )


def header_of(token: str) -> Mapping[str, Any]:
    """Return what the header of a token says, which nobody has proved; empty where it says nothing that can be read."""
    try:
        return dict(jws.extract_compact(token.encode(), registry=_registry()).headers())
    except (JoseError, ValueError, TypeError, RecursionError):
        return {}


def _registry(*algorithms: str) -> JWSRegistry:
    """Return the rules for headers: what is unknown there says nothing, unless it is said to be critical."""
    found = JWSRegistry(algorithms=algorithms, strict_check_header=False)
    found.max_header_length = LONGEST_HEADER
    return found


def groups_of(claims: Mapping[str, Any], claim: str) -> list[str]:
    """Return the groups in a claim: those of a list, one that is a text, or the words of a scope.

    >>> groups_of({"groups": ["a", 1]}, "groups"), groups_of({"groups": "not admin"}, "groups")
    (['a'], ['not admin'])
    >>> groups_of({"scope": "pileus/read openid"}, "scope")
    ['pileus/read', 'openid']
    """
    value = claims.get(claim)
    if isinstance(value, str):
        return value.split() if claim in SCOPES else [value]
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _moment(value: object) -> bool:
    """Return whether a value is Unix time: a number, and not so large that sums with it mean nothing."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12
