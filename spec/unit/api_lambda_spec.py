"""The API's Lambda face: who asks by an event of the gateway, and what goes back."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mangum import Mangum
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from pileus.api import lambda_handler
from pileus.api.app import Settings, create_app
from pileus.api.jwt import JwtAuthority, KeyRing
from pileus.api.lambda_handler import NoTokens, adapted, signer
from pileus.api.roles import Role
from pileus.edges.key_set import HttpsKeySets
from spec.support.api import folder_services
from spec.support.http_api import HOST, NIGHT, Answered, answered, event
from spec.support.issuer import NOON, RSA, key_server, sign_in, token
from spec.support.tiny import folder_edges

Ask = Callable[..., Answered]


def asking(app: ASGIApp) -> Ask:
    adapter = adapted(app)
    return lambda path, **more: answered(adapter(event(path, **more), None))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    folder = tmp_path_factory.mktemp("lambda")
    with key_server(RSA) as served:
        keys = KeyRing(HttpsKeySets(served.url, allow_http=True))
        authority = JwtAuthority(sign_in(), keys, lambda: NOON)
        services = folder_services(folder_edges(folder), folder / "logs")
        yield asking(create_app(services, authority, Settings(hosts=lambda: {HOST}, secure=True, streams=False)))


def test_anybody_may_ask_for_its_health(ask: Ask) -> None:
    answer = ask("/health")
    assert (answer.status, answer.json["status"]) == (200, "ok")
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_without_a_token_it_is_401_with_a_problem(ask: Ask) -> None:
    answer = ask("/v1/backfills")
    assert (answer.status, answer.json["type"]) == (401, "urn:pileus:NotSignedIn")
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_token_says_who_and_which_role(ask: Ask) -> None:
    assert ask("/v1/me", token=token("readers")).json == {"name": "anna", "role": "read"}
    assert ask("/v1/backfills", token=token("readers")).json["items"] == []
    assert ask("/v1/me", token=token("readers") + "x").status == 401
    assert ask("/v1/me", token=token("strangers")).status == 403


def test_a_reader_starts_nothing(ask: Ask) -> None:
    answer = ask("/v1/backfills", method="POST", token=token("readers"), body={"collection": "x"})
    assert (answer.status, answer.json["type"]) == (403, "urn:pileus:Forbidden")


def test_a_cookie_counts_as_on_a_laptop(ask: Ask) -> None:
    """The gateway gives cookies apart from headers; what changes something needs the page's header beside."""
    given = {"cookies": [f"pileus={token('operators')}", "other=1"]}
    assert ask("/v1/me", **given).json["role"] == "operate"
    assert ask("/v1/backfills/x/pause", method="POST", **given).status == 403
    asked = {"x-pileus-request": "1"}
    assert ask("/v1/backfills/x/pause", method="POST", headers=asked, **given).status == 404


def test_a_browser_signs_in_with_a_cookie_for_https(ask: Ask) -> None:
    answer = ask("/app/sign-in", query={"token": token("readers")})
    assert (answer.status, answer.headers["location"]) == (303, "/app/")
    (cookie,) = answer.cookies
    assert {"HttpOnly", "Secure", "SameSite=strict"} <= set(cookie.split("; "))


def test_another_host_name_is_refused(ask: Ask) -> None:
    assert ask("/health", headers={"host": "evil.example"}).status == 403


@pytest.mark.parametrize("role", list(Role))
def test_the_route_that_iam_let_somebody_through_gives_the_role(ask: Ask, role: Role) -> None:
    assert ask(f"/signed/{role.name}/v1/me", signed=NIGHT).json == {"name": NIGHT, "role": role.name}


def test_a_signed_reader_starts_nothing_and_an_operator_may(ask: Ask) -> None:
    for role, status in (("read", 403), ("operate", 404)):
        assert ask(f"/signed/{role}/v1/backfills/x/pause", method="POST", signed=NIGHT).status == status


@pytest.mark.parametrize(
    "changes",
    [
        {"signed": ""},
        {"signed": NIGHT, "route": "$default"},
        {"signed": NIGHT, "route": "ANY /signed/owner/{proxy+}"},
        {"signed": NIGHT, "route": "ANY /signed/admin/{proxy+}/x"},
        {"signed": NIGHT, "route": "GET /signed/admin/{proxy+}"},
        {"signed": NIGHT, "route": "ANY /signed/read/{proxy+}"},  # the path is another's
        {"signed": "anonymous"},
    ],
    ids=str,
)
def test_without_a_signature_that_the_gateway_has_checked_on_that_route_nobody_has_signed(
    ask: Ask, changes: dict[str, Any]
) -> None:
    assert ask("/signed/admin/v1/me", **changes).status in (401, 404)
    assert signer(event("/signed/admin/v1/me", **changes)) is None


def test_no_header_makes_a_signer(ask: Ask) -> None:
    """What other adapters take from headers, and what names of ours a client may guess."""
    iam = json.dumps(event("/", signed=NIGHT)["requestContext"])
    tried = {
        "x-amzn-request-context": iam,
        "x-amzn-lambda-context": iam,
        "pileus.principal": "admin",
        "x-pileus-principal": "admin",
        "x-forwarded-user": NIGHT,
        "authorization": "AWS4-HMAC-SHA256 Credential=AKIA/20261127/eu-west-1/execute-api/aws4_request",
    }
    assert ask("/v1/me", headers=tried).status == 401


def test_a_signed_request_below_its_prefix_is_led_on_below_it() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert (scope["root_path"], scope["path"]) == ("/signed/operate", "/signed/operate/v1/x")
        await RedirectResponse("/v1/y")(scope, receive, send)

    answer = asking(app)("/signed/operate/v1/x", signed=NIGHT)
    assert answer.headers["location"] == "/signed/operate/v1/y"


def test_a_path_is_decoded_once_as_under_uvicorn() -> None:
    """The gateway has done so: a name with a slash in it, which clients encode twice, stays one segment."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await Response(scope["path"])(scope, receive, send)

    assert asking(app)("/v1/outputs/a%252Fb").body == b"/v1/outputs/a%2Fb"
    assert asking(app)("/v1/outputs/50%25").body == b"/v1/outputs/50%"


def test_the_audit_log_names_who_has_signed(ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "pileus.audit"):
        ask("/signed/operate/v1/backfills/x/pause", method="POST", signed=NIGHT)
    (line,) = (json.loads(record.message) for record in caplog.records if record.name == "pileus.audit")
    assert (line["who"], line["role"], line["from"]) == (NIGHT, "operate", "203.0.113.7")


def test_bytes_arrive_as_they_left_and_went() -> None:
    body = bytes(range(256))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert (await receive())["body"] == body
        await Response(body, media_type="application/vnd.apache.parquet")(scope, receive, send)

    assert asking(app)("/x", method="POST", body=body).body == body


@pytest.mark.parametrize(("size", "status"), [(5_900_000, 200), (6_100_000, 507)])
def test_an_answer_that_lambda_would_not_send_on_is_a_problem(
    monkeypatch: pytest.MonkeyPatch, size: int, status: int
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await Response(b"x" * size, media_type="text/plain")(scope, receive, send)

    def made() -> Mangum:
        return adapted(app)

    monkeypatch.setattr(lambda_handler, "adapter", made)
    answer = answered(lambda_handler.handler(event("/x"), None))
    assert answer.status == status
    if status == 507:
        assert answer.json["type"] == "urn:pileus:AnswerTooLong"


def test_a_cold_start_imports_no_heavy_library_that_the_first_request_may_not_need() -> None:
    """GDAL, the compiler of kernels, and the server that Lambda replaces."""
    heavy = ("rasterio", "pyogrio", "numba", "matplotlib", "uvicorn", "aws_cdk", "ministack", "requests")
    code = f"import sys, pileus.api.lambda_handler; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def test_without_an_issuer_no_token_counts(tmp_path: Path) -> None:
    services = folder_services(folder_edges(tmp_path), tmp_path / "logs")
    found = asking(create_app(services, NoTokens(), Settings()))
    assert found("/v1/me", token=token("admins")).status == 401
    assert found("/signed/read/v1/me", signed=NIGHT).status == 200
