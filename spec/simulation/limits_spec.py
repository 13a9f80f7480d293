"""Limits of AWS hold: what passes one is refused here as AWS refuses it, and a plan of many partitions passes none."""

import json
from typing import Any

import pytest

from pileus.errors import StoreError
from pileus.models import State
from spec.simulation import limits, stack
from spec.simulation.executions import Failed
from spec.simulation.scenario import Plan
from spec.simulation.world import World


def carried_out(months: int, groups: int) -> World:
    """A backfill of many partitions, whose run broke nothing and has succeeded."""
    world = World(1, plan=Plan.large(months, groups, workers=20))
    assert world.run() == []
    (backfill,) = world.index.inner.backfills()
    assert backfill.state == "succeeded", backfill
    assert {entry.state for entry in world.index.inner._entries.values()} == {State.succeeded}
    assert len(world.index.inner._entries) == months * groups
    return world


def test_a_plan_of_a_thousand_partitions_passes_no_limit() -> None:
    """Executions have few events, whatever the number of points and groups: Distributed Maps run them."""
    world = carried_out(40, 26)
    assert max(execution.history[0] for execution in world.machines.executions.values()) < 100


@pytest.mark.soak
def test_a_plan_of_a_hundred_thousand_partitions_passes_no_limit() -> None:
    """A hundred times as many as above, and as few events: no limit comes nearer as a plan grows."""
    world = carried_out(3847, 26)
    assert max(execution.history[0] for execution in world.machines.executions.values()) < 100


def test_an_answer_that_is_too_long_fails_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when GenerateCollections answered with the points themselves."""
    name = "${GenerateCollectionsArn}"
    handler = stack.HANDLERS[name]

    def long(edges: Any, event: Any) -> Any:
        return {**handler(edges, event), "more": "x" * limits.PAYLOAD}

    monkeypatch.setitem(stack.HANDLERS, name, long)
    world = World(1, plan=Plan.large(2, 1, workers=1))
    assert any("is failed, and nothing hinders it" in text for text in world.run())


def test_too_many_events_end_an_execution() -> None:
    history = [0]
    for _ in range(limits.HISTORY // 5):
        limits.written(history, limits.EVENTS["Task"])
    with pytest.raises(Failed, match="more than 25,000 events"):
        limits.written(history, 1)


def test_an_item_that_is_too_large_is_refused() -> None:
    limits.item_fits({"a": "x" * (limits.ITEM - len(json.dumps({"a": ""})))}, "place")
    with pytest.raises(StoreError, match="409,601 bytes"):
        limits.item_fits({"a": "x" * (limits.ITEM - len(json.dumps({"a": ""})) + 1)}, "place")
