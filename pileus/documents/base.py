"""What all documents share: how one is read, and the messages when it is wrong."""

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from pileus.errors import DocumentError
from pileus.names import one_line
from pileus.near import near_names
from pileus.patterns import NamePattern
from pileus.strict_json import parse_json

LONGEST = 16 << 20
"""Bytes of a document."""
LONGEST_MESSAGE = 4000
"""Characters of a message about all that is wrong with a document."""
NAME = r"^[A-Za-z0-9_.-]{1,128}$"
PATH_NAME = r"^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$"
"""A name that may have slashes in it, as Cumulus allows."""


class Document(BaseModel):
    """A part of a document: immutable, and unknown keys are an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


D = TypeVar("D", bound=Document)


def _regex(pattern: str) -> str:
    try:
        NamePattern(pattern)
    except DocumentError as exc:
        raise ValueError(exc.message) from exc
    return pattern


Regex = Annotated[str, AfterValidator(_regex)]


def parse(model: type[D], text: str | bytes, source: str) -> D:
    """Read one document. Raises DocumentError with `source`, the path in the document and what was expected."""
    try:
        value = parse_json(text)
    except ValueError as exc:
        raise DocumentError(str(exc), where=source) from exc
    if isinstance(value, dict):
        value.pop("$schema", None)  # for editors
    return parse_value(model, value, source)


def parse_value(model: type[D], value: object, source: str) -> D:
    """Do as `parse`, for a value that is already JSON."""
    try:
        return _validated(model, value)
    except ValidationError as exc:
        told = [_explain(model, error) for error in exc.errors(include_url=False)]
        raise DocumentError(one_line("; ".join(told), LONGEST_MESSAGE), where=source) from exc


def violations(model: type[Document], value: object) -> list[str]:
    """Return all that is wrong with a value that is already JSON, each with its path; empty for a document."""
    try:
        _validated(model, value)
    except ValidationError as exc:
        return [one_line(_explain(model, error), LONGEST_MESSAGE) for error in exc.errors(include_url=False)]
    return []


def _validated(model: type[D], value: object) -> D:
    return model.model_validate(_without_unknown(model, value) if is_lenient(value) else value)


def is_lenient(value: object) -> bool:
    """Return whether a document says that its unknown fields are to be left alone: `meta.cumulus.lenient`, which
    `pileus import cumulus --lenient` writes.
    """
    for name in ("meta", "cumulus", "lenient"):
        value = value.get(name) if isinstance(value, dict) else None
    return value is True


def unknown_fields(model: type[Document], value: object) -> list[tuple[int | str, ...]]:
    """Return the places of all fields in a value that the model does not know."""
    try:
        model.model_validate(value)
    except ValidationError as exc:
        errors = exc.errors(include_url=False, include_input=False)
        return [error["loc"] for error in errors if error["type"] == "extra_forbidden"]
    return []


def _without_unknown(model: type[Document], value: object) -> object:
    left: Any = deepcopy(value)
    for place in unknown_fields(model, value):
        at = left
        for step in place[:-1]:
            at = at[step]
        del at[place[-1]]
    return left


def _fields(model: Any, loc: Sequence[int | str]) -> set[str]:
    """Return the names of the fields that a document may have at a place; empty where the place holds no model."""
    found = _models(model)
    if not loc:
        return {field.alias or name for part in found for name, field in part.model_fields.items()}
    first = str(loc[0])
    inner = [part.model_fields[first].annotation for part in found if first in part.model_fields]
    if not inner:  # an index of a list, a key of a mapping or a tag of a union
        return {name for part in found for name in _fields(part, loc[1:])}
    return {name for annotation in inner for name in _fields(annotation, loc[1:])}


def _models(annotation: Any) -> list[type[BaseModel]]:
    """Return the models that an annotation names, inside lists, mappings and unions too."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [part for inner in get_args(annotation) for part in _models(inner)]


def _explain(model: type[BaseModel], error: Any) -> str:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"]).lstrip(".")
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "missing":
        message = "required, and missing"
    elif error["type"] == "extra_forbidden":
        *place, name = error["loc"]
        close = near_names(str(name), _fields(model, place))
        message = f"unknown field; did you mean {' or '.join(close)}?" if close else "unknown field"
    elif isinstance(error.get("input"), str | int | float) and error["loc"][-1:] not in (("username",), ("password",)):
        message = f"{message} (got {str(error['input'])[:60]!r})" if error["type"] != "value_error" else message
    return f"{path}: {message}" if path else message


def read(model: type[D], path: Path) -> D:
    """Read a document from a file. Raises DocumentError."""
    try:
        with path.open("rb") as file:
            text = file.read(LONGEST + 1)
    except OSError as exc:
        raise DocumentError(f"cannot be read: {exc.strerror}", where=str(path)) from exc
    if len(text) > LONGEST:
        raise DocumentError(f"is longer than {LONGEST:,} bytes, the most that a document has", where=str(path))
    return parse(model, text, str(path))
