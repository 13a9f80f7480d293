"""Schedules and spans that would take long, or lead out of the calendar: refused with one sentence."""

import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from pileus.documents import Collection, Rule, parse_value, resolve_points
from pileus.documents.schedule import Cron, Rate, parse
from pileus.errors import DocumentError, PileusError, UsageError
from pileus.expand import expand
from pileus.periods import Period, Periods, Unit
from pileus.project.registry import Registry, check

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def template(start: str, end: str, unit: str = "day") -> Collection:
    value = {
        "name": "x",
        "templated_name": "x_{{pointInTime}}",
        "files": [{"regex": ".*"}],
        "options": {"spanUnit": unit, "spanStart": start, "spanEnd": end},
    }
    return parse_value(Collection, value, "x.json")


@pytest.mark.parametrize(
    "text",
    [
        f"cron(0 0 {','.join(['31'] * 20_000)} 2 ? *)",
        f"cron(0 0 ? * {','.join(['6#5'] * 20_000)} *)",
        f"cron({'0,' * 20_000}0 0 1 * ? *)",
        f"rate({'9' * 5000} days)",
        "cron(" + " " * 100_000,
    ],
)
def test_an_expression_longer_than_any_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is longer than 256 characters") as caught:
        parse(text)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(("unit", "most"), [("day", 3652), ("hour", 3652 * 24), ("minute", 3652 * 1440)])
def test_a_rate_is_at_most_ten_years(unit: str, most: int) -> None:
    rate = parse(f"rate({most} {unit}s)")
    assert isinstance(rate, Rate)
    assert next(rate.after(NOW, NOW)) > NOW
    with pytest.raises(UsageError, match=f"expected at most {most:,} {unit}s, which are ten years"):
        parse(f"rate({most + 1} {unit}s)")
    value = {"name": "x", "collection": {"name": "x"}, "rule": {"type": "scheduled", "value": "rate(999999999 days)"}}
    with pytest.raises(DocumentError, match=r"^x\.json: rule\.value: 'rate\(999999999 days\)': expected at most 3,652"):
        parse_value(Rule, value, "x.json")


@pytest.mark.timeout(30)
def test_a_long_list_of_days_that_never_comes_ends() -> None:
    never = parse(f"cron(0 0 {','.join(['30'] * 78)} 2 ? *)")
    assert isinstance(never, Cron)
    assert list(never.after(NOW, ZoneInfo("UTC"))) == []


@pytest.mark.parametrize("text", ["cron(0 0 1,? * ? *)", "cron(0 0 ? * 1,? *)"])
def test_no_day_is_not_one_of_a_list(text: str) -> None:
    with pytest.raises(UsageError, match="'\\?' is not understood"):
        parse(text)


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        ("00010101", "99991231", "the span from 0001-01-01 to 9999-12-31 has 3,652,059 days: 200,000 are the most"),
        ("00010101", "now", "days: 200,000 are the most"),
    ],
)
def test_a_span_of_all_days_that_there_are_is_refused(start: str, end: str, words: str) -> None:
    collection = template(start, end)
    with pytest.raises(DocumentError, match=words):
        check(Registry({"x___001": collection}), {}, ["DiscoverAndProcessGranules"], date(2026, 1, 1))
    with pytest.raises(DocumentError, match=words):
        expand(collection, Periods.parse([f"{start}/{end}"], Unit.day, date(2026, 1, 1)))


def test_a_span_of_all_years_is_none_too_many() -> None:
    collection = template("0001", "9999", "year")
    assert collection.options is not None
    assert len(expand(collection, resolve_points(collection.options, date(2026, 1, 1), "x"))) == 9999


@pytest.mark.parametrize(
    "text", ["-999999999 days", "+999999999 years", f"-{'9' * 5000} days", "0000", "-1000000000 days"]
)
def test_a_point_outside_the_calendar_is_told(text: str) -> None:
    with pytest.raises(PileusError) as caught:
        Period.parse(text, Unit.day, date(2026, 1, 1))
    assert "\n" not in str(caught.value)


def test_a_placeholder_that_never_closes_costs_little() -> None:
    # In a process of its own, whose processor time is limited: seconds of a wall say nothing.
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_CPU, (20, 20))\n"
        "from pileus.documents import Collection, parse_value\n"
        "text = '{{ ' * 300_000\n"
        "parse_value(Collection, {'name': 'x', 'files': [{'regex': '.*'}], 'provider_path': text}, 'x.json')"
    )
    root = Path(__file__).resolve().parents[2]
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True, timeout=120)
