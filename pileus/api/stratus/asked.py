"""What the routes are asked."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Body, Query
from pydantic import WithJsonSchema

from pileus.errors import DocumentError, UsageError
from pileus.stratus.request import StratusRequest
from pileus.stratus.schema import request_schema
from pileus.strict_json import parse_json

EXAMPLE = {
    "input": [{"name": "tas:v0", "uri": "https://example.org/tas.nc", "domain": "d0"}],
    "domain": [{"name": "d0", "lat": {"start": -30, "end": 30}}],
    "operation": [{"name": "pileus:mean", "input": "v0", "axis": "time"}],
}


def _in_place(schema: Any, parts: Mapping[str, Any]) -> Any:
    """Return a schema with what it refers to in place: an OpenAPI document has another root."""
    if isinstance(schema, Mapping):
        if "$ref" in schema:
            return _in_place(parts[schema["$ref"].rpartition("/")[2]], parts)
        return {name: _in_place(one, parts) for name, one in schema.items() if name not in ("$defs", "$schema")}
    return [_in_place(one, parts) for one in schema] if isinstance(schema, list) else schema


WHOLE = request_schema()
REQUEST = _in_place(WHOLE, WHOLE["$defs"]) | {"examples": [EXAMPLE]}
LONG = 5000
"""Characters of a query parameter: a line of HTTP has 64 KiB, and a character may become twelve bytes of it."""
Document = Annotated[dict[str, Any], WithJsonSchema(REQUEST), Body()]
Text = Annotated[str, Query(max_length=LONG, description="The request, as JSON.", examples=['{"operation": []}'])]
Id = Annotated[str | None, Query(max_length=64, description="Of the request.", examples=["mean-2015"])]


def _list_of(name: str) -> WithJsonSchema:
    """Return the schema of a text that is a list of objects of a request as JSON."""
    items = _in_place(WHOLE["properties"][name], WHOLE["$defs"])
    return WithJsonSchema({"type": "string", "contentMediaType": "application/json", "contentSchema": items})


Operations = Annotated[str, _list_of("operation"), Query(max_length=LONG, description="A list as JSON.")]
Variables = Annotated[str | None, _list_of("input"), Query(max_length=LONG, description="Inputs: a list as JSON.")]
Domains = Annotated[str | None, _list_of("domain"), Query(max_length=LONG, description="A list as JSON.")]


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
