"""A retry of some: named points in time and partitions run again, and everything else keeps its outcome."""

from typing import Any

import pytest

from pileus.outputs.commit import read_manifest
from spec.support import tiny
from spec.support.stack import Project

MONTHS = ["201501", "201502", "201503"]


@pytest.fixture
def failed(stack: Project, request: pytest.FixtureRequest) -> tuple[Project, str]:
    """Three months, of which the first two cannot be read; their archives are whole by now."""
    name = request.node.name.replace("test_", "")[:40].replace("[", "-").replace("]", "")
    tiny.collection(stack, name, MONTHS[0], MONTHS[-1])
    tiny.publish(stack, name, *MONTHS)
    files = [next((stack.path / "site" / name / month).iterdir()) for month in MONTHS[:2]]
    whole = [file.read_bytes() for file in files]
    for file in files:
        file.write_bytes(b"\x1f\x8b no archive")
    stack.pileus("populate")
    stack.pileus("backfill", name, "--name", name, "--wait", code=1)
    for file, body in zip(files, whole, strict=True):
        file.write_bytes(body)
    return stack, name


def states(project: Project, id: str) -> dict[str, str]:
    told = project.json("status", id)
    return {one["partition"].split("/")[2]: one["state"] for one in told["partitions"]}


def test_a_named_month_runs_again_alone(failed: tuple[Project, str]) -> None:
    project, name = failed
    assert states(project, name) == {"2015-01": "failed", "2015-02": "failed", "2015-03": "succeeded"}
    project.pileus("retry", name, "2015-01", "--wait", code=1)
    assert states(project, name) == {"2015-01": "succeeded", "2015-02": "failed", "2015-03": "succeeded"}
    told = project.json("status", name)
    assert (told["run"], told["state"], told["only"]) == (2, "failed", ["2015-01"])


def test_a_named_partition_runs_again_whatever_its_state_with_all(failed: tuple[Project, str]) -> None:
    project, name = failed
    edges = project.edges

    def made() -> dict[str, Any]:
        root = edges.protected(f"manifests/{name}/001/")
        found = [read_manifest(edges.store, url) for url, _ in edges.store.list(root)]
        return {one.partition.period: one.run_name for one in found if one}

    assert made() == {"2015-03": f"{name}/1"}
    project.pileus("retry", name, "2015-02/201502", "--wait", code=1)
    assert made() == {"2015-02": f"{name}/2", "2015-03": f"{name}/1"}


def test_what_is_named_and_up_to_date_does_not_run(failed: tuple[Project, str]) -> None:
    project, name = failed
    project.pileus("retry", name, "2015-03", "--wait", code=1)
    assert states(project, name) == {"2015-01": "failed", "2015-02": "failed", "2015-03": "succeeded"}


def test_a_retry_of_all_comes_after_one_of_some(failed: tuple[Project, str]) -> None:
    project, name = failed
    project.pileus("retry", name, "2015-01", "--wait", code=1)
    project.pileus("retry", name, "--wait")
    assert set(states(project, name).values()) == {"succeeded"}
    assert "only" not in project.json("status", name)


def test_what_it_does_not_have_is_told_with_what_is_near(failed: tuple[Project, str]) -> None:
    project, name = failed
    told = project.pileus("retry", name, "2015-13", code=2)
    assert "did you mean 2015-03, 2015-01 or 2015-02?" in told
    assert project.json("status", name)["run"] == 1, "nothing began"


def test_a_backfill_of_listed_months_has_these_alone(stack: Project) -> None:
    tiny.collection(stack, "listed", MONTHS[0], MONTHS[-1])
    tiny.publish(stack, "listed", *MONTHS)
    stack.pileus("populate")
    stack.pileus("backfill", "listed", "--point", "2015-03", "--point", "201501", "--name", "listed", "--wait")
    assert states(stack, "listed") == {"2015-01": "succeeded", "2015-03": "succeeded"}
    assert len(stack.json("plan", "listed", "--point", "2015-02")["partitions"]) == 1
    told = stack.pileus("plan", "listed", "--point", "2015-04", code=2)
    assert "did you mean 2015-0" in told
    told = stack.pileus("plan", "listed", "--point", "2015-01", "--from", "2015-01", code=2)
    assert "contradict each other" in told
