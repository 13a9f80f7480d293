"""The dead-letter queues: read their messages and leave them there, or remove one."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pileus.edges.queues import Queue
from pileus.errors import UsageError
from pileus.lifecycle.partition import Failure
from pileus.messages import RequestTask
from pileus.models import Partition
from pileus.strict_json import parse_json

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

HOLD = 30
"""Seconds for which a message that was read is hidden from the next reader."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message of a dead-letter queue."""

    id: str
    queue: str
    receipt: str
    body: str
    sent: float
    """Unix time."""

    @property
    def task(self) -> Mapping[str, Any]:
        """Return the task of a group; empty when the message is not a task of Pileus."""
        try:
            value = parse_json(self.body)
            task: Mapping[str, Any] = value["task"]
            Partition.parse(task["config"]["partition"])
            return task if task["config"]["backfill"] else {}
        except (ValueError, LookupError, TypeError, AttributeError, UsageError):
            return {}

    @property
    def partition(self) -> str | None:
        return self.task["config"]["partition"] if self.task else None

    @property
    def backfill(self) -> str | None:
        return self.task["config"]["backfill"] if self.task else None

    @property
    def request(self) -> str | None:
        """Key of the request whose run it is of; None for any other message."""
        try:
            return RequestTask.from_json(parse_json(self.body)["task"]).subject.key
        except (ValueError, LookupError, TypeError, UsageError):
            return None

    @property
    def letter(self) -> Mapping[str, Any]:
        """Return what was put aside of a message that should have started a workflow: `reason`, `rules`, `message` and,
        where its run failed, `run`. Empty for any other.
        """
        try:
            value = parse_json(self.body)
            found = {name: value[name] for name in ("reason", "rules", "message")}
            return found | ({"run": value["run"]} if "run" in value else {})
        except (ValueError, LookupError, TypeError):
            return {}

    @property
    def reason(self) -> str | None:
        """Why it is here, where the message says so itself."""
        reason = self.letter.get("reason")
        return str(Failure(**reason)) if reason else None

    @property
    def run(self) -> str | None:
        """Key of the run of a workflow that failed; None where there is none."""
        return self.letter.get("run")

    @property
    def key(self) -> str | None:
        """Key of what it is about; None where the message is not a task of Pileus."""
        return self.partition or self.request or self.run


class DeadLetters:
    """The dead-letter queues of a stack."""

    def __init__(self, sqs: "SQSClient", queues: Mapping[str, Queue]) -> None:
        self._sqs = sqs
        self._queues = queues

    def all(self) -> list[DeadLetter]:
        """Return all messages, oldest first.

        They are hidden while this reads them, and visible again when it returns.
        """
        found = {message.id: message for queue in self._queues for message in self._take(queue)}
        for message in found.values():
            self._sqs.change_message_visibility(
                QueueUrl=self._queues[message.queue].dead_url, ReceiptHandle=message.receipt, VisibilityTimeout=0
            )
        return sorted(found.values(), key=lambda message: message.sent)

    def remove(self, id: str) -> DeadLetter | None:
        """Delete one message and return it; None when it is not there any more."""
        for queue in self._queues:
            taken = list(self._take(queue))
            for message in taken:
                url = self._queues[queue].dead_url
                if message.id == id:
                    self._sqs.delete_message(QueueUrl=url, ReceiptHandle=message.receipt)
                else:
                    self._sqs.change_message_visibility(
                        QueueUrl=url, ReceiptHandle=message.receipt, VisibilityTimeout=0
                    )
            for message in taken:
                if message.id == id:
                    return message
        return None

    def _take(self, queue: str) -> Iterator[DeadLetter]:
        while True:
            found = self._sqs.receive_message(
                QueueUrl=self._queues[queue].dead_url,
                MaxNumberOfMessages=10,
                VisibilityTimeout=HOLD,
                MessageSystemAttributeNames=["SentTimestamp"],
            ).get("Messages")
            if not found:
                return
            for message in found:
                sent = float(message.get("Attributes", {}).get("SentTimestamp", 0)) / 1000
                yield DeadLetter(message["MessageId"], queue, message["ReceiptHandle"], message["Body"], sent)
