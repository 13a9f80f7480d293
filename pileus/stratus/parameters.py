"""The parameters of an operation, by the signature of its function: checked, and told as JSON Schema."""

import inspect
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NotRequired

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError
from typing_extensions import TypedDict

from pileus.errors import DocumentError, UsageError
from pileus.near import near_names

SHOWN = 60
"""Characters of a wrong value that are shown."""


class Parameters:
    """What the operations of one function may say beside inputs, result and domain."""

    def __init__(self, name: str, listed: Sequence[inspect.Parameter], scope: Mapping[str, Any]) -> None:
        self._name = name
        self._listed = {one.name: one for one in listed}
        self._scope = dict(scope)

    def checked(self, given: Mapping[str, Any], at: str) -> dict[str, Any]:
        """Return parameters by name, of the types of the signature. Those with a default that are not given are left
        out. Raises DocumentError with all that is wrong, each with its path below `at`.

        Types are strict: "3" is no number, and 3.0 no integer.
        """
        try:
            return dict(self._adapter.validate_json(json.dumps(dict(given)), strict=True))
        except ValidationError as error:
            raise DocumentError("; ".join(self._wrong(one, at) for one in error.errors()[:20])) from error

    def schema(self) -> dict[str, Any]:
        """Return JSON Schema of the object of parameters, with defaults."""
        schema = self._adapter.json_schema()
        schema.pop("title", None)
        for name, one in self._listed.items():
            found = schema.get("properties", {}).get(name, {})
            found.pop("title", None)
            if one.default is not one.empty and _is_json(one.default):
                found["default"] = one.default
        return schema

    @cached_property
    def _adapter(self) -> TypeAdapter[Any]:
        try:
            fields = {name: self._field(one) for name, one in self._listed.items()}
            kind = TypedDict("Parameters", fields)  # type: ignore[misc]  # made while it runs, of a signature
            kind.__pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False)  # type: ignore[attr-defined]
            return TypeAdapter(kind)
        except PydanticUserError as error:
            raise UsageError(
                f"its parameters cannot be checked: {error.message.splitlines()[0]}", where=self._name
            ) from error

    def _field(self, one: inspect.Parameter) -> Any:
        if one.annotation is one.empty:
            raise UsageError(f"its parameter {one.name} has no type", where=self._name)
        kind = one.annotation
        if isinstance(kind, str):
            try:
                kind = eval(kind, self._scope)  # an annotation of the module that is run anyway
            except (NameError, AttributeError, SyntaxError, TypeError) as error:
                raise UsageError(f"the type of its parameter {one.name}: {error}", where=self._name) from error
        return kind if one.default is one.empty else NotRequired[kind]

    def _wrong(self, error: Mapping[str, Any], at: str) -> str:
        path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"])
        name = str(error["loc"][0]) if error["loc"] else ""
        if error["type"] == "extra_forbidden" and len(error["loc"]) == 1:
            close = near_names(name, self._listed)
            there = ", ".join(self._listed) or "none"
            return f"{at}{path[:SHOWN]}: no parameter of {self._name}: " + (
                f"did you mean {' or '.join(close)}?" if close else f"there is {there}"
            )
        if error["type"] == "missing" and len(error["loc"]) == 1:
            return f"{at}{path}: missing: {self._name} needs it"
        value = json.dumps(error["input"], default=str)
        said = error["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
        return f"{at}{path[:SHOWN]}: expected {said}, not {value[:SHOWN]}"


def _is_json(value: object) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True
