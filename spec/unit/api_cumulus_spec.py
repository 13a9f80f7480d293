"""Routes under /cumulus over a folder: lists, documents, errors, and what Pileus does not have."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pileus.api.app import create_app
from pileus.api.cumulus.undone import METHODS, WHY
from pileus.project.registry import Registry
from spec.support.api import Asking, folder_services, serving
from spec.support.tiny import folder_edges

PAGE = Path(__file__).parents[2] / "docs/how-to/cumulus-api.md"


def provider(id: str, protocol: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "protocol": protocol, "host": "archive.example.org", **more}


@pytest.fixture
def ask(tmp_path: Path) -> Iterator[Asking]:
    """Three providers, one of them with a secret."""
    edges = folder_edges(tmp_path)
    given = [provider("a", "https"), provider("b", "sftp", username="ann", password="hidden"), provider("ab", "https")]
    documents = {"collections": {}, "rules": {}, "providers": {one["id"]: one for one in given}}
    registry = Registry.from_json(json.dumps(documents).encode())
    edges.store.put(edges.internal("registry.json"), registry.to_json())
    with serving(folder_services(edges, tmp_path / "logs"), tmp_path / "own") as asking:
        yield asking


def ids(ask: Asking, query: str) -> list[str]:
    return [one["id"] for one in ask(f"/cumulus/providers?{query}").json["results"]]


def test_a_list_tells_what_it_is_and_how_many_there_are(ask: Asking) -> None:
    told = ask("/cumulus/providers?limit=2&page=2").json
    assert {name: told["meta"][name] for name in ("name", "table", "limit", "page", "count")} == {
        "name": "cumulus-api",
        "table": "provider",
        "limit": 2,
        "page": 2,
        "count": 3,
    }
    assert [one["id"] for one in told["results"]] == ["b"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["a", "ab", "b"]),
        ("protocol=https", ["a", "ab"]),
        ("prefix=a", ["a", "ab"]),
        ("infix=b", ["ab", "b"]),
        ("sort_key=-id", ["b", "ab", "a"]),
        ("sort_by=id&order=asc&limit=1", ["a"]),
        ("nothing=1", []),
        ("countOnly=true", []),
    ],
)
def test_a_query_says_which_and_in_which_order(ask: Asking, query: str, found: list[str]) -> None:
    assert ids(ask, query) == found


def test_only_the_fields_that_are_asked_for_are_told(ask: Asking) -> None:
    assert ask("/cumulus/providers?fields=id&limit=1").json["results"] == [{"id": "a"}]


def test_no_secret_of_a_provider_is_told(ask: Asking) -> None:
    for path in ("/cumulus/providers", "/cumulus/providers/b"):
        answer = ask(path)
        assert b"hidden" not in answer.body
        assert b"password" not in answer.body


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("/cumulus/providers?limit=many", 400, "Bad Request"),
        ("/cumulus/granules/x/y", 400, "Bad Request"),
        ("/cumulus/granules/none", 404, "Not Found"),
        ("/cumulus/collections/none/001", 404, "Not Found"),
        ("/cumulus/executions", 400, "Bad Request"),
        ("/cumulus/stats/aggregate", 400, "Bad Request"),
        ("/cumulus/executions/none", 404, "Not Found"),
        ("/cumulus/asyncOperations/none", 404, "Not Found"),
    ],
)
def test_an_error_has_the_shape_of_cumulus(ask: Asking, path: str, status: int, error: str) -> None:
    told = ask(path).json
    assert {name: told[name] for name in ("statusCode", "error")} == {"statusCode": status, "error": error}
    assert set(told) == {"statusCode", "error", "message"}


@pytest.mark.parametrize("path", WHY)
def test_what_there_is_not_is_refused_with_a_sentence(ask: Asking, path: str) -> None:
    for place in (path, f"{path}/x/y"):
        for method in METHODS:
            answer = ask(f"/cumulus{place}", method=method, role="operate", body={} if method != "GET" else None)
            assert (answer.status, answer.json["message"]) == (501, WHY[path])


def routes() -> set[tuple[str, str]]:
    """Method and path of every route under /cumulus, but for those that are refused."""
    app = create_app(folder_services(None, Path()), None)  # type: ignore[arg-type]
    paths = app.openapi()["paths"]
    return {
        (method.upper(), path.removeprefix("/cumulus"))
        for path, of in paths.items()
        for method in of
        if path.startswith("/cumulus/")
    }


def test_the_page_names_every_route_and_no_other() -> None:
    rows = re.findall(r"^\| `(\w+) (/\S*)` \| (yes|501|no)\b", PAGE.read_text(), re.MULTILINE)
    assert {(method, path) for method, path, there in rows if there == "yes"} == routes()
    refused = {path for _, path, there in rows if there == "501"}
    assert {f"/{path.split('/')[1]}" for path in refused} == set(WHY)
    assert not {(method, path) for method, path, there in rows if there == "no"} & routes()
