"""What the templates have for a workflow of Cumulus: it may call its tasks, and these may keep parts of messages."""

import json
import re

import pytest

from spec.support.cumulus_project import write_project
from spec.support.cumulus_tasks import DISCOVER, INGEST
from spec.support.synthesized import IMAGE, Stacks, listed, synthesize


@pytest.fixture(scope="module")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> Stacks:
    folder = tmp_path_factory.mktemp("cumulus")
    write_project(folder)
    (folder / "workflows/DiscoverGranules.asl.json").write_text(json.dumps(DISCOVER))
    (folder / "workflows/Stage.asl.json").write_text(json.dumps(INGEST))
    return synthesize({"worker_image": IMAGE}, project=folder)


def allowed(stacks: Stacks, part: str, action: str) -> str:
    """The resources on which roles whose logical id has `part` may do something."""
    told = [one["Resource"] for one in stacks.core.statements(part) if action in listed(one["Action"])]
    return json.dumps(told)


def test_the_workflow_calls_the_foreign_task_s_lambda_and_sends_to_our_worker(stacks: Stacks) -> None:
    machines = stacks.core.all("AWS::StepFunctions::StateMachine").values()
    (machine,) = (one for one in machines if one["StateMachineName"] == "pileus-IngestGranule")
    text = json.dumps(machine["DefinitionString"])
    assert "_task_arn" not in text
    assert "sqs:sendMessage.waitForTaskToken" in text
    assert "Tasksyncgranule" in allowed(stacks, "IngestGranule", "lambda:InvokeFunction")
    assert "Taskcountgranules" in allowed(stacks, "IngestGranule", "sqs:SendMessage")


OURS = ("GenerateCollections", "DiscoverGranules", "ReportStatus", "StartFromMessage", "QueueGranules")


@pytest.mark.parametrize("role", [*OURS, "SyncGranule", "MoveGranules", "Tasksyncgranule"])
def test_a_lambda_may_read_and_write_parts_of_messages(stacks: Stacks, role: str) -> None:
    assert "/events/*" in allowed(stacks, role, "s3:GetObject")
    assert "/events/*" in allowed(stacks, role, "s3:PutObject")


def test_a_workflow_may_be_called_as_the_lambda_that_its_first_step_names(stacks: Stacks) -> None:
    machines = stacks.core.all("AWS::StepFunctions::StateMachine").values()
    (machine,) = (one for one in machines if one["StateMachineName"] == "pileus-DiscoverGranules")
    assert {"DiscoverGranulesArn", "QueueGranulesArn"} <= {*machine["DefinitionSubstitutions"]}
    assert "QueueGranules" in allowed(stacks, "DiscoverGranulesWorkflow", "lambda:InvokeFunction")


@pytest.mark.parametrize(
    ("role", "action", "keys"),
    [
        ("SyncGranule", "s3:PutObject", ["/file-staging/*", "/events/*"]),
        ("MoveGranules", "s3:DeleteObject", ["/file-staging/*"]),
    ],
)
def test_a_task_of_cumulus_writes_and_deletes_in_the_internal_bucket_what_is_staged_alone(
    stacks: Stacks, role: str, action: str, keys: list[str]
) -> None:
    """It has no other bucket to write to, or to delete from: the settings name none."""
    told = allowed(stacks, role, action)
    assert re.findall(r"/[a-z-]*/\*", told) == keys, told


def test_the_first_step_of_cumulus_may_start_the_project_s_workflows_alone(stacks: Stacks) -> None:
    told = allowed(stacks, "QueueGranules", "states:StartExecution")
    assert re.findall(r"stateMachine:(pileus-\w+)", told) == [
        "pileus-IngestGranules", "pileus-DiscoverGranules", "pileus-IngestGranule", "pileus-Stage"
    ]  # fmt: skip
