"""Zones: the polygons that are measured, from vector files of known formats."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.crs import CRS

from pileus.errors import ZonesError
from pileus.names import one_line
from pileus.raster.gdal import foreign
from pileus.zonal.vector_files import read_vector

POLYGONS = (3, 6)
"""GEOS type ids of Polygon and MultiPolygon."""

FURTHEST = 1e9
"""How far a coordinate may lie from 0 in a system that is not geographic, in its units; the Earth is 4e7 m around."""
TANGLED = 2e7
"""Most pairs of edges, as `_crossings` counts them, that are checked: about two seconds."""
TANGLED_REPAIR = 5e4
"""Most pairs of an outline that is repaired: about five seconds."""


@dataclass(frozen=True)
class Zones:
    """Named polygons in the order of their file."""

    ids: tuple[str, ...]
    """Unique."""
    names: tuple[str, ...]
    """The column `name` where there is one, else the id."""
    geometries: NDArray[Any]
    """Valid MultiPolygons, exteriors counter-clockwise."""
    crs: str
    """WKT or an authority's code."""
    hash: str
    """Hex SHA-256 of ids, names, coordinates and crs."""
    notes: tuple[str, ...] = ()
    """Changes to the polygons, by id: repaired, parts without area left out."""

    def __len__(self) -> int:
        return len(self.ids)


def read_zones(source: Path | bytes, *, zone_id: str | None, where: str) -> Zones:
    """Read polygons from a file or its bytes. `where` is how the user knows the source.

    The id of a zone is, in this order:
    1. the column `zone_id`, when one is named;
    2. the features' own ids, where each has one;
    3. the column `id`, where it has no gap;
    4. the column `name`, where it has no gap.

    Raises ZonesError for what is not a vector file, has no CRS, no features, no ids or repeated ones, or a feature
    without area or with coordinates that are no numbers.
    """
    (meta, wkb, columns), own = read_vector(source, where)
    if not meta["crs"]:
        raise ZonesError("has no coordinate reference system: say where its coordinates are", where=where)
    if wkb is None or len(wkb) == 0:
        raise ZonesError("has no features", where=where)
    fields = dict(zip(meta["fields"], columns, strict=True))
    ids = _ids(fields, own, zone_id, where)
    _refuse_duplicates(ids, where)
    names = tuple(_text(v) or i for v, i in zip(fields.get("name", ids), ids, strict=True))
    geometries, notes = _polygons(wkb, ids, _furthest(meta["crs"], where), where)
    return make_zones(ids, names, geometries, meta["crs"], notes)


def make_zones(ids: Sequence[str], names: Sequence[str], geometries: Any, crs: str, notes: Sequence[str] = ()) -> Zones:
    """Return zones from valid polygons.

    >>> make_zones(["a"], ["A"], [shapely.box(0, 0, 1, 1)], "EPSG:4326").geometries[0].geom_type
    'MultiPolygon'
    """
    multi = np.array([shapely.MultiPolygon(shapely.get_parts(g)) for g in geometries], dtype=object)
    multi = shapely.orient_polygons(multi)
    digest = hashlib.sha256(json.dumps([list(ids), list(names), crs]).encode())
    for blob in shapely.to_wkb(multi, output_dimension=2, byte_order=1):
        digest.update(blob)
    return Zones(tuple(ids), tuple(names), multi, crs, digest.hexdigest(), tuple(notes))


def _text(value: Any) -> str:
    """Return a cell as text; empty for what is missing.

    >>> _text(12.0), _text(None), _text(" Coega ")
    ('12', '', 'Coega')
    """
    if value is None or (isinstance(value, float | np.floating) and np.isnan(value)):
        return ""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value).strip()


def _ids(fields: dict[str, Any], own: list[Any] | None, zone_id: str | None, where: str) -> list[str]:
    columns = one_line(", ".join(fields)) or "none"
    if zone_id is not None:
        if zone_id not in fields:
            raise ZonesError(f"has no column {zone_id!r}: its columns are {columns}", where=where)
        ids = [_text(v) for v in fields[zone_id]]
        if gaps := [n for n, i in enumerate(ids, 1) if not i]:
            raise ZonesError(f"column {zone_id!r} is empty in feature {gaps[0]}", where=where)
        return ids
    for candidate in (own, fields.get("id"), fields.get("name")):
        if candidate is not None and all(ids := [_text(v) for v in candidate]):
            return ids
    raise ZonesError(f"has no id for every zone: name the column that has; its columns are {columns}", where=where)


def _refuse_duplicates(ids: list[str], where: str) -> None:
    if repeated := [i for i, n in Counter(ids).items() if n > 1]:
        shown = ", ".join(repr(i) for i in repeated[:3]) + (", ..." if len(repeated) > 3 else "")
        raise ZonesError(f"{len(repeated)} ids come more than once: {shown}; name a column that is unique", where=where)


def _furthest(crs: str, where: str) -> tuple[float, float]:
    """Return how far x and y of a coordinate may lie from 0. Raises ZonesError for a system that is not known."""
    with foreign(ZonesError, "has a coordinate reference system that is not known", where):
        return (720.0, 91.0) if CRS.from_user_input(crs).is_geographic else (FURTHEST, FURTHEST)


def _polygons(wkb: Any, ids: list[str], furthest: tuple[float, float], where: str) -> tuple[list[Any], list[str]]:
    try:
        geometries = shapely.from_wkb(wkb)
    except (shapely.errors.ShapelyError, TypeError) as exc:
        raise ZonesError(f"has a shape that cannot be read: {one_line(str(exc))}", where=where) from exc
    notes: list[str] = []
    for position, (geometry, zone) in enumerate(zip(geometries, ids, strict=True)):
        if geometry is None or geometry.is_empty:
            raise ZonesError(f"zone {zone!r} has no shape", where=where)
        coordinates = shapely.get_coordinates(geometry)
        if not np.isfinite(coordinates).all():
            raise ZonesError(f"zone {zone!r} has a coordinate that is not a number", where=where)
        if (np.abs(coordinates) > furthest).any():
            raise ZonesError(f"zone {zone!r} has a coordinate outside the world", where=where)
        crossings = _crossings(geometry)
        _refuse_tangled(zone, crossings, TANGLED, where)
        if geometry.geom_type not in ("Polygon", "MultiPolygon") or not geometry.is_valid:
            _refuse_tangled(zone, crossings, TANGLED_REPAIR, where)
            geometries[position] = _repair(geometry, zone, notes, where)
    return list(geometries), notes


def _crossings(geometry: Any) -> float:
    """Return about how many pairs of edges have boxes that overlap, as if edges lay anywhere in the zone's box.

    GEOS compares such pairs. The outline of a place has few of them, since its edges are short.
    """
    rings = shapely.get_rings(shapely.get_parts(shapely.get_parts(geometry)))
    coordinates, ring = shapely.get_coordinates(rings, return_index=True)
    if len(coordinates) == 0:
        return 0.0
    width, height = np.abs(np.diff(coordinates, axis=0))[ring[1:] == ring[:-1]].T
    area = float(np.prod(np.ptp(coordinates, axis=0)))
    return len(width) * float((width * height).sum()) / area if area > 0 else 0.0


def _refuse_tangled(zone: str, crossings: float, most: float, where: str) -> None:
    if crossings > most:
        raise ZonesError(f"zone {zone!r} has an outline that is too tangled to be checked: simplify it", where=where)


def _repair(geometry: Any, zone: str, notes: list[str], where: str) -> Any:
    parts = shapely.get_parts(geometry)
    areal = parts[np.isin(shapely.get_type_id(parts), POLYGONS)]
    if geometry.geom_type == "GeometryCollection" and len(areal) < len(parts):
        notes.append(f"zone {zone}: {len(parts) - len(areal)} parts without area left out")
    if not shapely.is_valid(areal).all() or not geometry.is_valid:
        notes.append(f"zone {zone}: repaired ({shapely.is_valid_reason(geometry)})")
    mended = shapely.union_all(shapely.make_valid(areal, method="structure", keep_collapsed=False))
    if mended.geom_type not in ("Polygon", "MultiPolygon") or mended.area == 0:
        raise ZonesError(f"zone {zone!r} has no area: expected a polygon, got {geometry.geom_type}", where=where)
    return mended
