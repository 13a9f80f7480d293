"""Plan: what would be done with one group, and why."""

from dataclasses import dataclass
from typing import Literal

from pileus.lifecycle.backfill import Select
from pileus.lifecycle.fingerprint import Fingerprint
from pileus.lifecycle.partition import Entry
from pileus.models import Group, State

Action = Literal["run", "skip", "wait"]


@dataclass(frozen=True, slots=True)
class Decision:
    """`reason`: one line for a person."""

    action: Action
    reason: str
    kind: Literal["new", "failed", "incomplete", "stale", "up to date"]


def decide(group: Group, entry: Entry | None, now: Fingerprint, select: Select) -> Decision:
    """What to do with `group`, given its entry in the index and the fingerprint that a run would have now.

    1. Not all of it is published: wait.
    2. Its last success has this fingerprint, and nothing failed since: up to date.
    3. It succeeded with another fingerprint: stale, and the difference is the reason.
    4. It failed, was cancelled or was waiting: that is the reason.
    5. Otherwise it is new.

    Of 2 to 5 the selection picks: `needed` is all but what is up to date, `all` is everything.
    """
    if not group.complete:
        expected = len(group.granules) + len(group.missing)
        reason = f"{len(group.granules)} of {expected} published, missing {', '.join(group.missing)}"
        return Decision("wait", reason, "incomplete")
    kind, reason = _standing(entry, now)
    picked = {
        "needed": kind != "up to date",
        "missing": kind in ("new", "incomplete"),
        "failed": kind == "failed",
        "incomplete": kind == "incomplete",
        "stale": kind == "stale",
        "all": True,
    }[select]
    if picked:
        return Decision("run", reason if kind != "up to date" else "asked for again", kind)
    return Decision("skip", reason, kind)


def _standing(
    entry: Entry | None, now: Fingerprint
) -> tuple[Literal["new", "failed", "incomplete", "stale", "up to date"], str]:
    if entry is None:
        return "new", "new"
    if entry.state is State.failed:
        return "failed", f"failed before: {entry.failure.type if entry.failure else 'unknown'}"
    if entry.state is State.waiting:
        return "incomplete", "now complete"
    if entry.manifest is None or entry.fingerprint is None:
        return "new", "never finished"
    if entry.state is not State.succeeded:
        return "failed", f"{entry.state} before"
    difference = now.difference(Fingerprint.parse(entry.fingerprint))
    return ("stale", difference) if difference else ("up to date", "up to date")
