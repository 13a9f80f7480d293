"""The live index: partitions, requests and backfills. Each write is a compare-and-swap on the entity tag.

A tag is random and used once. So an index that was lost and rebuilt refuses every write with an older tag.
"""

import threading
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol, cast
from uuid import uuid4

from pileus.cirrus.rows import BY_CHANGE, BY_STATE, moment, places
from pileus.errors import Conflict, StoreError
from pileus.lifecycle.backfill import Backfill, backfill_of
from pileus.lifecycle.partition import Entry
from pileus.models import State, safe
from pileus.subject import Subject


class Brief(NamedTuple):
    """The fields of an entry that a grid shows. It is small, because there may be a hundred thousand."""

    period: str
    group: str
    state: State
    run: str
    lease: float
    size: int
    """Bytes to download."""
    downloaded: int
    """Bytes."""
    why: str
    """The failure, or the reason to wait; empty for a success."""

    @property
    def backfill(self) -> str:
        return backfill_of(self.run)


@dataclass(frozen=True, slots=True)
class PayloadQuery:
    """Which payloads of Cirrus, and in which order."""

    scope: str
    """Of their subjects."""
    state: str = ""
    """As Cirrus names it; empty: all."""
    since: float | None = None
    """Unix time of the earliest last change; None: all."""
    by_state: bool = False
    """Sorted by state first, and only then by last change; needless with a state."""
    ascending: bool = False
    """Oldest change first, and not newest."""

    @property
    def sorted_by(self) -> str:
        """The attribute that they are sorted by."""
        return BY_STATE if self.state or (self.by_state and self.since is None) else BY_CHANGE

    @property
    def span(self) -> tuple[str, str] | None:
        """First and last value of that attribute; None: all."""
        if not self.state and self.since is None:
            return None
        head = f"{self.state}_" if self.state else ""
        return head + (moment(self.since) if self.since is not None else ""), f"{head}~"

    def within(self, place: str) -> str:
        """Return the value nearest to this one within the span: a span that begins a day ago moves between pages."""
        return min(max(place, self.span[0]), self.span[1]) if self.span else place


class Index(Protocol):
    """Every method raises StoreError when the store refuses."""

    def entry(self, subject: Subject) -> Entry | None:
        """Return the entry of the subject as it is now; None where there is none."""

    def several(self, subjects: Collection[Subject]) -> list[Entry]:
        """Return the entries of those subjects that have one, in no order."""

    def listing(self, scope: str, *, limit: int, after: str = "", backwards: bool = False) -> list[Entry]:
        """Return the first `limit` entries of a scope in order of their items; `backwards`: the last, last first.

        `after`: the item after which the page begins; empty: at the first. Fewer than `limit`: there are no more.
        """

    def payloads(self, wanted: PayloadQuery, *, limit: int, after: tuple[str, str] | None = None) -> list[Entry]:
        """Return the first `limit` payloads that are wanted. `after`: value of the attribute that they are sorted by,
        and item, of the one after which the page begins. Fewer than `limit`: there are no more.
        """

    def count_payloads(self, wanted: PayloadQuery, *, limit: int) -> int:
        """Return how many payloads are wanted; about `limit`, and more than it, where there are more."""

    def entries(self, collection: str, version: str, first: str, last: str) -> Iterator[Entry]:
        """Yield the entries with a period (ISO 8601) from `first` to `last`, both included, in order of key."""

    def briefs(self, collection: str, version: str, first: str, last: str) -> Iterator[Brief]:
        """Yield the same entries in brief, in order of period: a hundred thousand in about a second."""

    def put(self, entry: Entry) -> Entry:
        """Store an entry in place of the one with its tag, and return it with its new tag. Raises Conflict when the tag
        differs.

        When the answer to a write was lost, the retry finds the write and counts as done.
        """

    def remove(self, entry: Entry) -> None:
        """Delete an entry. Raises Conflict when it has changed."""

    def backfill(self, id: str) -> Backfill | None:
        """Return the backfill as it is now; None where there is none."""

    def backfills(self) -> Iterator[Backfill]:
        """Yield all backfills, newest first."""

    def put_backfill(self, backfill: Backfill) -> Backfill:
        """Store a backfill in place of the one with its tag, and return it with its new tag. Raises Conflict as `put`
        does.
        """

    def remove_backfill(self, backfill: Backfill) -> None:
        """Delete a backfill. Raises Conflict when it has changed."""


_UNREAD = object()


def change(
    index: Index,
    subject: Subject,
    step: Callable[[Entry | None], Entry | None],
    known: Entry | object | None = _UNREAD,
) -> Entry | None:
    """Store what `step` makes of a subject's entry, and return it; None when `step` returned None.

    After each conflict the entry is read and `step` called again. `known`: the entry, if it was read just before.
    """
    for attempt in range(100):
        stored = index.entry(subject) if attempt or known is _UNREAD else known
        following = step(cast(Entry | None, stored))
        if following is None:
            return None
        try:
            return index.put(following)
        except Conflict:
            continue
    raise StoreError("changed a hundred times while one change was tried", where=subject.key)


def change_backfill(index: Index, id: str, step: Callable[[Backfill], Backfill | None]) -> Backfill | None:
    """Store what `step` makes of a backfill, as `change` does. Return it; None when there is none, or `step` returned
    None.
    """
    for _ in range(100):
        now = index.backfill(id)
        following = step(now) if now else None
        if following is None:
            return None
        try:
            return index.put_backfill(following)
        except Conflict:
            continue
    raise StoreError("changed a hundred times while one change was tried", where=id)


def new_tag() -> str:
    """Return an entity tag that was never used."""
    return uuid4().hex


def brief(entry: Entry) -> Brief:
    """Return the brief of an entry."""
    partition = entry.partition
    numbers = (entry.lease, entry.size, entry.downloaded)
    return Brief(partition.period, partition.group, entry.state, entry.run, *numbers, why(entry))


def why(entry: Entry) -> str:
    """Return one line: the failure, or the reason to wait; empty for a success."""
    if entry.state is State.succeeded:
        return ""
    return str(entry.failure) if entry.failure else entry.reason


class MemoryIndex:
    """An index in memory, for work without AWS."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._backfills: dict[str, Backfill] = {}
        self._lock = threading.Lock()

    def entry(self, subject: Subject) -> Entry | None:
        return self._entries.get(subject.key)

    def several(self, subjects: Collection[Subject]) -> list[Entry]:
        return [self._entries[subject.key] for subject in subjects if subject.key in self._entries]

    def listing(self, scope: str, *, limit: int, after: str = "", backwards: bool = False) -> list[Entry]:
        mine = {entry.subject.item: entry for entry in [*self._entries.values()] if entry.subject.scope == scope}
        items = sorted(mine, reverse=backwards)
        left = [item for item in items if not after or (item < after if backwards else item > after)]
        return [mine[item] for item in left[:limit]]

    def payloads(self, wanted: PayloadQuery, *, limit: int, after: tuple[str, str] | None = None) -> list[Entry]:
        found = sorted(self._wanted(wanted), key=lambda pair: pair[0], reverse=not wanted.ascending)
        left = [e for at, e in found if after is None or (at > after if wanted.ascending else at < after)]
        return left[:limit]

    def count_payloads(self, wanted: PayloadQuery, *, limit: int) -> int:
        return min(len(self._wanted(wanted)), limit + 1)

    def _wanted(self, wanted: PayloadQuery) -> list[tuple[tuple[str, str], Entry]]:
        mine = [entry for entry in [*self._entries.values()] if entry.subject.scope == wanted.scope]
        found = [((places(entry)[wanted.sorted_by], entry.subject.item), entry) for entry in mine]
        span = wanted.span
        return [(at, entry) for at, entry in found if span is None or span[0] <= at[0] <= span[1]]

    def entries(self, collection: str, version: str, first: str, last: str) -> Iterator[Entry]:
        head = f"{safe(collection)}/{safe(version)}/"
        for key in sorted(self._entries):
            if key.startswith(head) and first <= self._entries[key].partition.period <= last:
                yield self._entries[key]

    def briefs(self, collection: str, version: str, first: str, last: str) -> Iterator[Brief]:
        return map(brief, self.entries(collection, version, first, last))

    def put(self, entry: Entry) -> Entry:
        with self._lock:
            key = entry.subject.key
            stored = self._entries.get(key)
            if (stored.tag if stored else "") != entry.tag:
                raise Conflict("changed meanwhile", where=key)
            self._entries[key] = entry = replace(entry, tag=new_tag())
            return entry

    def remove(self, entry: Entry) -> None:
        with self._lock:
            key = entry.subject.key
            if self._entries.get(key) != entry:
                raise Conflict("changed meanwhile", where=key)
            del self._entries[key]

    def backfill(self, id: str) -> Backfill | None:
        return self._backfills.get(id)

    def backfills(self) -> Iterator[Backfill]:
        yield from sorted(self._backfills.values(), key=lambda backfill: backfill.started, reverse=True)

    def put_backfill(self, backfill: Backfill) -> Backfill:
        with self._lock:
            stored = self._backfills.get(backfill.id)
            if (stored.tag if stored else "") != backfill.tag:
                raise Conflict("changed meanwhile", where=backfill.id)
            self._backfills[backfill.id] = backfill = replace(backfill, tag=new_tag())
            return backfill

    def remove_backfill(self, backfill: Backfill) -> None:
        with self._lock:
            if self._backfills.get(backfill.id) != backfill:
                raise Conflict("changed meanwhile", where=backfill.id)
            del self._backfills[backfill.id]
