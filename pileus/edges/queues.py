"""The two queues that feed workers: `ingest`, polled first, and `backfill`; and the tokens their messages carry."""

import json
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from pileus.edges.aws_errors import translated
from pileus.errors import StoreError
from pileus.lifecycle.partition import Failure

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_stepfunctions import SFNClient

QUEUES = ("ingest", "backfill")
AT_ONCE = 10
"""Messages that are received together, to find the one that comes first in its run: SQS itself keeps no order."""
AHEAD_SECONDS = 1.0
"""How long the others of them stay with their receiver, who may be done soon; then other workers may have them."""
OFTEN = 200
"""Times that a message is received before it is posted anew."""
LONGEST_DELAY = 900
"""Seconds: SQS delays no message for longer."""
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
    received: int = 1
    """Times that it was received, this one included."""

    @property
    def run(self) -> tuple[object, object]:
        """Backfill and number of the run that it is of, as far as it says."""
        config = self._config
        return config.get("backfill"), config.get("run")

    @property
    def rank(self) -> int:
        """Place of its point in time in the order of its run."""
        rank = self._config.get("rank")
        return rank if isinstance(rank, int) else 0

    @property
    def _config(self) -> Mapping[str, Any]:
        config = self.task.get("config") if isinstance(self.task, Mapping) else None
        return config if isinstance(config, Mapping) else {}


@dataclass(frozen=True, slots=True)
class Queue:
    """Addresses of a queue's queue and of its dead letters."""

    url: str
    dead_url: str


class Queues(Protocol):
    """Raises StoreError when a queue or Step Functions refuses."""

    def receive(self, queue: str, wait_seconds: int) -> Message | None:
        """The next message, waiting up to `wait_seconds` (0 to 20) for one: of several that are there, the one that
        comes first in the order of its run."""

    def hold(self, message: Message, seconds: int) -> None:
        """Put the message back, hidden from workers for `seconds` from now; 0 hands it back at once.

        However often that is done, the message does not count as dead.
        """

    def keep(self, message: Message, seconds: int) -> None:
        """Go on having the message: it stays hidden from other workers for `seconds` from now."""

    def delete(self, message: Message) -> None:
        """The message is dealt with. It may come once more if this process dies soon after."""

    def settle(self) -> None:
        """Let others have what was received and not given out yet, and forget what was deleted. Cheap where there is
        nothing of it. May be called from another thread."""

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
        self._lock = threading.Lock()
        self._ahead: list[Message] = []
        """Received and not given out yet, in their order."""
        self._since = 0.0
        """When they were received, on the monotonic clock."""
        self._done: list[Message] = []
        """Dealt with, and still to be deleted."""

    def receive(self, queue: str, wait_seconds: int) -> Message | None:
        if message := self._next(queue):
            return message
        self.settle()
        with translated(queue, "SQS"):
            found = self._received(queue, wait_seconds) or ()
        messages = [message for one in found if (message := self._message(queue, one))]
        if not messages:
            return None
        run = messages[0].run  # another run's ranks say nothing about this one's
        with self._lock:
            self._ahead += sorted(messages, key=lambda message: (message.run != run, message.rank))
            self._since = time.monotonic()
        return self._next(queue)

    def _next(self, queue: str) -> Message | None:
        """Return what is at hand of the queue, if it has not been for too long."""
        with self._lock:
            at_hand = (place for place, message in enumerate(self._ahead) if message.queue == queue)
            if time.monotonic() - self._since > AHEAD_SECONDS or (place := next(at_hand, None)) is None:
                return None
            return self._ahead.pop(place)

    def settle(self) -> None:
        with self._lock:
            ahead, self._ahead = self._ahead, []
        for queue in QUEUES:
            self._leave(queue, [message for message in ahead if message.queue == queue])
        self._forget_done()

    def _message(self, queue: str, found: Any) -> Message | None:
        """Return the message; None where it is not one of ours, which is buried."""
        receipt, text = found["ReceiptHandle"], found["Body"]
        received = int(found.get("Attributes", {}).get("ApproximateReceiveCount", 1))
        try:
            body = json.loads(text)
            return Message(queue, receipt, text, body["token"], body["task"], received)
        except (json.JSONDecodeError, KeyError, TypeError):
            self._refuse(Message(queue, receipt, text, _token_of(text), {}))
            return None

    def _leave(self, queue: str, messages: Sequence[Message]) -> None:
        """Put messages back for other workers; those that cannot be put back now are there again after a while."""
        entries: Any = [entry | {"VisibilityTimeout": 0} for entry in _entries(messages)]
        if entries:
            with suppress(StoreError), translated(queue, "SQS"):
                self._sqs.change_message_visibility_batch(QueueUrl=self._addresses[queue].url, Entries=entries)

    def _forget_done(self) -> None:
        """Delete what was dealt with; what cannot be deleted now comes again, and is answered again."""
        with self._lock:
            done, self._done = self._done, []
        for queue in QUEUES:
            entries: Any = _entries([message for message in done if message.queue == queue])
            if entries:
                with suppress(StoreError), translated(queue, "SQS"):
                    self._sqs.delete_message_batch(QueueUrl=self._addresses[queue].url, Entries=entries)

    def _refuse(self, message: Message) -> None:
        """Bury what is not one of ours: nobody will ever understand it. Whoever waits for its token is told."""
        if message.token:
            self.fail(message, Failure("UsageError", "not the message of a group"))
        self.bury(message)

    def _received(self, queue: str, wait_seconds: int) -> Any:
        return self._sqs.receive_message(
            QueueUrl=self._addresses[queue].url,
            MaxNumberOfMessages=AT_ONCE,
            WaitTimeSeconds=wait_seconds,
            MessageSystemAttributeNames=["ApproximateReceiveCount"],
        ).get("Messages")

    def hold(self, message: Message, seconds: int) -> None:
        if self._hide(message, seconds) and message.received >= OFTEN:
            self._post_anew(message, seconds)

    def _post_anew(self, message: Message, seconds: int) -> None:
        """Replace the message by a copy that was never received: SQS buries what was received a thousand times."""
        delay = max(0, min(seconds, LONGEST_DELAY))
        with translated(message.queue, "SQS"):
            url = self._addresses[message.queue].url
            self._sqs.send_message(QueueUrl=url, MessageBody=message.body, DelaySeconds=delay)
        self.delete(message)

    def keep(self, message: Message, seconds: int) -> None:
        self._hide(message, seconds)

    def _hide(self, message: Message, seconds: int) -> bool:
        """Return False when the message is not ours any more."""
        try:
            with translated(message.queue, "SQS"):
                self._sqs.change_message_visibility(
                    QueueUrl=self._addresses[message.queue].url,
                    ReceiptHandle=message.receipt,
                    VisibilityTimeout=max(0, min(seconds, LONGEST_HOLD)),
                )
        except StoreError as exc:
            if exc.code not in ("InvalidParameterValue", "ReceiptHandleIsInvalid", *_NOT_IN_FLIGHT):
                raise
            return False
        return True

    def delete(self, message: Message) -> None:
        with self._lock:
            self._done.append(message)
            many = len(self._done) >= AT_ONCE
        if many:
            self._forget_done()

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


def _entries(messages: Sequence[Message]) -> list[dict[str, Any]]:
    return [{"Id": str(number), "ReceiptHandle": message.receipt} for number, message in enumerate(messages)]


def _token_of(text: str) -> str:
    try:
        token = json.loads(text)["token"]
    except (json.JSONDecodeError, KeyError, TypeError):
        return ""
    return token if isinstance(token, str) else ""


_NOT_IN_FLIGHT = ("AWS.SimpleQueueService.MessageNotInflight", "MessageNotInflight")
