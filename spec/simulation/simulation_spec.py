"""Everything that may go wrong goes wrong, in every order: what must always hold, holds for every seed."""

from spec.simulation.world import run


def test_a_seed_is_a_history() -> None:
    first, second = run(7, verbose=True), run(7, verbose=True)
    assert first.history == second.history
    assert len(first.history) > 10
