"""What a payload asks of AWS: what is at hand is not read again, and no copy goes backwards."""

import json
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from pileus.edges.workflows import Outcome, StepFunctions
from pileus.errors import StoreError, Unknown
from pileus.models import State
from pileus.runs import control, record
from pileus.tasks.report_status import report_status
from spec.unit.payload_runs_spec import EXECUTIONS, ID, KEY, PAYLOAD, SUBJECT, Office


@dataclass
class Counted:
    """An edge that counts the calls of its methods."""

    edge: Any
    calls: Counter[str]

    def __getattr__(self, name: str) -> Any:
        self.calls[name] += 1
        return getattr(self.edge, name)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def tell(office: Office, **told: Any) -> None:
    """Deliver the event of the first execution."""
    detail = {"executionArn": office.arn(), **told}
    event = {"detail-type": "Step Functions Execution Status Change", "detail": detail}
    report_status(office.edges, office.workflows, event)


def test_a_payload_takes_twelve_calls_from_the_queue_to_its_end(office: Office) -> None:
    """Index: claim, run, end. S3: input, copy; output, copy. The workflow is there, and is started. Each reads once."""
    calls: Counter[str] = Counter()
    edges, counted = office.edges, Counted(office.workflows, calls)
    office.edges = replace(edges, index=Counted(edges.index, calls), store=Counted(edges.store, calls))
    office.workflows = counted  # type: ignore[assignment]
    office.hand_in()
    assert calls == {"entry": 1, "put": 2, "swap": 2, "exists": 1, "start": 1}
    calls.clear()
    ended = {"status": "SUCCEEDED", "input": json.dumps(PAYLOAD | {"id": ID}), "output": json.dumps(PAYLOAD)}
    arn = str(edges.index.entry(SUBJECT).extra["executions"][0])  # type: ignore[union-attr]
    event = {"detail-type": "Step Functions Execution Status Change", "detail": {"executionArn": arn, **ended}}
    report_status(office.edges, counted, event)  # type: ignore[arg-type]
    assert calls == {"entry": 1, "put": 2, "swap": 1}, "the output goes into S3, the end into the index"


def test_an_event_without_what_is_long_is_looked_up(office: Office) -> None:
    office.hand_in()
    office.workflows.ended[office.arn()] = Outcome("SUCCEEDED", json.dumps(PAYLOAD | {"long": True}))
    tell(office, status="SUCCEEDED", input=None, output=None)
    assert office.state == "SUCCEEDED"
    assert json.loads(office.edges.store.get(str(office.entry.manifest)))["long"]


def copied(office: Office) -> State:
    return record.read_entry(office.edges, record.entry_url(office.edges, SUBJECT)).state


def test_the_copy_follows_the_run(office: Office) -> None:
    office.hand_in()
    assert copied(office) is State.queued, "it is copied before its execution begins"
    office.end()
    assert copied(office) is State.succeeded
    office.hand_in(replace=True)
    office.end("FAILED", number=2)
    assert copied(office) is State.failed


@pytest.mark.parametrize("late", ["queued", "running"])
def test_a_slow_writer_leaves_a_newer_copy(office: Office, late: str) -> None:
    """It stored its entry, slept, and copies it only when the run has ended and was copied."""
    seen = []
    put = office.edges.index.put
    office.edges = replace(office.edges, index=Watched(office.edges.index, put, seen))
    office.hand_in()
    office.end()
    slow = next(entry for entry in seen if str(entry.state) == late)
    record.keep_stored(office.edges, slow)
    assert copied(office) is State.succeeded


@dataclass
class Watched:
    index: Any
    store: Any
    seen: list[Any]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.index, name)

    def put(self, entry: Any) -> Any:
        self.seen.append(self.store(entry))
        return self.seen[-1]


def test_a_copy_that_was_not_written_is_written_when_the_end_is_told_again(office: Office) -> None:
    """Who ended the run died before it could copy the entry."""
    office.hand_in()
    office.end()
    office.edges.store.delete(record.entry_url(office.edges, SUBJECT))
    office.tell("SUCCEEDED")
    assert copied(office) is State.succeeded
    assert office.events.count("SUCCEEDED") == 1


def test_one_whose_starter_died_before_the_start_is_begun_by_who_looks(office: Office) -> None:
    office.workflows.start = broken  # type: ignore[method-assign]
    with pytest.raises(StoreError):
        office.hand_in()
    assert (office.state, copied(office)) == ("CLAIMED", State.queued)
    del office.workflows.start  # type: ignore[attr-defined]
    assert control.settle(office.edges, office.workflows, KEY).state is State.running
    office.end()
    assert copied(office) is State.succeeded


def broken(*_: object) -> str:
    raise StoreError("the network is gone")


def test_one_whose_workflow_was_removed_since_it_was_seen_has_failed(office: Office) -> None:
    office.workflows.start = removed  # type: ignore[method-assign]
    with pytest.raises(Unknown, match="no workflow 'publish'"):
        office.hand_in()
    assert (office.state, copied(office)) == ("FAILED", State.failed)
    assert office.events[-1] == "FAILED"
    del office.workflows.start  # type: ignore[attr-defined]
    assert office.hand_in().started


def removed(workflow: str, *_: object) -> str:
    raise Unknown(f"the stack has no workflow {workflow!r}")


def test_a_workflow_is_looked_for_until_it_was_seen_and_again_after_it_was_removed() -> None:
    client = Machines()
    workflows = StepFunctions(lambda: client, f"{EXECUTIONS}")  # type: ignore[arg-type,return-value]
    assert [workflows.exists("publish") for _ in range(3)] == [True] * 3
    assert client.asked == 1
    client.there = False
    with pytest.raises(Unknown):
        workflows.start("publish", "a", {})
    assert not workflows.exists("publish")
    client.there = True
    assert workflows.exists("publish")


class Machines:
    """A client of Step Functions with one state machine, which may be gone."""

    there, asked = True, 0

    def describe_state_machine(self, **_: object) -> dict[str, str]:
        self.asked += 1
        self._look()
        return {"definition": "{}"}

    def start_execution(self, **_: object) -> dict[str, str]:
        self._look()
        return {"executionArn": "arn"}

    def _look(self) -> None:
        if not self.there:
            raise StoreError("State Machine Does Not Exist", code="StateMachineDoesNotExist")
