"""Nodes that ask each other: a request that comes back to a node that it has passed is refused at once."""

import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from pileus.api.roles import Role, TokenFile
from pileus.client.connect import connect
from pileus.errors import DocumentError
from pileus.models import State
from pileus.nodes.celery_node import CeleryNode
from pileus.nodes.celery_queue import Queue
from pileus.nodes.folder import FolderService
from pileus.nodes.node import Node, NodeLost
from pileus.nodes.rest_server import serve
from pileus.nodes.route import Patience, Route
from pileus.nodes.served import Served
from pileus.nodes.service_node import ServiceNode
from pileus.nodes.settings import read_settings
from pileus.nodes.wire import route_of
from pileus.nodes.zeromq_service import Address, ZeromqService
from pileus.stratus.capability import Capability
from pileus.stratus.request import MOST_NODES, StratusRequest
from pileus.stratus.service import Service
from spec.support.broker import redis_server, wait_for
from spec.support.node_process import NodeProcess
from spec.support.nodes import HandNode, read, values
from spec.support.zeromq import free_ports, listening

pytestmark = pytest.mark.timeout(120)
OWN = '''
from pileus.endpoint import endpoint

@endpoint("{0}*")
def twice(data):
    """Multiply by two."""
    return data * 2
'''


class Claims:
    """A node that always says that it does `x:sum`, whatever nodes a request has passed."""

    def __init__(self, node: Node) -> None:
        self.name, self._node = node.name, node

    def capabilities(self, _via: Sequence[str] = (), /) -> tuple[Capability, ...]:
        return (Capability("x:sum", inputs=(1, None)),)

    def run(
        self, request: StratusRequest, given: Mapping[str, Path], folder: Path, stopping: threading.Event
    ) -> Mapping[str, Path]:
        return self._node.run(request, given, folder, stopping)

    def close(self) -> None:
        self._node.close()


def asked(uri: str, op: str = "x:sum", rid: str = "round") -> StratusRequest:
    operation = {"name": op, "input": "v0", "result": "r1"}
    return StratusRequest.from_json({"rid": rid, "input": [{"name": "v0", "uri": uri}], "operation": [operation]})


def service(folder: Path, name: str, *nodes: Node) -> FolderService:
    made = Route([Claims(one) for one in nodes], name=name, id=f"{name}-1", patience=Patience(1, 1, 0.01))
    return FolderService(folder / name, made)


@contextmanager
def over_http(made: FolderService, folder: Path, port: int) -> Iterator[None]:
    this = {"type": "rest", "port": port}
    settings = read_settings({"stratus": this, "unused": {"type": "rest", "port": port}})
    stopping, ready = threading.Event(), threading.Event()
    served = Served(settings, made, Route([]), lambda _: ready.set(), stopping, folder)
    thread = threading.Thread(target=serve, args=(served,), daemon=True)
    thread.start()
    assert ready.wait(20)
    yield
    stopping.set()
    thread.join(20)


@contextmanager
def over_zeromq(made: FolderService, _folder: Path, port: int) -> Iterator[None]:
    with listening(made, request_port=port):
        yield


def http(folder: Path, port: int) -> Service:
    folder.mkdir(exist_ok=True)
    token = TokenFile(folder / "tokens.json").add("spec", Role.operate)
    return connect(f"http://127.0.0.1:{port}", token).graphs


def zeromq(_folder: Path, port: int) -> Service:
    return ZeromqService(Address(port=port))


@pytest.mark.parametrize(("asks", "serves"), [(http, over_http), (zeromq, over_zeromq)])
def test_a_request_that_comes_back_is_refused_with_the_names_of_the_nodes(
    asks: object, serves: object, tmp_path: Path
) -> None:
    ports = free_ports(2)
    folders = [tmp_path / "front", tmp_path / "back"]
    front_by, back_by = (asks(folder, port) for folder, port in zip(folders, ports, strict=True))  # type: ignore[operator]
    front = service(tmp_path, "front", ServiceNode("back", back_by))
    back = service(tmp_path, "back", ServiceNode("front", front_by))
    with serves(front, folders[0], ports[0]), serves(back, folders[1], ports[1]):  # type: ignore[operator]
        with values(tmp_path / "v0.nc", 1, 2).open("rb") as file:
            uri = front.upload(file)
        front.start(asked(uri))
        wait_for(lambda: front.find("round").state.ended)
        found = front.find("round")
        front.close()
        back.close()
    assert found.state is State.failed
    assert "goes in a circle: it has passed front-1, back-1, and comes back to front-1" in found.why
    assert "node back" in found.why


def test_what_only_a_circle_does_is_refused_before_it_is_accepted(tmp_path: Path) -> None:
    """Two processes ask each other; each has one operation of its own."""
    for name in ("one", "two"):
        (tmp_path / f"own_{name}.py").write_text(OWN.format(name))
    values(tmp_path / "v0.nc", 1, 2)
    own = "[own]\ntype = endpoint\nmodule = own_{0}\nat_once = 1\n\n"
    one = NodeProcess(tmp_path, "one", own.format("one")).start()
    two = NodeProcess(tmp_path, "two", own.format("two") + one.downstream).start()
    one.stop()
    one.section += two.downstream
    one.start()
    try:
        graphs = connect(one.url, one.token).graphs
        assert {each.pattern for each in graphs.capabilities()} == {"one*:twice", "two*:twice"}
        uri = f"file://{tmp_path}/v0.nc"
        with pytest.raises(DocumentError, match="three:twice"):
            graphs.start(asked(uri, "three:twice"))
        graphs.start(asked(uri, "two:twice"))
        assert graphs.wait("round", seconds=60).state is State.succeeded
    finally:
        one.stop()
        two.stop()


def test_workers_of_one_queue_are_one_node(tmp_path: Path) -> None:
    (tmp_path / "own_near.py").write_text(OWN.format("near"))
    with redis_server(tmp_path) as broker:
        section = f"broker = {broker}\nat_once = 1\npatience = 4\n"
        (tmp_path / "worker.ini").write_text(
            f"[stratus]\ntype = celery\n{section}\n[own]\ntype = endpoint\nmodule = own_near\nat_once = 1\n\n"
            f"[again]\ntype = celery\nbroker = {broker}\npatience = 4\n"
        )
        queue, elsewhere = Queue(broker, broker), Queue(broker.replace("127.0.0.1", "localhost"), broker)
        node, other = CeleryNode("queue", queue), CeleryNode("queue", elsewhere)
        process = subprocess.Popen([sys.executable, "-m", "pileus", "node", "start", str(tmp_path / "worker.ini")])
        try:
            wait_for(lambda: _can(node))
            assert node.capabilities((queue.id,)) == ()
            given = {"v0": values(tmp_path / "v0.nc", 1, 2)}
            come = replace(asked("given:v0", "near:twice"), outputs=("r1",))
            made = node.run(come, given, tmp_path, threading.Event())
            assert read(made["r1"]) == [2, 4]
            back = replace(come, via=("front-1", queue.id))
            for one in (node, other):  # before it is sent, and by the worker
                with pytest.raises(DocumentError, match=f"circle: it has passed {queue.id}, and comes back to"):
                    one.run(back, given, tmp_path, threading.Event())
        finally:
            process.terminate()
            process.wait(30)
            node.close()
            other.close()


def _can(node: CeleryNode) -> bool:
    try:
        return bool(node.capabilities())
    except NodeLost:
        return False


def test_a_route_says_nothing_to_whom_it_would_ask(tmp_path: Path) -> None:
    inner = Route([HandNode("hand", ["x"])], id="inner-1")
    outer = Route([inner], id="outer-1")
    assert [one.pattern for one in outer.capabilities(("inner-1",))] == []
    assert len(outer.capabilities(("other-1",))) == 3
    with pytest.raises(DocumentError, match="goes in a circle"):
        outer.check(replace(asked("given:v0"), via=("outer-1",)))


def test_a_request_passes_some_nodes_and_no_more() -> None:
    via = [f"n{number}" for number in range(MOST_NODES + 1)]
    value = asked("given:v0").to_json()
    assert StratusRequest.from_json(value | {"via": via[1:]}).via == tuple(via[1:])
    with pytest.raises(DocumentError, match="has passed 33 nodes, and 32 are the most"):
        StratusRequest.from_json(value | {"via": via})


def test_the_id_of_a_node_begins_with_the_name_of_its_settings(tmp_path: Path) -> None:
    (tmp_path / "own_near.py").write_text(OWN.format("near"))
    (tmp_path / "laptop.ini").write_text("[own]\ntype = endpoint\nmodule = own_near\nat_once = 1\n")
    route = route_of(read_settings(tmp_path / "laptop.ini"))
    route.close()
    assert route.id.startswith("laptop-")
