"""Index, workflows and budget of a simulated stack, as the real code is given them."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pileus.edges.connections import Lease
from pileus.edges.index import Brief, MemoryIndex
from pileus.edges.workflows import Status
from pileus.lifecycle.backfill import Backfill
from pileus.lifecycle.partition import Entry
from pileus.models import Partition
from spec.simulation.machines import Machines
from spec.simulation.schedule import Process, Schedule


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

    def status(self, execution: str) -> Status:
        found: Status = self._schedule.effect(
            f"status of {execution}", lambda: self.machines.status(execution), self._down
        )
        return found

    def stop(self, execution: str, cause: str) -> None:
        self._schedule.effect(f"stop {execution}", lambda: self.machines.stop(execution), self._down)

    def running(self, workflow: str, prefix: str) -> Iterator[str]:
        yield from self._schedule.effect(
            f"list executions {prefix}", lambda: list(self.machines.running(workflow, prefix)), self._down
        )


@dataclass(eq=False)
class Held:
    """A lease of the budget."""

    process: Process
    until: float
    known: bool = False
    """Whether its holder has heard of it, and so renews it while it lives."""


class SimulatedConnections:
    """A budget that is never passed; what a dead process held, or never heard of, is free again after a while."""

    def __init__(self, schedule: Schedule, down: Callable[[], bool], lease: float) -> None:
        self._schedule, self._down, self._lease = schedule, down, lease
        self.held: dict[str, dict[str, Held]] = {}

    def acquire(self, provider: str, limit: int, pulse: Callable[[], None] | None = None) -> Lease:
        while True:
            process = self._schedule._me().process
            lease: Lease | None = self._schedule.effect(
                f"acquire {provider}", lambda process=process: self._free(provider, limit, process), self._down
            )
            if lease is not None and (mine := self.held[provider].get(lease.id)):
                mine.known = True
                return lease
            if lease is not None:
                continue  # it ran out before its answer came
            if pulse:
                pulse()
            self._schedule.sleep(1)

    def _free(self, provider: str, limit: int, process: Process) -> Lease | None:
        held, now = self.held.setdefault(provider, {}), self._schedule.now
        for id, one in list(held.items()):
            if one.known and one.process.alive:
                one.until = now + self._lease
            elif one.until <= now:
                del held[id]
        if len(held) >= limit:
            return None
        lease = Lease(lambda lease: self._release(provider, lease), lambda: False)
        held[lease.id] = Held(process, now + self._lease)
        return lease

    def _release(self, provider: str, lease: Lease) -> None:
        held = self.held.setdefault(provider, {})
        if lease.id in held:
            held[lease.id].known = False  # nobody renews it from here on
        self._schedule.effect(f"release {provider}", lambda: held.pop(lease.id, None) and None, self._down)
