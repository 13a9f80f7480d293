"""What dead workers left: it ends once, and readers see a committed result whole or not at all."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pileus import lifecycle
from pileus.backfills.control import retry, settle
from pileus.backfills.end import close_stopped, end, keep
from pileus.backfills.failures import give_up
from pileus.backfills.record import Outcome, close
from pileus.backfills.recover import recover
from pileus.backfills.status import NEVER, find, outcomes
from pileus.edges.index import MemoryIndex, change_backfill
from pileus.edges.reports import KeptReports
from pileus.errors import Conflict, StoreError
from pileus.lifecycle.backfill import Backfill
from pileus.lifecycle.partition import Entry, Failure
from pileus.lifecycle.report import Report
from pileus.messages import GroupTask
from pileus.models import Group, Manifest, Output, Partition, State
from pileus.outputs.commit import Fence, fence
from pileus.tasks.report_status import report_status
from pileus.wiring import Edges, wire_folder
from spec.simulation.alone import alone_workflows
from spec.support.runs import Executions

PARTITION = Partition("viirs", "001", "2015-01", "a")
LATE = Failure("States.Timeout", "no worker answered in time")
TABLE = "csv/viirs/001/2015-01/a.csv"
MANIFEST = Manifest(PARTITION, "f.f.f.f", (), {}, (), "1", "2015-02-01", backfill="b", run=1)


class Left:
    """A worker claimed the partition, fenced it, staged a table, and died."""

    def __init__(self, folder: Path) -> None:
        self.edges: Edges = replace(wire_folder(folder, {}), now=lambda: 1_700_000_000.0)
        self.edges.index.put_backfill(Backfill("b", "viirs", "001", "2015-01", "2015-01", "month", max_failures=5))
        entry = Entry(PARTITION, State.running, "b/1", fingerprint="f.f.f.f", claim="old", owner="w", lease=1)
        self.edges.index.put(entry)
        self.held: Fence = fence(self.edges.place(PARTITION), "old")
        self.url = self.edges.protected(TABLE)
        self.edges.store.put(self.held.stage(self.url), b"table")

    def commit(self) -> None:
        self.held.commit(replace(MANIFEST, outputs=(Output(self.url, 5, "", "csv"),)))

    @property
    def published(self) -> bool:
        return [url for url, _ in self.edges.store.list(self.url)] == [self.url]

    @property
    def entry(self) -> Entry:
        stored = self.edges.index.entry(PARTITION)
        assert stored is not None
        return stored

    @property
    def failures(self) -> int:
        stored = self.edges.index.backfill("b")
        assert stored is not None
        return stored.failures


@pytest.fixture
def left(tmp_path: Path) -> Left:
    return Left(tmp_path)


def test_what_was_committed_has_succeeded_and_is_published_though_its_worker_died(left: Left) -> None:
    left.commit()
    ended = give_up(left.edges, PARTITION, "b/1", LATE)
    assert ended is not None
    assert (ended.state, ended.failure, left.published, left.failures) == (State.succeeded, None, True, 0)


def test_what_was_not_committed_has_failed_and_cannot_be_committed_any_more(left: Left) -> None:
    ended = give_up(left.edges, PARTITION, "b/1", LATE)
    assert ended is not None
    assert (ended.state, ended.failure, left.failures) == (State.failed, LATE, 1)
    with pytest.raises(Conflict):
        left.commit()
    assert not left.published


def test_a_partition_of_another_run_is_left_alone(left: Left) -> None:
    assert give_up(left.edges, PARTITION, "b/2", LATE) is None
    left.commit()


def stopped(left: Left) -> Backfill:
    made = change_backfill(left.edges.index, "b", lambda now: replace(now, state="cancelled", untold=True))
    assert made is not None
    return close_stopped(left.edges, made)


def test_closing_a_stopped_run_publishes_what_was_committed(left: Left) -> None:
    left.commit()
    assert stopped(left).closed
    assert left.published
    entry = left.edges.index.entry(PARTITION)
    assert entry is not None
    assert entry.state is State.succeeded


def test_nothing_of_a_stopped_run_is_committed_once_it_is_closed(left: Left) -> None:
    assert stopped(left).closed
    with pytest.raises(Conflict):
        left.commit()


@pytest.mark.parametrize("end", [lifecycle.release, partial(lifecycle.finish, state=State.cancelled)])
def test_nor_by_a_silent_worker_whose_follower_gave_the_partition_back_before_it_fenced(left: Left, end: Any) -> None:
    stored = replace(left.entry, attempt=1)
    taken = lifecycle.claim(stored, "b/1", "other", "new", lease=9, now=2)
    assert taken is not None
    given_back = end(taken, "new", now=3)
    left.edges.index.put(given_back)
    assert given_back.has_silent_claims
    assert stopped(left).closed
    with pytest.raises(Conflict):
        left.commit()


class Overtaken:
    """A store in which, before the first conditional write, another process pauses the backfill and writes that."""

    def __init__(self, edges: Edges) -> None:
        self._edges, self._first = edges, True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._edges.store, name)

    def swap(self, url: str, body: bytes, tag: str | None, content_type: str) -> str:
        if self._first:
            self._first = False
            paused = change_backfill(self._edges.index, "b", lambda now: replace(now, state="paused"))
            assert paused is not None
            keep(self._edges, paused)
        return self._edges.store.swap(url, body, tag, content_type)


def test_an_older_state_of_a_backfill_is_not_written_over_a_newer_one(left: Left) -> None:
    running = left.edges.index.backfill("b")
    assert running is not None
    store: Any = Overtaken(left.edges)
    assert keep(replace(left.edges, store=store), running).state == "paused"
    assert json.loads(left.edges.store.get(left.edges.internal("backfills/b/backfill.json")))["state"] == "paused"


def test_a_backfill_that_the_index_has_lost_is_not_written(left: Left) -> None:
    running = left.edges.index.backfill("b")
    assert running is not None
    with pytest.raises(StoreError, match="lost"):
        keep(replace(left.edges, index=MemoryIndex()), running)


class Pausing(MemoryIndex):
    """A store in which the user pauses a backfill as soon as it is recovered."""

    def put_backfill(self, backfill: Backfill) -> Backfill:
        stored = super().put_backfill(backfill)
        return super().put_backfill(replace(stored, state="paused")) if not backfill.tag else stored


def test_recovery_goes_on_though_a_backfill_is_paused_meanwhile(left: Left) -> None:
    backfill = left.edges.index.backfill("b")
    assert backfill is not None
    left.edges.store.put(left.edges.internal("backfills/b/backfill.json"), json.dumps(backfill.to_json()).encode())
    workflows, machines = alone_workflows()
    recover(replace(left.edges, index=Pausing()), workflows, lambda line: None)
    assert machines.executions == {}, "it is paused"


class Committing:
    """A store in which the worker commits, and dies, just before the manifests are listed."""

    def __init__(self, left: Left) -> None:
        self._left = left

    def __getattr__(self, name: str) -> Any:
        return getattr(self._left.edges.store, name)

    def list(self, prefix: str, *, after: str = "") -> Iterator[tuple[str, int]]:
        if prefix.endswith("manifests/"):
            self._left.commit()
        return self._left.edges.store.list(prefix)


def test_what_recovery_takes_for_done_is_published(left: Left) -> None:
    index, store = MemoryIndex(), Committing(left)
    workflows, machines = alone_workflows()
    recover(replace(left.edges, index=index, store=store), workflows, lambda line: None)  # type: ignore[arg-type]
    entry = index.entry(PARTITION)
    assert entry is not None
    assert (entry.state, left.published) == (State.succeeded, True)
    assert machines.executions == {}


def test_what_an_unfinished_run_had_queued_is_not_forgotten_with_the_index(left: Left) -> None:
    edges, other = left.edges, replace(PARTITION, group="b")
    cancelled = Backfill("b", "viirs", "001", "2015-01", "2015-01", "month", state="cancelled")
    edges.store.put(edges.internal("backfills/b/backfill.json"), json.dumps(cancelled.to_json()).encode())
    queued = Entry(other, State.queued, "b/1", tag="lost", fingerprint="f.f.f.f")
    task = GroupTask("b", 1, queued, {}, {}, Group("b", ()))
    items = json.dumps([{"queue": "", "task": task.to_json()}]).encode()
    edges.store.put(edges.internal("backfills/b/run-1/groups/2015-01.json"), items)
    index, (workflows, machines) = MemoryIndex(), alone_workflows()
    recover(replace(edges, index=index), workflows, lambda line: None)
    assert machines.executions == {}
    entry = index.entry(other)
    assert entry is not None
    assert (entry.state, entry.run) == (State.queued, "b/1")
    assert [(one.group, one.state) for one in outcomes(replace(edges, index=index), cancelled, final=True)] == [
        ("b", State.cancelled)
    ]


def test_what_an_earlier_run_failed_and_the_present_has_queued_again_has_not_failed_in_it(left: Left) -> None:
    edges, index = left.edges, MemoryIndex()
    first = Backfill("b", "viirs", "001", "2015-01", "2015-01", "month", state="cancelled")
    never = [Outcome("2015-01", group, State.failed, NEVER, details={"reason": "new"}) for group in ("a", "b")]
    close(edges, first, never)
    second = replace(first, run=2)
    edges.store.put(edges.internal("backfills/b/backfill.json"), json.dumps(second.to_json()).encode())
    task = GroupTask("b", 2, Entry(PARTITION, State.queued, "b/2", fingerprint="f.f.f.f"), {}, {}, Group("a", ()))
    items = json.dumps([{"queue": "", "task": task.to_json()}]).encode()
    edges.store.put(edges.internal("backfills/b/run-2/groups/2015-01.json"), items)
    recover(replace(edges, index=index), alone_workflows()[0], lambda line: None)
    a, b = index.entries("viirs", "001", "2015-01", "2015-01")
    assert (a.state, a.run) == (State.queued, "b/2")
    assert (b.state, b.run, b.reason) == (State.failed, "b/1", NEVER)


def test_a_retry_finds_the_points_that_a_stopped_run_never_listed(left: Left) -> None:
    index = MemoryIndex()
    index.put_backfill(Backfill("b", "viirs", "001", "2015-01", "2015-02", "month", state="cancelled"))
    retry(replace(left.edges, index=index), alone_workflows()[0], "b", "failed")
    states = {entry.partition.period: entry.state for entry in index.entries("viirs", "001", "2015-01", "2015-02")}
    assert states == {"2015-01": State.cancelled, "2015-02": State.cancelled}


@pytest.mark.parametrize(("closed", "run"), [(False, 1), (True, 2)])
def test_a_run_whose_end_is_written_is_not_begun_again(left: Left, closed: bool, run: int) -> None:
    index = MemoryIndex()
    backfill = index.put_backfill(Backfill("b", "viirs", "001", "2015-01", "2015-01", "month"))
    if closed:
        close(left.edges, backfill, [])
    assert settle(replace(left.edges, index=index), alone_workflows()[0], backfill).run == run


def test_a_run_whose_execution_was_lost_with_the_engine_begins_again_and_does_not_end(left: Left) -> None:
    """Also where the recovery of the engine has written its record already, and is about to begin the next run."""
    backfill = change_backfill(left.edges.index, "b", lambda now: replace(now, execution="arn:gone"))
    assert backfill is not None
    close(left.edges, backfill, outcomes(left.edges, backfill, final=True))
    workflows, _ = alone_workflows()
    after = settle(left.edges, workflows, backfill)
    assert (after.state, after.run) == ("running", 2)
    assert settle(left.edges, workflows, backfill).run == 2, "who comes second finds it begun"


class Refusing(KeptReports):
    """A topic that refuses the first report."""

    refused = False

    def tell(self, reports: Sequence[Report]) -> None:
        if not self.refused:
            self.refused = True
            raise StoreError("is throttled", where="topic")
        super().tell(reports)


@pytest.mark.parametrize("again", ["report", "look", "retry"])
def test_a_report_that_was_refused_is_told_by_whoever_comes_next(left: Left, again: str) -> None:
    topic = Refusing()
    edges, workflows = replace(left.edges, reports=topic), alone_workflows()[0]
    with pytest.raises(StoreError):
        end(edges, "b", 1)
    backfill = edges.index.backfill("b")
    assert backfill is not None
    assert (backfill.closed, topic.told) == (True, [])
    if again == "report":
        end(edges, "b", 1)
    elif again == "look":
        settle(edges, workflows, backfill)
    else:
        retry(edges, workflows, "b")
    assert [one.subject for one in topic.told] == ["Backfill b failed"]
    settle(edges, workflows, find(edges, "b"))
    assert len(topic.told) == 1, "nothing is owed any more"


def test_the_end_of_a_cancelled_run_is_told_once(left: Left) -> None:
    topic = KeptReports()
    left.edges = replace(left.edges, reports=topic)
    assert stopped(left).closed
    settle(left.edges, alone_workflows()[0], find(left.edges, "b"))
    assert [(one.id, one.state) for one in topic.told] == [("b/1/cancelled", "cancelled")]


def woken(left: Left) -> Fence:
    """The fence of a worker that claimed the partition, and slept until now."""
    place = left.edges.place(PARTITION)
    return fence(place, "old", claimed=lambda: lifecycle.claimed(left.edges.index.entry(PARTITION), "old"))


@pytest.mark.parametrize("ended", ["closed", "failed"])
def test_a_worker_that_slept_between_its_claim_and_its_fence_gets_no_fence_once_it_was_ended(
    left: Left, ended: str
) -> None:
    woken(left)
    if ended == "closed":
        stopped(left)
    else:
        give_up(left.edges, PARTITION, "b/1", LATE)
    before = left.edges.store.get(left.edges.place(PARTITION).manifest)
    with pytest.raises(Conflict, match="another process has taken the claim"):
        woken(left)
    assert left.edges.store.get(left.edges.place(PARTITION).manifest) == before, "the fence of others stays"


class Claiming(MemoryIndex):
    """An index in which another worker claims the partition just before its end is written, twice."""

    claims = 0

    def put(self, entry: Entry) -> Entry:
        if entry.state is State.failed and self.claims < 2:
            self.claims += 1
            stored = self.entry(PARTITION)
            assert stored is not None
            super().put(replace(stored, state=State.running, claim=f"new {self.claims}", lease=9e9))
        return super().put(entry)


def test_a_worker_that_claims_while_a_partition_is_ended_loses_it_too(left: Left) -> None:
    index = Claiming()
    index.put_backfill(Backfill("b", "viirs", "001", "2015-01", "2015-01", "month"))
    index.put(Entry(PARTITION, State.running, "b/1", fingerprint="f.f.f.f", claim="old", owner="w", lease=1))
    ended = give_up(replace(left.edges, index=index), PARTITION, "b/1", LATE)
    assert ended is not None
    assert (ended.state, ended.claim, index.claims) == (State.failed, None, 2)


@pytest.mark.parametrize(
    ("detail", "said"),
    [
        (
            {"error": "StoreError", "cause": '{"errorType": "StoreError", "errorMessage": "no such bucket"}'},
            "its execution ended FAILED: StoreError: no such bucket",
        ),
        ({}, "its execution ended FAILED"),
    ],
    ids=["with its error", "without"],
)
def test_an_execution_that_failed_says_why(left: Left, detail: dict[str, str], said: str) -> None:
    change_backfill(left.edges.index, "b", lambda now: replace(now, execution="arn:b"))
    told = {"executionArn": "arn:b", "status": "FAILED", "error": None, "cause": None}
    report_status(
        left.edges, Executions(), {"detail-type": "Step Functions Execution Status Change", "detail": told | detail}
    )
    backfill = find(left.edges, "b")
    assert (backfill.state, backfill.problem) == ("failed", said)
