"""Statistics, series, and the objects that were written."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import AfterValidator

from pileus.api.access import allow
from pileus.api.reach import Reached
from pileus.api.roles import Role
from pileus.api.tables import CONTENT, answer
from pileus.api.v1.paging import Cursor, Limit
from pileus.client.answers import AxisAnswer, OutputAnswer, Page, SeriesAnswer
from pileus.client.paging import page
from pileus.models import unsafe

router = APIRouter(tags=["outputs"], dependencies=[allow(Role.read)])
OPERATE = [allow(Role.operate)]
Name = Annotated[str, Path(min_length=1, max_length=200, description="Name of a collection."), AfterValidator(unsafe)]
Zones = Annotated[list[str] | None, Query(description="Id or name of a zone; may be given again.")]
Band = Annotated[str | None, Query(max_length=200)]
Point = Annotated[str | None, Query(max_length=40, examples=["2015-01"])]


@router.get(
    "/statistics/{collection}",
    summary="Read statistics",
    response_class=Response,
    responses={200: {"content": CONTENT, "description": "A row for each zone, band and period."}},
)
def statistics(
    request: Request,
    reach: Reached,
    collection: Name,
    zone: Zones = None,
    band: Band = None,
    first: Point = None,
    last: Point = None,
    version: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    """Return rows as JSON, CSV, an Arrow stream or Parquet, by Accept."""
    table = reach.outputs.statistics(
        collection, zones=tuple(zone or ()), band=band, first=first, last=last, version=version
    )
    return answer(request, table)


@router.get("/statistics/{collection}/zones/{zone}", summary="Read the series of a zone")
def series(
    reach: Reached,
    collection: Name,
    zone: Annotated[str, Path(max_length=300, description="Id or name."), AfterValidator(unsafe)],
    band: Band = None,
    stat: Annotated[str | None, Query(max_length=40, description="mean, if not given.")] = None,
    first: Point = None,
    last: Point = None,
) -> SeriesAnswer:
    """Return one statistic over time, with the reason of each gap."""
    return reach.outputs.series(collection, zone, band=band, stat=stat, first=first, last=last)


@router.get("/statistics/{collection}/periods", summary="List the points in time of a collection's rows")
def periods(reach: Reached, collection: Name, first: Point = None, last: Point = None) -> AxisAnswer:
    """Return all points in time from first to last, and why a zone may have no row there."""
    return reach.outputs.axis(collection, first, last)


@router.get("/outputs", summary="List the collections that have outputs")
def collections(reach: Reached) -> dict[str, Any]:
    """Return their names, and the bucket that the outputs are in."""
    return {"bucket": reach.outputs.bucket, "collections": reach.outputs.collections()}


@router.get("/outputs/{collection}", summary="List what was written")
def objects(reach: Reached, collection: Name, limit: Limit = 100, cursor: Cursor = None) -> Page[OutputAnswer]:
    """Return addresses and sizes: tables, CSVs, pictures, manifests, kept archives."""
    found = reach.outputs.objects(collection)
    return page(
        found, lambda one: one[0], lambda one: OutputAnswer(url=one[0], size=one[1]), limit=limit, cursor=cursor
    )


@router.get("/outputs/{collection}/object", summary="Read an object", response_class=Response)
def body(reach: Reached, collection: Name, url: Annotated[str, Query(max_length=3000)]) -> Response:
    """Return the bytes of an address that the list names."""
    return Response(reach.outputs.body(collection, url), media_type="application/octet-stream")


@router.get("/outputs/{collection}/manifests", summary="Read the latest manifests")
def manifests(reach: Reached, collection: Name) -> list[dict[str, Any]]:
    """Return the manifests of its latest groups: what went in, what came out, and how long each step took."""
    return [one.to_json() for one in reach.outputs.manifests(collection)]


@router.post("/outputs/site", dependencies=OPERATE, summary="Write the page as files")
def site(reach: Reached) -> list[OutputAnswer]:
    """Write the page and its present data into the bucket, under site/, and return the files, the page first."""
    return [OutputAnswer(url=url, size=size) for url, size in reach.outputs.write_site()]


@router.post("/outputs/{collection}/catalog", dependencies=OPERATE, summary="Write the STAC catalog")
def catalog(reach: Reached, collection: Name) -> list[str]:
    """Write the static STAC catalog of a collection into the bucket, and return its addresses, root first."""
    return reach.outputs.write_catalog(collection)
