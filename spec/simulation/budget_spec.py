"""The connection budget is never passed and nothing of it is lost, whatever goes wrong, with clocks days apart.

A seed that fails is replayed with `python -m spec.simulation.budget SEED`. The last specs break what the budget rests
on, and must be found out.
"""

from collections.abc import Iterable

import pytest

from pileus.edges import shared_connections
from pileus.edges.shared_connections import Share
from spec.simulation.budget import Contest
from spec.simulation.edges import SimulatedBudgetTable


def violations(seeds: Iterable[int]) -> list[str]:
    """What is violated in any of them, with the command that replays it."""
    return [f"python -m spec.simulation.budget {seed}: {told}" for seed in seeds if (told := Contest(seed).run())]


@pytest.mark.parametrize("first", range(0, 60, 20))
def test_the_budget_is_never_passed_and_comes_back(first: int) -> None:
    assert violations(range(first, first + 20)) == []


@pytest.mark.soak
@pytest.mark.parametrize("first", range(60, 5060, 100))
def test_the_budget_is_never_passed_for_five_thousand_seeds(first: int) -> None:
    assert violations(range(first, first + 100)) == []


def test_processes_do_come_to_use_it() -> None:
    contest = Contest(3)
    assert contest.run() == ""
    assert contest.uses > 100


def found(seeds: Iterable[int]) -> str:
    """The first violation."""
    return next((text for seed in seeds if (text := " ".join(violations([seed])))), "none")


def test_counting_a_worker_dead_before_it_counts_its_leases_as_lost_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_connections, "SILENCE", 0.5)
    assert "connections are used" in found(range(200))


def test_leaving_a_slot_to_a_taking_that_arrived_too_late_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    take = SimulatedBudgetTable.take
    monkeypatch.setattr(
        SimulatedBudgetTable,
        "take",
        lambda self, provider, slot, worker, token, instead_of=None: take(self, provider, slot, worker, token),
    )
    assert "came back" in found(range(200))


def test_taking_a_slot_without_listing_it_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    write = Share.write

    def unlisted(self: Share) -> None:
        wanted, self.me = self.me, shared_connections.replace(self.me, slots=frozenset())
        write(self)
        self.me = self.stored = wanted

    monkeypatch.setattr(Share, "write", unlisted)
    assert "connections are used" in found(range(200))
