"""What a worker does with a message: it trusts the message until the claim is refused, and then reads the index."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pileus import lifecycle
from pileus.backfills.record import ended_in
from pileus.edges.index import change_backfill
from pileus.edges.queues import Message
from pileus.errors import Corrupt, NoSpace, PileusError
from pileus.lifecycle.backfill import Backfill
from pileus.lifecycle.partition import Entry
from pileus.messages import GroupTask
from pileus.models import Group, Partition, State
from pileus.tasks.worker_state import TaskControl
from pileus.timing import Hop, Timing
from pileus.wiring import Edges, wire_folder
from pileus.worker.loop import Worker
from spec.support.handed import Queues

PARTITION = Partition("viirs", "001", "2015-01", "20150101")
QUEUED = Entry(PARTITION, State.queued, "b/1")


class Desk:
    """A worker with a running backfill, one queued partition and a clock that does not move."""

    def __init__(self, folder: Path) -> None:
        self.queues, self.worked, self.time = Queues(), 0, 1_700_000_000.0
        self.edges: Edges = replace(wire_folder(folder, {}), now=lambda: self.time)
        self.edges.index.put_backfill(Backfill("b", "viirs", "001", "2015-01", "2015-12", "month"))
        self.queued = self.edges.index.put(QUEUED)
        self.ended: list[Entry] = []
        self.broken: PileusError | None = None
        self.worker = Worker(self.edges, self.queues, self.task, name="me", ended=self.ended.append)

    def task(self, _: object, control: TaskControl) -> Mapping[str, Any]:
        self.worked += 1
        with control.timing.hop("download"):
            self.time += 3
            control.timing.moved("download", 7)
        if self.broken:
            raise self.broken
        return {"manifest": "s3://protected/manifest.json", "downloaded": 0}

    def handle(self, *, run: int = 1, said: bool = True) -> list[str]:
        """Give the worker the message, and return what happened to it. `said`: the message has the queued entry."""
        entry = replace(self.queued if said else QUEUED, run=f"b/{run}")
        task = GroupTask("b", run, entry, {}, {}, Group("20150101", ()))
        return self.hand(task.to_json())

    def hand(self, task: Mapping[str, Any]) -> list[str]:
        self.queues.done = []
        self.worker.handle(Message("backfill", "receipt", "", "token", task))
        return self.queues.done

    def again(self, run: int) -> None:
        """Queue it anew."""
        stored = self.edges.index.entry(PARTITION)
        assert stored is not None
        self.queued = self.edges.index.put(replace(QUEUED, run=f"b/{run}", tag=stored.tag))

    def change(self, step: Callable[[Entry], Entry | None]) -> None:
        stored = self.edges.index.entry(PARTITION)
        assert stored is not None
        following = step(stored)
        assert following is not None
        self.edges.index.put(following)

    def backfill(self, **changes: Any) -> None:
        change_backfill(self.edges.index, "b", lambda now: replace(now, **changes))

    @property
    def state(self) -> State:
        stored = self.edges.index.entry(PARTITION)
        assert stored is not None
        return stored.state


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


both = pytest.mark.parametrize("said", [True, False], ids=["as the message says", "as the index says"])


@both
def test_a_queued_partition_is_worked_on_and_answered_for(desk: Desk, said: bool) -> None:
    assert desk.handle(said=said) == ["succeed", "delete"]
    assert (desk.state, desk.worked) == (State.succeeded, 1)


@pytest.mark.parametrize("broken", [None, Corrupt("its size differs", where="a.tgz")], ids=["succeeded", "failed"])
def test_the_entry_of_what_has_ended_says_where_its_time_went(desk: Desk, broken: Corrupt | None) -> None:
    desk.change(lambda entry: lifecycle.queue(None, replace(QUEUED, tag=entry.tag), now=desk.time - 9, live=False))
    desk.broken = broken
    desk.handle(said=False)
    stored = desk.edges.index.entry(PARTITION)
    assert stored
    timing = Timing.from_json(stored.timing)
    assert timing
    assert (timing.began, timing.hops["queue"]) == (1_700_000_000.0, Hop(-9, 9))
    assert timing.hops["download"].bytes == 7
    assert desk.ended == [stored], "who counts is told it as it was stored"


def test_what_is_handed_back_is_not_told_as_ended(desk: Desk) -> None:
    desk.broken = NoSpace("the volume is full")
    desk.handle()
    assert (desk.state, desk.ended) == (State.queued, [])


@both
def test_a_message_that_comes_twice_is_answered_twice_and_worked_on_once(desk: Desk, said: bool) -> None:
    desk.handle(said=said)
    assert desk.handle(said=said) == ["succeed", "delete"]
    assert desk.worked == 1


@both
def test_what_another_worker_has_is_held_until_its_claim_would_run_out(desk: Desk, said: bool) -> None:
    desk.change(lambda entry: lifecycle.claim(entry, "b/1", "other", "t", lease=desk.time + 60, now=desk.time))
    assert desk.handle(said=said) == ["hold 61"]
    assert desk.worked == 0


@both
def test_what_a_dead_worker_had_is_taken_up(desk: Desk, said: bool) -> None:
    desk.change(lambda entry: lifecycle.claim(entry, "b/1", "dead", "t", lease=desk.time - 1, now=desk.time - 60))
    assert desk.handle(said=said) == ["succeed", "delete"]
    assert desk.worked == 1


@both
def test_what_killed_three_workers_is_buried(desk: Desk, said: bool) -> None:
    for at in (desk.time - 180, desk.time - 120, desk.time - 60):
        desk.change(lambda e, at=at: lifecycle.claim(e, "b/1", "dead", "t", lease=at + 30, now=at))  # type: ignore[misc]
    assert desk.handle(said=said) == ["fail WorkerLost", "bury"]
    assert (desk.state, desk.worked) == (State.failed, 0)


@both
@pytest.mark.parametrize("state", ["paused", "cancelled"])
def test_nothing_starts_once_the_backfill_was_stopped_though_it_ran_a_moment_ago(
    desk: Desk, said: bool, state: str
) -> None:
    desk.handle(said=said)
    desk.again(run=1)
    desk.backfill(state=state)
    assert desk.handle(said=said) == ["fail Cancelled", "delete"]
    assert desk.worked == 1


@both
def test_a_run_begun_since_is_taken_though_another_ran_a_moment_ago(desk: Desk, said: bool) -> None:
    desk.handle(said=said)
    desk.backfill(run=2)
    desk.again(run=2)
    assert desk.handle(run=2, said=said) == ["succeed", "delete"]
    assert desk.worked == 2


def test_a_message_that_is_not_one_of_ours_is_answered_and_buried(desk: Desk) -> None:
    assert desk.hand({"task": "a token and no config"}) == ["fail UsageError", "bury"]
    assert desk.worked == 0


class Overlap:
    """A second backfill `c` that wants the partition while `b` has it."""

    def __init__(self, desk: Desk, fingerprint: str) -> None:
        self.desk = desk
        desk.edges.index.put_backfill(Backfill("c", "viirs", "001", "2015-01", "2015-12", "month"))
        entry = Entry(PARTITION, State.queued, "c/1", fingerprint=fingerprint)
        self.task = GroupTask("c", 1, entry, {}, {}, Group("20150101", ()))

    def hand(self) -> list[str]:
        return self.desk.hand(self.task.to_json())

    def end_the_other(self, fingerprint: str) -> None:
        def ended(entry: Entry) -> Entry:
            return replace(entry, state=State.succeeded, fingerprint=fingerprint, manifest="s3://protected/m.json")

        self.desk.change(ended)


def test_what_another_live_run_has_is_waited_for(desk: Desk) -> None:
    assert Overlap(desk, "new").hand() == ["hold 5"]
    assert desk.worked == 0


def test_the_result_of_another_run_is_taken_where_it_is_the_one_that_is_wanted(desk: Desk) -> None:
    overlap = Overlap(desk, "same")
    overlap.end_the_other("same")
    assert overlap.hand() == ["succeed", "delete"]
    assert overlap.hand() == ["succeed", "delete"], "told twice, answered twice"
    assert desk.worked == 0
    told = ended_in(desk.edges, "c", 1, PARTITION)
    assert told is not None
    assert (told.state, told.reason) == (State.skipped, "b/1 made it")


def test_another_result_than_the_one_that_is_wanted_is_made_anew_after_it(desk: Desk) -> None:
    overlap = Overlap(desk, "new")
    overlap.end_the_other("old")
    assert overlap.hand() == ["succeed", "delete"]
    assert desk.worked == 1
    kept = ended_in(desk.edges, "b", 1, PARTITION)
    assert kept is not None
    assert kept.state is State.succeeded, "the first run's end is written down before its entry is taken"
    assert desk.handle(said=False) == ["succeed", "delete"], "and is what its message is answered by"
    assert desk.worked == 1


def test_a_message_of_an_older_run_does_not_take_what_a_newer_one_has_ended(desk: Desk) -> None:
    desk.handle()
    desk.backfill(run=2)
    desk.again(run=2)
    desk.change(lambda entry: replace(entry, state=State.succeeded, fingerprint="newer"))
    assert desk.handle(run=1, said=False) == ["fail Cancelled", "delete"]
    stored = desk.edges.index.entry(PARTITION)
    assert stored is not None
    assert (stored.run, stored.state) == ("b/2", State.succeeded)
