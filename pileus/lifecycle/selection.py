"""Selection: decide whether a run takes one group, and why."""

from dataclasses import dataclass
from typing import Literal

from pileus.lifecycle.backfill import Select
from pileus.lifecycle.fingerprint import Fingerprint
from pileus.lifecycle.partition import Entry
from pileus.models import Group, State

Action = Literal["run", "skip", "wait", "fail"]
Kind = Literal["new", "failed", "incomplete", "stale", "up to date", "running", "spoilt"]


OWED = {"failed": (State.failed, State.cancelled), "incomplete": (State.waiting,)}
"""What a selection picks of the outcomes of the earlier run."""


@dataclass(frozen=True, slots=True)
class Decision:
    """`reason`: one line for a person."""

    action: Action
    reason: str
    kind: Kind


def decide(
    group: Group,
    entry: Entry | None,
    now: Fingerprint,
    select: Select,
    *,
    live: bool = False,
    owed: State | None = None,
) -> Decision:
    """Return what to do with `group`, given its entry in the index and the fingerprint that a run would have now.

    `entry`: of the partition, or of the whole point in time where it failed or was cancelled before it was listed.
    `live`: whether another run may still work on it. `owed`: what the earlier run of the same backfill came to for it,
    where that is no success.

    1. Files of it had to be set aside, so that it can never be whole: fail.
    2. Not all of it is published: wait.
    3. Its last success has this fingerprint, and nothing failed since: up to date.
    4. It succeeded with another fingerprint: stale, and the difference is the reason.
    5. It failed or was cancelled, was waiting, or another run is at it: that is the reason.
    6. Otherwise it is new.

    Of 3 to 6 the selection picks: `needed` is all but what is up to date, `all` is everything. `failed` and
    `incomplete` also pick what the earlier run owes, whatever other backfills have made of it since, unless it is up
    to date.
    """
    if group.spoilt:
        return Decision("fail", "; ".join(group.spoilt), "spoilt")
    if not group.complete:
        expected = len(group.granules) + len(group.missing)
        reason = f"{len(group.granules)} of {expected} published, missing {', '.join(group.missing)}"
        return Decision("wait", reason, "incomplete")
    kind, reason = _standing(entry, now, live=live)
    picked = {
        "needed": kind != "up to date",
        "missing": kind in ("new", "incomplete", "running"),
        "failed": kind == "failed",
        "incomplete": kind == "incomplete",
        "stale": kind == "stale",
        "all": True,
    }[select]
    if picked or (kind != "up to date" and owed in OWED.get(select, ())):
        return Decision("run", reason if kind != "up to date" else "asked for again", kind)
    return Decision("skip", reason, kind)


def _standing(entry: Entry | None, now: Fingerprint, *, live: bool) -> tuple[Kind, str]:
    if entry is None:
        return "new", "new"
    if live and not entry.state.ended:
        return "running", f"{entry.run} is at it"
    if entry.state is State.failed:
        return "failed", f"failed before: {entry.failure.type if entry.failure else entry.reason or 'unknown'}"
    if entry.state is State.waiting:
        return "incomplete", "now complete"
    if entry.state is not State.succeeded:
        return "failed", "cancelled before"
    if entry.manifest is None or entry.fingerprint is None:
        return "new", "never finished"
    difference = now.difference(Fingerprint.parse(entry.fingerprint))
    return ("stale", difference) if difference else ("up to date", "up to date")
