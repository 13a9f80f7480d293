"""What a worker does with the message of a run of a request: it has one owner, and ends once."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pileus import lifecycle, runs
from pileus.edges.queues import Message
from pileus.errors import ArchiveError, HandedBack
from pileus.lifecycle.partition import Entry
from pileus.models import State
from pileus.runs import record
from pileus.subject import Request
from pileus.tasks.worker_state import TaskControl
from pileus.wiring import Edges, wire_folder
from pileus.worker import heartbeat
from pileus.worker.loop import Worker
from spec.support.handed import Queues
from spec.support.runs import INPUTS, Executions

KEY, SUBJECT = "request:zonal-statistics/mine", Request("zonal-statistics", "mine")
RESULT = {"manifest": "s3://protected/result.json", "downloaded": 7}


class Desk:
    """A worker, and a run that is queued."""

    def __init__(self, folder: Path) -> None:
        self.queues, self.worked, self.time = Queues(), 0, 1_700_000_000.0
        self.workflows = Executions()
        self.edges: Edges = replace(wire_folder(folder, {}), now=lambda: self.time)
        runs.start(self.edges, self.workflows, "zonal-statistics", INPUTS, "mine")
        self.worker = Worker(self.edges, self.queues, self.task, name="me")
        self.work: Callable[[TaskControl], Mapping[str, Any]] = lambda control: RESULT

    def task(self, event: Mapping[str, Any], control: TaskControl) -> Mapping[str, Any]:
        self.worked += 1
        return self.work(control)

    def handle(self, number: int = 1) -> list[str]:
        """Give the worker the message of a run, and return what happened to it."""
        task = {"config": {"subject": KEY, "run": number}, "input": {"url": "s3://internal/x"}}
        self.queues.done = []
        self.worker.handle(Message("ingest", "receipt", "", "token", task))
        return self.queues.done

    def change(self, step: Callable[[Entry], Entry | None]) -> None:
        stored = self.edges.index.entry(SUBJECT)
        assert stored is not None
        following = step(stored)
        assert following is not None
        self.edges.index.put(following)

    @property
    def run(self) -> runs.Run:
        return runs.find(self.edges, KEY)

    def kept(self) -> State:
        """The state in S3, from which the index is rebuilt."""
        return record.read_entry(self.edges, record.entry_url(self.edges, SUBJECT)).state


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_queued_run_is_worked_on_ended_and_answered(desk: Desk) -> None:
    assert desk.handle() == ["succeed", "delete"]
    run = desk.run
    assert (run.state, run.attempt, run.output, run.downloaded) == (State.succeeded, 1, RESULT["manifest"], 7)
    assert run.started == run.ended == "2023-11-14T22:13:20.000+00:00"
    assert desk.kept() is State.succeeded


def test_a_message_that_comes_twice_is_worked_on_once(desk: Desk) -> None:
    desk.handle()
    assert desk.handle() == ["succeed", "delete"]
    assert desk.worked == 1


def test_a_failure_is_recorded_and_answered(desk: Desk) -> None:
    def fails(control: TaskControl) -> Mapping[str, Any]:
        raise ArchiveError("is cut", where="a.tgz")

    desk.work = fails
    assert desk.handle() == ["fail ArchiveError", "delete"]
    assert str(desk.run.failure) == "ArchiveError: a.tgz: is cut"
    assert desk.kept() is State.failed


def test_a_defect_fails_the_run_and_the_worker_goes_on(desk: Desk) -> None:
    def fails(control: TaskControl) -> Mapping[str, Any]:
        raise ZeroDivisionError

    desk.work = fails
    assert desk.handle() == ["fail ZeroDivisionError", "delete"]


def test_what_another_worker_has_is_held_until_its_claim_would_run_out(desk: Desk) -> None:
    desk.change(lambda e: lifecycle.claim(e, e.run, "other", "t", lease=desk.time + 60, now=desk.time))
    assert desk.handle() == ["hold 61"]
    assert desk.worked == 0


def test_what_a_dead_worker_had_is_taken_up(desk: Desk) -> None:
    desk.change(lambda e: lifecycle.claim(e, e.run, "dead", "t", lease=desk.time - 1, now=desk.time - 60))
    assert desk.handle() == ["succeed", "delete"]
    assert desk.run.attempt == 2


def test_what_killed_three_workers_is_buried(desk: Desk) -> None:
    for at in (desk.time - 180, desk.time - 120, desk.time - 60):
        desk.change(lambda e, at=at: lifecycle.claim(e, e.run, "dead", "t", lease=at + 30, now=at))  # type: ignore[misc]
    assert desk.handle() == ["fail WorkerLost", "bury"]
    assert desk.worked == 0
    assert desk.run.failure
    assert desk.run.failure.type == "WorkerLost"


def test_a_stopped_run_is_not_begun(desk: Desk) -> None:
    runs.stop(desk.edges, desk.workflows, KEY)
    assert desk.handle() == ["fail Cancelled", "delete"]
    assert desk.worked == 0


def test_a_message_of_an_older_run_is_void(desk: Desk) -> None:
    runs.stop(desk.edges, desk.workflows, KEY)
    runs.rerun(desk.edges, desk.workflows, KEY)
    assert desk.handle(1) == ["fail Cancelled", "delete"]
    assert desk.handle(2) == ["succeed", "delete"]
    assert desk.worked == 1


def test_a_running_worker_notices_a_stop_within_its_heartbeat(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "HEARD_SECONDS", 0.01)

    def works(control: TaskControl) -> Mapping[str, Any]:
        runs.stop(desk.edges, desk.workflows, KEY, "stopped by me")
        assert control.cancelled.wait(30), "nobody told it"
        raise HandedBack("told to stop")

    desk.work = works
    assert desk.handle() == [], "its message comes again, and is deleted then"
    assert (desk.run.state, desk.run.reason) == (State.cancelled, "stopped by me")
    assert desk.handle() == ["fail Cancelled", "delete"]


def test_a_result_that_comes_after_a_stop_does_not_count(desk: Desk) -> None:
    def works(control: TaskControl) -> Mapping[str, Any]:
        runs.stop(desk.edges, desk.workflows, KEY)
        assert control.claimed is not None
        assert not control.claimed()
        return RESULT

    desk.work = works
    desk.handle()
    assert (desk.run.state, desk.run.output) == (State.cancelled, None)


def test_a_worker_that_is_told_to_stop_hands_the_run_back(desk: Desk) -> None:
    def works(control: TaskControl) -> Mapping[str, Any]:
        desk.worker.stop()
        assert control.cancelled.wait(30)
        raise HandedBack("told to stop")

    desk.work = works
    assert desk.handle() == ["hold 0"]
    assert (desk.run.state, desk.run.attempt) == (State.queued, 0)


def test_a_message_that_names_no_request_is_buried(desk: Desk) -> None:
    for subject in ("viirs/001/2015-01/g", "request:x", 7):
        desk.queues.done = []
        task: Any = {"config": {"subject": subject, "run": 1}, "input": {"url": "x"}}
        desk.worker.handle(Message("ingest", "r", "", "token", task))
        assert desk.queues.done == ["fail UsageError", "bury"]


def test_of_two_workers_that_race_one_does_it(desk: Desk) -> None:
    others = [Worker(desk.edges, Queues(), desk.task, name=f"w{number}") for number in range(8)]
    task = {"config": {"subject": KEY, "run": 1}, "input": {"url": "s3://internal/x"}}
    desk.work = lambda control: time.sleep(0.05) or RESULT
    message = Message("ingest", "receipt", "", "token", task)
    threads = [threading.Thread(target=worker.handle, args=(message,)) for worker in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert desk.worked == 1
