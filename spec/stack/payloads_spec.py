"""Payloads of Cirrus on the embedded stack: in by the queue and by hand, through workflows, out to a topic, and on."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pileus import runs
from pileus.edges.aws import Stack
from pileus.models import State
from pileus.runs.payloads import process
from pileus.subject import parse_subject
from pileus.wiring import wire_workflows
from spec.support.stack import Project, project_of

PUBLISH = {
    "StartAt": "Asked",
    "States": {
        "Asked": {
            "Type": "Choice",
            "Choices": [
                {
                    "And": [
                        {"Variable": "$.broken", "IsPresent": True},
                        {"Variable": "$.broken", "BooleanEquals": True},
                    ],
                    "Next": "Broken",
                },
                {
                    "And": [{"Variable": "$.slow", "IsPresent": True}, {"Variable": "$.slow", "BooleanEquals": True}],
                    "Next": "Slow",
                },
            ],
            "Default": "Done",
        },
        "Broken": {"Type": "Fail", "Error": "stactask.exceptions.InvalidInput", "Cause": "no item has an asset"},
        "Slow": {"Type": "Wait", "Seconds": 600, "Next": "Done"},
        "Done": {"Type": "Succeed"},
    },
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A stack with two workflows that hand on what they get."""
    with project_of(tmp_path_factory.mktemp("project")) as made:
        made.path.joinpath("workflows").mkdir()
        for name in ("publish", "map"):
            made.path.joinpath(f"workflows/{name}.asl.json").write_text(json.dumps(PUBLISH))
        made.up()
        yield made


def payload(item: str, *workflows: str, **more: Any) -> dict[str, Any]:
    features = [{"type": "Feature", "id": item, "collection": "viirs", "properties": {}}]
    steps = [{"workflow": name} for name in workflows or ("publish",)]
    return {"type": "FeatureCollection", "features": features, "process": steps, **more}


def send(project: Project, *bodies: object) -> None:
    url = project.running.stack["PILEUS_PROCESS"]
    for body in bodies:
        project.aws.sqs.send_message(QueueUrl=url, MessageBody=body if isinstance(body, str) else json.dumps(body))


def ended(project: Project, key: str) -> runs.Run:
    def look() -> runs.Run | None:
        entry = project.edges.index.entry(parse_subject(key))
        return runs.find(project.edges, key) if entry and entry.state.ended else None

    found: runs.Run = project.wait_for(look)
    return found


def test_a_hundred_payloads_with_poison_among_them_each_run_once(project: Project) -> None:
    """Each good one twice in the queue; those that are wrong hold up none beside them."""
    good = [payload(f"item-{number:03}") for number in range(100)]
    wrong = [payload("wrong", process=[]), "no JSON", payload("odd", "missing")]
    send(project, *good[:50], *wrong, *good, *good[50:])
    found = [ended(project, f"payload:viirs/workflow-publish/item-{number:03}") for number in range(100)]
    assert {run.state for run in found} == {State.succeeded}
    assert {run.number for run in found} == {1}
    letters = project.wait_for(
        lambda: len(found := project.json("dead-letters", "list")) >= 3 and found  # they come after the good ones
    )
    assert sorted(letter["why"].partition(":")[0] for letter in letters) == [
        "DocumentError",
        "DocumentError",
        "Unknown",
    ]
    listed = project.json("runs", "list", "payload:viirs_publish", "--limit", "500")
    assert len(listed) == 100


def test_a_chain_goes_through_both_workflows_and_its_items_are_published(project: Project) -> None:
    sns, sqs = project.aws.sns, project.aws.sqs
    queue = sqs.create_queue(QueueName="spec-published")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=project.running.stack["PILEUS_PUBLISH"], Protocol="sqs", Endpoint=arn)
    send(project, payload("chained", "publish", "map"))
    assert ended(project, "payload:viirs/workflow-publish/chained").state is State.succeeded
    assert ended(project, "payload:viirs/workflow-map/chained").state is State.succeeded
    messages: list[Any] = []

    def received() -> bool:
        messages.extend(sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []))
        return len(messages) >= 2

    project.wait_for(received)
    told = [json.loads(json.loads(one["Body"])["Message"])["id"] for one in messages]
    assert told == ["chained", "chained"], "by both workflows"
    attributes = json.loads(messages[0]["Body"])["MessageAttributes"]
    assert attributes["collection"] == {"Type": "String", "Value": "viirs"}


def test_a_payload_that_a_task_calls_invalid_is_not_tried_again(project: Project) -> None:
    send(project, payload("broken", broken=True))
    run = ended(project, "payload:viirs/workflow-publish/broken")
    assert str(run.failure) == "stactask.exceptions.InvalidInput: no item has an asset"
    send(project, payload("broken"), payload("after"))
    ended(project, "payload:viirs/workflow-publish/after")
    assert runs.find(project.edges, run.key).number == 1


def test_fifty_who_hand_in_one_payload_make_one_execution(project: Project) -> None:
    stack = Stack.from_env(project.running.stack)
    workflows = wire_workflows(project.aws, stack)
    with ThreadPoolExecutor(10) as pool:
        found = list(pool.map(lambda n: process(project.edges, workflows, payload("raced", slow=True, n=n)), range(50)))
    assert {one.run.run for one in found} == {"payload:viirs/workflow-publish/raced/1"}
    pages = project.aws.stepfunctions.get_paginator("list_executions").paginate(
        stateMachineArn=stack.workflow_arn("publish"), statusFilter="RUNNING"
    )
    assert len([one for page in pages for one in page["executions"]]) == 1
    key = "payload:viirs/workflow-publish/raced"
    assert "is cancelled" in project.pileus("runs", "stop", key)
    assert "run 2" in project.pileus("runs", "rerun", key)
    project.pileus("runs", "stop", key)


def test_it_is_shown_with_its_result_by_its_key(project: Project) -> None:
    send(project, payload("shown"))
    key = "payload:viirs/workflow-publish/shown"
    ended(project, key)
    assert project.json("runs", "show", key)["state"] == "succeeded"
    assert project.json("runs", "result", key)["features"][0]["id"] == "shown"
    assert json.loads(project.pileus("runs", "input", key))["process"] == [{"workflow": "publish"}]
    assert json.loads(project.pileus("runs", "output", key)) == json.loads(project.pileus("runs", "result", key))
    events = [event["what"] for event in project.json("runs", "events", key)]
    assert events[0] == "queued"
    assert set(events) > {"running", "succeeded", "ExecutionStarted", "SucceedStateEntered", "ExecutionSucceeded"}
    assert "SucceedStateEntered" in project.pileus("runs", "events", key)
    assert "no worker has written about it" in project.pileus("runs", "logs", key)
