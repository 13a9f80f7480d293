"""Backfills of a stack: plan, start, look, change."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Unpack

from pileus.backfills import control
from pileus.backfills.begin import begin
from pileus.backfills.plan import plan
from pileus.backfills.status import Status, find, status, status_of
from pileus.backfills.timing import SHOWN, where_time_went
from pileus.client.answers import Happening, PartitionDetail
from pileus.client.forecast import Forecast
from pileus.client.local.partitions import logs_of, moment, partition_of
from pileus.client.rules import BackfillRules, SpanRules
from pileus.client.services import Services
from pileus.client.timing_answers import TimingAnswer
from pileus.deploy.cost import estimate
from pileus.deploy.figures import latest_manifests, read_prices, spending, work_of
from pileus.edges.logs import Line
from pileus.lifecycle.backfill import Backfill, Select
from pileus.lifecycle.backfill import State as BackfillState
from pileus.lifecycle.spending import Spending
from pileus.project.registry import Registry


@dataclass(frozen=True)
class LocalBackfills:
    """Backfills of the stack that these services reach; see `protocol.Backfills`."""

    services: Services
    deployment: Callable[[], Any]
    """Returns the settings of the deployment on AWS that costs are told of."""
    by: str = ""
    """Who asks: a backfill that begins says so."""

    def plan(self, collection: str, **rules: Unpack[SpanRules]) -> Forecast:
        """Return what a backfill would do to each partition, why, and what it would cost. Writes nothing."""
        edges, registry = self.services.edges, self._registry()
        wanted = control.new_backfill(registry, collection, now=edges.now(), **rules)
        template = registry.collection(collection, wanted.version)
        provider = registry.provider_of(template, wanted.provider or None)
        found = plan(edges, template, provider, wanted)
        groups = len(found.running)
        work = work_of(
            latest_manifests(edges, template.name),
            points=len(wanted.periods),
            groups=groups,
            connections=provider.globalConnectionLimit,
            group_bytes=found.size / groups if found.size else None,
        )
        deployment = self.deployment()
        made = estimate(work, deployment, read_prices())
        return Forecast(found, made.dollars, round(made.minutes, 1), made.prices, deployment.max_workers)

    def start(self, collection: str, *, max_dollars: float | None = None, **rules: Unpack[BackfillRules]) -> Backfill:
        """Start a backfill, and return it. Raises NotNow when there is one of its id."""
        edges, registry = self.services.edges, self._registry()
        limit = self._spending(registry, collection, rules, max_dollars)
        planned = control.new_backfill(
            registry, collection, now=edges.now(), spending=limit, started_by=self.by, **rules
        )
        return begin(edges, self.services.workflows, registry, planned)

    def all(self, *, collection: str | None = None, state: BackfillState | None = None) -> Iterator[Backfill]:
        """Yield backfills, newest first."""
        for one in self.services.edges.index.backfills():
            if collection in (None, one.collection) and state in (None, one.state):
                yield one

    def show(self, id: str) -> Backfill:
        """Return a backfill as it is now. Raises Unknown."""
        return find(self.services.edges, id)

    def status(self, id: str, *, whole: bool = False, files: bool = False) -> Status:
        """Return a backfill with the outcome of each partition. Raises Unknown.

        One whose execution has ended, or was lost, and nobody recorded it, is settled first.
        """
        edges = self.services.edges
        settled = control.settle(edges, self.services.workflows, find(edges, id))
        return status_of(edges, settled, whole=whole, files=files)

    def timing(self, id: str, *, limit: int = SHOWN) -> TimingAnswer:
        """Return where its time went: by step, of its `limit` slowest partitions, and over time. Raises Unknown."""
        return TimingAnswer.of(id, where_time_went(self.status(id, whole=True), limit=limit))

    def pause(self, id: str) -> Backfill:
        """Stop it so that `resume` can continue it. Raises NotNow when it is over."""
        return control.pause(self.services.edges, self.services.workflows, id)

    def resume(self, id: str) -> Backfill:
        """Continue a paused one. Raises NotNow when it is not paused."""
        return control.resume(self.services.edges, self.services.workflows, id)

    def cancel(self, id: str) -> Backfill:
        """Stop it for good. Raises NotNow when it is over."""
        return control.cancel(self.services.edges, self.services.workflows, id)

    def retry(self, id: str, select: Select = "needed", only: tuple[str, ...] = ()) -> Backfill:
        """Run partitions of an ended one again. Raises NotNow when it has not ended, Unknown for what it has not."""
        return control.retry(self.services.edges, self.services.workflows, id, select, only)

    def history(self, id: str) -> Iterator[Happening]:
        """Yield what happened to it and to its partitions, newest first. Raises Unknown."""
        backfill = find(self.services.edges, id)
        yield from sorted(self._happenings(backfill), key=lambda one: (one.time, one.period, one.group), reverse=True)

    def partition(self, id: str, period: str, group: str) -> PartitionDetail:
        """Return one partition: its files, attempts, reasons, manifest and outputs. Raises Unknown."""
        return partition_of(self.services, status(self.services.edges, id, whole=True), period, group)

    def logs(self, id: str, period: str, group: str) -> list[Line]:
        """Return what workers wrote about a partition in any run of the backfill, oldest first. Raises Unknown."""
        return logs_of(self.services, status(self.services.edges, id), period, group)

    def _registry(self) -> Registry:
        return control.read_registry(self.services.edges.store, self.services.stack)

    def _spending(
        self, registry: Registry, collection: str, rules: BackfillRules, most: float | None
    ) -> Spending | None:
        """Return the limit in dollars, with the prices that the settings lead to; None where it is not given."""
        if most is None:
            return None
        template = registry.collection(collection, rules.get("version"))
        limit = registry.provider_of(template, rules.get("provider")).globalConnectionLimit
        work = work_of(latest_manifests(self.services.edges, template.name), points=0, groups=1, connections=limit)
        return spending(most, work, self.deployment(), read_prices())

    def _happenings(self, backfill: Backfill) -> Iterator[Happening]:
        place = (backfill.collection, backfill.version, backfill.first, backfill.last)
        for entry in self.services.edges.index.entries(*place):
            if entry.backfill == backfill.id:
                at = entry.partition
                for step in entry.past:
                    facts = {"period": at.period, "group": at.group, "state": step.state, "text": step.text}
                    yield Happening(time=moment(step.time), run=step.run, **facts)
        yield Happening(time=backfill.started, state="started", text=backfill.command or f"by {backfill.started_by}")
        if backfill.ended:
            yield Happening(time=backfill.ended, state=backfill.state, text=backfill.problem or "")
