"""The page: its files, its data, and signing in by the address that a terminal has printed."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from pileus.api.access import ASKED, NotSignedIn, Reader, allow, cookie_of, holder_of
from pileus.api.roles import Role
from pileus.client.services import Services
from pileus.dashboard.page_files import PageFiles, compact
from pileus.dashboard.static_files import page_files, type_of
from pileus.errors import NotFound, UnsafeName
from pileus.names import FileName

router = APIRouter(prefix="/app", include_in_schema=False)
DAY = 24 * 3600
FILES = page_files()


@router.get("/sign-in")
def sign_in(request: Request, token: Annotated[str, Query(max_length=10_000)]) -> Response:
    """Set the cookie of a browser that has a token, and show the page. Raises NotSignedIn."""
    if holder_of(request, token) is None:
        raise NotSignedIn("the address is not of this server: open the one that `pileus serve` has printed last")
    answer = RedirectResponse("/app/", status_code=HTTPStatus.SEE_OTHER)
    secure = request.app.state.settings.secure
    answer.set_cookie(cookie_of(request), token, max_age=DAY, httponly=True, samesite="strict", secure=secure, path="/")
    return answer


@router.post("/sign-out", dependencies=[allow(Role.read)])
def sign_out(request: Request) -> Response:
    """Make the browser forget its token."""
    answer = Response(status_code=HTTPStatus.NO_CONTENT)
    answer.delete_cookie(cookie_of(request), path="/")
    return answer


@router.get("/live/session.json")
def session(asks: Reader) -> dict[str, Any]:
    """Return who looks at the page, and the header that its own requests carry."""
    return {"name": asks.name, "role": asks.role.name, "header": ASKED}


@router.get("/pictures/{path:path}", dependencies=[allow(Role.read)])
def picture(request: Request, path: str) -> Response:
    """Return a quicklook."""
    edges = request.app.state.reach.services.edges
    return Response(edges.store.get(edges.protected(f"pictures/{_clean(path)}")), media_type="image/png")


@router.get("/data/{path:path}", dependencies=[allow(Role.read)])
def data(request: Request, path: str) -> Response:
    """Return a file of the page's data."""
    files: PageFiles = request.app.state.page
    return Response(compact(files.get(f"data/{_clean(path)}")), media_type="application/json")


@router.get("/{name:path}")
def file(name: str) -> Response:
    """Return a file of the page itself, which holds nothing of the stack: anybody may read it."""
    found = FILES.get(name or "index.html")
    if found is None:
        raise NotFound("there is no such file", where=name)
    return Response(found, media_type=type_of(name or "index.html"))


def files_of(services: Services) -> PageFiles:
    """Return the page's data of a stack."""
    return PageFiles(services.edges, live=True, pictures="pictures/")


def _clean(path: str) -> str:
    """Return a path of plain names. Raises NotFound for any other."""
    try:
        return "/".join(map(FileName, path.split("/")))
    except UnsafeName as error:
        raise NotFound("there is no such file", where=path) from error
