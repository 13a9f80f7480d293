"""What a collection wants of a file: one band, where it is, what its numbers stand for and where its pixels lie."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Literal

from rasterio.crs import CRS

from pileus.errors import RasterError
from pileus.names import one_line
from pileus.raster.grid import Grid
from pileus.raster.stored import Stored

Bounds = tuple[float, float, float, float]
"""West, south, east and north outer edge."""
ALIKE = 0.01
"""Share of a pixel by which the edges that a file says may differ from those that are asked for."""
LONGEST_UNIT = 100


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file's pixels lie, as the collection says; None: as the file says."""

    crs: str | None = None
    bounds: Bounds | None = None

    def grid(self, dataset: Any, where: str) -> Grid:
        """Return the grid of an open rasterio dataset. Raises RasterError where the file contradicts this place, or
        neither says it.
        """
        crs = self._system(dataset.crs, where)
        if self.bounds is None:
            return Grid.of(dataset, crs, dataset.transform, where)
        west, south, east, north = self.bounds
        dx, dy = (east - west) / dataset.width, (south - north) / dataset.height
        there = dataset.transform
        if not there.is_identity:
            edges = (there.c, there.f + dataset.height * there.e, there.c + dataset.width * there.a, there.f)
            steps = (dx, dy, dx, dy)
            if any(abs(a - b) > abs(step) * ALIKE for a, b, step in zip(edges, self.bounds, steps, strict=True)):
                said = ", ".join(f"{edge:g}" for edge in edges)
                wanted = ", ".join(f"{edge:g}" for edge in self.bounds)
                raise RasterError(f"says that it lies at {said}, and meta.grid at {wanted}", where=where)
        return Grid.of(dataset, crs, type(there)(dx, 0, west, 0, dy, north), where)

    def _system(self, said: CRS | None, where: str) -> CRS:
        if self.crs is None:
            if said is None:
                raise RasterError(
                    "has no coordinate reference system: name one with meta.grid.crs, or --crs", where=where
                )
            return said
        wanted = CRS.from_user_input(self.crs)
        if said is not None and not _agree(said, wanted):
            raise RasterError(f"has the system {system_name(said)}, and meta.grid says {self.crs[:60]}", where=where)
        return wanted


def _agree(said: CRS, wanted: CRS) -> bool:
    """Return whether two systems may be one: they are equal, or both in degrees and of one datum, as far as the file
    names it.
    """
    degrees = said.is_geographic and wanted.is_geographic
    return bool(said == wanted or (degrees and (unnamed_datum(said) or _datum(said) == _datum(wanted))))


def unnamed_datum(crs: CRS) -> bool:
    """Return whether a system does not say which datum its coordinates belong to."""
    return not _datum(crs) or _datum(crs).startswith(("unnamed", "unknown", "not specified", "not_specified"))


def _datum(crs: CRS) -> str:
    return str(crs.to_wkt().partition('DATUM["')[2].partition('"')[0].lower())


def ellipsoid(crs: CRS) -> str:
    """Return the name and the semi-major axis of a system's ellipsoid, for messages."""
    name, axis = (crs.to_wkt().partition("SPHEROID[")[2] + ",,").split(",")[:2]
    return one_line(f"{name.strip(chr(34)) or 'no ellipsoid'}, {axis or '?'} m", 80)


def system_name(crs: CRS) -> str:
    """Return the code of a system, or the name in its WKT."""
    return crs.to_string() if crs.to_epsg() else one_line(crs.to_wkt().partition('["')[2].partition('"')[0], 80)


@dataclass(frozen=True, slots=True)
class BandRequest:
    """One band that is wanted of a file."""

    name: str | None = None
    """Its name in the collection; None: the only band that there is."""
    path: str | None = None
    """Where the file has it: a variable, a number, a pattern, `*` for the only one; None: under its name."""
    lone: bool = False
    """Whether it may be the only band of a file, where none is called as it is."""
    select: Mapping[str, str | float] = field(default_factory=dict)
    """Values of dimensions other than time."""
    time: Literal["mean", "sum", "min", "max", "each"] | None = None
    span: tuple[date, date] | None = None
    """First day, and the one after the last, of the times that are wanted; None: all."""
    scale: Literal["file", "none"] | tuple[float, float] = "file"
    nodata: float | None = None
    valid: tuple[float, float] = (-math.inf, math.inf)
    """Least and greatest value that the band can have."""
    unit: str | None = None
    place: Place = Place()

    @property
    def any_name(self) -> bool:
        """Return whether the only band of a file is the one, where none is called as it is."""
        return self.lone and self.path is None

    @property
    def shown(self) -> str:
        """Return what is looked for, for messages."""
        return repr(self.path or self.name or "*")

    def stored(self, dataset: Any, number: int, where: str) -> Stored:
        """Return how an open rasterio dataset stores a band, from 1, as far as this request does not say otherwise.

        Raises RasterError.
        """
        return self.of(Stored.of(dataset, number, where, unit_of(dataset, number)))

    def of(self, stored: Stored) -> Stored:
        """Return what numbers stand for, given what the file says."""
        low, high = self.valid
        made = replace(stored, low=low, high=high)
        if self.unit:
            made = replace(made, unit=self.unit, said=stored.unit if stored.unit != self.unit else "")
        if self.nodata is not None:
            made = replace(made, nodata=self.nodata)
        if self.scale != "file":
            factor, offset = (1.0, 0.0) if self.scale == "none" else self.scale
            made = replace(made, factor=float(factor), offset=float(offset))
        return made


def unit_of(dataset: Any, number: int) -> str:
    """Return the unit that a file says for a band; empty where it says none."""
    tags = dataset.tags(number)
    said = dataset.units[number - 1] or tags.get("units") or tags.get("GRIB_UNIT", "").strip("[]")
    return one_line(str(said or ""), LONGEST_UNIT)
