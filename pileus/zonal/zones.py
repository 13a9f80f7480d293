"""Zones: the polygons that are measured, from vector files of known formats."""

import hashlib
import io
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import shapely
from numpy.typing import NDArray
from pyogrio.errors import DataSourceError

from pileus.errors import ZonesError
from pileus.zonal.vector_files import check

POLYGONS = (3, 6)
"""GEOS type ids of Polygon and MultiPolygon."""


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
    text = source if isinstance(source, bytes) else _bytes(source, where)
    meta, wkb, columns = _read(source, where)
    if not meta["crs"]:
        raise ZonesError("has no coordinate reference system: say where its coordinates are", where=where)
    if wkb is None or len(wkb) == 0:
        raise ZonesError("has no features", where=where)
    fields = dict(zip(meta["fields"], columns, strict=True))
    own = _own_ids(text, len(wkb)) if text[:1] == b"{" else None
    ids = _ids(fields, own, zone_id, where)
    _refuse_duplicates(ids, where)
    names = tuple(_text(v) or i for v, i in zip(fields.get("name", ids), ids, strict=True))
    geometries, notes = _polygons(wkb, ids, where)
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


def _bytes(path: Path, where: str) -> bytes:
    try:
        with path.open("rb") as file:
            first = file.read(1)
            return first + file.read() if first == b"{" else first
    except IsADirectoryError:
        return b""
    except OSError as exc:
        raise ZonesError(f"cannot be read: {exc.strerror}", where=where) from exc


def _read(source: Path | bytes, where: str) -> tuple[dict[str, Any], Any, Any]:
    check(source, where)
    try:
        target = io.BytesIO(source) if isinstance(source, bytes) else source
        meta, _, wkb, columns = pyogrio.raw.read(target, force_2d=True)
    except (DataSourceError, ValueError, RuntimeError) as exc:
        reason = " ".join(str(exc).split("; It might help")[0].split())
        raise ZonesError(f"cannot be read as zones: {reason}", where=where) from exc
    return meta, wkb, columns


def _own_ids(text: bytes, count: int) -> list[Any] | None:
    """Return the `id` of each GeoJSON feature (RFC 7946, 3.2); None unless all have one."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    features = value.get("features", [value]) if isinstance(value, dict) else []
    ids = [f.get("id") for f in features if isinstance(f, dict)]
    return ids if len(ids) == count and all(i is not None for i in ids) else None


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
    columns = ", ".join(fields) or "none"
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


def _polygons(wkb: Any, ids: list[str], where: str) -> tuple[list[Any], list[str]]:
    try:
        geometries = shapely.from_wkb(wkb)
    except shapely.errors.GEOSException as exc:
        raise ZonesError(f"has a shape that cannot be read: {exc}", where=where) from exc
    notes: list[str] = []
    for position, (geometry, zone) in enumerate(zip(geometries, ids, strict=True)):
        if geometry is None or geometry.is_empty:
            raise ZonesError(f"zone {zone!r} has no shape", where=where)
        if not np.isfinite(shapely.get_coordinates(geometry)).all():
            raise ZonesError(f"zone {zone!r} has a coordinate that is not a number", where=where)
        if geometry.geom_type not in ("Polygon", "MultiPolygon") or not geometry.is_valid:
            geometries[position] = _repair(geometry, zone, notes, where)
    return list(geometries), notes


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
