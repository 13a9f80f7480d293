"""What is asked of the STAC API: searches, as bodies and as query parameters."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import Query as Parameter
from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pileus.api.bad_requests import first_of
from pileus.api.moments import span
from pileus.client.paging import read_cursor
from pileus.errors import UsageError
from pileus.outputs.item_query import FIELDS, Query, Sort

MOST = 1000
"""Items of a page; who asks for more gets so many."""
Id = Annotated[str, Field(min_length=1, max_length=2000)]
Degrees = Annotated[float, Field(allow_inf_nan=False)]


class SortBy(BaseModel):
    """A field to sort by."""

    model_config = ConfigDict(extra="forbid")
    field: Annotated[str, Field(max_length=100, examples=["properties.datetime"])]
    direction: Literal["asc", "desc"] = "asc"


class Search(BaseModel):
    """A search. Items must meet all that is given."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"bbox": [58, 42, 62, 46], "datetime": "2015-01-01T00:00:00Z/..", "limit": 5}]},
    )
    bbox: Annotated[list[Degrees] | None, Field(description="West, south, east, north in degrees.")] = None
    intersects: Annotated[dict[str, Any] | None, Field(description="A GeoJSON geometry.")] = None
    datetime: Annotated[str | None, Field(max_length=100, description="A moment, or FIRST/LAST; .. is open.")] = None
    ids: Annotated[list[Id] | None, Field(max_length=10_000)] = None
    collections: Annotated[list[Id] | None, Field(max_length=10_000)] = None
    limit: Annotated[int, Field(ge=1, description="Items of a page: 1000 at most.")] = 10
    sortby: Annotated[list[SortBy] | None, Field(max_length=10)] = None
    token: Annotated[str | None, Field(max_length=3000, description="That of the page before's next link.")] = None

    def query(self) -> Query:
        """Return what is asked of the index. Raises UsageError for what is not valid."""
        if self.bbox is not None and self.intersects is not None:
            raise UsageError("give bbox or intersects, not both")
        first, last = (None, None) if self.datetime is None else span(self.datetime)
        return Query(
            boxes=None if self.bbox is None else boxes(self.bbox),
            shape=None if self.intersects is None else shape(self.intersects),
            first=first,
            last=last,
            ids=None if self.ids is None else frozenset(self.ids),
            collections=None if self.collections is None else frozenset(self.collections),
            sort=[_sort(one) for one in self.sortby or ()],
            limit=min(self.limit, MOST),
            after=None if self.token is None else read_cursor(self.token),
        )


BY_POST = "Longer ones fit into a search by POST."
Texts = Annotated[str | None, Parameter(max_length=1000, description=f"Several, with commas. {BY_POST}")]
Plain = r"^[\x20-\x7e]*$"


def by_query(
    request: Request,
    bbox: Annotated[str | None, Parameter(max_length=200, examples=["58,42,62,46"])] = None,
    intersects: Annotated[
        str | None, Parameter(max_length=5000, pattern=Plain, description=f"A GeoJSON geometry. {BY_POST}")
    ] = None,
    datetime: Annotated[str | None, Parameter(max_length=100, examples=["2015-01-01T00:00:00Z/.."])] = None,
    ids: Texts = None,
    collections: Texts = None,
    limit: Annotated[int, Parameter(ge=1)] = 10,
    sortby: Annotated[str | None, Parameter(max_length=1000, pattern=Plain, examples=["-properties.datetime"])] = None,
    token: Annotated[str | None, Parameter(max_length=3000, pattern=Plain)] = None,
) -> Search:
    """Return the search that query parameters ask for. Raises UsageError for what is not valid."""
    given = {"bbox": bbox, "datetime": datetime, "limit": limit, "sortby": sortby, "token": token}
    return _search(request, given | {"intersects": intersects, "ids": ids, "collections": collections})


def _search(request: Request, given: Mapping[str, Any]) -> Search:
    if unknown := set(request.query_params) - set(given):
        raise UsageError(f"unknown parameter {min(unknown)[:60]!r}: expected one of {', '.join(given)}")
    read = {name: _READ.get(name, lambda value: value)(value) for name, value in given.items() if value is not None}
    try:
        return Search.model_validate(read)
    except ValidationError as error:
        raise UsageError(first_of(error.errors())) from error


def _split(text: str) -> list[str]:
    return text.split(",")


def _geometry(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError("intersects: expected a GeoJSON geometry") from error


def _sorts(text: str) -> list[Mapping[str, str]]:
    """Return fields with their directions.

    >>> _sorts("-properties.datetime,id")
    [{'field': 'properties.datetime', 'direction': 'desc'}, {'field': 'id', 'direction': 'asc'}]
    """
    return [
        {"field": part.lstrip("+- "), "direction": "desc" if part.startswith("-") else "asc"}
        for part in text.split(",")
    ]


_READ = {"bbox": _split, "ids": _split, "collections": _split, "intersects": _geometry, "sortby": _sorts}


def boxes(bbox: list[float]) -> list[tuple[float, float, float, float]]:
    """Return a box, or the two of one over the date line. Raises UsageError.

    >>> boxes([170, -10, -170, 10])
    [(170, -10, 180, 10), (-180, -10, -170, 10)]
    """
    if len(bbox) not in (4, 6):
        raise UsageError("bbox: expected 4 or 6 numbers: west, south, east, north")
    half = len(bbox) // 2
    west, south, east, north = bbox[0], bbox[1], bbox[half], bbox[half + 1]
    if south > north or (half == 3 and bbox[2] > bbox[5]):
        raise UsageError("bbox: the lower corner is above the upper one")
    if west <= east:
        return [(west, south, east, north)]
    return [(west, south, 180, north), (-180, south, east, north)]


def shape(geometry: Mapping[str, Any]) -> Any:
    """Return a shapely geometry. Raises UsageError for what is none."""
    import shapely

    try:
        found = shapely.from_geojson(json.dumps(geometry, allow_nan=False))
    except (shapely.errors.ShapelyError, ValueError, RecursionError) as error:
        raise UsageError("intersects: expected a GeoJSON geometry") from error
    if not shapely.is_valid(found) or shapely.is_empty(found):
        raise UsageError(f"intersects: the geometry is not valid: {shapely.is_valid_reason(found)}")
    return found


def _sort(one: SortBy) -> Sort:
    name = one.field.removeprefix("properties.")
    if name not in FIELDS:
        raise UsageError(f"sortby: cannot sort by {one.field!r}: expected one of {', '.join(FIELDS)}")
    return Sort(name, one.direction == "desc")
