"""Waiting for CloudFormation: with boto3's waiters, and with the reason when it ends otherwise."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber

from pileus.edges import cloudformation
from pileus.edges.aws import Aws
from pileus.edges.change_sets import _changes
from pileus.edges.cloudformation import wait_until
from pileus.errors import StoreError


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Aws:
    monkeypatch.setattr(cloudformation, "EMBEDDED_SECONDS", 0.001)
    return Aws("http://127.0.0.1:9")


@pytest.fixture
def answers(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    """What CloudFormation answers, to waiters and to all else."""
    client: Any = aws.unguarded("cloudformation")
    monkeypatch.setattr(aws, "unguarded", lambda _service: client)
    aws.__dict__["cloudformation"] = client
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def stacks(status: str) -> dict[str, Any]:
    return {"Stacks": [{"StackName": "s", "CreationTime": datetime.now(UTC), "StackStatus": status}]}


def test_waits_until_a_stack_is_there(aws: Aws, answers: Stubber) -> None:
    for status in ("CREATE_IN_PROGRESS", "CREATE_IN_PROGRESS", "CREATE_COMPLETE"):
        answers.add_response("describe_stacks", stacks(status))
    wait_until(aws, "stack_create_complete", "s")


def test_a_stack_that_ends_otherwise_is_told_with_the_first_reason(aws: Aws, answers: Stubber) -> None:
    event = {"StackId": "i", "EventId": "e", "StackName": "s", "Timestamp": datetime.now(UTC)}
    events = [
        event | {"LogicalResourceId": "Later", "ResourceStatus": "CREATE_FAILED", "ResourceStatusReason": "cancelled"},
        event | {"LogicalResourceId": "Queue", "ResourceStatus": "CREATE_FAILED", "ResourceStatusReason": "no right"},
    ]
    answers.add_response("describe_stacks", stacks("CREATE_IN_PROGRESS"))
    answers.add_response("describe_stacks", stacks("ROLLBACK_COMPLETE"))
    answers.add_response("describe_stack_events", {"StackEvents": events})
    with pytest.raises(StoreError, match=r"^s: ended ROLLBACK_COMPLETE: Queue: no right$"):
        wait_until(aws, "stack_create_complete", "s")


def test_a_stack_that_is_gone_is_removed(aws: Aws, answers: Stubber) -> None:
    answers.add_response("describe_stacks", stacks("DELETE_IN_PROGRESS"))
    answers.add_client_error("describe_stacks", "ValidationError", "Stack s does not exist")
    wait_until(aws, "stack_delete_complete", "s")


def change_set(status: str, reason: str = "") -> dict[str, Any]:
    return {"Status": status, "StatusReason": reason, "Changes": []}


def test_a_change_set_without_changes_is_none(aws: Aws, answers: Stubber) -> None:
    answers.add_response("describe_change_set", change_set("CREATE_PENDING"))
    answers.add_response(
        "describe_change_set", change_set("FAILED", "The submitted information didn't contain changes.")
    )
    assert _changes(aws, "arn", "s") == ()


def test_a_change_set_that_fails_is_told(aws: Aws, answers: Stubber) -> None:
    answers.add_response("describe_change_set", change_set("FAILED", "Template error"))
    with pytest.raises(StoreError, match=r"^s: ended FAILED: Template error$"):
        _changes(aws, "arn", "s")


class Unreachable:
    """Stands for the client of an account that does not answer, for the real one tries for twenty seconds."""

    def get_waiter(self, _name: str) -> "Unreachable":
        return self

    def wait(self, **_names: Any) -> None:
        raise EndpointConnectionError(endpoint_url="http://127.0.0.1:9")


def test_an_account_that_does_not_answer_is_told(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws, "unguarded", lambda _service: Unreachable())
    with pytest.raises(StoreError, match=r"^s: AWS cannot be reached: .*127\.0\.0\.1"):
        wait_until(aws, "stack_create_complete", "s")
