"""Answers: frozen models that the API writes as JSON, and that clients read back."""

from dataclasses import asdict
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from pileus.backfills.progress import Progress
from pileus.backfills.record import Outcome
from pileus.backfills.status import Status
from pileus.client import examples
from pileus.lifecycle.backfill import Backfill, Order, Select
from pileus.lifecycle.backfill import State as BackfillState
from pileus.lifecycle.spending import Spending
from pileus.models import State

T = TypeVar("T")


class Answer(BaseModel):
    """Base of all."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Page(Answer, Generic[T]):
    """Some of many: ask again with `next` as the cursor, until there is none."""

    items: list[T]
    next: Annotated[str | None, Field(description="Cursor of the next page; null: this is the last.")] = None


class Bytes(Answer):
    """Bytes of a backfill."""

    done: int
    wanted: Annotated[int, Field(description="As far as they are known.")]


class SpendingAnswer(Answer):
    """What the groups of a run cost on AWS, as estimated, against its limit."""

    most: Annotated[float, Field(description="Dollars.")]
    second: float
    requests: float
    guess: float
    admitted: int
    measured: int
    dollars: float
    since: Annotated[int, Field(description="The first run whose groups it counts.")] = 1


class ProgressAnswer(Answer):
    """How far a backfill is, how fast, and how long it may still take."""

    ended: Annotated[int, Field(description="Partitions.")]
    total: Annotated[int, Field(description="Partitions, as far as they are known.")]
    running: Annotated[list[str], Field(description="Points in time of which something runs.")]
    per_minute: Annotated[float | None, Field(description="Partitions; null: not known yet.")] = None
    bytes_per_minute: float | None = None
    seconds_left: Annotated[float | None, Field(description="null: not known yet, or nothing is left.")] = None


class BackfillAnswer(Answer):
    """A backfill at one moment."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.BACKFILL]})

    id: str
    collection: str
    version: str
    first: Annotated[str, Field(description="First point in time, ISO 8601.")]
    last: Annotated[str, Field(description="Last point in time, included.")]
    unit: str
    state: BackfillState
    run: Annotated[int, Field(description="Counted from 1; resume and retry begin another.")]
    started: str
    ended: str | None = None
    problem: str | None = None
    started_by: str = ""
    command: str = ""
    workflow: str = ""
    select: Select
    order: Order
    counts: Annotated[dict[State, int], Field(description="Partitions by state.")]
    bytes: Bytes
    spans: list[str] = []
    only: Annotated[list[str], Field(description="What the present run is limited to; empty: nothing.")] = []
    provider: str = ""
    queue: Literal["ingest", "backfill"] = "backfill"
    max_running: int | None = None
    max_failures: int | None = None
    failures: int = 0
    report_failures: bool = False
    execution: str | None = None
    closed: bool = False
    spending: Annotated[SpendingAnswer | None, Field(description="null: it has no limit in dollars.")] = None

    progress: Annotated[ProgressAnswer | None, Field(description="null: it was not watched yet.")] = None

    @classmethod
    def of(cls, found: Status, progress: Progress | None = None) -> "BackfillAnswer":
        """Return the summary of a status."""
        done = Bytes(done=found.bytes_done, wanted=found.bytes_wanted)
        facts = {name: value for name, value in asdict(found.backfill).items() if name in cls.model_fields}
        seen = ProgressAnswer(**asdict(progress)) if progress else None
        return cls(**facts | {"counts": dict(found.counts), "bytes": done, "progress": seen})

    @property
    def backfill(self) -> Backfill:
        """Return the backfill, without its tag."""
        facts = {name: getattr(self, name) for name in Backfill.__slots__ if name in type(self).model_fields}
        spending = Spending(**self.spending.model_dump()) if self.spending else None
        return Backfill(**facts | {"spans": tuple(self.spans), "only": tuple(self.only), "spending": spending})


class Cell(Answer):
    """A point in time: the state that needs attention most, and how many groups have which."""

    period: str
    state: State
    groups: dict[State, int]


class PartitionAnswer(Answer):
    """One partition of a backfill."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.PARTITION]})

    key: Annotated[str, Field(description="COLLECTION/VERSION/PERIOD/GROUP.")]
    period: str
    group: str
    state: State
    why: Annotated[str, Field(description="The failure, or the reason to wait; empty for a success.")] = ""
    size: Annotated[int, Field(description="Bytes to download, as listed.")] = 0
    downloaded: Annotated[int, Field(description="Bytes.")] = 0

    @classmethod
    def of(cls, backfill: Backfill, one: Outcome) -> "PartitionAnswer":
        """Return a partition of a status."""
        facts = {name: getattr(one, name) for name in ("period", "group", "state", "why", "size", "downloaded")}
        return cls(key=one.key(backfill), **facts)


class FileAnswer(Answer):
    """One file of a partition at its provider."""

    name: str
    url: str
    size: int | None = None
    modified: str | None = None
    parts: dict[str, str] = {}


class OutputAnswer(Answer):
    """One object that was written."""

    url: str
    size: int
    kind: str = ""
    sha256: str = ""


class PartitionDetail(PartitionAnswer):
    """One partition with all that is known of it."""

    attempt: int = 0
    seconds: float = 0
    owner: str | None = None
    reason: Annotated[str, Field(description="Why it was queued.")] = ""
    missing: list[str] = []
    updated: Annotated[str | None, Field(description="Last change, ISO 8601 UTC.")] = None
    files: list[FileAnswer] = []
    outputs: list[OutputAnswer] = []
    notes: list[str] = []
    finished: str | None = None
    manifest: Annotated[dict[str, Any] | None, Field(description="As it was committed; null: there is none.")] = None


class Happening(Answer):
    """One line of a backfill's history."""

    time: Annotated[str, Field(description="ISO 8601 UTC.")]
    run: Annotated[int | None, Field(description="Which run of the backfill.")] = None
    period: str = ""
    group: str = ""
    state: str
    text: str = ""


class PlannedAnswer(Answer):
    """What a backfill would do with one partition."""

    partition: str
    action: str
    kind: str
    reason: str
    files: int
    size: int
    scratch: int


class PlanAnswer(Answer):
    """What a backfill would do, and why."""

    totals: dict[str, Any]
    partitions: list[PlannedAnswer]
    files_set_aside: list[dict[str, Any]] = []


class ChangeAnswer(Answer):
    """What became of one document."""

    kind: str
    name: str
    change: Annotated[str, Field(description="`added`, `changed`, `unchanged` or `removed`.")]


class Populated(Answer):
    """What populating changed."""

    changes: list[ChangeAnswer]
    started: Annotated[list[str], Field(description="Onetime rules that began.")]


class ZonesAnswer(Answer):
    """A file of zones that the stack keeps."""

    name: str
    key: Annotated[str, Field(description="What `meta.process.zones` of a collection names.")]
    zones: int


class RuleAnswer(Answer):
    """A rule, and when it fires next."""

    name: str
    state: str
    document: dict[str, Any]
    next: Annotated[list[str], Field(description="ISO 8601 UTC; empty for one that is disabled or fires once.")]
    source: Annotated[str | None, Field(description="ARN of what its messages come from.")] = None
    source_state: Annotated[str | None, Field(description="`enabled`, `disabled` or `missing`.")] = None


class RuleChanged(RuleAnswer):
    """A rule after a change."""

    started: Annotated[list[str], Field(description="Onetime rules that began.")]


class SeriesAnswer(Answer):
    """One statistic of one zone over time. Lists have an item for each period."""

    collection: str
    zone: str
    name: str
    band: str
    stat: str
    unit: str
    periods: list[str]
    values: Annotated[list[float | None], Field(description="null: nothing was observed, or there is no row.")]
    valid_share: Annotated[list[float | None], Field(description="0 to 1; null: there is no row.")]
    why: Annotated[dict[str, str], Field(description="By period without a row: the reason.")] = {}


class AxisAnswer(Answer):
    """The points in time of a collection's rows."""

    periods: list[str]
    why: Annotated[dict[str, str], Field(description="By period: why a zone may have no row there.")] = {}
