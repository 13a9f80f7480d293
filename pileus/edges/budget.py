"""Who goes first for a provider's connections: pure functions over what its workers have written down.

A provider with a limit of N connections has the slots 0 to N - 1. Each worker that has or wants some has one
`Holder`, which only that worker writes, and each slot that is taken names one worker.
"""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True, slots=True)
class Holder:
    """One worker's part of the budget."""

    worker: str
    slots: frozenset[int] = frozenset()
    """The slots that it has, or is about to take or to give back."""
    ticket: int = 0
    """Its place among those who wait, the lowest first; 0: it does not wait."""
    tag: str = ""
    """Drawn anew at each write. Who sees the same one for long enough knows that the worker is dead."""
    dead: bool = False
    """Somebody has found it dead and is clearing its slots; it can never be renewed."""


@dataclass(frozen=True)
class Budget:
    """What the other workers have and want, at one moment."""

    others: Collection[Holder] = ()

    @cached_property
    def used(self) -> frozenset[int]:
        """The slots that others have."""
        return frozenset().union(*(holder.slots for holder in self.others))

    @property
    def next_ticket(self) -> int:
        """A ticket behind all that were drawn (Lamport's bakery: needs no clock and no common counter).

        >>> Budget([Holder("a", ticket=4), Holder("b")]).next_ticket
        5
        """
        return 1 + max((holder.ticket for holder in self.others), default=0)

    def ahead_of(self, me: Holder) -> int:
        """How many of those who wait go before me: who has fewer connections first, then the lower ticket.

        >>> Budget([Holder("a", frozenset({0}), ticket=1), Holder("b", ticket=9)]).ahead_of(Holder("c", ticket=10))
        1
        """
        mine = len(me.slots), me.ticket, me.worker
        return sum((len(h.slots), h.ticket, h.worker) < mine for h in self.others if h.ticket)

    def free(self, me: Holder, limit: int) -> list[int]:
        """The slots that I may try to take: none if as many wait before me as there is room.

        >>> Budget([Holder("a", frozenset({0, 2}))]).free(Holder("b", frozenset({1}), ticket=1), 5)
        [3, 4]
        >>> Budget([Holder("a", ticket=1)]).free(Holder("b", ticket=2), 1)
        []
        """
        taken = self.used | me.slots
        if self.ahead_of(me) >= limit - len(taken):
            return []
        return [slot for slot in range(limit) if slot not in taken]

    def asks_back(self, me: Holder, limit: int) -> bool:
        """Whether somebody with fewer connections than I waits, and there is no room.

        >>> Budget([Holder("b", ticket=1)]).asks_back(Holder("a", frozenset({0})), 1)
        True
        >>> Budget([Holder("b", ticket=1)]).asks_back(Holder("a", frozenset({0})), 2)
        False
        """
        full = len(self.used | me.slots) >= limit
        return full and any(holder.ticket and len(holder.slots) < len(me.slots) for holder in self.others)
