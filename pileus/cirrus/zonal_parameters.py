"""What the task `pileus.cirrus.zonal:ZonalStatistics` is told, and what items say of their rasters."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field

from pileus.documents import DEFAULT_STATISTICS, Band, Document, GridRule, Process, parse_value
from pileus.documents.collection import Coverage
from pileus.documents.valid import Conditions, Range
from pileus.errors import DocumentError

RASTERS = ("image/tiff", "image/jp2", "application/x-hdf", "application/netcdf", "application/x-netcdf")
"""Media types of rasters begin with these."""
ENDINGS = (".tif", ".tiff", ".jp2")
"""Of files that are rasters where an item says no type."""
NOT_MEASURED = {"thumbnail", "overview", "visual", "metadata"}
"""Roles of assets that are measured only where they are named."""
RULES = ("valid", "range", "nodata", "zero_is_nodata", "coverage", "area_weighted", "stats")
"""Parameters that `meta.process` of a collection has too, with the same meaning."""


class ZonalParameters(Document):
    """`tasks["zonal-statistics"]` of a process definition, over `workflow_options`."""

    zones: dict[str, Any] | str
    """Polygons: a GeoJSON FeatureCollection, or the file or address of zones. Example: `"s3://places/zones.parquet"`."""
    zone_id: str | None = None
    """Column that names a zone. Without it: the features' own ids, else the column `id`, else `name`. Example:
    `"iso_code"`."""
    assets: tuple[str, ...] = ()
    """Assets that are measured. Without it: those whose type is that of a raster, but for thumbnails and the like.
    Example: `["red", "nir"]`."""
    band_rules: dict[str, Band] = Field(default_factory=dict)
    """Which band of a file is measured, and what its numbers stand for, by asset. Without it: scale, offset, nodata and
    unit of the asset's first band as the item says them, else as the file does. Example: `{"red": {"path": "1"}}`."""
    grid: GridRule | None = None
    """Where pixels lie. Without it: as the files say. Example: `{"crs": "EPSG:4326"}`."""
    valid: Conditions = ()
    """Conditions on other assets that say which pixels count. Example: `{"band": "scl", "in": [4, 5]}`."""
    range: Range | None = None
    """Values that count. Without it: all. Example: `[0, 1]`."""
    nodata: float | None = None
    """Stored number that means nodata. Without it: as items and files say. Example: `0`."""
    zero_is_nodata: bool = False
    """Whether a pixel of value 0 does not count. Example: `true`."""
    coverage: Coverage = "exact"
    """Which share of a pixel counts. Example: `"center"`."""
    area_weighted: bool = False
    """Whether pixels are weighted by their area on the ellipsoid. Example: `true`."""
    stats: tuple[str, ...] = DEFAULT_STATISTICS
    """Statistics to compute, and percentiles such as p95. Example: `["count", "mean", "p95"]`."""
    format: Literal["parquet", "csv"] = "parquet"
    """Of the table. Example: `"csv"`."""

    def rules(self, asset: str) -> Process:
        """Return how one asset is measured. Raises DocumentError."""
        told = self.model_dump(mode="json", by_alias=True, include=set(RULES), exclude_defaults=True)
        return parse_value(Process, {"band": asset, "zones": "", **told}, "zonal-statistics")

    def measured(self, item: Mapping[str, Any]) -> list[str]:
        """Return the assets of an item that are measured. Raises DocumentError where there is none."""
        there = item.get("assets") or {}
        masks = {one.band for one in self.valid}
        found = list(self.assets) or [name for name, asset in there.items() if _is_raster(asset) and name not in masks]
        if absent := [name for name in (*found, *sorted(masks)) if name not in there]:
            raise DocumentError(f"has no asset {absent[0]!r}", where=f"item {item.get('id')}")
        if not found:
            raise DocumentError("has no asset that is a raster: say assets", where=f"item {item.get('id')}")
        return found

    def band(self, name: str, asset: Mapping[str, Any]) -> Band:
        """Return what an asset's numbers stand for. Raises DocumentError for a rule or an item that says it wrongly."""
        said = _said(asset)
        own = self.band_rules.get(name)
        told = said | (own.model_dump(mode="json", exclude_unset=True) if own else {})
        return parse_value(Band, told, f"asset {name}")


def _said(asset: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an item says of an asset's first band: by the raster extension, or as of STAC 1.1."""
    bands = asset.get("raster:bands") or asset.get("bands") or [{}]
    first = bands[0] if isinstance(bands, list) and isinstance(bands[0], Mapping) else {}

    def value(name: str) -> Any:
        places = ((first, name), (first, f"raster:{name}"), (asset, name), (asset, f"raster:{name}"))
        return next((place[key] for place, key in places if place.get(key) is not None), None)

    found: dict[str, Any] = {}
    factor, offset = value("scale"), value("offset")
    if factor is not None or offset is not None:
        found["scale"] = [1 if factor is None else factor, offset or 0]
    if isinstance(nodata := value("nodata"), int | float):
        found["nodata"] = nodata
    if isinstance(unit := value("unit"), str):
        found["unit"] = unit
    return found


def _is_raster(asset: Mapping[str, Any]) -> bool:
    if NOT_MEASURED & set(asset.get("roles") or ()):
        return False
    if isinstance(type_ := asset.get("type"), str):
        return type_.startswith(RASTERS)
    return PurePosixPath(urlsplit(str(asset.get("href", ""))).path).suffix.lower() in ENDINGS
