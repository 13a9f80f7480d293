"""Access tokens of an issuer: which count, who has them, and how often the issuer is asked for its keys."""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from joserfc.jwk import ECKey, OctKey, RSAKey

from pileus.api.access import Forbidden, Principal
from pileus.api.jwt import JwtAuthority, KeyRing, imported
from pileus.api.roles import Role
from pileus.edges.key_set import LONGEST, HttpsKeySets
from pileus.errors import StoreError, Unavailable
from spec.support.issuer import EC, ISSUER, NOON, RSA, KeyServer, claims, key_server, sign_in, token

OTHER = RSAKey.generate_key(2048, {"kid": "two", "use": "sig", "alg": "RS256"})


@pytest.fixture
def served() -> Iterator[KeyServer]:
    with key_server(RSA, EC) as found:
        yield found


class Clock:
    """Seconds, which pass when a spec says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def ring(served: KeyServer, clock: Clock | None = None) -> KeyRing:
    return KeyRing(HttpsKeySets(served.url, allow_http=True), clock or Clock())


def authority(served: KeyServer, at: float = NOON, **changes: Any) -> JwtAuthority:
    return JwtAuthority(sign_in(**changes), ring(served), lambda: at)


def test_a_token_of_the_issuer_says_who_and_the_highest_of_its_groups_which_role(served: KeyServer) -> None:
    found = authority(served).principal(token("readers", "operators", "strangers"))
    assert found == Principal("anna", Role.operate)


def test_without_a_user_the_client_is_named(served: KeyServer) -> None:
    found = authority(served).principal(token("readers", username=None, sub="machine"))
    assert found == Principal("machine", Role.read)


def test_known_without_a_role_is_forbidden(served: KeyServer) -> None:
    for groups in ((), ("strangers",)):
        with pytest.raises(Forbidden, match="anna is in no group that has a role here"):
            authority(served).principal(token(*groups))


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://issuer.example.org/other"},
        {"iss": f"{ISSUER}/"},
        {"iss": None},
        {"client_id": "other"},
        {"client_id": None},
        {"aud": "other"},
        {"aud": ["other", 7]},
        {"aud": None, "client_id": None},
        {"token_use": "id"},
        {"exp": None},
        {"exp": str(NOON + 3600)},
        {"exp": True},
        {"exp": 1e300},
        {"iat": "now"},
        {"nbf": [NOON]},
        {"username": None, "sub": None},
        {"username": None, "sub": 7},
    ],
    ids=str,
)
def test_a_signed_token_for_something_else_names_nobody(served: KeyServer, changes: dict[str, Any]) -> None:
    assert authority(served).principal(token("admins", **changes)) is None


def test_an_audience_counts_before_the_client(served: KeyServer) -> None:
    """As OIDC issuers have it that are not Cognito: `aud` names the API, and there is no `token_use`."""
    usual = {"token_use": None, "client_id": "somebody"}
    assert authority(served).principal(token("readers", aud="client", **usual))
    assert authority(served).principal(token("readers", aud=["x", "client"], **usual))
    assert authority(served).principal(token("readers", aud="x", token_use=None)) is None


@pytest.mark.parametrize(
    ("at", "counts"),
    [
        (NOON - 31, False),  # 31 s before it was issued; a clock may be wrong by 30
        (NOON - 30, True),
        (NOON, True),
        (NOON + 3600 + 29, True),
        (NOON + 3600 + 30, False),
    ],
)
def test_clocks_may_differ_by_thirty_seconds(served: KeyServer, at: float, counts: bool) -> None:
    assert (authority(served, at).principal(token("readers")) is not None) == counts
    assert (authority(served, at).principal(token("readers", iat=None, nbf=NOON)) is not None) == counts


def test_a_signature_of_another_key_under_the_same_id_is_refused(served: KeyServer) -> None:
    assert authority(served).principal(token("admins", key=OTHER, header={"kid": "one"})) is None


def test_a_changed_claim_is_refused(served: KeyServer) -> None:
    head, _, signature = token("readers").split(".")
    assert authority(served).principal(f"{head}.{coded(claims('admins'))}.{signature}") is None


def coded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_the_public_key_is_no_secret_to_sign_with(served: KeyServer) -> None:
    """The old confusion: HS256, with what everybody can read as its secret."""
    public = RSA.as_pem(private=False)
    for form in (public, public.strip(), RSA.as_der(private=False)):
        signed = f"{coded({'alg': 'HS256', 'kid': 'one'})}.{coded(claims('admins'))}"
        proof = base64.urlsafe_b64encode(hmac.new(form, signed.encode(), hashlib.sha256).digest()).rstrip(b"=")
        assert authority(served).principal(f"{signed}.{proof.decode()}") is None


@pytest.mark.parametrize("algorithm", ["none", "None", "HS256", "RS512", "PS256", "", None, 7, ["RS256"]])
def test_an_algorithm_off_the_list_is_refused(served: KeyServer, algorithm: Any) -> None:
    body = f"{coded({'alg': algorithm, 'kid': 'one'})}.{coded(claims('admins'))}"
    for signature in ("", token("admins").split(".")[2]):
        assert authority(served).principal(f"{body}.{signature}") is None


def test_a_curve_counts_where_the_settings_say_so(served: KeyServer) -> None:
    given = token("readers", key=EC)
    assert authority(served).principal(given) is None
    assert authority(served, algorithms=["RS256", "ES256"]).principal(given) == Principal("anna", Role.read)


def test_a_key_proves_nothing_by_an_algorithm_that_it_is_not_for(served: KeyServer) -> None:
    served.keys[0]["alg"] = "PS256"
    assert authority(served).principal(token("admins")) is None


@pytest.mark.parametrize("named", [True, False], ids=["keys-name-theirs", "keys-name-none"])
def test_a_key_proves_nothing_by_the_algorithm_of_another(served: KeyServer, named: bool) -> None:
    for key in () if named else served.keys:
        del key["alg"]
    both = authority(served, algorithms=["RS256", "ES256"])
    assert both.principal(token("readers"))
    assert both.principal(token("readers", key=EC))
    assert both.principal(token("admins", header={"kid": "curve"})) is None
    assert both.principal(token("admins", key=EC, header={"kid": "one"})) is None


def test_keys_that_a_header_brings_are_not_looked_at(served: KeyServer) -> None:
    own = {"jwk": OTHER.as_dict(private=False), "jku": served.url, "kid": "one"}
    assert authority(served).principal(token("admins", key=OTHER, header=own)) is None
    assert served.asked == 1


def test_what_must_be_understood_and_is_not_is_refused(served: KeyServer) -> None:
    head = {"alg": "RS256", "kid": "one", "crit": ["magic"], "magic": 1}
    assert authority(served).principal(f"{coded(head)}.{coded(claims('admins'))}.{token().split('.')[2]}") is None


@pytest.mark.parametrize("text", ["", ".", "..", "a.b.c", "é", "x" * 20_000, "{}", "\x00", "e30.e30.", "W10.W10.W10"])
def test_what_is_no_token_names_nobody_and_asks_nobody(served: KeyServer, text: str) -> None:
    assert authority(served).principal(text) is None
    assert served.asked == 0


def test_weak_foreign_and_secret_keys_are_left_out() -> None:
    secret = OctKey.generate_key(256, {"kid": "secret"}).as_dict(private=True)
    weak = RSAKey.generate_key(1024, {"kid": "weak"}).as_dict(private=False)
    curve = ECKey.generate_key("P-384", {"kid": "p384"}).as_dict(private=False)
    cipher = RSA.as_dict(private=False) | {"kid": "cipher", "use": "enc"}
    nameless = {name: value for name, value in RSA.as_dict(private=False).items() if name != "kid"}
    broken = [{"kty": "RSA", "kid": "b", "n": "!", "e": 1}, {"kty": "EC", "kid": "c"}, {"kid": 7}, {}]
    assert set(imported([secret, weak, curve, cipher, nameless, *broken, RSA.as_dict(private=False)])) == {"one"}


def test_keys_are_fetched_once(served: KeyServer) -> None:
    found = authority(served)
    assert served.asked == 0, "not before somebody asks"
    for _ in range(50):
        assert found.principal(token("readers"))
    assert served.asked == 1


def test_a_storm_of_unknown_keys_asks_the_issuer_once_a_minute(served: KeyServer) -> None:
    clock = Clock()
    keys = ring(served, clock)
    assert keys.key("one")
    for number in range(100):
        clock.now += 1  # 100 seconds
        assert keys.key(f"unknown-{number}") is None
    assert served.asked == 2, "at the first second, and when 60 had passed"


def test_a_new_key_is_found_and_a_withdrawn_one_forgotten(served: KeyServer) -> None:
    clock = Clock()
    keys = ring(served, clock)
    assert keys.key("one")
    served.keys = [OTHER.as_dict(private=False)]
    clock.now += 60
    assert keys.key("two")
    assert keys.key("one") is None


def test_keys_are_asked_for_again_after_an_hour(served: KeyServer) -> None:
    clock = Clock()
    keys = ring(served, clock)
    assert keys.key("one")
    served.keys = [OTHER.as_dict(private=False)]
    clock.now += 3600
    assert keys.key("one"), "not yet"
    clock.now += 1
    assert keys.key("one") is None
    assert served.asked == 2


@pytest.mark.parametrize("fault", [{"status": 500}, {"body": b"<html>"}, {"body": b"{}"}, {"keys": []}], ids=str)
def test_a_fetch_that_fails_keeps_the_keys_there_are(served: KeyServer, fault: dict[str, Any]) -> None:
    clock = Clock()
    keys = ring(served, clock)
    assert keys.key("one")
    for name, value in fault.items():
        setattr(served, name, value)
    clock.now += 60
    assert keys.key("two") is None
    assert keys.key("one")
    assert served.asked == 2


def test_with_no_keys_at_all_it_says_so_and_tries_again_soon(served: KeyServer) -> None:
    clock = Clock()
    keys = ring(served, clock)
    served.status = 503
    for _ in range(10):
        with pytest.raises(StoreError, match="nobody can sign in now"):
            keys.key("one")
    assert served.asked == 1
    served.status = 200
    clock.now += 5
    assert keys.key("one")


def test_twenty_threads_fetch_once(served: KeyServer) -> None:
    keys, found = ring(served), []
    threads = [threading.Thread(target=lambda: found.append(keys.key("one"))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(list(filter(None, found))) == 20
    assert served.asked == 1


def test_only_https_is_asked() -> None:
    for url in ("http://issuer.example.org/keys", "file:///etc/passwd", "ftp://issuer.example.org/keys"):
        with pytest.raises(ValueError, match="expected an address with https"):
            HttpsKeySets(url)


def test_a_redirect_is_not_followed(served: KeyServer) -> None:
    served.status, served.headers = 302, {"Location": served.url}
    with pytest.raises(Unavailable, match="answered 302"):
        HttpsKeySets(served.url, allow_http=True).fetch()
    assert served.asked == 1


def test_a_key_set_that_is_too_long_is_refused(served: KeyServer) -> None:
    served.body = b" " * (LONGEST + 1)
    with pytest.raises(StoreError, match="262,144 bytes"):
        HttpsKeySets(served.url, allow_http=True).fetch()


def test_a_server_that_dribbles_is_left(served: KeyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte in time, and all of them too late: the limit is for the whole."""
    monkeypatch.setattr("pileus.edges.key_set.SECONDS", 0)
    with pytest.raises(Unavailable, match="did not arrive in 0 s"):
        HttpsKeySets(served.url, allow_http=True).fetch()


def test_nobody_there_is_told(served: KeyServer) -> None:
    with pytest.raises(Unavailable, match="cannot be fetched: ConnectionError"):
        HttpsKeySets("http://127.0.0.1:1/keys", allow_http=True).fetch()
