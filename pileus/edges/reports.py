"""Reports that something ended, for the subscribers of the topic."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from pileus.edges.aws_errors import translated

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient

SUBJECT = 100
"""Longest subject that SNS takes."""


class Reports(Protocol):
    """Raises StoreError when a report cannot be sent."""

    def tell(self, subject: str, report: Mapping[str, Any]) -> None:
        """Send one report; `subject` is a line for a person."""


class SnsReports:
    """Reports on an SNS topic, as JSON."""

    def __init__(self, client: "SNSClient", topic: str) -> None:
        self._client = client
        self._topic = topic

    def tell(self, subject: str, report: Mapping[str, Any]) -> None:
        """See Reports."""
        with translated(self._topic, "SNS"):
            self._client.publish(TopicArn=self._topic, Subject=_line(subject), Message=json.dumps(report))


class KeptReports:
    """Reports in a list, for work without AWS."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Mapping[str, Any]]] = []

    def tell(self, subject: str, report: Mapping[str, Any]) -> None:
        """See Reports."""
        self.told.append((_line(subject), report))


def _line(subject: str) -> str:
    """Return the subject as SNS takes it: one line, and not too long."""
    return " ".join(subject.split())[:SUBJECT]
