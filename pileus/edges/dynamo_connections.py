"""The connection budget of many workers: one item a provider that holds the leases and who waits.

It is changed only by conditional writes. A lease that is not renewed ends at its expiry, so what a dead worker held
comes back by itself. Clocks of the workers must agree within a few seconds.
"""

import json
import random
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pileus.edges.aws_errors import translated
from pileus.edges.connections import Lease, Pulse
from pileus.errors import Conflict, StoreError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

RANGE = "budget"
"""Value of the sort key of the item."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Who holds and who waits for a provider's connections, at one moment."""

    leases: Mapping[str, tuple[str, float]] = field(default_factory=dict)
    """Worker and expiry (Unix time), by lease."""
    waiting: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Since when and until when (Unix time), by worker."""

    def alive(self, now: float) -> "Budget":
        """Without what has run out."""
        return Budget(
            {lease: (worker, expires) for lease, (worker, expires) in self.leases.items() if expires > now},
            {worker: (since, until) for worker, (since, until) in self.waiting.items() if until > now},
        )

    def held(self, worker: str) -> int:
        return sum(owner == worker for owner, _ in self.leases.values())

    def may_take(self, worker: str, limit: int) -> bool:
        """Whether a free connection is for `worker`: those with fewer go first, then those who wait longer.

        >>> Budget({"l1": ("a", 9)}, {"a": (1, 9), "b": (2, 9)}).may_take("a", 2)
        False
        >>> Budget({"l1": ("a", 9)}, {"a": (1, 9), "b": (2, 9)}).may_take("b", 2)
        True
        """
        free = limit - len(self.leases)
        queue = sorted({*self.waiting, worker}, key=lambda w: (self.held(w), self.waiting.get(w, (float("inf"),))[0]))
        return queue.index(worker) < free

    def should_yield(self, worker: str, limit: int) -> bool:
        """Whether somebody with fewer connections waits, and none is free.

        >>> Budget({"l1": ("a", 9)}, {"b": (2, 9)}).should_yield("a", 1)
        True
        >>> Budget({"l1": ("a", 9)}, {"b": (2, 9)}).should_yield("a", 2)
        False
        """
        mine = self.held(worker)
        return len(self.leases) >= limit and any(self.held(other) < mine for other in self.waiting if other != worker)

    def to_json(self) -> str:
        return json.dumps({"leases": self.leases, "waiting": self.waiting})

    @classmethod
    def from_json(cls, text: str) -> "Budget":
        value = json.loads(text)
        return cls(
            {lease: (worker, expires) for lease, (worker, expires) in value["leases"].items()},
            {worker: (since, until) for worker, (since, until) in value["waiting"].items()},
        )


class DynamoConnections:
    """The budget of all workers that share a table with partition key `provider` and sort key `lease`.

    `seconds`: a lease's life without renewal; a thread renews those held every third of it.
    """

    def __init__(
        self,
        client: "DynamoDBClient",
        table: str,
        *,
        seconds: float = 30,
        poll_seconds: float = 0.2,
        worker: str | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._client, self._table = client, table
        self._seconds, self._poll, self._now = seconds, poll_seconds, now
        self._worker = worker or uuid.uuid4().hex
        self._lock = threading.Lock()
        self._asking: dict[str, threading.Lock] = defaultdict(threading.Lock)
        self._waiters: dict[str, int] = defaultdict(int)
        self._mine: dict[str, tuple[str, Lease, float]] = {}
        self._seen: dict[str, tuple[float, bool]] = {}
        self._renewing = False

    def acquire(self, provider: str, limit: int, pulse: Pulse | None = None) -> Lease:
        """See Connections. Raises StoreError when the table cannot be read or written."""
        lease = Lease(self._release, lambda: self._contended(provider, limit))
        with self._lock:
            self._waiters[provider] += 1
        try:
            # One thread asks the table, the others of this process queue behind it.
            while not self._asking[provider].acquire(timeout=1):
                if pulse:
                    pulse()
            try:
                self._wait_for_turn(provider, limit, lease, pulse)
            finally:
                self._asking[provider].release()
        finally:
            with self._lock:
                self._waiters[provider] -= 1
        return lease

    def _wait_for_turn(self, provider: str, limit: int, lease: Lease, pulse: Pulse | None) -> None:
        patience = max(4 * self._poll, 4.0)
        try:
            while not self._try(provider, limit, lease, patience):
                if pulse:
                    pulse()
                time.sleep(self._poll * random.uniform(0.5, 1.5))
        except BaseException:
            self._change(provider, lambda budget: _without_waiter(budget, self._worker))
            raise

    def _try(self, provider: str, limit: int, lease: Lease, patience: float) -> bool:
        now = self._now()
        expires = now + self._seconds
        taken = False

        def take(budget: Budget) -> Budget | None:
            nonlocal taken
            taken = budget.may_take(self._worker, limit)
            if taken:
                return _without_waiter(
                    replace(budget, leases={**budget.leases, lease.id: (self._worker, expires)}), self._worker
                )
            since, until = budget.waiting.get(self._worker, (now, 0.0))
            if until - now > patience / 2:
                return None
            return replace(budget, waiting={**budget.waiting, self._worker: (since, now + patience)})

        self._change(provider, take)
        if taken:
            with self._lock:
                self._mine[lease.id] = (provider, lease, expires)
                if not self._renewing:
                    self._renewing = True
                    threading.Thread(target=self._renew, daemon=True, name="lease renewal").start()
        return taken

    def _release(self, lease: Lease) -> None:
        with self._lock:
            provider, _, _ = self._mine.pop(lease.id, ("", lease, 0))
        if provider:
            # What cannot be given back ends at its expiry: no reason to fail a download that is whole.
            with suppress(StoreError):
                self._change(provider, lambda budget: _without_lease(budget, lease.id))

    def _contended(self, provider: str, limit: int) -> bool:
        if self._waiters[provider]:
            return True
        seen, answer = self._seen.get(provider, (0.0, False))
        if abs(self._now() - seen) > 1:
            with suppress(StoreError):
                answer = self._read(provider)[1].alive(self._now()).should_yield(self._worker, limit)
            self._seen[provider] = self._now(), answer
        return answer

    def _renew(self) -> None:
        """Renew what is held; ends when nothing is."""
        while True:
            time.sleep(self._seconds / 3)
            with self._lock:
                if not self._mine:
                    self._renewing = False
                    return
                providers = {provider for provider, _, _ in self._mine.values()}
            for provider in providers:
                self._renew_provider(provider)

    def _renew_provider(self, provider: str) -> None:
        with self._lock:
            mine = {id_: lease for id_, (of, lease, _) in self._mine.items() if of == provider}
        expires = self._now() + self._seconds
        kept: set[str] = set()

        def renew(budget: Budget) -> Budget:
            kept.clear()
            kept.update(mine.keys() & budget.leases.keys())
            return replace(budget, leases={**budget.leases, **dict.fromkeys(kept, (self._worker, expires))})

        try:
            self._change(provider, renew)
        except StoreError:
            kept = set()
        with self._lock:
            for id_, lease in mine.items():
                if id_ in kept and id_ in self._mine:
                    self._mine[id_] = (provider, lease, expires)
                elif id_ in self._mine and self._mine[id_][2] < self._now() + self._seconds / 3:
                    # Not renewable before its end: it must not be used when somebody else may have it.
                    lease.lost = True
                    del self._mine[id_]

    def _read(self, provider: str) -> tuple[int, Budget]:
        with translated(provider, "DynamoDB"):
            key = {"provider": {"S": provider}, "lease": {"S": RANGE}}
            item = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
        return (int(item["version"]["N"]), Budget.from_json(item["state"]["S"])) if item else (0, Budget())

    def _change(self, provider: str, step: Callable[[Budget], Budget | None]) -> None:
        """Apply `step` to the living budget until the write meets no other. Raises StoreError."""
        while True:
            version, stored = self._read(provider)
            after = step(stored.alive(self._now()))
            if after is None or (after == stored and version):
                return
            if self._write(provider, version, after):
                return
            time.sleep(random.uniform(0, 0.05))

    def _write(self, provider: str, version: int, budget: Budget) -> bool:
        """False when somebody else wrote since `version` was read."""
        item: Any = {
            "provider": {"S": provider},
            "lease": {"S": RANGE},
            "version": {"N": str(version + 1)},
            "state": {"S": budget.to_json()},
        }
        try:
            with translated(provider, "DynamoDB"):
                self._client.put_item(
                    TableName=self._table,
                    Item=item,
                    ConditionExpression="version = :version OR attribute_not_exists(version)",
                    ExpressionAttributeValues={":version": {"N": str(version)}},
                )
        except Conflict:
            return False
        return True


def _without_waiter(budget: Budget, worker: str) -> Budget:
    return replace(budget, waiting={other: span for other, span in budget.waiting.items() if other != worker})


def _without_lease(budget: Budget, lease: str) -> Budget:
    return replace(budget, leases={other: held for other, held in budget.leases.items() if other != lease})
