"""ProcessGroup: download one group, measure it, stage its outputs in S3, commit them and publish them."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pileus import keys
from pileus.backfills.record import run_url
from pileus.cell.gippy import check_engine
from pileus.cell.inside import Inside
from pileus.documents import Collection, Process, Provider
from pileus.edges.connections import TimedConnections
from pileus.edges.parallel_put import Batch
from pileus.edges.providers import connect
from pileus.edges.store import load
from pileus.edges.zone_index_cache import StoreZoneIndexCache
from pileus.messages import Done, GroupTask, RunDocuments
from pileus.models import Manifest, Output, Partition
from pileus.outputs import zone_sets
from pileus.outputs.commit import Fence, fence
from pileus.outputs.draw import DrawTask
from pileus.outputs.stac import TYPES, table_facts
from pileus.outputs.tables import classic_csv, to_csv, to_parquet, with_time, with_unit, with_zone_set
from pileus.outputs.writers import Written, write_drawn, write_item
from pileus.periods import parse_period
from pileus.scratch.need import Need, learnt, needs_files
from pileus.tasks.fetch_task import fetch_task
from pileus.tasks.pipeline import Processed, process
from pileus.tasks.worker_state import TaskControl, WorkerState
from pileus.version import __version__
from pileus.wiring import Edges
from pileus.worker_tasks import Work, task_of
from pileus.zonal import Measured, Zones, read_zones

PARALLEL = 6
"""Files of a group that download at once; the provider's budget may allow fewer."""


def process_group(
    edges: Edges, event: Mapping[str, Any], worker: WorkerState, control: TaskControl | None = None
) -> dict[str, Any]:
    """Process one group and publish its outputs. Return the JSON of `messages.Done`.

    Running it twice leaves the same outputs. Readers see the old outputs until the manifest is committed, and the new
    ones after. Raises what the hops raise; HandedBack soon after `control.cancelled` is set; Conflict when a later
    claim has the partition.
    """
    control = control or TaskControl()
    task = fetch_task(edges, GroupTask.from_json(event))
    held = fence(edges.place(task.partition), control.claim, fresh=task.entry.manifest is None, claimed=control.claimed)
    if made := _made_before(held, task):
        return made.to_json()
    manifest, staged = _make(edges, task, held, worker, control)
    control.check()
    with control.timing.hop("commit"):
        committed = held.commit(manifest)
    with control.timing.hop("publish"):
        held.publish(committed, staged, worker.delete_of(edges.store))
    seconds = round(sum(manifest.seconds.values()), 3)
    return Done(held.place.manifest, manifest.bytes_downloaded, seconds, dict(manifest.seconds)).to_json()


def _make(
    edges: Edges, task: GroupTask, held: Fence, worker: WorkerState, control: TaskControl
) -> tuple[Manifest, tuple[str, ...]]:
    """Download, measure and stage. Return the manifest to commit, and the addresses of the staged objects."""
    collection, provider = task.documents()
    rules, need = collection.meta.process, _need(edges, task.partition, worker)
    if rules:
        check_engine(rules)
    files = needs_files(task.group, collection.meta)
    inside = worker.inside(f"{task.partition.collection} {task.partition.version} from {provider.id}")
    room = worker.volume.reserved(need.of(task.group, files=files), name=task.name, cancelled=control.cancelled)
    connections = TimedConnections(edges.connections, control.timing)
    edge = connect(_whole(edges, task, provider), secrets=edges.secrets, connections=connections)
    with closing(edge), control.timing.entering("space", room) as scratch:
        with control.timing.hop("zones"):
            zones = _zones(edges, rules, worker) if rules else None
        processed = process(
            task.group,
            collection.meta,
            zones,
            period=parse_period(task.partition.period),
            edge=edge,
            task=DrawTask.of(task.partition, collection),
            inside=inside,
            cache=worker.cache_of(StoreZoneIndexCache(edges.store, edges.internal("indexes/"))),
            scratch=scratch,
            parallel=PARALLEL,
            looked=task.kind in worker.looked,
            arrives=not files,
            progress=control.progress,
            cancelled=control.cancelled,
            timing=control.timing,
        )
        with closing(processed.drawing):
            control.check()
            outputs = Outputs(edges, task, collection, held, processed, worker, inside, scratch, control)
            with control.timing.hop("write"):
                written = outputs.write()
            control.timing.moved("write", sum(output.size for output in written.outputs))
    worker.looked.add(task.kind)
    need.saw(processed.downloaded, processed.scratch)
    manifest = _manifest(edges, task, collection, processed, written)
    return replace(manifest, timing=control.timing.told().to_json()), tuple(outputs.staged)


def _made_before(held: Fence, task: GroupTask) -> Done | None:
    """Return the answer when this run, or an earlier attempt that could not record its end, has made it; else None."""
    before = held.before
    if before is None or before.backfill != task.backfill or before.fingerprint != task.entry.fingerprint:
        return None
    return None if task.again and before.run != task.run else Done(held.place.manifest)


def _need(edges: Edges, partition: Partition, worker: WorkerState) -> Need:
    """Return what groups of this collection need; at first from the manifests of its latest periods."""
    name = partition.collection
    if name not in worker.needs:
        worker.needs[name] = learnt(edges, name)
    return worker.needs[name]


def _zones(edges: Edges, rules: Process, worker: WorkerState) -> Zones:
    key = f"{rules.zones} {rules.zone_id}"
    if key not in worker.zones:
        worker.zones[key] = read_zones(edges.store.get(rules.zones), zone_id=rules.zone_id, where=rules.zones)
    return worker.zones[key]


def _whole(edges: Edges, task: GroupTask, provider: Provider) -> Provider:
    """Return the provider with the password that its document has; tasks carry none, for queues and executions are
    shown to people.
    """
    if not provider.is_masked:
        return provider
    url = run_url(edges, task.backfill, task.run, "documents.json")
    return load(edges.store, url, RunDocuments.from_bytes).provider


@dataclass
class Outputs:
    """Writes the outputs of one group to a staging prefix. Nobody reads them there; the commit publishes them."""

    edges: Edges
    task: GroupTask
    collection: Collection
    held: Fence
    processed: Processed
    worker: WorkerState
    inside: Inside
    scratch: Path
    control: TaskControl
    staged: list[str] = field(default_factory=list)
    """Addresses of what was staged."""

    def write(self) -> Written:
        """Stage every output except the manifest, and return the outputs."""
        with Batch(self.edges.store) as batch:

            def put(key: str, body: bytes, content_type: str) -> str:
                self.control.check()
                url = self.edges.protected(key)
                batch.put(self._stage(url), body, content_type)
                return url

            written = Written(put)
            if self.processed.measured is not None:
                self._fill(written, self.processed.measured)
            self._task(written)
        rules = self.collection.meta.process
        written.kept += self._archives() if rules and rules.archive else []
        return written

    def _stage(self, url: str) -> str:
        self.staged.append(self.held.stage(url))
        return self.staged[-1]

    def _fill(self, written: Written, measured: Measured) -> None:
        partition, rules = self.task.partition, self.collection.meta.process
        assert rules is not None  # nothing is measured without rules
        zones = _zones(self.edges, rules, self.worker)
        zone_set = zone_sets.name_of(zones)
        rows = with_unit(with_time(measured.table, partition), measured.units)
        table = with_zone_set(rows, zone_set)
        parquet, facts = to_parquet(table, partition, measured.units), table_facts(table, measured.units)
        written.add(keys.table_key(partition), parquet, TYPES["table"], "table", "statistics", **facts)
        written.add(keys.csv_key(partition), to_csv(table), "text/csv", "csv", "statistics")
        url = self.edges.protected(keys.zones_key(partition.collection, zone_set))
        published = zone_sets.publish(self.edges.store, url, zones, self.worker.zone_sets, now=self.edges.now())
        written.note(published, "zones and their geometry")
        if rules.classic_csv:
            for key, body in _classic(partition, measured, several=len(rules.bands) > 1):
                written.add(key, body, "text/csv", "classic-csv", "statistics of one zone on one tile")
        write_drawn(written, partition, zones, self.processed.drawing)
        manifest = self.held.place.manifest
        write_item(written, partition, self.task.group, zones, manifest=manifest, created=_now(self.edges))

    def _task(self, written: Written) -> None:
        """Do the task that the collection asks for beside."""
        wanted = self.collection.meta.task
        if wanted is None:
            return

        def put(name: str, body: bytes, content_type: str) -> None:
            written.add(
                keys.task_key(partition, wanted.name, name), body, content_type, "task", f"{wanted.name}: {name}"
            )

        partition, folder = self.task.partition, self.scratch / "task"
        folder.mkdir(exist_ok=True)
        work = Work(partition, self.processed.archives, wanted.parameters, folder, put, self.control.check)
        with self.control.timing.hop("task"):
            self.inside.run(task_of(wanted.name), work)

    def _archives(self) -> Iterator[Output]:
        """Store the archives, each in the bucket of its file kind, as the collection's `duplicateHandling` says."""
        for archive in self.processed.archives:
            self.control.check()
            bucket = self.edges.stack.bucket(archive.granule.bucket)
            url = f"s3://{bucket}/{keys.archive_key(self.task.partition, archive.granule.file.name)}"
            kept = self.edges.archives.weigh(archive.path, url, self.collection.duplicateHandling)
            if kept.action != "kept":
                self.edges.archives.stage(archive.path, self._stage(url), kept)
            yield Output(kept.url, kept.size, kept.sha256 or "", "archive", kept.previous or "")


def _now(edges: Edges) -> str:
    return datetime.fromtimestamp(edges.now(), UTC).isoformat(timespec="seconds")


def _classic(partition: Partition, measured: Measured, *, several: bool) -> list[tuple[str, bytes]]:
    """Return key and bytes of each CSV of the classic statistics. `several`: whether keys have the band too."""
    rows = measured.by_tile.to_pylist() if measured.by_tile is not None else []
    bands = [row["band"] if several else "" for row in rows]
    return [
        (keys.classic_key(partition, row["zone"], row["tile"], band), classic_csv(row))
        for row, band in zip(rows, bands, strict=True)
    ]


def _manifest(
    edges: Edges, task: GroupTask, collection: Collection, processed: Processed, written: Written
) -> Manifest:
    rules, measured = collection.meta.process, processed.measured
    parameters: dict[str, Any] = rules.model_dump(mode="json", exclude_defaults=True) if rules else {}
    if measured:
        parameters |= {"engine": measured.engine, "index_hashes": list(measured.index_hashes)}
    return Manifest(
        partition=task.partition,
        fingerprint=task.entry.fingerprint or "",
        inputs=task.group.granules,
        parameters=parameters,
        outputs=(*written.outputs, *written.kept),
        code=__version__,
        finished=_now(edges),
        seconds={name: round(value, 4) for name, value in processed.seconds.items()},
        bytes_downloaded=processed.downloaded,
        scratch_bytes=processed.scratch,
        backfill=task.backfill,
        run=task.run,
        notes=measured.notes if measured else (),
    )
