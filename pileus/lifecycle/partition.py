"""The life of a partition or a request, as pure functions from one entry of the index to the next.

    planned ──queue──> queued ──claim──> running ──finish──> succeeded | failed | cancelled
                         ^                  │
                         └────release───────┘        (handed back, or its lease ran out: claimed again)

    queued, running ──give_up──> failed, ──stop──> cancelled, whoever has it

Each function returns the entry that follows, or None where the event has no right to move it: it comes from
another run, from a worker that lost its claim, or after the end. So events may be repeated and arrive in any
order; an entry never moves backwards. The index stores a result only if the entry has not changed meanwhile.
"""

import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

from pileus.errors import PileusError, UsageError
from pileus.lifecycle.backfill import backfill_of
from pileus.models import Partition, State
from pileus.subject import Subject, parse_subject


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a partition failed: the error's type, one line for a person, and what it failed on."""

    type: str
    message: str
    where: str | None = None

    def __str__(self) -> str:
        return f"{self.type}: {self.where + ': ' if self.where else ''}{self.message}"

    @classmethod
    def of(cls, error: Exception) -> "Failure":
        """Return the failure that an error is. `where` of one that is none of Pileus: the line that raised it."""
        if isinstance(error, PileusError):
            return cls(type(error).__name__, error.message, error.where)
        last = traceback.extract_tb(error.__traceback__)[-1]
        return cls(type(error).__name__, str(error), f"{last.filename.rpartition('/')[2]}:{last.lineno}")


PAST = 20
"""Most steps of an entry's past that are kept: the latest."""
LONGEST = 200
"""Characters of what is said of one."""


class Step(NamedTuple):
    """One step in the life of an entry."""

    time: float
    """Unix time."""
    run: int
    """Number of the run."""
    state: str
    """The state that it came to."""
    text: str
    """One line: why, or who."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One subject in the index."""

    subject: Subject
    """What it is about: a partition, or a request."""
    state: State
    run: str
    """`BACKFILL/N`: the N-th run of the backfill that last queued it. Of a request `KEY/N`: its own N-th run."""
    tag: str = ""
    """Entity tag of the stored entry that this one is, or follows; empty: none is stored. The index makes it."""
    reason: str = ""
    """Why it was queued, or what it waits for."""
    fingerprint: str | None = None
    attempt: int = 0
    """Times a worker took it in this run and did not hand it back."""
    owner: str | None = None
    """Name of the worker that has it."""
    claim: str | None = None
    """Token of the owner's claim, never used twice."""
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
    told: bool = False
    """Whether the topic was told that it has failed."""
    extra: dict[str, Any] = field(default_factory=dict)
    timing: Mapping[str, Any] = field(default_factory=dict)
    """Where its time went, as `pileus.timing.Timing` writes it; of one that is queued, the listing of its point."""
    past: tuple[Step, ...] = ()
    """The steps that it took, in every run of the backfill that last queued it, the latest last."""

    @property
    def partition(self) -> Partition:
        """The subject, where it is a partition. Raises UsageError where it is not."""
        subject = self.subject
        if isinstance(subject, Partition):
            return subject
        raise UsageError("is no partition", where=subject.key)

    @property
    def backfill(self) -> str:
        return backfill_of(self.run)

    @property
    def number(self) -> int:
        """Of the run, within its backfill."""
        return int(self.run.rpartition("/")[2])

    @property
    def has_silent_claims(self) -> bool:
        """Whether a worker that fell silent may still hold the right to commit: more have taken it in this run than
        its state tells of.
        """
        return self.state is not State.succeeded and self.attempt > (1 if self.state.ended else 0)

    def to_json(self) -> dict[str, Any]:
        value = {name: getattr(self, name) for name in self.__slots__ if getattr(self, name) not in (None, (), {})}
        subject = value.pop("subject")
        value |= {"partition" if subject.kind == "partition" else "subject": subject.key, "state": str(self.state)}
        if not self.told:
            del value["told"]
        if self.failure:
            value["failure"] = {name: getattr(self.failure, name) for name in Failure.__slots__}
        return value

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Entry":
        failure = value.get("failure")
        changed = {
            "subject": Partition.parse(value["partition"]) if "partition" in value else parse_subject(value["subject"]),
            "state": State(value["state"]),
            "missing": tuple(value.get("missing", ())),
            "failure": Failure(**failure) if failure else None,
            "past": tuple(Step(*step) for step in value.get("past", ())),
        }
        made = {**value, **changed}
        made.pop("partition", None)
        return cls(**made)


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


def _next(entry: Entry, now: float, text: str | None = None, *, of: Entry | None = None, **changes: Any) -> Entry:
    """Return the entry after a step, and write the step down. `text`: what is said of it; None: its failure or reason.
    `of`: whose past goes on; None: its own.
    """
    following = replace(entry, updated=now, **changes)
    past = (of or entry).past if (of or entry).backfill == following.backfill else ()
    if text is None:
        text = str(following.failure) if following.failure else following.reason
    step = Step(round(now, 3), following.number, str(following.state), text[:LONGEST])
    return replace(following, past=(*past, step)[-PAST:])


def busy(entry: Entry, *, now: float, live: bool) -> bool:
    """Return whether somebody may still work on it. `live`: whether the run that the entry names is running."""
    return not entry.state.ended and (live or entry.lease > now)


def _later(entry: Entry, wanted: Entry) -> bool:
    """Return whether the entry is of a later run of the same backfill: the step of the older run came too late."""
    return entry.backfill == wanted.backfill and entry.number > wanted.number


def queue(entry: Entry | None, wanted: Entry, *, now: float, live: bool) -> Entry | None:
    """Queue `wanted`, unless another run has the partition.

    `live`: whether the run that the entry names may still work on it. Asked twice within one run the answer is
    the same entry, so that a step repeated by the workflow sends its message again.
    """
    if entry is None:
        return _next(wanted, now, state=State.queued)
    if entry.run == wanted.run and entry.state is not State.waiting:
        return entry if entry.state is State.queued else None
    if entry.run != wanted.run and (busy(entry, now=now, live=live) or _later(entry, wanted)):
        return None
    return _next(wanted, now, of=entry, state=State.queued, manifest=entry.manifest, tag=entry.tag)


def wait(entry: Entry | None, wanted: Entry, *, now: float, live: bool) -> Entry | None:
    """Note that not all of the group is published yet. The manifest of an earlier success stays."""
    if entry is not None and entry.run != wanted.run and (busy(entry, now=now, live=live) or _later(entry, wanted)):
        return None
    tag, manifest = (entry.tag, entry.manifest) if entry else ("", None)
    return _next(wanted, now, of=entry, state=State.waiting, tag=tag, manifest=manifest)


def fail(entry: Entry | None, wanted: Entry, failure: Failure, *, now: float, live: bool) -> Entry | None:
    """Note that the partition failed before it could be queued."""
    if entry is not None and (entry.run, entry.state) == (wanted.run, State.failed):
        return None  # noted already, and nearer to the cause
    waiting = wait(entry, wanted, now=now, live=live)
    return _next(waiting, now, of=entry or wanted, state=State.failed, failure=failure) if waiting else None


def claim(entry: Entry | None, run: str, owner: str, token: str, *, lease: float, now: float) -> Entry | None:
    """Make `owner` the one worker of the partition until `lease`; `token` tells this claim from every other."""
    if entry is None or entry.run != run:
        return None
    if entry.state is State.queued or (entry.state is State.running and entry.lease <= now):
        attempt = entry.attempt + 1
        lost = f", after {entry.owner} was silent" if entry.state is State.running else ""
        return _next(
            entry,
            now,
            f"{owner}, attempt {attempt}{lost}",
            state=State.running,
            owner=owner,
            claim=token,
            lease=lease,
            attempt=attempt,
        )
    return None


def renew(entry: Entry, token: str, *, lease: float, now: float, downloaded: int = 0) -> Entry | None:
    """Extend the lease, and note how many bytes are here."""
    return replace(entry, updated=now, lease=lease, downloaded=downloaded) if claimed(entry, token) else None


def release(entry: Entry, token: str, *, now: float) -> Entry | None:
    """Hand back: the next worker may take it at once, and the attempt does not count."""
    if not claimed(entry, token):
        return None
    return _next(entry, now, f"handed back by {entry.owner}", state=State.queued, attempt=entry.attempt - 1, **_FREE)


def finish(entry: Entry, token: str, state: State, *, now: float, **facts: Any) -> Entry | None:
    """End it as `succeeded`, `failed` or `cancelled`; `facts` are fields of the entry."""
    if not claimed(entry, token):
        return None
    facts = {"failure": None, **facts}
    text = None if facts["failure"] or "reason" in facts else ""
    return _next(entry, now, text, state=state, **_FREE, **facts)


def give_up(entry: Entry | None, run: str, failure: Failure, *, now: float) -> Entry | None:
    """Fail it, whichever worker had it: the workflow waited too long, or the last worker died."""
    if entry is None or entry.run != run or entry.state.ended:
        return None
    return _next(entry, now, state=State.failed, failure=failure, **_FREE)


def stop(entry: Entry | None, run: str, reason: str, *, now: float) -> Entry | None:
    """Cancel it, whichever worker has it. `reason`: who or what stopped it, in one line."""
    if entry is None or entry.run != run or entry.state.ended:
        return None
    return _next(entry, now, state=State.cancelled, reason=reason, **_FREE)


def void(entry: Entry, run: str, *, now: float) -> Entry | None:
    """Take the claim from whoever has it in `run`: no later write of that claim is accepted.

    Return the same entry where nobody has a claim, and None where this run has nothing to end there.
    """
    if entry.run != run or entry.state.ended:
        return None
    return replace(entry, updated=now, **_FREE) if entry.claim else entry


def claimed(entry: Entry | None, token: str) -> bool:
    """Return whether the claim `token` is still that of the partition."""
    return entry is not None and entry.state is State.running and entry.claim == token


_FREE: dict[str, Any] = {"owner": None, "claim": None, "lease": 0}


def seen_from(entry: Standing, backfill: str, *, run_ended: bool, now: float) -> State:
    """Return the state to show in `backfill` of a partition that it has not ended itself.

    `run_ended`: whether the run that the entry names has ended (paused, cancelled, or over).
    """
    if entry.backfill == backfill:
        left = not entry.state.ended and run_ended and entry.lease <= now
        return State.cancelled if left else entry.state
    if entry.state is State.succeeded:
        return State.skipped
    return State.planned if entry.state.ended or run_ended else State.queued
