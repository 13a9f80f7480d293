"""What subscribers hear, through the command line and the whole embedded stack: a queue behind a filter, and a rule."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from pileus.lifecycle.report import Report
from spec.support import tiny
from spec.support.stack import Project

MONTHS = [f"2016{month:02}" for month in range(1, 7)]


class Ear:
    """A queue and what came into it."""

    def __init__(self, project: Project, name: str) -> None:
        self.project, self.come = project, list[dict[str, Any]]()
        sqs = project.aws.sqs
        self.url = sqs.create_queue(QueueName=name)["QueueUrl"]
        self.arn = sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def heard(self, read: Callable[[dict[str, Any]], dict[str, Any]]) -> list[Report]:
        sqs = self.project.aws.sqs
        while messages := sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                self.come.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return [Report.from_json(read(one)) for one in self.come]


@pytest.fixture(scope="module")
def months(stack: Project) -> Project:
    """Six months of a good archive, and six of one that cannot be opened."""
    for name, body in (("told", tiny.archive()), ("broken", b"no archive")):
        tiny.collection(stack, name, MONTHS[0], MONTHS[-1])
        tiny.publish(stack, name, *MONTHS, body=body)
    stack.pileus("populate")
    return stack


def subscribed(project: Project, name: str, policy: dict[str, list[str]]) -> Callable[[], list[Report]]:
    """What a queue hears from the topic, behind a filter policy."""
    ear = Ear(project, name)
    attributes = {"FilterPolicy": json.dumps(policy)}
    topic = project.running.stack["PILEUS_TOPIC"]
    project.aws.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=ear.arn, Attributes=attributes)
    return lambda: ear.heard(lambda body: dict(json.loads(body["Message"])))


def ruled(project: Project, name: str, **pattern: Any) -> Callable[[], list[Report]]:
    """What a queue hears from a rule of EventBridge on this stack's events."""
    ear, events = Ear(project, f"{name}-events"), project.aws.events
    source = f"pileus.{project.running.stack['PILEUS_STACK']}"
    events.put_rule(Name=name, EventPattern=json.dumps({"source": [source]} | pattern))
    events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": ear.arn}])
    return lambda: ear.heard(lambda body: dict(body["detail"]))


def ids(reports: list[Report]) -> list[str]:
    return sorted({one.id for one in reports})


def test_a_pause_and_a_cancel_are_told_and_a_success_passes_no_filter_for_them(months: Project) -> None:
    stops = subscribed(months, "stops", {"state": ["paused", "cancelled"], "collection": ["told"]})
    pauses = ruled(months, "pauses", **{"detail-type": ["Pileus Backfill Paused"], "detail": {"backfill": ["halted"]}})
    months.pileus("backfill", "told", "--name", "halted", "--max-running", "1")
    months.pileus("pause", "halted")
    assert ids(stops()) == ids(pauses()) == ["halted/1/paused"], "when the command has ended"
    months.pileus("resume", "halted")
    months.pileus("cancel", "halted")
    months.wait_for(lambda: len(ids(stops())) == 2)
    assert ids(stops()) == ["halted/1/paused", "halted/2/cancelled"]
    assert ids(pauses()) == ["halted/1/paused"]
    (cancelled,) = {one.id: one for one in stops() if one.state == "cancelled"}.values()
    assert sum(cancelled.counts.values()) == 6

    months.pileus("retry", "halted", "--wait")
    assert months.json("status", "halted")["state"] == "succeeded"
    assert ids(stops()) == ["halted/1/paused", "halted/2/cancelled"]


def test_the_end_of_a_run_is_told_with_its_counts(months: Project) -> None:
    ends = subscribed(months, "ends", {"kind": ["backfill"], "state": ["succeeded"]})
    months.pileus("backfill", "told", "--name", "told-ended", "--select", "all", "--wait")
    months.wait_for(lambda: [one for one in ends() if one.backfill == "told-ended"])
    (told,) = {one.id: one for one in ends() if one.backfill == "told-ended"}.values()
    assert (told.id, told.counts) == ("told-ended/1/succeeded", {"succeeded": 6})


def test_each_failed_partition_is_told_where_it_is_asked_for(months: Project) -> None:
    failures = subscribed(months, "failures", {"kind": ["partition"], "collection": ["broken"]})
    events = ruled(months, "failures", **{"detail-type": ["Pileus Partition Failed"], "detail": {"run": [1]}})
    months.pileus("backfill", "broken", "--name", "silent", "--wait", code=1)
    months.pileus("backfill", "broken", "--name", "asking", "--report-failures", "--wait", code=1)
    wanted = [f"asking/1/{month[:4]}-{month[4:]}/{month}" for month in MONTHS]
    assert ids(failures()) == ids(events()) == wanted
    assert {(one.error, one.attempt) for one in failures()} == {("Corrupt", 1)}


def test_a_run_that_max_failures_stops_is_told_with_the_reason(months: Project) -> None:
    ends = subscribed(months, "hopeless", {"backfill": ["too-many"]})
    months.pileus("backfill", "broken", "--name", "too-many", "--max-failures", "1", "--wait", code=1)
    months.wait_for(ends)
    assert ids(ends()) == ["too-many/1/failed"]
    assert ends()[0].reason == "stopped: 2 partitions failed, 1 are allowed"


def test_a_run_that_max_dollars_stops_is_told_and_status_shows_the_dollars(months: Project) -> None:
    """Below the price of one group nothing starts, whatever this machine measures."""
    ends = subscribed(months, "dear", {"backfill": ["dear"]})
    months.pileus("backfill", "told", "--select", "all", "--name", "dear", "--max-dollars", "0.00001", "--wait", code=1)
    months.wait_for(ends)
    said = months.pileus("status", "dear")
    assert "dollars of --max-dollars 1e-05 used" in said
    assert ids(ends()) == ["dear/1/failed"]
    assert ends()[0].reason.startswith("stopped: 0 dollars of --max-dollars 1e-05 used; the next group costs about")
    assert months.counts("dear").get("succeeded", 0) == 0
    assert "estimated for AWS" in said


def test_a_limit_that_is_not_reached_counts_what_was_measured(months: Project) -> None:
    months.pileus("backfill", "told", "--select", "all", "--name", "cheap", "--max-dollars", "1000", "--wait")
    limit = months.json("status", "cheap")["spending"]
    assert (limit["admitted"], limit["measured"]) == (6, 6)
    assert 6 * limit["requests"] < limit["dollars"] < 1000


def test_a_rule_asks_for_its_failures(months: Project) -> None:
    failures = subscribed(months, "of-the-rule", {"kind": ["partition"], "collection": ["broken"]})
    document = {"name": "watch", "collection": {"name": "broken"}, "rule": {"type": "onetime"}}
    months.document("rules/watch.json", document | {"meta": {"spanEnd": MONTHS[0], "reportFailures": True}})
    months.pileus("populate")
    (told,) = {one.id: one for one in months.wait_for(failures)}.values()
    assert (told.period, told.error) == ("2016-01", "Corrupt")


def test_plan_shows_the_dollars_that_cost_shows(months: Project) -> None:
    planned = months.json("plan", "told", "--select", "all")["totals"]
    sizes = str(planned["bytes"] / 6)
    made = months.json("cost", "told", "--group-bytes", sizes)
    assert planned["dollars"] == pytest.approx(made["dollars"])
    assert planned["prices"] == made["prices"]
    said = months.pileus("plan", "told")
    assert "on AWS: " in said
    assert f"prices of {made['prices']}" in said
