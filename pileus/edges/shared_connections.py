"""The connection budget of many workers, over one table, without comparing their clocks.

Each slot of a provider is an item of its own, taken by a conditional write, so no more than the limit are ever taken.
Before a worker takes a slot it lists it in its own item, and it renews that item while it has any. A
worker that sees another's item unchanged for long enough, on its own clock, marks it as dead, so that it cannot be
renewed, gives its slots back and removes it. A worker counts its own leases as lost before others may count it as dead.
"""

import random
import threading
import uuid
from contextlib import suppress
from dataclasses import replace
from itertools import count

from pileus.edges.budget import Budget, Holder
from pileus.edges.budget_table import BudgetTable
from pileus.edges.connections import Lease, Pulse
from pileus.errors import Conflict, StoreError
from pileus.pace import Pace, Threads

SILENCE = 1.25
"""A worker is dead when its item has not changed for so many lease times."""
SLOWEST_POLL = 1.5
"""Seconds between two reads of a worker that is far back in the queue."""
PATIENCE = 6.0
"""Seconds after which a ticket counts no more unless it was renewed."""


class Share:
    """This process's part of one provider's budget: its leases, and its item in the table.

    `lock` is held around every change. `me`: what the item should say; `stored`: what it said at the last write.
    """

    def __init__(self, table: BudgetTable, provider: str, worker: str, seconds: float, pace: Pace) -> None:
        self._table, self._provider, self._worker, self._seconds = table, provider, worker, seconds
        self._clock = pace.clock
        self.lock = pace.lock()
        self.asking = pace.lock()
        self.waiting = 0
        """Threads of this process that wait for a connection."""
        self.renewing = False
        self._names = count()
        self._seen: dict[str, tuple[str, float]] = {}
        self._suspects: dict[int, str] = {}
        self.asked_back = (-1e9, False)
        """When the table was last asked whether a worker waits for one of ours, and the answer."""
        self._begin()

    def _begin(self) -> None:
        """Forget everything, and take a new name."""
        self.leases: dict[str, int] = {}
        self._leaving: dict[int, str] = {}
        self._known: set[str | None] = {None}
        self._until = self._written = -1e9
        self.me = self.stored = Holder(f"{self._worker}.{next(self._names)}")

    @property
    def idle(self) -> bool:
        """Return whether there is nothing to renew."""
        return not (self.leases or self._leaving)

    @property
    def stale(self) -> bool:
        """Return whether the item must be written: it differs from `me`, or its ticket expires soon."""
        return self.me != self.stored or (bool(self.me.ticket) and self._clock() - self._written > PATIENCE / 3)

    def has(self, lease: Lease) -> bool:
        """Return whether the lease is valid."""
        return lease.id in self.leases and self._clock() < self._until

    def write(self) -> None:
        """Write the item. Raises StoreError; Conflict when others marked it as dead: then every lease is lost."""
        started, tag = self._clock(), uuid.uuid4().hex
        self._known.add(tag)
        if not self._table.put(self._provider, replace(self.me, tag=tag), self._known - {tag}):
            self._begin()
            raise Conflict("the leases ran out before they could be renewed", where=self._provider)
        self._known, self.stored = {tag}, self.me
        self._written, self._until = started, started + self._seconds

    def take(self, slot: int, lease: Lease) -> bool:
        """Take the slot for the lease. Return whether that was possible. Raises StoreError."""
        ticket, token = self.me.ticket, lease.id
        self.me = replace(self.me, slots=self.me.slots | {slot}, ticket=0)
        self.write()
        self._leaving[slot] = token
        holder = self._table.take(self._provider, slot, self.me.worker, token, self._suspects.pop(slot, None))
        del self._leaving[slot]
        if holder == token:
            self.leases[token] = slot
            return True
        # No item lists the slot, yet it is taken. When a second read finds the same token and no item, it is left over:
        # a worker lists a slot before it takes it, until after it has given it back, and a token is used once.
        self._suspects[slot] = holder
        self.me = replace(self.me, slots=self.me.slots - {slot}, ticket=ticket)
        return False

    def give_back(self, lease: Lease) -> None:
        """Release a lease. What cannot be released now is released at the next renewal."""
        slot = self.leases.pop(lease.id, None)
        if slot is not None:
            self._leaving[slot] = lease.id
            with suppress(StoreError, Conflict):
                self.settle()

    def settle(self) -> None:
        """Release what is left to release, and write the item; remove it when nothing is left. Raises StoreError."""
        for slot, token in list(self._leaving.items()):
            self._table.free(self._provider, slot, worker=self.me.worker, token=token)
            del self._leaving[slot]
        self.me = replace(self.me, slots=frozenset(self.leases.values()))
        if self.me.slots or self.me.ticket:
            self.write()
        elif self._known != {None}:
            self._known.add(None)
            if not self._table.remove(self._provider, self.me.worker, frozenset(self._known)):
                self._begin()
            self._known, self.stored = {None}, self.me

    def survey(self, *, now: bool = True) -> Budget:
        """Return what the other workers have and want. Clears dead workers. Raises StoreError."""
        asked, seen = self._clock(), {}
        holders = self._table.holders(self._provider, now=now)
        answered, others = self._clock(), []
        for holder in holders:
            if holder.worker == self.me.worker:
                continue
            tag, since = self._seen.get(holder.worker, ("", 0.0))
            seen[holder.worker] = holder.tag, since if tag == holder.tag else answered
            silence = asked - seen[holder.worker][1]  # this process may have been paused between the two reads
            if (holder.dead or silence > SILENCE * self._seconds) and self._cleared(holder):
                continue
            others.append(replace(holder, ticket=0) if silence > PATIENCE else holder)
        self._seen = seen
        return Budget(others)

    def _cleared(self, holder: Holder) -> bool:
        """Release all slots of a dead worker. Return False when it lives."""
        if not holder.dead:
            dead = replace(holder, dead=True, tag=uuid.uuid4().hex)
            if not self._table.put(self._provider, dead, {holder.tag}):
                return False
            holder = dead
        for slot in holder.slots:
            self._table.free(self._provider, slot, worker=holder.worker)
        self._table.remove(self._provider, holder.worker, {holder.tag})
        return True


class SharedConnections:
    """The budget of all workers that share a table.

    `seconds`: a lease's time; it is renewed after each third of it. `worker`: a name that no other process has or had.
    `dice`: chooses the free slot and the length of each pause.
    """

    def __init__(
        self,
        table: BudgetTable,
        *,
        seconds: float = 20,
        poll_seconds: float = 0.2,
        worker: str | None = None,
        pace: Pace | None = None,
        dice: random.Random | None = None,
    ) -> None:
        self._table, self._seconds, self._poll = table, seconds, poll_seconds
        self._pace, self._dice = pace or Threads(), dice or random.Random()
        self._worker = worker or uuid.uuid4().hex
        self._shares: dict[str, Share] = {}
        self._never = threading.Event()
        self._all = self._pace.lock()

    def acquire(self, provider: str, limit: int, pulse: Pulse | None = None) -> Lease:
        """See Connections. Raises StoreError when the table cannot be read or written."""
        share = self._share(provider)
        lease = Lease(
            lambda it: self._release(share, it), lambda: self._contended(share, limit), lambda it: not share.has(it)
        )
        with self._all:
            share.waiting += 1
        try:
            # One thread reads the table; the other threads of this process wait for it.
            while not share.asking.acquire(timeout=1):
                if pulse:
                    pulse()
            try:
                self._wait_for_turn(share, limit, lease, pulse)
            finally:
                share.asking.release()
        finally:
            with self._all:
                share.waiting -= 1
        return lease

    def _share(self, provider: str) -> Share:
        with self._all:
            if provider not in self._shares:
                self._shares[provider] = Share(self._table, provider, self._worker, self._seconds, self._pace)
            return self._shares[provider]

    def _wait_for_turn(self, share: Share, limit: int, lease: Lease, pulse: Pulse | None) -> None:
        try:
            ahead = self._try(share, limit, lease, wait=False)
            while ahead is not None:
                if pulse:
                    pulse()
                pause = min(self._poll * (1 + ahead), max(self._poll, SLOWEST_POLL))
                self._pace.wait(self._never, pause * self._dice.uniform(0.5, 1.5))
                ahead = self._try(share, limit, lease, wait=True)
            self._keep_renewed(share)
        except BaseException:
            with share.lock, suppress(StoreError, Conflict):
                share.me = replace(share.me, ticket=0)
                share.settle()
            self._keep_renewed(share)
            raise

    def _try(self, share: Share, limit: int, lease: Lease, *, wait: bool) -> int | None:
        """Take a slot if it is our turn, and return None. Else return how many come before us. `wait`: take a ticket
        too.
        """
        with share.lock:
            budget = share.survey()
            drawn = share.me if share.me.ticket else replace(share.me, ticket=budget.next_ticket)
            free = budget.free(drawn, limit)
            try:
                if free or wait:
                    share.me = drawn
                if free and share.take(self._dice.choice(free), lease):
                    return None
                if wait and share.stale:
                    share.write()
            except Conflict:
                return 0  # our item was marked as dead: try again under another name
            return budget.ahead_of(drawn)

    def _release(self, share: Share, lease: Lease) -> None:
        with share.lock:
            share.give_back(lease)

    def _contended(self, share: Share, limit: int) -> bool:
        if share.waiting:
            return True
        looked, answer = share.asked_back
        if self._pace.clock() - looked > 1:
            with suppress(StoreError), share.lock:
                answer = share.survey(now=False).asks_back(share.me, limit)
            share.asked_back = self._pace.clock(), answer
        return answer

    def _keep_renewed(self, share: Share) -> None:
        """Start the thread that renews and releases leases, unless it runs."""
        with share.lock:
            begin = not share.renewing and not share.idle
            share.renewing |= begin
        if begin:
            self._pace.spawn(lambda: self._renew(share), "lease renewal")

    def _renew(self, share: Share) -> None:
        """Renew the leases until there are none."""
        pause = self._seconds / 3
        while True:
            self._pace.wait(self._never, pause)
            with share.lock:
                if share.idle:
                    share.renewing = False
                    return
                pause = self._seconds / 3
                try:
                    with suppress(Conflict):  # all leases are lost
                        share.settle()
                except StoreError:
                    pause = self._seconds / 15  # there is time for a few more tries
