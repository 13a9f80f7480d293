"""cirrus-geo's own command line, as the registry carries it, operates an embedded stack."""

import json
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from pileus import runs
from pileus.models import State
from pileus.subject import parse_subject
from spec.support.cirrus import cirrus_python
from spec.support.stack import Project, project_of

ONE = {"Variable": "$.broken", "IsPresent": True}
PUBLISH = {
    "StartAt": "Asked",
    "States": {
        "Asked": {"Type": "Choice", "Choices": [{**ONE, "Next": "Broken"}], "Default": "Done"},
        "Broken": {"Type": "Fail", "Error": "KeyError", "Cause": "no item has an asset"},
        "Done": {"Type": "Pass", "End": True},
    },
}
GOOD, BROKEN, WRONG = (f"viirs/workflow-publish/{item}" for item in ("good", "broken", "wrong"))


def payload(item: str, **more: Any) -> dict[str, Any]:
    features = [{"type": "Feature", "id": item, "collection": "viirs", "properties": {}}]
    return {"type": "FeatureCollection", "features": features, "process": [{"workflow": "publish"}], **more}


class Cirrus:
    """The command line `cirrus`, in an environment of its own, that knows where AWS is and nothing of Pileus."""

    def __init__(self, project: Project) -> None:
        self.name = project.running.stack["PILEUS_STACK"]
        kept = ("PATH", "HOME", "LANG", "TMPDIR")
        aws: dict[str, str] = project.json("env")
        self.environment = {name: os.environ[name] for name in kept if name in os.environ} | aws

    def __call__(self, *words: str, given: object = None, code: int = 0) -> str:
        done = subprocess.run(
            [str(cirrus_python()), "-P", "-W", "ignore", "-m", "cirrus.management", *words],
            input=json.dumps(given) if given is not None else "",
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def manage(self, *words: str, given: object = None, code: int = 0) -> str:
        return self("manage", self.name, *words, given=given, code=code)

    def json(self, *words: str, given: object = None) -> Any:
        return json.loads(self.manage(*words, given=given))

    def lines(self, *words: str) -> list[Any]:
        return [json.loads(line) for line in self.manage(*words).splitlines()]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A stack with one workflow, which hands on what it gets."""
    with project_of(tmp_path_factory.mktemp("project")) as made:
        made.path.joinpath("workflows").mkdir()
        made.path.joinpath("workflows/publish.asl.json").write_text(json.dumps(PUBLISH))
        made.up()
        yield made


@pytest.fixture(scope="module")
def cirrus(project: Project) -> Cirrus:
    """The command line, after it has handed in a good payload, one that breaks, and one that is wrong."""
    found = Cirrus(project)
    for one in (payload("good"), payload("broken", broken=True)):
        assert json.loads(found.manage("process", given=one))["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert ended(project, GOOD).state is State.succeeded
    assert ended(project, BROKEN).state is State.failed
    wrong = payload("wrong", process=[{"workflow": "publish", "tasks": 1}], id=WRONG)
    assert json.loads(found.manage("process", given=wrong))["MessageId"]
    assert ended(project, WRONG).state is State.failed
    return found


def ended(project: Project, id: str) -> runs.Run:
    key = f"payload:{id}"

    def look() -> runs.Run | None:
        entry = project.edges.index.entry(parse_subject(key))
        return runs.find(project.edges, key) if entry and entry.state.ended else None

    found: runs.Run = project.wait_for(look)
    return found


def test_the_stack_is_listed_as_a_deployment_and_shown(project: Project, cirrus: Cirrus) -> None:
    assert cirrus("list-deployments").splitlines() == [cirrus.name]
    shown = cirrus.json("show")
    assert shown["CIRRUS_STATE_DB"] == project.running.stack["PILEUS_PAYLOADS"]
    assert shown["CIRRUS_PROCESS_QUEUE_URL"] == project.running.stack["PILEUS_PROCESS"]


def test_it_reads_the_row_of_a_payload(project: Project, cirrus: Cirrus) -> None:
    row = cirrus.json("get-state", GOOD)
    assert (row["collections_workflow"], row["itemids"]) == ("viirs_publish", "good")
    assert row["state_updated"] == f"SUCCEEDED_{row['updated']}"
    assert row["created"] <= row["claimed_at"] <= row["updated"]
    assert row["executions"] == project.edges.index.entry(parse_subject(f"payload:{GOOD}")).extra["executions"]  # type: ignore[union-attr]
    assert "last_error" not in row
    assert cirrus.json("get-state", BROKEN)["last_error"] == "KeyError: no item has an asset"


def test_it_reads_what_went_in_and_what_came_out(cirrus: Cirrus) -> None:
    whole = payload("good") | {"id": GOOD}
    assert cirrus.json("get-input-payload", GOOD) == whole
    assert cirrus.json("get-output-payload", GOOD) == whole
    assert cirrus.json("get-input-payload", BROKEN)["broken"] is True


def test_it_finds_the_execution_and_its_workflow(cirrus: Cirrus) -> None:
    found = cirrus.json("get-execution", "--payload-id", GOOD)
    assert found["status"] == "SUCCEEDED"
    assert found["executionArn"] == cirrus.json("get-state", GOOD)["executions"][-1]
    assert cirrus.json("get-execution", "--arn", found["executionArn"])["name"] == found["name"]
    assert cirrus.json("get-execution-input", "--payload-id", GOOD)["id"] == GOOD
    assert cirrus.json("get-execution-output", "--payload-id", GOOD)["id"] == GOOD
    events = cirrus.json("get-execution-events", "--payload-id", GOOD)["events"]
    assert [events[0]["type"], events[-1]["type"]] == ["ExecutionStarted", "ExecutionSucceeded"]
    assert json.loads(cirrus.json("get-workflow-definition", "publish")["definition"]) == PUBLISH


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ((), [BROKEN, GOOD, WRONG]),
        (("--state", "FAILED"), [BROKEN]),
        (("--state", "SUCCEEDED", "--since", "1h"), [GOOD]),
        (("--since", "1d", "--limit", "1"), [WRONG]),
        (("--error-prefix", "KeyError"), [BROKEN]),
        (("--error-prefix", "Boom"), []),
        (("--state", "INVALID"), [WRONG]),
        (("--state", "PROCESSING"), []),
    ],
)
def test_it_queries_by_state_and_time_and_error(cirrus: Cirrus, filters: tuple[str, ...], found: list[str]) -> None:
    rows = cirrus.lines("query", "--collections-workflow", "viirs_publish", *filters)
    assert sorted(row["payload_id"] for row in rows) == found
    for row in rows:
        assert row["input_payload_url"].endswith("/input.json")
        assert (row["output_payload_url"] is None) == (row["state"] != "SUCCEEDED")


def test_it_lists_inputs_to_run_again_and_these_run_again(project: Project, cirrus: Cirrus) -> None:
    wanted = ("--collections-workflow", "viirs_publish", "--state", "FAILED", "--rerun")
    (again,) = cirrus.lines("get-input-payloads", *wanted)
    steps = [{"workflow": "publish", "replace": True}]
    assert again == payload("broken", broken=True) | {"id": BROKEN, "process": steps}
    cirrus.manage("process", given=again)
    project.wait_for(lambda: runs.find(project.edges, f"payload:{BROKEN}").number == 2)


def test_it_runs_a_workflow_and_waits_for_what_comes_out(cirrus: Cirrus) -> None:
    """It looks once after the pause, and takes CLAIMED and PROCESSING for the only states to wait in."""
    one = payload("waited") | {"id": "viirs/workflow-publish/waited"}
    found = json.loads(cirrus.manage("run-workflow", "--poll-interval", "5", "--timeout", "60", given=one))
    assert found["features"][0]["id"] == "waited"


def test_it_knows_the_functions_of_the_stack_and_calls_one(project: Project, cirrus: Cirrus) -> None:
    assert "ReportStatus" in cirrus.json("list-lambdas")["Functions"]
    entry = project.edges.index.entry(parse_subject(f"payload:{GOOD}"))
    assert entry is not None
    detail = {"executionArn": entry.extra["executions"][-1], "status": "FAILED"}
    event = {"detail-type": "Step Functions Execution Status Change", "detail": detail}
    told = cirrus.json("invoke-lambda", "ReportStatus", given=event)
    assert told == {"run": f"payload:{GOOD}", "state": "succeeded"}, "a late failure changes nothing"


def test_its_templates_and_its_programs_have_the_variables_of_the_stack(project: Project, cirrus: Cirrus) -> None:
    text = cirrus.manage("template-payload", given={"at": "s3://$CIRRUS_PAYLOAD_BUCKET/a"})
    assert json.loads(text) == {"at": f"s3://{project.running.stack['PILEUS_INTERNAL']}/a"}
    assert cirrus.manage("call", "printenv", "CIRRUS_PREFIX").strip() == f"{cirrus.name}-"
    assert cirrus.manage("exec", "printenv", "CIRRUS_PREFIX").strip() == f"{cirrus.name}-"


def test_what_was_refused_has_its_reason_and_its_input_and_no_execution(cirrus: Cirrus) -> None:
    row = cirrus.json("get-state", WRONG)
    assert row["state_updated"].startswith("INVALID_")
    assert row["last_error"].startswith("InvalidInput: process[0].tasks")
    assert cirrus.json("get-input-payload", WRONG)["process"] == [{"workflow": "publish", "tasks": 1}]
    cirrus.manage("get-execution", "--payload-id", WRONG, code=1)


def test_what_it_cannot_find_it_says(cirrus: Cirrus) -> None:
    """There are no log groups of Lambdas in the embedded AWS, and no Batch anywhere."""
    cirrus("manage", "nothing", "show", code=1)
    cirrus.manage("get-batch-logs", "none", code=1)
    cirrus.manage("get-lambda-logs", f"/aws/lambda/{cirrus.name}-ReportStatus", "none", code=1)
