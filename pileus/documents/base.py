"""What all documents share: how one is read, and what is said when it is wrong."""

import json
import re
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from pileus.errors import DocumentError

NAME = r"^[A-Za-z0-9_.-]{1,128}$"


class Document(BaseModel):
    """A part of a document: unknown keys are an error, and it does not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


D = TypeVar("D", bound=Document)


def _regex(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as exc:
        raise ValueError(f"not a regular expression: {exc}") from exc
    return pattern


Regex = Annotated[str, BeforeValidator(_regex)]


def parse(model: type[D], text: str, source: str) -> D:
    """Read one document. Raises DocumentError with `source`, the path inside it and what was expected."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as exc:
        raise DocumentError(f"not JSON: {exc.msg} at line {exc.lineno} column {exc.colno}", where=source) from exc
    if isinstance(value, dict):
        value.pop("$schema", None)  # for editors
    return parse_value(model, value, source)


def parse_value(model: type[D], value: object, source: str) -> D:
    """`parse`, for a value that is already JSON."""
    try:
        return model.model_validate(value)
    except ValidationError as exc:
        raise DocumentError("; ".join(map(_explain, exc.errors(include_url=False))), where=source) from exc


def _explain(error: Any) -> str:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"]).lstrip(".")
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "missing":
        message = "required, and missing"
    elif error["type"] == "extra_forbidden":
        message = "unknown field"
    elif isinstance(error.get("input"), str | int | float):
        message = f"{message} (got {str(error['input'])[:60]!r})" if error["type"] != "value_error" else message
    return f"{path}: {message}" if path else message


def read(model: type[D], path: Path) -> D:
    """Read a document from a file. Raises DocumentError."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as exc:
        raise DocumentError(f"cannot be read: {exc}", where=str(path)) from exc
    return parse(model, text, str(path))
