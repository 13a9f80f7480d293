"""The HTTP API: who may do what, and what is refused before a route sees it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pileus.api.access import role_of
from pileus.api.app import create_app
from pileus.api.roles import Role
from spec.support.api import OWN, Asking, folder_services, serving
from spec.support.tiny import folder_edges

STANDARDS = {"/", "/conformance", "/openapi-3.0.json", "/stac", "/stac/", "/stac/conformance"}
PUBLIC = {"/health", "/app/sign-in", "/app/{name:path}"} | STANDARDS
"""Routes that anybody may ask: the page's own files hold nothing of the stack."""
SEARCHES = {f"/cumulus/executions/{what}-by-granules" for what in ("search", "workflows")}
CHANGES_NOTHING = {"/app/sign-out", "/stac/search"} | SEARCHES
"""What is POST, and for everybody who may read: searches by a body."""


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asking]:
    folder = tmp_path_factory.mktemp("api")
    with serving(folder_services(folder_edges(folder), folder / "logs"), folder) as asking:
        yield asking


def routes() -> list[Any]:
    """Every route of the app, with its path, methods and dependencies as they are in the app."""
    app = create_app(folder_services(None, Path()), None)  # type: ignore[arg-type]
    found = []
    for route in app.routes:
        inside = route.effective_route_contexts() if hasattr(route, "effective_route_contexts") else [route]
        found += [one for one in inside if hasattr(one, "dependant")]
    return found


def test_every_route_names_a_role_or_is_one_of_a_few_public_ones() -> None:
    found = routes()
    assert len(found) > 40
    assert {route.path for route in found if role_of(route) is None} == PUBLIC


def test_what_changes_something_asks_for_the_role_operate_at_least() -> None:
    for route in routes():
        if route.methods - {"GET", "HEAD"} and route.path not in CHANGES_NOTHING:
            assert (role_of(route) or Role.read) >= Role.operate, route.path


def filled(path: str) -> str:
    """A path with its parameters."""
    return re.sub(r"\{[^}]*\}", "x", path)


def test_without_a_token_nothing_but_the_public_is_answered(ask: Asking) -> None:
    for route in routes():
        if route.path in PUBLIC:
            continue
        for method in route.methods - {"HEAD"}:
            answer = ask(filled(route.path), method=method, role=None, body={} if method != "GET" else None)
            assert (answer.status, answer.json["type"]) == (401, "urn:pileus:NotSignedIn"), route.path


def test_a_lower_role_is_refused_whatever_it_sends(ask: Asking) -> None:
    for route in routes():
        needed = role_of(route)
        if needed is None or needed == Role.read:
            continue
        for method in route.methods:
            for lower in Role:
                if lower < needed:
                    answer = ask(filled(route.path), method=method, role=lower.name, body={})
                    assert (answer.status, answer.json["type"]) == (403, "urn:pileus:Forbidden"), route.path


def test_who_asks_is_looked_at_before_what_is_sent(ask: Asking) -> None:
    assert ask("/v1/backfills", method="POST", role=None, body=b"{not json").status == 401
    assert ask("/v1/backfills", method="POST", role="operate", body=b"{not json").status == 422


def test_the_server_tells_who_asks(ask: Asking) -> None:
    assert ask("/v1/me", role="operate").json == {"name": "spec-operate", "role": "operate"}
    assert ask("/v1/me", token=OWN).json == {"name": "spec", "role": "admin"}


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", ""])
def test_a_foreign_host_name_reads_nothing(ask: Asking, host: str) -> None:
    answer = ask("/v1/me", Host=host or "x")
    assert answer.status == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1"])
def test_another_page_changes_nothing(ask: Asking, origin: str) -> None:
    assert ask("/v1/backfills/x/pause", method="POST", role="admin", Origin=origin).status == 403
    assert ask("/v1/backfills/x/pause", method="POST", role="admin", Origin=ask.url).status == 404


def test_with_a_cookie_a_change_needs_the_header_that_no_foreign_page_can_send(ask: Asking) -> None:
    cookie = f"pileus-{ask.port}={ask.tokens['operate']}"
    assert ask("/v1/me", role=None, Cookie=cookie).status == 200
    assert ask("/v1/backfills/x/pause", method="POST", role=None, Cookie=cookie).status == 403
    answer = ask("/v1/backfills/x/pause", method="POST", role=None, Cookie=cookie, X_Pileus_Request="1")
    assert answer.status == 404, "there is no such backfill"


def test_signing_in_sets_a_cookie_that_scripts_and_other_sites_cannot_use(ask: Asking) -> None:
    answer = ask(f"/app/sign-in?token={ask.tokens['read']}", role=None)
    assert (answer.status, answer.headers["location"]) == (303, "/app/")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(answer.headers["set-cookie"].split("; "))
    assert ask("/app/sign-in?token=wrong", role=None).status == 401


@pytest.mark.parametrize("body", [b" " * 11_000_000, None], ids=["says so", "does not"])
def test_a_body_that_is_too_long_is_refused_whether_it_says_so_or_not(ask: Asking, body: bytes | None) -> None:
    sent = body or (b" " * 1_000_000 for _ in range(11))
    answer = ask("/v1/backfills", method="POST", role="operate", body=sent)
    assert (answer.status, answer.json["type"]) == (413, "urn:pileus:TooLong")


def test_every_error_is_a_problem(ask: Asking) -> None:
    for path, status in (("/v1/backfills/none", 404), ("/v1/nothing", 404), ("/v1/backfills?limit=0", 422)):
        answer = ask(path)
        assert answer.status == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert {"type", "title", "status", "detail"} <= set(answer.json)


def test_an_answer_that_has_not_changed_is_not_sent_again(ask: Asking) -> None:
    first = ask("/v1/backfills")
    again = ask("/v1/backfills", If_None_Match=first.headers["etag"])
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert ask("/v1/backfills", If_None_Match='"another"').status == 200


def test_answers_carry_the_headers_that_protect_a_browser(ask: Asking) -> None:
    headers = {name.lower(): value for name, value in ask("/app/", role=None).headers.items()}
    assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
    assert (headers["x-frame-options"], headers["x-content-type-options"]) == ("DENY", "nosniff")
    assert "access-control-allow-origin" not in headers


def test_the_audit_log_tells_who_asked_for_each_change_and_what_was_refused(ask: Asking) -> None:
    ask("/v1/backfills/x/pause", method="POST", role="operate")
    ask("/v1/backfills/x/cancel", method="POST", role="read")
    ask("/v1/me")
    lines = [json.loads(line) for line in ask.audit.read_text().splitlines()][-2:]
    assert [(one["who"], one["did"], one["status"]) for one in lines] == [
        ("spec-operate", "POST /v1/backfills/x/pause", 404),
        ("spec-read", "POST /v1/backfills/x/cancel", 403),
    ]
    assert not [token for token in ask.tokens.values() if token in ask.audit.read_text()]


def test_who_looks_and_may_not_is_in_the_audit_log_and_who_may_is_not(ask: Asking) -> None:
    before = len(ask.audit.read_text().splitlines())
    ask("/v1/backfills", role=None)
    ask("/v1/backfills", role="read")
    lines = [json.loads(line) for line in ask.audit.read_text().splitlines()][before:]
    assert [(one["who"], one["did"], one["status"]) for one in lines] == [(None, "GET /v1/backfills", 401)]


def test_after_ten_wrong_tokens_even_the_right_one_waits(tmp_path: Path) -> None:
    with serving(folder_services(folder_edges(tmp_path), tmp_path), tmp_path / "own") as ask:
        assert [ask("/v1/me", token=f"guess {n}").status for n in range(10)] == [401] * 10
        answer = ask("/v1/me")
        assert answer.status == 429
        assert 50 <= int(answer.headers["retry-after"]) <= 60
        assert ask("/health", role=None).status == 200
