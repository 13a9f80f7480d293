"""Each kind of node: a service elsewhere, endpoints in processes of this machine, the inputs that they fetch."""

import io
import pickle
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pileus.errors import (
    DamagedObject,
    DocumentError,
    HandedBack,
    NotFound,
    OperationFailed,
    Unreachable,
    UsageError,
)
from pileus.models import State
from pileus.nodes.endpoint_node import EndpointNode, endpoint_node
from pileus.nodes.folder import FolderService
from pileus.nodes.node import NodeLost
from pileus.nodes.route import Patience, Route
from pileus.nodes.service_node import ServiceNode, id_there
from pileus.nodes.settings import read_settings
from pileus.nodes.wire import node_of
from pileus.stratus.graph import graph_of
from pileus.stratus.picture import to_dot, to_svg
from pileus.stratus.request import StratusRequest
from spec.servers.faulty import faulty
from spec.servers.hostile import web
from spec.support.nodes import HandNode, WaitingNode, read, values

pytestmark = pytest.mark.timeout(120)
NEVER = threading.Event()


def _twice(uri: str = "given:v0", rid: str = "r7", op: str = "a:twice", **more: Any) -> StratusRequest:
    operation = {"name": op, "input": "v0", "result": "r1", **more}
    return StratusRequest.from_json(
        {"rid": rid, "input": [{"name": "v0", "uri": uri}], "operation": [operation], "outputs": ["r1"]}
    )


class Over(ServiceNode):
    """A node over the service of a folder."""

    def __init__(self, folder: Path, *nodes: HandNode) -> None:
        self.service = FolderService(folder / "far", Route(nodes, patience=Patience(1, 1, 0.01)))
        super().__init__("far", self.service, self.service.close)


def test_a_service_elsewhere_does_a_part_and_keeps_nothing(tmp_path: Path) -> None:
    node = Over(tmp_path, HandNode("one", ["a"]))
    made = node.run(_twice(), {"v0": values(tmp_path / "v0.nc", 1, 2)}, tmp_path, NEVER)
    assert read(made["r1"]) == [2, 4]
    assert node.service.list() == ()
    node.close()


def test_the_same_id_finds_what_was_made_before(tmp_path: Path) -> None:
    one = HandNode("one", ["a"])
    node, path = Over(tmp_path, one), values(tmp_path / "v0.nc", 1, 2)
    with path.open("rb") as content:
        address = node.service.upload(content)
    there = id_there(_twice(address))
    node.service.start(replace(_twice(address), rid=there))
    node.run(_twice(), {"v0": path}, tmp_path, NEVER)
    assert one.asked == [f"{there}-0"]
    node.close()


def test_one_that_failed_there_before_begins_anew(tmp_path: Path) -> None:
    one = HandNode("one", ["a"], dies=1)
    node, given = Over(tmp_path, one), {"v0": values(tmp_path / "v0.nc", 1, 2)}
    with pytest.raises(NodeLost, match="node one, a:twice: gone"):
        node.run(_twice(), given, tmp_path, NEVER)
    assert read(node.run(_twice(), given, tmp_path, NEVER)["r1"]) == [2, 4]
    node.close()


def test_one_that_is_stopped_is_stopped_there_and_begins_anew(tmp_path: Path) -> None:
    waiting, stopping = WaitingNode("one", ["a"]), threading.Event()
    node, given = Over(tmp_path, waiting), {"v0": values(tmp_path / "v0.nc", 1, 2)}
    threading.Thread(target=lambda: (waiting.begun.wait(20), stopping.set())).start()
    with pytest.raises(HandedBack):
        node.run(_twice(), given, tmp_path, stopping)
    assert [one.state for one in node.service.list()] == [State.cancelled]
    node.close()
    again = Over(tmp_path, HandNode("one", ["a"]))
    assert read(again.run(_twice(), given, tmp_path, NEVER)["r1"]) == [2, 4]
    again.close()


def test_two_who_ask_other_things_by_one_rid_do_not_meet(tmp_path: Path) -> None:
    path = values(tmp_path / "v0.nc", 1, 2)
    node = Over(tmp_path, HandNode("one", ["a"]))
    with path.open("rb") as content:
        address = node.service.upload(content)
    other = _twice(address, op="a:sum")
    node.service.start(replace(other, rid=id_there(other)))
    assert read(node.run(_twice(), {"v0": path}, tmp_path, NEVER)["r1"]) == [2, 4]
    assert [one.rid for one in node.service.list()] == [id_there(other)]
    node.close()


def test_a_stack_that_is_not_up_is_a_node_that_is_lost(tmp_path: Path) -> None:
    (tmp_path / "collections").mkdir()
    (tmp_path / "node.ini").write_text("[cloud]\ntype = queue\n")
    with pytest.raises(NodeLost, match="no stack is up"):
        node_of(read_settings(tmp_path / "node.ini").nodes[0]).capabilities()


def test_what_failed_there_is_raised_here(tmp_path: Path) -> None:
    node = Over(tmp_path, HandNode("one", ["a"], error=DocumentError("no such axis")))
    with pytest.raises(DocumentError, match="node one, a:twice: no such axis"):
        node.run(_twice(), {"v0": values(tmp_path / "v0.nc", 1)}, tmp_path, NEVER)
    node.close()


class Broken(FolderService):
    """Cannot be reached, or has lost what it knew."""

    error: Exception = Unreachable("gone")

    def find(self, rid: str) -> Any:
        """See Service."""
        raise self.error


@pytest.mark.parametrize("error", [Unreachable("gone"), NotFound("there is no such request")])
def test_a_service_that_is_away_is_a_node_that_is_lost(tmp_path: Path, error: Exception) -> None:
    service = Broken(tmp_path / "far", Route([HandNode("one", ["a"])]))
    service.error = error
    with pytest.raises(NodeLost):
        ServiceNode("far", service).run(_twice(), {"v0": values(tmp_path / "v0.nc", 1)}, tmp_path, NEVER)
    service.close()


def test_a_server_that_answers_with_pickles_is_refused_in_a_sentence() -> None:
    with web(lambda number: iter([pickle.dumps({"capabilities": []})])) as site:
        node = node_of(read_settings({"old": {"type": "rest", "host_address": f"http://{site.host}/core"}}).nodes[0])
        with pytest.raises(DamagedObject, match=r"an original Stratus server answers with pickles.*never read"):
            node.capabilities()
    assert site.asked[0].startswith("GET /stratus/core/capabilities")


def test_a_result_that_is_no_netcdf_is_refused(tmp_path: Path) -> None:
    class Pickles(FolderService):
        def result(self, rid: str, name: str, form: str) -> Iterator[bytes]:
            return iter([pickle.dumps(1)])

    service = Pickles(tmp_path / "far", Route([HandNode("one", ["a"])]))
    with pytest.raises(DamagedObject, match=r"r1: gave no NetCDF4 file: an original Stratus .* pickles"):
        ServiceNode("far", service).run(_twice(), {"v0": values(tmp_path / "v0.nc", 1)}, tmp_path, NEVER)
    service.close()
    assert not (tmp_path / "r1.nc").exists()


OPERATIONS = '''
import os
from pileus.endpoint import endpoint

@endpoint("a")
def twice(data):
    """Multiply by two."""
    return data * 2

@endpoint("a")
def dies(data):
    """End the process."""
    os._exit(9)

@endpoint("a")
def wrong(data):
    """Raise."""
    raise ValueError("it is wrong")
'''


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EndpointNode]:
    """A node of functions beside its settings, which may read this machine's addresses."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "kinds_operations.py").write_text(OPERATIONS)
    (folder / "node.ini").write_text(
        "[own]\ntype = endpoint\nmodule = kinds_operations\nprivate = yes\nat_once = 1\nseconds = 60\n"
    )
    node = endpoint_node(read_settings(folder / "node.ini").nodes[0])
    yield node
    node.close()


def test_a_function_beside_the_settings_is_an_operation(own: EndpointNode, tmp_path: Path) -> None:
    made = own.run(_twice(), {"v0": values(tmp_path / "v0.nc", 1, 2)}, tmp_path, NEVER)
    assert read(made["r1"]) == [2, 4]
    assert [one.pattern for one in own.capabilities()] == ["a:twice", "a:dies", "a:wrong"]


def test_a_process_that_dies_is_a_node_that_is_lost_and_an_error_is_none(own: EndpointNode, tmp_path: Path) -> None:
    given = {"v0": values(tmp_path / "v0.nc", 1)}
    with pytest.raises(NodeLost):
        own.run(_twice(op="a:dies"), given, tmp_path, NEVER)
    with pytest.raises(OperationFailed, match="it is wrong"):
        own.run(_twice(op="a:wrong"), given, tmp_path, NEVER)


def test_an_input_at_an_address_is_fetched_and_not_kept(own: EndpointNode, tmp_path: Path) -> None:
    body = values(tmp_path / "v0.nc", 1, 2).read_bytes()
    folder = tmp_path / "part"
    folder.mkdir()
    with faulty({"/v0.nc": body}, lambda path: None) as site:
        made = own.run(_twice(f"http://{site.host}/v0.nc"), {}, folder, NEVER)
        assert read(made["r1"]) == [2, 4]
        with pytest.raises(NotFound):
            own.run(_twice(f"http://{site.host}/other.nc"), {}, folder, NEVER)
    assert [path.name for path in folder.iterdir()] == ["r1.nc"]


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("http://127.0.0.1:9/v0.nc", "`private = yes` in the section of the node lets it in"),
        ("http://localhost/v0.nc", "is a private address"),
        ("http://2130706433/v0.nc", "is a private address"),
        ("s3://bucket/v0.nc", "is read by stacks alone, and not by this node"),
        ("collection:lights?band=light", "is read by stacks alone, and not by this node"),
    ],
)
def test_inner_networks_are_not_read_unless_the_settings_say_so(tmp_path: Path, uri: str, said: str) -> None:
    (tmp_path / "kinds_operations.py").write_text(OPERATIONS)
    section = read_settings({"own": {"type": "endpoint", "module": "kinds_operations", "at_once": 1}}).nodes[0]
    node = endpoint_node(section)
    with pytest.raises(DocumentError, match=re.escape(said)):
        node.check(_twice(uri))
    with pytest.raises(DocumentError, match=re.escape(said)):
        node.run(_twice(uri), {}, tmp_path, NEVER)
    node.close()


def test_one_object_is_of_one_module() -> None:
    section = {"type": "endpoint", "module": "a,b", "object": "C"}
    with pytest.raises(DocumentError, match=r"\[own\] object: is of one module, and there are 2"):
        node_of(read_settings({"own": section}).nodes[0])


def test_a_module_without_operations_is_said() -> None:
    with pytest.raises(UsageError, match="has no"):
        node_of(read_settings({"own": {"type": "endpoint", "module": "colorsys"}}).nodes[0])


def test_a_picture_has_a_box_for_each_operation_and_a_colour_for_each_node() -> None:
    chain = [
        {"name": "a:less", "input": ["v0", "r2"], "result": "r3"},
        {"name": "b:twice", "input": "v0", "result": "r2"},
    ]
    graph = graph_of(StratusRequest.from_json({"input": [{"name": "v0", "uri": "https://x/v"}], "operation": chain}))
    drawn = to_svg(graph, {"r2": "here <&>", "r3": "there"})
    assert drawn.count("<rect") == 1 + 3 + 2  # the ground, boxes, and a colour for each node
    assert drawn.count("marker-end") == 3
    (past,) = [line for line in drawn.splitlines() if line.startswith("<path") and line.count("C") == 2]
    boxes = [int(x) for x in re.findall(r'<rect x="(\d+)" y="114" width="170"', drawn)]
    assert not any(x <= int(re.findall(r"L(\d+) ", past)[0]) <= x + 170 for x in boxes), "it runs behind a box"
    assert "r2 at here &lt;&amp;&gt;" in drawn
    assert {fill for fill in ("#e3f0fb", "#eef4e4") if drawn.count(fill) == 2} == {"#e3f0fb", "#eef4e4"}
    assert to_svg(graph, {}).count("<rect") == 4
    assert '"r2" -> "r3";' in to_dot(graph, {})


def test_an_upload_that_ends_early_is_not_kept(tmp_path: Path) -> None:
    class Ends(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise OSError(5, "the connection broke")

    node = Over(tmp_path, HandNode("one", ["a"]))
    with pytest.raises(Exception, match="cannot be kept"):
        node.service.upload(Ends())  # type: ignore[arg-type]
    assert [*(tmp_path / "far/values").iterdir()] == []
    node.close()
