"""Many granules at once: a run of the workflow BulkGranules, which does some hundred at a time and keeps what came of
each.

protected   executions/BulkGranules/ID/run-1/outcomes/000001.json     what came of each granule of a step
internal    executions/BulkGranules/ID/ids.json                       the ids that were given
"""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from itertools import groupby
from typing import Any
from uuid import uuid4

from pileus import runs
from pileus.backfills.begin import begin
from pileus.backfills.control import new_backfill, read_registry
from pileus.documents import parse_value
from pileus.edges.store import load
from pileus.edges.workflows import Workflows
from pileus.errors import NotNow, PileusError, StoreError, UsageError
from pileus.granules import read
from pileus.granules.act import Acted, Actor
from pileus.granules.wanted import Wanted
from pileus.models import Partition
from pileus.runs import Run, record
from pileus.subject import Execution
from pileus.wiring import Edges

WORKFLOW = "BulkGranules"
STEP = 500
"""Granules of one step."""
PARALLEL = 16
"""Granules that a step works on at once."""
FEW = 20
"""Ids that the document names itself; more are an object beside it."""
TOLD = 50
"""Failures that the result names; the outcomes have all."""
MOST = 4000
"""Most partitions of one backfill: the index keeps their names in one item."""


def start(edges: Edges, workflows: Workflows, wanted: Mapping[str, Any], id: str | None = None) -> Run:
    """Start the work on granules, and return its run. The same id and the same wish start it once.

    Raises DocumentError for a wish that is none, UsageError for a collection that is not populated, and for another
    bucket or workflow than there is.
    """
    asked = parse_value(Wanted, wanted, "granules")
    collection = read_registry(edges.store, edges.stack).collection(asked.collection, asked.version)
    if asked.workflow and not workflows.exists(asked.workflow):
        raise UsageError(f"the stack has no workflow {asked.workflow!r}: `pileus workflows list` shows those there are")
    asked = asked.model_copy(update={"version": collection.version})
    id = id or f"{asked.action}-{uuid4().hex[:20]}"
    if len(asked.ids) > FEW:
        url = edges.internal(f"{record.folder(Execution(WORKFLOW, id))}/ids.json")
        edges.store.put(url, json.dumps(asked.ids).encode(), "application/json")
        asked = asked.model_copy(update={"ids": (), "ids_at": url})
    document = {"config": asked.model_dump(mode="json", exclude_defaults=True), "id": id}
    return runs.start_workflow(edges, workflows, WORKFLOW, document, id)


def step(edges: Edges, workflows: Workflows, id: str, wanted: Wanted, before: Mapping[str, Any]) -> dict[str, Any]:
    """Do the next granules of a bulk run. `before`: what the step before returned, empty for the first.

    Return `more`, whether there are others; `next`, where they begin; `steps`; how many are `done` and `failed`, and
    the first failures; and of the last step `backfills`. A step that is repeated does the same.
    """
    registry = read_registry(edges.store, edges.stack)
    collection = registry.collection(wanted.collection, wanted.version)
    provider = registry.provider_of(collection) if collection.provider else None
    actor = Actor(edges, workflows, wanted, collection, provider, id)
    ids, following = _page(edges, wanted, before.get("next"))
    with ThreadPoolExecutor(PARALLEL) as pool:
        acted = [*pool.map(lambda one: _one(actor, one), ids)]
    number = int(before.get("steps", 0)) + 1
    edges.store.put(
        f"{_outcomes(edges, id)}{number:06}.json",
        json.dumps([{name: getattr(one, name) for name in Acted.__slots__} for one in acted]).encode(),
        "application/json",
    )
    failures = [{"id": one.id, "why": one.detail} for one in acted if not one.done]
    told: dict[str, Any] = {
        "more": following is not None,
        "next": following,
        "steps": number,
        "done": int(before.get("done", 0)) + len(acted) - len(failures),
        "failed": int(before.get("failed", 0)) + len(failures),
        "failures": [*before.get("failures", ()), *failures][:TOLD],
        "outcomes": _outcomes(edges, id),
    }
    if following is None and wanted.action == "reingest":
        told["backfills"] = _reingested(edges, workflows, id, wanted)
    return told


def outcomes(edges: Edges, id: str) -> Iterator[Acted]:
    """Yield what came of each granule so far, in the order in which they were asked for."""
    for url, _ in edges.store.list(_outcomes(edges, id)):
        yield from load(edges.store, url, lambda body: [Acted(**one) for one in json.loads(body)])


def _outcomes(edges: Edges, id: str) -> str:
    return record.output_url(edges, Execution(WORKFLOW, id), 1, "outcomes/")


def _page(edges: Edges, wanted: Wanted, after: Any) -> tuple[list[str], Any]:
    """Return the ids of a step, and where the next begins; None: nowhere."""
    if wanted.ids or wanted.ids_at:
        given = load(edges.store, wanted.ids_at, json.loads) if wanted.ids_at else [*wanted.ids]
        start = int(after or 0)
        end = start + STEP
        return [str(one) for one in given[start:end]], end if end < len(given) else None
    query = {"state": wanted.state, "begins": wanted.begins, "limit": STEP, "after": after}
    found = read.page(edges, wanted.collection, str(wanted.version), **query)
    return [one.id for one in found.granules], found.after


def _one(actor: Actor, id: str) -> Acted:
    """Do it with one granule. What is wrong with it keeps no other from its turn."""
    try:
        return actor.act(id)
    except PileusError as error:
        if isinstance(error, StoreError) and error.retryable:
            raise  # the workflow tries the step again
        return Acted(id, False, f"{type(error).__name__}: {error}")


def _reingested(edges: Edges, workflows: Workflows, id: str, wanted: Wanted) -> list[str]:
    """Start the backfills that process again what is owed. Return their ids."""
    owed = sorted({one.owed for one in outcomes(edges, id) if one.owed})
    registry, started = read_registry(edges.store, edges.stack), list[str]()
    for number in range(0, len(owed), MOST):
        partitions = [Partition.parse(key) for key in owed[number : number + MOST]]
        only = tuple(f"{one.period}/{one.group}" for one in partitions)
        points = [period for period, _ in groupby(one.period for one in partitions)]
        name = f"{id[:50]}-{number // MOST + 1}"
        planned = new_backfill(
            registry,
            wanted.collection,
            version=wanted.version,
            points=points,
            id=name,
            select="all",
            queue="ingest",
            started_by=f"granules {id}",
            now=edges.now(),
        )
        with suppress(NotNow):  # this step was done before, and only its answer was lost
            begin(edges, workflows, registry, replace(planned, only=only))
        started.append(name)
    return started
