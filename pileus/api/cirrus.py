"""The routes of Cirrus's read API under /cirrus: the same addresses and fields, with nextkey given back."""

import re
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request

from pileus.api.access import allow
from pileus.api.reach import Reached
from pileus.api.roles import Role
from pileus.errors import UsageError
from pileus.runs.payload_state import Group, Sorting

router = APIRouter(prefix="/cirrus", tags=["cirrus"], dependencies=[allow(Role.read)])
LARGEST_PAGE, MOST_COUNTED = 1000, 100_000
_SINCE = re.compile(r"(\d{1,9})([dhm])")
_UNITS = {"d": "days", "h": "hours", "m": "minutes"}
_GROUP = re.compile(r"((?:(?!/workflow-).)+)/workflow-([^/]+)(/items)?/?")
Since = Annotated[str | None, Query(max_length=20, description="7d, 24h or 30m: changed since then.", examples=["7d"])]


def _seconds(since: Since = None) -> float | None:
    """Return the seconds that `since` goes back."""
    if since is None:
        return None
    found = _SINCE.fullmatch(since)
    if not found:
        raise UsageError(f"since: expected a number and d, h or m, such as 7d, not {since!r}")
    return min(timedelta(**{_UNITS[found[2]]: int(found[1])}).total_seconds(), 1e9)


Back = Annotated[float | None, Depends(_seconds)]


@router.get("/", summary="Where to begin, as Cirrus does")
def root(request: Request, reach: Reached) -> dict[str, Any]:
    """Return a link to each pair of collections and workflow that has payloads."""
    at, name = f"{str(request.base_url).rstrip('/')}/cirrus", reach.services.stack.stack
    links = [_link(f"{at}/", "home", "self")]
    for group in reach.payloads.groups():
        title = f"{group.collections} - {group.workflow}"
        links.append(_link(f"{at}/{group.collections}/workflow-{group.workflow}", title, "child"))
    links.append(_link(f"{str(request.base_url).rstrip('/')}/stac", "STAC", "stac"))
    return {"id": f"{name}-state-api", "description": f"{name} State API", "links": links}


@router.get("/stats", summary="Count changes, as Cirrus does")
def stats(reach: Reached) -> dict[str, Any]:
    """Return how payloads have changed: counts a day, an hour and in the last hours, by state and by workflow."""
    return reach.payloads.stats()


@router.get("/{place:path}", summary="Look at payloads, as Cirrus does")
def look(
    reach: Reached,
    place: Annotated[
        str,
        Path(
            max_length=2000,
            description="COLLECTIONS/workflow-NAME: counts; with /items: a page; with ids of items: one payload.",
            examples=["viirs/workflow-publish/items"],
        ),
    ],
    back: Back,
    state: Annotated[str | None, Query(max_length=20, examples=["FAILED"])] = None,
    limit: Annotated[int | None, Query(ge=1, le=MOST_COUNTED, description="A page has 1000 at most.")] = None,
    nextkey: Annotated[str | None, Query(max_length=3000, description="As the page before told it.")] = None,
    sort_ascending: bool = False,
    sort_index: Sorting = "updated",
) -> dict[str, Any]:
    """Return counts by state, a page of payloads, or one payload."""
    found = _GROUP.fullmatch(place)
    if not found:
        if "/workflow-" not in place:
            raise UsageError("expected COLLECTIONS/workflow-NAME, and what of it", where=place[:200])
        return reach.payloads.item(place)
    group = Group(found[1], found[2])
    if not found[3]:
        return reach.payloads.summary(group, back=back, limit=limit or 10_000)
    return reach.payloads.page(
        group,
        state=state,
        back=back,
        sorting=sort_index,
        ascending=sort_ascending,
        limit=min(limit or LARGEST_PAGE, LARGEST_PAGE),
        nextkey=nextkey,
    )


def _link(href: str, title: str, rel: str) -> dict[str, str]:
    return {"title": title, "rel": rel, "type": "application/json", "href": href}
