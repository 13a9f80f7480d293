"""The collection, or the template of many."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, field_validator, model_validator

from pileus.documents.band import Band, GridRule
from pileus.documents.base import NAME, PATH_NAME, Document, Regex
from pileus.documents.cumulus import UrlPath, check_checksums, check_granule_ids
from pileus.documents.engine import check_gippy, completed
from pileus.documents.file import File
from pileus.documents.grouping import PAYLOADS, PIPELINE, Grouping, GroupPayload, check_processes, processes_of
from pileus.documents.options import Options
from pileus.documents.valid import Conditions, Range
from pileus.errors import UsageError
from pileus.patterns import NamePattern
from pileus.placeholders import VALUES
from pileus.statistics import statistic_of
from pileus.worker_tasks import task_of

DEFAULT_STATISTICS = ("count", "sum", "mean", "min", "max", "stddev", "skew", "valid_share")
Coverage = Literal["exact", "center", "all_touched", "gippy"]
Overlap = Literal["first", "last", "newest", "error"]


class Process(Document):
    """`meta.process`: how a group becomes rows of statistics."""

    engine: Literal["pileus", "gippy"] = "pileus"
    """What measures: `pileus`; or `gippy`, which is gippy 1.0.3 itself with the numbers and CSVs of the classic
    statistics, in workers of the image `pileus-gippy`. Example: `"gippy"`."""
    band: str | tuple[str, ...]
    """Band or bands that are measured; a member NAME.BAND.tif of an archive holds band BAND. Example:
    `"avg_rade9h"`."""
    zones: str
    """Polygons: a path in the project, an s3:// URL, or a URL that needs no sign-in, which is fetched when the document
    is populated; as GeoJSON, GeoPackage, Shapefile, FlatGeobuf, Parquet or CSV. Example:
    `"data/zones/places.geojson"`."""
    zone_id: str | None = None
    """Column that names a zone. Without it: the feature's own id, else the column `id`, else `name`. Example:
    `"GEOID"`."""
    valid: Conditions = ()
    """Masks: conditions on bands that say which pixels count; a pixel must meet all. Empty: every pixel that is not
    nodata counts. Example: `{"band": "cf_cvg", "min": 1}`."""
    range: Range | None = None
    """Lowest and highest value that count, both included, after scale and offset, `null` for no limit; or `min`,
    `max`, `above` and `below`. Without it: no limits. Example: `[0, 1000]`."""
    zero_is_nodata: bool = False
    """Whether a pixel of value 0 does not count, as in the classic statistics (gippy). Example: `true`."""
    nodata: float | None = None
    """Stored number that means nodata, before scale and offset, instead of the raster's own. Without it: the raster's
    own. Example: `-999.3`."""
    read: Literal["whole", "files", "ranges"] = "whole"
    """How files are read: `whole`, archives measured while they arrive and others downloaded first; `files`, all
    downloaded first; or in `ranges`, only the bytes that zones need, of uncompressed, tiled or cloud-optimised GeoTIFFs
    at a provider that gives parts of files (http, https, s3, file). Others are fetched whole all the same. Example:
    `"ranges"`."""
    coverage: Coverage = "exact"
    """Which share of a pixel counts: `exact`, the share that lies in the zone; `center`, the whole pixel when its
    middle lies in the zone; `all_touched`, the whole pixel when any of it does; `gippy`, as the classic statistics
    counted, some pixels twice. Example: `"center"`."""
    overlap: Overlap = "first"
    """Which raster of a group has the pixels that several hold: the `first`, in the order of the group's files, the
    `last`, or the `newest` by `meta.group.newest`; `error` fails the group. Example: `"last"`."""
    area_weighted: bool = False
    """Whether pixels are weighted by their area on the ellipsoid. Example: `true`."""
    stats: tuple[str, ...] = DEFAULT_STATISTICS
    """Statistics to compute, as docs/zonal.md names them, and percentiles such as p5 and p99.9. Example: `["count",
    "mean", "p95"]`."""
    classic_csv: bool = Field(default=False, validation_alias=AliasChoices("classic_csv", "ancestor_csv"))
    """Whether the CSV of the classic statistics (gippy), sezu-stats/{zone}_{YYYYMM}_{tile}.csv, is written too.
    Example: `true`."""
    archive: bool = False
    """Whether the downloaded archives are kept, in the bucket that `files[].bucket` names. Example: `true`."""
    clips: bool = False
    """Whether a cut-out of the raster around each zone is written, as a cloud-optimised GeoTIFF. Example: `true`."""
    pictures: bool = False
    """Whether a PNG picture of each zone is written. Example: `true`."""

    @property
    def bands(self) -> tuple[str, ...]:
        return (self.band,) if isinstance(self.band, str) else self.band

    @property
    def masks(self) -> tuple[str, ...]:
        """Return the bands of the conditions, each once."""
        return tuple(dict.fromkeys(one.band for one in self.valid))

    @model_validator(mode="before")
    @classmethod
    def _gippy_counts_in_its_own_way(cls, value: Any) -> Any:
        return completed(value)

    @model_validator(mode="after")
    def _gippy_can_do_it(self) -> Self:
        if self.engine == "gippy":
            check_gippy(self)
        return self

    @field_validator("stats")
    @classmethod
    def _known_statistics(cls, stats: tuple[str, ...]) -> tuple[str, ...]:
        for stat in stats:
            try:
                statistic_of(stat)
            except UsageError as exc:
                raise ValueError(exc.message) from exc
        return stats


class Task(Document):
    """A task of a worker, by its name: one of Pileus, or one of the project that runs within a group."""

    name: str
    """Name of the task, as `pileus tasks list` shows it. Example: `"inventory"`."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """What the task is told, as it wants it. Example: `{"threshold": 5}`."""

    @model_validator(mode="after")
    def _is_registered(self) -> Self:
        try:
            task_of(self.name).prepare(self.parameters)
        except UsageError as exc:
            raise ValueError(exc.message) from exc
        return self


class Meta(BaseModel):
    """Free, but for the parts that Pileus reads."""

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)
    group: Grouping = Grouping()
    """How files become groups, which are processed together. Example: `{"by": ["start"], "each": "tile"}`."""
    bands: dict[str, Band] = {}
    """The bands that there are, by name. Empty: not said, so that band names are not checked before a raster is open.
    Example: `{"avg_rade9h": {"unit": "nW/cm2/sr"}}`."""
    grid: GridRule | None = None
    """Where the pixels of the files lie. Without it: as the files say. Example: `{"crs": "EPSG:4326", "tiles":
    {"column": "h", "row": "v"}}`."""
    process: Process | None = None
    """What is measured in each group. Without it: groups are downloaded and verified, and nothing is measured.
    Example: `{"band": "avg_rade9h", "zones": "data/zones/places.geojson"}`."""

    task: Task | None = None
    """A task that a worker does with each group's files, beside what `process` measures. Example:
    `{"name": "inventory"}`."""
    payload: GroupPayload | None = None
    """Each group becomes a payload of Cirrus, and its partition follows the run of that payload, in place of workers
    that download and measure. Example: `{"process": [{"workflow": "publish"}]}`."""

    @model_validator(mode="after")
    def _payload_is_all(self) -> Self:
        if self.payload and (self.process or self.task):
            raise ValueError("payload: not beside process or task, which workers do")
        return self

    @model_validator(mode="after")
    def _parts_are_enough(self) -> Self:
        if self.process and self.process.read == "ranges" and (self.process.archive or self.task):
            wants = "process.archive" if self.process.archive else "task"
            raise ValueError(f"{wants} needs whole files, and process.read is ranges")
        return self

    @model_validator(mode="after")
    def _newest_is_told(self) -> Self:
        if self.process and self.process.overlap == "newest" and not self.group.newest:
            raise ValueError("process.overlap: newest needs group.newest, the named group that holds a creation stamp")
        return self

    @model_validator(mode="after")
    def _each_time_has_rows_alone(self) -> Self:
        each = [name for name, band in self.bands.items() if band.time == "each"]
        if not self.process or not each:
            return self
        if masks := set(each) & set(self.process.masks):
            raise ValueError(f"bands.{min(masks)}.time: a band of process.valid cannot be each")
        made = [name for name in ("clips", "pictures", "classic_csv") if getattr(self.process, name)]
        if made and set(each) & set(self.process.bands):
            raise ValueError(f"process.{made[0]}: is not made of each time of a band: {each[0]}")
        return self

    @model_validator(mode="after")
    def _bands_are_known(self) -> Self:
        if not self.bands or not self.process:
            return self
        for band in (*self.process.bands, *self.process.masks):
            if band not in self.bands:
                raise ValueError(f"process: unknown band {band!r}: expected one of {', '.join(self.bands)}")
        return self


class Collection(Document):
    """A collection, or the template of many: `{{pointInTime}}` may stand anywhere in its text."""

    name: str = Field(pattern=PATH_NAME, max_length=128)
    """Name of the collection, which commands and keys use: letters, digits, `_`, `.` and `-`; of one that is not
    backfilled `/` too. Example: `"viirs_template"`."""
    templated_name: str | None = None
    """Name of the collection of one point in time; required with `options`, and must differ between points in time, and
    between ids. Without it: `name`. Example: `"viirs_{{pointInTime}}"`."""
    version: str = Field("001", pattern=PATH_NAME, max_length=128)
    """Version of the collection; results of each version are kept apart. Example: `"002"`."""
    dataType: str | None = None
    """Name that messages of Cumulus have for the collection; kept. Without it: `name`. Example: `"VNP46A3"`."""
    granuleId: Regex | None = None
    """Regular expression that the id of each granule must match, anywhere in it. Without it: any id will do. Example:
    `"^MOD09GQ[.]A[0-9]{7}$"`."""
    granuleIdExtraction: Regex | None = None
    """Regular expression whose first group, anywhere in a file's name, is the id of the granule that the file belongs
    to. Without it: each file is a granule of its own. Example: `"(.*)[.]tgz"`."""
    sampleFileName: str | None = None
    """A file name out of which `granuleIdExtraction` must take an id that matches `granuleId`; checked when the
    document is read. Without it: not checked. Example: `"SVDNB_npp_20150101-20150131_75N060E.tgz"`."""
    files: tuple[File, ...]
    """The kinds of files that belong to the collection; a listed file that matches none is reported and left alone. At
    least one, except with `granuleIdExtraction` or `ignoreFilesConfigForDiscovery`. Example: `[{"regex":
    ".*[.]tgz"}]`."""
    provider_path: str = ""
    """Folder at the provider that is listed; placeholders are replaced. It is joined to the path of the provider's
    `host`; one that begins with `/` replaces that path. Example: `"/viirs/{{pointInTime}}/vcmcfg/"`."""
    url_path: UrlPath | None = None
    """Template of the folder in the bucket that tasks of Cumulus keep files in which name none; kept archives have keys
    of their own. Without it: none. Example: `"{cmrMetadata.Granule.Collection.ShortName}"`."""
    ignoreFilesConfigForDiscovery: bool = False
    """Whether files that match none of `files` belong to the collection all the same. Example: `true`."""
    duplicateHandling: Literal["error", "skip", "replace", "version"] = "error"
    """What happens to a kept archive when one of the same name and other content is there: `error` fails the group,
    `skip` keeps the old one, `replace` overwrites it, `version` renames the old one. Example: `"replace"`."""
    options: Options | None = None
    """The points that a template is expanded over. Without it: the document is no template and cannot be backfilled.
    Example: `{"spanUnit": "month", "spanStart": "201204", "spanEnd": "201805"}`."""
    workflow: str = Field(PIPELINE, pattern=NAME)
    """Workflow that each point in time is handed to; with `meta.payload`, the one that each payload goes through.
    Example: `"DiscoverAndProcessGranules"`."""
    provider: str | None = None
    """Id of the provider that has the files. Without it: commands and rules must name it. Example:
    `"viirs_provider"`."""
    process: str | None = None
    """Kept and not used: name of the container that Cumulus processes granules with. Without it: not said. Example:
    `"modis"`."""
    reportToEms: bool | None = None
    """Kept and not used: whether Cumulus reports the collection to EMS. Without it: not said. Example: `false`."""
    tags: tuple[str, ...] = ()
    """Words to find the collection by; kept and not used. Example: `["night lights"]`."""
    createdAt: int | None = None
    """Milliseconds since 1970 at which Cumulus made the document; kept and not used. Without it: not said. Example:
    `1717200000000`."""
    updatedAt: int | None = None
    """Milliseconds since 1970 at which Cumulus changed it; kept and not used. Without it: not said. Example:
    `1717200000000`."""
    cmrProvider: str | None = None
    """Kept and not used: provider that newer Cumulus publishes to CMR as. Without it: not said. Example:
    `"PODAAC"`."""
    metricsProvider: str | None = None
    """Kept and not used: provider that newer Cumulus reports metrics as. Without it: not said. Example: `"PODAAC"`."""
    meta: Meta = Meta()
    """What Pileus reads of it is `group`, `bands`, `grid` and `process`; `description` and `license` stand in the STAC
    collection, and any other key is kept. Example: `{"license": "CC-BY-4.0"}`."""

    @field_validator("meta", mode="after")
    @classmethod
    def _grouping_is_of_the_regex(cls, meta: Meta, info: Any) -> Meta:
        wanted = {*meta.group.by, *filter(None, (meta.group.each, meta.group.newest))}
        tiles = meta.grid.tiles if meta.grid else None
        for index, file in enumerate(info.data.get("files", ())):
            if lacking := wanted.difference(NamePattern(file.regex).names):
                names = ", ".join(sorted(lacking))
                raise ValueError(f"group names {names}, which files[{index}].regex does not define as (?P<name>...)")
            if tiles and (lacking := {tiles.column, tiles.row}.difference(NamePattern(file.regex).names)):
                names = ", ".join(sorted(lacking))
                raise ValueError(f"grid.tiles names {names}, which files[{index}].regex does not define")
        return meta

    @model_validator(mode="after")
    def _placeholders_are_known(self) -> Self:
        known = self.options.placeholders if self.options else tuple(VALUES)
        for where, text in _texts(self.model_dump(mode="json", exclude_none=True)):
            for name in _placeholders(text):
                if name not in known:
                    raise ValueError(f"{where}: {_wrong_placeholder(name, known, self.options)}")
        if self.options and self.templated_name is None:
            raise ValueError("templated_name: required with options, or every point in time has one name")
        return self

    @model_validator(mode="after")
    def _ids_are_the_groups(self) -> Self:
        if self.options and self.options.ids and self.meta.group.by:
            raise ValueError("meta.group.by: expected none with options.ids: the key of a group is its id")
        return self

    @model_validator(mode="after")
    def _is_of_cumulus(self) -> Self:
        if not (self.files or self.granuleIdExtraction or self.ignoreFilesConfigForDiscovery):
            raise ValueError("files: expected at least one kind of files")
        check_granule_ids(self.granuleIdExtraction, self.granuleId, self.sampleFileName)
        check_checksums([(file.regex, file.checksumFor) for file in self.files])
        if self.options and (wrong := next((one for one in (self.name, self.version) if "/" in one), None)):
            raise ValueError(f"{wrong!r}: expected no / in the name and the version of a template")
        return self

    @model_validator(mode="after")
    def _is_a_payload(self) -> Self:
        check_processes(self.meta.payload, self.workflow)
        return self

    @property
    def processes(self) -> list[Any]:
        """Return the processes of each group's payload; empty where groups are for workers."""
        return processes_of(self.meta.payload, self.workflow)

    @property
    def point_workflow(self) -> str:
        """Return the workflow that each point in time is handed to."""
        return PAYLOADS if self.meta.payload else self.workflow

    @property
    def discovered(self) -> tuple[File, ...]:
        """Return the kinds of files that discovery takes, in the order in which they are tried."""
        return (*self.files, File(regex=".*")) if self.ignoreFilesConfigForDiscovery else self.files

    def to_json(self) -> dict[str, Any]:
        """Return the document as a user would write it: without keys that have their default."""
        value = self.model_dump(mode="json", exclude_defaults=True)
        return {"name": self.name, "version": self.version, **value}


def _wrong_placeholder(name: str, known: Sequence[str], options: Options | None) -> str:
    expected = ", ".join(f"{{{{{one}}}}}" for one in known)
    if options and name in VALUES:
        return f"{{{{{name}}}}} says nothing of a {options.spanUnit}: expected one of {expected}"
    return f"unresolved placeholder {{{{{name}}}}}: expected one of {expected}"


def _placeholders(text: str) -> list[str]:
    """Return what stands in double braces.

    >>> _placeholders("{{ a }}/{{b}}/{{c")
    ['a', 'b']
    """
    return [part.partition("}}")[0].strip() for part in text.split("{{")[1:] if "}}" in part]


def _texts(value: object, where: str = "") -> list[tuple[str, str]]:
    """Return every text in a value, keys among them, and where it is."""
    if isinstance(value, str):
        return [(where, value)]
    if isinstance(value, Mapping):
        keys = [(where, str(key)) for key in value]
        return keys + [t for key, item in value.items() for t in _texts(item, f"{where}.{key}" if where else str(key))]
    if isinstance(value, list | tuple):
        return [t for index, item in enumerate(value) for t in _texts(item, f"{where}[{index}]")]
    return []
