"""Runs of processes, and partitions as runs."""

from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import AfterValidator

from pileus.api.access import Operator, allow
from pileus.api.reach import Reached
from pileus.api.roles import Role
from pileus.api.tables import CONTENT, answer
from pileus.api.v1.paging import Cursor, Limit
from pileus.client.answers import Page
from pileus.client.asked import NewPayload, NewRun
from pileus.client.paging import read_cursor, write_cursor
from pileus.client.run_answers import ProcessAnswer, ProcessedAnswer, RunAnswer, RunEventAnswer
from pileus.models import State
from pileus.runs import Run

router = APIRouter(tags=["runs"])
OF = "Process, workflow:NAME, payload:COLLECTIONS_WORKFLOW, or COLLECTION/VERSION/YEAR."
READ, OPERATE = [allow(Role.read)], [allow(Role.operate)]
Key = Annotated[
    str,
    Path(
        max_length=2000, description="Key of a run, as one segment: its slashes as %252F.", examples=["request:x%2Fy"]
    ),
    AfterValidator(unquote),
]


@router.get("/processes", dependencies=READ, summary="List processes")
def processes(reach: Reached) -> list[ProcessAnswer]:
    """Return what runs are made of, each with the JSON Schema of its inputs."""
    return reach.runs.processes()


@router.get("/runs", dependencies=READ, summary="List runs")
def list_runs(
    reach: Reached,
    of: Annotated[
        str,
        Query(
            max_length=600,
            description="Process, workflow:NAME, payload:COLLECTIONS_WORKFLOW, or COLLECTION/VERSION/YEAR.",
        ),
    ],
    state: Annotated[State | None, Query()] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[RunAnswer]:
    """Return runs, newest first but those of partitions. With a state a page may be short, and not be the last."""
    found = reach.runs.page(of, state=state, limit=limit, after=read_cursor(cursor) or None)
    following = write_cursor(found.after) if found.after is not None else None
    return Page(items=[told(run) for run in found.runs], next=following)


@router.post("/runs", dependencies=OPERATE, summary="Start a run", status_code=HTTPStatus.CREATED)
def start(reach: Reached, asked: NewRun) -> RunAnswer:
    """Start a process over its inputs, or a workflow over a document. The same id and inputs start it once."""
    return told(reach.runs.start(asked.process, asked.inputs, asked.id))


@router.post("/payloads", dependencies=OPERATE, summary="Process a payload")
def process(reach: Reached, asked: NewPayload) -> ProcessedAnswer:
    """Start the workflow of a payload of Cirrus over it, where its state allows that."""
    found = reach.runs.process(asked.payload, replace=asked.replace)
    return ProcessedAnswer(run=told(found.run), started=found.started, warnings=list(found.warnings))


@router.get("/runs/{key}", dependencies=READ, summary="Show a run")
def show(reach: Reached, key: Key) -> RunAnswer:
    """Return its state, its times, and where its input and its result are."""
    return told(reach.runs.show(key))


@router.delete("/runs/{key}", summary="Stop a run")
def stop(reach: Reached, key: Key, asks: Operator) -> RunAnswer:
    """Stop it at once. A worker that has it stops within seconds."""
    return told(replace(reach.runs, by=asks.name).stop(key))


@router.post("/runs/{key}/rerun", dependencies=OPERATE, summary="Run it again")
def rerun(reach: Reached, key: Key) -> RunAnswer:
    """Run a request that has ended again, with the same inputs."""
    return told(reach.runs.rerun(key))


@router.get("/runs/{key}/input", dependencies=READ, summary="Read the input of a run")
def input_document(reach: Reached, key: Key) -> Any:
    """Return the input document: of a partition the groups that it was queued with."""
    return reach.runs.input(key)


@router.get("/runs/{key}/events", dependencies=READ, summary="List what has happened to a run")
def events(reach: Reached, key: Key) -> list[RunEventAnswer]:
    """Return the last steps of its runs and the latest thousand events of its execution, oldest first."""
    return [RunEventAnswer.model_validate(event.to_json()) for event in reach.runs.events(key)]


@router.get("/runs/{key}/logs", dependencies=READ, summary="Read the log of a run")
def logs(reach: Reached, key: Key) -> list[dict[str, Any]]:
    """Return what workers wrote about it, oldest first."""
    return reach.runs.logs(key)


@router.get("/runs/{key}/result", dependencies=READ, summary="Read the result of a run")
def result(reach: Reached, key: Key) -> Any:
    """Return the result document: of a partition the manifest, of a workflow what it put out."""
    return reach.runs.result(key)


@router.get(
    "/runs/{key}/rows",
    dependencies=READ,
    summary="Read the rows of a run",
    response_class=Response,
    responses={200: {"content": CONTENT, "description": "A row for each zone, band and period."}},
)
def rows(request: Request, reach: Reached, key: Key) -> Response:
    """Return the rows that it has made as JSON, CSV, an Arrow stream or Parquet, by Accept."""
    return answer(request, reach.runs.rows(key))


def told(run: Run) -> RunAnswer:
    """Return what is told of a run."""
    return RunAnswer.model_validate(run.to_json())
