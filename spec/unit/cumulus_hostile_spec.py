"""Hostile requests under /cumulus, made from the API's own document: each is answered in Cumulus's shape, and by no
5xx.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pileus.api.app import create_app
from pileus.documents import Collection, parse_value
from pileus.granules.record import GranuleRecord, write
from pileus.project.registry import Registry
from spec.support.api import Answer, Asking, folder_services, serving
from spec.support.tiny import folder_edges

WORDS = [
    "a",
    "lights___001",
    "x___",
    "___",
    "../..",
    "%2e%2e",
    "\x00",
    "a\nb",
    "é",
    "\u202e",
    "a" * 300,
    "1e999",
    "-1",
    "null",
]
TEXT = st.one_of(st.sampled_from(WORDS), st.text(max_size=30))
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=8,
)
FIELDS = ["granules", "ids", "collectionId", "granuleId", "action", "workflow", "workflowName", "meta", "destinations"]
FIELDS += ["name", "version", "id", "state", "rule", "files", "host", "protocol", "query", "index"]
BODY = st.dictionaries(st.one_of(st.sampled_from(FIELDS), TEXT), JSON, max_size=5)
QUERY = st.dictionaries(
    st.one_of(
        st.sampled_from(["limit", "page", "sort_by", "sort_key", "order", "fields", "prefix", "infix", "countOnly"]),
        st.sampled_from(
            ["id", "name", "status__in", "timestamp__from", "error.Error", "type", "field", "__", "x__exists"]
        ),
        TEXT,
    ),
    TEXT,
    max_size=4,
)


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asking]:
    """A collection with two granules, which no workflow of a folder can work on."""
    folder = tmp_path_factory.mktemp("hostile")
    edges = folder_edges(folder)
    lights = parse_value(Collection, {"name": "lights", "version": "001", "files": [{"regex": ".*"}]}, "lights")
    edges.store.put(edges.internal("registry.json"), Registry({"lights___001": lights}).to_json())
    for id in ("a", "é"):
        write(edges, GranuleRecord("lights", "001", id, "lights/001/2015-01/all", (), 1_700_000_000.0))
    with serving(folder_services(edges, folder / "logs"), folder / "own") as asking:
        yield asking


def operations() -> list[tuple[str, str]]:
    """Method and path of every operation under /cumulus."""
    paths: dict[str, Any] = create_app(folder_services(None, Path()), None).openapi()["paths"]  # type: ignore[arg-type]
    return [(method, path) for path, of in paths.items() for method in of if path.startswith("/cumulus/")]


HALF = b'{"ids": ["\\ud800"], "collectionId": "lights___001"}'
"""Half of a pair that stands for one character."""
KEY = b'{"\\ud800": 1, "workflowName": "\\ud800", "granules": [{"granuleId": "\\ud800", "collectionId": "\\ud800"}]}'
# It asks the queues of AWS, which a folder has not: `stack/api_schema_spec.py` asks it.
ASKED = [one for one in operations() if "deadLetterArchive" not in one[1]]


def hold(answer: Answer) -> None:
    """The answer is no 5xx, and an error has Cumulus's shape."""
    assert answer.status < 500, answer.body
    if answer.status >= 400:
        told = answer.json
        assert (set(told), told["statusCode"]) == ({"statusCode", "error", "message"}, answer.status)


@pytest.mark.parametrize(("method", "path"), ASKED)
def test_a_hostile_request_is_answered_in_the_shape_of_cumulus(ask: Asking, method: str, path: str) -> None:
    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(parts=st.lists(TEXT, min_size=3, max_size=3), query=QUERY, body=st.one_of(BODY, JSON))
    def once(parts: list[str], query: dict[str, str], body: Any) -> None:
        left = iter(parts)
        place = re.sub(r"\{[^}]*\}", lambda _: quote(next(left), safe="") or "x", path)
        sent = None if method == "get" else body
        hold(ask(f"{place}?{urlencode(query)}", method=method.upper(), role="admin", body=sent))

    once()


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff", HALF, KEY, b"[" * 5000])
@pytest.mark.parametrize("path", ["/granules/bulkDelete", "/executions/search-by-granules", "/providers"])
def test_what_is_no_json_or_no_object_is_refused(ask: Asking, path: str, body: bytes) -> None:
    answer = ask(f"/cumulus{path}", method="POST", role="admin", body=body)
    hold(answer)
    assert 400 <= answer.status < 500


def test_every_operation_is_asked() -> None:
    assert len(ASKED) > 35
