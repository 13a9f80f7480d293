"""What all sources of one call share."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray
from rasterio.crs import CRS

from pileus.documents import Band, Process
from pileus.errors import RasterError, ZonesError
from pileus.raster.byte_ranges import Directory
from pileus.raster.grid import Box, Grid, Needed, either
from pileus.raster.longitudes import reaches_beyond
from pileus.raster.packed import pack, spread
from pileus.raster.request import ellipsoid, unnamed_datum
from pileus.raster.stored import Stored
from pileus.statistics import need_percentiles
from pileus.unpack.member import UnpackLimits
from pileus.zonal.accumulators import Accumulators
from pileus.zonal.index import ZoneIndex
from pileus.zonal.lanes import Lanes
from pileus.zonal.overlap import Overlap
from pileus.zonal.validity import validity_of
from pileus.zonal.zones import Zones

Fetch = Callable[[Grid], tuple[ZoneIndex, str]]
"""Returns the index of the zones on a grid, and its key."""


HOLD = 256 << 20
"""Bytes of pixels that all archives together keep in memory until their masks come."""


class Memory:
    """What archives that are read at once may keep in memory. Safe in several threads."""

    def __init__(self) -> None:
        self._left, self._limit, self._lock = HOLD, HOLD, threading.Lock()

    def take(self, size: int) -> bool:
        """Return whether so many bytes were left, and are taken now."""
        with self._lock:
            if size > self._left:
                return False
            self._left -= size
            return True

    def give_back(self, size: int) -> None:
        """Free bytes that were taken."""
        with self._lock:
            self._left += size

    @property
    def plenty(self) -> bool:
        """Return whether most of it is left."""
        return self._left > self._limit / 2


class Observer(Protocol):
    """Takes pixels of the layers that are measured, so that they need not be read again."""

    @property
    def notes(self) -> list[str]:
        """What a person should know."""
        ...

    @property
    def scratch_bytes(self) -> int:
        """Bytes that it has on the scratch volume."""
        ...

    def needed(self, band: str, grid: Grid, stored: Stored, where: str) -> Needed:
        """Return which pixels of a layer it takes. Asked once before a layer is read. Raises RasterError."""
        ...

    def take(self, band: str, grid: Grid, number: int, first: int, rows: NDArray[Any]) -> None:
        """Take the pixels of one band of rows. `rows`: (rows, width), the first of them is row `first`; only needed
        pixels have their value. Several threads may call it, each with other bands of rows.
        """
        ...


@dataclass(frozen=True, slots=True)
class Reading:
    """One layer while it is read, once, for the zones and for an observer."""

    needed: Needed
    """What is read."""
    zones: Needed
    """What the zones need of it."""
    band: str
    grid: Grid
    observer: Observer | None
    """None where nobody observes, or takes nothing of this layer."""

    def take(self, number: int, packed: NDArray[Any]) -> NDArray[Any] | None:
        """Give the observer its pixels of a band of rows. Return those that zones need; None where they need none."""
        if self.observer is None:
            return packed
        rows, first = spread(self.needed, number, packed, self.grid.width), self.needed.rows(number)[0]
        self.observer.take(self.band, self.grid, number, first, rows)
        return pack(self.zones, number, rows, first) if self.zones.pixels(number) else None


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
        lanes: Lanes,
        memory: Memory,
        reading: Callable[[str], None] = lambda _name: None,
        observer: Observer | None = None,
        bands: Mapping[str, Band] | None = None,
    ) -> None:
        self.process, self.zones, self.scratch, self.threads, self.limits = process, zones, scratch, threads, limits
        self.lanes, self.memory = lanes, memory
        self.check, self.reading, self.observer = self.lanes.check, reading, observer
        self.bands: Mapping[str, Band] = bands or {}
        self.units: dict[str, str] = {}
        """Unit of each measured band, as its files or the collection say it."""
        self.images: dict[str, list[Directory]] = {}
        """The images of each source that is read in parts, by its name."""
        self._fetch = fetch
        self._indexes: dict[str, tuple[ZoneIndex, str]] = {}
        self._compiling = threading.Lock()
        self._noting = threading.Lock()
        self._joined: tuple[Needed, Needed, Needed] | None = None
        self.compile_seconds = 0.0
        self.engines: set[str] = set()
        self._notes: dict[int, list[str]] = defaultdict(list)
        """By place of the source; those of grids before all."""
        self._spilled: dict[int, int] = {}
        """Bytes that each source has written to scratch files."""

    def index(self, grid: Grid, where: str) -> ZoneIndex:
        """Return the zone index of a grid, fetched or compiled once. Raises ZonesError, which names zones and `where`,
        the source that has the grid.
        """
        with self._compiling:
            if grid.hash not in self._indexes:
                started = time.perf_counter()
                try:
                    index, key = self._fetch(grid)
                except ZonesError as error:
                    raise ZonesError(error.message, where=f"{error.where} on {where}") from error
                self._indexes[grid.hash] = (index, key)
                of_grid = self._notes[-1]
                of_grid += [note for note in (*_notes(grid), *index.notes) if note not in (*self.zones.notes, *of_grid)]
                self.compile_seconds += time.perf_counter() - started
            return self._indexes[grid.hash][0]

    def note(self, note: str) -> None:
        """Note what a person should know of the source that this thread reads."""
        with self._noting:
            self._notes[self.lanes.place].append(note)

    @property
    def notes(self) -> list[str]:
        """Notes of the zones, the grids and the sources, in their order."""
        return [*self.zones.notes, *(note for place in sorted(self._notes) for note in self._notes[place])]

    def spilled(self, size: int) -> None:
        """Note the bytes that the source of this thread has written to scratch files, which are gone with it."""
        with self._noting:
            self._spilled[self.lanes.place] = size

    @property
    def scratch_bytes(self) -> int:
        """Most bytes that may have been in scratch files at once."""
        return sum(sorted(self._spilled.values(), reverse=True)[: self.lanes.most])

    def layer(self, band: str, grid: Grid, stored: Stored, where: str) -> Reading:
        """Return what is read of a layer. Raises what the observer raises."""
        zones = self.index(grid, where).needed
        if self.observer is None:
            return Reading(zones, zones, band, grid, None)
        others = self.observer.needed(band, grid, stored, where)
        if not len(others.row):
            return Reading(zones, zones, band, grid, None)
        # Values and their mask ask for the same pixels.
        if self._joined is None or self._joined[0] is not zones or self._joined[1] is not others:
            self._joined = zones, others, either(zones, others)
        return Reading(self._joined[2], zones, band, grid, self.observer)

    @property
    def index_hashes(self) -> tuple[str, ...]:
        return tuple(sorted(key for _, key in self._indexes.values()))

    def accumulators(
        self, band: str, grid: Grid, stored: Stored, where: str, time: datetime | None = None
    ) -> Accumulators:
        """Return empty accumulators for a band on `grid`, whose numbers are `stored` so; `time`: of its field.

        Raises RasterError where another source of the band has pixels of another size, which cannot be added.
        """
        before = self.lanes.said((band, time))
        if self.units.setdefault(band, stored.unit) != stored.unit:
            told = f"has values in {stored.unit or 'no unit'}, and other files in {self.units[band] or 'no unit'}"
            raise RasterError(f"{told}: measure them separately, or write meta.bands.{band}.unit", where=where)
        if stored.said and not before:
            self.note(f"{band} is in {stored.unit} as the collection says, and in {stored.said} as files say")
        for other, name in before[:1]:
            if not grid.like(other):
                sizes = f"has pixels of {grid.pixel}, and {name} of {other.pixel}"
                raise RasterError(f"{sizes}: measure them separately", where=where)
        taken = self._taken(grid, where, before)
        self.lanes.say((band, time), (grid, where))
        kept, validity = need_percentiles(self.process.stats), validity_of(self.process, stored)
        index = self.index(grid, where)
        rules = index, grid.cell_areas(), validity, self.process.area_weighted
        if not taken:
            return Accumulators(*rules, kept, stored)
        mosaic = Accumulators(*rules, kept, stored, Overlap(index, tuple(taken)))
        return Accumulators(*rules, stored=stored, mosaic=mosaic)

    def _taken(self, grid: Grid, where: str, before: Sequence[tuple[Grid, str]]) -> list[Box]:
        """Return what other sources have taken of a grid, and note it in one line. Raises RasterError where the
        collection wants no overlap.
        """
        found = [(box, name) for other, name in before if (box := grid.overlap(other))]
        if not found:
            return []
        (box, name), more = found[0], len(found) - 1
        if self.process.overlap == "error":
            told = f"has {box.pixels:,} pixels that {name} has too"
            raise RasterError(f"{told}, and meta.process.overlap is error", where=where)
        others = f"{name} and {more:,} more files" if more else name
        counts = "on both" if self.process.engine == "gippy" else "there"
        self.note(f"{where}: some of its pixels lie on {others} too, and count {counts}")
        return [box for box, _ in found]


def _notes(grid: Grid) -> list[str]:
    """Return what a person should know of a grid: what its system does not say, and where no zone can lie."""
    crs, notes = CRS.from_user_input(grid.crs), []
    if crs.is_geographic and unnamed_datum(crs):
        notes.append(f"the rasters' datum has no name ({ellipsoid(crs)}): their coordinates are taken as they are")
    if reaches_beyond(grid):
        notes.append("the rasters reach beyond 180 degrees east: zones west of -180 are not looked for there")
    return notes
