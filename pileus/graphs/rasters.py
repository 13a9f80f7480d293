"""The rasters of a populated collection as an input: a variable for each band, over time and both axes of its grid.

1. Where a point's files are: `published`.
2. They are opened in the cell, by the rules of the collection: its bands, their scale, offset, nodata and
   unit, and the conditions on pixels. What does not count is NaN.
"""

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pileus.cell.inside import Inside
from pileus.download.fetch import download
from pileus.edges.providers import connect
from pileus.errors import DamagedObject, DocumentError
from pileus.graphs.published import Files, files_of, nothing
from pileus.graphs.record import copy_object
from pileus.graphs.span import Span
from pileus.raster.grid import Grid
from pileus.scratch.need import Need
from pileus.stopping import Check, unless
from pileus.tasks.pipeline import File, sources_of
from pileus.tasks.process_group import PARALLEL
from pileus.tasks.worker_state import TaskControl
from pileus.wiring import Edges
from pileus.zonal.pixels import TOO_MUCH, Pixels, Within

if TYPE_CHECKING:
    from xarray import Dataset

MOST = 512 << 20
"""Bytes of values of one input."""


@dataclass
class Rasters:
    """The rasters of one input, found and not fetched yet."""

    span: Span
    files: Sequence[Files]
    need: Need = field(default_factory=Need)

    @classmethod
    def found(cls, edges: Edges, span: Span) -> "Rasters":
        """Look for the files. Raises DocumentError where there is none, and what a listing raises."""
        files = [*files_of(edges, span)]
        if not files:
            raise nothing(span)
        return cls(span, files)

    @property
    def size(self) -> int:
        """Return the bytes of the scratch volume that fetching needs at one time."""
        return max(self.need.of(one.group) for one in self.files) + 2 * MOST

    def write(self, edges: Edges, path: Path, inside: Inside, control: TaskControl) -> int:
        """Write a NetCDF4 file of all points, and return the bytes that came from elsewhere. The files of a point are
        deleted before those of the next are fetched.

        Raises what a transfer and the cell raise; UsageError for too many values, HandedBack.
        """
        from pileus.stratus.netcdf import write

        what, moved = f"collection {self.span.template.name}", 0
        scratch = path.with_suffix(".rasters")
        scratch.mkdir()
        try:
            stack = _Stack(scratch, self.span.process.bands, what)
            for one in self.files:
                folder = scratch / "files"
                folder.mkdir()
                pixels, size = self._pixels(edges, one, folder, inside, control, MOST - stack.size)
                shutil.rmtree(folder)
                stack.add(datetime.combine(one.point.period.start, time()), pixels, one.point.period.iso)
                moved += size
            write(stack.dataset(), path, what)
            return moved
        finally:
            shutil.rmtree(scratch)

    def _pixels(
        self, edges: Edges, one: Files, folder: Path, inside: Inside, control: TaskControl, left: int
    ) -> tuple[Pixels, int]:
        check, meta = unless(control.cancelled), one.collection.meta
        if one.kept:
            files, size = [*_copied(edges, one, folder, check)], 0
        else:
            with closing(connect(self.span.provider, secrets=edges.secrets, connections=edges.connections)) as edge:
                archives = download(
                    one.group.granules,
                    folder,
                    edge,
                    parallel=PARALLEL,
                    progress=control.progress,
                    cancelled=control.cancelled,
                )
            files = [File(archive.granule, archive.path) for archive in archives]
            size = sum(archive.size for archive in archives)
        rules = meta.model_copy(update={"process": self.span.process})
        pixels = inside.pixels(
            sources_of(files, rules, one.point.period),
            self.span.process,
            Within(self.span.x, self.span.y),
            bands=meta.bands,
            most=left,
            scratch=folder,
            check=check,
        )
        return pixels, size


def _copied(edges: Edges, one: Files, folder: Path, check: Check) -> Iterator[File]:
    """Copy the archives of a group that lie in S3. Raises DamagedObject for one that is not what its manifest says."""
    for granule, kept in zip(one.group.granules, one.kept, strict=True):
        path = folder / granule.file.name
        copy_object(edges, kept.url, path, check)
        with path.open("rb") as file:
            if kept.sha256 and hashlib.file_digest(file, "sha256").hexdigest() != kept.sha256:
                raise DamagedObject("is not the archive that its manifest names", where=kept.url)
        yield File(granule, path)


class _Stack:
    """The values of each band, one time behind the other, in files."""

    def __init__(self, folder: Path, bands: Sequence[str], what: str) -> None:
        self._folder, self._bands, self._what = folder, bands, what
        self._grid: Grid | None = None
        self._kinds: dict[str, Any] = {}
        self._times: dict[str, list[datetime]] = {band: [] for band in bands}
        self._units: dict[str, str] = {}
        self.size = 0
        """Bytes so far."""

    def add(self, start: datetime, pixels: Pixels, period: str) -> None:
        """Add what the files of one point hold; fields that say no time are of its start."""
        if self._grid is None:
            self._grid = pixels.grid
        if pixels.grid != self._grid:
            raise DocumentError(f"{self._what}: its rasters of {period} lie on another grid than those before")
        for one in pixels.fields:
            if self._kinds.setdefault(one.band, one.values.dtype) != one.values.dtype:
                raise DocumentError(f"{self._what}: {one.band} has other numbers at {period} than before")
            if self._units.setdefault(one.band, pixels.units.get(one.band, "")) != pixels.units.get(one.band, ""):
                raise DocumentError(f"{self._what}: {one.band} has another unit at {period} than before")
            with self._path(one.band).open("ab") as file:
                file.write(np.ascontiguousarray(one.values).data)
            self._times[one.band].append(one.time or start)
            self.size += one.values.nbytes
        if self.size > MOST:
            raise DocumentError(f"{self._what}: {TOO_MUCH.format(MOST)}")

    def _path(self, band: str) -> Path:
        return self._folder / f"{self._bands.index(band)}.values"

    def dataset(self) -> "Dataset":
        """Return the data set. Raises DocumentError where bands have other times."""
        from xarray import Dataset

        grid, times = self._grid, self._times[self._bands[0]]
        assert grid is not None
        if lacking := [band for band in self._bands if self._times[band] != times]:
            told = f"{lacking[0]} has other times than {self._bands[0]}"
            raise DocumentError(f"{self._what}: {told}: read each band as an input of its own")
        rows, columns = ("lat", "lon") if grid.geographic else ("y", "x")
        shape = (len(times), grid.height, grid.width)
        variables = {
            band: (
                ("time", rows, columns),
                np.memmap(self._path(band), self._kinds[band], "r", shape=shape),
                {"units": self._units[band]} if self._units[band] else {},
            )
            for band in self._bands
        }
        north, east = ({"units": "degrees_north"}, {"units": "degrees_east"}) if grid.geographic else ({}, {})
        coordinates = {
            "time": np.array(times, "M8[ns]"),
            rows: (rows, grid.north + (np.arange(grid.height) + 0.5) * grid.dy, north),
            columns: (columns, grid.west + (np.arange(grid.width) + 0.5) * grid.dx, east),
        }
        return Dataset(variables, coordinates, {"crs": grid.crs}).sortby("time")
