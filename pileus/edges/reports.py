"""Reports of what ended: messages on an SNS topic, and events on the account's default bus of EventBridge."""

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from pileus.edges.aws_errors import refused_in, translated
from pileus.errors import Denied, Unavailable
from pileus.lifecycle.report import Report

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient

AT_ONCE = 10
"""Most messages, and most events, that one request takes."""
SUBJECT = 100
"""Longest subject that SNS takes."""


class Reports(Protocol):
    """Raises Unavailable when a report cannot be sent now, StoreError when it cannot be sent at all.

    Some of several may have been sent then: to tell all of them again is right, for each has its id.
    """

    def tell(self, reports: Sequence[Report]) -> None:
        """Send reports, in their order."""


class AwsReports:
    """Reports on a topic of SNS and as events of EventBridge. The clients are made at the first report."""

    def __init__(self, sns: "Callable[[], SNSClient]", events: Callable[[], Any], *, topic: str, source: str) -> None:
        """`topic`: its ARN. `source`: what the events name as their source."""
        self._sns, self._events = sns, events
        self._topic, self._source = topic, source

    def tell(self, reports: Sequence[Report]) -> None:
        """See Reports."""
        for start in range(0, len(reports), AT_ONCE):
            few = reports[start : start + AT_ONCE]
            self._publish(few)
            self._put(few)

    def _publish(self, reports: Sequence[Report]) -> None:
        with translated(self._topic, "SNS"):
            answer = self._sns().publish_batch(
                TopicArn=self._topic,
                PublishBatchRequestEntries=[
                    {
                        "Id": str(number),
                        "Subject": subject_of(one),
                        "Message": json.dumps(one.to_json()),
                        "MessageAttributes": {
                            name: {"DataType": "String", "StringValue": value} for name, value in one.attributes.items()
                        },
                    }
                    for number, one in enumerate(reports)
                ],
            )
        for one in answer.get("Failed", ()):
            _refused("SNS", self._topic, one.get("Code", ""), one.get("Message", ""))

    def _put(self, reports: Sequence[Report]) -> None:
        with translated(self._source, "EventBridge"):
            answer = self._events().put_events(
                Entries=[
                    {"Source": self._source, "DetailType": one.event, "Detail": json.dumps(one.to_json())}
                    for one in reports
                ]
            )
        if answer["FailedEntryCount"]:
            first = next(entry for entry in answer["Entries"] if "ErrorCode" in entry)
            _refused("EventBridge", self._source, first["ErrorCode"], first.get("ErrorMessage", ""))


def _refused(service: str, where: str, code: str, message: str) -> NoReturn:
    """Raise the error of an entry that a request refused: it passes, unless the rights are missing."""
    error = refused_in(code, message, "batch", service, where)
    if isinstance(error, Denied):
        raise error
    raise Unavailable(f"{service} refused some of several: {code}: {message}", where=where, code=code)


class KeptReports:
    """Reports in a list, for work without AWS."""

    def __init__(self) -> None:
        self.told: list[Report] = []

    def tell(self, reports: Sequence[Report]) -> None:
        """See Reports."""
        self.told += reports


def subject_of(report: Report) -> str:
    """Return the subject as SNS takes it: one line of ASCII, and not too long."""
    plain = report.subject.encode("ascii", "replace").decode()
    return " ".join(plain.split())[:SUBJECT]
