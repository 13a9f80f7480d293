"""Runs of workflows over documents: start, end, and their events in any order, over an index in memory and no AWS."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from pileus import runs
from pileus.edges.index import MemoryIndex
from pileus.edges.workflows import Outcome
from pileus.errors import Conflict, NotFound, Unknown, UsageError
from pileus.lifecycle.partition import Entry
from pileus.models import State
from pileus.runs import control, record
from pileus.runs.executions import LONGEST, arn_of
from pileus.subject import Execution
from pileus.tasks.report_status import report_status
from pileus.wiring import Edges, wire_folder
from spec.support.runs import Executions

KEY, SUBJECT = "workflow:SyncGranules/mine", Execution("SyncGranules", "mine")
DOCUMENT: dict[str, Any] = {"payload": {"granules": []}}
MACHINES = "arn:aws:states:r:0:stateMachine:p-"


class Machines(Executions):
    """Executions whose ARNs are as those of Step Functions."""

    def start(self, workflow: str, name: str, value: Any) -> str:
        return super().start(f"{MACHINES.replace('stateMachine', 'execution')}{workflow}", name, value)


@dataclass
class Office:
    """Edges without AWS, and executions that end by hand."""

    folder: Path
    workflows: Machines = field(default_factory=Machines)

    def __post_init__(self) -> None:
        edges = wire_folder(self.folder, {})
        self.edges: Edges = replace(edges, stack=replace(edges.stack, workflows=MACHINES))

    def start(self, document: dict[str, Any] = DOCUMENT, id: str | None = "mine") -> runs.Run:
        return runs.start_workflow(self.edges, self.workflows, "SyncGranules", document, id)

    def queued(self) -> Entry:
        """Leave what a starter leaves that died before its execution began."""
        record.write_input(self.edges, SUBJECT, DOCUMENT)
        return self.edges.index.put(Entry(SUBJECT, State.queued, f"{KEY}/1"))

    def end(self, status: Any = "SUCCEEDED", number: int = 1, output: str = '{"made": 3}') -> None:
        made = output if status == "SUCCEEDED" else None
        why = ("Boom", "it broke") if status == "FAILED" else ()
        self.workflows.ended[arn_of(self.edges, SUBJECT, number)] = Outcome(status, made, *why)

    def tell(self, status: str = "SUCCEEDED", number: int = 1) -> dict[str, Any]:
        """Deliver the event of EventBridge about an end."""
        detail = {"executionArn": arn_of(self.edges, SUBJECT, number), "status": status}
        detail |= {"error": "Boom", "cause": "it broke"} if status == "FAILED" else {}
        event = {"detail-type": "Step Functions Execution Status Change", "detail": detail}
        return report_status(self.edges, self.workflows, event)

    def find(self) -> runs.Run:
        return runs.find(self.edges, KEY)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def test_a_cumulus_message_names_the_execution_that_it_is_handed_to(office: Office) -> None:
    """Of each run, whatever it said; what was given is kept as it is."""
    given = {"cumulus_meta": {"execution_name": "x", "execution_arn": "y", "system_bucket": "b"}, "payload": {}}
    office.start(given)
    office.end()
    runs.settle(office.edges, office.workflows, KEY)
    runs.rerun(office.edges, office.workflows, KEY)
    first, second = (one["cumulus_meta"] for one in office.workflows.started.values())
    assert first == {
        "execution_name": "run_mine_1",
        "execution_arn": arn_of(office.edges, SUBJECT, 1),
        "state_machine": f"{MACHINES}SyncGranules",
        "system_bucket": "b",
    }
    assert second["execution_name"] == "run_mine_2"
    assert record.read_document(office.edges, record.input_url(office.edges, SUBJECT)) == given


def test_a_workflow_gets_the_document_as_it_is_and_its_execution_has_the_run(office: Office) -> None:
    run = office.start()
    assert (run.key, run.kind, run.state, run.number, run.attempt) == (KEY, "workflow", State.running, 1, 1)
    assert json.loads(office.edges.store.get(run.input)) == DOCUMENT
    assert office.workflows.started == {"arn:aws:states:r:0:execution:p-SyncGranules:run_mine_1": DOCUMENT}


def test_its_end_keeps_what_it_put_out(office: Office) -> None:
    office.start()
    office.end()
    assert office.tell() == {"run": KEY, "state": "succeeded"}
    run = office.find()
    assert (run.state, run.output) == (State.succeeded, "s3://protected/executions/SyncGranules/mine/run-1/result.json")
    assert runs.result(office.edges, KEY) == {"made": 3}
    with pytest.raises(NotFound, match="makes no rows"):
        runs.rows(office.edges, KEY)


def test_a_failure_has_its_error(office: Office) -> None:
    office.start()
    office.end("FAILED")
    office.tell("FAILED")
    run = office.find()
    assert (run.state, str(run.failure)) == (State.failed, "Boom: it broke")
    with pytest.raises(Conflict, match="has no result: Boom: it broke"):
        runs.result(office.edges, KEY)


def test_an_end_that_is_told_before_the_start_was_recorded_counts(office: Office) -> None:
    office.queued()
    office.end()
    office.tell()
    assert (office.find().state, office.find().attempt) == (State.succeeded, 1)


def test_an_end_that_nobody_told_is_found_by_who_looks(office: Office) -> None:
    office.start()
    assert runs.settle(office.edges, office.workflows, KEY).state is State.running
    office.end("FAILED")
    run = runs.settle(office.edges, office.workflows, KEY)
    assert (run.state, str(run.failure)) == (State.failed, "Boom: it broke")
    runs.rerun(office.edges, office.workflows, KEY)
    office.end(number=2)
    assert runs.settle(office.edges, office.workflows, KEY).state is State.succeeded
    assert runs.result(office.edges, KEY) == {"made": 3}


def test_who_looks_at_a_run_that_goes_on_changes_nothing(office: Office) -> None:
    started = office.start()
    assert [runs.settle(office.edges, office.workflows, KEY) for _ in range(2)] == [started, started]


def test_a_late_success_of_the_run_before_writes_nothing_down(office: Office) -> None:
    office.start()
    office.end("FAILED")
    office.tell("FAILED")
    runs.rerun(office.edges, office.workflows, KEY)
    granules = {"granules": [{"granuleId": "old", "files": []}]}
    message = {"meta": {"collection": {"name": "lights", "version": "001"}}, "payload": granules}
    office.end(output=json.dumps(message))
    office.tell()
    assert not list(office.edges.store.list("s3://internal/granules/"))
    assert not list(office.edges.store.list("s3://protected/executions/"))
    office.end(number=2, output=json.dumps(message))
    office.tell(number=2)
    assert len(list(office.edges.store.list("s3://internal/granules/"))) == 1


def test_a_starter_that_died_is_made_good_by_who_looks(office: Office) -> None:
    office.queued()
    assert runs.settle(office.edges, office.workflows, KEY).state is State.running
    assert len(office.workflows.started) == 1


EVENTS = [("SUCCEEDED", 1), ("FAILED", 1), ("ABORTED", 1), ("SUCCEEDED", 2)]


@pytest.mark.parametrize("order", [*permutations(EVENTS)], ids=str)
def test_no_order_of_late_events_moves_a_later_run(office: Office, order: tuple[tuple[str, int], ...]) -> None:
    office.start()
    office.end("FAILED")
    office.tell("FAILED")
    runs.rerun(office.edges, office.workflows, KEY)
    office.end(number=2)
    seen = []
    for status, number in order:
        office.tell(status, number)
        seen.append(office.find().state)
    assert office.find().number == 2
    own = order.index(("SUCCEEDED", 2))
    assert seen == [State.running] * own + [State.succeeded] * (len(order) - own)


def test_fifty_racing_starters_make_one_execution(office: Office) -> None:
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: office.start(), range(50)))
    assert {(run.key, run.number, run.attempt, run.state) for run in found} == {(KEY, 1, 1, State.running)}
    assert len(office.workflows.started) == 1


def test_another_document_under_the_same_id_is_a_conflict(office: Office) -> None:
    first = office.start()
    assert office.start() == first
    with pytest.raises(Conflict, match="another input"):
        office.start({"payload": 2})


def test_a_run_is_stopped_with_its_execution_and_a_late_success_changes_nothing(office: Office) -> None:
    office.start()
    assert runs.stop(office.edges, office.workflows, KEY).state is State.cancelled
    assert office.workflows.stopped == [arn_of(office.edges, SUBJECT, 1)]
    office.end()
    assert office.tell()["state"] == "cancelled"


@pytest.mark.parametrize(
    ("workflow", "document", "wrong"),
    [
        ("RunProcess", {}, "takes no document: `pileus runs start PROCESS`"),
        ("DiscoverAndProcessGranules", {}, "takes no document: `pileus backfill`"),
        ("A b", {}, "expected up to 80 letters"),
        ("Sync", {"x": "y" * LONGEST}, "262,144 are the most"),
    ],
    ids=["of a process", "of a backfill", "no name", "too large"],
)
def test_what_cannot_be_carried_out_is_refused_before_anything_is_written(
    office: Office, workflow: str, document: dict[str, Any], wrong: str
) -> None:
    with pytest.raises(UsageError, match=wrong):
        runs.start_workflow(office.edges, office.workflows, workflow, document, "x")
    assert not list(office.edges.store.list("s3://internal/executions/"))


def test_a_workflow_that_is_not_there_is_told(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Machines, "exists", lambda self, workflow: False)
    with pytest.raises(Unknown, match="no workflow 'SyncGranules'"):
        office.start()


def test_runs_of_a_workflow_are_listed_newest_first(office: Office) -> None:
    for id in ("a", "b", "c"):
        office.start(id=id)
    found = runs.list(office.edges, "workflow:SyncGranules")
    assert [run.subject.item for run in found.runs] == ["c", "b", "a"]


def test_an_index_that_was_lost_is_filled_again_and_what_went_on_is_run_again(office: Office) -> None:
    office.start()
    office.end()
    office.tell()
    office.start(id="other")
    office.edges, lines = replace(office.edges, index=MemoryIndex()), list[str]()
    office.workflows = Machines()
    control.recover(office.edges, office.workflows, lines.append)
    assert office.find().state is State.succeeded
    other = runs.find(office.edges, "workflow:SyncGranules/other")
    assert (other.state, other.number) == (State.running, 2)
    assert lines == ["going on with run workflow:SyncGranules/other"]
