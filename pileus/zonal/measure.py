"""Measure: rasters and archives of rasters, under zones, to a table."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pileus.documents import Band, Process
from pileus.errors import RasterError, UsageError
from pileus.raster.band_names import may_hold
from pileus.raster.formats import Layer, open_rasters
from pileus.raster.grid import Grid
from pileus.raster.times_layer import EachLayer, by_time
from pileus.statistics import WHOLE
from pileus.stopping import Check, go_on
from pileus.unpack.member import UnpackLimits
from pileus.unpack.members import is_archive
from pileus.zonal.accumulators import Found, by_tile, table
from pileus.zonal.archive import ArchiveBands
from pileus.zonal.cache import ZoneIndexCache, fetch_index
from pileus.zonal.context import Context, Fetch, Memory, Observer
from pileus.zonal.index import ZoneIndex
from pileus.zonal.kernel import COUNT, HIGH, LOW
from pileus.zonal.lanes import Gate, Lanes
from pileus.zonal.remote import begin, bring_pixels
from pileus.zonal.requests import requests_of
from pileus.zonal.source import Source
from pileus.zonal.validity import all_of, lets_count
from pileus.zonal.zones import Zones

CLASSIC = ("min", "max", "mean", "stddev", "skew", "count")


@dataclass(frozen=True)
class Measured:
    """The rows, and how they were made."""

    table: pa.Table
    """A row per band and zone: zone, zone_name, band, then the statistics as float64; and per `time`, the first column,
    where each time of a band is measured.
    """
    by_tile: pa.Table
    """A row per source, band and zone on its grid: tile, zone, zone_name, band, then the classic statistics (gippy)."""
    engine: str
    """How pixels were read: `stream`, `scratch`, `direct` or `windowed`, joined by `+` where sources differ."""
    index_hashes: tuple[str, ...]
    """Keys of the zone indexes, a grid each."""
    notes: tuple[str, ...]
    """Notes for the user: zones that were repaired, reprojected, or lie on no grid."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Wall time of `compile` (or fetching the index) and `measure`."""
    scratch_bytes: int = 0
    """Most bytes that were on the scratch volume at once."""
    units: dict[str, str] = field(default_factory=dict)
    """Unit of each band, as the collection or its files say it; empty where it is not known."""


def measure(
    sources: Sequence[Source],
    process: Process,
    zones: Zones,
    *,
    bands: Mapping[str, Band] | None = None,
    cache: ZoneIndexCache | None = None,
    fetch: Fetch | None = None,
    scratch: Path,
    threads: int = 2,
    limits: UnpackLimits | None = None,
    progress: Callable[[str], None] | None = None,
    reading: Callable[[str], None] = lambda _name: None,
    check: Check = go_on,
    observer: Observer | None = None,
    lanes: int = 1,
    gate: Gate | None = None,
) -> Measured:
    """Return the statistics of zones over sources that together make one mosaic.

    `process` says which bands, which pixels count and which statistics; `pileus.statistics` defines those. `bands`
    says where files have the bands, and what their numbers stand for; without it: as files say. `cache`
    keeps compiled zone indexes; `fetch`, where given, is asked for them instead. `scratch` is a folder for what cannot
    be streamed; it is empty again at the end. `reading` is called with the name of each source before it is opened,
    `progress` when it is done. `check` is called many times a second; what it raises ends the work. `observer` takes
    pixels of each layer while it is measured, in the order of `sources`; its notes and scratch bytes are added to those
    of the result. `lanes`: most archives that are read at once, one where somebody observes; each begins when `gate`
    lets it, and the result is the same. Every source must be read to its end, with a correct checksum. Raises
    ArchiveError, RasterError, ZonesError and whatever a stream or the observer raises.
    """
    started = time.perf_counter()

    def own(grid: Grid) -> tuple[ZoneIndex, str]:
        return fetch_index(zones, grid, process.coverage, cache, threads=threads, check=check)[:2]

    memory = Memory()
    context = Context(
        process, zones, fetch or own, scratch, threads, limits or UnpackLimits(),
        Lanes(1 if observer else lanes, gate, check, lambda: memory.plenty), memory, reading, observer, bands,
    )  # fmt: skip
    in_order = [*reversed(sources)] if process.overlap == "last" else [*sources]
    for source in in_order:
        reading(source.name)
        context.images[source.name] = begin(source)
    archives = [source for source in in_order if _is_archive(source)]
    plain = [source for source in in_order if source not in archives]

    def read(place: int) -> list[Found]:
        source = archives[place]
        reading(source.name)
        found = ArchiveBands(context, source).found()
        if progress:
            progress(source.name)
        return found

    parts = context.lanes.do([source.name for source in archives], read)
    found = [one for part in parts for one in part]
    found += _files(context, plain, progress)
    ids, names = zones.ids, zones.names
    seconds = {"compile": context.compile_seconds, "measure": time.perf_counter() - started - context.compile_seconds}
    return Measured(
        table(found, process.bands, ids, names, process.stats),
        by_tile(found, ids, names, CLASSIC),
        "+".join(sorted(context.engines)),
        context.index_hashes,
        tuple(
            context.notes
            + _off(found, ids)
            + _partly(found, ids)
            + _infinite(found, ids)
            + (observer.notes if observer else [])
        ),
        seconds,
        context.scratch_bytes + (observer.scratch_bytes if observer else 0),
        context.units,
    )


def _off(found: Iterable[Found], ids: Sequence[str]) -> list[str]:
    totals = sum((f.totals[:, 0] for f in found), np.zeros(len(ids)))
    return _told(totals == 0, ids, "touch no raster")


def _partly(found: Sequence[Found], ids: Sequence[str]) -> list[str]:
    if not found:
        return []
    band = found[0].band
    mine = [f for f in found if (f.band, f.time) == (band, found[0].time)]
    seen = sum((f.totals[:, 0] for f in mine), np.zeros(len(ids)))
    whole = np.max([f.whole for f in mine], axis=0)
    return _told((seen > 0) & (seen < whole * (1 - WHOLE)), ids, "lie partly outside the rasters")


def _infinite(found: Iterable[Found], ids: Sequence[str]) -> list[str]:
    ends = [np.isinf(f.acc[:, [LOW, HIGH]]).any(axis=1) & (f.acc[:, COUNT] > 0) for f in found]
    return _told(np.logical_or.reduce(ends, axis=0), ids, "have infinite pixels") if ends else []


def _told(which: NDArray[np.bool_], ids: Sequence[str], what: str) -> list[str]:
    """Return one line that says what some zones do; none where none does."""
    some = [ids[int(number)] for number in np.flatnonzero(which)]
    shown = ", ".join(some[:5]) + (", ..." if len(some) > 5 else "")
    return [f"{len(some)} of {len(ids)} zones {what}: {shown}"] if some else []


def _is_archive(source: Source) -> bool:
    if source.path is None:
        return True
    try:
        return is_archive(source.path)
    except FileNotFoundError as exc:
        raise UsageError("no such file", where=source.name) from exc
    except OSError as exc:
        raise RasterError(f"cannot be read: {exc.strerror}", where=source.name) from exc


def _files(context: Context, sources: list[Source], progress: Callable[[str], None] | None) -> list[Found]:
    """Measure raster files. A mask is a file, or a band of a file, on exactly the grid of what it masks."""
    layers: dict[str, dict[str, tuple[Source, Layer | EachLayer]]] = defaultdict(dict)
    for source in sources:
        context.reading(source.name)
        for band, layer in _layers(context, source).items():
            on_grid = layers[layer.grid.hash]
            if band in on_grid:
                other = on_grid[band][0].name
                raise RasterError(
                    f"covers the same grid as {other} with band {band}: measure them separately", where=source.name
                )
            on_grid[band] = (source, layer)
    if sources and not any(set(context.process.bands) & set(on_grid) for on_grid in layers.values()):
        raise RasterError(f"holds no band {' or '.join(context.process.bands)}", where=sources[0].name)
    found = []
    for on_grid in layers.values():
        for band in context.process.bands:
            if band not in on_grid:
                continue
            source, layer = on_grid[band]
            masks = {mask: _one(on_grid[mask]) for mask in context.process.masks if mask in on_grid}
            if lacking := [mask for mask in context.process.masks if mask not in masks]:
                raise RasterError(
                    f"has no band {' and '.join(lacking)} to mask it with: expected one on the same grid",
                    where=source.name,
                )
            found += [_file(context, source, band, time, one, masks) for time, one in by_time(layer)]
            if progress:
                progress(source.name)
    return found


def _one(held: tuple[Source, Layer | EachLayer]) -> tuple[Source, Layer]:
    """Return a mask, which documents never ask for as each of several times. Raises RasterError if it is."""
    source, layer = held
    if isinstance(layer, EachLayer):
        raise RasterError("has a mask of several times", where=source.name)
    return source, layer


def _layers(context: Context, source: Source) -> dict[str, Layer | EachLayer]:
    """Return the wanted bands of a raster file."""
    assert source.path is not None  # streams are archives
    requests = requests_of(context.process, context.bands, source)
    if source.band is not None:
        requests = {band: request for band, request in requests.items() if band == source.band}
    else:
        requests = may_hold(source.name, requests, context.process.bands)
    return open_rasters(source.path, requests, source.name) if requests else {}


def _file(
    context: Context,
    source: Source,
    band: str,
    time: datetime | None,
    layer: Layer,
    masks: Mapping[str, tuple[Source, Layer]],
) -> Found:
    accumulators = context.accumulators(band, layer.grid, layer.stored, source.name, time)
    reading = context.layer(band, layer.grid, layer.stored, source.name)
    context.reading(source.name)
    context.engines.add(layer.engine)
    bring_pixels(source, layer, reading.needed, context.images[source.name])
    with ExitStack() as stack:
        handle: Any = stack.enter_context(layer.open())
        others = [_mask(context, name, *mask, stack) for name, mask in masks.items() if name != band]

        def one(unit: list[int]) -> None:
            context.check()
            packed, valid = layer.read(handle, reading.needed, unit), [other(unit) for other in others]
            for place, (number, pixels) in enumerate(zip(unit, packed, strict=True)):
                zones = reading.take(number, pixels)
                if zones is None:
                    continue
                over = [mask[place] for mask in valid]
                if band in masks:
                    over.append(lets_count(context.process, band, zones, layer.stored, source.name))
                accumulators.add(number, zones, all_of(over))

        with ThreadPoolExecutor(max(1, context.threads)) as pool:
            for _ in pool.map(one, layer.units(reading.needed)):
                pass
    return accumulators.result(source.name, source.tile, band, time)


def _mask(
    context: Context, band: str, source: Source, mask: Layer, stack: ExitStack
) -> Callable[[list[int]], list[NDArray[np.bool_] | None]]:
    """Return what reads a mask: where pixels of each band of rows may count; None where no zone needs one."""
    reading = context.layer(band, mask.grid, mask.stored, source.name)
    bring_pixels(source, mask, reading.needed, context.images[source.name])
    handle: Any = stack.enter_context(mask.open())

    def read(unit: list[int]) -> list[NDArray[np.bool_] | None]:
        packed = mask.read(handle, reading.needed, unit)
        zones = [reading.take(number, pixels) for number, pixels in zip(unit, packed, strict=True)]
        rules = context.process, band
        return [None if one is None else lets_count(*rules, one, mask.stored, source.name) for one in zones]

    return read
