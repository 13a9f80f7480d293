"""Topics: JSON is published on one that a message names."""

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from pileus.edges.aws_errors import translated

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient


class Topics(Protocol):
    """Raises StoreError when the topic refuses."""

    def publish(self, topic: str, message: Mapping[str, Any], attributes: Mapping[str, str | float]) -> None:
        """Publish a message on a topic (ARN), with attributes for its subscribers' filters: texts and numbers."""


class SnsTopics:
    """Topics of SNS. The client is made at the first message."""

    def __init__(self, sns: "Callable[[], SNSClient]") -> None:
        self._sns = sns

    def publish(self, topic: str, message: Mapping[str, Any], attributes: Mapping[str, str | float]) -> None:
        told: Any = {
            name: {"DataType": "String" if isinstance(value, str) else "Number", "StringValue": str(value)}
            for name, value in attributes.items()
        }
        with translated(topic, "SNS"):
            self._sns().publish(TopicArn=topic, Message=json.dumps(message), MessageAttributes=told)


class KeptTopics:
    """Messages in a list, for work without AWS."""

    def __init__(self) -> None:
        self.published: list[tuple[str, Mapping[str, Any], Mapping[str, str | float]]] = []

    def publish(self, topic: str, message: Mapping[str, Any], attributes: Mapping[str, str | float]) -> None:
        self.published.append((topic, message, attributes))
