"""The routes of the STAC API.

Plain routes, and not those of stac-fastapi: its app takes the place of this one's error answers, settings and
middleware, and adds routes that name no role.
"""

import json
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse

from pileus.api import ranges
from pileus.api.access import allow
from pileus.api.bad_requests import BadRequests
from pileus.api.reach import Reached
from pileus.api.roles import Role
from pileus.api.stac.asked import Search, by_query
from pileus.api.stac.links import CONFORMS, GEOJSON, JSON, Links

router = APIRouter(prefix="/stac", tags=["stac"], route_class=BadRequests)
READ = [allow(Role.read)]
Collection = Annotated[str, Path(max_length=400, description="Id of a collection.", examples=["viirs_template-001"])]
Item = Annotated[str, Path(max_length=1500, description="Id of an item.")]
ASSET = "/collections/{collection}/items/{item:path}/assets/{asset}"
GATHERED = 4 * 1024 * 1024
"""Bytes of an answer that a gateway takes which gathers answers. It sends who wants more to the object itself."""
ITEMS: dict[int | str, Any] = {200: {"content": {GEOJSON: {}}, "description": "Items of a page."}}


def _links(request: Request) -> Links:
    return Links(str(request.base_url).rstrip("/"))


Linked = Annotated[Links, Depends(_links)]


def _answer(value: Any, type: str = JSON) -> Response:
    body = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return Response(body, media_type=type)


@router.get("", summary="Where to begin", response_class=Response)
@router.get("/", include_in_schema=False, response_class=Response)
async def landing(links: Linked) -> Response:
    """Return the landing page. Public."""
    return _answer(links.landing())


@router.get("/conformance", summary="Which parts of the standard there are", response_class=Response)
async def conformance() -> Response:
    """Return the conformance classes. Public."""
    return _answer({"conformsTo": list(CONFORMS)})


@router.get("/collections", dependencies=READ, summary="List collections that have items", response_class=Response)
def collections(reach: Reached, links: Linked) -> Response:
    """Return all collections."""
    return _answer(links.collections(reach.items.collections()))


@router.get("/collections/{collection}", dependencies=READ, summary="Show a collection", response_class=Response)
def collection(reach: Reached, links: Linked, collection: Collection) -> Response:
    """Return one collection."""
    return _answer(links.collection(reach.items.collection(collection)))


@router.get(
    "/collections/{collection}/items",
    dependencies=READ,
    summary="List the items of a collection",
    response_class=Response,
    responses=ITEMS,
)
def items(
    request: Request,
    reach: Reached,
    links: Linked,
    collection: Collection,
    search: Annotated[Search, Depends(by_query)],
) -> Response:
    """Return a page of its items, newest first unless something else is asked for."""
    reach.items.collection(collection)
    if search.collections is None or collection in search.collections:
        search.collections = [collection]
    else:
        search.collections = []
    page = reach.items.search(search.query())
    at = f"{links.of_collection(collection)}/items"
    return _answer(links.page(page, at, dict(request.query_params)), GEOJSON)


@router.head(ASSET, dependencies=READ, include_in_schema=False)
@router.get(ASSET, dependencies=READ, summary="Read what an asset holds", response_class=StreamingResponse)
def asset(
    request: Request, reach: Reached, collection: Collection, item: Item, asset: Annotated[str, Path(max_length=1500)]
) -> Response:
    """Return the bytes of an asset, or the range of them that is asked for. On AWS, where that is more than 4 MiB: a
    redirect to an address in S3 that is good for five minutes.
    """
    found = reach.items.asset(collection, item, asset)
    headers = {"Accept-Ranges": "bytes", "ETag": found.mark, "Content-Type": found.type}
    wanted = None
    if request.headers.get("If-Range", found.mark) == found.mark:
        wanted = ranges.asked(request.headers.get("Range", ""), found.size)
    start, stop = wanted or (0, found.size)
    gathered = not request.app.state.settings.streams and stop - start > GATHERED
    if gathered and (elsewhere := reach.items.signed(found)):
        return RedirectResponse(elsewhere, HTTPStatus.TEMPORARY_REDIRECT)
    headers["Content-Length"] = str(stop - start)
    if wanted and start == stop:
        unmet = {"Content-Range": f"bytes */{found.size}"}
        return Response(status_code=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers=unmet)
    if wanted:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{found.size}"
    status = HTTPStatus.PARTIAL_CONTENT if wanted else HTTPStatus.OK
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers)
    return StreamingResponse(reach.items.parts(found, start, stop), status_code=status, headers=headers)


@router.get(
    "/collections/{collection}/items/{item:path}",
    dependencies=READ,
    summary="Show an item",
    response_class=Response,
    responses={200: {"content": {GEOJSON: {}}, "description": "The item."}},
)
def item(reach: Reached, links: Linked, collection: Collection, item: Item) -> Response:
    """Return one item."""
    return _answer(links.item(reach.items.item(collection, item)), GEOJSON)


@router.get("/search", dependencies=READ, summary="Search items", response_class=Response, responses=ITEMS)
def search(request: Request, reach: Reached, links: Linked, search: Annotated[Search, Depends(by_query)]) -> Response:
    """Return a page of the items that meet all parameters."""
    page = reach.items.search(search.query())
    return _answer(links.page(page, f"{links.root}/search", dict(request.query_params)), GEOJSON)


@router.post("/search", dependencies=READ, summary="Search items by a body", response_class=Response, responses=ITEMS)
def search_by_body(reach: Reached, links: Linked, search: Search) -> Response:
    """Return a page of the items that meet the body. It changes nothing, so that the role read is enough."""
    return _answer(links.posted_page(reach.items.search(search.query()), search), GEOJSON)
