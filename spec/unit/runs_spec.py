"""Runs of requests: start, stop, rerun, list and their ends, over an index in memory and no AWS."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from pileus import lifecycle, runs
from pileus.edges.dead_letters import DeadLetter
from pileus.edges.index import MemoryIndex
from pileus.errors import Conflict, DocumentError, NotFound, UsageError
from pileus.lifecycle.partition import Entry, Failure
from pileus.models import Partition, State
from pileus.runs import control, executions, record
from pileus.runs.end import execution_ended, fail
from pileus.runs.owned import End
from pileus.subject import Request
from pileus.tasks.report_status import report_status
from pileus.wiring import Edges, wire_folder
from spec.support.runs import INPUTS, Executions

PROCESS, KEY = "zonal-statistics", "request:zonal-statistics/mine"
SUBJECT = Request(PROCESS, "mine")


@dataclass
class Office:
    """Edges without AWS, and a clock that is moved by hand."""

    folder: Path
    time: float = 1_700_000_000.0
    workflows: Executions = field(default_factory=Executions)

    def __post_init__(self) -> None:
        self.edges: Edges = replace(wire_folder(self.folder, {}), now=lambda: self.time)

    def start(self, id: str | None = "mine", **changes: Any) -> runs.Run:
        return runs.start(self.edges, self.workflows, PROCESS, INPUTS | changes, id)

    def change(self, step: Any) -> Entry:
        stored = self.edges.index.entry(SUBJECT)
        following = step(stored)
        assert following is not None
        return self.edges.index.put(following)

    def claim(self, token: str = "t") -> Entry:
        now = self.time
        return self.change(lambda e: lifecycle.claim(e, e.run, "w", token, lease=now + 60, now=now))

    def finish(self, state: State, **facts: Any) -> Entry:
        self.claim()
        return self.change(lambda e: lifecycle.finish(e, "t", state, now=self.time, **facts))


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def test_a_start_writes_the_input_queues_the_run_and_begins_one_execution(office: Office) -> None:
    run = office.start()
    assert (run.key, run.state, run.number, run.kind, run.process) == (KEY, State.queued, 1, "request", PROCESS)
    assert (run.created, run.started, run.ended, run.output) == ("2023-11-14T22:13:20.000+00:00", None, None, None)
    document = json.loads(office.edges.store.get(run.input))
    assert document == {"process": PROCESS, "version": "1.0.0", "inputs": INPUTS}
    (value,) = office.workflows.started.values()
    assert value["task"] == {"config": {"subject": KEY, "run": 1}, "input": {"url": run.input}}


def test_the_same_id_and_input_start_it_once(office: Office) -> None:
    first = office.start()
    assert office.start() == first
    office.finish(State.succeeded, manifest="s3://x")
    assert office.start().state is State.succeeded, "what has ended is not done again"
    assert list(office.workflows.started) == ["RunProcess:zonal-statistics_mine_1"]


def test_another_input_under_the_same_id_is_a_conflict(office: Office) -> None:
    office.start()
    with pytest.raises(Conflict, match="another input"):
        office.start(stats=["mean"])


def test_the_same_input_is_the_same_after_the_process_has_another_version(office: Office) -> None:
    first = office.start()
    document = json.loads(office.edges.store.get(first.input)) | {"version": "0.9.0"}
    office.edges.store.put(first.input, json.dumps(document).encode())
    assert office.start() == first


def test_fifty_racing_starters_make_one_run_and_one_execution(office: Office) -> None:
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: office.start(), range(50)))
    assert {(run.key, run.run, run.state) for run in found} == {(KEY, f"{KEY}/1", State.queued)}
    assert len(office.workflows.started) == 1


def test_a_starter_that_died_before_its_execution_is_made_good_by_the_next(office: Office) -> None:
    record.write_input(office.edges, SUBJECT, {"process": PROCESS, "version": "1.0.0", "inputs": INPUTS})
    office.edges.index.put(Entry(SUBJECT, State.queued, f"{KEY}/1"))
    office.start()
    assert len(office.workflows.started) == 1


def test_what_nobody_recorded_of_a_start_or_an_end_is_made_good_by_who_looks(office: Office) -> None:
    record.write_input(office.edges, SUBJECT, {"process": PROCESS, "version": "1.0.0", "inputs": INPUTS})
    office.edges.index.put(Entry(SUBJECT, State.queued, f"{KEY}/1"))
    assert runs.settle(office.edges, office.workflows, KEY).state is State.queued
    (execution,) = office.workflows.started
    office.claim()
    assert runs.settle(office.edges, office.workflows, KEY).state is State.running
    office.workflows.stop(execution, "by hand")
    assert runs.settle(office.edges, office.workflows, KEY).state is State.cancelled
    partition = Partition("viirs", "001", "2015-01", "g")
    office.edges.index.put(Entry(partition, State.queued, "b/1"))
    assert runs.settle(office.edges, office.workflows, partition.key).state is State.queued
    assert len(office.workflows.started) == 1


def test_an_id_is_made_where_none_is_given_and_later_ones_come_first(office: Office) -> None:
    first = office.start(None)
    office.time += 1
    second = office.start(None)
    assert [run.key for run in runs.list(office.edges, PROCESS).runs] == [second.key, first.key]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"stats": ["maen"]}, "unknown statistic 'maen'"),
        ({"rastres": []}, "rastres: unknown field; did you mean rasters"),
        ({"rasters": []}, "expected either rasters, or collection with periods"),
        ({"collection": "viirs"}, "expected either rasters, or collection with periods"),
        ({"rasters": [], "collection": "viirs"}, "periods: required with collection"),
        ({"rasters": ["file:///etc/passwd"]}, r"rasters\[0\]: expected an address that begins with http://"),
        ({"rasters": ["https://me:pw@x.org/a.tif"]}, r"rasters\[0\]: expected an address without a user's name"),
        ({"zones": "/etc/passwd"}, "zones: expected an address"),
        ({"zones": {"type": "Feature"}}, "zones: expected a GeoJSON FeatureCollection"),
        ({"zones": {"type": "FeatureCollection", "features": []}}, "zones: expected a GeoJSON FeatureCollection"),
        ({"range": [5, 1]}, "range: no value lies in it"),
        ({"coverage": "some"}, "coverage: "),
    ],
)
def test_wrong_inputs_are_refused_with_their_path_and_nothing_is_written(
    office: Office, changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(DocumentError, match=told):
        office.start(**changes)
    assert not list(office.edges.store.list("s3://internal/"))
    assert not office.workflows.started


def test_inputs_that_are_too_large_are_refused(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "LARGEST", 100)
    with pytest.raises(UsageError, match="give zones by their address"):
        office.start()


def test_an_unknown_process_has_near_names(office: Office) -> None:
    with pytest.raises(UsageError, match="did you mean zonal-statistics"):
        runs.start(office.edges, office.workflows, "zonal-statistic", INPUTS)


def test_a_stop_cancels_at_once_and_then_stops_the_execution(office: Office) -> None:
    office.start()
    office.claim()
    stopped = runs.stop(office.edges, office.workflows, KEY, "stopped by me")
    assert (stopped.state, stopped.reason) == (State.cancelled, "stopped by me")
    (arn,) = office.workflows.stopped
    assert executions.run_of(*arn.split(":")) == (SUBJECT, 1)
    entry = office.edges.index.entry(SUBJECT)
    assert entry is not None
    assert not lifecycle.claimed(entry, "t"), "the worker's claim is gone"
    assert runs.stop(office.edges, office.workflows, KEY).state is State.cancelled, "again is no error"


def test_what_has_ended_is_not_stopped(office: Office) -> None:
    office.start()
    office.finish(State.succeeded)
    with pytest.raises(Conflict, match="is succeeded"):
        runs.stop(office.edges, office.workflows, KEY)


def test_a_rerun_is_the_next_run_of_the_same_input(office: Office) -> None:
    office.start()
    office.finish(State.failed, failure=Failure("Busy", "503"))
    run = runs.rerun(office.edges, office.workflows, KEY)
    assert (run.number, run.state, run.failure, run.attempt) == (2, State.queued, None, 0)
    assert list(office.workflows.started) == [
        "RunProcess:zonal-statistics_mine_1",
        "RunProcess:zonal-statistics_mine_2",
    ]


def test_racing_reruns_make_one(office: Office) -> None:
    office.start()
    office.finish(State.failed)

    def again(_: int) -> int | None:
        try:
            return runs.rerun(office.edges, office.workflows, KEY).number
        except Conflict:
            return None  # it had begun already

    with ThreadPoolExecutor(16) as pool:
        numbers = set(pool.map(again, range(50)))
    assert numbers - {None} == {2}
    assert len(office.workflows.started) == 2


def test_what_goes_on_is_not_run_again(office: Office) -> None:
    office.start()
    with pytest.raises(Conflict, match="is queued"):
        runs.rerun(office.edges, office.workflows, KEY)


def test_the_result_of_an_earlier_run_is_not_that_of_a_later_one(office: Office) -> None:
    office.start()
    office.finish(State.succeeded, manifest="s3://protected/old.json")
    assert runs.rerun(office.edges, office.workflows, KEY).output is None
    with pytest.raises(Conflict, match="has no result"):
        runs.result(office.edges, KEY)


def test_where_there_is_no_run_there_is_none(office: Office) -> None:
    for ask in (runs.find, runs.result, runs.rows):
        with pytest.raises(NotFound):
            ask(office.edges, KEY)
    for act in (runs.stop, runs.rerun):
        with pytest.raises(NotFound):
            act(office.edges, office.workflows, KEY)


def test_a_failure_is_told_where_a_result_is_asked_for(office: Office) -> None:
    office.start()
    office.finish(State.failed, failure=Failure("Corrupt", "is cut", "a.tif"))
    with pytest.raises(Conflict, match=r"is failed and has no result: Corrupt: a\.tif: is cut"):
        runs.result(office.edges, KEY)


def test_pages_follow_each_other_and_a_state_is_looked_for_through_them(office: Office) -> None:
    for number in range(7):
        office.start(f"r{number}")
    office.edges.index.put(replace(_entry(office, "r3"), state=State.failed))
    pages, after = [], None
    while True:
        page = runs.list(office.edges, PROCESS, limit=3, after=after)
        pages.append([run.key[-2:] for run in page.runs])
        after = page.after
        if after is None:
            break
    assert pages == [["r6", "r5", "r4"], ["r3", "r2", "r1"], ["r0"]]
    assert [run.key[-2:] for run in runs.list(office.edges, PROCESS, state=State.failed, limit=2).runs] == ["r3"]


def _entry(office: Office, id: str) -> Entry:
    found = office.edges.index.entry(Request(PROCESS, id))
    assert found is not None
    return found


def test_partitions_are_runs_too(office: Office) -> None:
    partition = Partition("viirs", "001", "2015-01", "g")
    office.edges.index.put(Entry(partition, State.succeeded, "b/3", manifest="s3://protected/m.json", attempt=2))
    office.edges.store.put("s3://protected/m.json", b'{"outputs": []}')
    run = runs.find(office.edges, partition.key)
    assert (run.kind, run.run, run.number, run.attempt, run.output) == (
        "partition", "b/3", 3, 2, "s3://protected/m.json",
    )  # fmt: skip
    assert run.input == "s3://internal/backfills/b/run-3/groups/2015-01.json"
    assert runs.result(office.edges, partition.key) == {"outputs": []}
    assert runs.list(office.edges, "viirs/001/2015").runs == (run,)
    with pytest.raises(UsageError, match="pileus cancel"):
        runs.stop(office.edges, office.workflows, partition.key)


def test_the_workflows_failure_ends_the_run_once(office: Office) -> None:
    task = office.start() and {"config": {"subject": KEY, "run": 1}, "input": {"url": "s3://internal/x"}}
    error = {"Error": "States.HeartbeatTimeout", "Cause": ""}
    event = {"config": {"event": "run_failed", "task": task}, "input": error}
    assert report_status(office.edges, office.workflows, event) == {"run": KEY, "state": "failed"}
    failure = runs.find(office.edges, KEY).failure
    assert failure == Failure("States.HeartbeatTimeout", "no worker answered in time")
    office.change(lambda e: lifecycle.queue(e, replace(e, run=f"{KEY}/2"), now=office.time, live=False))
    assert report_status(office.edges, office.workflows, event)["state"] == "queued", (
        "a late event leaves the next run alone"
    )


@pytest.mark.parametrize(("status", "state"), [("ABORTED", "cancelled"), ("FAILED", "failed"), ("TIMED_OUT", "failed")])
def test_an_execution_that_was_ended_in_step_functions_ends_the_run(office: Office, status: str, state: str) -> None:
    office.start()
    edges = replace(office.edges, stack=replace(office.edges.stack, workflows="arn:aws:states:r:0:stateMachine:p-"))
    arn = "arn:aws:states:r:0:execution:p-RunProcess:zonal-statistics_mine_1"
    detail = {"executionArn": arn, "status": status}
    event = {"detail-type": "Step Functions Execution Status Change", "detail": detail}
    assert report_status(edges, office.workflows, event) == {"run": KEY, "state": state}
    assert report_status(edges, office.workflows, event) == {"run": KEY, "state": state}


EVENTS: dict[str, Any] = {
    "claim by w1": lambda e: lifecycle.claim(e, f"{KEY}/1", "w1", "w1", lease=30, now=5),
    "claim by w2": lambda e: lifecycle.claim(e, f"{KEY}/1", "w2", "w2", lease=30, now=50),
    "w1 succeeds": lambda e: lifecycle.finish(e, "w1", State.succeeded, now=5, manifest="m"),
    "w2 fails": lambda e: lifecycle.finish(e, "w2", State.failed, now=5, failure=Failure("X", "x")),
    "stop": lambda e: lifecycle.stop(e, f"{KEY}/1", "by me", now=5),
    "time-out": lambda e: lifecycle.give_up(e, f"{KEY}/1", Failure("States.Timeout", "late"), now=5),
}
RANK = {State.queued: 0, State.running: 1, State.succeeded: 2, State.failed: 2, State.cancelled: 2}


@pytest.mark.parametrize("order", list(permutations(EVENTS)), ids=lambda order: " > ".join(order))
def test_no_order_or_repetition_of_events_moves_a_run_backwards(order: tuple[str, ...]) -> None:
    index = MemoryIndex()
    queued = lifecycle.queue(None, Entry(SUBJECT, State.planned, f"{KEY}/1"), now=0, live=False)
    assert queued is not None
    entry = index.put(queued)
    for name in order + order:
        following = EVENTS[name](entry)
        if following is None:
            continue
        assert RANK[following.state] >= RANK[entry.state], name
        assert not entry.state.ended, f"{name} came after the end"
        entry = index.put(following)
    assert entry.state.ended


def test_a_lost_index_is_read_from_s3_and_what_had_not_ended_goes_on(office: Office) -> None:
    office.start("done")
    office.edges.index.put(replace(_entry(office, "done"), state=State.succeeded, manifest="s3://protected/r.json"))
    record.keep(office.edges, Request(PROCESS, "done"))
    office.start("queued")
    office.start("made")
    made = record.output_url(office.edges, Request(PROCESS, "made"), 1, "result.json")
    office.edges.store.put(made, b"{}")
    empty = replace(office.edges, index=MemoryIndex())
    office.workflows, lines = Executions(), list[str]()
    control.recover(empty, office.workflows, lines.append)
    found = {run.key.rpartition("/")[2]: (run.state, run.number, run.output) for run in runs.list(empty, PROCESS).runs}
    assert found == {
        "done": (State.succeeded, 1, "s3://protected/r.json"),
        "made": (State.succeeded, 1, made),
        "queued": (State.queued, 2, None),
    }
    assert list(office.workflows.started) == ["RunProcess:zonal-statistics_queued_2"]
    assert lines == ["going on with run request:zonal-statistics/queued"]


def test_a_damaged_copy_keeps_no_other_from_recovery(office: Office) -> None:
    office.start("a")
    office.start("b")
    office.edges.store.put(record.entry_url(office.edges, Request(PROCESS, "a")), b"{")
    empty, lines = replace(office.edges, index=MemoryIndex()), list[str]()
    control.recover(empty, office.workflows, lines.append)
    assert [run.key[-1] for run in runs.list(empty, PROCESS).runs] == ["b"]
    assert "left out" in lines[0]


@pytest.mark.parametrize(
    ("task", "asked", "partition"),
    [
        ({"config": {"subject": KEY, "run": 1}, "input": {"url": "s3://internal/x"}}, KEY, None),
        ({"config": {"partition": "v/001/2015-01/g", "backfill": "b", "run": 1}, "input": {}}, None, "v/001/2015-01/g"),
        ({"config": {"subject": "request:x"}}, None, None),
        ([], None, None),
    ],
)
def test_a_dead_letter_tells_what_it_is_about(task: Any, asked: str | None, partition: str | None) -> None:
    letter = DeadLetter("id", "ingest", "receipt", json.dumps({"token": "t", "task": task}), 0)
    assert (letter.request, letter.partition, letter.key) == (asked, partition, asked or partition)


def test_an_end_that_comes_late_leaves_the_next_run_alone(office: Office) -> None:
    office.start()
    office.finish(State.failed)
    runs.rerun(office.edges, office.workflows, KEY)
    fail(office.edges, SUBJECT, 1, Failure("Late", "late"))
    execution_ended(office.edges, office.workflows, SUBJECT, 1, None, End("ABORTED"))
    assert runs.find(office.edges, KEY).state is State.queued
