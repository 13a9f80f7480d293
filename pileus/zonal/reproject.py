"""Geometries in another coordinate system: one rule for measuring, clips, maps and exports."""

from typing import Any

import numpy as np
import shapely
from rasterio.crs import CRS
from rasterio.warp import transform

from pileus.errors import ZonesError
from pileus.raster.gdal import foreign

WGS84 = "EPSG:4326"


def reproject(geometries: Any, source: str, target: str, *, tolerance: float = 0.0, where: str = "zones") -> Any:
    """Return an array of shapely geometries in coordinate system `target`; the same array where nothing moves.

    `source`, `target`: WKT or an authority's code. `tolerance`, in units of `target`: geometries that move by less stay
    as they are, so that two spellings of one system change no digit. Raises ZonesError where a geometry has no
    coordinates in `target`.
    """
    coordinates = shapely.get_coordinates(geometries)
    with foreign(ZonesError, "cannot be brought to the raster's coordinate system", where):
        before, after = CRS.from_user_input(source), CRS.from_user_input(target)
        if before == after:
            return geometries
        x, y = transform(before, after, coordinates[:, 0], coordinates[:, 1])
    moved = np.column_stack([x, y])
    if not np.isfinite(moved).all():
        raise ZonesError("a zone lies outside the area of the raster's coordinate system", where=where)
    if before.is_geographic == after.is_geographic and np.abs(moved - coordinates).max(initial=0) <= tolerance:
        return geometries
    return shapely.set_coordinates(geometries.copy(), moved)
