"""Index, workflows and budget of a simulated stack, as the real code is given them."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pileus.edges.budget import Holder
from pileus.edges.budget_table import BudgetTable
from pileus.edges.connections import Lease, Pulse
from pileus.edges.index import Brief, MemoryIndex
from pileus.edges.shared_connections import SharedConnections
from pileus.edges.workflows import Happened, Outcome, Status
from pileus.lifecycle.backfill import Backfill
from pileus.lifecycle.partition import Entry
from pileus.lifecycle.report import Report
from pileus.models import Partition
from spec.simulation import limits
from spec.simulation.machines import Machines
from spec.simulation.pace import Pace
from spec.simulation.schedule import Process, Schedule
from spec.support.budget_table import MemoryBudgetTable

T = TypeVar("T")


class SimulatedIndex:
    """The real MemoryIndex, each call an effect. It is replaced by an empty one when the engine is lost."""

    def __init__(
        self,
        schedule: Schedule,
        down: Callable[[], bool],
        changed: Callable[[Any, Any], None],
    ) -> None:
        """`changed`: called with an entry or a backfill as it was stored before, and as it is now."""
        self._schedule, self._down, self._changed = schedule, down, changed
        self.inner = MemoryIndex()

    def _effect(self, what: str, do: Callable[[], Any]) -> Any:
        return self._schedule.effect(what, do, self._down)

    def entry(self, partition: Partition) -> Entry | None:
        found: Entry | None = self._effect(f"read {partition.key}", lambda: self.inner.entry(partition))
        return found

    def several(self, partitions: Collection[Partition]) -> list[Entry]:
        found: list[Entry] = self._effect("read several", lambda: self.inner.several(partitions))
        return found

    def entries(self, collection: str, version: str, first: str, last: str) -> Iterator[Entry]:
        yield from self._effect("read entries", lambda: list(self.inner.entries(collection, version, first, last)))

    def briefs(self, collection: str, version: str, first: str, last: str) -> Iterator[Brief]:
        yield from self._effect("read briefs", lambda: list(self.inner.briefs(collection, version, first, last)))

    def put(self, entry: Entry, **condition: Any) -> Any:
        def do() -> Any:
            limits.item_fits(entry.to_json(), entry.partition.key)
            before = self.inner._entries.get(entry.partition.key)
            stored = self.inner.put(entry, **condition)
            self._changed(before, self.inner._entries[entry.partition.key])
            return stored

        what = f"index {entry.partition.key} {entry.state} {entry.run} {entry.owner or ''}".rstrip()
        return self._effect(what, do)

    def remove(self, entry: Entry) -> None:
        self._effect(f"remove {entry.partition.key}", lambda: self.inner.remove(entry))

    def backfill(self, id: str) -> Backfill | None:
        found: Backfill | None = self._effect(f"read backfill {id}", lambda: self.inner.backfill(id))
        return found

    def backfills(self) -> Iterator[Backfill]:
        yield from self._effect("read backfills", lambda: list(self.inner.backfills()))

    def put_backfill(self, backfill: Backfill) -> Any:
        def do() -> Any:
            before = self.inner.backfill(backfill.id)
            stored = self.inner.put_backfill(backfill)
            self._changed(before, self.inner.backfill(backfill.id))
            return stored

        return self._effect(f"index backfill {backfill.id}/{backfill.run} {backfill.state}", do)


class SimulatedWorkflows:
    """The engine's API."""

    def __init__(self, schedule: Schedule, down: Callable[[], bool]) -> None:
        self._schedule, self._down = schedule, down
        self.machines: Machines

    def start(self, workflow: str, name: str, value: Mapping[str, Any]) -> str:
        arn: str = self._schedule.effect(
            f"start {name}", lambda: self.machines.start(workflow, name, value), self._down
        )
        return arn

    def exists(self, workflow: str) -> bool:
        found: bool = self._schedule.effect(f"look for {workflow}", lambda: self.machines.exists(workflow), self._down)
        return found

    def definition(self, workflow: str) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self._schedule.effect(
            f"read {workflow}", lambda: self.machines.definition(workflow), self._down
        )
        return found

    def status(self, execution: str) -> Status:
        found: Status = self._schedule.effect(
            f"status of {execution}", lambda: self.machines.status(execution), self._down
        )
        return found

    def outcome(self, execution: str) -> Outcome:
        return Outcome(self.status(execution))

    def history(self, execution: str) -> list[Happened]:
        found: list[Happened] = self._schedule.effect(
            f"history of {execution}", lambda: self.machines.history(execution), self._down
        )
        return found

    def stop(self, execution: str, cause: str) -> None:
        self._schedule.effect(f"stop {execution}", lambda: self.machines.stop(execution), self._down)

    def running(self, workflow: str, prefix: str) -> Iterator[str]:
        yield from self._schedule.effect(
            f"list executions {prefix}", lambda: list(self.machines.running(workflow, prefix)), self._down
        )


class SimulatedBudgetTable(MemoryBudgetTable):
    """The table of budgets, each call an effect."""

    def __init__(self, schedule: Schedule, down: Callable[[], bool]) -> None:
        super().__init__()
        self._schedule, self._down = schedule, down

    def holders(self, provider: str, *, now: bool = True) -> list[Holder]:
        return self._effect(f"budget of {provider}", lambda: super(type(self), self).holders(provider, now=now))

    def put(self, provider: str, holder: Holder, known: Collection[str | None]) -> bool:
        what = f"budget of {provider}: {holder.worker} has {sorted(holder.slots)}{' dead' * holder.dead}"
        return self._effect(what, lambda: super(type(self), self).put(provider, holder, known))

    def remove(self, provider: str, worker: str, known: Collection[str | None]) -> bool:
        what = f"budget of {provider}: {worker} has nothing"
        return self._effect(what, lambda: super(type(self), self).remove(provider, worker, known))

    def take(self, provider: str, slot: int, worker: str, token: str, instead_of: str | None = None) -> str:
        what = f"acquire {provider} {slot} for {worker}"
        return self._effect(what, lambda: super(type(self), self).take(provider, slot, worker, token, instead_of))

    def free(self, provider: str, slot: int, *, worker: str, token: str | None = None) -> None:
        what = f"release {provider} {slot} of {worker}"
        self._effect(what, lambda: super(type(self), self).free(provider, slot, worker=worker, token=token))

    def _effect(self, what: str, do: Callable[[], T]) -> T:
        done: T = self._schedule.effect(what, do, self._down)
        return done


class SimulatedReports:
    """A topic, each report an effect."""

    def __init__(self, schedule: Schedule, down: Callable[[], bool]) -> None:
        self._schedule, self._down = schedule, down
        self.told: set[str] = set()
        """Id of each report that arrived."""

    def tell(self, reports: Sequence[Report]) -> None:
        ids = [one.id for one in reports]
        self._schedule.effect(f"tell {', '.join(ids)}", lambda: self.told.update(ids), self._down)


class SimulatedConnections:
    """The real budget of each simulated process, over one table."""

    def __init__(self, schedule: Schedule, table: BudgetTable, seconds: float) -> None:
        self._schedule, self._table, self._seconds = schedule, table, seconds
        self._of: dict[Process, SharedConnections] = {}

    def in_force(self, process: Process, provider: str) -> bool:
        """Return whether a process has a lease that it may rely on."""
        share = self._of[process]._shares.get(provider) if process in self._of else None
        return share is not None and bool(share.leases) and self._schedule.now < share._until

    def acquire(self, provider: str, limit: int, pulse: Pulse | None = None) -> Lease:
        process = self._schedule._me().process
        if process not in self._of:
            self._of[process] = SharedConnections(
                self._table,
                seconds=self._seconds,
                worker=f"{process.name}-{len(self._of)}",
                pace=Pace(self._schedule),
                dice=self._schedule.dice,
            )
        return self._of[process].acquire(provider, limit, pulse)
