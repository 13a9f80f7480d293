"""Runs of a project's workflow over documents, on the embedded stack: real executions, and the events of their ends."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pileus import runs
from pileus.edges.aws import Stack
from pileus.models import State
from pileus.wiring import wire_workflows
from spec.support.stack import Project, project_of

FORK = {
    "StartAt": "Which",
    "States": {
        "Which": {
            "Type": "Choice",
            "Choices": [
                {"Variable": "$.do", "StringEquals": "fail", "Next": "Broken"},
                {"Variable": "$.do", "StringEquals": "wait", "Next": "Waiting"},
            ],
            "Default": "Made",
        },
        "Broken": {"Type": "Fail", "Error": "Boom", "Cause": "it broke"},
        "Waiting": {"Type": "Wait", "Seconds": 600, "Next": "Made"},
        "Made": {"Type": "Pass", "Parameters": {"made.$": "$.number"}, "End": True},
    },
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A stack with one workflow of the project."""
    with project_of(tmp_path_factory.mktemp("project")) as made:
        made.path.joinpath("workflows").mkdir()
        made.path.joinpath("workflows/Fork.asl.json").write_text(json.dumps(FORK))
        made.up()
        yield made


def state_of(project: Project, key: str) -> State:
    return runs.find(project.edges, key).state


def start(project: Project, id: str, document: dict[str, Any]) -> runs.Run:
    workflows = wire_workflows(project.aws, Stack.from_env(project.running.stack))
    return runs.start_workflow(project.edges, workflows, "Fork", document, id)


def ended(project: Project, key: str) -> runs.Run:
    """Wait for the event of the end, which nobody asks for; return the run."""
    project.wait_for(lambda: state_of(project, key).ended)
    return runs.find(project.edges, key)


def test_the_commands_start_wait_and_show_what_the_workflow_put_out(project: Project) -> None:
    project.document("input.json", {"do": "well", "number": 3})
    told = project.pileus("runs", "start", "workflow:Fork", "--input", "input.json", "--id", "mine", "--wait")
    assert "workflow:Fork/mine is succeeded" in told
    assert project.json("runs", "result", "workflow:Fork/mine") == {"made": 3}
    assert "workflow:Fork/mine" in project.pileus("runs", "list", "workflow:Fork")
    assert "no workflow 'Frk'" in project.pileus("runs", "start", "workflow:Frk", "--input", "input.json", code=2)


def test_an_end_is_told_by_its_event_and_keeps_a_failures_error(project: Project) -> None:
    start(project, "broken", {"do": "fail"})
    run = ended(project, "workflow:Fork/broken")
    assert (run.state, str(run.failure)) == (State.failed, "Boom: it broke")
    start(project, "good", {"do": "well", "number": [1, 2]})
    assert ended(project, "workflow:Fork/good").state is State.succeeded
    assert runs.result(project.edges, "workflow:Fork/good") == {"made": [1, 2]}


def test_racing_starters_make_one_execution(project: Project) -> None:
    with ThreadPoolExecutor(10) as pool:
        found = set(pool.map(lambda _: start(project, "raced", {"do": "well", "number": 1}).run, range(50)))
    assert found == {"workflow:Fork/raced/1"}
    machine = f"{project.running.stack['PILEUS_WORKFLOWS']}Fork"
    made = project.aws.stepfunctions.list_executions(stateMachineArn=machine)["executions"]
    assert [one["name"] for one in made if "raced" in one["name"]] == ["run_raced_1"]


def test_a_run_is_stopped_and_run_again(project: Project) -> None:
    start(project, "slow", {"do": "wait", "number": 1})
    key = "workflow:Fork/slow"
    assert "is cancelled" in project.pileus("runs", "stop", key)
    (execution,) = [
        one
        for one in project.aws.stepfunctions.list_executions(
            stateMachineArn=f"{project.running.stack['PILEUS_WORKFLOWS']}Fork"
        )["executions"]
        if one["name"] == "run_slow_1"
    ]
    assert execution["status"] == "ABORTED"
    assert "run 2" in project.pileus("runs", "rerun", key)
    project.pileus("runs", "stop", key)
