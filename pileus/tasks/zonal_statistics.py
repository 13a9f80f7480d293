"""The process `zonal-statistics`: rasters by address, or points in time of a collection, in somebody's zones."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from pileus.backfills.control import read_registry
from pileus.cell.inside import Inside
from pileus.documents import Band, Collection, Provider, narrowed, parse_value
from pileus.edges.providers import connect
from pileus.errors import NotFound, UsageError
from pileus.expand import Point, expand
from pileus.models import Group, Partition
from pileus.outputs.tables import with_time, with_unit
from pileus.periods import Periods
from pileus.point_groups import of_group
from pileus.processes import ZonalStatistics
from pileus.raster.band_names import usual_band
from pileus.scratch.need import Need, needs_files
from pileus.stopping import unless
from pileus.tasks.addresses import Addresses
from pileus.tasks.discover_granules import list_groups
from pileus.tasks.pipeline import process
from pileus.tasks.process_group import PARALLEL
from pileus.tasks.process_request import Made, RunContext
from pileus.wiring import Edges
from pileus.zonal import Measured, MemoryCache, Source, Zones
from pileus.zonal.requests import place_of

RESERVE = 1 << 30
"""Bytes of the scratch volume that are reserved for rasters, whose size nobody knows before; at most a quarter."""
BY_VALUE = "zones"
"""How messages name zones that were given by value."""
OF_COLLECTION = ("band", "valid", "range", "zero_is_nodata", "nodata", "read", "coverage", "overlap", "area_weighted",
                 "stats")  # fmt: skip
"""What a collection's `meta.process` says where the inputs do not."""


def zonal_statistics(edges: Edges, inputs: ZonalStatistics, context: RunContext) -> Made:
    """Return the rows of all zones. Raises what the hops raise, UsageError for a collection or a point in time that
    there is not, NotFound where no group of any point is complete.
    """
    control, worker = context.control, context.worker
    inside, check = worker.inside(f"run {context.key}"), unless(control.cancelled)
    with Addresses(edges, control) as addresses:
        content, where = inputs.zones_content(), BY_VALUE
        if content is None:
            where = str(inputs.zones)
            content = addresses.bytes_of(where)
        zones = inside.zones(content, zone_id=inputs.zone_id, where=where, check=check)
        found = _Found(notes=list(zones.notes))
        try:
            if inputs.rasters:
                size = min(RESERVE, worker.volume.usage().most // 4)
                with worker.volume.reserved(size, cancelled=control.cancelled) as scratch:
                    _rasters(inputs, zones, addresses, inside, scratch, context, found)
            else:
                _collection(edges, inputs, zones, inside, context, found)
        finally:
            inside.forget(zones)
        found.downloaded += addresses.moved
        found.notes += addresses.notes
    return found.made()


@dataclass
class _Found:
    """What was measured so far."""

    tables: list[pa.Table] = field(default_factory=list)
    units: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    downloaded: int = 0

    def add(self, measured: Measured, table: pa.Table, seconds: Mapping[str, float]) -> None:
        self.tables.append(table)
        self.units |= {band: unit for band, unit in measured.units.items() if unit or band not in self.units}
        self.notes += measured.notes
        self.seconds |= {name: self.seconds.get(name, 0) + value for name, value in seconds.items()}

    def made(self) -> Made:
        rows = pa.concat_tables(self.tables, promote_options="default")
        return Made(rows, self.units, tuple(dict.fromkeys(self.notes)), self.downloaded, self.seconds)


def _rasters(
    inputs: ZonalStatistics,
    zones: Zones,
    addresses: Addresses,
    inside: Inside,
    scratch: Path,
    context: RunContext,
    found: _Found,
) -> None:
    """Measure rasters by their addresses: together as one mosaic, or each alone."""
    names = inputs.bands or (usual_band(inputs.rasters[0]),)
    rules = inputs.process({"band": list(names)})
    bands = {name: Band(path=name) for name in names if name.isdecimal()} | dict(inputs.band_rules)
    place, cache = place_of(inputs.grid, {}, ""), MemoryCache()
    for urls in [[url] for url in inputs.rasters] if inputs.each else [list(inputs.rasters)]:
        sources: list[Source] = [addresses.source(url, place, scratch) for url in urls]
        measured, drawing = inside.measure(
            sources,
            rules,
            zones,
            bands=bands,
            cache=cache,
            scratch=scratch,
            check=unless(context.control.cancelled),
            task=None,
        )
        with closing(drawing):
            table = with_unit(measured.table, measured.units)
            table = _beside(table, raster=sources[0].name) if inputs.each else table
            found.add(measured, table, measured.seconds)


def _collection(
    edges: Edges, inputs: ZonalStatistics, zones: Zones, inside: Inside, context: RunContext, found: _Found
) -> None:
    """Measure points in time of a populated collection."""
    registry = read_registry(edges.store, edges.stack)
    template = registry.collection(str(inputs.collection), inputs.version)
    provider = registry.provider_of(template)
    need, cache = Need(), MemoryCache()
    for point in _points(template, inputs, datetime.fromtimestamp(edges.now(), UTC)):
        by_id = {id: _with(collection, inputs) for id, collection in point.by_id.items()}
        for group in _groups(edges, point, by_id, provider, found):
            partition = Partition(template.name, template.version, point.period.iso, group.key)
            control, volume, meta = context.control, context.worker.volume, of_group(group, by_id).meta
            files = needs_files(group, meta)
            with (
                closing(connect(provider, secrets=edges.secrets, connections=edges.connections)) as edge,
                volume.reserved(need.of(group, files=files), cancelled=control.cancelled) as scratch,
            ):
                done = process(
                    group,
                    meta,
                    zones,
                    period=point.period,
                    edge=edge,
                    task=None,
                    inside=inside,
                    cache=cache,
                    scratch=scratch,
                    parallel=PARALLEL,
                    arrives=not files,
                    progress=control.progress,
                    cancelled=control.cancelled,
                )
            done.drawing.close()
            assert done.measured is not None  # `_with` gives every collection a process
            need.saw(done.downloaded, done.scratch)
            found.downloaded += done.downloaded
            table = with_unit(with_time(done.measured.table, partition), done.measured.units)
            found.add(done.measured, _beside(table, period=partition.period, group=partition.group), done.seconds)
    if not found.tables:
        periods = ", ".join(inputs.periods[:5])
        raise NotFound(f"has no complete group at {periods}: {'; '.join(found.notes[-3:])}", where=template.name)


def _points(template: Collection, inputs: ZonalStatistics, now: datetime) -> list[Point]:
    """Return the points in time that the inputs name. Raises UsageError and DocumentError."""
    if template.options is None:
        raise UsageError(f"collection {template.name} has no options: it has no points in time")
    texts = dict.fromkeys(inputs.periods)
    spans = [narrowed(template.options, now.date(), template.name, text, text) for text in texts]
    periods = sorted({period for span in spans for period in span}, key=lambda period: period.iso)
    return expand(template, Periods.parse([period.iso for period in periods], spans[0].unit))


def _with(collection: Collection, inputs: ZonalStatistics) -> Collection:
    """Return a concrete collection that is measured as the inputs say. Raises DocumentError, with the path."""
    own = collection.meta.process
    base = own.model_dump(mode="json", include={*OF_COLLECTION}, exclude_defaults=True) if own else {}
    if not base and not inputs.bands:
        raise UsageError(f"collection {collection.name} measures no band: say bands")
    rules = inputs.process(base).model_dump(mode="json", exclude_defaults=True)
    value = collection.to_json()
    meta = {name: part for name, part in value.get("meta", {}).items() if name != "task"}
    return parse_value(Collection, value | {"meta": meta | {"process": {"zones": "", **rules}}}, collection.name)


def _groups(
    edges: Edges, point: Point, by_id: Mapping[str, Collection], provider: Provider, found: _Found
) -> Iterator[Group]:
    """Yield the complete groups of a point in time; note the others."""
    grouped = list_groups(edges, by_id, provider, own_folder=point.own_folder)
    if not grouped.groups:
        found.notes.append(f"{point.period.iso}: nothing is published")
    for group in grouped.groups:
        if group.spoilt or not group.complete:
            why = "; ".join(group.spoilt) or f"not complete, missing {', '.join(group.missing)}"
            found.notes.append(f"{point.period.iso} {group.key}: {why}")
        else:
            yield group


def _beside(table: pa.Table, **texts: str) -> pa.Table:
    """Return the rows with columns before them that have one value each."""
    for number, (name, text) in enumerate(texts.items()):
        table = table.add_column(number, name, pa.array([text] * table.num_rows, pa.string()))
    return table
