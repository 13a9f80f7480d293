"""Granules: list, show, and have something done with them."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import AfterValidator

from pileus.api.access import allow
from pileus.api.reach import Reached
from pileus.api.roles import Role
from pileus.api.v1.documents import Name, Version
from pileus.api.v1.paging import Cursor, Limit
from pileus.api.v1.runs import told as run_told
from pileus.client.answers import Page
from pileus.client.granule_answers import GranuleAnswer, NewWork, OutcomeAnswer
from pileus.client.paging import page, read_cursor, write_cursor
from pileus.client.run_answers import RunAnswer
from pileus.granules.act import Acted
from pileus.granules.read import GranuleView
from pileus.models import State, unsafe

router = APIRouter(tags=["granules"])
READ, OPERATE = [allow(Role.read)], [allow(Role.operate)]
Id = Annotated[str, Path(max_length=1000, description="Id, percent-encoded as keys write it."), AfterValidator(unsafe)]


@router.get("/collections/{name}/granules", dependencies=READ, summary="List granules")
def list_granules(
    reach: Reached,
    name: Name,
    version: Version = None,
    state: Annotated[State | None, Query()] = None,
    begins: Annotated[str, Query(max_length=250, description="Only those whose id begins so.")] = "",
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[GranuleAnswer]:
    """Return granules in the order of their ids. With a state a page may be short, and not be the last."""
    after = read_cursor(cursor) or None
    found = reach.granules.page(name, version, state=state, begins=begins, limit=limit, after=after)
    following = write_cursor(found.after) if found.after is not None else None
    return Page(items=[told(one) for one in found.granules], next=following)


@router.get("/collections/{name}/granules/{id}", dependencies=READ, summary="Show a granule")
def show(reach: Reached, name: Name, id: Id, version: Version = None) -> GranuleAnswer:
    """Return its state, and its files where they are kept."""
    return told(reach.granules.show(name, id, version))


@router.post("/granules", dependencies=OPERATE, summary="Work on granules", status_code=HTTPStatus.CREATED)
def act(reach: Reached, asked: NewWork) -> RunAnswer:
    """Process granules again, apply a workflow, move or remove their files. Return the run that does it."""
    return run_told(reach.granules.act(asked.wanted, asked.id))


@router.get("/granules/{id}/outcomes", dependencies=READ, summary="Read what came of each granule")
def outcomes(reach: Reached, id: Id, limit: Limit = 100, cursor: Cursor = None) -> Page[OutcomeAnswer]:
    """Return what a run of work on granules came to, granule by granule. `id`: of the run."""
    return page(reach.granules.outcomes(id), lambda one: one.id, _outcome, limit=limit, cursor=cursor)


def told(one: GranuleView) -> GranuleAnswer:
    """Return what is told of a granule."""
    return GranuleAnswer.model_validate(one.to_json())


def _outcome(one: Acted) -> OutcomeAnswer:
    facts: dict[str, Any] = {name: getattr(one, name) for name in Acted.__slots__}
    return OutcomeAnswer.model_validate(facts)
