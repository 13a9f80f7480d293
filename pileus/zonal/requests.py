"""What is wanted of each file: the collection's words about bands and places, for one source."""

import math
from collections.abc import Mapping

from pileus.documents import Band, GridRule, Process
from pileus.errors import RasterError
from pileus.raster.request import BandRequest, Place
from pileus.zonal.source import Source


def requests_of(process: Process, bands: Mapping[str, Band], source: Source) -> dict[str, BandRequest]:
    """Return what is wanted of a source, by band: those that are measured, then their masks."""
    wanted = dict.fromkeys((*process.bands, *process.masks))
    return {name: _request(name, process, bands.get(name) or Band(), source) for name in wanted}


def _request(name: str, process: Process, band: Band, source: Source) -> BandRequest:
    nodata = process.nodata if band.nodata is None and name in process.bands else band.nodata
    return BandRequest(
        name=name,
        path=band.path,
        lone=source.band == name,
        select=band.select,
        time=band.time,
        span=source.span,
        scale=band.scale,
        nodata=nodata,
        valid=band.valid_range.ends if band.valid_range else (-math.inf, math.inf),
        unit=band.unit,
        place=source.place,
    )


def place_of(grid: GridRule | None, parts: Mapping[str, str], where: str) -> Place:
    """Return where a file's pixels lie, as the collection says. `parts`: the named groups of the file's name.

    Raises RasterError for a name whose column or row is no number.
    """
    if grid is None:
        return Place()
    if grid.tiles is None:
        return Place(grid.crs, grid.bounds)
    column, row = (parts[name] for name in (grid.tiles.column, grid.tiles.row))
    if not (column.isdecimal() and row.isdecimal()):
        raise RasterError(f"has the column {column[:20]!r} and the row {row[:20]!r}: expected numbers", where=where)
    return Place(grid.crs, grid.tiles.bounds(int(column), int(row)))
