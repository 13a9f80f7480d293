"""A workflow of Cumulus on the embedded stack, unchanged: a foreign task, one of ours, a Choice and a Catch."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from pileus import runs
from pileus.edges.aws import Stack
from pileus.models import State
from pileus.runs.view import Run
from pileus.wiring import wire_workflows
from spec.support.cumulus_project import message, write_project
from spec.support.stack import Project, project_of


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A stack of such a project, up."""
    folder = tmp_path_factory.mktemp("cumulus") / "project"
    with project_of(folder) as made:
        write_project(folder)
        made.up(workers=1, visibility_seconds=5)
        yield made


def ended(project: Project, meta: dict[str, Any], payload: Any = None) -> tuple[Run, dict[str, Any]]:
    """A run of the workflow over a message whose collection has this meta; and its execution."""
    edges, stack = project.edges, Stack.from_env(project.running.stack)
    workflows = wire_workflows(project.aws, stack)
    run = runs.start_workflow(edges, workflows, "IngestGranule", message(stack.internal, meta, payload))
    found: Run = project.wait_for(lambda: (now := runs.find(edges, run.key)).state.ended and now)
    client = project.aws.stepfunctions
    listed = client.list_executions(stateMachineArn=stack.workflow_arn("IngestGranule"))["executions"]
    newest = max(listed, key=lambda one: one["startDate"])
    return found, dict(client.describe_execution(executionArn=newest["executionArn"]))


def test_a_counted_collection_goes_through_both_tasks(project: Project) -> None:
    run, execution = ended(project, {"counted": True, "times": 2})
    assert run.state is State.succeeded, execution
    answer = json.loads(execution["output"])
    assert answer["payload"] == {"count": 6, "of": "MOD09GQ"}
    assert answer["exception"] == "None"
    assert answer["meta"]["process"] == "modis"
    assert [one["stack"] for one in answer["meta"]["input_granules"]] == ["mine"] * 3
    assert "replace" not in answer
    tasks = answer["meta"]["workflow_tasks"]
    assert tasks["0"]["name"].endswith("task-sync-granule")
    assert tasks["1"]["name"] == "count_granules"


def test_what_the_first_task_answers_lies_in_s3_for_the_next(project: Project) -> None:
    _, execution = ended(project, {})
    answer = json.loads(execution["output"])
    assert answer["payload"] == {}
    replaced = answer["replace"]
    assert replaced["TargetPath"] == "$.payload"
    assert replaced["Bucket"] == project.running.stack["PILEUS_INTERNAL"]
    stored = json.loads(project.edges.store.get(f"s3://{replaced['Bucket']}/{replaced['Key']}"))
    assert [one["granuleId"] for one in stored["granules"]] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("meta", "payload", "error"),
    [({"broken": True}, None, "ValueError"), ({}, {"files": []}, "ValidationError")],
    ids=["an error of the task", "a schema that does not hold"],
)
def test_an_error_is_caught_and_fails_the_workflow(
    project: Project, meta: dict[str, Any], payload: Any, error: str
) -> None:
    run, execution = ended(project, meta, payload)
    assert run.state is State.failed
    assert execution["cause"] == "Workflow failed"
    history = project.aws.stepfunctions.get_execution_history(executionArn=execution["executionArn"])["events"]
    (failed,) = (one["taskFailedEventDetails"] for one in history if one["type"] == "TaskFailed")
    assert failed["error"] == error


def test_a_workflow_error_goes_on_with_the_exception(project: Project) -> None:
    run, execution = ended(project, {"nothing": True})
    assert run.state is State.succeeded
    answer = json.loads(execution["output"])
    assert answer["exception"] == "WorkflowError: no granules"
    assert answer["payload"] is None


def test_the_definition_is_listed_and_drawn(project: Project) -> None:
    said = project.pileus("workflows", "show", "IngestGranule")
    assert "task sync-granule" in said
    assert "task count_granules" in said
