"""The routes of OGC API - Processes."""

import asyncio
import re
import time
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from pileus.api.access import Operator, allow
from pileus.api.moments import EPOCH, span
from pileus.api.ogc import errors
from pileus.api.ogc.asked import Execute, media_type, plain_input, preferred
from pileus.api.ogc.operations import OperationProcess, operation_processes
from pileus.api.ogc.results import output, results
from pileus.api.ogc.told import CONFORMS, OPENAPI, STATUS, Described, Told, jobs_of
from pileus.api.openapi30 import document30
from pileus.api.reach import Reach, Reached
from pileus.api.roles import Role
from pileus.api.stratus.reached import Graphs
from pileus.client.local.jobs import JobFilter
from pileus.errors import Unknown, UsageError
from pileus.near import unknown
from pileus.processes import registered
from pileus.runs import Run
from pileus.stratus.service import Service

router = APIRouter(tags=["processes"], route_class=errors.OgcRoute, responses=errors.RESPONSES)
READ = [allow(Role.read)]
ProcessId = Annotated[str, Path(max_length=200, description="Id of a process.", examples=["zonal-statistics"])]
JobId = Annotated[str, Path(max_length=200, description="Id of a job.")]
PATHS = re.compile(r"/|/conformance|/processes(/.*)?|/jobs(/.*)?")
FIRST_POLL, LONGEST_POLL = 0.05, 0.5
"""Seconds between two looks at a job that is waited for."""


def _told(request: Request) -> Told:
    return Told(str(request.base_url).rstrip("/"))


Tells = Annotated[Told, Depends(_told)]


@router.get("/", summary="Where to begin", response_class=JSONResponse)
async def landing(told: Tells) -> Any:
    """Return the landing page. Public."""
    return JSONResponse(told.landing())


@router.get("/conformance", summary="Which parts of the standard there are", response_class=JSONResponse)
async def conformance() -> Any:
    """Return the conformance classes. Public."""
    return JSONResponse({"conformsTo": list(CONFORMS)})


@router.get("/openapi-3.0.json", include_in_schema=False)
def openapi(request: Request) -> Response:
    """Return the OpenAPI document of these routes in version 3.0, which the standard asks for. Public."""
    made = document30(request.app.openapi(), lambda path: bool(PATHS.fullmatch(path)))
    return Response(JSONResponse(made).body, headers={"Content-Type": OPENAPI})


@router.get("/processes", dependencies=READ, summary="List processes", response_class=JSONResponse)
def processes(
    told: Tells,
    graphs: Graphs,
    limit: Annotated[int | None, Query(ge=1, le=1000)] = None,
    after: Annotated[str | None, Query(max_length=200, description="Last process of the page before.")] = None,
) -> Any:
    """Return the processes that can be executed: those of the product, and the operations of endpoints."""
    known = _known(graphs)
    ids = list(known)
    if after is not None and after not in ids:
        raise errors.no_such_process(after)
    left = ids[ids.index(after) + 1 if after else 0 :]
    page = left[:limit]
    return JSONResponse(told.processes([known[id] for id in page], limit, len(page) < len(left)))


@router.get("/processes/{id}", dependencies=READ, summary="Describe a process", response_class=JSONResponse)
def process(told: Tells, graphs: Graphs, id: ProcessId) -> Any:
    """Return its inputs and outputs, each with a schema."""
    return JSONResponse(told.process(_process(graphs, id)))


@router.post(
    "/processes/{id}/execution",
    summary="Execute a process",
    response_class=JSONResponse,
    responses={
        200: {"description": "Its results, of a synchronous execution."},
        201: {"description": "The status of the job that was begun: Location is its address."},
        204: {"description": "The Link header leads to the output."},
    },
)
async def execute(
    request: Request,
    response: Response,
    reach: Reached,
    graphs: Graphs,
    told: Tells,
    id: ProcessId,
    asked: Execute,
    asks: Operator,
) -> Response:
    """Begin a job. It is waited for, unless the request says `Prefer: respond-async`.

    A job that takes longer than 25 seconds is not waited for any more: the answer is its status, as if the request had
    preferred that.
    """
    del asks, response
    found = await run_in_threadpool(_process, graphs, id)
    inputs = {name: plain_input(value) for name, value in asked.inputs.items()}
    inputs = found.asked(inputs) if isinstance(found, OperationProcess) else inputs
    of = jobs_of(found)
    run = await run_in_threadpool(reach.jobs.start, of, inputs, asked.wanted(of))
    later, seconds = preferred(request.headers.get("Prefer", ""))
    if not later:
        run = await _ended(reach, run, seconds)
    at = told.job_address(run)
    if later or run.ended is None:
        headers = {"Location": at, **({"Preference-Applied": "respond-async"} if later else {})}
        return JSONResponse(told.job(run), status_code=HTTPStatus.CREATED, headers=headers)
    made = await run_in_threadpool(results, reach.jobs, run, told)
    monitor = f'<{at}>; rel="monitor"'
    made.headers["Link"] = f"{made.headers['Link']}, {monitor}" if "Link" in made.headers else monitor
    return made


@router.get("/jobs", dependencies=READ, summary="List jobs", response_class=JSONResponse)
def jobs(
    request: Request,
    reach: Reached,
    told: Tells,
    type: Annotated[list[str] | None, Query(description="Kinds of jobs; all are of kind `process`.")] = None,
    process: Annotated[list[str] | None, Query(alias="processID", description="Ids of processes.")] = None,
    status: Annotated[list[str] | None, Query(description="accepted, running, successful, failed, dismissed.")] = None,
    datetime: Annotated[str | None, Query(max_length=100, description="A moment, or FIRST/LAST.")] = None,
    shortest: Annotated[int | None, Query(alias="minDuration", ge=0, le=10**9, description="Seconds.")] = None,
    longest: Annotated[int | None, Query(alias="maxDuration", ge=0, le=10**9, description="Seconds.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 10,
    cursor: Annotated[str | None, Query(max_length=3000, description="That of the page before's next link.")] = None,
) -> Any:
    """Return a page of jobs, those of one process together and newest first."""
    which = _filter(_split(process), _split(status), datetime, shortest, longest)
    if type is not None and "process" not in (_split(type) or ()):
        return JSONResponse(told.jobs([], dict(request.query_params), None))
    found, following = reach.jobs.list(which, limit=limit, cursor=cursor)
    asked = {name: ",".join(request.query_params.getlist(name)) for name in request.query_params}
    return JSONResponse(told.jobs(found, asked, following))


@router.get("/jobs/{id}", dependencies=READ, summary="Show a job", response_class=JSONResponse)
def job(reach: Reached, told: Tells, id: JobId) -> Any:
    """Return its status."""
    return JSONResponse(told.job(_job(reach, id)))


@router.delete("/jobs/{id}", summary="Dismiss a job", response_class=JSONResponse)
def dismiss(reach: Reached, told: Tells, id: JobId, asks: Operator) -> Any:
    """Stop a job that goes on. One that has ended keeps its results, and is 409."""
    try:
        return JSONResponse(told.job(reach.jobs.dismiss(id, f"dismissed by {asks.name}")))
    except Unknown as error:
        raise errors.no_such_job(error.message) from error


@router.get("/jobs/{id}/results", dependencies=READ, summary="Read the results of a job", response_class=Response)
def job_results(reach: Reached, told: Tells, id: JobId) -> Response:
    """Return them as the request wanted them: the output itself, or a document."""
    return results(reach.jobs, _job(reach, id), told)


@router.get("/jobs/{id}/results/{name}", dependencies=READ, summary="Read one output of a job", response_class=Response)
def job_output(
    reach: Reached,
    id: JobId,
    name: Annotated[str, Path(max_length=200, examples=["rows"])],
    f: Annotated[str | None, Query(max_length=200, description="Media type.", examples=["text/csv"])] = None,
) -> Response:
    """Return one output in any of its media types; in that of the request where none is asked for."""
    run = _job(reach, id)
    known = registered()[str(run.process)].outputs
    if name not in known:
        raise errors.no_such_job(unknown("output", name, known))
    if f is None:
        form = reach.jobs.wanted(run).outputs.get(name)
        f = form.media_type if form else None
    return output(reach.jobs, run, name, media_type(f, known[name]))


def _known(graphs: Service) -> dict[str, Described]:
    return registered() | operation_processes(graphs.capabilities())


def _process(graphs: Service, id: str) -> Described:
    if id in registered():
        return registered()[id]
    found = _known(graphs).get(id)
    if found is None:
        raise errors.no_such_process(id)
    return found


def _job(reach: Reach, id: str) -> Run:
    try:
        return reach.jobs.find(id)
    except Unknown as error:
        raise errors.no_such_job(error.message) from error


async def _ended(reach: Reach, run: Run, seconds: float) -> Run:
    """Return a job as it is once it has ended, or after some seconds."""
    until, pause = time.monotonic() + seconds, FIRST_POLL
    while run.ended is None and (left := until - time.monotonic()) > 0:
        await asyncio.sleep(min(pause, left))
        run = await run_in_threadpool(reach.jobs.again, run)
        pause = min(2 * pause, LONGEST_POLL)
    return run


def _split(given: list[str] | None) -> list[str] | None:
    """Return the values of a parameter that was given several times, or with commas."""
    return None if given is None else [part for one in given for part in one.split(",")]


def _filter(
    processes: list[str] | None,
    statuses: list[str] | None,
    moments: str | None,
    shortest: float | None,
    longest: float | None,
) -> JobFilter:
    for one in statuses or ():
        if one not in STATUS.values():
            raise UsageError(unknown("status", one, dict.fromkeys(STATUS.values())))
    first, last = span(moments) if moments is not None else (None, None)
    return JobFilter(
        processes=None if processes is None else frozenset(processes),
        states=None if statuses is None else frozenset(state for state, one in STATUS.items() if one in statuses),
        first=_moment(first),
        last=_moment(last),
        shortest=shortest,
        longest=longest,
    )


def _moment(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else (EPOCH + timedelta(microseconds=microseconds)).astimezone(UTC)
