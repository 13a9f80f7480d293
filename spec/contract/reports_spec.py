"""One contract for reports: those that are kept, those of a topic, and those of the bus of events."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple
from uuid import uuid4

import pytest

from pileus.edges.aws import Aws
from pileus.edges.reports import AwsReports, KeptReports, Reports, subject_of
from pileus.errors import Denied, StoreError, Unavailable
from pileus.lifecycle.report import Report
from spec.servers import Site

REPORT = Report(
    id="b/1/failed",
    kind="backfill",
    backfill="b",
    run=1,
    collection="viirs",
    version="001",
    state="failed",
    first="2015-01",
    last="2015-12",
    time="2026-01-01T00:00:00.000+00:00",
    reason="stopped: zürich",
    counts={"failed": 3, "succeeded": 9},
)
SOURCE = "pileus.spec"


class Heard(NamedTuple):
    """Reports, and what a subscriber has heard."""

    reports: Reports
    heard: Callable[[], list[Report]]


def queue_of(aws: Aws, name: str) -> tuple[str, str]:
    """A queue: its address and its ARN."""
    url = aws.sqs.create_queue(QueueName=name)["QueueUrl"]
    return url, aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def bodies(aws: Aws, url: str) -> list[Any]:
    found = []
    while messages := aws.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        found += [json.loads(message["Body"]) for message in messages]
    return found


def topic_of(aws: Aws, name: str, **subscription: str) -> tuple[Reports, Callable[[], list[Any]]]:
    """Reports on a topic of its own, and what a queue hears that is subscribed to it."""
    topic = aws.sns.create_topic(Name=name)["TopicArn"]
    url, queue = queue_of(aws, name)
    aws.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue, Attributes=subscription)
    reports = AwsReports(lambda: aws.sns, lambda: aws.events, topic=topic, source=f"{SOURCE}.{name}")
    return reports, lambda: bodies(aws, url)


def events_of(aws: Aws, name: str, pattern: dict[str, Any]) -> Callable[[], list[Any]]:
    """What a queue hears that a rule of the default bus sends events to."""
    url, queue = queue_of(aws, f"{name}-events")
    aws.events.put_rule(Name=name, EventPattern=json.dumps(pattern))
    aws.events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": queue}])
    return lambda: bodies(aws, url)


@pytest.fixture(params=["kept", "sns", "events"])
def heard(request: pytest.FixtureRequest) -> Heard:
    if request.param == "kept":
        kept = KeptReports()
        return Heard(kept, lambda: list(kept.told))
    aws, name = Aws(request.getfixturevalue("aws").url), f"reports-{uuid4().hex[:8]}"
    reports, messages = topic_of(aws, name)
    if request.param == "sns":
        return Heard(reports, lambda: [Report.from_json(json.loads(one["Message"])) for one in messages()])
    events = events_of(aws, name, {"source": [f"{SOURCE}.{name}"]})
    return Heard(reports, lambda: [Report.from_json(one["detail"]) for one in events()])


def test_a_subscriber_hears_what_was_told(heard: Heard) -> None:
    heard.reports.tell([REPORT])
    assert heard.heard() == [REPORT]


def test_what_is_told_twice_is_heard_twice_with_one_id(heard: Heard) -> None:
    for _ in range(2):
        heard.reports.tell([REPORT])
    assert [one.id for one in heard.heard()] == ["b/1/failed"] * 2


def test_more_than_one_request_takes_are_all_heard(heard: Heard) -> None:
    ids = {f"b/{run}/failed" for run in range(23)}
    heard.reports.tell([replace(REPORT, id=id) for id in sorted(ids)])
    assert {one.id for one in heard.heard()} == ids


def test_nothing_to_tell_is_no_request(heard: Heard) -> None:
    heard.reports.tell([])
    assert heard.heard() == []


def test_a_subscription_filters_by_the_attributes(aws: Site) -> None:
    policy = json.dumps({"kind": ["backfill"], "state": ["failed", "cancelled"], "collection": ["viirs"]})
    reports, heard = topic_of(Aws(aws.url), f"reports-{uuid4().hex[:8]}", FilterPolicy=policy)
    reports.tell([REPORT, replace(REPORT, state="succeeded"), replace(REPORT, collection="other")])
    (one,) = heard()
    assert one["Subject"] == "Backfill b failed"
    assert {name: value["Value"] for name, value in one["MessageAttributes"].items()} == {
        "kind": "backfill",
        "state": "failed",
        "collection": "viirs",
        "backfill": "b",
    }


def test_a_rule_of_events_filters_by_detail_type_and_detail(aws: Site) -> None:
    clients, name = Aws(aws.url), f"reports-{uuid4().hex[:8]}"
    reports, _ = topic_of(clients, name)
    pattern = {
        "source": [f"{SOURCE}.{name}"],
        "detail-type": ["Pileus Backfill Ended"],
        "detail": {"state": ["failed"]},
    }
    heard = events_of(clients, name, pattern)
    reports.tell([REPORT, replace(REPORT, state="paused"), replace(REPORT, state="succeeded")])
    (event,) = heard()
    assert (event["source"], event["detail"]) == (f"{SOURCE}.{name}", REPORT.to_json())


def test_a_subject_is_one_line_of_at_most_a_hundred_plain_characters() -> None:
    long = replace(REPORT, backfill="two\nlinés " + "x" * 200)
    assert subject_of(long) == "Backfill two lin?s " + "x" * 81


def test_a_topic_that_is_not_there_is_a_store_error(aws: Site) -> None:
    clients = Aws(aws.url)
    topic = "arn:aws:sns:us-east-1:000000000000:none"
    with pytest.raises(StoreError):
        AwsReports(lambda: clients.sns, lambda: clients.events, topic=topic, source=SOURCE).tell([REPORT])


@pytest.mark.parametrize(
    ("code", "error"), [("ThrottlingException", Unavailable), ("Odd", Unavailable), ("AccessDeniedException", Denied)]
)
@pytest.mark.parametrize("service", ["sns", "events"])
def test_an_entry_that_is_refused_passes_unless_the_rights_are_missing(
    aws: Site, service: str, code: str, error: type[StoreError], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The embedded AWS refuses no single entry, so the answer is given for it."""
    clients, name = Aws(aws.url), f"reports-{uuid4().hex[:8]}"
    reports, _ = topic_of(clients, name)
    answers: dict[str, Any] = {
        "sns": {"Successful": [], "Failed": [{"Id": "0", "Code": code, "Message": "m", "SenderFault": False}]},
        "events": {"FailedEntryCount": 1, "Entries": [{"EventId": "e"}, {"ErrorCode": code, "ErrorMessage": "m"}]},
    }
    call = {"sns": "publish_batch", "events": "put_events"}[service]
    monkeypatch.setattr(getattr(clients, service), call, lambda **_: answers[service])
    with pytest.raises(error) as caught:
        reports.tell([REPORT, REPORT])
    assert caught.value.code == code
