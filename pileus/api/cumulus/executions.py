"""Executions as Cumulus's API has them: each is the latest run of a workflow over a document, or of a process."""

from collections.abc import Iterable, Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path

from pileus.api.access import allow
from pileus.api.cumulus import states
from pileus.api.cumulus.asked import Asked, Row, Table, asked_of
from pileus.api.cumulus.errors import RESPONSES, CumulusRoute
from pileus.api.cumulus.lists import listed
from pileus.api.cumulus.named import pairs_of, read
from pileus.api.cumulus.workflows import names_of
from pileus.api.reach import Reach, Reached
from pileus.api.roles import Role
from pileus.errors import NotFound
from pileus.models import State
from pileus.runs import Run
from pileus.runs.executions import WORKFLOW, arn_of, run_of_arn
from pileus.subject import Asked as Subject
from pileus.subject import Execution, PayloadId, parse_subject

router = APIRouter(tags=["cumulus"], route_class=CumulusRoute, responses=RESPONSES)
READ = [allow(Role.read)]
TABLE = Table.whole(
    "execution", "name", frozenset({"arn", "name", "type", "status", "createdAt", "updatedAt", "timestamp", "error"})
)
MOST = 500
"""Granules that one search names."""
NO_HISTORY = "The execution is told by the records of its run; Step Functions itself has the history of its states."
Arn = Annotated[str, Path(max_length=500)]
Granules = Annotated[dict[str, Any], Body(description="`{granules: [{granuleId, collectionId}]}`")]


@router.get("/executions", dependencies=READ, summary="List executions, as Cumulus does")
def executions(reach: Reached, asked: Annotated[Asked, asked_of(TABLE)]) -> dict[str, Any]:
    """Return `{meta, results}`, workflow by workflow, of each by the ids of runs, the last first. With `type` only that
    workflow's.
    """
    return listed(asked, reach.services.stack.stack, TABLE, rows_of(reach, asked))


@router.get("/executions/status/{arn}", dependencies=READ, summary="Show where an execution stands, as Cumulus does")
def status(reach: Reached, arn: Arn) -> dict[str, Any]:
    """Return it with its input and its output, as Cumulus does where Step Functions has forgotten it."""
    run = _found(reach, arn)
    word = states.of_execution(run.state)
    value: dict[str, Any] = {
        "executionArn": arn,
        "stateMachineArn": reach.services.stack.workflow_arn(_type(run)),
        "name": arn.rpartition(":")[2],
        "status": "SUCCEEDED" if word == "completed" else word.upper(),
        "startDate": run.started or run.created,
        "stopDate": run.ended,
        "input": reach.runs.input(run.key),
    }
    if run.state is State.succeeded:
        value["output"] = reach.runs.result(run.key)
    return {"warning": NO_HISTORY, "execution": value}


@router.get("/executions/{arn}", dependencies=READ, summary="Show an execution, as Cumulus does")
def execution(reach: Reached, arn: Arn) -> dict[str, Any]:
    """Return it, with its input as `originalPayload` and what it has put out as `finalPayload`."""
    run = _found(reach, arn)
    value = {**_told(reach, run), "originalPayload": reach.runs.input(run.key)}
    return value | ({"finalPayload": reach.runs.result(run.key)} if run.state is State.succeeded else {})


@router.post("/executions/search-by-granules", dependencies=READ, summary="Find executions by granules")
def search(reach: Reached, given: Granules, asked: Annotated[Asked, asked_of(TABLE)]) -> dict[str, Any]:
    """Return `{meta, results}` of the executions that last worked on these granules; a backfill's work has none."""
    keys = (key for key in _subjects(reach, given) if isinstance(parse_subject(key), Subject))
    return listed(asked, reach.services.stack.stack, TABLE, (_told(reach, run) for run in _shown(reach, keys)))


@router.post("/executions/workflows-by-granules", dependencies=READ, summary="Find workflows by granules")
def workflows(reach: Reached, given: Granules) -> list[str]:
    """Return the names of the workflows that last worked on all of these granules, as Cumulus does: one, or none."""
    subjects = map(parse_subject, _subjects(reach, given))
    names = {one.name if isinstance(one, Execution) else "" for one in subjects}
    return sorted(names) if len(names) == 1 and "" not in names else []


def rows_of(reach: Reach, asked: Asked) -> Iterator[Row]:
    """Yield the executions that may be of a list."""
    for name in names_of(reach):
        if asked.may_keep(type=name):
            for of in _scopes(reach, name):
                yield from (_told(reach, run) for run in reach.runs.all(of))


def _subjects(reach: Reach, given: dict[str, Any]) -> list[str]:
    """Return the keys of what last worked on the granules of a body, each once. Raises NotFound where one is not there,
    UsageError.
    """
    pairs = pairs_of(given, most=MOST)
    found = read(reach, pairs)
    there = {(f"{one.collection}___{one.version}", one.id) for one in found}
    for pair in pairs:
        if pair not in there:
            raise NotFound(f"there is no granule {pair[1][:80]!r} of {pair[0][:80]!r}")
    return [*dict.fromkeys(one.subject for one in found)]


def _scopes(reach: Reach, workflow: str) -> list[str]:
    """Return what `runs.all` is asked for to see all executions of a workflow."""
    if workflow == WORKFLOW:
        return [one.id for one in reach.runs.processes()]
    return [f"{Execution.kind}:{workflow}"]


def _shown(reach: Reach, keys: Iterable[str]) -> Iterator[Run]:
    for key in keys:
        try:
            yield reach.runs.show(key)
        except NotFound:
            continue


def _found(reach: Reach, arn: str) -> Run:
    """Return the run that an execution is of. Raises NotFound."""
    found = run_of_arn(reach.services.edges, arn, lambda: reach.services.workflows.outcome(arn).input)
    run = reach.runs.show(found.subject.key) if found and not isinstance(found.subject, PayloadId) else None
    if found is None or run is None or run.number != found.number:
        raise NotFound("there is no such execution of a run, or its run has had another since", where=arn[:200])
    return run


def _type(run: Run) -> str:
    assert isinstance(run.subject, Subject)  # of which alone executions are told
    return run.subject.name if isinstance(run.subject, Execution) else WORKFLOW


def _told(reach: Reach, run: Run) -> dict[str, Any]:
    assert isinstance(run.subject, Subject)
    arn = arn_of(reach.services.edges, run.subject, run.number)
    value: dict[str, Any] = {
        "arn": arn,
        "name": arn.rpartition(":")[2],
        "type": _type(run),
        "status": states.of_execution(run.state),
        "createdAt": states.milliseconds(run.created),
        "updatedAt": states.milliseconds(run.updated),
        "timestamp": states.milliseconds(run.updated),
    }
    return value | ({"error": {"Error": run.failure.type, "Cause": str(run.failure)}} if run.failure else {})
