"""Start, pause, resume, cancel and retry backfills."""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime

from pileus.backfills import record
from pileus.backfills.end import close_stopped, end, iso, keep, mark_unlisted, report_owed, report_stop
from pileus.backfills.status import find, named, outcomes, status
from pileus.backfills.tell import tell_owed
from pileus.documents import Collection, listed_points, narrowed
from pileus.edges.aws import Stack
from pileus.edges.index import change_backfill
from pileus.edges.store import Store, load
from pileus.edges.workflows import Workflows
from pileus.errors import Conflict, DamagedObject, NotFound, NotNow, StoreError, UsageError
from pileus.lifecycle.backfill import Backfill, Order, Select, State
from pileus.lifecycle.spending import Spending
from pileus.periods import Periods, parse_period
from pileus.project.registry import Registry
from pileus.wiring import Edges

TRIGGER = "GenerateCollectionsTriggerWorkflows"
LOOKS = 20
"""How often a stop searches for running executions, at most."""


def read_registry(store: Store, stack: Stack) -> Registry:
    """Return the populated documents. Raises UsageError when nothing is populated, DamagedObject when they cannot be
    read.
    """
    try:
        return load(store, f"s3://{stack.internal}/registry.json", Registry.from_json)
    except NotFound as exc:
        raise UsageError("nothing is populated yet: run `pileus populate` first") from exc
    except DamagedObject as exc:
        raise DamagedObject(f"{exc.message}; `pileus populate` writes it anew", where=exc.where) from exc


def documents_of(edges: Edges, backfill: Backfill) -> Registry:
    """Return the documents that a backfill uses: its own where it brought some, else the populated ones.

    Raises UsageError and DamagedObject as `read_registry` does, NotFound when its own are gone.
    """
    if backfill.documents:
        return load(edges.store, backfill.documents, Registry.from_json)
    return read_registry(edges.store, edges.stack)


def new_backfill(
    registry: Registry,
    collection: str,
    *,
    now: float,
    version: str | None = None,
    first: str | None = None,
    last: str | None = None,
    points: Sequence[str] = (),
    id: str | None = None,
    select: Select = "needed",
    order: Order = "oldest",
    queue: str = "backfill",
    max_running: int | None = None,
    max_failures: int | None = None,
    spending: Spending | None = None,
    report_failures: bool = False,
    workflow: str | None = None,
    provider: str | None = None,
    started_by: str = "",
    command: str = "",
    execution: str | None = None,
    onward: bool = False,
) -> Backfill:
    """Return a backfill of a populated template, not yet recorded or started.

    `first` and `last` narrow the template's span; None: the template's own. `points`: these alone, each a point in time
    or the two ends of a span, as `201503/201505`. `onward`: as rules do, which keep an
    archive current, it may begin before the template's span (and is cut) and end after it; with `first` alone it
    ends now. `workflow`, `provider`: in place of the template's, in each of its runs. A collection
    without options is no template: it is backfilled as the one point in time that `points` names.

    Raises UsageError for a provider that is not there, for a span that leaves the template's, and for one without any
    point of the template.
    """
    moment = datetime.fromtimestamp(now, UTC)
    template = registry.collection(collection, version)
    if provider:
        registry.provider_of(template, provider)
    periods = _periods(template, first, last, points, moment.date(), onward=onward)
    made = f"{re.sub('[^A-Za-z0-9_-]', '-', collection)[:30]}-{moment:%Y%m%dT%H%M%S}-{moment.microsecond // 1000:03d}"
    id = id or made
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,60}", id):
        raise UsageError(f"{id!r} cannot name a backfill: expected up to 60 letters, digits, - and _")
    return Backfill(
        id=id,
        collection=template.name,
        version=template.version,
        first=periods.first.iso,
        last=periods.last.iso,
        unit=str(periods.unit),
        spans=periods.to_texts() if len(periods.runs) > 1 else (),
        workflow=workflow or template.point_workflow,
        provider=provider or "",
        select=select,
        order=order,
        queue="ingest" if queue == "ingest" else "backfill",
        max_running=max_running,
        max_failures=max_failures,
        spending=spending,
        report_failures=report_failures,
        execution=execution,
        started_by=started_by,
        command=command,
        started=moment.isoformat(timespec="milliseconds"),
    )


def _periods(
    template: Collection, first: str | None, last: str | None, points: Sequence[str], today: date, *, onward: bool
) -> Periods:
    """Return the points in time of a new backfill. Raises UsageError and DocumentError; see `new_backfill`."""
    if template.options is None:
        return _one_point(template, first, last, points)
    if not points:
        return narrowed(template.options, today, template.name, first, last, onward=onward)
    if first or last:
        raise UsageError("a span and single points in time contradict each other: leave one out")
    return listed_points(template.options, today, template.name, points)


def _one_point(template: Collection, first: str | None, last: str | None, points: Sequence[str]) -> Periods:
    """Return the point in time that all files of a collection without options are of. Raises UsageError."""
    told = f"collection {template.name} has no options, so that all its files are of one point in time"
    if "/" in template.name + template.version:
        raise UsageError(f"collection {template.name} {template.version}: one with / in its names is not backfilled")
    if first or last or len(points) != 1 or "/" in points[0]:
        raise UsageError(f"{told}: expected that one, as --point 2017-01-25, 2017-01 or 2017")
    try:
        period = parse_period(points[0])
    except UsageError as exc:
        raise UsageError(f"{told}: {exc.message}") from exc
    return Periods.of(period, period)


def record_started(edges: Edges, backfill: Backfill) -> Backfill:
    """Write a new backfill into the index, and return it. A second call by the same execution returns the same
    backfill.

    Raises NotNow when another backfill has this id.
    """
    try:
        started = edges.index.put_backfill(backfill)
    except Conflict as exc:
        there = edges.index.backfill(backfill.id)
        if there is None or there.execution is None or there.execution != backfill.execution:
            raise NotNow(f"there is a backfill {backfill.id!r} already") from exc
        started = there
    keep(edges, started)
    return started


def start(edges: Edges, workflows: Workflows, backfill: Backfill) -> Backfill:
    """Record a new backfill and start its first run."""
    return _run(edges, workflows, record_started(edges, backfill))


def _run(edges: Edges, workflows: Workflows, backfill: Backfill) -> Backfill:
    execution = workflows.start(TRIGGER, f"{backfill.id}-{backfill.run}", {"backfill": backfill.id})
    started = change_backfill(
        edges.index,
        backfill.id,
        lambda now: replace(now, execution=execution) if now.run == backfill.run else None,
    )
    started = started or find(edges, backfill.id)
    keep(edges, started)
    if started.over:  # somebody stopped it before its execution was known
        _stop_executions(workflows, replace(started, execution=execution), f"{started.state} by its user")
    return started


def pause(edges: Edges, workflows: Workflows, id: str) -> Backfill:
    """Stop a backfill so that `resume` can continue it, and return it. Workers return their groups to the queue.

    Called again, it stops what an earlier call left running. Raises NotNow when the backfill is over.
    """
    return _halt(edges, workflows, id, "paused", of=("running",))


def cancel(edges: Edges, workflows: Workflows, id: str) -> Backfill:
    """Stop a backfill for good, and return it. Running groups stop within seconds.

    Called again, it stops what an earlier call left running. Raises NotNow when the backfill is over.
    """
    return _halt(edges, workflows, id, "cancelled", of=("running", "paused"))


def _halt(edges: Edges, workflows: Workflows, id: str, state: State, *, of: tuple[State, ...]) -> Backfill:
    def step(now: Backfill) -> Backfill | None:
        if now.state not in of:
            return None
        ended = iso(edges) if state == "cancelled" else None
        return replace(report_owed(edges, now), state=state, ended=ended, untold=True)  # owed of a pause before

    halted = change_backfill(edges.index, id, step) or find(edges, id)
    if halted.state != state:
        raise NotNow(f"backfill {id} is {halted.state}: only one that is {' or '.join(of)} can be {state}")
    kept = keep(edges, halted)
    if kept.state != state:
        raise NotNow(f"backfill {id} was {state}, and is {kept.state} again: see `pileus status {id}`")
    try:
        report_stop(edges, halted)
    finally:
        _stop_executions(workflows, halted, f"{state} by its user")
    return replace(halted, untold=False)


def _stop_executions(workflows: Workflows, backfill: Backfill, cause: str) -> None:
    """Stop the trigger first, so that it starts nothing more. Then stop the executions that it started, until none
    runs.

    Raises StoreError when some still run after LOOKS searches.
    """
    if backfill.execution:
        workflows.stop(backfill.execution, cause)
    for _ in range(LOOKS):
        running = list(workflows.running(backfill.workflow, f"{backfill.id}-{backfill.run}-"))
        for execution in running:
            workflows.stop(execution, cause)
        if not running:
            return
    raise StoreError(f"executions are still running after {LOOKS} searches: try again", where=backfill.id)


def resume(edges: Edges, workflows: Workflows, id: str) -> Backfill:
    """Start a new run of a paused backfill, for what has not succeeded. Raises NotNow when it is not paused."""
    return _again(edges, workflows, id, of=("paused",), word="resumed", select=None)


def retry(edges: Edges, workflows: Workflows, id: str, select: Select = "needed", only: Sequence[str] = ()) -> Backfill:
    """Start a new run of an ended backfill, for the partitions that `select` picks.

    `only`: of these points in time, or partitions as `2015-01/GROUP`; empty: of all. Raises NotNow when it has not
    ended, Unknown for what it does not have.
    """
    ended: tuple[State, ...] = ("succeeded", "incomplete", "failed", "cancelled")
    chosen = named(status(edges, id), only) if only else ()
    return _again(edges, workflows, id, of=ended, word="retried", select=select, only=chosen)


def revive(edges: Edges, workflows: Workflows, id: str, *, run: int | None = None) -> Backfill:
    """Start a new run of a running backfill whose execution was lost: that of `run`, where it is given.

    Raises NotNow when it does not run any more, or has a later run.
    """
    return _again(edges, workflows, id, of=("running",), word="revived", select=None, run=run)


def _again(
    edges: Edges,
    workflows: Workflows,
    id: str,
    *,
    of: tuple[State, ...],
    word: str,
    select: Select | None,
    only: tuple[str, ...] = (),
    run: int | None = None,
) -> Backfill:
    def step(now: Backfill) -> Backfill | None:
        if now.state not in of or (now.run, now.state) != (before.run, before.state):
            return None
        begun = replace(now, state="running", run=now.run + 1, ended=None, problem=None, failures=0)
        if select is not None:  # a resumed run goes on with what it was limited to
            begun = replace(begun, only=only)
        if select is not None and now.spending is not None:  # a resumed run goes on with what it has spent
            begun = replace(begun, spending=now.spending.fresh(begun.run))
        return replace(begun, select=select or now.select, execution=None, closed=False, untold=False)

    before = find(edges, id)
    if run is not None and before.run != run:
        raise NotNow(f"backfill {id} has a later run")
    if before.state in of and not before.closed:
        found = outcomes(edges, before, final=True)
        record.close(edges, before, found)
        tell_owed(edges, before)
        mark_unlisted(edges, before, found)
    report_owed(edges, before)
    backfill = change_backfill(edges.index, id, step)
    if backfill is None:
        raise NotNow(f"backfill {id} is {find(edges, id).state}: only one that is {' or '.join(of)} can be {word}")
    return _run(edges, workflows, backfill)


def settle(edges: Edges, workflows: Workflows, backfill: Backfill) -> Backfill:
    """Correct a backfill whose start or end nobody recorded, and return it as it is afterwards.

    1. Its command died before the execution was recorded: start the execution, or find the one that runs.
    2. Its execution has ended and nobody recorded it: end the backfill.
    3. Its execution was lost with the engine: start a new run, as the recovery of the engine does.
    4. It has ended, was stopped or was paused, and who did that died before the report: tell it.
    5. It was stopped, and no worker has one of its partitions any more: write the record of its run.
    """
    backfill = report_owed(edges, backfill)
    if backfill.state == "running":
        if backfill.execution is None and record.closed(edges, backfill.id, backfill.run) is None:
            return _run(edges, workflows, backfill)
        # Without an execution, its end was written before the index was lost.
        ended = workflows.status(backfill.execution) if backfill.execution else "GONE"
        if ended == "GONE":
            with suppress(UsageError):  # somebody else has started it, or stopped it
                return revive(edges, workflows, backfill.id, run=backfill.run)
            return find(edges, backfill.id)
        if ended in ("ABORTED", "FAILED", "TIMED_OUT"):
            end(edges, backfill.id, backfill.run, stopped=ended)
            return find(edges, backfill.id)
    elif backfill.state != "paused" and not backfill.closed:
        return close_stopped(edges, backfill)
    return backfill
