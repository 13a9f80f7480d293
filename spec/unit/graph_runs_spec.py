"""Runs of graphs: their rounds, their results, and their ends, without AWS."""

import io
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import xarray

from pileus import runs
from pileus.edges.workflows import Outcome
from pileus.errors import Cancelled, Conflict, DocumentError, OperationFailed
from pileus.graphs import record
from pileus.keys import table_key
from pileus.models import Partition, State
from pileus.outputs.tables import to_parquet, with_time
from pileus.stratus.operate import operate
from pileus.subject import Request
from pileus.tasks.advance_graph import advance_graph
from pileus.tasks.process_operations import process_operations
from pileus.tasks.worker_state import TaskControl, WorkerState
from pileus.wiring import Edges, wire_folder
from spec.support.graphs import ENDPOINTS, done, messages, netcdf, numbers, three_steps, uploaded, work
from spec.support.runs import Executions

SUBJECT, KEY = Request("operations", "mine"), "request:operations/mine"


@dataclass
class Office:
    """A stack without AWS, with an uploaded file of the numbers 1 and 2."""

    folder: Path
    workflows: Executions = field(default_factory=Executions)

    def __post_init__(self) -> None:
        self.edges: Edges = replace(wire_folder(self.folder / "stack", {}), endpoints=lambda: ENDPOINTS)
        self.uri = uploaded(self.edges, netcdf(1, 2))

    def start(self, request: dict[str, Any] | None = None, id: str = "mine") -> runs.Run:
        return runs.start(self.edges, self.workflows, "operations", {"request": request or three_steps(self.uri)}, id)

    def task(self, number: int = 1) -> dict[str, Any]:
        """Return the input of an execution."""
        return dict(self.workflows.started[f"RunGraph:operations_mine_{number}"]["task"])

    def do(self, number: int = 1) -> None:
        done(self.edges, self.task(number), self.folder / "scratch")

    @property
    def run(self) -> runs.Run:
        return runs.find(self.edges, KEY)

    def result(self, name: str) -> list[float]:
        made = runs.result(self.edges, KEY)["results"]
        return numbers(self.edges.store.get(made[name]["url"]))


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def test_three_steps_return_the_third_result(office: Office) -> None:
    assert office.start().state is State.running
    office.do()
    assert office.run.state is State.succeeded
    assert list(runs.result(office.edges, KEY)["results"]) == ["r3"]
    assert office.result("r3") == [25, 35]


def test_only_what_is_wanted_is_kept(office: Office) -> None:
    office.start()
    office.do()
    assert list(record.sizes(office.edges, SUBJECT, 1)) == ["r3"]


def test_two_outputs_and_a_wave_of_several(office: Office) -> None:
    request = {
        "input": [{"name": "a:v0", "uri": office.uri}],
        "operation": [{"name": "xop:times", "input": "v0", "number": one, "result": f"m{one}"} for one in range(50)]
        + [{"name": "xop:add", "input": [f"m{one}" for one in range(50)], "result": "sum"}],
        "outputs": ["sum", "m3"],
    }
    office.start(request)
    office.do()
    assert (office.result("sum"), office.result("m3")) == ([1225, 2450], [3, 6])


def test_a_message_that_is_done_again_makes_nothing_again(office: Office) -> None:
    office.start()
    (message,) = advance_graph(office.edges, {"config": {"task": office.task(), "round": 0}})["messages"]
    assert [work(office.edges, message, office.folder / "scratch")["made"] for _ in range(2)] == [3, 0]


def test_a_message_goes_on_behind_what_a_dead_worker_has_kept(office: Office) -> None:
    office.start()
    (message,) = advance_graph(office.edges, {"config": {"task": office.task(), "round": 0}})["messages"]
    office.edges.store.put(record.result_url(office.edges, SUBJECT, 1, "r2", ("r3",)), netcdf(100, 200))
    office.edges.store.put(record.result_url(office.edges, SUBJECT, 1, "r1", ("r3",)), netcdf(0, 0))
    assert work(office.edges, message, office.folder / "scratch")["made"] == 1
    office.do()
    assert office.result("r3") == [105, 205]


def test_the_same_round_asked_for_twice_is_the_same(office: Office) -> None:
    office.start()
    event = {"config": {"task": office.task(), "round": 0}}
    assert advance_graph(office.edges, event) == advance_graph(office.edges, event)
    office.do()
    last = {"config": {"task": office.task(), "round": 1}}
    assert advance_graph(office.edges, last) == advance_graph(office.edges, last)
    assert office.run.state is State.succeeded


def test_a_run_that_was_stopped_is_not_advanced(office: Office) -> None:
    office.start()
    assert runs.stop(office.edges, office.workflows, KEY).state is State.cancelled
    with pytest.raises(Cancelled):
        advance_graph(office.edges, {"config": {"task": office.task(), "round": 0}})


def test_a_rerun_makes_everything_again_and_keeps_its_facts(office: Office) -> None:
    office.start(three_steps(office.uri) | {"cid": "me"})
    office.do()
    with pytest.raises(Conflict):
        office.start(three_steps(office.uri) | {"cid": "you"})
    assert runs.rerun(office.edges, office.workflows, KEY).number == 2
    office.do(2)
    entry = office.edges.index.entry(SUBJECT)
    assert entry is not None
    assert (office.run.state, entry.extra["facts"]) == (
        State.succeeded,
        {"cid": "me", "operations": 3, "outputs": ["r3"]},
    )


def test_another_request_of_a_deleted_ones_id_is_its_own(office: Office) -> None:
    state = WorkerState(office.folder / "scratch")
    for number in (10, 20):
        office.start(reads(office.uri, name="xop:times", number=number))
        for message in messages(office.edges, office.task()):
            process_operations(office.edges, message, state, TaskControl(), lambda *asked: operate(ENDPOINTS, *asked))
        assert office.result("r1") == [number, 2 * number]
        office.edges.store.delete(*[url for url, _ in office.edges.store.list("s3://internal/runs/operations/")])
        office.edges.store.delete(*[url for url, _ in office.edges.store.list("s3://protected/runs/operations/")])
        office.edges.index.remove(office.edges.index.entry(SUBJECT))  # type: ignore[arg-type]
        office.workflows.started.clear()
    state.close()


def test_an_execution_that_failed_unseen_is_settled(office: Office) -> None:
    office.start()
    arn = next(iter(office.workflows.started))
    office.workflows.ended[runs.control.executions.arn_of(office.edges, SUBJECT, 1)] = Outcome(
        "FAILED", error="States.Timeout"
    )
    assert arn.startswith("RunGraph:")
    assert runs.settle(office.edges, office.workflows, KEY).state is State.failed


def test_an_operation_that_raises_is_named(office: Office) -> None:
    office.start({"input": [{"name": "a:v0", "uri": office.uri}], "operation": [{"name": "xop:fails", "input": "v0"}]})
    message = next(messages(office.edges, office.task()))
    with pytest.raises(OperationFailed, match=r"operation r1 \(xop:fails\): ValueError: as it was told to"):
        work(office.edges, message, office.folder / "scratch")


def reads(uri: str, **operation: Any) -> dict[str, Any]:
    """Return a request of one operation over an input of this address."""
    return {
        "input": [{"name": "a:v0", "uri": uri}],
        "operation": [{"name": "xop:add", "input": "v0"} | operation],
    }


CIRCLE = [{"name": "xop:add", "input": "b", "result": "a"}, {"name": "xop:add", "input": "a", "result": "b"}]
TWO = [{"name": "xop:add", "result": "a"}, {"name": "xop:add", "result": "b"}]
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "nobody does it": ({"operation": [{"name": "nobody:does"}]}, "nobody:does"),
    "a circle": ({"operation": CIRCLE}, "circle"),
    "two outputs": ({"operation": TWO}, "expected one"),
    "a parameter": (reads("https://example.org/a.nc", name="xop:times", number="3"), "number"),
    "no such upload": (reads(f"value:{'0' * 64}"), "uploaded"),
    "a file of the worker": (reads("file:///etc/passwd"), "begins with"),
    "a result that no user has": (reads("given:r1"), "begins with"),
    "this machine": (reads("http://127.0.0.1/a.nc"), "private"),
    "the stack's own state": (reads("s3://internal/registry.json"), "bucket"),
    "a collection that there is not": (reads("collection:lights"), "lights"),
    "a password": (reads("https://me:secret@example.org/a.nc"), "without a user"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_refused_before_anything_is_written(office: Office, wrong: str) -> None:
    request, said = WRONG[wrong]
    before = sorted(office.edges.store.list("s3://internal/"))
    with pytest.raises(DocumentError, match=said):
        office.start(request)
    assert sorted(office.edges.store.list("s3://internal/")) == before
    assert not office.workflows.started
    assert office.edges.index.entry(SUBJECT) is None


def test_an_input_may_be_the_statistics_of_a_collection(office: Office) -> None:
    partition = Partition("lights", "001", "2015-01", "all")
    rows = pa.table({"zone": ["a", "b"], "zone_name": ["A", "B"], "band": ["rad", "rad"], "mean": [2.0, 3.0]})
    body = to_parquet(with_time(rows, partition), partition, {"rad": "nW"})
    office.edges.store.put(office.edges.protected(table_key(partition)), body)
    asked = reads("collection:lights?band=rad", name="xop:times", number=10)
    office.start(asked | {"input": [{"name": "mean:v0", "uri": "collection:lights?band=rad"}]})
    office.do()
    body = office.edges.store.get(runs.result(office.edges, KEY)["results"]["r1"]["url"])
    with xarray.open_dataset(io.BytesIO(body), engine="h5netcdf") as data:
        assert data["mean"].sel(zone="b").values.tolist() == [30]


def test_recovery_runs_what_was_lost_again(office: Office) -> None:
    office.start()
    lost = replace(wire_folder(office.folder / "stack", {}), endpoints=lambda: ENDPOINTS)
    told: list[str] = []
    workflows = Executions()
    runs.control.recover(lost, workflows, told.append)
    assert told == [f"going on with run {KEY}"]
    task = workflows.started["RunGraph:operations_mine_2"]["task"]
    done(lost, task, office.folder / "scratch")
    assert json.loads(lost.store.get(str(runs.find(lost, KEY).output)))["run"] == 2
