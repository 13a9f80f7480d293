"""Errors as Cumulus tells them: `{statusCode, error, message}`. Those of signing in stay as everywhere."""

from http import HTTPStatus
from typing import Any

from fastapi import Response
from fastapi.responses import JSONResponse

from pileus.api.problems import responses_of, status_of
from pileus.api.telling_route import TellingRoute
from pileus.errors import PileusError

SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": "CumulusError",
    "description": "An error as Cumulus's API tells it.",
    "required": ["statusCode", "error", "message"],
    "properties": {
        "statusCode": {"type": "integer", "examples": [404]},
        "error": {"type": "string", "examples": ["Not Found"]},
        "message": {"type": "string", "examples": ["there is no such granule"]},
    },
}
RESPONSES = responses_of(
    (
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.CONFLICT,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
    ),
    "application/json",
    SCHEMA,
)


def answer(status: HTTPStatus, message: str) -> JSONResponse:
    """Return an error. What Pileus finds in a document is a bad request there. Half of a surrogate pair, which a body
    may have, is told by its number.
    """
    if status is HTTPStatus.UNPROCESSABLE_ENTITY:
        status = HTTPStatus.BAD_REQUEST
    headers = {"Retry-After": "2"} if status is HTTPStatus.SERVICE_UNAVAILABLE else None
    told = message.encode("utf-8", "backslashreplace").decode()
    body = {"statusCode": int(status), "error": status.phrase, "message": told}
    return JSONResponse(body, status_code=int(status), headers=headers)


class CumulusRoute(TellingRoute):
    """A route that answers every error in Cumulus's shape, but for those of signing in."""

    def refusal(self, status: HTTPStatus, message: str) -> Response:
        """See TellingRoute."""
        return answer(status, message)

    def failure(self, error: PileusError) -> Response:
        """See TellingRoute."""
        where = f"{error.where}: " if error.where else ""
        return answer(status_of(error), f"{where}{error.message}")
