"""ProcessGroup: download one group, measure it, write its outputs to S3, the manifest last."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from pileus import __version__, keys
from pileus.documents import Collection, Process, Provider, parse_value
from pileus.edges.parallel_put import Batch
from pileus.edges.providers import connect
from pileus.edges.zone_index_cache import StoreZoneIndexCache
from pileus.errors import NotFound
from pileus.models import Group, Manifest, Output, Partition
from pileus.outputs.stac import TYPES
from pileus.outputs.tables import ancestor_csv, to_csv, to_parquet, with_time
from pileus.outputs.writers import Written, facts_of, write_item, write_windows
from pileus.scratch.need import Need, learnt
from pileus.scratch.volume import PATIENCE, Volume
from pileus.tasks.pipeline import Processed, process
from pileus.wiring import Edges
from pileus.zonal import Measured, MemoryCache, TieredCache, Zones, read_zones

PARALLEL = 6
"""Files of a group that download at once; the provider's budget may allow fewer."""


@dataclass
class Workbench:
    """What a worker keeps from one task to the next: its scratch volume, the zones and indexes it has read."""

    scratch: Path
    """Root of the volume, which other workers may share."""
    patience: float = PATIENCE
    """Seconds that downloads of dead workers wait there for an heir."""
    needs: dict[str, Need] = field(default_factory=dict)
    """By collection."""
    zones: dict[str, Zones] = field(default_factory=dict)
    indexes: MemoryCache = field(default_factory=MemoryCache)

    @cached_property
    def volume(self) -> Volume:
        """This worker's share of the scratch volume."""
        return Volume(self.scratch, patience=self.patience).open()

    def close(self) -> None:
        """Leave the volume as it was."""
        self.volume.close()


@dataclass(frozen=True)
class Watch:
    """How a task tells of its progress, and learns that it should stop."""

    progress: Callable[[str, int], None] | None = None
    """Called with a file's name and the bytes that arrived."""
    cancelled: threading.Event = field(default_factory=threading.Event)


def process_group(
    edges: Edges, event: Mapping[str, Any], bench: Workbench, watch: Watch | None = None
) -> dict[str, Any]:
    """Process one group. The answer: the manifest's address, bytes downloaded, seconds, and seconds by hop.

    Idempotent: done twice, it leaves the same outputs. Raises what the hops raise; nothing but a whole result
    has a manifest.
    """
    watch = watch or Watch()
    task = fetch_task(edges, event)
    config = task["config"]
    partition = Partition.parse(config["partition"])
    if config["run"] > 1 and (made := _made_before(edges, partition, config)):
        return made
    collection = parse_value(Collection, config["collection"], partition.key)
    group = Group.from_json(task["input"])
    rules = collection.meta.process
    provider = parse_value(Provider, config["provider"], "provider")
    need = _need(edges, partition, bench)
    edge = connect(provider, secrets=edges.secrets, connections=edges.connections)
    try:
        with bench.volume.reserved(need.of(group), name=config["fingerprint"], cancelled=watch.cancelled) as scratch:
            processed = process(
                group,
                rules,
                _zones(edges, rules, bench) if rules else None,
                edge=edge,
                each=collection.meta.group.each,
                cache=TieredCache(bench.indexes, StoreZoneIndexCache(edges.store, edges.internal("indexes/"))),
                scratch=scratch,
                parallel=PARALLEL,
                progress=watch.progress,
                cancelled=watch.cancelled,
            )
            written = _write(edges, partition, collection, group, processed, bench, scratch)
            kept = list(_archives(edges, partition, collection, processed)) if rules and rules.archive else []
    finally:
        edge.close()
    need.saw(processed.downloaded, processed.scratch)
    manifest = _manifest(edges, partition, config, group, collection, processed, written, kept)
    url = edges.protected(keys.manifest_key(partition))
    edges.store.put(url, json.dumps(manifest.to_json(), indent=1).encode(), "application/json")
    seconds = sum(manifest.seconds.values())
    hops = dict(manifest.seconds)
    return {"manifest": url, "downloaded": processed.downloaded, "seconds": round(seconds, 3), "hops": hops}


def _made_before(edges: Edges, partition: Partition, config: Mapping[str, Any]) -> dict[str, Any] | None:
    """The answer of an earlier run of the same backfill whose end was never noted: its manifest is there."""
    url = edges.protected(keys.manifest_key(partition))
    try:
        manifest = Manifest.from_json(json.loads(edges.store.get(url)))
    except NotFound:
        return None
    if (manifest.backfill, manifest.fingerprint) != (config["backfill"], config["fingerprint"]):
        return None
    return {"manifest": url, "downloaded": 0, "seconds": 0.0}


def fetch_task(edges: Edges, event: Mapping[str, Any]) -> Mapping[str, Any]:
    """The task itself, from S3 where it was too large for a message."""
    if isinstance(event["input"], Mapping) and set(event["input"]) == {"url"}:
        whole: Mapping[str, Any] = json.loads(edges.store.get(event["input"]["url"]))
        return whole
    return event


def _need(edges: Edges, partition: Partition, bench: Workbench) -> Need:
    """What groups of this collection need; at first from the manifests of its latest periods."""
    name = partition.collection
    if name not in bench.needs:
        bench.needs[name] = learnt(edges, name)
    return bench.needs[name]


def _zones(edges: Edges, rules: Process, bench: Workbench) -> Zones:
    key = f"{rules.zones} {rules.zone_id}"
    if key not in bench.zones:
        bench.zones[key] = read_zones(edges.store.get(rules.zones), zone_id=rules.zone_id, where=rules.zones)
    return bench.zones[key]


def _write(
    edges: Edges,
    partition: Partition,
    collection: Collection,
    group: Group,
    processed: Processed,
    bench: Workbench,
    scratch: Path,
) -> Written:
    """Every output but the manifest; they are there when this returns."""
    with Batch(edges.store) as batch:

        def put(key: str, body: bytes, content_type: str) -> str:
            url = edges.protected(key)
            batch.put(url, body, content_type)
            return url

        written = Written(put)
        if processed.measured is not None:
            _fill(written, edges, partition, collection, group, processed, bench, scratch)
    return written


def _fill(
    written: Written,
    edges: Edges,
    partition: Partition,
    collection: Collection,
    group: Group,
    processed: Processed,
    bench: Workbench,
    scratch: Path,
) -> None:
    rules, measured = collection.meta.process, processed.measured
    assert rules is not None  # nothing is measured without rules
    assert measured is not None
    units = {band: collection.meta.bands[band].unit or "" for band in rules.bands if band in collection.meta.bands}
    table, zones = with_time(measured.table, partition), _zones(edges, rules, bench)
    parquet, facts = to_parquet(table, partition, units), facts_of(table, collection)
    written.add(keys.table_key(partition), parquet, TYPES["table"], "table", "statistics", **facts)
    written.add(keys.csv_key(partition), to_csv(table), "text/csv", "csv", "statistics")
    if rules.ancestor_csv:
        for key, body in _ancestor(partition, measured):
            written.add(key, body, "text/csv", "ancestor-csv", "statistics of one zone on one tile")
    write_windows(written, partition, collection, zones, processed.archives, scratch)
    manifest = edges.protected(keys.manifest_key(partition))
    write_item(written, partition, group, zones, manifest=manifest, created=_now(edges))


def _archives(edges: Edges, partition: Partition, collection: Collection, processed: Processed) -> Iterator[Output]:
    """Keep the archives, each in the bucket of its file kind, by the collection's `duplicateHandling`."""
    for archive in processed.archives:
        bucket = edges.protected if archive.granule.bucket == "protected" else edges.internal
        url = bucket(keys.archive_key(partition, archive.granule.file.name))
        kept = edges.archives.keep(archive.path, url, collection.duplicateHandling)
        yield Output(kept.url, kept.size, kept.sha256 or "", "archive")


def _now(edges: Edges) -> str:
    return datetime.fromtimestamp(edges.now(), UTC).isoformat(timespec="seconds")


def _ancestor(partition: Partition, measured: Measured) -> list[tuple[str, bytes]]:
    rows = measured.by_tile.to_pylist() if measured.by_tile is not None else []
    return [(keys.ancestor_key(partition, row["zone"], row["tile"]), ancestor_csv(row)) for row in rows]


def _manifest(
    edges: Edges,
    partition: Partition,
    config: Mapping[str, Any],
    group: Group,
    collection: Collection,
    processed: Processed,
    written: Written,
    kept: list[Output],
) -> Manifest:
    rules, measured = collection.meta.process, processed.measured
    parameters: dict[str, Any] = rules.model_dump(mode="json", exclude_defaults=True) if rules else {}
    if measured:
        parameters |= {"engine": measured.engine, "index_hashes": list(measured.index_hashes)}
    return Manifest(
        partition,
        config["fingerprint"],
        group.granules,
        parameters,
        (*written.outputs, *kept),
        __version__,
        _now(edges),
        {name: round(value, 4) for name, value in processed.seconds.items()},
        processed.downloaded,
        processed.scratch,
        config.get("backfill"),
        (*(measured.notes if measured else ()), *written.notes),
    )
