"""What the templates have for a workflow of Cumulus: it may call its tasks, and these may keep parts of messages."""

import json

import pytest

from spec.support.cumulus_project import write_project
from spec.support.synthesized import IMAGE, Stacks, listed, synthesize


@pytest.fixture(scope="module")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> Stacks:
    folder = tmp_path_factory.mktemp("cumulus")
    write_project(folder)
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


@pytest.mark.parametrize("role", ["GenerateCollections", "DiscoverGranules", "ReportStatus", "Tasksyncgranule"])
def test_a_lambda_may_read_and_write_parts_of_messages(stacks: Stacks, role: str) -> None:
    assert "/events/*" in allowed(stacks, role, "s3:GetObject")
    assert "/events/*" in allowed(stacks, role, "s3:PutObject")
