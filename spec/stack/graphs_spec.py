"""Requests of Stratus on the embedded stack: real workflows, queues, Lambdas and workers."""

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from pileus.client.connect import connect
from pileus.client.local.graphs import LocalGraphs
from pileus.errors import DocumentError, NotFound, OperationFailed
from pileus.models import State
from pileus.stratus.request import StratusRequest
from spec.support import tiny
from spec.support.graphs import netcdf, numbers, three_steps
from spec.support.stack import Project, project_of

LEASE = 6
OWN = '''
"""Operations of this project."""

import time

from pileus.endpoint import endpoint


@endpoint("xop*")
def add(*data, number: float = 0):
    """Add data sets, and a number."""
    whole = data[0]
    for one in data[1:]:
        whole = whole + one
    return whole + number


@endpoint("xop*")
def times(data, *, number: float):
    """Multiply by a number."""
    return data * number


@endpoint("xop*")
def late(data, *, seconds: float):
    """Return it after some seconds."""
    time.sleep(seconds)
    return data


@endpoint("xop*")
def fails(data):
    """Raise."""
    raise ValueError("as it was told to")
'''


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A stack whose messages are hidden for a short time, with endpoints of its project."""
    with project_of(tmp_path_factory.mktemp("project")) as made:
        (made.path / "endpoints").mkdir()
        (made.path / "endpoints/own.py").write_text(OWN)
        made.up(workers=2, visibility_seconds=LEASE)
        yield made


@pytest.fixture
def graphs(project: Project) -> LocalGraphs:
    made = connect(project.path).graphs
    assert isinstance(made, LocalGraphs)
    return made


@pytest.fixture
def uri(graphs: LocalGraphs) -> str:
    return graphs.upload(io.BytesIO(netcdf(1, 2)))


def request(rid: str, value: dict[str, Any]) -> StratusRequest:
    return StratusRequest.from_json(value | {"rid": rid})


def result(graphs: LocalGraphs, rid: str, name: str = "") -> list[float]:
    return numbers(b"".join(graphs.result(rid, name)))


def test_three_steps_return_the_third_result(graphs: LocalGraphs, uri: str) -> None:
    assert graphs.start(request("three", three_steps(uri))).state is State.running
    found = graphs.wait("three", seconds=60)
    assert (found.state, found.done, found.outputs) == (State.succeeded, 3, ("r3",))
    assert [result(graphs, "three") for _ in range(2)] == [[25, 35], [25, 35]]


def test_the_rasters_of_a_collection_are_read_by_workers(project: Project, graphs: LocalGraphs) -> None:
    for number, month in enumerate(("201501", "201502", "201503"), 1):
        tiny.publish(project, "lit", month, body=tiny.archive(tiny.raster(np.full((8, 8), number, "float32"))))
    tiny.collection(project, "lit", "201501", "201503")
    project.pileus("populate")
    asked = {
        "input": [{"name": "light:v0", "uri": "collection:lit?what=rasters", "domain": "d"}],
        "domain": [{"name": "d", "time": {"start": "2015-02", "end": "2015-03"}, "lat": {"start": 2, "end": 4}}],
        "operation": [{"name": "pileus:timeseries", "input": "v0", "lat": 2.5, "lon": 0.5}],
    }
    graphs.start(request("rasters", asked))
    found = graphs.wait("rasters", seconds=90)
    assert found.state is State.succeeded, found.why
    assert numbers(b"".join(graphs.result("rasters")), "light") == [2, 3]
    for uri, said in (("collection:list?what=rasters", "lit"), ("collection:lit?what=rasters&band=x", "light")):
        with pytest.raises(DocumentError, match=said):
            graphs.start(request("refused", asked | {"input": [{"name": "light:v0", "uri": uri}]}))
    with pytest.raises(NotFound):
        graphs.find("refused")


@pytest.mark.timeout(1200)  # a minute alone, several beside other work
def test_a_thousand_operations_in_ten_waves(graphs: LocalGraphs, uri: str) -> None:
    operations: list[dict[str, Any]] = []
    for wave in range(10):
        for number in range(100):
            read = ["v0"] if wave == 0 else [f"w{wave - 1}-{number}", f"w{wave - 1}-{(number + 1) % 100}"]
            operations.append({"name": "xop:add", "input": read, "result": f"w{wave}-{number}"})
    asked = {"input": [{"name": "a:v0", "uri": uri}], "operation": operations, "outputs": ["w9-0", "w9-99"]}
    asked["outputs"] = [f"w9-{number}" for number in range(100)]
    graphs.start(request("thousand", asked))
    found = graphs.wait("thousand", seconds=1100)
    assert (found.state, found.done) == (State.succeeded, 1000), found.why
    assert result(graphs, "thousand", "w9-50") == [512, 1024]


def test_another_worker_goes_on_where_one_was_killed(project: Project, graphs: LocalGraphs, uri: str) -> None:
    asked = {
        "input": [{"name": "a:v0", "uri": uri}],
        "operation": [
            {"name": "xop:times", "input": "v0", "number": 3, "result": "a"},
            {"name": "xop:late", "input": "a", "seconds": 4, "result": "b"},
        ],
    }
    graphs.start(request("killed", asked))
    project.wait_for(lambda: graphs.find("killed").done == 1)
    for pid in project.running.workers:
        project.kill(pid)
    found = graphs.wait("killed", seconds=90)
    assert found.state is State.succeeded, found.why
    assert result(graphs, "killed") == [3, 6]


def test_a_stopped_request_is_let_go_by_its_worker(project: Project, graphs: LocalGraphs, uri: str) -> None:
    asked = {"input": [{"name": "a:v0", "uri": uri}]}
    slow = {"operation": [{"name": "xop:late", "input": "v0", "seconds": 600}]}
    graphs.start(request("stopped", asked | slow))
    project.wait_for(
        lambda: (
            "stopped/run-1/tries"
            in str(list(project.edges.store.list(project.edges.internal("runs/operations/stopped/"))))
        )
    )
    assert graphs.stop("stopped").state is State.cancelled
    graphs.start(request("next", three_steps(uri)))
    assert graphs.wait("next", seconds=60).state is State.succeeded
    project.wait_for(lambda: "its run is over" in project.logs())


def test_an_operation_that_raises_fails_the_request(graphs: LocalGraphs, uri: str) -> None:
    asked = {"input": [{"name": "a:v0", "uri": uri}], "operation": [{"name": "xop:fails", "input": "v0"}]}
    graphs.start(request("raises", asked))
    found = graphs.wait("raises", seconds=60)
    assert (found.state, "as it was told to" in found.why) == (State.failed, True)
    with pytest.raises(OperationFailed, match="as it was told to"):
        graphs.result("raises")


def test_everything_killed_and_started_again_goes_on(project: Project, graphs: LocalGraphs, uri: str) -> None:
    asked = {
        "input": [{"name": "a:v0", "uri": uri}],
        "operation": [{"name": "xop:late", "input": "v0", "seconds": 5, "result": "a"}],
    }
    graphs.start(request("all-killed", asked))
    running = project.running
    for pid in (running.supervisor, running.ministack, *running.workers):
        project.kill(pid)
    project.up(workers=2, visibility_seconds=LEASE)
    again = connect(project.path).graphs
    assert again.wait("all-killed", seconds=90).state is State.succeeded
    assert numbers(b"".join(again.result("all-killed"))) == [1, 2]


def test_a_deleted_request_leaves_nothing(project: Project, uri: str) -> None:
    graphs = connect(project.path).graphs
    graphs.start(request("deleted", three_steps(uri)))
    graphs.wait("deleted", seconds=60)
    graphs.delete("deleted")
    with pytest.raises(NotFound):
        graphs.find("deleted")
    store = project.edges.store
    for bucket in (project.edges.internal, project.edges.protected):
        assert not list(store.list(bucket("runs/operations/deleted/")))


def test_the_commands_of_runs_work_for_it(project: Project, uri: str) -> None:
    key = "request:operations/by-command"
    project.document("request.json", {"request": three_steps(uri)})
    project.pileus("runs", "start", "operations", "--input", "request.json", "--id", "by-command")
    project.wait_for(lambda: project.json("runs", "show", key)["state"] == "succeeded")
    assert list(project.json("runs", "result", key)["results"]) == ["r3"]
    assert project.json("runs", "rerun", key)["number"] == 2
    project.wait_for(lambda: project.json("runs", "show", key)["state"] == "succeeded")
