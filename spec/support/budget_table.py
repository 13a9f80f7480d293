"""The table of connection budgets: in memory, and as the stack makes it on an embedded AWS."""

from collections.abc import Collection
from uuid import uuid4

from pileus.edges.aws import Aws
from pileus.edges.budget import Holder
from spec.servers import Site


class MemoryBudgetTable:
    """See pileus.edges.budget_table.BudgetTable. Every call is one effect."""

    def __init__(self) -> None:
        self.workers: dict[tuple[str, str], Holder] = {}
        self.slots: dict[tuple[str, int], tuple[str, str]] = {}
        """Worker and token, by provider and slot."""

    def holders(self, provider: str, *, now: bool = True) -> list[Holder]:
        return [holder for (name, _), holder in sorted(self.workers.items()) if name == provider]

    def put(self, provider: str, holder: Holder, known: Collection[str | None]) -> bool:
        stored = self.workers.get((provider, holder.worker))
        if (stored.tag if stored else None) in known:
            self.workers[provider, holder.worker] = holder
            return True
        return stored is not None and stored.tag == holder.tag

    def remove(self, provider: str, worker: str, known: Collection[str | None]) -> bool:
        stored = self.workers.get((provider, worker))
        if stored and stored.tag in known:
            del self.workers[provider, worker]
        return (provider, worker) not in self.workers

    def take(self, provider: str, slot: int, worker: str, token: str, instead_of: str | None = None) -> str:
        _, now = self.slots.get((provider, slot), ("", None))
        if now in (None, instead_of):
            self.slots[provider, slot] = worker, token
            return token
        return now

    def free(self, provider: str, slot: int, *, worker: str, token: str | None = None) -> None:
        if (found := self.slots.get((provider, slot))) and found[0] == worker and token in (None, found[1]):
            del self.slots[provider, slot]


def make_budget_table(aws: Site) -> str:
    """Make a table as the stack has it, and return its name."""
    name = f"connections-{uuid4().hex}"
    keys = {"provider": "HASH", "lease": "RANGE"}
    Aws(aws.url).dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in keys.items()],  # type: ignore[typeddict-item]
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
        BillingMode="PAY_PER_REQUEST",
    )
    return name
