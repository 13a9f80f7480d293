"""Executions of the workflows."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypedDict

from pileus.edges.aws_errors import translated
from pileus.errors import StoreError, Unknown

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

Status = Literal["RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED", "PENDING_REDRIVE", "GONE"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where an execution stands."""

    status: Status
    output: str | None = None
    """JSON; None without a success."""
    error: str | None = None
    """Name of the error; None where none was told."""
    cause: str | None = None
    input: str | None = None
    """JSON; None where there is no execution."""
    ended: float | None = None
    """Unix time; None while it goes on."""


class Happened(TypedDict):
    """One event of an execution."""

    time: float
    """Unix time."""
    type: str
    """As Step Functions calls it, such as `TaskStateEntered`."""
    details: Mapping[str, Any]
    """As Step Functions has them, without inputs and outputs."""


MOST = 1000
"""Events of an execution that are read: Step Functions gives so many at once."""


class Workflows(Protocol):
    """Raises StoreError when Step Functions refuses."""

    def start(self, workflow: str, name: str, value: Mapping[str, Any]) -> str:
        """Start an execution called `name`; return its ARN. A second call with the same name returns the same ARN.

        Raises Unknown where the stack has no such workflow.
        """

    def exists(self, workflow: str) -> bool:
        """Return whether the stack has a workflow of this name. One that was seen may have been removed since."""

    def definition(self, workflow: str) -> dict[str, Any] | None:
        """Return what the stack's workflow of this name is made of, as Amazon States Language; None for no such."""

    def status(self, execution: str) -> Status:
        """Return the status of an execution; `GONE` when Step Functions knows no such execution."""

    def outcome(self, execution: str) -> Outcome:
        """Return the status of an execution, and what it has ended with."""

    def history(self, execution: str) -> list[Happened]:
        """Return the latest events of an execution, up to a thousand, oldest first; none when it is gone."""

    def stop(self, execution: str, cause: str) -> None:
        """Stop an execution. It is no error when it has ended or is gone."""

    def running(self, workflow: str, prefix: str) -> Iterator[str]:
        """Yield the ARNs of the running executions whose name begins with `prefix`."""


class StepFunctions:
    """Step Functions; `arn_prefix` plus a workflow's name is its ARN. `client`: makes the client when it is needed."""

    def __init__(self, client: "Callable[[], SFNClient]", arn_prefix: str) -> None:
        self._make = client
        self._prefix = arn_prefix
        self._seen: set[str] = set()

    @cached_property
    def _client(self) -> "SFNClient":
        return self._make()

    def start(self, workflow: str, name: str, value: Mapping[str, Any]) -> str:
        machine = self._prefix + workflow
        try:
            with translated(name, "Step Functions"):
                started = self._client.start_execution(stateMachineArn=machine, name=name, input=json.dumps(value))
        except StoreError as exc:
            if exc.code == "StateMachineDoesNotExist":
                self._seen.discard(workflow)
                raise no_such(workflow) from exc
            if exc.code != "ExecutionAlreadyExists":
                raise
            return execution_arn(machine, name)  # it has ended since; the answer to its start was lost
        return started["executionArn"]

    def exists(self, workflow: str) -> bool:
        if workflow not in self._seen and self.definition(workflow) is not None:
            self._seen.add(workflow)
        return workflow in self._seen

    def definition(self, workflow: str) -> dict[str, Any] | None:
        try:
            with translated(workflow, "Step Functions"):
                found = self._client.describe_state_machine(stateMachineArn=self._prefix + workflow)
        except StoreError as exc:
            if exc.code in ("StateMachineDoesNotExist", "InvalidArn"):
                return None
            raise
        return dict(json.loads(found["definition"]))

    def status(self, execution: str) -> Status:
        return self.outcome(execution).status

    def outcome(self, execution: str) -> Outcome:
        try:
            with translated(execution, "Step Functions"):
                found = self._client.describe_execution(executionArn=execution)
        except StoreError as exc:
            if exc.code == "ExecutionDoesNotExist":
                return Outcome("GONE")
            raise
        output = found.get("output") if found["status"] == "SUCCEEDED" else None
        ended = found["stopDate"].timestamp() if found.get("stopDate") else None
        return Outcome(found["status"], output, found.get("error"), found.get("cause"), found.get("input"), ended)

    def history(self, execution: str) -> list[Happened]:
        try:
            with translated(execution, "Step Functions"):
                found = self._client.get_execution_history(executionArn=execution, reverseOrder=True, maxResults=MOST)
        except StoreError as exc:
            if exc.code == "ExecutionDoesNotExist":
                return []
            raise
        return [_happened(event) for event in reversed(found["events"])]

    def stop(self, execution: str, cause: str) -> None:
        try:
            with translated(execution, "Step Functions"):
                self._client.stop_execution(executionArn=execution, error="Stopped", cause=cause)
        except StoreError:
            if self.status(execution) == "RUNNING":
                raise

    def running(self, workflow: str, prefix: str) -> Iterator[str]:
        with translated(workflow, "Step Functions"):
            pages = self._client.get_paginator("list_executions").paginate(
                stateMachineArn=self._prefix + workflow, statusFilter="RUNNING"
            )
            for page in pages:
                for execution in page["executions"]:
                    if execution["name"].startswith(prefix):
                        yield execution["executionArn"]


def no_such(workflow: str) -> Unknown:
    """Return the error about a workflow that the stack does not have."""
    return Unknown(f"the stack has no workflow {workflow!r}: `pileus workflows list` shows those there are")


def _happened(event: Mapping[str, Any]) -> Happened:
    found: Mapping[str, Any] = next((value for name, value in event.items() if name.endswith("EventDetails")), {})
    large = ("input", "output", "parameters")
    details = {name: value for name, value in found.items() if name not in large and isinstance(value, str | int)}
    return {"time": event["timestamp"].timestamp(), "type": event["type"], "details": details}


def execution_arn(machine: str, name: str) -> str:
    """Return the ARN of a state machine's execution.

    >>> execution_arn("arn:aws:states:us-east-1:000000000000:stateMachine:pileus-Trigger", "b-1")
    'arn:aws:states:us-east-1:000000000000:execution:pileus-Trigger:b-1'
    """
    return f"{machine.replace(':stateMachine:', ':execution:', 1)}:{name}"
