"""The state of payloads as Cirrus's read API tells it: one, a page of them, how many, and how they change."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from pileus.cirrus.changes import DAY, DAYS, Change, changes_of, transitions
from pileus.cirrus.events import page_of
from pileus.cirrus.rows import STATES, attributes, moment, places
from pileus.cirrus.states import cirrus_state
from pileus.edges.index import PayloadQuery
from pileus.edges.store import split
from pileus.errors import UsageError
from pileus.lifecycle.partition import Entry
from pileus.models import State
from pileus.near import unknown
from pileus.runs.read import find_entry
from pileus.runs.record import FOLDERS, input_of
from pileus.subject import PayloadId
from pileus.wiring import Edges

MOST_GROUPS = 1000
"""Pairs of collections and workflow that are told of one stack."""
MOST_READ = 20_000
"""Payloads that are read for the counts of changes."""
Sorting = Literal["default", "updated", "state_updated"]


class Group(NamedTuple):
    """Payloads of the same collections and workflow: what Cirrus lists together."""

    collections: str
    workflow: str

    @property
    def scope(self) -> str:
        """Of their subjects."""
        return f"{PayloadId.kind}:{self.collections}_{self.workflow}"


class Place(NamedTuple):
    """Where a payload is in a sorted list."""

    value: str
    """That the list is sorted by."""
    item: str
    """Ids of its items."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which payloads of a group are asked for, and how they are sorted."""

    state: str | None = None
    """As Cirrus names it; None: all."""
    since: float | None = None
    """Unix time of the earliest last change; None: all."""
    sorting: Sorting = "updated"
    """`default`: by the ids of their items. With a state or a time, by last change."""
    ascending: bool = False

    def __post_init__(self) -> None:
        if self.state is not None and self.state not in STATES:
            raise UsageError(unknown("state", self.state, STATES))

    def query(self, group: Group) -> PayloadQuery:
        """Return what the index is asked."""
        by_state = self.sorting == "state_updated"
        return PayloadQuery(group.scope, self.state or "", self.since, by_state=by_state, ascending=self.ascending)

    @property
    def by_item(self) -> bool:
        """Whether they are sorted by the ids of their items."""
        return self.sorting == "default" and self.state is None and self.since is None


def groups(edges: Edges) -> Iterator[Group]:
    """Yield the groups that have payloads, up to a thousand, by the places of their inputs: one listing of S3 each."""
    head, after = edges.internal(f"{FOLDERS['payload']}/"), ""
    for _ in range(MOST_GROUPS):
        url = next((url for url, _ in edges.store.list(head, after=after)), None)
        if url is None:
            return
        collections, _, rest = split(url)[1].removeprefix(split(head)[1]).partition("/workflow-")
        workflow = rest.partition("/")[0]
        yield Group(collections, workflow)
        after = f"{head}{collections}/workflow-{workflow}0"  # what follows the slash in the order of keys


def item(edges: Edges, id: str) -> dict[str, Any]:
    """Return the state of the payload of an id. Raises DocumentError for what is no id, NotFound."""
    return told(edges, find_entry(edges, PayloadId.of(id).key))


def told(edges: Edges, entry: Entry) -> dict[str, Any]:
    """Return what Cirrus tells of a payload. `catid` and `catalog` are older names that its dashboard reads."""
    subject = entry.subject
    assert isinstance(subject, PayloadId)
    row, url = attributes(entry), input_of(edges, entry)
    facts = {name: row[name] for name in ("created", "updated", "claimed_at", "last_error") if name in row}
    return {
        "payload_id": str(subject),
        "collections": subject.collections,
        "workflow": subject.workflow,
        "items": subject.id,
        "state": cirrus_state(entry),
        **facts,
        "input_payload_url": url,
        "output_payload_url": entry.manifest if entry.state is State.succeeded else None,
        "executions": [page_of(arn) for arn in entry.extra["executions"]],
        "catid": str(subject),
        "catalog": url,
    }


def page(
    edges: Edges, group: Group, asked: Asked, *, limit: int, after: Place | None = None
) -> tuple[list[dict[str, Any]], Place | None]:
    """Return a page of payloads, and after which place the next begins; None: this is the last."""
    query = asked.query(group)
    if asked.by_item:
        item, backwards = after.item if after else "", not asked.ascending
        found = edges.index.listing(group.scope, limit=limit + 1, after=item, backwards=backwards)
    else:
        found = edges.index.payloads(query, limit=limit + 1, after=after)
    more = _place(query, found[limit - 1]) if len(found) > limit else None
    return [told(edges, entry) for entry in found[:limit]], more


def place_of(edges: Edges, group: Group, asked: Asked, id: str) -> Place:
    """Return where a payload is by now. Raises DocumentError for what is no id, NotFound."""
    return _place(asked.query(group), find_entry(edges, PayloadId.of(id).key))


def _place(query: PayloadQuery, entry: Entry) -> Place:
    return Place(places(entry)[query.sorted_by], entry.subject.item)


def summary(edges: Edges, group: Group, *, since: float | None, limit: int) -> dict[str, Any]:
    """Return how many payloads of a group are in each state; `LIMIT+` where there are more."""
    counts: dict[str, int | str] = {}
    for state in STATES:
        counted = edges.index.count_payloads(Asked(state, since).query(group), limit=limit)
        counts[state] = f"{limit}+" if counted > limit else counted
    return {"collections": group.collections, "workflow": group.workflow, "counts": counts}


def stats(edges: Edges) -> dict[str, Any]:
    """Return how payloads have changed: counts a day, an hour and in the last hours, by state and by workflow.

    They are counted from what the index remembers of each payload, its last twenty changes, and of no more than 20,000
    payloads: those of each group that changed last. `complete_after` says after when nothing is left out; None: of 60
    days nothing is.
    """
    now, found = edges.now(), [*groups(edges)]
    share, after, read = max(1, MOST_READ // max(1, len(found))), 0.0, 0
    changes: list[Change] = []
    for group in found:
        query = PayloadQuery(group.scope, since=now - DAYS * DAY)
        entries = edges.index.payloads(query, limit=share + 1)
        if len(entries) > share:
            after = max(after, entries[share].updated)
        changes += [change for entry in entries[:share] for change in changes_of(entry, group.workflow)]
        read += len(entries[:share])
    return {
        "state_transitions": transitions(changes, now=now, after=after),
        "payloads": read,
        "complete_after": moment(after) if after else None,
    }
