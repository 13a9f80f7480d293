"""The zones as GeoJSON in longitude and latitude, for maps and exports."""

import json
from typing import Any

import shapely

from pileus.zonal.reproject import WGS84, reproject
from pileus.zonal.zones import Zones


def lonlat(zones: Zones) -> Any:
    """Return the geometries in WGS84 longitude and latitude, in the order of the zones."""
    return reproject(zones.geometries, zones.crs, WGS84)


def geojson(zones: Zones, *, detail: float | None = None) -> dict[str, dict[str, Any]]:
    """Return the GeoJSON geometry of each zone by id.

    `detail`: for a map, leave out corners that are off by less than this share of the zone's size, and round
    coordinates to match; None: every corner.
    """
    shapes: dict[str, dict[str, Any]] = {}
    for zone, geometry in zip(zones.ids, lonlat(zones), strict=True):
        shape = geometry
        if detail is not None:
            west, south, east, north = shapely.bounds(geometry)
            size = max(east - west, north - south)
            shape = shapely.simplify(geometry, size * detail, preserve_topology=True)
            digits = max(2, 4 - len(str(int(size)))) if size >= 1 else 5
            shape = _rounded(shape, 10.0**-digits)
        shapes[zone] = json.loads(shapely.to_geojson(shapely.orient_polygons(shape)))
    return shapes


def _rounded(shape: Any, step: float) -> Any:
    rounded = shapely.set_precision(shape, step, mode="pointwise")
    return shape if rounded.is_empty else rounded
