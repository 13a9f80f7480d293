"""Executions of the workflows."""

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pileus.errors import StoreError

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

Status = Literal["RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED", "PENDING_REDRIVE", "GONE"]


class Workflows(Protocol):
    """Raises StoreError when Step Functions refuses."""

    def start(self, workflow: str, name: str, value: Mapping[str, Any]) -> str:
        """Start an execution called `name`; its ARN. Asked twice with one name, it is one execution, ended or not."""

    def status(self, execution: str) -> Status:
        """`GONE`: no such execution is known."""

    def stop(self, execution: str, cause: str) -> None:
        """Stop it; that it has ended already is no error."""

    def running(self, workflow: str, prefix: str) -> Iterator[str]:
        """ARNs of the running executions whose name begins with `prefix`."""


class StepFunctions:
    """Step Functions; `arn_prefix` plus a workflow's name is its ARN."""

    def __init__(self, client: "SFNClient", arn_prefix: str) -> None:
        self._client = client
        self._prefix = arn_prefix

    def start(self, workflow: str, name: str, value: Mapping[str, Any]) -> str:
        machine = self._prefix + workflow
        try:
            with _translated(name):
                started = self._client.start_execution(stateMachineArn=machine, name=name, input=json.dumps(value))
        except StoreError as exc:
            if _code(exc.__cause__) != "ExecutionAlreadyExists":
                raise
            return execution_arn(machine, name)  # it has ended since, and whoever started it did not hear of that
        return started["executionArn"]

    def status(self, execution: str) -> Status:
        from botocore.exceptions import ClientError

        try:
            return self._client.describe_execution(executionArn=execution)["status"]
        except ClientError as exc:
            if exc.response.get("Error", {}).get("Code") == "ExecutionDoesNotExist":
                return "GONE"
            raise StoreError(f"Step Functions refused: {exc}", where=execution) from exc

    def stop(self, execution: str, cause: str) -> None:
        with _translated(execution):
            self._client.stop_execution(executionArn=execution, error="Stopped", cause=cause)

    def running(self, workflow: str, prefix: str) -> Iterator[str]:
        with _translated(workflow):
            pages = self._client.get_paginator("list_executions").paginate(
                stateMachineArn=self._prefix + workflow, statusFilter="RUNNING"
            )
            for page in pages:
                for execution in page["executions"]:
                    if execution["name"].startswith(prefix):
                        yield execution["executionArn"]


def execution_arn(machine: str, name: str) -> str:
    """The ARN of a state machine's execution.

    >>> execution_arn("arn:aws:states:us-east-1:000000000000:stateMachine:pileus-Trigger", "b-1")
    'arn:aws:states:us-east-1:000000000000:execution:pileus-Trigger:b-1'
    """
    return f"{machine.replace(':stateMachine:', ':execution:', 1)}:{name}"


def _code(error: BaseException | None) -> str:
    code: str = getattr(error, "response", {}).get("Error", {}).get("Code", "")
    return code


class _translated:  # noqa: N801 - reads as a statement
    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        if isinstance(error, ClientError | BotoCoreError):
            raise StoreError(f"Step Functions refused: {error}", where=self._where) from error
