"""The payloads of groups: of each its STAC items, with what the collection says is done with them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

from pileus.backfills.record import run_url
from pileus.documents import Collection, Provider
from pileus.edges.providers import connect
from pileus.messages import GroupTask
from pileus.models import Granule
from pileus.periods import parse_period
from pileus.point_groups import of_group
from pileus.wiring import Edges

PARALLEL = 8
"""Items that are fetched at once."""


def write_payloads(
    edges: Edges, provider: Provider, collections: Mapping[str, Collection], tasks: Sequence[GroupTask]
) -> Iterator[str]:
    """Write the payload of each group with its run, and yield their addresses.

    Its features are the items themselves, where the provider is a STAC API; else an item for each file, with the file
    as its only asset. Raises what a transfer raises.
    """
    from pileus.edges.providers.stac import StacEdge

    with (
        closing(connect(provider, secrets=edges.secrets, connections=edges.connections)) as edge,
        ThreadPoolExecutor(min(PARALLEL, provider.globalConnectionLimit)) as pool,
    ):
        for task in tasks:
            collection, granules = of_group(task.group, collections), task.group.granules
            if isinstance(edge, StacEdge):
                features = list(pool.map(edge.item, [granule.file.url for granule in granules]))
            else:
                features = [_item(task, granule) for granule in granules]
            payload = {"type": "FeatureCollection", "features": features, "process": collection.processes}
            url = run_url(edges, task.backfill, task.run, f"payloads/{task.partition.key}.json")
            edges.store.put(url, json.dumps(payload).encode(), "application/json")
            yield url


def _item(task: GroupTask, granule: Granule) -> dict[str, Any]:
    """Return a file as an item of its point in time."""
    period, file = parse_period(task.partition.period), granule.file
    start, end = f"{period.start:%Y-%m-%d}T00:00:00Z", f"{period.end:%Y-%m-%d}T23:59:59Z"
    size = {} if file.size is None else {"file:size": file.size}
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": file.name,
        "collection": task.partition.collection,
        "geometry": None,
        "properties": {"datetime": start, "start_datetime": start, "end_datetime": end},
        "links": [],
        "assets": {"data": {"href": file.url} | size},
    }
