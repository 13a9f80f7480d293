"""Measure: rasters and archives of rasters, under zones, to a table."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pileus.documents import Process
from pileus.errors import RasterError, UsageError
from pileus.raster.formats import Layer, band_of, named_band, open_layer
from pileus.raster.grid import Grid
from pileus.stopping import Check, go_on
from pileus.unpack.member import UnpackLimits
from pileus.unpack.members import is_archive
from pileus.zonal.accumulators import Found, by_tile, table
from pileus.zonal.archive import ArchiveBands
from pileus.zonal.cache import ZoneIndexCache, fetch_index
from pileus.zonal.context import Context, Fetch, Observer, Source
from pileus.zonal.index import ZoneIndex
from pileus.zonal.kernel import COUNT, HIGH, LOW
from pileus.zonal.validity import lets_count
from pileus.zonal.zones import Zones

CLASSIC = ("min", "max", "mean", "stddev", "skew", "count")


@dataclass(frozen=True)
class Measured:
    """The rows, and how they were made."""

    table: pa.Table
    """A row per band and zone: zone, zone_name, band, then the statistics as float64."""
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


def measure(
    sources: Sequence[Source],
    process: Process,
    zones: Zones,
    *,
    cache: ZoneIndexCache | None = None,
    fetch: Fetch | None = None,
    scratch: Path,
    threads: int = 2,
    limits: UnpackLimits | None = None,
    progress: Callable[[str], None] | None = None,
    reading: Callable[[str], None] = lambda _name: None,
    check: Check = go_on,
    observer: Observer | None = None,
) -> Measured:
    """Return the statistics of zones over sources that together make one mosaic.

    `process` says which bands, which pixels count and which statistics; `pileus.statistics` defines those. `cache`
    keeps compiled zone indexes; `fetch`, where given, is asked for them instead. `scratch` is a folder for what cannot
    be streamed; it is empty again at the end. `reading` is called with the name of each source before it is opened,
    `progress` when it is done. `check` is called many times a second; what it raises ends the work. `observer` takes
    pixels of each layer while it is measured, in the order of `sources`; its notes and scratch bytes are added to those
    of the result. Every source must be read to its end, with a correct checksum. Raises ArchiveError, RasterError,
    ZonesError and whatever a stream or the observer raises.
    """
    started = time.perf_counter()

    def own(grid: Grid) -> tuple[ZoneIndex, str]:
        return fetch_index(zones, grid, process.coverage, cache, threads=threads, check=check)[:2]

    limits = limits or UnpackLimits()
    context = Context(process, zones, fetch or own, scratch, threads, limits, check, reading, observer)
    found: list[Found] = []
    plain: list[Source] = []
    for source in reversed(sources) if process.overlap == "last" else sources:
        reading(source.name)
        if _is_archive(source):
            found += ArchiveBands(context, source).found()
            if progress:
                progress(source.name)
        else:
            plain.append(source)
    found += _files(context, plain, progress)
    ids, names = zones.ids, zones.names
    seconds = {"compile": context.compile_seconds, "measure": time.perf_counter() - started - context.compile_seconds}
    return Measured(
        table(found, process.bands, ids, names, process.stats),
        by_tile(found, ids, names, CLASSIC),
        "+".join(sorted(context.engines)),
        context.index_hashes,
        tuple(context.notes + _off(found, ids) + _infinite(found, ids) + (observer.notes if observer else [])),
        seconds,
        context.scratch_bytes + (observer.scratch_bytes if observer else 0),
    )


def _off(found: Iterable[Found], ids: Sequence[str]) -> list[str]:
    totals = sum((f.totals[:, 0] for f in found), np.zeros(len(ids)))
    return _told(totals == 0, ids, "touch no raster")


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
    layers: dict[str, dict[str, tuple[Source, Layer]]] = defaultdict(dict)
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
        mask = on_grid.get(context.mask or "")
        for band in context.process.bands:
            if band not in on_grid:
                continue
            source, layer = on_grid[band]
            if context.mask and mask is None:
                raise RasterError(
                    f"has no band {context.mask} to mask it with: expected one on the same grid", where=source.name
                )
            found.append(_file(context, source, band, layer, mask[1] if mask else None))
            if progress:
                progress(source.name)
    return found


def _layers(context: Context, source: Source) -> dict[str, Layer]:
    """Return the wanted bands of a raster file."""
    assert source.path is not None  # streams are archives
    process, wanted = context.process, {*context.process.bands, *filter(None, [context.mask])}
    if source.band is not None:
        return {source.band: open_layer(source.path, None, source.name)}
    try:
        layer = open_layer(source.path, None, source.name)
    except RasterError as error:
        if "bands: name one" not in error.message:
            raise
        return {band: open_layer(source.path, band, source.name) for band in sorted(wanted)}
    if band := band_of(source.name, wanted):
        return {band: layer}
    return {process.bands[0]: layer} if len(process.bands) == 1 and named_band(source.name) is None else {}


def _file(context: Context, source: Source, band: str, layer: Layer, mask: Layer | None) -> Found:
    accumulators = context.accumulators(band, layer.grid, layer.stored, source.name)
    reading = context.layer(band, layer.grid, layer.stored, source.name)
    context.reading(source.name)
    context.engines.add(layer.engine)
    with ExitStack() as stack:
        handle: Any = stack.enter_context(layer.open())
        masks = _mask(context, mask, source, stack) if mask else None

        def one(unit: list[int]) -> None:
            context.check()
            packed = layer.read(handle, reading.needed, unit)
            valid = masks(unit) if masks else [None] * len(unit)
            for number, pixels, over in zip(unit, packed, valid, strict=True):
                zones = reading.take(number, pixels)
                if zones is not None:
                    accumulators.add(number, zones, over)

        with ThreadPoolExecutor(max(1, context.threads)) as pool:
            for _ in pool.map(one, layer.units(reading.needed)):
                pass
    return accumulators.result(source.name, source.tile, band)


def _mask(
    context: Context, mask: Layer, source: Source, stack: ExitStack
) -> Callable[[list[int]], list[NDArray[np.uint8] | None]]:
    """Return what reads a mask: where pixels of each band of rows may count; None where no zone needs one."""
    assert context.mask is not None
    reading = context.layer(context.mask, mask.grid, mask.stored, source.name)
    handle: Any = stack.enter_context(mask.open())

    def read(unit: list[int]) -> list[NDArray[np.uint8] | None]:
        packed = mask.read(handle, reading.needed, unit)
        zones = [reading.take(number, pixels) for number, pixels in zip(unit, packed, strict=True)]
        return [None if one is None else lets_count(context.process, one, mask.stored).view(np.uint8) for one in zones]

    return read
