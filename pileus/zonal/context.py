"""The sources to measure, and what all sources of one call share."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pileus.documents import Process
from pileus.raster.grid import Grid
from pileus.statistics import need_percentiles
from pileus.stopping import Check, go_on
from pileus.unpack.member import UnpackLimits
from pileus.zonal.accumulators import Accumulators
from pileus.zonal.index import ZoneIndex
from pileus.zonal.validity import validity_of
from pileus.zonal.zones import Zones

Fetch = Callable[[Grid], tuple[ZoneIndex, str]]
"""Returns the index of the zones on a grid, and its key."""


@dataclass(frozen=True)
class Source:
    """One file to measure: a raster, or an archive with rasters in it. Give `path` or `open`."""

    name: str
    """Name of the file, for messages and rows."""
    tile: str | None = None
    path: Path | None = None
    open: Callable[[], BinaryIO] | None = None
    """Returns a stream of an archive's bytes, which is read once from front to back."""
    band: str | None = None
    """What band a raster file holds, where its name does not say."""


class Context:
    """What all sources of one call share: rules, zones, indexes by grid."""

    def __init__(
        self,
        process: Process,
        zones: Zones,
        fetch: Fetch,
        scratch: Path,
        threads: int,
        limits: UnpackLimits,
        check: Check = go_on,
        reading: Callable[[str], None] = lambda _name: None,
    ) -> None:
        self.process, self.zones, self.scratch, self.threads, self.limits = process, zones, scratch, threads, limits
        self.check, self.reading = check, reading
        self.mask = process.valid.band if process.valid else None
        self._fetch = fetch
        self._indexes: dict[str, tuple[ZoneIndex, str]] = {}
        self.compile_seconds = 0.0
        self.engines: set[str] = set()
        self.notes: list[str] = list(zones.notes)
        self.scratch_bytes = 0

    def index(self, grid: Grid) -> ZoneIndex:
        """Return the zone index of a grid, fetched or compiled once."""
        if grid.hash not in self._indexes:
            started = time.perf_counter()
            index, key = self._fetch(grid)
            self._indexes[grid.hash] = (index, key)
            self.notes += [note for note in index.notes if note not in self.notes]
            self.compile_seconds += time.perf_counter() - started
        return self._indexes[grid.hash][0]

    @property
    def index_hashes(self) -> tuple[str, ...]:
        return tuple(sorted(key for _, key in self._indexes.values()))

    def accumulators(self, grid: Grid, nodata: float | None) -> Accumulators:
        """Return empty accumulators for a band with `nodata` on `grid`."""
        process = self.process
        kept = need_percentiles(process.stats)
        validity = validity_of(process, nodata)
        return Accumulators(self.index(grid), grid.cell_areas(), validity, process.area_weighted, kept)
