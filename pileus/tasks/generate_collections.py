"""GenerateCollections: expand the template of a backfill and list one piece of work per point in time."""

import json
from collections.abc import Iterable, Mapping
from io import BytesIO
from typing import Any

from pileus.backfills import record
from pileus.backfills.control import documents_of, new_backfill, read_registry, record_started
from pileus.backfills.rules import backfill_id
from pileus.backfills.status import DONE
from pileus.documents import Collection
from pileus.edges.store import load, split
from pileus.errors import Conflict, UsageError
from pileus.expand import Point, expand
from pileus.lifecycle.backfill import Backfill
from pileus.messages import PointTask, RunDocuments, part, text, text_or_none
from pileus.project.registry import Registry
from pileus.wiring import Edges


def generate_collections(edges: Edges, event: Mapping[str, Any]) -> dict[str, Any]:
    """Write the points in time of a backfill to S3 as the items of a Distributed Map. Return where they are.

    `input`: `{"backfill": id}` for a backfill that is in the index; or the event of a rule,
    `{"rule": name, "collection": {"name", "version"}, "spanStart", "spanEnd", "reportFailures"}`, for which it records
    a new backfill.
    """
    wanted = part(event, "input")
    if isinstance(wanted, Mapping) and "backfill" in wanted:
        backfill = edges.index.backfill(text(wanted, "backfill"))
        if backfill is None:
            raise UsageError(f"there is no backfill {str(wanted['backfill'])[:200]!r}")
        registry = documents_of(edges, backfill)
    else:
        registry = read_registry(edges.store, edges.stack)
        name = text(wanted, "rule")
        backfill = new_backfill(
            registry,
            text(wanted, "collection", "name"),
            version=text_or_none(wanted["collection"], "version"),
            first=text_or_none(wanted, "spanStart"),
            last=text_or_none(wanted, "spanEnd"),
            onward=True,
            id=backfill_id(name, text(event, "config", "name")),
            queue="ingest",
            report_failures=wanted.get("reportFailures") is True,
            started_by=f"rule {name}",
            now=edges.now(),
            execution=text(event, "config", "execution"),
            workflow=text_or_none(wanted, "workflow"),
            provider=text_or_none(wanted, "provider"),
        )
        backfill = record_started(edges, backfill)
    documents = record.run_url(edges, backfill.id, backfill.run, "documents.json")
    template = _template(edges, documents, registry, backfill)
    points, owed = _points(edges, template, backfill), _owed(edges, backfill)
    items = (
        _item(edges, backfill, point, documents, rank=rank, owed=owed.get(point.period.iso, {}))
        for rank, point in enumerate(points)
    )
    url = record.run_url(edges, backfill.id, backfill.run, "points.json")
    edges.store.put(url, _array(items), "application/json")
    bucket, key = split(url)
    return {
        "backfill": backfill.id,
        "run": backfill.run,
        "count": len(points),
        "points": {"bucket": bucket, "key": key},
    }


def _template(edges: Edges, url: str, registry: Registry, backfill: Backfill) -> Collection:
    """Write the documents of a run to `url`, and return its template. A run whose execution was lost, and is started
    again, has the documents that it began with: Lambdas and workers have read them.
    """
    template = registry.collection(backfill.collection, backfill.version)
    documents = RunDocuments(template, registry.provider_of(template, backfill.provider or None))
    try:
        edges.store.swap(url, documents.to_bytes(), None, "application/json")
    except Conflict:
        return load(edges.store, url, RunDocuments.from_bytes).template
    return template


def _array(items: Iterable[Mapping[str, Any]]) -> bytes:
    """Return a JSON array. Only its text is held, for there may be 200,000 items."""
    text = BytesIO()
    for number, item in enumerate(items):
        text.write(b"," if number else b"[")
        text.write(json.dumps(item).encode())
    text.write(b"]" if text.tell() else b"[]")
    return text.getvalue()


def _points(edges: Edges, template: Collection, backfill: Backfill) -> list[Point]:
    points = [one for one in expand(template, backfill.periods) if backfill.groups_of(one.period.iso) is not None]
    if backfill.order == "newest":
        points.reverse()
    elif backfill.order == "smallest":
        known = load(edges.store, record.order_url(edges, backfill), json.loads)
        place = {period: number for number, period in enumerate(known)}
        points.sort(key=lambda point: place.get(point.period.iso, len(place)))
    return points


def _owed(edges: Edges, backfill: Backfill) -> dict[str, dict[str, str]]:
    """Return what the earlier run of the backfill came to where that was no success: state by group, by period."""
    owed: dict[str, dict[str, str]] = {}
    before = record.closed(edges, backfill.id, backfill.run - 1)
    for one in before.outcomes if before else ():
        if one.state not in DONE:
            owed.setdefault(one.period, {})[one.group] = str(one.state)
    return owed


def _name(template: str, point: Point) -> str:
    """Return the name of its collection; where it has one for each id, the template's, with the point in time."""
    names = point.collections.names_of(point.period)
    return names[0] if len(names) == 1 else f"{template} at {point.period.point}"


def _item(
    edges: Edges,
    backfill: Backfill,
    point: Point,
    documents: str,
    *,
    rank: int,
    owed: Mapping[str, str],
) -> dict[str, Any]:
    task = PointTask(
        backfill.id,
        backfill.run,
        backfill.collection,
        point.period.iso,
        documents=documents,
        name=_name(backfill.collection, point),
        own_folder=point.own_folder,
        rank=rank,
        groups=backfill.groups_of(point.period.iso) or (),
        owed=owed,
    )
    return {
        "workflow": edges.stack.workflow_arn(backfill.workflow),
        "execution": f"{backfill.id}-{backfill.run}-{point.period.point}",
        "config": task.to_json(),
    }
