"""The two queues that feed workers: `ingest`, polled first, and `backfill`; and the tokens their messages carry."""

import json
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from pileus.edges import task_tokens
from pileus.edges.aws_errors import translated
from pileus.errors import StoreError
from pileus.lifecycle.partition import Failure
from pileus.strict_json import parse_json

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_stepfunctions import SFNClient

QUEUES = ("ingest", "backfill")
AT_ONCE = 10
"""Messages that one call receives. SQS keeps no order, so the worker picks the one that comes first in its run."""
AHEAD_SECONDS = 1.0
"""Seconds for which a worker keeps the other messages of a call for itself; then they are visible to all again."""
OFTEN = 200
"""How often a message may be received before a new copy replaces it."""
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
    """Task token of Step Functions, which the worker answers."""
    task: Mapping[str, Any]
    received: int = 1
    """How often it was received, this time included."""

    @property
    def run(self) -> tuple[object, object]:
        """Return the backfill and the run number that the message names; None for each that is missing."""
        config = self._config
        return config.get("backfill"), config.get("run")

    @property
    def rank(self) -> int:
        """Return the place of its point in time in the order of its run."""
        rank = self._config.get("rank")
        return rank if isinstance(rank, int) else 0

    @property
    def _config(self) -> Mapping[str, Any]:
        config = self.task.get("config") if isinstance(self.task, Mapping) else None
        return config if isinstance(config, Mapping) else {}


@dataclass(frozen=True, slots=True)
class Queue:
    """Addresses of one queue and of its dead-letter queue."""

    url: str
    dead_url: str


class Queues(Protocol):
    """The queues and the task tokens. Every method raises StoreError when SQS or Step Functions refuses."""

    def receive(self, queue: str, wait_seconds: int) -> Message | None:
        """Return the next message; wait up to `wait_seconds` (0 to 20) for one.

        Of several messages of one run, the first in the order of the run is returned.
        """

    def hold(self, message: Message, seconds: int) -> None:
        """Hide the message from all workers for `seconds` from now; 0 makes it visible at once.

        However often this is done, SQS does not move the message to the dead-letter queue.
        """

    def keep(self, message: Message, seconds: int) -> None:
        """Hide the message from other workers for `seconds` from now, because this worker works on it."""

    def delete(self, message: Message) -> None:
        """Delete the message, soon. It may be received once more if this process dies before that."""

    def settle(self) -> None:
        """Wait for the answers of `succeed`, make visible what was received and not returned to the caller, and delete
        what `delete` collected.

        Without such messages it sends nothing. May be called from another thread.
        """

    def bury(self, message: Message) -> None:
        """Move the message to the dead-letter queue."""

    def beat(self, message: Message) -> bool:
        """Send a heartbeat for the task token. Return False when the workflow does not wait any more."""

    def succeed(self, message: Message, output: Mapping[str, Any]) -> None:
        """Answer the token with a success, soon, and delete the message after that. What cannot be answered now comes
        again: its end is recorded, so that who receives it answers.
        """

    def fail(self, message: Message, failure: Failure) -> bool:
        """Answer the token with a failure. Return False when the workflow does not wait any more."""


class SqsQueues:
    """SQS queues and Step Functions task tokens."""

    def __init__(
        self, sqs: "SQSClient", stepfunctions: "SFNClient", queues: Mapping[str, Queue], *, at_once: int = AT_ONCE
    ) -> None:
        """`queues`: addresses, by queue; `at_once`: messages that one call receives."""
        self._sqs = sqs
        self._at_once = at_once
        self._stepfunctions = stepfunctions
        self._addresses = queues
        self._lock = threading.Lock()
        self._ahead: list[Message] = []
        """Messages that were received and that `receive` has not returned yet, in their order."""
        self._since: dict[str, float] = {}
        """When they were received, on the monotonic clock, by queue."""
        self._done: list[Message] = []
        """Messages to delete."""
        self._answers = ThreadPoolExecutor(1, thread_name_prefix="answers")
        self._answering: list[Future[None]] = []

    def receive(self, queue: str, wait_seconds: int) -> Message | None:
        if message := self._next(queue):
            return message
        if not self._have_others(queue):
            self.settle()
        with translated(queue, "SQS"):
            found = self._received(queue, wait_seconds) or ()
        messages = [message for one in found if (message := self._message(queue, one))]
        if not messages:
            return None
        run = messages[0].run  # ranks of different runs cannot be compared
        with self._lock:
            self._ahead += sorted(messages, key=lambda message: (message.run != run, message.rank))
            self._since[queue] = time.monotonic()
        return self._next(queue)

    def _have_others(self, queue: str) -> bool:
        """Return whether messages of another queue are at hand: a look into this one need not give them back."""
        with self._lock:
            return any(message.queue != queue and self._in_time(message.queue) for message in self._ahead)

    def _in_time(self, queue: str) -> bool:
        return time.monotonic() - self._since.get(queue, 0.0) <= AHEAD_SECONDS

    def _next(self, queue: str) -> Message | None:
        """Return the next received message of the queue; None when there is none or their time is over."""
        with self._lock:
            at_hand = (place for place, message in enumerate(self._ahead) if message.queue == queue)
            if not self._in_time(queue) or (place := next(at_hand, None)) is None:
                return None
            return self._ahead.pop(place)

    def settle(self) -> None:
        with self._lock:
            ahead, self._ahead = self._ahead, []
            answering, self._answering = self._answering, []
        for answer in answering:
            answer.result()  # a StoreError was dealt with; anything else is a defect, and is seen
        for queue in self._addresses:
            self._leave(queue, [message for message in ahead if message.queue == queue])
        self._forget_done()

    def _message(self, queue: str, found: Any) -> Message | None:
        """Return the message. What is not a task of Pileus goes to the dead-letter queue; None is returned for it."""
        receipt, text = found["ReceiptHandle"], found["Body"]
        received = int(found.get("Attributes", {}).get("ApproximateReceiveCount", 1))
        try:
            body = parse_json(text)
            return Message(queue, receipt, text, body["token"], body["task"], received)
        except (ValueError, KeyError, TypeError):
            self._refuse(Message(queue, receipt, text, _token_of(text), {}))
            return None

    def _leave(self, queue: str, messages: Sequence[Message]) -> None:
        """Make messages visible to other workers. Where that fails, they become visible when their timeout ends."""
        entries: Any = [entry | {"VisibilityTimeout": 0} for entry in _entries(messages)]
        if entries:
            with suppress(StoreError), translated(queue, "SQS"):
                self._sqs.change_message_visibility_batch(QueueUrl=self._addresses[queue].url, Entries=entries)

    def _forget_done(self) -> None:
        """Delete the collected messages. One that cannot be deleted now is received again, and answered again."""
        with self._lock:
            done, self._done = self._done, []
        for queue in self._addresses:
            entries: Any = _entries([message for message in done if message.queue == queue])
            if entries:
                with suppress(StoreError), translated(queue, "SQS"):
                    self._sqs.delete_message_batch(QueueUrl=self._addresses[queue].url, Entries=entries)

    def _refuse(self, message: Message) -> None:
        """Move what is not a task of Pileus to the dead-letter queue. If it has a token, answer it as failed."""
        if message.token:
            self.fail(message, Failure("UsageError", "not the message of a group"))
        self.bury(message)

    def _received(self, queue: str, wait_seconds: int) -> Any:
        return self._sqs.receive_message(
            QueueUrl=self._addresses[queue].url,
            MaxNumberOfMessages=self._at_once,
            WaitTimeSeconds=wait_seconds,
            MessageSystemAttributeNames=["ApproximateReceiveCount"],
        ).get("Messages")

    def hold(self, message: Message, seconds: int) -> None:
        if self._hide(message, seconds) and message.received >= OFTEN:
            self.post_anew(message, seconds)

    def post_anew(self, message: Message, seconds: int = 0) -> None:
        """Replace the message by a copy that was never received: SQS moves one that was received often to the
        dead-letter queue.
        """
        delay = max(0, min(seconds, LONGEST_DELAY))
        with translated(message.queue, "SQS"):
            url = self._addresses[message.queue].url
            self._sqs.send_message(QueueUrl=url, MessageBody=message.body, DelaySeconds=delay)
        self.delete(message)

    def keep(self, message: Message, seconds: int) -> None:
        self._hide(message, seconds)

    def _hide(self, message: Message, seconds: int) -> bool:
        """Hide the message for `seconds`. Return False when another worker has received it."""
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

    def succeed(self, message: Message, output: Mapping[str, Any]) -> None:
        self.succeed_with(message, json.dumps(output))

    def succeed_with(self, message: Message, output: str) -> None:
        """Do as `succeed`, for an answer that is JSON already."""
        with self._lock:
            self._answering.append(self._answers.submit(self._succeed, message, output))

    def _succeed(self, message: Message, output: str) -> None:
        with suppress(StoreError):
            self._answer("send_task_success", message, output=output)
            self.delete(message)

    def fail(self, message: Message, failure: Failure) -> bool:
        cause = json.dumps({"message": failure.message, "where": failure.where})[:32000]
        return self._answer("send_task_failure", message, error=failure.type[:256], cause=cause)

    def _answer(self, call: str, message: Message, **answer: str) -> bool:
        return task_tokens.answer(getattr(self._stepfunctions, call), call, taskToken=message.token, **answer)


def _entries(messages: Sequence[Message]) -> list[dict[str, Any]]:
    return [{"Id": str(number), "ReceiptHandle": message.receipt} for number, message in enumerate(messages)]


def _token_of(text: str) -> str:
    try:
        token = parse_json(text)["token"]
    except (ValueError, KeyError, TypeError):
        return ""
    return token if isinstance(token, str) else ""


_NOT_IN_FLIGHT = ("AWS.SimpleQueueService.MessageNotInflight", "MessageNotInflight")
