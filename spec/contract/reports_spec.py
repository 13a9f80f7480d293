"""One contract for reports: those that are kept, and those of a topic."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple
from uuid import uuid4

import pytest

from pileus.edges.aws import Aws
from pileus.edges.reports import KeptReports, Reports, SnsReports
from pileus.errors import StoreError
from spec.servers import Site

Told = list[tuple[str, Any]]
"""Subject and report."""


class Topic(NamedTuple):
    """Reports, and what a subscriber has heard."""

    reports: Reports
    heard: Callable[[], Told]


def embedded(site: Site) -> Topic:
    aws, name = Aws(site.url), f"reports-{uuid4().hex[:8]}"
    topic = aws.sns.create_topic(Name=name)["TopicArn"]
    url = aws.sqs.create_queue(QueueName=name)["QueueUrl"]
    queue = aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    aws.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)

    def heard() -> Told:
        found: Told = []
        while messages := aws.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            told = [json.loads(message["Body"]) for message in messages]
            found += [(one["Subject"], json.loads(one["Message"])) for one in told]
        return found

    return Topic(SnsReports(aws.sns, topic), heard)


@pytest.fixture(params=["kept", "sns"])
def topic(request: pytest.FixtureRequest) -> Topic:
    if request.param == "kept":
        kept = KeptReports()
        return Topic(kept, lambda: [(subject, dict(report)) for subject, report in kept.told])
    return embedded(request.getfixturevalue("aws"))


def test_a_subscriber_hears_what_was_told(topic: Topic) -> None:
    topic.reports.tell("Backfill b succeeded", {"id": "b", "state": "succeeded", "problem": None, "failures": 0})
    assert topic.heard() == [
        ("Backfill b succeeded", {"id": "b", "state": "succeeded", "problem": None, "failures": 0})
    ]


def test_a_subject_is_one_line_of_at_most_a_hundred_characters(topic: Topic) -> None:
    topic.reports.tell("two\nlines " + "x" * 200, {})
    assert topic.heard() == [("two lines " + "x" * 90, {})]


def test_what_is_told_twice_is_heard_twice(topic: Topic) -> None:
    for _ in range(2):
        topic.reports.tell("s", {"zürich": "é"})
    assert topic.heard() == [("s", {"zürich": "é"})] * 2


def test_a_topic_that_is_not_there_is_a_store_error(aws: Site) -> None:
    with pytest.raises(StoreError):
        SnsReports(Aws(aws.url).sns, "arn:aws:sns:us-east-1:000000000000:none").tell("s", {})
