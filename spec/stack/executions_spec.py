"""A workflow of the embedded AWS that is stopped starts nothing more, as AWS's does not."""

import json
import time

import pytest

from spec.support.stack import Project

ROLE = "arn:aws:iam::000000000000:role/any"
MONTHS = [{"month": month} for month in range(12)]


def machine(stack: Project, name: str, definition: dict[str, object]) -> str:
    made = stack.aws.stepfunctions.create_state_machine(name=name, definition=json.dumps(definition), roleArn=ROLE)
    return made["stateMachineArn"]


def executions(stack: Project, arn: str, **only: str) -> list[str]:
    pages = stack.aws.stepfunctions.get_paginator("list_executions").paginate(stateMachineArn=arn, **only)
    return [execution["executionArn"] for page in pages for execution in page["executions"]]


def test_the_error_of_a_lambda_has_the_name_of_its_class(stack: Project) -> None:
    """A workflow tells by it whether another attempt may help."""
    call = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": "pileus-DiscoverGranules", "Payload": {"config": 7}},
        "End": True,
    }
    arn = machine(stack, "wrong", {"StartAt": "Call", "States": {"Call": call}})
    run = stack.aws.stepfunctions.start_execution(stateMachineArn=arn)["executionArn"]

    def ended() -> dict[str, str] | None:
        told = stack.aws.stepfunctions.describe_execution(executionArn=run)
        return told if told["status"] == "FAILED" else None

    told = stack.wait_for(ended)
    assert told["error"] == "UsageError"
    assert json.loads(told["cause"])["errorType"] == "UsageError"


@pytest.mark.parametrize("mode", ["INLINE", "DISTRIBUTED"])
def test_the_rest_of_a_stopped_map_does_not_start(stack: Project, mode: str) -> None:
    wait = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 3, "End": True}}}
    month = machine(stack, f"month-{mode}", wait)
    start = {
        "Type": "Task",
        "Resource": "arn:aws:states:::states:startExecution.sync:2",
        "Parameters": {"StateMachineArn": month, "Input.$": "$"},
        "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 3}],
        "End": True,
    }
    processor = {"ProcessorConfig": {"Mode": mode}, "StartAt": "Start", "States": {"Start": start}}
    months = {"Type": "Map", "ItemProcessor": processor, "MaxConcurrency": 3, "End": True}
    year = machine(stack, f"year-{mode}", {"StartAt": "Months", "States": {"Months": months}})
    trigger = stack.aws.stepfunctions.start_execution(stateMachineArn=year, input=json.dumps(MONTHS))["executionArn"]
    stack.wait_for(lambda: len(executions(stack, month)) == 3)

    stack.aws.stepfunctions.stop_execution(executionArn=trigger)
    for execution in executions(stack, month, statusFilter="RUNNING"):
        stack.aws.stepfunctions.stop_execution(executionArn=execution)
    time.sleep(5)  # longer than a month, and the wait before a retry
    assert len(executions(stack, month)) == 3, "of twelve"
    assert executions(stack, month, statusFilter="RUNNING") == []
