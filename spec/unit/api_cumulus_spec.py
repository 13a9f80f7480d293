"""Routes under /cumulus over a folder: documents, granules, executions, statistics, errors, what Pileus has not."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from pileus.api.cumulus.undone import AREAS, METHODS, ROUTES
from pileus.granules.record import GranuleFile, GranuleRecord, write
from pileus.lifecycle.partition import Entry, Failure
from pileus.models import Partition, State
from pileus.project.registry import Registry
from pileus.runs.record import write_input
from pileus.subject import Execution
from pileus.wiring import Edges
from spec.support.api import Answer, Asking, folder_services, serving
from spec.support.tiny import folder_edges

NOW = 1_700_000_000.0
LIGHTS = "lights___001"
ARN = "arn:aws:states:r:0:execution:p-Publish:run_one_1"


def provider(id: str, protocol: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "protocol": protocol, "host": "archive.example.org", **more}


def collection(name: str) -> dict[str, Any]:
    return {"name": name, "version": "001", "files": [{"regex": ".*"}], "provider": "a"}


@dataclass
class Office:
    """Three providers, one with a secret; two collections; three granules of one, each in another state."""

    edges: Edges
    ask: Asking

    def granule(self, id: str, subject: str, name: str = "lights") -> None:
        files = (GranuleFile(f"{id}.tif", f"s3://protected/{id}.tif", 3),)
        write(self.edges, GranuleRecord(name, "001", id, subject, files, NOW))

    def __call__(self, path: str, **more: Any) -> Answer:
        return self.ask(f"/cumulus{path}", **more)

    def change(self, method: str, path: str, body: Any, role: str = "admin") -> Answer:
        return self(path, method=method, role=role, body=body)

    def rows(self, path: str, field: str) -> list[Any]:
        return [one[field] for one in self(path).json["results"]]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    edges = folder_edges(tmp_path)
    stack = replace(edges.stack, workflows="arn:aws:states:r:0:stateMachine:p-", workflow_names="Publish,RunProcess")
    edges = replace(edges, stack=stack, now=lambda: NOW)
    given = [provider("a", "https"), provider("b", "sftp", username="ann", password="hidden"), provider("ab", "https")]
    documents = {
        "collections": {f"{name}___001": collection(name) for name in ("lights", "rain")},
        "providers": {one["id"]: one for one in given},
        "rules": {},
    }
    edges.store.put(edges.internal("registry.json"), Registry.from_json(json.dumps(documents).encode()).to_json())
    run = Execution("Publish", "one")
    write_input(edges, run, {"payload": {}})
    edges.index.put(Entry(run, State.running, "workflow:Publish/one/1", extra={"created": NOW}, updated=NOW))
    made = Partition("lights", "001", "2015-01", "all")
    lost = replace(made, period="2015-02")
    edges.index.put(Entry(made, State.succeeded, "b/1", updated=NOW))
    edges.index.put(Entry(lost, State.failed, "b/1", failure=Failure("NotFound", "no file"), updated=NOW))
    with serving(folder_services(edges, tmp_path / "logs"), tmp_path / "own") as asking:
        made_office = Office(edges, asking)
        for id, subject in (("g1", made.key), ("g2", lost.key), ("g3", run.key)):
            made_office.granule(id, subject)
        yield made_office


def test_a_list_tells_what_it_is_and_how_many_there_are(office: Office) -> None:
    told = office("/providers?limit=2&page=2").json
    meta = {"name": "cumulus-api", "stack": "pileus", "table": "provider", "limit": 2, "page": 2, "count": 3}
    assert told["meta"] == meta | {"stack": office.edges.stack.stack}
    assert [one["id"] for one in told["results"]] == ["b"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["a", "ab", "b"]),
        ("protocol=https", ["a", "ab"]),
        ("id__in=a,b", ["a", "b"]),
        ("protocol__not=https", ["b"]),
        ("username__exists=true", ["b"]),
        ("username__exists=false&prefix=a", ["a", "ab"]),
        ("prefix=a", ["a", "ab"]),
        ("infix=b", ["ab", "b"]),
        ("sort_key=-id", ["b", "ab", "a"]),
        ("sort_key=-protocol&sort_key=id", ["b", "a", "ab"]),
        ("sort_by=id&order=desc&limit=1", ["b"]),
        ("globalConnectionLimit__from=1&limit=1&page=3", ["b"]),
        ("countOnly=true", []),
    ],
)
def test_a_query_says_which_and_in_which_order(office: Office, query: str, found: list[str]) -> None:
    assert office.rows(f"/providers?{query}", "id") == found


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("nothing=1", "'nothing' is no field of this list"),
        ("fields=id,nothing", "'nothing' is no field of this list"),
        ("sort_by=nothing", "'nothing' is no field of this list"),
        ("id__like=a", "expected FIELD, or FIELD__ and one of in, not, exists, from, to"),
        ("id__exists=perhaps", "expected true or false"),
        ("port__from=now", "expected a number"),
        ("port__from=nan", "expected a number"),
        ("id=a&id=b", "'id' is given 2 times"),
        ("order=desc", "order: is that of sort_by"),
        ("sort_by=id&sort_key=id", "expected one of them"),
        ("q=*", "there is no Elasticsearch"),
        ("limit=many", "query/limit"),
        ("limit=0", "query/limit"),
        ("limit=501", "query/limit"),
    ],
)
def test_what_a_query_may_not_say_is_refused_with_a_sentence(office: Office, query: str, why: str) -> None:
    answer = office(f"/providers?{query}")
    assert (answer.status, answer.json["error"]) == (400, "Bad Request")
    assert why in answer.json["message"]


def test_only_the_fields_that_are_asked_for_are_told(office: Office) -> None:
    assert office("/providers?fields=id&limit=1").json["results"] == [{"id": "a"}]


def test_no_secret_of_a_provider_is_told(office: Office) -> None:
    for path in ("/providers", "/providers/b"):
        answer = office(path)
        assert b"hidden" not in answer.body
        assert b"ann" not in answer.body
    assert office("/providers/b").json["password"] == "********"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "why"),
    [
        ("POST", "/providers", provider("a", "https"), 409, "there is a provider a already"),
        ("PUT", "/providers/none", provider("none", "https"), 404, "there is no provider 'none'"),
        ("PUT", "/providers/a", provider("b", "https"), 400, "the address names a, and the document b"),
        ("POST", "/collections", {"name": "x", "wrong": 1}, 400, "wrong: unknown field"),
        ("DELETE", "/providers/a", None, 400, "unknown provider 'a'"),
        ("DELETE", "/rules/none", None, 404, "there is no rule 'none'"),
        ("PATCH", "/rules/none", {"action": "sing"}, 400, "expected {state: ENABLED | DISABLED}"),
        ("PATCH", "/rules/none", {"action": "rerun", "more": 1}, 400, "expected {state: ENABLED | DISABLED}"),
        ("PATCH", f"/granules/{LIGHTS}/g1", {"action": ["reingest"]}, 400, "expected one of reingest"),
        ("PATCH", f"/granules/{LIGHTS}/g1", {"action": "reingest", "executionArn": "x"}, 400, "executionArn"),
        ("POST", "/granules/bulk", {"granules": []}, 400, "workflowName: required"),
        ("POST", "/granules/bulkDelete", {"granules": []}, 400, "0 granules are named"),
        ("POST", "/granules/bulkDelete", {"granules": "all"}, 400, "expected lists"),
        ("POST", "/granules/bulkDelete", {"granules": ["g1"]}, 400, "its granuleId and its collectionId"),
        ("POST", "/granules/bulkDelete", {"query": {}, "index": "x"}, 400, "there is no Elasticsearch"),
        ("POST", "/granules/bulkReingest", {"ids": ["g1"], "queueUrl": "x"}, 400, "queueUrl: not read here"),
        ("POST", "/deadLetterArchive/recoverCumulusMessages", {"path": "x"}, 400, "dead letters wait"),
    ],
)
def test_a_change_that_cannot_be_made_is_refused_with_a_sentence(
    office: Office, method: str, path: str, body: Any, status: int, why: str
) -> None:
    answer = office.change(method, path, body)
    assert (answer.status, answer.json["statusCode"]) == (status, status), answer.body
    assert why in answer.json["message"]


def test_a_bulk_is_about_one_collection(office: Office) -> None:
    granules = [{"granuleId": "g", "collectionId": one} for one in (LIGHTS, "rain___001")]
    answer = office.change("POST", "/granules/bulkDelete", {"granules": granules})
    assert (answer.status, "granules of one collection" in answer.json["message"]) == (400, True)


def test_a_page_of_granules_reads_no_more_records_than_it_shows(office: Office, monkeypatch: Any) -> None:
    for number in range(30):
        office.granule(f"many{number:02}", "lights/001/2015-01/all")
    read, get = list[str](), type(office.edges.store).get
    monkeypatch.setattr(type(office.edges.store), "get", lambda self, url: (read.append(url), get(self, url))[1])
    told = office("/granules?prefix=many&limit=2&page=3").json
    assert (told["meta"]["count"], [one["granuleId"] for one in told["results"]]) == (30, ["many04", "many05"])
    assert sorted(url.rpartition("/")[2] for url in read if "/granules/" in url) == ["many04.json", "many05.json"]


def test_granules_are_listed_by_status_and_collection(office: Office) -> None:
    office.granule("h1", "lights/001/2015-01/all", "rain")
    assert office.rows("/granules", "granuleId") == ["g1", "g2", "g3", "h1"]
    assert office.rows("/granules?status=completed", "granuleId") == ["g1", "h1"]
    assert office.rows(f"/granules?status__in=completed,running&collectionId={LIGHTS}", "granuleId") == ["g1", "g3"]
    assert office.rows("/granules?error.Error=Failed", "granuleId") == ["g2"]
    assert office.rows("/granules?sort_by=status&order=desc&limit=2", "status") == ["running", "failed"]
    assert office.rows("/collections/active", "name") == ["lights", "rain"]


def test_a_granule_is_shown_by_its_id_alone_where_one_collection_has_it(office: Office) -> None:
    assert office("/granules/g1").json == office(f"/granules/{LIGHTS}/g1").json
    office.granule("g1", "lights/001/2015-01/all", "rain")
    answer = office("/granules/g1")
    assert (answer.status, answer.json["message"].partition(": ")[2]) == (400, f"name one of {LIGHTS}, rain___001")


@pytest.mark.parametrize("id", ["a/b", "a\nb", "a b", "é", "a%2Fb"])
def test_an_id_of_any_letters_is_shown_with_its_collection(office: Office, id: str) -> None:
    office.granule(id, "lights/001/2015-01/all")
    assert office(f"/granules/{LIGHTS}/{quote(id, safe='')}").json["granuleId"] == id


def test_an_execution_is_listed_and_told_with_its_input(office: Office) -> None:
    assert office.rows("/executions", "arn") == office.rows("/executions?type=Publish&status=running", "arn") == [ARN]
    assert office.rows("/executions?type=Other", "arn") == []
    assert office(f"/executions/{ARN}").json["originalPayload"] == {"payload": {}}
    told = office(f"/executions/status/{ARN}").json["execution"]
    assert (told["status"], told["stateMachineArn"].rpartition(":")[2], told["stopDate"]) == (
        "RUNNING",
        "p-Publish",
        None,
    )
    assert office(f"/executions/{ARN[:-1]}2").status == 404, "a run that is not yet"


def test_executions_and_workflows_are_found_by_the_granules_that_they_last_worked_on(office: Office) -> None:
    def asked(what: str, *ids: str) -> Any:
        body = {"granules": [{"granuleId": id, "collectionId": LIGHTS} for id in ids]}
        return office(f"/executions/{what}-by-granules", method="POST", body=body).json

    assert [one["arn"] for one in asked("search", "g1", "g3")["results"]] == [ARN]
    assert asked("workflows", "g3") == ["Publish"]
    assert asked("workflows", "g1", "g3") == []
    assert asked("search", "g1", "g4")["message"] == f"there is no granule 'g4' of '{LIGHTS}'"


def test_without_the_names_of_its_workflows_a_stack_lists_no_executions_as_if_there_were_none(tmp_path: Path) -> None:
    with serving(folder_services(folder_edges(tmp_path), tmp_path / "logs"), tmp_path / "own") as ask:
        for path in ("/executions", "/workflows", "/stats/aggregate?type=executions"):
            answer = ask(f"/cumulus{path}")
            assert (answer.status, "deploy it again" in answer.json["message"]) == (409, True)


def test_statistics_count_granules_and_rows_of_lists(office: Office) -> None:
    told = office("/stats").json
    assert {name: told[name]["value"] for name in told} == {"errors": 1, "granules": 3, "collections": 1}
    assert told["granules"]["dateTo"] == "2023-11-14T22:13:20+00:00"
    assert office("/stats?timestamp__from=1700000000001").json["granules"]["value"] == 0
    assert office("/stats/aggregate?type=granules&field=collectionId").json["count"] == [{"key": LIGHTS, "count": 3}]
    by_status = office("/stats/aggregate?type=granules").json
    assert (by_status["meta"]["count"], {one["key"] for one in by_status["count"]}) == (
        3,
        {"completed", "failed", "running"},
    )
    assert office("/stats/aggregate?type=executions&field=type").json["count"] == [{"key": "Publish", "count": 1}]
    assert office("/stats/aggregate?type=providers&field=protocol").json["count"][0] == {"key": "https", "count": 2}
    assert office("/stats/aggregate?type=pdrs").status == 400
    assert office("/stats?limit=1").status == 400


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("/granules/x/y", 400, "Bad Request"),
        ("/granules/none", 404, "Not Found"),
        ("/collections/none/001", 404, "Not Found"),
        ("/executions/none", 404, "Not Found"),
        ("/executions/status/none", 404, "Not Found"),
        ("/asyncOperations/none", 404, "Not Found"),
        ("/workflows/none", 404, "Not Found"),
        ("/schemas/none", 400, "Bad Request"),
        ("/nothing/at/all", 404, "Not Found"),
    ],
)
def test_an_error_has_the_shape_of_cumulus(office: Office, path: str, status: int, error: str) -> None:
    told = office(path).json
    assert {name: told[name] for name in ("statusCode", "error")} == {"statusCode": status, "error": error}
    assert set(told) == {"statusCode", "error", "message"}


def test_what_there_is_not_is_refused_with_a_sentence_to_whoever_may_ask(office: Office) -> None:
    every = {(method, place): why for path, why in AREAS.items() for place in (path, f"{path}/x") for method in METHODS}
    for (method, path), why in (every | ROUTES).items():
        role = "read" if method == "GET" else "operate"
        body = None if method == "GET" else {}
        answer = office(path.replace("{", "").replace("}", ""), method=method, role=role, body=body)
        assert (answer.status, answer.json["message"]) == (501, why), path
        assert office(path.replace("{", "").replace("}", ""), method=method, role=None, body=body).status == 401
        if method != "GET":
            assert office(path.replace("{", "").replace("}", ""), method=method, body=body).status == 403


def test_every_sentence_is_one(office: Office) -> None:
    del office
    for why in [*AREAS.values(), *ROUTES.values()]:
        assert why.startswith("Pileus "), why
        assert why.endswith("."), why
