"""The order in which workers do a graph."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pileus.stratus.graph import Graph, graph_of
from pileus.stratus.plan import MOST_MESSAGES, MOST_ROUNDS, plan_from, plan_json, plan_of
from pileus.stratus.request import StratusRequest

HISTORY, OF_ROUND, OF_MESSAGE = 25_000, 13, 8
"""Events of history that one execution may have; that a round, and a message, cost."""


def _graph(needs: list[list[int]]) -> Graph:
    """Return the graph of operations that need those of these numbers; all that nobody reads is wanted."""
    read = {one for listed in needs for one in listed}
    operations = [
        {"name": "x:y", "input": [f"r{one}" for one in dict.fromkeys(listed)], "result": f"r{number}"}
        for number, listed in enumerate(needs)
    ]
    wanted = [f"r{number}" for number in range(len(needs)) if number not in read]
    return graph_of(StratusRequest.from_json({"operation": operations, "outputs": wanted}))


def _is_sound(graph: Graph, plan: object, rounds: int, messages: int) -> None:
    made: set[str] = set()
    done: list[str] = []
    assert len(plan) <= rounds  # type: ignore[arg-type]
    for one in plan:  # type: ignore[attr-defined]
        assert 0 < len(one) <= messages
        for message in one:
            own: set[str] = set()
            for result in message:
                assert set(graph.needs(result)) <= made | own
                own.add(result)
                done.append(result)
        made = set(done)
    assert sorted(done) == sorted(graph.operations)


@st.composite
def graphs(draw: st.DrawFn) -> list[list[int]]:
    size = draw(st.integers(1, 30))
    return [
        draw(st.lists(st.integers(0, number - 1), max_size=3, unique=True)) if number else [] for number in range(size)
    ]


@settings(deadline=None, max_examples=300)
@given(graphs(), st.integers(1, 6), st.integers(1, 6))
def test_every_operation_comes_once_after_what_it_needs(needs: list[list[int]], rounds: int, messages: int) -> None:
    graph = _graph(needs)
    _is_sound(graph, plan_of(graph, rounds=rounds, messages=messages), rounds, messages)


@given(graphs())
def test_a_plan_is_read_as_it_was_written(needs: list[list[int]]) -> None:
    plan = plan_of(_graph(needs))
    assert plan_from(plan_json(plan)) == plan


@pytest.mark.timeout(60)
@pytest.mark.parametrize("deep", [1, 100, 5000])
def test_ten_thousand_operations_stay_below_the_history_of_an_execution(deep: int) -> None:
    chance, wide = random.Random(deep), 10_000 // deep
    needs = [
        [] if number < wide else [number - number % wide - wide + chance.randrange(wide) for _ in range(2)]
        for number in range(10_000)
    ]
    graph = _graph(needs)
    plan = plan_of(graph)
    _is_sound(graph, plan, MOST_ROUNDS, MOST_MESSAGES)
    events = len(plan) * OF_ROUND + sum(map(len, plan)) * OF_MESSAGE
    assert events < HISTORY // 1.5


def test_a_chain_is_one_message() -> None:
    assert plan_of(_graph([[], [0], [1], [2]])) == ((("r0", "r1", "r2", "r3"),),)


def test_a_diamond_is_three_rounds() -> None:
    assert plan_of(_graph([[], [0], [0], [1, 2]])) == ((("r0",),), (("r1",), ("r2",)), (("r3",),))
