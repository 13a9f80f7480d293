"""The two queues that feed workers: `ingest`, polled first, and `backfill`; and the tokens their messages carry."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from pileus.edges.aws_errors import translated
from pileus.errors import StoreError
from pileus.lifecycle.partition import Failure

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_stepfunctions import SFNClient

QUEUES = ("ingest", "backfill")
LONGEST_HOLD = 43_200
"""Seconds: SQS keeps no message hidden for longer."""


@dataclass(frozen=True, slots=True)
class Message:
    """One group for a worker."""

    queue: str
    receipt: str
    body: str
    token: str
    """Task token to be answered."""
    task: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Queue:
    """Addresses of a queue's queue and of its dead letters."""

    url: str
    dead_url: str


class Queues(Protocol):
    """Raises StoreError when a queue or Step Functions refuses."""

    def receive(self, queue: str, wait_seconds: int) -> Message | None:
        """The next message, waiting up to `wait_seconds` (0 to 20) for one."""

    def hold(self, message: Message, seconds: int) -> None:
        """Keep the message hidden from other workers for `seconds` from now; 0 hands it back at once."""

    def delete(self, message: Message) -> None:
        """The message is dealt with."""

    def bury(self, message: Message) -> None:
        """Move the message to the dead letters."""

    def beat(self, message: Message) -> bool:
        """Heartbeat of the task token. False: the workflow waits no longer."""

    def succeed(self, message: Message, output: Mapping[str, Any]) -> bool:
        """Answer the token. False: the workflow waits no longer."""

    def fail(self, message: Message, failure: Failure) -> bool:
        """Answer the token. False: the workflow waits no longer."""


class SqsQueues:
    """SQS queues and Step Functions task tokens."""

    def __init__(self, sqs: "SQSClient", stepfunctions: "SFNClient", queues: Mapping[str, Queue]) -> None:
        self._sqs = sqs
        self._stepfunctions = stepfunctions
        self._addresses = queues

    def receive(self, queue: str, wait_seconds: int) -> Message | None:
        with translated(queue, "SQS"):
            found = self._received(queue, wait_seconds)
        if not found:
            return None
        receipt, text = found[0]["ReceiptHandle"], found[0]["Body"]
        try:
            body = json.loads(text)
            return Message(queue, receipt, text, body["token"], body["task"])
        except (json.JSONDecodeError, KeyError, TypeError):
            self.bury(Message(queue, receipt, text, "", {}))  # not one of ours: nobody will ever understand it
            return None

    def _received(self, queue: str, wait_seconds: int) -> Any:
        return self._sqs.receive_message(
            QueueUrl=self._addresses[queue].url,
            MaxNumberOfMessages=1,
            WaitTimeSeconds=wait_seconds,
        ).get("Messages")

    def hold(self, message: Message, seconds: int) -> None:
        try:
            with translated(message.queue, "SQS"):
                self._sqs.change_message_visibility(
                    QueueUrl=self._addresses[message.queue].url,
                    ReceiptHandle=message.receipt,
                    VisibilityTimeout=min(seconds, LONGEST_HOLD),
                )
        except StoreError as exc:
            if exc.code not in ("InvalidParameterValue", "ReceiptHandleIsInvalid", *_NOT_IN_FLIGHT):
                raise

    def delete(self, message: Message) -> None:
        with translated(message.queue, "SQS"):
            self._sqs.delete_message(QueueUrl=self._addresses[message.queue].url, ReceiptHandle=message.receipt)

    def bury(self, message: Message) -> None:
        with translated(message.queue, "SQS"):
            self._sqs.send_message(QueueUrl=self._addresses[message.queue].dead_url, MessageBody=message.body)
        self.delete(message)

    def beat(self, message: Message) -> bool:
        return self._answer("send_task_heartbeat", message)

    def succeed(self, message: Message, output: Mapping[str, Any]) -> bool:
        return self._answer("send_task_success", message, output=json.dumps(output))

    def fail(self, message: Message, failure: Failure) -> bool:
        cause = json.dumps({"message": failure.message, "where": failure.where})[:32000]
        return self._answer("send_task_failure", message, error=failure.type[:256], cause=cause)

    def _answer(self, call: str, message: Message, **answer: str) -> bool:
        try:
            with translated(call, "Step Functions"):
                getattr(self._stepfunctions, call)(taskToken=message.token, **answer)
        except StoreError as exc:
            if exc.code in ("TaskTimedOut", "TaskDoesNotExist", "InvalidToken"):
                return False
            raise
        return True


_NOT_IN_FLIGHT = ("AWS.SimpleQueueService.MessageNotInflight", "MessageNotInflight")
