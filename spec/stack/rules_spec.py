"""Rules on the embedded stack: what starts by itself; and that new months do not wait behind history."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pileus.edges.aws import Aws
from pileus.edges.queues import Queue, SqsQueues
from pileus.lifecycle.backfill import Backfill
from pileus.lifecycle.partition import Entry
from pileus.messages import GroupTask
from pileus.models import Group, Partition, State
from pileus.wiring import wire_folder
from pileus.worker.loop import Worker
from spec.servers import Site
from spec.support import tiny
from spec.support.stack import Project


def rule(project: Project, name: str, collection: str, **changes: Any) -> None:
    value = {"name": name, "collection": {"name": collection}, "rule": {"type": "onetime"}}
    project.document(f"rules/{name}.json", value | changes)


def of_rule(project: Project, name: str) -> list[Backfill]:
    return [b for b in project.edges.index.backfills() if b.started_by == f"rule {name}"]


@pytest.fixture
def once(stack: Project) -> Project:
    """A collection of two months that are published."""
    tiny.collection(stack, "once", "201501", "201502")
    tiny.publish(stack, "once", "201501", "201502")
    return stack


def test_a_onetime_rule_fires_when_populated_and_not_again(once: Project) -> None:
    rule(once, "first.look", "once")
    assert "rule first.look started" in once.pileus("populate")
    (made,) = once.wait_for(lambda: [b for b in of_rule(once, "first.look") if b.over])
    assert (made.state, made.queue, made.first, made.last) == ("succeeded", "ingest", "2015-01", "2015-02")
    assert "started" not in once.pileus("populate")
    assert len(of_rule(once, "first.look")) == 1


def test_a_bad_cron_is_one_line_and_exit_2(once: Project) -> None:
    rule(once, "wrong", "once", rule={"type": "scheduled", "value": "cron(0 6 * * *)"})
    try:
        said = once.pileus("populate", code=2)
    finally:
        (once.path / "rules/wrong.json").unlink()
    assert "rules/wrong.json: rule.value" in said
    assert len(said.strip().splitlines()) == 1


def test_schedules_follow_the_documents(once: Project) -> None:
    daily = {"type": "scheduled", "value": "cron(0 6 * * ? *)", "timezone": "Europe/Berlin"}
    rule(once, "daily", "once", rule=daily, meta={"spanStart": "-2 months", "spanEnd": "now"})
    once.pileus("populate")
    scheduler, group = once.aws.scheduler, once.running.stack["PILEUS_STACK"]
    made = scheduler.get_schedule(GroupName=group, Name="daily")
    assert (made["ScheduleExpressionTimezone"], made["State"]) == ("Europe/Berlin", "ENABLED")
    assert json.loads(made["Target"]["Input"])["spanStart"] == "-2 months"

    once.pileus("rules", "disable", "daily")
    assert scheduler.get_schedule(GroupName=group, Name="daily")["State"] == "DISABLED"
    once.pileus("populate")
    assert scheduler.get_schedule(GroupName=group, Name="daily")["State"] == "DISABLED", "the document says so too"
    assert once.json("rules", "next", "daily") == {"daily": []}
    once.pileus("rules", "enable", "daily")
    (moment,) = once.json("rules", "next", "daily", "-n", "1")["daily"]
    assert datetime.fromisoformat(moment).astimezone(ZoneInfo("Europe/Berlin")).hour == 6
    assert "daily" in once.pileus("rules", "list")

    (once.path / "rules/daily.json").unlink()
    once.pileus("populate")
    assert scheduler.list_schedules(GroupName=group)["Schedules"] == []


def test_an_unknown_rule_is_one_line_and_exit_2(stack: Project) -> None:
    assert "there is no rule 'nothing'" in stack.pileus("rules", "run", "nothing", code=2)


def test_firings_that_overlap_do_not_double_work_and_a_late_month_is_picked_up(stack: Project) -> None:
    now = datetime.now(UTC)
    this, before = f"{now:%Y%m}", f"{now.year - (now.month == 1)}{(now.month - 2) % 12 + 1:02}"
    tiny.collection(stack, "late", "201501", "201502")  # its history ended long ago; the rule goes on from there
    tiny.publish(stack, "late", before)
    (stack.path / "site/late" / this).mkdir(parents=True)
    rule(stack, "monthly", "late", state="DISABLED", meta={"spanStart": "-1 months", "spanEnd": "now"})
    stack.pileus("populate")
    for _ in range(3):
        stack.pileus("rules", "run", "monthly")
    stack.wait_for(lambda: len(of_rule(stack, "monthly")) == 3 and all(b.over for b in of_rule(stack, "monthly")))
    old, new = stack.edges.index.entries("late", "001", f"{before[:4]}-{before[4:]}", f"{this[:4]}-{this[4:]}")
    assert (old.state, old.attempt) == (State.succeeded, 1)
    assert (new.state, new.reason) == (State.waiting, "nothing published")
    downloads = stack.pileus("logs", old.backfill, old.partition.period).count("succeeded")
    assert downloads == 1

    tiny.publish(stack, "late", this)
    stack.pileus("rules", "run", "monthly")
    stack.wait_for(lambda: len(of_rule(stack, "monthly")) == 4 and all(b.over for b in of_rule(stack, "monthly")))
    entries = stack.edges.index.entries("late", "001", f"{this[:4]}-{this[4:]}", f"{this[:4]}-{this[4:]}")
    assert [entry.state for entry in entries] == [State.succeeded]


def test_the_embedded_scheduler_fires_and_its_schedules_outlive_a_kill(once: Project) -> None:
    rule(once, "once.only", "once")
    rule(once, "often", "once", rule={"type": "scheduled", "value": "rate(1 minute)"})
    rule(once, "minutely", "once", rule={"type": "scheduled", "value": "cron(* * * * ? *)", "timezone": "Asia/Tokyo"})
    once.pileus("populate")
    once.wait_for(lambda: of_rule(once, "once.only"))
    killed = once.running.ministack
    once.kill(killed)
    once.wait_for(lambda: once.running.ready and once.running.ministack not in (0, killed))
    once.wait_for(lambda: of_rule(once, "often") and of_rule(once, "minutely"), seconds=150, every=1)
    for name in ("often", "minutely"):
        (once.path / f"rules/{name}.json").unlink()
    once.pileus("populate")
    assert len(of_rule(once, "once.only")) == 1, "what fired once does not fire again"


# --- queues


def test_a_new_month_starts_within_one_poll_while_a_thousand_groups_wait(aws: Site) -> None:
    """The clock stands in for work: each group takes a quarter of a second, and a poll is one second."""
    clients = Aws(aws.url)
    urls = {
        name: clients.sqs.create_queue(QueueName=f"rules-spec-{name}")["QueueUrl"]
        for name in ("ingest", "backfill", "dead")
    }
    queues = SqsQueues(
        clients.sqs,
        clients.stepfunctions,
        {name: Queue(urls[name], urls["dead"]) for name in ("ingest", "backfill")},
    )
    clock, done = [1000.0], []
    edges = wire_folder(aws.folder / "rules-spec", {})
    edges = replace(edges, now=lambda: clock[0])
    edges.index.put_backfill(Backfill("b", "x", "001", "2015-01", "2015-01", "month"))

    def send(queue: str, numbers: range) -> None:
        for number in numbers:
            partition = Partition("x", "001", "2015-01", f"{queue}-{number}")
            edges.index.put(Entry(partition, State.queued, "b/1"))
        for at in range(numbers.start, numbers.stop, 10):
            entries = [{"Id": str(number), "MessageBody": message(queue, number)} for number in numbers[at : at + 10]]
            clients.sqs.send_message_batch(QueueUrl=urls[queue], Entries=entries)  # type: ignore[arg-type]

    def task(event: Any, watch: Any) -> dict[str, Any]:
        done.append(event["config"]["partition"].rpartition("/")[2])
        clock[0] += 0.25
        if len(done) == 10:
            send("ingest", range(1))
        if len(done) == 20:
            worker.stop()
        return {"manifest": "s3://x", "downloaded": 0}

    send("backfill", range(1000))
    worker = Worker(edges, queues, task, name="w")
    worker.run(wait_seconds=1)
    assert "ingest-0" in done[10:14], "at most four groups, one second, after it came"


def message(queue: str, number: int) -> str:
    entry = Entry(Partition("x", "001", "2015-01", f"{queue}-{number}"), State.queued, "b/1")
    return json.dumps({"token": "none", "task": GroupTask("b", 1, entry, {}, {}, Group("g", ())).to_json()})
