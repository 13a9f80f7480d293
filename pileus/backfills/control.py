"""The life of backfills: start, pause, resume, cancel, retry, end; and what was populated."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pileus import lifecycle
from pileus.documents import resolve_span
from pileus.edges.aws import Stack
from pileus.edges.index import change, change_backfill
from pileus.edges.store import Store
from pileus.edges.workflows import Workflows
from pileus.errors import Conflict, NotFound, UsageError
from pileus.lifecycle.backfill import Backfill, Order, Select, State, backfill_of, run_name
from pileus.lifecycle.partition import Entry, Failure
from pileus.models import Partition
from pileus.models import State as PartitionState
from pileus.project.registry import Registry
from pileus.wiring import Edges

TRIGGER = "GenerateCollectionsTriggerWorkflows"
WHOLE_POINT = "*"
"""Group of the partition that stands for a point in time whose files could not even be listed."""


def read_registry(store: Store, stack: Stack) -> Registry:
    """What was populated. Raises UsageError when nothing was."""
    try:
        return Registry.from_json(store.get(f"s3://{stack.internal}/registry.json"))
    except NotFound as exc:
        raise UsageError("nothing is populated yet: run `pileus populate` first") from exc


def new_backfill(
    registry: Registry,
    collection: str,
    *,
    now: float,
    version: str | None = None,
    first: str | None = None,
    last: str | None = None,
    id: str | None = None,
    select: Select = "needed",
    order: Order = "oldest",
    queue: str = "backfill",
    max_running: int | None = None,
    max_failures: int | None = None,
    workflow: str | None = None,
    started_by: str = "",
    command: str = "",
    execution: str | None = None,
    onward: bool = False,
) -> Backfill:
    """A backfill of a populated template, not yet recorded or started.

    `first` and `last` narrow the template's span; None: the template's own. `onward`: as rules do, which keep an
    archive current, it may begin before the template's span (and is cut) and end after it; with `first` alone it
    ends now. Raises UsageError for a template without a span, or a span that leaves the template's.
    """
    moment = datetime.fromtimestamp(now, UTC)
    template = registry.collection(collection, version)
    if template.options is None:
        raise UsageError(f"collection {collection} has no options.spanStart: it is not a template to backfill")
    whole = resolve_span(template.options, moment.date(), collection)
    options = template.options.model_copy(
        update={"spanStart": first or whole[0].point, "spanEnd": last or whole[1].point}
    )
    if onward and first and not last:
        options = options.model_copy(update={"spanEnd": "now"})
    wanted = resolve_span(options, moment.date(), collection)
    if onward:
        wanted = (max(wanted[0], whole[0]), wanted[1])
        whole = (whole[0], max(whole[1], wanted[1]))
    if wanted[0] < whole[0] or wanted[1] > whole[1]:
        raise UsageError(
            f"{wanted[0].iso} to {wanted[1].iso} leaves the span of {collection}, {whole[0].iso} to {whole[1].iso}"
        )
    id = id or f"{collection[:30]}-{moment:%Y%m%dT%H%M%S}-{moment.microsecond // 1000:03d}"
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,60}", id):
        raise UsageError(f"{id!r} cannot name a backfill: expected up to 60 letters, digits, - and _")
    return Backfill(
        id=id,
        collection=template.name,
        version=template.version,
        first=wanted[0].iso,
        last=wanted[1].iso,
        unit=str(template.options.spanUnit),
        workflow=workflow or template.workflow,
        revision=1,
        select=select,
        order=order,
        queue="ingest" if queue == "ingest" else "backfill",
        max_running=max_running,
        max_failures=max_failures,
        execution=execution,
        started_by=started_by,
        command=command,
        started=moment.isoformat(timespec="milliseconds"),
    )


def record_started(edges: Edges, backfill: Backfill) -> None:
    """Note a new backfill. Raises UsageError when its name is taken."""
    try:
        edges.index.put_backfill(backfill)
    except Conflict as exc:
        raise UsageError(f"there is a backfill {backfill.id!r} already") from exc
    keep(edges, backfill)


def keep(edges: Edges, backfill: Backfill) -> None:
    """Write the backfill to S3, from where it comes back when the index is lost."""
    url = edges.internal(f"backfills/{backfill.id}/backfill.json")
    edges.store.put(url, json.dumps(backfill.to_json()).encode(), "application/json")


def order_url(edges: Edges, backfill: Backfill) -> str:
    """Where the periods of a backfill of order `smallest` are, the first to start first: a plan knew their sizes."""
    return edges.internal(f"backfills/{backfill.id}/order.json")


def start(edges: Edges, workflows: Workflows, backfill: Backfill) -> Backfill:
    """Record a new backfill and start its first run."""
    record_started(edges, backfill)
    return _run(edges, workflows, backfill)


def _run(edges: Edges, workflows: Workflows, backfill: Backfill) -> Backfill:
    execution = workflows.start(TRIGGER, f"{backfill.id}-{backfill.run}", {"backfill": backfill.id})
    started = change_backfill(edges.index, backfill.id, lambda now: now.following(execution=execution))
    assert started is not None  # it was recorded above
    keep(edges, started)
    return started


def pause(edges: Edges, workflows: Workflows, id: str) -> Backfill:
    """Nothing new starts from here on; what runs is handed back within a heartbeat. Raises UsageError if it is over."""
    return _halt(edges, workflows, id, "paused", of=("running",))


def cancel(edges: Edges, workflows: Workflows, id: str) -> Backfill:
    """Nothing new starts from here on; what is running stops within a heartbeat. Raises UsageError if it is over."""
    return _halt(edges, workflows, id, "cancelled", of=("running", "paused"))


def _halt(edges: Edges, workflows: Workflows, id: str, state: State, *, of: tuple[State, ...]) -> Backfill:
    before = find(edges, id)

    def step(now: Backfill) -> Backfill | None:
        ended = _iso(edges) if state == "cancelled" else None
        return now.following(state=state, ended=ended) if now.state in of else None

    halted = change_backfill(edges.index, id, step)
    if halted is None:
        raise UsageError(f"backfill {id} is {find(edges, id).state}: only one that is {' or '.join(of)} can be {state}")
    keep(edges, halted)
    _stop_executions(workflows, before, f"{state} by its user")
    return halted


def _stop_executions(workflows: Workflows, backfill: Backfill, cause: str) -> None:
    """The trigger first, so that it starts no more; then what it started, which does not stop by itself."""
    if backfill.execution:
        workflows.stop(backfill.execution, cause)
    for execution in list(workflows.running(backfill.workflow, f"{backfill.id}-{backfill.run}-")):
        workflows.stop(execution, cause)


def resume(edges: Edges, workflows: Workflows, id: str) -> Backfill:
    """Go on with a paused backfill: a new run for what has not succeeded. Raises UsageError if it is not paused."""
    return _again(edges, workflows, id, of=("paused",), word="resumed", select=None)


def retry(edges: Edges, workflows: Workflows, id: str, select: Select = "needed") -> Backfill:
    """Run an ended backfill again, for what the selection says. Raises UsageError if it has not ended."""
    return _again(edges, workflows, id, of=("succeeded", "failed", "cancelled"), word="retried", select=select)


def revive(edges: Edges, workflows: Workflows, id: str) -> Backfill:
    """Go on with a backfill that was running when its execution was lost."""
    return _again(edges, workflows, id, of=("running",), word="revived", select=None)


def _again(
    edges: Edges, workflows: Workflows, id: str, *, of: tuple[State, ...], word: str, select: Select | None
) -> Backfill:
    def step(now: Backfill) -> Backfill | None:
        if now.state not in of:
            return None
        begun = now.following(state="running", run=now.run + 1, ended=None, problem=None, failures=0)
        return replace(begun, select=select or now.select)

    backfill = change_backfill(edges.index, id, step)
    if backfill is None:
        raise UsageError(f"backfill {id} is {find(edges, id).state}: only one that is {' or '.join(of)} can be {word}")
    return _run(edges, workflows, backfill)


def held(edges: Edges, backfill: Backfill) -> list[Entry]:
    """Its partitions that a worker of an older run still has, and will hand back within a heartbeat."""
    return [
        entry
        for entry in partitions(edges, backfill)
        if entry.state is PartitionState.running and entry.lease > edges.now() and entry.backfill == backfill.id
    ]


def _iso(edges: Edges) -> str:
    return datetime.fromtimestamp(edges.now(), UTC).isoformat(timespec="milliseconds")


def find(edges: Edges, id: str) -> Backfill:
    """The backfill. Raises UsageError when there is none."""
    backfill = edges.index.backfill(id)
    if backfill is None:
        raise UsageError(f"there is no backfill {id!r}: `pileus backfills` lists them")
    return backfill


def end(edges: Edges, id: str, run: int, *, stopped: str | None = None) -> dict[str, Any]:
    """A run's execution ended. The backfill succeeded if no partition of its span failed.

    `stopped`: the status of an execution that ended outside our hands; the backfill is then cancelled or failed.
    """

    def step(now: Backfill) -> Backfill | None:
        if not now.runs(run_name(id, run)):
            return None
        failures = sum(entry.state is PartitionState.failed for entry in partitions(edges, now))
        state: State = "failed" if failures else "succeeded"
        problem = None
        if stopped:
            state = "cancelled" if stopped == "ABORTED" else "failed"
            problem = f"its execution ended {stopped}"
        return now.following(state=state, ended=_iso(edges), problem=problem)

    ended = change_backfill(edges.index, id, step)
    if ended is not None:
        keep(edges, ended)
        keep_failures(edges, ended)
        edges.reports.tell(f"Backfill {id} {ended.state}", ended.to_json())
    elif (stopped_before := edges.index.backfill(id)) and stopped_before.state == "failed":
        keep_failures(edges, stopped_before)
    return {"backfill": id, "run": run, "state": ended.state if ended else "ended before"}


def is_live(edges: Edges, entry: Entry | None) -> bool:
    """Whether the run that last queued the partition may still work on it."""
    if entry is None or entry.state.ended:
        return False
    owner = edges.index.backfill(entry.backfill)
    return owner is not None and owner.runs(entry.run)


def count_failure(edges: Edges, run: str) -> None:
    """One more partition of the run failed. When more did than it allows, the backfill ends and nothing new starts."""

    def step(now: Backfill) -> Backfill | None:
        if now.max_failures is None or not now.runs(run):
            return None
        counted = now.following(failures=now.failures + 1)
        if counted.failures <= now.max_failures:
            return counted
        problem = f"stopped: {counted.failures} partitions failed, {now.max_failures} are allowed"
        return replace(counted, state="failed", ended=_iso(edges), problem=problem)

    counted = change_backfill(edges.index, backfill_of(run), step)
    if counted is not None and counted.over:
        keep(edges, counted)


def keep_failures(edges: Edges, backfill: Backfill) -> None:
    """Write what did not succeed to S3: manifests tell of successes only."""
    rest = [e.to_json() for e in partitions(edges, backfill) if e.state is not PartitionState.succeeded]
    url = edges.internal(f"backfills/{backfill.id}/unfinished.json")
    edges.store.put(url, json.dumps(rest).encode(), "application/json")


def partitions(edges: Edges, backfill: Backfill) -> list[Entry]:
    """The entries of its span, whoever made them."""
    return list(edges.index.entries(backfill.collection, backfill.version, backfill.first, backfill.last))


def fail_point(edges: Edges, point: Mapping[str, Any], failure: Failure) -> dict[str, Any]:
    """A point in time could not be listed: its partition as a whole failed, unless its run is over."""
    backfill = edges.index.backfill(point["backfill"])
    if backfill is None or not backfill.runs(run_name(point["backfill"], point["run"])):
        return {"state": "not of a running backfill"}
    partition = Partition(point["template"], backfill.version, point["period"], WHOLE_POINT)
    wanted = Entry(partition, PartitionState.failed, backfill.run_name, failure=failure)

    def step(stored: Entry | None) -> Entry | None:
        if stored and (stored.run, stored.state) == (wanted.run, PartitionState.failed):
            return None  # noted already, and nearer to the cause
        waiting = lifecycle.wait(stored, wanted, now=edges.now(), live=False)
        return replace(waiting, state=PartitionState.failed) if waiting else None

    if change(edges.index, partition, step):
        count_failure(edges, backfill.run_name)
    return {"partition": partition.key, "state": "failed"}
