"""Asynchronous operations as Cumulus's API has them: each is a run of the workflow that works on granules."""

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Path

from pileus.api.access import allow
from pileus.api.cumulus import states
from pileus.api.cumulus.asked import Asked, Row, Table, asked_of
from pileus.api.cumulus.errors import RESPONSES, CumulusRoute
from pileus.api.cumulus.lists import listed
from pileus.api.reach import Reach, Reached
from pileus.api.roles import Role
from pileus.errors import NotFound
from pileus.granules.bulk import WORKFLOW
from pileus.models import State
from pileus.runs import Run
from pileus.subject import Execution

router = APIRouter(tags=["cumulus"], route_class=CumulusRoute, responses=RESPONSES)
READ = [allow(Role.read)]
TYPES = {
    "apply-workflow": "Bulk Granules",
    "reingest": "Bulk Granule Reingest",
    "remove": "Bulk Granule Delete",
    "move": "Move Granule",
}
"""Cumulus's type of an operation, by what is done; that of a move is ours, for Cumulus moves while one waits."""
KNOWN = frozenset({"id", "status", "createdAt", "updatedAt"})
TABLE = Table("asyncOperation", "id", KNOWN | {"operationType", "description"}, KNOWN)
PARALLEL = 16
"""Input documents that are read at once."""


@router.get("/asyncOperations", dependencies=READ, summary="List asynchronous operations, as Cumulus does")
def operations(reach: Reached, asked: Annotated[Asked, asked_of(TABLE)]) -> dict[str, Any]:
    """Return `{meta, results}` of the work on granules by its ids, the last first; without its output."""
    return listed(asked, reach.services.stack.stack, TABLE, _all(reach), partial(_read, reach))


@router.get("/asyncOperations/{id}", dependencies=READ, summary="Show an asynchronous operation, as Cumulus does")
def operation(reach: Reached, id: Annotated[str, Path(max_length=200)]) -> dict[str, Any]:
    """Return it with its output, which is JSON as text."""
    run = reach.runs.show(f"{Execution.kind}:{WORKFLOW}/{id}")
    value = _told(reach, _known(run))
    if run.failure:
        value["output"] = json.dumps({"error": str(run.failure)})
    return value | ({"output": json.dumps(reach.runs.result(run.key))} if run.state is State.succeeded else {})


def _all(reach: Reach) -> Iterator[Row]:
    return map(_known, reach.runs.all(f"{Execution.kind}:{WORKFLOW}"))


def _known(run: Run) -> Row:
    return {
        "id": run.key.partition("/")[2],
        "status": states.OPERATION[states.of_execution(run.state)],
        "createdAt": states.milliseconds(run.created),
        "updatedAt": states.milliseconds(run.updated),
    }


def _read(reach: Reach, rows: Iterable[Row]) -> list[Row]:
    with ThreadPoolExecutor(PARALLEL) as pool:
        return [*pool.map(partial(_told, reach), rows)]


def _told(reach: Reach, known: Row) -> dict[str, Any]:
    """Return an operation with what its input document says that it does; nothing where that is gone."""
    try:
        config = reach.runs.input(f"{Execution.kind}:{WORKFLOW}/{known['id']}").get("config", {})
    except NotFound:
        return dict(known)
    action = str(config.get("action"))
    about = f"{action} of granules of {config.get('collection')}___{config.get('version')}"
    return {**known, "operationType": TYPES.get(action, action), "description": about}
