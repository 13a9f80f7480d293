"""Where messages go that could not start their workflow: a queue that hands them over again, and the dead letters."""

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from pileus.edges.aws_errors import translated
from pileus.edges.store import Store
from pileus.errors import StoreError

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

LONGEST = 200_000
"""Bytes of a letter that a queue is given; of a longer one it gets the address."""
GONE = ("InvalidParameterValue", "MessageNotInflight", "ReceiptHandleIsInvalid")
"""What SQS says of a message that is not out any more."""


class Letters(Protocol):
    """Raises StoreError when a queue refuses."""

    def put_aside(self, letter: Mapping[str, Any]) -> None:
        """Put a letter, with its reason, among the dead ones."""

    def fall_back(self, message: Mapping[str, Any]) -> None:
        """Have a message handed over again, by the stack's own queue."""

    def hide(self, queue: str, receipt: str, seconds: int) -> None:
        """Have a queue (ARN) keep a message back for so long. It is no error when the message is not out any more."""


class SqsLetters:
    """The stack's queue `messages`, and its dead letters. The client is made at the first letter."""

    def __init__(self, client: "Callable[[], SQSClient]", store: Store, *, queue: str, dead: str, folder: str) -> None:
        """`queue`, `dead`: URLs. `folder`: address below which letters lie that no queue takes."""
        self._client, self._store = client, store
        self._queue, self._dead, self._folder = queue, dead, folder.rstrip("/")

    def put_aside(self, letter: Mapping[str, Any]) -> None:
        body = json.dumps(letter)
        if len(body) > LONGEST:
            url = f"{self._folder}/{_key(letter)}.json"
            self._store.put(url, body.encode(), "application/json")
            body = json.dumps({**letter, "message": {**letter["message"], "body": url}})
        with translated(self._dead, "SQS"):
            self._client().send_message(QueueUrl=self._dead, MessageBody=body)

    def fall_back(self, message: Mapping[str, Any]) -> None:
        with translated(self._queue, "SQS"):
            self._client().send_message(QueueUrl=self._queue, MessageBody=json.dumps(message))

    def hide(self, queue: str, receipt: str, seconds: int) -> None:
        try:
            with translated(queue, "SQS"):
                self._client().change_message_visibility(
                    QueueUrl=self._url(queue), ReceiptHandle=receipt, VisibilityTimeout=seconds
                )
        except StoreError as exc:
            if exc.code not in GONE:
                raise

    def _url(self, arn: str) -> str:
        """Return the URL of a queue of the stack's region: as the stack's own, with another account and name."""
        account, name = arn.split(":")[4:6]
        return f"{self._queue.rsplit('/', 2)[0]}/{account}/{name}"


class KeptLetters:
    """Letters in lists, for work without AWS."""

    def __init__(self) -> None:
        self.dead: list[Mapping[str, Any]] = []
        self.again: list[Mapping[str, Any]] = []
        self.hidden: list[tuple[str, str, int]] = []

    def put_aside(self, letter: Mapping[str, Any]) -> None:
        self.dead.append(letter)

    def fall_back(self, message: Mapping[str, Any]) -> None:
        self.again.append(message)

    def hide(self, queue: str, receipt: str, seconds: int) -> None:
        self.hidden.append((queue, receipt, seconds))


def _key(letter: Mapping[str, Any]) -> str:
    return "".join(one if one.isalnum() else "-" for one in str(letter["message"]["id"]))[:120]
