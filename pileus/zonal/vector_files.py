"""Vector files: known by their first bytes before a library sees them, and read with nothing beside them.

What may open: GeoJSON, GeoPackage, Shapefile (a file, or zipped), FlatGeobuf, GeoParquet and CSV. A zip is unpacked
here, under names of our own; the `crs` of a GeoJSON must be a name, because GDAL would fetch one that is a link. CSV is
read without GDAL.
"""

import io
import json
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from pileus.errors import ArchiveError, ZonesError
from pileus.names import one_line
from pileus.unpack.member import Member, UnpackLimits
from pileus.unpack.members import members
from pileus.zonal.csv_zones import is_csv, read_csv

HEAD = 4096
"""Bytes that are looked at: more than any driver looks at to tell its files."""
KINDS = "GeoJSON, GeoPackage, Shapefile, FlatGeobuf, GeoParquet or CSV with a column WKT"
SHAPEFILE = (".shp", ".shx", ".dbf", ".prj", ".cpg")
ALONE = (".gpkg", ".geojson", ".json", ".fgb", ".parquet", ".csv")
LIMITS = UnpackLimits(members=100, unpacked=1 << 30)
"""Of a zipped or a Parquet file of zones."""
_CRS_NAME = re.compile(r"(?:urn:(?:x-)?ogc:def:crs:)?[A-Za-z]{1,20}:{1,2}(?:[0-9.]{1,20}:)?[A-Za-z0-9]{1,20}")
_SHP, _SQLITE, _FGB, _ZIP, _PARQUET = b"\0\0\x27\x0a", b"SQLite format 3\0", b"fgb\x03", b"PK\x03\x04", b"PAR1"
_GPKG = (b"GPKG", b"GP10", b"GP11")
"""The application id at byte 68."""

Read = tuple[dict[str, Any], Any, Sequence[Any]]
"""`crs` and `fields`, the shapes as WKB, and a column for each field."""


def read_vector(source: Path | bytes, where: str) -> tuple[Read, list[Any] | None]:
    """Return what a vector file holds, and the features' own ids of a GeoJSON, None unless each has one.

    Raises ZonesError for bytes of any other kind, and for what cannot be read.
    """
    try:
        head = source[:HEAD] if isinstance(source, bytes) else _head(source)
        if b"<OGR" in head.partition(b"\0")[0]:  # by which other drivers know their files, wherever it stands
            raise ZonesError(f"cannot be read as zones: expected {KINDS}, by its first bytes", where=where)
        if head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{":
            return _geojson(source if isinstance(source, bytes) else source.read_bytes(), where)
        if head.startswith(_ZIP):
            return _zipped(source, where)
        if head.startswith(_PARQUET):
            return _parquet(source, where), None
        if is_csv(head):
            return read_csv(source, where), None
        sound = head.startswith(_FGB) or (head.startswith(_SQLITE) and head[68:72] in _GPKG)
        if not sound and not (head.startswith(_SHP) and isinstance(source, Path)):
            raise ZonesError(f"cannot be read as zones: expected {KINDS}, by its first bytes", where=where)
        return _ogr(source, where), None
    except OSError as exc:
        raise ZonesError(f"cannot be read: {exc.strerror}", where=where) from exc


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(HEAD)
    except ValueError as exc:
        raise OSError(0, "it has no name of a file") from exc


def _ogr(source: Path | bytes, where: str) -> Read:
    import pyogrio  # it brings pandas and GeoPandas where they are installed, and few processes read zones

    try:
        target = io.BytesIO(source) if isinstance(source, bytes) else source
        meta, _, wkb, columns = pyogrio.raw.read(target, force_2d=True)
    except (ValueError, RuntimeError, LookupError, TypeError, MemoryError) as exc:
        raise _unread(one_line(str(exc).split("; It might help")[0]), where) from exc
    return meta, wkb, columns


def _unread(reason: str, where: str) -> ZonesError:
    return ZonesError(f"cannot be read as zones: {reason}", where=where)


def _geojson(text: bytes, where: str) -> tuple[Read, list[Any] | None]:
    try:
        value = json.loads(text.decode("utf-8-sig"))
        if not isinstance(value, dict) or value.get("type") not in ("FeatureCollection", "Feature"):
            raise _unread("not a GeoJSON FeatureCollection or Feature", where)
        if re.search(rb'"crs"|\\u', text, re.IGNORECASE):
            text = json.dumps(_without_links(value, where)).encode()
    except RecursionError as exc:
        raise _unread("it is nested too deeply", where) from exc
    except ValueError as exc:
        raise _unread(f"not a JSON text: {one_line(str(exc), 80)}", where) from exc
    features = value.get("features", [value])
    features = features if isinstance(features, list) else []
    ids = [f.get("id") for f in features if isinstance(f, dict)]
    read = _ogr(text, where)
    whole = read[1] is not None and len(ids) == len(read[1]) and all(i is not None for i in ids)
    return read, ids if whole else None


def _without_links(value: dict[str, Any], where: str) -> dict[str, Any]:
    """Return a GeoJSON whose one `crs`, if any, is a name; those of features and shapes are left out.

    Raises ZonesError for a `crs` that is anything else.
    """
    told = [one for key, one in value.items() if key.lower() == "crs" and one is not None]
    for crs in told:
        properties = crs.get("properties") if isinstance(crs, dict) else None
        name = properties.get("name") if isinstance(properties, dict) else None
        is_name = isinstance(crs, dict) and crs.get("type") == "name"
        if not is_name or not isinstance(name, str) or not _CRS_NAME.fullmatch(name):
            raise ZonesError("has a crs that is not the name of one, such as EPSG:4326", where=where)
    kept = {key: _bare(one) for key, one in value.items() if key.lower() != "crs"}
    return kept | ({"crs": {"type": "name", "properties": {"name": told[0]["properties"]["name"]}}} if told else {})


def _bare(value: Any) -> Any:
    """Return features and shapes without any `crs`; properties stay as they are."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [_bare(one) for one in value]
    if isinstance(value, dict):
        return {k: one if k == "properties" else _bare(one) for k, one in value.items() if k.lower() != "crs"}
    return value


def _zipped(source: Path | bytes, where: str) -> tuple[Read, list[Any] | None]:
    """Read the one file of zones in a zip, which may be a Shapefile of several parts."""
    with tempfile.TemporaryDirectory() as folder:
        found: dict[str, Path] = {}
        try:
            with (
                io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file,
                members(file, where, limits=LIMITS) as every,
            ):
                for member in every:
                    path = PurePosixPath(member.name)
                    ending = path.suffix.lower()
                    if ending in (*SHAPEFILE, *ALONE) and not path.name.startswith("."):
                        if ending in found:
                            raise ZonesError(f"holds several files {ending}: expected one of zones", where=where)
                        found[ending] = _written(member, Path(folder, f"zones{ending}"))
        except ArchiveError as exc:
            raise ZonesError(exc.message, where=exc.where) from exc
        for ending in (".shp", *ALONE):
            if ending in found:
                return read_vector(found[ending], where)
    raise ZonesError(f"is a zip without a file of zones: expected {KINDS} in it", where=where)


def _written(member: Member, path: Path) -> Path:
    with path.open("wb") as file:
        buffer = memoryview(bytearray(1 << 20))
        while count := member.stream.some(buffer):
            file.write(buffer[:count])
    return path


def _parquet(source: Path | bytes, where: str) -> Read:
    """Read GeoParquet 1.x: shapes as WKB; a file that tells no system is in longitude and latitude."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    try:
        file = pq.ParquetFile(io.BytesIO(source) if isinstance(source, bytes) else source)
        if (
            sum(file.metadata.row_group(n).total_byte_size for n in range(file.metadata.num_row_groups))
            > LIMITS.unpacked
        ):
            raise ZonesError(f"unpacks to more than {LIMITS.unpacked:,} bytes: refused", where=where)
        geo = json.loads((file.schema_arrow.metadata or {}).get(b"geo", b"{}"))
        name = geo["primary_column"]
        told = geo["columns"][name]
        if told["encoding"] != "WKB":
            raise ZonesError(f"has shapes encoded as {one_line(str(told['encoding']), 40)}: expected WKB", where=where)
        crs = told.get("crs", "OGC:CRS84")
        wkt = CRS.from_user_input(json.dumps(crs) if isinstance(crs, dict) else "EPSG:4326").to_wkt() if crs else None
        table = file.read()
        fields = [field for field in table.column_names if field != name]
        return {"crs": wkt, "fields": fields}, table[name].to_numpy(), [table[field].to_numpy() for field in fields]
    except (pa.ArrowException, CRSError, LookupError, TypeError, AttributeError, ValueError, RecursionError,
            OSError, MemoryError) as exc:  # fmt: skip
        raise _unread(f"it is no sound GeoParquet: {one_line(str(exc), 120)}", where) from exc
