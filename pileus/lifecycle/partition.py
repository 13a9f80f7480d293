"""The life of a partition, as pure functions from one entry of the index to the next.

    planned ──queue──> queued ──claim──> running ──finish──> succeeded | failed | cancelled
                         ^                  │
                         └────release───────┘        (handed back, or its lease ran out: claimed again)

Each function answers the entry that follows, or None where the event has no right to move it: it comes from
another run, from a worker that lost its lease, or after the end. So events may be repeated and arrive in any
order; an entry never moves backwards. The index stores an answer only if the entry has not changed meanwhile.
"""

from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from pileus.lifecycle.backfill import backfill_of
from pileus.models import Partition, State


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a partition failed: the error's type, one line for a person, and what it failed on."""

    type: str
    message: str
    where: str | None = None

    def __str__(self) -> str:
        return f"{self.type}: {self.where + ': ' if self.where else ''}{self.message}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One partition in the index."""

    partition: Partition
    state: State
    run: str
    """`BACKFILL/N`: the N-th run of the backfill that last queued it."""
    revision: int = 0
    """Grows with each change."""
    reason: str = ""
    """Why it was queued, or what it waits for."""
    fingerprint: str | None = None
    attempt: int = 0
    """Times a worker took it in this run and did not hand it back."""
    owner: str | None = None
    lease: float = 0
    """Unix time until which the owner has it."""
    files: int = 0
    size: int = 0
    """Bytes to download, as listed; files of unknown size count 0."""
    missing: tuple[str, ...] = ()
    failure: Failure | None = None
    downloaded: int = 0
    """Bytes."""
    seconds: float = 0
    manifest: str | None = None
    """Address of the manifest of the last success."""
    updated: float = 0
    """Unix time."""
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def backfill(self) -> str:
        return backfill_of(self.run)

    def to_json(self) -> dict[str, Any]:
        value = {name: getattr(self, name) for name in self.__slots__ if getattr(self, name) not in (None, (), {})}
        value |= {"partition": self.partition.key, "state": str(self.state)}
        if self.failure:
            value["failure"] = {name: getattr(self.failure, name) for name in Failure.__slots__}
        return value

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Entry":
        failure = value.get("failure")
        changed = {
            "partition": Partition.parse(value["partition"]),
            "state": State(value["state"]),
            "missing": tuple(value.get("missing", ())),
            "failure": Failure(**failure) if failure else None,
        }
        return cls(**{**value, **changed})


class Standing(Protocol):
    """Of an entry, what tells where it stands."""

    @property
    def state(self) -> State: ...
    @property
    def run(self) -> str: ...
    @property
    def backfill(self) -> str: ...
    @property
    def lease(self) -> float: ...


def _next(entry: Entry, now: float, **changes: Any) -> Entry:
    return replace(entry, revision=entry.revision + 1, updated=now, **changes)


def queue(entry: Entry | None, wanted: Entry, *, now: float, live: bool) -> Entry | None:
    """Queue `wanted`, unless a live run has the partition.

    `live`: whether the run that the entry names may still work on it. Asked twice within one run the answer is
    the same entry, so that a step repeated by the workflow sends its message again.
    """
    if entry is None:
        return replace(wanted, state=State.queued, revision=1, updated=now)
    if entry.run == wanted.run:
        return entry if entry.state is State.queued else None
    if not entry.state.ended and (live or entry.lease > now):
        return None
    queued = replace(wanted, state=State.queued, manifest=entry.manifest, revision=entry.revision)
    return _next(queued, now)


def wait(entry: Entry | None, wanted: Entry, *, now: float, live: bool) -> Entry | None:
    """Note that not all of the group is published yet. A success of old is not forgotten: its manifest stays."""
    if entry is not None and not entry.state.ended and (live or entry.lease > now) and entry.run != wanted.run:
        return None
    revision, manifest = (entry.revision, entry.manifest) if entry else (0, None)
    return _next(replace(wanted, state=State.waiting, revision=revision, manifest=manifest), now)


def claim(entry: Entry | None, run: str, owner: str, *, lease: float, now: float) -> Entry | None:
    """Make `owner` the one worker of the partition until `lease`."""
    if entry is None or entry.run != run:
        return None
    if entry.state is State.queued or (entry.state is State.running and entry.lease <= now):
        return _next(entry, now, state=State.running, owner=owner, lease=lease, attempt=entry.attempt + 1)
    return None


def renew(entry: Entry, owner: str, *, lease: float, now: float, downloaded: int = 0) -> Entry | None:
    """Sign of life: the lease is longer, and so many bytes are here."""
    return _next(entry, now, lease=lease, downloaded=downloaded) if _owned(entry, owner) else None


def release(entry: Entry, owner: str, *, now: float) -> Entry | None:
    """Hand back: the next worker may take it at once, and no one has died on it."""
    if not _owned(entry, owner):
        return None
    return _next(entry, now, state=State.queued, owner=None, lease=0, attempt=entry.attempt - 1)


def finish(entry: Entry, owner: str, state: State, *, now: float, **facts: Any) -> Entry | None:
    """End it as `succeeded`, `failed` or `cancelled`; `facts` are fields of the entry."""
    if not _owned(entry, owner):
        return None
    return _next(entry, now, state=state, owner=None, lease=0, **{"failure": None, **facts})


def give_up(entry: Entry | None, run: str, failure: Failure, *, now: float) -> Entry | None:
    """The workflow waited too long, or the last worker died: failed, whoever had it."""
    if entry is None or entry.run != run or entry.state.ended:
        return None
    return _next(entry, now, state=State.failed, owner=None, lease=0, failure=failure)


def _owned(entry: Entry, owner: str) -> bool:
    return entry.state is State.running and entry.owner == owner


def seen_from(entry: Standing, backfill: str, *, run_ended: bool, now: float) -> State:
    """The state to show in `backfill`: another's success was skipped here; what an ended run left is cancelled.

    `run_ended`: whether the run that the entry names has ended (paused, cancelled, or over).
    """
    if entry.state is State.succeeded and entry.backfill != backfill:
        return State.skipped
    if not entry.state.ended and run_ended and entry.lease <= now:
        return State.cancelled
    return entry.state
