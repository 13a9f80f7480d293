"""What the routes are asked."""

from typing import Annotated, Any

from fastapi import Body, Query
from pydantic import WithJsonSchema

from pileus.errors import DocumentError, UsageError
from pileus.stratus.request import StratusRequest
from pileus.stratus.schema import DOMAIN, INPUT, OPERATION, REQUEST
from pileus.strict_json import parse_json

Document = Annotated[dict[str, Any], WithJsonSchema(REQUEST), Body()]
Text = Annotated[str, Query(max_length=100_000, description="The request, as JSON.", examples=['{"operation": []}'])]
Id = Annotated[str | None, Query(max_length=64, description="Of the request.", examples=["mean-2015"])]


def _list_of(schema: dict[str, Any]) -> WithJsonSchema:
    """Return the schema of a text that is a list of objects as JSON."""
    items = {"type": "array", "items": schema}
    return WithJsonSchema({"type": "string", "contentMediaType": "application/json", "contentSchema": items})


LONG = 100_000
"""Characters of a query parameter."""
Operations = Annotated[str, _list_of(OPERATION), Query(max_length=LONG, description="A list as JSON.")]
Variables = Annotated[str | None, _list_of(INPUT), Query(max_length=LONG, description="Inputs: a list as JSON.")]
Domains = Annotated[str | None, _list_of(DOMAIN), Query(max_length=LONG, description="A list as JSON.")]


def request_of(text: str) -> StratusRequest:
    """Return the request in a query parameter. Raises DocumentError."""
    return StratusRequest.from_json(_parsed("request", text))


def request_of_parts(**parts: str | None) -> StratusRequest:
    """Return the request whose parts stand in query parameters. Raises DocumentError."""
    return StratusRequest.from_json({name: _parsed(name, text) for name, text in parts.items() if text is not None})


def one_id(**given: str | None) -> str:
    """Return the one id that a request is named by. Raises UsageError where there is none, or two that differ.

    >>> one_id(id=None, rid="mine", sid="mine")
    'mine'
    """
    found = {value for value in given.values() if value}
    if len(found) != 1:
        raise UsageError(f"expected one of {', '.join(given)}")
    return found.pop()


def _parsed(name: str, text: str) -> Any:
    try:
        return parse_json(text)
    except ValueError as error:
        raise DocumentError(f"{name}: {error}") from error
