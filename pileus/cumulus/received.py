"""Messages as queues, topics and streams hand them to a Lambda; and what a message says it is about."""

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlsplit

from pileus.cumulus.cnm import is_cnm, read_cnm
from pileus.errors import DocumentError, UsageError
from pileus.messages import part, text
from pileus.strict_json import parse_json

Kind = Literal["sqs", "sns", "kinesis", "rule", "payload"]


@dataclass(frozen=True, slots=True)
class Received:
    """One message, whoever hands it over and how often."""

    kind: Kind
    """Type of the source, as a rule names it; `rule`: a rule that fires by itself, once or on a schedule; `payload`:
    the stack's own queue of payloads of Cirrus.
    """
    arn: str
    """Of the queue, topic or stream; the name of the rule that fires by itself."""
    id: str
    """Unique in the source: of a queue or a topic the message's id, of a stream shard and sequence number. Empty: that
    of the queue that hands it over, as a schedule cannot number its firings."""
    body: str
    """As it was sent. Bytes that are no UTF-8 are written as escapes, so that it is no JSON."""
    sent: float = 0.0
    """Unix time; the same each time it is handed over."""

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Received":
        """Raises UsageError for anything else."""
        try:
            kind, arn, id, body, sent = (value[name] for name in cls.__slots__)
        except (KeyError, TypeError) as exc:
            raise UsageError(f"not a message that was kept: {exc}") from exc
        return cls(kind, str(arn), str(id), str(body), float(sent))

    def message(self) -> dict[str, Any]:
        """Return what it says: an object. That of a topic that reached a queue is taken out of its envelope.

        A CNM is checked whole. Raises DocumentError.

        >>> envelope = '{"Type": "Notification", "TopicArn": "arn:t", "Message": "{\\\\"a\\\\": 1}"}'
        >>> Received("sqs", "arn:q", "1", envelope).message()
        {'a': 1}
        """
        found = self._object(self.body)
        if self.kind == "payload":
            return self._payload(found)
        if self.kind == "sqs" and found.get("Type") == "Notification" and "TopicArn" in found:
            found = self._object(found.get("Message"))
        if is_cnm(found):
            read_cnm(found)
        return found

    def _payload(self, found: dict[str, Any]) -> dict[str, Any]:
        """Return a payload, or its address, of what Cirrus takes for one: also in SNS's envelope, or as AWS Batch tells
        of a job that wrote it.
        """
        if "Message" in found:
            found = self._object(found["Message"])
        told = found.get("Parameters")
        if "url" not in found and isinstance(told, Mapping) and "url_out" in told:
            return {"url": told["url_out"]}
        return found

    def _object(self, body: object) -> dict[str, Any]:
        try:
            found = parse_json(body if isinstance(body, str) else "")
        except ValueError as exc:
            raise DocumentError(str(exc), where=f"message {self.id}") from exc
        if not isinstance(found, dict):
            raise DocumentError(f"expected a JSON object, not {str(found)[:40]!r}", where=f"message {self.id}")
        return found


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message, this time that it is handed over."""

    message: Received
    item: str
    """What the answer names it by, where it could not be dealt with."""
    count: int = 1
    """How often its queue has handed it over, this time included."""
    queue: str = ""
    """ARN of the queue that has it until the answer; empty: a topic or a stream, which has no such place."""
    receipt: str = ""


def deliveries(event: Any, fallback: str, payloads: str = "") -> list[Delivery]:
    """Return the messages of an event of Lambda. `fallback`: URL of the stack's own queue, whose messages hold others;
    `payloads`: of that of payloads.

    Raises UsageError for an event of no queue, topic or stream.
    """
    records = part(event, "Records")
    if not isinstance(records, list):
        raise UsageError("not an event of a queue, a topic or a stream: Records is no list")
    try:
        return [_delivery(record, fallback, payloads) for record in records]
    except (TypeError, ValueError, LookupError, AttributeError, OverflowError) as exc:
        raise UsageError("not an event of a queue, a topic or a stream: a record is of another form") from exc


def _delivery(record: Any, fallback: str, payloads: str) -> Delivery:
    kind = text(record, "EventSource" if isinstance(record, dict) and "EventSource" in record else "eventSource")
    if kind == "aws:sqs":
        return _of_queue(record, fallback, payloads)
    if kind == "aws:sns":
        id, arn, body, when = (text(record, "Sns", name) for name in ("MessageId", "TopicArn", "Message", "Timestamp"))
        return Delivery(Received("sns", arn, id, body, datetime.fromisoformat(when).timestamp()), id)
    if kind == "aws:kinesis":
        sequence, arn = text(record, "kinesis", "sequenceNumber"), text(record, "eventSourceARN")
        sent = float(record["kinesis"].get("approximateArrivalTimestamp", 0))
        body = _plain(text(record, "kinesis", "data"))
        return Delivery(Received("kinesis", arn, text(record, "eventID"), body, sent), sequence)
    raise UsageError(f"not an event of a queue, a topic or a stream: {kind[:60]!r}")


def _of_queue(record: Any, fallback: str, payloads: str) -> Delivery:
    id, arn, body = text(record, "messageId"), text(record, "eventSourceARN"), text(record, "body")
    told = part(record, "attributes")
    held = id, int(told.get("ApproximateReceiveCount", 1)), arn, text(record, "receiptHandle")
    sent = int(told.get("SentTimestamp", 0)) / 1000
    if is_queue(payloads, arn):
        return Delivery(Received("payload", arn, id, body, sent), *held)
    if not is_queue(fallback, arn):
        return Delivery(Received("sqs", arn, id, body, sent), *held)
    kept = Received.from_json(parse_json(body))
    return Delivery(kept if kept.id else replace(kept, id=id, sent=sent), *held)


def _plain(data: str) -> str:
    try:
        return base64.b64decode(data, validate=True).decode(errors="backslashreplace")
    except (binascii.Error, ValueError):
        return data


def is_queue(value: str, arn: str) -> bool:
    """Return whether a queue's URL, or its ARN, names the queue of an ARN.

    >>> is_queue("https://sqs.eu-west-1.amazonaws.com/123456789012/in", "arn:aws:sqs:eu-west-1:123456789012:in")
    True
    >>> is_queue("https://sqs.eu-west-1.amazonaws.com/123456789012/in", "arn:aws:sqs:us-east-1:123456789012:in")
    False
    """
    if value.startswith("arn:"):
        return value == arn
    split = urlsplit(value)
    region, account, name = (arn.split(":") + [""] * 6)[3:6]
    host = (split.hostname or "").split(".")
    elsewhere = len(host) > 2 and host[0] == "sqs" and host[1] != region
    return split.path.strip("/") == f"{account}/{name}" and not elsewhere


def queue_arn(value: str, region: str) -> str:
    """Return the ARN of a queue that a rule names by its URL or its ARN. `region`: where the URL does not say.

    >>> queue_arn("http://127.0.0.1:4566/000000000000/in", "us-east-1")
    'arn:aws:sqs:us-east-1:000000000000:in'
    """
    if value.startswith("arn:"):
        return value
    split = urlsplit(value)
    account, _, name = split.path.strip("/").partition("/")
    host = (split.hostname or "").split(".")
    if len(host) > 2 and host[0] == "sqs":
        region = host[1]
    if not account.isdigit() or not name:
        raise UsageError(f"{value[:200]!r} is not the URL of a queue: expected https://HOST/ACCOUNT/NAME")
    partition = "aws-cn" if host[-1:] == ["cn"] else "aws-us-gov" if region.startswith("us-gov") else "aws"
    return f"arn:{partition}:sqs:{region}:{account}:{name}"


def collection_of(message: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Return name and version of the collection that a message names, as Cumulus looks for them; None where it does
    not.

    >>> collection_of({"collection": "viirs", "product": {"dataVersion": "001"}})
    ('viirs', '001')
    >>> collection_of({"collection": {"name": "viirs", "version": "002"}})
    ('viirs', '002')
    """
    found, product = message.get("collection"), message.get("product")
    if isinstance(found, Mapping):
        return _text(found.get("name")), _text(found.get("version"))
    return _text(found), _text(product.get("dataVersion")) if isinstance(product, Mapping) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def failed(items: Iterable[str]) -> dict[str, Any]:
    """Return the answer that names the messages of a batch that are still to be dealt with."""
    return {"batchItemFailures": [{"itemIdentifier": item} for item in items]}
