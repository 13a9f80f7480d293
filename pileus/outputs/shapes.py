"""The zones as GeoJSON in longitude and latitude, for maps and exports."""

import json
from typing import Any

import shapely
from rasterio.crs import CRS
from rasterio.warp import transform

from pileus.zonal.zones import Zones

WGS84 = CRS.from_epsg(4326)


def lonlat(zones: Zones) -> Any:
    """Geometries in WGS84 longitude and latitude, in the order of the zones."""
    crs = CRS.from_user_input(zones.crs)
    if crs == WGS84 or (crs.is_geographic and "CRS84" in zones.crs):
        return zones.geometries
    coordinates = shapely.get_coordinates(zones.geometries)
    x, y = transform(crs, WGS84, coordinates[:, 0], coordinates[:, 1])
    moved = [[a, b] for a, b in zip(x, y, strict=True)]
    return shapely.set_coordinates(zones.geometries.copy(), moved)


def geojson(zones: Zones, *, detail: float | None = None) -> dict[str, dict[str, Any]]:
    """GeoJSON geometry of each zone by id.

    `detail`: drop corners that are off by less than this share of the zone's own size, and round coordinates to
    match, for a map; None: every corner.
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
