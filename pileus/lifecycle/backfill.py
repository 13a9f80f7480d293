"""A backfill: a named set of partitions with a selection and limits, and a life of its own.

running ──> succeeded | incomplete | failed     every promised partition ended
   │ ^
   v │ resume, retry: a new run
paused, cancelled, failed, incomplete, succeeded
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from pileus.lifecycle.spending import Spending
from pileus.periods import Periods, Unit

State = Literal["running", "paused", "cancelled", "succeeded", "incomplete", "failed"]
Select = Literal["needed", "missing", "failed", "incomplete", "stale", "all"]
Order = Literal["oldest", "newest", "smallest"]


def run_name(id: str, run: int) -> str:
    """Return the `run`-th run of a backfill, as entries and tasks name it; `backfill_of` is its inverse.

    >>> run_name("viirs", 2), backfill_of("viirs/2")
    ('viirs/2', 'viirs')
    """
    return f"{id}/{run}"


def backfill_of(run: str) -> str:
    """Id of the backfill that a run is of."""
    return run.rpartition("/")[0]


@dataclass(frozen=True, slots=True)
class Backfill:
    """One backfill as of one moment."""

    id: str
    collection: str
    version: str
    first: str
    """ISO 8601 of the first period."""
    last: str
    """ISO 8601 of the last period, included."""
    unit: str
    spans: tuple[str, ...] = ()
    """Its points in time where the template leaves some out: each, or the first and the last of neighbours, as
    `2015-01/2015-05`. Empty: all from `first` to `last`."""
    workflow: str = "DiscoverAndProcessGranules"
    """What each point in time is handed to."""
    provider: str = ""
    """Id of the provider; empty for the template's."""
    documents: str = ""
    """Address of the documents that it uses in place of the populated ones; empty for those."""
    state: State = "running"
    run: int = 1
    """Grows with each resume and retry; what an older run queued is void."""
    tag: str = ""
    """Entity tag of the stored backfill that this one is, or follows; empty: none is stored. The index makes it."""
    select: Select = "needed"
    only: tuple[str, ...] = ()
    """What the present run is limited to: points in time, or partitions as `2015-01/GROUP`. Empty: everything."""
    order: Order = "oldest"
    queue: Literal["ingest", "backfill"] = "backfill"
    max_running: int | None = None
    max_failures: int | None = None
    failures: int = 0
    """Partitions that failed in the present run; counted only where `max_failures` is set."""
    spending: Spending | None = None
    """What its groups cost, since it began or was last retried; None: `--max-dollars` was not given."""
    report_failures: bool = False
    """Whether each failed partition is told to the topic."""
    execution: str | None = None
    """ARN of the present run's execution."""
    started_by: str = ""
    command: str = ""
    started: str = ""
    """ISO 8601 UTC."""
    ended: str | None = None
    closed: bool = False
    """Whether the record of its present run is written in S3, and tells what it came to for good."""
    untold: bool = False
    """Whether the report that it ended, was stopped or was paused is still owed to the topic."""
    problem: str | None = None
    """Why the backfill as a whole failed, if it is not for its partitions."""

    @property
    def run_name(self) -> str:
        """What its entries name as their run."""
        return run_name(self.id, self.run)

    def runs(self, run: str) -> bool:
        """Return whether it is running, and `run` is its present run: what any other run has queued is void."""
        return not self.over and self.run_name == run

    @property
    def over(self) -> bool:
        return self.state != "running"

    @property
    def periods(self) -> Periods:
        """Its points in time."""
        return Periods.parse(self.spans or [f"{self.first}/{self.last}"], Unit(self.unit))

    def groups_of(self, period: str) -> tuple[str, ...] | None:
        """Return the groups of a point in time that the present run is limited to; empty: all of them. None: none.

        >>> chosen = Backfill("b", "c", "001", "2015-01", "2015-03", "month", only=("2015-01", "2015-02/g"))
        >>> [chosen.groups_of(period) for period in ("2015-01", "2015-02", "2015-03")]
        [(), ('g',), None]
        """
        named = [one.partition("/")[2] for one in self.only if one.partition("/")[0] == period]
        if self.only and not named:
            return None
        return () if "" in named or "*" in named else tuple(named)

    def to_json(self) -> dict[str, Any]:
        value = {name: getattr(self, name) for name in self.__slots__ if getattr(self, name) not in (None, "", ())}
        return value | ({"spending": asdict(self.spending)} if self.spending else {})

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Backfill":
        spending = value.get("spending")
        spans = tuple(value.get("spans", ()))
        only = tuple(value.get("only", ()))
        return cls(**{**value, "spans": spans, "only": only, "spending": Spending(**spending) if spending else None})
