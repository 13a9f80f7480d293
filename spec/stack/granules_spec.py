"""Granules on the embedded stack: a backfill writes them down; commands, the API and workflows work on them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from spec.support.gated import gated, published
from spec.support.stack import Project, project_of

PUBLISH = {
    "StartAt": "Sent",
    "States": {"Sent": {"Type": "Pass", "End": True}},
}
"""Puts out what it was given, as the last task of a Cumulus workflow does."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A stack with three months that were backfilled, and a workflow of the project."""
    with project_of(tmp_path_factory.mktemp("project")) as made:
        made.document("workflows/Publish.asl.json", PUBLISH)
        (made.path / "site").mkdir()
        made.up()
        with gated(made) as site:
            published(made, site, "lights", "201501", "201502", "201503", granuleIdExtraction=r"(.*)\.tgz")
            path = made.path / "collections/lights.json"
            document = json.loads(path.read_text())
            document["meta"]["process"]["archive"] = True
            path.write_text(json.dumps(document))
            made.pileus("populate")
            made.pileus("backfill", "lights", "--wait")
            yield made


def granules(project: Project, *arguments: str) -> dict[str, Any]:
    return {one["id"]: one for one in project.json("granules", "list", "lights", *arguments)}


def test_a_backfill_writes_down_each_granule(project: Project) -> None:
    found = granules(project)
    assert [*found] == ["tiny_201501", "tiny_201502", "tiny_201503"]
    assert {one["state"] for one in found.values()} == {"succeeded"}
    shown = project.json("granules", "show", "lights", "tiny_201502")
    (file,) = shown["files"]
    assert file["url"] == f"s3://{project.running.stack['PILEUS_INTERNAL']}/archives/lights/001/tiny_201502.tgz"
    assert "tiny_201502.tgz" in project.pileus("granules", "show", "lights", "tiny_201502")


def test_a_reingest_processes_exactly_its_groups_again(project: Project) -> None:
    told = project.pileus("granules", "reingest", "lights", "tiny_201502", "--id", "again", "--wait")
    assert "workflow:BulkGranules/again is succeeded" in told
    (backfill,) = project.json("runs", "result", "workflow:BulkGranules/again")["backfills"]
    project.wait_until_over(backfill)
    assert project.counts(backfill) == {"succeeded": 1}
    assert {id: one["subject"] for id, one in granules(project).items()}["tiny_201502"] == "lights/001/2015-02/201502"


def test_a_workflow_is_applied_to_many_and_each_has_its_run(project: Project) -> None:
    (project.path / "ids.txt").write_text("tiny_201501\ntiny_201503\nnot_there\n")
    arguments = ("lights", "Publish", "--file", "ids.txt", "--id", "sent", "--wait")
    project.pileus("granules", "apply-workflow", *arguments)
    outcomes = project.json("granules", "outcomes", "sent")
    assert [(one["id"], one["done"]) for one in outcomes] == [
        ("tiny_201501", True),
        ("tiny_201503", True),
        ("not_there", False),
    ]
    assert "no such granule" in outcomes[2]["detail"]
    keys = [one["detail"] for one in outcomes[:2]]
    project.wait_for(lambda: all(project.json("runs", "show", key)["ended"] for key in keys))
    message = project.json("runs", "result", keys[0])
    assert message["payload"]["granules"][0]["granuleId"] == "tiny_201501"
    assert granules(project)["tiny_201501"]["subject"] == keys[0]


def test_files_are_moved_and_granules_removed(project: Project) -> None:
    project.pileus("granules", "move", "lights", "tiny_201502", "--to", "protected:kept/{granule.granuleId}", "--wait")
    (file,) = project.json("granules", "show", "lights", "tiny_201502")["files"]
    protected = project.running.stack["PILEUS_PROTECTED"]
    assert file["url"] == f"s3://{protected}/kept/tiny_201502/tiny_201502.tgz"
    assert project.edges.store.get(file["url"]).startswith(b"\x1f\x8b")
    project.pileus("granules", "remove", "lights", "tiny_201502", "--wait")
    assert "tiny_201502" not in granules(project)
    assert not list(project.edges.store.list(f"s3://{protected}/kept/"))
    assert len(project.json("outputs", "show", "lights")) == 3, "what was measured stays"
