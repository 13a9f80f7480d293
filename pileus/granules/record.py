"""What is written down of a granule, an object each: internal, granules/COLLECTION/VERSION/ID.json."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pileus.edges.store import load, parsed, revise
from pileus.errors import DocumentError, NotFound
from pileus.models import safe, unsafe
from pileus.wiring import Edges

FOLDER = "granules"
LONGEST = 240
"""Characters of an id as it stands in the name of its object."""


@dataclass(frozen=True, slots=True)
class GranuleFile:
    """One file of a granule."""

    name: str
    url: str
    """Where it is: at the provider, or in a bucket as s3://BUCKET/KEY."""
    size: int | None = None
    """Bytes; None where nobody has told."""
    checksum: str | None = None
    """`algorithm:hex`; None where nobody has told."""
    type: str | None = None
    """As Cumulus has it, such as `data` or `metadata`; None where the collection does not say."""
    previous: tuple[str, ...] = ()
    """Addresses of older files of this name that are kept."""

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__ if getattr(self, name) not in (None, ())}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "GranuleFile":
        return replace(cls(**value), previous=tuple(value.get("previous", ())))


@dataclass(frozen=True, slots=True)
class GranuleRecord:
    """A granule, and what last worked on it."""

    collection: str
    version: str
    id: str
    subject: str
    """Key of what worked on it last: its partition, or the run of a workflow."""
    files: tuple[GranuleFile, ...]
    updated: float
    """Unix time."""

    def to_json(self) -> dict[str, Any]:
        value = {name: getattr(self, name) for name in self.__slots__}
        return value | {"files": [file.to_json() for file in self.files]}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "GranuleRecord":
        return cls(**{**value, "files": tuple(map(GranuleFile.from_json, value["files"]))})


def is_id(id: Any) -> bool:
    """Return whether a granule may be called so. Half of a surrogate pair, which JSON can write, is no character.

    >>> is_id("tiny_201501"), is_id(""), is_id(json.loads('"\\\\ud800"'))
    (True, False, False)
    """
    if not isinstance(id, str) or any("\ud800" <= one <= "\udfff" for one in id):
        return False
    return len(id) > 0 and len(safe(id)) <= LONGEST


def check_id(id: str) -> None:
    """Raise DocumentError for an id that no granule may have."""
    if not is_id(id):
        told = f"is empty, no text, or too long: {LONGEST} characters are the most"
        raise DocumentError(f"its granule id {id[:80]!r} {told}")


def write(edges: Edges, record: GranuleRecord) -> None:
    """Write a record. What is told last counts."""
    url = _url(edges, record.collection, record.version, record.id)
    edges.store.put(url, json.dumps(record.to_json()).encode(), "application/json")


def change(
    edges: Edges, collection: str, version: str, id: str, step: Callable[[GranuleRecord | None], GranuleRecord]
) -> None:
    """Write what `step` makes of a record (None: there is none), though others write it at the same time."""
    url = _url(edges, collection, version, id)

    def body(before: bytes | None) -> bytes:
        there = None if before is None else parsed(url, before, lambda text: GranuleRecord.from_json(json.loads(text)))
        return json.dumps(step(there).to_json()).encode()

    revise(edges.store, url, body)


def read(edges: Edges, collection: str, version: str, id: str) -> GranuleRecord:
    """Return the record of a granule. Raises NotFound where there is none, DamagedObject."""
    where = f"{collection}/{version}/{id[:LONGEST]}"
    if not is_id(id):
        raise NotFound("there is no such granule", where=where)
    try:
        return load(
            edges.store,
            _url(edges, collection, version, id),
            lambda body: GranuleRecord.from_json(json.loads(body)),
        )
    except NotFound as exc:
        raise NotFound("there is no such granule", where=where) from exc


def remove(edges: Edges, record: GranuleRecord) -> None:
    """Delete a record. It is no error when it is gone."""
    edges.store.delete(_url(edges, record.collection, record.version, record.id))


def ids(edges: Edges, collection: str, version: str, *, begins: str = "", after: str = "") -> Iterator[str]:
    """Yield the ids of the granules of a collection, in the order of their encoded names.

    `begins`: only those that begin so. `after`: only those behind this id in that order.
    """
    place = _url(edges, collection, version, "")
    start = f"{place}{safe(after)}.json" if after else ""
    for url, _ in edges.store.list(f"{place}{safe(begins) if begins else ''}", after=start):
        yield unsafe(url.removeprefix(place).removesuffix(".json"))


def _url(edges: Edges, collection: str, version: str, id: str) -> str:
    name = f"{safe(id)}.json" if id else ""
    return edges.internal(f"{FOLDER}/{safe(collection)}/{safe(version)}/{name}")
