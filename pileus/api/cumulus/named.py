"""How Cumulus names granules: by `collectionId`, which is NAME___VERSION, and `granuleId`; many of them in a body."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pileus.api.reach import Reach
from pileus.errors import NotFound, UsageError
from pileus.granules.read import GranuleView

Pair = tuple[str, str]
"""The collectionId and the granuleId of a granule."""


def split(collection_id: str) -> tuple[str, str]:
    """Return name and version of a collectionId. Raises UsageError.

    >>> split("MOD09GQ___006")
    ('MOD09GQ', '006')
    """
    name, joined, version = collection_id.rpartition("___")
    if not joined or not name or not version:
        raise UsageError(f"{collection_id[:80]!r} is no collectionId: expected NAME___VERSION")
    return name, version


def named(reach: Reach, id: str) -> GranuleView:
    """Return the granule of an id. Raises NotFound, and UsageError where several collections have one of this id."""
    found = [view for one in _collections(reach) for view in reach.granules.several(one[0], one[1], [id])]
    if not found:
        raise NotFound("there is no such granule", where=id[:80])
    if len(found) > 1:
        there = ", ".join(f"{one.collection}___{one.version}" for one in found)
        raise UsageError(f"several collections have a granule {id[:80]!r}: name one of {there}")
    return reach.granules.show(found[0].collection, id, found[0].version)


def pairs_of(given: Mapping[str, Any], *, most: int | None = None) -> list[Pair]:
    """Return the granules that a body names, as `granules`, or as `ids` with `collectionId`. Raises UsageError for
    none, and for more than `most`.
    """
    if "query" in given or "index" in given:
        raise UsageError("query, index: there is no Elasticsearch to ask: name the granules by granules, or by ids")
    found = [*_pairs(given)]
    if not found or (most is not None and len(found) > most):
        raise UsageError(f"{len(found):,} granules are named: expected {'some' if most is None else f'1 to {most:,}'}")
    return found


def read(reach: Reach, pairs: Iterable[Pair]) -> list[GranuleView]:
    """Return those of these granules that are there, collection by collection. Raises UsageError, Unknown."""
    by: dict[str, list[str]] = {}
    for collection, id in pairs:
        by.setdefault(collection, []).append(id)
    return [one for collection, ids in by.items() for one in reach.granules.several(*split(collection), ids)]


def _pairs(given: Mapping[str, Any]) -> Iterator[Pair]:
    granules, ids = given.get("granules") or [], given.get("ids") or []
    if not isinstance(granules, list) or not isinstance(ids, list):
        raise UsageError("granules and ids: expected lists")
    for one in [*granules, *ids]:
        value = one if isinstance(one, dict) else {"granuleId": one, "collectionId": given.get("collectionId")}
        collection, id = value.get("collectionId"), value.get("granuleId")
        if not isinstance(collection, str) or not isinstance(id, str):
            raise UsageError("expected of each granule its granuleId and its collectionId")
        yield collection, id


def _collections(reach: Reach) -> list[tuple[str, str]]:
    return [(one.name, one.version) for _, one in sorted(reach.documents.registry().collections.items())]
