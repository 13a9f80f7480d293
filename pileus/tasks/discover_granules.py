"""DiscoverGranules: list one point in time at the provider, group the files, and decide what to do with each group."""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from pileus import lifecycle
from pileus.backfills.control import WHOLE_POINT, fail_point, is_live
from pileus.discover import discover
from pileus.documents import Collection, Provider, parse_value
from pileus.edges.index import change
from pileus.edges.providers import connect
from pileus.edges.store import split
from pileus.errors import Cancelled, PileusError
from pileus.group import Grouped, group
from pileus.lifecycle.backfill import Backfill, run_name
from pileus.lifecycle.decide import Decision, decide
from pileus.lifecycle.fingerprint import fingerprint
from pileus.lifecycle.partition import Entry, Failure
from pileus.models import Group, Partition, State
from pileus.wiring import Edges

INLINE = 100_000
"""Bytes of a group's task that travel in its message; a larger one goes through S3."""


def discover_granules(edges: Edges, event: Mapping[str, Any]) -> dict[str, Any]:
    """Queue the groups of one point in time that need work; the answer names their list in S3 and counts them.

    `config`: an item that GenerateCollections wrote. When the point cannot be listed its failure is noted in the
    record and answered. Raises Cancelled when the backfill does not run any more.
    """
    config = event["config"]
    collection = parse_value(Collection, config["collection"], config["template"])
    backfill = edges.index.backfill(config["backfill"])
    run = run_name(config["backfill"], config["run"])
    if backfill is None or not backfill.runs(run):
        raise Cancelled("the backfill does not run any more", where=run)
    try:
        grouped = list_groups(edges, collection, parse_value(Provider, config["provider"], "provider"))
    except PileusError as error:
        failure = Failure(type(error).__name__, error.message, error.where)
        fail_point(edges, config, failure)
        return {"count": 0, "failure": {"type": failure.type, "message": str(error)}}
    place = partial(Partition, config["template"], collection.version, config["period"])
    partitions = [place(key) for key in (WHOLE_POINT, *(found.key for found in grouped.groups))]
    known = {entry.partition.group: entry for entry in edges.index.several(partitions)}
    _note_unpublished(edges, backfill, config, grouped, known.get(WHOLE_POINT))
    tasks = []
    for found in grouped.groups:
        if task := _consider(edges, backfill, collection, place(found.key), found, known.get(found.key), config):
            tasks.append(task)
    return _hand_over(edges, backfill, config["period"], tasks) | {"found": len(grouped.groups)}


def _note_unpublished(
    edges: Edges, backfill: Backfill, config: Mapping[str, Any], grouped: Grouped, entry: Entry | None
) -> None:
    """The entry of the point as a whole: there only while no group of it is known."""
    if grouped.groups:
        if entry:
            edges.index.remove(entry)
        return
    partition = Partition(config["template"], backfill.version, config["period"], WHOLE_POINT)
    others = f" ({len(grouped.problems)} other files)" if grouped.problems else ""
    wanted = Entry(partition, State.waiting, backfill.run_name, reason=f"nothing published{others}")
    change(edges.index, partition, lambda stored: lifecycle.wait(stored, wanted, now=edges.now(), live=False))


def list_groups(edges: Edges, collection: Collection, provider: Provider) -> Grouped:
    """What the provider has for a concrete collection, in groups."""
    edge = connect(provider, secrets=edges.secrets, connections=edges.connections)
    try:
        return group(discover(edge, collection.provider_path, collection.files), collection.meta.group)
    finally:
        edge.close()


def _consider(
    edges: Edges,
    backfill: Backfill,
    collection: Collection,
    partition: Partition,
    found: Group,
    entry: Entry | None,
    config: Mapping[str, Any],
) -> dict[str, Any] | None:
    """Note what was decided for one group; its task if it is to be worked on."""
    now = fingerprint(found.granules, collection.meta.process)
    decision = decide(found, entry, now, backfill.select)
    if decision.action == "skip":
        return None
    wanted = _entry(backfill, partition, found, str(now), decision)
    step = lifecycle.wait if decision.action == "wait" else lifecycle.queue
    following = change(
        edges.index,
        partition,
        lambda stored: step(stored, wanted, now=edges.now(), live=is_live(edges, stored)),
        known=entry,
    )
    if following is None or following.state is not State.queued:
        return None
    return _task(edges, following, found, config)


def _entry(backfill: Backfill, partition: Partition, found: Group, print_: str, decision: Decision) -> Entry:
    return Entry(
        partition,
        State.planned,
        backfill.run_name,
        reason=decision.reason,
        fingerprint=print_,
        files=len(found.granules),
        size=found.size,
        missing=found.missing,
    )


def _task(edges: Edges, entry: Entry, found: Group, config: Mapping[str, Any]) -> dict[str, Any]:
    """What a worker gets: by address where it is too large for a message."""
    task = {
        "config": {
            "backfill": config["backfill"],
            "run": config["run"],
            "partition": entry.partition.key,
            "fingerprint": entry.fingerprint,
            "entry": entry.to_json(),
            "collection": config["collection"],
            "provider": config["provider"],
        },
        "input": found.to_json(),
    }
    body = json.dumps(task).encode()
    if len(body) <= INLINE:
        return task
    url = edges.internal(f"backfills/{config['backfill']}/run-{config['run']}/tasks/{entry.partition.key}.json")
    edges.store.put(url, body, "application/json")
    small = {key: value for key, value in task["config"].items() if key in ("backfill", "run", "partition", "entry")}
    return {"config": small, "input": {"url": url}}


def _hand_over(edges: Edges, backfill: Backfill, period: str, tasks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    if not tasks:
        return {"count": 0}
    queue = edges.stack.queue_url(backfill.queue)
    url = edges.internal(f"backfills/{backfill.id}/run-{backfill.run}/groups/{period}.json")
    edges.store.put(url, json.dumps([{"queue": queue, "task": task} for task in tasks]).encode(), "application/json")
    bucket, key = split(url)
    return {"count": len(tasks), "groups": {"bucket": bucket, "key": key}}
