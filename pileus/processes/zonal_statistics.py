"""The inputs of the process `zonal-statistics`."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from pileus.documents import DEFAULT_STATISTICS, Band, Document, GridRule, Process, parse_value
from pileus.documents.base import NAME
from pileus.documents.collection import Coverage, Overlap
from pileus.documents.valid import Conditions, Range
from pileus.errors import DocumentError
from pileus.names import is_clean

SCHEMES = ("http", "https", "s3")
"""Of addresses that a run may be given: no file of the worker's, and no protocol that signs in."""
MOST_RASTERS, MOST_PERIODS, MOST_BANDS, MOST_ZONES = 1000, 1000, 100, 100_000
RULES = ("valid", "range", "nodata", "zero_is_nodata", "coverage", "overlap", "area_weighted", "stats")
"""Inputs that `meta.process` of a collection has too, with the same meaning."""


def _address(text: str) -> str:
    try:
        split = urlsplit(text)
        host = split.hostname
    except ValueError as exc:
        raise ValueError(f"not an address: {exc}") from exc
    if split.scheme not in SCHEMES or not host or not is_clean(text):
        raise ValueError(f"expected an address that begins with {', '.join(f'{one}://' for one in SCHEMES)}")
    if split.username is not None or split.password is not None:
        raise ValueError("expected an address without a user's name or password")
    return text


Address = Annotated[str, AfterValidator(_address), Field(max_length=2000)]


class ZonalStatistics(Document):
    """Zones, and either `rasters` or a `collection` with `periods`."""

    zones: dict[str, Any] | str
    """Polygons: a GeoJSON FeatureCollection, or the http, https or s3 address of a file of zones. Example:
    `"https://example.org/places.geojson"`."""
    zone_id: str | None = None
    """Column that names a zone. Without it: the features' own ids, else the column `id`, else `name`. Example:
    `"iso_code"`."""
    rasters: tuple[Address, ...] = Field(default=(), max_length=MOST_RASTERS)
    """Addresses of rasters, or archives of rasters, that together make one mosaic. Example:
    `["https://example.org/2015-01.rain.tif"]`."""
    each: bool = False
    """Whether each raster is measured alone. Example: `true`."""
    collection: str | None = Field(None, pattern=NAME)
    """Name of a populated collection, in place of rasters. Example: `"viirs_template"`."""
    version: str | None = Field(None, pattern=NAME)
    """Version of the collection. Without it: the highest. Example: `"001"`."""
    periods: tuple[str, ...] = Field(default=(), max_length=MOST_PERIODS)
    """Points in time of the collection, as its span writes them. Example: `["2015-01", "2015-02"]`."""
    bands: tuple[str, ...] = Field(default=(), max_length=MOST_BANDS)
    """Bands that are measured. Without it: those of the collection; of rasters the one that the first file's name
    tells. Example: `["avg_rade9h"]`."""
    band_rules: dict[str, Band] = Field(default_factory=dict, max_length=MOST_BANDS)
    """Of rasters only: where files have the bands and what their numbers stand for, by band, as `meta.bands` of a
    collection. Example: `{"t2m": {"time": "mean"}}`."""
    grid: GridRule | None = None
    """Of rasters only: where their pixels lie. Without it: as the files say. Example: `{"crs": "EPSG:4326"}`."""
    valid: Conditions = ()
    """Conditions on other bands that say which pixels count, as `meta.process.valid`. Without it: those of the
    collection. Example: `{"band": "cf_cvg"}`."""
    range: Range | None = None
    """Values that count, as `meta.process.range`. Without it: those of the collection. Example: `[0, 1000]`."""
    nodata: float | None = None
    """Stored number that means nodata, as `meta.process.nodata`. Example: `-999.3`."""
    zero_is_nodata: bool = False
    """Whether a pixel of value 0 does not count. Example: `true`."""
    coverage: Coverage = "exact"
    """Which share of a pixel counts, as `meta.process.coverage`. Example: `"center"`."""
    overlap: Overlap = "first"
    """Which raster has the pixels that several hold, as `meta.process.overlap`. Example: `"last"`."""
    area_weighted: bool = False
    """Whether pixels are weighted by their area on the ellipsoid. Example: `true`."""
    stats: tuple[str, ...] = Field(default=DEFAULT_STATISTICS, max_length=100)
    """Statistics to compute, and percentiles such as p95. Example: `["count", "mean", "p95"]`."""

    @model_validator(mode="after")
    def _zones_are_some(self) -> Self:
        if isinstance(self.zones, str):
            try:
                _address(self.zones)
            except ValueError as exc:
                raise ValueError(f"zones: {exc}, or a GeoJSON FeatureCollection") from exc
            return self
        features = self.zones.get("features")
        if self.zones.get("type") != "FeatureCollection" or not isinstance(features, list) or not features:
            raise ValueError("zones: expected a GeoJSON FeatureCollection with features, or an address")
        if len(features) > MOST_ZONES:
            raise ValueError(f"zones: {len(features):,} features: {MOST_ZONES:,} are the most")
        return self

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if bool(self.rasters) == bool(self.collection):
            raise ValueError("expected either rasters, or collection with periods")
        if self.collection and not self.periods:
            raise ValueError("periods: required with collection")
        if self.rasters and (self.periods or self.version):
            raise ValueError("periods and version: only with collection")
        if self.collection and (self.band_rules or self.grid or self.each):
            raise ValueError("band_rules, grid and each: only with rasters, a collection says these itself")
        if self.rasters and self.overlap == "newest":
            raise ValueError("overlap: rasters have no stamp that tells the newest")
        return self

    @model_validator(mode="after")
    def _rules_are_sound(self) -> Self:
        try:
            self.process({"band": list(self.bands) or "1"})
        except DocumentError as exc:
            raise ValueError(exc.message) from exc
        return self

    def process(self, base: Mapping[str, Any]) -> Process:
        """Return how groups or rasters are measured: `base`, the JSON of a collection's `meta.process`, with what these
        inputs say in its place. Raises DocumentError.
        """
        told = self.model_dump(mode="json", include={*RULES} & self.model_fields_set)
        told |= {"band": list(self.bands)} if self.bands else {}
        return parse_value(Process, {"zones": "", **base, **told}, "inputs")

    def zones_content(self) -> bytes | None:
        """Return the zones that were given by value, as GeoJSON; None where they have an address."""
        return None if isinstance(self.zones, str) else json.dumps(self.zones).encode()
