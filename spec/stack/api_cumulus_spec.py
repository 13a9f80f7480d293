"""Routes under /cumulus over the embedded stack: granules are listed, reingested, handed to a workflow, removed."""

import json
from collections.abc import Iterator
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
            made.pileus("backfill", "lights", "--wait")
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
    assert ask("/cumulus/stats/aggregate?type=granules").json["count"] == [{"key": "completed", "count": 3}]
    one = ask(f"/cumulus/granules/{LIGHTS}/tiny_201503").json
    assert one == ask("/cumulus/granules/tiny_201503").json
    assert [file["fileName"] for file in one["files"]] == ["tiny_201503.tgz"]
    assert [one["name"] for one in ask("/cumulus/collections/active").json["results"]] == ["lights"]


def test_a_workflow_is_applied_to_two_and_each_has_its_execution(project: Project, ask: Asking) -> None:
    granules = [{"granuleId": f"tiny_20150{n}", "collectionId": LIGHTS} for n in (1, 3)]
    body = {"workflowName": "Publish", "granules": granules}
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
    assert ask("/cumulus/asyncOperations?status=SUCCEEDED").json["meta"]["count"] == 3


def test_a_provider_is_added_replaced_and_removed(ask: Asking) -> None:
    document = {"id": "other", "protocol": "https", "host": "a.example.org"}
    path = "/cumulus/providers/other"
    assert ask("/cumulus/providers", method="POST", role="admin", body=document).json["message"] == "Record saved"
    assert ask("/cumulus/providers", method="POST", role="admin", body=document).status == 409
    changed = document | {"host": "b.example.org"}
    assert ask(path, method="PUT", role="admin", body=changed).json["host"] == "b.example.org"
    assert ask(path, method="DELETE", role="admin").json == {"message": "Record deleted"}
    assert ask(path).status == 404
