"""Rules: what starts by itself, when; and that new months do not wait behind history."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pileus.backfills.rules import sync
from pileus.documents import Rule, parse_value
from pileus.documents.schedule import Cron, Rate, parse
from pileus.edges.aws import Aws
from pileus.edges.queues import Queue, SqsQueues
from pileus.edges.schedules import KeptSchedules
from pileus.embedded.timezones import in_zones
from pileus.errors import DocumentError, UsageError
from pileus.lifecycle.backfill import Backfill
from pileus.lifecycle.partition import Entry
from pileus.messages import GroupTask
from pileus.models import Group, Partition, State
from pileus.project.registry import Registry
from pileus.wiring import wire_folder
from pileus.worker.loop import Worker
from spec.servers import Site
from spec.support import tiny
from spec.support.stack import Project

# --- when


@pytest.mark.parametrize(
    ("expression", "first", "second"),
    [
        ("cron(0 6 * * ? *)", "2026-01-31 06:00", "2026-02-01 06:00"),
        ("cron(0/20 6 * * ? *)", "2026-01-31 06:00", "2026-01-31 06:20"),
        ("cron(0 6 1 * ? *)", "2026-02-01 06:00", "2026-03-01 06:00"),
        ("cron(0 6 L * ? *)", "2026-01-31 06:00", "2026-02-28 06:00"),
        ("cron(0 6 LW * ? *)", "2026-02-27 06:00", "2026-03-31 06:00"),
        ("cron(0 6 1W * ? *)", "2026-02-02 06:00", "2026-03-02 06:00"),
        ("cron(30 5 ? * MON-FRI *)", "2026-02-02 05:30", "2026-02-03 05:30"),
        ("cron(0 6 ? * 2#1 *)", "2026-02-02 06:00", "2026-03-02 06:00"),
        ("cron(0 6 ? * 6L *)", "2026-02-27 06:00", "2026-03-27 06:00"),
        ("cron(0 6 29 FEB ? *)", "2028-02-29 06:00", "2032-02-29 06:00"),
        ("cron(0 0 1 1 ? 2030-2031)", "2030-01-01 00:00", "2031-01-01 00:00"),
    ],
)
def test_cron_fires(expression: str, first: str, second: str) -> None:
    """Seen from Saturday, 31 January 2026, 00:00."""
    when = parse(expression)
    assert isinstance(when, Cron)
    moments = when.after(datetime(2026, 1, 31, tzinfo=UTC), ZoneInfo("UTC"))
    assert [f"{moment:%Y-%m-%d %H:%M}" for moment in islice(moments, 2)] == [first, second]


def test_six_in_the_morning_is_another_utc_hour_in_summer() -> None:
    when = parse("cron(0 6 * * ? *)")
    assert isinstance(when, Cron)
    moments = list(islice(when.after(datetime(2026, 3, 28, tzinfo=UTC), ZoneInfo("Europe/Berlin")), 2))
    assert [moment.hour for moment in moments] == [5, 4]


def test_a_time_that_the_clock_skips_does_not_fire_and_one_that_comes_twice_fires_once() -> None:
    when = parse("cron(30 2 * * ? *)")
    assert isinstance(when, Cron)
    berlin = ZoneInfo("Europe/Berlin")
    spring = list(islice(when.after(datetime(2026, 3, 28, 12, tzinfo=UTC), berlin), 1))
    assert [f"{moment:%d %H:%M}" for moment in spring] == ["30 00:30"], "the 29th has no 02:30"
    autumn = list(islice(when.after(datetime(2026, 10, 24, 12, tzinfo=UTC), berlin), 2))
    assert [f"{moment:%d %H:%M}" for moment in autumn] == ["25 00:30", "26 01:30"]


def test_a_rate_counts_from_when_the_schedule_was_made() -> None:
    made, now = datetime(2026, 1, 1, 0, 0, 30, tzinfo=UTC), datetime(2026, 1, 1, 0, 7, tzinfo=UTC)
    when = parse("rate(5 minutes)")
    assert isinstance(when, Rate)
    assert next(when.after(now, made)) == datetime(2026, 1, 1, 0, 10, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "expression",
    [
        "every day",
        "rate(0 days)",
        "rate(1 days)",
        "rate(5 minute)",
        "rate(5 weeks)",
        "cron(0 6 * * *)",
        "cron(0 6 * * * *)",
        "cron(0 6 ? * ? *)",
        "cron(60 6 * * ? *)",
        "cron(0 24 * * ? *)",
        "cron(0 6 32 * ? *)",
        "cron(0 6 * 13 ? *)",
        "cron(0 6 ? * 8 *)",
        "cron(0 6 ? * FRY *)",
        "cron(0 6 ? * 2#6 *)",
        "cron(5-1 6 * * ? *)",
        "cron(0/0 6 * * ? *)",
        "cron(0 6 * * ? 1900)",
        "cron()",
        "",
    ],
)
def test_what_is_no_schedule_is_refused_with_its_text(expression: str) -> None:
    with pytest.raises(UsageError, match=r"expected|understood") as caught:
        parse(expression)
    assert repr(expression) in caught.value.message


@pytest.mark.parametrize(
    "rule",
    [
        {"type": "scheduled", "value": "cron(0 25 * * ? *)"},
        {"type": "scheduled"},
        {"type": "scheduled", "value": "rate(1 day)", "timezone": "Mars/Olympus"},
        {"type": "onetime", "value": "rate(1 day)"},
    ],
)
def test_a_document_with_a_bad_rule_is_refused(rule: dict[str, str]) -> None:
    with pytest.raises(DocumentError, match=r"rule\.json: rule"):
        parse_value(Rule, {"name": "r", "collection": {"name": "x"}, "rule": rule}, "rule.json")


def test_the_embedded_scheduler_is_shown_utc_while_it_ticks_and_only_then() -> None:
    item = {"ScheduleExpression": "cron(0 6 * * ? *)", "ScheduleExpressionTimezone": "Asia/Tokyo"}
    seen = []
    fired = datetime(2026, 7, 1, 12, tzinfo=UTC).timestamp()
    in_zones(lambda: seen.append(item["ScheduleExpression"]), {"key": item}, {"key": fired})()
    assert seen == ["cron(0 21 1 7 ? 2026)"]
    assert item["ScheduleExpression"] == "cron(0 6 * * ? *)"


def test_schedules_follow_the_rules_of_the_registry(tmp_path: Path) -> None:
    edges, schedules = wire_folder(tmp_path, {}), KeptSchedules()

    def follow(**changes: str) -> list[tuple[str, str]]:
        value = {"name": "daily", "collection": {"name": "x"}, "rule": {"type": "scheduled", "value": "rate(1 day)"}}
        rule = parse_value(Rule, value | changes, "daily.json")
        return sync(edges, schedules, Registry({}, {}, {"daily": rule}))

    assert follow() == [("daily", "created")]
    made = schedules.made("daily")
    assert follow() == []
    assert follow(state="DISABLED") == [("daily", "updated")]
    assert schedules.made("daily") == made, "a rate goes on counting"
    assert not schedules.all()["daily"].enabled
    assert sync(edges, schedules, Registry({}, {}, {})) == [("daily", "deleted")]
    assert schedules.all() == {}


# --- what, on the embedded stack


def rule(project: Project, name: str, collection: str, **changes: Any) -> None:
    value = {"name": name, "collection": {"name": collection}, "rule": {"type": "onetime"}}
    project.document(f"rules/{name}.json", value | changes)


def of_rule(project: Project, name: str) -> list[Backfill]:
    return [b for b in project.edges.index.backfills() if b.started_by == f"rule {name}"]


def test_a_onetime_rule_fires_when_populated_and_not_again(stack: Project) -> None:
    tiny.collection(stack, "once", "201501", "201502")
    tiny.publish(stack, "once", "201501", "201502")
    rule(stack, "first.look", "once")
    assert "rule first.look started" in stack.pileus("populate")
    (made,) = stack.wait_for(lambda: [b for b in of_rule(stack, "first.look") if b.over])
    assert (made.state, made.queue, made.first, made.last) == ("succeeded", "ingest", "2015-01", "2015-02")
    assert "started" not in stack.pileus("populate")
    assert len(of_rule(stack, "first.look")) == 1


def test_a_bad_cron_is_one_line_and_exit_2(stack: Project) -> None:
    rule(stack, "wrong", "once", rule={"type": "scheduled", "value": "cron(0 6 * * *)"})
    try:
        said = stack.pileus("populate", code=2)
    finally:
        (stack.path / "rules/wrong.json").unlink()
    assert "rules/wrong.json: rule.value" in said
    assert len(said.strip().splitlines()) == 1


def test_schedules_follow_the_documents(stack: Project) -> None:
    daily = {"type": "scheduled", "value": "cron(0 6 * * ? *)", "timezone": "Europe/Berlin"}
    rule(stack, "daily", "once", rule=daily, meta={"spanStart": "-2 months", "spanEnd": "now"})
    stack.pileus("populate")
    scheduler, group = stack.aws.scheduler, stack.running.stack["PILEUS_STACK"]
    made = scheduler.get_schedule(GroupName=group, Name="daily")
    assert (made["ScheduleExpressionTimezone"], made["State"]) == ("Europe/Berlin", "ENABLED")
    assert json.loads(made["Target"]["Input"])["spanStart"] == "-2 months"

    stack.pileus("rules", "disable", "daily")
    assert scheduler.get_schedule(GroupName=group, Name="daily")["State"] == "DISABLED"
    stack.pileus("populate")
    assert scheduler.get_schedule(GroupName=group, Name="daily")["State"] == "DISABLED", "the document says so too"
    assert stack.json("rules", "next", "daily") == {"daily": []}
    stack.pileus("rules", "enable", "daily")
    (moment,) = stack.json("rules", "next", "daily", "-n", "1")["daily"]
    assert datetime.fromisoformat(moment).astimezone(ZoneInfo("Europe/Berlin")).hour == 6
    assert "daily" in stack.pileus("rules", "list")

    (stack.path / "rules/daily.json").unlink()
    stack.pileus("populate")
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


def test_the_embedded_scheduler_fires_and_its_schedules_outlive_a_kill(stack: Project) -> None:
    rule(stack, "often", "once", rule={"type": "scheduled", "value": "rate(1 minute)"})
    rule(stack, "minutely", "once", rule={"type": "scheduled", "value": "cron(* * * * ? *)", "timezone": "Asia/Tokyo"})
    stack.pileus("populate")
    killed = stack.running.ministack
    stack.kill(killed)
    stack.wait_for(lambda: stack.running.ready and stack.running.ministack not in (0, killed))
    stack.wait_for(lambda: of_rule(stack, "often") and of_rule(stack, "minutely"), seconds=150)
    for name in ("often", "minutely"):
        (stack.path / f"rules/{name}.json").unlink()
    stack.pileus("populate")
    assert len(of_rule(stack, "first.look")) == 1, "what fired once does not fire again"


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
