"""Statistics as Cumulus's API has them: counts of granules, and how many rows of a list have each value of a field."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request

from pileus.api.access import allow
from pileus.api.cumulus import documents, executions, granules
from pileus.api.cumulus.asked import Asked, Row, Table, all_of, at, text
from pileus.api.cumulus.errors import RESPONSES, CumulusRoute
from pileus.api.cumulus.lists import matching
from pileus.api.reach import Reach, Reached
from pileus.api.roles import Role
from pileus.errors import UsageError

router = APIRouter(tags=["cumulus"], route_class=CumulusRoute, responses=RESPONSES)
READ = [allow(Role.read)]
Kind = Literal["granules", "executions", "collections", "providers", "rules"]
TABLES: dict[Kind, Table] = {
    "granules": granules.TABLE,
    "executions": executions.TABLE,
    "collections": documents.COLLECTIONS,
    "providers": documents.PROVIDERS,
    "rules": documents.RULES,
}


@router.get("/stats", dependencies=READ, summary="Count granules, as Cumulus does")
def summary(reach: Reached, request: Request) -> dict[str, Any]:
    """Return how many granules there are, of how many collections, and how many failed. Pileus keeps no processing time
    of a granule. 400 where there are too many to count.
    """
    asked = all_of(granules.TABLE, request, ())
    found = [(row["collectionId"], row["status"]) for row in _rows(reach, "granules", asked)]
    now = reach.services.edges.now() * 1000
    span = {"dateFrom": _moment(request, "timestamp__from", 0), "dateTo": _moment(request, "timestamp__to", now)}

    def counted(value: int, unit: str) -> dict[str, Any]:
        return {**span, "value": value, "aggregation": "count", "unit": unit}

    return {
        "errors": counted(sum(status == "failed" for _, status in found), "error"),
        "granules": counted(len(found), "granule"),
        "collections": counted(len({collection for collection, _ in found}), "collection"),
    }


@router.get("/stats/aggregate", dependencies=READ, summary="Count rows by a field, as Cumulus does")
def aggregate(
    reach: Reached,
    request: Request,
    type: Annotated[Kind, Query(description="What is counted.")],
    field: Annotated[str, Query(max_length=100)] = "status",
) -> dict[str, Any]:
    """Return how many rows have each value, the most first. 400 where there are too many to count."""
    table = TABLES[type]
    asked = all_of(table, request, ("type", "field"))
    name = table.check(field)
    found = Counter(text(at(row, name)) for row in _rows(reach, type, asked))
    count = [{"key": key, "count": number} for key, number in found.most_common() if key is not None]
    return {
        "meta": {"name": "cumulus-api", "count": sum(one["count"] for one in count), "field": field},
        "count": count,
    }


def _rows(reach: Reach, kind: Kind, asked: Asked) -> Iterator[Row]:
    if kind == "granules":
        return matching(asked, TABLES[kind], granules.known(reach, asked), partial(granules.whole, reach))
    if kind == "executions":
        return matching(asked, TABLES[kind], executions.rows_of(reach, asked))
    return matching(asked, TABLES[kind], documents.rows_of(reach, kind))


def _moment(request: Request, name: str, default: float) -> str:
    """Return a moment of the query, or the default, both milliseconds since 1970, as ISO 8601. Raises UsageError."""
    try:
        return datetime.fromtimestamp(float(request.query_params.get(name, default)) / 1000, UTC).isoformat()
    except (ValueError, OverflowError, OSError) as exc:
        raise UsageError(f"{name}: expected milliseconds since 1970") from exc
