"""Look at granules: one, or a page of many."""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from pileus.edges.store import load
from pileus.errors import NotFound
from pileus.granules import record
from pileus.granules.record import GranuleFile, GranuleRecord
from pileus.keys import segment
from pileus.lifecycle.partition import Entry
from pileus.models import Output, Partition, State
from pileus.outputs.commit import manifest_of
from pileus.subject import parse_subject
from pileus.wiring import Edges

PARALLEL = 16
"""Records that are read at once."""
MOST_READ = 5000
"""Records that are read for one page: then a page may end before it is full, and the next goes on."""


@dataclass(frozen=True, slots=True)
class GranuleView:
    """One granule as of one moment."""

    collection: str
    version: str
    id: str
    state: State | None
    """That of what last worked on it; None where that is gone."""
    why: str
    """The failure, or what it waits for; empty: nothing is to be said."""
    subject: str
    """Key of what last worked on it: a partition, or the run of a workflow."""
    files: tuple[GranuleFile, ...]
    """Where they are kept, where `find` was asked and they are; else where they were found."""
    updated: str
    """ISO 8601 UTC, of the last change of its state."""

    def to_json(self) -> dict[str, Any]:
        value = {name: getattr(self, name) for name in self.__slots__}
        state = str(self.state) if self.state else None
        return value | {"state": state, "files": [file.to_json() for file in self.files]}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "GranuleView":
        state = State(value["state"]) if value["state"] else None
        return cls(**{**value, "state": state, "files": tuple(map(GranuleFile.from_json, value["files"]))})


@dataclass(frozen=True, slots=True)
class GranulePage:
    """Some granules, and where the next page begins."""

    granules: tuple[GranuleView, ...]
    after: str | None
    """What `page` is given for the next; None: this is the last."""


def find(edges: Edges, collection: str, version: str, id: str) -> GranuleView:
    """Return a granule, with its files where they are kept. Raises NotFound where there is none."""
    found = record.read(edges, collection, version, id)
    (seen,) = _views(edges, [replace(found, files=kept_files(edges, found))])
    return seen


def several(edges: Edges, collection: str, version: str, ids: list[str]) -> list[GranuleView]:
    """Return the granules of these ids, in their order, with their files where they were found; those that are not
    there are left out.
    """
    return _views(edges, _records(edges, collection, version, ids))


def page(
    edges: Edges,
    collection: str,
    version: str,
    *,
    state: State | None = None,
    begins: str = "",
    limit: int = 100,
    after: str | None = None,
) -> GranulePage:
    """Return granules of a collection, in the order of their ids. `begins`: only those whose id begins so.

    `after`: as the page before told it. With a state a page may be short, and still not be the last.
    """
    found: list[GranuleView] = []
    place, read = after or "", 0
    while read < MOST_READ:
        size = limit - len(found) if state is None else max(limit, PARALLEL)
        ids = [*islice(record.ids(edges, collection, version, begins=begins, after=place), size)]
        for one in several(edges, collection, version, ids):
            place = one.id
            if state in (None, one.state):
                found.append(one)
                if len(found) == limit:
                    return GranulePage(tuple(found), place)
        if len(ids) < size:
            return GranulePage(tuple(found), None)
        read += size
    return GranulePage(tuple(found), place)


def kept_files(edges: Edges, found: GranuleRecord) -> tuple[GranuleFile, ...]:
    """Return the files of a granule where its partition keeps them, else as they are written down."""
    subject = parse_subject(found.subject)
    if not isinstance(subject, Partition):
        return found.files
    outputs = _outputs(edges, edges.place(subject).manifest)
    kept = {one.url.rpartition("/")[2]: one for one in outputs if one.kind == "archive"}
    files = []
    for file in found.files:
        if at := kept.get(segment(file.name)):
            previous = (at.previous,) if at.previous else ()
            checksum = f"sha256:{at.sha256}" if at.sha256 else file.checksum
            file = replace(file, url=at.url, size=at.size, checksum=checksum, previous=previous)
        files.append(file)
    return tuple(files)


def _outputs(edges: Edges, url: str) -> tuple[Output, ...]:
    """Return the outputs that a manifest names; none where there is none. Raises DamagedObject."""
    try:
        manifest = load(edges.store, url, lambda body: manifest_of(json.loads(body)))
    except NotFound:
        return ()
    return manifest.outputs if manifest else ()


def _records(edges: Edges, collection: str, version: str, ids: list[str]) -> list[GranuleRecord]:
    """Return the records of these ids; those that were removed meanwhile are left out."""

    def read(id: str) -> GranuleRecord | None:
        try:
            return record.read(edges, collection, version, id)
        except NotFound:
            return None

    with ThreadPoolExecutor(PARALLEL) as pool:
        return [found for found in pool.map(read, ids) if found]


def _views(edges: Edges, records: list[GranuleRecord]) -> list[GranuleView]:
    subjects = {one.subject: parse_subject(one.subject) for one in records}
    entries = {entry.subject.key: entry for entry in edges.index.several([*subjects.values()])}
    return [_view(one, entries.get(one.subject)) for one in records]


def _view(found: GranuleRecord, entry: Entry | None) -> GranuleView:
    why = (str(entry.failure) if entry.failure else entry.reason) if entry else "what worked on it is gone"
    if entry and entry.state is State.succeeded:
        why = ""
    moment = datetime.fromtimestamp(max(found.updated, entry.updated if entry else 0), UTC)
    return GranuleView(
        found.collection,
        found.version,
        found.id,
        entry.state if entry else None,
        why,
        found.subject,
        found.files,
        moment.isoformat(timespec="milliseconds"),
    )
