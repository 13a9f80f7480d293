"""Which worker gets the next connection to a provider."""

from hypothesis import given
from hypothesis import strategies as st

from pileus.edges.budget import Budget, Holder

NAMES = "abcd"


@st.composite
def holders(draw: st.DrawFn) -> list[Holder]:
    """Up to four workers that share up to six slots; some of them wait."""
    owners = draw(st.lists(st.sampled_from(NAMES), max_size=6))
    tickets = draw(st.lists(st.integers(0, 9), min_size=4, max_size=4))
    found = [
        Holder(name, frozenset(slot for slot, owner in enumerate(owners) if owner == name), ticket)
        for name, ticket in zip(NAMES, tickets, strict=True)
    ]
    return [holder for holder in found if holder.slots or holder.ticket]


def others(all: list[Holder], me: Holder) -> Budget:
    return Budget([holder for holder in all if holder is not me])


@given(all=holders(), limit=st.integers(1, 8))
def test_of_those_who_wait_as_many_may_try_as_there_is_room(all: list[Holder], limit: int) -> None:
    room = limit - len({slot for holder in all for slot in holder.slots})
    waiting = [holder for holder in all if holder.ticket]
    takers = [me for me in waiting if others(all, me).free(me, limit)]
    assert len(takers) == max(0, min(room, len(waiting)))


@given(all=holders(), limit=st.integers(1, 8))
def test_nobody_tries_a_slot_that_somebody_has_or_that_is_none(all: list[Holder], limit: int) -> None:
    taken = {slot for holder in all for slot in holder.slots}
    for me in all:
        assert set(others(all, me).free(me, limit)) <= set(range(limit)) - taken


@given(all=holders())
def test_a_new_ticket_is_behind_all(all: list[Holder]) -> None:
    me = Holder("z", ticket=Budget(all).next_ticket)
    assert Budget(all).ahead_of(me) == sum(not holder.slots for holder in all if holder.ticket)


@given(turns=st.lists(st.sampled_from(NAMES), max_size=60), limit=st.integers(1, 4))
def test_while_all_wait_for_too_few_nobody_has_two_before_each_has_one(turns: list[str], limit: int) -> None:
    now = {name: Holder(name, ticket=place) for place, name in enumerate(NAMES, 1)}
    for name in turns:
        budget = Budget([holder for other, holder in now.items() if other != name])
        if free := budget.free(now[name], limit):
            now[name] = Holder(name, now[name].slots | {free[0]}, budget.next_ticket)
        held = [len(holder.slots) for holder in now.values()]
        assert sum(held) <= limit
        assert max(held) <= 1


def test_a_lower_limit_is_kept_though_slots_above_it_are_taken() -> None:
    others = Budget([Holder("a", frozenset({7, 8, 9}))])
    assert others.free(Holder("b", ticket=1), 3) == []
    assert others.free(Holder("b", ticket=1), 4) == [0, 1, 2, 3]
