"""The two queues that feed workers: `ingest`, polled first, and `backfill`; and the tokens their messages carry."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from pileus.errors import StoreError
from pileus.lifecycle.partition import Failure

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_stepfunctions import SFNClient

QUEUES = ("ingest", "backfill")


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
        found = self._sqs.receive_message(
            QueueUrl=self._addresses[queue].url,
            MaxNumberOfMessages=1,
            WaitTimeSeconds=wait_seconds,
        ).get("Messages")
        if not found:
            return None
        receipt, text = found[0]["ReceiptHandle"], found[0]["Body"]
        try:
            body = json.loads(text)
            return Message(queue, receipt, text, body["token"], body["task"])
        except (json.JSONDecodeError, KeyError, TypeError):
            self.bury(Message(queue, receipt, text, "", {}))  # not one of ours: nobody will ever understand it
            return None

    def hold(self, message: Message, seconds: int) -> None:
        from botocore.exceptions import ClientError

        try:
            self._sqs.change_message_visibility(
                QueueUrl=self._addresses[message.queue].url, ReceiptHandle=message.receipt, VisibilityTimeout=seconds
            )
        except ClientError as exc:
            if _code(exc) not in ("InvalidParameterValue", "ReceiptHandleIsInvalid", *_NOT_IN_FLIGHT):
                raise StoreError(f"SQS refused: {exc}", where=message.queue) from exc

    def delete(self, message: Message) -> None:
        self._sqs.delete_message(QueueUrl=self._addresses[message.queue].url, ReceiptHandle=message.receipt)

    def bury(self, message: Message) -> None:
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
        from botocore.exceptions import ClientError

        try:
            getattr(self._stepfunctions, call)(taskToken=message.token, **answer)
        except ClientError as exc:
            if _code(exc) in ("TaskTimedOut", "TaskDoesNotExist", "InvalidToken"):
                return False
            raise StoreError(f"Step Functions refused: {exc}", where=call) from exc
        return True


_NOT_IN_FLIGHT = ("AWS.SimpleQueueService.MessageNotInflight", "MessageNotInflight")


def _code(error: Any) -> str:
    code: str = error.response.get("Error", {}).get("Code", "")
    return code
