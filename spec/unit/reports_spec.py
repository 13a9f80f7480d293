"""What is told, by whom, and that nothing is told less than once."""

import json
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pileus.backfills.control import cancel, pause, resume, settle
from pileus.backfills.end import end
from pileus.backfills.failures import fail_group, fail_point, note_failure
from pileus.backfills.limits import count_failure
from pileus.backfills.rules import input_of
from pileus.backfills.status import find
from pileus.documents import Rule, parse_value
from pileus.edges.index import MemoryIndex
from pileus.edges.reports import KeptReports
from pileus.errors import Denied, StoreError, Unavailable
from pileus.lifecycle.backfill import Backfill
from pileus.lifecycle.partition import Entry, Failure
from pileus.lifecycle.report import ATTRIBUTES, REASON, Report, of_failure, of_run
from pileus.models import Partition, State
from pileus.project.registry import Registry
from pileus.wiring import Edges, wire_folder
from spec.simulation.alone import alone_workflows

ROOT = Path(__file__).resolve().parents[2]
PARTITION = Partition("viirs", "001", "2015-01", "a")
NOW = 1_700_000_000.0
CUT = Failure("Corrupt", "3 of 5 bytes", "http://site/a.tgz")
words = st.text(max_size=9)


class Topic(KeptReports):
    """A topic that refuses the first reports."""

    def __init__(self, *refusals: StoreError) -> None:
        super().__init__()
        self.refusals = list(refusals)

    def tell(self, reports: Sequence[Report]) -> None:
        if self.refusals:
            raise self.refusals.pop(0)
        super().tell(reports)

    @property
    def ids(self) -> list[str]:
        return [one.id for one in self.told]


class Desk:
    """A running backfill of one month whose one partition a worker has."""

    def __init__(self, folder: Path, *refusals: StoreError, **changes: Any) -> None:
        self.topic = Topic(*refusals)
        self.edges: Edges = replace(wire_folder(folder, {}), now=lambda: NOW, reports=self.topic)
        backfill = Backfill("b", "viirs", "001", "2015-01", "2015-01", "month", report_failures=True)
        self.edges.index.put_backfill(replace(backfill, **changes))
        entry = Entry(PARTITION, State.running, "b/1", claim="c", owner="w", lease=NOW + 100, attempt=2)
        self.entry = self.edges.index.put(entry)
        self.workflows = alone_workflows()[0]

    @property
    def backfill(self) -> Backfill:
        return find(self.edges, "b")

    def fails(self) -> Entry:
        """The worker records that the partition has failed."""
        failed = replace(self.entry, state=State.failed, failure=CUT, claim=None, lease=0, updated=NOW)
        self.entry = self.edges.index.put(failed)
        return self.entry


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


# --- the message

reports = st.builds(
    Report,
    id=words,
    kind=st.sampled_from(["backfill", "partition"]),
    backfill=words,
    run=st.integers(1, 99),
    collection=words,
    version=words,
    state=st.sampled_from(["succeeded", "incomplete", "failed", "cancelled", "paused"]),
    first=words,
    last=words,
    time=words,
    reason=words,
    counts=st.dictionaries(words, st.integers(0, 9)),
    period=st.none() | words,
    group=st.none() | words,
    error=st.none() | words,
    attempt=st.none() | st.integers(0, 9),
)


@given(reports)
def test_a_report_that_is_read_is_the_report_that_was_written(report: Report) -> None:
    there = json.loads(json.dumps(report.to_json()))
    assert Report.from_json(there) == (replace(report, counts={}) if report.kind == "partition" else report)


@pytest.mark.parametrize("damage", [{"state": "lost"}, {"run": "1"}, {"counts": [1]}, {"id": None}, {"kind": "topic"}])
def test_what_is_no_report_is_refused(damage: dict[str, Any]) -> None:
    good = of_run(Backfill("b", "viirs", "001", "2015-01", "2015-01", "month", state="failed"), {}, now="now").to_json()
    assert Report.from_json(good | {"a field of a later version": 1})
    with pytest.raises(ValueError, match="not a report"):
        Report.from_json(good | damage)


def test_every_field_and_attribute_is_documented() -> None:
    text = (ROOT / "docs/reports.md").read_text()
    assert [one.name for one in fields(Report) if f"| `{one.name}` |" not in text] == []
    assert [name for name in ATTRIBUTES if f"`{name}`" not in text] == []


def test_a_long_reason_is_cut_so_that_ten_messages_fit_in_a_request() -> None:
    backfill = Backfill("b" * 60, "viirs", "001", "2015-01", "2015-01", "month")
    entry = Entry(PARTITION, State.failed, "b/1", failure=Failure("Corrupt", "\u9999" * 5000))
    told = of_failure(backfill, entry)
    assert len(told.reason) == REASON
    assert 10 * len(json.dumps(told.to_json())) < 256 * 1024


# --- runs


def stop_by_failures(desk: Desk) -> None:
    desk.edges.index.put_backfill(replace(desk.backfill, max_failures=0))
    count_failure(desk.edges, "b/1")


STOPS: dict[str, Callable[[Desk], object]] = {
    "paused": lambda desk: pause(desk.edges, desk.workflows, "b"),
    "cancelled": lambda desk: cancel(desk.edges, desk.workflows, "b"),
    "failed": stop_by_failures,
}


@pytest.mark.parametrize("state", STOPS)
def test_a_stop_is_told_at_once_and_once_though_a_worker_still_has_a_group(desk: Desk, state: str) -> None:
    STOPS[state](desk)
    (told,) = desk.topic.told
    assert (told.id, told.state, told.counts) == (f"b/1/{state}", state, {"running": 1})
    assert told.reason == ("stopped: 1 partitions failed, 0 are allowed" if state == "failed" else "")
    settle(desk.edges, desk.workflows, desk.backfill)
    end(desk.edges, "b", 1, stopped="ABORTED")
    assert desk.topic.ids == [told.id]
    desk.fails()
    closed = settle(desk.edges, desk.workflows, desk.backfill)
    assert closed.closed is (state != "paused")
    assert [id for id in desk.topic.ids if id != "b/1/2015-01/a"] == [told.id], "its close is no second end"


NEXT: dict[str, Callable[[Desk], object]] = {
    "settle": lambda desk: settle(desk.edges, desk.workflows, desk.backfill),
    "end": lambda desk: end(desk.edges, "b", 1),
    "resume": lambda desk: resume(desk.edges, desk.workflows, "b"),
    "cancel": lambda desk: cancel(desk.edges, desk.workflows, "b"),
    "pause": lambda desk: pause(desk.edges, desk.workflows, "b"),
}


@pytest.mark.parametrize("following", NEXT)
def test_a_pause_that_could_not_be_told_is_told_by_whoever_comes_next(tmp_path: Path, following: str) -> None:
    desk = Desk(tmp_path, Unavailable("SNS cannot be reached"))
    pause(desk.edges, desk.workflows, "b")
    assert (desk.backfill.state, desk.backfill.untold, desk.topic.told) == ("paused", True, [])
    NEXT[following](desk)
    assert desk.topic.ids[0] == "b/1/paused"
    assert not desk.backfill.untold


def test_each_pause_is_told_and_no_resume(desk: Desk) -> None:
    for _ in range(2):
        pause(desk.edges, desk.workflows, "b")
        desk.edges.index.put(replace(desk.edges.index.entry(PARTITION) or desk.entry, lease=0))
        resume(desk.edges, desk.workflows, "b")
    assert desk.topic.ids == ["b/1/paused", "b/2/paused"]


def test_a_stop_goes_through_where_the_rights_to_tell_are_missing(tmp_path: Path) -> None:
    desk = Desk(tmp_path, Denied("no right"))
    with pytest.raises(Denied):
        cancel(desk.edges, desk.workflows, "b")
    assert desk.backfill.state == "cancelled"


# --- partitions


def test_a_failed_partition_is_told_by_whoever_writes_that(desk: Desk) -> None:
    note_failure(desk.edges, desk.fails())
    (told,) = desk.topic.told
    assert (told.id, told.kind, told.period, told.group) == ("b/1/2015-01/a", "partition", "2015-01", "a")
    assert (told.error, told.reason, told.attempt) == ("Corrupt", "http://site/a.tgz: 3 of 5 bytes", 2)
    assert told.subject == "Partition viirs/001/2015-01/a failed"
    stored = desk.edges.index.entry(PARTITION)
    assert stored is not None
    assert stored.told
    end(desk.edges, "b", 1)
    assert desk.topic.ids == ["b/1/2015-01/a", "b/1/failed"], "and not again at the end"


def test_no_failed_partition_is_told_where_nobody_asks(tmp_path: Path) -> None:
    desk = Desk(tmp_path, report_failures=False)
    note_failure(desk.edges, desk.fails())
    end(desk.edges, "b", 1)
    assert desk.topic.ids == ["b/1/failed"]


@pytest.mark.parametrize("by", ["refused", "died"])
def test_a_failure_that_nobody_told_is_told_before_the_end_of_its_run(tmp_path: Path, by: str) -> None:
    desk = Desk(tmp_path, *([Unavailable("throttled")] if by == "refused" else []))
    failed = desk.fails()
    if by == "refused":
        note_failure(desk.edges, failed)
    assert desk.topic.told == []
    end(desk.edges, "b", 1)
    assert desk.topic.ids == ["b/1/2015-01/a", "b/1/failed"]


def test_a_point_that_cannot_be_listed_is_told(desk: Desk) -> None:
    fail_point(desk.edges, desk.backfill, "2015-01", Failure("NotFound", "404"))
    assert [(one.id, one.attempt) for one in desk.topic.told] == [("b/1/2015-01/*", 0)]


def test_a_point_that_another_backfill_cannot_list_either_is_told_for_both(tmp_path: Path) -> None:
    """The topic cannot be reached at first, and the other backfill's failure takes the place of the entry."""
    desk = Desk(tmp_path, Unavailable("no answer"))
    desk.edges.index.put_backfill(replace(desk.backfill, id="other", tag="", run=1))
    for id in ("b", "other"):
        fail_point(desk.edges, find(desk.edges, id), "2015-01", Failure("NotFound", "404"))
    assert desk.topic.ids == ["other/1/2015-01/*"]
    end(desk.edges, "b", 1)
    assert "b/1/2015-01/*" in desk.topic.ids


def test_a_failure_behind_another_run_is_told_once(desk: Desk) -> None:
    """The entry in the index is the other run's: the end of this one is an object in S3."""
    other = replace(desk.entry, run="other/1")
    desk.edges.index.put(other)
    wanted = Entry(PARTITION, State.queued, "b/1")
    for _ in range(2):
        fail_group(desk.edges, wanted, CUT)
    assert desk.topic.ids == ["b/1/2015-01/a"]


def test_partitions_that_never_ran_are_counted_and_not_told(desk: Desk) -> None:
    desk.edges = replace(desk.edges, index=MemoryIndex())
    desk.edges.index.put_backfill(Backfill("b", "viirs", "001", "2015-01", "2015-12", "month", report_failures=True))
    end(desk.edges, "b", 1, stopped="FAILED")
    (told,) = desk.topic.told
    assert (told.id, told.counts, told.reason) == ("b/1/failed", {"failed": 12}, "its execution ended FAILED")


def test_a_rule_asks_for_failures_by_one_word_and_else_fires_as_it_did() -> None:
    document = {"name": "r", "collection": {"name": "viirs"}, "rule": {"type": "onetime"}}
    asking = parse_value(Rule, document | {"meta": {"reportFailures": True}}, "r")
    assert input_of(Registry(), asking)["reportFailures"] is True
    assert "reportFailures" not in input_of(Registry(), parse_value(Rule, document, "r"))
