"""The routes of Stratus's core and hpda1 APIs. Those of both dialects do the same."""

import tempfile
from http import HTTPStatus
from typing import Annotated, Any, BinaryIO, cast

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from pileus.api.access import allow
from pileus.api.problems import KIND, SCHEMA
from pileus.api.roles import Role
from pileus.api.stratus import result as results
from pileus.api.stratus.asked import (
    Document,
    Domains,
    Id,
    Operations,
    Text,
    Variables,
    one_id,
    request_of,
    request_of_parts,
)
from pileus.api.stratus.reached import BY_PROGRAM, Graphs
from pileus.client.graph_answers import (
    CapabilitiesAnswer,
    CapabilityAnswer,
    EpasAnswer,
    ProgressAnswer,
    ValueAnswer,
)
from pileus.errors import NotFound
from pileus.stratus.request import StratusRequest

READ, OPERATE = [allow(Role.read)], [allow(Role.operate)]
STARTS = [*OPERATE, BY_PROGRAM]
VALUES = "/stratus/core/values"
"""Where files are uploaded, which are longer than other bodies."""
IN_MEMORY = 8 << 20
"""Bytes of an upload that are not written to disk."""
UNSATISFIED: dict[int | str, dict[str, Any]] = {
    416: {"description": "It ends before.", "content": {KIND: {"schema": SCHEMA}}}
}
RESULT: dict[int | str, dict[str, Any]] = {
    200: {"description": "The result.", "content": results.CONTENT},
    206: {"description": "A part of it.", "content": results.CONTENT},
    **UNSATISFIED,
}
FILE = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
Cid = Annotated[str, Query(max_length=64, description="Of whoever asked; empty: of all.")]
Name = Annotated[str, Query(max_length=64, description="Of the result; empty: the only one.", examples=["r3"])]
Via = Annotated[
    str,
    Query(max_length=2200, description="Ids of the nodes that a request has passed, with commas between."),
]
router = APIRouter(prefix="/stratus", tags=["stratus"])


@router.get("/core/exe", dependencies=STARTS, status_code=HTTPStatus.ACCEPTED, summary="Start a request, by GET")
def start_by_get(graphs: Graphs, request: Text) -> ProgressAnswer:
    """Start a request, and return where it stands. The same rid and request start it once."""
    return ProgressAnswer.of(graphs.start(request_of(request)))


@router.post("/core/exe", dependencies=OPERATE, status_code=HTTPStatus.ACCEPTED, summary="Start a request")
@router.post("/hpda1/exe", dependencies=OPERATE, status_code=HTTPStatus.ACCEPTED, summary="Start a request of hpda1")
def start(graphs: Graphs, asked: Document) -> ProgressAnswer:
    """Start a request, in either spelling, and return where it stands. The same rid and request start it once."""
    return ProgressAnswer.of(graphs.start(StratusRequest.from_json(asked)))


@router.get(
    "/hpda1/exe", dependencies=STARTS, status_code=HTTPStatus.ACCEPTED, summary="Start a request of hpda1, by GET"
)
def start_by_parts(
    graphs: Graphs, operations: Operations, variables: Variables = None, domains: Domains = None
) -> ProgressAnswer:
    """Start a request whose parts are lists as JSON, and return where it stands."""
    return ProgressAnswer.of(
        graphs.start(request_of_parts(operations=operations, variables=variables, domains=domains))
    )


@router.delete("/core/exe", dependencies=OPERATE, summary="Stop a request")
@router.delete("/hpda1/exe", dependencies=OPERATE, summary="Stop a request of hpda1")
def stop(graphs: Graphs, id: Id = None, rid: Id = None, sid: Id = None) -> ProgressAnswer:
    """Stop a request that goes on. Who works on it stops within seconds."""
    return ProgressAnswer.of(graphs.stop(one_id(id=id, rid=rid, sid=sid)))


@router.get("/core/status", dependencies=READ, summary="Look where a request stands")
@router.get("/hpda1/status", dependencies=READ, summary="Look where a request of hpda1 stands")
def status(graphs: Graphs, id: Id = None, rid: Id = None, sid: Id = None, cid: Id = None) -> ProgressAnswer:
    """Return where a request stands. By a cid: the latest of whoever is named so."""
    if cid and not (id or rid or sid):
        found = graphs.list(cid, 1)
        if not found:
            raise NotFound("nobody of this name has asked for anything", where=cid)
        return ProgressAnswer.of(found[0])
    return ProgressAnswer.of(graphs.find(one_id(id=id, rid=rid, sid=sid)))


@router.get("/core/requests", dependencies=READ, summary="List requests")
def requests(graphs: Graphs, cid: Cid = "", limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> list[ProgressAnswer]:
    """Return the latest requests, the newest first."""
    return [ProgressAnswer.of(one) for one in graphs.list(cid, limit)]


@router.get("/core/result", dependencies=READ, summary="Read a result", response_class=Response, responses=RESULT)
@router.get(
    "/hpda1/result", dependencies=READ, summary="Read a result of hpda1", response_class=Response, responses=RESULT
)
def result(
    request: Request, graphs: Graphs, id: Id = None, rid: Id = None, sid: Id = None, name: Name = ""
) -> Response:
    """Return a result as NetCDF, Parquet, JSON or GeoTIFF, by Accept. It may be read as often as wanted."""
    return results.answer(request, graphs, one_id(id=id, rid=rid, sid=sid), name)


@router.delete("/core/result", dependencies=OPERATE, summary="Delete a request and its results")
@router.delete("/hpda1/result", dependencies=OPERATE, summary="Delete a request of hpda1 and its results")
def delete(graphs: Graphs, id: Id = None, rid: Id = None, sid: Id = None) -> dict[str, str]:
    """Delete a request that has ended, with all its results."""
    found = one_id(id=id, rid=rid, sid=sid)
    graphs.delete(found)
    return {"deleted": found}


@router.get("/core/capabilities", dependencies=READ, summary="List what can be asked for")
def capabilities(graphs: Graphs, via: Via = "") -> CapabilitiesAnswer:
    """Return each operation with the JSON Schema of its parameters."""
    found = graphs.capabilities(tuple(filter(None, via.split(","))))
    return CapabilitiesAnswer(capabilities=[CapabilityAnswer.model_validate(one.to_json()) for one in found])


@router.get("/core/epas", dependencies=READ, summary="List endpoints")
@router.get("/hpda1/epas", dependencies=READ, summary="List endpoints of hpda1")
def epas(graphs: Graphs) -> EpasAnswer:
    """Return the patterns of the endpoints that there are."""
    return EpasAnswer(epas=sorted({one.pattern.partition(":")[0] for one in graphs.capabilities()}))


@router.get("/hpda1/health", dependencies=READ, summary="Look whether it can be reached")
def health(graphs: Graphs) -> dict[str, str]:
    """Return `ok` when requests can be answered."""
    graphs.list("", 1)
    return {"status": "ok"}


@router.post(
    "/core/values",
    dependencies=OPERATE,
    status_code=HTTPStatus.CREATED,
    summary="Upload a NetCDF file",
    openapi_extra=FILE,
)
async def upload(request: Request, graphs: Graphs) -> ValueAnswer:
    """Keep a NetCDF4 file, and return the address by which inputs name it. The same file has the same address.

    On a stack it is kept for ten days after it was wanted last, on a node for one.
    """
    with tempfile.SpooledTemporaryFile(IN_MEMORY) as kept:
        async for block in request.stream():
            await run_in_threadpool(kept.write, block)
        kept.seek(0)
        uri = await run_in_threadpool(graphs.upload, cast(BinaryIO, kept))
        return ValueAnswer(uri=uri)
