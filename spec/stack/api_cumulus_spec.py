"""Routes under /cumulus over the embedded stack: three granules are listed, reingested, handed to a workflow, removed;
documents are changed; workflows, executions, statistics and dead letters are told as they are.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pileus.deploy.synth import check_settings
from spec.support.api import Asking, serving, stack_services
from spec.support.gated import gated, published
from spec.support.stack import Project, project_of

PUBLISH = {"StartAt": "Sent", "States": {"Sent": {"Type": "Pass", "End": True}}}
LIGHTS = "lights___001"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A stack with three months that were backfilled, and a workflow of the project."""
    with project_of(tmp_path_factory.mktemp("project")) as made:
        made.document("workflows/Publish.asl.json", PUBLISH)
        (made.path / "site").mkdir()
        made.up()
        with gated(made) as site:
            published(made, site, "lights", "201501", "201502", "201503", granuleIdExtraction=r"(.*)\.tgz")
            made.pileus("populate")
            made.pileus("backfill", "lights", "--name", "first", "--wait")
            yield made


@pytest.fixture(scope="module")
def ask(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asking]:
    with serving(stack_services(project), tmp_path_factory.mktemp("api"), check_settings({})) as asking:
        yield asking


def operation(project: Project, ask: Asking, id: str) -> dict[str, Any]:
    """The asynchronous operation, once it is over."""
    project.wait_for(lambda: ask(f"/cumulus/asyncOperations/{id}").json["status"] != "RUNNING")
    told: dict[str, Any] = ask(f"/cumulus/asyncOperations/{id}").json
    return told


def test_three_granules_are_listed_and_one_is_shown(ask: Asking) -> None:
    told = ask(f"/cumulus/granules?collectionId={LIGHTS}&status=completed&limit=2").json
    assert (told["meta"]["table"], told["meta"]["count"]) == ("granule", 3)
    assert [one["granuleId"] for one in told["results"]] == ["tiny_201501", "tiny_201502"]
    assert ask("/cumulus/granules?status=failed").json["meta"]["count"] == 0
    one = ask(f"/cumulus/granules/{LIGHTS}/tiny_201503").json
    assert one == ask("/cumulus/granules/tiny_201503").json
    assert [file["fileName"] for file in one["files"]] == ["tiny_201503.tgz"]
    assert [one["name"] for one in ask("/cumulus/collections/active").json["results"]] == ["lights"]
    told = ask("/cumulus/stats").json
    assert {name: told[name]["value"] for name in told} == {"errors": 0, "granules": 3, "collections": 1}


def test_the_workflows_are_those_of_the_stack(ask: Asking) -> None:
    told = ask("/cumulus/workflows").json
    assert [one["name"] for one in told] == [
        "BulkGranules",
        "DiscoverAndProcessGranules",
        "DiscoverAndProcessPayloads",
        "GenerateCollectionsTriggerWorkflows",
        "IngestGranules",
        "Publish",
        "RunGraph",
        "RunProcess",
    ]
    assert ask("/cumulus/workflows/Publish").json["definition"] == PUBLISH
    assert ask("/cumulus/workflows/Sing").status == 404


def test_a_workflow_is_applied_to_two_and_each_has_its_execution(project: Project, ask: Asking) -> None:
    granules = [{"granuleId": f"tiny_20150{n}", "collectionId": LIGHTS} for n in (1, 3)]
    body = {"workflowName": "Publish", "granules": granules}
    assert ask("/cumulus/granules/bulk", method="POST", body=body).status == 403, "who may only read"
    begun = ask("/cumulus/granules/bulk", method="POST", role="operate", body=body)
    assert begun.status == 202
    told = operation(project, ask, begun.json["id"])
    assert (told["status"], told["operationType"], json.loads(told["output"])["done"]) == (
        "SUCCEEDED",
        "Bulk Granules",
        2,
    )
    listed = "/cumulus/executions?type=Publish&status=completed"
    project.wait_for(lambda: ask(listed).json["meta"]["count"] == 2)
    arn = ask(listed).json["results"][0]["arn"]
    shown = ask(f"/cumulus/executions/{arn}").json
    assert shown["finalPayload"]["payload"]["granules"][0]["granuleId"] in ("tiny_201501", "tiny_201503")
    status = ask(f"/cumulus/executions/status/{arn}").json["execution"]
    assert (status["status"], status["output"]) == ("SUCCEEDED", shown["finalPayload"])
    by = {what: f"/cumulus/executions/{what}-by-granules" for what in ("search", "workflows")}
    found = ask(by["search"], method="POST", body={"granules": granules}).json
    assert (found["meta"]["count"], {one["type"] for one in found["results"]}) == (2, {"Publish"})
    assert ask(by["workflows"], method="POST", body={"granules": granules}).json == ["Publish"]
    counted = ask("/cumulus/stats/aggregate?type=executions&field=type").json["count"]
    assert {one["key"]: one["count"] for one in counted} == {"Publish": 2, "BulkGranules": 1}


def test_one_is_reingested(project: Project, ask: Asking) -> None:
    path = f"/cumulus/granules/{LIGHTS}/tiny_201502"
    told = ask(path, method="PATCH", role="operate", body={"action": "reingest"}).json
    assert (told["granuleId"], told["action"], told["status"]) == ("tiny_201502", "reingest", "SUCCESS")
    done = operation(project, ask, told["asyncOperationId"])
    (backfill,) = json.loads(done["output"])["backfills"]
    project.wait_until_over(backfill)
    assert project.counts(backfill) == {"succeeded": 1}
    assert done["operationType"] == "Bulk Granule Reingest"
    assert ask(path, method="PATCH", role="operate", body={"action": "sing"}).status == 400


def test_one_is_removed_and_two_stay(project: Project, ask: Asking) -> None:
    told = ask("/cumulus/granules/tiny_201502", method="DELETE", role="operate", body={}).json
    assert operation(project, ask, told["asyncOperationId"])["operationType"] == "Bulk Granule Delete"
    assert ask("/cumulus/granules").json["meta"]["count"] == 2
    assert ask(f"/cumulus/granules/{LIGHTS}/tiny_201502").status == 404
    listed = ask("/cumulus/asyncOperations?status=SUCCEEDED&operationType=Bulk%20Granule%20Delete").json
    assert [one["id"] for one in listed["results"]] == [told["asyncOperationId"]]
    assert ask("/cumulus/asyncOperations?status=SUCCEEDED").json["meta"]["count"] == 3


def test_a_dead_letter_is_run_again_and_what_is_none_of_ours_stays(project: Project, ask: Asking) -> None:
    config = {"backfill": "first", "run": 1, "partition": "lights/001/2015-01/201501"}
    for body in (json.dumps({"token": "gone", "task": {"config": config, "input": {}}}), "none of ours"):
        project.aws.sqs.send_message(QueueUrl=project.edges.stack.ingest_dead, MessageBody=body)
    path = "/cumulus/deadLetterArchive/recoverCumulusMessages"
    told = ask(path, method="POST", role="operate").json
    assert (told["status"], told["description"]) == ("SUCCEEDED", "1 of 2 dead letters run again")
    (backfill,) = [one["backfill"] for one in json.loads(told["output"]) if "backfill" in one]
    project.wait_until_over(backfill)
    assert [one["why"] for one in ask("/v1/dead-letters").json] == ["not a message of ours"]


def test_a_provider_is_added_replaced_and_removed(ask: Asking) -> None:
    document = {"id": "other", "protocol": "https", "host": "a.example.org", "username": "ann", "password": "hidden"}
    path = "/cumulus/providers/other"
    assert ask("/cumulus/providers", method="POST", role="operate", body=document).status == 403
    assert ask("/cumulus/providers", method="POST", role="admin", body=document).json["message"] == "Record saved"
    assert ask("/cumulus/providers", method="POST", role="admin", body=document).status == 409
    changed = ask(path).json | {"host": "b.example.org"}
    assert changed["password"] == "********"
    assert ask(path, method="PUT", role="admin", body=changed).json["host"] == "b.example.org"
    assert ask(path, method="DELETE", role="admin").json == {"message": "Record deleted"}
    assert ask(path).status == 404


def test_a_document_that_is_given_back_as_it_was_told_keeps_its_secrets(project: Project, ask: Asking) -> None:
    document = {"id": "kept", "protocol": "https", "host": "a.example.org", "username": "ann", "password": "hidden"}
    assert ask("/cumulus/providers", method="POST", role="admin", body=document).status == 200
    told = ask("/cumulus/providers/kept").json
    assert ask("/cumulus/providers/kept", method="PUT", role="admin", body=told).status == 200
    kept = json.loads(project.edges.store.get(project.edges.internal("registry.json")))["providers"]["kept"]
    assert (kept["username"], kept["password"]) == ("ann", "hidden")


def test_documents_that_are_added_at_the_same_time_are_all_there_or_refused(ask: Asking) -> None:
    def add(number: int) -> tuple[str, int]:
        document = {"id": f"p{number}", "protocol": "https", "host": "a.example.org"}
        return document["id"], ask("/cumulus/providers", method="POST", role="admin", body=document).status

    with ThreadPoolExecutor(8) as pool:
        answers = [*pool.map(add, range(16))]
    assert {status for _, status in answers} <= {200, 409}
    added = {id for id, status in answers if status == 200}
    assert added
    listed = ask("/cumulus/providers?limit=100&prefix=p").json["results"]
    assert {one["id"] for one in listed} == added


def test_a_rule_is_added_switched_and_removed(ask: Asking) -> None:
    rule = {"type": "scheduled", "value": "rate(7 days)"}
    document = {"name": "weekly", "collection": {"name": "lights"}, "rule": rule, "state": "DISABLED"}
    path = "/cumulus/rules/weekly"
    assert ask("/cumulus/rules", method="POST", role="admin", body=document).json["record"]["state"] == "DISABLED"
    assert ask(path, method="PATCH", role="admin", body={"state": "ENABLED"}).json["state"] == "ENABLED"
    assert [one["name"] for one in ask("/cumulus/rules?state=ENABLED&rule.type=scheduled").json["results"]] == [
        "weekly"
    ]
    assert ask(f"/cumulus/collections/{LIGHTS.replace('___', '/')}", method="DELETE", role="admin").status == 400
    assert ask(path, method="DELETE", role="admin").json == {"message": "Record deleted"}
    assert ask(path).status == 404
