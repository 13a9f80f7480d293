"""What a worker does with a message: it believes what the message says until the claim is refused, then the index."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pileus import lifecycle
from pileus.edges.index import change_backfill
from pileus.edges.queues import Message
from pileus.lifecycle.backfill import Backfill
from pileus.lifecycle.partition import Entry, Failure
from pileus.models import Partition, State
from pileus.wiring import Edges, wire_folder
from pileus.worker.loop import Worker

PARTITION = Partition("viirs", "001", "2015-01", "20150101")
QUEUED = Entry(PARTITION, State.queued, "b/1", revision=1)


class Queues:
    """Remembers what became of each message."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def receive(self, queue: str, wait_seconds: int) -> Message | None:
        return None

    def hold(self, message: Message, seconds: int) -> None:
        self.done.append(f"hold {seconds}")

    def delete(self, message: Message) -> None:
        self.done.append("delete")

    def bury(self, message: Message) -> None:
        self.done.append("bury")

    def beat(self, message: Message) -> bool:
        return True

    def succeed(self, message: Message, output: Mapping[str, Any]) -> bool:
        self.done.append("succeed")
        return True

    def fail(self, message: Message, failure: Failure) -> bool:
        self.done.append(f"fail {failure.type}")
        return True


class Desk:
    """A worker with a running backfill, one queued partition and a clock that stands still."""

    def __init__(self, folder: Path) -> None:
        self.queues, self.worked, self.time = Queues(), 0, 1_700_000_000.0
        self.edges: Edges = replace(wire_folder(folder, {}), now=lambda: self.time)
        self.edges.index.put_backfill(Backfill("b", "viirs", "001", "2015-01", "2015-12", "month", revision=1))
        self.edges.index.put(QUEUED)
        self.worker = Worker(self.edges, self.queues, self.task, name="me")

    def task(self, *_: object) -> Mapping[str, Any]:
        self.worked += 1
        return {"manifest": "s3://protected/manifest.json", "downloaded": 0}

    def handle(self, *, run: int = 1, said: bool = True) -> list[str]:
        """Hand the worker the message; what became of it. `said`: the message says how the partition was queued."""
        config = {"backfill": "b", "run": run, "partition": PARTITION.key}
        if said:
            config["entry"] = replace(QUEUED, run=f"b/{run}").to_json()
        self.queues.done = []
        self.worker.handle(Message("backfill", "receipt", "", "token", {"config": config, "input": {}}))
        return self.queues.done

    def change(self, step: Callable[[Entry], Entry | None]) -> None:
        stored = self.edges.index.entry(PARTITION)
        assert stored is not None
        following = step(stored)
        assert following is not None
        self.edges.index.put(following)

    def backfill(self, **changes: Any) -> None:
        change_backfill(self.edges.index, "b", lambda now: now.following(**changes))

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


@both
def test_a_message_that_comes_twice_is_answered_twice_and_worked_on_once(desk: Desk, said: bool) -> None:
    desk.handle(said=said)
    assert desk.handle(said=said) == ["succeed", "delete"]
    assert desk.worked == 1


@both
def test_what_another_worker_has_is_held_until_its_claim_would_run_out(desk: Desk, said: bool) -> None:
    desk.change(lambda entry: lifecycle.claim(entry, "b/1", "other", lease=desk.time + 60, now=desk.time))
    assert desk.handle(said=said) == ["hold 61"]
    assert desk.worked == 0


@both
def test_what_a_dead_worker_had_is_taken_up(desk: Desk, said: bool) -> None:
    desk.change(lambda entry: lifecycle.claim(entry, "b/1", "dead", lease=desk.time - 1, now=desk.time - 60))
    assert desk.handle(said=said) == ["succeed", "delete"]
    assert desk.worked == 1


@both
def test_what_killed_three_workers_is_buried(desk: Desk, said: bool) -> None:
    for minute in (desk.time - 180, desk.time - 120, desk.time - 60):
        desk.change(lambda entry, minute=minute: lifecycle.claim(entry, "b/1", "dead", lease=minute + 30, now=minute))  # type: ignore[misc]
    assert desk.handle(said=said) == ["fail WorkerLost", "bury"]
    assert (desk.state, desk.worked) == (State.failed, 0)


@both
@pytest.mark.parametrize("state", ["paused", "cancelled"])
def test_nothing_starts_once_the_backfill_was_stopped_though_it_ran_a_moment_ago(
    desk: Desk, said: bool, state: str
) -> None:
    desk.handle(said=said)
    desk.change(lambda entry: replace(QUEUED, revision=entry.revision + 1))
    desk.backfill(state=state)
    assert desk.handle(said=said) == ["fail Cancelled", "delete"]
    assert desk.worked == 1


@both
def test_a_run_begun_since_is_taken_though_another_ran_a_moment_ago(desk: Desk, said: bool) -> None:
    desk.handle(said=said)
    desk.backfill(run=2)
    desk.change(lambda entry: replace(QUEUED, run="b/2", revision=entry.revision + 1))
    assert desk.handle(run=2, said=said) == ["succeed", "delete"]
    assert desk.worked == 2
