"""Nodes as processes on loopback: one is killed in the middle of a request and started again."""

import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pileus.cli.app import app
from pileus.client.connect import connect
from pileus.errors import PileusError, Refused
from pileus.models import State
from pileus.nodes.route import Route
from pileus.nodes.settings import read_settings
from pileus.nodes.wire import route_of
from pileus.stratus.request import StratusRequest
from spec.support.node_process import NodeProcess
from spec.support.nodes import read, values

pytestmark = pytest.mark.timeout(180)
OPERATIONS = '''
import time
from pileus.endpoint import endpoint

@endpoint("near*", "far*")
def twice(data, *, seconds: float = 0):
    """Multiply by two, after a while."""
    time.sleep(seconds)
    return data * 2

@endpoint("near*", "far*")
def less(data, other):
    """The first less the second."""
    return data - other
'''
ENDPOINT = "[{0}]\ntype = endpoint\nmodule = node_operations\nat_once = 1\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with operations and an input."""
    made = tmp_path_factory.mktemp("nodes")
    (made / "node_operations.py").write_text(OPERATIONS)
    values(made / "v0.nc", 1, 2)
    return made


@pytest.fixture(scope="module")
def nodes(folder: Path) -> Iterator[list[NodeProcess]]:
    """Two nodes with the same operations."""
    made = [NodeProcess(folder, name, ENDPOINT.format("own")).start() for name in ("one", "two")]
    yield made
    assert [one.stop() for one in made] == [0, 0]


@pytest.fixture
def route(folder: Path, nodes: list[NodeProcess]) -> Iterator[Route]:
    """Both nodes behind one."""
    (folder / "front.ini").write_text("".join(one.downstream for one in nodes))
    made = route_of(read_settings(folder / "front.ini"))
    yield made
    made.close()


def _chain(rid: str, seconds: float = 0) -> StratusRequest:
    operations = [
        {"name": "near:twice", "input": "v0", "result": "r1"},
        {"name": "far:twice", "input": "r1", "result": "r2", "seconds": seconds},
        {"name": "near:less", "input": ["r2", "v0"], "result": "r3"},
    ]
    inputs = [{"name": "v0", "uri": "given:v0"}]
    return StratusRequest.from_json({"rid": rid, "input": inputs, "operation": operations})


def test_a_request_over_nodes_leaves_nothing_there(folder: Path, nodes: list[NodeProcess], route: Route) -> None:
    made = route.run(_chain("whole"), {"v0": folder / "v0.nc"}, folder / "whole", threading.Event())
    assert read(made["r3"]) == [3, 6]
    assert [connect(one.url, one.token).graphs.list() for one in nodes] == [(), ()]


def test_a_node_that_is_killed_in_the_middle_and_started_again_goes_on(
    folder: Path, nodes: list[NodeProcess], route: Route
) -> None:
    made: dict[str, Path] = {}

    def work() -> None:
        made.update(route.run(_chain("killed", 3), {"v0": folder / "v0.nc"}, folder / "killed", threading.Event()))

    thread = threading.Thread(target=work)
    thread.start()
    requests, until = nodes[0].folder / "requests", time.monotonic() + 60
    while not any('"running"' in state.read_text() for state in requests.glob("killed-0-*/state.json")):
        assert time.monotonic() < until
        threading.Event().wait(0.02)
    nodes[0].kill()
    nodes[0].start()
    thread.join(100)
    assert read(made["r3"]) == [3, 6]


def test_a_stranger_gets_no_answer(nodes: list[NodeProcess]) -> None:
    with pytest.raises(Refused):
        connect(nodes[0].url, "wrong").graphs.capabilities()
    with pytest.raises(Refused):
        connect(nodes[0].url, "").graphs.start(_chain("stranger"))


def test_a_node_stands_on_nodes_and_says_what_failed(folder: Path, nodes: list[NodeProcess]) -> None:
    front = NodeProcess(folder, "whole_front", "".join(one.downstream for one in nodes)).start()
    try:
        graphs = connect(front.url, front.token).graphs
        assert {one.pattern for one in graphs.capabilities()} == {
            f"{epa}*:{op}" for epa in ("near", "far") for op in ("twice", "less")
        }
        asked = _chain("front").to_json() | {"input": [{"name": "v0", "uri": f"file://{folder}/v0.nc"}]}
        graphs.start(StratusRequest.from_json(asked))
        found = graphs.wait("front", seconds=60)
        assert (found.state, found.done) == (State.succeeded, 3)
        asked["input"].append({"name": "nothing:v1", "uri": f"file://{folder}/v0.nc"})
        asked["operation"][0]["input"] = ["v1"]
        graphs.start(StratusRequest.from_json(asked | {"rid": "fails"}))
        failed = graphs.wait("fails", seconds=60)
        assert failed.state is State.failed
        assert re.fullmatch(r"node one: node own, near:twice.*: input v1: .*nothing.*", failed.why), failed.why
        with pytest.raises(PileusError, match="nothing"):
            b"".join(graphs.result("fails"))
    finally:
        assert front.stop() == 0


def test_the_commands_tell_of_nodes(folder: Path, nodes: list[NodeProcess], route: Route) -> None:
    settings, run = str(folder / "front.ini"), CliRunner()
    checked = run.invoke(app, ["node", "check", settings])
    assert checked.exit_code == 0
    assert [line.split(":")[0] for line in checked.output.splitlines()] == [
        "ok     stratus (endpoint)",
        "ok     one (rest)",
        "ok     two (rest)",
    ]
    listed = json.loads(run.invoke(app, ["node", "list", settings, "--json"]).output)
    assert [(one["node"], len(one["operations"])) for one in listed] == [("one", 4), ("two", 4)]
    (folder / "request.json").write_text(
        json.dumps(_chain("alone").to_json() | {"input": [{"name": "v0", "uri": f"file://{folder}/v0.nc"}]})
    )
    request = ["request", str(folder / "request.json"), "--node", settings]
    done = run.invoke(app, [*request, "-o", str(folder / "alone.nc")])
    assert done.exit_code == 0, done.output
    assert read(folder / "alone.nc") == [3, 6]
    for ending in ("svg", "dot"):
        drawn = run.invoke(app, [*request, "--picture", str(folder / f"p.{ending}")])
        assert drawn.exit_code == 0, drawn.output
        assert "r3 at one" in (folder / f"p.{ending}").read_text()


def test_a_node_that_serves_nobody_and_one_that_is_served_already_are_said(
    folder: Path, nodes: list[NodeProcess], route: Route
) -> None:
    alone = CliRunner().invoke(app, ["node", "start", str(folder / "front.ini")])
    assert "serves nobody: expected one of" in str(alone.exception)
    twice = CliRunner().invoke(app, ["node", "start", str(folder / "one.ini"), "--folder", str(folder / "other")])
    assert re.search("port [0-9]+ cannot be opened", str(twice.exception))
    same = CliRunner().invoke(app, ["node", "start", str(folder / "one.ini")])
    assert "another process serves this folder" in str(same.exception)


def test_a_node_that_does_not_answer_is_said(folder: Path) -> None:
    (folder / "away.yaml").write_text(
        "away: {type: rest, port: 1}\n"
        "none: {type: endpoint, module: no_such_module}\n"
        "q: {type: rest, token_env: NO_X}\n"
    )
    found = CliRunner().invoke(app, ["node", "check", str(folder / "away.yaml")])
    assert found.exit_code == 1
    said = found.output.splitlines()
    assert re.fullmatch(r"wrong  away \(rest\): .*the server does not answer.*", said[1])
    assert re.fullmatch(r"wrong  none \(endpoint\): no_such_module: cannot be imported: .*", said[2])
    assert said[3] == "wrong  q (rest): [q] token_env: the environment has no NO_X"
