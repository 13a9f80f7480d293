"""Which worker gets the next connection to a provider: pure functions over the items that its workers have written.

A provider with a limit of N connections has the slots 0 to N - 1. Each worker that has or wants some has one `Holder`,
which only that worker writes, and each slot that is taken names one worker.
"""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True, slots=True)
class Holder:
    """One worker's part of the budget."""

    worker: str
    slots: frozenset[int] = frozenset()
    """The slots that it has, is taking or is giving back."""
    ticket: int = 0
    """Its place in the queue of waiting workers, lowest first; 0: it does not wait."""
    tag: str = ""
    """A new random value at each write. When it stays the same for long enough, the worker is dead."""
    dead: bool = False
    """Set when another worker found it dead and clears its slots. Such an item cannot be renewed."""


@dataclass(frozen=True)
class Budget:
    """The items of the other workers, at one moment."""

    others: Collection[Holder] = ()

    @cached_property
    def used(self) -> frozenset[int]:
        """Return the slots that the other workers have."""
        return frozenset().union(*(holder.slots for holder in self.others))

    @property
    def next_ticket(self) -> int:
        """Return a ticket higher than all others (Lamport's bakery algorithm: it needs no clock and no common counter).

        >>> Budget([Holder("a", ticket=4), Holder("b")]).next_ticket
        5
        """
        return 1 + max((holder.ticket for holder in self.others), default=0)

    def ahead_of(self, me: Holder) -> int:
        """Return how many waiting workers come before me: those with fewer connections, then those with a lower ticket.

        >>> Budget([Holder("a", frozenset({0}), ticket=1), Holder("b", ticket=9)]).ahead_of(Holder("c", ticket=10))
        1
        """
        mine = len(me.slots), me.ticket, me.worker
        return sum((len(h.slots), h.ticket, h.worker) < mine for h in self.others if h.ticket)

    def free(self, me: Holder, limit: int) -> list[int]:
        """Return the slots that I may try to take; none when the workers before me need all that are free.

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
        """Return whether a worker with fewer connections than mine waits while no slot is free.

        >>> Budget([Holder("b", ticket=1)]).asks_back(Holder("a", frozenset({0})), 1)
        True
        >>> Budget([Holder("b", ticket=1)]).asks_back(Holder("a", frozenset({0})), 2)
        False
        """
        full = len(self.used | me.slots) >= limit
        return full and any(holder.ticket and len(holder.slots) < len(me.slots) for holder in self.others)
