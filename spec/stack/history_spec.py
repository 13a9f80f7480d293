"""History limits: 25,000 events an execution, 256 KiB a message, whatever the size of a plan.

Items lie in S3 and each runs in an execution of its own, so that what a parent sees does not grow with them. On the
embedded stack the events are counted.
"""

import json
import re
from typing import Any

import pytest

from pileus.backfills.control import TRIGGER
from spec.support import tiny
from spec.support.stack import Project

EVENTS = 25_000
MESSAGE = 256 * 1024


def history(project: Project, execution: str) -> list[dict[str, Any]]:
    pages = project.aws.stepfunctions.get_paginator("get_execution_history").paginate(executionArn=execution)
    return [dict(event) for page in pages for event in page["events"]]


def ended(project: Project, execution: str) -> bool:
    return project.aws.stepfunctions.describe_execution(executionArn=execution)["status"] != "RUNNING"


@pytest.fixture(scope="module")
def histories(stack: Project) -> dict[int, list[dict[str, Any]]]:
    """Events of the trigger of a backfill of 3 points in time and of one of 36."""
    tiny.collection(stack, "long", "201501", "201712")
    months = [f"{2015 + n // 12}{n % 12 + 1:02}" for n in range(36)]
    for month in months:
        (stack.path / "site/long" / month).mkdir(parents=True)
    tiny.publish(stack, "long", months[0])
    stack.pileus("populate")
    found = {}
    for count, last in ((3, "2015-03"), (36, "2017-12")):
        stack.pileus(
            "backfill", "long", "--to", last, "--name", f"points-{count}", "--wait", code=1
        )  # not all are published
        backfill = stack.edges.index.backfill(f"points-{count}")
        assert backfill is not None
        execution = backfill.execution
        assert execution is not None
        stack.wait_for(lambda name=execution: ended(stack, name))  # it ends a moment after its report
        found[count] = history(stack, execution)
    return found


def test_the_history_of_the_parent_does_not_grow_with_the_plan(histories: dict[int, list[dict[str, Any]]]) -> None:
    few, many = histories[3], histories[36]
    assert [event["type"] for event in few] == [event["type"] for event in many]
    assert len(many) < 50


def test_nor_does_the_size_of_its_events(histories: dict[int, list[dict[str, Any]]]) -> None:
    few, many = (max(len(json.dumps(event, default=str)) for event in histories[count]) for count in (3, 36))
    assert many - few < 100, "digits only"
    assert many < MESSAGE


def test_no_execution_comes_near_a_limit(stack: Project, histories: dict[int, Any]) -> None:
    client, most, largest, seen = stack.aws.stepfunctions, 0, 0, 0
    for machine in client.list_state_machines()["stateMachines"]:
        pages = client.get_paginator("list_executions").paginate(stateMachineArn=machine["stateMachineArn"])
        for execution in (one for page in pages for one in page["executions"]):
            if not re.search(r"points-(3|36)\b|points-(3|36)_", execution["name"]):
                continue  # of another file of specs, on the same stack
            events = history(stack, execution["executionArn"])
            seen += 1
            most = max(most, len(events))
            largest = max(largest, *(len(json.dumps(event, default=str)) for event in events))
    assert seen > 36, f"{TRIGGER} and one for each point"
    assert most < 100
    assert largest < 10_000
