"""Executions and asynchronous operations as Cumulus's API has them: both are runs of workflows."""

import json
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Path

from pileus.api.access import allow
from pileus.api.cumulus import states
from pileus.api.cumulus.errors import RESPONSES, CumulusRoute
from pileus.api.cumulus.lists import Listing, listed
from pileus.api.reach import Reach, Reached
from pileus.api.roles import Role
from pileus.errors import NotFound, UsageError
from pileus.granules.bulk import WORKFLOW as BULK
from pileus.models import State
from pileus.runs import Run
from pileus.runs.executions import arn_of, run_of_arn
from pileus.subject import Execution

router = APIRouter(tags=["cumulus"], route_class=CumulusRoute, responses=RESPONSES)
READ = [allow(Role.read)]
OPERATIONS = {"remove": "Bulk Granule Delete", "reingest": "Bulk Granule Reingest"}
"""Type of an asynchronous operation, by how ids begin that Pileus gives itself; any other is Bulk Granules."""


@router.get("/executions", dependencies=READ, summary="List executions, as Cumulus does")
def executions(reach: Reached, asked: Listing) -> dict[str, Any]:
    """Return `{meta, results}` of the executions of one workflow, newest first: `type` must name it."""
    workflow = asked.equals.get("type")
    if not workflow:
        raise UsageError("type: expected the name of a workflow: executions are listed by workflow")
    rows = (_execution(reach, run) for run in _runs(reach, workflow))
    return listed(asked, reach.services.stack.stack, "execution", rows, "name")


@router.get("/executions/{arn}", dependencies=READ, summary="Show an execution, as Cumulus does")
def execution(reach: Reached, arn: Annotated[str, Path(max_length=500)]) -> dict[str, Any]:
    """Return the execution of a run, with what it has put out as `finalPayload`."""
    found = run_of_arn(reach.services.edges, arn)
    run = reach.runs.show(found[0].key) if found and isinstance(found[0], Execution) else None
    if found is None or run is None or run.number != found[1]:
        raise NotFound("there is no such execution, or its run has had another since", where=arn[:200])
    value = _execution(reach, run)
    return value | ({"finalPayload": reach.runs.result(run.key)} if run.state is State.succeeded else {})


@router.get("/asyncOperations", dependencies=READ, summary="List asynchronous operations, as Cumulus does")
def operations(reach: Reached, asked: Listing) -> dict[str, Any]:
    """Return `{meta, results}` of the work on many granules, newest first, without its output."""
    rows = map(_operation, _runs(reach, BULK))
    return listed(asked, reach.services.stack.stack, "asyncOperation", rows, "id")


@router.get("/asyncOperations/{id}", dependencies=READ, summary="Show an asynchronous operation, as Cumulus does")
def operation(reach: Reached, id: Annotated[str, Path(max_length=200)]) -> dict[str, Any]:
    """Return it with its output, which is JSON as text."""
    run = reach.runs.show(f"{Execution.kind}:{BULK}/{id}")
    value = _operation(run)
    if run.state is State.succeeded:
        value["output"] = json.dumps(reach.runs.result(run.key))
    return value


def _runs(reach: Reach, workflow: str) -> Iterator[Run]:
    return reach.runs.all(f"{Execution.kind}:{workflow}")


def _execution(reach: Reach, run: Run) -> dict[str, Any]:
    assert isinstance(run.subject, Execution)
    arn = arn_of(reach.services.edges, run.subject, run.number)
    value: dict[str, Any] = {
        "arn": arn,
        "name": arn.rpartition(":")[2],
        "type": run.subject.name,
        "status": states.of_execution(run.state),
        "createdAt": states.milliseconds(run.created),
        "updatedAt": states.milliseconds(run.updated),
        "timestamp": states.milliseconds(run.updated),
    }
    if run.failure:
        value["error"] = {"Error": run.failure.type, "Cause": str(run.failure)}
    return value


def _operation(run: Run) -> dict[str, Any]:
    assert isinstance(run.subject, Execution)
    value: dict[str, Any] = {
        "id": run.subject.id,
        "status": states.OPERATION[states.of_execution(run.state)],
        "operationType": OPERATIONS.get(run.subject.id.partition("-")[0], "Bulk Granules"),
        "description": f"Work on granules, by the workflow {BULK}",
        "createdAt": states.milliseconds(run.created),
        "updatedAt": states.milliseconds(run.updated),
    }
    return value | ({"output": str(run.failure)} if run.failure else {})
