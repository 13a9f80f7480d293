"""Rules: when what starts by itself does."""

from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from pileus.backfills.control import record_started
from pileus.backfills.rules import backfill_id, fire_lost, fire_onetime, sync
from pileus.documents import Collection, Rule, parse_value
from pileus.documents.schedule import Cron, Rate, parse
from pileus.edges.schedules import KeptSchedules, Schedule
from pileus.embedded.timezones import in_zones
from pileus.errors import DocumentError, UsageError
from pileus.lifecycle.backfill import Backfill
from pileus.project.registry import Registry
from pileus.wiring import wire_folder
from spec.simulation.alone import alone_workflows

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
        {"type": "sqs", "value": "arn:aws:sns:us-east-1:123456789012:new"},
        {"type": "sns", "value": "new-granules"},
        {"type": "kinesis"},
        {"type": "weekly"},
    ],
)
def test_a_document_with_a_bad_rule_is_refused(rule: dict[str, str]) -> None:
    with pytest.raises(DocumentError, match=r"rule\.json: rule"):
        parse_value(Rule, {"name": "r", "collection": {"name": "x"}, "workflow": "w", "rule": rule}, "rule.json")


QUEUE = {"type": "sqs", "value": "https://sqs.us-east-1.amazonaws.com/123456789012/new"}


TEMPLATE = {"templated_name": "x_{{pointInTime}}", "options": {"spanStart": "201501", "spanEnd": "201503"}}


@pytest.mark.parametrize(
    ("changes", "template", "backfills"),
    [
        ({"rule": {"type": "onetime"}, "collection": {"name": "x"}}, True, True),
        ({"rule": {"type": "scheduled", "value": "rate(1 day)"}, "collection": {"name": "x"}}, True, True),
        ({"rule": {"type": "onetime"}, "collection": {"name": "x"}, "workflow": "w"}, True, True),
        ({"rule": {"type": "onetime"}, "collection": {"name": "x"}, "workflow": "w"}, False, False),
        ({"rule": {"type": "onetime"}, "collection": {"name": "x"}}, False, True),
        ({"rule": {"type": "onetime"}, "workflow": "w", "payload": {"granules": []}}, False, False),
        ({"rule": QUEUE, "workflow": "w"}, False, False),
        ({"rule": QUEUE, "workflow": "w", "collection": {"name": "x"}}, True, False),
    ],
)
def test_a_firing_is_a_backfill_of_a_template_and_else_it_starts_the_workflow(
    changes: dict[str, object], template: bool, backfills: bool
) -> None:
    document = {"name": "x", "version": "001", "files": [{"regex": ".*"}], **(TEMPLATE if template else {})}
    registry = Registry({"x___001": parse_value(Collection, document, "x.json")}, {}, {})
    assert registry.backfills(parse_value(Rule, {"name": "r", **changes}, "rule.json")) == backfills


def test_a_rule_that_says_nothing_to_start_is_refused() -> None:
    with pytest.raises(DocumentError, match="workflow: required for a rule without a collection"):
        parse_value(Rule, {"name": "r", "rule": {"type": "onetime"}}, "rule.json")
    with pytest.raises(DocumentError, match="workflow: required for a rule of type sqs"):
        parse_value(Rule, {"name": "r", "collection": {"name": "x"}, "rule": QUEUE}, "rule.json")


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


def test_a_onetime_rule_whose_engine_died_before_its_backfill_was_written_fires_again(tmp_path: Path) -> None:
    edges = wire_folder(tmp_path, {})
    value = {"name": "now", "collection": {"name": "x"}, "rule": {"type": "onetime"}}
    registry = Registry({}, {}, {"now": parse_value(Rule, value, "now.json")})
    (workflows, _), (after, machines) = alone_workflows(), alone_workflows()
    assert fire_lost(edges, workflows, registry) == [], "it was never populated"
    assert fire_onetime(edges, workflows, registry) == [("now", "started")]
    assert fire_lost(edges, after, registry) == [("now", "started")], "the execution was lost with the engine"
    (arn,) = machines.executions
    id = backfill_id("now", arn.rpartition(":")[2])
    record_started(edges, Backfill(id, "x", "001", "2015-01", "2015-01", "month"))
    assert fire_lost(edges, alone_workflows()[0], registry) == [], "the recovery of the index goes on with it"
    assert fire_onetime(edges, workflows, registry) == []


def test_a_schedule_that_was_not_listed_is_updated(tmp_path: Path) -> None:
    class First(KeptSchedules):
        """Lists none, as MiniStack does with those after the first hundred."""

        def all(self) -> dict[str, Schedule]:
            return {}

    edges, schedules = wire_folder(tmp_path, {}), First()
    value = {"name": "daily", "collection": {"name": "x"}, "rule": {"type": "scheduled", "value": "rate(1 day)"}}
    for expression in ("rate(1 day)", "rate(2 days)"):
        value["rule"] = {"type": "scheduled", "value": expression}
        sync(edges, schedules, Registry({}, {}, {"daily": parse_value(Rule, value, "daily.json")}))
    assert KeptSchedules.all(schedules)["daily"].expression == "rate(2 days)"
