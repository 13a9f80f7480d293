"""What crosses from one hop to the next: frozen, typed, small.

    expand -> discover -> group -> download -> unpack -> raster -> zonal -> outputs

The documents a user writes (collection, provider, rule) are in `documents.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote, unquote

from pileus.errors import UnsafeName, UsageError
from pileus.names import FileName, is_clean, shown_name
from pileus.public_url import public_url


@dataclass(frozen=True, slots=True)
class Listed:
    """One entry of a provider's listing, before its name has been understood. Raises UnsafeName."""

    name: FileName
    """Without folder, percent-decoded. Any text is made a FileName, or refused."""
    url: str
    """Absolute, with scheme, without control characters; what `open` is given."""
    size: int | None = None
    """Bytes, exact; None where the listing does not say or rounds."""
    modified: str | None = None
    """ISO 8601, as precise as the listing; None where it does not say."""
    etag: str | None = None
    """The provider's entity tag without quotes; None where it does not say."""
    checksum: str | None = None
    """`algorithm:hex`, given by the listing; None where it is not."""
    sidecar: str | None = None
    """URL of a listed file that holds its checksum, such as NAME.md5; None where there is none."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", FileName(self.name))
        if not is_clean(self.url):
            raise UnsafeName("its URL holds a control character", where=self.name)


def listed(name: str, url: str, *facts: Any) -> "Listed | Problem":
    """Return the entry of a listing, or the problem `unsafe` where its name must not be used.

    `facts`: size, modified and etag, as in Listed.

    >>> listed("../evil.tgz", "ftp://x.org/../evil.tgz")
    Problem(kind='unsafe', name="'../evil.tgz'", detail='set aside: holds a slash')
    """
    try:
        return Listed(FileName(name), url, *facts)
    except UnsafeName as exc:
        return Problem("unsafe", shown_name(name), f"set aside: {exc.message}")


@dataclass(frozen=True, slots=True)
class Granule:
    """A listed file whose name the collection's regex has understood."""

    file: Listed
    parts: Mapping[str, str]
    """The named groups of the regex, such as {"tile": "75N060E", "created": "201505111709"}."""
    bucket: str = "internal"
    """Key of the bucket that keeps the archive when the collection asks for that."""
    kind: int = 0
    """Which of the collection's `files` its name matched, counted from 0."""

    @property
    def recorded(self) -> "Granule":
        """Return it as records name it: without what signs or opens its addresses."""
        sidecar = public_url(self.file.sidecar) if self.file.sidecar else None
        return replace(self, file=replace(self.file, url=public_url(self.file.url), sidecar=sidecar))

    def to_json(self) -> dict[str, Any]:
        listed = {name: getattr(self.file, name) for name in Listed.__slots__ if getattr(self.file, name) is not None}
        return {
            **listed,
            "parts": dict(self.parts),
            "bucket": self.bucket,
            **({"kind": self.kind} if self.kind else {}),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Granule":
        listed = {name: value[name] for name in Listed.__slots__ if name in value}
        return cls(Listed(**listed), value["parts"], value["bucket"], value.get("kind", 0))


@dataclass(frozen=True, slots=True)
class Group:
    """The granules that are processed together, and which of them have not been published yet."""

    key: str
    """Values of the grouping parts joined by `_`; `all` where the collection does not group."""
    granules: tuple[Granule, ...]
    """Ordered by the expected values, then by name."""
    missing: tuple[str, ...] = ()
    """Expected values of `each` for which nothing is published."""
    spoilt: tuple[str, ...] = ()
    """Why files of the group had to be set aside, so that it cannot be made as it is; one line each."""

    @property
    def complete(self) -> bool:
        return not self.missing

    @property
    def size(self) -> int:
        """Bytes of all granules; those whose size is unknown count 0."""
        return sum(granule.file.size or 0 for granule in self.granules)

    def to_json(self) -> dict[str, Any]:
        return {
            "key": self.key,
            "granules": [granule.to_json() for granule in self.granules],
            "missing": list(self.missing),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Group":
        return cls(value["key"], tuple(map(Granule.from_json, value["granules"])), tuple(value["missing"]))


@dataclass(frozen=True, slots=True)
class Problem:
    """Something odd in a listing: reported, never guessed about."""

    kind: str
    """`stranger` (no regex matches), `superseded`, `duplicate`, `empty` (0 bytes), `unexpected` (value), `unsafe`
    (name) or `unnamed` (tells no granule)."""
    name: str
    """The file; of an unsafe name only what may be shown."""
    detail: str
    """One line for a person."""

    def to_json(self) -> dict[str, str]:
        return {"kind": self.kind, "name": self.name, "detail": self.detail}


@dataclass(frozen=True, slots=True)
class Archive:
    """A granule whose bytes are here and have been verified."""

    granule: Granule
    path: Path
    size: int
    """Bytes on disk."""
    sha256: str | None = None
    """Hex; None where it was not computed."""


class State(StrEnum):
    """The life of a partition."""

    planned = "planned"
    waiting = "waiting"
    """Not published, or not completely."""
    queued = "queued"
    running = "running"
    succeeded = "succeeded"
    failed = "failed"
    cancelled = "cancelled"
    skipped = "skipped"
    """Was up to date; nothing was done."""

    @property
    def ended(self) -> bool:
        """Nothing more happens to it in this backfill."""
        return self not in (State.planned, State.queued, State.running)


@dataclass(frozen=True, slots=True, order=True)
class Partition:
    """The unit of work: one collection, one point in time, one group.

    `key` and `parse` are inverses for any text.
    """

    kind: ClassVar[str] = "partition"
    collection: str
    """Name of the template."""
    version: str
    period: str
    """As `Period.iso` writes it: 2015-01, 2015-W05, 2015-01-31."""
    group: str

    @property
    def key(self) -> str:
        """Path-safe and unique; also the order of the index.

        >>> Partition("viirs", "001", "2015-01", "20150101").key
        'viirs/001/2015-01/20150101'
        """
        return "/".join(safe(part) for part in (self.collection, self.version, self.period, self.group))

    @property
    def scope(self) -> str:
        """Collection, version and year: what the index lists together.

        >>> Partition("viirs", "001", "2015-01", "20150101").scope
        'viirs/001/2015'
        """
        return f"{safe(self.collection)}/{safe(self.version)}/{self.item[:4]}"

    @property
    def item(self) -> str:
        """Period and group: its place in the scope."""
        return f"{safe(self.period)}/{safe(self.group)}"

    @classmethod
    def parse(cls, key: str) -> "Partition":
        """Raises UsageError for anything that `key` does not write."""
        parts = key.split("/")
        if len(parts) != 4 or not all(parts):
            raise UsageError(f"{key[:200]!r} is not a partition: expected COLLECTION/VERSION/PERIOD/GROUP")
        return cls(*map(unsafe, parts))

    @property
    def hive(self) -> str:
        """The folder of its rows, read by DuckDB, Athena and pandas as columns."""
        names = ("collection", "version", "period", "group")
        return "/".join(f"{name}={part}" for name, part in zip(names, self.key.split("/"), strict=True))


@lru_cache(maxsize=10_000)
def safe(name: str) -> str:
    """Percent-encode `name` into one path segment: never empty, never `.` or `..`; `unsafe` is its inverse.

    >>> safe("../../x"), safe("..")
    ('..%2F..%2Fx', '%2E%2E')
    """
    encoded = quote(name, safe="._-~ ()").replace(" ", "%20")
    return encoded.replace(".", "%2E") if encoded.strip(".") == "" and encoded else encoded or "%"


def unsafe(segment: str) -> str:
    """Return the name that `safe` wrote."""
    return "" if segment == "%" else unquote(segment)


SHARED = ("archive", "zones")
"""Kinds of outputs that manifests of several partitions may name: a partition that no longer does deletes none."""


@dataclass(frozen=True, slots=True)
class Output:
    """One object written for a partition."""

    url: str
    size: int
    """Bytes."""
    sha256: str
    """Hex."""
    kind: str
    """`table`, `csv`, `classic-csv`, `archive`, `clip`, `picture`, `item`, `zones`."""
    previous: str = ""
    """Where an older object of this address is kept, by the collection's `duplicateHandling`; empty: nowhere."""

    def to_json(self) -> dict[str, Any]:
        value = {name: getattr(self, name) for name in self.__slots__}
        if not self.previous:
            del value["previous"]
        return value

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Output":
        return cls(**value)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a partition was made from and what it made: the last object written; with it the partition is done."""

    partition: Partition
    fingerprint: str
    """Hash of the inputs, the zones, the parameters and the code of the steps that matter."""
    inputs: tuple[Granule, ...]
    parameters: Mapping[str, Any]
    """`meta.process` as it was, and what it led to: rule, index hashes, engine."""
    outputs: tuple[Output, ...]
    code: str
    """Version of Pileus."""
    finished: str
    """ISO 8601 UTC."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Wall time by hop."""
    timing: Mapping[str, Any] = field(default_factory=dict)
    """When each hop before the commit began, and how long it took, as `pileus.timing.Timing` writes it; empty: not
    known."""
    bytes_downloaded: int = 0
    scratch_bytes: int = 0
    """Most bytes on the scratch volume at once."""
    backfill: str | None = None
    """The backfill that made it."""
    run: int = 0
    """The run of that backfill; 0: unknown."""
    claim: str = ""
    """Token of the claim that committed it."""
    replaces: tuple[str, ...] = ()
    """Addresses of outputs of the manifest before this one that this one does not have: they are deleted."""
    notes: tuple[str, ...] = ()
    """Things a person should know: zones repaired, reprojected, off the grid."""

    @property
    def run_name(self) -> str:
        """The run that made it, as entries name it."""
        return f"{self.backfill or 'unknown'}/{self.run}"

    def to_json(self) -> dict[str, Any]:
        return {
            "partition": self.partition.key,
            "fingerprint": self.fingerprint,
            "inputs": [granule.recorded.to_json() for granule in self.inputs],
            "parameters": dict(self.parameters),
            "outputs": [output.to_json() for output in self.outputs],
            "code": self.code,
            "finished": self.finished,
            "seconds": dict(self.seconds),
            "timing": dict(self.timing),
            "bytes_downloaded": self.bytes_downloaded,
            "scratch_bytes": self.scratch_bytes,
            "backfill": self.backfill,
            "run": self.run,
            "claim": self.claim,
            "replaces": list(self.replaces),
            "notes": list(self.notes),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Manifest":
        return cls(
            **{
                **value,
                "partition": Partition.parse(value["partition"]),
                "inputs": tuple(map(Granule.from_json, value["inputs"])),
                "outputs": tuple(map(Output.from_json, value["outputs"])),
                "replaces": tuple(value.get("replaces", ())),
                "notes": tuple(value["notes"]),
            }
        )
