"""Accumulators: the sums of one source, joined in a fixed order."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pileus.raster.stored import Stored
from pileus.zonal.columns import statistics
from pileus.zonal.index import ZoneIndex
from pileus.zonal.kernel import accumulate_band, empty, merge, scaled
from pileus.zonal.overlap import Overlap
from pileus.zonal.quantiles import Sample, exact_zones, gather, joined
from pileus.zonal.validity import Validity

TIME = pa.timestamp("ms")
"""Type of the times of fields: UTC, as their files say them."""


@dataclass
class Accumulators:
    """One measured band of one source."""

    index: ZoneIndex
    areas: NDArray[np.float64]
    """m2 of a pixel, by row."""
    validity: Validity
    by_area: bool
    percentiles: bool = False
    """Whether values are kept for percentiles."""
    stored: Stored = field(default_factory=Stored)
    """Sums are made of stored numbers, and become those of values at the end."""
    overlap: Overlap | None = None
    """What other sources have taken of the grid, which does not count; None: nothing."""
    mosaic: "Accumulators | None" = None
    """The same band without what others have taken, where they have taken some."""
    found: dict[int, tuple[NDArray[np.int32], NDArray[np.float64], list[Sample]]] = field(default_factory=dict)
    """By band of rows: the zones, their accumulators and values. They are joined in the order of the bands."""

    @cached_property
    def _exact(self) -> NDArray[np.bool_]:
        return exact_zones(self.index)

    def add(self, band: int, packed: NDArray[Any], valid: NDArray[np.uint8] | None) -> None:
        """Measure one band of rows. Several threads may call it, each with other bands."""
        if self.mosaic:
            self.mosaic.add(band, packed, valid)
        if self.overlap:
            free = self.overlap.free(band)
            valid = free if valid is None else free & valid
        zones, acc = accumulate_band(self.index, band, packed, valid, self.validity, self.areas, self.by_area)
        samples = []
        if self.percentiles:
            weighting = self.areas, self.by_area
            samples = gather(self.index, band, packed, valid, self.validity, *weighting, self._exact, self.stored)
        self.found[band] = zones, acc, samples

    def joined(self) -> NDArray[np.float64]:
        """Return the accumulators of all zones, of values."""
        acc = empty(len(self.index.zones))
        for band in sorted(self.found):
            zones, part, _ = self.found[band]
            merge(acc, part, zones)
        return scaled(acc, self.stored)

    def samples(self) -> dict[int, Sample]:
        """Return the values of each zone that has any."""
        parts: dict[int, list[Sample]] = defaultdict(list)
        for band in sorted(self.found):
            zones, _, samples = self.found[band]
            for zone, sample in zip(zones.tolist(), samples, strict=False):
                parts[zone].append(sample)
        return {zone: joined(part) for zone, part in parts.items()}

    def result(self, source: str, tile: str | None, band: str, time: datetime | None = None) -> "Found":
        """Return all results, under the names of the source and the band, and the time of its field."""
        own = self._sums()
        shared = self.mosaic._sums() if self.mosaic else own
        samples = (self.mosaic or self).samples()
        return Found(source, tile, band, self.index.whole, *shared, samples, *own, time)

    def _sums(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the accumulators, and how much of each zone they are of: (zones, 2), in pixels and m2."""
        return self.joined(), self.overlap.totals(self.areas) if self.overlap else self.index.zones


@dataclass(frozen=True)
class Found:
    """The results of one source for one band."""

    source: str
    tile: str | None
    band: str
    whole: NDArray[np.float64]
    """Size of each zone in pixels, on the source and beyond."""
    acc: NDArray[np.float64]
    """Of the pixels that the source has in the mosaic."""
    totals: NDArray[np.float64]
    samples: dict[int, Sample]
    own: NDArray[np.float64]
    """Of all its pixels."""
    own_totals: NDArray[np.float64]
    time: datetime | None = None
    """Of the field, where each time of the band is measured alone."""


def table(found: Sequence[Found], bands: Sequence[str], ids: Any, names: Any, stats: Sequence[str]) -> pa.Table:
    """Return a row per band and zone, and per time where each is measured, over all sources. The order of `found` makes
    no difference.
    """
    columns: dict[str, list[Any]] = {name: [] for name in ("time", "zone", "zone_name", "band", *stats)}
    every, timed = np.arange(len(ids)), any(part.time for part in found)
    for band, time in [(name, time) for name in bands for time in times_of(found, name)]:
        acc, totals, whole = empty(len(ids)), np.zeros((len(ids), 2)), np.zeros(len(ids))
        samples: dict[int, list[Sample]] = defaultdict(list)
        mine = [part for part in found if (part.band, part.time) == (band, time)]
        for part in sorted(mine, key=lambda f: f.source):
            merge(acc, part.acc, every)
            totals += part.totals
            whole = np.fmax(whole, part.whole)
            for zone, sample in part.samples.items():
                samples[zone].append(sample)
        every_sample = {zone: joined(parts) for zone, parts in samples.items()}
        values = statistics(acc, totals, whole, every_sample, stats)
        columns["time"].append(pa.array([time] * len(ids), TIME))
        _append(columns, ids, names, [band] * len(ids), values)
    if not timed:
        del columns["time"]
    return _table(columns)


def times_of(found: Sequence[Found], band: str) -> list[datetime | None]:
    """Return the times of a band, in order; None alone where it has one field."""
    times = sorted({part.time for part in found if part.band == band and part.time})
    return [*times] or [None]


def by_tile(found: Sequence[Found], ids: Any, names: Any, stats: Sequence[str]) -> pa.Table:
    """Return a row per source, band and zone that touches the source's grid; column `tile` is the tile or the file."""
    columns: dict[str, list[Any]] = {name: [] for name in ("tile", "zone", "zone_name", "band", *stats)}
    ids, names = np.array(ids, dtype=object), np.array(names, dtype=object)
    for part in sorted((f for f in found if f.time is None), key=lambda f: (f.source, f.band)):
        some = np.flatnonzero(part.own_totals[:, 0] > 0)
        columns["tile"].append(pa.array([part.tile or part.source] * len(some), pa.string()))
        values = statistics(part.own[some], part.own_totals[some], part.whole[some], {}, stats)
        _append(columns, ids[some], names[some], [part.band] * len(some), values)
    return _table(columns)


def _append(columns: dict[str, list[Any]], ids: Any, names: Any, bands: list[str], values: dict[str, pa.Array]) -> None:
    for name, column in (("zone", ids), ("zone_name", names), ("band", bands)):
        columns[name].append(pa.array(column, pa.string()))
    for name, values_ in values.items():
        columns[name].append(values_)


def _table(columns: dict[str, list[Any]]) -> pa.Table:
    texts = ("tile", "zone", "zone_name", "band")
    kinds = {name: pa.string() if name in texts else TIME if name == "time" else pa.float64() for name in columns}
    return pa.table({name: pa.chunked_array(parts, kinds[name]) for name, parts in columns.items()})
