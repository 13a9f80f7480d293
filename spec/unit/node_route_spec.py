"""Requests over nodes: the same as by hand, however they are split, and whichever node dies once."""

import threading
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import xarray
from hypothesis import given, settings
from hypothesis import strategies as st

from pileus.errors import DocumentError, HandedBack
from pileus.nodes.node import NodeLost
from pileus.nodes.plan import part_id, plan_of
from pileus.nodes.route import Patience, Route
from pileus.stratus.graph import graph_of
from pileus.stratus.request import StratusRequest
from spec.support.nodes import OPS, HandNode, WaitingNode, read, values

EPAS = ("a", "b", "c")
SOON = Patience(3, 3, 0.001)
NEVER = threading.Event()


@st.composite
def requests(draw: st.DrawFn) -> StratusRequest:
    """A request of some operations, each over earlier ones and two inputs; what nobody reads is wanted."""
    operations: list[dict[str, object]] = []
    for number in range(draw(st.integers(1, 7))):
        there = ["v0", "v1", *(f"r{one}" for one in range(number))]
        read = draw(st.lists(st.sampled_from(there), min_size=1, max_size=3))
        name = f"{draw(st.sampled_from(EPAS))}:{draw(st.sampled_from(sorted(OPS)))}"
        operations.append({"name": name, "input": read, "result": f"r{number}"})
    names = {f"r{number}" for number in range(len(operations))}
    wanted = sorted(names - {one for operation in operations for one in operation["input"]})  # type: ignore[attr-defined]
    inputs = [{"name": one, "uri": f"given:{one}"} for one in ("v0", "v1")]
    return StratusRequest.from_json({"rid": "r", "input": inputs, "operation": operations, "outputs": wanted})


def _by_hand(request: StratusRequest, inputs: dict[str, Path]) -> dict[str, list[float]]:
    made = {id: xarray.load_dataset(path, engine="h5netcdf") for id, path in inputs.items()}
    for result, operation in graph_of(request).operations.items():
        made[result] = OPS[operation.op](*(made[one] for one in operation.inputs))
    return {output: made[output]["v"].values.tolist() for output in request.outputs}


@settings(max_examples=60, deadline=None)
@given(
    requests(),
    st.lists(st.sets(st.sampled_from(EPAS), min_size=1), min_size=1, max_size=4),
    st.integers(0, 4),
)
def test_the_result_is_that_of_the_functions_whatever_node_dies_once(
    request: StratusRequest, split: list[set[str]], dying: int
) -> None:
    split = [*split, set(EPAS) - set().union(*split)]
    nodes = [HandNode(f"n{number}", sorted(epas), dies=number == dying) for number, epas in enumerate(split) if epas]
    with TemporaryDirectory() as name:
        folder = Path(name)
        inputs = {"v0": values(folder / "v0.nc", 1, 2), "v1": values(folder / "v1.nc", 10, 30)}
        done: list[str] = []

        def told(results: Sequence[str]) -> None:
            done.extend(results)

        found = Route(nodes, patience=SOON).run(request, inputs, folder, NEVER, told)
        assert {name: read(path) for name, path in found.items()} == _by_hand(request, inputs)
        assert sorted(done) == sorted(one.result for one in request.operations)


CHAIN = {
    "rid": "r7",
    "input": [{"name": "v0", "uri": "given:v0"}],
    "operation": [
        {"name": "a:twice", "input": "v0", "result": "r1"},
        {"name": "b:twice", "input": "r1", "result": "r2"},
        {"name": "a:twice", "input": "r2", "result": "r3"},
    ],
}


def test_three_steps_return_the_third_and_each_part_has_an_id_of_its_own(tmp_path: Path) -> None:
    nodes = [HandNode("one", ["a"]), HandNode("two", ["b"])]
    found = Route(nodes).run(StratusRequest.from_json(CHAIN), {"v0": values(tmp_path / "v0.nc", 1, 2)}, tmp_path, NEVER)
    assert {name: read(path) for name, path in found.items()} == {"r3": [8, 16]}
    assert (nodes[0].asked, nodes[1].asked) == (["r7-0", "r7-2"], ["r7-1"])


def test_a_second_call_asks_the_same_of_the_same_and_only_what_is_not_made(tmp_path: Path) -> None:
    request, inputs = StratusRequest.from_json(CHAIN), {"v0": values(tmp_path / "v0.nc", 1, 2)}
    dying = [HandNode("one", ["a"]), HandNode("two", ["b"], dies=9)]
    with pytest.raises(NodeLost, match="node two, b:twice: gone"):
        Route(dying, patience=SOON).run(request, inputs, tmp_path, NEVER)
    assert dying[1].asked == ["r7-1"] * 3
    third = HandNode("three", ["a", "b"])  # it would get all, were nothing written down
    again = [third, HandNode("one", ["a"]), HandNode("two", ["b"])]
    found = Route(again).run(request, inputs, tmp_path, NEVER)
    assert read(found["r3"]) == [8, 16]
    assert [one.asked for one in again] == [[], ["r7-2"], ["r7-1"]]


def test_another_node_does_what_a_lost_one_cannot(tmp_path: Path) -> None:
    nodes = [HandNode("one", ["a"], dies=9), HandNode("two", ["b"]), HandNode("three", ["a"])]
    request, inputs = StratusRequest.from_json(CHAIN), {"v0": values(tmp_path / "v0.nc", 1, 2)}
    assert read(Route(nodes, patience=SOON).run(request, inputs, tmp_path, NEVER)["r3"]) == [8, 16]
    assert nodes[2].asked == ["r7-0", "r7-2"]


def test_an_error_names_the_node_and_the_operation(tmp_path: Path) -> None:
    nodes = [HandNode("one", ["a"]), HandNode("two", ["b"], error=DocumentError("no such axis", where="r1"))]
    with pytest.raises(DocumentError) as caught:
        Route(nodes).run(StratusRequest.from_json(CHAIN), {"v0": values(tmp_path / "v0.nc", 1, 2)}, tmp_path, NEVER)
    assert str(caught.value) == "r1: node two, b:twice: no such axis"


@pytest.mark.timeout(20)
def test_a_request_that_is_stopped_ends_soon(tmp_path: Path) -> None:
    node, stopping, ended = WaitingNode("one", ["a", "b"]), threading.Event(), list[type]()

    def work() -> None:
        try:
            Route([node]).run(StratusRequest.from_json(CHAIN), {}, tmp_path, stopping)
        except HandedBack as exc:
            ended.append(type(exc))

    thread = threading.Thread(target=work)
    thread.start()
    assert node.begun.wait(10)
    stopping.set()
    thread.join(10)
    assert ended == [HandedBack]


class Silent(HandNode):
    """Does not answer."""

    def capabilities(self, _via: Sequence[str] = (), /) -> tuple[()]:
        """See Node."""
        raise NodeLost("gone")


def test_nobody_who_can_is_said_with_those_who_do_not_answer(tmp_path: Path) -> None:
    route = Route([HandNode("one", ["a"]), Silent("two", ["b"])])
    with pytest.raises(NodeLost, match=r"no endpoint for b:twice: there is a:.*; no answer from two"):
        route.check(StratusRequest.from_json(CHAIN))
    with pytest.raises(DocumentError, match=r"no endpoint for b:twice: there is a:"):
        Route([HandNode("one", ["a"])]).check(StratusRequest.from_json(CHAIN))


def test_what_can_be_known_is_checked_before() -> None:
    wrong = StratusRequest.from_json({"operation": [{"name": "a:sum", "result": "r1"}]})
    with pytest.raises(DocumentError, match=r"operation\[0\].input: a:sum takes at least 1 input, not 0"):
        Route([HandNode("one", ["a"])]).check(wrong)


def test_the_id_of_a_part_is_short_enough() -> None:
    assert len(part_id("r" * 64, 9999)) <= 40
    assert part_id("r" * 64, 1) != part_id("r" * 63 + "s", 1)


def test_many_parts_of_one_kind_are_few_with_several_operations_each(tmp_path: Path) -> None:
    """Twenty operations by one node, then twenty by another: eight parts each."""
    waves = [
        {"name": f"{epa}:twice", "input": f"a{one}" if epa == "b" else "v0", "result": f"{epa}{one}"}
        for epa in ("a", "b")
        for one in range(20)
    ]
    last = {"name": "b:sum", "input": [f"b{one}" for one in range(20)], "result": "all"}
    request = StratusRequest.from_json(
        {"rid": "many", "input": [{"name": "v0", "uri": "given:v0"}], "operation": [*waves, last]}
    )
    one, two = HandNode("one", ["a"]), HandNode("two", ["b"])
    parts = plan_of(graph_of(request), {each.name: each.capabilities() for each in (one, two)})[1].parts
    made = Route([one, two]).run(request, {"v0": values(tmp_path / "v0.nc", 1)}, tmp_path / "work", threading.Event())
    assert read(made["all"]) == [80]
    assert [len(part.request.operations) for part in parts if part.node == "one"] == [3, 3, 3, 3, 2, 2, 2, 2]
    assert (len(one.asked), len(two.asked)) == (8, 1)
