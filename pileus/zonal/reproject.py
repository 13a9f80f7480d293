"""Geometries in another coordinate system: one rule for measuring, clips, maps and exports."""

from collections.abc import Callable
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.warp import transform

from pileus.errors import ZonesError
from pileus.raster.gdal import foreign

WGS84 = "EPSG:4326"


MOST = 5_000_000
"""Most pieces into which the edges of all geometries are cut."""
Project = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Returns points (n, 2) in the other coordinate system."""


def reproject(
    geometries: Any, source: str, target: str, *, tolerance: float = 0.0, curve: float = 0.0, where: str = "zones"
) -> Any:
    """Return an array of shapely geometries in coordinate system `target`; the same array where nothing moves.

    `source`, `target`: WKT or an authority's code. `tolerance`, in units of `target`: geometries that move by less stay
    as they are, so that two spellings of one system change no digit. `curve`, in units of `target`: a straight edge is
    a curve there, and is cut into pieces until none lies farther from its curve. 0: only vertices move. Raises
    ZonesError where a geometry has no coordinates in `target`.
    """
    with foreign(ZonesError, "cannot be brought to the raster's coordinate system", where):
        before, after = CRS.from_user_input(source), CRS.from_user_input(target)
    if before == after:
        return geometries

    def project(points: NDArray[np.float64]) -> NDArray[np.float64]:
        with foreign(ZonesError, "cannot be brought to the raster's coordinate system", where):
            moved = np.column_stack(transform(before, after, points[:, 0], points[:, 1]))
        if not np.isfinite(moved).all():
            raise ZonesError("a zone lies outside the area of the raster's coordinate system", where=where)
        return moved

    coordinates = shapely.get_coordinates(geometries)
    moved = project(coordinates)
    if before.is_geographic == after.is_geographic and np.abs(moved - coordinates).max(initial=0) <= tolerance:
        return geometries
    if curve and (cut := _cut(geometries, moved, project, curve)) is not geometries:
        geometries, moved = cut, project(shapely.get_coordinates(cut))
    return shapely.set_coordinates(geometries.copy(), moved)


def _cut(geometries: Any, moved: NDArray[np.float64], project: Project, curve: float) -> Any:
    """Return the geometries with more vertices on their edges, where a projected edge is bent by more than `curve`; the
    same array where none is. `moved`: their projected vertices.

    The bend of a short piece falls with the square of its length.
    """
    parts, of_part = shapely.get_parts(geometries, return_index=True)
    rings, of_ring = shapely.get_rings(parts, return_index=True)
    points, of_point = shapely.get_coordinates(rings, return_index=True)
    edge = of_point[1:] == of_point[:-1]
    owner = of_part[of_ring[of_point[:-1][edge]]]
    ends = points[:-1][edge], points[1:][edge]
    straight = (moved[:-1][edge] + moved[1:][edge]) / 2
    bend = np.hypot(*(project((ends[0] + ends[1]) / 2) - straight).T)
    if (bend <= curve).all():
        return geometries
    length = np.hypot(*(ends[1] - ends[0]).T)
    longest = np.full(len(geometries), length.max(initial=0) * 2 + 1)
    with np.errstate(divide="ignore"):
        np.minimum.at(longest, owner, np.where(bend > curve, length * np.sqrt(curve / bend), np.inf))
    pieces = float((length / longest[owner]).sum())
    cut = shapely.segmentize(geometries, longest * max(1.0, pieces / MOST))
    multi, single = shapely.GeometryType.MULTIPOLYGON, shapely.GeometryType.POLYGON
    for at in np.flatnonzero((shapely.get_type_id(geometries) == multi) & (shapely.get_type_id(cut) == single)):
        cut[at] = shapely.MultiPolygon([cut[at]])  # GEOS makes one polygon of a multipolygon that has one
    return cut
