"""Lists as Cumulus has them: `{meta, results}`, cut, filtered and ordered by what the query says."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, Any, Literal

from fastapi import Depends, Query, Request

MOST = 10_000
"""Rows that are looked at for one list; `meta.count` of a longer one is at most this."""
RESERVED = {"limit", "page", "order", "sort_by", "sort_key", "fields", "prefix", "infix", "countOnly"}
"""Words of a query that name no field."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a query says of a list."""

    limit: int
    page: int
    """From 1."""
    sort_by: str | None
    """Field; None: the order that the stack keeps them in."""
    descending: bool
    fields: tuple[str, ...]
    """Fields that are told; empty: all."""
    prefix: str
    infix: str
    count_only: bool
    equals: Mapping[str, str]
    """Fields, with dots for those inside, and what each must be."""


def _asked(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=1000)] = 10,
    page: Annotated[int, Query(ge=1, le=100_000)] = 1,
    order: Annotated[Literal["asc", "desc"], Query()] = "desc",
    sort_by: Annotated[str | None, Query(max_length=100)] = None,
    sort_key: Annotated[str | None, Query(max_length=100, description="A field; -FIELD: descending.")] = None,
    fields: Annotated[str, Query(max_length=1000, description="Only these, joined by commas.")] = "",
    prefix: Annotated[str, Query(max_length=240, description="Only what is named so at its beginning.")] = "",
    infix: Annotated[str, Query(max_length=240, description="Only what is named so anywhere.")] = "",
    countOnly: Annotated[bool, Query()] = False,  # noqa: N803 - Cumulus's name
) -> Asked:
    by = sort_key.lstrip("-") if sort_key else sort_by
    descending = sort_key.startswith("-") if sort_key else order == "desc"
    wanted = tuple(one for one in fields.split(",") if one)
    equals = {name: value for name, value in request.query_params.items() if name not in RESERVED}
    return Asked(limit, page, by, descending, wanted, prefix, infix, countOnly, equals)


Listing = Annotated[Asked, Depends(_asked)]


def listed(asked: Asked, stack: str, table: str, rows: Iterable[Mapping[str, Any]], name: str) -> dict[str, Any]:
    """Return a list. `table`: what it is of, in one word. `name`: the field that prefix and infix look at."""
    kept = [one for one in islice(rows, MOST) if _matches(asked, one, name)]
    if asked.sort_by:
        by = asked.sort_by
        kept.sort(key=lambda one: _sortable(_at(one, by)), reverse=asked.descending)
    begin = (asked.page - 1) * asked.limit
    shown = [] if asked.count_only else [_cut(asked, one) for one in kept[begin : begin + asked.limit]]
    meta = {
        "name": "cumulus-api",
        "stack": stack,
        "table": table,
        "limit": asked.limit,
        "page": asked.page,
        "count": len(kept),
    }
    return {"meta": meta, "results": shown}


def _matches(asked: Asked, row: Mapping[str, Any], name: str) -> bool:
    told = str(row.get(name, ""))
    if not told.startswith(asked.prefix) or asked.infix not in told:
        return False
    return all(_text(_at(row, field)) == value for field, value in asked.equals.items())


def _at(row: Mapping[str, Any], field: str) -> Any:
    value: Any = row
    for part in field.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    return None if value is None else str(value)


def _sortable(value: Any) -> tuple[int, float, str]:
    """Return what values of a field are ordered by: first those that are not there, then numbers, then words."""
    if isinstance(value, int | float):
        return 1, float(value), ""
    return (0, 0.0, "") if value is None else (2, 0.0, str(value))


def _cut(asked: Asked, row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in asked.fields if name in row} if asked.fields else dict(row)
