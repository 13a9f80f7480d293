"""Sources of messages: what hands the messages of queues, topics and streams to a Lambda of the stack.

Ours are the event source mappings of the Lambda that have the tag `pileus:rules`, and the subscriptions of topics that
the Lambda's own policy allows by a statement whose id begins with `pileus-rules-`. No other is listed, changed or
deleted.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from pileus.edges.aws_errors import translated
from pileus.errors import Conflict, StoreError

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_sns import SNSClient

TAG = "pileus:rules"
SID = "pileus-rules-"
GONE = "ResourceNotFoundException"
OF_QUEUE: dict[str, Any] = {"BatchSize": 10, "FunctionResponseTypes": ["ReportBatchItemFailures"]}
OF_STREAM: dict[str, Any] = {
    "BatchSize": 50,
    "FunctionResponseTypes": ["ReportBatchItemFailures"],
    "BisectBatchOnFunctionError": True,
    "StartingPosition": "TRIM_HORIZON",
}
FIRST = ("StartingPosition",)
"""What is said when a mapping is made, and cannot be changed."""


@dataclass(frozen=True, slots=True)
class Source:
    """A source whose messages the Lambda gets."""

    arn: str
    """Of the queue, topic or stream."""
    enabled: bool = True
    """A topic that is not is not subscribed to."""

    @property
    def service(self) -> str:
        """`sqs`, `sns` or `kinesis`."""
        return self.arn.split(":")[2]


class MessageSources(Protocol):
    """Raises StoreError when Lambda or SNS refuses."""

    def all(self) -> dict[str, Source]:
        """Return our sources by ARN."""

    def put(self, source: Source) -> None:
        """Make it, or change it. Raises Conflict where the Lambda has the source already and it is not ours."""

    def delete(self, arn: str) -> None:
        """Remove it; that it is gone is no error."""


class LambdaSources:
    """Sources of the Lambda `function` (ARN) of a stack."""

    def __init__(self, client: "LambdaClient", sns: "SNSClient", *, function: str, stack: str) -> None:
        self._client, self._sns = client, sns
        self._function, self._stack = function, stack

    def all(self) -> dict[str, Source]:
        found = {arn: Source(arn, enabled) for arn, (_, enabled, mine) in self._mappings().items() if mine}
        return found | {arn: Source(arn, self._subscription(arn) is not None) for arn in self._topics()}

    def put(self, source: Source) -> None:
        with translated(source.arn, "Lambda"):
            if source.service == "sns":
                self._subscribe(source)
            else:
                self._map(source)

    def delete(self, arn: str) -> None:
        with translated(arn, "Lambda"):
            if Source(arn).service == "sns":
                self._unsubscribe(arn)
                named = {"FunctionName": self._function, "StatementId": _sid(arn)}
                self._forgive(lambda: self._client.remove_permission(**named))
            elif (found := self._mappings(arn).get(arn)) and found[2]:
                self._forgive(lambda: self._client.delete_event_source_mapping(UUID=found[0]))

    def _map(self, source: Source) -> None:
        options = OF_QUEUE if source.service == "sqs" else OF_STREAM
        there = self._mappings(source.arn).get(source.arn)
        if there is None:
            self._client.create_event_source_mapping(
                EventSourceArn=source.arn,
                FunctionName=self._function,
                Enabled=source.enabled,
                Tags={TAG: self._stack},
                **options,
            )
            return
        id, _, mine = there
        if not mine:
            raise Conflict("its messages go to this Lambda already, by a mapping that is not ours", where=source.arn)
        changes = {name: value for name, value in options.items() if name not in FIRST}
        self._client.update_event_source_mapping(UUID=id, Enabled=source.enabled, **changes)

    def _mappings(self, source: str | None = None) -> dict[str, tuple[str, bool, bool]]:
        """Return id, whether it is enabled and whether it is ours of each mapping of the Lambda, by source; of one
        source alone where it is given.
        """
        only: Any = {"EventSourceArn": source} if source else {}
        found: dict[str, tuple[str, bool, bool]] = {}
        with translated(self._function, "Lambda"):
            pages = self._client.get_paginator("list_event_source_mappings").paginate(
                FunctionName=self._function, **only
            )
            for one in (one for page in pages for one in page["EventSourceMappings"]):
                if one["State"] == "Deleting":
                    continue
                tags = self._client.list_tags(Resource=one["EventSourceMappingArn"])["Tags"]
                enabled = one["State"] not in ("Disabled", "Disabling")
                found[one["EventSourceArn"]] = one["UUID"], enabled, tags.get(TAG) == self._stack
        return found

    def _topics(self) -> list[str]:
        """Return the topics that we have let call the Lambda."""
        try:
            with translated(self._function, "Lambda"):
                policy = json.loads(self._client.get_policy(FunctionName=self._function)["Policy"])
        except StoreError as exc:
            if exc.code == GONE:
                return []
            raise
        ours = [one for one in policy["Statement"] if str(one.get("Sid", "")).startswith(SID)]
        return [next(iter(one["Condition"]["ArnLike"].values())) for one in ours]

    def _subscription(self, topic: str) -> str | None:
        """Return the ARN of the Lambda's subscription; None where it has none."""
        try:
            with translated(topic, "SNS"):
                pages = self._sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
                ours = (one for page in pages for one in page["Subscriptions"] if one["Endpoint"] == self._function)
                return next((one["SubscriptionArn"] for one in ours), None)
        except StoreError as exc:
            if exc.code != "NotFound":  # of the topic itself
                raise
            return None

    def _subscribe(self, source: Source) -> None:
        if source.arn not in self._topics():
            if self._subscription(source.arn):
                raise Conflict("this Lambda is subscribed already, and not by a rule", where=source.arn)
            self._client.add_permission(
                FunctionName=self._function,
                StatementId=_sid(source.arn),
                Action="lambda:InvokeFunction",
                Principal="sns.amazonaws.com",
                SourceArn=source.arn,
            )
        if not source.enabled:
            self._unsubscribe(source.arn)
        elif self._subscription(source.arn) is None:
            self._sns.subscribe(TopicArn=source.arn, Protocol="lambda", Endpoint=self._function)

    def _unsubscribe(self, topic: str) -> None:
        if topic in self._topics() and (found := self._subscription(topic)):
            self._sns.unsubscribe(SubscriptionArn=found)

    def _forgive(self, call: Any) -> None:
        try:
            call()
        except StoreError as exc:
            if exc.code != GONE:
                raise


class KeptSources:
    """Sources in a dictionary, which hand over nothing. For work with no AWS at all."""

    def __init__(self) -> None:
        self._kept: dict[str, Source] = {}

    def all(self) -> dict[str, Source]:
        return dict(self._kept)

    def put(self, source: Source) -> None:
        self._kept[source.arn] = source

    def delete(self, arn: str) -> None:
        self._kept.pop(arn, None)


def _sid(arn: str) -> str:
    return f"{SID}{hashlib.sha256(arn.encode()).hexdigest()[:16]}"
