"""Errors as problem details (RFC 9457): one table from error to status, and one answer for each."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from pileus import errors
from pileus.api.access import Forbidden, NotSignedIn, TooMany

STATUS: dict[type[errors.PileusError], HTTPStatus] = {
    NotSignedIn: HTTPStatus.UNAUTHORIZED,
    Forbidden: HTTPStatus.FORBIDDEN,
    TooMany: HTTPStatus.TOO_MANY_REQUESTS,
    errors.Unknown: HTTPStatus.NOT_FOUND,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.NotNow: HTTPStatus.CONFLICT,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.OperationFailed: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.DocumentError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.ZonesError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.UsageError: HTTPStatus.BAD_REQUEST,
    errors.ProviderError: HTTPStatus.BAD_GATEWAY,
    errors.StoreError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.PileusError: HTTPStatus.INTERNAL_SERVER_ERROR,
}
KIND = "application/problem+json"


SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "Problem details, RFC 9457.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "examples": ["urn:pileus:Unknown"]},
        "title": {"type": "string", "examples": ["Not Found"]},
        "status": {"type": "integer", "examples": [404]},
        "detail": {"type": "string", "examples": ["there is no backfill 'viirs-2015': `pileus backfills` lists them"]},
        "where": {"type": "string", "description": "What it failed on."},
        "errors": {"type": "array", "items": {"type": "object"}, "description": "Of a body or a query: each mistake."},
    },
}
Responses = dict[int | str, dict[str, Any]]


def responses_of(statuses: Iterable[HTTPStatus], kind: str, schema: Mapping[str, Any]) -> Responses:
    """Return what an operation may answer beside its result, for the OpenAPI document."""
    content = {kind: {"schema": schema}}
    return {int(status): {"description": status.phrase, "content": content} for status in statuses}


RESPONSES = responses_of(
    sorted({*STATUS.values(), HTTPStatus.REQUEST_ENTITY_TOO_LARGE} - {HTTPStatus.INTERNAL_SERVER_ERROR}), KIND, SCHEMA
)


def status_of(error: errors.PileusError) -> HTTPStatus:
    """Return the status of an error: that of its nearest class."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def problem(status: HTTPStatus, type_: str, detail: str, **more: Any) -> JSONResponse:
    """Return the answer. `type_`: name of the error, which becomes the problem's type."""
    headers = more.pop("headers", None)
    body = {"type": f"urn:pileus:{type_}", "title": status.phrase, "status": int(status), "detail": detail, **more}
    return JSONResponse(body, status_code=int(status), headers=headers, media_type=KIND)


def told(error: errors.PileusError) -> JSONResponse:
    """Return the answer for an error."""
    status, headers = status_of(error), {}
    if isinstance(error, TooMany):
        headers["Retry-After"] = str(max(1, round(error.wait)))
    elif isinstance(error, NotSignedIn):
        headers["WWW-Authenticate"] = 'Bearer realm="pileus"'
    elif status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = "2"
    where = {"where": error.where} if error.where else {}
    return problem(status, type(error).__name__, error.message, headers=headers, **where)


def install(app: FastAPI) -> None:
    """Answer every error of the app as a problem."""

    @app.exception_handler(errors.PileusError)
    async def ours(request: Request, error: errors.PileusError) -> JSONResponse:
        del request
        return told(error)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        del request
        found = [{"at": "/".join(map(str, one["loc"])), "message": one["msg"]} for one in error.errors()]
        first = f"{found[0]['at']}: {found[0]['message']}" if found else "the request is not valid"
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid", first, errors=found)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        del request
        status = HTTPStatus(error.status_code)
        kind = "TooLong" if status is HTTPStatus.REQUEST_ENTITY_TOO_LARGE else status.phrase.replace(" ", "")
        return problem(status, kind, str(error.detail), headers=error.headers)
