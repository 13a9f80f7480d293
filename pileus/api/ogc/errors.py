"""Exceptions as OGC API - Processes writes them, and routes that answer with them."""

from http import HTTPStatus
from typing import Any

from fastapi import Response
from fastapi.responses import JSONResponse

from pileus import errors
from pileus.api.problems import responses_of, status_of
from pileus.api.telling_route import TellingRoute
from pileus.lifecycle.partition import Failure

TYPES = "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0"
INVALID = "InvalidParameterValue"
"""Type of an exception about what was asked; the standard has no address for it."""
ASKED_WRONG = (errors.UsageError, errors.DocumentError, errors.ZonesError)
WRONG = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY)


SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": "Exception",
    "description": "An exception of OGC API - Processes: problem details (RFC 9457) as application/json.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "examples": [f"{TYPES}/no-such-job"]},
        "title": {"type": "string", "examples": ["Not Found"]},
        "status": {"type": "integer", "examples": [404]},
        "detail": {"type": "string", "examples": ["there is no job 'zonal-statistics.mine'"]},
        "where": {"type": "string", "description": "What it failed on."},
    },
}
RESPONSES = responses_of(
    (
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.CONFLICT,
        HTTPStatus.GONE,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
    ),
    "application/json",
    SCHEMA,
)


class OgcException(errors.PileusError):
    """An exception whose type the standard names."""

    def __init__(self, message: str, *, type: str, status: HTTPStatus) -> None:
        super().__init__(message)
        self.type, self.status = type, status


def no_such_process(id: str) -> OgcException:
    """Return the exception for the id of no process."""
    what = f"there is no process {id[:80]!r}: GET /processes lists them"
    return OgcException(what, type=f"{TYPES}/no-such-process", status=HTTPStatus.NOT_FOUND)


def no_such_job(message: str) -> OgcException:
    """Return the exception for the id of no job."""
    return OgcException(message, type=f"{TYPES}/no-such-job", status=HTTPStatus.NOT_FOUND)


def not_ready(state: str) -> OgcException:
    """Return the exception for the results of a job that goes on."""
    what = f"the job is {state}: it has no results yet"
    return OgcException(what, type=f"{TYPES}/result-not-ready", status=HTTPStatus.NOT_FOUND)


def dismissed(reason: str) -> OgcException:
    """Return the exception for the results of a job that was dismissed."""
    return OgcException(f"the job was dismissed: {reason}", type="urn:pileus:Dismissed", status=HTTPStatus.GONE)


def failed(failure: Failure) -> OgcException:
    """Return the exception for the results of a job that failed: its reason is its type, and decides the status."""
    kind = errors.BY_NAME.get(failure.type, errors.PileusError)
    if issubclass(kind, ASKED_WRONG):
        return OgcException(str(failure), type=INVALID, status=HTTPStatus.BAD_REQUEST)
    status = next(_STATUS[one] for one in kind.__mro__ if one in _STATUS)
    return OgcException(str(failure), type=f"urn:pileus:{failure.type}", status=status)


_STATUS: dict[type, HTTPStatus] = {
    errors.NotFound: HTTPStatus.BAD_REQUEST,
    errors.Refused: HTTPStatus.BAD_REQUEST,
    errors.RasterError: HTTPStatus.BAD_REQUEST,
    errors.ArchiveError: HTTPStatus.BAD_REQUEST,
    errors.ProviderError: HTTPStatus.BAD_GATEWAY,
    errors.PileusError: HTTPStatus.INTERNAL_SERVER_ERROR,
}
"""Status of a job's failure: 400 where other inputs would help."""


def answer(error: errors.PileusError) -> JSONResponse:
    """Return the exception of an error as JSON, which is the media type that the standard has for it."""
    if isinstance(error, OgcException):
        type_, status = error.type, error.status
    elif isinstance(error, ASKED_WRONG) and status_of(error) in (
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    ):
        type_, status = INVALID, HTTPStatus.BAD_REQUEST
    else:
        type_, status = f"urn:pileus:{type(error).__name__}", status_of(error)
    where = {"where": error.where} if error.where else {}
    body = {"type": type_, "title": status.phrase, "status": int(status), "detail": error.message, **where}
    headers = {"Retry-After": "2"} if status is HTTPStatus.SERVICE_UNAVAILABLE else None
    return JSONResponse(body, status_code=int(status), headers=headers)


class OgcRoute(TellingRoute):
    """A route that answers every error as an exception of the standard, but for those of signing in."""

    def refusal(self, status: HTTPStatus, message: str) -> Response:  # noqa: ARG002 - the standard has one for all
        """See TellingRoute."""
        return answer(errors.UsageError(message))

    def failure(self, error: errors.PileusError) -> Response:
        """See TellingRoute."""
        return answer(error)
