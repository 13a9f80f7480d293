"""What a person or a program is shown of a run, whatever it is about."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pileus.backfills.record import run_url
from pileus.lifecycle.partition import Entry, Failure
from pileus.models import State
from pileus.runs.record import input_of
from pileus.subject import Asked, Request, Subject, parse_subject
from pileus.wiring import Edges


@dataclass(frozen=True, slots=True)
class Run:
    """The latest run of one subject, as of one moment."""

    subject: Subject
    """What it is about."""
    state: State
    run: str
    """Who queued it: `BACKFILL/N`; of a request its own key, `KEY/N`."""
    number: int
    """N: each rerun of a request, or each retry of a backfill, counts one more."""
    attempt: int
    """Times that workers took it in this run and did not hand it back."""
    reason: str
    """Why it was queued, what it waits for, or who stopped it; empty: nothing is to be said."""
    failure: Failure | None
    created: str | None
    """ISO 8601 UTC, when the run was asked for; None where that is not kept: of partitions."""
    started: str | None
    """ISO 8601 UTC, when a worker first took it; None: none has, or it is a partition's."""
    updated: str
    """ISO 8601 UTC, of the last change; of a run that has ended, its end."""
    ended: str | None
    """ISO 8601 UTC; None while it goes on."""
    seconds: float
    """That a worker took; 0 before the end."""
    downloaded: int
    """Bytes so far."""
    input: str
    """Address of the input document; of a partition, of the list of groups that it was queued with."""
    output: str | None
    """Address of the result document, of a partition the manifest; None without a success."""

    @property
    def key(self) -> str:
        """Names the run's subject in every command and address."""
        return self.subject.key

    @property
    def kind(self) -> str:
        """`partition`, `request`, `workflow` or `payload`."""
        return self.subject.kind

    @property
    def process(self) -> str | None:
        """Id of the process that it is of; None of a partition."""
        return self.subject.name if isinstance(self.subject, Request) else None

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Run":
        """Raises UsageError for what is no key."""
        facts = {name: value[name] for name in cls.__slots__ if name not in ("subject", "failure", "state")}
        failure = Failure(**value["failure"]) if value["failure"] else None
        return cls(subject=parse_subject(value["key"]), state=State(value["state"]), failure=failure, **facts)

    def to_json(self) -> dict[str, Any]:
        value: dict[str, Any] = {"key": self.key, "kind": self.kind}
        value |= {name: getattr(self, name) for name in self.__slots__ if name not in ("subject", "failure")}
        told = {name: getattr(self.failure, name) for name in Failure.__slots__} if self.failure else None
        return value | {"state": str(self.state), "failure": told}


def view(edges: Edges, entry: Entry) -> Run:
    """Return what is shown of an entry of the index."""
    updated, subject = _iso(entry.updated), entry.subject
    return Run(
        subject=subject,
        state=entry.state,
        run=entry.run,
        number=entry.number,
        attempt=entry.attempt,
        reason=entry.reason,
        failure=entry.failure,
        created=_iso(entry.extra["created"]) if "created" in entry.extra else None,
        started=_iso(entry.extra["started"]) if "started" in entry.extra else None,
        updated=updated,
        ended=updated if entry.state.ended else None,
        seconds=entry.seconds,
        downloaded=entry.downloaded,
        input=input_of(edges, entry) if isinstance(subject, Asked) else _groups(edges, entry),
        output=entry.manifest if subject.kind == "partition" or entry.state is State.succeeded else None,
    )


def _groups(edges: Edges, entry: Entry) -> str:
    return run_url(edges, entry.backfill, entry.number, f"groups/{entry.partition.period}.json")


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
