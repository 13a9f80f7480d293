"""The collection, or the template of many."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any, Literal, Self

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, PositiveFloat, field_validator, model_validator

from pileus.documents.base import NAME, Document, Regex
from pileus.errors import DocumentError, UsageError
from pileus.periods import Period, Unit
from pileus.statistics import statistic_of

PLACEHOLDERS = ("pointInTime", "year", "month", "day")
DEFAULT_STATISTICS = ("count", "sum", "mean", "min", "max", "stddev", "skew", "valid_share")
Buckets = Literal["internal", "protected"]


class Grouping(Document):
    """`meta.group`: which named groups of the file regex make the group key, and what completes a group."""

    by: tuple[str, ...] = ()
    """Named groups whose values make the key; empty: one group a point in time."""
    each: str | None = None
    """Named group that tells the members of a group apart."""
    expect: tuple[str, ...] = ()
    """Values of `each` that complete a group; empty: whatever is there."""
    newest: str | None = None
    """Named group with a creation stamp; of two files alike in all else the newer wins."""

    @model_validator(mode="after")
    def _expect_needs_each(self) -> Self:
        if self.expect and not self.each:
            raise ValueError("expect needs each, the named group that takes the expected values")
        return self


class Valid(Document):
    """Pixels count where `band` is at least `min`."""

    band: str
    min: float = 1


class Process(Document):
    """`meta.process`: how a group becomes rows of statistics."""

    band: str | tuple[str, ...]
    """Band or bands measured; a member NAME.BAND.tif holds band BAND."""
    zones: str
    """Polygons: a path in the project or an s3:// URL; any format that pyogrio reads."""
    zone_id: str | None = None
    """Column that names a zone; None: the feature's own id, else `id`, else `name`."""
    valid: Valid | None = None
    range: tuple[float, float] | None = None
    """Pixels outside [low, high] do not count."""
    zero_is_nodata: bool = False
    """A zero does not count, as in the classic statistics (gippy)."""
    nodata: float | None = None
    """Overrides the raster's own."""
    coverage: Literal["exact", "center", "all_touched"] = "exact"
    area_weighted: bool = False
    """Weigh pixels by their true area."""
    stats: tuple[str, ...] = DEFAULT_STATISTICS
    """Statistics to compute, as docs/zonal.md names them, and percentiles such as p5 and p99.9."""
    classic_csv: bool = Field(default=False, validation_alias=AliasChoices("classic_csv", "ancestor_csv"))
    """Also write {zone}_{YYYYMM}_{tile}.csv under sezu-stats/."""
    archive: bool = False
    """Keep the archives in the bucket that `files[].bucket` names."""
    clips: bool = False
    """Write a cloud-optimised GeoTIFF a zone."""
    pictures: bool = False
    """Write a quicklook PNG a zone."""

    @property
    def bands(self) -> tuple[str, ...]:
        return (self.band,) if isinstance(self.band, str) else self.band

    @field_validator("stats")
    @classmethod
    def _known_statistics(cls, stats: tuple[str, ...]) -> tuple[str, ...]:
        for stat in stats:
            try:
                statistic_of(stat)
            except UsageError as exc:
                raise ValueError(exc.message) from exc
        return stats


class Band(Document):
    """`meta.bands.NAME`: what a band holds."""

    unit: str | None = None
    description: str | None = None
    display: tuple[PositiveFloat, PositiveFloat] | None = None
    """Least and greatest value of the colour scale of pictures, which is logarithmic; else it fits the pixels."""


class Meta(BaseModel):
    """Free, but for the parts that Pileus reads."""

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)
    group: Grouping = Grouping()
    bands: dict[str, Band] = {}
    """The bands there are; empty: not said, so band names are not checked before a raster is open."""
    process: Process | None = None

    @model_validator(mode="after")
    def _bands_are_known(self) -> Self:
        if not self.bands or not self.process:
            return self
        wanted = [*self.process.bands, *([self.process.valid.band] if self.process.valid else [])]
        for band in wanted:
            if band not in self.bands:
                raise ValueError(f"process: unknown band {band!r}: expected one of {', '.join(self.bands)}")
        return self


class File(Document):
    """One kind of file of the collection."""

    regex: Regex
    bucket: Buckets = "internal"
    sampleFileName: str | None = None

    @model_validator(mode="after")
    def _sample_matches(self) -> Self:
        if self.sampleFileName is not None and not re.fullmatch(self.regex, self.sampleFileName):
            raise ValueError(f"regex does not match sampleFileName {self.sampleFileName!r}")
        return self


class Options(Document):
    """The span a template is expanded over; both ends are included."""

    spanUnit: Unit = Unit.day
    spanStart: str
    spanEnd: str = "now"


class Collection(Document):
    """A collection, or the template of many: `{{pointInTime}}` may stand anywhere in its text."""

    name: str = Field(pattern=NAME)
    templated_name: str | None = None
    version: str = Field("001", pattern=NAME)
    dataType: str | None = None
    granuleId: str | None = None
    granuleIdExtraction: Regex | None = None
    sampleFileName: str | None = None
    files: tuple[File, ...] = Field(min_length=1)
    provider_path: str = ""
    duplicateHandling: Literal["error", "skip", "replace", "version"] = "error"
    options: Options | None = None
    workflow: str = Field("DiscoverAndProcessGranules", pattern=NAME)
    provider: str | None = None
    meta: Meta = Meta()

    @field_validator("meta", mode="after")
    @classmethod
    def _grouping_is_of_the_regex(cls, meta: Meta, info: Any) -> Meta:
        wanted = {*meta.group.by, *filter(None, (meta.group.each, meta.group.newest))}
        for index, file in enumerate(info.data.get("files", ())):
            if lacking := wanted - set(re.compile(file.regex).groupindex):
                names = ", ".join(sorted(lacking))
                raise ValueError(f"group names {names}, which files[{index}].regex does not define as (?P<name>...)")
        return meta

    @model_validator(mode="after")
    def _placeholders_are_known(self) -> Self:
        for where, text in _texts(self.model_dump(mode="json", exclude_none=True)):
            for name in re.findall(r"\{\{\s*(.*?)\s*\}\}", text):
                if name not in PLACEHOLDERS:
                    known = ", ".join(f"{{{{{p}}}}}" for p in PLACEHOLDERS)
                    raise ValueError(f"{where}: unresolved placeholder {{{{{name}}}}}: expected one of {known}")
        if self.options and self.templated_name is None:
            raise ValueError("templated_name: required with options, or every point in time has one name")
        return self

    def to_json(self) -> dict[str, Any]:
        """As a user would write it: keys that say nothing are left out."""
        value = self.model_dump(mode="json", exclude_defaults=True)
        return {"name": self.name, "version": self.version, **value}


def _texts(value: object, where: str = "") -> list[tuple[str, str]]:
    if isinstance(value, str):
        return [(where, value)]
    if isinstance(value, Mapping):
        return [t for key, item in value.items() for t in _texts(item, f"{where}.{key}" if where else str(key))]
    if isinstance(value, list | tuple):
        return [t for index, item in enumerate(value) for t in _texts(item, f"{where}[{index}]")]
    return []


def resolve_span(options: Options, today: date, source: str) -> tuple[Period, Period]:
    """First and last period of a span, both included. Raises DocumentError."""
    try:
        first = Period.parse(options.spanStart, options.spanUnit, today)
        last = Period.parse(options.spanEnd, options.spanUnit, today)
    except UsageError as exc:
        raise DocumentError(f"options: {exc.message}", where=source) from exc
    if first > last:
        raise DocumentError(f"options: spanStart {first.point} is after spanEnd {last.point}", where=source)
    return first, last
