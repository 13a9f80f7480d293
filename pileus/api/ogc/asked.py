"""What is asked of a process: the execute request, and its inputs in all the forms that the standard has."""

import base64
import binascii
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from pileus.api.tables import KINDS
from pileus.client.local.jobs import OutputForm, Wanted
from pileus.errors import UsageError
from pileus.near import unknown
from pileus.processes import RegisteredProcess, Result
from pileus.strict_json import parse_json

JSON = "application/json"
QUALIFIERS = {"value", "mediaType", "encoding", "schema", "format"}
LINK = {"href", "rel", "type", "hreflang", "title"}
SECONDS = 25.0
"""For which a synchronous execution is waited for, at most: gateways cut an answer off after thirty."""


class Format(BaseModel):
    """A media type. What else a format says is not looked at."""

    mediaType: Annotated[str | None, Field(max_length=200, examples=["text/csv"])] = None


class Output(BaseModel):
    """How one output is wanted."""

    model_config = ConfigDict(extra="forbid")
    format: Format | None = None
    transmissionMode: Literal["value", "reference"] = "value"


class Execute(BaseModel):
    """An execute request."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "inputs": {
                        "zones": {"href": "https://example.org/places.geojson"},
                        "collection": "viirs_template",
                        "periods": ["2015-01"],
                    },
                    "outputs": {"rows": {"format": {"mediaType": "text/csv"}}},
                    "response": "raw",
                }
            ]
        },
    )
    inputs: Annotated[dict[str, Any], Field(max_length=1000, description="By name, in place or as a link.")] = {}
    outputs: Annotated[dict[str, Output] | None, Field(max_length=100, description="All if not given.")] = None
    response: Literal["raw", "document"] = "raw"

    def wanted(self, process: RegisteredProcess) -> Wanted:
        """Return how the results are wanted. Raises UsageError for an output or a media type that there is not."""
        if not self.outputs:
            return Wanted(Wanted.all_of(process).outputs, self.response)
        forms = {}
        for name, output in self.outputs.items():
            if name not in process.outputs:
                raise UsageError(f"outputs: {unknown('output', name, process.outputs)}")
            kind = media_type(output.format.mediaType if output.format else None, process.outputs[name])
            forms[name] = OutputForm(kind, output.transmissionMode == "reference")
            if self.response == "document" and not forms[name].by_reference and kind in process.outputs[name].forms:
                raise UsageError(f"outputs: {name}: {kind} does not fit into a document: ask raw, or by reference")
        return Wanted(forms, self.response)


def media_type(name: str | None, output: Result) -> str:
    """Return a media type that an output can be written as; JSON for none. Raises UsageError."""
    plain = (name or JSON).partition(";")[0].strip().lower()
    kinds = kinds_of(output)
    if plain not in kinds:
        raise UsageError(unknown("media type", plain, kinds))
    return plain


def kinds_of(output: Result) -> tuple[str, ...]:
    """Return the media types that an output can be had in."""
    return tuple(KINDS) if output.is_rows else (JSON, *output.forms)


def plain_input(value: Any) -> Any:
    """Return an input as processes take it. Raises UsageError.

    1. `{"href": ADDRESS}` is the address.
    2. `{"value": VALUE}`, with or without a media type, is the value: bytes in base64 and JSON in a text are read.
    3. A list is taken one by one. Everything else is as it is.

    >>> plain_input([{"href": "https://example.org/a.tif"}, {"value": 1, "mediaType": "text/plain"}])
    ['https://example.org/a.tif', 1]
    """
    if isinstance(value, list):
        return [plain_input(one) for one in value]
    if not isinstance(value, dict):
        return value
    if isinstance(value.get("href"), str) and set(value) <= LINK:
        return value["href"]
    if "value" not in value or not set(value) <= QUALIFIERS:
        return value
    inner, encoded = value["value"], value.get("encoding") == "base64"
    if not isinstance(inner, str) or not (encoded or "json" in str(value.get("mediaType", ""))):
        return inner
    try:
        text = base64.b64decode(inner, validate=True) if encoded else inner
        return parse_json(text)
    except (ValueError, binascii.Error) as error:
        raise UsageError(f"inputs: a value that should be JSON {error}") from error


def preferred(header: str) -> tuple[bool, float]:
    """Return whether a Prefer header asks for an asynchronous execution, and for how many seconds a synchronous one is
    waited for.

    >>> preferred("respond-async, wait=10"), preferred("wait=5"), preferred("wait=900"), preferred("")
    ((True, 10.0), (False, 5.0), (False, 25.0), (False, 25.0))
    """
    words = [word.strip().lower() for part in header.split(",") for word in part.split(";")]
    waits = [word.removeprefix("wait=") for word in words if word.startswith("wait=")]
    seconds = float(waits[0]) if waits and waits[0].isdecimal() else SECONDS
    return "respond-async" in words, min(seconds, SECONDS)
