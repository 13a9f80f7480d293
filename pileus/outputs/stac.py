"""The STAC item of a partition: what was made of one month and group, from which files, and where it is.

STAC 1.1.0 with the extensions file 2.1, processing 1.2, table 1.2, alternate-assets 1.2; where there are clips, also
projection 2.0 and raster 1.1. Items are plain JSON: to import pystac takes longer than a small partition.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import shapely

from pileus import keys
from pileus.models import Granule, Output, Partition
from pileus.outputs.geoparquet import TYPE
from pileus.periods import parse_period

if TYPE_CHECKING:
    from pileus.outputs.windows import Window

VERSION = "1.1.0"
EXTENSIONS = "https://stac-extensions.github.io"
ALWAYS = ("file/v2.1.0", "processing/v1.2.0", "table/v1.2.0", "alternate-assets/v1.2.0")
WITH_CLIPS = ("projection/v2.0.0", "raster/v1.1.0")
COG = "image/tiff; application=geotiff; profile=cloud-optimized"
ROLES = {
    "table": ("data",),
    "csv": ("data",),
    "classic-csv": ("data",),
    "clip": ("data",),
    "picture": ("overview",),
    "manifest": ("metadata",),
    "zones": ("data",),
}
TYPES = {"table": TYPE, "csv": "text/csv", "classic-csv": "text/csv", "clip": COG}
TYPES |= {"picture": "image/png", "manifest": "application/json", "zones": TYPE}


@dataclass(frozen=True)
class Made:
    """One output, and the fields of its asset."""

    output: Output
    title: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Fields of its asset."""


def collection_id(partition: Partition) -> str:
    """Return the id of the STAC collection of a partition."""
    return f"{partition.collection}-{partition.version}"


def item_id(partition: Partition) -> str:
    """Return the id of the STAC item of a partition."""
    return f"{collection_id(partition)}-{partition.period}-{partition.group}"


def to_root(key: str) -> str:
    """Return the relative path from an object to its bucket's root.

    >>> to_root("stac/viirs/001/2015-01/a.json")
    '../../../../'
    """
    return "../" * key.count("/")


def item(
    partition: Partition,
    *,
    bounds: tuple[float, float, float, float],
    inputs: Sequence[Granule],
    made: Sequence[Made],
    manifest: str,
    created: str,
    software: str,
    lineage: str,
) -> bytes:
    """Return the item as JSON. `bounds`: west, south, east, north of the zones in degrees; `created`: ISO 8601 UTC."""
    key = keys.item_key(partition)
    assets = dict(_asset(one, key) for one in made)
    assets["manifest"] = _where(manifest, key) | _kind("manifest", "inputs, parameters and checksums")
    clips = any(one.output.kind == "clip" for one in made)
    west, south, east, north = bounds
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    value = {
        "type": "Feature",
        "stac_version": VERSION,
        "stac_extensions": [f"{EXTENSIONS}/{name}/schema.json" for name in ALWAYS + (WITH_CLIPS if clips else ())],
        "id": item_id(partition),
        "collection": collection_id(partition),
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": list(bounds),
        "properties": _properties(partition, created, software, lineage) | _table_fields(made),
        "assets": assets,
        "links": [*_links(), *map(_source, inputs)],
    }
    return json.dumps(value, separators=(",", ":")).encode()


def _properties(partition: Partition, created: str, software: str, lineage: str) -> dict[str, Any]:
    period = parse_period(partition.period)
    start = datetime.combine(period.start, time.min, UTC)
    end = datetime.combine(period.end, time(23, 59, 59), UTC)
    return {
        "title": f"{partition.collection} {partition.period}",
        "datetime": _stamp(start),
        "start_datetime": _stamp(start),
        "end_datetime": _stamp(end),
        "created": created.replace("+00:00", "Z"),
        "processing:level": "L4",
        "processing:software": {"pileus": software},
        "processing:lineage": lineage,
        "pileus:group": partition.group,
    }


def _table_fields(made: Sequence[Made]) -> dict[str, Any]:
    """Return columns and row count of the table, which the table extension wants on the item itself."""
    return {name: value for one in made for name, value in one.facts.items() if name.startswith("table:")}


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _links() -> list[dict[str, str]]:
    up = {"parent": "../collection.json", "collection": "../collection.json", "root": "../../../catalog.json"}
    return [{"rel": rel, "href": href, "type": "application/json"} for rel, href in up.items()]


def _source(granule: Granule) -> dict[str, Any]:
    link: dict[str, Any] = {
        "rel": "derived_from",
        "href": _encoded(granule.recorded.file.url),
        "title": granule.file.name,
    }
    if granule.file.size is not None:
        link["file:size"] = granule.file.size
    return link


def _encoded(url: str) -> str:
    """Return a URL with the characters encoded that a URL may not have; what is encoded already stays."""
    return quote(url, safe="%/:=&?~#+!$,;'@()*[]")


def _asset(one: Made, key: str) -> tuple[str, dict[str, Any]]:
    output = one.output
    name = output.kind
    if output.kind in ("clip", "picture", "classic-csv"):
        name = f"{output.kind}-" + output.url.split("/", 3)[3].removeprefix("clips/").removeprefix("pictures/")
        name = f"{output.kind}-" + "-".join(name.rsplit("/", 2)[-2:]).rsplit(".", 1)[0]
    checks = {"file:size": output.size, "file:checksum": f"1220{output.sha256}"}
    facts = {field: value for field, value in one.facts.items() if not field.startswith("table:")}
    return name, _where(output.url, key) | _kind(output.kind, one.title) | checks | facts


def _where(url: str, key: str) -> dict[str, Any]:
    """Return the relative address, which works in a copy of the bucket, and the S3 address for tools that need it."""
    return {"href": to_root(key) + quote(url.split("/", 3)[3], safe="/=~"), "alternate": {"s3": {"href": url}}}


def _kind(kind: str, title: str) -> dict[str, Any]:
    return {"type": TYPES[kind], "title": title[:300], "roles": list(ROLES[kind])}


def bounds_of(geometries: Any) -> tuple[float, float, float, float]:
    """Return west, south, east and north of zones in degrees, rounded outwards to a millionth."""
    west, south, east, north = shapely.total_bounds(geometries)
    outer = np.floor(np.array([west, south]) * 1e6) / 1e6, np.ceil(np.array([east, north]) * 1e6) / 1e6
    return tuple(float(v) for v in np.concatenate(outer))  # type: ignore[return-value]


def table_facts(table: pa.Table, units: Mapping[str, str]) -> dict[str, Any]:
    """Return columns, row count, and for each band min, max and the mean weighted by valid pixels."""
    columns = [{"name": field.name, "type": str(field.type)} for field in table.schema]
    bands = []
    for band in dict.fromkeys(table["band"].to_pylist()):
        rows = table.filter(pa.compute.equal(table["band"], band))
        bands.append({"name": band, **({"unit": units[band]} if units.get(band) else {}), **_statistics(rows)})
    return {"table:columns": columns, "table:row_count": table.num_rows, "bands": bands}


def _statistics(rows: pa.Table) -> dict[str, Any]:
    """Return min, max and mean over all zones. NaN, where nothing was observed, is left out."""
    there = {name: rows[name].to_numpy(zero_copy_only=False) for name in rows.column_names if name in _WANTED}
    told: dict[str, float] = {}
    with np.errstate(all="ignore"):
        for name, told_as, reduce in (("min", "minimum", np.nanmin), ("max", "maximum", np.nanmax)):
            if name in there and not np.isnan(there[name]).all():
                told[told_as] = float(reduce(there[name]))
        if {"count", "mean"} <= set(there) and (some := ~np.isnan(there["mean"])).any():
            told["mean"] = float(np.average(there["mean"][some], weights=there["count"][some]))
        if {"count", "valid_share"} <= set(there):
            whole = np.nansum(there["count"][there["valid_share"] > 0] / there["valid_share"][there["valid_share"] > 0])
            if whole > 0:
                told["valid_percent"] = round(100 * float(there["count"].sum() / whole), 3)
    told = {name: value for name, value in told.items() if np.isfinite(value)}
    return {"statistics": told} if told else {}


_WANTED = ("count", "mean", "min", "max", "valid_share")


def clip_facts(window: "Window", unit: str) -> dict[str, Any]:
    """Return the projection and raster fields of a clip's asset."""
    rows, columns = window.values.shape
    a = window.transform
    seen = np.asarray(window.values[window.valid], np.float64)
    seen = seen[np.isfinite(seen)]
    told: dict[str, float] = {"valid_percent": round(100 * float(window.valid.mean()), 3)}
    if seen.size:
        told |= {"minimum": seen.min(), "maximum": seen.max(), "mean": seen.mean(), "stddev": seen.std()}
    band: dict[str, Any] = {"data_type": str(window.values.dtype), "spatial_resolution": abs(a.a)}
    band |= {"unit": unit} if unit else {}
    ends = sorted((a.f, a.f + a.e * rows))
    return {
        **_crs(window.crs),
        "proj:shape": [rows, columns],
        "proj:transform": [a.a, a.b, a.c, a.d, a.e, a.f],
        "proj:bbox": [a.c, ends[0], a.c + a.a * columns, ends[1]],
        "raster:bands": [band | {"statistics": {name: float(value) for name, value in told.items()}}],
    }


def _crs(wkt: str) -> dict[str, Any]:
    from rasterio.crs import CRS

    crs = CRS.from_wkt(wkt)
    authority = crs.to_authority()
    if authority:
        return {"proj:code": ":".join(authority)}
    return {"proj:code": None, "proj:wkt2": crs.to_wkt(version="WKT2_2019")}
