"""Backfills of a stack: plan, start, look, change."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from pileus.backfills import control
from pileus.backfills.begin import begin
from pileus.backfills.plan import plan
from pileus.backfills.record import Outcome
from pileus.backfills.status import Status, find, status
from pileus.client.answers import (
    BackfillAnswer,
    Bytes,
    Cell,
    Happening,
    Page,
    PartitionAnswer,
    PlanAnswer,
    PlannedAnswer,
)
from pileus.client.asked import Again, NewBackfill, Span
from pileus.client.paging import page
from pileus.client.services import Services
from pileus.lifecycle.backfill import Backfill
from pileus.lifecycle.backfill import State as BackfillState
from pileus.models import State


class LocalBackfills:
    """Backfills of the stack that these services reach.

    `look`: returns the status of a backfill by its id; a server gives one that many readers share.
    """

    def __init__(self, services: Services, look: Callable[[str], Status] | None = None) -> None:
        self._services = services
        self._look = look or (lambda id: status(services.edges, id))

    def plan(self, asked: Span) -> PlanAnswer:
        """Return what a backfill would do to each partition, and why. Asks the provider; writes nothing."""
        edges = self._services.edges
        registry = control.read_registry(edges.store, edges.stack)
        wanted = control.new_backfill(registry, now=edges.now(), **asked.model_dump())
        template = registry.collection(wanted.collection, wanted.version)
        found = plan(edges, template, registry.provider_of(template), wanted)
        rows = [PlannedAnswer(**row.to_json()) for row in found.rows]
        value = found.to_json()
        return PlanAnswer(totals=value["totals"], partitions=rows, files_set_aside=value["files_set_aside"])

    def start(self, asked: NewBackfill, *, by: str, command: str = "") -> BackfillAnswer:
        """Start a backfill, and return it. Raises NotNow when there is one of its id."""
        edges = self._services.edges
        registry = control.read_registry(edges.store, edges.stack)
        planned = control.new_backfill(registry, now=edges.now(), started_by=by, command=command, **asked.model_dump())
        return self.answer(begin(edges, self._services.workflows, registry, planned).id)

    def list(
        self,
        *,
        collection: str | None = None,
        state: BackfillState | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page[BackfillAnswer]:
        """Return backfills, newest first."""
        every = (
            backfill
            for backfill in self._services.edges.index.backfills()
            if collection in (None, backfill.collection) and state in (None, backfill.state)
        )
        return page(every, lambda one: one.id, lambda one: self.answer(one.id), limit=limit, cursor=cursor)

    def answer(self, id: str) -> BackfillAnswer:
        """Return a backfill as it is now. Raises Unknown."""
        return backfill_answer(self._look(id))

    def grid(self, id: str) -> Sequence[Cell]:
        """Return its points in time in order, each with its worst state and its groups by state."""
        return [Cell(period=c.period, state=c.state, groups=dict(c.counts)) for c in self._look(id).cells]

    def partitions(
        self,
        id: str,
        *,
        state: State | None = None,
        period: str | None = None,
        text: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page[PartitionAnswer]:
        """Return partitions in order of time. `text`: what the key or the reason holds, in any case."""
        found = self._look(id)
        wanted = (text or "").casefold()
        chosen = (
            one
            for one in found.outcomes
            if state in (None, one.state)
            and period in (None, one.period)
            and (not wanted or wanted in f"{one.period}/{one.group} {one.why}".casefold())
        )
        return page(
            chosen,
            lambda one: f"{one.period}/{one.group}",
            lambda one: partition_answer(found.backfill, one),
            limit=limit,
            cursor=cursor,
        )

    def pause(self, id: str) -> BackfillAnswer:
        """Stop it so that `resume` can continue it. Raises NotNow when it is over."""
        return self._changed(control.pause, id)

    def resume(self, id: str) -> BackfillAnswer:
        """Continue a paused one. Raises NotNow when it is not paused."""
        return self._changed(control.resume, id)

    def cancel(self, id: str) -> BackfillAnswer:
        """Stop it for good. Raises NotNow when it is over."""
        return self._changed(control.cancel, id)

    def retry(self, id: str, again: Again) -> BackfillAnswer:
        """Run partitions of an ended one again. Raises NotNow when it has not ended."""
        control.retry(self._services.edges, self._services.workflows, id, again.select)
        return self.answer(id)

    def history(self, id: str, *, limit: int = 100, cursor: str | None = None) -> Page[Happening]:
        """Return what happened last to each of its partitions, newest first."""
        backfill = find(self._services.edges, id)
        return page(
            sorted(_happenings(self._services, backfill), key=_when, reverse=True),
            lambda one: f"{one.time} {one.period}/{one.group}",
            lambda one: one,
            limit=limit,
            cursor=cursor,
        )

    def _changed(self, change: Callable[..., Any], id: str) -> BackfillAnswer:
        change(self._services.edges, self._services.workflows, id)
        return self.answer(id)


def backfill_answer(found: Status) -> BackfillAnswer:
    """Return the summary of a status."""
    facts = {name: value for name, value in asdict(found.backfill).items() if name in BackfillAnswer.model_fields}
    spending = found.backfill.spending
    return BackfillAnswer(
        **facts
        | {
            "counts": dict(found.counts),
            "bytes": Bytes(done=found.bytes_done, wanted=found.bytes_wanted),
            "spending": str(spending) if spending else None,
        }
    )


def partition_answer(backfill: Backfill, one: Outcome) -> PartitionAnswer:
    """Return a partition of a status."""
    facts = {name: getattr(one, name) for name in ("period", "group", "state", "why", "size", "downloaded")}
    return PartitionAnswer(key=one.key(backfill), **facts)


def _when(one: Happening) -> tuple[str, str, str]:
    return one.time, one.period, one.group


def moment(seconds: float) -> str:
    """Return Unix time as ISO 8601 UTC.

    >>> moment(0)
    '1970-01-01T00:00:00+00:00'
    """
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _happenings(services: Services, backfill: Backfill) -> Iterable[Happening]:
    entries = services.edges.index.entries(backfill.collection, backfill.version, backfill.first, backfill.last)
    for entry in entries:
        if entry.backfill == backfill.id and entry.updated:
            text = str(entry.failure) if entry.failure else entry.reason
            at = entry.partition
            yield Happening(
                time=moment(entry.updated), period=at.period, group=at.group, state=str(entry.state), text=text
            )
    yield Happening(time=backfill.started, state="started", text=backfill.command or f"by {backfill.started_by}")
    if backfill.ended:
        yield Happening(time=backfill.ended, state=backfill.state, text=backfill.problem or "")
