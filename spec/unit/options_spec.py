"""`options` of a template: units, lists of points and exclusions; what is refused, and what is made of them."""

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pileus.backfills.control import new_backfill
from pileus.backfills.grid import layout
from pileus.backfills.plan import plan
from pileus.backfills.status import Cell, outcomes
from pileus.documents import Collection, Options, Provider, narrowed, parse_value, resolve_points
from pileus.errors import DocumentError, PileusError, UsageError
from pileus.expand import expand
from pileus.lifecycle.backfill import Backfill
from pileus.lifecycle.partition import Entry
from pileus.messages import RunDocuments
from pileus.models import Partition, State
from pileus.outputs import athena, stac
from pileus.outputs.reasons import LEFT_OUT, explained
from pileus.outputs.series import axis, gaps
from pileus.outputs.tables import with_time
from pileus.periods import Period, Periods, Unit
from pileus.project.registry import Registry, check
from pileus.tasks.generate_collections import generate_collections
from pileus.wiring import wire_folder

TODAY = date(2016, 3, 15)
YEAR = {"spanUnit": "month", "spanStart": "201501", "spanEnd": "201512"}


def template(options: dict[str, Any], **changes: Any) -> Collection:
    value = {
        "name": "x",
        "templated_name": "x_{{pointInTime}}",
        "files": [{"regex": r".*\.tif"}],
        "provider": "folder",
        "options": options,
    }
    return parse_value(Collection, value | changes, "x.json")


def points(options: dict[str, Any]) -> list[str]:
    return [period.iso for period in resolve_points(Options(**options), TODAY, "x")]


# Points and exclusions


def test_a_list_of_points_is_in_the_order_of_time_each_once() -> None:
    listed = {"spanUnit": "month", "points": ["201503", "2015-01", "201502/201503", "201507/201508"]}
    assert points(listed) == ["2015-01", "2015-02", "2015-03", "2015-07", "2015-08"]


def test_an_exclusion_leaves_points_and_spans_out() -> None:
    found = points(YEAR | {"exclude": ["201502", "201506/201512"]})
    assert found == ["2015-01", "2015-03", "2015-04", "2015-05"]
    assert points({"spanUnit": "week", "spanStart": "2015W52", "spanEnd": "2016W02", "exclude": ["2015W53"]}) == [
        "2015-W52", "2016-W01", "2016-W02",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (YEAR | {"exclude": ["201602"]}, "exclude: 201602 leaves nothing out: expected points from 2015-01 to 2015-12"),
        (YEAR | {"exclude": ["2015"]}, "'2015' is not a month: expected 201501"),
        (YEAR | {"exclude": ["201506/"]}, "'' is not a month"),
        (YEAR | {"exclude": ["201508/201506"]}, "the span starts at 201508, after its end 201506"),
        (YEAR | {"exclude": ["201501/201512"]}, "exclude leaves no point in time"),
        ({"spanUnit": "month", "points": ["201501", "Feb"]}, "'Feb' is not a month"),
        ({"spanUnit": "month", "points": ["201501"], "exclude": ["201502"]}, "exclude: 201502 leaves nothing out"),
        ({"spanUnit": "dekad", "points": ["201501"]}, "'201501' is not a dekad: expected 2015011"),
    ],
)
def test_what_is_wrong_with_points_is_told_when_documents_are_populated(options: dict[str, Any], words: str) -> None:
    registry = Registry({"x___001": template(options, provider=None)})
    with pytest.raises(DocumentError, match=f"^x___001: options: {words}") as caught:
        check(registry, {}, ["DiscoverAndProcessGranules"], TODAY)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("end", ["now", "-1 month"])
def test_an_exclusion_may_lie_outside_of_a_span_that_moves_with_the_day(end: str) -> None:
    assert points({"spanUnit": "month", "spanStart": "201601", "spanEnd": end, "exclude": ["201506"]})[0] == "2016-01"


@pytest.mark.parametrize(
    ("options", "changes", "words"),
    [
        ({}, {}, "options: expected spanStart, the first point in time, or points"),
        ({"points": ["2015"], "spanStart": "2015"}, {}, "options: expected either points, or spanStart and spanEnd"),
        ({"points": ["2015"], "spanEnd": "2015"}, {}, "options: expected either points, or spanStart and spanEnd"),
        ({"points": ["2015"] * 2001}, {}, "options.points: Tuple should have at most 2000 items"),
        ({"spanStart": "now", "exlude": []}, {}, "options.exlude: unknown field; did you mean exclude"),
        (
            YEAR | {"ids": "h17v08"},
            {},
            r"^x.json: options.ids: expected a list of ids, or texts by id and name, as [^;]*$",
        ),
        (YEAR | {"ids": [17]}, {}, "options.ids: expected a list of ids, or texts by id and name, as [^;]*$"),
        (YEAR | {"ids": {"a": "b"}}, {}, "options.ids: expected a list of ids, or texts by id and name, as [^;]*$"),
        (YEAR | {"ids": {"a": {"b": 1}}}, {}, "options.ids: expected a list of ids, or texts by id and name, [^;]*$"),
        (YEAR | {"ids": ["a b"]}, {}, "options.ids: 'a b' is no id: expected up to 64 letters, digits, _ and -"),
        (YEAR | {"ids": ["a", "b", "a"]}, {}, "options.ids: 'a' is listed twice"),
        (YEAR | {"ids": [f"i{n}" for n in range(1001)]}, {}, "options.ids: 1,001 ids: 1,000 are the most"),
        (YEAR | {"ids": {"a": {"lat": "1"}, "b": {}}}, {}, "options.ids: b: expected the same names as of the other"),
        (YEAR | {"ids": {"a": {"year": "1"}}}, {}, "options.ids: a: 'year' cannot name a placeholder of an id"),
        (YEAR | {"ids": {"a": {"lat": "{{year}}"}}}, {}, "options.ids: a.lat: expected text without quotes"),
        (
            YEAR | {"ids": ["a"]},
            {"files": [{"regex": "(?P<t>.*)"}], "meta": {"group": {"by": ["t"]}}},
            "meta.group.by: expected none with options.ids: the key of a group is its id",
        ),
        (YEAR, {"provider_path": "{{id}}"}, r"provider_path: unresolved placeholder \{\{id\}\}: expected one of"),
        (YEAR, {"provider_path": "{{week}}"}, r"provider_path: \{\{week\}\} says nothing of a month: expected one of"),
        (
            {"spanUnit": "week", "spanStart": "2015W01"},
            {"provider_path": "{{year}}{{month}}"},
            r"provider_path: \{\{month\}\} says nothing of a week: expected one of \{\{pointInTime\}\}, \{\{year\}\}, "
            r"\{\{startYear\}\}",
        ),
    ],
)
def test_a_template_that_is_wrong_is_refused(options: dict[str, Any], changes: dict[str, Any], words: str) -> None:
    with pytest.raises(DocumentError, match=words) as caught:
        template(options, **changes)
    assert "\n" not in str(caught.value)


def test_a_month_and_a_year_have_the_placeholders_that_they_had() -> None:
    for unit, start in (("day", "20150131"), ("month", "201501"), ("year", "2015")):
        one = template({"spanUnit": unit, "spanStart": start}, provider_path="{{year}}/{{month}}/{{day}}")
        first = Period.parse(start, Unit(unit), TODAY)
        path = expand(one, Periods.of(first, first))[0].collection.provider_path
        assert path == f"2015/01/{'31' if unit == 'day' else '01'}"


# A backfill of some of them


def started(options: dict[str, Any], first: str | None = None, last: str | None = None, **facts: Any) -> Backfill:
    registry = Registry({"x___001": template(options)})
    now = datetime(2016, 3, 15, tzinfo=UTC).timestamp()
    return new_backfill(registry, "x", now=now, first=first, last=last, **facts)


def test_a_backfill_keeps_its_points_as_spans_and_reads_them_back() -> None:
    one = started(YEAR | {"exclude": ["201504", "201506/201508"]})
    assert (one.first, one.last) == ("2015-01", "2015-12")
    assert one.spans == ("2015-01/2015-03", "2015-05", "2015-09/2015-12")
    assert Backfill.from_json(json.loads(json.dumps(one.to_json()))) == one
    assert [period.iso for period in one.periods][2:5] == ["2015-03", "2015-05", "2015-09"]
    assert started(YEAR).spans == (), "a span without a gap is its ends"


@pytest.mark.parametrize(
    ("first", "last", "found"),
    [("201503", "201505", ["2015-03", "2015-05"]), ("201501", "201504", ["2015-02", "2015-03"]), ("201512", None, 1)],
)
def test_from_and_to_narrow_what_is_left(first: str, last: str | None, found: Any) -> None:
    periods = [one.iso for one in started(YEAR | {"exclude": ["201501", "201504"]}, first, last).periods]
    assert periods == found or len(periods) == found


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        ("201504", "201504", "x has no point in time from 2015-04 to 2015-04: its options leave them out"),
        ("201412", "201504", "2014-12 to 2015-04 leaves the span of x, 2015-01 to 2015-12"),
        ("201505", "201504", "spanStart 201505 is after spanEnd 201504"),
        ("2015W05", None, "'2015W05' is not a month"),
    ],
)
def test_a_narrowing_to_nothing_is_refused(first: str, last: str | None, words: str) -> None:
    with pytest.raises(PileusError, match=words):
        started(YEAR | {"exclude": ["201504"]}, first, last)


def test_a_rule_goes_on_after_the_span_and_leaves_out_what_is_excluded() -> None:
    options = Options(**YEAR | {"spanEnd": "201601", "exclude": ["201601"]})
    told = [one.iso for one in narrowed(options, TODAY, "x", "-3 months", None, onward=True)]
    assert told == ["2015-12", "2016-02", "2016-03"]
    listed = Options(spanUnit=Unit.month, points=("201501", "201603"))
    assert [one.iso for one in narrowed(listed, TODAY, "x", "-3 months", None, onward=True)] == ["2016-03"]
    with pytest.raises(UsageError, match="x has no point in time from 2016-02 to 2016-02"):
        narrowed(listed, TODAY, "x", "201602", "201602", onward=True)


def test_status_is_of_the_points_of_the_backfill_and_of_no_other(tmp_path: Path) -> None:
    edges = wire_folder(tmp_path, {})
    weeks = started({"spanUnit": "week", "spanStart": "2015W52", "spanEnd": "2016W01", "exclude": ["2015W53"]}, id="b")
    edges.index.put_backfill(weeks)
    for period in ("2015-W52", "2015-W53"):  # another backfill made both before
        edges.index.put(Entry(Partition("x", "001", period, "all"), State.succeeded, "a/1"))
    found = [(one.period, str(one.state)) for one in outcomes(edges, weeks)]
    assert found == [("2015-W52", "skipped"), ("2016-W01", "planned")]


@pytest.mark.parametrize(
    ("unit", "period", "row", "column"),
    [
        ("week", "2015-W53", "2015", 52),
        ("dekad", "2015-02-D1", "2015", 3),
        ("quarter", "2015-Q4", "2015", 3),
        ("season", "2015-S1-DJF", "2015", 0),
    ],
)
def test_every_unit_has_its_place_in_the_grid(unit: str, period: str, row: str, column: int) -> None:
    cell = Cell(period, Counter([State.failed]))
    heads, (line,) = layout(unit, [cell])
    assert (line.label, line.cells.index(cell), len(line.cells)) == (row, column, len(heads))


# What is made of a period downstream


@pytest.mark.parametrize(
    ("period", "start", "end"),
    [
        ("2015-W01", "2014-12-29T00:00:00Z", "2015-01-04T23:59:59Z"),
        ("2016-02-D3", "2016-02-21T00:00:00Z", "2016-02-29T23:59:59Z"),
        ("2015-Q1", "2015-01-01T00:00:00Z", "2015-03-31T23:59:59Z"),
        ("2015-S1-DJF", "2014-12-01T00:00:00Z", "2015-02-28T23:59:59Z"),
        ("9999-12", "9999-12-01T00:00:00Z", "9999-12-31T23:59:59Z"),
    ],
)
def test_a_stac_item_and_a_row_have_the_days_of_their_period(period: str, start: str, end: str) -> None:
    partition = Partition("x", "001", period, "g")
    value = stac.item(
        partition, bounds=(0, 0, 1, 1), inputs=(), made=(), manifest="s3://p/m", created="", software="", lineage=""
    )
    told = json.loads(value)["properties"]
    assert (told["datetime"], told["start_datetime"], told["end_datetime"]) == (start, start, end)
    row = with_time(pa.table({"zone": ["a"]}), partition)
    assert row["time"][0].as_py().isoformat() == start[:10]


def test_a_series_has_a_place_for_each_period_between() -> None:
    assert gaps(axis(["2015-W52", "2016-W02"])) == "2015-W52 to 2016-W02"
    assert len(axis(["2015-W52", "2016-W02"])) == 4
    assert [one.iso for one in axis(["2015-S4-SON", "2016-S2-MAM"])] == ["2015-S4-SON", "2016-S1-DJF", "2016-S2-MAM"]


def test_rows_of_two_units_have_an_axis_of_the_first() -> None:
    assert [one.iso for one in axis(["2015-01", "2015-02-D2"])] == ["2015-01", "2015-02"]


def test_a_gap_that_the_template_makes_is_told_as_such() -> None:
    failed = Entry(Partition("x", "001", "2015-03", "all"), State.failed, "b/1", reason="cut")
    told = explained([failed], ["2015-02", "2015-03"], ["2015-02", "2015-03"])
    assert told == {"2015-02": LEFT_OUT, "2015-03": "failed: cut"}


def test_athena_is_told_the_periods_of_a_unit_that_it_cannot_count() -> None:
    table = pa.table({"version": ["001"] * 2, "period": ["2015-W02", "2015-W01"], "group": ["g"] * 2})
    said = athena.ddl(table, "b", "x")
    assert "'projection.period.type' = 'enum'" in said
    assert "'projection.period.values' = '2015-W01,2015-W02'" in said


def test_weeks_in_one_folder_are_found_by_their_name(tmp_path: Path) -> None:
    for week in ("2015W52", "2015W53", "2016W01"):
        (tmp_path / f"a_{week}.tif").write_bytes(b"x")
    weeks = template(
        {"spanUnit": "week", "spanStart": "2015W52", "spanEnd": "2016W01"},
        provider_path=str(tmp_path),
        files=[{"regex": r"a_{{pointInTime}}\.tif"}],
    )
    whole = Backfill("b", "x", "001", "2015-W52", "2016-W01", "week")
    found = plan(wire_folder(tmp_path / "s3", {}), weeks, Provider(id="folder", protocol="file"), whole)
    assert [(row.partition.period, row.action, row.files) for row in found.rows] == [
        ("2015-W52", "run", 1), ("2015-W53", "run", 1), ("2016-W01", "run", 1),
    ]  # fmt: skip


def test_the_lambda_of_a_rule_lists_the_points_that_are_left(tmp_path: Path) -> None:
    edges = wire_folder(tmp_path, {})
    provider = Provider(id="folder", protocol="file")
    seasons = template({"spanUnit": "season", "spanStart": "2015DJF", "spanEnd": "2015SON", "exclude": ["2015JJA"]})
    registry = Registry({"x___001": seasons}, {"folder": provider})
    edges.store.put("s3://internal/registry.json", registry.to_json())
    wanted = {"rule": "r", "collection": {"name": "x"}, "spanStart": "2015MAM", "spanEnd": "2016DJF"}
    answer = generate_collections(edges, {"input": wanted, "config": {"name": "fire-0123456789ab", "execution": "arn"}})
    listed = json.loads(edges.store.get("s3://{bucket}/{key}".format(**answer["points"])))
    periods = [item["config"]["period"] for item in listed]
    assert periods == ["2015-S2-MAM", "2015-S4-SON", "2016-S1-DJF"]
    assert [item["config"]["name"] for item in listed] == ["x_2015MAM", "x_2015SON", "x_2016DJF"]
    assert all(one < other for one, other in pairwise(periods))


def test_a_run_that_is_started_again_goes_on_with_the_documents_that_it_began_with(tmp_path: Path) -> None:
    """Its execution was lost, and somebody has populated another template meanwhile. The next run takes that."""
    edges, provider = wire_folder(tmp_path, {}), Provider(id="folder", protocol="file")

    def populate(path: str) -> None:
        months = template({"spanUnit": "month", "spanStart": "201501", "spanEnd": "201501"}, provider_path=path)
        edges.store.put("s3://internal/registry.json", Registry({"x___001": months}, {"folder": provider}).to_json())

    def begun(run: int) -> str:
        generate_collections(edges, {"input": {"backfill": "b"}, "config": {}})
        body = edges.store.get(f"s3://internal/backfills/b/run-{run}/documents.json")
        return RunDocuments.from_bytes(body).template.provider_path

    populate("/first")
    backfill = edges.index.put_backfill(Backfill("b", "x", "001", "2015-01", "2015-01", "month"))
    assert begun(1) == "/first"
    populate("/second")
    assert begun(1) == "/first"
    edges.index.put_backfill(replace(backfill, run=2))
    assert begun(2) == "/second"
